"""The catalogue of open data as DCAT-AP 3 in JSON-LD: a dataset for each published poll.

Terms: W3C DCAT 3 and SEMIC DCAT-AP 3.0. Frequencies, file types, languages, themes and access rights are those of the
EU Vocabularies, which harvesters look for. Pages of a long catalogue follow one another as Hydra's partial views.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from polls.definition import Text
from results.open_data import PublishedPoll

EU = "http://publications.europa.eu/resource/authority/"
THEMES: Mapping[str, str] = {
    "parks": "ENVI", "ecology": "ENVI", "transport": "TRAN", "streets": "TRAN", "housing": "REGI", "culture": "EDUC",
    "education": "EDUC", "sport": "EDUC", "health": "HEAL", "social": "SOCI", "safety": "JUST", "digital": "TECH",
    "budget": "ECON",
}  # fmt: skip
"""The EU data theme nearest to a topic; every poll is of government besides."""
GOVERNMENT = "GOVE"
CONTEXT: Mapping[str, Any] = {
    "dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/", "foaf": "http://xmlns.com/foaf/0.1/",
    "skos": "http://www.w3.org/2004/02/skos/core#", "xsd": "http://www.w3.org/2001/XMLSchema#",
    "hydra": "http://www.w3.org/ns/hydra/core#", "dcatap": "http://data.europa.eu/r5r/",
    "adms": "http://www.w3.org/ns/adms#",
}  # fmt: skip


@dataclass(frozen=True)
class Format:
    """One file of a poll: the last part of its address, its EU file type and media type, its title."""

    name: str
    file_type: str
    media_type: str
    title: Text
    answers: bool = False
    """Only where single answers are published."""


FORMATS: Sequence[Format] = (
    Format("results.csv", "CSV", "text/csv", Text(ru="Результаты, CSV", en="Results, CSV")),
    Format("results_wide.csv", "CSV", "text/csv", Text(ru="Результаты, широкая таблица", en="Results, wide table")),
    Format("results.xlsx", "XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
           Text(ru="Результаты, XLSX", en="Results, XLSX")),
    Format("results.parquet", "PARQUET", "application/vnd.apache.parquet",
           Text(ru="Результаты, Parquet", en="Results, Parquet")),
    Format("results.json", "JSON", "application/json", Text(ru="Результаты, JSON", en="Results, JSON")),
    Format("turnout.csv", "CSV", "text/csv", Text(ru="Явка, CSV", en="Turnout, CSV")),
    Format("details.csv", "CSV", "text/csv", Text(ru="Подробности подсчёта, CSV", en="Details of the count, CSV")),
    Format("hours.csv", "CSV", "text/csv", Text(ru="Голоса по часам, CSV", en="Votes by hour, CSV"), answers=True),
    Format("answers.csv", "CSV", "text/csv", Text(ru="Ответы, CSV", en="Answers, CSV"), answers=True),
    Format("answers.parquet", "PARQUET", "application/vnd.apache.parquet",
           Text(ru="Ответы, Parquet", en="Answers, Parquet"), answers=True),
    Format("codebook.json", "JSON", "application/json", Text(ru="Описание столбцов", en="Codebook")),
)  # fmt: skip
"""What a poll may be taken away as; a catalogue names those that the service has an address for."""


@dataclass(frozen=True)
class Site:
    """Who publishes, and where: `base` without a slash at its end."""

    base: str
    name: Text
    licence: str
    place: str = ""

    def address(self, path: str) -> str:
        """An absolute address."""
        return f"{self.base}{path}"


def poll_files(poll: PublishedPoll, formats: Iterable[Format]) -> list[Format]:
    """The files of one poll."""
    return [one for one in formats if poll.answers or not one.answers]


def file_address(poll: PublishedPoll, one: Format) -> str:
    """Where a file of a poll is, as a path."""
    return f"/api/v1/polls/{quote(poll.slug)}/{one.name}"


def catalogue(
    site: Site, polls: Sequence[PublishedPoll], formats: Sequence[Format], *, page: int, pages: int, total: int,
    modified: datetime | None,
) -> dict[str, Any]:  # fmt: skip
    """One page of the catalogue, from 1."""
    here = site.address("/open-data/catalog.jsonld")
    view: dict[str, Any] = {
        "@id": f"{here}?page={page}", "@type": "hydra:PartialCollectionView",
        "hydra:first": {"@id": f"{here}?page=1"}, "hydra:last": {"@id": f"{here}?page={pages}"},
    }  # fmt: skip
    if page > 1:
        view["hydra:previous"] = {"@id": f"{here}?page={page - 1}"}
    if page < pages:
        view["hydra:next"] = {"@id": f"{here}?page={page + 1}"}
    described: dict[str, Any] = {
        "@context": CONTEXT, "@id": here, "@type": ["dcat:Catalog", "hydra:Collection"],
        "dct:title": _both(Text(ru=f"{site.name.ru}: голосования", en=f"{site.name.en}: polls")),
        "dct:description": _both(Text(
            ru="Результаты всех подсчитанных голосований города: явка, голоса, шаги подсчёта.",
            en="Results of all counted polls of the city: turnout, votes, steps of the count.",
        )),
        "dct:publisher": _publisher(site), "dct:language": _languages(), "foaf:homepage": {"@id": site.address("/")},
        "dct:license": {"@id": site.licence},
        "dcat:themeTaxonomy": {"@id": EU + "data-theme"},
        "hydra:totalItems": total, "hydra:view": view,
        "dcat:dataset": [dataset(site, poll, formats) for poll in polls],
    }  # fmt: skip
    if modified is not None:
        described["dct:modified"] = _moment(modified)
    return described


def dataset(site: Site, poll: PublishedPoll, formats: Sequence[Format]) -> dict[str, Any]:
    """One poll."""
    page = site.address(f"/polls/{quote(poll.slug)}/results")
    described: dict[str, Any] = {
        "@id": f"{page}#dataset", "@type": "dcat:Dataset", "dct:identifier": poll.public_id,
        "dct:title": _both(poll.title), "dct:description": _both(_description(poll)),
        "dct:issued": _moment(poll.issued_at), "dct:modified": _moment(poll.modified_at),
        "dcat:version": str(poll.version), "dct:publisher": _publisher(site), "dcat:landingPage": {"@id": page},
        "dct:language": _languages(), "dct:accessRights": {"@id": EU + "access-right/PUBLIC"},
        "dct:accrualPeriodicity": {"@id": EU + "frequency/NEVER"},
        "dct:temporal": {"@type": "dct:PeriodOfTime", "dcat:startDate": _moment(poll.opens_at),
                         "dcat:endDate": _moment(poll.closes_at)},
        "dcat:theme": [{"@id": f"{EU}data-theme/{theme}"} for theme in _themes(poll.topic)],
        "dcat:keyword": [poll.topic],
        "dcat:distribution": [_distribution(site, poll, one) for one in poll_files(poll, formats)],
    }  # fmt: skip
    if poll.place is not None:
        described["dct:spatial"] = {
            "@type": "dct:Location", "dct:identifier": poll.place_code, "skos:prefLabel": _both(poll.place),
        }  # fmt: skip
    return described


def _distribution(site: Site, poll: PublishedPoll, one: Format) -> dict[str, Any]:
    address = site.address(file_address(poll, one))
    return {
        "@id": address, "@type": "dcat:Distribution", "dct:title": _both(one.title),
        "dcat:accessURL": {"@id": address}, "dcat:downloadURL": {"@id": address},
        "dcat:mediaType": {"@id": f"https://www.iana.org/assignments/media-types/{one.media_type}"},
        "dct:format": {"@id": f"{EU}file-type/{one.file_type}"}, "dct:license": {"@id": site.licence},
        "dct:modified": _moment(poll.modified_at),
        "dcatap:availability": {"@id": EU + "planned-availability/STABLE"},
    }  # fmt: skip


def _description(poll: PublishedPoll) -> Text:
    return Text(
        ru=poll.summary.ru or f"Результаты голосования «{poll.title.ru or poll.title.en}».",
        en=poll.summary.en or f"Results of the poll “{poll.title.en or poll.title.ru}”.",
    )


def _themes(topic: str) -> list[str]:
    return [GOVERNMENT, *([THEMES[topic]] if topic in THEMES else [])]


def _publisher(site: Site) -> dict[str, Any]:
    return {"@id": site.address("/#publisher"), "@type": "foaf:Agent", "foaf:name": _both(site.name)}


def _languages() -> list[dict[str, str]]:
    return [{"@id": EU + "language/RUS"}, {"@id": EU + "language/ENG"}]


def _both(words: Text) -> list[dict[str, str]]:
    """A text in the languages it has."""
    found = [("ru", words.ru), ("en", words.en)]
    return [{"@value": text, "@language": language} for language, text in found if text]


def _moment(at: datetime) -> dict[str, str]:
    return {"@value": at.isoformat(), "@type": "xsd:dateTime"}

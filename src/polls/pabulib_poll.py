"""The poll a Pabulib file becomes: its texts, its one budget question, its territories and codes. Pure.

Names of projects stand as the city wrote them, in both languages alike: nobody has translated them. What the file says
beyond what a poll holds (its dates, its edition, its rule by name) goes into the description.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime

from polls.definition import MAX_OPTIONS, Budget, BudgetRule, Definition, Dimension, Option, ReceiptKind, Source, Text
from polls.errors import BadFile
from polls.pabulib import Instance, Project
from polls.pabulib.counting import METHODS
from polls.register import TerritoryRow

QUESTION = 1
PREFIX = "pabulib"
NO_CURRENCY = "XXX"  # ISO 4217: no currency
NOT_DECOMPOSED = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "đ": "d", "ß": "ss", "ı": "i", "æ": "ae", "œ": "oe"})
CYRILLIC = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        "a b v g d e yo zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya".replace("_", "").split(" "),
        strict=True,
    )
)
HIDDEN = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def ascii_slug(name: str, longest: int = 40) -> str:
    """Small Latin letters, digits and hyphens out of any name: ``"Łódź"`` → ``"lodz"``; ``"x"`` if none is left."""
    letters = "".join(CYRILLIC.get(ch, ch) for ch in name.translate(NOT_DECOMPOSED).lower())
    plain = unicodedata.normalize("NFKD", letters).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:longest].strip("-") or "x"


def slug_of(instance: Instance, poll_id: str) -> str:
    """The poll's address: city, district, edition, and a few digits that tell two files of one budget apart."""
    parts = [_meta(instance, key) for key in ("unit", "subunit", "instance")]
    return f"{ascii_slug(' '.join(filter(None, parts)), 50)}-{poll_id[:6]}"


def register_code_of(poll_id: str) -> str:
    """The code of the register that holds this file's voters and nobody else."""
    return f"{PREFIX}-{poll_id[:16]}"


def territories_of(instance: Instance) -> tuple[list[TerritoryRow], Mapping[str, str]]:
    """The file's city and districts as rows to load (the city first), and district name → code.

    A file of one district has that district last. Voters' districts are taken where a cell names exactly one: some
    files list several there, which are then the districts of the projects rather than the voter's.
    """
    country, unit = _meta(instance, "country") or "unknown", _meta(instance, "unit") or "unknown"
    city = f"{PREFIX}-{ascii_slug(country)}-{ascii_slug(unit)}"
    rows = {city: TerritoryRow(city, "city", "", unit, unit)}
    codes: dict[str, str] = {}
    own = _meta(instance, "district")
    named = {own} if own else {ballot.extra.get("district", "").strip() for ballot in instance.ballots}
    for name in sorted(named):
        if not name or "," in name:
            continue
        codes[name] = f"{city}-{ascii_slug(name)}"
        rows.setdefault(codes[name], TerritoryRow(codes[name], "district", city, name, name))
    return list(rows.values()), codes


def definition_of(
    instance: Instance, poll_id: str, *, register_code: str, territory: str, opens_at: datetime, closes_at: datetime,
    zone: str,
) -> tuple[Definition, bool]:  # fmt: skip
    """The document of the poll, and whether the file's bounds of a ballot are kept.

    Real ballots may lie outside the bounds their file declares, and were counted all the same: then the poll has none.
    Raises BadFile for more projects than a question can have, and for a missing threshold.
    """
    if len(instance.projects) > MAX_OPTIONS:
        raise BadFile(line=None, field="PROJECTS", reason=f"there are more than {MAX_OPTIONS} projects")
    least, most, kept = _bounds(instance)
    currency = _meta(instance, "currency")
    question = Budget(
        id=QUESTION,
        text=Text(ru="Какие проекты поддержать?", en="Which projects should be funded?"),
        required=all(ballot.projects for ballot in instance.ballots),
        currency=currency if re.fullmatch(r"[A-Z]{3}", currency) else NO_CURRENCY,
        min_choices=least,
        max_choices=most,
        options=tuple(_option(number, project) for number, project in enumerate(instance.projects, start=1)),
        rule=BudgetRule(method=METHODS[instance.rule], budget=instance.budget, min_score=_threshold(instance)),
    )
    title = clean(_meta(instance, "description") or _meta(instance, "unit") or "Participatory budget")
    name = f"{title}, {_meta(instance, 'instance')}".rstrip(", ")
    return Definition(
        poll_id=poll_id,
        title=Text(ru=name, en=name),
        summary=Text(
            ru=f"Бюджет инициатив: {len(instance.projects)} проектов, настоящие бюллетени из открытых данных.",
            en=f"A participatory budget: {len(instance.projects)} projects, ballots from open data.",
        ),
        description=Text(ru="\n\n".join(_about(instance, "ru")), en="\n\n".join(_about(instance, "en"))),
        topic="budget",
        territory=territory,
        register_code=register_code,
        sources=(Source(title=Text(ru="Pabulib: данные бюджетов", en="Pabulib: budget data"), url="https://pabulib.org"),),
        questions=(question,),
        strata=_strata(instance),
        opens_at=opens_at,
        closes_at=closes_at,
        time_zone=zone,
        receipt=ReceiptKind.ACCEPTANCE_ONLY,  # nobody is there to take a receipt
        roll_known=False,
    ), kept  # fmt: skip


def clean(text: str) -> str:
    """The text without what a document refuses: control characters and invisible direction marks."""
    kept = "".join(" " if unicodedata.category(ch) in ("Cc", "Cs") else ch for ch in text if ch not in HIDDEN)
    return " ".join(kept.split())


def _meta(instance: Instance, key: str) -> str:
    return clean(instance.meta.get(key, ""))


def _bounds(instance: Instance) -> tuple[int, int | None, bool]:
    """The least and the most projects of a ballot, and whether every ballot keeps to what the file declares."""
    declared = instance.number("min_length") or 1, instance.number("max_length")
    least, most = (1, 1) if instance.vote_type == "choose-1" else declared
    sizes = [len(ballot.projects) for ballot in instance.ballots if ballot.projects]
    kept = all(size >= least and (most is None or size <= most) for size in sizes)
    if not kept or not 1 <= least <= MAX_OPTIONS or (most is not None and not least <= most <= MAX_OPTIONS):
        return 1, None, kept
    return least, most, kept


def _threshold(instance: Instance) -> int:
    """The least number of votes of a `greedy-threshold` file. Raises BadFile when it has none."""
    if instance.rule != "greedy-threshold":
        return 0
    least = instance.number("min_project_score_threshold")
    if least is None:
        raise BadFile(
            line=None, field="META min_project_score_threshold", reason="it is missing, and the rule needs it"
        )
    return least


def _option(number: int, project: Project) -> Option:
    name = clean(project.name) or f"№ {project.id}"
    category = clean(project.extra.get("category", "")).replace(",", ", ")
    about = Text(ru=f"Категория: {category}", en=f"Category: {category}") if category else Text()
    return Option(
        id=number, text=Text(ru=name, en=name), description=about, cost=project.cost, reference=clean(project.id)
    )


def _strata(instance: Instance) -> tuple[Dimension, ...]:
    """What the file knows of its voters: districts where there are several, ages, sexes."""

    def known(column: str) -> bool:
        return any(ballot.extra.get(column, "").strip() for ballot in instance.ballots)

    found = []
    if not _meta(instance, "district") and known("district"):
        found.append(Dimension.DISTRICT)
    if known("age"):
        found.append(Dimension.AGE_BAND)
    if known("sex"):
        found.append(Dimension.SEX)
    return tuple(found)


def _about(instance: Instance, language: str) -> Iterator[str]:
    """The paragraphs of the description."""
    russian = language == "ru"
    begin, end = _meta(instance, "date_begin"), _meta(instance, "date_end")
    if begin or end:
        dates = " – ".join(filter(None, (begin, end)))
        yield f"Город голосовал: {dates}." if russian else f"The city voted: {dates}."
    yield (
        "Голосование внесено из файла открытых данных и подсчитано заново по настоящим бюллетеням. "
        "Время открытия и закрытия на этой странице — время внесения. Сколько жителей имели право голоса, неизвестно, "
        "поэтому явка не показана."
        if russian
        else "The poll was imported from an open data file and counted again from the real ballots. The opening and "
        "closing times on this page are those of the import. How many residents were entitled is not known, so no "
        "turnout is shown."
    )
    yield f"Правило подсчёта в файле: {instance.rule}." if russian else f"The file's counting rule: {instance.rule}."
    if comment := _meta(instance, "comment"):
        yield (f"Примечание источника: {comment}" if russian else f"The source's note: {comment}")[:5_000]

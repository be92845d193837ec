"""Protocols and reports laid out: what their templates need, for a page and for a PDF alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from litestar import Request

from polls.catalogue import SealedPoll
from polls.definition import AnyQuestion, Definition, read_definition
from polls.register import buildings_named, territory_tree
from polls.sessions import ReadSession
from polls.tally.house import HouseResult
from polls.tally.outcome import Outcome
from polls.tally.quorum import check_quorum
from results.anomaly_words import LACKS, VERDICTS, WHAT_IT_IS, WORDS
from results.explained import explain
from results.figures import poll_figures
from results.protocol import Certified, protocols_of
from voting.settings import Settings
from voting.web import i18n
from voting.web.crossing import shown_cross_tabs
from voting.web.rendering import environment
from voting.web.standing import register_names

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True)
class Asked:
    """One question of a protocol with its outcome, as the protocol has both."""

    question: AnyQuestion
    outcome: Outcome
    houses: Sequence[HouseResult]
    shown: int
    entitled: int | None
    withheld: int
    tree: Mapping[str, Any]


async def protocol_context(session: ReadSession, said: Mapping[str, Any]) -> dict[str, Any]:
    """What the templates of a protocol need, out of its document alone; names of places and houses are today's."""
    definition = read_definition(dict(said["definition"]))
    names = await register_names(session, definition)
    context = document_context(said, definition)
    codes = {house.building for one in context["asked"] for house in one.houses}
    houses = await buildings_named(session, codes) if codes else {}
    return {**context, "places": names.places, "groups": names.groups, "house_names": houses}


def document_context(said: Mapping[str, Any], definition: Definition) -> dict[str, Any]:
    """The same without the names of places, groups and houses."""
    asked = []
    for one in said["questions"]:
        question = definition.question(one["id"])
        assert question is not None
        outcome = Outcome.from_json(one["outcome"])
        asked.append(
            Asked(question, outcome, explain(question, outcome).houses, one["shown"], one["entitled"],
                  one["withheld"], one["tree"])
        )  # fmt: skip
    return {
        "said": said, "definition": definition, "asked": asked, "exact": Fraction, "at": datetime.fromisoformat,
        "day_of": date.fromisoformat, "check_words": WORDS, "verdicts": VERDICTS, "lacks": LACKS,
        "what_checks_are": WHAT_IT_IS, "house_names": {},
    }  # fmt: skip


async def report_context(session: ReadSession, poll: SealedPoll, now: datetime) -> dict[str, Any]:
    """What the report of a counted poll needs; refuses what `poll_figures` does."""
    figures = await poll_figures(session, poll.slug, now)
    places = await territory_tree(session)
    protocols: list[Certified] = await protocols_of(session, poll.id)
    return {
        "figures": figures, "crossed": shown_cross_tabs(figures), "definition": poll.definition, "poll": poll,
        "state": figures.state.value,
        "quorum": check_quorum(poll.definition.quorum, figures.ballots, figures.turnout.entitled), "exact": Fraction,
        "okrug_names": {place.code: place for place in places.of_kind("okrug")},
        "day_rows": [(day.isoformat(), n) for day, n in sorted(figures.turnout.days.items())],
        "day_of": date.fromisoformat, "protocol": protocols[0] if protocols else None,
    }  # fmt: skip


def paper(request: AnyRequest, template: str, context: Mapping[str, Any]) -> str:
    """The HTML a PDF is made of, in the reader's language: nothing of the reader, nothing of the moment."""
    settings: Settings = request.app.state["settings"]
    language = i18n.language_of(request)
    shared = {
        "site_name": settings.site_name_en if language == "en" else settings.site_name_ru,
        "base_url": settings.base_url, "zone": settings.zone, "viewer": None,
    }  # fmt: skip
    with i18n.speaking(language):
        return environment().get_template(template).render({**shared, **context})

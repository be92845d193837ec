"""Results: the page of one poll in whatever state its figures are, and the list of ended polls.

Every figure comes from `results.figures`, behind the one gate; this module lays them out and counts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.board_trees import question_root
from polls.catalogue import Phase, SealedPoll, cast_counts, facets, list_polls, number_found
from polls.definition import Tie
from polls.lots import Party
from polls.own_answers import Status, WordingPage, published, statuses
from polls.questions import takes_words
from polls.register import buildings_named, territory_tree
from polls.sessions import ReadSession
from polls.tally.quorum import check_quorum
from polls.territories import TerritoryTree
from polls.tie_breaking import DecidedTie, commitments, decided_ties
from results.channels import assisted_votes
from results.charts import Cell, TileMap, day_series, tile_map
from results.decisions import decisions_of
from results.errors import TablesPending
from results.explained import Explained, explain
from results.figures import (
    PollFigures,
    counted_totals,
    live_figures,
    poll_figures,
    running_turnout,
)
from results.protocol import protocols_of
from results.shapes import By, Turnout
from results.visibility import Decision, enough
from voting.db import Database
from voting.identity.guards import public
from voting.remembering import UNTIL_EVENT
from voting.settings import Settings
from voting.web.anomalies import shown_anomalies
from voting.web.boards import shown_board
from voting.web.crossing import shown_cross_tabs
from voting.web.frames import framed
from voting.web.home import Wanted, places_of
from voting.web.i18n import language_of
from voting.web.standing import poll_seen
from voting.web.topics import TOPICS
from voting.web.weighting import weighted_part

AnyRequest = Request[Any, Any, Any]


@get("/polls/{slug:str}/results", guards=[public], include_in_schema=False, opt={"figures": "results"})
async def show_results(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime]
) -> Response[Any]:
    """The results, or when they will be there."""
    poll, seen = await poll_seen(request, database, slug, now)
    shared: dict[str, Any] = {"nav": "results", "poll": poll, "definition": poll.definition, "seen": seen, "now": now}

    async def make() -> Mapping[str, Any]:
        async with database.open_read_session() as session:
            if not seen.outcome:
                return {**shared, **await _pending(session, poll, seen, now)}
            board = await shown_board(session, request.app.state["settings"], poll.id, poll.public_id)
            return {**shared, "board": board, **await _counted(session, poll, request, now)}

    async def wait() -> Mapping[str, Any]:
        async with database.open_read_session() as session:
            totals = await counted_totals(session, poll.slug, now)
        return {**shared, "running": None, "live": totals, "state": seen.state.value, "exact": Fraction}

    if not seen.outcome:
        return await framed(request, "results/pending.html", seen, make)
    try:
        return await framed(request, "results/counted.html", seen, make, age=UNTIL_EVENT)
    except TablesPending:
        return await framed(request, "results/pending.html", (seen, "tables"), wait)


async def _pending(session: ReadSession, poll: SealedPoll, seen: Decision, now: datetime) -> dict[str, Any]:
    """What a poll without a count may show: how many have voted, and the last live step."""
    running = await running_turnout(session, poll.slug, now) if seen.turnout else None
    live = await live_figures(session, poll.slug, now) if seen.live else None
    return {"running": running, "live": live, "state": seen.state.value, "exact": Fraction}


async def _counted(session: ReadSession, poll: SealedPoll, request: AnyRequest, now: datetime) -> dict[str, Any]:
    """The figures of a counted poll, their charts and what explains them."""
    figures = await poll_figures(session, poll.slug, now)
    places = await territory_tree(session)
    votes = figures.turnout
    views = {found.question.id: explain(found.question, found.outcome) for found in figures.questions}
    language = language_of(request)
    return {
        "views": views,
        "crossed": shown_cross_tabs(figures),
        "exact": Fraction,
        **await _beside(session, poll, figures, request.query_params),
        **await _ties(session, poll, figures),
        **await weighted_part(session, figures, request.query_params),
        **await _houses(session, views, language),
        **await shown_anomalies(session, poll, figures.seen, now),
        "figures": figures,
        "assisted": await assisted_votes(session, figures, poll.id),
        "protocols": await protocols_of(session, poll.id),
        "state": figures.state.value,
        "quorum": check_quorum(poll.definition.quorum, figures.ballots, votes.entitled),
        "map": okrug_map(votes, places, language),
        "days": day_series(list(votes.days.items())) if len(votes.days) > 1 else None,
        "okrug_names": {place.code: place for place in places.of_kind("okrug")},
    }


async def _beside(
    session: ReadSession, poll: SealedPoll, figures: PollFigures, asked: Mapping[str, str]
) -> dict[str, Any]:
    """Reviewed texts and own answers of each question that takes any, a page at a time (`?words=QUESTION&from=N`).

    `texts` leaves out, and `words_kept` names, questions that too few ballots held for their texts to be published.
    """
    texts: dict[int, WordingPage] = {}
    kept: set[int] = set()
    counts = await statuses(session, poll.id)
    for found in figures.questions:
        question = found.question
        if takes_words(question):
            if not (figures.seen.answers and enough(poll.definition, found.outcome.cast)):
                kept.add(question.id)
                continue
            here = asked.get("words") == str(question.id)
            offset = int(asked["from"]) if here and re.fullmatch("[0-9]{1,7}", asked.get("from", "")) else 0
            texts[question.id] = await published(session, poll.id, question.id, offset)
    waiting = {question_id: count.get(Status.PENDING, 0) for question_id, count in counts.items()}
    return {"texts": texts, "waiting": waiting, "words_kept": kept}


async def _ties(session: ReadSession, poll: SealedPoll, figures: PollFigures) -> dict[str, Any]:
    """How ties were decided, and what a lot was drawn from, by question."""
    if not any(found.outcome.ties for found in figures.questions):
        return {"tie_decisions": {}, "lots": {}}
    decided: dict[int, list[DecidedTie]] = {}
    for one in await decided_ties(session, poll.id):
        decided.setdefault(one.question_id, []).append(one)
    drawn = [found.question for found in figures.questions if found.question.rule.tie is Tie.LOT and found.outcome.ties]
    known = await commitments(session, poll.id) if drawn else {}
    parties = [known[party] for party in Party if party in known]
    lots = {
        question.id: {
            "parties": parties,
            "root": (await question_root(session, poll, question.id)).hex() if question.id in decided else "",
        }
        for question in drawn
        if parties
    }
    return {"tie_decisions": decided, "lots": lots}


async def _houses(session: ReadSession, views: Mapping[int, Explained], language: str) -> dict[str, Any]:
    """Names of the houses of a poll of owners."""
    codes = {house.building for view in views.values() for house in view.houses}
    found = await buildings_named(session, codes) if codes else {}
    return {"house_names": {code: place.name(language) for code, place in found.items()}}


def okrug_map(votes: Turnout, places: TerritoryTree, language: str) -> TileMap | None:
    """Turnout by okrug as a tile map; None when the poll has no such table or its okrugs no place on the grid."""
    table = votes.by(By.OKRUG)
    if table is None or votes.entitled is None:
        return None
    cells = [
        Cell(place.code, place.short(language), place.tile_column, place.tile_row, row.share)
        for row in table.rows
        if (place := places.by_code.get(row.group.code)) is not None
        and place.tile_column is not None
        and place.tile_row is not None
    ]
    return tile_map(cells) if len(cells) > 1 else None


@get("/results", guards=[public], include_in_schema=False)
async def show_ended(
    request: AnyRequest, database: NamedDependency[Database], now: NamedDependency[datetime],
    settings: NamedDependency[Settings],
) -> Response[Any]:  # fmt: skip
    """Ended polls, newest first, with the decisions."""
    wanted = Wanted.read({**request.query_params, "phase": Phase.ENDED.value, "show": ""}, personal=False)

    async def make() -> Mapping[str, Any]:
        async with database.open_read_session() as session:
            return await _ended(session, wanted, now, settings.time_zone)

    return await framed(request, "results/ended.html", None, make)


async def _ended(session: ReadSession, wanted: Wanted, now: datetime, zone: str) -> dict[str, Any]:
    """The list of ended polls: nothing in it is personal."""
    narrowing = wanted.narrowing(None, (), zone)
    found = await list_polls(session, now, Phase.ENDED, narrowing, cursor=wanted.cursor or None)
    total = await number_found(session, now, Phase.ENDED, narrowing) if wanted.narrowed else None
    offered = await facets(session, now, Phase.ENDED, zone)
    places = places_of(await territory_tree(session), offered.territories)
    shown = [card.id for card in found.cards]
    votes, decided = await cast_counts(session, shown), await decisions_of(session, shown)
    return {
        "nav": "results", "cards": found.cards, "next_cursor": found.next_cursor, "votes": votes, "decided": decided,
        "wanted": wanted, "topics": TOPICS, "total": total, "facets": offered, "places": places, "now": now,
    }  # fmt: skip


handlers = [show_results, show_ended]

"""GET /polls and what hangs on one poll: its page, its sealed document, its turnout while it runs."""

import time
from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from polls import sealed
from polls.ballot import style_of
from polls.catalogue import Narrowing, Phase, Scope, SealedPoll, list_polls, participation_day, sealed_poll
from polls.definition import Privacy
from polls.eligibility import reasons_against
from polls.entitlement import entitlement
from polls.errata import errata_of
from polls.errors import NotAllowed, PollNotFound, ResultsHidden, SignInNeeded, WrongState
from polls.journal import poll_events
from polls.lifecycle import State
from polls.pausing import standing_pause
from polls.register import facts_as_of
from polls.sessions import ReadSession
from results.figures import RunningTurnout, running_turnout
from voting.api.addresses import PLAIN_WORDS, poll_name
from voting.api.operations import Returned, describes
from voting.api.representation import json_reply, public_bytes, public_json
from voting.api.schemas import (
    Event,
    OwnBallot,
    OwnStanding,
    PollPage,
    PollSummary,
    PollView,
    ReasonAgainst,
    TurnoutSoFar,
)
from voting.db import Database
from voting.identity.guards import public
from voting.identity.sessions import Viewer
from voting.settings import Settings

AnyRequest = Request[Any, Any, Any]
TURNOUT_KEPT = 10.0


@get(
    "/polls",
    guards=[public],
    summary="List polls",
    tags=["polls"],
    opt=describes("listPolls", {200: Returned("A page of polls", PollPage)}, refuses=[SignInNeeded, NotAllowed],
                  conditional=True),
)  # fmt: skip
async def show_polls(
    request: AnyRequest,
    visitor: NamedDependency[Viewer | None],
    read_session: NamedDependency[ReadSession],
    now: NamedDependency[datetime],
    settings: NamedDependency[Settings],
    phase: Annotated[Phase, QueryParameter(description="Which part of their lives.")] = Phase.OPEN,
    which: Annotated[
        Scope,
        QueryParameter(
            name="scope", description="`mine`: of your district and above. `new`: those you have not voted in."
        ),
    ] = Scope.ALL,
    topic: Annotated[str | None, QueryParameter(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="A topic.")] = None,
    territory: Annotated[
        str | None,
        QueryParameter(
            pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="A territory's code: its polls and its parts'."
        ),
    ] = None,
    year: Annotated[int | None, QueryParameter(ge=1900, le=2200, description="The year of closing.")] = None,
    q: Annotated[
        str | None,
        QueryParameter(pattern=PLAIN_WORDS, max_length=200, description="Words of the poll, in either language."),
    ] = None,
    cursor: Annotated[
        str | None,
        QueryParameter(pattern=r"^[0-9]{1,17}-[0-9]{1,18}$", description="`next_cursor` of the page before."),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="Polls on a page.")] = 24,
) -> Response[bytes]:
    """Public polls, a page at a time: open ones by closing time, coming ones by opening time, ended ones newest first.

    The cursor stays right while polls come and go. Signed in, each line says when you voted.
    """
    citizen_id = visitor.citizen_id if visitor else None
    territories: tuple[str, ...] = ()
    if which is Scope.MINE:
        territories = await _own_territories(read_session, visitor, now)
    narrowing = Narrowing(which, citizen_id, territories, topic, territory, year, q, settings.time_zone)
    found = await list_polls(read_session, now, phase, narrowing, cursor=cursor, limit=limit)
    page = PollPage(polls=[PollSummary.of(card) for card in found.cards], next_cursor=found.next_cursor)
    return public_json(request, page) if citizen_id is None else json_reply(page)


@get(
    "/polls/{slug:str}",
    guards=[public],
    summary="One poll",
    tags=["polls"],
    opt=describes("getPoll", {200: Returned("The poll", PollView)}, refuses=[PollNotFound], conditional=True),
)
async def show_poll(
    request: AnyRequest,
    slug: FromPath[str],
    visitor: NamedDependency[Viewer | None],
    database: NamedDependency[Database],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """The sealed document with its hash, the poll's state, its times planned and in force, and its history.

    Signed in as a resident, `you` says whether you may vote, what stands against it, and whether you have voted.
    """
    citizen_id = visitor.citizen_id if visitor else None
    # A vote just cast must be seen by its voter, so a resident's reply comes from the primary.
    async with database.open_read_session() if citizen_id is None else database.open_session() as session:
        found = await sealed_poll(session, poll_name(slug))
        events = [Event.of(dict(row)) for row in await poll_events(session, found.id)]
        paused = await standing_pause(session, found.id) if found.paused_at is not None else None
        errata = await errata_of(session, found.id)
        you = None if citizen_id is None else await _standing(session, found, citizen_id, now)
    view = PollView.of(found, events, you, now, paused=paused, errata=errata)
    return public_json(request, view) if you is None else json_reply(view)


@get(
    "/polls/{slug:str}/definition",
    guards=[public],
    summary="The sealed document",
    tags=["polls"],
    opt=describes(
        "getDefinition",
        {200: Returned("The exact sealed bytes; their SHA-256 is the ETag and the poll's hash", dict[str, Any])},
        refuses=[PollNotFound], conditional=True, uncompressed=True,
    ),
)  # fmt: skip
async def show_definition(
    request: AnyRequest, slug: FromPath[str], read_session: NamedDependency[ReadSession]
) -> Response[bytes]:
    """The bytes that were sealed, not one changed: hash them with SHA-256 and compare with the poll's hash."""
    document = await sealed.sealed_bytes(read_session, poll_name(slug))
    return public_bytes(request, document.data, tag=f'"{document.poll_hash.hex()}"', max_age=3600)


@get(
    "/polls/{slug:str}/turnout",
    guards=[public],
    summary="Turnout so far",
    tags=["polls"],
    opt=describes("getTurnout", {200: Returned("Votes so far as one number", TurnoutSoFar)},
                  refuses=[PollNotFound, ResultsHidden, WrongState], conditional=True),
)  # fmt: skip
async def show_turnout(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime]
) -> Response[bytes]:
    """How many have voted, from the opening on, of how many entitled; a figure may be ten seconds old."""
    turnout = await _turnout(request, poll_name(slug), database, now)
    return public_json(request, TurnoutSoFar(votes=turnout.votes, entitled=turnout.entitled))


async def _turnout(request: AnyRequest, name: str, database: Database, now: datetime) -> RunningTurnout:
    """Counting the votes of a big poll takes the database a while, so a process asks once in ten seconds."""
    kept: dict[str, tuple[float, RunningTurnout]] = request.app.state.setdefault("api_turnout", {})
    at = time.monotonic()
    if name in kept and at - kept[name][0] < TURNOUT_KEPT:
        return kept[name][1]
    async with database.open_read_session() as session:
        found = await running_turnout(session, name, now)
    for old in [key for key, (since, _) in kept.items() if at - since >= TURNOUT_KEPT]:
        del kept[old]
    kept[name] = (at, found)
    return found


async def _own_territories(session: ReadSession, visitor: Viewer | None, now: datetime) -> tuple[str, ...]:
    if visitor is None:
        raise SignInNeeded
    if visitor.citizen_id is None:
        raise NotAllowed(roles=["resident"])
    return tuple((await facts_as_of(session, visitor.citizen_id, now)).territories)


async def _standing(session: ReadSession, poll: SealedPoll, citizen_id: int, now: datetime) -> OwnStanding:
    day = await participation_day(session, poll.id, citizen_id)
    judged = await entitlement(session, poll, citizen_id, now)
    reasons = reasons_against(judged.facts, poll.definition)
    changeable = poll.definition.privacy is Privacy.NAMED and poll.definition.may_change
    open_now = poll.state(now) is State.OPEN and poll.paused_at is None
    return OwnStanding(
        eligible=not reasons,
        reasons=[ReasonAgainst.of(reason) for reason in reasons],
        voted_on=day,
        may_vote=open_now and not reasons and (day is None or changeable),
        ballot=OwnBallot.of(poll.definition, style_of(poll.definition, judged.facts.territories)),
    )


handlers = [show_polls, show_poll, show_definition, show_turnout]

"""What the city decided: the list with what is overdue, one decision with its steps, departments, and rating the work.

The same for everybody but for one thing: a resident sees on a finished decision whether they may rate it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from polls.catalogue import SealedPoll
from polls.errors import Invalid, PollNotFound
from polls.register import territory_tree
from polls.sessions import ReadSession, Session
from results.decision_changes import changes_of
from results.decisions import DecisionFilter, Show, decision_of, decisions
from results.departments import count_decisions, departments, offered_filters
from results.errors import AlreadyRated, NotYourWork, WorkNotDone
from results.evidence import public_file
from results.milestones import milestones_of
from results.work_ratings import AT_ONCE, RatingStanding, rate_work, rating_standing, work_ratings
from voting.db import Database
from voting.evidence_files import SUFFIXES, evidence_in, read_evidence
from voting.identity.guards import public, resident
from voting.identity.recognition import viewer_of
from voting.identity.sessions import Viewer
from voting.settings import Settings
from voting.web.editor_form import EditorForm
from voting.web.error_pages import described
from voting.web.frames import framed
from voting.web.home import CODE, MOST_WORDS, places_of
from voting.web.rendering import page
from voting.web.standing import address_of, poll_at
from voting.web.topics import TOPICS
from voting.web.typed import hidden_number

AnyRequest = Request[Any, Any, Any]
DECISIONS_A_PAGE = 20
LAST_PAGE = 1_000
AN_HOUR = "public, max-age=3600"
"""How long a file of evidence may be kept: it can be withdrawn."""
SANDBOX = "default-src 'none'; sandbox"


@dataclass(frozen=True)
class Wanted:
    """What the list is asked for, read from the address; whatever is not known is the default."""

    filter: DecisionFilter
    number: int

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Wanted:
        """Out of a query string."""
        show, topic, place = query.get("show", ""), query.get("topic", ""), query.get("place", "")
        return cls(
            DecisionFilter(
                Show(show) if show in tuple(Show) else Show.ALL,
                topic if topic in TOPICS else "",
                place if CODE.fullmatch(place) else "",
                query.get("owner", "").replace("\0", "").strip()[:300],
                query.get("q", "").replace("\0", "").strip()[:MOST_WORDS],
            ),
            min(max(hidden_number(query.get("page", "1"), 1), 1), LAST_PAGE),
        )

    def address(self, **changed: str) -> str:
        """The address of the same list with something changed; a change starts from the first page."""
        asked = self.filter
        now = {"show": asked.show.value, "topic": asked.topic, "place": asked.within, "owner": asked.owner,
               "q": asked.words, **changed}  # fmt: skip
        query = urlencode({name: value for name, value in now.items() if value and (name, value) != ("show", "all")})
        return "/decisions" + (f"?{query}" if query else "")


@get("/decisions", guards=[public], include_in_schema=False)
async def show_decisions(
    request: AnyRequest, database: NamedDependency[Database], now: NamedDependency[datetime],
    settings: NamedDependency[Settings],
) -> Response[Any]:  # fmt: skip
    """What the city decided after polls: the newest change first, or what is overdue longest."""
    wanted = Wanted.read(request.query_params)
    today = now.astimezone(settings.zone).date()

    async def make() -> Mapping[str, Any]:
        async with database.open_read_session() as session:
            return await _listed(session, wanted, today)

    return await framed(request, "results/decisions.html", today, make)


async def _listed(session: ReadSession, wanted: Wanted, today: date) -> dict[str, Any]:
    offset = (wanted.number - 1) * DECISIONS_A_PAGE
    found = await decisions(session, DECISIONS_A_PAGE + 1, offset, wanted.filter, today)
    counts = await count_decisions(session, wanted.filter, today)
    offered = await offered_filters(session)
    owner = wanted.filter.owner
    record = next(iter(await departments(session, today, owner)), None) if owner else None
    return {
        "nav": "results", "decided": found[:DECISIONS_A_PAGE], "more": len(found) > DECISIONS_A_PAGE,
        "wanted": wanted, "asked": wanted.filter, "counts": {show.value: n for show, n in counts.items()},
        "offered": offered, "topics": [code for code in TOPICS if code in offered.topics], "record": record,
        "places": places_of(await territory_tree(session), offered.territories), "today": today,
    }  # fmt: skip


@get("/departments", guards=[public], include_in_schema=False)
async def show_departments(
    request: AnyRequest, database: NamedDependency[Database], now: NamedDependency[datetime],
    settings: NamedDependency[Settings],
) -> Response[Any]:  # fmt: skip
    """How departments keep their word, those that owe most first."""
    today = now.astimezone(settings.zone).date()

    async def make() -> Mapping[str, Any]:
        async with database.open_read_session() as session:
            return {"nav": "results", "records": await departments(session, today)}

    return await framed(request, "results/departments.html", today, make)


@get("/decisions/{slug:str}", guards=[public], include_in_schema=False)
async def show_decision(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime],
    settings: NamedDependency[Settings],
) -> Response[Any]:  # fmt: skip
    """One decision: what was promised, its steps with what shows them done, its history and the residents' rating."""
    address_of(slug)
    today = now.astimezone(settings.zone).date()
    viewer = viewer_of(request)
    if viewer is not None and viewer.citizen_id is not None:
        async with database.open_session() as session:
            context = await _context(session, await poll_at(session, slug), today)
            standing = await rating_standing(session, context["poll"], viewer.citizen_id, now)
        rated = request.query_params.get("rated") == "1" and standing is RatingStanding.RATED
        own = {**context, "standing": standing.value, "rated": rated}
        return page(request, "results/decision.html", **own)

    async def make() -> Mapping[str, Any]:
        async with database.open_read_session() as session:
            return await _context(session, await poll_at(session, slug), today)

    return await framed(request, "results/decision.html", today, make)


async def _context(session: ReadSession, poll: SealedPoll, today: date) -> dict[str, Any]:
    """What the page shows everybody. Refuses `PollNotFound` where nothing was decided."""
    found = await decision_of(session, poll.id)
    if found is None:
        raise PollNotFound()
    return {
        "nav": "results", "poll": poll, "decision": found, "steps": await milestones_of(session, found.id),
        "changes": await changes_of(session, found.id), "ratings": await work_ratings(session, found.id),
        "today": today, "standing": "", "rated": False, "errors": {}, "chosen": "", "at_once": AT_ONCE,
        "suffixes": {kind: suffix[1:].upper() for kind, suffix in SUFFIXES.items()},
    }  # fmt: skip


@post("/decisions/{slug:str}/rating", guards=[resident], include_in_schema=False, status_code=200)
async def rate(
    request: AnyRequest, slug: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime], settings: NamedDependency[Settings],
) -> Response[Any] | Redirect:  # fmt: skip
    """Take a resident's rating of the finished work, or show the page with what is wrong."""
    address_of(slug)
    form = EditorForm.read((await request.form()).multi_items())
    assert viewer.citizen_id is not None
    typed = form.get("stars")
    status, errors, standing = 422, {}, RatingStanding.MAY
    try:
        await rate_work(session, slug, viewer.citizen_id, int(typed) if typed in tuple("12345") else 0, now)
        return Redirect(f"/decisions/{slug}?rated=1#rating", status_code=303)
    except Invalid as refusal:
        found = described(request, refusal)
        errors = {str(error["path"]): str(error["message"]) for error in found.errors}
    except AlreadyRated:
        status, standing = 409, RatingStanding.RATED
    except WorkNotDone:
        status, standing = 409, RatingStanding.NOT_DONE
    except NotYourWork:
        status, standing = 403, RatingStanding.NOT_YOURS
    context = await _context(session, await poll_at(session, slug), now.astimezone(settings.zone).date())
    told = {**context, "standing": standing.value, "errors": errors, "chosen": typed}
    return page(request, "results/decision.html", status=status, **told)


@get("/evidence/{sha256:str}", guards=[public], include_in_schema=False, opt={"uncompressed": True})
async def send_evidence(
    sha256: FromPath[str], read_session: NamedDependency[ReadSession], settings: NamedDependency[Settings]
) -> Response[bytes]:
    """A file that shows a step done, while it stands under one. Pictures are shown, documents only saved."""
    found = await public_file(read_session, sha256[:64])
    headers = {
        "cache-control": AN_HOUR, "x-content-type-options": "nosniff", "content-security-policy": SANDBOX,
        "content-disposition": "inline",
    }  # fmt: skip
    if not found.file.is_picture:
        name = f"{found.at:%Y-%m-%d}-{sha256[:8]}{SUFFIXES[found.file.media_type]}"
        headers["content-disposition"] = f'attachment; filename="{name}"'
    content = await asyncio.to_thread(read_evidence, evidence_in(settings.data_dir), found.file)
    return Response(content, media_type=found.file.media_type, headers=headers)


handlers = [show_decisions, show_departments, show_decision, rate, send_evidence]

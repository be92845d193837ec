"""Voting: one question a page with its follow-ups, a check page, and the receipt.

Every page is the answer to a form that carries the whole ballot along (:mod:`voting.web.ballot_form`); the server
keeps nothing between two of them. The address never changes and never holds an answer. The casting form is answered
with the receipt itself: reloading it sends the same key again and gets the same receipt.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.board import Receipt
from polls.casting import BallotBox, Vote
from polls.catalogue import SealedPoll
from polls.definition import EVERYBODY_ELSE
from polls.errors import (
    AlreadyVoted,
    InvalidAnswer,
    KeyUsed,
    NotEligible,
    PollClosed,
    PollNotOpen,
    Refusal,
    RetryDiffers,
)
from polls.known_polls import KnownPolls
from polls.lifecycle import State
from polls.public_keys import find_key
from voting.db import Database, ReadSession, Session
from voting.identity.guards import public, signed_in
from voting.identity.sessions import Viewer
from voting.keys import RECEIPT, Ed25519Signer, receipt_signer
from voting.problems import as_refusal
from voting.settings import Settings
from voting.telemetry import log_failure
from voting.web.assisted import leave_booth
from voting.web.ballot_form import Filled, new_ballot, read_fields
from voting.web.ballot_pages import History, again_page, receipt_page, sample_page, step_page, stopped_page
from voting.web.ballot_steps import Place, Sheet, move, start
from voting.web.receipts import is_ours, read_receipt, receipt_file
from voting.web.rendering import page
from voting.web.standing import Standing, address_of, notices_of, poll_at, register_names, standing_of, style_for

AnyRequest = Request[Any, Any, Any]
PRIVATE = {"private": True, "limit": "casting"}
FINAL = (AlreadyVoted, RetryDiffers, PollClosed, PollNotOpen)
PASSING = frozenset({"busy", "unavailable", "outcome_unknown", "conflict", "poll_paused", "not_counted"})
"""Refusals that pass by themselves: the ballot is shown again, ready to be sent once more with the same key."""
UNSURE = frozenset({"outcome_unknown", "not_counted"})
"""Those after which the vote may have been taken: the page says so until the answer is known."""
QUESTION_ID = re.compile(r"[0-9]{1,5}")


@lru_cache(maxsize=4)
def signer_of(settings: Settings) -> Ed25519Signer:
    """The receipt key of a deployment, read once."""
    return receipt_signer(settings)


@get("/polls/{slug:str}/vote", guards=[signed_in], opt=PRIVATE, include_in_schema=False)
async def start_ballot(
    request: AnyRequest, slug: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Begin a ballot with a key of its own, or say why there can be none."""
    poll = await poll_at(session, slug)
    standing = await standing_of(session, poll, viewer, now)
    if not standing.can_cast:
        return await _cannot(request, session, poll, standing)
    sheet = Sheet(poll.definition, standing.style)
    return step_page(request, poll, sheet, start(sheet, new_ballot()), notices=await notices_of(session, poll))


@post("/polls/{slug:str}/vote", guards=[signed_in], opt=PRIVATE, include_in_schema=False, status_code=200)
async def continue_ballot(
    request: AnyRequest, slug: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Follow a button of the ballot: forward, back, skip, change."""
    poll = await poll_at(session, slug)
    standing = await standing_of(session, poll, viewer, now)
    if not standing.can_fill:
        return await _cannot(request, session, poll, standing, sent=True)
    fields = await _fields(request)
    sent = dict(fields)
    sheet = Sheet(poll.definition, standing.style)
    place = Place(_filled(poll, fields), _at(sent.get("step", "")), reviewing="reviewing" in sent)
    to = move(sheet, place, sent.get("op", "next"))
    return step_page(request, poll, sheet, to, notices=await notices_of(session, poll))


@post("/polls/{slug:str}/cast", guards=[signed_in], opt=PRIVATE, include_in_schema=False, status_code=200)
async def cast(
    request: AnyRequest, slug: FromPath[str], viewer: NamedDependency[Viewer], database: NamedDependency[Database],
    box: NamedDependency[BallotBox], known_polls: NamedDependency[KnownPolls], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Cast the ballot and answer with its receipt.

    The ballot box commits, and not the `session` dependency: a box that is full and a database that fails at the commit
    must be answered with the ballot, ready to be sent again, and not with an error page that has lost it.
    """
    fields = await _fields(request)
    citizen_id = viewer.citizen_id
    try:
        poll = await known_polls.find(address_of(slug))
        sheet = Sheet(poll.definition, await _style(database, poll, citizen_id, now))
    except Exception as error:
        refused = _passing(request, error)
        return again_page(request, slug, fields, refused, _history(fields, refused))
    if citizen_id is None:
        return stopped_page(request, poll, "not_a_resident", sent=True)
    filled = sheet.pruned(_filled(poll, fields))
    check = Place(filled, None)
    if (wrong := move(sheet, check, "stay")).at is not None:
        return step_page(request, poll, sheet, wrong)
    try:
        done = await box.cast(Vote(poll, citizen_id, sheet.answers(filled), filled.key, now, viewer.channel))
    except NotEligible as refusal:
        async with database.open_read_session() as reading:
            names = await register_names(reading, poll.definition)
        return stopped_page(request, poll, refusal.code, reasons=refusal.reasons, names=names, sent=True)
    except FINAL as refusal:
        return stopped_page(request, poll, refusal.code, refusal.facts, sent=True)
    except KeyUsed as refusal:  # nothing of theirs is there: the same answers with a key of their own
        fresh = replace(filled, key=new_ballot().key)
        return step_page(request, poll, sheet, Place(fresh, None), refusal)
    except InvalidAnswer as refusal:  # the register moved the resident to another ballot meanwhile
        errors = {int(error.path.rpartition("/")[2]): error for error in refusal.errors}
        known = next((page for page in sheet.steps(filled) if any(asked.id in errors for asked in page)), None)
        return step_page(request, poll, sheet, Place(filled, known[0].id if known else None, True, errors), refusal)
    except Exception as error:
        refused = _passing(request, error)
        return step_page(request, poll, sheet, check, refused, history=_history(fields, refused))
    if viewer.assisted_centre is not None:
        return await leave_booth(request, poll, done)
    return receipt_page(request, poll, done)


@get("/polls/{slug:str}/cast", guards=[public], include_in_schema=False, sync_to_thread=False)
def lead_to_poll(slug: FromPath[str]) -> Response[bytes]:
    """A browser that reopens the casting address without its form is led to the poll."""
    return Response(b"", status_code=303, headers={"location": f"/polls/{quote(slug, safe='')}"})


@get("/polls/{slug:str}/sample", guards=[public], include_in_schema=False)
async def show_sample(
    request: AnyRequest, slug: FromPath[str], visitor: NamedDependency[Viewer | None],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """The whole ballot on one page, to be looked at: the reader's own, or everybody's to whoever is not a resident."""
    poll = await poll_at(session, slug)
    standing = await standing_of(session, poll, visitor, now)
    names = await register_names(session, poll.definition)
    return sample_page(request, poll, standing, names)


@post(
    "/receipt/file",
    guards=[public],
    opt={"private": True, "csrf": "origin", "limit": "casting"},
    include_in_schema=False,
    status_code=200,
)
async def save_receipt(
    request: AnyRequest, settings: NamedDependency[Settings], database: NamedDependency[Database]
) -> Response[Any]:
    """Give a posted receipt back as a file, if it is one of ours. Nothing is stored, and only its key is looked up."""
    sent = dict(await _fields(request))
    found = read_receipt(sent.get("body", ""), sent.get("key_id", ""), sent.get("signature", ""))
    if found is None or not await _is_signed(found, settings, database):
        return page(request, "ballot/not_a_receipt.html", status=422)
    headers = {"content-disposition": f'attachment; filename="{_file_name(found)}"'}
    return Response(receipt_file(found), media_type="application/json", headers=headers)


# ---- parts


async def _is_signed(receipt: Receipt, settings: Settings, database: Database) -> bool:
    """Whether the receipt key in use has signed it, or one that was in use before."""
    signer = signer_of(settings)
    if receipt.key_id == signer.key_id:
        return is_ours(receipt, signer.key_id, signer.public_key)
    async with database.open_read_session() as session:
        listed = await find_key(session, RECEIPT, receipt.key_id)
    return listed is not None and is_ours(receipt, listed.key_id, Ed25519PublicKey.from_public_bytes(listed.public))


async def _style(database: Database, poll: SealedPoll, citizen_id: int | None, now: datetime) -> int:
    """The citizen's ballot style; where all ballots are alike, no connection is asked for."""
    if citizen_id is None or not poll.definition.styles:
        return EVERYBODY_ELSE
    async with database.open_session() as session:
        return await style_for(session, poll, citizen_id, now)


def _history(fields: list[tuple[str, str]], refusal: Refusal) -> History:
    """What the form says of the times it was sent before, and the refusal of this one."""
    sent = dict(fields)
    tries = sent.get("tries", "")
    return History(int(tries) if QUESTION_ID.fullmatch(tries) else 0, "unsure" in sent or refusal.code in UNSURE)


async def _cannot(
    request: AnyRequest, session: ReadSession, poll: SealedPoll, standing: Standing, *, sent: bool = False
) -> Response[Any]:
    """The page for a reader who cannot cast now: the most final of the reasons."""
    if standing.state is State.CANCELLED:  # a vote taken before it is gone with the others, and not final
        facts = {"state": standing.state.value}
        return stopped_page(request, poll, "poll_closed", facts, sent=sent, voted=standing.voted_on is not None)
    if standing.voted_on is not None and not standing.changeable:
        return stopped_page(request, poll, "already_voted", {"day": standing.voted_on.isoformat()}, sent=sent)
    if standing.state is not State.OPEN and standing.state is not State.SCHEDULED:
        return stopped_page(request, poll, "poll_closed", {"state": standing.state.value}, sent=sent)
    if not standing.resident:
        return stopped_page(request, poll, "not_a_resident", sent=sent)
    if standing.reasons:
        names = await register_names(session, poll.definition)
        return stopped_page(request, poll, "not_eligible", reasons=standing.reasons, names=names, sent=sent)
    code = "poll_not_open" if standing.state is State.SCHEDULED else "poll_paused"
    return stopped_page(request, poll, code, sent=sent, notices=await notices_of(session, poll))


def _at(step: str) -> int | None:
    """The page a form says it comes from; 0, which is none, for text that is no number."""
    if step == "check":
        return None
    return int(step) if QUESTION_ID.fullmatch(step) else 0


def _passing(request: AnyRequest, error: Exception) -> Refusal:
    """The refusal of a failure that passes by itself, noted in the log; any other failure is raised on."""
    refusal = as_refusal(error)
    if refusal.code not in PASSING:
        raise error
    if not isinstance(error, Refusal):
        log_failure(request.scope, error)
    return refusal


async def _fields(request: AnyRequest) -> list[tuple[str, str]]:
    """The form's fields that are text, in the order they were sent."""
    form = await request.form()
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


def _filled(poll: SealedPoll, fields: list[tuple[str, str]]) -> Filled:
    """The ballot in the fields; one whose key was lost on the way gets a new one, and keeps its answers."""
    found = read_fields(poll.definition, fields)
    if found is not None:
        return found
    fresh = new_ballot()
    again = read_fields(poll.definition, [*fields, ("key", fresh.key_text)])
    return again or fresh


def _file_name(receipt: Receipt) -> str:
    facts = receipt.facts
    poll, day = str(facts.get("poll", ""))[:8], str(facts.get("day", ""))
    safe = "".join(ch for ch in f"{poll}-{day}" if ch.isascii() and (ch.isalnum() or ch == "-"))
    return f"receipt-{safe}.json"


handlers = [start_ballot, continue_ballot, cast, lead_to_poll, show_sample, save_receipt]

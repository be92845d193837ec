"""Voting: one question a page, a check page, and the receipt.

Every page is the answer to a form that carries the whole ballot along (:mod:`voting.web.ballot_form`); the server
keeps nothing between two of them. The address never changes and never holds an answer. The casting form is answered
with the receipt itself: reloading it sends the same key again and gets the same receipt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.board import Receipt
from polls.casting import Cast, cast_ballot
from polls.catalogue import SealedPoll
from polls.eligibility import Reason
from polls.errors import AlreadyVoted, NotEligible, PollClosed, PollNotOpen, Refusal, RetryDiffers
from polls.lifecycle import State
from voting.db import Database, ReadSession, Session
from voting.identity.guards import public, signed_in
from voting.identity.sessions import Viewer
from voting.problems import KINDS, as_refusal, status_of
from voting.retrying import in_transaction
from voting.secrets import Ed25519Signer, receipt_signer
from voting.settings import Settings
from voting.telemetry import log_failure
from voting.web.ballot_form import Filled, Place, answers_of, first_problem, move, new_ballot, read_fields, shown_order
from voting.web.error_pages import retry_header
from voting.web.receipts import is_ours, read_receipt, receipt_code, receipt_file, receipt_qr
from voting.web.rendering import page
from voting.web.standing import RegisterNames, Standing, poll_at, register_names, standing_of

AnyRequest = Request[Any, Any, Any]
PRIVATE = {"private": True, "limit": "casting"}
FINAL = (AlreadyVoted, RetryDiffers, PollClosed, PollNotOpen)
PASSING = frozenset({"busy", "unavailable", "conflict"})
"""Refusals that pass by themselves: the ballot is shown again, ready to be sent once more with the same key."""
STEP = re.compile(r"[0-9]{1,4}")


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
    return _step(request, poll, Place(new_ballot(), 1))


@post("/polls/{slug:str}/vote", guards=[signed_in], opt=PRIVATE, include_in_schema=False, status_code=200)
async def continue_ballot(
    request: AnyRequest, slug: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Follow a button of the ballot: forward, back, skip, change."""
    poll = await poll_at(session, slug)
    standing = await standing_of(session, poll, viewer, now)
    if not standing.can_cast:
        return await _cannot(request, session, poll, standing, sent=True)
    fields = await _fields(request)
    sent = dict(fields)
    step = int(sent["step"]) if STEP.fullmatch(sent.get("step", "")) else 1
    place = Place(_filled(poll, fields), step, reviewing="reviewing" in sent)
    return _step(request, poll, move(poll.definition, place, sent.get("op", "next")))


@post("/polls/{slug:str}/cast", guards=[signed_in], opt=PRIVATE, include_in_schema=False, status_code=200)
async def cast(
    request: AnyRequest, slug: FromPath[str], viewer: NamedDependency[Viewer], database: NamedDependency[Database],
    settings: NamedDependency[Settings], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Cast the ballot and answer with its receipt.

    The transaction is opened here and not by the `session` dependency: a database that fails at the commit must be
    answered with the ballot, ready to be sent again, and not with an error page that has lost it.
    """
    fields = await _fields(request)
    try:
        async with database.open_session() as session:
            poll = await poll_at(session, slug)
    except Exception as error:
        return _again(request, slug, fields, _passing(request, error))
    filled = _filled(poll, fields)
    citizen_id = viewer.citizen_id
    if citizen_id is None:
        return _stopped(request, poll, "not_a_resident", sent=True)
    answers = answers_of(poll.definition, filled)

    async def take(session: Session) -> Cast:
        return await cast_ballot(session, poll, citizen_id, answers, filled.key, signer_of(settings), now)

    if (found := first_problem(poll.definition, filled)) is not None:
        return _step(request, poll, Place(filled, found[0], reviewing=True, error=found[1]))
    try:
        done = await in_transaction(database, take)
    except NotEligible as refusal:
        async with database.open_read_session() as reading:
            names = await register_names(reading)
        return _stopped(request, poll, refusal.code, reasons=refusal.reasons, names=names, sent=True)
    except FINAL as refusal:
        return _stopped(request, poll, refusal.code, refusal.facts, sent=True)
    except Exception as error:
        check = Place(filled, len(poll.definition.questions) + 1)
        return _step(request, poll, check, refusal=_passing(request, error))
    return _receipt(request, poll, done)


@get("/polls/{slug:str}/cast", guards=[public], include_in_schema=False, sync_to_thread=False)
def lead_to_poll(slug: FromPath[str]) -> Response[bytes]:
    """A browser that reopens the casting address without its form is led to the poll."""
    return Response(b"", status_code=303, headers={"location": f"/polls/{quote(slug, safe='')}"})


@post(
    "/receipt/file",
    guards=[public],
    opt={"private": True, "csrf": "origin", "limit": "casting"},
    include_in_schema=False,
    status_code=200,
)
async def save_receipt(request: AnyRequest, settings: NamedDependency[Settings]) -> Response[Any]:
    """Give a posted receipt back as a file, if it is one of ours. Nothing is stored and nothing is looked up."""
    sent = dict(await _fields(request))
    found = read_receipt(sent.get("body", ""), sent.get("key_id", ""), sent.get("signature", ""))
    signer = signer_of(settings)
    if found is None or not is_ours(found, signer.key_id, signer.public_key):
        return page(request, "ballot/not_a_receipt.html", status=422)
    headers = {"content-disposition": f'attachment; filename="{_file_name(found)}"'}
    return Response(receipt_file(found), media_type="application/json", headers=headers)


# ---- pages


def _step(request: AnyRequest, poll: SealedPoll, place: Place, *, refusal: Refusal | None = None) -> Response[Any]:
    """The page of a place: a question, or the check page at the end."""
    questions = poll.definition.questions
    shared: dict[str, Any] = {
        "poll": poll, "definition": poll.definition, "filled": place.filled, "step": place.step,
        "steps": len(questions), "reviewing": place.reviewing,
    }  # fmt: skip
    if place.step > len(questions):
        status, headers = status_of(refusal) if refusal else 200, retry_header(refusal)
        return page(
            request, "ballot/check.html", status=status, headers=headers, refusal=refusal,
            carried=place.filled.fields(), **shared,
        )  # fmt: skip
    question = questions[place.step - 1]
    return page(
        request, "ballot/question.html", status=422 if place.error else 200, question=question, error=place.error,
        shown=shown_order(question, place.filled.key), carried=place.filled.fields(without=question.id), **shared,
    )  # fmt: skip


def _again(request: AnyRequest, slug: str, fields: list[tuple[str, str]], refusal: Refusal) -> Response[Any]:
    """The page that can show no question, since not even the poll could be read, and sends the same fields again."""
    kept = [(name, value) for name, value in fields if name != "csrf_token"]  # the page puts its own
    return page(
        request, "ballot/again.html", status=status_of(refusal), headers=retry_header(refusal),
        here=f"/polls/{slug}", carried=kept,
    )  # fmt: skip


def _stopped(
    request: AnyRequest, poll: SealedPoll, code: str, facts: Mapping[str, Any] | None = None,
    reasons: Sequence[Reason] = (), *, names: RegisterNames | None = None, sent: bool = False,
) -> Response[Any]:  # fmt: skip
    """The page that says why no ballot is taken. `sent`: answers came along, and the page says they were not kept."""
    facts, names = facts or {}, names or RegisterNames({}, {})
    status = 403 if code == "not_a_resident" else KINDS[code].status
    return page(
        request, "ballot/stopped.html", status=status, poll=poll, definition=poll.definition, code=code, facts=facts,
        voted_on=date.fromisoformat(facts["day"]) if "day" in facts else None, reasons=reasons, places=names.places,
        groups=names.groups, sent=sent, here=f"/polls/{poll.slug}",
    )  # fmt: skip


async def _cannot(
    request: AnyRequest, session: ReadSession, poll: SealedPoll, standing: Standing, *, sent: bool = False
) -> Response[Any]:
    """The page for a reader who cannot cast now: the most final of the reasons."""
    if standing.voted_on is not None:
        return _stopped(request, poll, "already_voted", {"day": standing.voted_on.isoformat()}, sent=sent)
    if standing.state is not State.OPEN and standing.state is not State.SCHEDULED:
        return _stopped(request, poll, "poll_closed", {"state": standing.state.value}, sent=sent)
    if not standing.resident:
        return _stopped(request, poll, "not_a_resident", sent=sent)
    if standing.reasons:
        names = await register_names(session)
        return _stopped(request, poll, "not_eligible", reasons=standing.reasons, names=names, sent=sent)
    return _stopped(request, poll, "poll_not_open", sent=sent)


def _receipt(request: AnyRequest, poll: SealedPoll, done: Cast) -> Response[Any]:
    """The receipt page: the only place where the receipt exists besides what the resident keeps."""
    receipt = done.receipt
    return page(
        request, "ballot/receipt.html", poll=poll, definition=poll.definition, receipt=receipt.as_json(),
        body=receipt.body.decode(), code=receipt_code(receipt), qr=receipt_qr(receipt), day=done.day,
        repeated=done.repeated, changed=done.changed, here=f"/polls/{poll.slug}",
    )  # fmt: skip


# ---- parts


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


handlers = [start_ballot, continue_ballot, cast, lead_to_poll, save_receipt]

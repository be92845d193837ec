"""Lots and ties: two parties commit to secrets before the opening and reveal them after the count; else the chair.

A secret is made in the browser where scripts run, and then never leaves it before the reveal; without them the server
makes one and shows it once. Only its commitment is stored.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from polls.catalogue import SealedPoll, sealed_poll
from polls.definition import AnyQuestion, Option, Tie
from polls.errors import AlreadyCommitted, FieldError, Invalid, LotCannotBeDrawn, LotPending, PollNotFound, WrongState
from polls.lifecycle import State
from polls.lots import SECRET_BYTES, Party, commitment
from polls.sessions import ReadSession, Session
from polls.tie_breaking import (
    OpenTie,
    chair_may_decide,
    commitments,
    decided_ties,
    open_ties,
    wants_lot,
)
from voting.deciding import commit_to_lot, decide_tie, reveal_secret
from voting.identity.guards import any_of
from voting.identity.names import names_of
from voting.identity.sessions import Viewer
from voting.web.editor_form import EditorForm
from voting.web.error_pages import described
from voting.web.officials import see_other
from voting.web.rendering import page
from voting.web.standing import poll_at

AnyRequest = Request[Any, Any, Any]
parties = any_of("official", "observer")


@dataclass(frozen=True)
class TieShown:
    """An open tie with its question and options, and whether it is the chair's."""

    question: AnyQuestion
    options: tuple[Option, ...]
    tie: OpenTie
    chair: bool


@get("/lots/{slug:str}", guards=[parties], include_in_schema=False)
async def show_lot(
    request: AnyRequest, slug: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Who has committed, what is left to do, and the ties of a counted poll."""
    return await _page(request, session, await poll_at(session, slug), viewer, now)


@post("/lots/{slug:str}/commit", guards=[parties], include_in_schema=False, status_code=200)
async def commit(
    request: AnyRequest, slug: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Take a commitment; or make, or take, a secret, keep its commitment and show the secret once."""
    poll = await poll_at(session, slug)
    form = EditorForm.read((await request.form()).multi_items())
    party, made = party_of(viewer), b""
    try:
        if form.get("commitment").strip():
            committed = _hex(form.get("commitment"), "commitment", "A commitment is 64 hex digits.")
        else:
            typed = form.get("secret").strip()
            made = _hex(typed, "secret", "A secret is 64 hex digits.") if typed else secrets.token_bytes(SECRET_BYTES)
            committed = commitment(poll.poll_hash, party, made)
        await commit_to_lot(session, poll.public_id, party, viewer.account_id, committed, now)
    except Invalid as refusal:
        return await _page(request, session, poll, viewer, now, form=form, errors=refusal.errors)
    except (AlreadyCommitted, WrongState) as refusal:
        return await _page(request, session, poll, viewer, now, refused=refusal.code)
    return await _page(request, session, poll, viewer, now, secret=made.hex(), done="committed")


@post("/lots/{slug:str}/reveal", guards=[parties], include_in_schema=False, status_code=200)
async def reveal(
    request: AnyRequest, slug: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Take a secret after the count; with both, the lot is drawn."""
    poll = await poll_at(session, slug)
    form = EditorForm.read((await request.form()).multi_items())
    try:
        secret = _hex(form.get("secret"), "secret", "A secret is 64 hex digits.")
        drawn = await reveal_secret(session, poll.public_id, party_of(viewer), viewer.account_id, secret, now)
    except Invalid as refusal:
        return await _page(request, session, poll, viewer, now, form=form, errors=refusal.errors)
    except (LotCannotBeDrawn, WrongState) as refusal:
        return await _page(request, session, poll, viewer, now, refused=refusal.code)
    return see_other(f"/lots/{slug}?done={'drawn' if drawn else 'revealed'}")


@post("/lots/{slug:str}/ties", guards=[any_of("official")], include_in_schema=False, status_code=200)
async def decide(
    request: AnyRequest, slug: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """The chair's order of the options of an open tie, with a public reason."""
    poll = await poll_at(session, slug)
    form = EditorForm.read((await request.form()).multi_items())
    try:
        question, order = _order(form)
        await decide_tie(session, poll.public_id, question, order, form.get("reason"), viewer.account_id, now)
    except Invalid as refusal:
        return await _page(request, session, poll, viewer, now, form=form, errors=refusal.errors)
    except (LotPending, WrongState) as refusal:
        return await _page(request, session, poll, viewer, now, refused=refusal.code)
    return see_other(f"/lots/{slug}?done=decided")


# ---- parts


def party_of(viewer: Viewer) -> Party:
    """Which party an account speaks for: an observer who holds no office, else the official."""
    return Party.OFFICIAL if viewer.has("official") else Party.OBSERVER


def _hex(typed: str, name: str, message: str) -> bytes:
    digits = "".join(typed.split())
    try:
        found = bytes.fromhex(digits) if digits.isascii() else b""
    except ValueError:
        found = b""
    if len(found) != SECRET_BYTES:
        raise Invalid([FieldError(name, "malformed", message)])
    return found


def _order(form: EditorForm) -> tuple[int, list[int]]:
    """The question, and its tied options by the places given to them: each place once."""
    number = form.get("question")
    places = {option: form.get(f"place.{option}") for option in form.ids("place")}
    wanted = [str(place) for place in range(1, len(places) + 1)]
    if not (number.isascii() and number.isdigit() and len(number) < 6) or sorted(places.values()) != sorted(wanted):
        raise Invalid([FieldError("decided", "places", "Give every option a place of its own, from 1.")])
    return int(number), sorted(places, key=lambda option: int(places[option]))


async def _page(
    request: AnyRequest, session: ReadSession, poll: SealedPoll, viewer: Viewer, now: datetime, *,
    form: EditorForm | None = None, errors: tuple[FieldError, ...] = (), secret: str = "", done: str = "",
    refused: str = "",
) -> Response[Any]:  # fmt: skip
    poll = await sealed_poll(session, poll.public_id)
    known = await commitments(session, poll.id)
    counted = poll.counted_at is not None
    ties = [await _shown(session, poll, tie, now) for tie in await open_ties(session, poll)] if counted else []
    if all(question.rule.tie is Tie.JOINT for question in poll.definition.questions):
        raise PollNotFound()
    problem = described(request, Invalid(errors))
    decided = await decided_ties(session, poll.id) if counted else []
    return page(
        request, "officials/lot.html", status=422 if errors else 409 if refused else 200, nav="officials", poll=poll,
        definition=poll.definition, wants_lot=wants_lot(poll), known={p.value: c for p, c in known.items()},
        party=party_of(viewer).value, mine=known.get(party_of(viewer)), account_id=viewer.account_id,
        scheduled=poll.state(now) is State.SCHEDULED, counted=counted, ties=ties, decided=decided,
        is_official=viewer.has("official"), form=form or EditorForm(), secret=secret, refused=refused,
        done=done or request.query_params.get("done", ""),
        names=await names_of(session, [c.account_id for c in known.values()]),
        errors={str(e["path"]): str(e["message"]) for e in problem.errors},
    )  # fmt: skip


async def _shown(session: ReadSession, poll: SealedPoll, tie: OpenTie, now: datetime) -> TieShown:
    question = poll.definition.question(tie.question_id)
    assert question is not None
    options = tuple(option for option in question.options if option.id in tie.tie.options)
    return TieShown(question, options, tie, await chair_may_decide(session, poll, question, now))


handlers = [show_lot, commit, reveal, decide]

"""Before and after sealing: the checklist with its dry run, scheduling, and what remains possible afterwards.

After sealing no rule changes. What is left (a later closing time, closing early, cancelling) takes a public reason;
the city's decision is recorded once the ballots are counted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from polls.audience import DryRun, roll_total
from polls.authoring import (
    Draft,
    cancel_poll,
    check_draft,
    close_early,
    extend_poll,
    load_draft,
    schedule_poll,
)
from polls.catalogue import SealedPoll, cast_counts, sealed_poll
from polls.definition import AllOf, AnyAudience, Definition, Text
from polls.errors import FieldError, Invalid, NotReady
from polls.journal import poll_events
from polls.lifecycle import Move, State, may
from polls.register import territory_tree
from polls.sessions import ReadSession, Session
from polls.strata import LEAST, age_label, coarsen
from polls.territories import TerritoryTree
from results.decisions import Status, decision_of, record_decision
from results.visibility import COUNTED
from voting.identity.guards import official
from voting.identity.names import names_of
from voting.identity.sessions import Viewer
from voting.web.editor_form import EditorForm
from voting.web.error_pages import described
from voting.web.form_filling import form_of
from voting.web.i18n import language_of
from voting.web.officials import address_of, known, see_other
from voting.web.officials_words import finding_line
from voting.web.rendering import page, translate_for
from voting.web.typed import Mistyped, read_local, zone_of

AnyRequest = Request[Any, Any, Any]


@get("/officials/polls/{public_id:str}/check", guards=[official], include_in_schema=False)
async def show_check(
    request: AnyRequest, public_id: FromPath[str], session: NamedDependency[Session], now: NamedDependency[datetime]
) -> Response[Any]:
    """What keeps the draft from being scheduled, who could vote, and what scheduling means."""
    draft = await load_draft(session, known(public_id), now)
    if not may(Move.SCHEDULE, draft.state):
        return see_other(address_of(public_id))
    return await _check_page(request, session, draft, now)


@post("/officials/polls/{public_id:str}/schedule", guards=[official], include_in_schema=False, status_code=200)
async def schedule(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Seal the revision the official has seen."""
    sent = await request.form()
    seen = str(sent.get("revision") or "")
    revision = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else 0
    if sent.get("understood") != "1":
        draft = await load_draft(session, known(public_id), now)
        return await _check_page(request, session, draft, now, not_understood=True)
    try:
        await schedule_poll(session, known(public_id), viewer.account_id, revision, now)
    except NotReady:  # found since the page was opened: the clock has moved, or the register
        return await _check_page(request, session, await load_draft(session, public_id, now), now, status=409)
    return see_other(address_of(public_id, "?done=sealed"))


async def _check_page(
    request: AnyRequest, session: ReadSession, draft: Draft, now: datetime, *, status: int = 200,
    not_understood: bool = False,
) -> Response[Any]:  # fmt: skip
    check = await check_draft(session, draft.definition, now)
    tree = await territory_tree(session)
    form = form_of(draft.definition, slug=draft.slug)
    translate = translate_for(request)
    run = check.dry_run
    return page(
        request, "officials/check.html", status=422 if not_understood else status, nav="officials", draft=draft,
        definition=draft.definition, lines=[finding_line(found, form, translate) for found in check.findings],
        ready=check.ready, run=run, places=tree.by_code, address=address_of(draft.public_id),
        not_understood=not_understood, **(_dry_run_words(run, draft.definition, tree) if run else {}),
    )  # fmt: skip


def _dry_run_words(run: DryRun, definition: Definition, tree: TerritoryTree) -> dict[str, Any]:
    """The dry run as rows of tables: districts by size, ages in order, reasons as rules, groups too small."""
    by_district = sorted(run.by_district.items(), key=lambda item: -item[1])
    ages = [(age_label(index, definition.age_bands), n) for index, n in sorted(run.by_age.items(), key=_by_age)]
    merged = coarsen(run.by_stratum, tree.parent) if run.by_stratum else {}
    return {
        "districts": [(tree.by_id.get(number), n) for number, n in by_district],
        "ages": ages,
        "reasons": [(reason.code, _rule_of(reason.rule), reason.citizens) for reason in run.refused_by],
        "groups_in_all": len(run.by_stratum),
        "groups_merged": sum(1 for stratum, final in merged.items() if stratum != final),
        "least": LEAST,
    }


def _by_age(item: tuple[int, int]) -> int:
    """Younger than the first band comes first, unknown last."""
    return 0 if item[0] == 97 else item[0]


def _rule_of(rule: dict[str, Any]) -> AnyAudience:
    return AllOf.model_validate({"op": "all", "of": [rule]}).of[0]


# ---- a sealed poll


@get("/officials/polls/{public_id:str}", guards=[official], include_in_schema=False)
async def show_sealed(
    request: AnyRequest, public_id: FromPath[str], session: NamedDependency[Session], now: NamedDependency[datetime]
) -> Response[Any]:
    """The poll as it runs: state, times, turnout, history, and what can still be done."""
    draft = await load_draft(session, known(public_id), now)
    if may(Move.EDIT, draft.state):
        return see_other(address_of(public_id, "/edit"))
    return await _sealed_page(request, session, draft, now)


@post("/officials/polls/{public_id:str}/extend", guards=[official], include_in_schema=False, status_code=200)
async def extend(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Move the closing time later."""
    form = EditorForm.read((await request.form()).multi_items())

    async def act() -> None:
        draft = await load_draft(session, known(public_id), now)
        closes_at = _closing(form, draft.definition)
        await extend_poll(session, public_id, viewer.account_id, closes_at, form.get("reason"), now)

    return await _amend(request, session, public_id, form, "extend", act, now)


@post("/officials/polls/{public_id:str}/close-early", guards=[official], include_in_schema=False, status_code=200)
async def close(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Close an open poll now."""
    form = EditorForm.read((await request.form()).multi_items())

    async def act() -> None:
        await close_early(session, known(public_id), viewer.account_id, form.get("reason"), now)

    return await _amend(request, session, public_id, form, "close", act, now)


@post("/officials/polls/{public_id:str}/cancel", guards=[official], include_in_schema=False, status_code=200)
async def cancel(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Cancel a poll: nothing will be counted."""
    form = EditorForm.read((await request.form()).multi_items())

    async def act() -> None:
        await cancel_poll(session, known(public_id), viewer.account_id, form.get("reason"), now)

    return await _amend(request, session, public_id, form, "cancel", act, now)


@post("/officials/polls/{public_id:str}/decision", guards=[official], include_in_schema=False, status_code=200)
async def decide(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Record, or correct, what the city does about the result."""
    form = EditorForm.read((await request.form()).multi_items())

    async def act() -> None:
        status = form.get("status")
        await record_decision(
            session, known(public_id), text=Text.model_validate({"ru": form.get("text.ru"), "en": form.get("text.en")}),
            owner=form.get("owner"), status=Status(status) if status in tuple(Status) else Status.PLANNED,
            author_id=viewer.account_id, now=now, deadline=_deadline(form.get("deadline")),
        )  # fmt: skip

    return await _amend(request, session, public_id, form, "decision", act, now)


async def _amend(
    request: AnyRequest, session: Session, public_id: str, form: EditorForm, move: str,
    act: Callable[[], Awaitable[None]], now: datetime,
) -> Response[Any] | Redirect:  # fmt: skip
    """Do it, or show the page again with what is wrong and with everything typed."""
    try:
        await act()
    except Invalid as refusal:
        draft = await load_draft(session, known(public_id), now)
        return await _sealed_page(request, session, draft, now, form=form, move=move, errors=refusal.errors)
    return see_other(address_of(public_id, f"?done={move}"))


def _closing(form: EditorForm, definition: Definition) -> datetime:
    try:
        return read_local(form.get("closes_at"), zone_of(definition.time_zone), form.get("closes_at.fold"))
    except Mistyped as wrong:
        raise Invalid([FieldError("closes_at", wrong.code, wrong.message)]) from wrong


def _deadline(typed: str) -> date | None:
    if not typed.strip():
        return None
    try:
        return date.fromisoformat(typed.strip())
    except ValueError as error:
        raise Invalid([FieldError("deadline", "date", "Type a date such as 2026-12-31.")]) from error


async def _sealed_page(
    request: AnyRequest, session: ReadSession, draft: Draft, now: datetime, *, form: EditorForm | None = None,
    move: str = "", errors: tuple[FieldError, ...] = (),
) -> Response[Any]:  # fmt: skip
    """The page of a sealed or cancelled poll. Turnout only: officials see results when everybody does."""
    poll: SealedPoll | None = await sealed_poll(session, draft.public_id) if draft.poll_hash else None
    events = await poll_events(session, draft.poll_id)
    problem = described(request, Invalid(errors))
    accounts = [by for event in events if isinstance(by := event["body"].get("by"), int)]
    return page(
        request, "officials/poll.html", status=422 if errors else 200, nav="officials", draft=draft, poll=poll,
        definition=draft.definition, state=draft.state.value, events=events,
        names=await names_of(session, [*accounts, draft.author_id]),
        votes=(await cast_counts(session, [draft.poll_id])).get(draft.poll_id, 0),
        roll=await roll_total(session, draft.poll_id), places=(await territory_tree(session)).by_code,
        decision=await decision_of(session, draft.poll_id), counted=State(draft.state) in COUNTED,
        moves={move.value for move in Move if may(move, draft.state)}, statuses=[status.value for status in Status],
        form=form or EditorForm(), move=move, done=request.query_params.get("done", ""),
        errors={str(error["path"]).replace("/", "."): str(error["message"]) for error in problem.errors},
        address=address_of(draft.public_id), now=now, language=language_of(request),
    )  # fmt: skip


handlers = [show_check, schedule, show_sealed, extend, close, cancel, decide]

"""Taking a poll's data away: the page of its files, orders of long ones, and the page of an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from polls.catalogue import SealedPoll
from polls.errors import FieldError, Invalid
from polls.questions import takes_words
from polls.sessions import ReadSession, Session
from results.exports.answers import number_of_records
from results.exports.codebook import LICENCE
from results.exports.headers import Language
from results.exports.kinds import BYTES_A_LINE, ORDERED, FileKind, Wanted
from results.exports.workbook import LINES
from results.exports.xlsx import number_of_lines
from results.figures import PollFigures, counted_version, poll_figures, see
from results.visibility import Need, require
from voting import export_making  # noqa: F401  -- declares the job that is asked for here
from voting.db import Database
from voting.export_jobs import ExportState, cancel_export, export_of, order_export, recent_exports
from voting.export_words import why_it_failed
from voting.identity.cookies import IdentityCookies
from voting.identity.guards import public
from voting.throttling import Throttle, caller_of
from voting.web.i18n import language_of
from voting.web.rendering import page, translate_for
from voting.web.standing import address_of, poll_at

AnyRequest = Request[Any, Any, Any]
FORM = {"csrf": "visitor", "limit": "export_orders"}
REFRESH = 2
"""Seconds after which the page of an order asks again by itself, without a script."""


@dataclass(frozen=True)
class FileLine:
    """One file as the page lists it: its address (None: it is ordered), about how many bytes, and its choices."""

    kind: FileKind
    lines: int | None
    question_id: int | None = None
    ordered: bool = False
    too_long: bool = False

    @property
    def size(self) -> int | None:
        """About how many bytes."""
        return None if self.lines is None else self.lines * BYTES_A_LINE.get(self.kind, 0) or None


@get("/polls/{slug:str}/downloads", guards=[public], include_in_schema=False, opt={"figures": "downloads"})
async def show_poll_downloads(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database],
    identity_cookies: NamedDependency[IdentityCookies], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Every file of a counted poll: what it is for, how many lines it has, and the newest orders."""
    async with database.open_session() as session:
        poll = await poll_at(session, slug)
        counted = await counted_version(session, poll.id)
        seen = see(poll, counted, now)
        require(seen, Need.OUTCOME)
        assert counted is not None
        figures = await poll_figures(session, poll.slug, now)
        records = await _records(session, poll) if seen.answers else []
        orders = await recent_exports(session, poll.id, counted.version, now)
    token, fresh = identity_cookies.form_token(request)
    definition = poll.definition
    return _with(fresh, page(
        request, "exports/files.html", nav="results", poll=poll, definition=definition, seen=seen, figures=figures,
        csrf_token=token, results=_result_files(figures), records=records, orders=orders, licence=LICENCE,
        texts=any(takes_words(question) for question in definition.questions), too_long=LINES, version=counted.version,
    ))  # fmt: skip


def _result_files(figures: PollFigures) -> list[FileLine]:
    lines = number_of_lines(figures)
    days = figures.turnout.days
    turnout = 1 + sum(len(table.rows) for table in figures.turnout.tables) + len(days)
    groups = 1 + max((sum(len(table.rows) for table in found.tables) for found in figures.questions), default=0)
    by_hour = [FileLine(FileKind.HOURS_CSV, None)] if figures.seen.breakdowns else []
    return [
        FileLine(FileKind.RESULTS_XLSX, lines, ordered=True), FileLine(FileKind.RESULTS_CSV, lines),
        FileLine(FileKind.RESULTS_WIDE_CSV, groups), FileLine(FileKind.RESULTS_PARQUET, lines),
        FileLine(FileKind.RESULTS_JSON, lines), FileLine(FileKind.TURNOUT_CSV, turnout),
        FileLine(FileKind.DETAILS_CSV, None), *by_hour,
    ]  # fmt: skip


async def _records(session: ReadSession, poll: SealedPoll) -> list[tuple[int, list[FileLine]]]:
    """Question id → its files of records."""
    found = []
    for question in poll.question_ids:
        lines = await number_of_records(session, poll, question)
        kinds = (FileKind.ANSWERS_CSV, FileKind.ANSWERS_PARQUET, FileKind.ANSWERS_JSONL, FileKind.ANSWERS_XLSX)
        found.append((question, [
            FileLine(kind, lines, question, ordered=True, too_long=kind is FileKind.ANSWERS_XLSX and lines >= LINES)
            for kind in kinds
        ]))  # fmt: skip
    return found


@post("/polls/{slug:str}/exports", guards=[public], opt=FORM, include_in_schema=False, status_code=303)
async def order(
    request: AnyRequest, slug: FromPath[str], session: NamedDependency[Session], throttle: NamedDependency[Throttle],
    now: NamedDependency[datetime],
) -> Redirect:  # fmt: skip
    """Order a file, and lead to the page of the order."""
    form = await request.form()
    kind, question = str(form.get("kind") or ""), str(form.get("question") or "")
    if kind not in {one.value for one in ORDERED}:
        raise Invalid([FieldError("kind", "literal_error", "Choose a file of the list.")])
    if question and not (question.isascii() and question.isdigit() and 0 < int(question[:9]) <= 32_767):
        raise Invalid([FieldError("question", "int_parsing", "A whole number is needed here.")])
    spoken = cast("Language", language_of(request))
    language = spoken if kind.endswith("xlsx") else None
    wanted = Wanted.of(FileKind(kind), question_id=int(question) if question else None, language=language)
    job = await order_export(session, address_of(slug), wanted, _asker(request, throttle), now)
    return Redirect(f"/exports/{job.id}", status_code=303)


@get("/exports/{export_id:str}", guards=[public], include_in_schema=False)
async def show_order(
    request: AnyRequest, export_id: FromPath[str], session: NamedDependency[Session],
    identity_cookies: NamedDependency[IdentityCookies], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """How far an order is; while it is under way the page asks again by itself."""
    job = await export_of(session, export_id)
    poll = await poll_at(session, job.slug)
    token, fresh = identity_cookies.form_token(request)
    state = job.state
    if state is ExportState.READY and job.expires_at is not None and job.expires_at <= now:
        state = ExportState.EXPIRED
    headers = {"refresh": str(REFRESH)} if state.under_way else {}
    return _with(fresh, page(
        request, "exports/order.html", nav="results", job=job, poll=poll, state=state.value, csrf_token=token,
        under_way=state.under_way, left=job.seconds_left(now), headers=headers,
        why=translate_for(request)(why_it_failed(job.error)),
        done=min(1.0, job.rows_done / job.rows_total) if job.rows_total else None,
    ))  # fmt: skip


@post("/exports/{export_id:str}/cancel", guards=[public], opt={"csrf": "visitor"}, include_in_schema=False,
      status_code=303)  # fmt: skip
async def cancel(
    request: AnyRequest, export_id: FromPath[str], session: NamedDependency[Session],
    throttle: NamedDependency[Throttle],
) -> Redirect:  # fmt: skip
    """Take one's order back."""
    await cancel_export(session, export_id, _asker(request, throttle))
    return Redirect(f"/exports/{export_id}", status_code=303)


def _asker(request: AnyRequest, throttle: Throttle) -> str:
    return throttle.tag("export_orders", caller_of(request.scope))


def _with(fresh: Sequence[Cookie], reply: Response[Any]) -> Response[Any]:
    for cookie in fresh:
        reply.set_cookie(cookie)
    return reply


handlers = [show_poll_downloads, order, show_order, cancel]

"""Files of results that are made in the background: order one, see how far it is, take it in parts, take it back.

For everybody, as the results are. A file that is there is sent whole or in one part (`Range`), under a strong entity
tag that is its SHA-256: what was broken off can be gone on with, and nothing else is ever glued to it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Stream
from pydantic import Field

from polls.errors import NotCounted, NotFound, PollNotFound, ResultsHidden, TooFewToPublish, WrongState
from polls.sessions import Session
from results.errors import ExportGone, ExportNotReady, ExportsBusy, NotYourOrder, SheetTooLong
from results.exports.dialects import Dialect
from results.exports.kinds import FileKind, Wanted
from results.exports.threads import from_thread
from voting import export_making  # noqa: F401  -- declares the job that is asked for here
from voting.api.addresses import poll_name
from voting.api.operations import Returned, describes
from voting.api.representation import is_current, json_reply
from voting.api.schemas import Shape
from voting.db import Database
from voting.export_files import pieces
from voting.export_jobs import ExportJob, ReadyFile, cancel_export, export_of, order_export, ready_file
from voting.export_words import why_it_failed
from voting.identity.guards import public
from voting.ranges import Part, Unsatisfiable, part_asked
from voting.settings import Settings
from voting.throttling import Throttle, caller_of

AnyRequest = Request[Any, Any, Any]
HIDDEN = (PollNotFound, ResultsHidden, NotCounted, WrongState, TooFewToPublish)
OCTETS = "application/octet-stream"


class ExportIn(Shape):
    """A file to be made."""

    kind: Literal[
        "results.xlsx", "results.parquet", "answers.csv", "answers.jsonl", "answers.parquet", "answers.xlsx"
    ] = Field(description="The other files are small: take them at once.", examples=["answers.parquet"])
    question: int | None = Field(None, ge=1, le=32_767, description="One question's id, of files of answers.")
    dialect: Dialect = Field(Dialect.PLAIN, description="Of CSV.")
    lang: Literal["ru", "en"] | None = Field(
        None, description="Titles of columns. Null: machine names; of a workbook, Russian."
    )


class ExportView(Shape):
    """An order as it stands."""

    id: str
    poll_slug: str
    version: int = Field(description="Of the count the file is made from.")
    kind: str
    question: int | None
    dialect: str
    lang: str | None
    state: Literal["waiting", "running", "ready", "failed", "cancelled", "expired"]
    rows_done: int
    rows_total: int | None = Field(description="Null for files of results, which are made in a moment.")
    seconds_left: int | None = Field(description="About; null while that is not known.")
    file_name: str | None
    media_type: str | None
    size: int | None = Field(description="Bytes.")
    sha256: str | None
    why: str | None = Field(description="Why it failed: `disk_full`, `failed`, or the code of a refusal.")
    detail: str | None = Field(description="The same in words.")
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    status_url: str
    file_url: str | None
    page_url: str

    @classmethod
    def of(cls, job: ExportJob, now: datetime) -> ExportView:
        """From the job's own."""
        address = f"/api/v1/exports/{job.id}"
        failed = job.state.value == "failed"
        return cls(
            id=job.id, poll_slug=job.slug, version=job.version, kind=job.wanted.kind.value,
            question=job.wanted.question_id, dialect=job.wanted.dialect.value, lang=job.wanted.language,
            state=job.state.value, rows_done=job.rows_done, rows_total=job.rows_total,
            seconds_left=job.seconds_left(now), file_name=job.file_name or None, media_type=job.media_type or None,
            size=job.size, sha256=job.sha256, why=job.error, detail=why_it_failed(job.error) if failed else None,
            created_at=job.created_at, finished_at=job.finished_at, expires_at=job.expires_at, status_url=address,
            file_url=f"{address}/file" if job.state.value == "ready" else None, page_url=f"/exports/{job.id}",
        )  # fmt: skip


@post(
    "/polls/{slug:str}/exports",
    guards=[public],
    status_code=202,
    summary="Order a file",
    tags=["results"],
    opt=describes(
        "orderExport", {202: Returned("Ordered, or ordered by somebody already; it may be there", ExportView,
                                      headers={"Location": "Where it says how far it is"})},
        refuses=[*HIDDEN, NotFound, SheetTooLong, ExportsBusy], limit="export_orders", scope="exports:write",
        figures="api orderExport",
        body_example={"kind": "answers.parquet"},
    ),
)  # fmt: skip
async def order(
    request: AnyRequest, slug: FromPath[str], data: JSONBody[ExportIn], session: NamedDependency[Session],
    throttle: NamedDependency[Throttle], now: NamedDependency[datetime],
) -> Response[bytes]:  # fmt: skip
    """Have a long file made. Equal orders share one job; three may be under way for one account or network.

    Then ask `status_url` until `state` is `ready`, and take `file_url`. A finished file is kept for a day.
    """
    wanted = Wanted.of(
        FileKind(data.kind), question_id=data.question, dialect=data.dialect, language=data.lang
    )  # fmt: skip
    job = await order_export(session, poll_name(slug), wanted, asker_of(request, throttle), now)
    shown = ExportView.of(job, now)
    return json_reply(shown, status=202, headers={"location": shown.status_url})


@get(
    "/exports/{export_id:str}",
    guards=[public],
    summary="How far an order is",
    tags=["results"],
    opt=describes("getExport", {200: Returned("The order", ExportView)}, refuses=[NotFound]),
)
async def show_export(
    export_id: FromPath[str], session: NamedDependency[Session], now: NamedDependency[datetime]
) -> Response[bytes]:
    """Waiting, running, ready, failed (with the reason), cancelled or expired."""
    return json_reply(ExportView.of(await export_of(session, export_id), now))


@delete(
    "/exports/{export_id:str}",
    guards=[public],
    status_code=204,
    summary="Take an order back",
    tags=["results"],
    opt=describes(
        "cancelExport",
        {204: Returned("Taken back")},
        refuses=[NotFound, NotYourOrder, WrongState],
        scope="exports:write",
    ),
)
async def cancel(
    request: AnyRequest, export_id: FromPath[str], session: NamedDependency[Session],
    throttle: NamedDependency[Throttle],
) -> None:  # fmt: skip
    """Whoever ordered may. The work stops within seconds unless others ordered the same file."""
    await cancel_export(session, export_id, asker_of(request, throttle))


@get(
    "/exports/{export_id:str}/file",
    guards=[public],
    summary="Take a file that was ordered",
    tags=["results"],
    opt=describes(
        "getExportFile",
        {
            200: Returned("The file", None, OCTETS, {"Content-Disposition": "The name to save it under"}),
            206: Returned("The part asked for by `Range`", None, OCTETS, {"Content-Range": "Which part"}),
            416: Returned("The part asked for lies beyond the end", None, OCTETS, {"Content-Range": "The size"}),
        },
        refuses=[NotFound, *HIDDEN, ExportNotReady, ExportGone], conditional=True, uncompressed=True,
    ),
)  # fmt: skip
async def send_file(
    request: AnyRequest, export_id: FromPath[str], database: NamedDependency[Database],
    settings: NamedDependency[Settings], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """The whole file, or one part of it: `Range` and `If-Range` are honoured, of several parts the whole is sent.

    The entity tag is the SHA-256. 410 `export_gone` once it is no longer kept or its poll was counted anew.
    """
    async with database.open_session() as session:
        ready = await ready_file(session, settings.data_dir, export_id, now)
    return reply_with(request, ready)


def reply_with(request: AnyRequest, ready: ReadyFile) -> Response[Any]:
    """A file, or the part of it that is asked for."""
    tag = f'"{ready.sha256}"'
    headers = {
        "etag": tag,
        "accept-ranges": "bytes",
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
        "content-disposition": f'attachment; filename="{ready.job.file_name}"',
    }
    if is_current(request, tag):
        return Response(b"", status_code=304, headers=headers, media_type=ready.job.media_type)
    try:
        asked = part_asked(request.headers.get("range"), request.headers.get("if-range"), tag, ready.size)
    except Unsatisfiable:
        headers["content-range"] = f"bytes */{ready.size}"
        return Response(b"", status_code=416, headers=headers, media_type=OCTETS)
    part = asked or Part(0, ready.size - 1)
    headers["content-length"] = str(part.length)
    if asked:
        headers["content-range"] = f"bytes {part.first}-{part.last}/{ready.size}"
    if request.scope["state"].get("headless"):
        return Response(b"", status_code=206 if asked else 200, headers=headers, media_type=ready.job.media_type)
    content = from_thread(lambda: pieces(ready.path, part.first, part.length))
    return Stream(content, status_code=206 if asked else 200, headers=headers, media_type=ready.job.media_type)


def asker_of(request: AnyRequest, throttle: Throttle) -> str:
    """Whom an order counts for: the account, or the network of a visitor, by a keyed hash."""
    return throttle.tag("export_orders", caller_of(request.scope))


handlers = [order, show_export, cancel, send_file]

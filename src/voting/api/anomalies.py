"""GET /polls/{slug}/anomalies and the file of votes by hour. Through the one gate of `results`, for everybody alike."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from polls.errors import NotCounted, PollNotFound, ResultsHidden, TooFewToPublish, WrongState
from results.anomalies import anomalies_of
from results.errors import TablesPending
from results.exports.dialects import Dialect
from results.exports.hours import hours_csv
from voting.api.addresses import poll_name
from voting.api.operations import Returned, describes
from voting.api.representation import public_bytes, public_json, weak_tag
from voting.api.schemas_anomalies import AnomalyReport
from voting.db import Database
from voting.identity.guards import public

AnyRequest = Request[Any, Any, Any]
REFUSES = (PollNotFound, ResultsHidden, NotCounted, WrongState, TooFewToPublish, TablesPending)
KEPT = 300


@get(
    "/polls/{slug:str}/anomalies",
    guards=[public],
    summary="Checks for anomalies",
    tags=["results"],
    opt=describes("getAnomalies", {200: Returned("The checks and votes by hour", AnomalyReport)}, refuses=REFUSES,
                  conditional=True),
)  # fmt: skip
async def show_anomalies(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime]
) -> Response[bytes]:
    """What looks unusual in when and where votes were cast, and what it can and cannot mean; never of choices."""
    async with database.open_read_session() as session:
        found = await anomalies_of(session, poll_name(slug), now)
    return public_json(request, AnomalyReport.of(found), max_age=KEPT)


@get(
    "/polls/{slug:str}/hours.csv",
    guards=[public],
    summary="Votes by hour as CSV",
    tags=["results"],
    opt=describes(
        "getHoursCsv",
        {200: Returned("Votes of the city by ten minutes, and by hour and okrug; no number is under ten", None,
                       "text/csv", {"Content-Disposition": "The name to save it under"})},
        refuses=REFUSES, conditional=True, limit="exports",
    ),
)  # fmt: skip
async def send_hours(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime],
    dialect: Annotated[
        Literal["plain", "excel"], QueryParameter(description="`plain`: for programs. `excel`: for a double click.")
    ] = "plain",
    lang: Annotated[
        Literal["ru", "en"] | None, QueryParameter(description="Titles of columns; without it, their machine names.")
    ] = None,
) -> Response[bytes]:  # fmt: skip
    """The counters the checks are made from: a few thousand lines at most, sent whole."""
    file = await hours_csv(
        database.open_read_session, poll_name(slug), now=now, dialect=Dialect(dialect), language=lang
    )
    body = b"".join([chunk async for chunk in file.chunks])
    reply = public_bytes(request, body, tag=weak_tag(body), media_type=file.media_type, max_age=KEPT)
    if reply.status_code != 304:
        reply.headers["content-disposition"] = f'attachment; filename="{file.file_name}"'
    return reply


handlers = [show_anomalies, send_hours]

"""GET /polls/{slug}/results and its files. Every figure comes through the one gate of `results`, for everybody alike.

Files are streamed from a session of their own: the request's is closed before the first byte leaves. What may refuse
does so before that, while an answer can still be a problem.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from polls.catalogue import sealed_poll
from polls.errors import NotCounted, NotFound, PollNotFound, ResultsHidden, TooFewToPublish, WrongState
from results.errors import NeedsExportJob, TablesPending
from results.exports.columns import FORMAT_VERSION
from results.exports.csv import results_document
from results.exports.dialects import Dialect, Download
from results.exports.kinds import FileKind, Wanted, open_file
from results.exports.parquet import MEDIA_TYPE as PARQUET
from results.exports.texts import texts_csv
from results.exports.xlsx import AT_ONCE
from results.exports.xlsx import MEDIA_TYPE as XLSX
from results.figures import counted_version, live_figures, poll_figures, see
from results.weighted_polls import weighting_if_any
from voting.api.addresses import poll_name
from voting.api.operations import Returned, describes
from voting.api.representation import is_current, not_modified, public_headers, public_json, weak_tag
from voting.api.schemas_results import AnyResults, LiveResults, Results, outcomes_as_sent
from voting.db import Database
from voting.identity.guards import public

AnyRequest = Request[Any, Any, Any]
HIDDEN = (PollNotFound, ResultsHidden, NotCounted, WrongState, TablesPending)
CSV = "text/csv"
KEPT = 300

LangQuery = Annotated[
    Literal["ru", "en"] | None,
    QueryParameter(description="Titles of columns in Russian or English; without it, their machine names."),
]
QuestionQuery = Annotated[int | None, QueryParameter(ge=1, le=32_767, description="One question's id.")]
DialectQuery = Annotated[
    Literal["plain", "excel"],
    QueryParameter(description="`plain`: for programs. `excel`: opens by a double click with Russian settings."),
]


def _file(
    operation_id: str,
    description: str,
    media_type: str = CSV,
    *,
    few: bool = False,
    unknown: bool = False,
    large: bool = False,
) -> dict[str, Any]:
    refuses = (*HIDDEN, NotFound, TooFewToPublish) if few else (*HIDDEN, NotFound) if unknown else HIDDEN
    refuses = (*refuses, NeedsExportJob) if large else refuses
    named = {"Content-Disposition": "The name to save it under"}
    model = dict[str, Any] if media_type == "application/json" else None
    returned = Returned(description, model, media_type, named)
    return describes(operation_id, {200: returned}, refuses=refuses, conditional=not unknown, limit="exports",
                     figures=f"api {operation_id}",
                     uncompressed=media_type in (PARQUET, XLSX))  # fmt: skip


@get(
    "/polls/{slug:str}/results",
    guards=[public],
    summary="Results",
    tags=["results"],
    opt=describes("getResults", {200: Returned("The results, or the last live step", AnyResults)}, refuses=HIDDEN,
                  conditional=True, figures="api results"),
)  # fmt: skip
async def show_results(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime]
) -> Response[bytes]:
    """The outcome with the steps of the count, breakdowns that passed disclosure control, and turnout.

    Tables by two dimensions at once are in the files alone.

    Of a poll shown live and still open, the last step: totals only. Before that 403 `results_hidden` with `until`, or
    409 `not_counted` while the count is under way.
    """
    name = poll_name(slug)
    async with database.open_read_session() as session:
        found = await sealed_poll(session, name)
        seen = see(found, await counted_version(session, found.id), now)
        if not seen.live or seen.outcome:
            figures = await poll_figures(session, name, now)
            document = results_document(figures, await weighting_if_any(session, figures), pairs=False)
            return public_json(request, Results.model_validate(document), max_age=KEPT)
        step = await live_figures(session, name, now)
    shown = LiveResults(
        poll_id=found.public_id, ballots=step.ballots if step else None, at=step.at if step else None,
        outcomes=outcomes_as_sent(step.outcomes) if step else [], too_few=list(step.too_few) if step else [],
    )  # fmt: skip
    return public_json(request, shown)


def _csv_of_figures(kind: FileKind, operation_id: str, summary: str, description: str, about: str) -> HTTPRouteHandler:
    """The operation that sends a small CSV file of a poll's figures."""

    async def send(
        request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime],
        dialect: DialectQuery = "plain", lang: LangQuery = None,
    ) -> Response[Any]:  # fmt: skip
        wanted = Wanted.of(kind, dialect=Dialect(dialect), language=lang)
        return await _send_file(request, database, slug, wanted, now)

    return _operation(kind, summary, about, _file(operation_id, description), send)


def _whole_file(
    kind: FileKind, operation_id: str, summary: str, description: str, media_type: str, about: str
) -> HTTPRouteHandler:
    """The operation that sends a file nobody chooses anything of."""

    async def send(
        request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime]
    ) -> Response[Any]:
        return await _send_file(request, database, slug, Wanted.of(kind), now)

    return _operation(kind, summary, about, _file(operation_id, description, media_type), send)


def _records(
    kind: FileKind, operation_id: str, summary: str, description: str, media_type: str, about: str
) -> HTTPRouteHandler:
    """The operation that sends published records, all or those of one question."""

    async def send(
        request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime],
        question: QuestionQuery = None,
    ) -> Response[Any]:  # fmt: skip
        return await _send_file(request, database, slug, Wanted.of(kind, question_id=question), now)

    return _operation(kind, summary, about, _file(operation_id, description, media_type, few=True), send)


def _operation(
    kind: FileKind, summary: str, about: str, opt: dict[str, Any], send: Callable[..., Awaitable[Response[Any]]]
) -> HTTPRouteHandler:
    send.__doc__ = about
    address = f"/polls/{{slug:str}}/{kind.value}"
    return get(address, guards=[public], summary=summary, tags=["results"], opt=opt)(send)


of_figures = [
    _csv_of_figures(
        FileKind.RESULTS_CSV, "getResultsCsv", "Results as CSV", "One line per question, class of answer and group",
        "The figures of the results page, number for number; the codebook says what every column means.",
    ),
    _csv_of_figures(
        FileKind.TURNOUT_CSV, "getTurnoutCsv", "Turnout as CSV", "Turnout by group and by day",
        "Turnout of a counted poll by group and by day.",
    ),
    _csv_of_figures(
        FileKind.RESULTS_WIDE_CSV, "getResultsWideCsv", "Results as CSV, a column for each option",
        "One line a group, one column an option",
        "The numbers of results.csv, laid out for a spreadsheet; columns are named by ids of questions and options.",
    ),
    _csv_of_figures(
        FileKind.DETAILS_CSV, "getDetailsCsv", "Details as CSV",
        "Levels, places, comparisons of every two and rounds, one number a line",
        "What lies behind the totals of the whole poll: how the ratings, rankings and rounds of a count stood.",
    ),
    _whole_file(
        FileKind.RESULTS_JSON, "getResultsJson", "Results as a JSON file",
        "The document of getResults with every table, to keep", "application/json",
        "The document of `/results` with the tables by two dimensions, as a file with a name that sorts by date.",
    ),
    _whole_file(
        FileKind.RESULTS_PARQUET, "getResultsParquet", "Results as Parquet",
        "The lines of results.csv in typed columns", PARQUET,
        "The figures of the results page; a hidden figure is null, codes are categories.",
    ),
    _whole_file(
        FileKind.CODEBOOK_JSON, "getCodebook", "Codebook",
        "CSV on the Web metadata of the files, with questions and options", "application/json",
        "What every column, code and empty cell of the files means.",
    ),
]  # fmt: skip
of_records = [
    _records(
        FileKind.ANSWERS_JSONL, "getAnswersJsonl", "Published answers as lines of JSON", "One JSON object a line",
        "application/x-ndjson", "The records of answers.csv; an answer is an array.",
    ),
    _records(
        FileKind.ANSWERS_PARQUET, "getAnswersParquet", "Published answers as Parquet",
        "The records of answers.csv in typed columns", PARQUET,
        "Sent while it is made. Half of such a file opens nowhere.",
    ),
]  # fmt: skip


@get(
    "/polls/{slug:str}/answers.csv",
    guards=[public],
    summary="Published answers as CSV",
    tags=["results"],
    opt=_file("getAnswersCsv", "One line per answer to one question, in the order of leaf hashes", few=True),
)
async def send_answers(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime],
    question: QuestionQuery = None,
    dialect: DialectQuery = "plain", lang: LangQuery = None,
) -> Response[Any]:  # fmt: skip
    """The published records anybody recounts from: no group, no ballot, no two questions together."""
    wanted = Wanted.of(FileKind.ANSWERS_CSV, question_id=question, dialect=Dialect(dialect), language=lang)
    return await _send_file(request, database, slug, wanted, now)


@get(
    "/polls/{slug:str}/results.xlsx",
    guards=[public],
    summary="Results as a workbook",
    tags=["results"],
    opt=_file("getResultsXlsx", "Totals, charts, breakdowns, turnout, codebook and the protocol's key facts", XLSX,
              large=True),
)  # fmt: skip
async def send_workbook(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime],
    lang: Annotated[Literal["ru", "en"], QueryParameter(description="The language of the workbook.")] = "ru",
) -> Response[Any]:  # fmt: skip
    """The same figures as an Excel workbook. One of more than 5,000 lines has to be ordered: 409."""
    return await _send_file(request, database, slug, Wanted.of(FileKind.RESULTS_XLSX, language=lang), now)


@get(
    "/polls/{slug:str}/texts.csv",
    guards=[public],
    summary="Reviewed texts as CSV",
    tags=["results"],
    opt=_file(
        "getTextsCsv", "One line per text that was reviewed, in an order that means nothing", few=True, unknown=True
    ),
)
async def send_texts(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime],
    question: QuestionQuery = None,
    dialect: DialectQuery = "plain", lang: LangQuery = None,
) -> Response[Any]:  # fmt: skip
    """Texts and own answers somebody has reviewed; never a ballot, a group or another answer beside one.

    Reviews go on after the count, so an unchanged tag is not promised: the file is always sent anew.
    """
    name = poll_name(slug)
    download = await texts_csv(
        database.open_read_session, name, now=now, question_id=question, dialect=Dialect(dialect), language=lang
    )  # fmt: skip
    headers = {"content-disposition": f'attachment; filename="{download.file_name}"', "cache-control": "no-cache"}
    return Stream(_plain(download.chunks), media_type=download.media_type, headers=headers)


async def _send_file(
    request: AnyRequest, database: Database, slug: str, wanted: Wanted, now: datetime
) -> Response[Any]:
    """One of the files of `results.exports.kinds`, at once."""

    async def made() -> Download:
        return await open_file(database.open_read_session, poll_name(slug), wanted, now=now, at_once=AT_ONCE)

    return await _send(request, database, slug, f"{wanted.kind.value}/{wanted.as_json()}", made)


async def _send(
    request: AnyRequest, database: Database, slug: str, what: str, make: Callable[[], Awaitable[Download]]
) -> Response[Any]:
    """Ask the gate first (by making the download), then compare tags, then stream."""
    download = await make()
    async with database.open_read_session() as session:
        found = await sealed_poll(session, poll_name(slug))
        counted = await counted_version(session, found.id)
    assert counted is not None  # the download would have refused
    tag = weak_tag(found.poll_hash, f"{counted.version}/{counted.counted_at.isoformat()}/{FORMAT_VERSION}/{what}")
    headers = public_headers(request, tag, max_age=KEPT)
    if is_current(request, tag):
        return not_modified(headers)
    headers["content-disposition"] = f'attachment; filename="{download.file_name}"'
    return Stream(_plain(download.chunks), media_type=download.media_type, headers=headers)


async def _plain(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks as `bytes`: the database's driver hands out bytearrays, which the framework takes for text."""
    async for chunk in chunks:
        yield bytes(chunk)


handlers = [show_results, *of_figures, send_workbook, send_answers, *of_records, send_texts]

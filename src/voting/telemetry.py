"""Logs: one JSON object a line, each line of a request under the request's number.

What is never written: query strings, bodies, cookies, addresses, the values of path parameters, answers, the keys of
ballots. A request is logged by its route's template. Of an exception from the database or a validator only the class
is kept, since its text repeats the values; other exceptions keep their text, except where ballots are handled.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from voting.layers import Layer

TELLTALE = ("sqlalchemy", "asyncpg", "psycopg", "pydantic", "pydantic_core", "msgspec", "litestar")
SILENT_PATHS = ("/health/", "/static/")

_encoder = msgspec.json.Encoder(enc_hook=str)


def configure_logging(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send every log line of this process to `stream` (standard error) as JSON. May be called again."""
    lines = _Lines(stream)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _describe,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    global _access  # one line a request: it goes past the processors, which would take longer than some handlers
    _access = lines
    handler = logging.StreamHandler(lines)
    handler.setFormatter(_JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True  # it writes query strings; ours is below


class _Lines:
    """Writes whole lines to a stream, or to whatever standard error is at the moment."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write as it is, for the handlers of the standard library."""
        (self._stream or sys.stderr).write(text)

    def flush(self) -> None:
        """Write what the stream holds back."""
        (self._stream or sys.stderr).flush()

    def msg(self, line: str) -> None:
        """Write one line."""
        self.write(line + "\n")
        self.flush()

    debug = info = warning = warn = error = critical = fatal = exception = log = msg


_access: _Lines | _LinesOfATurn = _Lines()


class _LinesOfATurn:
    """Writes the lines of one turn of the event loop at once: a call to the kernel for each would take a fiftieth of a
    page's time.
    """

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self._loop = asyncio.get_running_loop()
        self._waiting: list[str] = []

    def msg(self, line: str) -> None:
        """Write one line at the end of this turn."""
        if not self._waiting:
            self._loop.call_soon(self.write)
        self._waiting.append(line)

    def write(self) -> None:
        """Write what waits."""
        if self._waiting:
            lines, self._waiting = self._waiting, []
            self._lines.msg("\n".join(lines))


@contextmanager
def joined_lines() -> Iterator[None]:
    """While serving: the lines of requests that end in the same turn of this event loop are written together."""
    global _access
    before = _access
    assert isinstance(before, _Lines)
    _access = joined = _LinesOfATurn(before)
    try:
        yield
    finally:
        joined.write()
        _access = before


def _describe(_logger: object, _method: str, event: Any) -> Any:
    """Put an exception into a line by its description, never by its text as the library would."""
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        event["exception"] = describe_exception(error)
    return event


def _render(_logger: object, _method: str, event: Any) -> str:
    return _encoder.encode(event).decode()


class _JsonFormatter(logging.Formatter):
    """Brings the lines of libraries to the same form."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "event": record.getMessage(),
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
        }
        if record.exc_info and record.exc_info[1] is not None:
            entry["exception"] = describe_exception(record.exc_info[1])
        return _encoder.encode(entry).decode()


def new_request_id() -> str:
    """Draw the number of a request. A number sent by the client is never taken over: it could hold anything."""
    return os.urandom(8).hex()


def request_id_of(scope: Scope) -> str:
    """Give the number of a request, as its log lines and its X-Request-ID header have it."""
    return str(scope.get("state", {}).get("request_id", ""))


def describe_exception(error: BaseException, *, keep_text: bool = True) -> dict[str, Any]:
    """Give an exception's class, where it was raised, and its text unless that may repeat what somebody sent."""
    chain: list[dict[str, Any]] = []
    current: BaseException | None = error
    while current is not None and len(chain) < 5:
        kind = type(current)
        told = keep_text and not kind.__module__.startswith(TELLTALE)
        link: dict[str, Any] = {
            "class": f"{kind.__module__}.{kind.__qualname__}",
            "frames": [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(current.__traceback__, limit=-12)
            ],
        }
        if told:
            link["text"] = str(current)[:500]
        original = getattr(current, "orig", None)  # the driver's, or SQLAlchemy's around the driver's
        constraint = getattr(getattr(original, "__cause__", None) or original, "constraint_name", None)
        if constraint:
            link["constraint"] = str(constraint)
        chain.append(link)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return {"chain": chain}


def log_failure(scope: Scope, error: BaseException) -> None:
    """Write down an exception nobody expected, under the request's number."""
    handler: Any = scope.get("route_handler")
    private = handler is not None and bool(handler.opt.get("private") or handler.opt.get("limit") == "casting")
    structlog.get_logger("voting").error(
        "request failed",
        request_id=request_id_of(scope),
        method=scope.get("method"),
        route=_route(scope),
        exception=describe_exception(error, keep_text=not private),
    )


class TelemetryMiddleware(Layer):
    """The outermost layer: numbers the request, times it and writes its line."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Number, time and log one request; an exception that got this far is logged and raised on."""
        request_id = scope["state"]["request_id"] = new_request_id()
        started = time.perf_counter()
        status = 0

        async def send_numbered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await next_app(scope, receive, send_numbered)
        except Exception as error:
            log_failure(scope, error)
            raise
        finally:
            if not scope["path"].startswith(SILENT_PATHS):
                log_request(request_id, scope.get("method"), _route(scope), status, started)


def log_request(request_id: str, method: object, route: str, status: int, started: float) -> None:
    """Write the line of a request that began at `started`, by the clock of `time.perf_counter`."""
    line = {
        "event": "request",
        "request_id": request_id,
        "method": method,
        "route": route,
        "status": status,
        "ms": round((time.perf_counter() - started) * 1000, 1),
        "timestamp": datetime.now(UTC),
    }
    _access.msg(_encoder.encode(line).decode())


def _route(scope: Scope) -> str:
    """Give the route's template, such as /polls/{slug}/vote; never the path, which may hold a secret."""
    return str(scope.get("path_template") or "unmatched")

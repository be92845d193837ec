"""How a file is written for pandas and for Excel, so that no cell becomes a formula, and what a download is.

``plain``: UTF-8, comma, LF, decimal point; one plain ``pandas.read_csv`` reads it. ``excel``: BOM, semicolon, CRLF,
decimal comma, as Excel with Russian settings opens it by a double click. In both, a text that a spreadsheet would take
for a formula starts with an apostrophe; numbers are written by us and stay numbers.
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo

from polls.sessions import ReadSession

CHUNK = 64 * 1024
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_INNER_START = re.compile(r"([;,|\t\r\n]\s*)([=+@＝＋＠]|[-－](?! ))")
PLACES = 6
"""Digits after the point of shares and means."""

OpenSession = Callable[[], AbstractAsyncContextManager[ReadSession]]
"""Opens a read-only session of the caller's own: a stream outlives the request's."""
Value = str | int | bool | Decimal | Fraction | None
OnRows = Callable[[int], None]
"""Told how many more lines are written, as they are."""


def untold(_: int) -> None:
    """Nobody asked how far it is."""


class Dialect(StrEnum):
    """Who reads the file."""

    PLAIN = "plain"
    EXCEL = "excel"


@dataclass(frozen=True)
class Download:
    """A file on its way: every refusal has been made before this exists.

    `chunks` are bytes of about 64 KiB. An error among them is raised, never swallowed: the server must break the
    connection off (send no Content-Length, no closing chunk), so that half a file cannot look whole.
    """

    file_name: str
    media_type: str
    chunks: AsyncIterator[bytes]


def file_name(closes_at: datetime, time_zone: str, slug: str, what: str, extension: str) -> str:
    """``2026-11-22_parks_results.csv``: the day of closing in city time comes first, so that names sort by date."""
    day = closes_at.astimezone(ZoneInfo(time_zone)).date().isoformat()
    return f"{day}_{slug}_{what}.{extension}"


def number_text(value: Fraction | Decimal) -> str:
    """A decimal with six places, half to even; trailing zeros stay, so that a column has one look."""
    if isinstance(value, Fraction):
        scaled = round(value * 10**PLACES)
        value = Decimal(scaled).scaleb(-PLACES)
    return format(value.quantize(Decimal(1).scaleb(-PLACES), ROUND_HALF_EVEN), "f")


def safe_text(value: str) -> str:
    """Text no spreadsheet takes for a formula: an apostrophe before ``= + - @``, tab, CR, also after spaces.

    A program that guesses another delimiter splits inside our quotes, so the same holds after each possible one.
    """
    value = _INNER_START.sub(r"\1'\2", value)
    bare = value.lstrip(" \n\u00a0")
    return f"'{value}" if bare.startswith(FORMULA_STARTS) else value


def cell_text(value: Value, dialect: Dialect) -> str:
    """One cell. None is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return safe_text(value)
        case _:
            text = number_text(value)
            return text.replace(".", ",") if dialect is Dialect.EXCEL else text


def csv_chunks(
    header: Sequence[str] | None, rows: Iterable[Sequence[Value]], dialect: Dialect, size: int = CHUNK
) -> Iterator[bytes]:
    """The file in pieces of about `size` bytes, whatever the number of rows. No header: lines to go on with."""
    excel = dialect is Dialect.EXCEL
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";" if excel else ",", lineterminator="\r\n" if excel else "\n")
    if header is not None:
        buffer.write("\ufeff" if excel else "")
        writer.writerow([safe_text(title) for title in header])
    for row in rows:
        writer.writerow([cell_text(value, dialect) for value in row])
        if buffer.tell() >= size:
            yield _take(buffer)
    yield _take(buffer)


def _take(buffer: io.StringIO) -> bytes:
    data = buffer.getvalue().encode("utf-8")
    buffer.seek(0)
    buffer.truncate()
    return data


async def streamed(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The chunks one by one, letting other requests go on in between."""
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(0)

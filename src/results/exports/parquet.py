"""Parquet files: the columns of the CSV files with their types, streamed a row group at a time.

Codes are dictionaries (categories in pandas), numbers numbers, a hidden figure is null. Beside the columns stand what
they mean, the poll's hash, the format and the licence. What is in a Parquet file stands in its last bytes: a file that
was broken off opens nowhere.

Records come from the database as text and are read into columns by Arrow, in a thread and a few megabytes at a time, so
memory stays the same however many there are. Arrow is imported when it is first needed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from polls.catalogue import SealedPoll
from results.exports.answers import NUMBERED, answers_of, copied_records
from results.exports.columns import ANSWERS, FORMAT_VERSION, RESULTS, ColumnDoc
from results.exports.csv import download_of, figures_of, results_rows
from results.exports.dialects import Download, OnRows, OpenSession, Value, number_text, untold
from results.exports.threads import from_thread, in_thread

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

MEDIA_TYPE: Final = "application/vnd.apache.parquet"
GROUP_BYTES: Final = 2 * 1024 * 1024
"""Text of the records that one row group is made of: some 45,000 of them."""
GROUP_LINES: Final = 20_000
CODES: Final = frozenset({
    "poll_id", "poll_slug", "poll_hash", "question_kind", "question_ru", "question_en", "class", "option_ru",
    "option_en", "dimension", "group_code", "group_ru", "group_en", "denominator", "status", "currency",
})  # fmt: skip
"""Columns of few values, repeated in most lines."""


async def answers_parquet(
    open_session: OpenSession,
    slug_or_id: str,
    *,
    now: datetime,
    question_id: int | None = None,
    licence: str,
    on_rows: OnRows = untold,
) -> Download:
    """All published records, or those of one question; refusals as for :func:`results.exports.answers.answers_of`."""
    found, name = await answers_of(open_session, slug_or_id, "parquet", now=now, question_id=question_id)
    return Download(name, MEDIA_TYPE, _records(open_session, found, question_id, licence, on_rows))


async def results_parquet(open_session: OpenSession, slug_or_id: str, *, now: datetime, licence: str) -> Download:
    """The lines of results.csv; refusals as for :func:`results.exports.csv.results_csv`."""
    figures = await figures_of(open_session, slug_or_id, now)
    facts = _facts(figures.public_id, figures.slug, figures.poll_hash, figures.definition.time_zone, licence)
    facts |= {"closes_at": figures.closes_at.isoformat(), "version": figures.version}
    chunks = from_thread(lambda: _lines(RESULTS, results_rows(figures), facts))
    return download_of(figures, "results", chunks, "parquet", MEDIA_TYPE)


async def _records(
    open_session: OpenSession, found: SealedPoll, question_id: int | None, licence: str, on_rows: OnRows
) -> AsyncGenerator[bytes, None]:
    facts = _facts(found.public_id, found.slug, found.poll_hash, found.definition.time_zone, licence)
    file = await in_thread(ParquetFile, ANSWERS, facts | {"closes_at": found.closes_at.isoformat()})
    yield file.begun()  # at once: the records are put in order before the first of them comes
    waiting: list[bytes] = []
    held = 0

    async def write(lines: bytes) -> bytes:
        read: Callable[[bytes], Any] = records_of_text(file.schema, found.poll_hash.hex())
        return await in_thread(lambda: file.write(read(lines)))

    # Text format without quotes: no record holds a tab, a line break or a backslash.
    copied = copied_records(open_session, found, question_id, NUMBERED, {"format": "text"})
    try:
        async with aclosing(copied) as chunks:
            async for chunk in chunks:
                waiting.append(chunk)
                held += len(chunk)
                if held < GROUP_BYTES:
                    continue
                whole, _, rest = b"".join(waiting).rpartition(b"\n")
                waiting, held = [rest], len(rest)
                on_rows(whole.count(b"\n") + 1)
                yield await write(whole + b"\n")
        if last := b"".join(waiting):
            on_rows(last.count(b"\n"))
            yield await write(last)
        yield await in_thread(file.finish)
    finally:
        file.drop()


def records_of_text(schema: pyarrow.Schema, poll_hash: str) -> Callable[[bytes], pyarrow.Table]:
    """What turns lines of COPY's text format into a table of records."""
    import pyarrow
    from pyarrow import csv

    names = [field.name for field in schema if field.name != "poll_hash"]
    types = {name: schema.field(name).type for name in names}

    def read(lines: bytes) -> pyarrow.Table:
        table = csv.read_csv(
            pyarrow.BufferReader(lines),
            csv.ReadOptions(column_names=names, use_threads=False, block_size=len(lines) + 1),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(column_types=types, check_utf8=False),
        )
        constant = pyarrow.DictionaryArray.from_arrays(
            pyarrow.repeat(pyarrow.scalar(0, pyarrow.int32()), len(table)), pyarrow.array([poll_hash])
        )
        return pyarrow.Table.from_arrays([constant, *table.columns], schema=schema)

    return read


class ParquetFile:
    """A file of these columns that is written a row group at a time; each call gives the bytes it has made."""

    def __init__(self, columns: Sequence[ColumnDoc], facts: dict[str, Any]) -> None:
        import pyarrow
        from pyarrow import parquet

        pyarrow.set_memory_pool(pyarrow.system_memory_pool())  # Arrow's own keeps what it once took

        self.schema = _schema(columns, facts)
        self._sink = _Pieces()
        repeated = [column.name for column in columns if column.name != "nonce"]
        self._writer: Any = parquet.ParquetWriter(
            self._sink, self.schema, compression="zstd", compression_level=1, use_dictionary=repeated
        )

    def begun(self) -> bytes:
        """The first bytes, before any row group."""
        return self._sink.take()

    def write(self, table: pyarrow.Table) -> bytes:
        """One more row group."""
        self._writer.write_table(table, row_group_size=max(1, len(table)))
        return self._sink.take()

    def finish(self) -> bytes:
        """The end, without which nothing reads the file."""
        writer, self._writer = self._writer, None
        writer.close()
        return self._sink.take()

    def drop(self) -> None:
        """Let go of a file that was broken off; after `finish` there is nothing to let go of."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()


class _Pieces:
    """A file to Arrow: keeps what is written until it is taken."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: Any) -> int:
        """Keep a piece."""
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def flush(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def take(self) -> bytes:
        """What was written since."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _lines(columns: Sequence[ColumnDoc], rows: Iterator[tuple[Value, ...]], facts: dict[str, Any]) -> Iterator[bytes]:
    import pyarrow

    file = ParquetFile(columns, facts)
    while lines := list(islice(rows, GROUP_LINES)):
        values = ([_plain(value) for value in column] for column in zip(*lines, strict=True))
        arrays = [pyarrow.array(column, type=field.type) for column, field in zip(values, file.schema, strict=True)]
        yield file.write(pyarrow.Table.from_arrays(arrays, schema=file.schema))
    yield file.finish()


def _plain(value: Value) -> Any:
    """The number that CSV writes."""
    return float(number_text(value)) if isinstance(value, Fraction | Decimal) else value


def _schema(columns: Sequence[ColumnDoc], facts: dict[str, Any]) -> pyarrow.Schema:
    import pyarrow

    plain = {"string": pyarrow.string(), "integer": pyarrow.int64(), "decimal": pyarrow.float64(),
             "boolean": pyarrow.bool_()}  # fmt: skip
    fields = []
    for column in columns:
        kind = plain[column.datatype]
        if column.name in CODES:
            kind = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
        told = {"description_ru": column.ru, "description_en": column.en, "empty": column.empty}
        fields.append(pyarrow.field(column.name, kind, nullable=bool(column.empty), metadata=told))
    return pyarrow.schema(fields, metadata={"veche": json.dumps(facts, ensure_ascii=False)})


def _facts(public_id: str, slug: str, poll_hash: bytes, time_zone: str, licence: str) -> dict[str, Any]:
    return {
        "format": FORMAT_VERSION, "poll_id": public_id, "poll_slug": slug, "poll_hash": poll_hash.hex(),
        "time_zone": time_zone, "licence": licence,
    }  # fmt: skip

"""Every file of a poll by its name: what it takes and how it is made. One list for page, API and jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from polls.catalogue import SealedPoll
from polls.sessions import ReadSession
from results.exports.answers import answers_csv, answers_jsonl, number_of_records
from results.exports.codebook import LICENCE, codebook
from results.exports.csv import details_csv, results_csv, results_json, turnout_csv
from results.exports.dialects import Dialect, Download, OnRows, OpenSession, untold
from results.exports.headers import Language
from results.exports.hours import hours_csv
from results.exports.parquet import answers_parquet, results_parquet
from results.exports.texts import texts_csv
from results.exports.wide import wide_csv
from results.exports.xlsx import answers_xlsx, results_xlsx


class FileKind(StrEnum):
    """A file by the last part of its name and of its address."""

    RESULTS_CSV = "results.csv"
    RESULTS_WIDE_CSV = "results_wide.csv"
    RESULTS_XLSX = "results.xlsx"
    RESULTS_PARQUET = "results.parquet"
    RESULTS_JSON = "results.json"
    TURNOUT_CSV = "turnout.csv"
    HOURS_CSV = "hours.csv"
    DETAILS_CSV = "details.csv"
    TEXTS_CSV = "texts.csv"
    ANSWERS_CSV = "answers.csv"
    ANSWERS_JSONL = "answers.jsonl"
    ANSWERS_PARQUET = "answers.parquet"
    ANSWERS_XLSX = "answers.xlsx"
    CODEBOOK_JSON = "codebook.json"

    @property
    def by_question(self) -> bool:
        """Whether one question of it can be taken."""
        return self.value.startswith(("answers", "texts"))

    @property
    def of_records(self) -> bool:
        """Whether it holds published records, of which there may be millions."""
        return self.value.startswith("answers")


ORDERED: Final = (
    FileKind.RESULTS_XLSX, FileKind.RESULTS_PARQUET, FileKind.ANSWERS_CSV, FileKind.ANSWERS_JSONL,
    FileKind.ANSWERS_PARQUET, FileKind.ANSWERS_XLSX,
)  # fmt: skip
"""What may be ordered as a job; the other files are small and made at once."""

BYTES_A_LINE: Final = {
    FileKind.RESULTS_CSV: 240, FileKind.RESULTS_WIDE_CSV: 600, FileKind.RESULTS_XLSX: 110, FileKind.RESULTS_PARQUET: 30,
    FileKind.RESULTS_JSON: 1_000, FileKind.TURNOUT_CSV: 120, FileKind.ANSWERS_CSV: 110, FileKind.ANSWERS_JSONL: 166,
    FileKind.ANSWERS_PARQUET: 20, FileKind.ANSWERS_XLSX: 42,
}  # fmt: skip
"""About how many bytes a line takes: what a page says of a file before it is made."""


@dataclass(frozen=True)
class Wanted:
    """A file with its choices. What a kind does not know is left at its default, so that equal files are equal here."""

    kind: FileKind
    question_id: int | None = None
    dialect: Dialect = Dialect.PLAIN
    language: Language | None = None

    @classmethod
    def of(
        cls,
        kind: FileKind,
        *,
        question_id: int | None = None,
        dialect: Dialect = Dialect.PLAIN,
        language: Language | None = None,
    ) -> Self:
        """The choices that matter to the kind; a workbook's language is Russian unless said."""
        table = kind.value.rpartition(".")[2]
        spoken = language or ("ru" if table == "xlsx" else None)
        return cls(
            kind,
            question_id if kind.by_question else None,
            dialect if table == "csv" else Dialect.PLAIN,
            spoken if table in ("csv", "xlsx") else None,
        )

    def as_json(self) -> dict[str, Any]:
        """The choices, for a job's row."""
        return {"question": self.question_id, "dialect": self.dialect.value, "lang": self.language}

    @classmethod
    def from_json(cls, kind: str, stored: Mapping[str, Any]) -> Self:
        """Out of a job's row."""
        return cls(FileKind(kind), stored["question"], Dialect(stored["dialect"]), stored["lang"])


async def open_file(
    open_session: OpenSession,
    slug_or_id: str,
    wanted: Wanted,
    *,
    now: datetime,
    licence: str = LICENCE,
    directory: Path | None = None,
    at_once: int | None = None,
    on_rows: OnRows = untold,
) -> Download:
    """The file on its way; every refusal is made before this returns.

    `directory` is where workbooks are put together, `at_once` the lines one may have (None: any number). `on_rows` is
    told of the lines of files of records and of workbooks.
    """
    shared: dict[str, Any] = {"now": now}
    of_csv = {**shared, "dialect": wanted.dialect, "language": wanted.language}
    records = {**shared, "question_id": wanted.question_id, "on_rows": on_rows}
    book = {"language": wanted.language or "ru", "licence": licence, "directory": directory, "on_rows": on_rows}
    given: dict[FileKind, tuple[Any, dict[str, Any]]] = {
        FileKind.RESULTS_CSV: (results_csv, of_csv),
        FileKind.RESULTS_WIDE_CSV: (wide_csv, of_csv),
        FileKind.RESULTS_XLSX: (results_xlsx, {**shared, **book, "at_once": at_once}),
        FileKind.RESULTS_PARQUET: (results_parquet, {**shared, "licence": licence}),
        FileKind.RESULTS_JSON: (results_json, shared),
        FileKind.TURNOUT_CSV: (turnout_csv, of_csv),
        FileKind.HOURS_CSV: (hours_csv, of_csv),
        FileKind.DETAILS_CSV: (details_csv, of_csv),
        FileKind.TEXTS_CSV: (texts_csv, {**of_csv, "question_id": wanted.question_id}),
        FileKind.ANSWERS_CSV: (answers_csv, {**of_csv, **records}),
        FileKind.ANSWERS_JSONL: (answers_jsonl, records),
        FileKind.ANSWERS_PARQUET: (answers_parquet, {**records, "licence": licence}),
        FileKind.ANSWERS_XLSX: (answers_xlsx, {**records, **book}),
        FileKind.CODEBOOK_JSON: (codebook, {**shared, "licence": licence}),
    }
    make, choices = given[wanted.kind]
    download: Download = await make(open_session, slug_or_id, **choices)
    return download


async def expected_rows(session: ReadSession, found: SealedPoll, wanted: Wanted) -> int | None:
    """How many lines a file of records will have; None for the others, which are made in a moment."""
    return await number_of_records(session, found, wanted.question_id) if wanted.kind.of_records else None

"""One poll in every format: each number of CSV (tidy and wide), workbook, Parquet, JSON, API and page is the same."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import openpyxl
import pandas
import pytest
from tests.flows.pages import Resident
from tests.results.counted import AFTER, a_typical_poll
from tests.sites import build_site

from polls.catalogue import SealedPoll
from results.exports.headers import TITLES
from results.publication import publish_figures
from voting import api, web
from voting.db import Database

Key = tuple[int, str, int, str, str]
"""Question, class, option, dimension, group."""
Figures = dict[Key, tuple[Any, ...]]
NUMBERS = ("votes", "share", "denominator_n", "rating_mean")


@pytest.fixture
async def poll(fresh_database: Database) -> SealedPoll:
    async with fresh_database.open_session() as session:
        found = await a_typical_poll(session, 700, cross_tabs=[{"rows": 1, "columns": 2}])
        await publish_figures(session, found.public_id, AFTER)  # the job's work: of a cross-tab nobody waits for it
        return found


@pytest.fixture
def visitor(fresh_database: Database, tmp_path: Path) -> Resident:
    handlers = [*api.routers, *web.handlers]
    clock: Any = lambda: datetime.now(UTC)  # noqa: E731
    return Resident(build_site(fresh_database, tmp_path, handlers=handlers, clock=clock))


def known(value: Any) -> Any:
    """A number as it is to be compared; None for an empty cell."""
    if value is None or value is False or value != value:
        return None
    return round(float(value), 6)


def of_lines(lines: Iterator[dict[str, Any]]) -> Figures:
    return {
        (int(line["question_id"]), line["class"], int(line["option_id"]), line["dimension"], line["group_code"]):
        (bool(line["suppressed"]), *(known(line[name]) for name in NUMBERS))
        for line in lines
    }  # fmt: skip


def of_table(table: pandas.DataFrame) -> Figures:
    return of_lines(line for line in table.to_dict("records"))  # type: ignore[misc]


def of_sheet(book: Any, name: str, **more: Any) -> Figures:
    """A sheet of the workbook by the titles of its columns."""
    machine = {en: name for name, (_, en) in TITLES.items()}
    first, *rows = book[name].iter_rows(values_only=True)
    return of_lines(dict(zip([machine[title] for title in first], row, strict=True)) | more for row in rows)


async def test_every_number_is_the_same_in_every_format(visitor: Resident, poll: SealedPoll) -> None:
    async def sent(name: str) -> bytes:
        reply = await visitor.http.get(f"/api/v1/polls/{poll.slug}/{name}")
        assert reply.status_code == 200, (name, reply.text[:300])
        return reply.content

    tidy = of_table(pandas.read_csv(io.BytesIO(await sent("results.csv"))))
    assert len(tidy) > 200 and any(hidden for hidden, *_ in tidy.values()) and any("+" in key[3] for key in tidy)
    assert of_table(pandas.read_parquet(io.BytesIO(await sent("results.parquet")))) == tidy
    document = json.loads(await sent("results.json"))
    assert of_lines(iter(document["results"])) == tidy
    api_reply = json.loads(await sent("results"))
    assert all(api_reply[name] == document[name] for name in ("outcomes", "ballots", "version"))
    for name in ("results", "turnout"):  # the API sends what is by one dimension
        assert api_reply[name] == [line for line in document[name] if "+" not in line["dimension"]]
    excel = pandas.read_csv(io.BytesIO(await sent("results.csv?dialect=excel&lang=en")), sep=";", decimal=",")
    excel.columns = pandas.Index([{en: name for name, (_, en) in TITLES.items()}[title] for title in excel.columns])
    assert of_table(excel) == tidy
    book = openpyxl.load_workbook(io.BytesIO(await sent("results.xlsx?lang=en")))
    whole = of_sheet(book, "Results", dimension="all", group_code="all", suppressed=False)
    assert whole | of_sheet(book, "Breakdowns") | of_sheet(book, "Cross-tabs") == tidy
    crossed = {key: line for key, line in tidy.items() if key[3] == "question:1"}
    assert any(hidden for hidden, *_ in crossed.values()) and any(votes for _, votes, *_ in crossed.values())
    check_wide(pandas.read_csv(io.BytesIO(await sent("results_wide.csv"))), tidy)
    check_turnout(pandas.read_csv(io.BytesIO(await sent("turnout.csv"))), document["turnout"], book)
    check_records(tidy, {name: await sent(name) for name in ("answers.csv", "answers.jsonl", "answers.parquet")})
    page = await visitor.http.get(f"/polls/{poll.slug}/results")
    check_page(page.text, tidy, poll)


def check_wide(wide: pandas.DataFrame, tidy: Figures) -> None:
    seen: Figures = {}
    for line in wide.to_dict("records"):
        hidden = str(line["hidden"]).split() if line["hidden"] == line["hidden"] else []
        for key, (_, _, _, base, _) in tidy.items():
            question, kind, option, dimension, group = key
            if (dimension, group) != (line["dimension"], line["group_code"]):
                continue
            name = f"q{question}_" + (f"o{option}" if option else kind)
            mean = line.get(f"{name}_mean")
            seen[key] = (name in hidden, known(line[name]), known(line[f"{name}_share"]), base, known(mean))
    assert seen == tidy


def check_turnout(turnout: pandas.DataFrame, document: list[dict[str, Any]], book: Any) -> None:
    def of(lines: Any) -> dict[Any, Any]:
        return {(line["dimension"], line["group_code"]): tuple(known(line[n]) for n in ("votes", "entitled", "turnout"))
                for line in lines}  # fmt: skip

    expected = of(turnout.to_dict("records"))
    assert of(document) == expected
    machine = {en: name for name, (_, en) in TITLES.items()}
    first, *rows = book["Turnout"].iter_rows(values_only=True)
    sheet = of(dict(zip([machine[title] for title in first], row, strict=True)) for row in rows)
    assert sheet == {key: value for key, value in expected.items() if key[0] != "day"}
    days = {day.date().isoformat(): n for day, n in book["By day"].iter_rows(min_row=2, values_only=True)}
    assert days == {code: n for (by, code), (n, *_) in expected.items() if by == "day"}


def check_records(tidy: Figures, files: dict[str, bytes]) -> None:
    """All three files hold the same records, and they count up to the totals."""
    table = pandas.read_csv(io.BytesIO(files["answers.csv"]))
    typed = pandas.read_parquet(io.BytesIO(files["answers.parquet"]))
    assert typed.astype({"poll_hash": "str"}).to_dict("records") == table.to_dict("records")
    lines = [json.loads(line) for line in files["answers.jsonl"].splitlines()]
    assert [line | {"answer": json.dumps(line["answer"], separators=(",", ":"))} for line in lines] == table.to_dict(
        "records"
    )
    first = [option for line in lines if line["question_id"] == 1 for option in line["answer"]]
    for (question, kind, option, dimension, _), (_, votes, *_) in tidy.items():
        if (question, dimension) == (1, "all") and kind != "blank":
            assert first.count(option) == votes


class Tables(HTMLParser):
    """The tables of a page, cell by cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._in = False
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._in = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in = False

    def handle_data(self, data: str) -> None:
        if self._in:
            self.tables[-1][-1][-1] += data


def check_page(html: str, tidy: Figures, poll: SealedPoll) -> None:
    """Of the first question: totals with shares, and the breakdown by district, as the page shows them."""
    tables = [[[" ".join(cell.split()) for cell in row] for row in table] for table in Tables(html).tables]
    question = poll.definition.questions[0]
    bars = {row[0]: row[1:3] for row in tables[0][1:]}
    for option in question.regular:
        _, votes, share, *_ = tidy[1, "option", option.id, "all", "all"]
        [told] = [cells for name, cells in bars.items() if name.startswith(option.text.in_language("en"))]
        assert int(told[0].replace(",", "")) == votes
        assert float(told[1].rstrip("%")) == pytest.approx(share * 100, abs=0.051)
    groups = {code for _, _, _, dimension, code in tidy if dimension == "district"}
    by_district = [table for table in tables if len(table) == len(groups) + 1 and "Arbat" in " ".join(
        row[0] for row in table) and len(table[0]) == len(question.options) + 3]  # fmt: skip
    assert by_district
    columns = [("option", o.id) for o in question.regular] + [("neutral", o.id) for o in question.neutral]
    names = {"msk-cao-arbat": "Arbat", "msk-cao-basmanny": "Basmanny"}
    [crossed] = [table for table in tables if table[-1][0] == "All ballots"]
    for line, option in zip(crossed[1:], question.options, strict=False):
        assert line[0] == option.text.in_language("en")
        for other, cell in zip(poll.definition.questions[1].options, line[2:], strict=False):
            hidden, votes, share, base, _ = tidy[2, "option", other.id, "question:1", f"q1_o{option.id}"]
            shown = re.match(r"([\d,]+) ?([\d.]+)?", cell)
            assert (shown is None) == hidden, cell
            assert int(line[1].replace(",", "")) == base
            assert shown is None or int(shown[1].replace(",", "")) == votes
            assert shown is None or float(shown[2]) == pytest.approx(share * 100, abs=0.051)
    for code, name in names.items():
        [row] = [row for row in by_district[0] if row[0].startswith(name)]
        for (kind, option_id), cell in zip(columns, row[2:], strict=False):
            hidden, votes, *_ = tidy[1, kind, option_id, "district", code]
            shown = re.match(r"[\d,]+", cell)
            assert (shown is None) == hidden, cell
            assert shown is None or int(shown[0].replace(",", "")) == votes

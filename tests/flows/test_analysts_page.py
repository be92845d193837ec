"""The examples of docs/analysts.md as they stand there, run against a real server."""

from __future__ import annotations

import asyncio
import io
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stdout, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas
import pytest
import uvicorn
from sqlalchemy import text
from tests.builders import ASigner
from tests.results.counted import a_typical_poll
from tests.sites import add_account, build_site

from polls.board import inclusion_receipt, leaf_hashes
from polls.catalogue import SealedPoll
from voting import api, web
from voting.db import Database
from voting.identity.api_tokens import create_api_token

PAGE = Path(__file__).parents[2] / "docs" / "analysts.md"


def example(heading: str) -> str:
    """The first piece of Python under a heading."""
    text = PAGE.read_text("utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n.*?```python\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


@asynccontextmanager
async def served(database: Database, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a server that answers as the site does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        clock: Any = lambda: datetime.now(UTC)  # noqa: E731
        handlers = [*api.routers, *web.handlers]
        app = build_site(database, tmp_path, handlers=handlers, base_url=base, clock=clock)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield base
        finally:
            server.should_exit = True
            with suppress(Exception):
                await serving


@pytest.mark.timeout(120)
async def test_every_example_of_the_page_runs(
    fresh_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fresh_database.open_session() as session:
        poll = await a_typical_poll(session, 6_000)
    analyst = await add_account(fresh_database, "analyst@city.test", "analyst")
    async with fresh_database.open_session() as session:
        token = await create_api_token(
            session, analyst, name="notebook", scopes=("results:read",), days=30, now=datetime.now(UTC)
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VECHE_TOKEN", token)
    ran: set[str] = set()

    async def run(heading: str, names: dict[str, Any]) -> dict[str, Any]:
        code = example(heading)
        ran.add(code)
        await asyncio.to_thread(exec, code.replace("http://127.0.0.1:8000", base).replace("SLUG", poll.slug), names)
        return names

    async with served(fresh_database, tmp_path) as base:
        five = example("From the poll's page to a chart in five lines")
        assert len(five.strip().splitlines()) == 5
        table = (await run("From the poll's page to a chart in five lines", {}))["table"]
        chart = await asyncio.to_thread((tmp_path / "chart.html").read_text, "utf-8")
        shares = table.stack().dropna()
        assert len(shares) and all(f"{share:.1%}" in chart for share in shares)
        assert chart.count("linear-gradient") >= len(shares[shares > 0]) > 0, "a bar for every share"
        whole = await run("pandas", {})
        assert isinstance(whole["turnout"], pandas.DataFrame)
        named = await run("A token for a notebook", {})
        plain = await asyncio.to_thread(pandas.read_csv, whole["base"] + "results.csv")
        pandas.testing.assert_frame_equal(named["results"], plain)
        async with fresh_database.open_read_session() as reading:
            assert await reading.scalar(text("SELECT last_used_on FROM api_token")) is not None, "it came with it"
        view = (await run("Explorer", {}))["view"]
        assert set(view["okrug_en"]) and view["share"].notna().any()
        answers = (await run("Recounting", whole))["records"]["answer"].value_counts()
        first = whole["results"].query("question_id == 1 and dimension == 'all'").set_index("option_id")["votes"]
        assert all(answers[f"[{option}]"] == n for option, n in first.items() if option and n)
        await check_a_receipt(fresh_database, poll, run, whole, tmp_path)
    assert ran == set(re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)), "an example nobody runs"


async def check_a_receipt(
    database: Database, poll: SealedPoll, run: Any, names: dict[str, Any], tmp_path: Path
) -> None:
    """A receipt is found among the published records, and one of another poll is not."""
    async with database.open_read_session() as reading:
        row = (
            await reading.execute(text("SELECT ballot_id, answers, style FROM ballot WHERE poll_id = :p LIMIT 1"),
                                  {"p": poll.id})
        ).one()  # fmt: skip
    for poll_hash, said in ((poll.poll_hash, "True"), (bytes(32), "False")):
        leaves = leaf_hashes(poll_hash, bytes(row.ballot_id), poll.question_ids, row.answers, row.style)
        receipt = inclusion_receipt(ASigner(), poll_hash, bytes(row.ballot_id), leaves, "2026-11-22").as_json()
        (tmp_path / "receipt.json").write_text(json.dumps(receipt), "utf-8")
        told = io.StringIO()
        with redirect_stdout(told):
            await run("Checking a receipt", names)
        assert told.getvalue().strip() == said

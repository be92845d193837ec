"""The examples of docs/analysts.md as they stand there, run against a real server."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas
import pytest
import uvicorn
from tests.results.counted import a_typical_poll
from tests.sites import build_site

from voting import api
from voting.db import Database

PAGE = Path(__file__).parents[2] / "docs" / "analysts.md"


def example(heading: str) -> str:
    """The first piece of Python under a heading."""
    text = PAGE.read_text("utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n.*?```python\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


@pytest.mark.timeout(120)
async def test_five_lines_lead_from_the_polls_page_to_a_chart(
    fresh_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fresh_database.open_session() as session:
        poll = await a_typical_poll(session)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        clock: Any = lambda: datetime.now(UTC)  # noqa: E731
        app = build_site(fresh_database, tmp_path, handlers=api.routers, base_url=base, clock=clock)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            five = example("From the poll's page to a chart in five lines")
            assert len(five.strip().splitlines()) == 5
            names: dict[str, Any] = {}
            monkeypatch.chdir(tmp_path)
            await asyncio.to_thread(exec, at(five, base, poll.slug), names)
            chart = (tmp_path / "chart.html").read_text("utf-8")
            shares = names["table"].stack().dropna()
            assert len(shares) and all(f"{share:.1%}" in chart for share in shares)
            assert chart.count("linear-gradient") >= len(shares[shares > 0]) > 0, "a bar for every share"
            whole: dict[str, Any] = {}
            await asyncio.to_thread(exec, at(example("pandas"), base, poll.slug), whole)
            assert isinstance(whole["turnout"], pandas.DataFrame)
            await asyncio.to_thread(exec, at(example("Recounting"), base, poll.slug), whole)
            answers = whole["records"]["answer"].value_counts()
            first = whole["results"].query("question_id == 1 and dimension == 'all'").set_index("option_id")["votes"]
            assert all(answers[f"[{option}]"] == n for option, n in first.items() if option and n)
        finally:
            server.should_exit = True
            with suppress(Exception):
                await serving


def at(code: str, base: str, slug: str) -> str:
    """The example with the address of this server and poll."""
    return code.replace("http://127.0.0.1:8000", base).replace("SLUG", slug)

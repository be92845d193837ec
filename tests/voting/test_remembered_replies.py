"""The layer that keeps whole replies: who waits for whom, and that no reader waits for another one's line."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from tests.sites import Clock

from voting.db import Database
from voting.remembered_replies import RememberedReplies
from voting.remembering import Pulse, Shelf
from voting.settings import Settings

PAGE = b"page" * 500


class Site:
    """The layer on an application that counts what it was asked and answers when it is let."""

    def __init__(self, database: Database, *, kept: bool) -> None:
        pulse = Pulse(database, Clock())
        self.layer = RememberedReplies(Shelf(pulse, Clock()), pulse)
        self.kept, self.asked, self.may_answer = kept, 0, asyncio.Event()

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        await self.may_answer.wait()
        if self.kept:
            scope["state"]["remember_for"] = 1.0
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": PAGE, "more_body": False})

    async def ask(self, path: str, line: Callable[[Any], Any] | None = None) -> list[bytes]:
        """What one visitor gets; `line` is awaited with every message that goes out to them."""
        got: list[bytes] = []

        async def send(message: Any) -> None:
            got.append(message.get("body", b""))
            if line is not None:
                await line(message)

        scope: Any = {
            "type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [],
            "state": {"viewer": None}, "litestar_app": SimpleNamespace(state={"settings": Settings(demo=True)}),
        }  # fmt: skip
        await self.layer.handle(scope, None, send, self.answer)  # type: ignore[arg-type]
        return got


@pytest.mark.parametrize(("path", "kept"), [("/", True), ("/polls/no-such", False), ("/api/v1/polls/x/a.csv", False)])
async def test_a_visitor_who_reads_slowly_keeps_nobody_waiting(
    shared_database: Database, path: str, kept: bool
) -> None:
    site = Site(shared_database, kept=kept)
    reads_on = asyncio.Event()
    site.may_answer.set()

    async def slowly(_: Any) -> None:
        await reads_on.wait()

    slow = asyncio.create_task(site.ask(path, slowly))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        for got in await asyncio.gather(*(site.ask(path) for _ in range(3))):
            assert b"".join(got) == PAGE
    assert not slow.done()
    assert site.asked == (1 if kept else 4)
    reads_on.set()
    assert b"".join(await slow) == PAGE


async def test_files_are_not_made_one_after_another(shared_database: Database) -> None:
    site = Site(shared_database, kept=False)
    two = [asyncio.create_task(site.ask("/api/v1/polls/x/answers.csv")) for _ in range(2)]
    await asyncio.sleep(0.05)
    assert site.asked == 2
    site.may_answer.set()
    await asyncio.gather(*two)


async def test_a_visitor_who_goes_away_while_a_page_is_made_takes_nobody_along(shared_database: Database) -> None:
    site = Site(shared_database, kept=True)
    readers = [asyncio.create_task(site.ask("/")) for _ in range(4)]
    await asyncio.sleep(0.05)
    readers[1].cancel()
    await asyncio.sleep(0.05)
    site.may_answer.set()
    maker, gone, *others = await asyncio.gather(*readers, return_exceptions=True)
    assert isinstance(gone, asyncio.CancelledError)
    for got in (maker, *others):
        assert not isinstance(got, BaseException) and b"".join(got) == PAGE
    assert site.asked == 1


async def test_when_the_making_fails_the_next_visitor_has_it_made(shared_database: Database) -> None:
    site = Site(shared_database, kept=True)
    first, second = asyncio.create_task(site.ask("/")), asyncio.create_task(site.ask("/"))
    await asyncio.sleep(0.05)
    first.cancel()
    site.may_answer.set()
    assert b"".join(await second) == PAGE
    assert site.asked == 2

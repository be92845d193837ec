"""The ballot box under whatever comes in whatever order: casts, retries, closings, extensions, crashes, the count.

Two boxes stand for two web processes, each with connections of its own to the real database; beside them a model of
what a resident may expect. After every run: one counted ballot per citizen, every acknowledged vote in it with its
answers, none that was admitted after closing, retries with the same receipt, counters of turnout equal to
participations. `make soak` runs 100,000 steps, with new ones every time.

A run ends by itself: most polls are closed and counted after a number of steps that is drawn, whichever rules were
drawn. A step that takes longer than `STALL` fails with its name, and with what the database was doing.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import event, text
from tests.builders import SEALER, ASigner, a_city, a_key, an_open_poll
from tests.crash.voters import settle_residents

from polls.authoring import close_early, extend_poll
from polls.ballot import encode_ballot
from polls.board import ballot_id
from polls.casting import BallotBox
from polls.catalogue import SealedPoll
from polls.counting import count_poll
from polls.errors import (
    AlreadyVoted,
    Busy,
    KeyUsed,
    NotCounted,
    OutcomeUnknown,
    PollClosed,
    PollPaused,
    RetryDiffers,
    Unavailable,
)
from polls.pausing import pause_poll, resume_poll
from polls.votes import Cast, Vote
from voting.db import Database
from voting.security import FormTokens

STEPS = 50  # of a run at most; some end before, at 37 in the middle
RUNS = int(os.environ.get("VECHE_SOAK_STEPS", "1000" if os.environ.get("VECHE_FULL_COUNTS") else "400")) // 35
CITIZENS = 5
PEOPLE = 500
STALL = 30.0  # seconds no step takes, on a busy machine neither
SIGNER = ASigner()
OFFICIAL = 1
Result = TypeVar("Result")
Answer = Cast | Exception

citizens = st.integers(0, CITIZENS - 1)
boxes = st.integers(0, 1)
options = st.sampled_from([1, 2, 3, 90])


@dataclass
class World:
    """One event loop, one database, and the residents of a town whose polls the runs are."""

    runner: asyncio.Runner
    url: str
    beside: Database
    people: list[int]
    steps: int = 0
    runs: int = 0
    step: str = ""
    """What is being done."""
    seen: Counter[str] = field(default_factory=Counter)
    spent: Counter[str] = field(default_factory=Counter)
    """Seconds by kind of step."""
    longest: dict[str, float] = field(default_factory=dict)

    def begin(self, step: str) -> None:
        """A step of this name begins."""
        self.steps += 1
        self.step = step
        self.seen[f"step: {step}"] += 1

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do a part of the step; fails with its name if it does not end."""

        async def watched() -> Result:
            task = asyncio.ensure_future(work)
            done, _ = await asyncio.wait([task], timeout=STALL)
            if done:
                return task.result()
            waits = [str(frame) for one in asyncio.all_tasks() for frame in one.get_stack(limit=2)]
            busy = await self.activity()
            task.cancel()
            raise AssertionError(f"step {self.steps}, {self.step}: over {STALL} s; {waits}; the database: {busy}")

        began = time.monotonic()
        try:
            return self.runner.run(watched())
        finally:
            took = time.monotonic() - began
            self.spent[self.step] += took  # type: ignore[assignment]
            self.longest[self.step] = max(took, self.longest.get(self.step, 0.0))

    async def activity(self) -> list[str]:
        """What the connections to the database do."""
        aside = Database.from_url(self.url)
        query = (
            "SELECT concat_ws(' ', pid, state, wait_event, now() - query_start, left(query, 90)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        async with aside.open_session() as session:
            found = list(await session.scalars(text(query)))
        await aside.close()
        return found

    def told(self) -> str:
        """What a soak has been through, and what it cost."""
        kinds = ", ".join(
            f"{step} {spent:.1f} s ({1000 * spent / max(1, self.seen[f'step: {step}']):.0f} ms each,"
            f" at most {1000 * self.longest[step]:.0f})"
            for step, spent in self.spent.most_common()
        )
        return (
            f"{self.runs} runs, {self.seen['count']} of them counted, {self.steps} steps,"
            f" {time.process_time() / max(1, self.steps) * 1000:.1f} ms of our processor time each\n"
            f"seen: {dict(sorted(self.seen.items()))}\ntime: {kinds}"
        )


class Process:
    """A box with connections of its own, whose backends are known so that they can be killed."""

    def __init__(self, url: str) -> None:
        self.database = Database.from_url(url, pool_size=1, pool_overflow=0)
        self.box = BallotBox(self.database.open_box_session, lambda: SIGNER)
        self.backends: set[int] = set()
        event.listen(self.database.box.engine.sync_engine, "checkout", self._note)

    def _note(self, connection: Any, _record: Any, _proxy: Any) -> None:
        self.backends.add(connection.driver_connection.get_server_pid())


@dataclass(frozen=True)
class Sent:
    """A vote as it was sent."""

    citizen: int
    key: bytes
    option: int


class BoxMachine(RuleBasedStateMachine):
    """One poll from its opening to its count."""

    world: ClassVar[World]

    @initialize(ends_after=st.integers(5, 2 * STEPS))
    def open_a_poll(self, ends_after: int) -> None:
        world = self.world
        world.begin("open a poll")
        world.runs += 1
        self.done, self.ends_after = 0, ends_after
        start = world.runs * CITIZENS % PEOPLE
        self.people = (world.people + world.people)[start : start + CITIZENS]
        self.taken: dict[int, tuple[Sent, dict[str, Any]]] = {}
        self.unknown: dict[int, list[Sent]] = {}
        self.closed = self.paused = self.counted = self.wrong = False
        self.processes = [Process(world.url), Process(world.url)]

        async def prepare() -> SealedPoll:
            async with world.beside.open_session() as session:
                return await an_open_poll(session)

        self.poll = world.do(prepare())

    # ---- what residents do

    @rule(citizen=citizens, box=boxes, option=options)
    def cast(self, citizen: int, box: int, option: int) -> None:
        self.begin("cast")
        self.send_all([(box, Sent(citizen, a_key(), option))])

    @rule(citizen=citizens, box=boxes, option=options, same=st.booleans())
    def retry(self, citizen: int, box: int, option: int, same: bool) -> None:
        """Send what was taken, or may have been, once more; or other answers with its key."""
        self.begin("retry")
        known = [self.taken[citizen][0]] if citizen in self.taken else self.unknown.get(citizen, [])
        if known:
            self.send_all([(box, Sent(citizen, known[0].key, known[0].option if same else option))])

    @rule(votes=st.lists(st.tuples(boxes, citizens, options, st.booleans()), min_size=2, max_size=8))
    def race(self, votes: list[tuple[int, int, int, bool]]) -> None:
        """Many at once through both boxes, some of them the same vote twice."""
        self.begin("race")
        self.send_all(self.drawn(votes))

    @rule(two=st.permutations(range(CITIZENS)), option=options, away=boxes)
    def share_a_key(self, two: list[int], option: int, away: int) -> None:
        """Two residents with one key, and a retry of one of them beside: one ballot, and its receipt to one of them."""
        self.begin("share a key")
        fresh = [one for one in two if one not in self.taken and one not in self.unknown][:2]
        if len(fresh) == 2:
            key = a_key()
            mine, theirs = (Sent(citizen, key, option) for citizen in fresh)
            self.send_all([(0, mine), (away, theirs), (1, mine)])
            assert sum(one in self.taken for one in fresh) == (not self.closed and not self.paused)

    # ---- what officials and the clock do

    @precondition(lambda self: not self.closed)
    @rule()
    def extend(self) -> None:
        async def move() -> None:
            async with self.world.beside.open_session() as session:
                closes_at = await session.scalar(text("SELECT closes_at FROM poll WHERE id = :p"), {"p": self.poll.id})
                later = closes_at + timedelta(hours=1)
                await extend_poll(session, self.poll.public_id, OFFICIAL, later, "more time", datetime.now(UTC))

        self.begin("extend")
        self.note("extend")
        self.world.do(move())

    @precondition(lambda self: not self.closed)
    @rule()
    def pause_or_go_on(self) -> None:
        async def move() -> None:
            async with self.world.beside.open_session() as session:
                if self.paused:
                    await resume_poll(session, self.poll.public_id, OFFICIAL, datetime.now(UTC))
                else:
                    await pause_poll(session, self.poll.public_id, OFFICIAL, "an outage", datetime.now(UTC))

        self.begin("pause or go on")
        self.note("resume" if self.paused else "pause")
        self.world.do(move())
        self.paused = not self.paused

    @precondition(lambda self: not self.closed)
    @rule(votes=st.lists(st.tuples(boxes, citizens, options, st.booleans()), max_size=8), early=st.booleans())
    def close(self, votes: list[tuple[int, int, int, bool]], early: bool) -> None:
        """An official closes it, or the clock reaches the closing time, with votes on their way."""
        self.begin("close")
        self.close_it(votes, early=early or self.paused)  # the clock of a paused poll stands still

    def close_it(self, votes: list[tuple[int, int, int, bool]], *, early: bool) -> None:
        async def move() -> None:
            async with self.world.beside.open_session() as session:
                if early:
                    await close_early(session, self.poll.public_id, OFFICIAL, "enough", datetime.now(UTC))
                else:
                    await session.execute(
                        text("UPDATE poll SET closes_at = clock_timestamp() WHERE id = :p"), {"p": self.poll.id}
                    )

        self.note("close early" if early else "close by the clock")
        self.send_all(self.drawn(votes), beside=move())
        self.closed, self.paused = True, False

    @precondition(lambda self: self.closed and not self.counted)
    @rule()
    def count(self) -> None:
        self.begin("count")
        self.count_it()

    @invariant()
    def end(self) -> None:
        """Whatever is drawn: after so many steps the poll is closed, and some later counted."""
        if not hasattr(self, "poll"):
            return
        if self.done >= self.ends_after and not self.closed:
            self.begin("close at the end")
            self.close_it([(self.done % 2, self.done % CITIZENS, 1, True)], early=self.paused or self.done % 2 == 0)
        elif self.done >= self.ends_after + 3 and not self.counted:
            self.begin("count at the end")
            self.count_it()

    def count_it(self) -> None:
        async def move() -> None:
            async with self.world.beside.open_session() as session:
                await count_poll(session, self.poll.public_id, datetime.now(UTC), SEALER)

        self.note("count")
        self.world.do(move())
        self.counted = True
        self.check()

    # ---- what goes wrong

    @rule(
        box=boxes, votes=st.lists(st.tuples(citizens, options), min_size=1, max_size=6), after=st.integers(0, 8),
        whole=st.booleans(),
    )  # fmt: skip
    def crash(self, box: int, votes: list[tuple[int, int]], after: int, whole: bool) -> None:
        """A process, or its connection alone, is killed with votes in its box."""
        self.begin("crash")
        sent = [(box, Sent(citizen, a_key(), option)) for citizen, option in votes]
        self.note("crash of a process" if whole else "crash of a connection")
        self.send_all(sent, beside=self.kill(box, after / 2000, whole=whole), leaving=box if whole else None)

    async def kill(self, box: int, after: float, *, whole: bool) -> None:
        process = self.processes[box]
        await asyncio.sleep(after)
        async with self.world.beside.open_session() as session:
            # Waits until each is gone: one that dies a moment later would fail the next step, where nothing is wrong.
            await session.execute(
                text("SELECT pg_terminate_backend(pid, 5000) FROM unnest(CAST(:pids AS integer[])) pid"),
                {"pids": list(process.backends)},
            )
        await asyncio.sleep(0.01)  # for the process to hear of it
        process.backends.clear()
        if whole:
            self.processes[box] = Process(self.world.url)
            self.gone.append(process)

    # ---- sending, and judging what was told

    def drawn(self, votes: list[tuple[int, int, int, bool]]) -> list[tuple[int, Sent]]:
        sent: list[tuple[int, Sent]] = []
        for box, citizen, option, twice in votes:
            vote = Sent(citizen, a_key(), option)
            sent += [(box, vote), (1 - box, vote)] if twice else [(box, vote)]
        return sent

    def send_all(
        self, votes: list[tuple[int, Sent]], beside: Coroutine[Any, Any, None] | None = None, leaving: int | None = None
    ) -> None:
        self.gone: list[Process] = []
        self.batch, self.before = votes, set(self.taken)
        self.note("cast", len(votes))
        could = not self.closed and not self.paused
        told = self.world.do(self._together(votes, beside, leaving))
        self.wrong = True
        for (_, vote), answer in zip(votes, told, strict=True):
            self.judge(vote, answer, could=could, ending=beside is not None)
        self.wrong = False

    async def _together(
        self, votes: list[tuple[int, Sent]], beside: Coroutine[Any, Any, None] | None, leaving: int | None
    ) -> list[Answer]:
        sending = [asyncio.create_task(self._send(self.processes[box].box, vote)) for box, vote in votes]
        await asyncio.sleep(0)
        if beside is not None:
            await beside
        if leaving is not None:  # with its process every request in it is gone, answered or not
            for task, (box, _) in zip(sending, votes, strict=True):
                if box == leaving:
                    task.cancel()
        told = await asyncio.gather(*sending, return_exceptions=True)
        for process in self.gone:
            await process.box.close(0)
            await process.database.close()
        return [one if isinstance(one, Exception | Cast) else Unavailable() for one in told]

    async def _send(self, box: BallotBox, vote: Sent) -> Cast:
        citizen = self.people[vote.citizen]
        return await box.cast(Vote(self.poll, citizen, {"1": vote.option}, vote.key, datetime.now(UTC)))

    def judge(self, vote: Sent, answer: Answer, *, could: bool, ending: bool) -> None:
        """Compare one answer with what the resident may expect."""
        before = self.taken.get(vote.citizen)
        maybe = self.unknown.get(vote.citizen, [])
        self.note(type(answer).__name__)
        if isinstance(answer, Cast):
            if before is None:
                assert could or vote in maybe, "admitted after closing or while paused"
                self.taken[vote.citizen] = (vote, answer.receipt.as_json())
                self.unknown.pop(vote.citizen, None)
            else:
                assert before[0] == vote, "a second vote"
                assert answer.receipt.as_json() == before[1], "a retry got another receipt"
                assert answer.repeated or vote.citizen not in self.before
        elif isinstance(answer, Unavailable | OutcomeUnknown | Busy):
            assert ending, "nothing was wrong with the database"
            if before is None:
                self.unknown.setdefault(vote.citizen, []).append(vote)
        elif isinstance(answer, AlreadyVoted):
            assert before is None or before[0].key != vote.key
            assert before is not None or maybe or ending or len(self.batch) > 1, "nobody has voted for them"
        elif isinstance(answer, RetryDiffers):
            same_key = [sent for sent in [*maybe, *([before[0]] if before else [])] if sent.key == vote.key]
            assert same_key and all(sent.option != vote.option for sent in same_key)
        elif isinstance(answer, KeyUsed):
            assert any(sent.key == vote.key and sent.citizen != vote.citizen for _, sent in self.batch)
            assert before is None and could, "who has voted, or cannot, is told so"
        elif isinstance(answer, PollClosed | PollPaused):
            assert before is None or ending, "who has voted is told so"
            assert ending or (self.closed if isinstance(answer, PollClosed) else self.paused)
        else:
            assert isinstance(answer, NotCounted) and ending, repr(answer)

    def note(self, name: str, count: int = 1) -> None:
        self.world.seen[name] += count

    def begin(self, step: str) -> None:
        self.done += 1
        self.world.begin(step)

    # ---- what must hold

    def check(self) -> None:
        """Everything the database holds of this poll against the model."""
        table = "ballot WHERE poll_id = :p" if self.counted else f"intake_{self.poll.id} WHERE :p > 0"

        async def read() -> tuple[list[Any], list[int], int]:
            async with self.world.beside.open_session() as session:
                known = {"p": self.poll.id}
                stored = (await session.execute(text(f"SELECT ballot_id, answers FROM {table}"), known)).all()
                part = await session.scalars(text("SELECT citizen_id FROM participation WHERE poll_id = :p"), known)
                turnout = text("SELECT coalesce(sum(n), 0) FROM turnout_shard WHERE poll_id = :p")
                return list(stored), list(part), int(await session.scalar(turnout, known) or 0)

        stored, took_part, turnout = self.world.do(read())
        held = {bytes(row.ballot_id): tuple(row.answers) for row in stored}
        assert len(stored) == len(held) == len(took_part) == len(set(took_part))
        assert turnout in (len(took_part), 0 if self.counted else len(took_part))
        sure = {self.made(vote): self.answers(vote) for vote, _ in self.taken.values()}
        possible = sure | {self.made(vote): self.answers(vote) for sent in self.unknown.values() for vote in sent}
        assert sure.items() <= held.items(), "an acknowledged vote is lost or changed"
        assert held.items() <= possible.items(), "a vote nobody cast"
        voted = {self.people[citizen] for citizen in self.taken}
        assert voted <= set(took_part) <= voted | {self.people[citizen] for citizen in self.unknown}

    def made(self, vote: Sent) -> bytes:
        return ballot_id(self.poll.poll_hash, vote.key)

    def answers(self, vote: Sent) -> tuple[str, ...]:
        return encode_ballot(self.poll.definition, {"1": vote.option}).answers

    def teardown(self) -> None:
        if not hasattr(self, "poll"):
            return
        self.world.step = "end of a run"
        self.world.seen["step: end of a run"] += 1
        if not self.wrong:
            self.check()
            self.send_all([(0, vote) for vote, _ in self.taken.values()])

        async def end() -> None:
            for process in self.processes:
                await process.box.close()
                await process.database.close()

        self.world.do(end())


@pytest.fixture
def world(fresh_database_url: str) -> Iterator[World]:
    """A town in a database of its own."""
    with asyncio.Runner() as runner:
        beside = Database.from_url(fresh_database_url, pool_size=2)

        async def settle() -> list[int]:
            async with beside.open_session() as session:
                await a_city(session)
                return [one.citizen_id for one in await settle_residents(session, FormTokens(b"0" * 32), PEOPLE)]

        yield World(runner, fresh_database_url, beside, runner.run(settle()))
        runner.run(beside.close())


@pytest.mark.timeout(0)
def test_no_order_of_events_loses_doubles_or_admits_a_vote_too_late(world: World) -> None:
    BoxMachine.world = world
    run_state_machine_as_test(
        BoxMachine,
        settings=settings(
            max_examples=RUNS, stateful_step_count=STEPS, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
    print(world.told())  # noqa: T201  -- what a soak has been through
    needed = {"Cast", "AlreadyVoted", "PollClosed", "RetryDiffers", "Unavailable", "KeyUsed", "crash of a process"}
    assert needed <= world.seen.keys()
    assert 3 * world.seen["count"] >= world.runs, "too few polls are counted"


def test_a_step_that_hangs_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "STALL", 0.5)

    async def hang() -> None:
        async with world.beside.open_session() as session:
            await session.execute(text("SELECT pg_sleep(30)"))

    world.begin("sleep")
    with pytest.raises(AssertionError, match=r"step 1, sleep: over 0.5 s;.*hang.*pg_sleep"):
        world.do(hang())

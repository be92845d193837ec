"""The use case of a resident: casting a ballot. One vote per citizen, kept apart from the person.

Participation and ballot are written in one transaction to tables that share no key. The primary key (poll, citizen)
makes the vote single; the poll's shared advisory lock and the database's own clock make the closing time exact. A
retry with the same key finds the ballot and gets the same receipt; nothing is stored for that.

`BallotBox` is how a serving process casts: votes that arrive while the last transaction commits ride the next one.
`cast_ballot` casts one vote in a transaction of the caller's. Both write by :mod:`polls.box_batch`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from polls.board import Signer
from polls.box_batch import one_of_each, write_carefully, write_votes
from polls.catalogue import SealedPoll
from polls.database_failures import CLASH, REPEATABLE_STATES, is_passing, is_rolled_back, sqlstate_of
from polls.errors import Busy, OutcomeUnknown, Unavailable
from polls.sessions import Session
from polls.votes import Cast, Held, Outcome, Taken, Vote, receipt_of

__all__ = ["BallotBox", "BoxFigures", "Cast", "Vote", "cast_ballot"]

ATTEMPTS, PAUSE = 20, 0.05  # seconds: a second in all, since extending and closing take milliseconds
REPEATS = 3  # times a batch is written over a deadlock
LARGEST = 1_000
"""Votes in one transaction at most: about 20 ms of judging, during which nothing else is answered."""
SOON = 2  # seconds after which what passes by itself is worth another try
LONGEST_WAIT = 30  # seconds we ask anybody to wait
log = logging.getLogger(__name__)

OpenSession = Callable[[], AbstractAsyncContextManager[Session]]
Write = Callable[[Session, Sequence[Vote]], Awaitable[list[Outcome]]]


async def cast_ballot(
    session: Session, poll: SealedPoll, citizen_id: int, answers: Mapping[str, Any], key: bytes, signer: Signer,
    now: datetime, channel: str = "online",
) -> Cast:  # fmt: skip
    """Cast one ballot in the caller's transaction. `key` is the voter's K (at least 16 random bytes), never stored.

    Refuses `InvalidAnswer`, `NotEligible` with reasons, `AlreadyVoted` with the day, `RetryDiffers`, `KeyUsed`,
    `PollNotOpen`, `PollPaused`, `PollClosed`, `Busy`, `NotCounted` while the count runs. A refusal writes nothing.
    """
    vote = Vote(poll, citizen_id, answers, key, now, channel)
    for _ in range(ATTEMPTS):
        [outcome] = await write_carefully(session, [vote])
        if isinstance(outcome, Taken):
            return receipt_of(outcome, signer)
        if isinstance(outcome, Exception):
            raise outcome
        await asyncio.sleep(PAUSE)
    raise Busy(retry_after=SOON)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A vote in the box and who waits for it."""

    vote: Vote
    answer: asyncio.Future[Taken]
    tries: int = 0
    """How often it found its poll held by somebody alone."""
    unsure: bool = False
    """Whether a commit has begun that may hold it: from then on nobody may be told that nothing was taken."""

    @property
    def gone(self) -> bool:
        """Whether nobody waits any more: the client went away."""
        return self.answer.done()

    def refuse(self, refusal: Exception) -> None:
        """Answer with a refusal."""
        if not self.answer.done():
            self.answer.set_exception(OutcomeUnknown(retry_after=SOON) if self.unsure else refusal)


@dataclass
class BoxFigures:
    """What a box has done so far: transactions committed, votes they decided, votes refused for want of room."""

    batches: int = 0
    votes: int = 0
    turned_away: int = 0
    repeated: int = 0
    """Transactions written once more over a deadlock, or over a key that another ballot has."""


@dataclass
class BallotBox:
    """Group commit: one transaction at a time, and in it every vote that came while the last one was committed.

    There is no timer: a vote alone goes at once, and the busier it gets the more votes share a commit. Each caller is
    answered only after the commit that holds its vote. One process has one box; several share nothing but the database.

    `open_session` opens a transaction that commits when its block ends. `signer` gives the receipt key. `waiting` is
    the most votes that wait for their first transaction, and apart from them the most of polls that somebody holds
    alone; beyond it the answer is `Busy`. So a poll that is being counted turns away no vote in another. `write` stands
    for :func:`write_votes`, and a benchmark may give another, or an `open_session` that rolls back, to see what the
    commit costs.
    """

    open_session: OpenSession
    signer: Callable[[], Signer]
    waiting: int = 2_000
    write: Write = write_votes
    write_carefully: Write = write_carefully
    figures: BoxFigures = field(default_factory=BoxFigures)
    _queue: deque[_Waiting] = field(default_factory=deque)
    _held: set[_Waiting] = field(default_factory=set)
    """Votes of polls held by somebody alone, for a pause before another try."""
    _returned: deque[_Waiting] = field(default_factory=deque)
    """Those whose pause is over."""
    _in_hand: int = 0
    _in_hand_again: int = 0
    """How many of those in hand have been held before."""
    _runner: asyncio.Task[None] | None = None
    _closed: bool = False
    _pace: float = 0.0
    """Seconds a vote takes lately, for telling those turned away when to come again."""

    async def cast(self, vote: Vote) -> Cast:
        """Cast a vote; returns once it is committed. Refuses as `cast_ballot` does, `Unavailable` when the database
        failed before the commit, and `OutcomeUnknown` when the commit was cut off: sent again with the same key, the
        vote counts once, whatever became of it. Only of the other refusals is it sure that nothing was taken.

        A caller that is cancelled harms no other vote. Its own may have been taken all the same.
        """
        if self._closed or len(self._queue) + self._in_hand - self._in_hand_again >= self.waiting:
            self.figures.turned_away += 1
            raise Busy(retry_after=self._come_again())
        waiting = _Waiting(vote, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._start()
        taken = await waiting.answer
        return receipt_of(taken, self.signer())

    @property
    def inside(self) -> int:
        """Votes that wait, those being written among them."""
        return len(self._queue) + self._in_hand + len(self._held) + len(self._returned)

    async def close(self, within: float = 10.0) -> None:
        """Take no more votes, write those inside, and refuse what is left after `within` seconds.

        What is left hears `Busy`, but for votes whose commit is under way: those hear `OutcomeUnknown`.
        """
        self._closed = True
        self._refuse(self._held)
        runner = self._runner
        if runner is not None and not runner.done():
            await asyncio.wait([runner], timeout=within)
            runner.cancel()  # does nothing to one that is done
            await asyncio.wait([runner])
        self._refuse([*self._returned, *self._queue])

    # ---- parts

    def _start(self) -> None:
        """Have somebody write, in a context of its own: its log lines are not those of whoever came first."""
        if self._runner is None or self._runner.done():
            loop = asyncio.get_running_loop()
            self._runner = loop.create_task(self._run(), name="ballot box", context=Context())

    async def _run(self) -> None:
        """Write batch after batch until nobody waits."""
        await asyncio.sleep(0)  # handlers that are ready in this turn of the loop join
        # From here on nothing is waited for: the next batch is written while those of the last are answered.
        while self._queue or self._returned:
            batch = self._next()
            if batch:
                await self._serve(batch)

    def _next(self) -> list[_Waiting]:
        """The next batch, in the order of coming; a citizen's second vote in the same poll waits for the one after."""
        found = [waiting for waiting in (*self._returned, *self._queue) if not waiting.gone]
        self._queue.clear()
        self._returned.clear()
        first = one_of_each(waiting.vote for waiting in found)
        batch = [waiting for waiting, alone in zip(found, first, strict=True) if alone][:LARGEST]
        taken = {id(waiting) for waiting in batch}
        for waiting in found:
            if id(waiting) not in taken:
                (self._returned if waiting.tries else self._queue).append(waiting)
        return batch

    async def _serve(self, batch: list[_Waiting]) -> None:
        started = asyncio.get_running_loop().time()
        self._in_hand, self._in_hand_again = len(batch), sum(bool(waiting.tries) for waiting in batch)
        try:
            await self._commit(batch)
        except BaseException as error:  # cancelled at the end, or our own mistake: nobody may be left waiting
            self._refuse(batch)
            if not isinstance(error, Exception):
                raise
            log.exception("a batch of votes could not be answered")
        finally:
            self._in_hand = self._in_hand_again = 0
            spent = (asyncio.get_running_loop().time() - started) / len(batch)
            self._pace = spent if not self._pace else 0.8 * self._pace + 0.2 * spent

    async def _commit(self, batch: list[_Waiting]) -> None:
        """Write a batch and answer it. What fails for good is written in halves, so that a bad vote fails alone."""
        write = self.write
        for time in range(1, REPEATS + 1):
            asked: list[_Waiting] = []  # to be committed in this transaction, and not in doubt from one before
            try:
                async with self.open_session() as session:
                    outcomes = await write(session, [waiting.vote for waiting in batch])
                    asked = [waiting for waiting in batch if not waiting.unsure]
                    _doubt(asked, True)
                break
            except Exception as error:
                if is_rolled_back(error):
                    _doubt(asked, False)
                state = sqlstate_of(error)
                if state == CLASH and time < REPEATS:
                    self.figures.repeated += 1
                    write = self.write_carefully
                    continue
                if state in REPEATABLE_STATES and time < REPEATS:
                    self.figures.repeated += 1
                    await asyncio.sleep(random.uniform(0, PAUSE * time))  # noqa: S311  two that met do not meet again
                    continue
                await self._failed(batch, error)
                return
        self.figures.batches += 1
        self.figures.votes += len(batch)
        _doubt(batch, False)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            self._answer(waiting, outcome)

    async def _failed(self, batch: list[_Waiting], error: Exception) -> None:
        """Nothing of the batch is acknowledged. Whether a commit that was cut off took place, a retry finds out."""
        if is_passing(error):
            log.warning("a batch of votes was not committed", exc_info=error)
            for waiting in batch:
                refusal = Unavailable(retry_after=SOON)
                refusal.__cause__ = error
                waiting.refuse(refusal)
        elif len(batch) == 1:
            batch[0].refuse(error)
        else:
            middle = len(batch) // 2
            await self._commit(batch[:middle])
            await self._commit(batch[middle:])

    def _answer(self, waiting: _Waiting, outcome: Outcome) -> None:
        if isinstance(outcome, Held):
            self._hold(waiting)
        elif isinstance(outcome, Exception):
            waiting.refuse(outcome)
        elif not waiting.gone:
            waiting.answer.set_result(outcome)

    def _hold(self, waiting: _Waiting) -> None:
        """Somebody holds the poll alone: the vote tries again in a moment, and no other waits for it."""
        waiting.tries += 1
        no_room = waiting.tries == 1 and len(self._held) + len(self._returned) >= self.waiting
        self.figures.turned_away += no_room
        if self._closed or no_room or waiting.tries >= ATTEMPTS:
            waiting.refuse(Busy(retry_after=SOON))
            return
        self._held.add(waiting)
        asyncio.get_running_loop().call_later(PAUSE, self._release, waiting)

    def _release(self, waiting: _Waiting) -> None:
        self._held.discard(waiting)
        if not waiting.gone:
            self._returned.append(waiting)
            self._start()

    def _refuse(self, left: Iterable[_Waiting]) -> None:
        for waiting in left:
            waiting.refuse(Busy(retry_after=SOON))

    def _come_again(self) -> int:
        """Seconds after which the votes inside should be done, spread so that not everybody comes back at once."""
        soonest = min(max(SOON, round(self.inside * self._pace)), LONGEST_WAIT // 2)
        return random.randint(soonest, 2 * soonest)  # noqa: S311


def _doubt(votes: Iterable[_Waiting], unsure: bool) -> None:
    for waiting in votes:
        waiting.unsure = unsure

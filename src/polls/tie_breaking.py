"""Use cases of open ties: two parties commit to a lot, reveal it after the count, or the chair decides in public.

A tie whose rule is ``lot`` or ``chair`` is left open by the count. Each decision is stored, and the question is counted
again with it as a new version of the count, with its reason; old versions stay readable. Where the lot cannot be drawn
(somebody did not commit before opening, or did not reveal in time) the chair decides, and the reason says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from polls.board_trees import question_root
from polls.catalogue import SealedPoll, sealed_poll
from polls.counting import entitled_of, profile_of
from polls.definition import AnyQuestion, Tie
from polls.errors import AlreadyCommitted, FieldError, Invalid, LotCannotBeDrawn, LotPending, WrongState
from polls.journal import record_event
from polls.lifecycle import State
from polls.lots import SECRET_BYTES, Lot, Party, commitment
from polls.poll_lock import lock_alone
from polls.sessions import ReadSession, Session
from polls.tables import count_record, lot_secret, tie_decision
from polls.tally import tally
from polls.tally.outcome import Outcome, TieFound

REVEAL_WITHIN = timedelta(days=3)
"""After the count; a secret not revealed by then sends the tie to the chair."""


@dataclass(frozen=True)
class Commitment:
    """What one party has committed to, and its secret once revealed."""

    party: Party
    account_id: int
    commitment: bytes
    committed_at: datetime
    secret: bytes | None
    revealed_at: datetime | None


@dataclass(frozen=True)
class OpenTie:
    """A tie nobody has decided, in one question. `stage` is the round of the count it stopped at."""

    question_id: int
    stage: int
    tie: TieFound


@dataclass(frozen=True)
class DecidedTie:
    """How a tie was decided: the tied, best first, by whom or by which lot, and why."""

    question_id: int
    stage: int
    options: tuple[int, ...]
    decided: tuple[int, ...]
    method: str
    reason: str
    by: int | None
    at: datetime


def wants_lot(poll: SealedPoll) -> bool:
    """Whether some question of the poll breaks ties by lot."""
    return any(question.rule.tie is Tie.LOT for question in poll.definition.questions)


async def commitments(session: ReadSession, poll_id: int) -> dict[Party, Commitment]:
    """What the parties have committed to so far: public."""
    rows = await session.execute(select(lot_secret).where(lot_secret.c.poll_id == poll_id))
    return {
        Party(row.party): Commitment(
            Party(row.party), row.account_id, row.commitment, row.committed_at, row.secret, row.revealed_at
        )
        for row in rows
    }


async def commit_to_lot(
    session: Session, public_id: str, party: Party, account_id: int, committed: bytes, now: datetime
) -> None:
    """Keep a party's commitment (32 bytes), between sealing and opening by the database's clock.

    Refuses `WrongState` at any other time or for a poll without lots, `AlreadyCommitted` for a second commitment, and
    for one account as both parties.
    """
    poll = await sealed_poll(session, public_id)
    await lock_alone(session, poll.id)
    clock = await session.scalar(select(func.clock_timestamp()))
    assert clock is not None
    state = (await sealed_poll(session, public_id)).state(clock)
    if state is not State.SCHEDULED or not wants_lot(poll):
        raise WrongState(state=state, move="commit_to_lot")
    if len(committed) != 32:
        raise Invalid([FieldError("commitment", "malformed", "A commitment is 64 hex digits.")])
    known = await commitments(session, poll.id)
    if party in known or any(other.account_id == account_id for other in known.values()):
        raise AlreadyCommitted(party=party)
    await session.execute(
        insert(lot_secret).values(
            poll_id=poll.id, party=party, account_id=account_id, commitment=committed, committed_at=now
        )
    )
    await record_event(session, "lot_committed", poll.id, now, party=party, commitment=committed.hex(), by=account_id)


async def reveal_secret(
    session: Session, public_id: str, party: Party, account_id: int, secret: bytes, now: datetime
) -> bool:
    """Take a party's secret after the count; once both are there in time, draw and count anew. Returns whether it was.

    A secret that comes too late is kept and published, and draws nothing: the tie is the chair's.

    Refuses `WrongState` before the count, `Invalid` for a secret that is not what the same account committed to, and
    `LotCannotBeDrawn` when nothing was committed.
    """
    poll = await _counted_alone(session, public_id)
    known = await commitments(session, poll.id)
    mine = known.get(party)
    if mine is None or mine.account_id != account_id:
        raise LotCannotBeDrawn(party=party)
    if len(secret) != SECRET_BYTES or commitment(poll.poll_hash, party, secret) != mine.commitment:
        raise Invalid([FieldError("secret", "not_committed", "This is not the secret that was committed to.")])
    if mine.secret is None:
        await session.execute(
            update(lot_secret)
            .where(lot_secret.c.poll_id == poll.id, lot_secret.c.party == party)
            .values(secret=secret, revealed_at=now)
        )
        await record_event(session, "lot_revealed", poll.id, now, party=party, secret=secret.hex(), by=account_id)
    if overdue(poll, now):
        return False  # whoever waited to see the other secret does not get to choose between the lot and the chair
    return await _draw(session, poll, now)


async def open_ties(session: ReadSession, poll: SealedPoll) -> list[OpenTie]:
    """Ties of the newest count that somebody still has to decide."""
    record = await _newest(session, poll)
    return [
        OpenTie(outcome.question_id, tie.stage, tie)
        for outcome in (Outcome.from_json(stored) for stored in record.outcomes)
        for tie in outcome.ties
        if tie.open
    ]


async def decided_ties(session: ReadSession, poll_id: int) -> list[DecidedTie]:
    """All decisions so far, in the order they were made."""
    rows = await session.execute(
        select(tie_decision).where(tie_decision.c.poll_id == poll_id).order_by(tie_decision.c.at, tie_decision.c.stage)
    )
    return [
        DecidedTie(
            row.question_id, row.stage, tuple(row.options), tuple(row.decided), row.method, row.reason, row.by, row.at
        )
        for row in rows
    ]


async def chair_may_decide(session: ReadSession, poll: SealedPoll, question: AnyQuestion, now: datetime) -> bool:
    """Whether a tie of the question is the chair's: by its rule, or because the lot cannot be drawn."""
    if question.rule.tie is Tie.CHAIR:
        return True
    if question.rule.tie is not Tie.LOT:
        return False
    return overdue(poll, now) or len(await commitments(session, poll.id)) < len(Party)


def overdue(poll: SealedPoll, now: datetime) -> bool:
    """Whether the time to reveal is over. Ties by lot that are still open then are the chair's."""
    return poll.counted_at is not None and now >= poll.counted_at + REVEAL_WITHIN


async def decide_tie(
    session: Session, public_id: str, question_id: int, decided: Sequence[int], reason: str, official_id: int,
    now: datetime,
) -> None:  # fmt: skip
    """The chair's order of an open tie's options, best first, with a public reason; the question is counted anew.

    Refuses `Invalid` for options that are not one open tie or a missing reason, `LotPending` while the lot decides.
    """
    poll = await _counted_alone(session, public_id)
    tied = sorted(decided)
    found = next(
        (o for o in await open_ties(session, poll) if o.question_id == question_id and sorted(o.tie.options) == tied),
        None,
    )
    question = poll.definition.question(question_id)
    if found is None or question is None:
        raise Invalid([FieldError("decided", "no_such_tie", "These options are not an open tie.")])
    if not 3 <= len(reason.strip()) <= 1_000:
        raise Invalid([FieldError("reason", "needed", "Give a reason of 3 to 1,000 characters; it is public.")])
    if not await chair_may_decide(session, poll, question, now):
        raise LotPending(until=(poll.counted_at + REVEAL_WITHIN).isoformat() if poll.counted_at else None)
    by = official_id
    await _store(session, poll, question_id, found.stage, tied, decided, "chair", reason.strip(), by, now)
    await _count_anew(session, poll, {question_id: None}, f"chair: {reason.strip()}", now)


# ---- parts


async def _counted_alone(session: Session, public_id: str) -> SealedPoll:
    """The counted poll under its lock, so that two decisions come one after the other."""
    poll = await sealed_poll(session, public_id)
    await lock_alone(session, poll.id)
    poll = await sealed_poll(session, public_id)
    if poll.stored_state is not State.COUNTED:
        raise WrongState(state=poll.stored_state, move="decide_tie")
    return poll


async def _newest(session: ReadSession, poll: SealedPoll) -> Row[Any]:
    query = select(count_record).where(count_record.c.poll_id == poll.id).order_by(count_record.c.version.desc())
    row = (await session.execute(query.limit(1))).one_or_none()
    if row is None:
        raise WrongState(state=poll.stored_state, move="decide_tie")
    return row


async def _draw(session: Session, poll: SealedPoll, now: datetime) -> bool:
    """Draw every open tie by lot once both secrets are known."""
    secrets = {party: one.secret for party, one in (await commitments(session, poll.id)).items()}
    official, observer = secrets.get(Party.OFFICIAL), secrets.get(Party.OBSERVER)
    if official is None or observer is None:
        return False
    waiting = {
        tie.question_id
        for tie in await open_ties(session, poll)
        if (question := poll.definition.question(tie.question_id)) and question.rule.tie is Tie.LOT
    }
    lots = {q: Lot(official, observer, await question_root(session, poll, q)) for q in sorted(waiting)}
    if lots:
        await _count_anew(session, poll, lots, "lot", now)
    return bool(lots)


async def _store(
    session: Session, poll: SealedPoll, question_id: int, stage: int, tied: Sequence[int], decided: Sequence[int],
    method: str, reason: str, by: int | None, now: datetime,
) -> None:  # fmt: skip
    await session.execute(
        insert(tie_decision).values(
            poll_id=poll.id, question_id=question_id, stage=stage, options=list(tied), decided=list(decided),
            method=method, reason=reason, by=by, at=now,
        )
    )  # fmt: skip


async def _count_anew(
    session: Session, poll: SealedPoll, questions: Mapping[int, Lot | None], reason: str, now: datetime
) -> None:
    """Count these questions again with all decisions so far, drawing lots where one is given; a new version."""
    record = await _newest(session, poll)
    outcomes = [Outcome.from_json(stored) for stored in record.outcomes]
    known = {(d.question_id, d.stage, d.options): d.decided for d in await decided_ties(session, poll.id)}
    for index, question in enumerate(poll.definition.questions):
        if question.id not in questions:
            continue
        counted = await profile_of(session, poll, question.id, await entitled_of(session, poll, question))
        order = _Order(question.id, known, questions[question.id])
        outcomes[index] = await asyncio.to_thread(tally, question, counted, order)
        for stage, tied, decided in order.drawn:
            await _store(session, poll, question.id, stage, tied, decided, "lot", "", None, now)
    await session.execute(
        insert(count_record).values(
            poll_id=poll.id, version=record.version + 1, counted_at=now, ballots=record.ballots,
            participations=record.participations, outcomes=[o.as_json() for o in outcomes], reason=reason,
        )
    )  # fmt: skip
    roots = {str(q): lot.root.hex() for q, lot in questions.items() if lot is not None}
    await record_event(session, "ties_decided", poll.id, now, version=record.version + 1, reason=reason,
                       questions=sorted(questions), roots=roots)  # fmt: skip


class _Order:
    """The order the tally asks for: what was decided before, then the lot if there is one, else nobody's yet."""

    def __init__(
        self, question_id: int, known: dict[tuple[int, int, tuple[int, ...]], tuple[int, ...]], lot: Lot | None
    ) -> None:
        self._question, self._known, self._lot = question_id, known, lot
        self.drawn: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = []

    def __call__(self, stage: int, tied: Sequence[int]) -> tuple[int, ...] | None:
        """Best first, or None where nobody has decided."""
        ids = tuple(sorted(tied))
        decided = self._known.get((self._question, stage, ids))
        if decided is None and self._lot is not None:
            decided = self._lot.order(self._question, stage, ids)
            self._known[self._question, stage, ids] = decided
            self.drawn.append((stage, ids, decided))
        return decided

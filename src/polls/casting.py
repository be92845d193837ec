"""The use case of a resident: cast_ballot. One vote per citizen, kept apart from the person.

In one transaction the participation and the ballot are written to tables that share no key. The primary key
(poll, citizen) makes the vote single; the poll's shared advisory lock and the database's own clock make the closing
time exact. A retry with the same key finds the ballot and gets the same receipt; nothing is stored for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Integer, Row, bindparam, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import LargeBinary, Text

from polls.authoring import lock_key
from polls.ballot import EncodedBallot, encode_ballot, style_of
from polls.board import Receipt, Signer, acceptance_receipt, ballot_id, inclusion_receipt, leaf_hashes
from polls.catalogue import SealedPoll
from polls.definition import Privacy, ReceiptKind
from polls.eligibility import CitizenFacts, opening_day, reasons_against
from polls.errors import (
    AlreadyVoted,
    Busy,
    NotCounted,
    NotEligible,
    PollClosed,
    PollNotFound,
    PollNotOpen,
    PollPaused,
    RetryDiffers,
    Superseded,
)
from polls.register import facts_as_of
from polls.sessions import ReadSession, Session
from polls.strata import Stratum, stratum_of
from polls.tables import ballot, named_ballot, poll_pause, roll_amendment, superseded, text_answer

ATTEMPTS, PAUSE = 20, 0.05  # seconds: a second in all, since extending and closing take milliseconds


@dataclass(frozen=True)
class Cast:
    """What the resident is told. `repeated`: this was a retry and the receipt is the first one again."""

    receipt: Receipt
    ballot_id: bytes
    day: date
    repeated: bool
    changed: bool = False


@dataclass(frozen=True)
class Entitlement:
    """The facts a citizen is judged by in one poll: as of `opens_at`, or as of now for late registrations."""

    facts: CitizenFacts
    late: bool


async def entitlement(session: ReadSession, poll: SealedPoll, citizen_id: int, now: datetime) -> Entitlement:
    """The facts that decide. Refuses nothing: `eligibility.reasons_against` says what stands against."""
    facts = await facts_as_of(session, citizen_id, poll.definition.opens_at or now)
    if not facts.present and poll.definition.late_registration:
        later = await facts_as_of(session, citizen_id, now)
        if later.present and later.registered_at > (poll.definition.opens_at or now):
            return Entitlement(later, late=True)
    return Entitlement(facts, late=False)


async def cast_ballot(
    session: Session, poll: SealedPoll, citizen_id: int, answers: Mapping[str, Any], key: bytes, signer: Signer,
    now: datetime, channel: str = "online",
) -> Cast:  # fmt: skip
    """Cast one ballot. `key` is the voter's K (at least 16 random bytes), never stored.

    Refuses `InvalidAnswer`, `NotEligible` with reasons, `AlreadyVoted` with the day, `RetryDiffers`, `PollNotOpen`,
    `PollPaused`, `PollClosed`, `Busy`, `NotCounted` while the count runs. Nothing is written on any refusal.
    """
    await _enter(session, poll, citizen_id)  # before judging: a correction of the register takes the lock alone
    judged = await entitlement(session, poll, citizen_id, now)
    reasons = reasons_against(judged.facts, poll.definition)
    if reasons:
        raise NotEligible(reasons)
    encoded = encode_ballot(poll.definition, answers, style_of(poll.definition, judged.facts.territories))
    made = ballot_id(poll.poll_hash, key)
    stratum = stratum_of(judged.facts, opening_day(poll.definition), poll.definition.strata, poll.definition.age_bands)
    day = await _admit(session, poll, citizen_id, channel)
    if day is None:
        return await _refused(session, poll, citizen_id, made, encoded, stratum, signer)
    if judged.late:
        await _add_to_roll(session, poll.id, stratum, encoded.style, day, poll.definition.time_zone)
    await _store(session, poll, citizen_id, made, encoded, stratum)
    await _store_words(session, poll.id, encoded)
    return Cast(_receipt(poll, signer, made, encoded, day), made, day, repeated=False)


async def _enter(session: Session, poll: SealedPoll, citizen_id: int) -> None:
    """Share the poll's lock, so that nothing closes or counts it while this cast is in flight.

    Whoever holds the lock alone is extending, closing, cancelling or counting. A count may take minutes, and casts that
    came too late must not wait for it with a connection each: they hear what the clock says. Refuses `PollClosed`,
    `NotCounted` (a retry while the count runs) and `Busy`.
    """
    for _ in range(ATTEMPTS):
        if await session.scalar(select(func.pg_try_advisory_xact_lock_shared(lock_key(poll.id)))):
            return
        row = (
            await session.execute(
                text(
                    "SELECT p.state <> 'scheduled'"
                    " OR (p.closes_at <= clock_timestamp() AND p.paused_at IS NULL) AS over,"
                    " p.state, p.closes_at, v.day"
                    " FROM poll p LEFT JOIN participation v ON v.poll_id = p.id AND v.citizen_id = :citizen"
                    " WHERE p.id = :poll"
                ),
                {"poll": poll.id, "citizen": citizen_id},
            )
        ).one()
        if row.over and row.day is not None:
            raise NotCounted()
        if row.over:
            raise PollClosed(closed_at=row.closes_at.isoformat(), state=row.state)
        await asyncio.sleep(PAUSE)
    raise Busy(retry_after=2)


_ADMIT = text(
    """
    INSERT INTO participation (poll_id, citizen_id, day, channel)
    SELECT poll.id, :citizen, (clock_timestamp() AT TIME ZONE :zone)::date, :channel
      FROM poll
     WHERE poll.id = :poll AND poll.state = 'scheduled'
       AND poll.opens_at <= clock_timestamp() AND clock_timestamp() < poll.closes_at AND poll.paused_at IS NULL
    ON CONFLICT DO NOTHING
    RETURNING day
    """
)


async def _admit(session: Session, poll: SealedPoll, citizen_id: int, channel: str) -> date | None:
    """Insert the participation if the poll is open by the database's clock; None when it was not inserted."""
    day: date | None = await session.scalar(
        _ADMIT, {"poll": poll.id, "citizen": citizen_id, "channel": channel, "zone": poll.definition.time_zone}
    )
    return day


_STORE = "INSERT INTO intake_{} (ballot_id, answers, style, stratum) VALUES (:ballot, :answers, :style, :stratum)"


async def _store(
    session: Session, poll: SealedPoll, citizen_id: int, made: bytes, encoded: EncodedBallot, stratum: Stratum
) -> None:
    values = {"ballot": made, "answers": list(encoded.answers), "style": encoded.style, "stratum": stratum.code}
    if poll.definition.privacy is Privacy.NAMED:
        await session.execute(
            insert(named_ballot).values(
                poll_id=poll.id, citizen_id=citizen_id, seq=1, ballot_id=made, answers=list(encoded.answers),
                style=encoded.style, stratum=stratum.code,
            )
        )  # fmt: skip
        return
    await session.execute(
        text(_STORE.format(int(poll.id))).bindparams(
            bindparam("ballot", type_=LargeBinary), bindparam("answers", type_=ARRAY(Text)),
            bindparam("style", type_=Integer), bindparam("stratum", type_=Integer),
        ),
        values,
    )  # fmt: skip


async def _store_words(session: Session, poll_id: int, encoded: EncodedBallot) -> None:
    """Texts and own answers, with nothing beside them that leads to the ballot or the person."""
    if encoded.words:
        await session.execute(
            insert(text_answer),
            [{"poll_id": poll_id, "question_id": question, "text": words} for question, words in encoded.words.items()],
        )


async def _refused(
    session: Session, poll: SealedPoll, citizen_id: int, made: bytes, encoded: EncodedBallot, stratum: Stratum,
    signer: Signer,
) -> Cast:  # fmt: skip
    """Why the participation did not go in: a retry, a second vote, a change of a named vote, or the clock."""
    row = (
        await session.execute(
            text(
                "SELECT p.state, p.opens_at, p.closes_at, p.paused_at, clock_timestamp() AS clock, v.day FROM poll p"
                " LEFT JOIN participation v ON v.poll_id = p.id AND v.citizen_id = :citizen WHERE p.id = :poll"
            ),
            {"poll": poll.id, "citizen": citizen_id},
        )
    ).one_or_none()
    if row is None:
        raise PollNotFound()
    if row.day is None:
        if row.state == "scheduled" and row.clock < row.opens_at:
            raise PollNotOpen(opens_at=row.opens_at.isoformat())
        await _refuse_paused(session, poll.id, row)
        raise PollClosed(closed_at=row.closes_at.isoformat(), state=row.state)
    stored = await _stored_answers(session, poll, made)
    if stored is not None:
        if stored != encoded.answers:
            raise RetryDiffers(day=row.day.isoformat())
        return Cast(_receipt(poll, signer, made, encoded, row.day), made, row.day, repeated=True)
    if poll.definition.privacy is Privacy.NAMED and poll.definition.may_change and _open(row):
        await _change(session, poll, citizen_id, made, encoded, stratum)
        return Cast(_receipt(poll, signer, made, encoded, row.day), made, row.day, repeated=False, changed=True)
    if poll.definition.privacy is Privacy.NAMED and poll.definition.may_change:
        await _refuse_paused(session, poll.id, row)
    raise AlreadyVoted(day=row.day.isoformat())


def _open(row: Row[Any]) -> bool:
    return bool(row.state == "scheduled" and row.paused_at is None and row.opens_at <= row.clock < row.closes_at)


async def _refuse_paused(session: Session, poll_id: int, row: Row[Any]) -> None:
    """Refuse `PollPaused` with the public reason while a pause lasts."""
    if row.state == "scheduled" and row.paused_at is not None:
        reason = await session.scalar(
            select(poll_pause.c.reason).where(poll_pause.c.poll_id == poll_id, poll_pause.c.resumed_at.is_(None))
        )
        raise PollPaused(since=row.paused_at.isoformat(), reason=reason or "")


async def _stored_answers(session: Session, poll: SealedPoll, made: bytes) -> tuple[str, ...] | None:
    """The answers under this ballot id, from the intake, or from the counted ballots, or from the named ones."""
    query: Any
    if poll.definition.privacy is Privacy.NAMED:
        query = select(named_ballot.c.answers).where(
            named_ballot.c.poll_id == poll.id, named_ballot.c.ballot_id == made
        )
    else:
        intake = await session.scalar(text("SELECT to_regclass(:name)::text"), {"name": f"intake_{int(poll.id)}"})
        if intake is not None:
            query = text(f"SELECT answers FROM intake_{int(poll.id)} WHERE ballot_id = :ballot").bindparams(
                bindparam("ballot", made, type_=LargeBinary)
            )
        else:
            query = select(ballot.c.answers).where(ballot.c.poll_id == poll.id, ballot.c.ballot_id == made)
    found = (await session.execute(query)).scalar_one_or_none()
    return None if found is None else tuple(found)


async def _change(
    session: Session, poll: SealedPoll, citizen_id: int, made: bytes, encoded: EncodedBallot, stratum: Stratum
) -> None:
    """Replace a named vote: `seq` rises, the old answers are purged, only their leaf hashes are kept.

    A request that is an old vote sent once more (a page reloaded, a retry come late) must not bring it back: its leaves
    are known. Refuses `Superseded`.
    """
    known = await session.scalar(
        select(superseded.c.leaf_hash)
        .where(
            superseded.c.poll_id == poll.id,
            superseded.c.leaf_hash.in_(_leaves(poll, made, encoded)),
        )
        .limit(1)
    )
    if known is not None:
        raise Superseded()
    old = (
        await session.execute(
            select(named_ballot.c.ballot_id, named_ballot.c.answers, named_ballot.c.style)
            .where(named_ballot.c.poll_id == poll.id, named_ballot.c.citizen_id == citizen_id)
            .with_for_update()
        )
    ).one()
    leaves = leaf_hashes(poll.poll_hash, old.ballot_id, poll.question_ids, old.answers, old.style)
    if leaves:  # none where the resident was asked nothing
        await session.execute(insert(superseded), [{"poll_id": poll.id, "leaf_hash": leaf} for leaf in leaves])
    await session.execute(
        update(named_ballot)
        .where(named_ballot.c.poll_id == poll.id, named_ballot.c.citizen_id == citizen_id)
        .values(
            seq=named_ballot.c.seq + 1,
            ballot_id=made,
            answers=list(encoded.answers),
            style=encoded.style,
            stratum=stratum.code,
        )
    )


async def _add_to_roll(session: Session, poll_id: int, stratum: Stratum, style: int, day: date, zone: str) -> None:
    """A late registration enters the roll as a logged addition, stamped with the day only."""
    at = datetime.combine(day, datetime.min.time(), ZoneInfo(zone))
    await session.execute(
        insert(roll_amendment).values(
            poll_id=poll_id, stratum=stratum.code, style=style, change=1, reason="late_registration", at=at
        )
    )


def _leaves(poll: SealedPoll, made: bytes, encoded: EncodedBallot) -> tuple[bytes, ...]:
    return leaf_hashes(poll.poll_hash, made, poll.question_ids, encoded.answers, encoded.style)


def _receipt(poll: SealedPoll, signer: Signer, made: bytes, encoded: EncodedBallot, day: date) -> Receipt:
    if poll.definition.receipt is ReceiptKind.ACCEPTANCE_ONLY:
        return acceptance_receipt(signer, poll.poll_hash, made, day.isoformat())
    return inclusion_receipt(signer, poll.poll_hash, made, _leaves(poll, made, encoded), day.isoformat())

"""Ballots → profile → tally; the only reader of ballots.

Counting runs once, in a transaction of its own, after the closing time by the database's clock and with no cast in
flight. It copies the intake into `ballot` in the order of leaf hashes with small strata merged, proves the copy equal,
signs the root of every question's published records, drops the intake, and keeps the profile: one question's canonical
answer and stratum, counted. Every tally and every table starts from the profile, so seven million ballots of a choice
shrink to thousands of rows in SQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, text, update
from sqlalchemy.dialects import postgresql

from polls.audience import roll_total, stratum_of_participants, take_roll
from polls.board_trees import seal_trees
from polls.catalogue import SealedPoll, sealed_poll
from polls.checkpoint import BoardSealer
from polls.cross_counting import count_cross_tabs
from polls.definition import AnyQuestion, Privacy, SingleChoice, UnitRule, Visibility
from polls.errors import WrongState
from polls.journal import record_event
from polls.lifecycle import Move, State, may
from polls.live_apart import next_shown
from polls.person_tables import OTHER_ENTRY
from polls.poll_lock import lock_alone, lock_live_step, share_lock
from polls.published import counted_ballots, leaf_sql
from polls.sessions import ReadSession, Session
from polls.strata import Stratum, coarsen
from polls.style_roll import take_style_roll
from polls.tables import (
    count_record,
    live_step,
    participation,
    poll,
    profile,
    roll_amendment,
    roll_style,
    territory,
    turnout_day,
    turnout_stratum,
)
from polls.tally import tally
from polls.tally.outcome import Outcome
from polls.tally.profile import NOT_SHOWN, Profile
from polls.turning_points import record_turning_points
from polls.unit_roll import take_unit_roll
from polls.units_counting import tally_unit_question

LIVE_STEP = 1_000
"""Figures of a poll shown live move in steps of at least so many ballots."""


class CopyDiffers(Exception):
    """The copied ballots are not the intake's. Never expected: the count is rolled back and the intake stays."""


@dataclass(frozen=True)
class Counted:
    """What a count did."""

    ballots: int
    participations: int
    outcomes: tuple[Outcome, ...]


async def due_polls(session: ReadSession, limit: int = 100) -> list[str]:
    """Public ids of polls whose closing time has passed by the database's clock and that are not counted."""
    rows = await session.scalars(
        select(poll.c.public_id)
        .where(
            poll.c.state == State.SCHEDULED,
            poll.c.closes_at <= func.clock_timestamp(),
            poll.c.paused_at.is_(None),  # a pause puts the closing off
        )
        .order_by(poll.c.closes_at)
        .limit(limit)
    )
    return list(rows)


async def live_polls(session: ReadSession, now: datetime) -> list[str]:
    """Public ids of all open polls that show figures while they run: the sooner one closes, the earlier it stands."""
    rows = await session.scalars(
        select(poll.c.public_id)
        .where(
            poll.c.state == State.SCHEDULED,
            poll.c.opens_at <= now,
            or_(poll.c.closes_at > now, poll.c.paused_at.is_not(None)),
            poll.c.card["live"].as_boolean(),
        )
        .order_by(poll.c.closes_at, poll.c.id)
    )
    return list(rows)


async def polls_without_roll(session: ReadSession, limit: int = 100) -> list[str]:
    """Public ids of polls that have opened and whose roll has not been taken, where one can be."""
    rows = await session.scalars(
        text(
            "SELECT p.public_id FROM poll p WHERE p.state = 'scheduled' AND p.opens_at <= clock_timestamp()"
            " AND NOT EXISTS (SELECT 1 FROM roll WHERE roll.poll_id = p.id)"
            " AND EXISTS (SELECT 1 FROM poll_revision r WHERE r.poll_id = p.id"
            " AND r.definition -> 'roll_known' = 'true') ORDER BY p.opens_at LIMIT :limit"
        ),
        {"limit": limit},
    )
    return list(rows)


async def take_roll_of(session: Session, public_id: str) -> int:
    """Take the roll of one opened poll; returns its total."""
    found = await sealed_poll(session, public_id)
    await take_unit_roll(session, found.id, found.definition)
    return await take_roll(session, found.id, found.definition)


async def count_poll(session: Session, public_id: str, now: datetime, sealer: BoardSealer) -> Counted | None:
    """Count a closed poll and sign its trees; None when it is counted. Refuses `WrongState` before it has closed."""
    found = await sealed_poll(session, public_id)
    await session.execute(text("SET LOCAL statement_timeout = 0"))  # a count takes as long as it takes
    await lock_alone(session, found.id)
    row = (
        await session.execute(
            select(poll.c.state, poll.c.opens_at, poll.c.closes_at, func.clock_timestamp().label("clock")).where(
                poll.c.id == found.id
            )
        )
    ).one()
    if row.state in (State.COUNTED, State.CERTIFIED, State.DECIDED):
        return None
    state = (await sealed_poll(session, public_id)).state(row.clock)
    if not may(Move.COUNT, state):
        raise WrongState(state=state, move=Move.COUNT)
    if found.definition.roll_known:
        await take_style_roll(session, found.id, found.definition)
        await take_unit_roll(session, found.id, found.definition)
        await take_roll(session, found.id, found.definition)
    separated = found.definition.privacy is Privacy.SEPARATED
    if separated:
        await _copy_ballots(session, found)
    await seal_trees(session, found, sealer)
    if separated:  # only now that its copy is proven equal and signed for; the function compares once more
        await session.execute(text("SELECT veche_drop_intake(:poll)"), {"poll": found.id})
    await session.execute(text("SELECT veche_shuffle_texts(:poll)"), {"poll": found.id})
    await _write_profile(session, found)
    counted = await _tally_all(session, found)
    await _fix_turnout(session, found)
    await record_turning_points(session, found.id, now)
    await _finish(session, found, counted, now)
    return counted


async def profile_of(session: ReadSession, found: SealedPoll, question_id: int, entitled: int | None) -> Profile:
    """One question's profile of a counted poll, over all strata."""
    rows = await session.execute(
        select(profile.c.answer, func.sum(profile.c.n))
        .where(profile.c.poll_id == found.id, profile.c.question_id == question_id)
        .group_by(profile.c.answer)
    )
    return Profile({answer: int(n) for answer, n in rows}, entitled)


async def entitled_of(session: ReadSession, found: SealedPoll, question: AnyQuestion) -> int | None:
    """How many residents could be asked this question: the roll, or its part whose ballot style holds the question.

    None where the roll is not known or not taken yet. A follow-up is of everybody who could have been asked it.
    """
    if not found.definition.roll_known:
        return None
    if not question.styles:
        return await roll_total(session, found.id)
    styles = await entitled_with_late(session, found)
    return sum(styles.get(style, 0) for style in question.styles) if styles else None


async def entitled_with_late(session: ReadSession, found: SealedPoll) -> dict[int, int]:
    """Entitled residents by ballot style, late registrations included; {} before the count and without styles."""
    late = (
        select(func.coalesce(func.sum(roll_amendment.c.change), 0))
        .where(
            roll_amendment.c.poll_id == found.id,
            roll_amendment.c.style == roll_style.c.style,
            roll_amendment.c.reason == "late_registration",  # corrections are in what was taken at the count
        )
        .scalar_subquery()
    )
    rows = await session.execute(
        select(roll_style.c.style, roll_style.c.entitled + late).where(roll_style.c.poll_id == found.id)
    )
    return {style: int(n) for style, n in rows}


@dataclass(frozen=True)
class LiveCounts:
    """What a live step is made of: all questions of the same moment, by canonical answer; `ballots` cast till then."""

    ballots: int
    answers: tuple[Mapping[str, int], ...]
    entitled: tuple[int | None, ...]


async def take_live_step(session: Session, found: SealedPoll, now: datetime) -> bool:
    """Publish the totals of an open live poll if at least 1,000 ballots came since the last step; totals only."""
    counts = await read_live_counts(session, found, now)
    return counts is not None and await publish_live_step(session, found, counts, now)


async def read_live_counts(session: Session, found: SealedPoll, now: datetime) -> LiveCounts | None:
    """The counts of a live poll if a step is due.

    Runs under the poll's shared lock with one taker at a time. Whoever wants to close or pause waits for it, and casts
    behind them, so the transaction should end right after; the tally is no part of it.
    """
    if found.definition.visibility is not Visibility.LIVE or found.state(now) is not State.OPEN:
        return None
    # The shared lock first, as a cast takes it: then nobody is cancelling or counting, and the intake stays.
    if not await share_lock(session, found.id) or not await lock_live_step(session, found.id):
        return None
    if (await sealed_poll(session, found.public_id)).state(now) is not State.OPEN:
        return None
    last = await session.scalar(select(func.max(live_step.c.ballots)).where(live_step.c.poll_id == found.id)) or 0
    cast = await session.scalar(text(f"SELECT count(*) FROM {_source(found)}"), _bind(found)) or 0
    if cast < last + LIVE_STEP:
        return None
    questions = found.definition.questions
    counts: dict[int, dict[str, int]] = {index: {} for index in range(1, len(questions) + 1)}
    each = " UNION ALL ".join(
        f"SELECT {index} AS question, answers[{index}] AS answer, count(*) AS n FROM {_source(found)} GROUP BY 2"
        for index in counts
    )
    for row in await session.execute(text(each), _bind(found)):  # one statement: every question of the same moment
        counts[row.question][row.answer] = row.n
    cast = sum(counts[1].values())  # hidden ones among them: every ballot has a place for every question
    for answers in counts.values():
        answers.pop(NOT_SHOWN, None)
    entitled = [await entitled_of(session, found, question) for question in questions]
    return LiveCounts(cast, tuple(counts.values()), tuple(entitled))


async def publish_live_step(session: Session, found: SealedPoll, counts: LiveCounts, now: datetime) -> bool:
    """Tally the counts and store them as a step. Two takers of the same step: the later one leaves it."""
    questions = zip(found.definition.questions, counts.answers, counts.entitled, strict=True)
    last = select(live_step.c.outcomes).where(live_step.c.poll_id == found.id).order_by(live_step.c.ballots.desc())
    before = {one["question_id"]: Outcome.from_json(one) for one in await session.scalar(last.limit(1)) or ()}
    outcomes = []
    for question, answers, entitled in questions:
        outcome = await asyncio.to_thread(tally, question, Profile(answers, entitled))
        outcomes.append(next_shown(question, before.get(question.id), outcome).as_json())
    made = await session.execute(
        postgresql.insert(live_step)
        .values(poll_id=found.id, ballots=counts.ballots, at=now, outcomes=outcomes)
        .on_conflict_do_nothing()
    )
    return bool(made.rowcount)  # type: ignore[attr-defined]


# ---- steps of the count


def _source(found: SealedPoll) -> str:
    """Where the ballots of an uncounted poll are."""
    if found.definition.privacy is Privacy.NAMED:
        return "named_ballot WHERE poll_id = :poll"
    return f"intake_{int(found.id)}"


def _bind(found: SealedPoll) -> dict[str, Any]:
    return {"poll": found.id} if found.definition.privacy is Privacy.NAMED else {}


async def _copy_ballots(session: Session, found: SealedPoll) -> None:
    """Intake → `ballot`, in leaf order, strata merged; the copy proven equal, row by row."""
    intake = f"intake_{int(found.id)}"
    await _merge_strata(session, intake, found)
    await session.execute(
        text(
            "INSERT INTO ballot (poll_id, ballot_id, answers, style, stratum)"
            " SELECT CAST(:poll AS bigint), i.ballot_id, i.answers, i.style, m.into_"
            f" FROM {intake} i JOIN merging m USING (stratum)"
            f" ORDER BY {leaf_sql(found, found.question_ids[0], 'i') if found.question_ids else 'i.ballot_id'}"
        ),
        {"poll": found.id},
    )
    await session.execute(text("SET LOCAL enable_nestloop = off"))  # nothing has been analysed: guesses are bad ones
    equal = await session.execute(
        text(
            f"SELECT (SELECT count(*) FROM {intake}), (SELECT count(*) FROM ballot WHERE poll_id = :poll),"
            f" (SELECT count(*) FROM {intake} i JOIN merging m USING (stratum)"
            " JOIN ballot b USING (ballot_id, answers, style) WHERE b.poll_id = :poll AND b.stratum = m.into_)"
        ),
        {"poll": found.id},
    )
    stored, copied, same = equal.one()
    if not stored == copied == same:
        raise CopyDiffers(f"poll {found.id}: {stored} ballots in the intake, {copied} copied, {same} as they are")
    await session.execute(text("SET LOCAL enable_nestloop = on"))
    await session.execute(text("DROP TABLE merging"))


async def _parents(session: ReadSession) -> dict[int, int | None]:
    rows = await session.execute(select(territory.c.id, territory.c.parent_id))
    return {row.id: row.parent_id for row in rows}


async def _merge_strata(session: Session, source: str, found: SealedPoll) -> None:
    """Make the table ``merging`` (stratum → into_) for the ballots of a source, as their numbers ask for."""
    rows = await session.execute(text(f"SELECT stratum, count(*) AS n FROM {source} GROUP BY stratum"), _bind(found))
    counts = {Stratum.of(row.stratum): row.n for row in rows}
    merged = coarsen(counts, (await _parents(session)).get)
    await session.execute(text("CREATE TEMPORARY TABLE merging (stratum int PRIMARY KEY, into_ int) ON COMMIT DROP"))
    if merged:
        await session.execute(
            text("INSERT INTO merging VALUES (:stratum, :into_)"),
            [{"stratum": old.code, "into_": new.code} for old, new in merged.items()],
        )


async def _write_profile(session: Session, found: SealedPoll) -> None:
    """One GROUP BY a question over the counted ballots, from table to table: what is distinct may be millions of rows.

    Grouped into a temporary table first: PostgreSQL groups with several processes for that, and with one for an INSERT
    into a table that stays. Places not shown are left out of the groups, which is less work than out of the ballots.
    Ballots of separated polls carry their merged strata; those of named polls are merged here, in the profile alone.
    """
    named = found.definition.privacy is Privacy.NAMED
    if named:
        await _merge_strata(session, _source(found), found)
    made = "stratum, answer, n FROM grouped WHERE answer <> :hidden"
    if named:
        made = "into_, answer, sum(n) FROM grouped JOIN merging USING (stratum) WHERE answer <> :hidden GROUP BY 3, 4"
    for index, question in enumerate(found.definition.questions, start=1):
        await session.execute(
            text(
                f"CREATE TEMPORARY TABLE grouped ON COMMIT DROP AS SELECT stratum, answers[{index}] AS answer,"
                f" count(*) AS n FROM {counted_ballots(found)} WHERE poll_id = {int(found.id)} GROUP BY 1, 2"
            )
        )
        await session.execute(
            text(f"INSERT INTO profile (poll_id, question_id, stratum, answer, n) SELECT :poll, :question, {made}"),
            {"poll": found.id, "question": question.id, "hidden": NOT_SHOWN},
        )
        await session.execute(text("DROP TABLE grouped"))
    await count_cross_tabs(session, found, merged=named)
    if named:
        await session.execute(text("DROP TABLE merging"))


async def _tally_all(session: Session, found: SealedPoll) -> Counted:
    outcomes = []
    for question in found.definition.questions:
        if isinstance(question, SingleChoice) and isinstance(question.rule, UnitRule):
            outcomes.append(
                await tally_unit_question(session, found, question, await entitled_of(session, found, question))
            )
            continue
        counted = await profile_of(session, found, question.id, await entitled_of(session, found, question))
        # In a thread: a long count must not hold up whatever else this process serves.
        outcomes.append(await asyncio.to_thread(tally, question, counted))
    source = "ballot" if found.definition.privacy is Privacy.SEPARATED else "named_ballot"
    ballots = await session.scalar(text(f"SELECT count(*) FROM {source} WHERE poll_id = :poll"), {"poll": found.id})
    votes = await session.scalar(
        select(func.count())
        .select_from(participation)
        .where(participation.c.poll_id == found.id, participation.c.channel != OTHER_ENTRY)
    )
    return Counted(int(ballots or 0), int(votes or 0), tuple(outcomes))


async def _fix_turnout(session: Session, found: SealedPoll) -> None:
    """Votes by day and by stratum of the roll. They come from participations: who voted, never what."""
    await session.execute(
        insert(turnout_day).from_select(
            ["poll_id", "day", "n"],
            select(participation.c.poll_id, participation.c.day, func.count())
            .where(participation.c.poll_id == found.id, participation.c.channel != OTHER_ENTRY)
            .group_by(participation.c.poll_id, participation.c.day),
        )
    )
    counts = await stratum_of_participants(session, found.id, found.definition)
    if counts:
        await session.execute(
            insert(turnout_stratum),
            [{"poll_id": found.id, "stratum": stratum.code, "n": n} for stratum, n in counts.items()],
        )
    await session.execute(text("SELECT veche_settle_turnout(:poll)"), {"poll": found.id})
    await session.execute(_YOUNG, {"poll": found.id, "register": found.definition.register_code,
                                   "since": found.sealed_at, "until": found.closes_at})  # fmt: skip
    await session.execute(_CHANNELS, {"poll": found.id})


_CHANNELS = text(
    "INSERT INTO turnout_channel (poll_id, channel, n)"
    " SELECT poll_id, channel, count(*) FROM participation WHERE poll_id = :poll GROUP BY poll_id, channel"
)
_YOUNG = text(
    "INSERT INTO turnout_young (poll_id, since, votes, accounts, young_accounts)"
    " SELECT :poll, :since, (SELECT count(*) FROM participation p JOIN citizen c ON c.id = p.citizen_id"
    " WHERE p.poll_id = :poll AND c.registered_at >= :since"
    f" AND p.channel <> '{OTHER_ENTRY}'), count(*), count(*) FILTER (WHERE registered_at >= :since)"
    " FROM citizen WHERE register_code = :register AND registered_at < :until"
)
"""Participants who registered after the poll had become public, as one number beside the same of the register."""


async def _finish(session: Session, found: SealedPoll, counted: Counted, now: datetime) -> None:
    await session.execute(
        insert(count_record).values(
            poll_id=found.id, version=1, counted_at=now, ballots=counted.ballots,
            participations=counted.participations, outcomes=[outcome.as_json() for outcome in counted.outcomes],
        )
    )  # fmt: skip
    await session.execute(
        update(poll).where(poll.c.id == found.id).values(state=State.COUNTED, counted_at=now, updated_at=now)
    )
    await record_event(session, "poll_counted", found.id, now, ballots=counted.ballots,
                       participations=counted.participations, poll_hash=found.poll_hash.hex())  # fmt: skip

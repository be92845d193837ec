"""Why participations did not go in, for a whole batch: retries, second votes, changes of named votes, or the clock.

Retries are what matters here: after a connection that broke or a service that was restarted many come at once, so
everything is looked up in arrays. A retry is known by its ballot's id alone; nothing about the person is kept for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Row, bindparam, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import LargeBinary

from polls.board import leaf_hashes
from polls.definition import Privacy
from polls.errors import AlreadyVoted, PollClosed, PollNotFound, PollNotOpen, PollPaused, RetryDiffers, Superseded
from polls.sessions import ReadSession, Session
from polls.tables import ballot, named_ballot, poll_pause, superseded
from polls.votes import Judged, Outcome, Taken

_BIGINTS = ARRAY(BigInteger)
_STANDING = text(
    """
    SELECT v.poll, v.citizen, p.state, p.opens_at, p.closes_at, p.paused_at, clock_timestamp() AS clock, d.day
      FROM unnest(CAST(:polls AS bigint[]), CAST(:citizens AS bigint[])) AS v (poll, citizen)
      JOIN poll p ON p.id = v.poll
      LEFT JOIN participation d ON d.poll_id = v.poll AND d.citizen_id = v.citizen
    """
).bindparams(bindparam("polls", type_=_BIGINTS), bindparam("citizens", type_=_BIGINTS))

Stored = Mapping[tuple[int, bytes], tuple[str, ...]]
"""Answers by poll and ballot id."""


async def settle(session: Session, judged: Sequence[Judged]) -> dict[tuple[int, int], Outcome]:
    """What to say to each of these votes, by poll and citizen. Runs under the shared locks of their polls."""
    places = [one.vote.place for one in judged]
    rows = await session.execute(
        _STANDING, {"polls": [poll for poll, _ in places], "citizens": [citizen for _, citizen in places]}
    )
    standing = {(row.poll, row.citizen): row for row in rows}
    voted = [one for one in judged if one.vote.place in standing and standing[one.vote.place].day is not None]
    stored = await _stored_answers(session, voted) if voted else {}
    pauses = await _reasons(session, {row.poll for row in standing.values() if row.paused_at is not None})
    settled: dict[tuple[int, int], Outcome] = {}
    for one in sorted(judged, key=lambda found: found.vote.place):
        row = standing.get(one.vote.place)
        settled[one.vote.place] = PollNotFound() if row is None else await _settled(session, one, row, stored, pauses)
    return settled


async def _settled(
    session: Session, one: Judged, row: Row[Any], stored: Stored, pauses: Mapping[int, str]
) -> Taken | Exception:
    if row.day is None:
        return _clock(row, pauses)
    answers = stored.get((one.vote.poll.id, one.ballot_id))
    if answers is not None:
        if answers != one.encoded.answers:
            return RetryDiffers(day=row.day.isoformat())
        return Taken(one, row.day, repeated=True)
    definition = one.vote.poll.definition
    if definition.privacy is Privacy.NAMED and definition.may_change:
        if _open(row):
            return await _changed(session, one, row)
        if _paused(row):
            return _clock(row, pauses)
    return AlreadyVoted(day=row.day.isoformat())


def _clock(row: Row[Any], pauses: Mapping[int, str]) -> Exception:
    """What the clock says to a vote that came too early, during a pause or too late."""
    if row.state == "scheduled" and row.clock < row.opens_at:
        return PollNotOpen(opens_at=row.opens_at.isoformat())
    if _paused(row):
        return PollPaused(since=row.paused_at.isoformat(), reason=pauses.get(row.poll, ""))
    return PollClosed(closed_at=row.closes_at.isoformat(), state=row.state)


def _open(row: Row[Any]) -> bool:
    return bool(row.state == "scheduled" and row.paused_at is None and row.opens_at <= row.clock < row.closes_at)


def _paused(row: Row[Any]) -> bool:
    return bool(row.state == "scheduled" and row.paused_at is not None)


async def _reasons(session: ReadSession, polls: set[int]) -> dict[int, str]:
    """The public reasons of pauses that last."""
    if not polls:
        return {}
    rows = await session.execute(
        select(poll_pause.c.poll_id, poll_pause.c.reason).where(
            poll_pause.c.poll_id.in_(polls), poll_pause.c.resumed_at.is_(None)
        )
    )
    return {row.poll_id: row.reason or "" for row in rows}


# ---- retries


async def _stored_answers(session: ReadSession, judged: Sequence[Judged]) -> Stored:
    """The answers under these ballot ids: from the intakes, from the counted ballots, or from the named ones."""
    by_poll: dict[int, list[Judged]] = {}
    for one in judged:
        by_poll.setdefault(one.vote.poll.id, []).append(one)
    waiting = await _polls_with_intake(session, [one.vote.poll.id for one in judged])
    found: dict[tuple[int, bytes], tuple[str, ...]] = {}
    for poll_id, ballots in by_poll.items():
        ids = sorted(one.ballot_id for one in ballots)
        query: Any
        if ballots[0].vote.poll.definition.privacy is Privacy.NAMED:
            query = select(named_ballot.c.ballot_id, named_ballot.c.answers).where(
                named_ballot.c.poll_id == poll_id, named_ballot.c.ballot_id.in_(ids)
            )
        elif poll_id in waiting:
            query = text(
                f"SELECT ballot_id, answers FROM intake_{int(poll_id)} WHERE ballot_id = ANY (:ballots)"
            ).bindparams(bindparam("ballots", ids, type_=ARRAY(LargeBinary)))
        else:
            query = select(ballot.c.ballot_id, ballot.c.answers).where(
                ballot.c.poll_id == poll_id, ballot.c.ballot_id.in_(ids)
            )
        rows = await session.execute(query)
        found |= {(poll_id, bytes(row.ballot_id)): tuple(row.answers) for row in rows}
    return found


async def _polls_with_intake(session: ReadSession, polls: Sequence[int]) -> set[int]:
    """Those of the polls whose ballots have not been copied yet."""
    rows = await session.scalars(
        text(
            "SELECT v.poll FROM unnest(CAST(:polls AS bigint[])) AS v (poll)"
            " WHERE to_regclass('intake_' || v.poll) IS NOT NULL"
        ).bindparams(bindparam("polls", sorted(set(polls)), type_=_BIGINTS))
    )
    return set(rows)


# ---- changes of named votes


async def _changed(session: Session, one: Judged, row: Row[Any]) -> Taken | Exception:
    """Replace a named vote: `seq` rises, the old answers are purged, only their leaf hashes are kept.

    A request that is an old vote sent once more (a page reloaded, a retry come late) must not bring it back: its leaves
    are known, and the answer is `Superseded`.
    """
    poll, encoded = one.vote.poll, one.encoded
    mine = (named_ballot.c.poll_id == poll.id, named_ballot.c.citizen_id == one.vote.citizen_id)
    known = await session.scalar(
        select(func.count())
        .select_from(superseded)
        .where(superseded.c.poll_id == poll.id, superseded.c.leaf_hash.in_(one.leaves))
    )
    if known:
        return Superseded()
    old = (
        await session.execute(
            select(named_ballot.c.ballot_id, named_ballot.c.answers, named_ballot.c.style)
            .where(*mine)
            .with_for_update()
        )
    ).one()
    leaves = leaf_hashes(poll.poll_hash, old.ballot_id, poll.question_ids, old.answers, old.style)
    if leaves:  # none where the resident was asked nothing
        await session.execute(insert(superseded), [{"poll_id": poll.id, "leaf_hash": leaf} for leaf in leaves])
    await session.execute(
        update(named_ballot)
        .where(*mine)
        .values(
            seq=named_ballot.c.seq + 1, ballot_id=one.ballot_id, answers=list(encoded.answers), style=encoded.style,
            stratum=one.stratum.code,
        )
    )  # fmt: skip
    return Taken(one, row.day, changed=True)

"""Why participations did not go in, for a whole batch: retries, second votes, changes of named votes, or the clock.

Retries are what matters here: after a connection that broke or a service that was restarted many come at once, so
everything is looked up in arrays. A retry is known by its ballot's id alone; nothing about the person is kept for it.
Its receipt is made from the ballot as it is stored: by now the register may judge the resident otherwise, and lead
them to another ballot style or to none, and none of that changes what was accepted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Row, bindparam, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import LargeBinary

from polls.ballot import encode_ballot
from polls.board import leaf_hashes
from polls.definition import Privacy
from polls.errors import (
    AlreadyVoted,
    InvalidAnswer,
    KeyUsed,
    NotEligible,
    PollClosed,
    PollNotFound,
    PollNotOpen,
    PollPaused,
    RetryDiffers,
    Superseded,
)
from polls.person_tables import OTHER_ENTRY
from polls.sessions import ReadSession, Session
from polls.tables import ballot, named_ballot, poll_pause, superseded
from polls.votes import Judged, Outcome, Taken, Vote, as_stored, ballot_id_of

_BIGINTS = ARRAY(BigInteger)
_STANDING = text(
    """
    SELECT v.poll, v.citizen, p.state, p.opens_at, p.closes_at, p.paused_at, clock_timestamp() AS clock, d.day,
           d.channel
      FROM unnest(CAST(:polls AS bigint[]), CAST(:citizens AS bigint[])) AS v (poll, citizen)
      JOIN poll p ON p.id = v.poll
      LEFT JOIN participation d ON d.poll_id = v.poll AND d.citizen_id = v.citizen
    """
).bindparams(bindparam("polls", type_=_BIGINTS), bindparam("citizens", type_=_BIGINTS))


class StoredBallot(NamedTuple):
    """A ballot as it is kept: its canonical answers, its style, and in a named poll whose it is."""

    answers: tuple[str, ...]
    style: int
    citizen_id: int | None = None


Stored = Mapping[tuple[int, bytes], StoredBallot]
"""Ballots by poll and ballot id."""


async def settle(session: Session, left: Sequence[tuple[Vote, Judged | Exception]]) -> dict[tuple[int, int], Outcome]:
    """What to say to each of these votes, by poll and citizen: those that did not go in, and those refused.

    A vote that was refused may be the retry of one that was accepted while the register said otherwise. Runs under the
    shared locks of their polls.
    """
    places = [vote.place for vote, _ in left]
    rows = await session.execute(
        _STANDING, {"polls": [poll for poll, _ in places], "citizens": [citizen for _, citizen in places]}
    )
    standing = {(row.poll, row.citizen): row for row in rows}
    voted = [vote for vote, _ in left if vote.place in standing and standing[vote.place].day is not None]
    stored = await _stored_ballots(session, voted) if voted else {}
    pauses = await _reasons(session, {row.poll for row in standing.values() if row.paused_at is not None})
    settled: dict[tuple[int, int], Outcome] = {}
    for vote, judged in sorted(left, key=lambda found: found[0].place):
        row = standing.get(vote.place)
        if row is None:
            settled[vote.place] = PollNotFound()
        else:
            settled[vote.place] = await _settled(session, vote, judged, row, stored, pauses)
    return settled


async def _settled(
    session: Session, vote: Vote, judged: Judged | Exception, row: Row[Any], stored: Stored, pauses: Mapping[int, str]
) -> Taken | Exception:
    if row.day is None:
        ended = isinstance(judged, KeyUsed) and not _open(row)
        return judged if isinstance(judged, Exception) and not ended else _clock(row, pauses)
    if row.state == "cancelled":  # the ballots are destroyed: nothing stands any more
        return _clock(row, pauses)
    if row.channel == OTHER_ENTRY:  # the person's vote, if there is one, is another entry's
        return AlreadyVoted(day=row.day.isoformat())
    ballot_kept = stored.get((vote.poll.id, ballot_id_of(vote)))
    if ballot_kept is not None and ballot_kept.citizen_id in (None, vote.citizen_id):
        return _again(vote, ballot_kept, row)
    if isinstance(judged, NotEligible):  # by now; the vote they cast stands
        return AlreadyVoted(day=row.day.isoformat())
    if isinstance(judged, KeyUsed) and not (may_be_changed(vote) and _open(row)):  # another key would not help them
        return AlreadyVoted(day=row.day.isoformat())
    if isinstance(judged, Exception):
        return judged
    if may_be_changed(vote):
        if _open(row):
            return await _changed(session, judged, row)
        if _paused(row):
            return _clock(row, pauses)
    return AlreadyVoted(day=row.day.isoformat())


def _again(vote: Vote, kept: StoredBallot, row: Row[Any]) -> Taken | Exception:
    """The answer to a vote whose ballot is there: the first receipt again, unless it says something else now."""
    try:
        same = encode_ballot(vote.poll.definition, vote.answers, kept.style).answers == kept.answers
    except InvalidAnswer:
        same = False
    if not same:
        return RetryDiffers(day=row.day.isoformat())
    return Taken(as_stored(vote, kept.answers, kept.style), row.day, repeated=True)


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


async def _stored_ballots(session: ReadSession, votes: Sequence[Vote]) -> Stored:
    """The ballots under the ids of these votes: from the intakes, from the counted ballots, or from the named ones."""
    by_poll: dict[int, list[Vote]] = {}
    for vote in votes:
        by_poll.setdefault(vote.poll.id, []).append(vote)
    waiting = await _polls_with_intake(session, list(by_poll))
    found: dict[tuple[int, bytes], StoredBallot] = {}
    for poll_id, of_poll in by_poll.items():
        ids = sorted(ballot_id_of(vote) for vote in of_poll)
        query: Any
        if of_poll[0].poll.definition.privacy is Privacy.NAMED:
            query = select(
                named_ballot.c.ballot_id, named_ballot.c.answers, named_ballot.c.style, named_ballot.c.citizen_id
            ).where(named_ballot.c.poll_id == poll_id, named_ballot.c.ballot_id.in_(ids))
        elif poll_id in waiting:
            query = text(
                f"SELECT ballot_id, answers, style FROM intake_{int(poll_id)} WHERE ballot_id = ANY (:ballots)"
            ).bindparams(bindparam("ballots", ids, type_=ARRAY(LargeBinary)))
        else:
            query = select(ballot.c.ballot_id, ballot.c.answers, ballot.c.style).where(
                ballot.c.poll_id == poll_id, ballot.c.ballot_id.in_(ids)
            )
        rows = await session.execute(query)
        found |= {(poll_id, bytes(row[0])): StoredBallot(tuple(row[1]), *row[2:]) for row in rows}
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


# ---- keys used twice


async def with_used_keys(
    session: ReadSession, votes: Sequence[Vote], found: Sequence[Judged | Exception]
) -> list[Judged | Exception]:
    """What was found of these votes, with `KeyUsed` in the place of each whose ballot id is taken: by a ballot that is
    there, or by a vote before it. A citizen's own retry is among them; :func:`settle` knows it.

    It takes the key to lead to a ballot id, so nobody learns by this of a ballot whose key they do not know.
    """
    kept = await _stored_ballots(session, [one.vote for one in found if isinstance(one, Judged)])
    taken = set(kept)
    clear: list[Judged | Exception] = []
    for vote, one in zip(votes, found, strict=True):
        place = (vote.poll.id, ballot_id_of(vote))
        clear.append(KeyUsed() if isinstance(one, Judged) and place in taken else one)
        if isinstance(one, Judged):
            taken.add(place)
    return clear


# ---- changes of named votes


async def _changed(session: Session, one: Judged, row: Row[Any]) -> Taken | Exception:
    """Replace a named vote: `seq` rises, the old answers are purged, only their leaf hashes are kept.

    A request that is an old vote sent once more (a page reloaded, a retry come late) must not bring it back: its leaves
    are known, and the answer is `Superseded`. Judged under the row's lock: the same change may just have come another
    way, and a ballot must never supersede itself.
    """
    poll, encoded = one.vote.poll, one.encoded
    mine = (named_ballot.c.poll_id == poll.id, named_ballot.c.citizen_id == one.vote.citizen_id)
    old = (
        await session.execute(
            select(named_ballot.c.ballot_id, named_ballot.c.answers, named_ballot.c.style)
            .where(*mine)
            .with_for_update()
        )
    ).one()
    if old.ballot_id == one.ballot_id:
        return _again(one.vote, StoredBallot(tuple(old.answers), old.style), row)
    if await superseded_among(session, [one]):
        return Superseded()
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


async def superseded_among(session: ReadSession, judged: Sequence[Judged]) -> set[tuple[int, int]]:
    """Which of these votes are the replaced ballots of somebody in a named poll, by poll and citizen.

    Whoever sends such a ballot, the first time or again, it would stand on the board as published and as replaced.
    """
    changeable = [one for one in judged if may_be_changed(one.vote)]
    leaves = sorted({leaf for one in changeable for leaf in one.leaves})
    if not leaves:
        return set()
    rows = await session.execute(
        select(superseded.c.poll_id, superseded.c.leaf_hash).where(
            superseded.c.poll_id.in_({one.vote.poll.id for one in changeable}), superseded.c.leaf_hash.in_(leaves)
        )
    )
    known = {(row.poll_id, bytes(row.leaf_hash)) for row in rows}
    return {one.vote.place for one in changeable if any((one.vote.poll.id, leaf) in known for leaf in one.leaves)}


def may_be_changed(vote: Vote) -> bool:
    """Whether votes of this poll may be changed until it closes."""
    definition = vote.poll.definition
    return definition.privacy is Privacy.NAMED and definition.may_change

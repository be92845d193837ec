"""What one batch of votes writes, in one transaction and in arrays: the only code that casts.

The order of the steps is what keeps the promises. First the shared lock of every poll in the batch, then the facts of
the citizens, so that no correction of the register and no closing comes between; then the participations, admitted
by the database's own clock; then the ballots, each table's rows sorted by its own key: of the order in which votes
came, and of who came beside whom, nothing is left (BALLOTS §4, §7).
"""

from __future__ import annotations

import os
import socket
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Integer, SmallInteger, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from polls.box_settling import settle, superseded_among, with_used_keys
from polls.definition import Privacy
from polls.entitlement import entitlements
from polls.errors import NotCounted, NotFound, PollClosed, PollNotFound, Superseded
from polls.poll_lock import lock_key
from polls.sessions import Session
from polls.straight_sql import fetch
from polls.tables import Moment
from polls.votes import Held, Judged, Outcome, Taken, Vote, judge

SHARDS = 64
BIGINTS, INTS, TEXTS = ARRAY(BigInteger), ARRAY(Integer), ARRAY(Text)
BETWEEN = "\n"
"""Stands between the answers of one ballot on their way to the database: no canonical answer holds it."""


async def write_votes(session: Session, votes: Sequence[Vote]) -> list[Outcome]:
    """Cast these votes in the caller's transaction; what became of each, in their order.

    No citizen may be in `votes` twice for one poll: see :func:`one_of_each`. A vote that is refused leaves no trace
    and harms no other. Raises only what the database raises; then nothing of the batch may be committed. A key that
    another ballot has is such a case: see :func:`write_carefully`.
    """
    return await _write(session, votes, careful=False)


async def write_carefully(session: Session, votes: Sequence[Vote]) -> list[Outcome]:
    """As :func:`write_votes`, but a key that another ballot has is refused with `KeyUsed` and harms no other vote.

    It asks the database once more, so a batch is written so only after its keys have clashed. They may clash again
    where two processes are handed the same key at the same moment; then it is to be repeated.
    """
    return await _write(session, votes, careful=True)


async def _write(session: Session, votes: Sequence[Vote], *, careful: bool) -> list[Outcome]:
    locked = await _share_locks(session, {vote.poll.id for vote in votes})
    outcomes: dict[int, Outcome] = {}
    inside = [index for index, vote in enumerate(votes) if vote.poll.id in locked]
    outside = [index for index, vote in enumerate(votes) if vote.poll.id not in locked]
    if outside:
        waiting = await _waiting(session, [votes[index] for index in outside])
        outcomes.update(zip(outside, waiting, strict=True))
    if inside:
        taken = await _take(session, [votes[index] for index in inside], careful=careful)
        outcomes.update(zip(inside, taken, strict=True))
    return [outcomes[index] for index in range(len(votes))]


def one_of_each(votes: Iterable[Vote]) -> list[bool]:
    """For each vote, whether it is the first of its citizen in its poll."""
    seen: set[tuple[int, int]] = set()
    first: list[bool] = []
    for vote in votes:
        first.append(vote.place not in seen)
        seen.add(vote.place)
    return first


async def _take(session: Session, votes: Sequence[Vote], *, careful: bool) -> list[Outcome]:
    """Votes whose polls nobody can close or count before the commit."""
    found = await _judged(session, votes)
    if careful:
        found = await with_used_keys(session, votes, found)
    judged = [one for one in found if isinstance(one, Judged)]
    replaced = await superseded_among(session, judged)
    judged = sorted((one for one in judged if one.vote.place not in replaced), key=lambda one: one.vote.place)
    days = await _admit(session, judged) if judged else {}
    admitted = [one for one in judged if one.vote.place in days]
    if admitted:
        await _store(session, admitted, days)
    done: dict[tuple[int, int], Outcome] = {one.vote.place: Taken(one, days[one.vote.place]) for one in admitted}
    left = [
        (vote, Superseded() if vote.place in replaced else one)
        for vote, one in zip(votes, found, strict=True)
        if vote.place not in days
    ]
    if left:
        done |= await settle(session, left)
    return [done[vote.place] for vote in votes]


async def _judged(session: Session, votes: Sequence[Vote]) -> list[Judged | Exception]:
    """Each vote judged by the facts of its citizen, or its refusal. What goes wrong with one goes wrong alone."""
    known = await entitlements(session, [(vote.poll, vote.citizen_id, vote.now) for vote in votes])
    found: list[Judged | Exception] = []
    for vote, entitled in zip(votes, known, strict=True):
        try:
            if entitled is None:
                raise NotFound(citizen=vote.citizen_id)
            found.append(judge(vote, entitled))
        except Exception as error:
            found.append(error)
    return found


# ---- locks

_SHARE = (
    "SELECT v.poll, pg_try_advisory_xact_lock_shared(v.key) AS got"
    " FROM unnest($1::bigint[], $2::bigint[]) AS v (poll, key)"
)

_WAITING = text(
    """
    SELECT v.n, p.id, p.state, p.closes_at, d.day,
           p.state <> 'scheduled' OR (p.closes_at <= clock_timestamp() AND p.paused_at IS NULL) AS over
      FROM unnest(CAST(:polls AS bigint[]), CAST(:citizens AS bigint[])) WITH ORDINALITY AS v (poll, citizen, n)
      LEFT JOIN poll p ON p.id = v.poll
      LEFT JOIN participation d ON d.poll_id = v.poll AND d.citizen_id = v.citizen
     ORDER BY v.n
    """
).bindparams(bindparam("polls", type_=BIGINTS), bindparam("citizens", type_=BIGINTS))


async def _share_locks(session: Session, polls: set[int]) -> set[int]:
    """Share the locks of these polls, so that nothing closes or counts them till the commit; the polls it got.

    It tries and never waits: whoever holds a lock alone may be counting for minutes, and the votes of other polls
    must not wait for that.
    """
    ids = sorted(polls)
    rows = await fetch(session, _SHARE, ids, [lock_key(poll) for poll in ids])
    return {row["poll"] for row in rows if row["got"]}


async def _waiting(session: Session, votes: Sequence[Vote]) -> list[Outcome]:
    """Votes of polls somebody holds alone: extending, closing, cancelling, correcting the register or counting.

    Those that came too late hear what the clock says, a retry that the count is under way; the rest may try again.
    """
    rows = await session.execute(
        _WAITING, {"polls": [vote.poll.id for vote in votes], "citizens": [vote.citizen_id for vote in votes]}
    )
    found: list[Outcome] = []
    for row in rows:
        if row.id is None:
            found.append(PollNotFound())
        elif row.over:
            late = PollClosed(closed_at=row.closes_at.isoformat(), state=row.state)
            found.append(late if row.day is None else NotCounted())
        else:
            found.append(Held.HELD)
    return found


# ---- participations

_ADMIT = """
    INSERT INTO participation (poll_id, citizen_id, day, channel)
    SELECT p.id, v.citizen, (clock_timestamp() AT TIME ZONE v.zone)::date, v.channel
      FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) AS v (poll, citizen, zone, channel)
      JOIN poll p ON p.id = v.poll
     WHERE p.state = 'scheduled'
       AND p.opens_at <= clock_timestamp() AND clock_timestamp() < p.closes_at AND p.paused_at IS NULL
     ORDER BY v.poll, v.citizen
    ON CONFLICT DO NOTHING
    RETURNING poll_id, citizen_id, day
"""


async def _admit(session: Session, judged: Sequence[Judged]) -> dict[tuple[int, int], date]:
    """Insert the participations of polls open by the database's clock; the day of each that went in."""
    votes = [one.vote for one in judged]
    rows = await fetch(
        session,
        _ADMIT,
        [vote.poll.id for vote in votes],
        [vote.citizen_id for vote in votes],
        [vote.poll.definition.time_zone for vote in votes],
        [vote.channel for vote in votes],
    )
    return {(row["poll_id"], row["citizen_id"]): row["day"] for row in rows}


# ---- ballots and what stands beside them

_COUNTED = """
    WITH total AS (
        INSERT INTO turnout_shard AS t (poll_id, shard, n)
        SELECT poll, $4::smallint, sum(n) FROM unnest($1::bigint[], $3::int[]) AS v (poll, n)
         GROUP BY poll ORDER BY poll
        ON CONFLICT (poll_id, shard) DO UPDATE SET n = t.n + excluded.n
    ), minutes AS (
        INSERT INTO turnout_minute AS t (poll_id, minute, okrug, shard, n)
        SELECT poll, date_trunc('minute', clock.at), okrug, $4::smallint, n
          FROM unnest($1::bigint[], $2::int[], $3::int[]) AS v (poll, okrug, n)
         CROSS JOIN (SELECT clock_timestamp() AS at) AS clock
         ORDER BY poll, okrug
        ON CONFLICT (poll_id, minute, okrug, shard) DO UPDATE SET n = t.n + excluded.n
    )
"""
"""Adds to this process's counters of turnout ($1 to $4), in the statement of the ballots that they count ($5 on)."""
_INTAKE = _COUNTED + (
    "INSERT INTO intake_{} (ballot_id, answers, style, stratum)"
    " SELECT b.ballot_id, string_to_array(b.answers, E'\\n'), b.style, b.stratum"
    " FROM unnest($5::bytea[], $6::text[], $7::int[], $8::int[]) AS b (ballot_id, answers, style, stratum)"
    " ORDER BY b.ballot_id"
)
_NAMED = _COUNTED + (
    "INSERT INTO named_ballot (poll_id, citizen_id, seq, ballot_id, answers, style, stratum)"
    " SELECT b.poll, b.citizen, 1, b.ballot_id, string_to_array(b.answers, E'\\n'), b.style, b.stratum"
    " FROM unnest($5::bytea[], $6::text[], $7::int[], $8::int[], $9::bigint[], $10::bigint[])"
    " AS b (ballot_id, answers, style, stratum, poll, citizen) ORDER BY b.poll, b.citizen"
)
_WORDS = text(
    "INSERT INTO text_answer (poll_id, question_id, text)"
    " SELECT w.poll, w.question, w.words FROM unnest(CAST(:polls AS bigint[]), CAST(:questions AS smallint[]),"
    " CAST(:words AS text[])) AS w (poll, question, words) ORDER BY w.poll, w.question, w.words"
).bindparams(
    bindparam("polls", type_=BIGINTS), bindparam("questions", type_=ARRAY(SmallInteger)),
    bindparam("words", type_=TEXTS),
)  # fmt: skip
_LATE = text(
    "INSERT INTO roll_amendment (poll_id, stratum, style, change, reason, at)"
    " SELECT r.poll, r.stratum, r.style, 1, 'late_registration', r.at"
    " FROM unnest(CAST(:polls AS bigint[]), CAST(:strata AS int[]), CAST(:styles AS int[]),"
    " CAST(:moments AS timestamptz[])) AS r (poll, stratum, style, at) ORDER BY r.poll, r.stratum, r.style"
).bindparams(
    bindparam("polls", type_=BIGINTS), bindparam("strata", type_=INTS), bindparam("styles", type_=INTS),
    bindparam("moments", type_=ARRAY(Moment)),
)  # fmt: skip


async def _store(session: Session, admitted: Sequence[Judged], days: dict[tuple[int, int], date]) -> None:
    """Ballots and turnout, words and late registrations of the votes admitted."""
    by_poll: dict[int, list[Judged]] = {}
    named: list[Judged] = []
    for one in admitted:
        if one.vote.poll.definition.privacy is Privacy.NAMED:
            named.append(one)
        else:
            by_poll.setdefault(one.vote.poll.id, []).append(one)
    if named:
        places = [one.vote.place for one in named]
        polls, citizens = [poll for poll, _ in places], [who for _, who in places]
        await fetch(session, _NAMED, *_turnout(named), *_columns(named), polls, citizens)
        if await superseded_among(session, named):  # replaced while this transaction waited to write the same ballot
            raise Superseded()
    for poll_id, ballots in sorted(by_poll.items()):
        ballots.sort(key=lambda one: one.ballot_id)
        await fetch(session, _INTAKE.format(int(poll_id)), *_turnout(ballots), *_columns(ballots))
    words = [(one.vote.poll.id, at, said) for one in admitted for at, said in one.encoded.words.items()]
    if words:  # nothing beside them leads to a ballot or a person
        polls, questions, texts = (list(column) for column in zip(*sorted(words), strict=True))
        await session.execute(_WORDS, {"polls": polls, "questions": questions, "words": texts})
    if late := [one for one in admitted if one.late]:
        await _add_to_roll(session, late, days)


def _turnout(judged: Sequence[Judged]) -> Sequence[object]:
    """Polls, okrugs, how many voted, and the counters of this process."""
    counts = sorted(Counter((one.vote.poll.id, one.okrug) for one in judged).items())
    return (
        [poll for (poll, _), _ in counts],
        [okrug for (_, okrug), _ in counts],
        [n for _, n in counts],
        shard_of_this_process(),
    )


def _columns(judged: Sequence[Judged]) -> Sequence[list[object]]:
    """Ballot ids, answers, styles and strata."""
    return (
        [one.ballot_id for one in judged],
        [BETWEEN.join(one.encoded.answers) for one in judged],
        [one.encoded.style for one in judged],
        [one.stratum.code for one in judged],
    )


async def _add_to_roll(session: Session, late: Sequence[Judged], days: dict[tuple[int, int], date]) -> None:
    """Late registrations enter the roll as logged additions, stamped with the day only."""
    starts = [
        datetime.combine(days[one.vote.place], datetime.min.time(), ZoneInfo(one.vote.poll.definition.time_zone))
        for one in late
    ]
    await session.execute(
        _LATE,
        {
            "polls": [one.vote.poll.id for one in late],
            "strata": [one.stratum.code for one in late],
            "styles": [one.encoded.style for one in late],
            "moments": [moment.astimezone(UTC) for moment in starts],
        },
    )


@cache
def shard_of_this_process() -> int:
    """0..63: neighbours on one machine get different numbers, and machines begin at different ones."""
    return (zlib.crc32(socket.gethostname().encode()) + os.getpid()) % SHARDS


__all__ = ["SHARDS", "one_of_each", "shard_of_this_process", "write_carefully", "write_votes"]

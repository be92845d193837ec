"""The advisory lock of a poll: what keeps an end of the voting, and a count, from coming in the middle of a vote.

Casts share it and never wait for it; extending, closing, cancelling, correcting and counting take it alone, and so
wait for the votes on their way and for one another. It ends with the transaction (BALLOTS 4).
"""

from __future__ import annotations

from sqlalchemy import func, select

from polls.sessions import ReadSession, Session

_KIND = 0x5645 << 48  # "VE": apart from whatever else locks by numbers
_LIVE_STEP = 1 << 40  # beyond all polls


def lock_key(poll_id: int) -> int:
    """The number of a poll's lock, for statements that take it themselves."""
    return _KIND | poll_id


async def lock_alone(session: Session, poll_id: int) -> None:
    """Wait until nobody else holds the poll's lock, and hold it alone until the transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock(lock_key(poll_id))))


async def share_lock(session: ReadSession, poll_id: int) -> bool:
    """Share the poll's lock with those who cast; False, at once, where somebody holds it alone."""
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock_shared(lock_key(poll_id)))))


async def lock_live_step(session: ReadSession, poll_id: int) -> bool:
    """Be the one taker of a live step of this poll; False, at once, where another is at it."""
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(lock_key(poll_id) ^ _LIVE_STEP))))

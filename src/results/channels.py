"""How many votes came through a service centre's desk: one number a poll, or none.

It may be told where neither it nor the votes that came otherwise are under ten (`disclosure`'s threshold); nothing else
is ever broken down by channel, so there is nothing to subtract it from.
"""

from __future__ import annotations

from sqlalchemy import select

from polls.board_tables import turnout_channel
from polls.sessions import ReadSession
from polls.votes import ASSISTED
from results.figures import PollFigures

LEAST = 10


async def assisted_votes(session: ReadSession, figures: PollFigures, poll_id: int) -> int | None:
    """Votes cast with an operator's help in a counted poll; None where there were none or the number may not be told.

    Figures that hold no breakdown hold no channel either.
    """
    if not figures.seen.breakdowns:
        return None
    query = select(turnout_channel.c.n).where(
        turnout_channel.c.poll_id == poll_id, turnout_channel.c.channel == ASSISTED
    )
    found: int | None = await session.scalar(query)
    return found if found is not None and may_be_told(found, figures.turnout.votes) else None


def may_be_told(some: int, votes: int) -> bool:
    """Whether neither a part of the votes nor the rest is under ten."""
    return min(some, votes - some) >= LEAST

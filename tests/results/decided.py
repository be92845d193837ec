"""A poll that was counted and decided on, for tests of what follows from it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from tests.builders import a_city, a_definition
from tests.results.counted import AFTER, a_counted_poll, city_strata

from polls.catalogue import SealedPoll
from polls.definition import Text
from polls.sessions import Session
from results.decisions import Status, record_decision

OFFICIAL = 7
LIMES = Text(ru="Посадим липы", en="We plant limes")
WHY = Text(ru="Задержка поставки", en="A late delivery")
DEADLINE = date(2027, 3, 31)


async def a_poll_to_decide(session: Session, **more: Any) -> SealedPoll:
    """Counted with twelve ballots; the small city is loaded if it is not there."""
    await a_city(session)
    strata = await city_strata(session)
    return await a_counted_poll(session, a_definition(**more), [(("[1]",), strata[0])] * 12)


async def a_decided_poll(
    session: Session, status: Status = Status.IN_PROGRESS, deadline: date | None = DEADLINE, owner: str = "Парки",
    now: datetime = AFTER, **more: Any,
) -> SealedPoll:  # fmt: skip
    """The same with a decision."""
    poll = await a_poll_to_decide(session, **more)
    await decide(session, poll, status=status, deadline=deadline, owner=owner, now=now)
    return poll


async def decide(session: Session, poll: SealedPoll, **more: Any) -> Any:
    """Record a decision with what is given changed."""
    wanted: dict[str, Any] = {"text": LIMES, "owner": "Парки", "status": Status.IN_PROGRESS, "deadline": DEADLINE,
                              "author_id": OFFICIAL, "now": AFTER, **more}  # fmt: skip
    return await record_decision(session, poll.slug, **wanted)

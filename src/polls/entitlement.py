"""The facts a citizen is judged by in a poll: as of its opening, or as of now for late registrations.

One citizen is asked for by a page, the citizens of a whole batch of votes by the ballot box; both ask here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from polls.catalogue import SealedPoll
from polls.eligibility import CitizenFacts
from polls.errors import NotFound
from polls.register import facts_at
from polls.sessions import ReadSession
from polls.straight_sql import Source


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The facts a citizen is judged by in one poll: as of `opens_at`, or as of now for late registrations."""

    facts: CitizenFacts
    late: bool


async def entitlement(session: ReadSession, poll: SealedPoll, citizen_id: int, now: datetime) -> Entitlement:
    """The facts that decide. Refuses `NotFound` for an unknown citizen; for the rest `eligibility.reasons_against`
    says what stands against.
    """
    [found] = await entitlements(session, [(poll, citizen_id, now)])
    if found is None:
        raise NotFound(citizen=citizen_id)
    return found


async def entitlements(source: Source, asked: Sequence[tuple[SealedPoll, int, datetime]]) -> list[Entitlement | None]:
    """The facts of many, asked by poll, citizen and moment, in the order asked; None for an unknown citizen.

    One query, and one more if some may have registered late.
    """
    citizens = [citizen_id for _, citizen_id, _ in asked]
    known = await facts_at(source, citizens, [deciding_moment(poll, now) for poll, _, now in asked])
    found = [None if facts is None else Entitlement(facts, late=False) for facts in known]
    absent = [
        place for place, facts in enumerate(known) if facts is not None and may_have_come_late(asked[place][0], facts)
    ]
    if absent:
        newer = await facts_at(source, [citizens[place] for place in absent], [asked[place][2] for place in absent])
        for place, facts in zip(absent, newer, strict=True):
            poll, _, now = asked[place]
            if facts is not None and facts.present and facts.registered_at > deciding_moment(poll, now):
                found[place] = Entitlement(facts, late=True)
    return found


def deciding_moment(poll: SealedPoll, now: datetime) -> datetime:
    """The moment whose facts decide, unless the citizen registered late."""
    return poll.definition.opens_at or now


def may_have_come_late(poll: SealedPoll, facts: CitizenFacts) -> bool:
    """Whether the facts of now may decide instead of these."""
    return not facts.present and poll.definition.late_registration

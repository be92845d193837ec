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
from polls.register import citizen_facts_many
from polls.sessions import ReadSession
from polls.straight_sql import Source

Asked = tuple[SealedPoll, int, datetime]
"""A poll, a citizen and the moment of asking."""


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


async def entitlements(source: Source, asked: Sequence[Asked]) -> list[Entitlement | None]:
    """The facts of many, in the order asked; None for an unknown citizen.

    One query for each distinct moment of opening, and one more if some were absent then and their poll admits late
    registrations; those are judged by the newest moment of asking among them.
    """
    wanted: dict[datetime, set[int]] = {}
    for poll, citizen_id, now in asked:
        wanted.setdefault(poll.definition.opens_at or now, set()).add(citizen_id)
    known = {moment: await citizen_facts_many(source, sorted(ids), moment) for moment, ids in wanted.items()}
    found = [known[poll.definition.opens_at or now].get(citizen_id) for poll, citizen_id, now in asked]
    absent = [
        (citizen_id, now)
        for (poll, citizen_id, now), facts in zip(asked, found, strict=True)
        if facts is not None and not facts.present and poll.definition.late_registration
    ]
    later: dict[int, CitizenFacts] = {}
    if absent:
        later = await citizen_facts_many(source, sorted({one for one, _ in absent}), max(now for _, now in absent))
    return [None if facts is None else _deciding(one, facts, later) for one, facts in zip(asked, found, strict=True)]


def _deciding(asked: Asked, facts: CitizenFacts, later: dict[int, CitizenFacts]) -> Entitlement:
    poll, citizen_id, now = asked
    if not facts.present and poll.definition.late_registration:
        newer = later[citizen_id]
        if newer.present and newer.registered_at > (poll.definition.opens_at or now):
            return Entitlement(newer, late=True)
    return Entitlement(facts, late=False)

"""A house flat by flat, once its owners' poll is counted: the sheet, and the figures of the minutes.

The totals of a house are for everybody; a flat's answer is its owners', so the sheet is for officials and for those who
own a part of a flat on that house's unit roll, as the ballot page says before anybody votes (`names_seen_by`). It holds
flats and parts of them and nobody's name: the register has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, select

from polls.catalogue import SealedPoll
from polls.definition import SingleChoice, UnitRule
from polls.errors import NotFound, NotYourHouse, SignInNeeded
from polls.person_tables import OTHER_ENTRY
from polls.register import buildings_named
from polls.sessions import ReadSession
from polls.tables import participation
from polls.tables import territory as territories
from polls.tally.house import HouseResult, UnitResult
from polls.tally.outcome import Outcome
from polls.tally.units import UnitProfile, tally_units, unit_results
from polls.territories import Territory
from polls.unit_roll import unit_questions
from polls.unit_tables import unit_roll, unit_roll_owner
from polls.units_counting import unit_profile_of
from results.figures import counted_version, see
from results.visibility import Need, require


@dataclass(frozen=True)
class ItemSheet:
    """One question of the poll in one house: its result and every flat's answer, in the order of flats."""

    question: SingleChoice
    house: HouseResult
    flats: tuple[UnitResult, ...]


@dataclass(frozen=True)
class HouseSheet:
    """One house of a counted poll of owners. `owners` are those on its unit roll, `votes` those of them who voted."""

    poll: SealedPoll
    building: Territory
    counted_at: datetime
    version: int
    owners: int
    votes: int
    items: tuple[ItemSheet, ...]

    @property
    def flats(self) -> tuple[tuple[UnitResult, ...], ...]:
        """For each flat its result in every question, in their order."""
        return tuple(zip(*(item.flats for item in self.items), strict=True))

    @property
    def by_owners(self) -> bool:
        """Whether every owner's part counts on its own, as at a general meeting."""
        rules = [item.question.rule for item in self.items]
        return all(isinstance(rule, UnitRule) and rule.speaks == "owner" for rule in rules)


async def house_sheet(
    session: ReadSession, poll: SealedPoll, building: str, now: datetime, *, citizen_id: int | None, official: bool,
    signed_in: bool,
) -> HouseSheet:  # fmt: skip
    """The sheet of a house. `citizen_id` and `official` say who is asking.

    Refuses NotFound (no such house in the poll), SignInNeeded, NotYourHouse, and as any result does before the count:
    ResultsHidden, NotCounted, WrongState.
    """
    declared = poll.definition.units
    if declared is None or building not in declared.buildings or not unit_questions(poll.definition):
        raise NotFound(building=building)
    if not signed_in:
        raise SignInNeeded()
    if not official and not await _owns_here(session, poll.id, building, citizen_id):
        raise NotYourHouse(building=building)
    counted = await counted_version(session, poll.id)
    require(see(poll, counted, now), Need.OUTCOME)
    assert counted is not None
    place = (await buildings_named(session, [building]))[building]
    items = []
    for question in poll.definition.questions:
        if isinstance(question, SingleChoice) and isinstance(question.rule, UnitRule):
            profile = await unit_profile_of(session, poll, question.id, building=building)
            items.append(_item(question, profile, building))
    owners, votes = await _people(session, poll.id, building)
    return HouseSheet(poll, place, counted.counted_at, counted.version, owners, votes, tuple(items))


def _item(question: SingleChoice, profile: UnitProfile, building: str) -> ItemSheet:
    outcome: Outcome = tally_units(question, profile)
    assert outcome.houses, "a building without flats is never scheduled"
    house = HouseResult.from_json(outcome.houses[0])
    return ItemSheet(question, house, unit_results(question, profile, building))


async def _owns_here(session: ReadSession, poll_id: int, building: str, citizen_id: int | None) -> bool:
    if citizen_id is None:
        return False
    found = await session.scalar(
        _roll_of(poll_id, building, func.count()).where(unit_roll_owner.c.citizen_id == citizen_id)
    )
    return bool(found)


async def _people(session: ReadSession, poll_id: int, building: str) -> tuple[int, int]:
    owner = unit_roll_owner.c.citizen_id
    owners = await session.scalar(_roll_of(poll_id, building, func.count(owner.distinct())))
    voted = select(participation.c.citizen_id).where(
        participation.c.poll_id == poll_id, participation.c.channel != OTHER_ENTRY
    )
    votes = await session.scalar(_roll_of(poll_id, building, func.count(owner.distinct())).where(owner.in_(voted)))
    return int(owners or 0), int(votes or 0)


def _roll_of(poll_id: int, building: str, column: ColumnElement[int]) -> Select[int]:
    owners = unit_roll_owner
    flat = and_(unit_roll.c.poll_id == owners.c.poll_id, unit_roll.c.unit_id == owners.c.unit_id)
    return (
        select(column)
        .select_from(owners.join(unit_roll, flat).join(territories, territories.c.id == unit_roll.c.building_id))
        .where(owners.c.poll_id == poll_id, territories.c.code == building)
    )

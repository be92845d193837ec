"""People made up for a rehearsal: as many who may vote as asked for, and some who may not. Nobody real.

Ages, sexes and groups are those of the demonstration's register; where the audience asks for something rarer, most
people made up are given it. Whether somebody may vote is not decided here: the audience rule itself says so.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import insert

from polls.definition import (
    Age,
    AllOf,
    AnyAudience,
    AnyOf,
    Definition,
    InGroup,
    InTerritory,
    Invited,
    Not,
    OwnsUnit,
    RegisteredBefore,
    Verified,
)
from polls.eligibility import CitizenFacts, opening_day, reasons_against
from polls.sessions import Session
from polls.tables import citizen, citizen_period
from polls.territories import Territory, TerritoryTree
from polls.unit_tables import invited, invited_list, unit, unit_owner
from voting.demo_register import demo_citizen

FITTED = 0.85  # of the people made up: given what the audience asks for
TRIES = 60  # people made up for each one who may vote, before it is said that nobody fits
OUTSIDERS = 0.1  # kept of those who may not vote, by the number of those who may
AT_ONCE = 2_000
LONG_AGO = datetime(2012, 1, 1, tzinfo=UTC)


@dataclass
class Asked:
    """What an audience rule names, wherever in the tree."""

    ages: list[tuple[int, int]] = field(default_factory=list)
    territories: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    owning: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    before: list[datetime] = field(default_factory=list)

    @classmethod
    def by(cls, definition: Definition) -> Asked:
        """Everything named by the audience, the ballot styles and the houses that decide."""
        asked = cls()
        asked._read(definition.audience)
        asked.territories.update(code for style in definition.styles for code in style.territories)
        asked.owning.update(definition.units.buildings if definition.units else ())
        return asked

    def _read(self, rule: AnyAudience) -> None:
        match rule:
            case AllOf() | AnyOf():
                for part in rule.of:
                    self._read(part)
            case Not():
                self._read(rule.of)
            case Age():
                self.ages.append((rule.at_least or 0, 100 if rule.at_most is None else rule.at_most))
            case InTerritory():
                self.territories.update(rule.codes)
            case InGroup():
                self.groups.update(rule.codes)
            case OwnsUnit():
                self.owning.update(rule.codes)
            case Invited():
                self.lists.add(rule.list_code)
            case RegisteredBefore():
                self.before.append(rule.moment)
            case Verified():
                pass  # most people made up are verified in person


@dataclass(frozen=True)
class Person:
    """Somebody made up: what the register will say of them, and the building they own a flat in, if they do."""

    facts: CitizenFacts
    building: Territory | None
    owns: Territory | None


@dataclass(frozen=True)
class Electorate:
    """Who may vote, and some who may not. `asked_for` is how many were wanted; fewer fit where the rule is narrow."""

    entitled: tuple[Person, ...]
    outsiders: tuple[Person, ...]
    asked_for: int


def make_up(
    definition: Definition, tree: TerritoryTree, groups: Collection[str], number: int, rng: random.Random
) -> Electorate:
    """`number` people who may vote in the poll, if there can be any, and a few who may not. Pure but for `rng`.

    `tree` and `groups` (codes) are those of the register: people live and belong where it knows.
    """
    asked, people = Asked.by(definition), _People(definition, tree, groups, rng)
    entitled: list[Person] = []
    outsiders: list[Person] = []
    for made in range(1, number * TRIES + 1):
        if len(entitled) == number or (made > 20_000 and not entitled):
            break
        person = people.one(made, asked)
        if not reasons_against(person.facts, definition):
            entitled.append(person)
        elif len(outsiders) < number * OUTSIDERS:
            outsiders.append(person)
    return Electorate(tuple(entitled), tuple(outsiders), number)


class _People:
    """Makes people up, one by one."""

    def __init__(
        self, definition: Definition, tree: TerritoryTree, groups: Collection[str], rng: random.Random
    ) -> None:
        self.definition, self.tree, self.groups, self.rng = definition, tree, groups, rng
        self.on = opening_day(definition)
        self.districts = tree.of_kind("district")
        self.weights = [place.population or 1 for place in self.districts]
        self._within: dict[str, tuple[Sequence[Territory], Sequence[Territory]]] = {}

    def one(self, number: int, asked: Asked) -> Person:
        rng, model = self.rng, demo_citizen(self.rng.randrange(1, 10**7))
        fitted = rng.random() < FITTED
        district, building = self._home(asked.territories | asked.owning if fitted else set())
        owns = self._flat(asked.owning) if asked.owning and rng.random() < (0.95 if fitted else 0.2) else None
        groups = set(model.groups)
        if fitted:
            groups |= {code for code in asked.groups if rng.random() < 0.5}
        home = building or district
        registered = datetime.combine(model.registered_on, time(), UTC)
        if fitted:
            registered = min([registered, *(moment - timedelta(days=1) for moment in asked.before)])
        opens = self.definition.opens_at
        assert opens is not None
        facts = CitizenFacts(
            citizen_id=number, register_code=self.definition.register_code,
            birth_date=self._born(model.birth_date, asked.ages if fitted else ()), sex=model.sex,
            registered_at=min(registered, opens - timedelta(days=1)), present=True,
            district_id=district.id if district else None, district_code=district.code if district else None,
            territories=self.tree.path(home.code) if home else frozenset(),
            groups=frozenset(groups).intersection(self.groups), level=3 if fitted else model.level,
            owns_in=self.tree.path(owns.code) if owns else frozenset(),
            lists=frozenset(asked.lists if fitted and rng.random() < 0.9 else ()),
        )  # fmt: skip
        return Person(facts, building, owns)

    def _home(self, codes: set[str]) -> tuple[Territory | None, Territory | None]:
        """A district, or a building with its district, of one of the territories; of the whole city without any."""
        known = sorted(code for code in codes if code in self.tree.by_code)
        if not known:
            return (self.rng.choices(self.districts, self.weights)[0] if self.districts else None), None
        districts, buildings = self._below(self.rng.choice(known))
        if districts:
            return self.rng.choice(districts), None
        building = self.rng.choice(buildings)
        assert building.parent_id is not None
        return self.tree.by_id[building.parent_id], building

    def _flat(self, codes: set[str]) -> Territory | None:
        buildings = [place for code in sorted(codes) if code in self.tree.by_code for place in self._below(code)[1]]
        return self.rng.choice(buildings) if buildings else None

    def _below(self, code: str) -> tuple[Sequence[Territory], Sequence[Territory]]:
        """Districts and buildings of a territory, itself among them; kept, since people are many."""
        if code not in self._within:
            places = [self.tree.by_id[number] for number in sorted(self.tree.descendants([code]))]
            self._within[code] = (
                [place for place in places if place.kind == "district"],
                [place for place in places if place.kind == "building"],
            )
        return self._within[code]

    def _born(self, birth: date, ages: Sequence[tuple[int, int]]) -> date:
        """The model's birth date, or one of an age the audience names, its bounds oftener than by chance."""
        if not ages:
            return birth
        low, high = self.rng.choice(list(ages))
        low, high = max(low, 14), max(high, low, 14)
        age = (self.on - birth).days // 366
        if not low <= age <= high:
            age = self.rng.choice([low, high, self.rng.randint(low, high)])
        return self.on - timedelta(days=round(age * 365.2425) + self.rng.randint(1, 360))


async def settle(session: Session, electorate: Electorate, tree: TerritoryTree, groups: Mapping[str, int]) -> None:
    """Write the people into the rehearsal's register, with flats for owners and lists for the invited."""
    everybody = [*electorate.entitled, *electorate.outsiders]
    for some in _chunks([_citizen(person.facts) for person in everybody]):
        await session.execute(insert(citizen), some)
    for some in _chunks([_period(person, groups) for person in everybody if person.facts.district_id is not None]):
        await session.execute(insert(citizen_period), some)
    await _flats(session, [person for person in everybody if person.owns is not None])
    for number, code in enumerate(sorted({code for person in everybody for code in person.facts.lists}), start=1):
        named = [person.facts.citizen_id for person in everybody if code in person.facts.lists]
        listed = {"id": number, "code": code, "title_ru": code, "size": len(named), "uploaded_by": 0}
        await session.execute(insert(invited_list), [{**listed, "uploaded_at": LONG_AGO}])
        for some in _chunks([{"list_id": number, "citizen_id": one} for one in named]):
            await session.execute(insert(invited), some)


async def _flats(session: Session, owners: Sequence[Person]) -> None:
    """Flats owned alone or by halves; one in ten of a house has no owner anybody knows of."""
    flats: list[dict[str, Any]] = []
    shares: list[dict[str, Any]] = []
    halves: dict[int, dict[str, Any]] = {}  # building → the share whose other half is free
    for index, person in enumerate(owners):
        assert person.owns is not None
        other = halves.pop(person.owns.id, None)
        if other is None:
            flats.append(_flat(len(flats) + 1, person.owns.id))
        number = other["unit_id"] if other else len(flats)
        share = {"unit_id": number, "citizen_id": person.facts.citizen_id, "valid_from": LONG_AGO,
                 "share_numerator": 1, "share_denominator": 2}  # fmt: skip
        if other is None and index % 3 == 0:
            share["share_denominator"] = 1
        elif other is None:
            halves[person.owns.id] = share
        shares.append(share)
    for alone in halves.values():
        alone["share_denominator"] = 1
    flats += [_flat(len(flats) + n, flat["building_id"]) for n, flat in enumerate(flats[::10], start=1)]
    for table, rows in ((unit, flats), (unit_owner, shares)):
        for some in _chunks(rows):
            await session.execute(insert(table), some)


def _flat(number: int, building_id: int) -> dict[str, Any]:
    area = 3_000 + number * 37 % 6_000
    return {"id": number, "building_id": building_id, "number": str(number), "area": area, "valid_from": LONG_AGO}


def _citizen(facts: CitizenFacts) -> dict[str, Any]:
    return {"id": facts.citizen_id, "register_code": facts.register_code, "birth_date": facts.birth_date,
            "sex": facts.sex, "registered_at": facts.registered_at}  # fmt: skip


def _period(person: Person, groups: Mapping[str, int]) -> dict[str, Any]:
    facts = person.facts
    return {
        "citizen_id": facts.citizen_id, "valid_from": min(facts.registered_at, LONG_AGO),
        "district_id": facts.district_id, "building_id": person.building.id if person.building else None,
        "level": facts.level, "groups": sorted(groups[code] for code in facts.groups),
    }  # fmt: skip


def _chunks(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    for start in range(0, len(rows), AT_ONCE):
        yield rows[start : start + AT_ONCE]

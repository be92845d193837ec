"""Who may vote: the audience rule tree over a citizen's facts as of `opens_at`. Pure.

This is one of two interpreters of the tree; :mod:`polls.audience_condition` is the other, in SQL, and a property test
holds them equal. This one gives reasons: what stands against, and what the citizen can do about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple, assert_never
from zoneinfo import ZoneInfo

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


class CitizenFacts(NamedTuple):
    """A register entry as it stood at a moment.

    `territories` holds the code of the district and of everything above it (okrug, city). A citizen with no period
    at that moment (moved away, died, not yet registered) has `present=False` and is entitled to nothing.
    `owns_in` holds the codes of the buildings where the citizen owns a flat or a part of one, and of everything above
    them; `lists` the codes of the lists of invited residents that name the citizen.
    """

    citizen_id: int
    register_code: str
    birth_date: date | None
    sex: str | None
    registered_at: datetime
    present: bool
    district_id: int | None
    district_code: str | None
    territories: frozenset[str]
    groups: frozenset[str]
    level: int
    owns_in: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    okrug_id: int | None = None
    """The okrug above the district, for counters of turnout; no rule asks for it."""


@dataclass(frozen=True)
class Reason:
    """One reason against, with its stable code, its facts and the code of the next step."""

    code: str
    next_step: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For problems and stored findings."""
        return {"code": self.code, "next_step": self.next_step, "facts": dict(self.facts)}


def age_on(birth: date, on: date) -> int:
    """Full years on a day. Somebody born on 29 February comes of age on 1 March of a common year."""
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))


def opening_day(definition: Definition) -> date:
    """The day of `opens_at` in city time: ages are counted on it."""
    if definition.opens_at is None:
        raise ValueError("the definition has no opening time")
    return _day_in(definition.opens_at, definition.time_zone)


@lru_cache(maxsize=1_000)
def _day_in(moment: datetime, zone: str) -> date:
    """Asked for every ballot, of as many moments as there are polls."""
    return moment.astimezone(ZoneInfo(zone)).date()


def reasons_against(facts: CitizenFacts, definition: Definition) -> tuple[Reason, ...]:
    """Why this citizen may not vote in this poll; empty when entitled.

    `facts` are as of `opens_at`. Being absent from the register at that moment stands before the rule tree, unless
    the poll admits late registration: then the facts of the day of registration are judged.
    """
    if facts.register_code != definition.register_code:
        return (Reason("other_register", "none"),)
    if not facts.present:
        if facts.registered_at > _opens(definition) and not definition.late_registration:
            return (Reason("registered_late", "none", {"opens_at": _opens(definition).isoformat()}),)
        return (Reason("not_in_register", "ask_service_centre"),)
    return _against(facts, definition.audience, opening_day(definition))


def _opens(definition: Definition) -> datetime:
    assert definition.opens_at is not None
    return definition.opens_at


def _against(facts: CitizenFacts, rule: AnyAudience, on: date) -> tuple[Reason, ...]:
    match rule:  # the commonest first: each class that is not the rule's own takes a microsecond to tell
        case InTerritory():
            if facts.territories.isdisjoint(rule.codes):
                return (
                    Reason(
                        "other_territory", "correct_address", {"codes": list(rule.codes), "own": facts.district_code}
                    ),
                )
            return ()
        case AllOf():
            return tuple(reason for part in rule.of for reason in _against(facts, part, on))
        case AnyOf():
            return _none_of(facts, rule, on)
        case Not():
            if _against(facts, rule.of, on):
                return ()
            return (Reason("excluded", "none", {"rule": rule.of.model_dump(mode="json")}),)
        case Age():
            return _age(facts, rule, on)
        case InGroup():
            if facts.groups.isdisjoint(rule.codes):
                return (Reason("not_in_group", "ask_service_centre", {"codes": list(rule.codes)}),)
            return ()
        case Verified():
            if facts.level < rule.level:
                return (Reason("not_verified", "verify", {"level": rule.level, "own": facts.level}),)
            return ()
        case RegisteredBefore():
            if facts.registered_at >= rule.moment:
                return (Reason("registered_late", "none", {"before": rule.moment.isoformat()}),)
            return ()
        case OwnsUnit():
            if facts.owns_in.isdisjoint(rule.codes):
                return (Reason("not_an_owner", "register_ownership", {"codes": list(rule.codes)}),)
            return ()
        case Invited():
            return () if rule.list_code in facts.lists else (Reason("not_invited", "none", {"list": rule.list_code}),)
        case _ as unreachable:
            assert_never(unreachable)


def _none_of(facts: CitizenFacts, rule: AnyOf, on: date) -> tuple[Reason, ...]:
    """Any of: empty when one part holds, else the reasons of the part that lacks least."""
    if not rule.of:
        return (Reason("nobody", "none"),)
    against = [_against(facts, part, on) for part in rule.of]
    return () if any(not reasons for reasons in against) else min(against, key=len)


def _age(facts: CitizenFacts, rule: Age, on: date) -> tuple[Reason, ...]:
    if rule.at_least is None and rule.at_most is None:
        return ()
    if facts.birth_date is None:
        return (Reason("age_unknown", "ask_service_centre"),)
    age = age_on(facts.birth_date, on)
    if rule.at_least is not None and age < rule.at_least:
        return (Reason("too_young", "none", {"at_least": rule.at_least, "own": age}),)
    if rule.at_most is not None and age > rule.at_most:
        return (Reason("too_old", "none", {"at_most": rule.at_most, "own": age}),)
    return ()

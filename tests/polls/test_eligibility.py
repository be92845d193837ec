"""Reasons against: what stands against a citizen and what can be done about it (BALLOTS 2)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from tests.builders import a_definition

from polls.eligibility import CitizenFacts, age_on, reasons_against

ANNA = CitizenFacts(
    citizen_id=1, register_code="city", birth_date=date(1990, 5, 17), sex="f",
    registered_at=datetime(2020, 1, 1, tzinfo=UTC), present=True, district_id=4, district_code="msk-cao-arbat",
    territories=frozenset({"msk", "msk-cao", "msk-cao-arbat"}), groups=frozenset({"students"}), level=2,
)  # fmt: skip


def codes(facts: CitizenFacts, rule: dict[str, Any], **more: Any) -> list[str]:
    return [reason.code for reason in reasons_against(facts, a_definition(audience=rule, **more))]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"op": "all", "of": []}, []),
        ({"op": "any", "of": []}, ["nobody"]),
        ({"op": "age", "at_least": 18}, []),
        ({"op": "age", "at_least": 40}, ["too_young"]),
        ({"op": "age", "at_most": 30}, ["too_old"]),
        ({"op": "territory", "codes": ["msk-cao"]}, []),
        ({"op": "territory", "codes": ["msk-sao", "nowhere"]}, ["other_territory"]),
        ({"op": "group", "codes": ["students"]}, []),
        ({"op": "group", "codes": ["veterans"]}, ["not_in_group"]),
        ({"op": "verified", "level": 2}, []),
        ({"op": "verified", "level": 3}, ["not_verified"]),
        ({"op": "registered_before", "moment": "2019-01-01T00:00:00Z"}, ["registered_late"]),
        ({"op": "not", "of": {"op": "group", "codes": ["students"]}}, ["excluded"]),
        ({"op": "not", "of": {"op": "group", "codes": ["veterans"]}}, []),
    ],
)
def test_each_part_of_the_rule(rule: dict[str, Any], expected: list[str]) -> None:
    assert codes(ANNA, rule) == expected


def test_all_reasons_are_told_at_once_and_the_nearest_way_in_of_an_any() -> None:
    far = {"op": "all", "of": [{"op": "age", "at_least": 65}, {"op": "group", "codes": ["veterans"]}]}
    near = {"op": "verified", "level": 3}
    assert codes(ANNA, far) == ["too_young", "not_in_group"]
    assert codes(ANNA, {"op": "any", "of": [far, near]}) == ["not_verified"]


def test_age_is_counted_on_the_day_of_opening_in_city_time() -> None:
    """21:30 UTC on 21 November is 22 November in Moscow: the birthday."""
    rule = {"op": "age", "at_least": 18}
    born = ANNA._replace(birth_date=date(2008, 11, 22))
    late = datetime(2026, 11, 21, 21, 30, tzinfo=UTC)
    assert codes(born, rule, opens_at=late) == []
    assert codes(born, rule, opens_at=late.replace(hour=20)) == ["too_young"]


def test_a_leap_day_comes_of_age_on_the_first_of_march() -> None:
    assert age_on(date(2008, 2, 29), date(2026, 2, 28)) == 17
    assert age_on(date(2008, 2, 29), date(2026, 3, 1)) == 18


def test_an_unknown_birth_date_is_said_and_sends_to_the_service_centre() -> None:
    [reason] = reasons_against(ANNA._replace(birth_date=None), a_definition(audience={"op": "age", "at_least": 18}))
    assert (reason.code, reason.next_step) == ("age_unknown", "ask_service_centre")


def test_absence_from_the_register_stands_before_every_rule() -> None:
    anyone = {"op": "all", "of": []}
    assert codes(ANNA._replace(present=False), anyone) == ["not_in_register"]
    assert codes(ANNA._replace(register_code="elsewhere"), anyone) == ["other_register"]
    late = ANNA._replace(present=False, registered_at=datetime(2030, 1, 1, tzinfo=UTC))
    assert codes(late, anyone) == ["registered_late"]

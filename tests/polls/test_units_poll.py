"""Polls of owners through the real path: roll of flats, casting by name, the count, findings before scheduling."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import SEALER, a_citizen, a_city, a_definition, close_now
from tests.owners import HOUSE, SECRETS, a_decision, a_house, an_owners_definition, an_owners_poll, vote

from polls.authoring import check_draft
from polls.checklist_register import register_findings
from polls.counting import count_poll, take_roll_of
from polls.definition import Definition
from polls.errors import NotEligible
from polls.sessions import Session
from polls.tables import count_record
from polls.tally.house import HouseResult
from polls.tally.outcome import Outcome
from polls.unit_import import import_units
from polls.unit_roll import take_unit_roll
from polls.units_counting import flat_order, unit_profile_of

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.fixture
async def city(session: Session) -> Session:
    await a_city(session)
    return session


async def test_a_meeting_from_the_roll_to_the_stored_result(city: Session) -> None:
    owners = await a_house(city)
    of_all = a_decision(2, denominator="entitled", threshold="2/3", inclusive=True)
    poll = await an_owners_poll(city, questions=[a_decision(1), {**of_all, "required": False}])
    await take_roll_of(city, poll.public_id)
    for letter, first, second in (("a", 1, 1), ("b", 2, 1), ("d", 1, None), ("e", 9, 1)):
        await vote(city, poll, owners[letter], first, second)
    with pytest.raises(NotEligible) as refusal:
        await vote(city, poll, await a_citizen(city), 1, 1)
    assert [reason.code for reason in refusal.value.reasons] == ["not_an_owner"]
    poll = await close_now(city, poll)
    counted = await count_poll(city, poll.public_id, NOW, SEALER)
    assert counted is not None
    stored = (await city.execute(count_record.select())).one().outcomes
    house, other = (HouseResult.from_json(Outcome.from_json(outcome).houses[0]) for outcome in stored)  # type: ignore[index]
    # a: flats 1 and 10 (90 m²), b: half of flat 2 (25), d: a third and e: two thirds of flat 3 (50 in all)
    assert house.area == 250_00
    assert house.area_taking_part == 165_00 and house.quorum_met
    assert (house.weights["for"], house.weights["against"]) == (90_00 + Fraction(50_00, 3), 25_00)
    assert (house.share, house.carried) == (Fraction(90_00 + Fraction(50_00, 3), 165_00), True)
    assert (other.in_favour, other.denominator, other.carried) == (
        90_00 + 25_00 + Fraction(2 * 50_00, 3), 250_00, False,
    )  # fmt: skip
    assert [outcome["winners"] for outcome in stored] == [[1], []]
    assert (counted.ballots, stored[0]["cast"], stored[1]["blank"]) == (4, 4, 1)


async def test_a_changed_vote_counts_once_and_in_every_flat(city: Session) -> None:
    owners = await a_house(city)
    poll = await an_owners_poll(city, may_change=True)
    await vote(city, poll, owners["a"], 2)
    await vote(city, poll, owners["a"], 1)
    profile = await unit_profile_of(city, poll, 1)
    assert profile.units == ()  # the roll is not taken yet
    await take_unit_roll(city, poll.id, poll.definition)
    profile = await unit_profile_of(city, poll, 1)
    assert [unit.number for unit in profile.units] == ["1", "2", "3", "10", "10а", "11"]
    assert [[owner.answer for owner in unit.owners] for unit in profile.units] == [
        ["[1]"], [None, None], [None, None], ["[1]"], [None], [],
    ]  # fmt: skip
    assert (profile.answers, profile.quorum_of_area) == ({"[1]": 1}, Fraction(1, 2))


async def test_the_unit_roll_stands_as_of_opening_however_late_it_is_taken(city: Session) -> None:
    await a_house(city)
    poll = await an_owners_poll(city)
    sold = "building,number,area,national_id,share\narbat-1,1,55,arbat-1-f,1\narbat-1,12,60,arbat-1-f,1\n"
    clock = await city.scalar(text("SELECT clock_timestamp()"))
    await import_units(city, [sold.encode()], secrets=SECRETS, now=clock)
    assert await take_unit_roll(city, poll.id, poll.definition) == len(HOUSE)
    assert await take_unit_roll(city, poll.id, poll.definition) == len(HOUSE)
    profile = await unit_profile_of(city, poll, 1)
    assert [(unit.number, unit.area) for unit in profile.units][:2] == [("1", 50_00), ("2", 50_00)]
    with pytest.raises(Exception, match="frozen"):
        await city.execute(text("DELETE FROM unit_roll_owner"))


async def test_polls_without_units_have_no_unit_roll(city: Session) -> None:
    assert await take_unit_roll(city, 1, a_definition()) == 0


async def findings_of(session: Session, **more: Any) -> dict[str, tuple[bool, dict[str, Any]]]:
    definition = Definition.model_validate({**a_definition().as_json(), **an_owners_definition(**more)})
    found = await register_findings(session, definition, NOW)
    return {finding.code: (finding.blocking, finding.facts) for finding in found}


async def test_what_the_register_says_against_a_poll_of_owners(city: Session) -> None:
    await a_house(city)
    assert await findings_of(city) == {"flats_without_owners": (False, {"flats": 1})}
    odd = "building,number,area,national_id,share,since\narbat-1,99,55,arbat-1-f,1/3,2020-02-01\n"
    await import_units(city, [odd.encode()], secrets=SECRETS, now=NOW - timedelta(days=2))
    found = await findings_of(
        city,
        buildings=["arbat-1", "nowhere"],
        audience={"op": "all", "of": [{"op": "age", "at_least": 18}, {"op": "unit", "codes": ["msk"]}]},
        late_registration=True,
        visibility="live",
        questions=[a_decision(1), {**a_decision(2), "shown_if": {"question": 1, "options": [1]}}],
    )
    assert {code for code, (blocking, _) in found.items() if blocking} == {
        "audience_beyond_units", "building_unknown", "units_no_late_registration", "units_not_live",
        "unit_question_partial",
    }  # fmt: skip
    assert found["building_unknown"][1] == {"buildings": ["nowhere"]}
    assert found["flats_with_odd_shares"] == (False, {"flats": 1})
    older = {"op": "all", "of": [{"op": "unit", "codes": ["arbat-1"]}, {"op": "age", "at_least": 18}]}
    assert (await findings_of(city, audience=older))["owners_left_out"][0] is False


async def test_a_building_without_flats_and_an_unknown_list_block(city: Session) -> None:
    await a_house(city, flats=(HOUSE[0],))
    await city.execute(text("UPDATE unit SET valid_to = '2021-01-01'"))
    stranger = {"op": "not", "of": {"op": "invited", "list_code": "none"}}
    found = await findings_of(city, audience={"op": "all", "of": [{"op": "unit", "codes": ["arbat-1"]}, stranger]})
    assert found["building_empty"] == (True, {"buildings": ["arbat-1"]})
    assert found["list_unknown"] == (True, {"lists": ["none"]})
    definition = a_definition(audience={"op": "invited", "list_code": "none"})
    assert [f.code for f in await register_findings(city, definition, NOW)] == ["list_unknown"]
    assert "list_unknown" in {f.code for f in (await check_draft(city, definition, NOW)).findings}


def test_flats_stand_in_the_order_people_expect() -> None:
    assert sorted(["10а", "2", "1Н", "10", "Н1", "1"], key=flat_order) == ["1", "1Н", "2", "10", "10а", "Н1"]


async def test_own_words_speak_for_neither_side_and_never_stop_the_count(city: Session) -> None:
    """The checklist refuses such a question; a poll sealed before it did, or imported, must be counted all the same."""
    owners = await a_house(city)
    poll = await an_owners_poll(city, questions=[{**a_decision(1), "own_answer": True}])
    await vote(city, poll, owners["a"], {"own": "Сначала отремонтируйте крышу"})
    await vote(city, poll, owners["b"], 1)
    poll = await close_now(city, poll)
    counted = await count_poll(city, poll.public_id, NOW, SEALER)
    assert counted is not None
    house = HouseResult.from_json(counted.outcomes[0].houses[0])  # type: ignore[index]
    assert house.weights["against"] == 0
    assert house.area_taking_part > 0

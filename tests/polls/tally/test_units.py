"""Polls of owners: the renovation poll and the meeting in figures, every treatment of silence, and properties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polls.definition import SingleChoice
from polls.tally.house import AGAINST, BLANK, FOR, NEUTRAL, SILENT, SPLIT, TIED, HouseResult
from polls.tally.outcome import Outcome
from polls.tally.units import Ownership, Unit, UnitProfile, tally_units, unit_results

YES, NO, ABSTAIN, EMPTY = "[1]", "[2]", "[9]", "[]"


def a_question(**rule: Any) -> SingleChoice:
    options = [{"id": 1, "text": {"ru": "За"}}, {"id": 2, "text": {"ru": "Против"}}]
    options.append({"id": 9, "text": {"ru": "Воздержался"}, "kind": "neutral"})
    return SingleChoice.model_validate({"id": 1, "options": options, "rule": {"method": "units", **rule}})


def a_flat(*owners: tuple[str | None, str], area: int = 50_00, building: str = "house", number: int = 0) -> Unit:
    """A flat of owners given as (answer, share)."""
    return Unit(number, building, str(number), area, tuple(Ownership(Fraction(s), a) for a, s in owners))


def alone(answer: str | None, n: int) -> list[Unit]:
    """So many flats of one owner each."""
    return [a_flat((answer, "1")) for _ in range(n)]


def a_profile(units: Sequence[Unit], quorum: str | None = None) -> UnitProfile:
    """Every ownership is a citizen of its own."""
    answers = Counter(owner.answer for unit in units for owner in unit.owners if owner.answer is not None)
    return UnitProfile(tuple(units), answers, None, None if quorum is None else Fraction(quorum))


def seen(*values: object) -> tuple[object, ...]:
    """Exact figures side by side: fractions equal to integers are equal here."""
    return values


def count(units: Sequence[Unit], quorum: str | None = None, **rule: Any) -> HouseResult:
    outcome = tally_units(a_question(**rule), a_profile(units, quorum))
    assert Outcome.from_json(outcome.as_json()) == outcome
    assert outcome.houses is not None
    (house,) = outcome.houses
    assert HouseResult.from_json(house).as_json() == house
    assert HouseResult.from_json(house).carried == (outcome.winners == (1,))
    return HouseResult.from_json(house)


RENOVATION: dict[str, Any] = {"threshold": "2/3", "silent": "proportional"}
AT_FIRST: dict[str, Any] = {"threshold": "2/3", "silent": "for"}

# ---- the renovation poll: decree 245-ПП of 2 May 2017, and its change of 2 June


def test_silent_flats_counted_for_at_first_and_in_proportion_later() -> None:
    house = alone(YES, 20) + alone(NO, 15) + alone(None, 25)  # 60 flats
    before, after = count(house, **AT_FIRST), count(house, **RENOVATION)
    assert seen(before.in_favour, before.denominator, before.share, before.carried) == (45, 60, Fraction(3, 4), True)
    assert after.in_favour == 20 + Fraction(25 * 20, 35) == Fraction(240, 7)
    assert (after.share, after.carried) == (Fraction(4, 7), False)


def test_more_than_two_thirds_is_strictly_more() -> None:
    assert not count(alone(YES, 40) + alone(NO, 20), **RENOVATION).carried
    assert count(alone(YES, 41) + alone(NO, 20), **RENOVATION).carried
    assert count(alone(YES, 40) + alone(NO, 20), **{**RENOVATION, "inclusive": True}).carried


def test_a_flat_decides_by_its_owners_shares_and_a_tied_one_is_left_out() -> None:
    flats = [
        a_flat((YES, "2/3"), (NO, "1/3"), number=1),
        a_flat((YES, "1/3"), (NO, "1/3"), (None, "1/3"), number=2),
        a_flat((NO, "1/4"), (None, "3/4"), number=3),
        a_flat((YES, "1/4"), (ABSTAIN, "3/4"), number=4),
        a_flat((YES, "1/2"), (ABSTAIN, "1/2"), number=5),
        a_flat((EMPTY, "1"), number=6),
        a_flat((None, "1"), number=7),
        a_flat(number=8),
    ]
    found = unit_results(a_question(**RENOVATION), a_profile(flats), "house")
    assert [flat.decision for flat in found] == [FOR, TIED, AGAINST, NEUTRAL, TIED, BLANK, SILENT, SILENT]
    house = count(flats, **RENOVATION)
    assert (house.flats[TIED], house.no_owners, house.units_taking_part) == (2, 1, 6)
    codes = [step.code for step in house.steps]
    assert codes == ["house", "taking_part", "no_owners", "flats_decided", "tied_dropped", "silent",
                     "house_threshold", "house_decided"]  # fmt: skip


@pytest.mark.parametrize(
    ("silent", "in_favour", "denominator"),
    [("dropped", 6, 10), ("for", 16, 20), ("against", 6, 20), ("proportional", 12, 20)],
)
def test_every_treatment_of_silent_flats(silent: str, in_favour: int, denominator: int) -> None:
    house = count(alone(YES, 6) + alone(NO, 4) + alone(None, 10), silent=silent)
    assert seen(house.in_favour, house.denominator) == (in_favour, denominator)


def test_proportional_to_nobody_gives_nothing() -> None:
    house = count(alone(None, 5), **RENOVATION)
    assert seen(house.share, house.carried, house.added) == (None, False, {FOR: 0, AGAINST: 0, NEUTRAL: 0})
    assert "silent_nobody" in [step.code for step in house.steps]


def test_denominators() -> None:
    flats = alone(YES, 5) + alone(NO, 3) + alone(ABSTAIN, 2) + alone(EMPTY, 1) + alone(None, 9)
    flats.append(a_flat((YES, "1/2"), (NO, "1/2")))
    sizes = {name: count(flats, denominator=name).denominator for name in ("valid", "cast", "entitled")}
    assert sizes == {"valid": 8, "cast": 12, "entitled": 21}
    assert count(flats, also_valid=["neutral"]).denominator == 10
    assert count(flats, also_valid=["neutral", "blank"]).denominator == 11


def test_without_a_threshold_more_weight_for_than_against_carries() -> None:
    assert count(alone(YES, 2) + alone(NO, 1) + alone(ABSTAIN, 5), threshold=None).carried
    assert not count(alone(YES, 2) + alone(NO, 2), threshold=None).carried


def test_weighed_by_area() -> None:
    house = count([a_flat((YES, "1"), area=80_00), a_flat((NO, "1"), area=30_50), a_flat((NO, "1"), area=30_50)],
                  weigh_by="area")  # fmt: skip
    assert seen(house.in_favour, house.denominator, house.carried) == (80_00, 141_00, True)


# ---- the general meeting: Housing Code, articles 44–48

MEETING = {"speaks": "owner", "weigh_by": "area", "denominator": "cast"}
TWO_THIRDS = {**MEETING, "denominator": "entitled", "threshold": "2/3", "inclusive": True}
EVERYBODY = {**TWO_THIRDS, "threshold": "1/1"}


def test_the_meeting_has_a_quorum_only_above_half_of_the_area() -> None:
    """Article 45, part 3: more than fifty per cent of all votes; exactly half is none."""
    half = count([a_flat((YES, "1"), area=50_00), a_flat((None, "1"), area=50_00)], "1/2", **MEETING)
    assert (half.quorum_met, half.carried) == (False, False)
    assert half.steps[-1].facts == {"carried": False, "why": "no_quorum"}
    more = count([a_flat((YES, "1"), area=50_01), a_flat((None, "1"), area=50_00)], "1/2", **MEETING)
    assert (more.quorum_met, more.carried) == (True, True)


def test_owners_vote_with_their_part_of_the_area() -> None:
    """Article 48, part 3: votes in proportion to the share; owners of one flat may differ."""
    flats = [a_flat((YES, "1/3"), (NO, "1/3"), (None, "1/3"), area=60_00), a_flat((YES, "1"), area=40_00)]
    house = count(flats, "1/2", **MEETING)
    assert house.area_taking_part == 80_00
    assert seen(house.weights[FOR], house.weights[AGAINST], house.weights[SILENT]) == (60_00, 20_00, 20_00)
    assert (house.share, house.carried, house.flats[SPLIT]) == (Fraction(3, 4), True, 1)


def test_abstaining_counts_among_those_taking_part() -> None:
    """Article 46, part 1: a majority of the votes of those taking part, so abstaining helps nobody."""
    house = count(alone(YES, 50) + alone(NO, 20) + alone(ABSTAIN, 30), "1/2", **MEETING)
    assert (house.share, house.carried) == (Fraction(1, 2), False)
    assert count(alone(YES, 51) + alone(NO, 20) + alone(ABSTAIN, 29), "1/2", **MEETING).carried


def test_two_thirds_of_all_owners_is_inclusive_and_all_means_all() -> None:
    """Article 46, part 1 («not less than two thirds … of all»); article 36, part 3 (consent of all owners)."""
    assert count(alone(YES, 20) + alone(None, 10), "1/2", **TWO_THIRDS).carried
    assert not count(alone(YES, 19) + alone(None, 11), "1/2", **TWO_THIRDS).carried
    assert count(alone(YES, 30), "1/2", **EVERYBODY).carried
    assert not count([*alone(YES, 29), a_flat((YES, "99/100"), (None, "1/100"))], "1/2", **EVERYBODY).carried


# ---- bad registers, bad rules


def test_shares_that_do_not_sum_to_one_never_weigh_more_than_the_flat() -> None:
    over = a_flat((YES, "3/4"), (NO, "3/4"), area=100_00)
    under = a_flat((YES, "1/2"), area=100_00)
    house = count([over, under], **MEETING)
    assert seen(house.weights[FOR], house.weights[AGAINST], house.weights[SILENT]) == (100_00, 50_00, 50_00)
    assert house.odd_shares == 2
    assert sum(house.weights.values()) == house.area


def test_no_flats_at_all_carry_nothing() -> None:
    outcome = tally_units(a_question(), UnitProfile((), {YES: 1}))
    assert (outcome.houses, outcome.winners, outcome.threshold_met) == ((), (), False)


def test_answers_and_rules_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        count(alone("[7]", 1))
    for for_option in (2, 3, 9):
        with pytest.raises(ValueError, match="lacks the two options"):
            count(alone(YES, 1), for_option=for_option)
    plain = SingleChoice.model_validate({"id": 1, "options": []})
    with pytest.raises(ValueError, match="not counted by units"):
        tally_units(plain, a_profile([]))


def test_a_third_side_is_neither_for_nor_against() -> None:
    options = [{"id": n, "text": {"ru": str(n)}} for n in (1, 2, 3)]
    question = SingleChoice.model_validate({"id": 1, "options": options, "rule": {"method": "units"}})
    outcome = tally_units(question, a_profile([*alone(YES, 2), *alone("[3]", 5), *alone(NO, 1)]))
    assert (outcome.winners, outcome.order, outcome.option(3).share, outcome.option(3).votes) == (
        (1,),
        (1, 2, 3),
        None,
        5,
    )


def test_each_house_decides_for_itself_and_a_citizen_counts_in_every_flat() -> None:
    units = [a_flat((YES, "1"), building="a"), a_flat((YES, "1"), building="b"), a_flat((NO, "1"), building="b")]
    outcome = tally_units(a_question(), UnitProfile(tuple(units), {YES: 1, NO: 1}, 2))
    assert outcome.houses is not None
    assert [(house["building"], house["carried"]) for house in outcome.houses] == [("a", True), ("b", False)]
    assert (outcome.winners, outcome.cast, outcome.option(1).votes) == ((), 2, 1)
    assert outcome.option(1).share == Fraction(2, 3)


# ---- properties

answers = st.sampled_from([YES, NO, ABSTAIN, EMPTY, None])
shares = st.sampled_from(["1/6", "1/4", "1/3", "1/2"])
flats = st.builds(
    lambda owners, area: a_flat(*owners, area=area),
    st.lists(st.tuples(answers, shares), max_size=4),
    st.integers(1, 200_00),
)
houses = st.lists(flats, min_size=1, max_size=12)
rules = st.fixed_dictionaries(
    {
        "speaks": st.sampled_from(["unit", "owner"]),
        "weigh_by": st.sampled_from(["units", "area"]),
        "silent": st.sampled_from(["dropped", "proportional", "for", "against"]),
        "denominator": st.sampled_from(["valid", "cast", "entitled"]),
        "threshold": st.sampled_from(["1/2", "2/3", "1/1", None]),
        "inclusive": st.booleans(),
    }
)


@settings(deadline=None)
@given(houses, rules, st.randoms())
def test_the_order_of_flats_and_of_owners_never_matters(house: list[Unit], rule: dict[str, Any], rng: Any) -> None:
    shuffled = [replace(unit, owners=tuple(rng.sample(unit.owners, len(unit.owners)))) for unit in house]
    rng.shuffle(shuffled)
    assert count(house, **rule) == count(shuffled, **rule)


@settings(deadline=None)
@given(houses, rules)
def test_turning_every_against_into_for_never_hurts(house: list[Unit], rule: dict[str, Any]) -> None:
    if count(house, "1/2", **rule).carried:
        turned = [replace(unit, owners=tuple(replace(o, answer=YES if o.answer == NO else o.answer)
                                             for o in unit.owners)) for unit in house]  # fmt: skip
        assert count(turned, "1/2", **rule).carried


@settings(deadline=None)
@given(houses, rules)
def test_weights_are_the_whole_house_and_shares_lie_between_none_and_all(
    house: list[Unit], rule: dict[str, Any]
) -> None:
    found = count(house, "1/2", **rule)
    whole = found.area if rule["weigh_by"] == "area" else found.units
    assert sum(found.weights.values()) == whole
    assert found.share is None or 0 <= found.share <= 1
    assert 0 <= found.area_taking_part <= found.area


@settings(deadline=None)
@given(houses, rules)
def test_silence_helps_for_most_as_for_and_least_as_against(house: list[Unit], rule: dict[str, Any]) -> None:
    shares_by = {
        name: count(house, **{**rule, "silent": name, "denominator": "entitled"}).in_favour
        for name in ("for", "proportional", "dropped", "against")
    }
    assert shares_by["for"] >= shares_by["proportional"] >= shares_by["dropped"] == shares_by["against"]


def by_hand(house: Iterable[Unit]) -> tuple[Fraction, Fraction]:
    """An oracle for the renovation rule, written with counters of flats alone."""
    voices: Counter[str] = Counter()
    for unit in house:
        said: Counter[str] = Counter()
        for owner in unit.owners:
            if owner.answer in (YES, NO, ABSTAIN):
                said[owner.answer] += owner.share  # type: ignore[assignment]
        ranked = said.most_common()
        if not ranked:
            voices["blank" if any(owner.answer == EMPTY for owner in unit.owners) else "silent"] += 1
        elif len(ranked) == 1 or ranked[0][1] > ranked[1][1]:
            voices[ranked[0][0]] += 1
    spoke = voices[YES] + voices[NO] + voices[ABSTAIN]
    more = Fraction(voices["silent"], spoke) if spoke else Fraction(0)
    return voices[YES] * (1 + more), (voices[YES] + voices[NO]) * (1 + more)


@settings(deadline=None)
@given(houses)
def test_the_renovation_rule_agrees_with_counting_by_hand(house: list[Unit]) -> None:
    found = count(house, **RENOVATION)
    assert (found.in_favour, found.denominator) == by_hand(house)
    assert found.carried == (bool(found.denominator) and found.in_favour / found.denominator > Fraction(2, 3))

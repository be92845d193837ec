"""Polls of owners: residents → flat → house, by flats or by area. Pure.

The profile is named (BALLOTS §12): it holds every flat of the house with its owners' exact shares and what each of them
answered, so that one ballot counts in every flat its citizen owns a part of. Each house is a result of its own.

Sources. Two levels, a flat decided by most of its owners and a flat tied in itself left out, and more than two thirds
of the flats for the house: Moscow Government decree 245-ПП of 2 May 2017 on polling for the renovation programme (law
141-ФЗ of 1 July 2017); flats that were silent counted *for* at first and, from 2 June 2017, in proportion to the
others. Votes by the owned part of the area, the quorum of more than half of it and the majorities of a general meeting:
Housing Code of the Russian Federation, articles 37, 44–46 and 48. docs/rules/units.md has worked examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from polls.definition import Denominator, SingleChoice, UnitRule
from polls.tally.answers import Classes, count_choices, unfit
from polls.tally.house import (
    AGAINST,
    BLANK,
    DECISIONS,
    FOR,
    NEUTRAL,
    SILENT,
    SPLIT,
    SPOKE,
    TIED,
    WEIGHED,
    HouseResult,
    UnitResult,
)
from polls.tally.outcome import OptionResult, Outcome, Step, fraction_text
from polls.tally.profile import BLANK as BLANK_ANSWER
from polls.tally.profile import Profile

ZERO = Fraction(0)


@dataclass(frozen=True)
class Ownership:
    """One owner's part of one flat. `answer`: the canonical answer, or None where the owner has not voted."""

    share: Fraction
    answer: str | None = None


@dataclass(frozen=True)
class Unit:
    """A flat of a house: its number, its area in hundredths of a square metre, its owners known to the register."""

    id: int
    building: str
    number: str
    area: int
    owners: tuple[Ownership, ...] = ()


@dataclass(frozen=True)
class UnitProfile:
    """What a poll of owners is counted from.

    `units`: every flat on the unit roll. `answers`: canonical answer → ballots, each citizen once however many flats
    they own. `entitled`: owners on the roll. `quorum_of_area`: the share of a house's area that must be exceeded.
    """

    units: tuple[Unit, ...]
    answers: Mapping[str, int]
    entitled: int | None = None
    quorum_of_area: Fraction | None = None


def tally_units(question: SingleChoice, profile: UnitProfile) -> Outcome:
    """The outcome of a question that flats decide, one result a house in `houses`, in the order of the roll.

    The poll is carried (`winners` holds the for option) when every house is; otherwise nothing wins: a motion that
    fails is not adopted, whatever more weight stands against it. Raises ValueError for a rule that is not one of units,
    for options it does not know, and for an answer that does not fit.
    """
    rule = _rule_of(question)
    cast = Profile(profile.answers, profile.entitled)
    classes, votes = count_choices(question, cast, least=1, most=1)
    houses = [
        _house(question, rule, building, units, profile.quorum_of_area)
        for building, units in _by_building(profile.units).items()
    ]
    carried = [house.building for house in houses if house.carried]
    neutral = sum(classes.neutral.values())
    facts = {"cast": classes.cast, "blank": classes.blank, "neutral": neutral, "valid": classes.valid}
    steps = [Step("ballots", facts), Step("houses", {"houses": len(houses), "carried": len(carried)})]
    winners = (rule.for_option,) if houses and len(carried) == len(houses) else ()
    steps.append(Step("winners", {"winners": list(winners)}))
    return _outcome(question, rule, classes, votes, houses, winners, steps)


def unit_results(question: SingleChoice, profile: UnitProfile, building: str) -> tuple[UnitResult, ...]:
    """Every flat of a house with its decision: for the sheet that officials and the house's owners see."""
    rule = _rule_of(question)
    return tuple(_unit(question, rule, unit) for unit in profile.units if unit.building == building)


def _rule_of(question: SingleChoice) -> UnitRule:
    rule = question.rule
    if not isinstance(rule, UnitRule):
        raise ValueError(f"question {question.id} is not counted by units")
    sides = {rule.for_option, rule.against_option}
    if len(sides) < 2 or not sides <= {option.id for option in question.regular}:
        raise ValueError(f"question {question.id} lacks the two options that the rule names")
    return rule


def _by_building(units: Iterable[Unit]) -> dict[str, list[Unit]]:
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(unit.building, []).append(unit)
    return found


# ---- one flat


def _unit(question: SingleChoice, rule: UnitRule, unit: Unit) -> UnitResult:
    """What a flat says. Shares that sum to more than one are brought down to one: no flat weighs more than itself."""
    total = sum((owner.share for owner in unit.owners), start=ZERO)
    scale = 1 / total if total > 1 else Fraction(1)
    shares = dict.fromkeys((*SPOKE, BLANK, SILENT), ZERO)
    for owner in unit.owners:
        if owner.answer is not None:
            shares[_class_of(question, rule, owner.answer)] += owner.share * scale
    shares[SILENT] = 1 - sum(shares.values(), start=ZERO)
    weight = unit.area if rule.weigh_by == "area" else 1
    decision = _decision(rule, shares)
    return UnitResult(unit.id, unit.number, unit.area, decision, weight, shares, len(unit.owners), total)


def _class_of(question: SingleChoice, rule: UnitRule, answer: str) -> str:
    known = {f"[{option.id}]": NEUTRAL for option in question.options}  # a third side is neither for nor against
    known |= {"[0]": NEUTRAL}  # so are own words, which the checklist does not allow here
    known |= {BLANK_ANSWER: BLANK, f"[{rule.for_option}]": FOR, f"[{rule.against_option}]": AGAINST}
    if answer not in known:
        raise unfit(question, answer, "it is no option of the question")
    return known[answer]


def _decision(rule: UnitRule, shares: Mapping[str, Fraction]) -> str:
    """The flat's one voice: the answer of the greatest share among those given; two greatest are a tie.

    Where every owner speaks for himself, a flat whose owners differ is `split`.
    """
    given = {name: shares[name] for name in SPOKE if shares[name]}
    if not given:
        return BLANK if shares[BLANK] else SILENT
    if rule.speaks == "owner":
        return next(iter(given)) if len(given) == 1 and not shares[BLANK] else SPLIT
    most = max(given.values())
    first = [name for name, share in given.items() if share == most]
    return first[0] if len(first) == 1 else TIED


# ---- one house


def _house(
    question: SingleChoice, rule: UnitRule, building: str, units: list[Unit], quorum: Fraction | None
) -> HouseResult:
    found = [_unit(question, rule, unit) for unit in units]
    flats = dict.fromkeys(DECISIONS, 0)
    weights = dict.fromkeys(WEIGHED, ZERO)
    area_taking_part = ZERO
    for unit in found:
        flats[unit.decision] += 1
        if rule.speaks == "unit":
            weights[unit.decision] += unit.weight
            area_taking_part += unit.area if unit.decision != SILENT else 0
            continue
        for name, share in unit.shares.items():
            weights[name] += share * unit.weight
        area_taking_part += (1 - unit.shares[SILENT]) * unit.area
    added = _silent(rule, weights)
    area = sum(unit.area for unit in units)
    quorum_met = None if quorum is None else area_taking_part > quorum * area
    denominator = _denominator(rule, weights, added)
    in_favour = weights[FOR] + added[FOR]
    against = weights[AGAINST] + added[AGAINST]
    threshold = None if rule.threshold is None else Fraction(rule.threshold)
    enough = in_favour > against if threshold is None else _reaches(in_favour, threshold * denominator, rule.inclusive)
    house = HouseResult(
        building=building,
        weigh_by=rule.weigh_by,
        units=len(units),
        area=area,
        units_taking_part=len(units) - flats[SILENT],
        area_taking_part=area_taking_part,
        quorum=quorum,
        quorum_met=quorum_met,
        flats=flats,
        weights=weights,
        added=added,
        denominator=denominator,
        share=in_favour / denominator if denominator else None,
        threshold=threshold,
        inclusive=rule.inclusive,
        carried=enough and in_favour > 0 and quorum_met is not False,
        no_owners=sum(1 for unit in found if not unit.owners),
        odd_shares=sum(1 for unit in found if unit.owners and unit.shares_sum != 1),
    )
    return _with_steps(house, rule, enough and in_favour > 0, sum(unit.owners for unit in found))


def _silent(rule: UnitRule, weights: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """What the silent weight gives to each answer: nothing, all to one, or as the others spoke."""
    added = dict.fromkeys(SPOKE, ZERO)
    if rule.silent == "proportional":
        spoken = sum((weights[name] for name in SPOKE), start=ZERO)
        if spoken:
            added = {name: weights[SILENT] * weights[name] / spoken for name in SPOKE}
    elif rule.silent != "dropped":
        added[rule.silent] = weights[SILENT]
    return added


def _denominator(rule: UnitRule, weights: Mapping[str, Fraction], added: Mapping[str, Fraction]) -> Fraction:
    """What the share is of. Silent weight that was given a voice is in it; a tied flat is among the valid nowhere."""
    if rule.denominator is Denominator.ENTITLED:
        return sum(weights.values(), start=ZERO)
    names = {FOR, AGAINST}
    if rule.denominator is Denominator.CAST:
        names |= {NEUTRAL, BLANK, TIED}
    names |= {NEUTRAL} if "neutral" in rule.also_valid else set()
    names |= {BLANK} if "blank" in rule.also_valid else set()
    return sum((weights[name] + added.get(name, ZERO) for name in names), start=ZERO)


def _reaches(value: Fraction, line: Fraction, inclusive: bool) -> bool:
    return value >= line if inclusive else value > line


def _with_steps(house: HouseResult, rule: UnitRule, enough: bool, owners: int) -> HouseResult:
    """The house with the steps that led to its result."""
    taking_part = {"units": house.units_taking_part, "area": fraction_text(house.area_taking_part), "owners": owners}
    steps = [Step("house", {"units": house.units, "area": house.area}), Step("taking_part", taking_part)]
    if house.quorum is not None:
        needed = fraction_text(house.quorum * house.area)
        facts: dict[str, Any] = {"share": fraction_text(house.quorum), "needs_more_than": needed, "area": house.area}
        steps.append(Step("quorum_of_area", {**facts, "met": house.quorum_met}))
    steps += [Step(code, {"units": n}) for code, n in _oddities(house) if n]
    weights = {name: fraction_text(weight) for name, weight in house.weights.items()}
    steps.append(Step("flats_decided", dict(house.flats)) if rule.speaks == "unit" else Step("shares_voted", weights))
    if house.flats[TIED]:
        steps.append(Step("tied_dropped", {"units": house.flats[TIED], "weight": weights[TIED]}))
    if house.weights[SILENT]:
        given = {name: fraction_text(weight) for name, weight in house.added.items()}
        steps.append(Step("silent", {"treatment": rule.silent, "weight": weights[SILENT], **given}))
        if rule.silent == "proportional" and not any(house.added.values()):
            steps.append(Step("silent_nobody", {}))
    facts = {
        "for": fraction_text(house.in_favour),
        "denominator": rule.denominator.value,
        "denominator_n": fraction_text(house.denominator),
        "share": fraction_text(house.share),
        "threshold": fraction_text(house.threshold),
        "inclusive": house.inclusive,
        "met": enough,
    }
    steps.append(Step("house_threshold", facts))
    why = "carried" if house.carried else "no_quorum" if house.quorum_met is False else "too_few"
    steps.append(Step("house_decided", {"carried": house.carried, "why": why}))
    return HouseResult(**{**vars(house), "steps": tuple(steps)})


def _oddities(house: HouseResult) -> tuple[tuple[str, int], ...]:
    return ("no_owners", house.no_owners), ("odd_shares", house.odd_shares)


# ---- all houses


def _outcome(
    question: SingleChoice,
    rule: UnitRule,
    classes: Classes,
    votes: Mapping[int, int],
    houses: list[HouseResult],
    winners: tuple[int, ...],
    steps: list[Step],
) -> Outcome:
    """Votes are ballots, each citizen's once; shares are of the weight of all houses together, so that no number of
    ballots is what they are of (`denominator_n` is None).
    """
    total = sum((house.denominator for house in houses), start=ZERO)
    weight = {
        rule.for_option: sum((house.in_favour for house in houses), start=ZERO),
        rule.against_option: sum((house.weights[AGAINST] + house.added[AGAINST] for house in houses), start=ZERO),
    }
    order = tuple(sorted(weight, key=lambda option_id: -weight[option_id]))
    places = {option_id: 1 + sum(other > weight[option_id] for other in weight.values()) for option_id in weight}
    order = (*order, *(option.id for option in question.regular if option.id not in weight))
    places |= dict.fromkeys(order[2:], 3)
    return Outcome(
        method=rule.method,
        question_id=question.id,
        denominator=rule.denominator.value,
        denominator_n=None,
        cast=classes.cast,
        valid=classes.valid,
        blank=classes.blank,
        neutral=classes.neutral,
        neutral_total=sum(classes.neutral.values()),
        options=tuple(
            OptionResult(
                option.id,
                votes[option.id],
                weight[option.id] / total if total and option.id in weight else None,
                places[option.id],
            )
            for option in question.regular
        ),
        order=order,
        winners=winners,
        threshold_met=bool(winners),
        steps=tuple(steps),
        houses=tuple(house.as_json() for house in houses),
    )

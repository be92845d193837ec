"""Put the weighting of a poll together: which groups to rake by, the weights, and what they make of each answer. Pure.

What goes in are published tables and, of the rest, only how many ballots each merged stratum holds: never how a
stratum answered. Weights follow from those ballots. How the ballots of an answer lie among strata is taken from the
published breakdowns alone (:func:`results.raking.spread`), so that no figure here depends on a hidden cell: two counts
that differ in hidden cells only have the same weighting to the last digit. Were strata weighted by their true answers,
one weighted share beside the raw one would give away a hidden cell of a poll by sex. See docs/decisions/0029.

Ballots that a dimension does not place (strata merged at counting, groups hidden, residents the census has no group
for) weigh as their other dimensions say, and the groups stand to each other as the target says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy

from polls.definition import FreeText, Rating
from polls.territories import TerritoryTree
from results.grouping import grid_of
from results.raking import (
    Known,
    Margin,
    Real,
    Whole,
    design_effect,
    margin_of_mean,
    margin_of_share,
    rake,
    share_of_weighted,
    spread,
    spread_amount,
)
from results.representation import represented
from results.shapes import By, Column, GroupKind, Table
from results.weighting import (
    LEAST_EFFECTIVE,
    MOST_EFFECT,
    MOST_MISS,
    MOST_UNCOVERED,
    MOST_UNPLACED,
    PER_DISTRICT,
    THIN,
    Caution,
    DimensionFit,
    Target,
    WeightedClass,
    WeightedQuestion,
    Weighting,
)

if TYPE_CHECKING:
    from results.figures import PollFigures, QuestionFigures

NOWHERE = ""
"""The group of ballots a dimension does not place."""


@dataclass(frozen=True)
class Sample:
    """The ballots of a poll by merged stratum, as `question_id`, which every ballot was shown, counts them."""

    question_id: int
    ballots: Mapping[int, int]


@dataclass(frozen=True)
class _Placed:
    """One dimension over the strata: the code of each stratum's group, `""` for ballots it does not place."""

    by: By
    codes: Sequence[str]
    unplaced: Fraction


@dataclass(frozen=True)
class _Weights:
    """Weights per stratum with what they were made of."""

    counts: Real
    weights: Real
    margins: Sequence[Margin]
    placed: Sequence[_Placed]


def weigh(figures: PollFigures, sample: Sample, target: Target, places: TerritoryTree) -> Weighting | None:
    """Weight a poll to a target; None when there is no dimension to weight by."""
    strata = sorted(code for code, n in sample.ballots.items() if n)
    counts = numpy.array([sample.ballots[code] for code in strata], numpy.float64)
    base = figures.question(sample.question_id)
    assert base is not None
    fits = represented(figures.turnout, target)
    placed = _placements(figures, base, strata, counts, target, places)
    fits = _chosen(fits, placed, int(counts.sum()))
    if not any(fit.used for fit in fits):
        return None
    used, counts = _cells([placed[fit.by] for fit in fits if fit.used], counts)
    margins = [_margin(one, target.numbers[one.by]) for one in used]
    raked = rake(counts, margins)
    made = _Weights(counts, raked.weights, margins, used)
    effect = design_effect(raked.weights, counts)
    effective = float(counts.sum()) / effect
    return Weighting(
        figures.version, figures.ballots, target, tuple(fits), effect, effective, float(raked.weights.min()),
        float(raked.weights.max()), raked.trimmed, raked.miss, raked.rounds,
        _cautions(fits, effect, effective, raked.miss),
        tuple(found for question in figures.questions if (found := _question(question, made)) is not None),
    )  # fmt: skip


# ---- dimensions


def _placements(
    figures: PollFigures, base: QuestionFigures, strata: Sequence[int], counts: Real, target: Target,
    places: TerritoryTree,
) -> dict[By, _Placed]:  # fmt: skip
    """Where each stratum stands in each dimension that has a published table and a target."""
    found: dict[By, _Placed] = {}
    grid = grid_of(figures.definition, strata, places)
    for number, axis in enumerate(grid.axes):
        for depth, level in enumerate(axis.levels, 1):
            by = By(level)
            table, numbers = base.by(by), target.numbers.get(by)
            if table is None or not numbers:
                continue
            shown = {row.group.code for row in table.rows if row.cast is not None}
            groups = [grid.groups[axis.at(grid.places[stratum][number], depth)] for stratum in strata]
            codes = [NOWHERE if group.kind is GroupKind.REST else group.code for group in groups]
            codes = [code if code in shown and numbers.get(code) else NOWHERE for code in codes]
            lost = sum(n for code, n in zip(codes, counts, strict=True) if code == NOWHERE)
            found[by] = _Placed(by, codes, Fraction(int(lost), int(counts.sum())))
    return found


def _chosen(fits: Sequence[DimensionFit], placed: Mapping[By, _Placed], ballots: int) -> list[DimensionFit]:
    """Which dimensions the weights use, and why not the others: one level of territory, ages, sexes."""
    usable: list[DimensionFit] = []
    for fit in fits:
        one = placed.get(fit.by)
        here = set(one.codes) - {NOWHERE} if one is not None else set()
        why = fit.why or ("" if len(here) > 1 else "one_group")
        if not why and one is not None and one.unplaced > MOST_UNPLACED:
            why = "unplaced"
        missing = [found.target for found in fit.groups if found.group.code not in here and found.target is not None]
        usable.append(
            replace(fit, used=not why, why=why, unplaced=one.unplaced if one else Fraction(0),
                    uncovered=sum(missing, Fraction(0)))
        )  # fmt: skip
    fine = {fit.by for fit in usable if fit.used}
    if {By.OKRUG, By.DISTRICT} <= fine:
        many = ballots >= PER_DISTRICT * len(set(placed[By.DISTRICT].codes))
        other = By.OKRUG if many else By.DISTRICT
        usable = [replace(fit, used=False, why="other_level") if fit.by is other else fit for fit in usable]
    return usable


def _cells(placed: Sequence[_Placed], counts: Real) -> tuple[list[_Placed], Real]:
    """Strata that stand alike in every dimension used, put together: they weigh the same."""
    alike = list(zip(*(one.codes for one in placed), strict=True))
    cells = sorted(set(alike))
    number_of = {cell: number for number, cell in enumerate(cells)}
    sums = numpy.zeros(len(cells))
    numpy.add.at(sums, [number_of[cell] for cell in alike], counts)
    return [replace(one, codes=[cell[i] for cell in cells]) for i, one in enumerate(placed)], sums


def _margin(one: _Placed, numbers: Mapping[str, int]) -> Margin:
    """The shares of a dimension's groups that took part."""
    codes = sorted(set(one.codes) - {NOWHERE})
    place = [len(codes) if code == NOWHERE else codes.index(code) for code in one.codes]
    share = numpy.array([numbers[code] for code in codes], numpy.float64)
    return Margin(numpy.array(place, numpy.int64), share / share.sum())


def _cautions(fits: Sequence[DimensionFit], effect: float, effective: float, miss: float) -> tuple[Caution, ...]:
    found = []
    if effect > MOST_EFFECT:
        found.append(Caution("design_effect", {"effect": effect, "most": MOST_EFFECT}, grave=True))
    if effective < LEAST_EFFECTIVE:
        found.append(Caution("few_effective", {"effective": effective, "least": LEAST_EFFECTIVE}, grave=True))
    if miss > MOST_MISS:
        found.append(Caution("margins_not_met", {"miss": miss}, grave=True))
    for fit in fits:
        by = fit.by.value
        if fit.why not in ("", "other_level", "one_group"):
            found.append(Caution("left_out", {"by": by, "why": fit.why}, grave=True))
        if fit.used and fit.uncovered > MOST_UNCOVERED:
            found.append(Caution("uncovered", {"by": by, "share": float(fit.uncovered)}, grave=True))
        if fit.used and fit.unplaced > MOST_UNCOVERED:
            found.append(Caution("unplaced", {"by": by, "share": float(fit.unplaced)}))
        thin = sum(one.ratio is not None and one.ratio < THIN for one in fit.groups)
        if thin and fit.why != "other_level":
            found.append(Caution("thin", {"by": by, "groups": thin}))
    return tuple(found)


# ---- answers


def _question(found: QuestionFigures, made: _Weights) -> WeightedQuestion | None:
    """The weighted answers of one question; None for texts and for questions without tables."""
    if isinstance(found.question, FreeText) or not found.tables or not found.outcome.cast:
        return None
    tables = [(one, table) for one in made.placed if (table := found.by(one.by)) is not None]
    cast = found.outcome.cast
    known = [_known(one, {row.group.code: row.cast for row in table.rows}, cast) for one, table in tables]
    total = made.counts if cast == int(made.counts.sum()) else spread(made.counts, known, cast)
    classes = [
        _class(found, number, column, total, tables, made) for number, column in enumerate(found.tables[0].columns)
    ]
    return WeightedQuestion(found.question.id, cast, tuple(classes))


def _class(
    found: QuestionFigures, number: int, column: Column, total: Real, tables: Sequence[tuple[_Placed, Table]],
    made: _Weights,
) -> WeightedClass:  # fmt: skip
    votes = found.total.cells[number].votes or 0
    known = [
        _known(one, {row.group.code: row.cells[number].votes for row in table.rows}, votes) for one, table in tables
    ]
    given = spread(total, known, votes)
    made_of = WeightedClass(
        column, votes, votes / found.outcome.cast, share_of_weighted(made.weights, total, given),
        margin_of_share(made.weights, made.counts, total, given, made.margins),
    )  # fmt: skip
    if not isinstance(found.question, Rating) or found.total.cells[number].mean is None or not votes:
        return made_of
    return _rated(made_of, found, number, given, tables, made)


def _rated(
    made_of: WeightedClass, found: QuestionFigures, number: int, given: Real, tables: Sequence[tuple[_Placed, Table]],
    made: _Weights,
) -> WeightedClass:  # fmt: skip
    """The same class with its mean: what was given, counted from the lowest level, by the published means."""
    assert isinstance(found.question, Rating)
    mean, lowest, votes = found.total.cells[number].mean, found.question.scale_min, made_of.votes
    assert mean is not None
    known = []
    for one, table in tables:
        sums = {}
        for row in table.rows:
            cell = row.cells[number]
            held = cell.votes is not None and (cell.mean is not None or cell.votes == 0)
            sums[row.group.code] = float(((cell.mean or 0) - lowest) * (cell.votes or 0)) if held else None
        known.append(_known(one, sums, float((mean - lowest) * votes)))
    amounts = spread_amount(given, known, float((mean - lowest) * votes))
    levels = found.outcome.option(made_of.column.option_id).distribution or {}
    variance = sum(n * (level - float(mean)) ** 2 for level, n in levels.items()) / max(votes - 1, 1)
    return replace(
        made_of, mean=float(mean), weighted_mean=lowest + share_of_weighted(made.weights, given, amounts),
        mean_margin=margin_of_mean(made.weights, given, variance),
    )  # fmt: skip


def _known(one: _Placed, shown: Mapping[str, float | None], whole: float) -> Known:
    """What a table shows of a number of ballots, by the groups weights are made by; the rest is one group."""
    groups = sorted({code for code in one.codes if code != NOWHERE and shown.get(code) is not None})
    number_of = {code: number for number, code in enumerate(groups)}
    place: Whole = numpy.array([number_of.get(code, len(groups)) for code in one.codes], numpy.int64)
    counts = [float(shown[code] or 0) for code in groups]
    return Known(place, numpy.array([*counts, max(whole - sum(counts), 0.0)], numpy.float64))

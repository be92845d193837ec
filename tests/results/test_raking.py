"""Raking against published examples, its properties, and margins of error against other ways to find them."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from results.raking import (
    CLOSE,
    Known,
    Margin,
    Real,
    design_effect,
    margin_of_mean,
    margin_of_share,
    rake,
    share_of_weighted,
    spread,
    spread_amount,
)

WIDE = (1e-9, 1e9)


def margins_of(table: Real, rows: list[float], columns: list[float]) -> tuple[Real, list[Margin]]:
    """The cells of a table that are not nought, and its two margins."""
    i, j = numpy.nonzero(table)
    both = [(i, numpy.array(rows, float)), (j, numpy.array(columns, float))]
    return table[i, j], [Margin(place.astype(numpy.int64), wanted / wanted.sum()) for place, wanted in both]


def sums(place: Any, values: Real) -> Real:
    return numpy.bincount(place, values).astype(numpy.float64)


def adjusted(table: Real, rows: list[float], columns: list[float]) -> Real:
    cells, margins = margins_of(table, rows, columns)
    weights = rake(cells, margins, WIDE).weights
    found = numpy.zeros_like(table)
    found[numpy.nonzero(table)] = cells * weights * sum(rows) / cells.sum()
    return found


def test_marital_status_of_women_as_published() -> None:
    """British women by age and marital status, those of a year fitted to the margins of the next: Bishop, Fienberg and
    Holland, *Discrete Multivariate Analysis* (1975), §3.6; the same table is example 9.14 of the SAS/IML manual."""
    known = numpy.array(
        [[1306, 83, 0], [619, 765, 3], [263, 1194, 9], [173, 1372, 28], [171, 1393, 51], [159, 1372, 81],
         [208, 1350, 108], [1116, 4100, 2329]], float,
    )  # fmt: skip
    expected = [
        [1325.27, 86.73, 0.0], [615.56, 783.39, 3.05], [253.94, 1187.18, 8.88], [165.13, 1348.55, 27.32],
        [173.41, 1454.71, 52.87], [147.21, 1308.12, 76.67], [202.33, 1352.28, 107.40], [1105.16, 4181.04, 2357.81],
    ]  # fmt: skip
    found = adjusted(known, [1412, 1402, 1450, 1541, 1681, 1532, 1662, 7644], [3988, 11702, 2634])
    assert numpy.abs(found - numpy.array(expected)).max() < 0.01


def test_one_margin_is_poststratification() -> None:
    """With one margin a ballot weighs its group's share ÷ the sample's (Holt and Smith 1979)."""
    found = rake(numpy.array([80.0, 20.0]), [Margin(numpy.array([0, 1]), numpy.array([0.5, 0.5]))])
    assert found.weights == pytest.approx([0.625, 2.5])
    assert design_effect(found.weights, numpy.array([80.0, 20.0])) == pytest.approx((80 * 0.625**2 + 20 * 2.5**2) / 100)


def test_kish_effect_of_two_classes() -> None:
    """Half the sample weighing three times the other half: 1 + (½)² (Kish 1965, §11.7)."""
    assert design_effect(numpy.array([1.0, 3.0]), numpy.array([50.0, 50.0])) == pytest.approx(1.25)


# ---- properties

tables = st.integers(2, 5).flatmap(
    lambda rows: st.integers(2, 5).flatmap(
        lambda columns: st.lists(
            st.lists(st.integers(1, 500), min_size=columns, max_size=columns), min_size=rows, max_size=rows
        )
    )
)


def shares(n: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(5, 100), min_size=n, max_size=n)


@given(tables, st.data())
@settings(max_examples=150, deadline=None)
def test_margins_are_met_and_weights_positive(rows: list[list[int]], data: st.DataObject) -> None:
    table = numpy.array(rows, float)
    wanted = [data.draw(shares(n)) for n in table.shape]
    cells, margins = margins_of(table, [x / sum(wanted[0]) for x in wanted[0]], [x / sum(wanted[1]) for x in wanted[1]])
    found = rake(cells, margins, WIDE)
    assert found.met and found.miss <= CLOSE
    assert (found.weights > 0).all()
    for margin in margins:
        held = numpy.bincount(margin.place, cells * found.weights) / cells.sum()
        assert numpy.abs(held - margin.share).max() < 1e-8
    odds = table * 0
    odds[numpy.nonzero(table)] = found.weights
    # What raking keeps: the odds ratios of the sample (Deming and Stephan), so weights are a row's times a column's.
    assert odds[0, 0] * odds[1, 1] == pytest.approx(odds[0, 1] * odds[1, 0], rel=1e-6)


@given(tables, st.data())
@settings(max_examples=80, deadline=None)
def test_scale_and_order_make_no_difference(rows: list[list[int]], data: st.DataObject) -> None:
    table = numpy.array(rows, float)
    wanted = [data.draw(shares(n)) for n in table.shape]
    cells, margins = margins_of(table, [float(x) for x in wanted[0]], [float(x) for x in wanted[1]])
    bounds = data.draw(st.sampled_from([WIDE, (0.2, 5.0), (0.5, 2.0)]))
    found = rake(cells, margins, bounds)
    assert rake(cells * 1000, margins, bounds).weights == pytest.approx(found.weights, abs=1e-6)
    if found.met:
        assert rake(cells, margins[::-1], bounds).weights == pytest.approx(found.weights, abs=1e-4)


@given(tables, st.data())
@settings(max_examples=150, deadline=None)
def test_bounds_hold_whatever_is_asked(rows: list[list[int]], data: st.DataObject) -> None:
    table = numpy.array(rows, float)
    wanted = [data.draw(st.lists(st.integers(0, 100), min_size=n, max_size=n)) for n in table.shape]
    assume(all(sum(one) for one in wanted))
    cells, margins = margins_of(table, [float(x) for x in wanted[0]], [float(x) for x in wanted[1]])
    least, most = data.draw(st.sampled_from([(0.2, 5.0), (0.5, 2.0), (0.9, 1.1)]))
    found = rake(cells, margins, (least, most))
    assert found.weights.min() >= least * (1 - 1e-9) and found.weights.max() <= most * (1 + 1e-9)
    assert (cells * found.weights).sum() / cells.sum() == pytest.approx(1, abs=1e-6)
    assert 0 <= found.trimmed <= 1


def test_what_is_cut_is_made_up_by_the_rest() -> None:
    """A cut alone would miss the margins; the others of the same groups are raked on until the margins hold again."""
    table = numpy.array([[300.0, 40.0, 60.0], [300.0, 200.0, 100.0]])
    cells, margins = margins_of(table, [0.55, 0.45], [0.5, 0.3, 0.2])
    free, bound = rake(cells, margins, WIDE), rake(cells, margins, (0.5, 2.0))
    assert free.weights.max() > 2 >= bound.weights.max()
    cut = numpy.clip(free.weights, 0.5, 2.0)
    missed = numpy.bincount(margins[0].place, cells * cut) / (cells * cut).sum() - margins[0].share
    assert numpy.abs(missed).max() > 0.005
    assert bound.met and bound.trimmed > 0


def test_strata_a_dimension_does_not_place_leave_the_others_to_its_shares() -> None:
    """The sex of the young is not known: men and women are half and half of the rest, and the young a third of all."""
    counts = numpy.array([60.0, 90.0, 50.0])  # the young; older men; older women
    age = Margin(numpy.array([0, 1, 1]), numpy.array([1 / 3, 2 / 3]))
    sex = Margin(numpy.array([2, 0, 1]), numpy.array([0.5, 0.5]))
    for margins in ([age, sex], [sex, age]):
        found = rake(counts, margins)
        assert found.met
        assert counts * found.weights == pytest.approx([200 / 3] * 3)
    nobody = Margin(numpy.array([1, 1, 1]), numpy.array([1.0]))
    assert rake(counts, [age, nobody]).met


def test_margins_that_cannot_hold_are_said_not_to() -> None:
    """All women are old: old and women cannot be half and a third each."""
    table = numpy.array([[50.0, 0.0], [0.0, 50.0]])
    cells, margins = margins_of(table, [0.5, 0.5], [1 / 3, 2 / 3])
    found = rake(cells, margins)
    assert not found.met and found.miss > 0.05


# ---- answers within strata


@given(tables, st.data())
@settings(max_examples=80, deadline=None)
def test_spread_meets_what_is_published_and_stays_within_the_ballots(
    rows: list[list[int]], data: st.DataObject
) -> None:
    table = numpy.array(rows, float)
    part = data.draw(st.lists(st.floats(0, 1), min_size=table.size, max_size=table.size))
    given_ = numpy.floor(table * numpy.array(part).reshape(table.shape))
    i, j = numpy.nonzero(table)
    known = [Known(place.astype(numpy.int64), sums(place, given_[i, j])) for place in (i, j)]
    found = spread(table[i, j], known, float(given_.sum()))
    assert (found >= 0).all() and (found <= table[i, j] * (1 + 1e-9)).all()
    for one in known:
        assert numpy.abs(numpy.bincount(one.place, found) - one.count).max() < 1.0


def test_spread_is_logistic_regression_on_the_dimensions() -> None:
    """Strata whose log-odds are a row's plus a column's are found exactly from the two published breakdowns."""
    odds = numpy.exp(numpy.add.outer([-1.0, 0.3, 0.8], [0.0, 0.7]))
    table = numpy.array([[400.0, 90.0], [250.0, 700.0], [60.0, 310.0]])
    true = table * odds / (1 + odds)
    i, j = numpy.nonzero(table)
    known = [Known(place.astype(numpy.int64), sums(place, true[i, j])) for place in (i, j)]
    assert spread(table[i, j], known, float(true.sum())) == pytest.approx(true[i, j], abs=0.05)


def test_amounts_keep_their_sums() -> None:
    holders = numpy.array([30.0, 10.0, 20.0, 40.0])
    known = [Known(numpy.array([0, 0, 1, 1]), numpy.array([90.0, 150.0]))]
    found = spread_amount(holders, known, 240.0)
    assert found == pytest.approx([67.5, 22.5, 50.0, 100.0])
    assert spread_amount(holders, known, 0.0).sum() == 0


def test_spread_comes_near_the_shares_that_true_answers_would_give() -> None:
    """Twelve okrugs, seven ages, two sexes, answers with interactions of their own: within a third of a point."""
    rng = numpy.random.default_rng(11)
    place = [one.ravel().astype(numpy.int64) for one in numpy.indices((12, 7, 2))]
    for _ in range(20):
        counts = rng.integers(40, 900, 168).astype(float)
        slopes = [rng.normal(0, spread_of, n) for n, spread_of in ((12, 0.3), (7, 0.6), (2, 0.3))]
        odds = numpy.exp(sum((s[p] for s, p in zip(slopes, place, strict=True)), rng.normal(0, 0.3, 168)) - 1)
        true = rng.binomial(counts.astype(int), odds / (1 + odds)).astype(float)
        wanted = [w / w.sum() for w in (rng.uniform(0.5, 1.5, n) for n in (12, 7, 2))]
        margins = [Margin(p, w) for p, w in zip(place, wanted, strict=True)]
        weights = rake(counts, margins).weights
        found = spread(counts, [Known(p, sums(p, true)) for p in place], float(true.sum()))
        gap = share_of_weighted(weights, counts, found) - share_of_weighted(weights, counts, true)
        assert abs(gap) < 0.0033


def test_true_answers_would_give_a_hidden_cell_away_and_published_ones_do_not() -> None:
    """By sex alone: 300 men, 100 women, and 56 of them for an answer whose split is hidden. From one weighted share in
    tenths of a point and the public weights the women's four follow exactly; from ours nothing does."""
    counts = numpy.array([300.0, 100.0])
    margins = [Margin(numpy.array([0, 1]), numpy.array([0.5, 0.5]))]
    weights = rake(counts, margins).weights

    def solved(share: float) -> float:
        """The women's votes that a weighted share says, for somebody who knows the weights and the total."""
        return float((round(share, 3) * 400 - weights[0] * 56) / (weights[1] - weights[0]))

    told = {}
    for women in (4, 7):
        split = numpy.array([56.0 - women, women])
        assert round(solved(share_of_weighted(weights, counts, split))) == women
        hidden = [Known(numpy.array([0, 0]), numpy.array([56.0]))]
        told[women] = share_of_weighted(weights, counts, spread(counts, hidden, split.sum()))
    assert told[4] == told[7] and round(solved(told[4])) not in (4, 7)


# ---- margins of error


def test_unweighted_margin_is_that_of_a_plain_share() -> None:
    counts = numpy.array([400.0])
    plain = [Margin(numpy.array([0]), numpy.array([1.0]))]
    found = margin_of_share(numpy.ones(1), counts, counts, numpy.array([100.0]), plain)
    assert found == pytest.approx(1.959964 * (0.25 * 0.75 / 399) ** 0.5)


def test_few_ballots_have_no_margin() -> None:
    counts = numpy.array([400.0])
    plain = [Margin(numpy.array([0]), numpy.array([1.0]))]
    assert margin_of_share(numpy.ones(1), counts, counts, numpy.array([4.0]), plain) is None
    assert margin_of_share(numpy.ones(1), counts, counts, numpy.array([397.0]), plain) is None
    assert margin_of_mean(numpy.ones(1), numpy.array([9.0]), 1.0) is None
    assert margin_of_mean(numpy.ones(1), numpy.array([100.0]), 4.0) == pytest.approx(1.959964 * 0.2)


def a_sample(seed: int = 7) -> tuple[Real, Real, list[Margin]]:
    """Twelve strata: ballots, those for an answer, and margins some way off."""
    rng = numpy.random.default_rng(seed)
    counts = rng.integers(40, 220, 12).astype(float)
    place = [numpy.arange(12) // 4, numpy.arange(12) % 4]
    odds = numpy.exp(numpy.array([-0.8, 0.0, 0.7])[place[0]] + numpy.array([0, 0.4, -0.4, 0.6])[place[1]])
    given_ = rng.binomial(counts.astype(int), odds / (1 + odds)).astype(float)
    wanted = [numpy.array([0.5, 0.3, 0.2]), numpy.array([0.1, 0.2, 0.3, 0.4])]
    return counts, given_, [Margin(p.astype(numpy.int64), w) for p, w in zip(place, wanted, strict=True)]


def test_margin_is_the_linearised_variance_ballot_by_ballot() -> None:
    """The same written out ballot by ballot: residuals of a regression on the groups, weighted (Deville, Särndal)."""
    counts, given_, margins = a_sample()
    weights = rake(counts, margins, WIDE).weights
    stratum = numpy.repeat(numpy.arange(12), counts.astype(int))
    answer = numpy.concatenate([[1.0] * int(g) + [0.0] * int(n - g) for n, g in zip(counts, given_, strict=True)])
    w = weights[stratum]
    share = float((w * answer).sum() / w.sum())
    design = numpy.concatenate([numpy.eye(len(m.share))[m.place[stratum]] for m in margins], axis=1)
    root = numpy.sqrt(w)
    slopes = numpy.linalg.lstsq(design * root[:, None], (answer - share) * root, rcond=None)[0]
    residuals = answer - share - design @ slopes
    n = len(answer)
    error = (n / (n - 1) * (w**2 * residuals**2).sum()) ** 0.5 / w.sum()
    found = margin_of_share(weights, counts, counts, given_, margins)
    assert share == pytest.approx(share_of_weighted(weights, counts, given_))
    assert found == pytest.approx(1.959964 * error, rel=1e-9)


def test_margin_agrees_with_the_bootstrap() -> None:
    """Draw the ballots again and again, rake each draw: the spread of the shares is the margin found by formula."""
    counts, given_, margins = a_sample()
    rng = numpy.random.default_rng(3)
    cells = numpy.concatenate([given_, counts - given_])
    drawn = []
    for _ in range(600):
        yes, no = rng.multinomial(int(cells.sum()), cells / cells.sum()).astype(float).reshape(2, 12)
        weights = rake(yes + no, margins, WIDE).weights
        drawn.append(share_of_weighted(weights, yes + no, yes))
    weights = rake(counts, margins, WIDE).weights
    found = margin_of_share(weights, counts, counts, given_, margins)
    assert found == pytest.approx(1.959964 * float(numpy.std(drawn)), rel=0.12)

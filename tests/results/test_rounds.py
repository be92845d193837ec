"""Rounds, the flow between them, comparisons and grades, as a page lays them out."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import a_definition
from tests.results.every_rule import CASES, counted, ranking

from polls.definition import Rating
from polls.tally import tally
from polls.tally.outcome import Outcome
from polls.tally.profile import Profile
from results.duels import MOST_SHOWN, duel_table, grade_bars
from results.explained import explain
from results.flow import flow_of
from results.rounds import Rounds, rounds_of

TRANSFERABLE = ("instant_runoff", "stv_scottish", "stv_meek")


def outcome_of(method: str, answers: dict[str, int], winners: int = 1) -> Outcome:
    definition = a_definition(questions=[ranking(method, winners=winners)])
    return tally(definition.questions[0], Profile(answers))


def test_a_run_off_round_by_round() -> None:
    _, outcome = counted("instant run-off")
    rounds = rounds_of(outcome)
    assert rounds is not None
    first, second, third, last = rounds.rounds
    assert (first.votes[5], first.leaving, first.givers) == (5, (5,), ())
    assert (second.givers, second.changes, second.exhausted_change) == ((5,), {5: -5}, 5)
    assert third.changes == {3: 11, 4: -11} and set(third.leaving) == {2, 3}
    assert last.elected == (1,) and rounds.total == 100


def test_a_scottish_count_passes_on_what_is_over_the_quota() -> None:
    _, outcome = counted("scottish")
    rounds = rounds_of(outcome)
    assert rounds is not None and rounds.quota == 34 and rounds.seats == 2 and rounds.places == 5
    first, second = rounds.rounds[:2]
    assert first.elected == (1,) and second.givers == (1,)
    assert second.changes[1] == -3 and second.changes[2] == Fraction("2.99996")
    assert second.exhausted_change == Fraction("0.00004")


@given(
    method=st.sampled_from(TRANSFERABLE),
    answers=st.dictionaries(
        st.permutations(range(1, 6)).flatmap(
            lambda order: st.integers(1, 5).map(lambda n: str([[o] for o in order[:n]]).replace(" ", ""))
        ),
        st.integers(1, 60), min_size=1, max_size=12,
    ),
    winners=st.integers(1, 3),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_no_vote_is_lost_between_rounds_and_the_picture_stays_in_its_frame(
    method: str, answers: dict[str, int], winners: int
) -> None:
    outcome = outcome_of(method, answers, 1 if method == "instant_runoff" else winners)
    rounds = rounds_of(outcome)
    assert rounds is not None
    for before, now in pairwise(rounds.rounds):
        assert sum(now.votes.values(), now.exhausted) == rounds.total
        assert sum(now.changes.values(), now.exhausted_change) == 0
        assert set(now.votes) == set(before.votes) - set(before.leaving)
    check_flow(rounds)


def check_flow(rounds: Rounds) -> None:
    flow = flow_of(rounds)
    if flow is None:
        assert len(rounds.rounds) == 1
        return
    for block in flow.blocks:
        assert 0 <= block.x <= flow.width and block.y >= 0 and block.y + block.height <= flow.height
    for number in {block.round for block in flow.blocks}:
        column = sorted((b for b in flow.blocks if b.round == number), key=lambda b: b.y)
        assert all(a.y + a.height < b.y for a, b in pairwise(column))
    moved = sum(band.votes for band in flow.bands if not band.kept and band.target is not None)
    gains = sum(
        sum((n for n in one.changes.values() if n > 0), max(one.exhausted_change, Fraction(0)))
        for one in rounds.rounds[1:]
    )
    assert moved == gains
    assert all(re.fullmatch(r"[MCVZ0-9., -]+", band.path) for band in flow.bands)


def test_where_several_give_no_band_says_whose_vote_went_where() -> None:
    _, outcome = counted("instant run-off")
    rounds = rounds_of(outcome)
    assert rounds is not None
    flow = flow_of(rounds)
    assert flow is not None
    direct = [band for band in flow.bands if not band.kept and band.source is not None and band.target is not None]
    assert {(band.source, band.target) for band in direct} == {(5, 0), (4, 3)}
    assert {band.source for band in flow.bands if band.target is None} == {2, 3}


@pytest.mark.parametrize("case", [name for name in CASES if CASES[name][0]["kind"] not in ("ranking",)])
def test_other_rules_have_no_rounds(case: str) -> None:
    assert rounds_of(counted(case)[1]) is None


def test_a_table_of_comparisons_stands_in_the_order_of_the_outcome() -> None:
    definition, outcome = counted("schulze in a circle")
    view = explain(definition.questions[0], outcome)
    assert view.duels is not None and view.duels.options == outcome.order and view.paths is not None
    row = view.duels.rows[0]
    assert row.duels[0] is None and row.won + row.lost <= len(outcome.order) - 1
    assert view.winner is None and set(view.smith) == {1, 2, 3}


def test_many_options_are_counted_whole_and_shown_in_part() -> None:
    size = MOST_SHOWN + 20
    options = list(range(1, size + 1))
    matrix = [[int(i < j) for j in range(size)] for i in range(size)]
    table = duel_table(options, matrix, options)
    assert (len(table.rows), table.left_out, table.rows[0].won) == (MOST_SHOWN, 20, size - 1)


def test_grades_fill_the_bar_and_the_left_out_count_as_worst_where_the_rule_says_so() -> None:
    definition, outcome = counted("majority judgment")
    question = definition.questions[0]
    assert isinstance(question, Rating)
    bars = grade_bars(question, outcome)
    assert [bar.option for bar in bars] == list(outcome.order)
    assert all(bar.rated == outcome.valid for bar in bars)
    for bar in bars:
        assert sum(part.width for part in bar.parts) == pytest.approx(100)
        [crossed] = [part.level for part in bar.parts if part.x < 50 <= part.x + part.width and part.width]
        assert crossed == outcome.option(bar.option).grade

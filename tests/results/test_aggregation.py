"""Tables out of counted classes: groups, shares with their denominators, what could not be broken down, turnout."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

from tests.builders import a_definition, a_multiple_choice, a_rating, a_single_choice

from polls.definition import Definition
from polls.strata import AGE_MERGED, SEX_MERGED, Stratum
from polls.tally import tally
from polls.tally.profile import Profile
from polls.territories import Territory, TerritoryTree
from results.aggregation import breakdowns, class_counts, table_of, total_row, turnout
from results.shapes import By, GroupKind, Table

PLACES = TerritoryTree.of(
    [
        Territory(1, "msk", "city", None, "Москва", "Moscow"),
        Territory(2, "cao", "okrug", 1, "ЦАО", "CAO"),
        Territory(3, "sao", "okrug", 1, "САО", "SAO"),
        Territory(4, "arbat", "district", 2, "Арбат", "Arbat"),
        Territory(5, "basmanny", "district", 2, "Басманный", "Basmanny"),
        Territory(6, "sokol", "district", 3, "Сокол", "Sokol"),
    ]
)
Counts = dict[tuple[int, int, int], dict[str, int]]
"""(territory, age, sex) → answer → ballots"""


def tables_of(definition: Definition, counts: Counts) -> list[Table]:
    [question] = definition.questions
    rows = [(question.id, Stratum(*s).code, a, n) for s, answers in counts.items() for a, n in answers.items()]
    totals: Counter[str] = Counter()
    for _, _, answer, n in rows:
        totals[answer] += n
    return breakdowns(definition, [tally(question, Profile(totals))], class_counts(rows, definition), PLACES)


def shown(table: Table | None) -> dict[str, list[int | None]]:
    assert table is not None
    return {row.group.code: [cell.votes for cell in row.cells] for row in table.rows}


def one(question: dict[str, Any], **more: Any) -> Definition:
    return a_definition(questions=[question], **more)


def test_large_groups_are_shown_whole_by_every_dimension() -> None:
    each = {"[1]": 30, "[2]": 20, "[3]": 15, "[90]": 12}
    places = ((4, 2, 1), (4, 3, 2), (5, 2, 2), (5, 3, 1), (6, 2, 1), (6, 3, 2))
    tables = tables_of(one(a_single_choice()), dict.fromkeys(places, each))
    assert shown(table_of(tables, 1, By.DISTRICT)) == {
        "arbat": [60, 40, 30, 24, 0], "basmanny": [60, 40, 30, 24, 0], "sokol": [60, 40, 30, 24, 0],
    }  # fmt: skip
    assert shown(table_of(tables, 1, By.OKRUG)) == {"cao": [120, 80, 60, 48, 0], "sao": [60, 40, 30, 24, 0]}
    assert shown(table_of(tables, 1, By.AGE_BAND)) == {
        "age_18_24": [90, 60, 45, 36, 0], "age_25_34": [90, 60, 45, 36, 0],
    }  # fmt: skip
    assert list(shown(table_of(tables, 1, By.SEX))) == ["f", "m"]
    district = table_of(tables, 1, By.DISTRICT)
    assert district is not None
    # Blank is zero in the whole poll, so zero in each group tells nothing. Neutral answers make valid and cast differ.
    assert (district.denominator, district.rows[0].base, district.rows[0].cells[0].share) == (
        "cast",
        154,
        Fraction(60, 154),
    )
    assert district.rows[0].group.above == "cao"


def test_where_every_ballot_is_valid_the_denominator_is_called_so() -> None:
    tables = tables_of(one(a_single_choice()), {(4, 2, 1): {"[1]": 30, "[2]": 20}, (6, 2, 1): {"[1]": 20, "[2]": 30}})
    assert {table.denominator for table in tables} == {"valid"}


def test_what_was_merged_at_counting_stands_in_a_line_of_its_own() -> None:
    merged = {(2, AGE_MERGED, SEX_MERGED): {"[1]": 15, "[2]": 15}, (1, AGE_MERGED, SEX_MERGED): {"[1]": 12, "[2]": 12}}
    whole = {(4, 2, 1): {"[1]": 30, "[2]": 30}, (5, 2, 2): {"[1]": 30, "[2]": 30}, (6, 3, 2): {"[1]": 30, "[2]": 30}}
    tables = tables_of(one(a_single_choice(options=2)), whole | merged)
    district = table_of(tables, 1, By.DISTRICT)
    assert district is not None and district.has_rest
    assert [row.group.code for row in district.rows] == ["arbat", "basmanny", "rest:cao", "sokol", "rest"]
    rest = district.rows[2]
    assert (rest.group.kind, rest.cast, rest.group.ru) == (GroupKind.REST, 30, "ЦАО: без разбивки")
    assert [row.group.code for row in (table_of(tables, 1, By.OKRUG) or district).rows] == ["cao", "sao", "rest"]
    assert shown(table_of(tables, 1, By.SEX))["rest"][:2] == [27, 27]


def test_small_and_full_cells_are_hidden_with_their_complements_and_totals_stay() -> None:
    counts: Counts = {
        (4, 2, 1): {"[1]": 50, "[2]": 40, "[3]": 3},
        (5, 2, 1): {"[1]": 50, "[2]": 40, "[3]": 30},
        (6, 2, 1): {"[1]": 80},
    }
    tables = tables_of(one(a_single_choice(), strata=["district"]), counts)
    table = table_of(tables, 1, By.DISTRICT)
    assert table is not None
    cells = shown(table)
    assert cells["arbat"][2] is None and cells["sokol"][:3] == [None, None, None]
    assert sum(votes is None for votes in cells["arbat"]) >= 2
    assert [cell.votes for cell in table.total.cells] == [180, 80, 33, 0, 0]
    assert all(cell.share is None for row in table.rows for cell in row.cells if cell.suppressed)
    assert table.suppressed >= 6


def test_a_dimension_with_one_group_or_not_declared_has_no_table() -> None:
    counts: Counts = {(4, 2, 1): {"[1]": 50, "[2]": 40}, (4, 2, 2): {"[1]": 50, "[2]": 40}}
    tables = tables_of(one(a_single_choice(options=2)), counts)
    assert [table.dimensions for table in tables] == [(By.SEX,)]
    assert tables_of(one(a_single_choice(options=2), strata=["age_band"]), counts) == []


def test_ratings_have_means_by_group_unless_a_mean_would_show_one_level() -> None:
    counts: Counts = {
        (4, 0, 0): {"[[1,5],[2,3]]": 20, "[[1,2],[2,3]]": 20},
        (5, 0, 0): {"[[1,4],[2,3]]": 30, "[[1,1],[2,5]]": 10},
        (6, 0, 0): {"[[1,1],[2,1]]": 30, "[[1,2],[2,4]]": 15},
    }
    table = table_of(tables_of(one(a_rating(1), strata=["district"]), counts), 1, By.DISTRICT)
    assert table is not None
    assert [row.cells[0].mean for row in table.rows] == [Fraction(7, 2), Fraction(13, 4), Fraction(4, 3)]
    assert [row.cells[0].votes for row in table.rows] == [40, 40, 45]
    means = [row.cells[1].mean for row in table.rows]
    assert means[0] is None and sum(mean is None for mean in means) >= 2


def test_choosing_exactly_as_many_is_a_sum_an_attacker_knows() -> None:
    """With exactly two choices each, options add up to twice the ballots: a lone hidden cell would be known."""
    question = a_multiple_choice(1, min_choices=2, max_choices=2)
    counts: Counts = {
        (4, 0, 0): {"[1,2]": 40, "[1,3]": 30, "[2,4]": 4},
        (5, 0, 0): {"[1,2]": 40, "[1,3]": 30, "[3,4]": 50},
        (6, 0, 0): {"[1,2]": 40, "[2,3]": 30, "[3,4]": 50},
    }
    table = table_of(tables_of(one(question, strata=["district"]), counts), 1, By.DISTRICT)
    assert sum(votes is None for votes in shown(table)["arbat"]) >= 2


def test_the_whole_poll_is_by_the_sealed_denominator() -> None:
    definition = one(a_single_choice(rule={"method": "plurality", "denominator": "cast"}))
    [question] = definition.questions
    row = total_row(question, tally(question, Profile({"[1]": 6, "[2]": 2, "[90]": 2})))
    assert [cell.share for cell in row.cells[:2]] == [Fraction(3, 5), Fraction(1, 5)]
    assert row.base == 10 and row.cells[3].share == Fraction(1, 5)


def test_turnout_hides_tiny_and_complete_groups_and_keeps_the_roll() -> None:
    roll = {Stratum(4, 0, 0).code: 500, Stratum(5, 0, 0).code: 400, Stratum(6, 0, 0).code: 300}
    votes = {Stratum(4, 0, 0).code: 100, Stratum(5, 0, 0).code: 4, Stratum(6, 0, 0).code: 60}
    definition = a_definition(strata=["district"])
    found = turnout(definition, 164, votes, roll, {}, PLACES)
    table = found.by(By.DISTRICT)
    assert table is not None and found.share == Fraction(164, 1200)
    assert [(row.group.code, row.votes, row.entitled) for row in table.rows] == [
        ("arbat", None, 500), ("basmanny", None, 400), ("sokol", 60, 300),
    ]  # fmt: skip
    full = turnout(definition, 860, {**dict.fromkeys(roll, 280), Stratum(6, 0, 0).code: 300}, roll, {}, PLACES)
    assert [row.suppressed for row in (full.by(By.OKRUG) or table).rows] == [True, True]


def test_a_group_nobody_of_which_voted_stands_with_its_roll() -> None:
    roll = {Stratum(0, age, 0).code: 100 for age in (2, 3, 4)}
    found = turnout(a_definition(strata=["age_band"]), 90, {Stratum(0, 2, 0).code: 90}, roll, {}, PLACES)
    table = found.by(By.AGE_BAND)
    assert table is not None
    assert [(row.entitled, row.votes) for row in table.rows][1:] == [(100, None), (100, None)]


def test_unknown_facts_are_named_so() -> None:
    votes = {Stratum(0, 98, 3).code: 40, Stratum(0, 97, 1).code: 30, Stratum(0, 7, 2).code: 50}
    found = turnout(a_definition(strata=["age_band", "sex"]), 120, votes, None, {}, PLACES)
    ages, sexes = found.by(By.AGE_BAND), found.by(By.SEX)
    assert ages is not None and sexes is not None
    assert [row.group.code for row in ages.rows] == ["age_0_13", "age_65", "unknown"]
    assert [row.group.kind for row in sexes.rows] == [GroupKind.GROUP, GroupKind.GROUP, GroupKind.UNKNOWN]
    assert all(row.entitled is None for row in ages.rows)

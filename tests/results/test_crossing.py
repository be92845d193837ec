"""A cross-tab beside every breakdown of its questions: the attacker who reads all of it finds no hidden cell.

Unknown to him is how many of each stratum gave which answers to both questions together; of a question with several
choices an answer is a whole set of them, so he knows how many may be chosen and that a blank stands alone.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from tests.builders import a_definition, a_multiple_choice, a_rating, a_single_choice, an_option
from tests.results.disclosure_attacker import Attacker, Figure

from polls.definition import AnyQuestion
from polls.strata import Stratum
from polls.tally import tally
from polls.tally.profile import Profile
from polls.territories import Territory, TerritoryTree
from results.aggregation import class_counts
from results.crossing import TOGETHER, CrossCount
from results.disclosure_memory import Published
from results.protection import Counted, Publication, publish, shown, shown_crossed
from results.shapes import By, CrossTab, Kind

DISTRICTS, SEXES = 6, 2
PLACES = TerritoryTree.of(
    [Territory(1, "city", "city", None, "Город", "City")]
    + [Territory(10 + d, f"d{d}", "district", 1, f"Район {d}", f"District {d}") for d in range(DISTRICTS)]
)
STRATA = [Stratum(10 + d, 0, s) for d in range(DISTRICTS) for s in range(1, SEXES + 1)]


def question_of(kind: str, number: int) -> dict[str, Any]:
    match kind:
        case "single":
            return a_single_choice(number)
        case "several":
            return a_multiple_choice(number, options=[an_option(i) for i in (1, 2, 3)], required=False)
        case _:
            return a_rating(number, options=[an_option(1)], scale_max=4, required=False)


def patterns(question: AnyQuestion) -> list[str]:
    """Every canonical answer there can be."""
    if question.kind == "single_choice":
        return [f"[{option.id}]" for option in question.options]
    if question.kind == "multiple_choice":
        sets = [list(chosen) for n in (0, 1, 2) for chosen in combinations((1, 2, 3), n)]
        return [json.dumps(chosen, separators=(",", ":")) for chosen in sets]
    return ["[]", *(f"[[1,{level}]]" for level in range(1, 5))]


@cache
def keys(answer: str) -> tuple[str, ...]:
    """The classes a pattern is in, made here anew."""
    return tuple(json.dumps(part, separators=(",", ":")) for part in json.loads(answer)) or ("[]",)


class Pair:
    """Two questions of given kinds, answered so that the one leans on the other and some pairs of answers are rare."""

    def __init__(self, kinds: tuple[str, str], seed: int) -> None:
        rng = np.random.default_rng(seed)
        questions = [question_of(kind, number) for number, kind in enumerate(kinds, start=1)]
        self.definition = a_definition(
            questions=questions, strata=["district", "sex"], cross_tabs=[{"rows": 1, "columns": 2}]
        )
        self.patterns = [patterns(question) for question in self.definition.questions]
        self.both = list(product(*self.patterns))
        leaning = rng.dirichlet(np.full(len(self.both), 0.35))
        sizes = rng.choice([40, 120, 300], len(STRATA))
        self.people = np.array([rng.multinomial(n, rng.dirichlet(leaning * 40 + 0.02)) for n in sizes]).ravel()

    def counted(self, *, strata: bool = True) -> Counted:
        """The count; without `strata` every ballot in one."""
        rows: Counter[tuple[int, int, str]] = Counter()
        crossed: Counter[tuple[int, str, str]] = Counter()
        for number, (place, pair) in enumerate(product(STRATA, self.both)):
            n, stratum = int(self.people[number]), place if strata else Stratum(1, 0, 0)
            for asked, answer in enumerate(pair, start=1):
                rows[asked, stratum.code, answer] += n
            for a, b in product(keys(pair[0]), keys(pair[1])):
                crossed[stratum.code, a, b] += n
        outcomes = []
        for question in self.definition.questions:
            sums: Counter[str] = Counter()
            for (asked, _, answer), n in rows.items():
                if asked == question.id and n:
                    sums[answer] += n
            outcomes.append(tally(question, Profile(sums)))
        counts = class_counts([(*key, n) for key, n in rows.items() if n], self.definition)
        pairs = tuple(CrossCount(1, 2, code, a, b, n) for (code, a, b), n in crossed.items() if n)
        return Counted(self.definition, tuple(outcomes), tuple(counts), {}, None, PLACES, pairs)

    def figures(self, publication: Publication, *, totals_only: bool = False) -> dict[object, Figure]:
        """Everything printed, each number as the unknowns it is the sum of."""
        found: dict[object, Figure] = {}

        def note(key: object, people: list[int], n: int | None, *, always: bool = False) -> None:
            true = int(self.people[people].sum())
            assert n is None or n == true, key
            found[key] = Figure(np.array(people, dtype=int), true, n is not None and (always or not totals_only))

        counted = self.counted()
        note("all", self.who(), int(self.people.sum()), always=True)
        tables, _ = shown(counted, publication)
        for table in tables:
            asked = table.question_id
            for row, always in ((table.total, True), *((row, False) for row in table.rows)):
                where = dict(zip(table.dimensions, [g.code for g in row.group.parts] or [row.group.code], strict=False))
                where = {} if always else where
                place = (asked, row.group.code)
                note((*place, "cast"), self.who(where), row.cast, always=True)
                for column, cell in zip(table.columns, row.cells, strict=True):
                    key = {Kind.BLANK: "[]"}.get(column.kind, str(column.option_id))
                    rated = self.definition.questions[asked - 1].kind == "rating" and column.kind is Kind.OPTION
                    people = self.who(where, {asked: "[1," if rated else key})
                    note((*place, key), people, cell.votes, always=always)
                    if rated and cell.mean is not None and (always or not totals_only):
                        weights = np.array([self.level(one, asked) for one in people], float)
                        total = int((self.people[people] * weights).sum())
                        assert cell.votes is not None
                        assert cell.mean * cell.votes == total
                        found[*place, key, "sum"] = Figure(np.array(people), total, True, weights)
            if self.definition.questions[asked - 1].kind == "rating":  # how many gave each level is public too
                for level in range(1, 5):
                    people = self.who({}, {asked: f"[1,{level}]"})
                    note((asked, "all", level), people, int(self.people[people].sum()), always=True)
        for a, b, n in cells_of(shown_crossed(counted, publication)[0]):
            note(("crossed", a, b), self.who({}, {1: a, 2: b}), n)
        return {key: figure for key, figure in found.items() if len(figure.people)}

    def who(self, where: dict[By, str] | None = None, answers: dict[int, str] | None = None) -> list[int]:
        """The unknowns of these groups and answers; an answer that ends in a comma is any level."""
        places = [
            all(codes[by] == code for by, code in (where or {}).items())
            for codes in ({By.DISTRICT: f"d{one.territory - 10}", By.SEX: {1: "f", 2: "m"}[one.sex]} for one in STRATA)
        ]
        given = [
            all(
                any(one == key or (key.endswith(",") and one.startswith(key)) for one in keys(pair[asked - 1]))
                for asked, key in (answers or {}).items()
            )
            for pair in self.both
        ]
        both = (inside and chosen for inside, chosen in product(places, given))
        return [number for number, chosen in enumerate(both) if chosen]

    def true(self, column: str) -> int:
        """The ballots of a cell of the cross-tab, by its name."""
        a, b = column.partition("/")[2].split(";")
        return int(self.people[self.who({}, {1: a, 2: b})].sum())

    def level(self, unknown: int, asked: int) -> int:
        [[_, level]] = json.loads(self.both[unknown % len(self.both)][asked - 1])
        return int(level)


def cells_of(table: CrossTab) -> list[tuple[str, str, int | None]]:
    """The cells of a cross-tab by the keys of both answers, made here anew."""

    def key(kind: str, number: int) -> str:
        return {"level": f"[1,{number}]", "blank": "[]"}.get(kind, str(number))

    found = []
    for row in table.rows:
        tail = row.group.code.partition("_")[2]
        kind, number = (
            ("blank", 0) if tail == "blank" else ("level" if "level" in tail else "", int(tail.strip("levo_")))
        )
        for column, cell in zip(table.columns, row.cells, strict=True):
            found.append((key(kind, number), key(column.kind.value, column.option_id), cell.votes))
    return found


def narrow(
    pair: Pair, publication: Publication, figures: dict[object, Figure] | None = None
) -> dict[object, tuple[float, float]]:
    """Hidden figures bounded more narrowly than ten, though the totals and the ballots of groups alone would not."""
    attacker = Attacker(figures or pair.figures(publication), len(pair.people))
    found = {key: span for key, span in attacker.ranges().items() if span[1] - span[0] < 10 - 1e-6}
    found |= {key: span for key, span in attacker.propagated().items() if span[1] - span[0] < 10}
    if found:
        alone = Attacker(pair.figures(publication, totals_only=True), len(pair.people)).ranges()
        found = {key: span for key, span in found.items() if alone[key][1] - alone[key][0] >= 10 - 1e-6}
    return found


SEEDS = 20 if os.environ.get("VECHE_FULL_COUNTS") == "1" else 2
KINDS = [("single", "single"), ("single", "several"), ("scale", "single"), ("several", "scale"), ("scale", "scale")]


@pytest.mark.parametrize("kinds", KINDS, ids="×".join)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_attacker_who_reads_the_cross_tab_and_every_breakdown_finds_no_hidden_cell(
    kinds: tuple[str, str], seed: int
) -> None:
    pair = Pair(kinds, seed)
    publication = publish(pair.counted(), 1)
    figures = pair.figures(publication)
    crossed = [figure for key, figure in figures.items() if isinstance(key, tuple) and key[0] == "crossed"]
    assert all(figure.true >= 10 or not figure.true for figure in crossed if figure.shown)
    assert not narrow(pair, publication, figures)


def test_the_attacker_wins_where_primary_cells_alone_are_hidden() -> None:
    """He is not harmless: without complementary cells he reads the cross-tab."""
    pair = Pair(("single", "single"), 0)
    together = publish(pair.counted(), 1)
    small = {cell for cell in together.memory.hidden if cell[0] == TOGETHER and pair.true(cell[1]) < 10}
    others = {cell: pair.true(cell[1]) for cell in together.memory.hidden - small if cell[0] == TOGETHER}
    shown = {**together.memory.shown, **others}
    left = Publication(Published(1, shown, together.memory.hidden - others.keys()), together.tables)
    assert others
    assert narrow(pair, left)


def test_a_poll_that_tells_no_groups_has_its_cross_tab_protected_as_well() -> None:
    pair = Pair(("single", "scale"), 3)
    pair.definition = pair.definition.model_copy(update={"strata": ()})
    counted = pair.counted(strata=False)
    publication = publish(counted, 1)
    assert shown(counted, publication)[0] == []
    [table] = shown_crossed(counted, publication)
    assert 0 < table.suppressed < sum(len(row.cells) for row in table.rows)
    assert not narrow(pair, publication)


def test_margins_are_the_totals_of_the_questions_and_shares_are_of_the_row() -> None:
    pair = Pair(("single", "several"), 0)
    counted = pair.counted()
    [table] = shown_crossed(counted, publish(counted, 1))
    one, two = counted.outcomes
    assert [row.cast for row in table.rows[:3]] == [one.option(i).votes for i in (1, 2, 3)]
    assert [cell.votes for cell in table.total.cells[:3]] == [two.option(i).votes for i in (1, 2, 3)]
    assert table.total.cast == one.cast == two.cast
    assert (table.rows_overlap, table.columns_overlap) == (False, True)
    for row in table.rows:
        for cell in row.cells:
            assert cell.share == (None if cell.votes is None or not row.cast else Fraction(cell.votes, row.cast))


def test_what_the_totals_say_by_themselves_is_shown() -> None:
    """An answer nobody gave, and a question all answered alike."""
    pair = Pair(("single", "single"), 0)
    unanimous = np.array([first == "[1]" for _ in STRATA for first, _ in pair.both])
    pair.people = pair.people * unanimous
    counted = pair.counted()
    [table] = shown_crossed(counted, publish(counted, 1))
    assert table.suppressed == 0
    assert [cell.votes for cell in table.rows[0].cells] == [cell.votes for cell in table.total.cells]


def test_everybody_of_one_answer_in_one_other_is_hidden() -> None:
    pair = Pair(("single", "single"), 0)
    pair.people = 15 * np.array([a != "[1]" or b == "[2]" for _ in STRATA for a, b in pair.both])
    counted = pair.counted()
    [table] = shown_crossed(counted, publish(counted, 1))
    assert (table.rows[0].cast or 0) >= 10
    assert [cell.suppressed for cell in table.rows[0].cells[:3]] == [True] * 3


def test_a_later_version_of_the_count_keeps_what_was_hidden() -> None:
    pair = Pair(("single", "single"), 1)
    first = publish(pair.counted(), 1)
    pair.people[int(np.argmax(pair.people))] += 25
    second = publish(pair.counted(), 2, first)
    before = {cell for cell in first.memory.hidden if cell[0] == TOGETHER}
    assert before
    assert before <= second.memory.hidden
    [table] = shown_crossed(pair.counted(), second)
    assert table.suppressed >= len(before)


def test_ballots_that_miss_the_totals_are_never_published() -> None:
    counted = Pair(("single", "single"), 0).counted()
    with pytest.raises(ValueError, match="do not add up"):
        publish(replace(counted, crossed=counted.crossed[1:]), 1)

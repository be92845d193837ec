"""All tables of a poll together, turnout among them: the attacker who reads everything at once finds no hidden cell.

He knows how many voted in every group of the roll that is shown, every table of both questions, and which strata were
merged into which at counting. Unknown to him is how many of each stratum of the roll gave which two answers.
"""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from tests.builders import a_definition, a_single_choice
from tests.results.disclosure_attacker import Attacker, Figure

import results.protection
from polls.strata import Stratum, coarsen
from polls.tally import tally
from polls.tally.profile import Profile
from polls.territories import Territory, TerritoryTree
from results.aggregation import class_counts
from results.blocks import column as column_name
from results.blocks import names_of
from results.crossing import CrossCount
from results.disclosure import CAST
from results.participation import TURNOUT
from results.protection import OF_TURNOUT, Counted, Publication, parts_of, publish, shown, shown_crossed
from results.shapes import By, Kind

DISTRICTS, AGES, SEXES, OPTIONS = 8, 3, 2, 3
PLACES = TerritoryTree.of(
    [
        Territory(1, "city", "city", None, "Город", "City"),
        *(Territory(2 + o, f"o{o}", "okrug", 1, f"Округ {o}", f"Okrug {o}") for o in range(3)),
        *(Territory(10 + d, f"d{d}", "district", 2 + d % 3, f"Район {d}", f"District {d}") for d in range(DISTRICTS)),
    ]
)
CODES = {1: "age_18_24", 2: "age_25_34", 3: "age_35_44"}


class Poll:
    """Ballots by stratum of the roll and both answers; some strata are tiny, one is empty, one voted to the last."""

    def __init__(self, seed: int, *, full: bool = False, crossed: bool = False) -> None:
        rng = random.Random(seed)
        self.strata = [
            Stratum(10 + d, a, s) for d in range(DISTRICTS) for a in range(1, AGES + 1) for s in range(1, SEXES + 1)
        ]
        self.ballots: dict[tuple[Stratum, int, int], int] = {}
        for number, stratum in enumerate(self.strata):
            size = 0 if number == 7 else rng.choice([3, 14, 60, 150, 400])
            for pair, n in Counter(
                (rng.choices((1, 2, 3), (60, 30, 6))[0], rng.choices((1, 2, 3), (30, 50, 20))[0]) for _ in range(size)
            ).items():
                self.ballots[stratum, *pair] = n
        answers = range(1, OPTIONS + 1)
        self.true = [self.ballots.get((s, a, b), 0) for s in self.strata for a in answers for b in answers]
        self.votes = {s: sum(n for (t, *_), n in self.ballots.items() if t == s) for s in self.strata}
        merged = coarsen({s: n for s, n in self.votes.items() if n}, PLACES.parent)
        self.merged = {s: merged.get(s) or above(s, set(merged.values())) for s in self.strata}
        options = [a_single_choice(q, options=OPTIONS) for q in (1, 2)]
        self.definition = a_definition(
            questions=options, strata=["district", "age_band", "sex"], age_bands=[18, 25, 35, 45],
            cross_tabs=[{"rows": 1, "columns": 2}] if crossed else [],
        )  # fmt: skip
        self.roll = {s.code: n * 3 + 4 for s, n in self.votes.items()}
        if full:
            whole = max(self.strata, key=lambda s: (self.votes[s], s))
            for s in self.strata:
                if s.territory == whole.territory:
                    self.roll[s.code] = self.votes[s]

    def counted(self) -> Counted:
        rows: Counter[tuple[int, int, str]] = Counter()
        for (stratum, *answers), n in self.ballots.items():
            into = self.merged[stratum]
            assert into is not None
            for asked, answer in enumerate(answers, start=1):
                rows[asked, into.code, f"[{answer}]"] += n
        outcomes = []
        for question in self.definition.questions:
            sums: Counter[str] = Counter()
            for (number, _, key), n in rows.items():
                if number == question.id:
                    sums[key] += n
            outcomes.append(tally(question, Profile(sums)))
        counts = class_counts([(*key, n) for key, n in rows.items()], self.definition)
        votes = {s.code: n for s, n in self.votes.items() if n}
        return Counted(self.definition, tuple(outcomes), tuple(counts), votes, self.roll, PLACES, self.by_both())

    def by_both(self) -> tuple[CrossCount, ...]:
        """Ballots by both answers in the merged strata."""
        sums: Counter[tuple[int, int, int]] = Counter()
        for (stratum, a, b), n in self.ballots.items():
            into = self.merged[stratum]
            assert into is not None
            sums[into.code, a, b] += n
        return tuple(CrossCount(1, 2, code, str(a), str(b), n) for (code, a, b), n in sums.items())

    def figures(self, publication: Publication, *, ballots_only: bool = False) -> dict[object, Figure]:
        """Everything printed, each number as the unknowns it is the sum of."""
        tables, turnout = shown(self.counted(), publication)
        found: dict[object, Figure] = {}

        def note(key: object, people: list[int], n: int | None, public: bool = True) -> None:
            true = sum(self.true[one] for one in people)
            assert n is None or n == true, key
            found[key] = Figure(np.array(people, dtype=int), true, n is not None and public)

        everybody = self.people(lambda s: True, None)
        note("all", everybody, len(everybody) and sum(self.true))
        for table in tables:
            for index, column in enumerate(table.columns):
                if column.kind is Kind.OPTION:
                    place = (table.question_id, column.option_id)
                    note((*place, "all"), self.people(lambda s: True, place), table.total.cells[index].votes)
            for row in table.rows:
                codes = [part.code for part in row.group.parts] or [row.group.code]
                inside = self.inside(table.dimensions, codes, counted=True)
                key = (table.question_id, table.dimensions, row.group.code)
                note((*key, "cast"), self.people(inside, None), row.cast)
                for column, cell in zip(table.columns, row.cells, strict=True):
                    if column.kind is Kind.OPTION:
                        place = (table.question_id, column.option_id)
                        note((*key, column.option_id), self.people(inside, place), cell.votes, not ballots_only)
        for crossed in shown_crossed(self.counted(), publication):
            for a, row in enumerate(crossed.rows[:OPTIONS]):
                for b, cell in enumerate(row.cells[:OPTIONS]):
                    people = [(n * OPTIONS + a) * OPTIONS + b for n in range(len(self.strata))]
                    note(("crossed", a, b), people, cell.votes, not ballots_only)
        for one in turnout:
            for line in one.rows:
                codes = [part.code for part in line.group.parts] or [line.group.code]
                people = self.people(self.inside(one.dimensions, codes, counted=False), None)
                note(("turnout", one.dimensions, line.group.code), people, line.votes, not ballots_only)
        return {key: figure for key, figure in found.items() if len(figure.people)}

    def people(self, inside: object, place: tuple[int, int] | None) -> list[int]:
        assert callable(inside)
        found = []
        for number, stratum in enumerate(self.strata):
            if inside(stratum):
                for a in range(OPTIONS):
                    for b in range(OPTIONS):
                        if place is None or (a, b)[place[0] - 1] + 1 == place[1]:
                            found.append((number * OPTIONS + a) * OPTIONS + b)
        return found

    def inside(self, dimensions: tuple[By, ...], codes: list[str], *, counted: bool) -> object:
        def where(stratum: Stratum) -> bool:
            at = self.merged[stratum] if counted else stratum
            return at is not None and all(code_of(at, by) == code for by, code in zip(dimensions, codes, strict=True))

        return where


def above(stratum: Stratum, there: set[Stratum]) -> Stratum | None:
    """Where ballots of a stratum nobody of which voted would be, made here anew."""
    okrug = 2 + (stratum.territory - 10) % 3
    places = [(stratum.territory, stratum.age), (stratum.territory, 99), (okrug, 99), (1, 99)]
    return next((Stratum(*place, 9) for place in places if Stratum(*place, 9) in there), None)


def code_of(stratum: Stratum, by: By) -> str:
    """The code of a stratum's line in a table, made here anew."""
    if by is By.SEX:
        return {1: "f", 2: "m"}.get(stratum.sex, "rest")
    if by is By.AGE_BAND:
        return CODES.get(stratum.age, "rest")
    if stratum.territory == 1:
        return "rest"
    if stratum.territory < 10:
        return f"o{stratum.territory - 2}" if by is By.OKRUG else f"rest:o{stratum.territory - 2}"
    district = stratum.territory - 10
    return f"o{district % 3}" if by is By.OKRUG else f"d{district}"


@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_attacker_who_reads_every_table_and_the_turnout_finds_no_hidden_cell(
    seed: int, full: bool, crossed: bool
) -> None:
    poll = Poll(seed, full=full, crossed=crossed)
    publication = publish(poll.counted(), 1)
    figures = poll.figures(publication)
    attacker = Attacker(figures, len(poll.true))
    narrow = {key: span for key, span in attacker.ranges().items() if span[1] - span[0] < 10 - 1e-6}
    narrow |= {key: span for key, span in attacker.propagated().items() if span[1] - span[0] < 10}
    if narrow:  # what the totals and the ballots of each group leave by themselves
        alone = Attacker(poll.figures(publication, ballots_only=True), len(poll.true)).ranges()
        narrow = {key: span for key, span in narrow.items() if alone[key][1] - alone[key][0] >= 10 - 1e-6}
    assert not narrow
    hidden = [key for key, figure in figures.items() if not figure.shown]
    assert hidden or crossed  # questions that are crossed have fewer tables
    small = [key for key, f in figures.items() if f.shown and f.true < 10]
    assert all(isinstance(key, tuple) and "all" in key for key in small)


@pytest.mark.parametrize("seed", range(3))
def test_tables_that_would_be_mostly_hidden_are_made_coarser(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here already one hidden figure is too much: first tables with districts go, then all by two; what stays holds."""
    poll = Poll(seed)
    fine = publish(poll.counted(), 1)
    monkeypatch.setattr(results.protection, "MOST_HIDDEN", 0.0)
    coarse = publish(poll.counted(), 1)
    assert unprotected(poll.counted(), coarse) == set()
    asked = [id_ for id_ in fine.tables if id_ != OF_TURNOUT]
    assert any(len(two) > 1 for id_ in asked for two in fine.tables[id_])
    for id_ in asked:
        assert coarse.tables[id_] <= fine.tables[id_]
        if any(cell[1].startswith(f"{id_}/") for cell in coarse.memory.hidden):
            assert all(len(one) == 1 for one in coarse.tables[id_]), "nothing coarser is left to try"
    monkeypatch.setattr(results.protection, "MOST_HIDDEN", 1.0)
    assert publish(poll.counted(), 2, coarse).tables == coarse.tables, "a correction adds none"


def test_the_turnout_gives_away_what_each_table_alone_would_hide() -> None:
    """A group that voted to the last resident: its ballots are hidden too, or they would say so."""
    poll = Poll(1, full=True)
    publication = publish(poll.counted(), 1)
    figures = poll.figures(publication)
    district = max(poll.strata, key=lambda s: (poll.votes[s], s)).territory - 10
    assert not figures["turnout", (By.DISTRICT,), f"d{district}"].shown
    assert not figures[1, (By.DISTRICT,), f"d{district}", "cast"].shown


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_no_table_is_published_that_was_not_protected(seed: int, full: bool) -> None:
    """Questions alone have other tables by two dimensions than all questions together: some are small in one alone."""
    poll = Poll(seed, full=full)
    counted = poll.counted()
    publication = publish(counted, 1)
    assert unprotected(counted, publication) == set()
    poll.roll = {code: n + 5 for code, n in poll.roll.items()}
    again = publish(poll.counted(), 1, publication)
    assert unprotected(poll.counted(), again) == set()
    assert again.tables == publication.tables
    assert publication.memory.hidden <= again.memory.hidden


def unprotected(counted: Counted, publication: Publication) -> set[tuple[str, str]]:
    """Cells of published tables that are neither known to be shown nor hidden."""
    clusters, votes = parts_of(counted, publication.tables)
    assert votes is not None
    known = publication.memory.shown.keys() | publication.memory.hidden
    cells = set()
    for cluster in clusters:
        for part in cluster.parts:
            there = {group for place in part.leaves for group in cluster.form.groups(place)}
            for dimensions in publication.tables[part.question.id]:
                for key, _ in cluster.grid.lines_of(dimensions, there.__contains__):
                    cells |= {(key, column_name(part.question.id, name)) for name in (*names_of(part.question), CAST)}
    groups = {group for place in votes.grid.places.values() for group in votes.form.groups(place)}
    for dimensions in publication.tables[OF_TURNOUT]:
        cells |= {(key, TURNOUT) for key, _ in votes.grid.lines_of(dimensions, groups.__contains__)}
    assert cells
    return cells - known

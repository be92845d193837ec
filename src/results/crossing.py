"""Two questions counted together: the table everybody sees, and what it tells of every other table. Pure.

A cross-tab is a table of the whole poll, so none of its cells is a cell of any other table; but all of them are sums of
the same ballots. Ballots by stratum and both answers stand in the block of the questions as silent cells: everybody
knows that they exist, are whole and not below nought. Their sums over strata are the cells of the cross-tab, their sums
over one answer the figures of the other question in that stratum. What is proved wide is proved so against somebody who
reads the cross-tab beside every breakdown of both questions.

Of a question with several choices everybody knows besides how many may be given, and that neutral and blank answers
stand alone. Among those who gave one answer to the other question, which takes one, this says exactly which figures
can be. Two questions of several choices are not crossed, nor one of them twice (:mod:`polls.checklist_crossing`): there
three and more answers bind each other.

Pairs form no ring (:func:`polls.crossing.rings`), so tables that agree on the questions they share come from some whole
set of ballots: Vorob'ev 1962; Beeri, Fagin, Maier and Yannakakis, J. ACM 30 (1983).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from polls.crossing import answers_of, has_several, linked
from polls.definition import AnyQuestion, Definition, MultipleChoice, Rating
from polls.tally.outcome import Outcome
from polls.tally.profile import BLANK
from results.aggregation import Cluster, columns_of, votes_of
from results.blocks import amount_name, lowest_of
from results.blocks import column as column_name
from results.disclosure import Block, Relation
from results.disclosure import Cell as Place
from results.disclosure_memory import Published
from results.shapes import Cell, Column, CrossTab, Group, Kind, Row, share_of

TOGETHER = "together"
"""The group of a block that cross-tabs are the cells of: the whole poll, whose own cells are public."""
BEHIND = "~"
"""Begins the groups of ballots by both answers, which no table has."""
MOST_THROUGH = 10_000
"""So many cells behind a cross-tab, of the largest groups, are moved at once to prove its own cells."""
RARE = 20
"""An answer that fewer gave than this for each finest group."""
WHOLE = Group("all", "Все участники", "All participants")


class CrossCount(NamedTuple):
    """How many ballots of a stratum gave these answers to two questions; keys as in :func:`polls.crossing.answers_of`.

    A ballot with two options of one question counts with each of them.
    """

    rows: int
    columns: int
    stratum: int
    row_key: str
    column_key: str
    n: int


@dataclass(frozen=True)
class Crossed:
    """A pair of questions with their outcomes and the ballots by both answers."""

    rows: AnyQuestion
    columns: AnyQuestion
    outcomes: Mapping[int, Outcome]
    counts: Sequence[CrossCount]
    _totals: dict[tuple[int, str], int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the pair is called in a block."""
        return f"{self.rows.id}x{self.columns.id}"

    def place(self, row_key: str, column_key: str) -> Place:
        """The cell of two answers."""
        return TOGETHER, column_name_of(self.name, row_key, column_key)

    def total(self, question: AnyQuestion, key: str) -> int:
        """How many of all ballots gave an answer, by the tally."""
        if (question.id, key) not in self._totals:
            self._totals[question.id, key] = total_of(question, self.outcomes[question.id], key)
        return self._totals[question.id, key]

    @property
    def ballots(self) -> int:
        """Ballots with both questions."""
        return self.outcomes[self.rows.id].cast

    @property
    def unanimous(self) -> bool:
        """Whether all gave one answer to a question: then the totals of the other are the whole table."""
        return any(
            self.total(question, key) == self.ballots
            for question in (self.rows, self.columns)
            for key in answers_of(question)
        )

    def cells(self) -> Counter[tuple[str, str]]:
        """Ballots of the whole poll by both answers."""
        found: Counter[tuple[str, str]] = Counter()
        for count in self.counts:
            found[count.row_key, count.column_key] += count.n
        return found


def crossed_in(
    definition: Definition, ids: Iterable[int], outcomes: Mapping[int, Outcome], counts: Iterable[CrossCount]
) -> list[Crossed]:
    """The pairs among the questions `ids`. Raises ValueError where ballots by both answers miss the totals."""
    by_pair: dict[tuple[int, int], list[CrossCount]] = {}
    for count in counts:
        by_pair.setdefault((count.rows, count.columns), []).append(count)
    found = []
    for pair in linked(definition.cross_tabs, ids):
        rows, columns = definition.question(pair.rows), definition.question(pair.columns)
        assert rows is not None
        assert columns is not None
        crossed = Crossed(rows, columns, outcomes, by_pair.get((pair.rows, pair.columns), []))
        _check(crossed)
        found.append(crossed)
    return found


def _check(crossed: Crossed) -> None:
    cells = crossed.cells()
    rows, columns = answers_of(crossed.rows), answers_of(crossed.columns)
    right = all(row in rows and column in columns for row, column in cells)
    if not has_several(crossed.columns):
        right &= all(sum(cells[a, b] for b in columns) == crossed.total(crossed.rows, a) for a in rows)
    if not has_several(crossed.rows):
        right &= all(sum(cells[a, b] for a in rows) == crossed.total(crossed.columns, b) for b in columns)
    if not right or crossed.outcomes[crossed.rows.id].cast != crossed.outcomes[crossed.columns.id].cast:
        raise ValueError(f"questions {crossed.name}: the ballots by both answers do not add up to the totals")


def total_of(question: AnyQuestion, outcome: Outcome, key: str) -> int:
    """What the tally counted for an answer."""
    if key.startswith("[") and len(key) > 2:
        option, level = map(int, key[1:-1].split(","))
        return (outcome.option(option).distribution or {}).get(level, 0)
    return votes_of(outcome, next(column for column in columns_of(question) if key_of(column) == key))


def key_of(column: Column) -> str:
    """The key of an answer that is a published column."""
    return "[]" if column.kind is Kind.BLANK else str(column.option_id)


def column_name_of(pair: str, row_key: str, column_key: str) -> str:
    """What the ballots with two answers are called in a block: ``1x2/3;4``."""
    return column_name(pair, f"{row_key};{column_key}")


# ---- what disclosure control has to know


def with_crossed(block: Block, cluster: Cluster, crossed: Sequence[Crossed]) -> Block:
    """The block of a cluster with its cross-tabs in it; the cluster's form has the finest groups."""
    made = _Links(block, cluster)
    for one in crossed:
        made.add(one)
    return replace(
        block,
        values={**block.values, **made.values},
        primary=block.primary | made.primary,
        silent=block.silent | made.silent,
        at_most={**block.at_most, **made.at_most},
        known=block.known | made.known,
        units={**block.units, **made.units},
        still=block.still | made.still,
        through=block.through | made.through,
        links=[*block.links, *made.links],
    )


class _Links:
    """What cross-tabs add to a block, gathered pair by pair."""

    def __init__(self, block: Block, cluster: Cluster) -> None:
        self.block, self.grid = block, cluster.grid
        self.groups = {place: cluster.form.name(place, cluster.form.finest) for place in cluster.grid.places.values()}
        self.levels = {part.question.id: part.amounts for part in cluster.parts}
        self.leaves = {part.question.id: part.leaves for part in cluster.parts}
        self.values: dict[Place, int] = {}
        self.primary: set[Place] = set()
        self.silent: set[str] = set()
        self.still: set[Place] = set()
        self.through: set[Place] = set()
        self.at_most: dict[Place, int] = {}
        self.known: set[Place] = set()
        self.units: dict[str, str] = {}
        self.links: list[Relation] = []
        self.given: dict[int, dict[int, list[Place]]] = {}

    def add(self, crossed: Crossed) -> None:
        """The cells of one pair; the totals are constants, and so is what follows from them alone."""
        totals = crossed.cells()
        pairs = [(a, b) for a in answers_of(crossed.rows) for b in answers_of(crossed.columns)]
        for a, b in pairs:
            cell, n = crossed.place(a, b), totals[a, b]
            limits = crossed.total(crossed.rows, a), crossed.total(crossed.columns, b)
            self.values[cell] = n
            self.at_most[cell] = min(limits)
            if crossed.unanimous or not all(limits):
                self.known.add(cell)
            elif n in limits:  # everybody who gave one answer gave the other
                self.primary.add(cell)
        if crossed.unanimous:
            return
        there = [(a, b) for a, b in pairs if crossed.place(a, b) not in self.known]
        self._margins(crossed, there)
        sums: dict[tuple[str, str], dict[Place, int]] = {pair: {crossed.place(*pair): -1} for pair in there}
        by_group = self._by_group(crossed)
        leading = self._leading(crossed, by_group)
        self.through |= {crossed.place(*pair) for pair in there}
        for number, (group, counts) in enumerate(sorted(by_group.items(), key=lambda one: (-one[1].total(), one[0]))):
            here = self._behind(group)
            cells = {pair: (here, column_name_of(crossed.name, *pair)) for pair in there}
            for pair, cell in cells.items():
                self.values[cell] = counts[pair]
                sums[pair][cell] = 1
                if not leading(group, pair):
                    self.still.add(cell)
                if number * len(there) < MOST_THROUGH:
                    self.through.add(cell)
            self._stratum(crossed, group, cells)
        self.links += sums.values()
        for question in (crossed.rows, crossed.columns):
            # How many gave each level is public; the totals of other answers are cells of the block already.
            for of_level in self.given.pop(question.id, {}).values():
                self.links.append(dict.fromkeys(of_level, 1))

    def _leading(
        self, crossed: Crossed, by_group: Mapping[str, Counter[tuple[str, str]]]
    ) -> Callable[[str, tuple[str, str]], bool]:
        """Which cells behind the tables searches may move: those with the commonest answer to either question, through
        which any figure of the other can move, those of rare answers, which have little to move, and in the largest
        group of each unit all.
        """
        most = [
            max(answers_of(question), key=lambda key, question=question: crossed.total(question, key))  # type: ignore[misc]
            for question in (crossed.rows, crossed.columns)
        ]
        largest: dict[str, str] = {}
        for group in sorted(by_group, key=lambda group: sum(by_group[group].values())):
            largest[self.block.units.get(group, group)] = group
        whole = set(largest.values())
        movable = [
            {key for key in answers_of(question) if key == first or crossed.total(question, key) < RARE * len(by_group)}
            for question, first in zip((crossed.rows, crossed.columns), most, strict=True)
        ]
        return lambda group, pair: group in whole or pair[0] in movable[0] or pair[1] in movable[1]

    def _margins(self, crossed: Crossed, there: Sequence[tuple[str, str]]) -> None:
        """The table's own sums are the totals of the questions, where a ballot is in one answer alone."""
        for number, other in ((0, crossed.columns), (1, crossed.rows)):
            if not has_several(other):
                for key in dict.fromkeys(pair[number] for pair in there):
                    self.links.append({crossed.place(*pair): 1 for pair in there if pair[number] == key})

    def _by_group(self, crossed: Crossed) -> dict[str, Counter[tuple[str, str]]]:
        found: dict[str, Counter[tuple[str, str]]] = {group: Counter() for group in self.groups.values()}
        for count in crossed.counts:
            found[self.groups[self.grid.places[count.stratum]]][count.row_key, count.column_key] += count.n
        return found

    def _behind(self, group: str) -> str:
        name = f"{BEHIND}{group}"
        self.silent.add(name)
        self.units[name] = self.block.units.get(group, group)
        return name

    def _stratum(self, crossed: Crossed, group: str, cells: Mapping[tuple[str, str], Place]) -> None:
        """The sums of one stratum: over one answer they are the other question's figures, or at most those."""
        for number, question, other in ((0, crossed.rows, crossed.columns), (1, crossed.columns, crossed.rows)):
            keys = list(dict.fromkeys(pair[number] for pair in cells))
            margins = {key: self._margin(question, group, key) for key in keys}
            for key, margin in margins.items():
                mine = {cell: 1 for pair, cell in cells.items() if pair[number] == key}
                if not has_several(other):
                    self.links.append(mine | {margin: -1})
                    continue
                self._choices(other, {pair[1 - number]: cell for pair, cell in cells.items() if pair[number] == key},
                              margin, f"{crossed.name}!{number}/{key}")  # fmt: skip

    def _choices(self, question: AnyQuestion, cells: Mapping[str, Place], margin: Place, name: str) -> None:
        """Of ballots as many as a margin says: each has from the least to the most choices, or one answer that stands
        alone. `cells`: key of an answer → how many of these ballots have it.
        """
        assert isinstance(question, MultipleChoice)
        alone = {str(option.id) for option in question.neutral} | {BLANK}
        choices = [cell for key, cell in cells.items() if key not in alone]
        apart = dict.fromkeys((cell for key, cell in cells.items() if key in alone), 1)
        here, chose = (
            f"{BEHIND}{margin[0].removeprefix(BEHIND)}",
            self._value(margin) - sum(self.values[c] for c in apart),
        )

        def rest(what: str, n: int, link: Mapping[Place, int]) -> None:
            """A cell for what is left over, which is not below nought."""
            self.values[here, f"{name}!{what}"] = n
            self.links.append({**link, (here, f"{name}!{what}"): 1})

        for cell in choices:
            rest(cell[1], chose - self.values[cell], {cell: 1, margin: -1} | apart)
        given, ones = sum(self.values[cell] for cell in choices), dict.fromkeys(choices, 1)
        most = question.max_choices or len(choices)
        rest("most", most * chose - given, ones | {margin: -most} | dict.fromkeys(apart, most))
        least = min(question.min_choices, len(choices))
        minus = dict.fromkeys(choices, -1)
        rest("least", given - least * chose, minus | {margin: least} | dict.fromkeys(apart, -least))

    def _value(self, cell: Place) -> int:
        found = self.values.get(cell)
        return self.block.values.get(cell, 0) if found is None else found

    def _margin(self, question: AnyQuestion, group: str, key: str) -> Place:
        """The figure of an answer in a finest group: a cell of the block, or one behind it for a level of a scale."""
        if not key.startswith("[") or key == "[]":
            cell = (group, column_name(question.id, key))
            self.values.setdefault(cell, self.block.values.get(cell, 0))
            return cell
        cell = (self._behind(group), column_name(question.id, key))
        if cell not in self.values:
            self._levels(question, group)
        return cell

    def _levels(self, question: AnyQuestion, group: str) -> None:
        """How many of a finest group gave each level: they add up to those who rated, and to the sum of levels."""
        assert isinstance(question, Rating)
        option = question.regular[0].id
        rated, given = column_name(question.id, str(option)), column_name(question.id, amount_name(str(option)))
        counts: Mapping[int, Counter[str]] = self.levels[question.id].get(str(option), {})
        lowest, here = lowest_of(question), self._behind(group)
        cells: dict[int, Place] = {}
        for level in range(question.scale_min, question.scale_max + 1):
            cells[level] = (here, column_name(question.id, f"[{option},{level}]"))
            self.values[cells[level]] = counts.get(level, Counter())[group]
            self.given.setdefault(question.id, {}).setdefault(level, []).append(cells[level])
        self.links.append(dict.fromkeys(cells.values(), 1) | {(group, rated): -1})
        self.links.append({cell: level - lowest for level, cell in cells.items()} | {(group, given): -1})


# ---- what everybody sees


def cross_tables(crossed: Iterable[Crossed], memory: Published) -> list[CrossTab]:
    """The tables: a cell is shown where it was published as shown, and hidden otherwise."""
    return [_table(one, memory) for one in crossed]


def _table(crossed: Crossed, memory: Published) -> CrossTab:
    cells = crossed.cells()
    columns = list(columns_with_keys(crossed.columns))
    rows = []
    for column, row_key in columns_with_keys(crossed.rows):
        base = crossed.total(crossed.rows, row_key)
        line = []
        for _, column_key in columns:
            shown = memory.shown.get(crossed.place(row_key, column_key))
            assert shown in (None, cells[row_key, column_key])
            line.append(Cell(shown, share_of(shown, base), suppressed=shown is None))
        rows.append(Row(group_of(crossed.rows, column), base, base, tuple(line)))
    cast = crossed.ballots
    totals = [crossed.total(crossed.columns, key) for _, key in columns]
    total = Row(WHOLE, cast, cast, tuple(Cell(n, share_of(n, cast)) for n in totals))
    overlap = has_several(crossed.rows), has_several(crossed.columns)
    return CrossTab(crossed.rows.id, crossed.columns.id, tuple(c for c, _ in columns), tuple(rows), total, *overlap)


def columns_with_keys(question: AnyQuestion) -> Iterator[tuple[Column, str]]:
    """Every answer as a column, with its key; the levels of a scale one by one."""
    if isinstance(question, Rating):
        for level in range(question.scale_min, question.scale_max + 1):
            name = question.levels[level - question.scale_min] if question.levels else None
            ru, en = (name.ru, name.in_language("en")) if name else (str(level), str(level))
            yield Column(Kind.LEVEL, level, ru, en), f"[{question.regular[0].id},{level}]"
    for column in columns_of(question):
        if not (isinstance(question, Rating) and column.kind is Kind.OPTION):
            yield column, key_of(column)


def group_of(question: AnyQuestion, column: Column) -> Group:
    """Those who gave an answer, as a group of a table: ``q1_o3``, ``q1_own``, ``q1_blank``, ``q5_level_4``."""
    part = {Kind.OWN: "own", Kind.BLANK: "blank", Kind.LEVEL: f"level_{column.option_id}"}
    return Group(f"q{question.id}_{part.get(column.kind, f'o{column.option_id}')}", column.ru, column.en)

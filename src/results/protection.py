"""The one pattern of a count: which cells of all tables of a poll stay hidden, its turnout among them. Pure.

What links the tables of different questions with each other, and all of them with the turnout, is how many ballots
each group cast. That number says nothing of a choice and, strata being merged at counting, is never under ten; it is
shown everywhere. Given it (within a block of questions, to the last group), tables fall into blocks that share no
unknown: questions one of which leads to another; turnout. So moves of one are moves of the whole, and what is proved
block by block is proved of all tables together.

Where the ballots of a group must be hidden too, since it voted to the last resident or a correction moved them by a
few, nothing falls apart: then all questions and the turnout are one block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from polls.definition import Definition
from polls.tally.outcome import Outcome
from polls.territories import TerritoryTree
from results.aggregation import ClassCount, Cluster, clusters_of
from results.blocks import block_of, column
from results.crossing import CrossCount, Crossed, cross_tables, crossed_in, with_crossed
from results.disclosure import CAST, LEAST, Block, Cell, Protection, Relation, joined, protect
from results.disclosure_memory import Published, first
from results.grouping import Dimensions, grid_of
from results.participation import TURNOUT, Participation, participation_of
from results.shapes import CrossTab, Table, TurnoutTable

OF_TURNOUT = 0
"""Stands for the turnout where tables are named by question."""
MOST_HIDDEN = 0.35
"""Part of a question's figures in groups above which its tables are made coarser."""
COARSEST = 2
Tables = Mapping[int, frozenset[Dimensions]]
"""Question id (or :data:`OF_TURNOUT`) → the dimensions of its published tables."""


@dataclass(frozen=True)
class Counted:
    """What all tables of a count are made of; see :func:`results.aggregation.clusters_of` for `counts`.

    `crossed`: ballots by the answers to two questions, of the pairs the poll sealed.
    """

    definition: Definition
    outcomes: tuple[Outcome, ...]
    counts: tuple[ClassCount, ...]
    by_stratum: Mapping[int, int]
    roll: Mapping[int, int] | None
    places: TerritoryTree
    crossed: tuple[CrossCount, ...] = ()

    def pairs_in(self, ids: Iterable[int]) -> list[Crossed]:
        """The cross-tabs among these questions; see :func:`results.crossing.crossed_in`."""
        return crossed_in(self.definition, ids, {one.question_id: one for one in self.outcomes}, self.crossed)


@dataclass(frozen=True)
class Publication:
    """What a count shows: `memory` of all publications of the poll up to it, and the tables it has.

    A cell of a table is shown unless `memory.hidden` has it. `limited` are hidden cells of which the totals and the
    ballots of each group leave a range under ten.
    """

    memory: Published
    tables: Tables
    limited: int = 0


def publish(counted: Counted, version: int, earlier: Publication | None = None) -> Publication:
    """Protect all tables of a count, held to what was published of the poll before.

    Where tables by two dimensions would leave little to read (more than :data:`MOST_HIDDEN` of a question's figures are
    hidden), coarser ones are published instead. What was published once stays, and a correction adds nothing to it.
    Where a correction leaves no tables that keep what was hidden (a group is gone), none are published.
    """
    kept = earlier.tables if earlier else {}
    memory = earlier.memory if earlier else None
    coarser = dict.fromkeys(kept, COARSEST) if earlier else {}
    while True:
        clusters, votes = parts_of(counted, kept, coarser)
        try:
            tables, found = _protect(counted, clusters, votes, version, memory, kept)
        except ValueError:
            if memory is None:
                raise
            return Publication(Published(version, memory.shown, memory.hidden), {})
        much = _mostly_hidden(found) - {id_ for id_, steps in coarser.items() if steps == COARSEST}
        if earlier or not much:
            break
        coarser |= {id_: coarser.get(id_, 0) + 1 for id_ in much}
    whole = Protection({}, frozenset(), {}, frozenset(), frozenset())
    for one in found:
        whole = Protection(
            {**whole.values, **one.values}, whole.hidden | one.hidden, {}, whole.limited | one.limited, frozenset()
        )
    if votes is not None:
        tables[OF_TURNOUT] = frozenset(votes.dimensions)
    return Publication(memory.and_now(whole, version) if memory else first(whole, version), tables, len(whole.limited))


def _mostly_hidden(found: list[Protection]) -> set[int]:
    """The questions of whose figures in groups most are hidden."""
    cells: Counter[str] = Counter()
    hidden: Counter[str] = Counter()
    for one in found:
        cells.update(name.partition("/")[0] for group, name in one.values if group)
        hidden.update(name.partition("/")[0] for group, name in one.hidden if group)
    return {int(id_) for id_, n in hidden.items() if id_.isdecimal() and n > MOST_HIDDEN * cells[id_]}


def parts_of(
    counted: Counted, kept: Tables, coarser: Mapping[int, int] | None = None
) -> tuple[list[Cluster], Participation | None]:
    """The tables of a count before anything is hidden; `kept` were published before, `coarser` as in `clusters_of`."""
    clusters = clusters_of(
        counted.definition, counted.outcomes, counted.counts, counted.places, kept, coarser=coarser
    )  # fmt: skip
    grid = grid_of(counted.definition, {*counted.by_stratum, *(counted.roll or {})}, counted.places)
    if not grid.axes:
        return clusters, None
    before = kept.get(OF_TURNOUT, frozenset())
    return clusters, participation_of(grid, counted.by_stratum, counted.roll, counted.places, before)


def shown(counted: Counted, publication: Publication) -> tuple[list[Table], list[TurnoutTable]]:
    """The tables as everybody may see them, of questions and of turnout."""
    clusters, votes = parts_of(counted, publication.tables)
    hidden = publication.memory.hidden
    order = [question.id for question in counted.definition.questions]
    tables = [
        table
        for cluster in clusters
        for table in cluster.tables(hidden)
        if table.dimensions in publication.tables.get(table.question_id, ())
    ]
    turnout = votes.tables(hidden) if votes is not None else []
    return (
        sorted(tables, key=lambda table: order.index(table.question_id)),
        [table for table in turnout if table.dimensions in publication.tables.get(OF_TURNOUT, ())],
    )


def shown_crossed(counted: Counted, publication: Publication) -> list[CrossTab]:
    """The cross-tabs as everybody may see them: those of questions whose tables were protected."""
    return cross_tables(counted.pairs_in(publication.tables), publication.memory)


# ---- blocks


def _protect(
    counted: Counted,
    clusters: list[Cluster],
    votes: Participation | None,
    version: int,
    memory: Published | None,
    kept: Tables,
) -> tuple[dict[int, frozenset[Dimensions]], list[Protection]]:
    """The patterns, and the tables of questions these were made for: no other may be published."""

    def protected(block: Block, mine: Callable[[str], bool]) -> Protection:
        return protect(block, _of(memory, mine), count=version)

    again = memory is not None and memory.count == version  # only the roll is another
    if votes is not None and not again and any(_tells(cluster, votes, memory) for cluster in clusters):
        [whole] = clusters_of(
            counted.definition, counted.outcomes, counted.counts, counted.places, kept, together=True
        )  # fmt: skip
        return _tables_of([whole]), [protected(_together(counted, whole, votes), lambda _: True)]
    found = []
    for cluster in [] if again else clusters:
        pairs = counted.pairs_in(part.question.id for part in cluster.parts)
        ids = {str(part.question.id) for part in cluster.parts} | {pair.name for pair in pairs}
        block = _with_ballots_known(_block_of(counted, cluster), cluster)
        found.append(protected(block, lambda name, ids=ids: name.partition("/")[0] in ids))  # type: ignore[misc]
    if votes is not None:
        told = [
            (cluster.grid, cluster.form)
            for cluster in clusters
            if any(part.question.shown_if is None for part in cluster.parts)
        ]
        found.append(protected(votes.told_by(told), TURNOUT.__eq__))
    of_before = {id_: tables for id_, tables in kept.items() if id_ != OF_TURNOUT}
    return of_before if again else _tables_of(clusters), found


def _block_of(counted: Counted, cluster: Cluster) -> Block:
    """The questions of a cluster with the cross-tabs among them."""
    block = block_of(cluster.parts, counted.definition, cluster.grid, cluster.form)
    pairs = counted.pairs_in(part.question.id for part in cluster.parts)
    return with_crossed(block, cluster, pairs) if pairs else block


def _tables_of(clusters: list[Cluster]) -> dict[int, frozenset[Dimensions]]:
    return {part.question.id: frozenset(cluster.dimensions) for cluster in clusters for part in cluster.parts}


def _of(memory: Published | None, mine: Callable[[str], bool]) -> Published | None:
    """The memory of some columns."""
    if memory is None:
        return None
    shown = {cell: n for cell, n in memory.shown.items() if mine(cell[1])}
    return Published(memory.count, shown, frozenset(cell for cell in memory.hidden if mine(cell[1])))


def _asked_of_all(cluster: Cluster) -> list[str]:
    """The columns of ballots cast of questions that no answer leads to."""
    return [column(part.question.id, CAST) for part in cluster.parts if part.question.shown_if is None]


def _with_ballots_known(block: Block, cluster: Cluster) -> Block:
    columns = _asked_of_all(cluster)
    known = {cell for cell, n in block.values.items() if cell[1] in columns and (n >= LEAST or cell[0] in block.silent)}
    return replace(block, known=block.known | known)


def _tells(cluster: Cluster, votes: Participation, memory: Published | None) -> bool:
    """Whether the ballots of a group must be hidden: it voted to the last resident, or its ballots were hidden in an
    earlier count, or differ from those by a few.
    """
    asked = [part for part in cluster.parts if part.question.shown_if is None]
    if any(part.values[group, CAST] == votes.voted[group] >= LEAST for part in asked for group in votes.full):
        return True
    if memory is None:
        return False
    names = set(_asked_of_all(cluster))
    moved = any(
        0 < abs(part.values[group, CAST] - memory.shown.get((group, name), part.values[group, CAST])) < LEAST
        for part in asked
        for name in [column(part.question.id, CAST)]
        for group in part.groups
        if group
    )
    return moved or any(cell[1] in names for cell in memory.hidden)


def _together(counted: Counted, cluster: Cluster, votes: Participation) -> Block:
    """All questions and the turnout as one block, every number of ballots linked with the votes it is the sum of.

    `cluster`: all questions, with the finest groups in it.
    """
    block = _block_of(counted, cluster)
    columns = _asked_of_all(cluster)
    full = {
        (group, name)
        for group in votes.full
        for name in columns
        if block.values.get((group, name)) == votes.voted[group]
    }
    block = replace(block, primary=block.primary | full)
    links: list[Relation] = []
    finest = {place: cluster.form.name(place, cluster.form.finest) for place in cluster.grid.places.values()}
    styled = any(part.question.styles for part in cluster.parts)
    for merged, strata in votes.pools.items():
        cells: dict[Cell, int] = {votes.cell(stratum): 1 for stratum in strata}
        if merged is None:
            links += [{cell: 1} for cell in cells]
        elif (place := cluster.grid.places.get(merged)) is not None and columns and not styled:
            links += [cells | {(finest[place], name): -1} for name in columns]
        else:
            links.append(cells)
    return joined([block, votes.block()], links)

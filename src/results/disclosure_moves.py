"""Moves: other tables that agree with everything published. The protector's and the auditor's linear programs. Pure.

A *move* is a change of hidden cells that leaves every published sum as it is and no cell below nought. Two whole
tables that differ by a move look the same from outside, so a hidden cell is safe when moves take it over a range of at
least its `need` (Fischetti and Salazar's *sliding protection level*). The range is never believed from a solver's
arithmetic: a move counts once rounded to whole numbers and checked against every sum in whole numbers. What is proved
is thus proved against an attacker who also knows that counts are whole.

* :meth:`Search.prove` looks for moves among hidden cells (the attacker's problem: Fischetti and Salazar, "Models and
  algorithms for optimizing cell suppression in tabular data with linear constraints", J. Am. Stat. Assoc. 95 (2000)).
  One program moves as many unproved cells as it can; what is left is asked cell by cell, warm from the last basis.
* :meth:`Search.repair` hides more: the cheapest move through shown cells that takes every unproved cell far enough
  (Kelly, Golden and Assad, "Cell suppression: disclosure protection for sensitive tabular data", Networks 22 (1992);
  for all targets at once, with prices weighed anew so that few cells carry much).

Both work on some units (districts) at a time with the sums above them, as HiTaS does in τ-ARGUS; unlike there nothing
is lost by it, since a move within a few units is a move of the whole. Solver: HiGHS, one thread, fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import highspy
import numpy

from results.disclosure_sums import NO_BOUND, Mask, Real, System, Terms, Whole

CHUNK = 1500
"""About so many cells are searched at once; programs grow dear faster than they grow large."""
ALONE = 60
"""Of a chunk with more unproved cells than this, the rest waits for more to be hidden."""
_FREE = 1e-4
_REWARD = 1e3
_MOVED = 1e-6
_FEASIBLE = 2


class Program:
    """min c·x where A x = 0 and low ≤ x ≤ high, kept between runs so that each starts where the last ended."""

    def __init__(self, terms: Terms, width: int, doubled: bool = False) -> None:
        row, cell, weight = terms.row, terms.cell, terms.weight.astype(numpy.float64)
        if doubled:  # what goes up and what goes down, apart
            row, cell = numpy.concatenate([row, row]), numpy.concatenate([cell, cell + width])
            weight, width = numpy.concatenate([weight, -weight]), 2 * width
        order = numpy.lexsort((row, cell))
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = width, terms.rows
        model.col_cost_ = model.col_lower_ = model.col_upper_ = numpy.zeros(width)
        model.row_lower_ = model.row_upper_ = numpy.zeros(terms.rows)
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        starts = numpy.concatenate([[0], numpy.cumsum(numpy.bincount(cell, minlength=width))])
        model.a_matrix_.start_ = starts.astype(numpy.int32)
        model.a_matrix_.index_ = row[order].astype(numpy.int32)
        model.a_matrix_.value_ = weight[order]
        self._solver = highspy.Highs()  # type: ignore[no-untyped-call]
        for name, value in (("output_flag", False), ("threads", 1), ("random_seed", 1), ("mip_max_nodes", 500)):
            self._solver.setOptionValue(name, value)
        self._solver.passModel(model)
        self.sure = False
        self._all = numpy.arange(width, dtype=numpy.int32)

    def bound(self, low: Real, high: Real) -> None:
        """Set the bounds of every variable."""
        self._solver.changeColsBounds(len(self._all), self._all, low, high)

    def best(self, cost: Real, *, whole: bool = False) -> Real:
        """The solution, or nought where the solver gives up: nought is always a move. `whole`: in whole numbers."""
        if whole:
            kinds = numpy.full(len(self._all), int(highspy.HighsVarType.kInteger), numpy.uint8)
            self._solver.changeColsIntegrality(len(self._all), self._all, kinds)
        self._solver.changeColsCost(len(self._all), self._all, cost)
        self._solver.run()
        self.sure = self._solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        if not self.sure and self._solver.getInfo().primal_solution_status != _FEASIBLE:
            return numpy.zeros(len(self._all))
        return numpy.array(self._solver.getSolution().col_value)


@dataclass
class Search:
    """What is hidden and how far each cell is proved to move: from `low` to `high`, both reached by whole tables."""

    system: System
    hidden: Mask
    need: Whole
    low: Whole = field(init=False)
    high: Whole = field(init=False)
    programs: int = 0

    def __post_init__(self) -> None:
        self.low, self.high = self.system.values.copy(), self.system.values.copy()

    def unproved(self) -> Whole:
        """Hidden cells not yet seen to move as far as they need."""
        return numpy.flatnonzero(self.hidden & ~self.system.silent & (self.high - self.low < self.need))

    def chunks(self, cells: Whole, turn: int, partners: int) -> Iterator[Whole]:
        """Units of the cells in groups of about :data:`CHUNK` cells with partners and the units above, as cells.

        Cells that stay as they are (`still`) are in none; those that have a program of their own (`through`) come first
        by themselves.
        """
        system = self.system
        if (system.through & ~system.silent)[cells].any():
            yield numpy.flatnonzero(system.through)
        sizes = numpy.bincount(system.unit, ~system.still).astype(numpy.int64)
        if system.size - system.still.sum() <= CHUNK:
            yield numpy.flatnonzero(~system.still)
            return
        above = {unit for parents in system.parents.values() for unit in parents}
        concerned = {int(u) for u in numpy.unique(system.unit[cells])}
        leaves = [u for u in range(len(sizes)) if u not in above]
        wanted = [u for u in leaves if u in concerned]
        # Units that hide much already, and large ones, take what others need.
        held = numpy.bincount(system.unit, self.hidden & ~system.silent, len(sizes))
        weight = numpy.bincount(system.unit, system.values, len(sizes))
        liked = sorted(leaves, key=lambda u: (-held[u] if turn % 2 else 0, -weight[u], u))
        if not wanted:
            wanted = liked[:2]
        if turn % 3:  # neighbours differ from turn to turn
            wanted = sorted(wanted, key=lambda u: (u * 2654435761 * (turn + 1)) % 4294967296)
        while wanted:
            chosen: list[int] = []
            room = CHUNK
            while wanted and (room > 0 or not chosen):
                chosen.append(wanted.pop(0))
                room -= int(sizes[chosen[-1]])
            chosen += [u for u in liked if u not in chosen][:partners]
            units = set(chosen).union(*(system.parents.get(u, frozenset()) for u in chosen))
            yield numpy.flatnonzero(numpy.isin(system.unit, sorted(units)) & ~system.still)

    def prove(self, within: Whole, alone: int = ALONE) -> None:
        """Look for moves among the hidden cells of `within` that prove what is not proved yet.

        At most `alone` cells are asked one by one.
        """
        system = self.system
        cells = within[(self.hidden | system.silent)[within]]
        mine = numpy.isin(cells, self.unproved())
        if not mine.any():
            return
        terms = system.terms.within(cells, system.size)
        program = Program(terms, len(cells))
        need, values = self.need[cells], system.values[cells]
        silent = system.silent[cells]
        down = -values.astype(numpy.float64)
        up = (system.most[cells] - values).astype(numpy.float64)
        up[up > NO_BOUND // 2] = highspy.kHighsInf
        near = numpy.where(silent, down, numpy.maximum(down, -need)), numpy.where(silent, up, numpy.minimum(up, need))
        for turn in range(8):
            short = self._short(cells) & mine
            if not short.any():
                return
            # Corners are often in halves: every other turn within half the bounds, then doubled.
            times = 1 + turn % 2
            program.bound(-numpy.floor(-near[0] / times), numpy.floor(near[1] / times))
            self._take(cells, terms, times * self._run(program, numpy.where(short, _signs(cells, turn), 0.0)))
        for times in (1, 2):
            program.bound(-numpy.floor(-down / times), numpy.floor(up / times))
            for place in numpy.flatnonzero(self._short(cells) & mine)[:alone]:
                for sign in (-1.0, 1.0):
                    cost = numpy.zeros(len(cells))
                    cost[place] = sign
                    if self._short(cells)[place]:
                        self._take(cells, terms, times * self._run(program, cost))

    def repair(self, within: Whole, turn: int) -> Whole:
        """Hide what the cheapest move of all unproved cells of `within` goes through; gives the cells newly hidden."""
        system = self.system
        targets = numpy.flatnonzero(numpy.isin(within, self.unproved()))
        if not len(targets):
            return numpy.zeros(0, numpy.int64)
        width = len(within)
        terms = system.terms.within(within, system.size)
        program = Program(terms, width, doubled=True)
        values, free = system.values[within], (self.hidden | system.silent)[within]
        rise = (system.most[within] - values).astype(numpy.float64)
        bounds = numpy.concatenate([numpy.minimum(rise, 1e7), values.astype(numpy.float64)])
        reward = numpy.zeros(2 * width)
        goal = within[targets]
        up = numpy.minimum(self.need[goal] - (values[targets] - self.low[goal]), rise[targets])
        down = numpy.minimum(self.need[goal] - (self.high[goal] - values[targets]), values[targets])
        # First up: what is small can go nowhere else. What is large goes the other way every other turn.
        rises = (up > 0) & ((down <= 0) | (turn % 2 == 0))
        for there, back, way, far in ((0, width, rises, up), (width, 0, ~rises, down)):
            bounds[targets[way] + there], bounds[targets[way] + back] = far[way], 0
            reward[targets[way] + there] = _REWARD
        program.bound(numpy.zeros(2 * width), bounds)
        price = numpy.where(free, _FREE, system.price[within])
        weighed, dear = price, system.dear[within]
        for _ in range(4):
            moved = self._run(program, numpy.concatenate([weighed, weighed]) - reward)
            change = moved[:width] - moved[width:]
            weighed = numpy.where(free | dear, price, price * 10 / (numpy.abs(change) + 1))
        fresh = within[(numpy.abs(change) > _MOVED) & ~free]
        self.hidden[fresh] = True
        self._take(within, terms, change)
        return fresh

    def force(self, cell: int, within: Whole) -> None:
        """Hide what the cheapest moves in whole numbers take one cell through: down, then up as far as it still needs.

        For the few that :meth:`repair` fails at, since its corners are in halves.
        """
        system, width = self.system, len(within)
        place = int(numpy.flatnonzero(within == cell)[0])
        terms = system.terms.within(within, system.size)
        values = system.values[within]
        most = numpy.concatenate([numpy.minimum(system.most[within] - values, 10**7), values]).astype(numpy.float64)
        for there, back in ((width, 0), (0, width)):
            far = min(self.need[cell] - (self.high[cell] - self.low[cell]), most[there + place])
            if far <= 0:
                continue
            free = (self.hidden | system.silent)[within]
            price = numpy.where(free, _FREE, system.price[within])
            cost, bound = numpy.concatenate([price, price]), most.copy()
            cost[there + place], bound[there + place], bound[back + place] = -_REWARD, far, 0
            program = Program(terms, width, doubled=True)
            program.bound(numpy.zeros(2 * width), bound)
            self.programs += 1
            moved = program.best(cost, whole=True)
            change = moved[:width] - moved[width:]
            self.hidden[within[(numpy.abs(change) > _MOVED) & ~free]] = True
            self._take(within, terms, change)

    def settle(self, cell: int) -> None:
        """Ask of one cell in whole numbers, among all hidden ones; where all that may be is hidden, that is its need.

        The dear way, for what is left when the cheap ones are done.
        """
        system = self.system
        cells = numpy.flatnonzero(self.hidden | system.silent)
        terms = system.terms.within(cells, system.size)
        sure = self._ends(cells, terms, int(numpy.searchsorted(cells, cell)))
        if self.high[cell] - self.low[cell] < self.need[cell] and len(cells) < system.size:
            every = Search(system, numpy.ones(system.size, bool), self.need.copy())
            every.settle(cell)
            self.need[cell] = every.need[cell]
        elif sure and len(cells) == system.size:
            self.need[cell] = min(self.need[cell], self.high[cell] - self.low[cell])

    def _ends(self, cells: Whole, terms: Terms, place: int) -> bool:
        """Look for the lowest and the highest whole number of one cell; whether the solver is sure of both."""
        values = self.system.values[cells]
        up = (self.system.most[cells] - values).astype(numpy.float64)
        up[up > NO_BOUND // 2] = highspy.kHighsInf
        sure = True
        for sign in (-1.0, 1.0):
            program = Program(terms, len(cells))
            program.bound(-values.astype(numpy.float64), up)
            cost = numpy.zeros(len(cells))
            cost[place] = sign
            self.programs += 1
            self._take(cells, terms, program.best(cost, whole=True))
            sure = sure and program.sure
        return sure

    def _run(self, program: Program, cost: Real) -> Real:
        self.programs += 1
        return program.best(cost)

    def _short(self, cells: Whole) -> Mask:
        wide = self.high[cells] - self.low[cells] >= self.need[cells]
        return ~wide & ~self.system.silent[cells]

    def _take(self, cells: Whole, terms: Terms, change: Real) -> None:
        """Note what of a move of `cells` is one in whole numbers; `terms` are all sums that hold any of them.

        A move falls into parts that share no sum. Each is a move by itself, and one that is broken spoils no other.
        """
        move = numpy.rint(change).astype(numpy.int64)
        table = self.system.values[cells] + move
        wrong = (table < 0) | (table > self.system.most[cells])
        off = terms.times(move) != 0
        if wrong.any() or off.any():
            broken = wrong | (numpy.abs(change - move) > _MOVED)
            numpy.logical_or.at(broken, terms.cell, off[terms.row] & (move != 0)[terms.cell])
            move[_touched(terms, broken, (move != 0) | broken)] = 0
            if terms.times(move).any():
                return
            table = self.system.values[cells] + move
        self.low[cells] = numpy.minimum(self.low[cells], table)
        self.high[cells] = numpy.maximum(self.high[cells], table)


def _touched(terms: Terms, start: Mask, support: Mask) -> Mask:
    """The cells of `support` that sums lead to from `start`, through cells of `support` alone."""
    inside = support[terms.cell]
    row, cell = terms.row[inside], terms.cell[inside]
    reached = start.copy()
    while True:
        rows = numpy.zeros(terms.rows, bool)
        rows[row[reached[cell]]] = True
        further = reached.copy()
        further[cell[rows[row]]] = True
        if (further == reached).all():
            return reached
        reached = further


def _signs(cells: Whole, turn: int) -> Real:
    """Which way to push each cell: all up first, then halves by the digits of a multiplicative hash of its number."""
    spread = (cells * 2654435761) % 4294967296
    weight = 1 + (spread % 1024) / 4096
    if turn == 0:
        return -weight
    return numpy.where((spread >> (10 + turn)) & 1, weight, -weight)

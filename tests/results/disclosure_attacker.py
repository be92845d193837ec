"""An attacker who shares no code with the protector: unknown people, known figures, and nothing else.

He starts from the finest groups (a district, an age band, a sex, an answer): how many people are in each he does not
know, but that it is a whole number not below nought. Every figure shown is a sum over such groups. Of a hidden figure
he asks how low and how high its sum can be: by linear programs over the finest groups, and by narrowing intervals in
whole numbers until nothing changes. The protector's own list of sums is nowhere used.
"""

from dataclasses import dataclass

import highspy
import numpy as np

BATCHES = 12
PASSES = 60


@dataclass(frozen=True)
class Figure:
    """A published place: which finest groups it sums, how many they are, and whether the number is shown.

    `weights`: of sums in which a group counts more than once, such as of ratings; such figures are read, never asked.
    """

    people: np.ndarray
    true: int
    shown: bool
    weights: np.ndarray | None = None


class Attacker:
    def __init__(self, figures: dict[object, Figure], finest: int) -> None:
        self.figures, self.finest = figures, finest
        self.known = [f for f in figures.values() if f.shown]
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = finest, len(self.known)
        lp.col_cost_, lp.col_lower_ = np.zeros(finest), np.zeros(finest)
        lp.col_upper_ = np.full(finest, highspy.kHighsInf)
        lp.row_lower_ = lp.row_upper_ = np.array([f.true for f in self.known], float)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.cumsum([0, *(len(f.people) for f in self.known)]).astype(np.int32)
        lp.a_matrix_.index_ = np.concatenate([f.people for f in self.known]).astype(np.int32)
        ones = [np.ones(len(f.people)) if f.weights is None else f.weights for f in self.known]
        lp.a_matrix_.value_ = np.concatenate(ones).astype(float)
        self.solver = highspy.Highs()
        self.solver.setOptionValue("output_flag", False)
        self.solver.passModel(lp)

    def possible(self, cost: np.ndarray) -> np.ndarray:
        """People by finest group in a city that agrees with every figure shown, and is cheapest by `cost`."""
        self.solver.changeColsCost(self.finest, np.arange(self.finest, dtype=np.int32), cost)
        self.solver.run()
        assert self.solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return np.array(self.solver.getSolution().col_value)

    def ranges(self, least: int = 10) -> dict[object, tuple[float, float]]:
        """The range of every hidden figure: exact where it is narrower than `least`, seen so far where wider.

        First he pushes all that is still narrow at once, up or down by chance: a city found tells of every figure.
        """
        wanted = [key for key, f in self.figures.items() if not f.shown]
        if not wanted:
            return {}
        people = [self.figures[key].people for key in wanted]
        every, starts = np.concatenate(people), np.cumsum([0, *(len(one) for one in people[:-1])])
        low, high = np.full(len(wanted), np.inf), np.full(len(wanted), -np.inf)

        def look(cost: np.ndarray) -> None:
            sums = np.add.reduceat(self.possible(cost)[every], starts)
            np.minimum(low, sums, out=low)
            np.maximum(high, sums, out=high)

        rng = np.random.default_rng(len(wanted))
        for _ in range(BATCHES):
            narrow = high - low < least - 1e-6
            if narrow.sum() < 2:
                break
            push = np.where(narrow, rng.choice([-1.0, 1.0], len(wanted)), 0.0)
            cost = np.zeros(self.finest)
            np.add.at(cost, every, np.repeat(push, [len(one) for one in people]))
            look(cost)
        for number, one in enumerate(people):
            for sign in (1.0, -1.0):
                if high[number] - low[number] < least - 1e-6:
                    cost = np.zeros(self.finest)
                    cost[one] = sign
                    look(cost)
        return {key: (low[n], high[n]) for n, key in enumerate(wanted)}

    def propagated(self) -> dict[object, tuple[int, int]]:
        """Bounds in whole numbers by passing them through every figure until nothing changes."""
        low, high = np.zeros(self.finest, np.int64), np.full(self.finest, 10**9)
        for _ in range(PASSES):
            before = int((high - low).sum())
            for f in self.known:
                if f.weights is not None:
                    continue
                people = f.people
                spare = f.true - low[people].sum()
                high[people] = np.minimum(high[people], low[people] + spare)
                missing = high[people].sum() - f.true
                low[people] = np.maximum(low[people], high[people] - missing)
            if int((high - low).sum()) == before:
                break
        return {
            key: (int(low[f.people].sum()), int(high[f.people].sum())) for key, f in self.figures.items() if not f.shown
        }

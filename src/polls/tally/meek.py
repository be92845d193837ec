"""Single transferable vote by Meek's method, to a declared number of decimal places. Pure.

Sources: B. L. Meek (1969); I. D. Hill, B. A. Wichmann & D. R. Woodall, "Algorithm 123: Single transferable vote by
Meek's method", The Computer Journal 30 (1987). They leave the arithmetic to the machine; so that anybody gets the same
digits, rounding, quota and the end of iteration are those of the Reference Meek Rule of the Proportional
Representation Foundation, which reads Algorithm 123 in fixed-point decimals:

Every option keeps a share of each vote that reaches it (its keep value: 1 while it runs, 0 once excluded) and passes on
the rest to the next on the ballot. Values are rounded up to the declared places, so no vote is lost between options.
quota = (votes not exhausted ÷ (seats + 1)) rounded down, and one unit of the last place. An elected option's keep value
is multiplied by quota ÷ its votes, again and again, until all surpluses together are below `OMEGA` of a vote or stop
falling. Then the option with the fewest votes is excluded; all within that surplus of it are tied with it, since
further iteration might have changed their order.

Each round is the step ``stage``: round, iterations, quota, votes [[option, "12.345678901"]…], keep, exhausted, surplus,
elected, excluded.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from polls.tally.outcome import Step, TieFound
from polls.tally.pairwise import count_pairwise
from polls.tally.ranked import SAFE, Equal, Ints, RankedProfile, Tiers, whole_numbers
from polls.tally.ranked_outcome import RankedOutcome, finish
from polls.tally.stv import decimal_text
from polls.tally.ties import JOINT, TieRule

OMEGA_PLACES = 6
"""Iteration ends when the surpluses add up to less than 0.000001 of a vote."""


def count_meek(
    profile: RankedProfile, *, seats: int, places: int = 9, ties: TieRule = JOINT, equal: Equal = "refuse"
) -> RankedOutcome:
    """`seats` winners by Meek's method with `places` decimals (from 6). `scores` are the votes at the end.

    Joint ties leave together, or win together where the seats would otherwise stay empty. Raises ValueError for no
    seats or fewer places, and for ballots with tiers of several options where `equal` refuses them.
    """
    if seats < 1 or places < OMEGA_PLACES:
        raise ValueError(f"there is at least one seat, and there are at least {OMEGA_PLACES} places")
    count = _Count(profile, seats, 10**places, ties, equal)
    count.run()
    return finish(
        "stv_meek", profile, count_pairwise(profile), count.order(), count.elected, count.steps, seats=seats,
        ties=count.ties, scores={o: Fraction(n, 10**places) for o, n in count.votes.items()},
    )  # fmt: skip


class _Count:
    """The state of a count between rounds. Options are meant by position; votes and keep values in units of 1 ÷ one."""

    def __init__(self, profile: RankedProfile, seats: int, one: int, ties: TieRule, equal: Equal) -> None:
        self._profile = profile
        self._seats = seats
        self._one = one
        self._rule = ties
        self._preferences = profile.preferences(equal)
        # Products of a weight and a keep value on one paper, and all papers' votes together, must both fit.
        self._bound = max(one * one * 2, profile.ballots * one * 2)
        self._weights = whole_numbers([int(n) for n in profile.weights], self._bound)
        self._keep = [one] * len(profile.options)
        self._running = list(profile.options)
        self._round = 0
        self._out: list[tuple[int, ...]] = []
        self.votes: dict[int, int] = dict.fromkeys(profile.options, 0)
        self._elected_tiers: list[tuple[int, ...]] = []
        self.elected: list[int] = []
        self.ties: list[TieFound] = []
        self.steps: list[Step] = []
        self._stopped = False

    def run(self) -> None:
        """Round after round until the seats are filled or a tie stays open."""
        if not self._profile.ballots:
            self.steps.append(Step("no_votes", {}))
            return
        while not self._stopped and len(self.elected) < self._seats and self._running:
            if len(self._running) <= self._seats - len(self.elected):
                self._elect_rest()
                return
            self._one_round()

    def order(self) -> Tiers:
        """Elected in order of election, equals together; those running by votes; those excluded, the last first."""
        votes = sorted({self.votes[o] for o in self._running}, reverse=True)
        rest = (tuple(o for o in self._running if self.votes[o] == n) for n in votes)
        return (*self._elected_tiers, *rest, *reversed(self._out))

    def _one_round(self) -> None:
        """Iterate until somebody is elected or somebody has to be excluded."""
        self._round += 1
        papers, weights = self._short_papers()
        before: int | None = None
        iterations = 0
        while True:
            iterations += 1
            quota = self._distribute(papers, weights)
            reached = [o for o in self._running if self.votes[o] >= quota]
            surplus = sum(self.votes[o] - quota for o in self.elected + reached)
            surplus = max(surplus, 0)
            if reached:
                reached.sort(key=lambda o: -self.votes[o])
                self._elect(reached)
                break
            if surplus * 10**OMEGA_PLACES < self._one or (before is not None and surplus >= before):
                break
            before = surplus
            for option_id in self.elected:
                at = self._profile.options.index(option_id)
                self._keep[at] = _up(_up(self._keep[at] * quota, self._one) * self._one, self.votes[option_id])
        kept = [[o, decimal_text(k, self._one)] for o, k in zip(self._profile.options, self._keep, strict=True)]
        votes = dict(self.votes)
        excluded = () if reached else self._exclude(surplus)
        self._write(iterations, quota, votes, kept, surplus, reached, excluded)

    def _short_papers(self) -> tuple[Ints, Ints]:
        """Ballots as far as they matter now: excluded options left out, nothing after the first that still runs.

        Ballots that have become the same are counted together; each is still rounded as a ballot of its own.
        """
        found: Ints = self._preferences.astype(np.int64)
        if not found.size:
            return found, self._weights
        options = self._profile.options
        excluded = np.array([k == 0 for k in self._keep])
        found = np.where((found >= 0) & excluded[found], -1, found)
        front = np.argsort(found < 0, axis=1, kind="stable")
        found = np.take_along_axis(found, front, axis=1)
        running = np.array([o in self._running for o in options])
        ends = (found >= 0) & running[found]
        after = np.cumsum(ends, axis=1) - ends > 0
        found[after] = -1
        papers, which = _distinct(found, len(options))
        weights: Ints = np.zeros(len(papers), dtype=self._weights.dtype)
        np.add.at(weights, which, self._weights)
        return papers, weights

    def _distribute(self, papers: Ints, weights: Ints) -> int:
        """Count the votes anew with the keep values as they are. Returns the quota."""
        one = self._one
        keep = whole_numbers(self._keep, self._bound)
        left: Ints = np.full(len(papers), 1, dtype=np.int64).astype(self._weights.dtype) * one
        totals: Ints = np.zeros(len(self._profile.options), dtype=self._weights.dtype)
        for column in papers.T:
            rows = np.flatnonzero(column >= 0)
            at = column[rows]
            kept = -(-(left[rows] * keep[at]) // one)
            left[rows] -= kept
            np.add.at(totals, at, kept * weights[rows])
        self.votes = {o: int(n) for o, n in zip(self._profile.options, totals, strict=True)}
        return sum(self.votes.values()) // (self._seats + 1) + 1

    def _exclude(self, surplus: int) -> tuple[int, ...]:
        """Exclude the option with the fewest votes; nobody where a tie stays open or lets all win."""
        line = min(self.votes[o] for o in self._running) + surplus
        tied = tuple(o for o in self._running if self.votes[o] <= line)
        leaving = tied
        vacancies = self._seats - len(self.elected)
        nothing = line == 0 and len(self._running) - len(tied) >= vacancies
        if len(tied) > 1 and not nothing:
            decided = self._rule.ordered(self._round, tied)
            resolution = "order" if decided else self._rule.kind
            place = len(self.elected) + len(self._running) - len(tied) + 1
            self.ties.append(TieFound(tied, place, len(tied) - 1, resolution, "elimination", self._round, decided))
            facts = {"round": self._round, "options": list(tied), "resolution": resolution, "matters": True}
            self.steps.append(Step("elimination_tie", {**facts, "order": list(decided) if decided else None}))
            if decided:
                leaving = (decided[-1],)
            elif self._rule.kind != "joint":
                self._stopped = True
                return ()
            elif len(self._running) - len(tied) < vacancies:
                self._elect_rest()
                return ()
        for option_id in leaving:
            self._running.remove(option_id)
            self._keep[self._profile.options.index(option_id)] = 0
        self._out.append(leaving)
        return leaving

    def _elect(self, options: list[int]) -> None:
        """Elect these, in falling order of votes."""
        for votes in sorted({self.votes[o] for o in options}, reverse=True):
            self._elected_tiers.append(
                tuple(o for o in self._profile.options if o in options and self.votes[o] == votes)
            )
        for option_id in options:
            self._running.remove(option_id)
            self.elected.append(option_id)

    def _elect_rest(self) -> None:
        """All who still run are elected: no more of them than seats, or tied beyond the seats."""
        rest = sorted(self._running, key=lambda o: -self.votes[o])
        self.steps.append(Step("elected_together", {"options": rest}))
        self._elect(rest)

    def _write(
        self, iterations: int, quota: int, votes: dict[int, int], kept: list[list[object]], surplus: int,
        reached: list[int], excluded: tuple[int, ...],
    ) -> None:  # fmt: skip
        one = self._one
        exhausted = self._profile.ballots * one - sum(votes.values())
        facts = {
            "round": self._round,
            "iterations": iterations,
            "quota": decimal_text(quota, one),
            "votes": [[o, decimal_text(n, one)] for o, n in votes.items()],
            "keep": kept,
            "exhausted": decimal_text(exhausted, one),
            "surplus": decimal_text(surplus, one),
            "elected": reached,
            "excluded": list(excluded),
        }
        self.steps.append(Step("stage", facts))


def _up(value: int, by: int) -> int:
    """`value` ÷ `by`, rounded up."""
    return -(-value // by)


def _distinct(rows: Ints, size: int) -> tuple[Ints, Ints]:
    """The distinct rows of positions (−1…size − 1), and the number of its distinct row for every row.

    Rows are told apart by one whole number each, made shorter whenever it could outgrow 64 bits.
    """
    code, span = np.zeros(len(rows), dtype=np.int64), 1
    for column in rows.T:
        if span * (size + 1) >= SAFE:
            _, code = np.unique(code, return_inverse=True)
            span = len(rows)
        code = code * (size + 1) + column + 1
        span *= size + 1
    _, first, which = np.unique(code, return_index=True, return_inverse=True)
    return rows[first], which

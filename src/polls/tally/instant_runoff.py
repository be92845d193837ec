"""Instant run-off: the option with the fewest first places leaves, round by round, until one has a majority. Pure.

Each ballot counts for the best of the options still in; it is exhausted when it names none of them. An option with
more than half of the ballots still counting wins. Source: Robert's Rules of Order, "preferential voting"; the rule of
Burlington, Vermont (Charter, title 24 app. § 3-5).

The fewest votes held by several options is a tie at elimination. It changes nothing when the tied hold fewer votes
together than the next option alone: then all of them leave, whatever the order, and the step says ``matters: false``.
Otherwise the declared rule decides (:mod:`polls.tally.ties`).

With `batch`, all options that together hold fewer votes than the next one leave in one round, as officials publish it:
the winner is the same, the rounds are fewer.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from polls.tally.outcome import Step, TieFound
from polls.tally.pairwise import count_pairwise
from polls.tally.positional import tiers_by_score
from polls.tally.ranked import Equal, RankedProfile
from polls.tally.ranked_outcome import RankedOutcome, finish
from polls.tally.ties import JOINT, TieRule


def count_instant_runoff(
    profile: RankedProfile, *, ties: TieRule = JOINT, equal: Equal = "refuse", batch: bool = False
) -> RankedOutcome:
    """One winner by instant run-off. `scores` are the votes of the first round.

    `equal` declares what happens at a tier of several options. Raises ValueError where that is ``refuse`` and a ballot
    has one, or where a supplied order is not one of the tied options.
    """
    runoff = _Runoff(profile, ties, equal, batch)
    runoff.run()
    return finish(
        "instant_runoff", profile, count_pairwise(profile), runoff.order(), runoff.winners, runoff.steps,
        ties=runoff.ties, scores={o: Fraction(n) for o, n in runoff.first.items()},
    )  # fmt: skip


class Transfer:
    """Where each ballot counts while options leave: at the best of those still in, or nowhere.

    `at` holds, per distinct ranking, the position of that option, −1 once exhausted. Of a tier of several options only
    those still in are looked at, so a tier of which one is left is no tie; with ``skip`` a ballot counts for the best
    tier of which exactly one is.
    """

    def __init__(self, profile: RankedProfile, equal: Equal) -> None:
        if equal == "refuse" and profile.has_equal_ranks:
            raise ValueError("a ballot holds options equal, and the rule declares nothing about such ballots")
        self._ranks = profile.ranks
        self._size = len(profile.options)
        self._skips = equal == "skip"
        self.at: NDArray[np.int64] = np.full(len(profile.ranks), -1, dtype=np.int64)
        if self._size:
            self._place(np.arange(len(profile.ranks)), np.zeros(self._size, dtype=bool))

    def leave(self, gone: NDArray[np.bool_], standing: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Move ballots that stand at an option which is `gone` (by position), or at one of `standing` if given.

        They go to the best option that is not `gone`. Returns the rows of the rankings moved.
        """
        leaving = gone if standing is None else standing
        rows = np.flatnonzero((self.at >= 0) & leaving[self.at])
        self._place(rows, gone)
        return rows

    def _place(self, rows: NDArray[np.int64], gone: NDArray[np.bool_]) -> None:
        """Put these rankings where they count now."""
        ranks = np.where(gone, self._size, self._ranks[rows])
        while len(rows):
            best = ranks.min(axis=1)
            held = ranks == best[:, None]
            one = held.sum(axis=1) == 1
            self.at[rows] = np.where(one & (best < self._size), ranks.argmin(axis=1), -1)
            if not self._skips:
                return
            again = ~one & (best < self._size)
            rows, ranks = rows[again], np.where(held[again], self._size, ranks[again])


class _Runoff:
    """The state of a count between rounds."""

    def __init__(self, profile: RankedProfile, ties: TieRule, equal: Equal, batch: bool) -> None:
        self._profile = profile
        self._rule = ties
        self._batch = batch
        self._ballots = Transfer(profile, equal)
        self._in = list(profile.options)
        self._out: list[tuple[int, ...]] = []  # in the order of leaving
        self._votes: dict[int, int] = {}
        self.first: dict[int, int] = {}
        self.winners: tuple[int, ...] = ()
        self.ties: list[TieFound] = []
        self.steps: list[Step] = []

    def run(self) -> None:
        """Round after round until somebody has won, or a tie stays open."""
        number = 0
        while self._in:
            number += 1
            self._count(number)
            counting = sum(self._votes[o] for o in self._in)
            if not counting:
                self.steps.append(Step("no_votes", {}))
                return
            best = [o for o in self._in if 2 * self._votes[o] > counting]
            if best:
                self.winners = (best[0],)
                return
            leaving = self._leaving(number)
            if leaving is None:
                return
            self._in = [o for o in self._in if o not in leaving]
            self._out.append(leaving)
            gone = np.array([o not in self._in for o in self._profile.options])
            self._ballots.leave(gone)

    def order(self) -> tuple[tuple[int, ...], ...]:
        """The winner, the others still in by their last votes, then those who left, the last first."""
        last = {o: Fraction(n) for o, n in self._votes.items()}
        rest = tiers_by_score(last, [o for o in self._in if o not in self.winners])
        won = (self.winners,) if self.winners else ()
        return (*won, *rest, *reversed(self._out))

    def _count(self, number: int) -> None:
        sums = self._profile.sums(self._ballots.at, self._profile.weights)
        self._votes = dict(zip(self._profile.options, sums, strict=True))
        self.first = self.first or dict(self._votes)
        exhausted = self._profile.ballots - sum(sums)
        votes = [[o, self._votes[o]] for o in self._in]
        self.steps.append(Step("round", {"round": number, "votes": votes, "exhausted": exhausted}))

    def _leaving(self, number: int) -> tuple[int, ...] | None:
        """Who leaves; None when a tie stays open or lets all win."""
        if self._batch and len(group := self._without_hope()) > 1:
            self.steps.append(Step("eliminated", {"round": number, "options": list(group), "batch": True}))
            return group
        fewest = min(self._votes[o] for o in self._in)
        tied = tuple(o for o in self._in if self._votes[o] == fewest)
        leaving: tuple[int, ...] | None = tied
        if len(tied) > 1:
            leaving = self._tie(number, tied, fewest)
        if leaving is not None:
            self.steps.append(Step("eliminated", {"round": number, "options": list(leaving), "batch": False}))
        return leaving

    def _without_hope(self) -> tuple[int, ...]:
        """The most options that together hold fewer votes than each of the others."""
        rising = sorted(self._in, key=lambda o: self._votes[o])
        together, found = 0, 0
        for k, option_id in enumerate(rising[:-1], start=1):
            together += self._votes[option_id]
            if together < self._votes[rising[k]]:
                found = k
        return tuple(o for o in self._in if o in rising[:found])

    def _tie(self, number: int, tied: tuple[int, ...], fewest: int) -> tuple[int, ...] | None:
        """Who leaves of several options with the fewest votes; None when the count ends here."""
        others = [self._votes[o] for o in self._in if o not in tied]
        matters = not others or fewest * len(tied) >= min(others)
        decided = self._rule.ordered(number, tied) if matters else None
        resolution = "order" if decided else self._rule.kind if matters else "together"
        facts = {"round": number, "options": list(tied), "matters": matters, "resolution": resolution}
        self.steps.append(Step("elimination_tie", {**facts, "order": list(decided) if decided else None}))
        if not matters:
            return tied
        place, seats = len(self._in) - len(tied) + 1, len(tied) - 1
        self.ties.append(TieFound(tied, place, seats, resolution, "elimination", number, decided))
        if decided:
            return (decided[-1],)
        if self._rule.kind != "joint":
            return None
        if others:
            return tied
        self.winners = tied
        return None

"""Single transferable vote as in Scottish local elections: Droop quota, weighted inclusive Gregory transfers. Pure.

Source: The Scottish Local Government Elections Order 2007, SSI 2007/42, schedule 1, rules 45–52. In short:

- quota = ⌊valid ballots ÷ (seats + 1)⌋ + 1 (rule 46); whoever reaches it is elected;
- the largest surplus goes first: **every** paper of the elected option moves to the next option that still runs, each
  at (surplus × the paper's value) ÷ the option's votes, to five decimal places, any remainder ignored (rule 48);
- with no surplus left, the option with the fewest votes is excluded, its papers move at the value they have (rule 50);
- equal surpluses, or equal fewest votes: whoever had more (fewer) at the latest stage where they differed; if they
  never did, a lot (rules 49 and 51), which here is the declared tie rule;
- as many options left as seats: all are elected, and no transfer is made that is no longer needed (rule 52).

Papers may name options in tiers only as `equal` declares; the Order knows no equal preferences. Values are kept in
hundred-thousandths of a vote, as integers.

Each stage is the step ``stage``: number, action (``first``, ``surplus``, ``exclusion``), options acted upon, votes
[[option, "12.34567"]…] of all options after it, non_transferable, elected.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from polls.tally.instant_runoff import Transfer
from polls.tally.outcome import Step, TieFound
from polls.tally.pairwise import count_pairwise
from polls.tally.ranked import Equal, Ints, RankedProfile, Tiers, whole_numbers
from polls.tally.ranked_outcome import RankedOutcome, finish
from polls.tally.ties import JOINT, TieRule

ONE = 100_000
"""One vote: five decimal places."""


def count_stv(profile: RankedProfile, *, seats: int, ties: TieRule = JOINT, equal: Equal = "refuse") -> RankedOutcome:
    """`seats` winners by the Scottish rules. `scores` are the votes at the end, winners stand in order of election.

    With joint ties, options tied for exclusion leave together, and win together where the seats would otherwise stay
    empty: then there are more winners than seats. Raises ValueError for no seats, and for ballots with tiers of several
    options where `equal` refuses them.
    """
    if seats < 1:
        raise ValueError("there is at least one seat")
    count = _Count(profile, seats, ties, equal)
    count.run()
    return finish(
        "stv_scottish", profile, count_pairwise(profile), count.order(), count.elected, count.steps, seats=seats,
        ties=count.ties, scores={o: Fraction(n, ONE) for o, n in count.votes.items()},
    )  # fmt: skip


def decimal_text(value: int, one: int) -> str:
    """`value` ÷ `one` (a power of ten) with all its places: ``"12.34567"``."""
    places = len(str(one)) - 1
    return f"{value // one}.{value % one:0{places}}"


class _Count:
    """The state of a count between stages."""

    def __init__(self, profile: RankedProfile, seats: int, ties: TieRule, equal: Equal) -> None:
        self._profile = profile
        self._seats = seats
        self._rule = ties
        self._papers = Transfer(profile, equal)
        # The largest product is a surplus times a value: all ballots times one vote times one vote.
        bound = profile.ballots * ONE * ONE
        self._weights = whole_numbers([int(n) for n in profile.weights], bound)
        self._values: Ints = np.full(len(profile.weights), ONE, dtype=np.int64).astype(self._weights.dtype)
        self._running = list(profile.options)
        self._out: list[tuple[int, ...]] = []
        self._surplus: list[int] = []  # elected with a surplus not yet transferred
        self._history: list[dict[int, int]] = []
        self._quota = 0
        self._stopped = False
        self.votes: dict[int, int] = dict.fromkeys(profile.options, 0)
        self._elected_tiers: list[tuple[int, ...]] = []
        self.elected: list[int] = []
        self.ties: list[TieFound] = []
        self.steps: list[Step] = []

    def run(self) -> None:
        """Stage after stage until the seats are filled or a tie stays open."""
        if not self._profile.ballots:
            self.steps.append(Step("no_votes", {}))
            return
        self._quota = (self._profile.ballots // (self._seats + 1) + 1) * ONE
        self.steps.append(Step("quota", {"seats": self._seats, "quota": self._quota // ONE}))
        for at, n in enumerate(self._profile.sums(self._papers.at, self._weights)):
            self.votes[self._profile.options[at]] = n * ONE
        self._stage("first", ())
        while not self._stopped and len(self.elected) < self._seats and self._running:
            if self._surplus:
                self._transfer()
            else:
                self._exclude()

    def order(self) -> Tiers:
        """Elected in order of election, equals together; those running by votes; those excluded, the last first."""
        votes = sorted({self.votes[o] for o in self._running}, reverse=True)
        rest = (tuple(o for o in self._running if self.votes[o] == n) for n in votes)
        return (*self._elected_tiers, *rest, *reversed(self._out))

    # ---- one stage

    def _transfer(self) -> None:
        """Transfer the largest surplus; several at once only where joint ties leave them equal."""
        most = max(self.votes[o] for o in self._surplus)
        going = self._narrow([o for o in self._surplus if self.votes[o] == most], best=True)
        if len(going) > 1:
            decided = self._tie(going, "surplus", place=1, seats=1)
            if decided is None and self._rule.kind != "joint":
                return
            going = [decided[0]] if decided else going
        options = self._profile.options
        gone = np.array([o not in self._running for o in options])
        leaving = np.array([o in going for o in options])
        standing = self._papers.at.copy()
        rows = self._papers.leave(gone, leaving)
        for option_id in going:
            mine = rows[standing[rows] == options.index(option_id)]
            surplus = self.votes[option_id] - self._quota
            # One value at a time: a surplus times a value may pass 64 bits only where the arrays hold objects.
            self._values[mine] = self._values[mine] * surplus // self.votes[option_id]
            self.votes[option_id] = self._quota
            self._surplus.remove(option_id)
        self._credit(rows)
        self._stage("surplus", tuple(going))

    def _exclude(self) -> None:
        """Exclude the option with the fewest votes."""
        fewest = min(self.votes[o] for o in self._running)
        tied = self._narrow([o for o in self._running if self.votes[o] == fewest], best=False)
        vacancies = self._seats - len(self.elected)
        leaving = tuple(tied)
        if len(tied) > 1 and not (fewest == 0 and len(self._running) - len(tied) >= vacancies):
            place = len(self.elected) + len(self._running) - len(tied) + 1
            decided = self._tie(tied, "elimination", place=place, seats=len(tied) - 1)
            if decided:
                leaving = (decided[-1],)
            elif self._rule.kind != "joint":
                return
            elif len(self._running) - len(tied) < vacancies:
                self._elect_all()
                return
        self._running = [o for o in self._running if o not in leaving]
        self._out.append(leaving)
        gone = np.array([o not in self._running for o in self._profile.options])
        rows = self._papers.leave(gone, np.array([o in leaving for o in self._profile.options]))
        for option_id in leaving:
            self.votes[option_id] = 0
        self._credit(rows)
        self._stage("exclusion", leaving)

    def _credit(self, rows: Ints) -> None:
        """Add the papers of these rows, at their values, to where they stand now."""
        amounts = self._weights[rows] * self._values[rows]
        for at, n in enumerate(self._profile.sums(self._papers.at[rows], amounts)):
            self.votes[self._profile.options[at]] += n

    def _stage(self, action: str, options: tuple[int, ...]) -> None:
        """Elect whoever has reached the quota, or fills the last seats, and write the stage down."""
        reached = sorted((o for o in self._running if self.votes[o] >= self._quota), key=lambda o: -self.votes[o])
        self._elect(reached)
        vacancies = self._seats - len(self.elected)
        last: list[int] = []
        if 0 < len(self._running) <= vacancies:
            last = sorted(self._running, key=lambda o: -self.votes[o])
            self._elect(last)
        self._history.append(dict(self.votes))
        lost = self._profile.ballots * ONE - sum(self.votes.values())
        number = len(self._history)
        facts = {
            "stage": number,
            "action": action,
            "options": list(options),
            "votes": [[o, decimal_text(n, ONE)] for o, n in self.votes.items()],
            "non_transferable": decimal_text(lost, ONE),
            "elected": reached + last,
        }
        self.steps.append(Step("stage", facts))

    def _elect(self, options: list[int]) -> None:
        """Elect these, in falling order of votes."""
        for votes in sorted({self.votes[o] for o in options}, reverse=True):
            self._elected_tiers.append(
                tuple(o for o in self._profile.options if o in options and self.votes[o] == votes)
            )
        for option_id in options:
            self._running.remove(option_id)
            self.elected.append(option_id)
            if self.votes[option_id] > self._quota:
                self._surplus.append(option_id)

    def _elect_all(self) -> None:
        """Joint ties: nobody may be excluded, so all who still run are elected, beyond the seats."""
        rest = sorted(self._running, key=lambda o: -self.votes[o])
        self.steps.append(Step("elected_together", {"options": rest}))
        self._elect(rest)

    # ---- ties

    def _narrow(self, tied: list[int], best: bool) -> list[int]:
        """Of options with equal votes, those that had most (or fewest) at the latest stage where they differed."""
        for votes in reversed(self._history[:-1]):
            if len(tied) == 1:
                break
            wanted = (max if best else min)(votes[o] for o in tied)
            tied = [o for o in tied if votes[o] == wanted]
        return tied

    def _tie(self, tied: list[int], kind: str, place: int, seats: int) -> tuple[int, ...] | None:
        """The decided order of a tie; where nobody has decided and it is not joint, the count stops."""
        decided = self._rule.ordered(len(self._history), tied)
        resolution = "order" if decided else self._rule.kind
        facts = {"round": len(self._history), "options": list(tied), "resolution": resolution, "matters": True}
        self.steps.append(Step("elimination_tie", {**facts, "order": list(decided) if decided else None}))
        self.ties.append(TieFound(tuple(tied), place, seats, resolution, kind, len(self._history), decided))
        self._stopped = decided is None and self._rule.kind != "joint"
        return decided

"""What every count of rankings returns: the order, the winners, the ties, the pairwise matrix and the steps. Pure.

Figures are exact: integers, or fractions that travel as text ``"a/b"``; rules that count in decimals (the transferable
votes) give them as text with all their places. The codes of steps, beside those of :mod:`polls.tally.outcome`:

``pairwise``          options, beats, winner, loser, smith — with every rule
``round``             round, votes [[option, n]…], exhausted — instant run-off
``eliminated``        round, options, batch — why they left together, if several did
``elimination_tie``   round, options, resolution, matters, order
``scores``            [[option, "a/b"]…], truncated, equal
``strengths``         options, paths — Schulze's strongest paths
``pair``              winner, loser, strength, against, locked — ranked pairs, strongest first
``equal_pairs``       pairs, strength, matters
``too_many_orders``   most — ranked pairs: so many orders of equal defeats are not tried
``elected_together``  options — all who still run, no more of them than seats or tied beyond the seats
``quota``             seats, quota
``stage``             see :mod:`polls.tally.stv` and :mod:`polls.tally.meek`
``incomparable``      pairs of options of different tiers that the rule does not order
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from polls.tally.outcome import Step, TieFound, fraction_text
from polls.tally.pairwise import Pairwise
from polls.tally.ranked import RankedProfile, Tiers


@dataclass(frozen=True)
class RankedOutcome:
    """The result of one rule on one profile.

    `order` is in tiers, best first; options of a tier are equal for the rule (in stated order there, for display).
    `winners` never holds an option of an open tie. `scores` are what the rule ordered by, where it has such figures.
    """

    method: str
    seats: int
    ballots: int
    blank: int
    neutral: Mapping[int, int]
    order: Tiers
    winners: tuple[int, ...]
    pairwise: Pairwise
    ties: tuple[TieFound, ...] = ()
    scores: Mapping[int, Fraction] | None = None
    steps: tuple[Step, ...] = field(default=())

    @property
    def open(self) -> bool:
        """Whether somebody still has to decide a tie."""
        return any(tie.open for tie in self.ties)

    def place(self, option_id: int) -> int:
        """The place of an option: 1 is best, equal places are equal (1, 2, 2, 4). Raises KeyError."""
        before = 0
        for tier in self.order:
            if option_id in tier:
                return before + 1
            before += len(tier)
        raise KeyError(option_id)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; every key is always present."""
        scores = self.scores
        return {
            "method": self.method,
            "seats": self.seats,
            "ballots": self.ballots,
            "blank": self.blank,
            "neutral": {str(k): v for k, v in self.neutral.items()},
            "order": [list(tier) for tier in self.order],
            "winners": list(self.winners),
            "pairwise": self.pairwise.as_json(),
            "ties": [tie.as_json() for tie in self.ties],
            "scores": None if scores is None else {str(k): fraction_text(v) for k, v in scores.items()},
            "steps": [step.as_json() for step in self.steps],
        }


def first_seats(order: Tiers, seats: int, resolution: str = "joint") -> tuple[tuple[int, ...], tuple[TieFound, ...]]:
    """The winners among tiers for `seats`, and the tie on the line, if there is one.

    With ``joint`` the whole tier on the line wins; with anything else only those above it do, and the tie is reported
    with that resolution.
    """
    winners: list[int] = []
    for tier in order:
        room = seats - len(winners)
        if room <= 0:
            break
        if len(tier) > room:
            tie = TieFound(tier, len(winners) + 1, room, resolution)
            return tuple(winners + list(tier) if resolution == "joint" else winners), (tie,)
        winners += tier
    return tuple(winners), ()


def finish(
    method: str,
    profile: RankedProfile,
    pairwise: Pairwise,
    order: Tiers,
    winners: Sequence[int],
    steps: Sequence[Step],
    *,
    seats: int = 1,
    ties: Sequence[TieFound] = (),
    scores: Mapping[int, Fraction] | None = None,
) -> RankedOutcome:
    """The outcome with the steps every count begins and ends with."""
    opening = Step(
        "ballots",
        {
            "cast": profile.ballots + profile.blank + sum(profile.neutral.values()),
            "blank": profile.blank,
            "neutral": sum(profile.neutral.values()),
            "valid": profile.ballots,
        },
    )
    closing = [*(Step("tie", tie.as_json()) for tie in ties), Step("winners", {"winners": list(winners)})]
    return RankedOutcome(
        method,
        seats,
        profile.ballots,
        profile.blank,
        profile.neutral,
        order,
        tuple(winners),
        pairwise,
        tuple(ties),
        scores,
        (opening, pairwise.step(), *steps, *closing),
    )

"""A count laid out for readers: the tables and pictures that explain how a rule came to its result. Pure.

Everything is read out of the outcome and its steps, so a page shows what was counted and published and works nothing
out anew. What a rule does not have is None or empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from polls.definition import AnyQuestion, Budget, Rating
from polls.tally.house import HouseResult
from polls.tally.outcome import Outcome, Step
from results.duels import DuelTable, GradeBar, duel_table, grade_bars
from results.flow import Flow, flow_of
from results.rounds import Rounds, rounds_of


@dataclass(frozen=True)
class Purchase:
    """A project bought by equal shares: who pays, the most one pays (hundredths), its effective votes."""

    option: int
    payers: int
    price: Fraction
    effective_votes: Fraction


@dataclass(frozen=True)
class Purchases:
    """How equal shares spent the money. `share` is each voter's part after the completion (hundredths).

    `completed` are projects the rest of the money paid for; `compared` the voters better off by equal shares and by the
    greedy rule, and `greedy_taken` whether the greedy result stands instead.
    """

    share: Fraction
    increments: int
    bought: tuple[Purchase, ...]
    completed: tuple[int, ...]
    compared: tuple[int, int] | None
    greedy_taken: bool


@dataclass(frozen=True)
class Explained:
    """What explains one outcome. `pairs` are ranked pairs' defeats, strongest first (facts of the steps)."""

    rounds: Rounds | None = None
    flow: Flow | None = None
    duels: DuelTable | None = None
    winner: int | None = None
    smith: tuple[int, ...] = ()
    paths: DuelTable | None = None
    pairs: tuple[Mapping[str, Any], ...] = ()
    grades: tuple[GradeBar, ...] = ()
    purchases: Purchases | None = None
    houses: tuple[HouseResult, ...] = ()
    spent: int | None = None
    cut: int | None = None
    """The first project of a budget, in the order of the rule, that is not funded: there runs the line of cut."""

    @property
    def most_paths(self) -> int:
        """The strongest path there is: what others are measured by."""
        cells = [duel.mine for row in self.paths.rows for duel in row.duels if duel] if self.paths else []
        return max(cells, default=0)


def explain(question: AnyQuestion, outcome: Outcome) -> Explained:
    """Lay out one outcome of a question."""
    rounds = rounds_of(outcome)
    pairwise = outcome.pairwise
    paths = next((step.facts for step in outcome.steps if step.code == "strengths"), None)
    spent = next((step.facts["spent"] for step in outcome.steps if step.code == "budget_spent"), None)
    return Explained(
        rounds=rounds,
        flow=flow_of(rounds) if rounds else None,
        duels=duel_table(pairwise["options"], pairwise["beats"], outcome.order) if pairwise else None,
        winner=pairwise["winner"] if pairwise else None,
        smith=tuple(pairwise["smith"]) if pairwise else (),
        paths=duel_table(paths["options"], paths["paths"], outcome.order) if paths else None,
        pairs=tuple(step.facts for step in outcome.steps if step.code == "pair"),
        grades=grade_bars(question, outcome) if isinstance(question, Rating) else (),
        purchases=_purchases(outcome.steps),
        houses=tuple(HouseResult.from_json(house) for house in outcome.houses or ()),
        spent=spent,
        cut=_cut(outcome) if isinstance(question, Budget) else None,
    )


def _cut(outcome: Outcome) -> int | None:
    return next((option for option in outcome.order if not outcome.option(option).funded), None)


def _purchases(steps: Sequence[Step]) -> Purchases | None:
    shares = next((step.facts for step in steps if step.code == "shares"), None)
    if shares is None:
        return None
    bought = tuple(
        Purchase(f["option"], f["payers"], Fraction(f["price"]), Fraction(f["effective_votes"]))
        for f in (step.facts for step in steps if step.code == "bought")
    )
    completed = next((tuple(step.facts["options"]) for step in steps if step.code == "completed"), ())
    compared = next((step.facts for step in steps if step.code == "compared"), None)
    return Purchases(
        Fraction(shares["share"]), shares["increments"], bought, completed,
        (compared["equal_shares"], compared["greedy"]) if compared else None,
        bool(compared and compared["greedy_taken"]),
    )  # fmt: skip

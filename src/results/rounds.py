"""The rounds of a count that eliminates or transfers, read out of its steps: one shape for every such rule. Pure.

Instant run-off writes ``round`` and ``eliminated``, the Scottish count ``quota`` and ``stage``, Meek's count ``stage``
of its own shape (see :mod:`polls.tally.ranked_outcome`). A page shows them all alike: the votes of a round, what
changed since the round before, who was elected, who leaves. Votes are exact fractions; they have decimal places only
where the rule transfers parts of votes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from polls.tally.outcome import Outcome, Step

PLACES = {"stv_scottish": 5, "stv_meek": 9}
"""Decimal places of votes, by rule; none elsewhere."""


@dataclass(frozen=True)
class Round:
    """One round. `votes` holds the options that stand in it; `changes` what each gained or lost since the last one.

    `givers` are the options whose votes moved on to make this round: excluded ones, or elected ones with a surplus.
    `elected` reached what is needed in this round, `leaving` are out after it. `exhausted` are the ballots that count
    for nobody any more. `keep` are Meek's keep values. `together`: several left at once because none could stay.
    """

    number: int
    votes: Mapping[int, Fraction]
    exhausted: Fraction
    changes: Mapping[int, Fraction]
    exhausted_change: Fraction
    givers: tuple[int, ...] = ()
    elected: tuple[int, ...] = ()
    leaving: tuple[int, ...] = ()
    quota: Fraction | None = None
    keep: Mapping[int, Fraction] | None = None
    together: bool = False


@dataclass(frozen=True)
class Rounds:
    """All rounds of a count. `options` stand best first; `places` is how many decimals votes have."""

    options: tuple[int, ...]
    rounds: tuple[Round, ...]
    places: int
    quota: Fraction | None = None
    seats: int = 1

    @property
    def total(self) -> Fraction:
        """Ballots in the count: the same in each round, those that count for nobody included."""
        first = self.rounds[0]
        return sum(first.votes.values(), first.exhausted)


def rounds_of(outcome: Outcome) -> Rounds | None:
    """The rounds of an outcome; None for a rule that has none, and for a count without votes."""
    steps = outcome.steps
    if any(step.code == "round" for step in steps):
        found = _of_runoff(steps, outcome.winners)
    elif any("keep" in step.facts for step in steps if step.code == "stage"):
        found = _of_meek(steps)
    else:
        found = _of_stages(steps)
    if not found:
        return None
    facts = next((step.facts for step in steps if step.code == "quota"), {})
    quota = Fraction(facts["quota"]) if facts else None
    return Rounds(
        outcome.order, tuple(_with_changes(found)), PLACES.get(outcome.method, 0), quota, facts.get("seats", 1)
    )


def _of_runoff(steps: Sequence[Step], winners: tuple[int, ...]) -> list[Round]:
    left = {s.facts["round"]: s.facts for s in steps if s.code == "eliminated"}
    found: list[Round] = []
    for step in steps:
        if step.code != "round":
            continue
        number = step.facts["round"]
        out = left.get(number, {"options": [], "batch": False})
        votes = _votes(step.facts["votes"])
        givers = found[-1].leaving if found else ()
        exhausted = Fraction(step.facts["exhausted"])
        found.append(Round(number, votes, exhausted, {}, Fraction(0), givers, leaving=tuple(out["options"]),
                           together=bool(out["batch"])))  # fmt: skip
    if found and not found[-1].leaving:
        found[-1] = replace(found[-1], elected=winners)
    return found


def _of_stages(steps: Sequence[Step]) -> list[Round]:
    """The Scottish count: a stage names whose papers it moved; an excluded option stands in no stage after that."""
    found: list[Round] = []
    gone: set[int] = set()
    for step in steps:
        if step.code == "elected_together" and found:
            found[-1] = replace(found[-1], elected=(*found[-1].elected, *step.facts["options"]))
        if step.code != "stage":
            continue
        facts = step.facts
        acted = tuple(facts["options"])
        if facts["action"] == "exclusion":
            gone |= set(acted)
            if found:
                found[-1] = replace(found[-1], leaving=acted)
        votes = {o: n for o, n in _votes(facts["votes"]).items() if o not in gone}
        found.append(Round(facts["stage"], votes, Fraction(facts["non_transferable"]), {}, Fraction(0), acted,
                           elected=tuple(facts["elected"])))  # fmt: skip
    return found


def _of_meek(steps: Sequence[Step]) -> list[Round]:
    found: list[Round] = []
    gone: set[int] = set()
    elected: tuple[int, ...] = ()
    for step in steps:
        if step.code == "elected_together" and found:
            found[-1] = replace(found[-1], elected=(*found[-1].elected, *step.facts["options"]))
        if step.code != "stage":
            continue
        facts = step.facts
        votes = {o: n for o, n in _votes(facts["votes"]).items() if o not in gone}
        givers = (*(found[-1].leaving if found else ()), *elected)
        leaving = tuple(facts["excluded"])
        quota, keep = Fraction(facts["quota"]), _votes(facts["keep"])
        found.append(Round(facts["round"], votes, Fraction(facts["exhausted"]), {}, Fraction(0), givers,
                           tuple(facts["elected"]), leaving, quota, keep))  # fmt: skip
        gone |= set(leaving)
        elected = (*elected, *facts["elected"])
    return found


def _votes(pairs: Sequence[Sequence[Any]]) -> dict[int, Fraction]:
    return {option: Fraction(n) for option, n in pairs}


def _with_changes(rounds: Sequence[Round]) -> list[Round]:
    """The rounds with what changed since the one before; an option that has left lost all it had."""
    found = [rounds[0]] if rounds else []
    for before, now in pairwise(rounds):
        changes = {o: now.votes.get(o, Fraction(0)) - n for o, n in before.votes.items()}
        moved = {o: n for o, n in changes.items() if n}
        found.append(replace(now, changes=moved, exhausted_change=now.exhausted - before.exhausted))
    return found

"""What a share is of, when a threshold is met, and whether enough residents took part. Pure.

Nothing here is estimated: where the roll is not known (polls imported from elsewhere), a figure that needs it is None
and the step says so. A threshold asks for strictly more than its share (GLOSSARY: "порог"), a least number of votes for
at least that many; a quorum, which belongs to the whole poll, asks for at least its share of the roll, at least its
number of ballots, or both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from polls.definition import Denominator, Quorum, Rule
from polls.tally.answers import Classes
from polls.tally.outcome import Step, fraction_text
from polls.tally.profile import Profile


def denominator_size(rule: Rule, classes: Classes, entitled: int | None) -> int | None:
    """How many the share is of: valid answers, ballots cast, or residents entitled (None: the roll is not known).

    The rule's `also_valid` classes join the valid answers: then an abstention weighs as much as a vote for another.
    """
    if rule.denominator is Denominator.CAST:
        return classes.cast
    if rule.denominator is Denominator.ENTITLED:
        return entitled
    neutral = sum(classes.neutral.values()) if "neutral" in rule.also_valid else 0
    return classes.valid + neutral + (classes.blank if "blank" in rule.also_valid else 0)


def share_of(n: int, denominator_n: int | None) -> Fraction | None:
    """`n` ÷ `denominator_n` exactly; None when that is not known or zero."""
    return Fraction(n, denominator_n) if denominator_n else None


def opening_steps(rule: Rule, classes: Classes, profile: Profile) -> tuple[Step, ...]:
    """The steps every count begins with: how the ballots divide, and what a share is of."""
    neutral = sum(classes.neutral.values())
    ballots = {"cast": classes.cast, "blank": classes.blank, "neutral": neutral, "valid": classes.valid}
    if classes.own is not None:
        ballots["own"] = classes.own
    of = {"denominator": rule.denominator.value, "n": denominator_size(rule, classes, profile.entitled)}
    steps = [Step("ballots", ballots), Step("denominator", {**of, "also": sorted(set(rule.also_valid))})]
    if profile.entitled is not None and classes.cast > profile.entitled:
        steps.append(Step("cast_exceeds_roll", {"cast": classes.cast, "entitled": profile.entitled}))
    return tuple(steps)


@dataclass(frozen=True)
class Threshold:
    """Which options may win. `met`: None when no share is declared or the roll is not known, else whether any is above.

    `binds`: whether a share or a least number of votes is declared at all.
    """

    above: frozenset[int]
    met: bool | None
    steps: tuple[Step, ...]
    binds: bool = False


def apply_threshold(rule: Rule, votes: Mapping[int, int] | Mapping[int, Fraction], n: int | None) -> Threshold:
    """The options with strictly more than the declared share of the denominator `n`, and at least `min_votes`.

    With neither declared, all of them. With a share of an unknown roll no option is above: saying otherwise would be a
    made-up figure.
    """
    above, met, steps = list(votes), None, list[Step]()
    if rule.threshold is not None:
        facts: dict[str, Any] = {"share": rule.threshold, "denominator": rule.denominator.value}
        if n is None:
            above = []
            steps.append(Step("threshold_unknown", facts))
        else:
            line = Fraction(rule.threshold) * n
            above = [option_id for option_id in votes if votes[option_id] > line]
            met = bool(above)
            steps.append(Step("threshold", {**facts, "n": n, "needs_more_than": fraction_text(line), "above": above}))
    if rule.min_votes:
        enough = [option_id for option_id in votes if votes[option_id] >= rule.min_votes]
        steps.append(Step("min_votes", {"needs": rule.min_votes, "enough": enough}))
        above = [option_id for option_id in above if option_id in enough]
    return Threshold(frozenset(above), met, tuple(steps), bool(steps))


@dataclass(frozen=True)
class QuorumResult:
    """Whether enough took part. `met`: None when that hangs on a roll that is not known.

    `needed` is the least number of ballots that meets the whole quorum, None when not known; `turnout` is
    ballots ÷ entitled, None when the roll is not known or empty.
    """

    met: bool | None
    ballots: int
    entitled: int | None
    share: str | None
    needed: int | None
    turnout: Fraction | None

    def as_json(self) -> dict[str, Any]:
        """The fields by name, `turnout` as ``"a/b"``."""
        return {
            "met": self.met,
            "ballots": self.ballots,
            "entitled": self.entitled,
            "share": self.share,
            "needed": self.needed,
            "turnout": fraction_text(self.turnout),
        }

    def step(self) -> Step:
        """The step ``quorum`` with these facts."""
        return Step("quorum", self.as_json())


def check_quorum(quorum: Quorum | None, ballots: int, entitled: int | None) -> QuorumResult:
    """The poll's quorum against `ballots` cast and the roll `entitled` (None: not known).

    A poll that declares no quorum is met by any participation. A share of an unknown roll leaves `met` None, unless
    the number of ballots alone is already short. Raises ValueError for negative numbers.
    """
    if ballots < 0 or (entitled is not None and entitled < 0):
        raise ValueError(f"negative participation: {ballots} of {entitled}")
    turnout = share_of(ballots, entitled)
    least = (quorum.ballots if quorum else None) or 0
    share = quorum.share if quorum else None
    if share is None:
        return QuorumResult(ballots >= least, ballots, entitled, None, least, turnout)
    if entitled is None:
        return QuorumResult(None if ballots >= least else False, ballots, None, share, None, None)
    exact = Fraction(share) * entitled
    needed = max(least, -(-exact.numerator // exact.denominator))  # ceiling: ballots come whole
    return QuorumResult(ballots >= needed, ballots, entitled, share, needed, turnout)

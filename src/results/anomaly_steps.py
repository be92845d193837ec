"""Frozen or jumping shares between the published steps of a live poll. Pure.

Between two steps at least a thousand ballots came. Their share for an option moves a little by chance and by the time
of day. It *jumps* where one stretch is far from the others; it is *frozen* where the stretches differ less than chance
alone makes ballots differ, as they would if somebody wrote them by a rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import sqrt
from statistics import median

from results.anomaly_shapes import Check, CheckName, Finding, Lack, cannot_say, judged

LEAST_STRETCHES = 8
LEAST_BALLOTS = 500
JUMP = 6.0
"""Robust standard deviations from the middle of the stretches."""
JUMP_MATTERS = 0.10
"""A smaller difference of shares is not looked into: days and evenings differ by a few points."""
CALM = 0.02
FROZEN = 4.0
"""Standard deviations by which the spread is under that of chance (Wilson and Hilferty's cube root of chi-square)."""


@dataclass(frozen=True)
class LiveStep:
    """What one step published of a question: ballots with a valid answer so far, votes so far by option."""

    at: datetime
    valid: int
    votes: Mapping[int, int]


def live_steps(questions: Mapping[int, Sequence[LiveStep]]) -> Check:
    """The check over all questions: question id → its steps, rising. The statistic is in units of its thresholds."""
    found: list[tuple[float, Finding]] = []
    enough = False
    for question_id, steps in questions.items():
        stretches = [(a, b) for a, b in pairwise(steps) if b.valid - a.valid >= LEAST_BALLOTS]
        if len(stretches) < LEAST_STRETCHES:
            continue
        enough = True
        for option in sorted({option for step in steps for option in step.votes}):
            found.append(_jump(question_id, option, stretches))
        leading = max(steps[-1].votes, key=lambda option: (steps[-1].votes[option], -option), default=None)
        if leading is not None:
            found.append(_frozen(question_id, leading, stretches))
    if not enough:
        return cannot_say(CheckName.STEPS, Lack.FEW_STEPS)
    found.sort(key=lambda pair: -pair[0])
    return judged(CheckName.STEPS, found[0][0], 1.0, [finding for score, finding in found[:5] if score > 1])


def _shares(option: int, stretches: Sequence[tuple[LiveStep, LiveStep]]) -> list[tuple[float, int]]:
    """The share for an option in every stretch, and its ballots."""
    found = []
    for a, b in stretches:
        ballots = b.valid - a.valid
        found.append(((b.votes.get(option, 0) - a.votes.get(option, 0)) / ballots, ballots))
    return found


def _jump(question_id: int, option: int, stretches: Sequence[tuple[LiveStep, LiveStep]]) -> tuple[float, Finding]:
    shares = _shares(option, stretches)
    middle = median(share for share, _ in shares)
    spread = max(1.4826 * median(abs(share - middle) for share, _ in shares), CALM)
    best, at = 0.0, 0
    for place, (share, ballots) in enumerate(shares):
        if abs(share - middle) >= JUMP_MATTERS:
            score = abs(share - middle) / sqrt(spread**2 + middle * (1 - middle) / ballots) / JUMP
            best, at = max((best, at), (score, place))
    a, b = stretches[at]
    return best, Finding(a.at, b.at, (), shares[at][0], middle, question_id, option)


def _frozen(question_id: int, option: int, stretches: Sequence[tuple[LiveStep, LiveStep]]) -> tuple[float, Finding]:
    shares = _shares(option, stretches)
    ballots = sum(n for _, n in shares)
    whole = sum(share * n for share, n in shares) / ballots
    freedom = len(shares) - 1
    finding = Finding(stretches[0][0].at, stretches[-1][1].at, (), whole, whole, question_id, option)
    if not 0 < whole < 1:
        return 0.0, finding
    spread = sum((share - whole) ** 2 * n for share, n in shares) / (whole * (1 - whole))
    wide = 2 / (9 * freedom)
    normal = ((spread / freedom) ** (1 / 3) - (1 - wide)) / sqrt(wide)
    return max(0.0, -normal / FROZEN), finding

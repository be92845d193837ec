"""Bursts of votes without the form of a response to a message, and the expected band of the chart. Pure.

The idea: what people do after a message begins within minutes and dies down over tens of minutes; a program that adds
votes runs evenly and ends at once. Both forms are fitted by least squares over a straight line; which is better, and by
how many standard deviations, is the statistic. The spread beyond Poisson's is measured in the poll itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from math import log
from typing import TYPE_CHECKING, Any

from results.anomaly_checks import MATTERS, MOST_FINDINGS
from results.anomaly_counters import SLOT
from results.anomaly_shapes import Check, CheckName, Finding, Lack, Step, cannot_say, judged

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, numpy.dtype[Any]]

BURST_THRESHOLD = 4.0
"""In standard deviations, at which a block of even votes explains a burst better than any response to a message."""
BETTER = 2.0
"""So many times smaller must what is left unexplained be."""
PER_SLOT = 10
"""With fewer votes in ten minutes, on average, the form of a burst cannot be told."""
BEFORE, AFTER = 6, 9
LONGEST_BURST = 12
"""In slots: two hours."""
HALF_LIVES = (0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 6.5, 10.0)
"""Of responses to messages, in slots of ten minutes: 7.5 minutes to over an hour and a half."""
RAMPS = (1, 2, 3)
"""Slots over which messages are sent."""
TAILS = (0.0, 0.3)
TAIL = 18.0
"""Share of a response that is slow, and its half-life in slots."""


def burst(steps: Sequence[Step]) -> Check:
    """Bursts without the form of a response.

    Where a block of even votes over a straight line leaves at most half of what the best
    response leaves unexplained, and the difference is many standard deviations, the burst is unusual. A burst with the
    form of a response is not: that is the blind spot.
    """
    import numpy

    begins, pace = _even(steps)
    total = float(pace.sum())
    if len(pace) < BEFORE + AFTER + LONGEST_BURST + 18:
        return cannot_say(CheckName.BURST, Lack.SHORT)
    if total < PER_SLOT * len(pace):
        return cannot_say(CheckName.BURST, Lack.FEW_VOTES)
    found: list[tuple[float, int, int, float]] = []
    spread = wandering(pace, running_median(pace, 9))
    for slots in range(1, LONGEST_BURST + 1):
        score, height = _block_scores(pace, slots, MATTERS * total, spread)
        for at in numpy.flatnonzero(score > 0).tolist():
            found.append((float(score[at]), at + BEFORE, slots, float(height[at])))
    found.sort(reverse=True)
    findings: list[Finding] = []
    taken = numpy.zeros(len(pace), bool)
    for best, at, slots, high in found:
        if best > BURST_THRESHOLD and not taken[at : at + slots].any() and len(findings) < MOST_FINDINGS:
            taken[max(0, at - 3) : at + slots + 3] = True
            seen = float(pace[at : at + slots].sum())
            findings.append(Finding(begins + at * SLOT, begins + (at + slots) * SLOT, (), seen, seen - high * slots))
    return judged(CheckName.BURST, found[0][0] if found else 0.0, BURST_THRESHOLD, findings)


def _even(steps: Sequence[Step]) -> tuple[datetime, Array]:
    """The pace in every ten minutes; what is merged is spread evenly."""
    import numpy

    slots = [(step.ends - step.begins) // SLOT for step in steps]
    pace = (
        numpy.repeat([step.votes / n for step, n in zip(steps, slots, strict=True)], slots) if steps else numpy.zeros(0)
    )
    return (steps[0].begins if steps else datetime.min), pace


def running_median(values: Array, reach: int) -> Array:
    """The median of each value and `reach` ones on both sides; edges are repeated."""
    import numpy

    wide = numpy.pad(values, reach, mode="edge")
    found: Array = numpy.median(numpy.lib.stride_tricks.sliding_window_view(wide, 2 * reach + 1), axis=1)
    return found


def wandering(pace: Array, level: Array) -> float:
    """Square of the relative spread from slot to slot beyond Poisson's, by the median of squared differences."""
    import numpy

    jumps = numpy.diff(pace) ** 2 / 2 / 0.4549  # 0.4549: median of chi-square with one degree of freedom
    between = (level[1:] + level[:-1]) / 2
    busy = between >= PER_SLOT
    if busy.sum() < 20:
        return 0.04
    return float(max(numpy.median((jumps - between)[busy] / between[busy] ** 2), 0.0004))


def _block_scores(pace: Array, slots: int, least: float, spread: float) -> tuple[Array, Array]:
    """For every start: by how many standard deviations a block is better than responses (0: it is not), its height.

    Only starts where a block is higher than at the starts beside it are looked into.
    """
    import numpy

    long = BEFORE + slots + AFTER
    windows = numpy.lib.stride_tricks.sliding_window_view(pace, long)
    at = numpy.arange(long)
    line, _ = numpy.linalg.qr(numpy.stack([numpy.ones(long), at - at.mean()], axis=1))

    def beside_line(rows: Array) -> Array:
        beside: Array = rows - (rows @ line) @ line.T
        return beside

    left = beside_line(windows)
    energy = (left**2).sum(axis=1)
    block = beside_line(((at >= BEFORE) & (at < BEFORE + slots)).astype(float)[None, :])[0]
    height = left @ block / (block @ block)
    by_block = energy - height**2 * (block @ block)
    beside = numpy.pad(height, 1, constant_values=-numpy.inf)
    highest = (height >= beside[:-2]) & (height >= beside[2:])
    candidates = numpy.flatnonzero(highest & (height * slots > least))
    score = numpy.zeros(len(windows))
    if not len(candidates):
        return score, height
    forms = beside_line(_responses(long))
    forms /= numpy.sqrt((forms**2).sum(axis=1, keepdims=True))
    fits = numpy.clip((left[candidates] @ forms.T).max(axis=1), 0, None)
    by_response = energy[candidates] - fits**2
    level = numpy.median(windows[candidates], axis=1)
    top = level + height[candidates]
    noise = numpy.maximum(top + spread * top**2, 1.0)
    better = by_response > BETTER * by_block[candidates]
    gain = numpy.clip(by_response - by_block[candidates], 0, None) / noise
    score[candidates] = numpy.where(better, numpy.sqrt(gain), 0.0)
    return score, height


@cache
def _responses(long: int) -> Array:
    """Forms of responses to messages, beginning near the start of a block."""
    import numpy

    forms = []
    at = numpy.arange(long, dtype=float)
    for ramp in RAMPS:
        for half in HALF_LIVES:
            for tail in TAILS:
                for start in range(BEFORE - 2, BEFORE + 1):
                    for part in (0.0, 0.5):
                        since = at - start + part
                        forms.append((1 - tail) * _answered(since, ramp, half) + tail * _answered(since, ramp, TAIL))
    return numpy.array(forms)


def _answered(since: Array, ramp: int, half: float) -> Array:
    """Answers within each slot to messages sent evenly over `ramp` slots, at an exponential pace."""
    import numpy

    rate = log(2) / half

    def until(t: Array) -> Array:
        t = numpy.clip(t, 0, None)
        after = numpy.clip(t - ramp, 0, None)
        answered: Array = numpy.minimum(t, ramp) - (numpy.exp(-rate * after) - numpy.exp(-rate * t)) / rate
        return answered

    found: Array = (until(since + 1) - until(since)) / ramp
    return found


# ---- the expected band, for the chart


def with_band(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Steps with what was to be expected by the other times: the running median of two hours, with three deviations."""
    import numpy

    if len(steps) < 24:
        return tuple(steps)
    _, pace = _even(steps)
    level = running_median(pace, 6)
    spread = wandering(pace, level)
    found, at = [], 0
    for step in steps:
        slots = (step.ends - step.begins) // SLOT
        middle = float(level[at : at + slots].sum())
        wide = 3 * float(numpy.sqrt(middle + spread * middle**2))
        found.append(replace(step, low=max(0.0, middle - wide), high=middle + wide))
        at += slots
    return tuple(found)

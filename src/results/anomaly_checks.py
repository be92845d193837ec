"""The checks of nights, of okrugs by hour, of okrugs against the roll and of young accounts. Pure.

Bursts are in :mod:`results.anomaly_bursts`, steps of live polls in :mod:`results.anomaly_steps`.

Counts of votes are not Poisson: their pace wanders, messages make bursts, okrugs have rhythms of their own. So every
check measures the spread it finds in the poll itself, by medians, which a few stuffed cells do not move, and asks for
an excess that could matter: one in a hundred of all votes. Thresholds were set on simulated honest polls
(tests/results/simulated_polls.py) so that all checks together are wrong about at most one honest poll in a hundred, and
then measured on others. What each sees and where it is blind: docs/anomalies.md.

Sources: over-dispersion and robust spread: McCullagh and Nelder, *Generalized Linear Models* (1989), ch. 6 and 9;
windows over time and place: Kulldorff, "A spatial scan statistic", Comm. Stat. 26 (1997), here with a robust scale in
place of the Poisson likelihood; the outlier among okrugs: Grubbs, "Sample criteria for testing outlying observations",
Ann. Math. Stat. 21 (1950), as the studentized deleted residual; the interval of a share: Wilson, JASA 22 (1927).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from math import log, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from results.anomaly_counters import SLOT
from results.anomaly_shapes import Check, CheckName, Finding, Hours, Lack, Step, cannot_say, judged

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, numpy.dtype[Any]]

MATTERS = 0.01
"""Excesses under this share of all votes are not looked into: a local newsletter makes as much."""
MOST_FINDINGS = 5

# ---- nights

NIGHT = (1, 5)
"""Hours of city time, the second exclusive."""
NIGHT_THRESHOLD = 0.04
"""Of all votes. By time-use surveys 5 to 12 % of people are awake between one and five, and nine in ten by day: were
those awake equally keen, nights had about 2 % of the votes. Twice that is unusual."""
OPENING = timedelta(hours=6)
"""After opening nobody's night counts: people wait for a poll."""
SURE = NormalDist().inv_cdf(0.999)


def night(steps: Sequence[Step], zone: ZoneInfo) -> Check:
    """The share of votes cast at night, as the lower end of its 99.9 % interval by Wilson."""
    total = sum(step.votes for step in steps)
    if total < 1_000:
        return cannot_say(CheckName.NIGHT, Lack.FEW_VOTES)
    opened = steps[0].begins
    inside: list[tuple[Step, float]] = []
    nights: dict[object, float] = {}
    for step in steps:
        if step.begins - opened < OPENING:
            continue
        share = _at_night(step, zone)
        if share > 0:
            inside.append((step, share))
            day = step.begins.astimezone(zone).date()
            nights[day] = nights.get(day, 0.0) + share * step.votes
    if not inside or (steps[-1].ends - opened) < timedelta(hours=20):
        return cannot_say(CheckName.NIGHT, Lack.SHORT)
    votes = sum(nights.values())
    worst = max(inside, key=lambda pair: pair[0].votes / ((pair[0].ends - pair[0].begins) / SLOT))[0]
    low = wilson_low(votes, total)
    whole = Finding(None, None, (), votes, total * NIGHT_THRESHOLD / 2)
    length = (worst.ends - worst.begins) / SLOT
    by_slot = total * NIGHT_THRESHOLD / 2 / max(1, len(nights) * 24)
    single = Finding(worst.begins, worst.ends, (), worst.votes, by_slot * length)
    return judged(CheckName.NIGHT, low, NIGHT_THRESHOLD, (whole, single))


def _at_night(step: Step, zone: ZoneInfo) -> float:
    """The part of a step between the hours of the night; a step over half a day is not looked into."""
    slots = (step.ends - step.begins) // SLOT
    hours = [(step.begins + n * SLOT).astimezone(zone).hour for n in range(slots)]
    return sum(NIGHT[0] <= hour < NIGHT[1] for hour in hours) / slots


def wilson_low(votes: float, total: float, sure: float = SURE) -> float:
    """The lower end of Wilson's interval of a share."""
    share = votes / total
    middle = share + sure**2 / (2 * total)
    wide = sure * sqrt(share * (1 - share) / total + sure**2 / (4 * total**2))
    return (middle - wide) / (1 + sure**2 / total)


# ---- okrugs by hour

PLACES_THRESHOLD = 6.0
"""In robust standard deviations, over all windows."""
PLACE_MATTERS = 0.005
LEAST_RATIO = 1.12
LEAST_ROWS = 12
WINDOWS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24)
"""In rows of the table, up to half of it."""
CALM = 0.03
"""Okrugs are taken to differ by this much at least, whatever the poll shows."""


def places(hours: Hours) -> Check:
    """Okrugs whose share of the city's votes jumps for a while.

    What moves the whole city (a message, an evening, the last hour) leaves shares of okrugs as they are; what is
    expected of an okrug in a window is the city's votes there by its usual share, both fitted without the cells that
    stand out. Scanned are windows of up to half of the poll; the spread is that of all windows of the same length.
    """
    import numpy

    votes = numpy.array([row.votes for row in hours.rows], float)
    if not len(hours.rows) or votes.sum() < 1_000:
        return cannot_say(CheckName.PLACES, Lack.FEW_VOTES)
    if votes.shape[1] < 3:
        return cannot_say(CheckName.PLACES, Lack.FEW_PLACES)
    if len(votes) < LEAST_ROWS:
        return cannot_say(CheckName.PLACES, Lack.SHORT)
    expected = usual_shares(votes)
    least = PLACE_MATTERS * votes.sum()
    found: list[tuple[float, int, int, int]] = []
    for rows in [n for n in WINDOWS if n <= len(votes) // 2]:
        seen, usual = _window_sums(votes, rows), _window_sums(expected, rows)
        ratio = numpy.log((seen + 0.5) / (usual + 0.5))
        middle = numpy.median(ratio, axis=0)
        spread = 1.4826 * numpy.median(numpy.abs(ratio - middle), axis=0)
        # An okrug's own spread, but not far from that of all: one stuffed for long must not hide behind its own.
        beyond = spread**2 - numpy.median(1 / (usual + 0.5), axis=0)
        pooled = max(float(numpy.median(beyond)), CALM**2)
        own = numpy.clip(beyond, pooled, 6 * pooled)
        score = ratio / numpy.sqrt(1 / (usual + 0.5) + own)
        score[(seen - usual < least) | (ratio < log(LEAST_RATIO))] = 0
        for row, place in zip(*numpy.nonzero(score > 0), strict=True):
            found.append((float(score[row, place]), int(row), rows, int(place)))
    found.sort(reverse=True)
    findings: list[Finding] = []
    taken = numpy.zeros(votes.shape, bool)
    for score_, row, rows, place in found:
        if score_ <= PLACES_THRESHOLD or len(findings) == MOST_FINDINGS or taken[row : row + rows, place].any():
            continue
        taken[row : row + rows, place] = True
        begins, ends = hours.rows[row].begins, hours.rows[row + rows - 1].ends
        seen_, usual_ = votes[row : row + rows, place].sum(), expected[row : row + rows, place].sum()
        findings.append(Finding(begins, ends, hours.places[place].codes, float(seen_), float(usual_)))
    return judged(CheckName.PLACES, found[0][0] if found else 0.0, PLACES_THRESHOLD, findings)


def usual_shares(votes: Array) -> Array:
    """What is expected in every cell: the pace of its row by the share of its place.

    First by medians, of places over rows and of rows over places (Tukey's median polish, multiplied), which a few
    stuffed places and hours do not move; then by sums over the cells that do not stand out, which is more exact.
    """
    import numpy

    rows = votes.sum(axis=1)
    for _ in range(5):
        share = numpy.median(votes / rows[:, None], axis=0)
        rows = numpy.median(votes / share, axis=1)
    fitted = rows[:, None] * share
    kept = numpy.log(votes / fitted) < 2.5 * numpy.sqrt(1 / fitted + 0.08**2)
    for _ in range(6):
        rows = (votes * kept).sum(axis=1) / numpy.maximum((kept * share).sum(axis=1), 1e-9)
        share = (votes * kept).sum(axis=0) / numpy.maximum((kept * rows[:, None]).sum(axis=0), 1e-9)
    found: Array = rows[:, None] * share
    return found


def _window_sums(cells: Array, rows: int) -> Array:
    """Sums of so many neighbouring rows, at every start."""
    import numpy

    running = numpy.vstack([numpy.zeros((1, cells.shape[1])), numpy.cumsum(cells, axis=0)])
    found: Array = running[rows:] - running[:-rows]
    return found


# ---- okrugs against the roll

LEAST_OKRUGS = 6
TURNOUT_CALM = 0.08
"""Logarithms of turnouts are taken to differ by this much at least between okrugs."""
TURNOUT_RISK = 0.0005
"""Of being wrong about an honest poll."""


def turnout(okrugs: Mapping[str, tuple[int, int]], total: int) -> Check:
    """An okrug whose turnout stands out from the others': Grubbs' test on logarithms, upwards only.

    `okrugs`: code → (votes, entitled), of okrugs whose turnout is published.
    """
    known = {code: pair for code, pair in okrugs.items() if min(pair) >= 10}
    if len(known) < LEAST_OKRUGS:
        return cannot_say(CheckName.TURNOUT, Lack.FEW_PLACES)
    if sum(votes for votes, _ in known.values()) < 1_000:
        return cannot_say(CheckName.TURNOUT, Lack.FEW_VOTES)
    scores: dict[str, float] = {}
    usual: dict[str, float] = {}
    for code, (votes, entitled) in known.items():
        others = [log(v / e) for other, (v, e) in known.items() if other != code]
        middle = sum(others) / len(others)
        spread = max(sqrt(sum((x - middle) ** 2 for x in others) / (len(others) - 1)), TURNOUT_CALM)
        usual[code] = entitled * 2.718281828459045**middle
        wide = sqrt(spread**2 * (1 + 1 / len(others)) + 1 / votes)
        scores[code] = (log(votes / entitled) - middle) / wide if votes - usual[code] >= MATTERS * total else 0.0
    threshold = _student(1 - TURNOUT_RISK / len(known), len(known) - 2)
    over = sorted((code for code in scores if scores[code] > threshold), key=lambda code: -scores[code])
    findings = [Finding(None, None, (code,), known[code][0], usual[code]) for code in over[:MOST_FINDINGS]]
    return judged(CheckName.TURNOUT, max(scores.values()), threshold, findings)


@cache
def _student(level: float, freedom: int) -> float:
    """A quantile of Student's distribution, by halving over its integral (Simpson)."""
    from math import gamma, pi

    constant = gamma((freedom + 1) / 2) / sqrt(freedom * pi) / gamma(freedom / 2)

    def above(x: float) -> float:
        # With t = x + (1 - u) / u the tail is an integral over (0, 1].
        steps = 400
        total = 0.0
        for place in range(1, steps + 1):
            u = (place - 0.5) / steps
            t = x + (1 - u) / u
            total += constant * (1 + t * t / freedom) ** (-(freedom + 1) / 2) / (u * u)
        return total / steps

    low, high = 0.0, 200.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if above(middle) > 1 - level else (low, middle)
    return high


# ---- young accounts

YOUNG_THRESHOLD = 0.03
"""Of all votes; the share meant to be found is 5 %."""
YOUNG_TIMES = 3.0
"""Newcomers come in order to vote: so many times their share of the register is not unusual."""
NEW_REGISTER = 0.2


def young(votes: int, of_young: int | None, share_of_register: float | None) -> Check:
    """The share of votes by accounts younger than the poll, as the lower end of its 99.9 % interval."""
    if of_young is None or share_of_register is None:
        return cannot_say(CheckName.YOUNG, Lack.NOT_RECORDED)
    if votes < 200:
        return cannot_say(CheckName.YOUNG, Lack.FEW_VOTES)
    if share_of_register > NEW_REGISTER:
        return cannot_say(CheckName.YOUNG, Lack.NEW_REGISTER)
    threshold = max(YOUNG_THRESHOLD, YOUNG_TIMES * share_of_register)
    low = wilson_low(of_young, votes)
    return judged(CheckName.YOUNG, low, threshold, [Finding(None, None, (), of_young, votes * share_of_register)])

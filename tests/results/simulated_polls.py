"""Simulated polls of a realistic shape, honest or stuffed by a known number of votes, for the checks of anomalies.

What an honest poll is made of, each drawn anew for every poll:

- a length of 2, 3, 7 or 14 days, opened in the morning or at midnight, closed in the evening or at midnight; 10,000 to
  500,000 votes; a day with a morning, a noon and an evening of their own weights; nights at 2–12 % of the mean pace
  (people awake between one and five are 5–12 % by time-use surveys);
- interest that dies down over the days, days that differ by 15 %, an opening rush of 5–30 % of the votes that fades
  over 3–10 hours, a last-hour rush of up to 4 %;
- a message to residents about every second day: 0.3–6 % of all votes, sent over 5–30 minutes, answered with half-lives
  of 20–90 minutes and a slow tail; items on television or in a channel: up to 2 %, half-life 8–15 minutes;
- twelve okrugs of unequal size whose turnouts differ by 12 %, whose daily rhythms differ by 8 %, whose days differ by
  3 %, with messages of their own of up to 0.3 % of all votes;
- over-dispersion: the pace of the city wanders by 5 % from ten minutes to ten minutes with a memory of an hour, and
  each okrug's count by another 10 % (a negative binomial). One poll in ten has an outage of up to an hour, half of
  whose votes come in the hour after.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy

from results.anomaly_shapes import Place
from results.anomaly_steps import LiveStep

ZONE = ZoneInfo("Europe/Moscow")
SIZES = numpy.array([7.8, 11.7, 14.3, 12.6, 11.2, 9.9, 14.4, 11.0, 8.2, 2.5, 2.1, 1.5])
"""Shares of the okrugs on the roll, as in a city of twelve."""
CODES = tuple(f"okrug-{number:02}" for number in range(len(SIZES)))
PLACES = {code: Place((code,), code, code) for code in CODES}
SLOTS = 144
Array = Any


@dataclass
class Simulated:
    """A poll: votes by ten minutes and okrug, the first slot's moment, the roll by okrug, votes of young accounts."""

    begins: datetime
    votes: Array
    roll: Array
    young: int
    young_share: float
    """Share of the register's accounts that are younger than the poll."""

    def counts(self) -> dict[tuple[datetime, str], int]:
        """As the counters of the database give it."""
        moments = [self.begins + timedelta(minutes=10 * slot) for slot in range(len(self.votes))]
        return {
            (at, code): n
            for at, row in zip(moments, self.votes.tolist(), strict=True)
            for code, n in zip(CODES, row, strict=True)
            if n
        }


def honest(seed: int) -> Simulated:
    """A poll nobody tampered with."""
    rng = numpy.random.default_rng([1, seed])
    return _honest(rng)


def stuffed(seed: int, how: str, share: float = 0.05) -> Simulated:
    """The same kind of poll with `share` of its votes added, in the way `how` (a key of WAYS)."""
    rng = numpy.random.default_rng([2, seed])
    found = _honest(rng)
    more = round(share * int(found.votes.sum()))
    added = WAYS[how](rng, found, more)
    found.votes = found.votes + added
    if how == "new accounts":
        found.young += more
    return found


# ---- honest polls


def _honest(rng: Any) -> Simulated:
    days = int(rng.choice([2, 3, 7, 14]))
    total = numpy.exp(rng.uniform(numpy.log(10_000), numpy.log(500_000)))
    opens = int(rng.choice([0, 8, 9, 10])) * 6
    closes = (days - 1) * SLOTS + int(rng.choice([20, 22, 24])) * 6
    slots = numpy.arange(opens, closes)
    pace = _pace(rng, slots, days) * _wander(rng, len(slots))
    okrugs = SIZES / SIZES.sum() * numpy.exp(rng.normal(0, 0.12, len(SIZES)))
    roll = numpy.round(SIZES / SIZES.sum() * total / rng.uniform(0.03, 0.4))
    hour = slots % SLOTS / SLOTS * 2 * numpy.pi
    rhythm = numpy.exp(
        rng.normal(0, 0.08, len(SIZES)) * numpy.sin(hour)[:, None]
        + rng.normal(0, 0.08, len(SIZES)) * numpy.cos(hour)[:, None]
    )
    by_day = numpy.exp(rng.normal(0, 0.03, (days, len(SIZES))))[slots // SLOTS]
    mean = pace[:, None] * okrugs * rhythm * by_day
    mean = mean / mean.sum() * total
    for _ in range(rng.poisson(days / 3)):
        okrug = int(rng.integers(len(SIZES)))
        mean[:, okrug] += _response(rng, slots, 20, 90) * total * rng.uniform(0, 0.003)
    if rng.random() < 0.1:
        _outage(rng, mean)
    votes = rng.poisson(mean * rng.gamma(100, 1 / 100, mean.shape))
    young_share = float(rng.uniform(0.0005, 0.01))
    young = int(rng.binomial(int(votes.sum()), min(1, young_share * rng.uniform(0.5, 2))))
    begins = datetime(2026, 9, int(rng.integers(1, 15)), tzinfo=ZONE) + timedelta(minutes=10 * opens)
    return Simulated(begins, votes, roll, young, young_share)


def _pace(rng: Any, slots: Array, days: int) -> Array:
    hour = slots % SLOTS / 6
    shape = rng.uniform(0.02, 0.12) * numpy.ones(len(slots))
    for middle, wide, weight in ((9.5, 1.8, 0.8), (13.5, 2.5, 1.0), (20, 2.3, 1.2)):
        shape = shape + weight * rng.uniform(0.5, 1.5) * numpy.exp(
            -0.5 * ((hour - middle - rng.normal(0, 0.4)) / wide) ** 2
        )
    day = slots // SLOTS
    shape *= numpy.exp(-day / rng.uniform(3, 20)) * numpy.exp(rng.normal(0, 0.15, days))[day]
    pace = shape / shape.sum()
    since = (slots - slots[0]) / 6
    rush = numpy.exp(-since / rng.uniform(3, 10)) * (shape / shape.mean() + 0.3)
    pace += rng.uniform(0.05, 0.3) * rush / rush.sum()
    left = (slots[-1] - slots) / 6
    rush = numpy.exp(-left / rng.uniform(0.5, 1.5))
    pace += rng.uniform(0, 0.04) * rush / rush.sum()
    for _ in range(rng.poisson(days / 2)):
        pace += numpy.exp(rng.uniform(numpy.log(0.003), numpy.log(0.06))) * _response(rng, slots, 20, 90)
    for _ in range(rng.poisson(days / 4)):
        pace += rng.uniform(0, 0.02) * _response(rng, slots, 8, 15)
    return pace


def _response(rng: Any, slots: Array, fastest: float, slowest: float) -> Array:
    """How a message is answered: sent evenly over some minutes of the day, answered at two speeds. Adds up to one."""
    minutes = 10.0 * slots
    day = int(rng.integers(slots[0] // SLOTS, slots[-1] // SLOTS + 1))
    sent = day * 1440 + rng.uniform(9, 21) * 60
    over = rng.uniform(5, 30)
    quick, slow = rng.uniform(fastest, slowest), rng.uniform(120, 360)

    def answered(half_life: float, at: Array) -> Array:
        """Votes until a moment, of a response to messages sent evenly over a while: the integral of its pace."""
        rate = numpy.log(2) / half_life
        since = numpy.clip(at - sent, 0, None)
        after = numpy.clip(since - over, 0, None)
        return (numpy.minimum(since, over) - (numpy.exp(-rate * after) - numpy.exp(-rate * since)) / rate) / over

    weight = rng.uniform(0.6, 0.9)
    done = [weight * answered(quick, at) + (1 - weight) * answered(slow, at) for at in (minutes, minutes + 10)]
    found = done[1] - done[0]
    return found / found.sum() if found.sum() > 0.2 else numpy.zeros(len(slots))


def _wander(rng: Any, n: int) -> Array:
    noise = rng.normal(0, 1, n)
    memory = 0.85
    for place in range(1, n):
        noise[place] = memory * noise[place - 1] + (1 - memory**2) ** 0.5 * noise[place]
    return numpy.exp(0.05 * noise)


def _outage(rng: Any, mean: Array) -> None:
    long = int(rng.integers(1, 7))
    start = int(rng.integers(6, len(mean) - 24))
    lost = mean[start : start + long].sum(axis=0)
    mean[start : start + long] = 0
    after = numpy.exp(-numpy.arange(6) / 2.0)
    mean[start + long : start + long + 6] += 0.5 * lost * (after / after.sum())[:, None]


# ---- stuffing


def _spread(rng: Any, found: Simulated, weights: Array, more: int) -> Array:
    """`more` votes thrown over slots and okrugs by weights."""
    flat = (weights / weights.sum()).ravel()
    return rng.multinomial(more, flat).reshape(found.votes.shape)


def _mix(found: Simulated) -> Array:
    """The okrugs as they really voted."""
    return found.votes.sum(axis=0) / found.votes.sum()


def _hours(found: Simulated) -> Array:
    first = found.begins.hour * 6 + found.begins.minute // 10
    return (first + numpy.arange(len(found.votes))) % SLOTS / 6


def _block(rng: Any, found: Simulated, slots: int, earliest: float = 8, latest: float = 22) -> Array:
    """One stretch of so many slots, all of it between two hours of a day, away from opening and closing."""
    hours, n = _hours(found), len(found.votes)
    fit = [
        s for s in range(6, n - slots - 6) if hours[s] >= earliest and hours[s] + slots / 6 <= latest
    ]  # fmt: skip
    chosen = numpy.zeros(n)
    start = int(rng.choice(fit))
    chosen[start : start + slots] = 1
    return chosen


def _one_hour(rng: Any, found: Simulated, more: int) -> Array:
    return _spread(rng, found, _block(rng, found, 6)[:, None] * _mix(found), more)


def _twenty_minutes(rng: Any, found: Simulated, more: int) -> Array:
    return _spread(rng, found, _block(rng, found, 2)[:, None] * _mix(found), more)


def _nights(rng: Any, found: Simulated, more: int) -> Array:
    hours = _hours(found)
    when = (hours >= 1) & (hours < 5) & (numpy.arange(len(hours)) >= 18)
    return _spread(rng, found, when[:, None] * _mix(found), more)


def _one_okrug(rng: Any, found: Simulated, when: Array) -> Array:
    which = numpy.zeros(len(SIZES))
    which[rng.choice(len(SIZES), p=SIZES / SIZES.sum())] = 1
    return when[:, None] * which


def _okrug_hours(rng: Any, found: Simulated, more: int) -> Array:
    return _spread(rng, found, _one_okrug(rng, found, _block(rng, found, 24)), more)


def _okrug_day(rng: Any, found: Simulated, more: int) -> Array:
    return _spread(rng, found, _one_okrug(rng, found, _block(rng, found, 60)), more)


def _three_okrugs(rng: Any, found: Simulated, more: int) -> Array:
    which = numpy.zeros(len(SIZES))
    which[rng.choice(len(SIZES), 3, replace=False, p=SIZES / SIZES.sum())] = 1
    return _spread(rng, found, _block(rng, found, 36)[:, None] * which, more)


def _six_hours(rng: Any, found: Simulated, more: int) -> Array:
    return _spread(rng, found, _block(rng, found, 36)[:, None] * _mix(found), more)


def _okrug_thin(rng: Any, found: Simulated, more: int) -> Array:
    return _spread(rng, found, _one_okrug(rng, found, found.votes.sum(axis=1)), more)


def _thin(rng: Any, found: Simulated, more: int) -> Array:
    return _spread(rng, found, found.votes.astype(float), more)


def _like_a_message(rng: Any, found: Simulated, more: int) -> Array:
    first = found.begins.hour * 6 + found.begins.minute // 10
    pace = numpy.zeros(1)
    while not pace.any():
        pace = _response(rng, first + numpy.arange(len(found.votes)), 20, 90)
    return _spread(rng, found, pace[:, None] * _mix(found), more)


WAYS: dict[str, Any] = {
    "one hour": _one_hour,
    "twenty minutes": _twenty_minutes,
    "every night": _nights,
    "one okrug, four hours": _okrug_hours,
    "one okrug, ten hours": _okrug_day,
    "three okrugs, six hours": _three_okrugs,
    "new accounts": _thin,
    "six hours, whole city": _six_hours,
    "one okrug, spread thin": _okrug_thin,
    "spread thin": _thin,
    "like a message": _like_a_message,
}
SEEN = tuple(WAYS)[:7]
"""Ways that are to be found nine times in ten."""
BLIND = tuple(WAYS)[7:]
"""Ways that are not, or only in part; docs say so."""


# ---- live polls


def live_questions(seed: int, found: Simulated, *, added: Any = None) -> dict[int, list[LiveStep]]:
    """The steps a live poll of one question with four options would publish, a thousand ballots or more each.

    Shares drift by about three points with the hour of the day and wander by one; `added` (votes by slot) are all for
    option 2.
    """
    rng = numpy.random.default_rng([3, seed])
    extra = numpy.zeros(len(found.votes), int) if added is None else added.sum(axis=1)
    own = found.votes.sum(axis=1) - extra
    base = rng.dirichlet([8, 6, 4, 2])
    tilt = rng.normal(0, 0.03, 4) - rng.normal(0, 0.03, 4).mean()
    hour = _hours(found) / 24 * 2 * numpy.pi
    shares = numpy.clip(base + tilt * numpy.sin(hour)[:, None] + rng.normal(0, 0.01, (len(own), 4)), 0.005, 1)
    cast = rng.multinomial(own, shares / shares.sum(axis=1, keepdims=True))
    cast[:, 1] += extra
    steps: list[LiveStep] = []
    so_far, last = numpy.zeros(4, int), 0
    for slot, row in enumerate(cast):
        so_far = so_far + row
        if so_far.sum() >= last + 1_000:
            last = int(so_far.sum())
            votes = {option: int(n) for option, n in enumerate(so_far, start=1)}
            steps.append(LiveStep(found.begins + timedelta(minutes=10 * slot), last, votes))
    return {1: steps}

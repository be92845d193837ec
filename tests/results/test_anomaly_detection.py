"""Checks of anomalies on simulated polls: how often an honest poll is called unusual, how often stuffing is found.

The thresholds were set on seeds below a thousand; these seeds begin at a million. Printed is the table that
docs/anomalies.md shows (`pytest -s`, in full with VECHE_FULL_COUNTS=1 VECHE_TABLES=1).
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import numpy
import pytest
from tests.results.simulated_polls import BLIND, CODES, PLACES, SEEN, ZONE, Simulated, honest, live_questions, stuffed

from results.anomaly_bursts import burst, with_band
from results.anomaly_checks import night, places, turnout, wilson_low, young
from results.anomaly_counters import hours_of, steps_of
from results.anomaly_shapes import Check, CheckName, Lack, Step, Verdict
from results.anomaly_steps import LiveStep, live_steps

FULL = bool(os.environ.get("VECHE_FULL_COUNTS"))
HONEST = 3_000 if FULL else 120
EACH = 300 if FULL else 12
FIRST_SEED = 1_000_000


def checks_of(found: Simulated, live: dict[int, list[LiveStep]]) -> list[Check]:
    """All checks of a simulated poll, from what is published of it."""
    counts, total = found.counts(), int(found.votes.sum())
    steps = steps_of(counts, ZONE)
    okrugs = {code: (int(found.votes[:, n].sum()), int(found.roll[n])) for n, code in enumerate(CODES)}
    return [
        burst(steps), night(steps, ZONE), places(hours_of(counts, PLACES)), turnout(okrugs, total),
        young(total, found.young, found.young_share), live_steps(live),
    ]  # fmt: skip


def found_by(made: Callable[[int], Simulated], polls: int) -> tuple[float, Counter[CheckName]]:
    """The share of polls in which any check found something, and how often each did."""
    by: Counter[CheckName] = Counter()
    hits = 0
    for seed in range(FIRST_SEED, FIRST_SEED + polls):
        poll = made(seed)
        unusual = [check.name for check in checks_of(poll, live_questions(seed, poll)) if check.verdict == "unusual"]
        by.update(unusual)
        hits += bool(unusual)
    return hits / polls, by


def told(what: str, share: float, by: Counter[CheckName]) -> None:
    sys.stdout.write(f"{what:30} {share:7.1%}  {', '.join(f'{name} {n}' for name, n in sorted(by.items()))}\n")


@pytest.mark.timeout(3_600)
def test_honest_polls_are_called_unusual_in_one_case_of_a_hundred_at_most() -> None:
    share, by = found_by(honest, HONEST)
    told(f"honest, {HONEST}", share, by)
    assert share <= (0.01 if FULL else 0.02)


@pytest.mark.parametrize("how", SEEN)
def test_stuffing_of_five_per_cent_is_found_nine_times_in_ten(how: str) -> None:
    share, by = found_by(lambda seed: stuffed(seed, how), EACH)
    told(how, share, by)
    assert share >= 0.9


@pytest.mark.parametrize("how", BLIND)
def test_where_the_checks_are_blind(how: str) -> None:
    """Said in the docs, and held here so that they stay true: these are mostly not found."""
    share, by = found_by(lambda seed: stuffed(seed, how), EACH)
    told(how, share, by)
    assert share < 0.5


@pytest.mark.timeout(3_600)
@pytest.mark.skipif(not os.environ.get("VECHE_TABLES"), reason="a table for the docs, no test: VECHE_TABLES=1")
@pytest.mark.parametrize("share", [0.01, 0.02, 0.03])
def test_less_stuffing_is_found_less_often(share: float) -> None:
    for how in SEEN:
        told(f"{how} {share:.0%}", *found_by(lambda seed, how=how: stuffed(seed, how, share), 100))  # type: ignore[misc]


# ---- each check by itself


def test_a_burst_is_pointed_at() -> None:
    poll = honest(5)
    start = 50
    okrugs = poll.votes.sum(axis=0)
    poll.votes[start : start + 6] += numpy.round(0.012 * okrugs).astype(int)
    check = burst(steps_of(poll.counts(), ZONE))
    assert check.verdict is Verdict.UNUSUAL
    finding = check.findings[0]
    begins = poll.begins + timedelta(minutes=10 * start)
    assert finding.begins is not None and abs(finding.begins - begins) <= timedelta(minutes=10)
    assert finding.ends is not None and abs(finding.ends - begins - timedelta(hours=1)) <= timedelta(minutes=10)
    assert finding.observed - finding.expected == pytest.approx(0.072 * poll.votes.sum() / 1.072, rel=0.3)


def test_an_okrug_and_its_hours_are_pointed_at() -> None:
    poll = honest(7)
    poll.votes[60:78, 4] += int(0.05 * poll.votes.sum() / 18)
    check = places(hours_of(poll.counts(), PLACES))
    assert check.verdict is Verdict.UNUSUAL
    finding = check.findings[0]
    assert finding.okrugs == (CODES[4],)
    begins = poll.begins + timedelta(minutes=600)
    assert finding.begins is not None and finding.ends is not None
    assert finding.begins < begins + timedelta(hours=3) and finding.ends > begins


def test_an_outage_is_no_burst() -> None:
    poll = honest(9)
    poll.votes[60:64] = 0
    assert burst(steps_of(poll.counts(), ZONE)).verdict is not Verdict.UNUSUAL


def test_little_data_gives_no_verdict() -> None:
    poll = honest(2)
    few = poll.votes[:60] // 200
    small = Simulated(poll.begins, few, poll.roll, 0, 0.0)
    checks = checks_of(small, {})
    assert {check.verdict for check in checks} == {Verdict.CANNOT_SAY}
    assert all(check.lack is not None and check.statistic is None for check in checks)
    assert burst(()).lack is Lack.SHORT
    assert night((), ZONE).lack is Lack.FEW_VOTES


def test_young_accounts_are_judged_beside_the_register() -> None:
    assert young(10_000, 450, 0.005).verdict is Verdict.UNUSUAL
    assert young(10_000, 200, 0.005).verdict is Verdict.USUAL
    assert young(10_000, 450, 0.02).verdict is Verdict.USUAL  # newcomers come in order to vote
    assert young(10_000, 9_000, 0.5).lack is Lack.NEW_REGISTER
    assert young(10_000, None, None).lack is Lack.NOT_RECORDED


def test_wilsons_lower_bound_is_the_books() -> None:
    """Newcombe, Stat. Med. 17 (1998), table I: 81 of 263, 95 %: 0.2553."""
    assert wilson_low(81, 263, 1.959964) == pytest.approx(0.2553, abs=5e-5)


def test_grubbs_threshold_is_students_quantile() -> None:
    """With 12 okrugs: level 1 − 0.0005/12 at ten degrees of freedom; tables of t give 5.694 at 0.9999 … 6.2 beyond."""
    okrugs = {code: (1_000 + 7 * n, 10_000) for n, code in enumerate(CODES)}
    check = turnout(okrugs, 12_000)
    assert check.threshold is not None and 5.5 < check.threshold < 7
    assert check.verdict is Verdict.USUAL
    assert turnout({**okrugs, CODES[3]: (2_600, 10_000)}, 14_000).findings[0].okrugs == (CODES[3],)


def test_a_call_for_one_option_makes_shares_jump_and_a_rule_freezes_them() -> None:
    poll = honest(11)
    quiet = live_questions(11, poll)
    if len(quiet[1]) < 12:
        pytest.fail("choose a larger poll")
    assert live_steps(quiet).verdict is Verdict.USUAL
    steps = quiet[1]
    jumped = [LiveStep(s.at, s.valid + 700, {**s.votes, 2: s.votes[2] + 700}) if n >= 9 else s
              for n, s in enumerate(steps)]  # fmt: skip
    check = live_steps({1: jumped})
    assert check.verdict is Verdict.UNUSUAL and check.findings[0].option_id == 2
    frozen = [LiveStep(s.at, 1_000 * n, {1: 600 * n, 2: 400 * n}) for n, s in enumerate(steps, start=1)]
    assert live_steps({1: frozen}).verdict is Verdict.UNUSUAL
    assert live_steps({1: steps[:5]}).lack is Lack.FEW_STEPS


def test_the_band_holds_most_of_an_honest_poll() -> None:
    steps = with_band(steps_of(honest(4).counts(), ZONE))
    inside = [step for step in steps if step.low is not None and step.high is not None
              and step.low <= step.votes <= step.high]  # fmt: skip
    assert len(inside) > 0.9 * len(steps)
    assert all(isinstance(a, Step) and a.ends == b.begins for a, b in pairwise(steps))

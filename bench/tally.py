"""How long the rules for ranked ballots take on a city's ballots, beside a fixed loop of plain Python in the same run.

    python bench/tally.py [--ballots 7000000] [--distinct 40000] [--options 8] [--repeat 5] [--quick]

Makes a profile of random rankings (a fixed seed), builds it from canonical text once, and counts it by every rule.
Prints the median seconds, the ratio to the calibration loop, and the peak memory of the process after each rule.
Target: every rule within 2 s from the profile.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import summary  # noqa: E402

from polls.tally.condorcet import count_schulze  # noqa: E402
from polls.tally.instant_runoff import count_instant_runoff  # noqa: E402
from polls.tally.meek import count_meek  # noqa: E402
from polls.tally.pairwise import count_pairwise  # noqa: E402
from polls.tally.positional import count_borda, count_first_preferences, count_named  # noqa: E402
from polls.tally.ranked import RankedProfile, canonical_ranking  # noqa: E402
from polls.tally.ranked_pairs import count_ranked_pairs  # noqa: E402
from polls.tally.stv import count_stv  # noqa: E402

RULES: dict[str, Callable[[RankedProfile], object]] = {
    "pairwise matrix alone": count_pairwise,
    "plurality": count_first_preferences,
    "approval": count_named,
    "borda": count_borda,
    "instant run-off": count_instant_runoff,
    "stv, scottish, 3 seats": lambda p: count_stv(p, seats=3),
    "stv, meek, 3 seats": lambda p: count_meek(p, seats=3),
    "stv, meek, 6 seats": lambda p: count_meek(p, seats=6),
    "schulze": count_schulze,
    "ranked pairs": count_ranked_pairs,
}


def random_answers(ballots: int, distinct: int, options: int) -> dict[str, int]:
    """Canonical text → ballots: complete and truncated rankings, some options liked more than others."""
    source = random.Random(2026)
    found: dict[str, int] = {}
    while len(found) < distinct:
        liked = sorted(range(1, options + 1), key=lambda o: source.random() * (1 + o / options))
        found.setdefault(canonical_ranking([[o] for o in liked[: source.randint(1, options)]]), 0)
    weights = [source.random() for _ in found]  # each once at least, the rest by weight, rounding's rest to the first
    share = (ballots - distinct) / sum(weights)
    for text, weight in zip(found, weights, strict=True):
        found[text] = 1 + int(share * weight)
    found[next(iter(found))] += ballots - sum(found.values())
    return found


def calibration() -> int:
    """A fixed piece of plain Python: what one second of this machine is worth now."""
    total = 0
    for n in range(3_000_000):
        total += n * n % 7
    return total


def seconds(work: Callable[[], object], repeat: int) -> float:
    """The median time of `repeat` runs."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_megabytes() -> float:
    """The most memory this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ballots", type=int, default=7_000_000)
    parser.add_argument("--distinct", type=int, default=40_000)
    parser.add_argument("--options", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="700,000 ballots, 4,000 distinct, three times")
    given = parser.parse_args()
    if given.quick:
        given.ballots, given.distinct, given.repeat = 700_000, 4_000, 3
    if not given.distinct <= given.ballots:
        parser.error("there cannot be more distinct ballots than ballots")
    answers = random_answers(given.ballots, given.distinct, given.options)
    fixed = seconds(calibration, given.repeat)
    print(f"{given.ballots:,} ballots, {given.distinct:,} distinct, {given.options} options; {peak_megabytes():.0f} MB")
    print(f"{'calibration loop':26} {fixed:8.3f} s")
    options = range(1, given.options + 1)
    built = seconds(lambda: RankedProfile.build(options, answers), given.repeat)
    print(f"{'profile from text, once':26} {built:8.3f} s {built / fixed:7.2f} x {peak_megabytes():6.0f} MB")
    profile = RankedProfile.build(options, answers)
    for name, count in RULES.items():
        took = seconds(lambda count=count: count(profile), given.repeat)
        late = "" if summary.record("P7", f"{name}, {given.ballots:,} ballots", took, 2, "s") else "  OVER 2 s"
        print(f"{name:26} {took:8.3f} s {took / fixed:7.2f} x {peak_megabytes():6.0f} MB{late}")


if __name__ == "__main__":
    main()

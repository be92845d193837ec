"""Equal shares with add1 on a real city's ballots, ours beside pabutools in the same run.

    python bench/equal_shares.py FILE.pb [--ours-only]

FILE is a Pabulib file of approvals, such as Poland_Lodz_2022.pb (pabulib.org): 90,494 voters, 160 projects. Each count
runs in a process of its own, so that its peak memory is its own. Prints processor seconds (on a busy machine the clock
on the wall says little), the ratio to a calibration loop of plain Python in the same run, the peak memory, and whether
both fund the same projects. Target: faster than pabutools.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from bench.tally import calibration, peak_megabytes, seconds  # noqa: E402

from polls.pabulib import Instance, parse  # noqa: E402


def ours(instance: Instance) -> tuple[float, list[str]]:
    """Processor seconds from parsed ballots to the outcome, and what is funded."""
    from polls.pabulib.shares import count_shares

    start = time.process_time()
    outcome, _ = count_shares(instance, "equalshares/add1")
    return time.process_time() - start, list(outcome.funded)


def pabutools(instance: Instance) -> tuple[float, list[str]]:
    """The same by pabutools, in its own way of growing the parts: it stops early once no other project fits."""
    from tests.polls.tally.differential.oracles import TieBreakingRule, pabutools_election, pabutools_rules

    projects = {p.id: pabutools_election.Project(p.id, p.cost) for p in instance.projects}
    place = {p.id: number for number, p in enumerate(instance.projects)}
    votes = dict.fromkeys(projects, 0)
    for ballot in instance.ballots:
        for project_id in ballot.projects:
            votes[project_id] += 1
    asked = pabutools_election.Instance(projects.values(), budget_limit=instance.budget)
    profile = pabutools_election.ApprovalProfile(
        [pabutools_election.ApprovalBallot({projects[p] for p in b.projects}) for b in instance.ballots],
        instance=asked,
    ).as_multiprofile()
    ties = TieBreakingRule(lambda _instance, _profile, p: (p.cost, -votes[p.name], place[p.name]))
    start = time.process_time()
    found = pabutools_rules.method_of_equal_shares(
        asked, profile, sat_class=pabutools_election.Cost_Sat, tie_breaking=ties, voter_budget_increment=100
    )
    return time.process_time() - start, [p.name for p in found]


COUNTS = {"ours": ours, "pabutools": pabutools}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--ours-only", action="store_true", help="do not wait for pabutools")
    parser.add_argument("--count", choices=COUNTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.count:
        instance = parse(given.file.read_bytes())
        took, funded = COUNTS[given.count](instance)
        print(json.dumps({"seconds": took, "funded": sorted(funded), "megabytes": peak_megabytes()}))
        return
    fixed = seconds(calibration, 3)
    print(f"{'calibration loop':18} {fixed:8.3f} s")
    found = {}
    for name in COUNTS:
        if given.ours_only and name != "ours":
            continue
        command = [sys.executable, __file__, str(given.file), "--count", name]
        found[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        took = found[name]["seconds"]
        print(f"{name:18} {took:8.3f} s {took / fixed:8.2f} x {found[name]['megabytes']:6.0f} MB")
    if len(found) == 2:
        ratio = found["pabutools"]["seconds"] / found["ours"]["seconds"]
        same = "the same projects" if found["ours"]["funded"] == found["pabutools"]["funded"] else "OTHER PROJECTS"
        print(f"ours is {ratio:.0f} times as fast; {len(found['ours']['funded'])} projects funded, {same}")
        if ratio <= 1 or same != "the same projects":
            raise SystemExit(1)


if __name__ == "__main__":
    main()

"""A .pb file counted by the Method of Equal Shares, under the names Pabulib gives its variants. Pure.

`equalshares/add1` has each voter's part grow by one unit of the file's currency; `equalshares/add1u` then lets the
greedy rule spend what is left; `equalshares/add1-comparison` is add1, given up for plain greedy where more voters are
better off by that (Wieliczka 2023). All with cost satisfaction, as those cities used it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from polls.pabulib.instance import Instance, bad
from polls.tally.funding import Allocation, Decision, Why

if TYPE_CHECKING:
    from polls.tally.equal_shares import Completion, SharesOutcome

SHARES: Mapping[str, tuple[Completion, bool]] = {
    "equalshares": ("none", False),
    "equalshares/add1": ("add1", False),
    "equalshares/add1u": ("add1u", False),
    "equalshares/add1-comparison": ("add1", True),
}
"""Rule → its completion, and whether it is compared with greedy."""


def count_shares(instance: Instance, rule: str) -> tuple[SharesOutcome[str], Allocation[str]]:
    """The outcome, and the same as a walk: projects in order of funding, then the others in file order.

    Raises BadFile for ballots that are no approvals: points and places are not what these variants share by.
    """
    # It brings numpy with it, which a service that only reads such files does not need at its start.
    from polls.tally.equal_shares import Electorate, equal_shares

    if instance.vote_type not in ("approval", "choose-1"):
        line = instance.meta_lines.get("vote_type")
        raise bad(line, "META vote_type", f"equal shares is counted from approvals, not {instance.vote_type} ballots")
    costs = {project.id: project.cost for project in instance.projects}
    ballots = Counter(tuple(sorted(ballot.projects)) for ballot in instance.ballots)
    completion, comparison = SHARES[rule]
    # File order settles ties, as in the cities' own files.
    outcome = equal_shares(
        Electorate(costs, ballots), instance.budget, completion=completion, comparison=comparison, ties="stated"
    )
    decisions: list[Decision[str]] = []
    left = instance.budget
    for project_id in outcome.funded:
        left -= costs[project_id]
        decisions.append(Decision(project_id, True, Why.FUNDED, left))
    funded = set(outcome.funded)
    decisions += [Decision(k, False, Why.NOT_BOUGHT, left) for k in costs if k not in funded]
    return outcome, Allocation(tuple(decisions), (), (), left)

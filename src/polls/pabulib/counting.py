"""A .pb file counted again, and what differs from what the file says. Pure.

The score a rule sorts by is the number of votes (approval, choose-1), the points (cumulative) or, for ordinal
ballots, `max_length` minus the position counted from 0: of three places the first brings 3 points. The files' own
`score` columns bear this out. Equal scores: the cheaper first, then file order, and each such case is reported.

`greedy`, `greedy-threshold`, `greedy-no-skip`, `equalshares`, `equalshares/add1`, `equalshares/add1u` and
`equalshares/add1-comparison` are counted. `greedy-exclusive` is too once the caller says which projects exclude each
other: files tell that only in words. Any other rule is named and not guessed at, though its scores are computed all the
same. For the kin of greedy the differences then also say where the city left plain greedy, labelled as such.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from polls.errors import BadFile
from polls.pabulib.instance import Ballot, Instance, Project, bad, money_text
from polls.pabulib.shares import SHARES, count_shares
from polls.tally.funding import Allocation, Candidate, Decision, Method, Why, fund

if TYPE_CHECKING:
    from polls.tally.equal_shares import SharesOutcome

METHODS: Mapping[str, Method] = {
    "greedy": "greedy",
    "greedy-threshold": "greedy_threshold",
    "greedy-no-skip": "greedy_no_skip",
}
EXCLUSIVE = "greedy-exclusive"
RULES = (*METHODS, EXCLUSIVE, *SHARES)
"""Every rule that can be counted, by its Pabulib name."""


@dataclass(frozen=True)
class PabulibCount:
    """The count of one file. `selected` and `source_selected` stand in file order.

    `votes` is the score the rule sorts by. `matches`: None where the rule is not counted or the file does not say
    what was funded. `allocation` is the walk in the rule's order, None where the rule is not counted. `decisions`
    are the exclusive groups the caller told of, each with the project kept or None; `shares` is the whole outcome of
    equal shares, None for other rules.
    """

    rule: str
    votes: Mapping[str, int]
    selected: tuple[str, ...]
    source_selected: tuple[str, ...] | None
    matches: bool | None
    differences: tuple[Mapping[str, Any], ...]
    allocation: Allocation[str] | None
    decisions: tuple[tuple[tuple[str, ...], str | None], ...] = ()
    shares: SharesOutcome[str] | None = None

    @property
    def counted(self) -> bool:
        """Whether the file's rule is one we count."""
        return self.allocation is not None

    def as_json(self) -> dict[str, Any]:
        """``{rule, votes, selected, source_selected, matches, differences, decisions, steps}`` as plain JSON values.

        `steps` are those of equal shares, empty for other rules.
        """
        return {
            "rule": self.rule,
            "votes": dict(self.votes),
            "selected": list(self.selected),
            "source_selected": None if self.source_selected is None else list(self.source_selected),
            "matches": self.matches,
            "differences": [dict(difference) for difference in self.differences],
            "decisions": [{"exclude": list(group), "keep": keep} for group, keep in self.decisions],
            "steps": [step.as_json() for step in self.shares.steps] if self.shares else [],
        }


def count_file(
    instance: Instance, rule: str | None = None, exclude: Sequence[Collection[str]] = (), keep: Collection[str] = ()
) -> PabulibCount:
    """Count the file by its own rule, or by `rule`, and compare with its own figures.

    Each group of `exclude` holds projects of which at most one can be funded; where the city has decided which, it is
    in `keep`: the others are left out from the start, and the one kept goes before others of its score (Ursynów 2021
    funded 2150 where the cheaper 1821 had as many votes).

    Differences are objects with a `kind`:

    ``rule_not_counted`` rule, source_comment · ``number`` of ballots or projects against META: field, source, counted
    ``votes`` / ``score`` the file's column: project, source, counted
    ``equal_score`` projects (order used), score, matters — whether another order would fund others
    ``tie`` projects equal in score and cost of which only `seats` fit; file order decided
    ``selection`` project, expected, actual, why, cost, against (the rule); `remaining` is the money left at that
    point by the rule, `source_remaining` by the city's own choices, and `follows` says whether the city's choice
    follows the rule from there, that is, whether it is only a consequence of an earlier departure
    ``ballot_length`` / ``ballot_points`` ballots outside META's bounds, counted as they are: ballots, first_line, bound
    ``selected_value`` a project whose `selected` is neither 0 nor 1, taken as not funded: project, source
    ``not_compared`` the file does not say what was funded
    ``equal_support`` projects equal shares found equal, the cheaper and then the one with more votes going first

    Raises BadFile where the file lacks a number its rule needs, or its ballots are not what the rule counts; ValueError
    for groups naming projects there are not, or two of one group kept.
    """
    rule = rule or instance.rule
    decisions = _decisions(instance, exclude, keep)
    counts = _plain_counts(instance)
    scores = _scores(instance, counts)
    method = METHODS.get(rule)
    source = _source_selected(instance)
    differences = [*_number_differences(instance), *_column_differences(instance, counts, scores)]
    if source is not None:
        differences.extend(_odd_selected(instance))
    if rule in SHARES:
        return _count_by_shares(instance, rule, scores, source, differences)
    if rule == EXCLUSIVE and decisions:
        method = "greedy"
    if method is None:
        differences.insert(0, _not_counted(instance, rule))
        if source is not None and rule.startswith("greedy"):
            plain = _allocate(instance, scores, "greedy")
            differences.extend(_departures(instance, plain, set(source), "greedy"))
        return PabulibCount(rule, scores, (), source, None, tuple(differences), None)
    allocation = _allocate(instance, scores, method, decisions)
    differences.extend(_ties(allocation))
    if source is None:
        differences.append(_NOT_COMPARED)
    else:
        differences.extend(_departures(instance, allocation, set(source), rule))
    selected = _in_file_order(instance, allocation.funded)
    matches = None if source is None else selected == source
    return PabulibCount(rule, scores, selected, source, matches, tuple(differences), allocation, decisions)


_NOT_COMPARED = {"kind": "not_compared", "reason": "the file does not say what was selected"}


def _count_by_shares(
    instance: Instance, rule: str, scores: Mapping[str, int], source: tuple[str, ...] | None,
    differences: list[dict[str, Any]],
) -> PabulibCount:  # fmt: skip
    """The count by equal shares: the order is that of buying, and departures stand alone."""
    outcome, allocation = count_shares(instance, rule)
    selected = _in_file_order(instance, outcome.funded)
    for purchase in outcome.purchases:
        if purchase.equals:
            differences.append({"kind": "equal_support", "projects": list(purchase.equals)})
    if source is None:
        differences.append(_NOT_COMPARED)
    else:
        costs = {project.id: project.cost for project in instance.projects}
        theirs = instance.budget - sum(costs[project_id] for project_id in source)
        for decision in allocation.decisions:
            actual = decision.id in source
            if actual != decision.funded:
                cost = costs[decision.id]
                differences.append(_departure(decision, actual, not actual, rule, cost, allocation.remaining, theirs))
    matches = None if source is None else selected == source
    return PabulibCount(rule, scores, selected, source, matches, tuple(differences), allocation, (), outcome)


def _in_file_order(instance: Instance, funded: Collection[str]) -> tuple[str, ...]:
    chosen = set(funded)
    return tuple(project.id for project in instance.projects if project.id in chosen)


def _decisions(
    instance: Instance, exclude: Sequence[Collection[str]], keep: Collection[str]
) -> tuple[tuple[tuple[str, ...], str | None], ...]:
    """Each exclusive group with the project the city kept of it, if it has decided."""
    known = {project.id for project in instance.projects}
    grouped = [project_id for group in exclude for project_id in group]
    unknown = [project_id for project_id in (*grouped, *keep) if project_id not in known]
    if unknown:
        raise ValueError(f"there is no project {unknown[0][:40]!r}")
    if len(set(grouped)) != len(grouped) or not set(keep) <= set(grouped):
        raise ValueError("a project stands in one exclusive group, and a project kept in one of them")
    found: list[tuple[tuple[str, ...], str | None]] = []
    for group in exclude:
        kept = [project_id for project_id in group if project_id in set(keep)]
        if len(kept) > 1:
            raise ValueError(f"of one exclusive group only one project is kept, not {', '.join(kept)}")
        found.append((tuple(group), kept[0] if kept else None))
    return tuple(found)


# ---- scores


def _plain_counts(instance: Instance) -> dict[str, int]:
    counts = {project.id: 0 for project in instance.projects}
    for ballot in instance.ballots:
        for project_id in ballot.projects:
            counts[project_id] += 1
    return counts


def _scores(instance: Instance, counts: dict[str, int]) -> dict[str, int]:
    vote_type = instance.vote_type
    if vote_type in ("approval", "choose-1"):
        return counts
    scores = dict.fromkeys(counts, 0)
    if vote_type == "cumulative":
        for ballot in instance.ballots:
            for project_id, points in zip(ballot.projects, ballot.points, strict=True):
                scores[project_id] += points
        return scores
    length = instance.number("max_length")
    if length is None:
        raise bad(None, "META max_length", "it is missing, and the score of an ordinal ballot depends on it")
    for ballot in instance.ballots:
        for position, project_id in enumerate(ballot.projects):
            scores[project_id] += length - position
    return scores


def _allocate(
    instance: Instance, scores: Mapping[str, int], method: Method,
    decisions: Sequence[tuple[tuple[str, ...], str | None]] = (),
) -> Allocation[str]:  # fmt: skip
    least = 0
    if method == "greedy_threshold":
        found = instance.number("min_project_score_threshold")
        if found is None:
            raise bad(None, "META min_project_score_threshold", "it is missing, and the rule needs it")
        least = found
    candidates = [Candidate(project.id, scores[project.id], project.cost) for project in instance.projects]
    barred = {k: Why.EXCLUDED for group, kept in decisions if kept is not None for k in group if k != kept}
    exclusive = [group for group, kept in decisions if kept is None]
    first = [kept for _, kept in decisions if kept is not None]
    # File order settles ties, as in the cities' own files; each is reported with that resolution.
    return fund(candidates, instance.budget, method, least, barred, exclusive=exclusive, first=first, ties="stated")


# ---- what the file says


def _source_selected(instance: Instance) -> tuple[str, ...] | None:
    """Ids the file marks as selected, in file order; None when no project says anything."""
    if all(project.selected is None for project in instance.projects):
        return None
    return tuple(project.id for project in instance.projects if _is_selected(project))


def _is_selected(project: Project) -> bool:
    return project.selected in ("1", "1.0")


def _odd_selected(instance: Instance) -> Iterator[dict[str, Any]]:
    for project in instance.projects:
        if project.selected not in ("0", "0.0", "1", "1.0"):
            yield {"kind": "selected_value", "project": project.id, "source": project.selected}


def _number_differences(instance: Instance) -> Iterator[dict[str, Any]]:
    """META's numbers of projects and ballots (a cut-off file shows here), and ballots outside META's bounds.

    The count does not depend on these numbers, so one that cannot be read is a difference and no refusal.
    """
    for key, counted in (("num_projects", len(instance.projects)), ("num_votes", len(instance.ballots))):
        source = _loose_number(instance, key)
        if source not in (None, counted):
            yield {"kind": "number", "field": key, "source": source, "counted": counted}
    for kind, key, outside in _BOUNDS:
        bound = _loose_number(instance, key)
        if isinstance(bound, str):
            yield {"kind": "number", "field": key, "source": bound, "counted": None}
        elif bound is not None:
            lines = [ballot.line for ballot in instance.ballots if outside(ballot, bound)]
            if lines:
                yield {"kind": kind, "bound": key, "value": bound, "ballots": len(lines), "first_line": lines[0]}


def _loose_number(instance: Instance, key: str) -> int | str | None:
    """META's number, its text when it is none, None when it is absent."""
    try:
        return instance.number(key)
    except BadFile:
        return instance.meta[key]


def _too_short(ballot: Ballot, bound: int) -> bool:
    return 0 < len(ballot.projects) < bound


def _too_long(ballot: Ballot, bound: int) -> bool:
    return len(ballot.projects) > bound


def _too_many_points(ballot: Ballot, bound: int) -> bool:
    return sum(ballot.points) > bound


_BOUNDS = (
    ("ballot_length", "min_length", _too_short),
    ("ballot_length", "max_length", _too_long),
    ("ballot_points", "max_sum_points", _too_many_points),
)


def _column_differences(
    instance: Instance, counts: Mapping[str, int], scores: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    for project in instance.projects:
        for kind, source, counted in (("votes", project.votes, counts), ("score", project.score, scores)):
            if source is not None and source != counted[project.id]:
                yield {
                    "kind": kind,
                    "project": project.id,
                    "source": _plain(source),
                    "counted": counted[project.id],
                }


def _plain(value: Fraction) -> int | str:
    return value.numerator if value.denominator == 1 else f"{value.numerator}/{value.denominator}"


def _not_counted(instance: Instance, rule: str) -> dict[str, Any]:
    comment = instance.meta.get("comment", "").strip() or None
    return {"kind": "rule_not_counted", "rule": rule, "source_comment": comment}


def _ties(allocation: Allocation[str]) -> Iterator[dict[str, Any]]:
    for equal in allocation.equal_scores:
        yield {
            "kind": "equal_score",
            "projects": list(equal.ids),
            "score": equal.score,
            "matters": equal.matters,
        }
    for tie in allocation.ties:
        yield {"kind": "tie", "projects": list(tie.ids), "seats": tie.seats, "resolution": "file_order"}


# ---- where a city left its rule


def _departures(
    instance: Instance, allocation: Allocation[str], source: set[str], against: str
) -> Iterable[dict[str, Any]]:
    """Every project the city decided otherwise than the rule, walking both ways side by side in the rule's order.

    Also a project decided alike where the city's own money left would have made the rule decide otherwise.
    """
    costs = {project.id: project.cost for project in instance.projects}
    ours = theirs = instance.budget
    stopped = False
    stops = against == "greedy-no-skip"
    for decision in allocation.decisions:
        cost = costs[decision.id]
        actual = decision.id in source
        barred = decision.why in (Why.BELOW_THRESHOLD, Why.EXCLUDED)
        fits = not barred and not stopped and cost <= theirs
        if actual != decision.funded or actual != fits:
            yield _departure(decision, actual, fits, against, cost, ours, theirs)
        ours = decision.remaining
        theirs -= cost if actual else 0
        stopped = stopped or (stops and not actual)


def _departure(
    decision: Decision[str], actual: bool, fits: bool, against: str, cost: int, ours: int, theirs: int
) -> dict[str, Any]:
    return {
        "kind": "selection",
        "project": decision.id,
        "expected": decision.funded,
        "actual": actual,
        "why": decision.why.value,
        "against": against,
        "cost": money_text(cost),
        "remaining": money_text(ours),
        "source_remaining": money_text(theirs),
        "follows": actual == fits,
    }

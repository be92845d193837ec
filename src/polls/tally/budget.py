"""Budget questions: residents approve of projects, the rule funds them within the budget. Pure.

The greedy rules are in :mod:`polls.tally.funding`, equal shares in :mod:`polls.tally.equal_shares`, with their sources.
The rule's `budget` binds the count and never the voter: ballots may ask for more than it. A declared threshold asks
that a project have strictly more than its share of the denominator, `min_votes` at least so many votes; projects below
are out before the rule begins. Under equal shares the budget is split among the valid ballots: whoever abstains leaves
it to the others, as in any other count.

The place of a project is by votes, then the cheaper: projects equal in both share it. Such equals of which not all can
be funded are a tie, which the modules named above settle as the poll declares; the order of the list decides nothing.
The rule's `winners` does not apply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polls.definition import Budget, BudgetRule
from polls.tally.answers import choices_of, count_choices
from polls.tally.funding import Candidate, LineTie, Why, fund
from polls.tally.outcome import OptionResult, Outcome, Step, TieFound
from polls.tally.placing import apply_decided, tie_rule
from polls.tally.profile import Profile
from polls.tally.quorum import apply_threshold, denominator_size, opening_steps, share_of
from polls.tally.ties import Order, TieRule

MOST_TRIES = 2_000
"""How often voters' parts grow in a poll at most, leaps not counted. Cities' budgets take tens to hundreds (Łódź 58,
Wieliczka 164, Świecie 242). An `increment` too small for a few voters with millions each would take millions of
tries, and must not hold up a count for hours. Where it binds, the step ``growth_ended`` says so."""
UNIT = 100
"""One unit of money, in hundredths."""


@dataclass(frozen=True)
class _Funding:
    """What a rule did: projects funded in order, why each project is or is not, the money left after it (None: the
    rule does not go project by project), the ties by stage, the rule's own steps."""

    funded: tuple[int, ...]
    walk: tuple[int, ...]
    why: Mapping[int, Why]
    after: Mapping[int, int | None]
    ties: tuple[tuple[int, LineTie[int]], ...]
    steps: tuple[Step, ...]
    remaining: int


def tally_budget(question: Budget, profile: Profile, order: Order | None = None) -> Outcome:
    """The outcome of a question answered with projects (``[1,4]``): funded projects are its winners.

    Raises ValueError naming an answer that does not fit the question, or a project without a cost.
    """
    rule = question.rule
    costs = _costs(question)
    classes, votes = count_choices(
        question, profile, question.min_choices, question.max_choices, lambda ids: _against(question, costs, ids)
    )
    n = denominator_size(rule, classes, profile.entitled)
    threshold = apply_threshold(rule, votes, n)
    unmet = Why.THRESHOLD_UNKNOWN if rule.threshold is not None and n is None else Why.BELOW_THRESHOLD
    barred = {option_id: unmet for option_id in votes if option_id not in threshold.above}
    ties = tie_rule(rule, order)
    if rule.method == "equal_shares":
        found = _by_shares(question, profile, costs, barred, ties)
    else:
        found = _greedy(question, votes, costs, barred, ties)
    places = _places(votes, costs)
    tied = tuple(_tie_found(stage, tie, places) for stage, tie in found.ties)
    stands = apply_decided(tuple(sorted(votes, key=lambda option_id: places[option_id])), places, tied)
    steps = [*opening_steps(rule, classes, profile), *threshold.steps, _rule_step(rule, classes.valid)]
    facts = {"by": "votes", "then": "cost", "order": list(stands), "places": [places[o] for o in stands]}
    steps += [Step("ordered", facts), *found.steps]
    steps += _closing_steps(found, votes, costs, tied)
    return Outcome(
        method=rule.method,
        question_id=question.id,
        denominator=rule.denominator.value,
        denominator_n=n,
        cast=classes.cast,
        valid=classes.valid,
        blank=classes.blank,
        neutral=classes.neutral,
        neutral_total=sum(classes.neutral.values()),
        options=tuple(
            OptionResult(
                option_id,
                votes[option_id],
                share_of(votes[option_id], n),
                places[option_id],
                cost=costs[option_id],
                funded=found.why[option_id] is Why.FUNDED,
                why=found.why[option_id].value,
                remaining=found.after[option_id],
            )
            for option_id in votes
        ),
        order=stands,
        winners=found.funded,
        ties=tied,
        threshold_met=threshold.met,
        steps=tuple(steps),
    )


def _greedy(
    question: Budget, votes: Mapping[int, int], costs: Mapping[int, int], barred: Mapping[int, Why], ties: TieRule
) -> _Funding:
    """The greedy rules."""
    rule = question.rule
    assert rule.method != "equal_shares"
    found = fund(
        [Candidate(option_id, votes[option_id], costs[option_id]) for option_id in votes],
        rule.budget,
        rule.method,
        rule.min_score,
        barred,
        question.exclusive_groups,
        ties=ties.kind,
        decide=lambda tied: ties.ordered(1, tied),
    )
    steps = tuple(
        Step("equal_votes", {"options": list(equal.ids), "votes": equal.score, "matters": equal.matters})
        for equal in found.equal_scores
    )
    decisions = found.decisions
    return _Funding(
        found.funded,
        tuple(d.id for d in decisions),
        {d.id: d.why for d in decisions},
        {d.id: d.remaining for d in decisions},
        tuple((1, tie) for tie in found.ties),
        steps,
        found.remaining,
    )


def _by_shares(
    question: Budget, profile: Profile, costs: Mapping[int, int], barred: Mapping[int, Why], ties: TieRule
) -> _Funding:
    """Equal shares."""
    from polls.tally.equal_shares import Electorate, equal_shares  # with numpy, which only a count needs

    rule = question.rule
    choices = choices_of(question, profile)
    found = equal_shares(
        Electorate(costs, choices),
        rule.budget,
        satisfaction=rule.satisfaction,
        completion=rule.completion,
        increment=_increment(rule, sum(choices.values())),
        comparison=rule.compare_with_greedy,
        barred=barred,
        exclusive=question.exclusive_groups,
        ties=ties.kind,
        orders=ties.ordered,
        most_tries=MOST_TRIES,
    )
    after: dict[int, int | None] = dict.fromkeys(costs)
    left = rule.budget
    for option_id in found.funded:
        left -= costs[option_id]
        after[option_id] = left
    walk = (*found.funded, *(option_id for option_id in costs if option_id not in found.funded))
    steps = tuple(step for step in found.steps if step.code != "budget_spent")
    return _Funding(found.funded, walk, found.why, after, found.ties, steps, found.remaining)


def _costs(question: Budget) -> dict[int, int]:
    costs: dict[int, int] = {}
    for option in question.regular:
        if option.cost is None:
            raise ValueError(f"question {question.id}: project {option.id} has no cost")
        costs[option.id] = option.cost
    return costs


def _against(question: Budget, costs: Mapping[int, int], ids: tuple[int, ...]) -> str | None:
    """Why a ballot breaks the limits of one voter; the city's budget is no such limit."""
    if question.exclusive_on_ballot and any(len(set(group) & set(ids)) > 1 for group in question.exclusive_groups):
        return "it chooses projects that exclude each other"
    if question.ballot_limit is not None and sum(costs[option_id] for option_id in ids) > question.ballot_limit:
        return "it costs more than one ballot may spend"
    return None


def _places(votes: Mapping[int, int], costs: Mapping[int, int]) -> dict[int, int]:
    """Places by votes and cost: projects equal in both share one."""
    keys = {option_id: (-votes[option_id], costs[option_id]) for option_id in votes}
    before = sorted(keys.values())
    return {option_id: before.index(key) + 1 for option_id, key in keys.items()}


def _tie_found(stage: int, tie: LineTie[int], places: Mapping[int, int]) -> TieFound:
    return TieFound(tie.ids, places[tie.ids[0]], tie.seats, tie.resolution, "budget", stage, tie.order)


def _increment(rule: BudgetRule, voters: int) -> int:
    """By how much each voter's part grows: as declared, or a thousandth of the part, rounded up, at least one unit."""
    if rule.increment is not None:
        return rule.increment
    return max(UNIT, -(-rule.budget // (1_000 * max(voters, 1))))


def _rule_step(rule: BudgetRule, voters: int) -> Step:
    least = rule.min_score if rule.method == "greedy_threshold" else None
    facts: dict[str, Any] = {"method": rule.method, "budget": rule.budget, "min_score": least}
    if rule.method == "equal_shares":
        facts |= {"satisfaction": rule.satisfaction, "completion": rule.completion}
        facts |= {"increment": _increment(rule, voters), "compared": rule.compare_with_greedy}
    return Step("budget_rule", facts)


def _closing_steps(
    found: _Funding, votes: Mapping[int, int], costs: Mapping[int, int], ties: Sequence[TieFound]
) -> list[Step]:
    """Every project, the ties, what was spent, and the winners."""
    steps: list[Step] = []
    for option_id in found.walk:
        why = found.why[option_id]
        facts = {"option": option_id, "votes": votes[option_id], "cost": costs[option_id]}
        facts |= {"funded": why is Why.FUNDED}
        steps.append(Step("project", {**facts, "why": why.value, "remaining": found.after[option_id]}))
    steps += [Step("tie", tie.as_json()) for tie in ties]
    if without := [option_id for option_id in found.funded if not votes[option_id]]:
        steps.append(Step("funded_without_votes", {"options": without}))
    if not any(votes.values()):
        steps.append(Step("no_votes", {}))
    spent = sum(costs[option_id] for option_id in found.funded)
    steps.append(Step("budget_spent", {"spent": spent, "remaining": found.remaining}))
    steps.append(Step("winners", {"winners": list(found.funded)}))
    return steps

"""Budget questions: residents approve of projects, the rule funds them within the budget. Pure.

The order is votes, then the cheaper, then the order stated in the sealed document; :mod:`polls.tally.funding` has the
rules and their source. The rule's `budget` binds the count and never the voter: ballots may ask for more than it.
A declared threshold asks that a project have strictly more than its share of the denominator.

Equal votes and equal cost: all cannot be funded jointly where the money is short, so with :attr:`Tie.JOINT` the
stated order, published before anybody voted, decides and the tie is reported as such; with :attr:`Tie.CHAIR` none of
the tied is funded, their money is kept aside and the tie is reported as open. The rule's `winners` does not apply.
"""

from __future__ import annotations

from collections.abc import Mapping

from polls.definition import Budget, BudgetRule, Tie
from polls.tally.answers import Classes, count_choices
from polls.tally.funding import Allocation, Candidate, Why, fund
from polls.tally.outcome import OptionResult, Outcome, Step, TieFound
from polls.tally.profile import Profile
from polls.tally.quorum import Threshold, apply_threshold, denominator_size, opening_steps, share_of
from polls.tally.ties import Order


def tally_budget(question: Budget, profile: Profile, order: Order | None = None) -> Outcome:
    """The outcome of a question answered with projects (``[1,4]``): funded projects are its winners.

    Raises ValueError naming an answer that does not fit the question, or a project without a cost.
    """
    rule = question.rule
    costs = _costs(question)
    classes, votes = count_choices(
        question, profile, question.min_choices, question.max_choices, lambda ids: _over_limit(question, costs, ids)
    )
    n = denominator_size(rule, classes, profile.entitled)
    threshold = apply_threshold(rule, votes, n)
    unmet = Why.THRESHOLD_UNKNOWN if rule.threshold is not None and n is None else Why.BELOW_THRESHOLD
    allocation = fund(
        [Candidate(option_id, votes[option_id], costs[option_id]) for option_id in votes],
        rule.budget,
        rule.method,
        rule.min_score,
        {option_id: unmet for option_id in votes if option_id not in threshold.above},
        leave_ties_open=rule.tie is Tie.CHAIR,
    )
    places = _places(allocation, votes, costs)
    ties = tuple(
        TieFound(tie.ids, places[tie.ids[0]], tie.seats, "chair" if rule.tie is Tie.CHAIR else "stated_order", "budget")
        for tie in allocation.ties
    )
    decided = {decision.id: decision for decision in allocation.decisions}
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
                funded=decided[option_id].funded,
                why=decided[option_id].why.value,
                remaining=decided[option_id].remaining,
            )
            for option_id in votes
        ),
        order=tuple(decision.id for decision in allocation.decisions),
        winners=allocation.funded,
        ties=ties,
        threshold_met=threshold.met,
        steps=_steps(rule, profile, classes, threshold, allocation, votes, costs, ties),
    )


def _costs(question: Budget) -> dict[int, int]:
    costs: dict[int, int] = {}
    for option in question.regular:
        if option.cost is None:
            raise ValueError(f"question {question.id}: project {option.id} has no cost")
        costs[option.id] = option.cost
    return costs


def _over_limit(question: Budget, costs: Mapping[int, int], ids: tuple[int, ...]) -> str | None:
    """Why a ballot breaks the limit of one voter; the city's budget is no such limit."""
    if question.ballot_limit is None or sum(costs[option_id] for option_id in ids) <= question.ballot_limit:
        return None
    return "it costs more than one ballot may spend"


def _places(allocation: Allocation[int], votes: Mapping[int, int], costs: Mapping[int, int]) -> dict[int, int]:
    """Places by votes and cost: projects equal in both share one."""
    places: dict[int, int] = {}
    before: int | None = None
    for position, decision in enumerate(allocation.decisions, start=1):
        here = decision.id
        equal = before is not None and (votes[before], costs[before]) == (votes[here], costs[here])
        places[here] = places[before] if equal and before is not None else position
        before = here
    return places


def _steps(
    rule: BudgetRule,
    profile: Profile,
    classes: Classes,
    threshold: Threshold,
    allocation: Allocation[int],
    votes: Mapping[int, int],
    costs: Mapping[int, int],
    ties: tuple[TieFound, ...],
) -> tuple[Step, ...]:
    steps = [*opening_steps(rule, classes, profile), *threshold.steps]
    least = rule.min_score if rule.method == "greedy_threshold" else None
    steps.append(Step("budget_rule", {"method": rule.method, "budget": rule.budget, "min_score": least}))
    steps.append(
        Step("ordered", {"by": "votes", "then": "cost", "order": [d.id for d in allocation.decisions], "places": None})
    )
    for equal in allocation.equal_scores:
        steps.append(Step("equal_votes", {"options": list(equal.ids), "votes": equal.score, "matters": equal.matters}))
    for d in allocation.decisions:
        facts = {"option": d.id, "votes": votes[d.id], "cost": costs[d.id], "funded": d.funded}
        steps.append(Step("project", {**facts, "why": d.why.value, "remaining": d.remaining}))
    steps.extend(Step("tie", tie.as_json()) for tie in ties)
    if without := [option_id for option_id in allocation.funded if not votes[option_id]]:
        steps.append(Step("funded_without_votes", {"options": without}))
    if not any(votes.values()):
        steps.append(Step("no_votes", {}))
    spent = sum(costs[option_id] for option_id in allocation.funded)
    steps.append(Step("budget_spent", {"spent": spent, "remaining": allocation.remaining}))
    steps.append(Step("winners", {"winners": list(allocation.funded)}))
    return tuple(steps)

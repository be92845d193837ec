"""Places, the line between winners and the rest, and the ties on it: shared by the rules that pick options. Pure.

Ties are never broken by the order of a list. Where a tie lies on the line, the declared :class:`polls.definition.Tie`
decides: ``joint`` lets all tied options win; ``lot`` and ``chair`` let only those above the tie win and leave it open,
until an order of the tied is given and the count is run again. Either way it is reported. Equal places away from the
line are shown as equal places and change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from polls.definition import BaseQuestion, Rule, Tie
from polls.tally.answers import Classes
from polls.tally.outcome import OptionResult, Outcome, Step, TieFound
from polls.tally.profile import Profile
from polls.tally.quorum import apply_threshold, denominator_size, opening_steps, share_of
from polls.tally.ties import Order, TieRule

Key = int | Fraction | None
"""What options are ordered by: a count, a mean or a median; None when there is none to order by."""


def rank(keys: Mapping[int, Key]) -> tuple[tuple[int, ...], dict[int, int]]:
    """Option ids best first (highest key; None last), and the place of each: equal keys share a place (1, 2, 2, 4).

    `keys` is in stated order, which also arranges options of one place, for display only.
    """
    order = sorted(keys, key=lambda option_id: _sort_key(keys[option_id]))
    places: dict[int, int] = {}
    for position, option_id in enumerate(order, start=1):
        before = order[position - 2] if position > 1 else None
        equal = before is not None and keys[before] == keys[option_id]
        places[option_id] = places[before] if equal and before is not None else position
    return tuple(order), places


def _sort_key(key: Key) -> tuple[bool, int | Fraction]:
    return (True, 0) if key is None else (False, -key)


def tie_rule(rule: Rule, order: Order | None) -> TieRule:
    """The rule's tie rule with the decisions there are; options that share one fate need none."""
    return TieRule(rule.tie.value, None if rule.tie is Tie.JOINT else order)


def draw_line(
    seats: int, candidates: tuple[int, ...], places: Mapping[int, int], ties: TieRule
) -> tuple[list[int], list[TieFound]]:
    """The winners among `candidates` (best first, only those that may win) and the tie on the line, if there is one."""
    if len(candidates) <= seats:
        return list(candidates), []
    line = places[candidates[seats - 1]]
    if places[candidates[seats]] != line:
        return list(candidates[:seats]), []
    above = [option_id for option_id in candidates if places[option_id] < line]
    tied = tuple(option_id for option_id in candidates if places[option_id] == line)
    room = seats - len(above)
    if (decided := ties.ordered(1, tied)) is not None:
        return above + list(decided[:room]), [TieFound(tied, line, room, "order", order=decided)]
    found = TieFound(tied, line, room, ties.kind)
    return (above + list(tied) if ties.kind == "joint" else above), [found]


def apply_decided(order: tuple[int, ...], places: Mapping[int, int], ties: Sequence[TieFound]) -> tuple[int, ...]:
    """`order` with the options of a decided tie in their decided order; their place stays equal, as their figures."""
    for tie in ties:
        if tie.order is not None:
            at = {option_id: number for number, option_id in enumerate(tie.order)}
            order = tuple(sorted(order, key=lambda option_id: (places[option_id], at.get(option_id, len(at)))))
    return order


def conclude(
    question: BaseQuestion,
    rule: Rule,
    method: str,
    profile: Profile,
    classes: Classes,
    votes: Mapping[int, int],
    keys: Mapping[int, Key],
    ordered_by: str,
    order: Order | None,
    further: Sequence[Step] = (),
) -> Outcome:
    """The outcome of a rule that orders options by `keys` and takes the first `rule.winners` of them.

    `votes` (every regular option, stated order) is what shares, the threshold and the least number of votes are about;
    an option without votes never wins. There is no second criterion of order: equal keys are equal places. `order`
    is the decided order of tied options, `further` the rule's own steps.
    """
    n = denominator_size(rule, classes, profile.entitled)
    ranked, places = rank(keys)
    threshold = apply_threshold(rule, votes, n)
    candidates = tuple(o for o in ranked if votes[o] > 0 and o in threshold.above)
    winners, ties = draw_line(rule.winners, candidates, places, tie_rule(rule, order))
    ranked = apply_decided(ranked, places, ties)
    steps = [*opening_steps(rule, classes, profile), *further]
    steps.append(
        Step("ordered", {"by": ordered_by, "then": None, "order": list(ranked), "places": [places[o] for o in ranked]})
    )
    steps.extend(threshold.steps)
    if not any(votes.values()):
        steps.append(Step("no_votes", {}))
    steps.extend(Step("tie", tie.as_json()) for tie in ties)
    steps.append(Step("winners", {"winners": winners}))
    return Outcome(
        method=method,
        question_id=question.id,
        denominator=rule.denominator.value,
        denominator_n=n,
        cast=classes.cast,
        valid=classes.valid,
        blank=classes.blank,
        neutral=classes.neutral,
        neutral_total=sum(classes.neutral.values()),
        options=tuple(OptionResult(o, votes[o], share_of(votes[o], n), places[o]) for o in votes),
        order=ranked,
        winners=tuple(winners),
        ties=tuple(ties),
        threshold_met=threshold.met,
        steps=tuple(steps),
        own=classes.own,
    )

"""Places, the line between winners and the rest, and the ties on it: shared by the rules that pick options. Pure.

Ties are never broken by the order of a list. Where a tie lies on the line, :class:`polls.definition.Tie` decides:
``joint`` lets all tied options win, ``chair`` lets only those above the tie win and leaves the tie open. Either way
it is reported. Equal places away from the line are shown as equal places and change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from polls.definition import BaseQuestion, Rule, Tie
from polls.tally.answers import Classes
from polls.tally.outcome import OptionResult, Outcome, Step, TieFound
from polls.tally.profile import Profile
from polls.tally.quorum import apply_threshold, denominator_size, opening_steps, share_of

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


def draw_line(rule: Rule, candidates: tuple[int, ...], places: Mapping[int, int]) -> tuple[list[int], list[TieFound]]:
    """The winners among `candidates` (best first, only those that may win) and the tie on the line, if there is one."""
    seats = rule.winners
    if len(candidates) <= seats:
        return list(candidates), []
    line = places[candidates[seats - 1]]
    if places[candidates[seats]] != line:
        return list(candidates[:seats]), []
    above = [option_id for option_id in candidates if places[option_id] < line]
    tied = [option_id for option_id in candidates if places[option_id] == line]
    found = TieFound(tuple(tied), line, seats - len(above), rule.tie.value)
    return (above + tied if rule.tie is Tie.JOINT else above), [found]


def conclude(
    question: BaseQuestion,
    rule: Rule,
    method: str,
    profile: Profile,
    classes: Classes,
    votes: Mapping[int, int],
    keys: Mapping[int, Key],
    ordered_by: str,
) -> Outcome:
    """The outcome of a rule that orders options by `keys` and takes the first `rule.winners` of them.

    `votes` (every regular option, stated order) is what shares and the threshold are about; an option without votes
    never wins. There is no second criterion of order: equal keys are equal places.
    """
    n = denominator_size(rule.denominator, classes, profile.entitled)
    order, places = rank(keys)
    threshold = apply_threshold(rule, votes, n)
    candidates = tuple(o for o in order if votes[o] > 0 and o in threshold.above)
    winners, ties = draw_line(rule, candidates, places)
    steps = [*opening_steps(rule, classes, profile)]
    steps.append(
        Step("ordered", {"by": ordered_by, "then": None, "order": list(order), "places": [places[o] for o in order]})
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
        order=order,
        winners=tuple(winners),
        ties=tuple(ties),
        threshold_met=threshold.met,
        steps=tuple(steps),
    )

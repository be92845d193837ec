"""Rankings: a question and its profile through the rule it declares, with threshold, winners and ties around it. Pure.

The rules themselves are in modules of their own and know no question. Two families meet what any rule has on top:

**Rules that order all options** (Schulze, ranked pairs, Borda): the first `winners` of the order win. An option equal
to others on the line is a tie like any other. A threshold and `min_votes` ask about the ballots that *rank* an option,
at whatever place: leaving an option out says that it is not wanted. That is the quorum of Debian's constitution (A.6.2,
with Schulze's method), where a ballot must put an option above the default. First places would be the wrong question
to rules that look at whole rankings: what most can live with may be few people's first choice. An option that no ballot
ranks never wins.

**Rules that transfer ballots** (instant run-off, both transferable votes): a threshold and `min_votes` ask about the
*most votes an option held* in any round: for the winner of a run-off those of the last round, so that "more than half
of all valid ballots" means what it says though ballots are exhausted on the way. A winner below that does not win, and
nobody takes the place: those who left earlier held fewer votes. Decisions about ties are asked for round by round.

`votes` and `share` of an option are its first places, alone or shared (so shares of equal rankings may add up to more
than one); `score` is what the rule ordered by, where it has such figures. The pairwise matrix is reported with each.
Ranked pairs with more equal defeats than are tried (:data:`polls.tally.ranked_pairs.MOST_STATES`) holds the whole Smith
set equal in first place: whoever wins in some order of those defeats is one of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from polls.definition import Ranking, RankingRule
from polls.tally.answers import Classes, unfit
from polls.tally.condorcet import count_schulze
from polls.tally.instant_runoff import count_instant_runoff
from polls.tally.meek import count_meek
from polls.tally.outcome import OptionResult, Outcome, Step, fraction_text
from polls.tally.placing import apply_decided, draw_line, tie_rule
from polls.tally.positional import count_borda
from polls.tally.profile import BLANK, Profile
from polls.tally.quorum import apply_threshold, denominator_size, opening_steps, share_of
from polls.tally.ranked import RankedProfile, Tiers
from polls.tally.ranked_outcome import RankedOutcome
from polls.tally.ranked_pairs import count_ranked_pairs
from polls.tally.stv import count_stv
from polls.tally.ties import Order, TieRule

TRANSFERABLE = ("instant_runoff", "stv_scottish", "stv_meek")


def tally_ranking(question: Ranking, profile: Profile, order: Order | None = None) -> Outcome:
    """The outcome of a question answered with a ranking (``[[3],[1,2]]``).

    Raises ValueError naming an answer that does not fit the question.
    """
    rule = question.rule
    ranked = _ranked(question, profile)
    ties = tie_rule(rule, order)
    transfers = rule.method in TRANSFERABLE
    # A rule that orders all options is asked for that alone; the line is drawn below, where the threshold is known.
    counted = _count(rule, ranked, ties if transfers else TieRule(ties.kind))
    tiers = _tiers(counted)
    places = _places(tiers)
    stands = tuple(option_id for tier in tiers for option_id in tier)
    classes = Classes(profile.cast, ranked.ballots, ranked.blank, dict(ranked.neutral))
    n = denominator_size(rule, classes, profile.entitled)
    support = _held(counted) if transfers else _ballots_with(ranked, ranked.ranks < len(ranked.options))
    threshold = apply_threshold(rule, support, n)
    if transfers:
        winners, found = [o for o in counted.winners if o in threshold.above], list(counted.ties)
    else:
        may_win = tuple(o for o in stands if support[o] > 0 and o in threshold.above)
        winners, found = draw_line(rule.winners, may_win, places, ties)
        stands = apply_decided(stands, places, found)
    first = _ballots_with(ranked, ranked.ranks == 0)
    steps = [*opening_steps(rule, classes, profile), *_own_steps(counted)]
    steps.append(
        Step("ordered", {"by": rule.method, "then": None, "order": list(stands), "places": [places[o] for o in stands]})
    )
    if threshold.binds:
        facts = [[option_id, fraction_text(Fraction(votes))] for option_id, votes in support.items()]
        steps.append(Step("support", {"of": "held" if transfers else "ranked", "votes": facts}))
    steps += [*threshold.steps, *(Step("tie", tie.as_json()) for tie in found)]
    steps.append(Step("winners", {"winners": list(winners)}))
    scores = counted.scores or {}
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
            OptionResult(o, int(first[o]), share_of(int(first[o]), n), places[o], score=scores.get(o))
            for o in ranked.options
        ),
        order=stands,
        winners=tuple(winners),
        ties=tuple(found),
        threshold_met=threshold.met,
        steps=tuple(steps),
        pairwise=counted.pairwise.as_json(),
    )


def _ranked(question: Ranking, profile: Profile) -> RankedProfile:
    """The profile as arrays, every answer held against the question.

    Where some options are for some ballot styles alone, a ballot may have had fewer of them than `min_ranked`.
    """
    try:
        found = RankedProfile.build(
            [option.id for option in question.regular], profile.answers,
            neutral=[option.id for option in question.neutral], equal_ranks=question.equal_ranks,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"question {question.id}: {error}") from error
    named = (found.ranks < len(found.options)).sum(axis=1)
    least = 1 if any(option.styles for option in question.regular) else min(question.min_ranked, len(found.options))
    most = len(found.options) if question.max_ranked is None else question.max_ranked
    wrong = np.flatnonzero((named < least) | (named > most))
    if len(wrong):
        apart = {BLANK, *(f"[{option.id}]" for option in question.neutral)}
        texts = [text for text, n in profile.answers.items() if n and text not in apart]
        raise unfit(question, texts[int(wrong[0])], "it ranks too few or too many options")
    return found


def _count(rule: RankingRule, profile: RankedProfile, ties: TieRule) -> RankedOutcome:
    """The rule's own count."""
    match rule.method:
        case "instant_runoff":
            return count_instant_runoff(profile, ties=ties, equal=rule.equal)
        case "stv_scottish":
            return count_stv(profile, seats=rule.winners, ties=ties, equal=rule.equal)
        case "stv_meek":
            return count_meek(profile, seats=rule.winners, ties=ties, equal=rule.equal)
        case "schulze":
            return count_schulze(profile, seats=rule.winners, ties=ties)
        case "ranked_pairs":
            return count_ranked_pairs(profile, seats=rule.winners, strength=rule.strength, ties=ties)
        case "borda":
            return count_borda(profile, seats=rule.winners, truncated=rule.truncated, ties=ties)


def _tiers(counted: RankedOutcome) -> Tiers:
    """The order in tiers; the Smith set first where ranked pairs could not try every order of equal defeats."""
    if not any(step.code == "too_many_orders" for step in counted.steps):
        return counted.order
    first = counted.pairwise.smith
    rest = tuple(option_id for option_id in counted.pairwise.options if option_id not in first)
    return tuple(tier for tier in (first, rest) if tier)


def _places(tiers: Tiers) -> dict[int, int]:
    places: dict[int, int] = {}
    for tier in tiers:
        places |= dict.fromkeys(tier, len(places) + 1)
    return places


def _ballots_with(profile: RankedProfile, held: NDArray[np.bool_]) -> dict[int, int]:
    """Ballots per option of which `held` (distinct rankings × options) is true."""
    if not len(held):
        return dict.fromkeys(profile.options, 0)
    cells = held.astype(object) if profile.weights.dtype == object else held
    return {option_id: int(n) for option_id, n in zip(profile.options, profile.weights @ cells, strict=True)}


def _held(counted: RankedOutcome) -> Mapping[int, Fraction]:
    """The most votes each option held in any round or stage."""
    most = dict.fromkeys(counted.pairwise.options, Fraction(0))
    for step in counted.steps:
        if step.code in ("round", "stage"):
            for option_id, votes in step.facts["votes"]:
                most[option_id] = max(most[option_id], Fraction(votes))
    return most


def _own_steps(counted: RankedOutcome) -> list[Step]:
    """The rule's steps without those that every question has."""
    return [step for step in counted.steps if step.code not in ("ballots", "tie", "winners")]

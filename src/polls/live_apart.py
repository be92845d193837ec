"""How far apart the steps of a poll shown live have to be, so that no two looks tell of a few people. Pure.

Steps show totals only, never a breakdown. What was shown of a question moves only when ten more ballots held it at
least, and not all of these alike (:func:`may_follow`); and a step is shown only when ten more have voted since
(:data:`SETTLED`), so that the final count is not a step of two or three ballots after the last one shown.

Source: Hundepool et al., *Statistical Disclosure Control* (Wiley 2012), 4.5 and 5.5 (differencing, linked releases).
"""

from __future__ import annotations

from collections.abc import Mapping

from polls.definition import AnyQuestion, Points, Ranking
from polls.strata import LEAST
from polls.tally.outcome import Outcome

SETTLED = LEAST
"""A step is shown once so many more have voted."""


def may_follow(earlier: Mapping[str, int], later: Mapping[str, int], ballots: int, least: int = LEAST) -> bool:
    """Whether totals `later` may be shown after `earlier` with `ballots` cast between: enough, and not all alike."""
    grown = [later.get(column, 0) - earlier.get(column, 0) for column in earlier.keys() | later.keys()]
    if not ballots:
        return not any(grown)
    return ballots >= least and all(n < ballots for n in grown)


def next_shown(question: AnyQuestion, earlier: Outcome | None, later: Outcome) -> Outcome:
    """What a step shows of a question: its outcome now, or what was shown before where too little has changed."""
    if earlier is None or earlier.cast < LEAST:
        return later
    between = later.cast - earlier.cast
    return later if may_follow(_totals(question, earlier), _totals(question, later), between) else earlier


def _totals(question: AnyQuestion, outcome: Outcome) -> dict[str, int]:
    """Ballots by what they say: options (levels of a rating), neutral ones, own answers, blank.

    Of rankings and points the totals are no ballots; these move by the number of ballots alone.
    """
    found = {f"neutral:{number}": n for number, n in outcome.neutral.items()}
    found |= {"own": outcome.own or 0, "blank": outcome.blank}
    for option in outcome.options if not isinstance(question, Ranking | Points) else ():
        levels = option.distribution
        found |= {f"{option.id}": option.votes} if levels is None else {
            f"{option.id}:{level}": n for level, n in levels.items()
        }  # fmt: skip
    return found

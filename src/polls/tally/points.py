"""Points: each ballot divides so many points among options as it likes; most points wins (cumulative voting). Pure.

The canonical answer is pairs of option and points in rising order of options, ``[[1,7],[4,3]]``, no option with 0.
`votes` of an option are the ballots that gave it any, and shares and thresholds are about those: a share of all points
would let ballots that spend few of them weigh less twice. The order is by points.

Source of the method: C. L. Dodgson, "The Principles of Parliamentary Representation" (1884); cities use it for budgets
(Częstochowa: ten points).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from polls.definition import Points
from polls.tally.answers import Classes
from polls.tally.outcome import Outcome, Step
from polls.tally.placing import conclude
from polls.tally.profile import BLANK, Profile
from polls.tally.ties import Order

_PAIR = r"\[[1-9][0-9]{0,4},[1-9][0-9]{0,8}\]"
_CANONICAL = re.compile(rf"\[{_PAIR}(?:,{_PAIR})*\]")


@dataclass(frozen=True)
class PointsCount:
    """`points` per option in stated order, `supporters`: ballots that gave it any, `given`: all points together.

    `unused` are the points ballots might have given and did not; None where no limit is declared.
    """

    ballots: int
    blank: int
    neutral: Mapping[int, int]
    points: Mapping[int, int]
    supporters: Mapping[int, int]
    given: int
    unused: int | None

    def as_json(self) -> dict[str, Any]:
        """The fields by name, ids as text."""
        return {
            "ballots": self.ballots,
            "blank": self.blank,
            "neutral": {str(k): n for k, n in self.neutral.items()},
            "points": {str(k): n for k, n in self.points.items()},
            "supporters": {str(k): n for k, n in self.supporters.items()},
            "given": self.given,
            "unused": self.unused,
        }


def tally_points(question: Points, profile: Profile, order: Order | None = None) -> Outcome:
    """The outcome of a question answered with points (``[[1,7],[4,3]]``).

    Raises ValueError naming an answer that does not fit the question.
    """
    rule = question.rule
    try:
        counted = count_points(
            [option.id for option in question.regular], profile.answers, most=question.total,
            most_per_option=question.most_per_option, exact=question.spend_all,
            neutral=[option.id for option in question.neutral],
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"question {question.id}: {error}") from error
    classes = Classes(profile.cast, counted.ballots, counted.blank, dict(counted.neutral))
    further = [Step("points_given", {"given": counted.given, "unused": counted.unused})]
    votes, points = counted.supporters, counted.points
    outcome = conclude(question, rule, rule.method, profile, classes, votes, points, "points", order, further)
    return replace(outcome, options=tuple(replace(found, points=points[found.id]) for found in outcome.options))


def canonical_points(points: Mapping[int, int]) -> str:
    """The canonical text: ``{4: 3, 1: 7, 2: 0}`` → ``"[[1,7],[4,3]]"``. Raises ValueError for negative points."""
    if any(type(n) is not int or n < 0 for n in points.values()):
        raise ValueError("points are whole numbers from 0")
    return json.dumps([[k, points[k]] for k in sorted(points) if points[k]], separators=(",", ":"))


def count_points(
    options: Sequence[int],
    answers: Mapping[str, int],
    *,
    most: int | None = None,
    most_per_option: int | None = None,
    exact: bool = False,
    neutral: Sequence[int] = (),
) -> PointsCount:
    """Points per option of canonical text → ballots. `most` points a ballot; with `exact` it has to give them all.

    Raises ValueError naming an answer that does not fit.
    """
    points, supporters = dict.fromkeys(options, 0), dict.fromkeys(options, 0)
    apart = {f"[{option_id}]": option_id for option_id in neutral}
    classes, blank, ballots, given = dict.fromkeys(neutral, 0), 0, 0, 0
    for answer, n in answers.items():
        if type(n) is not int or n < 0:
            raise ValueError(f"answer {repr(answer)[:200]}: {n!r} is not a number of ballots")
        if answer == BLANK:
            blank += n
            continue
        if answer in apart:
            classes[apart[answer]] += n
            continue
        pairs = _read(answer, points)
        total = sum(p for _, p in pairs)
        if (most is not None and (total > most or (exact and total < most))) or (
            most_per_option is not None and any(p > most_per_option for _, p in pairs)
        ):
            raise ValueError(f"answer {answer[:200]!r}: too many or too few points")
        ballots += n
        given += total * n
        for option_id, p in pairs:
            points[option_id] += p * n
            supporters[option_id] += n
    unused = None if most is None else most * ballots - given
    return PointsCount(ballots, blank, classes, points, supporters, given, unused)


def _read(answer: str, options: Mapping[int, int]) -> list[tuple[int, int]]:
    """The pairs of a canonical answer."""
    if type(answer) is not str or not _CANONICAL.fullmatch(answer):
        raise ValueError(f"answer {repr(answer)[:200]} is not a canonical list of [option id, points]")
    pairs = [(k, p) for k, p in json.loads(answer)]
    if any(a >= b for (a, _), (b, _) in pairwise(pairs)):
        raise ValueError(f"answer {answer[:200]!r}: option ids must rise")
    for option_id, _ in pairs:
        if option_id not in options:
            raise ValueError(f"answer {answer[:200]!r}: there is no option {option_id}")
    return pairs

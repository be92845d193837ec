"""Small questions to count, and answers in their canonical text."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from polls.definition import (
    ApprovalRule,
    Budget,
    BudgetRule,
    MultipleChoice,
    Option,
    OptionKind,
    PluralityRule,
    Rating,
    RatingRule,
    SingleChoice,
)
from polls.tally import Profile

HARD_TO_SAY = 90


def answer(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def profile(answers: Iterable[tuple[Any, int]], entitled: int | None = None) -> Profile:
    counts: Counter[str] = Counter()
    for value, n in answers:
        counts[answer(value)] += n
    return Profile(dict(counts), entitled)


def options(ids: Sequence[int], costs: Sequence[int] | None = None) -> tuple[Option, ...]:
    made = [Option(id=i, cost=None if costs is None else costs[k]) for k, i in enumerate(ids)]
    return (*made, Option(id=HARD_TO_SAY, kind=OptionKind.NEUTRAL))


def single(ids: Sequence[int] = (1, 2, 3), **rule: Any) -> SingleChoice:
    return SingleChoice(id=7, options=options(ids), rule=PluralityRule(**rule))


def multiple(ids: Sequence[int] = (1, 2, 3), **rule: Any) -> MultipleChoice:
    return MultipleChoice(id=7, options=options(ids), rule=ApprovalRule(**rule))


def rating(ids: Sequence[int] = (1, 2, 3), **rule: Any) -> Rating:
    return Rating(id=7, options=options(ids), rule=RatingRule(**rule))


def budget(costs: Sequence[int], ids: Sequence[int] | None = None, **rule: Any) -> Budget:
    ids = ids or range(1, len(costs) + 1)
    return Budget(id=7, options=options(ids, costs), rule=BudgetRule(**rule))

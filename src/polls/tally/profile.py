"""What a count starts from: how often each canonical answer was given, and what the count must know besides. Pure.

An answer is its canonical JSON text (see :mod:`polls.ballot`): ``[]`` blank, ``[3]`` one option, ``[1,4]`` several
(sorted ids), ``[[1,5],[2,3]]`` ratings (option, level). A profile never holds a person, a time or a ballot id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BLANK = "[]"
NOT_SHOWN = "null"
"""Stands in a stored ballot for a question its resident was not asked; never in a profile, never on the board."""


@dataclass(frozen=True)
class Profile:
    """`answers`: canonical answer → number of ballots, over the ballots on which the question was shown.

    `entitled` is the roll (None: not known), `cast` the number of ballots on which the question was shown.
    """

    answers: Mapping[str, int]
    entitled: int | None = None
    cast: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cast", sum(self.answers.values()))

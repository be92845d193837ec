"""What weighting says of a poll: who took part against who might have, and shares weighted to mend it. Pure.

Always beside the count and never instead of it: a weighted share is an estimate and no result. Polls whose rules decide
anything by a number (binding, with a quorum, with a threshold, of owners) have none, and nor have polls of fewer than
:data:`LEAST_BALLOTS` ballots. Weights cannot make a self-selected sample a random one: margins of error are those of a
random sample that would have been weighted so, and pages say it.

Representativeness of a dimension is one less the index of dissimilarity: the part of the participants who would not
have to be somebody of another group for the groups to stand as in the target (Duncan and Duncan, "A methodological
analysis of segregation indexes", Am. Sociol. Rev. 20 (1955) 210–217). The R-indicator (Schouten, Cobben and Bethlehem,
Survey Methodology 35 (2009) 101–113) measures how response varies in points of turnout: with two of a hundred voting
it is near one whoever they are, so it is not used here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from polls.definition import Definition, UnitRule
from results.shapes import By, Column, Group

LEAST_BALLOTS = 100
"""A poll with fewer has no weighting."""
MOST_EFFECT = 2.0
"""A design effect above it: weighting costs half the sample, and a few ballots speak for many."""
LEAST_EFFECTIVE = 100
MOST_MISS = 0.01
"""How far a group may stay from its share once weights are cut."""
MOST_UNCOVERED = 0.05
"""How much of the target may be groups that no ballots, or too few to be shown, stand for."""
MOST_UNPLACED = 0.2
"""A dimension in which more ballots are not broken down is not weighted by."""
THIN = 0.05
"""A group with under this part of the participants it would have in proportion."""
PER_DISTRICT = 100
"""Weights are by district where the mean district has so many ballots, and by okrug otherwise."""
REGISTER = "register"
"""Name of the target that is the poll's own roll."""


@dataclass(frozen=True)
class Target:
    """Whom the participants are held against: the roll of the poll (`register`), or a named set of census margins.

    `numbers`: dimension → code of a group → residents. `left_out`: dimension → why it cannot be matched (``no_margin``,
    ``bands``).
    """

    code: str
    ru: str
    en: str
    source: str
    as_of: date | None
    numbers: Mapping[By, Mapping[str, int]]
    left_out: Mapping[By, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupFit:
    """A group among the participants and in the target. `votes` and `share` are None where turnout is hidden.

    `ratio` is share ÷ target share; None where either is not known or the target is nought.
    """

    group: Group
    votes: int | None
    share: Fraction | None
    residents: int | None
    target: Fraction | None

    @property
    def ratio(self) -> Fraction | None:
        """How well the group is represented: one is in proportion."""
        return self.share / self.target if self.share is not None and self.target else None


@dataclass(frozen=True)
class DimensionFit:
    """One dimension: its `score` (0 to 1), its groups, and whether the weights use it.

    `why` says why not: ``other_level`` (the other level of territory is used), ``unplaced`` (too many ballots are not
    broken down by it), ``one_group``, ``no_margin``, ``bands`` (the census has other ages). `unplaced`: the part of the
    ballots that are not; among them it is not evened out. `uncovered`: the part of the target in groups with no
    ballots, or with too few to be shown; nothing stands for them.
    """

    by: By
    score: Fraction | None
    groups: tuple[GroupFit, ...]
    used: bool = False
    why: str = ""
    unplaced: Fraction = Fraction(0)
    uncovered: Fraction = Fraction(0)


@dataclass(frozen=True)
class Caution:
    """Something to know before reading the weighted shares. `grave`: the weights do not mend the sample.

    Codes: ``design_effect``, ``few_effective``, ``margins_not_met`` (facts: `miss`), ``uncovered`` and ``unplaced``
    (`by`, `share`), ``left_out`` (`by`, `why`), ``thin`` (`by`, `groups`: how many).
    """

    code: str
    facts: Mapping[str, Any]
    grave: bool = False


@dataclass(frozen=True)
class WeightedClass:
    """An answer: `raw` and `weighted` are shares of the ballots the question was shown on, `margin` half the 95 %
    interval of the second (None: too few to tell). Ratings have means besides.
    """

    column: Column
    votes: int
    raw: float
    weighted: float
    margin: float | None
    mean: float | None = None
    weighted_mean: float | None = None
    mean_margin: float | None = None

    @property
    def low(self) -> float | None:
        """Where the interval begins, not below nought."""
        return None if self.margin is None else max(self.weighted - self.margin, 0.0)

    @property
    def high(self) -> float | None:
        """Where the interval ends, not above one."""
        return None if self.margin is None else min(self.weighted + self.margin, 1.0)


@dataclass(frozen=True)
class WeightedQuestion:
    """One question: `cast` ballots it was shown on and its answers in stated order. `denominator` is ``cast``."""

    question_id: int
    cast: int
    classes: tuple[WeightedClass, ...]
    denominator: str = "cast"

    def of(self, column: Column) -> WeightedClass | None:
        """The figures of an answer, or None."""
        return next((found for found in self.classes if found.column == column), None)


@dataclass(frozen=True)
class Weighting:
    """Weighting of one count of a poll (`version`) to one target.

    `effect` is the design effect, `effective` the effective number of ballots, `least` and `most` the weights against
    the mean one, `trimmed` the part of the ballots at a bound of the weights, `miss` how far a group stays from its
    share at most. Weights themselves are nobody's to see.
    """

    version: int
    ballots: int
    target: Target
    dimensions: tuple[DimensionFit, ...]
    effect: float
    effective: float
    least: float
    most: float
    trimmed: float
    miss: float
    rounds: int
    cautions: tuple[Caution, ...]
    questions: tuple[WeightedQuestion, ...]

    @property
    def mends(self) -> bool:
        """Whether the weights can be said to mend what they are for."""
        return not any(caution.grave for caution in self.cautions)

    @property
    def weighted_by(self) -> tuple[By, ...]:
        """The dimensions the weights use."""
        return tuple(found.by for found in self.dimensions if found.used)

    def question(self, question_id: int) -> WeightedQuestion | None:
        """The weighted figures of a question, or None: texts and questions of few ballots have none."""
        return next((found for found in self.questions if found.question_id == question_id), None)


def decides(definition: Definition) -> str:
    """What in a sealed poll decides by a number: ``binding``, ``quorum``, ``units``, ``threshold``; or ``""``."""
    if definition.binding:
        return "binding"
    if definition.quorum is not None:
        return "quorum"
    if any(isinstance(question.rule, UnitRule) for question in definition.questions):
        return "units"
    if any(question.rule.threshold is not None or question.rule.min_votes for question in definition.questions):
        return "threshold"
    return ""

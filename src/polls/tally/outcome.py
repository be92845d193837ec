"""What every count returns: the outcome and the steps that led to it, as plain values. Pure.

An outcome is stored in the database, published in the protocol and answered by the API, so the key names of
:meth:`Outcome.as_json` never change meaning. Keys are only added: :meth:`Outcome.from_json` reads outcomes stored by
older releases, in which the newer ones are missing. Numbers are exact: counts are integers, shares, means and medians
are :class:`fractions.Fraction` and travel as text ``"a/b"``. Money is in hundredths of the currency unit.

A :class:`Step` is a code and its facts, never a sentence: pages word it in Russian and in English. The codes that any
rule may have (those of rankings are in :mod:`polls.tally.ranked_outcome`, those of houses in :mod:`polls.tally.units`):

``ballots``             cast, blank, neutral, valid; own (only where the question takes own answers)
``denominator``         denominator, n (None: the roll is not known), also (classes that join the valid answers)
``cast_exceeds_roll``   cast, entitled — more ballots than the roll holds; an irregularity, said and not hidden
``ordered``             by, then (the second criterion, None: there is none), order, places
``support``             of, votes [[option, "a/b"]…] — rankings: what a threshold asks about, see polls.tally.ranking
``threshold``           share, denominator, n, needs_more_than ("a/b" ballots), above (option ids)
``threshold_unknown``   share, denominator — the roll is not known, so nobody can be said to have met the threshold
``min_votes``           needs, enough (option ids)
``no_votes``            (nothing) — no option has a vote, so none wins
``judgment``            option, grade, above, below — majority judgment
``points_given``        given, unused — all points together, and what ballots might have given besides
``tie``                 the fields of :class:`TieFound`
``winners``             winners
``budget_rule``         method, budget, min_score; equal shares: satisfaction, completion, increment, compared
``equal_votes``         options, votes, matters — cheaper first was applied; whether it changed what is funded
``project``             option, votes, cost, funded, why, remaining
``funded_without_votes``  options — the plain greedy rule funds what fits, even what nobody asked for
``budget_spent``        spent, remaining
``shares``, ``growth_ended``, ``equal_support``, ``bought``, ``completed``, ``compared``  see polls.tally.equal_shares
``quorum``              see :mod:`polls.tally.quorum`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any


def fraction_text(value: Fraction | None) -> str | None:
    """``"a/b"`` in lowest terms (``"3/1"`` for a whole number), or None."""
    return None if value is None else f"{value.numerator}/{value.denominator}"


def read_fraction(value: str | None) -> Fraction | None:
    """The value written by :func:`fraction_text`."""
    return None if value is None else Fraction(value)


@dataclass(frozen=True)
class Step:
    """One step of a count. `facts` holds JSON values only (lists, never tuples), so it survives storage unchanged."""

    code: str
    facts: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """``{"code", "facts"}``."""
        return {"code": self.code, "facts": dict(self.facts)}


@dataclass(frozen=True)
class TieFound:
    """A tie that decides who wins, who leaves a count or what is funded.

    `options` share the place `place`, and only `seats` of them fit. `kind`: ``winners``, ``budget``, or in rankings
    ``elimination`` and ``surplus``. `resolution`:

    ``joint``         the tied share one fate: all win or leave together; projects of a budget, all of which do not fit,
                      are not funded
    ``lot, chair``    open: nothing of it is decided until the lot is drawn or the chair has spoken
    ``order``         it was one of these and has been decided: `order` holds the tied, best first
    ``stated_order``  (only where a count outside polls asks for it, and in older records) the order of the list
    """

    options: tuple[int, ...]
    place: int
    seats: int
    resolution: str
    kind: str = "winners"
    stage: int = 1
    """The round of the count it was met in: with the options, what a decision about it is kept under."""
    order: tuple[int, ...] | None = None

    @property
    def open(self) -> bool:
        """Whether somebody still has to decide."""
        return self.resolution in ("chair", "lot")

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "options": list(self.options),
            "place": self.place,
            "seats": self.seats,
            "resolution": self.resolution,
            "kind": self.kind,
            "stage": self.stage,
            "order": None if self.order is None else list(self.order),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TieFound:
        """The tie written by :meth:`as_json`, or by a release without `stage` and `order`."""
        order = data.get("order")
        kept = {**data, "options": tuple(data["options"]), "order": None if order is None else tuple(order)}
        return cls(**kept)


@dataclass(frozen=True)
class OptionResult:
    """What one regular option got.

    `votes`: ballots for it (ratings: ballots that rated it, the same as `rated`; points: ballots that gave it any;
    rankings: ballots with it in first place, alone or shared). `share`: votes ÷ the denominator, None when that is
    unknown or zero. `place`: 1 is best, equal places are equal (1, 2, 2, 4).
    Ratings: `mean`, `median`, `trimmed_mean` (None: nobody rated it), `distribution` level → ballots, and of majority
    judgment the `grade` with how many grades are better (`grade_above`) and worse (`grade_below`).
    Points: `points`. Rankings: `score`, what the rule ordered by (Borda points; first-round or final votes), if it has
    such figures. Budgets: `cost`, `funded`, `why` (see :class:`polls.tally.funding.Why`), `remaining` money after this
    project.
    """

    id: int
    votes: int
    share: Fraction | None
    place: int
    rated: int | None = None
    mean: Fraction | None = None
    median: Fraction | None = None
    distribution: Mapping[int, int] | None = None
    cost: int | None = None
    funded: bool | None = None
    why: str | None = None
    remaining: int | None = None
    trimmed_mean: Fraction | None = None
    grade: int | None = None
    grade_above: int | None = None
    grade_below: int | None = None
    points: int | None = None
    score: Fraction | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields by name; fractions as ``"a/b"``, levels as text."""
        levels = self.distribution
        return {
            **vars(self),
            **{name: fraction_text(getattr(self, name)) for name in _FRACTIONS},
            "distribution": None if levels is None else {str(k): v for k, v in levels.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> OptionResult:
        """The result written by :meth:`as_json`, or by a release that knew fewer fields."""
        levels = data.get("distribution")
        return cls(
            **{
                **data,
                **{name: read_fraction(data.get(name)) for name in _FRACTIONS},
                "distribution": None if levels is None else {int(k): v for k, v in levels.items()},
            }
        )


_FRACTIONS = ("share", "mean", "median", "trimmed_mean", "score")


@dataclass(frozen=True)
class Outcome:
    """The result of one question, with its denominator and its steps.

    `valid` counts answers that are neither blank nor neutral; `cast` = valid + blank + neutral_total. `options` stand
    in the order stated in the document, `order` best first (options of an equal place stand in stated order there;
    `place` says that they are equal). `winners` never holds an option of an open tie.
    `threshold_met`: None when no threshold is declared or the roll it is a share of is not known.
    `own`: valid ballots that hold an own answer or a text, None where the question takes none; they vote for no option
    by it. `pairwise`: rankings, as :meth:`polls.tally.pairwise.Pairwise.as_json` has it. `houses`: rules of units, as
    :meth:`polls.tally.house.HouseResult.as_json` has them.
    """

    method: str
    question_id: int
    denominator: str
    denominator_n: int | None
    cast: int
    valid: int
    blank: int
    neutral: Mapping[int, int]
    neutral_total: int
    options: tuple[OptionResult, ...]
    order: tuple[int, ...]
    winners: tuple[int, ...]
    ties: tuple[TieFound, ...] = ()
    threshold_met: bool | None = None
    steps: tuple[Step, ...] = field(default=())
    own: int | None = None
    pairwise: Mapping[str, Any] | None = None
    houses: tuple[Mapping[str, Any], ...] | None = None

    @property
    def open(self) -> bool:
        """Whether somebody still has to decide a tie."""
        return any(tie.open for tie in self.ties)

    def option(self, option_id: int) -> OptionResult:
        """The result of one option. Raises KeyError for an id that is no regular option of the question."""
        for result in self.options:
            if result.id == option_id:
                return result
        raise KeyError(option_id)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; every key is always present."""
        return {
            "method": self.method,
            "question_id": self.question_id,
            "denominator": self.denominator,
            "denominator_n": self.denominator_n,
            "cast": self.cast,
            "valid": self.valid,
            "blank": self.blank,
            "neutral": {str(k): v for k, v in self.neutral.items()},
            "neutral_total": self.neutral_total,
            "options": [option.as_json() for option in self.options],
            "order": list(self.order),
            "winners": list(self.winners),
            "ties": [tie.as_json() for tie in self.ties],
            "threshold_met": self.threshold_met,
            "steps": [step.as_json() for step in self.steps],
            "own": self.own,
            "pairwise": None if self.pairwise is None else dict(self.pairwise),
            "houses": None if self.houses is None else [dict(house) for house in self.houses],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Outcome:
        """The outcome written by :meth:`as_json`, of an older release too.

        Raises KeyError, ValueError or TypeError on anything else.
        """
        return cls(
            **{
                **data,
                "neutral": {int(k): v for k, v in data["neutral"].items()},
                "options": tuple(OptionResult.from_json(option) for option in data["options"]),
                "order": tuple(data["order"]),
                "winners": tuple(data["winners"]),
                "ties": tuple(TieFound.from_json(tie) for tie in data["ties"]),
                "steps": tuple(Step(**step) for step in data["steps"]),
                "houses": None if data.get("houses") is None else tuple(data["houses"]),
            }
        )

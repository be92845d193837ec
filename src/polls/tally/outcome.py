"""What every count returns: the outcome and the steps that led to it, as plain values. Pure.

An outcome is stored in the database, published in the protocol and answered by the API, so the key names of
:meth:`Outcome.as_json` never change meaning. Numbers are exact: counts are integers, shares, means and medians are
:class:`fractions.Fraction` and travel as text ``"a/b"``. Money is in hundredths of the currency unit.

A :class:`Step` is a code and its facts, never a sentence: pages word it in Russian and in English. The codes:

``ballots``             cast, blank, neutral, valid
``denominator``         denominator, n (None: the roll is not known)
``cast_exceeds_roll``   cast, entitled — more ballots than the roll holds; an irregularity, said and not hidden
``ordered``             by, then (the second criterion, None: there is none), order, places
``threshold``           share, denominator, n, needs_more_than ("a/b" ballots), above (option ids)
``threshold_unknown``   share, denominator — the roll is not known, so nobody can be said to have met the threshold
``no_votes``            (nothing) — no option has a vote, so none wins
``tie``                 options, place, seats, resolution, kind
``winners``             winners
``budget_rule``         method, budget, min_score
``equal_votes``         options, votes, matters — cheaper first was applied; whether it changed what is funded
``project``             option, votes, cost, funded, why, remaining
``funded_without_votes``  options — the plain greedy rule funds what fits, even what nobody asked for
``budget_spent``        spent, remaining
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
    """A tie that decides who wins or what is funded.

    `options` share the place `place`, and only `seats` of them fit. `resolution`: ``joint`` all of them win,
    ``chair`` none does until the chair decides, ``stated_order`` (budgets, which cannot fund all) the order
    stated in the sealed document decided. `kind`: ``winners`` or ``budget``.
    """

    options: tuple[int, ...]
    place: int
    seats: int
    resolution: str
    kind: str = "winners"
    stage: int = 1
    """The round of the count it was met in: with the options, what a decision about it is kept under."""

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
        }


@dataclass(frozen=True)
class OptionResult:
    """What one regular option got.

    `votes`: ballots for it (ratings: ballots that rated it, the same as `rated`). `share`: votes ÷ the denominator,
    None when that is unknown or zero. `place`: 1 is best, equal places are equal (1, 2, 2, 4).
    Ratings: `mean`, `median` (None: nobody rated it), `distribution` level → ballots.
    Budgets: `cost`, `funded`, `why` (see :class:`polls.tally.funding.Why`), `remaining` money after this project.
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

    def as_json(self) -> dict[str, Any]:
        """The fields by name; fractions as ``"a/b"``, levels as text."""
        distribution = self.distribution
        return {
            "id": self.id,
            "votes": self.votes,
            "share": fraction_text(self.share),
            "place": self.place,
            "rated": self.rated,
            "mean": fraction_text(self.mean),
            "median": fraction_text(self.median),
            "distribution": None if distribution is None else {str(k): v for k, v in distribution.items()},
            "cost": self.cost,
            "funded": self.funded,
            "why": self.why,
            "remaining": self.remaining,
        }


@dataclass(frozen=True)
class Outcome:
    """The result of one question, with its denominator and its steps.

    `valid` counts answers that are neither blank nor neutral; `cast` = valid + blank + neutral_total. `options` stand
    in the order stated in the document, `order` best first (options of an equal place stand in stated order there;
    `place` says that they are equal). `winners` never holds an option of a tie left to the chair.
    `threshold_met`: None when no threshold is declared or the roll it is a share of is not known.
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
    houses: tuple[Mapping[str, Any], ...] | None = None
    """Rules of units: one value a house, as :class:`polls.tally.house.HouseResult` writes and reads it."""

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
            "houses": None if self.houses is None else [dict(house) for house in self.houses],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Outcome:
        """The outcome written by :meth:`as_json`. Raises KeyError, ValueError or TypeError on anything else."""
        return cls(
            **{
                **data,
                "neutral": {int(k): v for k, v in data["neutral"].items()},
                "options": tuple(_read_option(option) for option in data["options"]),
                "order": tuple(data["order"]),
                "winners": tuple(data["winners"]),
                "ties": tuple(TieFound(**{**tie, "options": tuple(tie["options"])}) for tie in data["ties"]),
                "steps": tuple(Step(**step) for step in data["steps"]),
                "houses": None if data.get("houses") is None else tuple(data["houses"]),
            }
        )


def _read_option(data: Mapping[str, Any]) -> OptionResult:
    distribution = data["distribution"]
    return OptionResult(
        **{
            **data,
            "share": read_fraction(data["share"]),
            "mean": read_fraction(data["mean"]),
            "median": read_fraction(data["median"]),
            "distribution": None if distribution is None else {int(k): v for k, v in distribution.items()},
        }
    )

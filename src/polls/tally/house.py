"""What a poll of owners says of one house: totals for everybody, and each flat for those who may see it. Pure.

Weights are flats or hundredths of a square metre (`weigh_by`), exact fractions written ``"a/b"``. The shape of one
house in :attr:`polls.tally.outcome.Outcome.houses`; no flat is named there, for a flat's decision is its owners':

``building``          code of the house's territory
``weigh_by``          "units" or "area": what every weight below counts
``units``, ``area``   flats of the house and their area (hundredths m²)
``taking_part``       {"units": flats one of whose owners voted, "area": "a/b" hundredths m² that took part}
``quorum``            the share of the area that must be exceeded, or null; ``quorum_met`` true, false or null
``flats``             {"for", "against", "neutral", "blank", "tied", "split", "silent"} → number of flats;
                      "split": owners of one flat answered differently and each counts on their own
``weights``           {"for", "against", "neutral", "blank", "tied", "silent"} → "a/b", as the answers came in
``added``             {"for", "against", "neutral"} → "a/b": what the treatment of silent flats gave to each
``denominator``       "a/b": what the share is of
``share``             "a/b" for ÷ denominator, null where the denominator is zero
``threshold``         "a/b" or null; ``inclusive`` whether exactly that much is enough
``carried``           whether the house decided *for*: quorum and threshold both met
``no_owners``         flats no owner of which is known
``odd_shares``        flats whose owners' shares do not sum to one
``steps``             the steps of this house, in order (codes below)

Steps: ``house`` (units, area) · ``taking_part`` (units, area, owners) · ``quorum_of_area`` (share, needs_more_than,
area, met) · ``no_owners`` (units) · ``odd_shares`` (units) · ``flats_decided`` (the counts of `flats`) ·
``shares_voted`` (the weights) · ``tied_dropped`` (units, weight) · ``silent`` (treatment, weight, for, against,
neutral) · ``silent_nobody`` (there is nobody to be proportional to) · ``house_threshold`` (for, denominator,
denominator_n, share, threshold, inclusive, met) · ``house_decided`` (carried, why: "carried", "no_quorum", "too_few").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from polls.tally.outcome import Step, fraction_text, read_fraction

FOR, AGAINST, NEUTRAL, BLANK, TIED, SILENT = "for", "against", "neutral", "blank", "tied", "silent"
SPLIT = "split"
WEIGHED = (FOR, AGAINST, NEUTRAL, BLANK, TIED, SILENT)
SPOKE = (FOR, AGAINST, NEUTRAL)
DECISIONS = (FOR, AGAINST, NEUTRAL, BLANK, TIED, SPLIT, SILENT)


@dataclass(frozen=True)
class UnitResult:
    """One flat of a house: for the sheet and the minutes, never for the published outcome.

    `decision` is one of :data:`DECISIONS`. `shares`: what part of the flat gave each answer, "silent" for the rest;
    they sum to one. `weight`: what the flat weighs in the house. `owners`: how many owners are known.
    """

    unit_id: int
    number: str
    area: int
    decision: str
    weight: int
    shares: Mapping[str, Fraction]
    owners: int
    shares_sum: Fraction


@dataclass(frozen=True)
class HouseResult:
    """The result of one house; the fields are described in the module's docstring."""

    building: str
    weigh_by: str
    units: int
    area: int
    units_taking_part: int
    area_taking_part: Fraction
    quorum: Fraction | None
    quorum_met: bool | None
    flats: Mapping[str, int]
    weights: Mapping[str, Fraction]
    added: Mapping[str, Fraction]
    denominator: Fraction
    share: Fraction | None
    threshold: Fraction | None
    inclusive: bool
    carried: bool
    no_owners: int = 0
    odd_shares: int = 0
    steps: tuple[Step, ...] = field(default=())

    @property
    def in_favour(self) -> Fraction:
        """The weight for, with what silent flats added."""
        return self.weights[FOR] + self.added[FOR]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, as described in the module's docstring."""
        return {
            "building": self.building,
            "weigh_by": self.weigh_by,
            "units": self.units,
            "area": self.area,
            "taking_part": {"units": self.units_taking_part, "area": fraction_text(self.area_taking_part)},
            "quorum": fraction_text(self.quorum),
            "quorum_met": self.quorum_met,
            "flats": dict(self.flats),
            "weights": {name: fraction_text(weight) for name, weight in self.weights.items()},
            "added": {name: fraction_text(weight) for name, weight in self.added.items()},
            "denominator": fraction_text(self.denominator),
            "share": fraction_text(self.share),
            "threshold": fraction_text(self.threshold),
            "inclusive": self.inclusive,
            "carried": self.carried,
            "no_owners": self.no_owners,
            "odd_shares": self.odd_shares,
            "steps": [step.as_json() for step in self.steps],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HouseResult:
        """The house written by :meth:`as_json`. Raises KeyError, ValueError or TypeError on anything else."""
        taking_part = data["taking_part"]
        return cls(
            building=data["building"],
            weigh_by=data["weigh_by"],
            units=data["units"],
            area=data["area"],
            units_taking_part=taking_part["units"],
            area_taking_part=Fraction(taking_part["area"]),
            quorum=read_fraction(data["quorum"]),
            quorum_met=data["quorum_met"],
            flats=dict(data["flats"]),
            weights={name: Fraction(weight) for name, weight in data["weights"].items()},
            added={name: Fraction(weight) for name, weight in data["added"].items()},
            denominator=Fraction(data["denominator"]),
            share=read_fraction(data["share"]),
            threshold=read_fraction(data["threshold"]),
            inclusive=data["inclusive"],
            carried=data["carried"],
            no_owners=data["no_owners"],
            odd_shares=data["odd_shares"],
            steps=tuple(Step(**step) for step in data["steps"]),
        )

"""What the checks for anomalies give: verdicts, where they point to, and the counters they were made from. Pure.

Everything here holds numbers of at least ten votes or none, so all of it may be published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

LEAST = 10
"""No published counter is of fewer votes."""


class CheckName(StrEnum):
    """What is looked at."""

    BURST = "burst"
    NIGHT = "night"
    PLACES = "places"
    TURNOUT = "turnout"
    YOUNG = "young"
    STEPS = "steps"


class Verdict(StrEnum):
    """`usual`: nothing unusual. `unusual`: beyond the threshold. `cannot_say`: too little is known."""

    USUAL = "usual"
    UNUSUAL = "unusual"
    CANNOT_SAY = "cannot_say"


class Lack(StrEnum):
    """Why a check cannot say."""

    FEW_VOTES = "few_votes"
    SHORT = "short"
    FEW_PLACES = "few_places"
    NO_ROLL = "no_roll"
    NOT_RECORDED = "not_recorded"
    NEW_REGISTER = "new_register"
    FEW_STEPS = "few_steps"
    NOT_LIVE = "not_live"


@dataclass(frozen=True)
class Finding:
    """Something unusual: when (None: over the whole poll), in which okrugs (codes; none: the whole city), how much.

    `observed` and `expected` are votes; of a live poll's steps, shares of the step's ballots for an option.
    """

    begins: datetime | None
    ends: datetime | None
    okrugs: tuple[str, ...]
    observed: float
    expected: float
    question_id: int | None = None
    option_id: int | None = None


@dataclass(frozen=True)
class Check:
    """One check. It is unusual if `statistic` is above `threshold`; both are None where it cannot say, and `lack` is
    why. Units of the statistic are the check's own: :mod:`results.anomaly_words` names them."""

    name: CheckName
    verdict: Verdict
    statistic: float | None = None
    threshold: float | None = None
    findings: tuple[Finding, ...] = ()
    lack: Lack | None = None


@dataclass(frozen=True)
class Step:
    """Votes of the whole city in a stretch of time: ten minutes, or as many more as it takes for ten votes.

    `low` and `high` bound what was to be expected there by the other times; None where nothing is.
    """

    begins: datetime
    ends: datetime
    votes: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Place:
    """A column of the table of hours: an okrug, or several merged because of few votes (`codes`; "" is of none)."""

    codes: tuple[str, ...]
    ru: str
    en: str

    def label(self, language: str) -> str:
        """The name in `language`."""
        return self.en if language == "en" else self.ru


@dataclass(frozen=True)
class HourRow:
    """Votes in a stretch of whole hours, by place in the order of the table."""

    begins: datetime
    ends: datetime
    votes: tuple[int, ...]

    @property
    def total(self) -> int:
        """Votes of all places."""
        return sum(self.votes)


@dataclass(frozen=True)
class Hours:
    """Votes by hour and okrug. Every number is ten at least: hours and okrugs are merged until it is."""

    places: tuple[Place, ...]
    rows: tuple[HourRow, ...]

    @property
    def total(self) -> int:
        """All votes in the table."""
        return sum(row.total for row in self.rows)


@dataclass(frozen=True)
class Anomalies:
    """The checks of one counted poll and the published counters they were made from.

    `recorded` are the votes whose minute is known; `young` those of accounts younger than the poll (None: not known,
    or hidden because they or the others are under ten). `version` is that of the count.
    """

    public_id: str
    slug: str
    version: int
    time_zone: str
    votes: int
    recorded: int
    young: int | None
    checks: tuple[Check, ...]
    steps: tuple[Step, ...]
    hours: Hours

    @property
    def unusual(self) -> tuple[Check, ...]:
        """The checks that found something."""
        return tuple(check for check in self.checks if check.verdict is Verdict.UNUSUAL)

    def check(self, name: CheckName) -> Check:
        """One check; every poll has all of them."""
        return next(check for check in self.checks if check.name is name)

    def as_json(self) -> dict[str, Any]:
        """The checks as plain JSON values, without the counters: what the API and the protocol hold."""
        return {
            "version": self.version,
            "votes": self.votes,
            "recorded": self.recorded,
            "young": self.young,
            "checks": [check_as_json(check) for check in self.checks],
        }


def check_as_json(check: Check) -> dict[str, Any]:
    """One check as plain JSON values; statistics with four digits."""
    return {
        "name": check.name.value,
        "verdict": check.verdict.value,
        "lack": check.lack.value if check.lack else None,
        "statistic": rounded(check.statistic),
        "threshold": rounded(check.threshold),
        "findings": [
            {
                "begins": found.begins.isoformat() if found.begins else None,
                "ends": found.ends.isoformat() if found.ends else None,
                "okrugs": list(found.okrugs),
                "observed": rounded(found.observed),
                "expected": rounded(found.expected),
                "question_id": found.question_id,
                "option_id": found.option_id,
            }
            for found in check.findings
        ],
    }


def rounded(value: float | None) -> float | None:
    """Four digits after the point, as published."""
    return None if value is None else round(float(value), 4)


def cannot_say(name: CheckName, lack: Lack) -> Check:
    """A check without a verdict."""
    return Check(name, Verdict.CANNOT_SAY, lack=lack)


def judged(name: CheckName, statistic: float, threshold: float, findings: Sequence[Finding] = ()) -> Check:
    """A check with its verdict; findings are kept only if it is unusual."""
    unusual = statistic > threshold
    verdict = Verdict.UNUSUAL if unusual else Verdict.USUAL
    return Check(name, verdict, statistic, threshold, tuple(findings) if unusual else ())

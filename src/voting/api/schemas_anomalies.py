"""What the API gives of the checks for anomalies: verdicts with what they mean, and votes by hour and okrug."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from polls.definition import Text
from results.anomaly_shapes import Anomalies, Check, check_as_json, rounded
from results.anomaly_words import LACKS, WHAT_IT_IS, WORDS, Both
from voting.api.schemas import Shape


def _text(words: Both) -> Text:
    return Text(ru=words.ru, en=words.en)


class AnomalyFinding(Shape):
    """Something unusual. `observed` and `expected` are votes; of live steps, shares of the ballots of a stretch."""

    begins: datetime | None = Field(description="None: over the whole poll.")
    ends: datetime | None
    okrugs: list[str] = Field(description="Codes; empty: the whole city.")
    observed: float
    expected: float
    question_id: int | None
    option_id: int | None


class AnomalyCheck(Shape):
    """One check: unusual where `statistic` is above `threshold`."""

    name: Literal["burst", "night", "places", "turnout", "young", "steps"]
    verdict: Literal["usual", "unusual", "cannot_say"]
    lack: str | None = Field(description="Why it cannot say, as a code.", examples=["few_votes"])
    statistic: float | None = Field(description="None where it cannot say, or where it would tell a number under ten.")
    threshold: float | None
    findings: list[AnomalyFinding]
    title: Text
    looks_at: Text
    statistic_is: Text
    may_mean: Text = Field(description="What `unusual` can mean, honest reasons among them.")
    cannot_mean: Text
    lack_words: Text | None

    @classmethod
    def of(cls, check: Check) -> Self:
        """A check with its words."""
        words = WORDS[check.name]
        return cls.model_validate(
            {**check_as_json(check), "title": _text(words.title), "looks_at": _text(words.looks_at),
             "statistic_is": _text(words.statistic), "may_mean": _text(words.may_mean),
             "cannot_mean": _text(words.cannot_mean), "lack_words": _text(LACKS[check.lack]) if check.lack else None}
        )  # fmt: skip


class HourPlace(Shape):
    """A column of the table of hours: an okrug, or several of few votes together; `""` stands for no okrug."""

    okrugs: list[str]
    label: Text


class HourVotes(Shape):
    """Votes in a stretch of whole hours, by place; no number is under ten."""

    begins: datetime
    ends: datetime
    votes: list[int]


class StepVotes(Shape):
    """Votes of the city in ten minutes or more, and the band expected by the other times."""

    begins: datetime
    ends: datetime
    votes: int
    low: float | None
    high: float | None


class AnomalyReport(Shape):
    """The checks of a counted poll and the counters they were made from."""

    poll_id: str
    version: int = Field(description="Of the count.")
    time_zone: str
    votes: int
    recorded: int = Field(description="Votes whose minute is known.")
    young: int | None = Field(description="Votes of accounts younger than the poll; None: not known, or under ten.")
    what_it_is: Text
    checks: list[AnomalyCheck]
    places: list[HourPlace]
    hours: list[HourVotes]
    steps: list[StepVotes]

    @classmethod
    def of(cls, found: Anomalies) -> Self:
        """As the use case gives it."""
        return cls(
            poll_id=found.public_id, version=found.version, time_zone=found.time_zone, votes=found.votes,
            recorded=found.recorded, young=found.young, what_it_is=_text(WHAT_IT_IS),
            checks=[AnomalyCheck.of(check) for check in found.checks],
            places=[HourPlace(okrugs=list(p.codes), label=Text(ru=p.ru, en=p.en)) for p in found.hours.places],
            hours=[HourVotes(begins=r.begins, ends=r.ends, votes=list(r.votes)) for r in found.hours.rows],
            steps=[StepVotes(begins=s.begins, ends=s.ends, votes=s.votes, low=rounded(s.low), high=rounded(s.high))
                   for s in found.steps],
        )  # fmt: skip

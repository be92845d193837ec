"""What a rehearsal tells: plain values, for people and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from polls.definition import Definition
from polls.tally.outcome import Outcome


@dataclass(frozen=True)
class Load:
    """How casting went: ballots, seconds, ballots a second, and how long one took (milliseconds), with `at_once` sent
    side by side on this machine."""

    ballots: int
    seconds: float
    a_second: float
    p50_ms: float
    p99_ms: float
    at_once: int
    counting_seconds: float


@dataclass(frozen=True)
class Trial:
    """Something tried that must end in one way: how often, and how often it did."""

    what: str
    expected: str
    tried: int
    held: int


@dataclass(frozen=True)
class File:
    """A published file that was made: its name, its bytes, or why it is not given."""

    name: str
    size: int | None
    refused: str = ""


@dataclass
class Report:
    """All of it. `problems` are sentences about what is not as it should be; empty is good."""

    poll: str
    hash: str
    state: str
    entitled: int
    outsiders: int
    cast: int
    quorum_met: bool | None
    styles: Mapping[int, int]
    load: Load
    outcomes: Sequence[Mapping[str, Any]]
    trials: Sequence[Trial]
    files: Sequence[File]
    checklist: Sequence[Mapping[str, Any]]
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        return {**asdict(self), "turnout": self.cast / self.entitled if self.entitled else None}


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of rising values; 0 of none."""
    if not sorted_values:
        return 0.0
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def lines(report: Report, definition: Definition) -> Iterator[str]:
    """The report for people."""
    yield f"{report.poll}: {definition.title.ru or definition.title.en}"
    yield f"Made up: {report.entitled:,} people who may vote, {report.outsiders:,} who may not. Nobody real."
    share = 100 * report.cast / report.entitled if report.entitled else 0
    quorum = {None: "no quorum asked for", True: "quorum met", False: "QUORUM NOT MET"}[report.quorum_met]
    yield f"Turnout: {report.cast:,} of {report.entitled:,} ({share:.1f} %); {quorum}"
    if len(report.styles) > 1:
        yield "Ballot styles: " + ", ".join(f"{style}: {n:,}" for style, n in sorted(report.styles.items()))
    load = report.load
    yield (
        f"Load: {load.a_second:,.0f} ballots a second, {load.at_once} at once; half took under {load.p50_ms:.1f} ms,"
        f" 99 of 100 under {load.p99_ms:.1f} ms; counted in {load.counting_seconds:.2f} s"
    )
    yield ""
    for question, outcome in zip(definition.questions, report.outcomes, strict=False):
        yield from _question(definition, question.id, Outcome.from_json(outcome))
    yield "Tried:"
    for trial in report.trials:
        mark = "as it should" if trial.tried == trial.held else f"{trial.tried - trial.held} TIMES NOT"
        yield f"  {trial.what}: {trial.tried:,} times, {trial.expected}, {mark}"
    yield "Files:"
    for file in report.files:
        yield f"  {file.name}: " + (f"{file.size:,} bytes" if file.size is not None else f"not given ({file.refused})")
    if report.checklist:
        yield "The checklist says:"
        for finding in report.checklist:
            yield f"  {'BLOCKING ' if finding['blocking'] else ''}{finding['code']} at {finding['path']}"
    yield ""
    yield from (f"NOT RIGHT: {problem}" for problem in report.problems)
    yield "Ballots were filled in at random: the outcomes above say how the rules work, not what residents want."


def _question(definition: Definition, number: int, outcome: Outcome) -> Iterator[str]:
    question = definition.question(number)
    assert question is not None
    names = {option.id: option.text.ru or option.text.en for option in question.options}
    yield f"Question {number} ({question.kind}, {outcome.method}): {question.text.ru or question.text.en}"
    for result in sorted(outcome.options, key=lambda result: result.place):
        won = "*" if result.id in outcome.winners else " "
        yield f"  {won} {result.place}. {names.get(result.id, result.id)}: {result.votes:,}"
    yield f"    winners: {', '.join(names.get(one, str(one)) for one in outcome.winners) or 'none'}"
    for tie in outcome.ties:
        state = f"left to the {tie.resolution}" if tie.open else tie.resolution
        yield f"    tie of {', '.join(names.get(one, str(one)) for one in tie.options)}: {state}"
    for step in outcome.steps:
        if step.code in ("threshold", "min_votes", "quorum", "threshold_unknown"):
            facts = ", ".join(f"{key} {value}" for key, value in step.facts.items() if not isinstance(value, list))
            yield f"    {step.code}: {facts}"
    yield ""

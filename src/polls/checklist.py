"""The pre-open checklist: what keeps a draft from being scheduled, and what an official should look at. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from polls.definition import (
    AnyQuestion,
    Budget,
    Definition,
    MultipleChoice,
    Privacy,
    ReceiptKind,
    Text,
    Visibility,
)

LEAST_NOTICE = timedelta(minutes=1)


@dataclass(frozen=True)
class Finding:
    """One thing found. `path` points at the field, as in ``questions/2/options/3/text``; ids, not positions."""

    code: str
    path: str
    blocking: bool
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For the API and for `NotReady`."""
        return {"code": self.code, "path": self.path, "blocking": self.blocking, "facts": self.facts}


def findings(definition: Definition, now: datetime, entitled: int | None = None) -> tuple[Finding, ...]:
    """Everything the checklist finds, blocking first. `entitled` is the dry run's figure when there is one."""
    found = [
        *_texts(definition),
        *_times(definition, now),
        *_rules(definition),
        *(finding for question in definition.questions for finding in _question(question)),
    ]
    if entitled == 0:
        found.append(Finding("audience_empty", "audience", True))
    return tuple(sorted(found, key=lambda finding: not finding.blocking))


def _words(text: Text, path: str, *, needed: bool = True) -> Iterator[Finding]:
    """Russian is needed; English missing where Russian stands is a warning."""
    if needed and not text.ru:
        yield Finding("text_missing", path, True)
    elif text.ru and not text.en:
        yield Finding("translation_missing", path, False, {"language": "en"})
    elif text.en and not text.ru:
        yield Finding("text_missing", path, True, {"language": "ru"})


def _texts(definition: Definition) -> Iterator[Finding]:
    yield from _words(definition.title, "title")
    yield from _words(definition.summary, "summary", needed=False)
    yield from _words(definition.description, "description", needed=False)
    if not definition.territory:
        yield Finding("territory_missing", "territory", True)
    if not definition.questions:
        yield Finding("no_questions", "questions", True)


def _times(definition: Definition, now: datetime) -> Iterator[Finding]:
    zone = ZoneInfo(definition.time_zone)
    opens, closes = definition.opens_at, definition.closes_at
    if opens is None:
        yield Finding("opening_missing", "opens_at", True)
    if closes is None:
        yield Finding("closing_missing", "closes_at", True)
        return
    if closes <= now + LEAST_NOTICE:
        yield Finding("closing_past", "closes_at", True)
    if opens is not None and closes <= opens:
        yield Finding("closing_before_opening", "closes_at", True)
    if opens is not None and opens < now - timedelta(minutes=5):
        yield Finding("opening_past", "opens_at", True)
    if closes.astimezone(zone).hour < 7:
        yield Finding("closing_at_night", "closes_at", False, {"hour": closes.astimezone(zone).hour})


def _rules(definition: Definition) -> Iterator[Finding]:
    if definition.privacy is Privacy.NAMED and not definition.names_seen_by:
        yield Finding("names_seen_by_missing", "names_seen_by", True)
    if definition.privacy is Privacy.SEPARATED and definition.may_change:
        yield Finding("change_needs_named", "may_change", True)
    if definition.privacy is Privacy.NAMED and definition.receipt is ReceiptKind.INCLUSION and definition.may_change:
        yield Finding("receipt_may_be_superseded", "receipt", False)
    if definition.visibility is Visibility.LIVE:
        yield Finding("live_results_sway", "visibility", False)
    if definition.quorum and not (definition.quorum.share or definition.quorum.ballots):
        yield Finding("quorum_empty", "quorum", True)


def _question(question: AnyQuestion) -> Iterator[Finding]:
    path = f"questions/{question.id}"
    yield from _words(question.text, f"{path}/text")
    least = 1 if question.kind in ("rating", "budget") else 2
    if len(question.regular) < least:
        yield Finding("too_few_options", f"{path}/options", True, {"at_least": least})
    if not question.neutral and question.required:
        yield Finding("no_way_to_abstain", f"{path}/options", False)
    if question.rule.winners > max(1, len(question.regular)):
        yield Finding("winners_over_options", f"{path}/rule", True)
    seen: dict[str, int] = {}
    for option in question.options:
        where = f"{path}/options/{option.id}"
        yield from _words(option.text, f"{where}/text")
        words = option.text.ru.casefold()
        if words and words in seen:
            yield Finding("option_repeats", f"{where}/text", True, {"other": seen[words]})
        seen[words] = option.id
        if option.picture and not option.picture.alt.ru:
            yield Finding("alt_missing", f"{where}/picture", True)
    if isinstance(question, MultipleChoice | Budget):
        yield from _bounds(question, path)
    if isinstance(question, Budget):
        yield from _money(question, path)


def _bounds(question: MultipleChoice | Budget, path: str) -> Iterator[Finding]:
    most = question.max_choices
    if question.min_choices > len(question.regular) or (most is not None and most < question.min_choices):
        yield Finding("choices_impossible", f"{path}/min_choices", True)
    if most is not None and most > len(question.regular):
        yield Finding("max_over_options", f"{path}/max_choices", False)


def _money(question: Budget, path: str) -> Iterator[Finding]:
    if not question.rule.budget:
        yield Finding("budget_missing", f"{path}/rule/budget", True)
    for option in question.regular:
        if option.cost is None:
            yield Finding("cost_missing", f"{path}/options/{option.id}/cost", True)
        elif option.cost > question.rule.budget > 0:
            yield Finding("cost_over_budget", f"{path}/options/{option.id}/cost", False)
        elif question.ballot_limit is not None and option.cost > question.ballot_limit:
            yield Finding("cost_over_limit", f"{path}/options/{option.id}/cost", True)

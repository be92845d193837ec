"""The pre-open checklist: what keeps a draft from being scheduled, and what an official should look at. Pure.

Here stand texts, rules of the whole poll and figures of the dry run; questions, their wording, follow-ups and styles,
polls of owners and the calendar have modules of their own, ``checklist_…``. Heuristics of wording only ever warn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from fractions import Fraction

from polls.checklist_calendar import check_times
from polls.checklist_crossing import check_cross_tabs
from polls.checklist_finding import Finding
from polls.checklist_questions import check_question
from polls.checklist_styles import check_follow_ups, check_styles
from polls.checklist_units import check_units
from polls.checklist_wording import check_wording
from polls.definition import Definition, Privacy, ReceiptKind, Text, Tie, Visibility
from polls.questions import takes_words
from polls.strata import LEAST

__all__ = ["Finding", "findings"]


def findings(
    definition: Definition,
    now: datetime,
    entitled: int | None = None,
    by_style: Mapping[int, int] | None = None,
) -> tuple[Finding, ...]:
    """Everything the checklist finds, blocking first.

    `entitled` and `by_style` (entitled by ballot style) are the dry run's figures when there are any.
    """
    found = [
        *_texts(definition),
        *check_times(definition, now),
        *_rules(definition),
        *check_styles(definition, by_style or {}),
        *check_units(definition),
        *check_cross_tabs(definition),
        *_figures(definition, entitled, by_style or {}),
    ]
    for question in definition.questions:
        found += check_question(question)
        found += check_wording(question)
        found += check_follow_ups(definition, question)
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
    for number, source in enumerate(definition.sources, start=1):
        yield from _words(source.title, f"sources/{number}/title", needed=False)
    if not definition.territory:
        yield Finding("territory_missing", "territory", True)
    if not definition.questions:
        yield Finding("no_questions", "questions", True)
    for question in definition.questions:
        path = f"questions/{question.id}"
        yield from _words(question.text, f"{path}/text")
        yield from _words(question.hint, f"{path}/hint", needed=False)
        for option in question.options:
            where = f"{path}/options/{option.id}"
            yield from _words(option.text, f"{where}/text")
            yield from _words(option.description, f"{where}/description", needed=False)
            if option.place:
                yield from _words(option.place.address, f"{where}/place/address", needed=False)
            if option.picture and not option.picture.alt.ru:
                yield Finding("alt_missing", f"{where}/picture", True)
            elif option.picture and not option.picture.alt.en:
                yield Finding("translation_missing", f"{where}/picture/alt", False, {"language": "en"})


def _rules(definition: Definition) -> Iterator[Finding]:
    named = definition.privacy is Privacy.NAMED
    if named:
        yield from _words(definition.names_seen_by, "names_seen_by", needed=False)
    if named and not definition.names_seen_by:
        yield Finding("names_seen_by_missing", "names_seen_by", True)
    if not named and definition.may_change:
        yield Finding("change_needs_named", "may_change", True)
    if named and definition.receipt is ReceiptKind.INCLUSION and definition.may_change:
        yield Finding("receipt_may_be_superseded", "receipt", False)
    if named and definition.may_change:
        for question in definition.questions:
            if takes_words(question):  # words are kept apart from the ballot, so a change cannot find the old ones
                yield Finding("words_not_purged", f"questions/{question.id}", True)
    if definition.visibility is Visibility.LIVE:
        yield Finding("live_results_sway", "visibility", False)
    if not definition.roll_known:  # of polls that took place elsewhere; here the roll is taken and must be counted
        yield Finding("roll_unknown", "roll_known", True)
    if definition.quorum and not (definition.quorum.share or definition.quorum.ballots):
        yield Finding("quorum_empty", "quorum", True)
    if definition.quorum and definition.quorum.share:
        if Fraction(definition.quorum.share) == 0:
            yield Finding("quorum_of_nobody", "quorum/share", True)
        elif Fraction(definition.quorum.share) == 1:
            yield Finding("quorum_of_everybody", "quorum/share", False)
    for question in definition.questions:
        if getattr(question.rule, "tie", None) is Tie.LOT:
            yield Finding("lot_needs_secrets", f"questions/{question.id}/rule", False)


def _figures(definition: Definition, entitled: int | None, by_style: Mapping[int, int]) -> Iterator[Finding]:
    """What the dry run's figures make impossible. A style with few residents would tell who they are (BALLOTS §13)."""
    if entitled == 0:
        yield Finding("audience_empty", "audience", True)
    if entitled:
        if definition.quorum and (definition.quorum.ballots or 0) > entitled:
            yield Finding("quorum_over_audience", "quorum/ballots", True, {"entitled": entitled})
        for question in definition.questions:
            if question.rule.min_votes > entitled:
                path = f"questions/{question.id}/rule/min_votes"
                yield Finding("min_votes_over_audience", path, True, {"entitled": entitled})
    for style, n in by_style.items():
        # Nobody outside the declared styles is as it should be; nobody within one is a mistake.
        if n < LEAST and (style or n) and definition.privacy is Privacy.SEPARATED:
            path = f"styles/{style}" if style else "styles"
            yield Finding("style_too_small", path, True, {"style": style, "entitled": n, "at_least": LEAST})

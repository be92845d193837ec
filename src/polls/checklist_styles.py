"""The checklist of what a resident is shown: ballot styles by territory, and follow-ups by earlier answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from polls.checklist_finding import Finding
from polls.definition import EVERYBODY_ELSE, AnyQuestion, Definition, FreeText, Points, Ranking, Rating, ShownIf
from polls.questions import OWN, shown_in, takes_words

LEAST_SHOWN = {"rating": 1, "budget": 1, "text": 0}


def check_styles(definition: Definition) -> Iterator[Finding]:
    """Styles named and not declared, styles of nobody, styles without questions, territories in two styles."""
    declared = {style.id for style in definition.styles}
    for question in definition.questions:
        path = f"questions/{question.id}"
        yield from _unknown(question.styles, declared, f"{path}/styles")
        for option in question.options:
            yield from _unknown(option.styles, declared, f"{path}/options/{option.id}/styles")
    owner: dict[str, int] = {}
    for style in definition.styles:
        path = f"styles/{style.id}"
        if not style.territories:
            yield Finding("style_of_nobody", path, True, {"style": style.id})
        for code in style.territories:
            if code in owner and owner[code] != style.id:
                facts = {"style": style.id, "other": owner[code], "territory": code}
                yield Finding("styles_overlap", f"{path}/territories", False, facts)
            owner.setdefault(code, style.id)
        yield from _what_is_shown(definition, style.id)


def _unknown(styles: tuple[int, ...], declared: set[int], path: str) -> Iterator[Finding]:
    unknown = sorted(set(styles) - declared)
    if unknown:
        yield Finding("style_unknown", path, True, {"styles": unknown})


def _what_is_shown(definition: Definition, style: int) -> Iterator[Finding]:
    shown = [question for question in definition.questions if shown_in(question, style)]
    if definition.questions and not shown:
        yield Finding("style_without_questions", f"styles/{style}", True, {"style": style})
    for question in shown:
        options = sum(1 for option in question.regular if shown_in(option, style))
        least = LEAST_SHOWN.get(question.kind, 2)
        if options < least <= len(question.regular):
            facts = {"style": style, "at_least": least}
            yield Finding("style_too_few_options", f"questions/{question.id}/options", True, facts)


def check_follow_ups(definition: Definition, question: AnyQuestion) -> Iterator[Finding]:
    """Whether the question a follow-up waits for comes before it and can be answered so that it is shown."""
    condition, path = question.shown_if, f"questions/{question.id}/shown_if"
    if condition is None:
        return
    order = [other.id for other in definition.questions]
    earlier = definition.question(condition.question)
    if earlier is None or order.index(earlier.id) >= order.index(question.id):
        yield Finding("follow_up_not_later", path, True, {"question": condition.question})
        return
    known = {option.id for option in earlier.options} | ({OWN} if takes_words(earlier) else set())
    unknown = sorted(set(condition.options) - known)
    if unknown:
        yield Finding("follow_up_unknown_option", f"{path}/options", True, {"options": unknown})
    if not _can_hold(condition, earlier):
        yield Finding("follow_up_impossible", path, True)
    styles = {EVERYBODY_ELSE, *(style.id for style in definition.styles)}
    if not any(shown_in(question, style) and shown_in(earlier, style) for style in styles):
        yield Finding("follow_up_other_style", path, True, {"question": earlier.id})


def _can_hold(condition: ShownIf, earlier: AnyQuestion) -> bool:
    """Whether some answer to the earlier question meets the condition's bounds."""
    if (condition.at_least, condition.at_most) == (None, None):
        return True
    match earlier:
        case Rating():
            low, high = earlier.scale_min, earlier.scale_max
        case Points():
            low, high = 1, min(earlier.total, earlier.most_per_option or earlier.total)  # none given is no answer
        case Ranking() | FreeText() | _:
            return False  # there is nothing to compare with the bounds
    least = low if condition.at_least is None else max(low, condition.at_least)
    most = high if condition.at_most is None else min(high, condition.at_most)
    neutral = {option.id for option in earlier.neutral}
    rated = not condition.options or any(option not in neutral for option in condition.options)
    return least <= most and rated

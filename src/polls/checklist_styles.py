"""The checklist of what a resident is shown: ballot styles by territory, and follow-ups by earlier answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from polls.checklist_finding import Finding
from polls.checklist_questions import LEAST_OPTIONS, most_at_once, points_taken
from polls.definition import (
    EVERYBODY_ELSE,
    AnyQuestion,
    Budget,
    Definition,
    FreeText,
    MultipleChoice,
    Points,
    Ranking,
    Rating,
    ShownIf,
)
from polls.questions import OWN, shown_in, takes_words


def check_styles(definition: Definition, by_style: Mapping[int, int]) -> Iterator[Finding]:
    """Styles named and not declared, styles of nobody, territories in two styles, ballots that cannot be filled in.

    `by_style` is how many are entitled by style, as far as known. Residents whom no style names get style 0: it is
    looked at like any other unless the dry run found nobody to get it.
    """
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
    if definition.styles and by_style.get(EVERYBODY_ELSE) != 0:
        yield from _what_is_shown(definition, EVERYBODY_ELSE)


def _unknown(styles: tuple[int, ...], declared: set[int], path: str) -> Iterator[Finding]:
    unknown = sorted(set(styles) - declared)
    if unknown:
        yield Finding("style_unknown", path, True, {"styles": unknown})


def _what_is_shown(definition: Definition, style: int) -> Iterator[Finding]:
    """What the ballot of a style leaves nobody able to fill in, where the whole question could be."""
    asked = _asked(definition, style)
    if definition.questions and not asked and style == EVERYBODY_ELSE:
        yield Finding("others_without_questions", "styles", True)
    elif definition.questions and not asked:
        yield Finding("style_without_questions", f"styles/{style}", True, {"style": style})
    for question in asked:
        options, least = _narrowed(question, style), LEAST_OPTIONS.get(question.kind, 2)
        if len(options.regular) < least <= len(question.regular):
            facts, path = {"style": style, "at_least": least}, f"questions/{question.id}/options"
            if style == EVERYBODY_ELSE:
                yield Finding("others_too_few_options", path, True, facts)
            else:
                yield Finding("style_too_few_options", path, True, facts)
        else:
            yield from _bounds(question, options, style)


def _narrowed(question: AnyQuestion, style: int) -> AnyQuestion:
    """The question with the options that the style shows."""
    return question.model_copy(update={"options": tuple(o for o in question.options if shown_in(o, style))})


def _asked(definition: Definition, style: int) -> list[AnyQuestion]:
    """The questions somebody of the style can come to: a follow-up needs its question, and an option it waits for."""
    asked: dict[int, AnyQuestion] = {}
    for question in definition.questions:
        if not shown_in(question, style):
            continue
        if (condition := question.shown_if) is not None:
            earlier = asked.get(condition.question)
            if earlier is None:
                continue
            can_be_named = {OWN, *(option.id for option in _narrowed(earlier, style).options)}
            if condition.options and can_be_named.isdisjoint(condition.options):
                continue
        asked[question.id] = question
    return list(asked.values())


def _bounds(question: AnyQuestion, shown: AnyQuestion, style: int) -> Iterator[Finding]:
    """Bounds that all options together can meet, and those the style shows cannot."""
    path = f"questions/{question.id}"
    if isinstance(question, MultipleChoice | Budget) and isinstance(shown, MultipleChoice | Budget):
        most = _most_chosen(shown)
        if most < question.min_choices <= _most_chosen(question):
            facts = {"style": style, "at_least": question.min_choices, "most": most}
            yield Finding("style_choices_impossible", f"{path}/min_choices", True, facts)
    if isinstance(question, Points) and isinstance(shown, Points) and question.spend_all:
        most = points_taken(shown)
        if most < question.total <= points_taken(question):
            facts = {"style": style, "total": question.total, "most": most}
            yield Finding("style_points_impossible", f"{path}/most_per_option", True, facts)
    # A ranking asks for no more places than a style shows options, and a rating for no more than any.


def _most_chosen(question: MultipleChoice | Budget) -> int:
    """The most that one answer can hold; an own answer counts as one."""
    return most_at_once(question) if isinstance(question, Budget) else len(question.regular) + question.own_answer


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

"""The checklist of polls in which owners decide for a house. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from polls.checklist_finding import Finding
from polls.definition import AnyQuestion, Definition, Privacy
from polls.questions import takes_words
from polls.rules import UnitRule


def check_units(definition: Definition) -> Iterator[Finding]:
    """Owners are counted by name and by flat: named privacy, houses, for and against.

    What the register says against it (houses nobody knows, an audience beyond the owners) is
    :func:`polls.checklist_register.register_findings`.
    """
    decided = [question for question in definition.questions if isinstance(question.rule, UnitRule)]
    if not decided:
        if definition.units is not None:
            yield Finding("units_unused", "units", False)
        return
    if definition.privacy is not Privacy.NAMED:
        yield Finding("units_need_named", "privacy", True)
    if definition.units is None or not definition.units.buildings:
        yield Finding("units_need_buildings", "units/buildings", True)
    for question in decided:
        yield from _sides(question)


def _sides(question: AnyQuestion) -> Iterator[Finding]:
    rule, path = question.rule, f"questions/{question.id}/rule"
    assert isinstance(rule, UnitRule)
    regular = {option.id for option in question.regular}
    if rule.for_option == rule.against_option or not {rule.for_option, rule.against_option} <= regular:
        yield Finding("unit_sides_unknown", path, True)
    elif len(regular) > 2:
        yield Finding("unit_third_side", f"questions/{question.id}/options", False)
    if takes_words(question):
        yield Finding("unit_own_answer", f"questions/{question.id}/own_answer", True)
    if not rule.law:
        yield Finding("law_missing", f"{path}/law", False)

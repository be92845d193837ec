"""What the buttons beside «who may vote» do to the form: from plain fields to a tree and back, add, remove, move. Pure.

A part of the tree is named in a button by its ids from the root: ``add_part:age:1:3`` adds a condition of age to the
group ``audience.parts.1.parts.3``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pydantic import TypeAdapter, ValidationError

from polls.audience_rule import AnyAudience, Audience
from voting.web.editor_form import EditorForm
from voting.web.form_audience import DEEPEST, OPS, is_plain, put_plain, read_audience
from voting.web.form_parts import move_part, remove_part
from voting.web.form_reader import FieldReader

MOST_PARTS: Final = 50
GROUPS: Final = ("all", "any")
_RULE: Final[TypeAdapter[AnyAudience]] = TypeAdapter(Audience)


def place_of(*ids: str) -> str:
    """The name of a part of the tree: ``audience``, ``audience.parts.1``, …; numbers that are none raise."""
    return "".join(["audience", *(f".parts.{int(number)}" for number in ids)])


def refine(form: EditorForm) -> str:
    """Open the plain fields as a tree: every text typed moves with its condition."""
    if form.get("audience.op") or form.get("audience.json").strip():
        return "audience"
    moved: list[dict[str, list[str]]] = []
    for op, names in _MOVES.items():
        typed = {to: form.chosen(f"audience.{name}") for name, to in names.items()}
        if any(value.strip() for to, values in typed.items() for value in values if not to.endswith("_were")):
            moved.append({"op": [op], **typed})
    _clear(form)
    form.put("audience.op", "all")
    for number, part in enumerate(moved, 1):
        for name, values in part.items():
            form.put(f"audience.parts.{number}.{name}", *values)
    return "audience"


_MOVES: Final = {
    "age": {"age_from": "at_least", "age_to": "at_most"},
    "territory": {"territories": "codes", "territories_were": "codes_were"},
    "group": {"groups": "codes", "groups_were": "codes_were"},
    "verified": {"level": "level"},
    "registered_before": {"registered_before": "moment", "registered_before.fold": "moment.fold"},
    "invited": {"invited": "list_code"},
}


def simplify(form: EditorForm) -> str:
    """Back to the plain fields, where they can say the rule; otherwise nothing happens."""
    reader = FieldReader(form)
    values = read_audience(reader)
    try:
        rule = _RULE.validate_python(values)
    except ValidationError:
        return "audience"
    if not reader.errors and is_plain(rule):
        _clear(form)
        put_plain(form, rule, reader.zone)
    return "audience"


def may_simplify(form: EditorForm) -> bool:
    """Whether the plain fields could say the tree."""
    copy = EditorForm({name: list(values) for name, values in form.values.items()})
    simplify(copy)
    return not copy.get("audience.op")


def add_part(form: EditorForm, op: str, *ids: str) -> str:
    """A new condition in a group of the tree."""
    at = place_of(*ids)
    taken = form.ids(f"{at}.parts")
    if op not in OPS or form.get(f"{at}.op") not in GROUPS or len(ids) >= DEEPEST or len(taken) >= MOST_PARTS:
        return at
    number = max(taken, default=0) + 1
    if number > 99:  # longer numbers would make names longer than a form's
        return at
    form.put(f"{at}.parts.{number}.op", op)
    form.put(f"{at}.parts.{number}.not", "")
    return f"{at}.parts.{number}"


def remove(form: EditorForm, *ids: str) -> str:
    """A condition gone, with all inside it."""
    if not ids:
        return "audience"
    remove_part(form, place_of(*ids))
    return place_of(*ids[:-1])


def move(step: int) -> Callable[..., str]:
    """One place up or down among its neighbours."""

    def act(form: EditorForm, *ids: str) -> str:
        if ids:
            move_part(form, f"{place_of(*ids[:-1])}.parts", int(ids[-1]), step)
        return place_of(*ids)

    return act


def use_list(form: EditorForm, code: str) -> None:
    """Ask for this invited list: in the plain field, or as one more condition of a tree."""
    if form.get("audience.op"):
        at = add_part(form, "invited") if form.get("audience.op") == "all" else "audience"
        if at != "audience":
            form.put(f"{at}.list_code", code)
    else:
        form.put("audience.invited", code)


def _clear(form: EditorForm) -> None:
    form.replace({name: value for name, value in form.values.items() if not name.startswith("audience.")})

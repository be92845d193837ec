"""Parts of a form as blocks of fields below a name: removing, moving, copying, ids never given twice. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from voting.web.editor_form import EditorForm
from voting.web.typed import hidden_number

LAST_ID: Final = 32_767


def mark(form: EditorForm, name: str) -> int:
    """The highest id ever used, as the form remembers it; 0 where it holds anything else."""
    return hidden_number(form.get(name), digits=5)


def next_id(form: EditorForm, prefix: str, name: str) -> int | None:
    """The id after every id ever used, remembered as used; None when the numbers have run out."""
    number = max([mark(form, name), *form.ids(prefix)]) + 1
    if number > LAST_ID:
        return None
    form.put(name, str(number))
    return number


def remember(form: EditorForm, prefix: str, name: str) -> None:
    """Keep the highest id in mind before one is removed."""
    form.put(name, str(max([mark(form, name), *form.ids(prefix)])))


def remove_part(form: EditorForm, at: str) -> None:
    """Every field below a name, gone."""
    form.replace({name: value for name, value in form.values.items() if not name.startswith(f"{at}.")})


def move_part(form: EditorForm, prefix: str, number: int, step: int) -> None:
    """One part some places up or down among its neighbours."""
    order = form.ids(prefix)
    if number in order:
        place = order.index(number)
        order.insert(max(0, place + step), order.pop(place))
        reorder(form, prefix, order)


def copy_part(form: EditorForm, prefix: str, number: int, copy: int) -> None:
    """The fields of one part under another id, right after it."""
    start = f"{prefix}.{number}."
    for name, values in [(name, values) for name, values in form.values.items() if name.startswith(start)]:
        form.put(f"{prefix}.{copy}.{name[len(start) :]}", *values)
    order = [n for n in form.ids(prefix) if n != copy]
    order.insert(order.index(number) + 1, copy)
    reorder(form, prefix, order)


def reorder(form: EditorForm, prefix: str, order: Sequence[int]) -> None:
    """Put the blocks of fields below a prefix into an order, in the place of the first of them."""
    blocks: dict[str, dict[str, list[str]]] = {str(number): {} for number in order}
    start = f"{prefix}."
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for name, value in form.values.items():
        head = name[len(start) :].partition(".")[0] if name.startswith(start) else ""
        place = blocks[head] if head in blocks else after if any(blocks.values()) else before
        place[name] = value
    for block in blocks.values():
        before |= block
    form.replace(before | after)

"""Two officials' versions of one draft, put together field by field. Pure.

`merge_rows` compares a form with the one somebody saved meanwhile, and both with the one they began from: what only the
other changed is theirs by default, what only oneself changed is one's own, and what both changed is a clash to choose
in. `merge` takes the other's version of the chosen rows into one's own form. Nothing else of it changes.

A row is one field, or a whole part (a question, an option, a source, a ballot) that only one version has, or the order
of a list, or who may vote as a whole: halves of a rule make no rule, and half a
pair of questions is none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from voting.web.editor_form import EditorForm
from voting.web.form_operations import MARKS
from voting.web.form_parts import remove_part, reorder

WHOLE: Final = ("audience", "cross_tabs")
ORDER: Final = "order"


@dataclass(frozen=True)
class MergeRow:
    """One difference. `mine`, `theirs` and `base` are the typed texts; `clash`: both changed it."""

    key: str
    base: str
    mine: str
    theirs: str
    clash: bool
    take_theirs: bool


def merge_rows(base: EditorForm, mine: EditorForm, theirs: EditorForm) -> list[MergeRow]:
    """Every difference between two versions, in the order of one's own."""
    rows: list[MergeRow] = []
    for key in dict.fromkeys(_keys(mine, theirs)):
        texts = [_text(form, key) for form in (base, mine, theirs)]
        was, ours, others = texts
        if ours != others:
            clash = was not in (ours, others)
            shown = [_shown(form, key) for form in (base, mine, theirs)]
            rows.append(MergeRow(key, shown[0], shown[1], shown[2], clash, ours == was))
    return rows


def merge(mine: EditorForm, theirs: EditorForm, keys: Collection[str]) -> EditorForm:
    """One's own form with the other's version of these rows."""
    merged = EditorForm({name: list(values) for name, values in mine.values.items()})
    orders = [key for key in keys if key.rpartition(".")[2] == ORDER]
    for key in keys:
        if key in orders:
            continue
        if _is_part(key, mine, theirs):
            remove_part(merged, key)
            for name, values in theirs.values.items():
                if name.startswith(f"{key}."):
                    merged.put(name, *values)
        else:
            for name in (key, f"{key}_were", f"{key}.fold"):
                merged.values.pop(name, None)
                if name in theirs.values:
                    merged.put(name, *theirs.chosen(name))
            merged.replace(merged.values)
    for key in orders:
        prefix = key.rpartition(".")[0]
        wanted, held = theirs.ids(prefix), merged.ids(prefix)
        reorder(merged, prefix, [n for n in wanted if n in held] + [n for n in held if n not in wanted])
    return merged


# ---- parts


def _keys(mine: EditorForm, theirs: EditorForm) -> Iterator[str]:
    alone = set(_alone(mine, theirs))
    for name in [*mine.values, *theirs.values]:
        part = _whole_of(name, alone)
        if part:
            yield part
        elif not name.endswith(MARKS):
            yield name
    for prefix in _lists(mine, theirs):
        yield f"{prefix}.{ORDER}"


def _alone(mine: EditorForm, theirs: EditorForm) -> Iterator[str]:
    """Members of lists that only one version has."""
    for prefix in _lists(mine, theirs):
        for number in set(mine.ids(prefix)) ^ set(theirs.ids(prefix)):
            yield f"{prefix}.{number}"


def _lists(mine: EditorForm, theirs: EditorForm) -> Iterator[str]:
    yield from ("questions", "sources", "styles")
    for question in mine.ids("questions"):
        if question in theirs.ids("questions"):
            options = f"questions.{question}.options"
            yield options
            both = set(theirs.ids(options))
            yield from (f"{options}.{n}.sources" for n in mine.ids(options) if n in both)


def _whole_of(name: str, alone: Collection[str]) -> str:
    """The part a field belongs to, where parts are chosen whole."""
    parts = name.split(".")
    if parts[0] in WHOLE:
        return parts[0]
    return next((at for n in range(2, len(parts)) if (at := ".".join(parts[:n])) in alone), "")


def _is_part(key: str, mine: EditorForm, theirs: EditorForm) -> bool:
    return key in WHOLE or any(name.startswith(f"{key}.") for form in (mine, theirs) for name in form.values
                               if name not in (f"{key}.fold", f"{key}.find"))  # fmt: skip


def _text(form: EditorForm, key: str) -> str:
    """Everything a row compares, as one text."""
    if key.rpartition(".")[2] == ORDER:
        return " ".join(map(str, form.ids(key.rpartition(".")[0])))
    below = [
        f"{name}={values}"
        for name, values in form.values.items()
        if name.startswith(f"{key}.") and not name.endswith(MARKS) and any(values)
    ]
    return "\n".join([*form.chosen(key), *sorted(below)])


def _shown(form: EditorForm, key: str) -> str:
    """What a row shows of a version: the text of a field, or what stands for a whole part."""
    if key.rpartition(".")[2] == ORDER:
        prefix = key.rpartition(".")[0]
        return "\n".join(_title(form, f"{prefix}.{number}") for number in form.ids(prefix))
    if form.chosen(key):
        return ", ".join(form.chosen(key))
    return _title(form, key) if any(name.startswith(f"{key}.") for name in form.values) else ""


def _title(form: EditorForm, at: str) -> str:
    names = ("text.ru", "text.en", "title.ru", "title.en", "url")
    return next((text for name in names if (text := form.get(f"{at}.{name}"))), at.rpartition(".")[2])

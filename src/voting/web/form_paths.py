"""The validator's paths of errors under the names fields have in the editor's form. Pure.

The document has positions and the tags of its unions; names of the form have ids. Paths of errors are names with ``/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polls.errors import FieldError
from voting.web.editor_form import EditorForm
from voting.web.form_audience import audience_field

LISTS = ("strata", "age_bands")


def at_field(
    error: FieldError, values: Mapping[str, Any], rows: Mapping[str, list[int]], form: EditorForm
) -> FieldError:
    """The error under the name of its field. `values` is what was validated; `rows` the rows of sources read."""
    parts = error.path.split("/")
    head = parts[0]
    if head == "audience":
        parts = audience_field(parts[1:], form)
    elif head in LISTS:
        parts = [head]
    elif head == "questions" and len(parts) > 1:
        parts = _question(parts, values, rows)
    elif head == "cross_tabs" and len(parts) > 1:
        parts = [head, str(rows[head][int(parts[1])]), *parts[2:]]
    elif head == "sources" and len(parts) > 1:
        parts = _source(parts, "sources", rows)
    elif head == "styles" and len(parts) > 1:
        parts = _ticks([head, str(values["styles"][int(parts[1])]["id"]), *parts[2:]], "territories")
    elif head == "units":
        parts = _ticks(parts, "buildings")
    return FieldError("/".join(parts), error.code, error.message, error.facts)


def _question(parts: list[str], values: Mapping[str, Any], rows: Mapping[str, list[int]]) -> list[str]:
    question = values["questions"][int(parts[1])]
    below = parts[3:] if len(parts) > 2 and parts[2] == question["kind"] else parts[2:]
    if len(below) > 1 and below[0] == "rule" and below[1] == question["rule"].get("method"):
        below = [below[0], *below[2:]]
    path = ["questions", str(question["id"]), *below]
    if len(path) > 3 and path[2] == "options" and path[3].isdigit():
        option = question["options"][int(path[3])]
        path[3] = str(option["id"])
        if len(path) > 5 and path[4] == "sources":
            return [*path[:4], *_source(path[4:], ".".join([*path[:4], "sources"]), rows)]
        return _ticks(path, "styles")
    for name in ("styles", "also_valid", "exclusive_groups"):
        path = _ticks(path, name)
    return path[:4] if path[2:4] == ["shown_if", "options"] else path


def _source(parts: list[str], name: str, rows: Mapping[str, list[int]]) -> list[str]:
    return [parts[0], str(rows[name][int(parts[1])]), *parts[2:]]


def _ticks(path: list[str], name: str) -> list[str]:
    """Errors of single values of a list of ticks stand at the list."""
    return path[: path.index(name) + 1] if name in path[2:] or name in path[1:2] else path

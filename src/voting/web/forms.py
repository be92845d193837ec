"""The editor's form read into the poll document. Pure.

`definition_of` reads a form into the plain values the API takes, validates them as the API does, and gives every error
at once under the field's own name; :mod:`voting.web.form_filling` writes a document into a form. Questions and the rule
of who may vote are read in :mod:`voting.web.form_questions` and :mod:`voting.web.form_audience`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from polls.definition import Definition
from polls.errors import FieldError, Invalid
from voting.problems import as_refusal
from voting.web.editor_form import EditorForm
from voting.web.form_audience import read_audience
from voting.web.form_paths import at_field
from voting.web.form_questions import read_question
from voting.web.form_reader import FieldReader
from voting.web.typed import read_numbers, read_share


@dataclass(frozen=True)
class Parsed:
    """What a form says. `definition` may be there beside `errors`: then fields with errors are left empty in it."""

    definition: Definition | None
    errors: tuple[FieldError, ...]

    @property
    def valid(self) -> Definition | None:
        """The definition, if nothing is wrong."""
        return None if self.errors else self.definition


def definition_of(form: EditorForm) -> Parsed:
    """The document a form describes, and every error in it. Never raises, whatever was submitted."""
    reader = FieldReader(form)
    values = read_document(reader)
    try:
        definition = Definition.model_validate(values)
    except ValidationError as error:
        refusal = as_refusal(error)
        assert isinstance(refusal, Invalid)
        found = [at_field(one, values, reader.rows, form) for one in refusal.errors]
        return Parsed(None, _once([*reader.errors, *found]))
    return Parsed(definition, tuple(reader.errors))


def read_document(reader: FieldReader) -> dict[str, Any]:
    """The whole document as plain values; mistakes are collected in the reader."""
    form = reader.form
    return {
        "poll_id": form.get("poll_id"),
        **{name: reader.text(name) for name in ("title", "summary", "description", "names_seen_by")},
        **reader.flags("binding", "late_registration", "may_change", "roll_known"),
        **reader.given("topic", "register", "time_zone", "privacy", "visibility", "receipt"),
        "territory": form.get("territory"),
        "department": form.get("department"),
        "strata": form.chosen("strata"),
        "age_bands": reader.parsed("age_bands", read_numbers, []),
        "opens_at": reader.moment("opens_at"),
        "closes_at": reader.moment("closes_at"),
        "quorum": _quorum(reader),
        "sources": reader.sources("sources"),
        "styles": [_style(reader, f"styles.{number}", number) for number in form.ids("styles")],
        "units": _units(reader),
        "audience": read_audience(reader),
        "cross_tabs": _cross_tabs(reader),
        "questions": [read_question(reader, f"questions.{number}", number) for number in form.ids("questions")],
    }


def _quorum(reader: FieldReader) -> dict[str, Any] | None:
    share = reader.parsed("quorum.share", read_share, None)
    ballots = reader.number("quorum.ballots", None)
    declared = reader.flag("quorum.declared") or share is not None or ballots is not None
    return {"share": share, "ballots": ballots} if declared else None


def _style(reader: FieldReader, at: str, number: int) -> dict[str, Any]:
    return {"id": number, "title": reader.text(f"{at}.title"), "territories": reader.ticked(f"{at}.territories")}


def _units(reader: FieldReader) -> dict[str, Any] | None:
    if not reader.flag("units.declared"):
        return None
    return {
        "buildings": reader.ticked("units.buildings"),
        "quorum_of_area": reader.parsed("units.quorum_of_area", read_share, None),
        **{name: reader.form.get(f"units.{name}") for name in ("chair", "secretary")},
    }


def _cross_tabs(reader: FieldReader) -> list[dict[str, Any]]:
    """The pairs of questions; a row where neither is chosen is none."""
    pairs = []
    for row in reader.form.ids("cross_tabs"):
        at = f"cross_tabs.{row}"
        pair = {name: reader.number(f"{at}.{name}", None) for name in ("rows", "columns")}
        if any(number is not None for number in pair.values()):
            for name in [name for name, number in pair.items() if number is None]:
                reader.wrong(f"{at}.{name}", "question_missing", "Choose a question.")
            reader.rows.setdefault("cross_tabs", []).append(row)
            pairs.append({name: 1 if number is None else number for name, number in pair.items()})
    return pairs


def _once(errors: Iterable[FieldError]) -> tuple[FieldError, ...]:
    return tuple({(error.path, error.code): error for error in errors}.values())

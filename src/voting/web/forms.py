"""The editor's form: flat names and typed text to and from the poll document. Pure.

A form is kept exactly as typed (`EditorForm`), so that whatever is wrong with one field, nothing else is lost.
`definition_of` reads a form into the plain values the API takes, validates them as the API does, and gives every error
at once under the field's own path; :mod:`voting.web.form_filling` writes a document into a form.

Names hold ids, not positions: ``questions.2.options.3.text.ru`` is option 3 of question 2 wherever it stands. The order
of questions, options and sources is the order in which they first appear. Paths of errors are names with ``/``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from polls.definition import Definition
from polls.errors import FieldError, Invalid
from voting.problems import as_refusal
from voting.web.typed import Mistyped, read_local, read_money, read_number, read_numbers, read_share, zone_of

LONGEST_NAME: Final = 120
LONGEST_JSON: Final = 100_000
NAME = re.compile(r"^[a-z_]+(?:\.(?:[a-z_][a-z_0-9]*|[1-9][0-9]{0,4}|0))*\Z")
ID: Final = re.compile(r"[0-9]{1,5}")  # not str.isdigit: that takes «²» and a number of any length, and int() does not
KINDS: Final = ("single_choice", "multiple_choice", "rating", "budget")
TAGS: Final = frozenset({*KINDS, "all", "any", "not", "age", "territory", "group", "verified", "registered_before"})


@dataclass
class EditorForm:
    """What was typed, by name, in the form's order."""

    values: dict[str, list[str]] = field(default_factory=dict)
    _ids: dict[str, dict[int, None]] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def read(cls, pairs: Iterable[tuple[str, Any]]) -> EditorForm:
        """A form out of submitted pairs; names no field can have, and files, are left out."""
        form = cls()
        for name, value in pairs:
            if isinstance(value, str) and len(name) <= LONGEST_NAME and NAME.match(name):
                form.values.setdefault(name, []).append(value.replace("\r\n", "\n").replace("\r", "\n"))
        return form

    def get(self, name: str) -> str:
        """The text of a field, as typed; empty when the form has no such field."""
        found = self.values.get(name)
        return found[0] if found else ""

    def chosen(self, name: str) -> list[str]:
        """The values of a field with several, such as a list of checkboxes."""
        return self.values.get(name, [])

    def ids(self, prefix: str) -> list[int]:
        """Ids (or rows of sources) below a prefix such as ``questions`` or ``questions.2.options``, in their order."""
        if self._ids is None:
            self._ids = _ids_by_prefix(self.values)
        return list(self._ids.get(prefix, ()))

    def put(self, name: str, *values: str) -> None:
        """Set a field."""
        self.values[name] = list(values)
        self._ids = None

    def replace(self, values: dict[str, list[str]]) -> None:
        """Put other fields, or the same in another order, in the place of all."""
        self.values = values
        self._ids = None


def _ids_by_prefix(names: Iterable[str]) -> dict[str, dict[int, None]]:
    """Every prefix with the ids below it, in one pass: a long poll has tens of thousands of names."""
    found: dict[str, dict[int, None]] = {}
    for name in names:
        parts = name.split(".")
        for place, part in enumerate(parts[1:], 1):
            if ID.fullmatch(part):
                found.setdefault(".".join(parts[:place]), {})[int(part)] = None
    return found


@dataclass(frozen=True)
class Parsed:
    """What a form says. `definition` may be there beside `errors`: then fields with errors are left empty in it."""

    definition: Definition | None
    errors: tuple[FieldError, ...]

    @property
    def valid(self) -> Definition | None:
        """The definition, if nothing is wrong."""
        return None if self.errors else self.definition


# ---- form → document


def definition_of(form: EditorForm) -> Parsed:
    """The document a form describes, and every error in it. Never raises, whatever was submitted."""
    reader = _Reader(form)
    values = reader.document()
    try:
        definition = Definition.model_validate(values)
    except ValidationError as error:
        refusal = as_refusal(error)
        assert isinstance(refusal, Invalid)
        found = [_at_field(one, values, reader.rows) for one in refusal.errors]
        return Parsed(None, _once([*reader.errors, *found]))
    return Parsed(definition, tuple(reader.errors))


class _Reader:
    """Reads one form; collects what is mistyped and puts an empty value in its place."""

    def __init__(self, form: EditorForm) -> None:
        self.form = form
        self.errors: list[FieldError] = []
        self.rows: dict[str, list[int]] = {}
        self.zone = zone_of(form.get("time_zone") or "Europe/Moscow")

    def document(self) -> dict[str, Any]:
        form = self.form
        return {
            "poll_id": form.get("poll_id"),
            **{name: self.text(name) for name in ("title", "summary", "description", "names_seen_by")},
            **{name: self.flag(name) for name in ("binding", "late_registration", "may_change", "roll_known")},
            **self.given("topic", "register", "time_zone", "privacy", "visibility", "receipt"),
            "territory": form.get("territory"),
            "department": form.get("department"),
            "strata": form.chosen("strata"),
            "age_bands": self.parsed("age_bands", read_numbers, []),
            "opens_at": self.moment("opens_at"),
            "closes_at": self.moment("closes_at"),
            "quorum": self.quorum(),
            "sources": self.sources("sources"),
            "audience": self.audience(),
            "questions": [self.question(f"questions.{number}", number) for number in form.ids("questions")],
        }

    def question(self, at: str, number: int) -> dict[str, Any]:
        kind = self.form.get(f"{at}.kind")
        if kind not in KINDS:
            self.errors.append(FieldError(f"{at}.kind".replace(".", "/"), "unknown_kind", "Choose how people answer."))
            kind = KINDS[0]
        rule: dict[str, Any] = {
            **self.given("denominator", "tie", at=f"{at}.rule."),
            "winners": self.number(f"{at}.rule.winners", 1),
            "threshold": self.parsed(f"{at}.rule.threshold", read_share, None),
        }
        values: dict[str, Any] = {
            "id": number, "kind": kind, "rule": rule,
            "text": self.text(f"{at}.text"), "hint": self.text(f"{at}.hint"),
            "required": self.flag(f"{at}.required"), "shuffle": self.flag(f"{at}.shuffle"),
            "options": [self.option(f"{at}.options.{n}", n) for n in self.form.ids(f"{at}.options")],
        }  # fmt: skip
        if kind in ("multiple_choice", "budget"):
            values["min_choices"] = self.number(f"{at}.min_choices", 1)
            values["max_choices"] = self.number(f"{at}.max_choices", None)
        if kind == "rating":
            values |= {name: self.text(f"{at}.{name}") for name in ("low_label", "high_label")}
            rule |= self.given("order_by", at=f"{at}.rule.")
        if kind == "budget":
            values |= self.given("currency", at=f"{at}.")
            values["ballot_limit"] = self.parsed(f"{at}.ballot_limit", read_money, None)
            rule |= self.given("method", at=f"{at}.rule.")
            rule["budget"] = self.parsed(f"{at}.rule.budget", read_money, 0)
            rule["min_score"] = self.number(f"{at}.rule.min_score", 0)
        return values

    def option(self, at: str, number: int) -> dict[str, Any]:
        picture = self.form.get(f"{at}.picture.sha256")
        return {
            "id": number,
            **self.given("kind", at=f"{at}."),
            "text": self.text(f"{at}.text"),
            "description": self.text(f"{at}.description"),
            "cost": self.parsed(f"{at}.cost", read_money, None),
            "reference": self.form.get(f"{at}.reference"),
            "picture": {"sha256": picture, "alt": self.text(f"{at}.picture.alt")} if picture else None,
            "sources": self.sources(f"{at}.sources"),
        }

    def sources(self, name: str) -> list[dict[str, Any]]:
        """The rows of a list of sources; a row left empty is no source."""
        rows = []
        for row in self.form.ids(name):
            at = f"{name}.{row}"
            title, url = self.text(f"{at}.title"), self.form.get(f"{at}.url").strip()
            if url or title["ru"].strip() or title["en"].strip():
                rows.append({"title": title, "url": url})
                self.rows.setdefault(name, []).append(row)
        return rows

    def quorum(self) -> dict[str, Any] | None:
        share = self.parsed("quorum.share", read_share, None)
        ballots = self.number("quorum.ballots", None)
        declared = self.flag("quorum.declared") or share is not None or ballots is not None
        return {"share": share, "ballots": ballots} if declared else None

    def audience(self) -> Any:
        tree = self.form.get("audience.json").strip()
        if tree:
            return self.parsed("audience.json", _read_tree, {"op": "all", "of": []})
        parts: dict[str, dict[str, Any]] = {}
        low, high = self.number("audience.age_from", None), self.number("audience.age_to", None)
        if low is not None or high is not None:
            if low is not None and high is not None and low > high:
                self.errors.append(
                    FieldError("audience/age_to", "age_order", "The upper age is lower than the lower one.")
                )
            parts["age"] = {"op": "age", "at_least": low, "at_most": high}
        for op, name in (("territory", "audience.territories"), ("group", "audience.groups")):
            if codes := self.codes(name):
                parts[op] = {"op": op, "codes": codes}
        level = self.number("audience.level", None)
        if level is not None:
            parts["verified"] = {"op": "verified", "level": level}
        before = self.moment("audience.registered_before")
        if before is not None:
            parts["registered_before"] = {"op": "registered_before", "moment": before}
        were = self.form.get("audience.parts_were").split()
        return {"op": "all", "of": [parts[op] for op in (were if sorted(were) == sorted(parts) else parts)]}

    def codes(self, name: str) -> list[str]:
        """Codes ticked, once each; in the stored order as long as they are the stored ones."""
        ticked = list(dict.fromkeys(code for code in self.form.chosen(name) if code))
        were = self.form.get(f"{name}_were").split()
        return were if sorted(were) == sorted(ticked) else ticked

    # -- one field

    def text(self, name: str) -> dict[str, str]:
        return {language: self.form.get(f"{name}.{language}") for language in ("ru", "en")}

    def flag(self, name: str) -> bool:
        return any(value not in ("", "0") for value in self.form.chosen(name))

    def given(self, *names: str, at: str = "") -> dict[str, str]:
        """Fields of choice that were sent at all; for the others the document's own default stands."""
        return {name: value for name in names if (value := self.form.get(at + name).strip())}

    def number(self, name: str, default: int | None) -> int | None:
        number: int | None = self.parsed(name, read_number, default)
        return number

    def moment(self, name: str) -> datetime | None:
        fold = self.form.get(f"{name}.fold")
        moment: datetime | None = self.parsed(name, lambda typed: read_local(typed, self.zone, fold), None)
        return moment

    def parsed(self, name: str, read: Callable[[str], object], default: Any) -> Any:
        typed = self.form.get(name)
        if not typed.strip():
            return default
        try:
            return read(typed)
        except Mistyped as wrong:
            self.errors.append(FieldError(name.replace(".", "/"), wrong.code, wrong.message, wrong.facts or None))
            return default


def _read_tree(typed: str) -> Any:
    if len(typed) > LONGEST_JSON:
        raise Mistyped("rule_unreadable", "The rule cannot be read as JSON.")
    try:
        return json.loads(typed)
    except (ValueError, RecursionError) as error:
        raise Mistyped("rule_unreadable", "The rule cannot be read as JSON.") from error


# ---- the validator's paths → the form's


def _at_field(error: FieldError, values: Mapping[str, Any], rows: Mapping[str, list[int]]) -> FieldError:
    """The error under the name its field has in the form: ids for positions, no tags of unions."""
    parts = error.path.split("/")
    head = parts[0]
    if head == "audience":
        parts = _audience_field(parts, values)
    elif head in ("strata", "age_bands"):
        parts = [head]
    elif head == "questions" and len(parts) > 1:
        parts = _question_field(parts, values, rows)
    elif head == "sources" and len(parts) > 1:
        parts = _source_field(parts, "sources", rows)
    return FieldError("/".join(parts), error.code, error.message, error.facts)


def _question_field(parts: list[str], values: Mapping[str, Any], rows: Mapping[str, list[int]]) -> list[str]:
    question = values["questions"][int(parts[1])]
    path = ["questions", str(question["id"]), *(part for part in parts[2:] if part not in KINDS)]
    if len(path) > 3 and path[2] == "options" and path[3].isdigit():
        option = question["options"][int(path[3])]
        path[3] = str(option["id"])
        if len(path) > 5 and path[4] == "sources":
            return [*path[:4], *_source_field(path[4:], ".".join([*path[:4], "sources"]), rows)]
    return path


def _source_field(parts: list[str], name: str, rows: Mapping[str, list[int]]) -> list[str]:
    return [parts[0], str(rows[name][int(parts[1])]), *parts[2:]]


def _audience_field(parts: list[str], values: Mapping[str, Any]) -> list[str]:
    """The field of the part the error is about: ``audience/all/of/0/age/at_least`` → ``audience/age_from``."""
    ops = [part for part in parts[1:] if part in TAGS]
    fields = {"territory": "territories", "group": "groups", "verified": "level",
              "registered_before": "registered_before"}  # fmt: skip
    op = ops[-1] if ops else ""
    if op == "age":
        return ["audience", "age_to" if parts[-1] == "at_most" else "age_from"]
    return ["audience", fields[op]] if op in fields else ["audience"]


def _once(errors: Iterable[FieldError]) -> tuple[FieldError, ...]:
    return tuple({(error.path, error.code): error for error in errors}.values())

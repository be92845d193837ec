"""Reading single fields of a form: typed text into exact values, each mistake under its own field. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from polls.errors import FieldError
from voting.web.editor_form import EditorForm
from voting.web.typed import Mistyped, read_local, read_number, zone_of


class FieldReader:
    """Reads fields of one form; collects what is mistyped and puts an empty value in its place.

    `rows` remembers, by name of a list of sources, which rows were read: empty ones are left out.
    """

    def __init__(self, form: EditorForm) -> None:
        self.form = form
        self.errors: list[FieldError] = []
        self.rows: dict[str, list[int]] = {}
        self.zone = zone_of(form.get("time_zone") or "Europe/Moscow")

    def wrong(self, name: str, code: str, message: str) -> None:
        """Note a mistake that lies in more than how one field is typed."""
        self.errors.append(FieldError(name.replace(".", "/"), code, message))

    def text(self, name: str) -> dict[str, str]:
        """A text in both languages."""
        return {language: self.form.get(f"{name}.{language}") for language in ("ru", "en")}

    def flag(self, name: str) -> bool:
        """Whether a checkbox is ticked."""
        return any(value not in ("", "0") for value in self.form.chosen(name))

    def flags(self, *names: str, at: str = "") -> dict[str, bool]:
        """Several checkboxes by their own names."""
        return {name: self.flag(at + name) for name in names}

    def given(self, *names: str, at: str = "") -> dict[str, str]:
        """Fields of choice that were sent at all; for the others the document's own default stands."""
        return {name: value for name in names if (value := self.form.get(at + name).strip())}

    def one_of(self, name: str, values: tuple[str, ...]) -> str:
        """A choice among values; the first where the form has another kind's choice, as its page then shows."""
        chosen = self.form.get(name).strip()
        return chosen if chosen in values else values[0]

    def number(self, name: str, default: int | None) -> int | None:
        """A whole number, or `default` where nothing is typed."""
        number: int | None = self.parsed(name, read_number, default)
        return number

    def numbers(self, *names: str, at: str) -> dict[str, int]:
        """Whole numbers that were typed at all; for the others the document's own default stands."""
        read = {name: self.number(f"{at}{name}", None) for name in names}
        return {name: number for name, number in read.items() if number is not None}

    def moment(self, name: str) -> datetime | None:
        """A local time in the poll's zone."""
        fold = self.form.get(f"{name}.fold")
        moment: datetime | None = self.parsed(name, lambda typed: read_local(typed, self.zone, fold), None)
        return moment

    def ticked(self, name: str) -> list[str]:
        """Values ticked, once each; in the stored order as long as they are the stored ones."""
        ticked = list(dict.fromkeys(value for value in self.form.chosen(name) if value))
        were = stored_order(self.form.get(f"{name}_were"))
        return were if sorted(were) == sorted(ticked) else ticked

    def ticked_numbers(self, name: str) -> list[int]:
        """The same for ids of options and styles; what is no number is left out."""
        return [int(value) for value in self.ticked(name) if value.isascii() and value.isdigit() and len(value) < 6]

    def parsed(self, name: str, read: Callable[[str], object], default: Any) -> Any:
        """The field through a reader of typed text; `default` where it is empty or mistyped."""
        typed = self.form.get(name)
        if not typed.strip():
            return default
        try:
            return read(typed)
        except Mistyped as wrong:
            self.errors.append(FieldError(name.replace(".", "/"), wrong.code, wrong.message, wrong.facts or None))
            return default

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


def stored_order(typed: str) -> list[str]:
    """The values an `…_were` field remembers; nothing where it holds anything else."""
    try:
        were = json.loads(typed) if len(typed) < 100_000 else []
    except (ValueError, RecursionError):
        return []
    return were if isinstance(were, list) and all(isinstance(value, str) for value in were) else []

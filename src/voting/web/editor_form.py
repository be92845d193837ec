"""A form kept exactly as typed: flat names and lists of texts, in the page's order. Pure.

Whatever is wrong with one field, nothing else is lost. Names hold ids, not positions:
``questions.2.options.3.text.ru`` is option 3 of question 2 wherever it stands. The order of questions, options,
sources and parts of a rule is the order in which they first appear.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

LONGEST_NAME: Final = 120
NAME = re.compile(r"^[a-z_]+(?:\.(?:[a-z_][a-z_0-9]*|[1-9][0-9]{0,4}|0))*\Z")
ID: Final = re.compile(r"[0-9]{1,5}")  # not str.isdigit: that takes «²» and a number of any length, and int() does not


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

    def put_all(self, name: str, values: Sequence[str]) -> None:
        """Set a field of several ticks, remembering their order: a page shows them in its own."""
        self.put(name, *values)
        self.put(f"{name}_were", json.dumps(list(values), ensure_ascii=False))

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

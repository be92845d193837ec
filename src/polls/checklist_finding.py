"""One thing the checklist found. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing found. `path` points at the field, as in ``questions/2/options/3/text``; ids, not positions.

    `blocking` keeps a draft from being scheduled; the rest an official should look at. `facts` are plain JSON values.
    """

    code: str
    path: str
    blocking: bool
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For the API and for `NotReady`."""
        return {"code": self.code, "path": self.path, "blocking": self.blocking, "facts": self.facts}

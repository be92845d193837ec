"""A role as an account holds it: for a department, for a territory with all below it, or everywhere. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """One role with its scope; None is no limit."""

    role: str
    department: str | None = None
    territory_id: int | None = None

    @property
    def everywhere(self) -> bool:
        """Whether it has no limit at all."""
        return self.department is None and self.territory_id is None

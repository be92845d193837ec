"""Parts of a file: what `Range` and `If-Range` ask for (RFC 9110 §14), for files with a strong tag. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ONE: Final = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)


@dataclass(frozen=True)
class Part:
    """Bytes from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many."""
        return self.last - self.first + 1


class Unsatisfiable(Exception):
    """The part asked for lies beyond the end: 416."""


def part_asked(given: str | None, if_range: str | None, tag: str, size: int) -> Part | None:
    """The one part asked for; None for the whole file.

    The whole is sent where nothing is asked, where several parts are (they may be answered so), where what is asked
    cannot be read, and where `If-Range` names another version: a date or a weak tag is never ours. Raises
    `Unsatisfiable` for a part beyond the end.
    """
    if given is None or (if_range is not None and if_range.strip() != tag):
        return None
    found = _ONE.fullmatch(given.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:  # the last so many bytes
        n = min(int(last), size)
        if n == 0:
            raise Unsatisfiable
        return Part(size - n, size - 1)
    begin = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < begin:
        return None
    if begin >= size:
        raise Unsatisfiable
    return Part(begin, end)

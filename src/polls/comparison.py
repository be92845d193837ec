"""What differs between two documents, as data: fields by path, questions and options by id and never by position. Pure.

Values that have no ids within (a list of territory codes, the audience rule, a counting rule whose method changed) are
compared whole, so a reader sees both in full. Every difference is reported once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from polls.definition import Definition

ChangeKind = Literal["changed", "added", "removed", "moved"]
BY_ID = frozenset({"questions", "options", "styles"})
"""Lists of things with ids, wherever their members are objects."""
WHOLE = frozenset({"audience"})


@dataclass(frozen=True)
class Change:
    """One difference. `path` is as in findings, ``questions/2/options/3/text/ru``, by ids.

    `before` and `after` are plain JSON values: of a change both, of an addition `after` alone, of a removal `before`
    alone, of a move the places counted from 1.
    """

    path: str
    kind: ChangeKind
    before: Any
    after: Any

    def as_json(self) -> dict[str, Any]:
        """For the API and for `EditConflict`."""
        return {"path": self.path, "kind": self.kind, "before": self.before, "after": self.after}


def compare(old: Definition, new: Definition) -> tuple[Change, ...]:
    """Every difference, in the order of the document's fields; empty for equal documents."""
    return tuple(_objects("", old.as_json(), new.as_json()))


def clashes(mine: Sequence[Change], theirs: Sequence[Change]) -> tuple[str, ...]:
    """Paths that both sides changed differently, or one within what the other changed: what a person must choose."""
    found = [
        change.path
        for change in mine
        for other in theirs
        if change != other and (change.kind == "moved") == (other.kind == "moved") and _touch(change.path, other.path)
    ]
    return tuple(dict.fromkeys(found))


def _touch(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/")


def _objects(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for key in dict.fromkeys([*old, *new]):
        where = f"{path}/{key}" if path else key
        if key not in new:
            yield Change(where, "removed", old[key], None)
        elif key not in old:
            yield Change(where, "added", None, new[key])
        else:
            yield from _values(key, where, old[key], new[key])


def _values(key: str, path: str, old: Any, new: Any) -> Iterator[Change]:
    if old == new and type(old) is type(new):
        return
    if key not in WHOLE and isinstance(old, dict) and isinstance(new, dict) and old.get("method") == new.get("method"):
        yield from _objects(path, old, new)
    elif key in BY_ID and _have_ids(old) and _have_ids(new):
        yield from _lists(path, old, new)
    else:
        yield Change(path, "changed", old, new)


def _have_ids(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and "id" in item for item in value)


def _lists(path: str, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    before = {item["id"]: (place, item) for place, item in enumerate(old, start=1)}
    after = {item["id"]: (place, item) for place, item in enumerate(new, start=1)}
    for key, (_, item) in before.items():
        if key not in after:
            yield Change(f"{path}/{key}", "removed", item, None)
    both = [key for key in after if key in before]
    stayed = _longest_rise([before[key][0] for key in both])
    for index, key in enumerate(both):
        if index not in stayed:
            yield Change(f"{path}/{key}", "moved", before[key][0], after[key][0])
    for key, (_, item) in after.items():
        if key in before:
            yield from _objects(f"{path}/{key}", before[key][1], item)
        else:
            yield Change(f"{path}/{key}", "added", None, item)


def _longest_rise(places: Sequence[int]) -> frozenset[int]:
    """Indexes of a longest rising subsequence: what stayed, so that as little as can be is said to have moved."""
    ends: list[int] = []  # the index each rise of length n + 1 ends at, lowest place first
    back: list[int] = []
    for index, place in enumerate(places):
        length = bisect_left([places[end] for end in ends], place)
        back.append(ends[length - 1] if length else -1)
        ends[length : length + 1] = [index]
    kept: list[int] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        kept.append(index)
        index = back[index]
    return frozenset(kept)

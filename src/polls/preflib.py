"""PrefLib's files of ranked ballots (.soc .soi .toc .toi): read into canonical rankings. Pure: bytes in, values out.

The format is PrefLib's of 2022 (N. Mattei & T. Walsh, "PrefLib: A Library for Preferences", ADT 2013; preflib.org):
lines of ``# KEY: value``, then one line per distinct ballot, ``count: 1,{2,3},4`` — best first, equals in braces. The
type tells what ballots hold: ``s`` strict or ``t`` with equals, ``oc`` complete or ``oi`` perhaps truncated.

Strict where the count depends on it: alternatives there are not, one that stands twice, a count that is no number, and
a ballot the type does not allow are refused with the line. What the file says of itself (numbers of voters and of
orders) is compared and a difference is told, not refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polls.errors import BadFile

if TYPE_CHECKING:
    from polls.tally.ranked import RankedProfile, Tiers

TYPES = ("soc", "soi", "toc", "toi")
MOST_ALTERNATIVES = 1_000
_KEY = re.compile(r"#\s*([A-Z][A-Z0-9 ]{0,60}?)\s*:\s?(.*)")
_NAME = re.compile(r"ALTERNATIVE NAME ([1-9][0-9]{0,4})")
_BALLOT = re.compile(r"([0-9]{1,15}):(.*)")
_TIER = re.compile(r"\s*(?:\{([0-9,\s]*)\}|([0-9]{1,5}))\s*(?:,|$)")


@dataclass(frozen=True)
class Election:
    """The contents of one file.

    `names` maps alternatives (from 1) to their names; `answers` canonical rankings to ballots; `differences` says where
    the file's own numbers differ from what is in it: field, source, counted.
    """

    title: str
    data_type: str
    names: Mapping[int, str]
    answers: Mapping[str, int]
    differences: tuple[Mapping[str, object], ...]

    @property
    def ballots(self) -> int:
        """The number of ballots."""
        return sum(self.answers.values())

    def profile(self) -> RankedProfile:
        """The ballots, ready to be counted; alternatives stand in the file's order."""
        from polls.tally.ranked import RankedProfile  # with numpy, which only a count needs

        return RankedProfile.build(tuple(self.names), self.answers)


def parse_preflib(data: bytes | str) -> Election:
    """The file's election. Raises :class:`polls.errors.BadFile` with `line`, `field` and `reason`."""
    from polls.tally.ranked import canonical_ranking

    meta, names, ballots = _split(data)
    data_type = meta.get("DATA TYPE", "").lower()
    if data_type not in TYPES:
        raise _bad(None, "DATA TYPE", f"{data_type[:20]!r} is none of {', '.join(TYPES)}")
    size = _number(meta, "NUMBER ALTERNATIVES")
    if size is None or not 1 <= size <= MOST_ALTERNATIVES:
        raise _bad(None, "NUMBER ALTERNATIVES", f"it is missing, or not from 1 to {MOST_ALTERNATIVES}")
    if names and set(names) != set(range(1, size + 1)):
        raise _bad(None, "ALTERNATIVE NAME", f"the names are not those of alternatives 1 to {size}")
    known = {number: names.get(number, str(number)) for number in range(1, size + 1)}
    answers: Counter[str] = Counter()
    orders = 0
    for line, text in ballots:
        found = _BALLOT.fullmatch(text)
        if not found:
            raise _bad(line, "ballot", "it is not a number of ballots, a colon and a ranking")
        tiers = _tiers(found[2], line)
        _check(tiers, known, data_type, line)
        answers[canonical_ranking(tiers)] += int(found[1])
        orders += 1
    election = Election(meta.get("TITLE", ""), data_type, known, dict(answers), ())
    counted = (("NUMBER VOTERS", election.ballots), ("NUMBER UNIQUE ORDERS", orders))
    differences = tuple(
        {"field": key, "source": _number(meta, key), "counted": n}
        for key, n in counted
        if key in meta and _number(meta, key) != n
    )
    return Election(election.title, data_type, known, election.answers, differences)


def _split(data: bytes | str) -> tuple[dict[str, str], dict[int, str], list[tuple[int, str]]]:
    """The keys, the names, and the lines of ballots with their numbers."""
    text = _decoded(data) if isinstance(data, bytes) else data
    text = text.removeprefix("\ufeff")
    meta: dict[str, str] = {}
    names: dict[int, str] = {}
    ballots: list[tuple[int, str]] = []
    for line, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        stripped = raw.strip()
        if not stripped:
            continue
        if not stripped.startswith("#"):
            ballots.append((line, stripped))
        elif found := _KEY.fullmatch(stripped):
            if name := _NAME.fullmatch(found[1]):
                if int(name[1]) in names:
                    raise _bad(line, "ALTERNATIVE NAME", f"alternative {name[1]} is named twice")
                names[int(name[1])] = found[2].strip()
            else:
                meta.setdefault(found[1], found[2].strip())
    return meta, names, ballots


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad(data.count(b"\n", 0, error.start) + 1, "text", "the file is not UTF-8") from error


def _tiers(text: str, line: int) -> Tiers:
    """``1,{2,3},4`` in tiers."""
    tiers = list(_read_tiers(text.strip(), line))
    if any(not tier for tier in tiers):
        raise _bad(line, "ballot", "there are braces with nothing in them")
    return tuple(tiers)


def _read_tiers(text: str, line: int) -> Iterator[tuple[int, ...]]:
    at = 0
    while at < len(text):
        found = _TIER.match(text, at)
        if not found:
            raise _bad(line, "ballot", f"{text[at : at + 20]!r} is not an alternative or alternatives in braces")
        if found[2]:
            yield (int(found[2]),)
        else:
            parts = [part.strip() for part in found[1].split(",")]
            if not all(part.isdecimal() and len(part) <= 5 for part in parts):
                raise _bad(line, "ballot", f"{found[0][:20]!r} does not hold alternatives")
            yield tuple(int(part) for part in parts)
        at = found.end()
    if text.endswith(","):
        raise _bad(line, "ballot", "it ends with a comma")


def _check(tiers: Tiers, known: Mapping[int, str], data_type: str, line: int) -> None:
    """Refuse what the alternatives or the type of file do not allow."""
    ids = [number for tier in tiers for number in tier]
    for number in ids:
        if number not in known:
            raise _bad(line, "ballot", f"there is no alternative {number}")
    if len(set(ids)) != len(ids):
        raise _bad(line, "ballot", "an alternative stands twice")
    if data_type.startswith("s") and any(len(tier) > 1 for tier in tiers):
        raise _bad(line, "ballot", f"equals are not allowed in a file of type {data_type}")
    if data_type.endswith("c") and len(ids) != len(known):
        raise _bad(line, "ballot", f"a ballot leaves alternatives out in a file of type {data_type}")


def _number(meta: Mapping[str, str], key: str) -> int | None:
    """A whole number of the file's own, None when it is absent or none."""
    value = meta.get(key, "")
    return int(value) if re.fullmatch(r"[0-9]{1,15}", value) else None


def _bad(line: int | None, field: str, reason: str) -> BadFile:
    return BadFile(line=line, field=field, reason=reason)

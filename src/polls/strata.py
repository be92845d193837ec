"""Strata: the finest groups a ballot may be tabulated by, and how small ones are merged at counting. Pure.

A stratum is one integer, ``territory id × 1000 + age index × 10 + sex``, so that a ballot carries four bytes and SQL
can group by it. A dimension the poll does not declare is 0; a dimension given up in merging is 99 (age) or 9 (sex);
a territory given up is the id of the territory above it (okrug, then city).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from polls.definition import Dimension
from polls.eligibility import CitizenFacts, age_on

SEXES = {"f": 1, "m": 2}
SEX_UNKNOWN = 3
SEX_MERGED = 9
AGE_UNKNOWN = 98
AGE_MERGED = 99
LEAST = 10


class Stratum(NamedTuple):
    """`territory`: territory id or 0; `age`: 1-based index of the band, 97 younger than the first; `sex`: see above."""

    territory: int
    age: int
    sex: int

    @property
    def code(self) -> int:
        """The integer stored with the ballot."""
        return self.territory * 1000 + self.age * 10 + self.sex

    @classmethod
    def of(cls, code: int) -> Stratum:
        """The stratum of a stored integer."""
        return cls(code // 1000, code // 10 % 100, code % 10)


AGE_BELOW = 97


def age_index(birth: date | None, on: date, bands: Sequence[int]) -> int:
    """1-based index of the age band on a day; 97 below the first band, 98 when the birth date is not known."""
    if birth is None:
        return AGE_UNKNOWN
    age = age_on(birth, on)
    return sum(age >= bound for bound in bands) or AGE_BELOW


def age_label(index: int, bands: Sequence[int]) -> str:
    """``"18–24"``, ``"65+"``, ``"0–13"``; empty for unknown and merged."""
    if index == AGE_BELOW:
        return f"0–{bands[0] - 1}"
    if not 1 <= index <= len(bands):
        return ""
    low = bands[index - 1]
    return f"{low}+" if index == len(bands) else f"{low}–{bands[index] - 1}"


def stratum_of(facts: CitizenFacts, on: date, strata: Sequence[Dimension], bands: Sequence[int]) -> Stratum:
    """The stratum of a citizen on a day, holding only the dimensions the poll declares."""
    return Stratum(
        (facts.district_id or 0) if Dimension.DISTRICT in strata else 0,
        age_index(facts.birth_date, on, bands) if Dimension.AGE_BAND in strata else 0,
        (SEXES.get(facts.sex or "", SEX_UNKNOWN)) if Dimension.SEX in strata else 0,
    )


def coarsen(
    counts: Mapping[Stratum, int], parent: Callable[[int], int | None], least: int = LEAST
) -> dict[Stratum, Stratum]:
    """Merge strata (sex, then age, then district → okrug → city) until each holds at least `least` ballots.

    `counts` are cast ballots per stratum; `parent` gives the territory above, None at the top. Returns the final
    stratum of every input stratum. Only what is too small is merged, with the smallest neighbour when a pool alone
    would still be too small, so that large groups keep their detail. The result depends on the counts alone. A poll
    with fewer than `least` ballots in all ends as one stratum, which its results never tabulate.
    """
    final = {stratum: stratum for stratum in counts}
    _merge_level(final, counts, lambda s: s._replace(sex=SEX_MERGED) if s.sex else s, least)
    _merge_level(final, counts, lambda s: s._replace(age=AGE_MERGED if s.age else 0, sex=_up(s.sex)), least)
    while True:
        before = dict(final)
        _merge_level(final, counts, lambda s: _to_parent(s, parent), least)
        if final == before:
            return final


def _up(sex: int) -> int:
    return SEX_MERGED if sex else 0


def _to_parent(stratum: Stratum, parent: Callable[[int], int | None]) -> Stratum:
    above = parent(stratum.territory) if stratum.territory else None
    territory = stratum.territory if above is None else above
    return Stratum(territory, AGE_MERGED if stratum.age else 0, _up(stratum.sex))


def _merge_level(
    final: dict[Stratum, Stratum], counts: Mapping[Stratum, int], target: Callable[[Stratum], Stratum], least: int
) -> None:
    """Move every too small stratum to its target; fill a target that is still too small with its smallest source."""
    sizes: dict[Stratum, int] = {}
    for source, now in final.items():
        sizes[now] = sizes.get(now, 0) + counts[source]
    moves = {now: target(now) for now, size in sizes.items() if size < least and target(now) != now}
    # What is too small and has nowhere to go is a pool too: it takes in what lies below it.
    pools = {now: 0 for now, size in sizes.items() if size < least and target(now) == now}
    for now, to in moves.items():
        pools[to] = pools.get(to, 0) + sizes[now]
    below = _below(sizes, target)
    for to, size in sorted(pools.items()):
        size += sizes.get(to, 0)
        others = sorted(
            (now for now in below.get(to, ()) if now not in moves),
            key=lambda now: (sizes[now], now),
        )
        for other in others:
            if size >= least:
                break
            moves[other] = to
            size += sizes[other]
    for source, now in final.items():
        final[source] = moves.get(now, now)


def _below(strata: Iterable[Stratum], target: Callable[[Stratum], Stratum]) -> dict[Stratum, list[Stratum]]:
    """For each stratum that merging upwards, step by step, reaches: those it is reached from."""
    found: dict[Stratum, list[Stratum]] = {}
    for start in strata:
        stratum = start
        while (above := target(stratum)) != stratum:
            found.setdefault(above, []).append(start)
            stratum = above
    return found

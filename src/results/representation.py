"""Who took part against who might have: targets out of the roll or a census, and how near the participants are. Pure.

Participants are read from the published turnout tables, so nothing is said here that they do not say. Groups whose
turnout is hidden are one group: together they have what the others leave of the votes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from polls.territories import TerritoryTree
from results.shapes import By, Group, GroupKind, Turnout, TurnoutTable
from results.weighting import REGISTER, DimensionFit, GroupFit, Target

_AGE_CODE = re.compile("age_([0-9]+)(?:_([0-9]+))?")
NO_END = 1_000


@dataclass(frozen=True)
class Margins:
    """Census margins as they were supplied: a named set of numbers of residents.

    `territories`: code of an okrug or a district → residents; `ages`: (first, last) year of age → residents, `last`
    :data:`NO_END` where the band has none; `sexes`: ``f`` and ``m``.
    """

    code: str
    ru: str
    en: str
    source: str
    as_of: date
    territories: Mapping[str, int] = field(default_factory=dict)
    ages: Mapping[tuple[int, int], int] = field(default_factory=dict)
    sexes: Mapping[str, int] = field(default_factory=dict)


def register_target(turnout: Turnout) -> Target | None:
    """The poll's roll as a target; None when nobody recorded it."""
    if not turnout.entitled:
        return None
    numbers = {
        table.dimensions[0]: {row.group.code: row.entitled for row in table.rows if row.entitled}
        for table in turnout.single
    }
    return Target(REGISTER, "", "", "", None, numbers)


def census_target(margins: Margins, turnout: Turnout, places: TerritoryTree) -> Target:
    """Census margins for the groups of a poll, who are those on its roll and those who took part.

    Residents of groups the poll does not have are left out: it did not ask them. Ages are matched where census bands
    make up each band of the poll exactly.
    """
    numbers: dict[By, Mapping[str, int]] = {}
    left_out: dict[By, str] = {}
    for table in turnout.single:
        [by] = table.dimensions
        groups = [row.group for row in table.rows if row.group.kind is GroupKind.GROUP and (row.entitled != 0)]
        found = _numbers(margins, by, groups, places)
        if isinstance(found, str):
            left_out[by] = found
        else:
            numbers[by] = found
    return Target(margins.code, margins.ru, margins.en, margins.source, margins.as_of, numbers, left_out)


def _numbers(margins: Margins, by: By, groups: Iterable[Group], places: TerritoryTree) -> dict[str, int] | str:
    """Residents of each group, or why they are not known."""
    groups = list(groups)
    if by is By.AGE_BAND:
        bands = {group.code: _band(group.code, margins.ages) for group in groups}
        if not margins.ages:
            return "no_margin"
        found = {code: n for code, n in bands.items() if n is not None}
        return found if len(found) == len(bands) else "bands"
    if by is By.SEX:
        found = {group.code: margins.sexes[group.code] for group in groups if group.code in margins.sexes}
    else:
        found = {group.code: n for group in groups if (n := _residents(margins, group.code, places)) is not None}
    return found if len(found) == len(groups) else "no_margin"


def _band(code: str, ages: Mapping[tuple[int, int], int]) -> int | None:
    """Residents of an age band such as ``age_18_24``, summed of census bands; None where they do not make it up."""
    found = _AGE_CODE.fullmatch(code)
    if found is None:
        return None
    first, last = int(found[1]), int(found[2] or NO_END)
    inside = sorted((band, n) for band, n in ages.items() if band[0] <= last and band[1] >= first)
    at = first
    for (begins, ends), _ in inside:
        if begins != at or ends > last:
            return None
        at = ends + 1
    return sum(n for _, n in inside) if inside and at == last + 1 else None


def _residents(margins: Margins, code: str, places: TerritoryTree) -> int | None:
    """Residents of a territory: as supplied, or the sum of its parts where each of them is."""
    if code in margins.territories:
        return margins.territories[code]
    place = places.by_code.get(code)
    parts = [part for part in places.children(place.id) if part.kind == "district"] if place is not None else []
    known = [margins.territories[part.code] for part in parts if part.code in margins.territories]
    return sum(known) if parts and len(known) == len(parts) else None


# ---- how near the participants are


def represented(turnout: Turnout, target: Target) -> list[DimensionFit]:
    """Every dimension turnout is broken down by, held against the target; none of them used for weights yet."""
    return [_dimension(table, turnout.votes, target) for table in turnout.single]


def _dimension(table: TurnoutTable, votes: int, target: Target) -> DimensionFit:
    [by] = table.dimensions
    numbers = target.numbers.get(by, {})
    matched = [row for row in table.rows if numbers.get(row.group.code)]
    strangers = [row for row in table.rows if not numbers.get(row.group.code)]
    base = votes - sum(row.votes or 0 for row in strangers)
    whole = sum(numbers[row.group.code] for row in matched)
    groups = tuple(
        GroupFit(
            row.group, row.votes, Fraction(row.votes, base) if row.votes is not None and base > 0 else None,
            numbers[row.group.code], Fraction(numbers[row.group.code], whole),
        )
        for row in matched
    )  # fmt: skip
    why = target.left_out.get(by, "") or ("" if len(matched) > 1 else "one_group")
    return DimensionFit(by, None if why or base <= 0 else _score(groups), groups, why=why)


def _score(groups: Iterable[GroupFit]) -> Fraction:
    """One less the index of dissimilarity; hidden groups together are one."""
    gap, shown, of_shown = Fraction(0), Fraction(0), Fraction(0)
    for one in groups:
        if one.share is not None and one.target is not None:
            gap += abs(one.share - one.target)
            shown, of_shown = shown + one.share, of_shown + one.target
    return 1 - (gap + abs(of_shown - shown)) / 2

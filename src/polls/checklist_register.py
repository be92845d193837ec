"""What the register says against a poll of owners or of invited residents, before it is scheduled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from polls.audience_rule import AllOf, AnyAudience, Invited, OwnsUnit
from polls.checklist_finding import Finding
from polls.definition import Definition, Visibility
from polls.questions import AnyQuestion
from polls.sessions import ReadSession
from polls.tables import Moment
from polls.unit_roll import unit_questions
from polls.unit_tables import invited_list


async def register_findings(session: ReadSession, definition: Definition, now: datetime) -> tuple[Finding, ...]:
    """What the register says against a poll of owners or of invited residents.

    Blocking: a list or a building nobody knows (``list_unknown``, ``building_unknown``), a building without flats
    (``building_empty``), an audience other than the owners of these very buildings (``audience_beyond_units``), late
    registration, live figures, and flats' questions that only some residents are asked (``unit_question_partial``).
    To look at: flats without a known owner, flats whose shares do not sum to one, and an audience that leaves owners
    out by other conditions. Facts: the codes, or the number of flats.
    """
    found = list(await _lists(session, definition))
    questions = unit_questions(definition)
    if definition.units is None or not questions:
        return tuple(found)
    found += _against_units(definition, questions)
    buildings = definition.units.buildings
    rows = await session.execute(_HOUSES, {"codes": list(buildings), "at": definition.opens_at or now})
    houses = {row.code: row for row in rows}
    unknown = [code for code in buildings if code not in houses]
    empty = [code for code in buildings if code in houses and not houses[code].flats]
    found += [Finding("building_unknown", "units/buildings", True, {"buildings": unknown})] if unknown else []
    found += [Finding("building_empty", "units/buildings", True, {"buildings": empty})] if empty else []
    if ownerless := sum(row.ownerless for row in houses.values()):
        found.append(Finding("flats_without_owners", "units/buildings", False, {"flats": ownerless}))
    if odd := sum(row.odd for row in houses.values()):
        found.append(Finding("flats_with_odd_shares", "units/buildings", False, {"flats": odd}))
    return tuple(found)


_HOUSES = text(
    """
    SELECT t.code, count(u.id) AS flats, count(u.id) FILTER (WHERE s.whole IS NULL) AS ownerless,
           count(u.id) FILTER (WHERE abs(s.whole - 1) > 1e-12) AS odd
      FROM territory t
      LEFT JOIN unit u ON u.building_id = t.id AND u.valid_from <= :at AND (u.valid_to IS NULL OR u.valid_to > :at)
      LEFT JOIN LATERAL (
           SELECT sum(o.share_numerator::numeric(60, 40) / o.share_denominator) AS whole FROM unit_owner o
            WHERE o.unit_id = u.id AND o.valid_from <= :at AND (o.valid_to IS NULL OR o.valid_to > :at)) s ON true
     WHERE t.kind = 'building' AND t.code = ANY (:codes)
     GROUP BY t.code
    """
).bindparams(bindparam("at", type_=Moment), bindparam("codes", type_=ARRAY(Text)))


def _against_units(definition: Definition, questions: Sequence[AnyQuestion]) -> list[Finding]:
    assert definition.units is not None
    found = []
    parts = conjuncts(definition.audience)
    owners = [part for part in parts if isinstance(part, OwnsUnit)]
    if not any(set(part.codes) == set(definition.units.buildings) for part in owners):
        found.append(Finding("audience_beyond_units", "audience", True))
    elif len(parts) > 1:
        found.append(Finding("owners_left_out", "audience", False))
    if definition.late_registration:
        found.append(Finding("units_no_late_registration", "late_registration", True))
    if definition.visibility is Visibility.LIVE:
        found.append(Finding("units_not_live", "visibility", True))
    found += [
        Finding("unit_question_partial", f"questions/{question.id}", True)
        for question in questions
        if question.shown_if is not None or question.styles
    ]
    return found


def conjuncts(rule: AnyAudience) -> tuple[AnyAudience, ...]:
    """The parts that must all hold."""
    if isinstance(rule, AllOf):
        return tuple(part for inner in rule.of for part in conjuncts(inner))
    return (rule,)


async def _lists(session: ReadSession, definition: Definition) -> list[Finding]:
    codes = _list_codes(definition.audience)
    if not codes:
        return []
    known = set(await session.scalars(select(invited_list.c.code).where(invited_list.c.code.in_(codes))))
    unknown = sorted(codes - known)
    return [Finding("list_unknown", "audience", True, {"lists": unknown})] if unknown else []


def _list_codes(rule: AnyAudience) -> set[str]:
    if isinstance(rule, Invited):
        return {rule.list_code}
    inner = getattr(rule, "of", ())
    parts = inner if isinstance(inner, tuple) else (inner,)
    return set().union(*(_list_codes(part) for part in parts)) if parts else set()

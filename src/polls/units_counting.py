"""From named ballots and the unit roll to the profile of units: which flat's owners answered what.

The only reader of named ballots by flat. Counting takes the outcome of a question that flats decide from here; the
sheet of a house and the minutes show the same profile, flat by flat, to those who may see it.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from fractions import Fraction

from sqlalchemy import text

from polls.catalogue import SealedPoll
from polls.definition import SingleChoice
from polls.sessions import ReadSession
from polls.tally.outcome import Outcome
from polls.tally.profile import BLANK, NOT_SHOWN
from polls.tally.units import Ownership, Unit, UnitProfile, tally_units

_UNITS = text(
    """
    SELECT r.unit_id, t.code AS building, r.number, r.area, o.citizen_id, o.share_numerator, o.share_denominator,
           b.answers[:place] AS answer
      FROM unit_roll r JOIN territory t ON t.id = r.building_id
      LEFT JOIN unit_roll_owner o ON o.poll_id = r.poll_id AND o.unit_id = r.unit_id
      LEFT JOIN named_ballot b ON b.poll_id = r.poll_id AND b.citizen_id = o.citizen_id
     WHERE r.poll_id = :poll AND (CAST(:building AS text) IS NULL OR t.code = :building)
     ORDER BY r.unit_id, o.citizen_id
    """
)
_ANSWERS = text("SELECT answers[:place] AS answer, count(*) AS n FROM named_ballot WHERE poll_id = :poll GROUP BY 1")


async def unit_profile_of(
    session: ReadSession,
    found: SealedPoll,
    question_id: int,
    entitled: int | None = None,
    building: str | None = None,
) -> UnitProfile:
    """The profile of one question over the unit roll, of one building or of all; flats in the order of their numbers.

    `entitled` goes into it as it is. Raises ValueError for a question that the poll does not have.
    """
    place = found.question_ids.index(question_id) + 1
    units: dict[int, Unit] = {}
    rows = await session.execute(_UNITS, {"poll": found.id, "place": place, "building": building})
    for row in rows:
        unit = units.setdefault(row.unit_id, Unit(row.unit_id, row.building, row.number, row.area))
        if row.citizen_id is not None:
            share = Fraction(row.share_numerator, row.share_denominator)
            answer = BLANK if row.answer == NOT_SHOWN else row.answer
            owners = (*unit.owners, Ownership(share, answer))
            units[row.unit_id] = Unit(unit.id, unit.building, unit.number, unit.area, owners)
    answers: Counter[str] = Counter()
    for row in await session.execute(_ANSWERS, {"poll": found.id, "place": place}):
        answers[BLANK if row.answer == NOT_SHOWN else row.answer] += row.n
    declared = found.definition.units
    buildings = {code: number for number, code in enumerate(declared.buildings if declared else ())}
    ordered = sorted(units.values(), key=lambda unit: (buildings.get(unit.building, 0), flat_order(unit.number)))
    quorum = declared.quorum_of_area if declared else None
    return UnitProfile(tuple(ordered), answers, entitled, None if quorum is None else Fraction(quorum))


async def tally_unit_question(
    session: ReadSession, found: SealedPoll, question: SingleChoice, entitled: int | None
) -> Outcome:
    """The outcome of a question that flats decide, as counting stores it."""
    profile = await unit_profile_of(session, found, question.id, entitled)
    return await asyncio.to_thread(tally_units, question, profile)


def flat_order(number: str) -> tuple[tuple[int, int, str], ...]:
    """Flats in the order people expect: 2 before 10, 10а after 10."""
    parts = re.findall(r"\d+|\D+", number)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts)

"""The unit roll: which flats decide in a poll of owners, how large they are and who owns what part, as of `opens_at`.

Taken with the roll, or late with the same result: flats, their areas and their owners are kept with the time they held.
What the register says against such a poll before it is scheduled is in :mod:`polls.checklist_register`.
"""

from __future__ import annotations

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from polls.definition import Definition
from polls.questions import AnyQuestion
from polls.rules import UnitRule
from polls.sessions import Session
from polls.tables import Moment
from polls.unit_tables import unit_roll

_FLATS = text(
    """
    INSERT INTO unit_roll (poll_id, unit_id, building_id, number, area)
    SELECT :poll, u.id, u.building_id, u.number, u.area FROM unit u JOIN territory t ON t.id = u.building_id
     WHERE t.code = ANY (:buildings) AND u.valid_from <= :at AND (u.valid_to IS NULL OR u.valid_to > :at)
     ORDER BY u.id
    """
).bindparams(bindparam("at", type_=Moment), bindparam("buildings", type_=ARRAY(Text)))
_OWNERS = text(
    """
    INSERT INTO unit_roll_owner (poll_id, unit_id, citizen_id, share_numerator, share_denominator)
    SELECT r.poll_id, r.unit_id, o.citizen_id, o.share_numerator, o.share_denominator
      FROM unit_roll r JOIN unit_owner o ON o.unit_id = r.unit_id
     WHERE r.poll_id = :poll AND o.valid_from <= :at AND (o.valid_to IS NULL OR o.valid_to > :at)
    """
).bindparams(bindparam("at", type_=Moment))


async def take_unit_roll(session: Session, poll_id: int, definition: Definition) -> int:
    """Write the flats of a sealed poll of owners; returns their number, 0 for other polls. Taken once."""
    if definition.units is None or definition.opens_at is None:
        return 0
    taken = await session.scalar(select(func.count()).select_from(unit_roll).where(unit_roll.c.poll_id == poll_id))
    if taken:
        return int(taken)
    at = {"poll": poll_id, "at": definition.opens_at}
    await session.execute(_FLATS, {**at, "buildings": list(definition.units.buildings)})
    await session.execute(_OWNERS, at)
    taken = await session.scalar(select(func.count()).select_from(unit_roll).where(unit_roll.c.poll_id == poll_id))
    return int(taken or 0)


def unit_questions(definition: Definition) -> tuple[AnyQuestion, ...]:
    """The questions that flats decide."""
    return tuple(question for question in definition.questions if isinstance(question.rule, UnitRule))

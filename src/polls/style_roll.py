"""How many residents get each ballot style: what shares of a question that only some are asked are of.

A style follows from the territory as of `opens_at`, like everything else on the roll. It is taken at counting, so that
it holds every correction of the register; only late registrations come on top. Buildings may have styles of their own,
so citizens are counted entry by entry and not in sum.
"""

from __future__ import annotations

from sqlalchemy import func, insert, select

from polls.audience_condition import condition, resolve
from polls.ballot import style_of
from polls.definition import EVERYBODY_ELSE, Definition
from polls.register import territory_tree
from polls.register_sum import entries
from polls.sessions import ReadSession, Session
from polls.tables import citizen_period, roll_style


async def entitled_by_style(session: ReadSession, definition: Definition) -> dict[int, int]:
    """Entitled residents by ballot style, every declared one present; empty for a poll of one style."""
    if not definition.styles:
        return {}
    terms = await resolve(session, definition)
    facts = entries(definition.register_code, terms.opens_at)
    place = (citizen_period.c.district_id, citizen_period.c.building_id)
    rows = await session.execute(
        facts.select(*place, func.count().label("n"))
        .where(condition(definition.audience, terms, facts))
        .group_by(*place)
    )
    tree = await territory_tree(session, buildings=True)
    counts = dict.fromkeys([EVERYBODY_ELSE, *(style.id for style in definition.styles)], 0)
    for row in rows:
        path = tree.path(tree.by_id[row.building_id or row.district_id].code)
        counts[style_of(definition, path)] += row.n
    return counts


async def take_style_roll(session: Session, poll_id: int, definition: Definition) -> None:
    """Write the roll by ballot style, once."""
    taken = await session.scalar(select(func.count()).select_from(roll_style).where(roll_style.c.poll_id == poll_id))
    counts = {} if taken else await entitled_by_style(session, definition)
    if counts:
        rows = [{"poll_id": poll_id, "style": style, "entitled": n} for style, n in counts.items()]
        await session.execute(insert(roll_style), rows)

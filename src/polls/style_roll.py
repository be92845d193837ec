"""How many residents get each ballot style: what shares of a question that only some are asked are of.

A style follows from the territory as of `opens_at`, like everything else on the roll. It is taken at counting, so that
it holds every correction of the register; only late registrations come on top. Styles of districts and of what lies
above them are counted from the register in sum; where a building has a style of its own, entry by entry.
"""

from __future__ import annotations

from sqlalchemy import func, insert, select

from polls.audience import entitled_by_stratum
from polls.audience_condition import condition, resolve
from polls.ballot import style_of
from polls.definition import EVERYBODY_ELSE, Definition, Dimension
from polls.register import territory_tree
from polls.register_sum import entries
from polls.sessions import ReadSession, Session
from polls.tables import citizen_period, roll_style


async def entitled_by_style(session: ReadSession, definition: Definition) -> dict[int, int]:
    """Entitled residents by ballot style, every declared one present; empty for a poll of one style."""
    if not definition.styles:
        return {}
    tree = await territory_tree(session)
    named = {code for style in definition.styles for code in style.territories}
    counts = dict.fromkeys([EVERYBODY_ELSE, *(style.id for style in definition.styles)], 0)
    if named <= tree.by_code.keys():
        districts = definition.model_copy(update={"strata": (Dimension.DISTRICT,)})
        for stratum, n in (await entitled_by_stratum(session, districts)).items():
            counts[style_of(definition, tree.path(tree.by_id[stratum.territory].code))] += n
        return counts
    whole = await territory_tree(session, buildings=True)
    for place, n in (await _by_building(session, definition)).items():
        counts[style_of(definition, whole.path(whole.by_id[place].code))] += n
    return counts


async def _by_building(session: ReadSession, definition: Definition) -> dict[int, int]:
    """Entitled residents by building, or by district where the building is not known."""
    terms = await resolve(session, definition)
    facts = entries(definition.register_code, terms.opens_at)
    place = func.coalesce(citizen_period.c.building_id, citizen_period.c.district_id)
    may = condition(definition.audience, terms, facts)
    rows = await session.execute(facts.select(place, func.count()).where(may).group_by(place))
    return {row[0]: row[1] for row in rows}


async def take_style_roll(session: Session, poll_id: int, definition: Definition) -> None:
    """Write the roll by ballot style, once."""
    taken = await session.scalar(select(func.count()).select_from(roll_style).where(roll_style.c.poll_id == poll_id))
    counts = {} if taken else await entitled_by_style(session, definition)
    if counts:
        rows = [{"poll_id": poll_id, "style": style, "entitled": n} for style, n in counts.items()]
        await session.execute(insert(roll_style), rows)

"""The city's own map: taken in from a file, read, put away. Without one, charts draw territories as tiles."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from polls.register import territory_tree
from polls.sessions import ReadSession, Session
from results.maps import DrawnMap, KindMap, draw_map
from results.tables import city_map

MOST_CREDIT = 300
LONGEST_NAME = 200


@dataclass(frozen=True)
class CityMap:
    """The map in use. `credit`: whose data it is; `sha256`: of the file it was made of."""

    kinds: Mapping[str, KindMap]
    file_name: str
    credit: str
    sha256: bytes
    vertices: int
    kept: int
    uploaded_at: datetime


async def take_map(
    session: Session, data: bytes, *, file_name: str, credit: str, account_id: int | None, now: datetime
) -> DrawnMap:
    """Check and simplify a GeoJSON file, and draw every map with it from now on; the map before is gone.

    Refuses with `Invalid` what :mod:`results.map_files` does, and leaves the map in use as it is.
    """
    places = await territory_tree(session)
    drawn = await asyncio.to_thread(draw_map, data, places)
    values = {
        "id": 1, "file_name": _one_line(file_name)[:LONGEST_NAME], "credit": _one_line(credit)[:MOST_CREDIT],
        "sha256": hashlib.sha256(data).digest(), "drawn": {kind: one.as_json() for kind, one in drawn.kinds.items()},
        "vertices": drawn.vertices, "kept": drawn.kept, "uploaded_at": now, "uploaded_by": account_id,
    }  # fmt: skip
    statement = insert(city_map).values(values)
    changed = {name: statement.excluded[name] for name in values if name != "id"}
    await session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))
    return drawn


async def read_map(session: ReadSession) -> CityMap | None:
    """The map in use, or None."""
    row = (await session.execute(select(city_map))).one_or_none()
    if row is None:
        return None
    kinds = {kind: KindMap.from_json(drawn) for kind, drawn in row.drawn.items()}
    return CityMap(kinds, row.file_name, row.credit, row.sha256, row.vertices, row.kept, row.uploaded_at)


async def remove_map(session: Session) -> bool:
    """Go back to tiles; says whether there was a map."""
    return (await session.execute(delete(city_map).returning(city_map.c.id))).one_or_none() is not None


def _one_line(text: str) -> str:
    """Text as PostgreSQL can hold it and a page shows it, on one line."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())

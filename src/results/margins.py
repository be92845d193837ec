"""Use cases: named sets of census margins, against which participants may be weighted instead of the roll.

A set is replaced whole or not at all, and may be removed: weighted shares are estimates and nothing sealed rests on
them. Every page that uses a set names its source and its day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from polls.definition import Text
from polls.errors import FieldError, Invalid
from polls.journal import record_event
from polls.register import territory_tree
from polls.sessions import ReadSession, Session
from results.errors import MarginsNotFound
from results.margin_file import ages_of, read_margins
from results.representation import Margins
from results.tables import census_margin, margin_set
from results.weighting import REGISTER

CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
MAX_NAME = 200
MAX_SOURCE = 500


@dataclass(frozen=True)
class MarginSet:
    """A set as lists show it: `numbers` rows, as of a day, uploaded at a moment."""

    code: str
    name: Text
    source: str
    as_of: date
    uploaded_at: datetime
    numbers: int


async def keep_margins(
    session: Session, pieces: Iterable[bytes], *, code: str, name: Text, source: str, as_of: date | None, now: datetime
) -> MarginSet:
    """Keep a file of margins (:mod:`results.margin_file`) under a code, in place of the set that has it.

    Refusals: Invalid (code, name, source or day), BadRegister with every bad row. Nothing is changed then.
    """
    if errors := _wrong(code, name, source, as_of, now):
        raise Invalid(errors)
    numbers = read_margins(pieces, await territory_tree(session))
    said = {"name_ru": name.ru, "name_en": name.en, "source": source.strip(), "as_of": as_of, "uploaded_at": now}
    await session.execute(
        upsert(margin_set).values(code=code, **said).on_conflict_do_update(index_elements=["code"], set_=said)
    )
    await session.execute(delete(census_margin).where(census_margin.c.set_code == code))
    rows = [{"set_code": code, "dimension": d, "value": v, "number": n} for (d, v), n in numbers.items()]
    await session.execute(insert(census_margin), rows)
    await record_event(session, "margins_kept", None, now, set=code, numbers=len(rows))
    assert as_of is not None
    return MarginSet(code, name, source.strip(), as_of, now, len(rows))


def _wrong(code: str, name: Text, source: str, as_of: date | None, now: datetime) -> list[FieldError]:
    errors = []
    if not CODE.match(code) or code == REGISTER:
        errors.append(FieldError("code", "bad_code", "Latin letters, digits, - and _; at most 64."))
    if not name.ru or max(len(name.ru), len(name.en)) > MAX_NAME:
        errors.append(FieldError("name/ru", "text_missing", "Give the set a name in Russian."))
    if not source.strip() or len(source) > MAX_SOURCE:
        errors.append(FieldError("source", "source_missing", "Say where the numbers come from."))
    if as_of is None or as_of > now.date():
        errors.append(FieldError("as_of", "bad_day", "Give the day the numbers are of, not in the future."))
    return errors


async def remove_margins(session: Session, code: str, now: datetime) -> None:
    """Remove a set. Refuses MarginsNotFound."""
    gone = delete(margin_set).where(margin_set.c.code == code).returning(margin_set.c.code)
    if not CODE.match(code) or await session.scalar(gone) is None:
        raise MarginsNotFound(margins=code[:64])
    await record_event(session, "margins_removed", None, now, set=code)


async def margin_sets(session: ReadSession) -> tuple[MarginSet, ...]:
    """Every set, the newest numbers first."""
    rows = await session.execute(
        select(margin_set, func.count(census_margin.c.value).label("numbers"))
        .outerjoin(census_margin, census_margin.c.set_code == margin_set.c.code)
        .group_by(margin_set.c.code)
        .order_by(margin_set.c.as_of.desc(), margin_set.c.code)
    )
    return tuple(
        MarginSet(row.code, Text(ru=row.name_ru, en=row.name_en), row.source, row.as_of, row.uploaded_at, row.numbers)
        for row in rows
    )


async def margins_named(session: ReadSession, code: str) -> tuple[Margins, datetime]:
    """A set with its numbers, and when it was uploaded. Refuses MarginsNotFound."""
    if not CODE.match(code):
        raise MarginsNotFound(margins=code[:64])
    found = (await session.execute(select(margin_set).where(margin_set.c.code == code))).one_or_none()
    if found is None:
        raise MarginsNotFound(margins=code)
    by: dict[str, dict[str, int]] = {}
    for row in await session.execute(select(census_margin).where(census_margin.c.set_code == code)):
        by.setdefault(row.dimension, {})[row.value] = row.number
    margins = Margins(
        found.code, found.name_ru, found.name_en, found.source, found.as_of,
        {**by.get("okrug", {}), **by.get("district", {})},
        {ages_of(value): n for value, n in by.get("age", {}).items()}, by.get("sex", {}),
    )  # fmt: skip
    return margins, found.uploaded_at

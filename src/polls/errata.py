"""Use case of officials: say what is wrong in a sealed text. The text stays as sealed; the banner stands above it.

An erratum is never changed or taken back (a trigger refuses it): what was said to voters was said. Add another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from polls.authoring import load_draft, lock_row
from polls.document import Text
from polls.errors import FieldError, Invalid, WrongState
from polls.journal import record_event
from polls.lifecycle import Move, may
from polls.sessions import ReadSession, Session
from polls.tables import erratum

LONGEST = 2_000
MOST = 20


@dataclass(frozen=True)
class Erratum:
    """One banner, in both languages where there are both."""

    id: int
    text: Text
    by: int
    at: datetime


async def add_erratum(session: Session, public_id: str, official_id: int, text: Text, now: datetime) -> Erratum:
    """Put one more banner on a sealed poll, in any state after sealing.

    Refuses `Invalid` without a Russian text, for one longer than 2,000 characters and beyond the 20th banner,
    `WrongState` for a draft.
    """
    errors = [] if len(text.ru) >= 3 else [FieldError("text/ru", "needed", "Write what is wrong and what is right.")]
    errors += [
        FieldError(f"text/{language}", "too_long", "At most 2,000 characters.")
        for language, words in (("ru", text.ru), ("en", text.en))
        if len(words) > LONGEST
    ]
    if errors:
        raise Invalid(errors)
    poll_id = await lock_row(session, public_id)  # and not the lock of casting: a count may hold that for minutes
    state = (await load_draft(session, public_id, now)).state
    if not may(Move.ERRATUM, state):
        raise WrongState(state=state, move=Move.ERRATUM)
    if len(await errata_of(session, poll_id)) >= MOST:
        raise Invalid([FieldError("text", "too_many", "There are 20 corrections already: cancel the poll instead.")])
    made = await session.scalar(
        insert(erratum)
        .values(poll_id=poll_id, text_ru=text.ru, text_en=text.en, by=official_id, at=now)
        .returning(erratum.c.id)
    )
    assert made is not None
    await record_event(session, "erratum_added", poll_id, now, by=official_id, text=text.model_dump())
    return Erratum(made, text, official_id, now)


async def errata_of(session: ReadSession, poll_id: int) -> tuple[Erratum, ...]:
    """The banners of a poll, the first one first."""
    rows = await session.execute(select(erratum).where(erratum.c.poll_id == poll_id).order_by(erratum.c.id))
    return tuple(Erratum(row.id, Text(ru=row.text_ru, en=row.text_en), row.by, row.at) for row in rows)

"""Use cases of officials: who looks after a draft, and where it lies. Put away, take out again, hand over.

A draft put away keeps everything and cannot be scheduled until it is taken out. Handing over changes who is named as
the author, of a draft or of a poll that runs: somebody must answer for it when its official leaves.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update

from polls.authoring import Draft, load_draft, lock_row
from polls.errors import FieldError, Invalid, WrongState
from polls.journal import record_event
from polls.lifecycle import Move, may
from polls.sessions import Session
from polls.tables import poll


async def archive_draft(session: Session, public_id: str, by: int, now: datetime) -> Draft:
    """Put a draft away; one that lies there already stays. Refuses `WrongState` for anything but a draft."""
    return await _put(session, public_id, by, now, away=True)


async def restore_draft(session: Session, public_id: str, by: int, now: datetime) -> Draft:
    """Take a draft out again; one that was never put away stays as it is. Refuses `WrongState` as above."""
    return await _put(session, public_id, by, now, away=False)


async def hand_over(session: Session, public_id: str, to_account_id: int, by: int, now: datetime) -> Draft:
    """Make another account the author of a poll in any state.

    That the account exists and belongs to an official is for the caller to see: the engine knows no accounts. Refuses
    `Invalid` when it is the author's own.
    """
    draft = await _locked(session, public_id, now)
    if draft.author_id == to_account_id:
        raise Invalid([FieldError("to", "own", "This account looks after the poll already.")])
    await session.execute(
        update(poll).where(poll.c.id == draft.poll_id).values(author_id=to_account_id, updated_at=now)
    )
    await record_event(session, "poll_handed_over", None, now, by=by, public_id=public_id, former=draft.author_id,
                       author=to_account_id)  # fmt: skip
    return await load_draft(session, public_id, now)


async def _put(session: Session, public_id: str, by: int, now: datetime, *, away: bool) -> Draft:
    draft = await _locked(session, public_id, now)
    if not may(Move.ARCHIVE, draft.state):
        raise WrongState(state=draft.state, move=Move.ARCHIVE)
    if (draft.archived_at is not None) is away:
        return draft
    await session.execute(
        update(poll).where(poll.c.id == draft.poll_id).values(archived_at=now if away else None, updated_at=now)
    )
    kind = "draft_archived" if away else "draft_restored"
    await record_event(session, kind, None, now, by=by, public_id=public_id)
    return await load_draft(session, public_id, now)


async def _locked(session: Session, public_id: str, now: datetime) -> Draft:
    await lock_row(session, public_id)
    return await load_draft(session, public_id, now)

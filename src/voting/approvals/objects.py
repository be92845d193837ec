"""What requests are about, as it stands: its version for the hash, where it belongs, and who had a part in it.

With `lock` the object is held until the transaction ends, so that what is compared is what is acted on. Who amends a
running poll first takes the lock of its ballot box, as the engine does: the other way round two could wait for each
other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select, text

from polls.definition import canonical_bytes, read_definition
from polls.poll_lock import lock_alone
from polls.public_keys import keys_in_use, lock_keys
from polls.sessions import ReadSession, Session
from polls.tables import erratum, poll, poll_revision
from voting.approvals.actions import Action
from voting.approvals.scopes import Place, place_of
from voting.tables import account, account_role

AMENDS: Final = frozenset({Action.EXTEND, Action.CLOSE_EARLY, Action.CANCEL})


@dataclass(frozen=True)
class Standing:
    """An object as it is now. `drafters` may not consent: they wrote it. `place` is None where no scope applies."""

    version: dict[str, Any]
    place: Place | None
    drafters: frozenset[int] = frozenset()


async def lock_staff(session: Session) -> None:
    """One change of staff accounts at a time: so the last administrator is counted, and no two wait for each other."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('veche staff', 0))"))


async def standing_of(
    session: ReadSession, action: Action, kind: str, ref: str, parameters: dict[str, Any]
) -> Standing | None:
    """The object of a request now; None: it is gone."""
    if kind == "poll":
        return await _poll(session, action, ref)
    if kind == "account":
        return await _account(session, ref, parameters.get("role"))
    known = (await keys_in_use(session)).get(ref)
    return Standing({"in_use": None if known is None else known.key_id}, None)


async def lock_object(session: Session, action: Action, kind: str, ref: str) -> None:
    """Hold the object of a request until the transaction ends; one that is gone holds nothing."""
    if kind == "poll":
        number = await session.scalar(select(poll.c.id).where(poll.c.public_id == ref))
        if number is not None and action in AMENDS:
            await lock_alone(session, number)
        await session.execute(select(poll.c.id).where(poll.c.public_id == ref).with_for_update())
    elif kind == "account":
        await session.execute(select(account.c.id).where(account.c.id == _number(ref)).with_for_update())
    else:
        await lock_keys(session)


async def _poll(session: ReadSession, action: Action, ref: str) -> Standing | None:
    row = (await session.execute(select(poll).where(poll.c.public_id == ref))).one_or_none()
    if row is None:
        return None
    place = await place_of(session, row.department, row.territory_id)
    if action is Action.PUBLISH:
        saved: Sequence[Any] = (
            await session.execute(
                select(poll_revision.c.number, poll_revision.c.author_id)
                .where(poll_revision.c.poll_id == row.id)
                .order_by(poll_revision.c.number)
            )
        ).all()
        newest = saved[-1].number
        document = await session.scalar(
            select(poll_revision.c.definition).where(
                poll_revision.c.poll_id == row.id, poll_revision.c.number == newest
            )
        )
        assert document is not None
        digest = hashlib.sha256(canonical_bytes(read_definition(document))).hexdigest()
        return Standing(
            {"state": row.state, "revision": newest, "document": digest, "slug": row.slug,
             "archived": row.archived_at is not None},
            place, frozenset({row.author_id, *(one.author_id for one in saved)}),
        )  # fmt: skip
    sealed = row.poll_hash.hex() if row.poll_hash else None
    if action is Action.CORRECT:
        told = await session.scalar(select(func.count()).where(erratum.c.poll_id == row.id))
        return Standing({"poll_hash": sealed, "corrections": told or 0}, place)
    return Standing(
        {"poll_hash": sealed, "state": row.state, "closes_at": _iso(row.closes_at), "paused_at": _iso(row.paused_at)},
        place,
    )


async def _account(session: ReadSession, ref: str, role: str | None) -> Standing | None:
    """An account with its grants of one role, or with all it would come back with."""
    row = (await session.execute(select(account.c.disabled_at).where(account.c.id == _number(ref)))).one_or_none()
    if row is None:
        return None
    columns = (account_role.c.role, account_role.c.department, account_role.c.territory_id)
    rows = (await session.execute(select(*columns).where(account_role.c.account_id == _number(ref)))).all()
    disabled = row.disabled_at is not None
    if role is None:
        held = sorted([[one.role, one.department, one.territory_id] for one in rows], key=repr)
        return Standing({"disabled": disabled, "since": _iso(row.disabled_at), "roles": held}, None)
    grants = sorted([[one.department, one.territory_id] for one in rows if one.role == role], key=repr)
    return Standing({"disabled": disabled, "role": role, "grants": grants}, None)


def _iso(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat()


def _number(ref: str) -> int:
    return int(ref) if ref.isascii() and ref.isdigit() and len(ref) <= 18 else -1

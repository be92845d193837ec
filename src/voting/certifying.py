"""Preparing and certifying protocols, for the pages and the API alike: who somebody is, and that they may, right now.

A session remembers its roles for some seconds; what is signed for good asks the database, and holds the role until the
transaction ends, so that one taken away meanwhile certifies nothing.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from polls.checkpoint import vkey
from polls.errors import NotAllowed
from polls.public_keys import find_key
from polls.sessions import ReadSession, Session
from results.protocol import (
    Certified,
    Waiting,
    certify_protocol,
    prepare_protocol,
    require_signed,
    withdraw_protocol,
)
from results.protocol_document import Person, signed_file
from voting.approvals.proofs import Hand
from voting.approvals.scopes import require_role_at
from voting.identity.step_up import object_hash
from voting.jobs import defer
from voting.keys import PROTOCOL
from voting.protocol_jobs import SIGN
from voting.tables import account, account_role

PREPARES = "official"
CERTIFIES = "reviewer"
CERTIFY = "certify"
"""The purpose of the fresh proof that certifying takes."""


async def prepare(session: Session, poll: str, account_id: int, seen: str, reason: str, now: datetime) -> Waiting:
    """An official puts down what waits for a second person; refuses what `prepare_protocol` does, `NotAllowed`, and
    `OutOfScope` for another's poll."""
    person = await person_in(session, account_id, PREPARES)
    await require_role_at(session, account_id, poll, PREPARES)
    return await prepare_protocol(session, poll, person, seen, reason, now)


async def certify(
    session: Session, poll: str, hand: Hand, seen: str, now: datetime, *, fresh: bool = True
) -> Certified:
    """A reviewer stands up for it, and the worker is asked to sign.

    A fresh proof is bound to the hash of the very protocol that was `seen`, unless four eyes are off (`fresh` False).
    Refuses what `certify_protocol` and the proof do, `NotAllowed`, and `OutOfScope` for another's poll.
    """
    person = await person_in(session, hand.account_id, CERTIFIES)
    await require_role_at(session, hand.account_id, poll, CERTIFIES)
    if fresh:
        await hand.prove(session, CERTIFY, certify_hash(seen), now)
    certified = await certify_protocol(session, poll, person, seen, now)
    await defer(session, SIGN, queueing_lock=SIGN)
    return certified


async def withdraw(session: Session, poll: str, account_id: int, seen: str, note: str, now: datetime) -> None:
    """An official or a reviewer takes back what waits; refuses what `withdraw_protocol` does, `NotAllowed` and
    `OutOfScope`."""
    await person_in(session, account_id, PREPARES, CERTIFIES)
    await require_role_at(session, account_id, poll, PREPARES, CERTIFIES)
    await withdraw_protocol(session, poll, account_id, seen, note, now)


def certify_hash(seen: str) -> bytes:
    """What the fresh proof is bound to: the protocol that was read. A hash that is none gives one nothing has."""
    return object_hash(seen=seen)


async def signed_protocol(session: ReadSession, one: Certified) -> bytes:
    """The file of a signed protocol, with the verifier key it was signed with. Refuses `ProtocolUnsigned`."""
    note, key_id = require_signed(one)
    key = await find_key(session, PROTOCOL, key_id)
    assert key is not None, "what signs is listed"
    host = str(one.document["origin"]).partition("/protocol/")[0]
    return signed_file(one.data, note, vkey(f"{host}/{PROTOCOL}", key.public))


async def person_in(session: Session, account_id: int, *roles: str) -> Person:
    """Somebody who holds one of the roles at this moment, the first of them. Refuses `NotAllowed`."""
    rows = await session.execute(
        select(account.c.display_name, account.c.department, account_role.c.role)
        .join(account_role, account_role.c.account_id == account.c.id)
        .where(account.c.id == account_id, account.c.disabled_at.is_(None), account_role.c.role.in_(roles))
        .with_for_update(read=True)
    )
    held = {row.role: row for row in rows}
    role = next((one for one in roles if one in held), None)
    if role is None:
        raise NotAllowed(roles=list(roles))
    return Person(account_id, held[role].display_name or f"№ {account_id}", held[role].department, role)

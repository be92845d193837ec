"""Use cases of passkeys: made, listed, named, removed, and used.

A passkey is a key pair on its owner's device; here stand its public half and the number of its uses. Challenges are
rows that live for five minutes, bound to the session or the visitor's cookie they were drawn for, and gone with the
first answer.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from polls.audit import write_event
from polls.audit_chain import Fact
from polls.errors import FieldError, Invalid, NotFound
from polls.sessions import ReadSession, Session
from voting.factor_tables import passkey, passkey_challenge, step_up_challenge
from voting.identity import ceremonies
from voting.identity.ceremonies import CHALLENGE_BYTES, Json, RelyingParty
from voting.identity.factor_refusals import (
    LastPasskey,
    PasskeyExists,
    PasskeyRefused,
    PasskeySuspect,
    TooManyPasskeys,
)
from voting.tables import account, account_role

ANSWER_WITHIN = timedelta(minutes=5)
MOST = 10
LONGEST_NAME = 60
HANDLE_BYTES = 32
LARGEST_ID = 2**53 - 1
"""What JSON keeps exactly, far beyond any row."""
RESIDENT = "resident"


@dataclass(frozen=True, slots=True)
class PasskeySummary:
    """One row of the account's list. `synced`: it is copied between its owner's devices."""

    id: int
    name: str
    created_at: datetime
    last_used_on: date | None
    synced: bool


@dataclass(frozen=True, slots=True)
class Used:
    """A passkey that has just been used: which, whose, and whether its device knew its owner."""

    passkey_id: int
    account_id: int
    credential_id: bytes
    user_verified: bool


def is_staff(roles: Collection[str]) -> bool:
    """Whether an account with these roles works for the city, and not only lives in it."""
    return bool(set(roles) - {RESIDENT})


async def list_passkeys(session: ReadSession, account_id: int) -> list[PasskeySummary]:
    """The account's passkeys, the oldest first."""
    rows = await session.execute(select(passkey).where(passkey.c.account_id == account_id).order_by(passkey.c.id))
    return [PasskeySummary(row.id, row.name, row.created_at, row.last_used_on, row.backed_up) for row in rows]


async def has_passkey(session: ReadSession, account_id: int) -> bool:
    """Whether the account has any."""
    found = await session.scalar(select(passkey.c.id).where(passkey.c.account_id == account_id).limit(1))
    return found is not None


async def allowed_credentials(session: ReadSession, account_id: int) -> list[tuple[bytes, list[str]]]:
    """The account's passkeys as a browser is told of them: ids and ways to reach them."""
    rows = await session.execute(
        select(passkey.c.credential_id, passkey.c.transports).where(passkey.c.account_id == account_id)
    )
    return [(row.credential_id, list(row.transports)) for row in rows]


async def begin_registration(
    session: Session, account_id: int, *, bound_to: bytes, party: RelyingParty, now: datetime
) -> Json:
    """Draw a challenge for a new passkey, give the browser's options. The caller has asked for a fresh proof.

    Raises TooManyPasskeys. `bound_to` is the hash of the web session's token. User verification is required of whoever
    works for the city.
    """
    rows = (await session.execute(select(passkey).where(passkey.c.account_id == account_id))).all()
    if len(rows) >= MOST:
        raise TooManyPasskeys(most=MOST)
    handle = rows[0].user_handle if rows else secrets.token_bytes(HANDLE_BYTES)
    challenge = await _draw(session, "register", bound_to, now, account_id=account_id, handle=handle)
    who = (
        await session.execute(
            select(account.c.email, account.c.phone, account.c.display_name).where(account.c.id == account_id)
        )
    ).one()
    return ceremonies.registration_options(
        party, challenge=challenge, user_handle=handle, login=who.email or who.phone, name=who.display_name,
        known=[row.credential_id for row in rows], verified=is_staff(await roles_of(session, account_id)),
    )  # fmt: skip


async def finish_registration(
    session: Session,
    account_id: int,
    *,
    bound_to: bytes,
    party: RelyingParty,
    credential: Json,
    name: str,
    now: datetime,
) -> int:
    """Keep the passkey a browser has made; gives its id.

    Raises Invalid for a name that will not do, PasskeyRefused, PasskeyExists, TooManyPasskeys.
    """
    name = read_name(name)
    challenge = ceremonies.challenge_in(credential)
    drawn = await _take(session, "register", challenge, bound_to, now, account_id)
    verified = is_staff(await roles_of(session, account_id))
    made = ceremonies.check_registration(credential, party, challenge=challenge, verified=verified)
    await session.execute(select(account.c.id).where(account.c.id == account_id).with_for_update())
    held = await session.scalar(select(func.count()).where(passkey.c.account_id == account_id)) or 0
    if held >= MOST:
        raise TooManyPasskeys(most=MOST)
    kept: int | None = await session.scalar(
        upsert(passkey)
        .values(
            account_id=account_id, credential_id=made.credential_id, user_handle=drawn, public_key=made.public_key,
            sign_count=made.sign_count, backup_eligible=made.backup_eligible, backed_up=made.backed_up,
            transports=list(made.transports), aaguid=made.aaguid, name=name, created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(passkey.c.id)
    )  # fmt: skip
    if kept is None:
        raise PasskeyExists
    facts: dict[str, Fact] = {"passkey": kept, "aaguid": made.aaguid, "synced": made.backed_up, "held": held + 1}
    await write_event(session, "passkey_added", actor=account_id, subject=f"account:{account_id}", facts=facts, now=now)
    return kept


async def own_passkey(session: ReadSession, account_id: int, passkey_id: int) -> None:
    """Raise NotFound unless this is one of the account's own passkeys."""
    own = (passkey.c.id == passkey_id) & (passkey.c.account_id == account_id)
    if not 0 < passkey_id <= LARGEST_ID or await session.scalar(select(passkey.c.id).where(own)) is None:
        raise NotFound


async def rename_passkey(session: Session, account_id: int, passkey_id: int, name: str) -> None:
    """Give one of the account's own passkeys another name. Raises Invalid, NotFound."""
    await own_passkey(session, account_id, passkey_id)
    own = (passkey.c.id == passkey_id) & (passkey.c.account_id == account_id)
    await session.execute(update(passkey).where(own).values(name=read_name(name)))


async def remove_passkey(session: Session, account_id: int, passkey_id: int, *, keep_one: bool, now: datetime) -> None:
    """Remove one of the account's own passkeys; it opens nothing from this moment. Raises NotFound, LastPasskey.

    `keep_one`: the deployment takes passkeys alone from staff (`Settings.staff_step_up`), so the last one of somebody
    who works for the city stays. The caller has asked for a fresh proof.
    """
    await session.execute(select(account.c.id).where(account.c.id == account_id).with_for_update())
    held = set((await session.scalars(select(passkey.c.id).where(passkey.c.account_id == account_id))).all())
    if passkey_id not in held:
        raise NotFound
    if keep_one and len(held) == 1 and is_staff(await roles_of(session, account_id)):
        raise LastPasskey
    await session.execute(delete(passkey).where(passkey.c.id == passkey_id))
    facts = {"passkey": passkey_id, "held": len(held) - 1}
    await write_event(
        session, "passkey_removed", actor=account_id, subject=f"account:{account_id}", facts=facts, now=now
    )


async def remove_all_passkeys(session: Session, account_id: int) -> int:
    """Remove every passkey of the account; gives how many there were."""
    gone = await session.scalars(delete(passkey).where(passkey.c.account_id == account_id).returning(passkey.c.id))
    return len(gone.all())


async def begin_sign_in(session: Session, *, bound_to: bytes, party: RelyingParty, now: datetime) -> Json:
    """Draw a challenge for whoever is about to sign in; `bound_to` is the hash of the visitor's cookie."""
    challenge = await _draw(session, "sign_in", bound_to, now)
    return ceremonies.request_options(party, challenge=challenge, allowed=[], verified=False)


async def take_sign_in_challenge(session: Session, credential: Json, *, bound_to: bytes, now: datetime) -> bytes:
    """Take the challenge an answer answers, so that no other can. Commit before checking. Raises PasskeyRefused."""
    challenge = ceremonies.challenge_in(credential)
    await _take(session, "sign_in", challenge, bound_to, now, None)
    return challenge


async def use_passkey(
    session: Session, credential: Json, *, challenge: bytes, party: RelyingParty, verified: bool,
    account_id: int | None = None, now: datetime,
) -> Used:  # fmt: skip
    """Check what a passkey answered and count the use. With an `account_id`, only its own passkeys will do.

    Raises PasskeyRefused (also for a disabled account's), and PasskeySuspect where the count went back.
    """
    row = (
        await session.execute(
            select(passkey)
            .join(account, account.c.id == passkey.c.account_id)
            .where(passkey.c.credential_id == ceremonies.credential_id_in(credential), account.c.disabled_at.is_(None))
            .with_for_update(of=passkey)
        )
    ).one_or_none()
    if row is None or (account_id is not None and row.account_id != account_id):
        raise PasskeyRefused(reason="unknown")
    found = ceremonies.check_assertion(
        credential, party, challenge=challenge, public_key=row.public_key, verified=verified
    )
    if (found.sign_count or row.sign_count) and found.sign_count <= row.sign_count:
        raise PasskeySuspect(passkey=row.id)
    await session.execute(
        update(passkey)
        .where(passkey.c.id == row.id)
        .values(sign_count=found.sign_count, backed_up=found.backed_up, last_used_on=now.date())
    )
    return Used(row.id, row.account_id, row.credential_id, found.user_verified)


async def note_suspect(session: Session, suspect: PasskeySuspect, now: datetime) -> None:
    """Log that a passkey's count went back. In a transaction of its own: what is refused rolls back."""
    passkey_id = int(suspect.facts["passkey"])
    holder = await session.scalar(select(passkey.c.account_id).where(passkey.c.id == passkey_id))
    await write_event(
        session, "passkey_suspect", actor=None, subject=f"account:{holder}", facts={"passkey": passkey_id}, now=now
    )


async def roles_of(session: ReadSession, account_id: int) -> frozenset[str]:
    """The account's roles as they are at this moment."""
    found = await session.scalars(select(account_role.c.role).where(account_role.c.account_id == account_id))
    return frozenset(found.all())


async def sweep_challenges(session: Session, *, now: datetime) -> None:
    """Delete challenges nobody may answer any more; those that served are kept as long, to say that they have."""
    await session.execute(delete(passkey_challenge).where(passkey_challenge.c.expires_at <= now))
    await session.execute(delete(step_up_challenge).where(step_up_challenge.c.expires_at <= now))


def read_name(text: str) -> str:
    """A name for a passkey, its spaces tidied. Raises Invalid."""
    name = " ".join(text.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise Invalid([FieldError("name", "name", "A name of up to 60 characters is needed.")])
    return name


def bound_hash(cookie: str) -> bytes:
    """What a challenge is bound to for a visitor without a session: the hash of the visitor's cookie."""
    return hashlib.sha256(b"veche/passkey/visitor/v1" + cookie.encode()).digest()


async def _draw(
    session: Session, kind: str, bound_to: bytes, now: datetime, *, account_id: int | None = None,
    handle: bytes | None = None,
) -> bytes:  # fmt: skip
    """A fresh challenge."""
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    await session.execute(
        insert(passkey_challenge).values(
            challenge=challenge, kind=kind, bound_to=bound_to, account_id=account_id, user_handle=handle,
            expires_at=now + ANSWER_WITHIN,
        )
    )  # fmt: skip
    return challenge


async def _take(
    session: Session, kind: str, challenge: bytes, bound_to: bytes, now: datetime, account_id: int | None
) -> bytes | None:
    """Take a challenge out; gives the user handle it was drawn with. Raises PasskeyRefused: used, late, another's."""
    row = (
        await session.execute(
            delete(passkey_challenge)
            .where(passkey_challenge.c.challenge == challenge, passkey_challenge.c.kind == kind)
            .returning(passkey_challenge)
        )
    ).one_or_none()
    if row is None or row.bound_to != bound_to or row.account_id != account_id or row.expires_at <= now:
        raise PasskeyRefused(reason="challenge")
    handle: bytes | None = row.user_handle
    return handle

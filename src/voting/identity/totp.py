"""One-time codes (TOTP, RFC 6238) and the recovery codes beside them.

Six digits, half-minute steps, SHA-1, as every application reads them. A code is taken for its own step and one on
either side; the last step taken is kept, and neither it nor any before it is taken again. The secret is sealed at rest
with a key out of the keys directory (``second-step-1``, ``second-step-2``, …), bound to its account; whatever an older
key sealed is sealed anew when it is next used, or by `reseal_secrets`.

Recovery codes have 80 random bits, so a plain SHA-256 keeps them; each serves once, in the place of a code.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from polls.audit import write_event
from polls.sessions import ReadSession, Session
from voting.factor_tables import one_time_code, recovery_code
from voting.identity.factor_refusals import CodeRefused, CodesAlreadyOn

SECRET_BYTES = 20
STEP_SECONDS = 30
WINDOW = 1
SET_UP_WITHIN = timedelta(minutes=15)
"""A secret not confirmed by then counts no more: it was drawn on a fresh proof, which is old by now."""
NONCE_BYTES = 12
RECOVERY_CODES = 10
RECOVERY_BYTES = 10
KEYS = "second-step"
"""The name of the key files: `settings.secret_versions(KEYS)`."""

Keys = Mapping[int, bytes]
"""Version → 32 bytes; the highest version seals, every version opens."""


@dataclass(frozen=True, slots=True)
class CodesState:
    """How an account stands with one-time codes. `left`: recovery codes not used yet."""

    on: bool
    left: int


@dataclass(frozen=True, slots=True)
class SetUp:
    """What an application is given: the secret as people type it, and as an address for a QR code."""

    secret: str
    address: str


def seal(secret: bytes, account_id: int, keys: Keys) -> tuple[bytes, int]:
    """Seal a secret with the current key; gives the sealed bytes and the key's version."""
    version = max(keys)
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + ChaCha20Poly1305(keys[version]).encrypt(nonce, secret, _bound(account_id, version)), version


def unseal(sealed: bytes, account_id: int, version: int, keys: Keys) -> bytes:
    """Open a sealed secret. Raises ValueError where the key is missing, or the row is another account's."""
    if version not in keys:
        raise ValueError(f"the key {KEYS}-{version} is missing from the keys directory")
    nonce, sealed = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return ChaCha20Poly1305(keys[version]).decrypt(nonce, sealed, _bound(account_id, version))
    except InvalidTag:
        raise ValueError("the sealed secret was not sealed for this account with this key") from None


def _bound(account_id: int, version: int) -> bytes:
    return f"veche/second-step/v1/{account_id}/{version}".encode()


def step_of(now: datetime) -> int:
    """The number of the half minute."""
    return int(now.timestamp()) // STEP_SECONDS


def matching_step(secret: bytes, code: str, now: datetime, last_step: int | None) -> int | None:
    """The step a code is right for, within the window and after `last_step`; None where it is right for none. Pure."""
    application = pyotp.TOTP(base64.b32encode(secret).decode())
    found = None
    for step in range(step_of(now) - WINDOW, step_of(now) + WINDOW + 1):
        right = hmac.compare_digest(application.generate_otp(step), code)  # every step is tried: no time to learn from
        if right and (last_step is None or step > last_step):
            found = step
    return found


async def codes_state(session: ReadSession, account_id: int) -> CodesState:
    """Whether the account asks for codes, and how many recovery codes are left."""
    on = await session.scalar(
        select(one_time_code.c.account_id).where(
            one_time_code.c.account_id == account_id, one_time_code.c.confirmed_at.is_not(None)
        )
    )
    if on is None:
        return CodesState(False, 0)
    left = select(func.count()).where(recovery_code.c.account_id == account_id, recovery_code.c.used_at.is_(None))
    return CodesState(True, await session.scalar(left) or 0)


async def asks_for_codes(session: ReadSession, account_id: int) -> bool:
    """Whether signing in with the password takes a code too."""
    return (await codes_state(session, account_id)).on


async def begin_set_up(session: Session, account_id: int, *, login: str, site: str, keys: Keys, now: datetime) -> SetUp:
    """Draw a secret for the account's application; it counts once `confirm_set_up` has seen a code of it.

    Raises CodesAlreadyOn.
    """
    secret = secrets.token_bytes(SECRET_BYTES)
    sealed, version = seal(secret, account_id, keys)
    values = {"sealed_secret": sealed, "key_version": version, "created_at": now, "last_step": None}
    kept = await session.scalar(
        upsert(one_time_code)
        .values(account_id=account_id, **values)
        .on_conflict_do_update(
            index_elements=[one_time_code.c.account_id], set_=values, where=one_time_code.c.confirmed_at.is_(None)
        )
        .returning(one_time_code.c.account_id)
    )
    if kept is None:
        raise CodesAlreadyOn
    return _set_up(secret, login, site)


async def pending_set_up(
    session: ReadSession, account_id: int, *, login: str, site: str, keys: Keys, now: datetime
) -> SetUp | None:
    """The secret drawn a moment ago, to show it again after a code mistyped; None where there is none."""
    row = (
        await session.execute(select(one_time_code).where(one_time_code.c.account_id == account_id, *_pending(now)))
    ).one_or_none()
    if row is None:
        return None
    return _set_up(unseal(row.sealed_secret, account_id, row.key_version, keys), login, site)


async def confirm_set_up(session: Session, account_id: int, code: str, *, keys: Keys, now: datetime) -> list[str]:
    """Turn codes on, if this is one of the new secret; gives the recovery codes, this once. Raises CodeRefused."""
    await _check(session, account_id, code, keys=keys, now=now, confirmed=False)
    await session.execute(
        update(one_time_code).where(one_time_code.c.account_id == account_id).values(confirmed_at=now)
    )
    await write_event(session, "codes_on", actor=account_id, subject=f"account:{account_id}", now=now)
    return await _new_recovery_codes(session, account_id)


async def renew_recovery_codes(session: Session, account_id: int, *, now: datetime) -> list[str]:
    """Ten new recovery codes in the place of those left. Raises CodeRefused where codes are off."""
    if not await asks_for_codes(session, account_id):
        raise CodeRefused
    await write_event(session, "recovery_codes_renewed", actor=account_id, subject=f"account:{account_id}", now=now)
    return await _new_recovery_codes(session, account_id)


async def turn_off(session: Session, account_id: int, *, actor: int | None, now: datetime) -> bool:
    """Ask for no codes any more; secret and recovery codes are deleted. False where codes were off."""
    ended = await session.scalar(
        delete(one_time_code).where(one_time_code.c.account_id == account_id).returning(one_time_code.c.confirmed_at)
    )
    await session.execute(delete(recovery_code).where(recovery_code.c.account_id == account_id))
    if ended is None:
        return False
    await write_event(session, "codes_off", actor=actor, subject=f"account:{account_id}", now=now)
    return True


async def check_code(
    session: Session, account_id: int, given: str, *, keys: Keys, now: datetime
) -> Literal["application", "recovery"]:
    """Take a code of the application or a recovery code, each once; tells which it was. Raises CodeRefused.

    Count the attempts first: six digits can be guessed by whoever may try for long.
    """
    typed = re.sub(r"[\s-]+", "", given[:100])
    if typed.isascii() and typed.isdigit() and len(typed) == 6:
        await _check(session, account_id, typed, keys=keys, now=now, confirmed=True)
        return "application"
    used = await session.scalar(
        update(recovery_code)
        .where(
            recovery_code.c.account_id == account_id, recovery_code.c.code_hash == _hash_of(typed),
            recovery_code.c.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(recovery_code.c.account_id)
    )  # fmt: skip
    if used is None:
        raise CodeRefused
    left = (await codes_state(session, account_id)).left
    await write_event(
        session, "recovery_code_used", actor=account_id, subject=f"account:{account_id}", facts={"left": left}, now=now
    )
    return "recovery"


async def reseal_secrets(session: Session, keys: Keys) -> int:
    """Seal with the current key whatever an older one sealed; gives how many. Then the older files may go."""
    rows = await session.execute(
        select(one_time_code).where(one_time_code.c.key_version != max(keys)).with_for_update()
    )
    found = rows.all()
    for row in found:
        await _store(session, row.account_id, unseal(row.sealed_secret, row.account_id, row.key_version, keys), keys)
    return len(found)


async def _check(session: Session, account_id: int, code: str, *, keys: Keys, now: datetime, confirmed: bool) -> None:
    state = (one_time_code.c.confirmed_at.is_not(None),) if confirmed else _pending(now)
    row = (
        await session.execute(
            select(one_time_code).where(one_time_code.c.account_id == account_id, *state).with_for_update()
        )
    ).one_or_none()
    if row is None:
        raise CodeRefused
    secret = unseal(row.sealed_secret, account_id, row.key_version, keys)
    step = matching_step(secret, re.sub(r"\s+", "", code), now, row.last_step)
    if step is None:
        raise CodeRefused
    await session.execute(update(one_time_code).where(one_time_code.c.account_id == account_id).values(last_step=step))
    if row.key_version != max(keys):
        await _store(session, account_id, secret, keys)


def _pending(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return one_time_code.c.confirmed_at.is_(None), one_time_code.c.created_at > now - SET_UP_WITHIN


async def _store(session: Session, account_id: int, secret: bytes, keys: Keys) -> None:
    sealed, version = seal(secret, account_id, keys)
    await session.execute(
        update(one_time_code)
        .where(one_time_code.c.account_id == account_id)
        .values(sealed_secret=sealed, key_version=version)
    )


async def _new_recovery_codes(session: Session, account_id: int) -> list[str]:
    codes = [_grouped(base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode()) for _ in range(RECOVERY_CODES)]
    await session.execute(delete(recovery_code).where(recovery_code.c.account_id == account_id))
    await session.execute(
        insert(recovery_code), [{"account_id": account_id, "code_hash": _hash_of(code)} for code in codes]
    )
    return codes


def _hash_of(code: str) -> bytes:
    plain = re.sub(r"[\s-]+", "", code).upper()
    return hashlib.sha256(b"veche/recovery-code/v1" + plain.encode("utf-8", "surrogatepass")).digest()


def _grouped(text: str) -> str:
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _set_up(secret: bytes, login: str, site: str) -> SetUp:
    plain = base64.b32encode(secret).decode()
    address = pyotp.TOTP(plain).provisioning_uri(name=login, issuer_name=site.replace(":", " "))
    return SetUp(" ".join(plain[at : at + 4] for at in range(0, len(plain), 4)), address)

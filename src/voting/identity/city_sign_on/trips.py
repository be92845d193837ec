"""A browser's way to a provider and back: begun here, bound to this browser, taken once, over after ten minutes.

A row holds hashes alone. The nonce and the PKCE verifier are derived from the state under a secret of the deployment,
so neither the table nor the address bar gives what redeems a code.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert

from polls.sessions import Session
from voting.identity.city_sign_on.tables import sign_on_trip

LASTS = timedelta(minutes=10)
COOKIE = "sign-on"
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Trip:
    """What was agreed on when it began."""

    state: str
    provider: str
    target: str
    max_age: int | None


def new_token() -> str:
    """Draw a state, or the value of a browser's cookie: 256 random bits."""
    return secrets.token_urlsafe(32)


def is_token(text: str | None) -> bool:
    """Tell whether a text can be one that was drawn here."""
    return text is not None and TOKEN.fullmatch(text) is not None


def nonce_of(secret: bytes, state: str) -> str:
    """The nonce of a trip."""
    return _derived(secret, "nonce", state)


def verifier_of(secret: bytes, state: str) -> str:
    """The PKCE verifier of a trip (RFC 7636 §4.1: 43 characters)."""
    return _derived(secret, "verifier", state)


async def begin_trip(
    session: Session, browser: str, *, provider: str, target: str, max_age: int | None, now: datetime
) -> Trip:
    """Write down a trip of this browser; `target` is a path of this site, checked before."""
    state = new_token()
    await session.execute(
        insert(sign_on_trip).values(
            state_hash=_hash(state), browser_hash=_hash(browser), provider=provider, target=target, max_age=max_age,
            expires_at=now + LASTS,
        )
    )  # fmt: skip
    return Trip(state, provider, target, max_age)


async def take_trip(session: Session, state: str, browser: str, provider: str, now: datetime) -> Trip | None:
    """Take a trip of this browser to this provider: a second time there is none. None also for anybody else's.

    A trip that is another browser's stays, so that whoever overhears a state cannot end it.
    """
    row = (
        await session.execute(
            delete(sign_on_trip)
            .where(
                sign_on_trip.c.state_hash == _hash(state),
                sign_on_trip.c.browser_hash == _hash(browser),
                sign_on_trip.c.provider == provider,
            )
            .returning(sign_on_trip.c.target, sign_on_trip.c.max_age, sign_on_trip.c.expires_at)
        )
    ).one_or_none()
    return None if row is None or row.expires_at <= now else Trip(state, provider, row.target, row.max_age)


async def sweep_trips(session: Session, now: datetime) -> None:
    """Delete trips nobody came back from."""
    await session.execute(delete(sign_on_trip).where(sign_on_trip.c.expires_at <= now))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _derived(secret: bytes, purpose: str, state: str) -> str:
    digest = hmac.digest(secret, f"veche/sign-on/v1/{purpose}\0{state}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

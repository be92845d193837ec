"""Browser sessions kept by the server: opening, recognising, listing and ending them.

A session is a row keyed by the SHA-256 of a 256-bit random token; the token itself exists only in the cookie, so a copy
of the table signs nobody in. A new token is drawn at every sign-in, whatever cookie came along, so a session cannot be
planted. It ends when unused for a while (`idle`) and after a fixed time in any case (`absolute`).
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, insert, or_, select

from polls.sessions import ReadSession, Session
from polls.straight_sql import fetch_from
from voting.identity.scope import Grant
from voting.tables import web_session

TOKEN_BYTES = 32
_RESIDENT = frozenset({"resident"})
TOUCH_EVERY = timedelta(seconds=60)
USER_AGENT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is signed in, as handlers see it. Anonymous visitors have no `Viewer`: the value is None.

    `session_expires` is the moment the session ends if nothing more is done in it.
    """

    account_id: int
    citizen_id: int | None
    display_name: str
    department: str
    roles: frozenset[str]
    new_form_token: Callable[[], str] = field(repr=False, compare=False)
    session_expires: datetime
    grants: tuple[Grant, ...] = ()
    """The same roles with their scopes, as a session carries them; a token of the API carries none."""
    assisted_centre: str | None = None
    """Of an assisted session: the service centre. `account_id` is then the operator's, `citizen_id` the resident's."""

    @property
    def channel(self) -> str:
        """How a vote of this session came, as `participation` keeps it."""
        return "online" if self.assisted_centre is None else "assisted"

    @property
    def csrf_token(self) -> str:
        """The token of a form, masked anew each time; put it in the form as it is."""
        return self.new_form_token()

    def has(self, role: str) -> bool:
        """Tell whether the account carries the role."""
        return role in self.roles

    def grants_of(self, *roles: str) -> tuple[Grant, ...]:
        """Give what the account holds of these roles, each with its scope."""
        return tuple(grant for grant in self.grants if grant.role in roles)


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A live session with its account, as read from the database."""

    token_hash: bytes
    account_id: int
    citizen_id: int | None
    display_name: str
    department: str
    roles: frozenset[str]
    last_seen_at: datetime
    expires_at: datetime
    grants: tuple[Grant, ...] = ()
    assisted_centre: str | None = None


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One row of «where you are signed in». `key` names the session in forms; it does not open it."""

    key: str
    created_at: datetime
    last_seen_at: datetime
    user_agent: str
    current: bool
    assisted: bool = False


def new_token() -> str:
    """Draw a session token: 256 random bits, fit for a cookie."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> bytes:
    """Give what the table stores of a token."""
    return hashlib.sha256(token.encode()).digest()


async def open_web_session(
    session: Session, account_id: int, *, token: str, user_agent: str, lifetime: timedelta, now: datetime,
    way: str = "password",
) -> None:  # fmt: skip
    """Begin a session of the account; `token` is fresh from `new_token` and goes into the cookie.

    `way` is how the person proved who he is: password, or city for the city's sign-on.
    """
    await session.execute(
        insert(web_session).values(
            token_hash=token_hash(token),
            account_id=account_id,
            created_at=now,
            last_seen_at=now,
            expires_at=now + lifetime,
            user_agent=user_agent[:USER_AGENT_LENGTH],
            way=way,
        )
    )


async def recognise_many(
    driver: Any, hashes: Sequence[bytes], *, idle: timedelta, now: datetime
) -> dict[bytes, SessionRecord]:
    """Read the live sessions with these token hashes, noting at most once a minute that they were used.

    Has no entry where there is none, it has ended, or its account is disabled. `driver` is a connection of the driver
    (`Database.open_driver`): every resident who comes to vote is looked up here first.
    """
    found = {}
    used = []
    for row in await fetch_from(driver, _RECOGNISE, list(hashes), now, now - idle):
        hashed, seen = row["token_hash"], row["last_seen_at"]
        if now - seen >= TOUCH_EVERY:
            seen = now
            used.append(hashed)
        grants = tuple(Grant(role, to, int(at) if at else None) for role, to, at in row["roles"] or ())
        assisted = row["assisted_centre"] is not None
        if assisted and not any(grant.role == "operator" for grant in grants):
            continue  # the operator's right is gone, and with it the desk
        found[hashed] = SessionRecord(
            token_hash=hashed,
            account_id=row["account_id"],
            citizen_id=row["assisted_citizen_id"] if assisted else row["citizen_id"],
            display_name="" if assisted else row["display_name"],
            department="" if assisted else row["department"],
            roles=_RESIDENT if assisted else frozenset(grant.role for grant in grants),
            grants=() if assisted else grants,
            last_seen_at=seen,
            expires_at=row["expires_at"],
            assisted_centre=row["assisted_centre"],
        )
    if used:
        await fetch_from(driver, _TOUCH, used, now)
    return found


_RECOGNISE = """
    SELECT s.token_hash, s.account_id, a.citizen_id, a.display_name, a.department, s.last_seen_at, s.expires_at,
           s.assisted_centre, s.assisted_citizen_id,
           (SELECT array_agg(ARRAY[r.role, r.department, r.territory_id::text]) FROM account_role r
             WHERE r.account_id = a.id) AS roles
      FROM web_session s JOIN account a ON a.id = s.account_id
     WHERE s.token_hash = ANY ($1::bytea[]) AND s.expires_at > $2 AND s.last_seen_at > $3 AND a.disabled_at IS NULL
"""
_TOUCH = """
    UPDATE web_session SET last_seen_at = $2 WHERE token_hash IN (
        SELECT token_hash FROM web_session WHERE token_hash = ANY ($1::bytea[]) AND last_seen_at < $2
           FOR UPDATE SKIP LOCKED)
"""
"""Only forward: of two requests at once, the earlier clock must not win. Rows another process is noting are left to it:
two that take the same rows in two orders would wait for each other."""


async def list_web_sessions(
    session: ReadSession, account_id: int, *, current: bytes, idle: timedelta, now: datetime
) -> list[SessionSummary]:
    """List the account's live sessions, the latest used first; `current` is the asking session's token hash."""
    rows = await session.execute(
        select(web_session)
        .where(
            web_session.c.account_id == account_id,
            web_session.c.expires_at > now,
            web_session.c.last_seen_at > now - idle,
        )
        .order_by(web_session.c.last_seen_at.desc())
    )
    return [
        SessionSummary(
            key=row.token_hash.hex(),
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            user_agent=row.user_agent,
            current=row.token_hash == current,
            assisted=row.assisted_centre is not None,
        )
        for row in rows
    ]


async def end_web_session(session: Session, account_id: int, hashed: bytes) -> bool:
    """End one session of the account; False if it has no such session."""
    ended = await session.execute(
        delete(web_session)
        .where(web_session.c.token_hash == hashed, web_session.c.account_id == account_id)
        .returning(web_session.c.token_hash)
    )
    return ended.one_or_none() is not None


async def end_all_web_sessions(session: Session, account_id: int, *, keep: bytes | None = None) -> Sequence[bytes]:
    """End every session of the account, but for the one to `keep`; give the token hashes that ended."""
    condition = web_session.c.account_id == account_id
    if keep is not None:
        condition = and_(condition, web_session.c.token_hash != keep)
    return (await session.scalars(delete(web_session).where(condition).returning(web_session.c.token_hash))).all()


async def sweep_web_sessions(session: Session, *, idle: timedelta, now: datetime) -> int:
    """Delete sessions that have ended by time; gives how many. They sign nobody in either way."""
    over = or_(web_session.c.expires_at <= now, web_session.c.last_seen_at <= now - idle)
    swept = await session.scalars(delete(web_session).where(over).returning(web_session.c.account_id))
    return len(swept.all())

"""Tokens of the API: what a notebook or a script carries in the place of somebody's session.

    veche_ + 43 letters and digits (256 random bits) + 6 that check them

The prefix and the check let scanners of published code recognise a token, and let us turn down a mistyped one without
asking the database. A token is shown once, when it is made. The table keeps its SHA-256 alone: a slow hash protects
what people can guess, and 256 random bits cannot be guessed at any speed, while a slow hash would be paid at every
request. It opens what its scopes name, of what its account may do, until it expires, is revoked, or its account is
disabled or has no role for it; nothing brings it back.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, insert, select, update

from polls.audit import write_event
from polls.errors import FieldError, Invalid, NotFound, Refusal
from polls.sessions import ReadSession, Session
from voting.tables import TOKEN_SCOPES, account, account_role, api_token

SCOPES = TOKEN_SCOPES
HOLDERS = frozenset({"analyst", "official", "admin"})
"""Roles whose holders may have tokens."""
PREFIX = "veche_"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_DIGITS, CHECK_DIGITS = 43, 6
FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{SECRET_DIGITS + CHECK_DIGITS}}}")
"""A token, for scanners too."""
SHOWN = len(PREFIX) + 4
"""Characters of a token that its list shows: enough to tell one's own apart, a tenth of a thousandth of it."""
LONGEST_LIFE = timedelta(days=365)
LIVES = (30, 90, 180, 365)
"""Days a token may be made for."""
MOST_LIVE = 10
LONGEST_NAME = 60


class BadToken(Refusal):
    """No token of ours: mistyped, cut off, or never made."""

    code = "bad_token"
    detail = "The token is not right."
    next_step = "Copy the whole token, or make a new one in your account."


class TokenExpired(Refusal):
    """Its time is over."""

    code = "token_expired"
    detail = "The token has expired."
    next_step = "Make a new one in your account."


class TokenRevoked(Refusal):
    """Its owner revoked it, or the owner's account lost the right to it."""

    code = "token_revoked"
    detail = "The token has been revoked."
    next_step = "Make a new one in your account, if it may have any."


class TokenScope(Refusal):
    """The token is good, but not for this. Facts: `scope`, the one that is needed, or none if no token will do."""

    code = "token_scope"
    detail = "This token does not open this."
    next_step = "Make a token with the scope needed, or sign in: some things take no token at all."


class TokenWithCookie(Refusal):
    """The request carries a token and a session."""

    code = "token_with_cookie"
    detail = "The request carries both a token and the cookie of a session."
    next_step = "Send one of them: a token without cookies, or the session without a token."


class TooManyTokens(Refusal):
    """The account has as many live tokens as it may. Facts: `most`."""

    code = "too_many_tokens"
    detail = "The account has as many tokens as it may have."
    next_step = "Revoke one that is not used."


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token that was recognised: whose it is, what it opens, which of the account's roles count."""

    id: int
    account_id: int
    display_name: str
    department: str
    roles: frozenset[str]
    scopes: frozenset[str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenSummary:
    """One row of the account's list. `ended` says why it opens nothing any more, if so."""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_on: date | None
    ended: str | None


def new_api_token() -> str:
    """Draw a token."""
    secret = _in_digits(secrets.randbits(256), SECRET_DIGITS)
    return PREFIX + secret + _check(secret)


def is_well_formed(token: str) -> bool:
    """Whether a text may be a token: its form and its check."""
    if not FORM.fullmatch(token):
        return False
    secret = token[len(PREFIX) : -CHECK_DIGITS]
    return secrets.compare_digest(_check(secret), token[-CHECK_DIGITS:])


def hash_of(token: str) -> bytes:
    """What the table stores of a token."""
    return hashlib.sha256(token.encode()).digest()


def _check(secret: str) -> str:
    return _in_digits(zlib.crc32(secret.encode()), CHECK_DIGITS)


def _in_digits(number: int, length: int) -> str:
    found = []
    for _ in range(length):
        number, digit = divmod(number, len(DIGITS))
        found.append(DIGITS[digit])
    return "".join(reversed(found))


async def create_api_token(
    session: Session, account_id: int, *, name: str, scopes: Collection[str], days: int, now: datetime
) -> str:
    """Make a token of the account and give it: it can never be read again.

    Raises Invalid for a name, scopes or a lifetime that will not do, TooManyTokens, and TokenRevoked for an account
    that may have none.
    """
    name = " ".join(name.split())
    errors = []
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        errors.append(FieldError("name", "name", "A name of up to 60 characters is needed."))
    if not scopes or not set(scopes) <= set(SCOPES):
        errors.append(FieldError("scopes", "scopes", "Choose what the token is for."))
    if days not in LIVES:
        errors.append(FieldError("days", "days", "Choose how long the token is to live."))
    if errors:
        raise Invalid(errors)
    # The account's row is held, so that two made at once are counted one after the other.
    held = await session.scalar(
        select(account.c.id).where(account.c.id == account_id, account.c.disabled_at.is_(None)).with_for_update()
    )
    if held is None or not await _roles_of(session, account_id) & HOLDERS:
        raise TokenRevoked
    live = select(func.count()).where(
        api_token.c.account_id == account_id, api_token.c.revoked_at.is_(None), api_token.c.expires_at > now
    )
    if (await session.scalar(live) or 0) >= MOST_LIVE:
        raise TooManyTokens(most=MOST_LIVE)
    token = new_api_token()
    wanted = [scope for scope in SCOPES if scope in scopes]
    made: int | None = await session.scalar(
        insert(api_token).values(
            account_id=account_id, name=name, prefix=token[:SHOWN], token_hash=hash_of(token),
            scopes=wanted, created_at=now,
            expires_at=now + timedelta(days=days),
        ).returning(api_token.c.id)
    )  # fmt: skip
    await write_event(
        session, "api_token_made", actor=account_id, subject=f"account:{account_id}",
        facts={"token": made, "scopes": " ".join(wanted), "days": days}, now=now,
    )  # fmt: skip
    return token


async def recognise_api_token(session: ReadSession, token: str, now: datetime) -> tuple[TokenRecord, bool]:
    """Give whose token it is, and whether its day of use is still to be noted (`note_use`).

    Raises BadToken, TokenExpired or TokenRevoked. Asked for at every request: what is revoked ends at once.
    """
    if not is_well_formed(token):
        raise BadToken
    roles = select(func.array_agg(account_role.c.role)).where(account_role.c.account_id == account.c.id)
    found = await session.execute(
        select(
            api_token, account.c.display_name, account.c.department, account.c.disabled_at,
            roles.scalar_subquery().label("roles"),
        )
        .join(account, account.c.id == api_token.c.account_id)
        .where(api_token.c.token_hash == hash_of(token))
    )  # fmt: skip
    row = found.one_or_none()
    if row is None:
        raise BadToken
    held = frozenset(row.roles or ()) & HOLDERS
    if row.revoked_at is not None or row.disabled_at is not None or not held:
        raise TokenRevoked
    if row.expires_at <= now:
        raise TokenExpired
    record = TokenRecord(
        row.id, row.account_id, row.display_name, row.department, held, frozenset(row.scopes), row.expires_at
    )
    return record, row.last_used_on != now.date()


async def note_use(session: Session, token_id: int, now: datetime) -> None:
    """Note the day a token was last used: the day in UTC, and no finer time."""
    await session.execute(update(api_token).where(api_token.c.id == token_id).values(last_used_on=now.date()))


async def list_api_tokens(session: ReadSession, account_id: int, now: datetime) -> list[TokenSummary]:
    """The account's tokens, newest first; those that have ended last."""
    rows = await session.execute(
        select(api_token).where(api_token.c.account_id == account_id).order_by(api_token.c.id.desc()).limit(100)
    )
    listed = [
        TokenSummary(
            row.id, row.name, row.prefix, tuple(row.scopes), row.created_at, row.expires_at, row.last_used_on,
            "revoked" if row.revoked_at is not None else "expired" if row.expires_at <= now else None,
        )
        for row in rows
    ]  # fmt: skip
    return sorted(listed, key=lambda one: one.ended is not None)


async def revoke_api_token(session: Session, account_id: int, token_id: int, now: datetime) -> None:
    """End one of the account's own tokens, for good; ending it twice changes nothing. Raises NotFound."""
    own = (api_token.c.id == token_id) & (api_token.c.account_id == account_id)
    if await session.scalar(select(api_token.c.id).where(own)) is None:
        raise NotFound
    live = update(api_token).where(own, api_token.c.revoked_at.is_(None)).values(revoked_at=now)
    ended = await session.execute(live.returning(api_token.c.id))
    if ended.first() is not None:
        subject, facts = f"account:{account_id}", {"token": token_id}
        await write_event(session, "api_token_revoked", actor=account_id, subject=subject, facts=facts, now=now)


async def revoke_all_tokens(session: Session, account_id: int) -> int:
    """End all the account's live tokens, as when its password is changed; gives how many."""
    ended = await session.scalars(
        update(api_token)
        .where(api_token.c.account_id == account_id, api_token.c.revoked_at.is_(None))
        .values(revoked_at=func.greatest(func.clock_timestamp(), api_token.c.created_at))
        .returning(api_token.c.id)
    )
    return len(ended.all())


async def _roles_of(session: ReadSession, account_id: int) -> frozenset[str]:
    found: Sequence[str] = (
        await session.scalars(select(account_role.c.role).where(account_role.c.account_id == account_id))
    ).all()
    return frozenset(found)

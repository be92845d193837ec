"""Use cases of accounts: signing up against the register, signing in, changing the password, roles.

An account is a way to sign in; the register entry it may point at is the citizen. Signing up needs a national id and
the birth date that belongs to it: a wrong id and a wrong date give the same refusal and cost the same, so the form
cannot be used to learn who is in the register.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from polls.errors import AccountExists, FieldError, Invalid, NotFound, NotInRegister
from polls.identity import identity_key
from polls.register import find_citizen
from polls.sessions import ReadSession, Session
from polls.tables import citizen
from voting.identity.sessions import end_all_web_sessions
from voting.tables import ROLES, account, account_role

EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@(?:[^@\s.\x00-\x1f]{1,63}\.)+[^@\s.\x00-\x1f]{2,63}")
LONGEST_EMAIL = 254
PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
PHONE_PUNCTUATION = re.compile(r"[\s().\u00a0\u2010-\u2015-]+")


@dataclass(frozen=True, slots=True)
class Login:
    """A normalised login: an e-mail or a phone, the other None."""

    email: str | None = None
    phone: str | None = None

    def __str__(self) -> str:
        return self.email or self.phone or ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signing in checks a password against."""

    account_id: int
    password_hash: str


def normal_email(text: str) -> str:
    """Give the e-mail in lower case. Raises Invalid."""
    email = text.strip().lower()
    if len(email) > LONGEST_EMAIL or not EMAIL.fullmatch(email):
        raise Invalid([FieldError("login", "not_email", "This is not an e-mail address.")])
    return email


def normal_phone(text: str) -> str:
    """Give the phone in E.164, such as +79161234567. Raises Invalid.

    Russians write their numbers 8 916 …, 916 … or +7 916 …; any other country's number needs its + or 00.
    """
    digits = PHONE_PUNCTUATION.sub("", text.strip())
    if digits.startswith("00"):
        digits = f"+{digits[2:]}"
    elif not digits.startswith("+"):
        if len(digits) == 11 and digits[:1] in ("7", "8"):
            digits = f"+7{digits[1:]}"
        elif len(digits) == 10 and digits[:1] in ("3", "4", "8", "9"):
            digits = f"+7{digits}"
    if not digits.isascii() or not PHONE.fullmatch(digits) or (digits.startswith("+7") and len(digits) != 12):
        raise Invalid([FieldError("login", "not_phone", "This is not a phone number.")])
    return digits


def normal_login(text: str) -> Login:
    """Read an e-mail or a phone. Raises Invalid."""
    if len(text) > LONGEST_EMAIL:
        raise Invalid([FieldError("login", "too_long", "This is not an e-mail address.")])
    return Login(email=normal_email(text)) if "@" in text else Login(phone=normal_phone(text))


async def find_credentials(session: ReadSession, login: Login) -> Credentials | None:
    """Give what to check a password against, or None: no such account, it is disabled, or it has no password."""
    by = account.c.email == login.email if login.email else account.c.phone == login.phone
    row = (
        await session.execute(
            select(account.c.id, account.c.password_hash).where(
                by, account.c.disabled_at.is_(None), account.c.password_hash.is_not(None)
            )
        )
    ).one_or_none()
    return None if row is None else Credentials(row.id, row.password_hash)


async def find_account(session: ReadSession, login: Login) -> int:
    """Give the id of the account with this login. Raises NotFound."""
    by = account.c.email == login.email if login.email else account.c.phone == login.phone
    found: int | None = await session.scalar(select(account.c.id).where(by))
    if found is None:
        raise NotFound(login=str(login))
    return found


async def credentials_of(session: ReadSession, account_id: int) -> Credentials:
    """Give the credentials of an account by its id. Raises NotFound."""
    row = (
        await session.execute(
            select(account.c.password_hash).where(account.c.id == account_id, account.c.password_hash.is_not(None))
        )
    ).one_or_none()
    if row is None:
        raise NotFound
    return Credentials(account_id, row.password_hash)


async def logins_of(session: ReadSession, account_id: int) -> tuple[str, ...]:
    """Give the account's e-mail and phone, as far as it has them."""
    row = (await session.execute(select(account.c.email, account.c.phone).where(account.c.id == account_id))).one()
    return tuple(login for login in row if login)


async def sign_up(
    session: Session,
    *,
    national_id: str,
    birth_date: date,
    login: Login,
    password_hash: str,
    secrets: Mapping[int, bytes],
    now: datetime,
) -> int:
    """Open a resident's account for a register entry; gives its id.

    `secrets` are the versions of the identity secret. Hash the password before calling: every refusal then costs the
    same. Raises NotInRegister (no such id, or another birth date: the same answer), AccountExists (the entry has an
    account, or the e-mail or phone is another's; only told to whoever knows the id and the date).
    """
    try:
        keys = [(version, identity_key(secrets[version], "national_id", national_id)) for version in sorted(secrets)]
    except ValueError as error:
        raise NotInRegister from error
    # One more query is made in any case, so that a known id is not told from an unknown one by the time.
    citizen_id = await find_citizen(session, "national_id", keys)
    born = await session.scalar(select(citizen.c.birth_date).where(citizen.c.id == (citizen_id or 0)))
    if citizen_id is None or born != birth_date:
        raise NotInRegister
    try:
        async with session.begin_nested():
            account_id: int | None = await session.scalar(
                insert(account)
                .values(
                    email=login.email, phone=login.phone, password_hash=password_hash, citizen_id=citizen_id,
                    created_at=now,
                )
                .returning(account.c.id)
            )  # fmt: skip
    except IntegrityError as error:
        raise AccountExists from error
    assert account_id is not None
    await grant_role(session, account_id, "resident", granted_by=None, now=now)
    return account_id


async def create_account(
    session: Session,
    *,
    login: Login,
    password_hash: str,
    roles: tuple[str, ...] = (),
    display_name: str = "",
    department: str = "",
    citizen_id: int | None = None,
    now: datetime,
) -> int:
    """Make an account with roles, as administrators and the demo do; gives its id. Raises AccountExists, Invalid."""
    try:
        async with session.begin_nested():
            account_id: int | None = await session.scalar(
                insert(account)
                .values(
                    email=login.email, phone=login.phone, password_hash=password_hash, display_name=display_name,
                    department=department, citizen_id=citizen_id, created_at=now,
                )
                .returning(account.c.id)
            )  # fmt: skip
    except IntegrityError as error:
        raise AccountExists from error
    assert account_id is not None
    for role in roles:
        await grant_role(session, account_id, role, granted_by=None, now=now)
    return account_id


async def create_admin(session: Session, *, login: Login, password_hash: str, now: datetime) -> int:
    """Make an administrator's account; gives its id. Raises AccountExists."""
    return await create_account(session, login=login, password_hash=password_hash, roles=("admin",), now=now)


async def grant_role(session: Session, account_id: int, role: str, *, granted_by: int | None, now: datetime) -> None:
    """Give the account a role; giving it twice changes nothing. Raises Invalid for a role there is not.

    A session remembers its roles for up to five seconds.
    """
    if role not in ROLES:
        raise Invalid([FieldError("role", "unknown_role", "There is no such role.")])
    await session.execute(
        upsert(account_role)
        .values(account_id=account_id, role=role, granted_by=granted_by, granted_at=now)
        .on_conflict_do_nothing()
    )


async def revoke_role(session: Session, account_id: int, role: str) -> None:
    """Take a role from the account; taking one it has not changes nothing."""
    await session.execute(
        delete(account_role).where(account_role.c.account_id == account_id, account_role.c.role == role)
    )


async def replace_hash(session: Session, account_id: int, old: str, new: str) -> None:
    """Store the same password hashed with today's parameters, unless it was changed meanwhile."""
    await session.execute(
        update(account).where(account.c.id == account_id, account.c.password_hash == old).values(password_hash=new)
    )


async def change_password(session: Session, account_id: int, *, password_hash: str, keep: bytes | None) -> list[bytes]:
    """Store a new password and end all the account's sessions but the one to `keep`; gives their token hashes."""
    await session.execute(update(account).where(account.c.id == account_id).values(password_hash=password_hash))
    return list(await end_all_web_sessions(session, account_id, keep=keep))


async def count_admins(session: ReadSession) -> int:
    """Count the administrators whose accounts are not disabled."""
    found = await session.scalar(
        select(func.count())
        .select_from(account_role.join(account))
        .where(account_role.c.role == "admin", account.c.disabled_at.is_(None))
    )
    return found or 0

"""Use cases of accounts: signing up against the register, signing in, changing the password, roles.

An account is a way to sign in; the register entry it may point at is the citizen. Signing up needs a national id and
the birth date that belongs to it: a wrong id and a wrong date give the same refusal and cost the same, so the form
cannot be used to learn who is in the register.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from polls.audit import write_event
from polls.errors import AccountExists, BadCredentials, FieldError, Invalid, NotFound, NotInRegister
from polls.identity import identity_key
from polls.register import find_citizen
from polls.sessions import ReadSession, Session
from polls.tables import citizen, territory
from voting.factor_tables import pre_session
from voting.identity.addresses import CLAIMS, FIRST, give_way, hold_claims
from voting.identity.api_tokens import revoke_all_tokens
from voting.identity.scope import Grant
from voting.identity.sessions import end_all_web_sessions
from voting.mail import forget_letters
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


async def find_credentials(session: ReadSession, login: Login) -> tuple[Credentials, ...]:
    """Give what to check a password against: of whoever has the login, then of others who name the same e-mail.

    Empty: no such account, it is disabled, or it has no password. More than one stands for an e-mail alone.
    """
    by = account.c.email == login.email if login.email else account.c.phone == login.phone
    may = (account.c.disabled_at.is_(None), account.c.password_hash.is_not(None))
    query = select(account.c.id, account.c.password_hash).where(by, *may).order_by(*FIRST).limit(CLAIMS)
    return tuple(Credentials(row.id, row.password_hash) for row in await session.execute(query))


async def find_account(session: ReadSession, login: Login) -> int:
    """Give the id of the account whose login this is. Raises NotFound."""
    by = account.c.email == login.email if login.email else account.c.phone == login.phone
    found: int | None = await session.scalar(select(account.c.id).where(by).order_by(*FIRST).limit(1))
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


async def hold_password(session: Session, known: Credentials) -> None:
    """Hold an account whose password is still the one that was checked, until the transaction ends.

    Hashing takes long, and meanwhile the owner may have set another, by which every session ended: none begins by the
    old one afterwards. Raises BadCredentials.
    """
    same = (account.c.id == known.account_id, account.c.password_hash == known.password_hash)
    held = select(account.c.id).where(*same, account.c.disabled_at.is_(None)).with_for_update(key_share=True)
    if await session.scalar(held) is None:
        raise BadCredentials


async def has_password(session: ReadSession, account_id: int) -> bool:
    """Whether there is a password to sign in with: an account opened by the city's sign-on may have none."""
    found = await session.scalar(select(account.c.password_hash).where(account.c.id == account_id))
    return found is not None


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
    language: str = "ru",
    now: datetime,
) -> int:
    """Open a resident's account for a register entry; gives its id.

    `secrets` are the versions of the identity secret. Hash the password before calling: every refusal then costs the
    same. Raises NotInRegister (no such id, or another birth date: the same answer), AccountExists (the entry has an
    account, or the phone is another's; only told to whoever knows the id and the date). An e-mail is never another's
    here: it is a claim until a letter's link confirms it (`voting.identity.addresses`).
    """
    citizen_id = await registered_person(session, national_id, birth_date, secrets)
    try:
        async with session.begin_nested():
            account_id: int | None = await session.scalar(
                insert(account)
                .values(
                    email=login.email, phone=login.phone, password_hash=password_hash, citizen_id=citizen_id,
                    created_at=now, language=language,
                )
                .returning(account.c.id)
            )  # fmt: skip
    except IntegrityError as error:
        raise AccountExists from error
    assert account_id is not None
    await make_resident(session, account_id, now=now)
    return account_id


async def registered_person(
    session: ReadSession, national_id: str, birth_date: date, secrets: Mapping[int, bytes]
) -> int:
    """The register entry with this national id and birth date. Raises NotInRegister, the same for either fault."""
    try:
        keys = [(version, identity_key(secrets[version], "national_id", national_id)) for version in sorted(secrets)]
    except ValueError as error:
        raise NotInRegister from error
    # One more query is made in any case, so that a known id is not told from an unknown one by the time.
    citizen_id = await find_citizen(session, "national_id", keys)
    born = await session.scalar(select(citizen.c.birth_date).where(citizen.c.id == (citizen_id or 0)))
    if citizen_id is None or born != birth_date:
        raise NotInRegister
    return citizen_id


async def create_account(
    session: Session,
    *,
    login: Login,
    password_hash: str | None,
    roles: tuple[str, ...] = (),
    display_name: str = "",
    department: str = "",
    citizen_id: int | None = None,
    now: datetime,
) -> int:
    """Make an account with roles, as administrators and the demo do; gives its id. Raises AccountExists, Invalid.

    Whoever makes it vouches for the e-mail, as if a letter had been answered.
    """
    claims = await hold_claims(session, login.email) if login.email else {}
    try:
        async with session.begin_nested():
            account_id: int | None = await session.scalar(
                insert(account)
                .values(
                    email=login.email, phone=login.phone, password_hash=password_hash, display_name=display_name,
                    department=department, citizen_id=citizen_id, created_at=now,
                    email_verified_at=now if login.email else None,
                )
                .returning(account.c.id)
            )  # fmt: skip
    except IntegrityError as error:
        raise AccountExists from error
    assert account_id is not None
    if login.email:
        await give_way(session, claims, login.email, by=None, now=now)
    if set(roles) - {"resident"}:
        facts = {"roles": " ".join(sorted(roles))}
        await write_event(session, "account_made", actor=None, subject=f"account:{account_id}", facts=facts, now=now)
    for role in roles:
        await grant_role(session, account_id, role, granted_by=None, now=now)
    return account_id


async def create_admin(session: Session, *, login: Login, password_hash: str, now: datetime) -> int:
    """Make an administrator's account; gives its id. Raises AccountExists."""
    return await create_account(session, login=login, password_hash=password_hash, roles=("admin",), now=now)


async def grant_role(
    session: Session, account_id: int, role: str, *, granted_by: int | None, now: datetime,
    department: str | None = None, territory_id: int | None = None,
) -> None:  # fmt: skip
    """Give the account a role, for a department or a territory or everywhere; giving it twice changes nothing.

    Raises Invalid for a role there is not. A session remembers its roles for up to five seconds.
    """
    if role not in ROLES:
        raise Invalid([FieldError("role", "unknown_role", "There is no such role.")])
    made = await session.execute(
        upsert(account_role)
        .values(account_id=account_id, role=role, department=department, territory_id=territory_id,
                granted_by=granted_by, granted_at=now)
        .on_conflict_do_nothing()
        .returning(account_role.c.role)
    )  # fmt: skip
    if made.first() is not None:
        await _note(session, "role_granted", granted_by, account_id, Grant(role, department, territory_id), now)


async def holds_role(session: ReadSession, account_id: int, role: str) -> bool:
    """Whether the account has the role, with whatever scope."""
    held = select(account_role.c.id).where(account_role.c.account_id == account_id, account_role.c.role == role)
    return await session.scalar(held.limit(1)) is not None


async def make_resident(session: Session, account_id: int, *, now: datetime) -> None:
    """Give an account the role of residents, which anybody with an entry in the register has."""
    await grant_role(session, account_id, "resident", granted_by=None, now=now)


async def revoke_role(
    session: Session, account_id: int, grant: Grant, *, revoked_by: int | None = None, now: datetime
) -> None:
    """Take a role with exactly this scope from the account; taking one it has not changes nothing."""
    gone = await session.execute(
        delete(account_role)
        .where(
            account_role.c.account_id == account_id,
            account_role.c.role == grant.role,
            account_role.c.department.is_not_distinct_from(grant.department),
            account_role.c.territory_id.is_not_distinct_from(grant.territory_id),
        )
        .returning(account_role.c.role)
    )
    if gone.first() is not None:
        await _note(session, "role_revoked", revoked_by, account_id, grant, now)


async def _note(session: Session, kind: str, actor: int | None, account_id: int, grant: Grant, now: datetime) -> None:
    """Write a change of a staff role into the audit log; that somebody is a resident is nothing to watch."""
    if grant.role == "resident":
        return
    place = None
    if grant.territory_id is not None:
        place = await session.scalar(select(territory.c.code).where(territory.c.id == grant.territory_id))
    facts = {"role": grant.role, "department": grant.department, "territory": place}
    await write_event(
        session, kind, actor=actor, subject=f"account:{account_id}",
        facts={name: value for name, value in facts.items() if value is not None}, now=now,
    )  # fmt: skip


async def enable_account(session: Session, account_id: int, *, by: int, now: datetime) -> None:
    """Let a disabled account in again, with the roles it has; its tokens stay revoked."""
    await session.execute(update(account).where(account.c.id == account_id).values(disabled_at=None))
    await write_event(session, "account_enabled", actor=by, subject=f"account:{account_id}", now=now)


async def replace_hash(session: Session, account_id: int, old: str, new: str) -> None:
    """Store the same password hashed with today's parameters, unless it was changed meanwhile."""
    await session.execute(
        update(account).where(account.c.id == account_id, account.c.password_hash == old).values(password_hash=new)
    )


async def change_password(session: Session, account_id: int, *, password_hash: str, keep: bytes | None) -> list[bytes]:
    """Store a new password; end all the account's sessions but the one to `keep`, and revoke its tokens of the API.

    Sign-ins that wait for their one-time code or a letter's link end too: they began with the old password. Passkeys
    and one-time codes stay as they are. Gives the token hashes of the sessions. Tokens revoked before keep their time.
    """
    await session.execute(update(account).where(account.c.id == account_id).values(password_hash=password_hash))
    await revoke_all_tokens(session, account_id)
    await session.execute(delete(pre_session).where(pre_session.c.account_id == account_id))
    await forget_letters(session, account_id, "sign_in")
    return list(await end_all_web_sessions(session, account_id, keep=keep))


async def count_admins(session: ReadSession, *, disabled_within: timedelta = timedelta()) -> int:
    """Count the administrators whose accounts are not disabled, or were disabled no longer ago than so."""
    lately = account.c.disabled_at > func.now() - disabled_within
    found = await session.scalar(
        select(func.count(account.c.id.distinct()))
        .select_from(account_role.join(account))
        .where(account_role.c.role == "admin", account.c.disabled_at.is_(None) | lately)
    )
    return found or 0

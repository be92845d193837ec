"""Whoever came back from the city's sign-on and the register: which entry is his, and what links the two.

An entry is found by a subject linked before, or by the number the provider vouches for. Nothing else counts: no e-mail,
no phone, no name (the register has none). Where the two ways lead apart, or nowhere, nobody is signed in and the desk
gets a case; see `cases`. Only HMACs are kept of subject and number, under the versioned secrets of `polls.identity`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlalchemy import delete, func, insert, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert

from polls.identity import identity_key
from polls.register import find_citizen
from polls.sessions import ReadSession, Session
from polls.tables import citizen, identity
from voting.identity.accounts import make_resident
from voting.identity.city_sign_on.configuration import ProviderSettings
from voting.identity.city_sign_on.errors import AccountClosed
from voting.identity.city_sign_on.providers import Person
from voting.identity.city_sign_on.tables import sign_on_link
from voting.tables import account

CaseKind = Literal["two_entries", "two_subjects", "not_found", "number_changed", "birth_date"]
Key = tuple[int, bytes]
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:word, 5653))")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A person as his keys: the newest version of each first."""

    provider: str
    subject: tuple[Key, ...]
    number: tuple[Key, ...]
    birth_date: date | None


@dataclass(frozen=True, slots=True)
class Found:
    """The entry of a person; `linked` where the link is new."""

    citizen_id: int
    linked: bool


@dataclass(frozen=True, slots=True)
class Unclear:
    """Why there is no telling, and the entries the two ways lead to."""

    kind: CaseKind
    by_subject: int | None
    by_number: int | None


def claimed_keys(settings: ProviderSettings, person: Person, secrets: Mapping[int, bytes]) -> Claimed:
    """The keys of a person under every version of the identity secret."""
    versions = sorted(secrets, reverse=True)
    subject = f"{settings.issuer}|{person.subject}"
    number: tuple[Key, ...] = ()
    if person.number is not None:
        try:
            number = tuple((one, identity_key(secrets[one], "national_id", person.number)) for one in versions)
        except ValueError:
            number = ()  # no number of any register: nobody is found by it
    return Claimed(
        provider=settings.name,
        subject=tuple((one, identity_key(secrets[one], "subject", subject)) for one in versions),
        number=number,
        birth_date=person.birth_date,
    )


async def lock_subject(session: Session, claimed: Claimed) -> None:
    """Let nobody else decide about this subject until the transaction ends."""
    await session.execute(_LOCK, {"word": claimed.subject[0][1].hex()})


async def find_entry(session: Session, claimed: Claimed, now: datetime) -> Found | Unclear:
    """Find the entry, linking it if nothing stands against it. Call `lock_subject` before."""
    by_subject = await find_citizen(session, "subject", claimed.subject)
    by_number = await find_citizen(session, "national_id", claimed.number)
    if by_subject is not None:
        if by_number not in (None, by_subject):
            return Unclear("two_entries", by_subject, by_number)
        # A subject the provider gives to somebody new would lead to the entry of whoever had it: the number tells.
        if by_number is None and claimed.number:
            return Unclear("number_changed", by_subject, None)
        await link(session, claimed.provider, claimed.subject, by_subject, now)
        return Found(by_subject, linked=False)
    if by_number is None:
        return Unclear("not_found", None, None)
    # Two people who come at the same moment with one number wait for one another here.
    born = await session.scalar(select(citizen.c.birth_date).where(citizen.c.id == by_number).with_for_update())
    if await linked_subject(session, claimed.provider, by_number):
        return Unclear("two_subjects", None, by_number)
    if born is not None and claimed.birth_date is not None and born != claimed.birth_date:
        return Unclear("birth_date", None, by_number)
    await link(session, claimed.provider, claimed.subject, by_number, now)
    return Found(by_number, linked=True)


async def linked_subject(session: ReadSession, provider: str, citizen_id: int) -> bool:
    """Tell whether somebody of this provider is linked to the entry."""
    found = select(func.count()).where(sign_on_link.c.provider == provider, sign_on_link.c.citizen_id == citizen_id)
    return bool(await session.scalar(found))


async def link(session: Session, provider: str, subject: tuple[Key, ...], citizen_id: int, now: datetime) -> None:
    """Link a subject to an entry under the newest secret; nothing, where it is linked so already."""
    version, key = subject[0]
    added = await session.execute(
        upsert(identity)
        .values(kind="subject", key_version=version, key=key, citizen_id=citizen_id)
        .on_conflict_do_nothing()
        .returning(identity.c.key_version)
    )
    if added.one_or_none() is not None:
        await session.execute(
            insert(sign_on_link).values(
                key_version=version, key=key, provider=provider, citizen_id=citizen_id, linked_at=now
            )
        )


async def unlink(session: Session, *, provider: str, citizen_id: int) -> date | None:
    """Take the link of a provider from an entry, under every secret; gives the day it was made, or None."""
    rows = await session.execute(
        delete(sign_on_link)
        .where(sign_on_link.c.provider == provider, sign_on_link.c.citizen_id == citizen_id)
        .returning(sign_on_link.c.key_version, sign_on_link.c.key, sign_on_link.c.linked_at)
    )
    gone = rows.all()
    if not gone:
        return None
    keys = [(row.key_version, row.key) for row in gone]
    await session.execute(
        delete(identity).where(identity.c.kind == "subject", tuple_(identity.c.key_version, identity.c.key).in_(keys))
    )
    made: datetime = min(row.linked_at for row in gone)
    return made.date()


async def account_of_citizen(session: Session, citizen_id: int, now: datetime) -> tuple[int, bool]:
    """The account of an entry, made if there is none; its id, and whether it was made. Raises AccountClosed."""
    found = (
        await session.execute(
            select(account.c.id, account.c.disabled_at).where(account.c.citizen_id == citizen_id).with_for_update()
        )
    ).one_or_none()
    if found is not None:
        if found.disabled_at is not None:
            raise AccountClosed
        await make_resident(session, found.id, now=now)
        return int(found.id), False
    made = await session.execute(
        upsert(account)
        .values(citizen_id=citizen_id, created_at=now)
        .on_conflict_do_nothing(index_elements=["citizen_id"])
        .returning(account.c.id)
    )
    account_id: int | None = made.scalar_one_or_none()
    if account_id is None:  # somebody has just signed up for this entry in another way
        account_id = (
            await session.execute(select(account.c.id).where(account.c.citizen_id == citizen_id))
        ).scalar_one()
        return account_id, False
    await make_resident(session, account_id, now=now)
    return account_id, True

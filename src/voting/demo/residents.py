"""The demo's own residents: register entries with known numbers, and the accounts that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from polls.identity import identity_key
from polls.register import find_citizen
from polls.register_import import import_register
from polls.sessions import Session
from voting.demo_register import HEADER
from voting.identity.demo import DEMO_ACCOUNTS, create_demo_accounts
from voting.identity.passwords import PasswordPool
from voting.secrets import identity_secrets
from voting.settings import Settings
from voting.tables import account

SINCE = "2015-09-01"


@dataclass(frozen=True)
class Resident:
    """One made-up resident. `key` is the account's; the newcomer has none and waits for somebody to sign up."""

    key: str
    national_id: str
    age: int
    sex: str
    district: str
    level: int
    groups: str = ""

    def entry(self, now: datetime, zone: ZoneInfo) -> str:
        """The line of the register file. The birthday was five months ago, so the age holds for months to come."""
        born = now.astimezone(zone).date() - timedelta(days=int(self.age * 365.2425) + 150)
        return f"{self.national_id},{born},{self.sex},{self.district},{self.level},{self.groups},{SINCE}\n"


RESIDENTS = (
    Resident("resident", "77-90000001", 38, "f", "msk-sao-timiryazevsky", 2, "large-families"),
    Resident("neighbour", "77-90000002", 61, "m", "msk-sao-timiryazevsky", 3, "veterans"),
    Resident("teenager", "77-90000003", 16, "m", "msk-sao-timiryazevsky", 1),
    Resident("southerner", "77-90000004", 45, "f", "msk-yuzao-yasenevo", 2),
    Resident("newcomer", "77-90000005", 27, "f", "msk-sao-sokol", 2, "students"),
)  # fmt: skip
NEWCOMER = RESIDENTS[-1]


async def settle_residents(session: Session, settings: Settings, now: datetime) -> dict[str, int]:
    """Enter the demo's residents into the register by the ordinary import; their citizen ids by key."""
    secrets = identity_secrets(settings)
    lines = [HEADER, *(resident.entry(now, settings.zone).encode() for resident in RESIDENTS)]
    await import_register(session, [b"".join(lines)], secrets=secrets, now=now, zone=settings.time_zone)
    found: dict[str, int] = {}
    for resident in RESIDENTS:
        keys = [(version, identity_key(key, "national_id", resident.national_id)) for version, key in secrets.items()]
        citizen_id = await find_citizen(session, "national_id", keys)
        assert citizen_id is not None
        found[resident.key] = citizen_id
    return found


async def open_accounts(
    session: Session, settings: Settings, citizens: dict[str, int], now: datetime
) -> tuple[int, int]:
    """Make the demo's accounts that are missing; gives the ids of the official, who is the author of the demo's polls,
    and of the reviewer, who certifies their results."""
    pool = PasswordPool(settings.argon2_threads)
    try:
        await create_demo_accounts(session, settings, pool, citizens=citizens, now=now)
    finally:
        pool.close()
    ids = {row.email: row.id for row in await session.execute(select(account.c.id, account.c.email))}
    official, reviewer = (
        next(ids[demo.login] for demo in DEMO_ACCOUNTS if role in demo.roles) for role in ("official", "reviewer")
    )
    return official, reviewer

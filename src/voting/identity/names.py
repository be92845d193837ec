"""Names of accounts, for pages where officials see who did what."""

from collections.abc import Collection, Mapping

from sqlalchemy import select

from polls.sessions import ReadSession
from voting.tables import account, account_role


async def names_of(session: ReadSession, account_ids: Collection[int]) -> Mapping[int, str]:
    """The display names of these accounts; an account without one is left out."""
    rows = await session.execute(
        select(account.c.id, account.c.display_name).where(account.c.id.in_(sorted(set(account_ids))))
    )
    return {row.id: row.display_name for row in rows if row.display_name}


async def officials_named(session: ReadSession) -> Mapping[int, str]:
    """Every account that may sign in as an official, by name; the number stands for one without a name."""
    rows = await session.execute(
        select(account.c.id, account.c.display_name)
        .distinct()
        .join(account_role, account_role.c.account_id == account.c.id)
        .where(account_role.c.role == "official", account.c.disabled_at.is_(None))
        .order_by(account.c.display_name, account.c.id)
    )
    return {row.id: row.display_name or f"№ {row.id}" for row in rows}


def masked_login(login: str) -> str:
    """An e-mail as ``i…@city.test``, a phone as ``…4567``: enough to tell two apart, too little to write to."""
    name, at, place = login.rpartition("@")
    return f"{name[:1]}…@{place}" if at else f"…{login[-4:]}" if login else ""

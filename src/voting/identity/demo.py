"""The accounts of the demonstration: one for every role, with a password everybody knows. Made in the demo only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from polls.sessions import Session
from voting.identity.accounts import create_account, normal_login
from voting.identity.assisted import assign_desk
from voting.identity.passwords import PasswordPool
from voting.settings import Settings
from voting.tables import account

PASSWORD = "veche demo"  # noqa: S105  -- shown on the sign-in page of the demo, and refused everywhere else

DEMO_CENTRE = "МФЦ района Арбат"


@dataclass(frozen=True)
class DemoAccount:
    """An account anybody may try. `label` is an English msgid."""

    key: str
    login: str
    label: str
    roles: tuple[str, ...]
    display_name: str = ""
    department: str = ""


DEMO_ACCOUNTS = (
    DemoAccount("resident", "resident@demo.example", "Resident: votes", ("resident",), "Анна Смирнова"),
    DemoAccount("neighbour", "neighbour@demo.example", "Another resident: votes too", ("resident",), "Пётр Орлов"),
    DemoAccount("teenager", "teenager@demo.example", "Resident of sixteen: some polls are not for him", ("resident",),
                "Максим Смирнов"),
    DemoAccount("southerner", "southerner@demo.example", "Resident of another okrug", ("resident",), "Ольга Зайцева"),
    DemoAccount("official", "official@demo.example", "Official: drafts polls", ("official",), "Ирина Лебедева",
                "Департамент транспорта"),
    DemoAccount("reviewer", "reviewer@demo.example", "Reviewer: approves polls", ("reviewer",), "Олег Карпов",
                "Департамент транспорта"),
    DemoAccount("analyst", "analyst@demo.example", "Analyst: takes the results away", ("analyst",), "Мария Белова"),
    DemoAccount("observer", "observer@demo.example", "Observer: watches the count", ("observer",), "Сергей Ким"),
    DemoAccount("operator", "operator@demo.example", "Operator: helps residents vote at a service centre",
                ("operator",), "Нина Фролова"),
    DemoAccount("admin", "admin@demo.example", "Administrator: accounts and roles", ("admin",), "Дежурный"),
)  # fmt: skip


async def create_demo_accounts(
    session: Session, settings: Settings, passwords: PasswordPool, *, citizens: Mapping[str, int], now: datetime
) -> int:
    """Make the accounts that are missing, residents those with a citizen under their key; gives how many were made.

    Raises RuntimeError outside the demo.
    """
    if not settings.demo:
        raise RuntimeError("demo accounts are made in the demo only")
    made = 0
    known = set((await session.scalars(select(account.c.email))).all())
    for demo in DEMO_ACCOUNTS:
        citizen_id = citizens.get(demo.key)
        if demo.login in known or ("resident" in demo.roles and citizen_id is None):
            continue
        made_id = await create_account(
            session, login=normal_login(demo.login), password_hash=await passwords.hash(PASSWORD), roles=demo.roles,
            display_name=demo.display_name, department=demo.department, citizen_id=citizen_id, now=now,
        )  # fmt: skip
        if "operator" in demo.roles:
            await assign_desk(session, made_id, DEMO_CENTRE, by=None, now=now)
        made += 1
    return made

"""Roles with a scope: a department, a territory with all below it, both, or everywhere.

A guard asks for the role (`voting.identity.guards`), and here it is asked whether the role reaches this very poll. A
session remembers its roles for some seconds; what is decided for good asks the database (`held`) and holds the rows
until the transaction ends, so that a role taken away meanwhile decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, true

from polls.definition import Definition
from polls.errors import PollNotFound
from polls.register import territory_tree
from polls.sessions import ReadSession, Session
from polls.tables import poll, territory
from voting.approvals.errors import OutOfScope
from voting.identity.names import officials_named
from voting.identity.scope import Grant
from voting.tables import account, account_role


@dataclass(frozen=True)
class Place:
    """Where a poll belongs: a department's name (empty: none yet), the ids of its territory and all above it."""

    department: str
    path: frozenset[int]


async def place_of(session: ReadSession, department: str, territory_id: int | None) -> Place:
    """The place of a poll by the columns of its row."""
    if territory_id is None:
        return Place(department, frozenset())
    above = select(territory.c.id, territory.c.parent_id).where(territory.c.id == territory_id).cte(recursive=True)
    above = above.union_all(
        select(territory.c.id, territory.c.parent_id).join(above, territory.c.id == above.c.parent_id)
    )
    return Place(department, frozenset(await session.scalars(select(above.c.id))))


def reaches(grant: Grant, place: Place, *, own: bool = False) -> bool:
    """Whether one grant reaches a place. Of one's `own` drafts what is not filled in yet is no obstacle."""
    in_department = grant.department is None or grant.department == place.department
    in_territory = grant.territory_id is None or grant.territory_id in place.path
    return (in_department or (own and not place.department)) and (in_territory or (own and not place.path))


async def held(session: Session, account_id: int, role: str) -> list[Grant]:
    """The grants of a role an account holds at this moment, held until the transaction ends; none of a disabled one."""
    rows = await session.execute(
        select(account_role.c.role, account_role.c.department, account_role.c.territory_id)
        .join(account, account.c.id == account_role.c.account_id)
        .where(account.c.id == account_id, account.c.disabled_at.is_(None), account_role.c.role == role)
        .with_for_update(read=True)
    )
    return [Grant(row.role, row.department, row.territory_id) for row in rows]


async def require_scope(session: Session, account_id: int, role: str, place: Place | None) -> None:
    """Let an account act in a role here and now. Refuses `OutOfScope` when none of its grants of the role reaches
    the place; a `place` of None asks for the role alone."""
    grants = await held(session, account_id, role)
    if not any(place is None or reaches(grant, place) for grant in grants):
        raise OutOfScope(role=role)


async def require_role_at(session: Session, account_id: int, slug_or_id: str, *roles: str) -> None:
    """Let an account act at the poll of this slug or id in one of the roles, here and now. Refuses `OutOfScope` where
    none of its grants of them reaches it. A poll there is not is let pass: the use case says so itself."""
    row = (
        await session.execute(
            select(poll.c.department, poll.c.territory_id).where(
                or_(poll.c.public_id == slug_or_id, poll.c.slug == slug_or_id)
            )
        )
    ).first()
    if row is None:
        return
    place = await place_of(session, row.department, row.territory_id)
    for role in roles:
        if any(reaches(grant, place) for grant in await held(session, account_id, role)):
            return
    raise OutOfScope(role=roles[0])


async def officials_reaching(session: ReadSession, poll_id: int) -> Mapping[int, str]:
    """The officials who may look after a poll, by name: a grant of theirs reaches it, as it is or as their own."""
    row = (
        await session.execute(
            select(poll.c.department, poll.c.territory_id, poll.c.sealed_at).where(poll.c.id == poll_id)
        )
    ).one()
    place = await place_of(session, row.department, row.territory_id)
    columns = (account_role.c.account_id, account_role.c.department, account_role.c.territory_id)
    granted = (await session.execute(select(*columns).where(account_role.c.role == "official"))).all()
    reaching = {
        one.account_id
        for one in granted
        if reaches(Grant("official", one.department, one.territory_id), place, own=row.sealed_at is None)
    }
    return {number: name for number, name in (await officials_named(session)).items() if number in reaching}


async def require_poll(session: ReadSession, grants: Sequence[Grant], account_id: int, name: str) -> None:
    """Let a viewer at the poll of this id or slug, by grants some seconds old.

    Refuses `PollNotFound` for a draft out of scope, which its people alone may know of, and `OutOfScope` for a poll
    everybody knows. A poll there is not is let pass: what is asked for says so itself.
    """
    if any(grant.everywhere for grant in grants):
        return
    row = (
        await session.execute(
            select(poll.c.department, poll.c.territory_id, poll.c.author_id, poll.c.sealed_at).where(
                or_(poll.c.public_id == name, poll.c.slug == name)
            )
        )
    ).first()
    if row is None:
        return
    place = await place_of(session, row.department, row.territory_id)
    own = row.author_id == account_id and row.sealed_at is None
    if not any(reaches(grant, place, own=own) for grant in grants):
        raise PollNotFound if row.sealed_at is None else OutOfScope(role=grants[0].role if grants else "")


async def require_placing(session: ReadSession, grants: Sequence[Grant], definition: Definition) -> None:
    """Let a viewer write a draft that says it belongs there. Refuses `OutOfScope`; what is empty is no obstacle."""
    if any(grant.everywhere for grant in grants):
        return
    tree = await territory_tree(session, buildings=True)
    found = tree.by_code.get(definition.territory) if definition.territory else None
    path = frozenset(tree.by_code[code].id for code in tree.path(found.code)) if found else frozenset()
    if not any(reaches(grant, Place(definition.department, path), own=True) for grant in grants):
        raise OutOfScope(role=grants[0].role if grants else "")


def polls_within(grants: Iterable[Grant], account_id: int) -> ColumnElement[bool]:
    """The condition on `poll` that lists of the office are narrowed by: within one of the grants, or an own draft."""
    told: list[ColumnElement[bool]] = []
    for grant in grants:
        if grant.everywhere:
            return true()
        parts: list[ColumnElement[bool]] = []
        mine = and_(poll.c.author_id == account_id, poll.c.sealed_at.is_(None))
        if grant.department is not None:
            parts.append(or_(poll.c.department == grant.department, and_(mine, poll.c.department == "")))
        if grant.territory_id is not None:
            parts.append(or_(poll.c.territory_id.in_(_below(grant.territory_id)),
                             and_(mine, poll.c.territory_id.is_(None))))  # fmt: skip
        told.append(and_(*parts))
    return or_(false(), *told)


def _below(territory_id: int) -> Select[tuple[int]]:
    below = select(territory.c.id).where(territory.c.id == territory_id).cte(recursive=True)
    below = below.union_all(select(territory.c.id).join(below, territory.c.parent_id == below.c.id))
    return select(below.c.id)

"""Assisted voting: a resident at a service centre votes in a booth, brought there by an operator. Use cases.

Two confirmations: the operator finds the register entry and says that the document was seen; the resident, in the
booth and in the same network, enters the code the operator's page shows and consents. Then there is a session of ten
minutes in which one can only cast (`voting.identity.recognition`), and it ends with the first vote. The session belongs
to the operator's account and names the resident only while it lasts.

What is kept: `participation.channel`, by poll and day, which the resident sees in their own data; and two events of the
audit log with operator and centre. No event says who came, in which poll they voted, or when: with the order of the
ballots, a time would lead from a person to a choice.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from polls.audit import write_event
from polls.errors import FieldError, Invalid, NotAllowed
from polls.sessions import ReadSession, Session
from voting.identity.accounts import holds_role, registered_person
from voting.identity.mailbox import notify
from voting.identity.refusals import BadCode, NoDesk
from voting.identity.sessions import new_token, token_hash
from voting.security import ASSISTED_PREFIX
from voting.tables import account, account_role, assisted_invitation, operator_desk, web_session

LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
CODE_LENGTH = 8  # 40 bits, used once, for minutes, from one network, tried at most sixty times in fifteen minutes
CODE_LIVES = timedelta(minutes=5)
SESSION_LIVES = timedelta(minutes=10)
LONGEST_CENTRE = 120


@dataclass(frozen=True, slots=True)
class Invitation:
    """A resident at a desk who has not consented yet."""

    id: int
    operator_id: int
    centre: str
    citizen_id: int


async def assign_desk(session: Session, account_id: int, centre: str, *, by: int | None, now: datetime) -> None:
    """Give an operator a service centre, or move them to another. Raises Invalid, also for who is no operator.

    The role itself is given like every other (`voting.approvals`), and counts for nothing without a desk.
    """
    centre = " ".join(centre.split())
    if not 0 < len(centre) <= LONGEST_CENTRE or not centre.isprintable():
        raise Invalid([FieldError("centre", "not_valid", "The name of a service centre is needed.")])
    if not await holds_role(session, account_id, "operator"):
        raise Invalid([FieldError("role", "not_operator", "This account does not have the role of an operator.")])
    await session.execute(
        upsert(operator_desk)
        .values(account_id=account_id, centre=centre)
        .on_conflict_do_update(index_elements=["account_id"], set_={"centre": centre})
    )
    await write_event(session, "desk_assigned", actor=by, subject=f"account:{account_id}", facts={"centre": centre},
                      now=now)  # fmt: skip


async def desk_of(session: ReadSession, operator_id: int) -> str:
    """The operator's service centre. Raises NoDesk."""
    found: str | None = await session.scalar(
        select(operator_desk.c.centre).where(operator_desk.c.account_id == operator_id)
    )
    if found is None:
        raise NoDesk
    return found


async def invite(
    session: Session, operator_id: int, *, national_id: str, birth_date: date, document_seen: bool, network: str,
    secrets_of_identity: Mapping[int, bytes], now: datetime,
) -> str:  # fmt: skip
    """Bring a resident to the desk; gives the code for the booth. `network` is a keyed hash of the operator's network.

    The register entry's owner is told by letter, if they have an account. Raises Invalid (document not confirmed),
    NotInRegister, NotAllowed (one's own entry), NoDesk.
    """
    centre = await desk_of(session, operator_id)
    if not document_seen:
        raise Invalid([FieldError("document_seen", "missing", "Confirm that you have seen the document.")])
    citizen_id = await registered_person(session, national_id, birth_date, secrets_of_identity)
    owner = (await session.execute(select(account.c.id).where(account.c.citizen_id == citizen_id))).scalar_one_or_none()
    if owner == operator_id:
        raise NotAllowed(roles=["operator"])
    code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
    await session.execute(delete(assisted_invitation).where(assisted_invitation.c.citizen_id == citizen_id))
    made = await session.scalar(
        insert(assisted_invitation)
        .values(
            operator_id=operator_id, centre=centre, citizen_id=citizen_id, code_hash=_hash(code), network=network,
            expires_at=now + CODE_LIVES,
        )
        .returning(assisted_invitation.c.id)
    )  # fmt: skip
    await write_event(session, "assisted_opened", actor=operator_id, subject=f"desk:{made}", facts={"centre": centre},
                      now=now)  # fmt: skip
    if owner is not None:
        await notify(session, owner, "assisted_opened", now=now, centre=centre)
    return f"{code[:4]} {code[4:]}"


async def look_at_code(session: ReadSession, code: str, *, network: str, now: datetime) -> Invitation:
    """The invitation of a code, left as it is. Raises BadCode."""
    row = (await session.execute(select(assisted_invitation).where(*_good(code, network, now)))).one_or_none()
    if row is None:
        raise BadCode
    return Invitation(row.id, row.operator_id, row.centre, row.citizen_id)


async def begin(session: Session, code: str, *, consented: bool, network: str, user_agent: str, now: datetime) -> str:
    """Open the session of a resident who consents; gives its token. Raises Invalid, BadCode.

    The code is used up, and an earlier session of the same resident ends.
    """
    if not consented:
        raise Invalid([FieldError("consent", "missing", "Your consent is needed to go on.")])
    holds_role = select(account_role.c.account_id).where(account_role.c.role == "operator")
    row = (
        await session.execute(
            delete(assisted_invitation)
            .where(*_good(code, network, now), assisted_invitation.c.operator_id.in_(holds_role))
            .returning(assisted_invitation)
        )
    ).one_or_none()
    if row is None:
        raise BadCode
    await session.execute(delete(web_session).where(web_session.c.assisted_citizen_id == row.citizen_id))
    token = ASSISTED_PREFIX + new_token()
    await session.execute(
        insert(web_session).values(
            token_hash=token_hash(token), account_id=row.operator_id, created_at=now, last_seen_at=now,
            expires_at=now + SESSION_LIVES, user_agent=user_agent[:200], assisted_citizen_id=row.citizen_id,
            assisted_centre=row.centre,
        )
    )  # fmt: skip
    await write_event(session, "assisted_begun", actor=row.operator_id, subject=f"desk:{row.id}",
                      facts={"centre": row.centre}, now=now)  # fmt: skip
    return token


async def sweep_invitations(session: Session, *, now: datetime) -> None:
    """Delete invitations nobody took up."""
    await session.execute(delete(assisted_invitation).where(assisted_invitation.c.expires_at <= now))


def _good(code: str, network: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        assisted_invitation.c.code_hash == _hash(code),
        assisted_invitation.c.network == network,
        assisted_invitation.c.expires_at > now,
    )


def _hash(code: str) -> bytes:
    plain = "".join(ch for ch in code.upper() if ch in LETTERS)[: CODE_LENGTH + 1]
    return hashlib.sha256(b"veche/desk/v1\0" + plain.encode()).digest()

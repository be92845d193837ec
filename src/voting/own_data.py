"""Everything kept about one person, as a file for that person: plain names, no keys and no secrets.

What is not in it is not kept with the person: choices of anonymous votes, stars of ratings, own words. Times are ISO
8601 in UTC, days in city time.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import or_, select

from polls.errors import SignInNeeded
from polls.sessions import ReadSession
from polls.tables import (
    audit_event,
    citizen,
    citizen_group,
    citizen_period,
    identity,
    named_ballot,
    participation,
    poll,
    territory,
)
from polls.unit_tables import invited, invited_list, unit, unit_owner
from results.tables import decision, work_rating_given
from voting.factor_tables import one_time_code, passkey, recovery_code
from voting.identity.city_sign_on.tables import sign_on_case, sign_on_link
from voting.tables import (
    account,
    account_erasure,
    account_role,
    api_token,
    approval,
    email_change,
    mail_out,
    operator_desk,
    web_session,
)

Data = dict[str, Any]
ABOUT = {
    "ru": "Всё, что этот сайт хранит о вас. Ответов в обезличенных голосованиях здесь нет: они не хранятся вместе с "
    "человеком, и найти их не может никто. В именных голосованиях ответ хранится с именем и здесь есть. Пароль "
    "хранится только как отпечаток, ключи опознания тоже; в файл они не входят.",
    "en": "Everything this site keeps about you. Answers in anonymous polls are not here: they are not kept with the "
    "person, and nobody can find them. In named polls the answer is kept with the name, and is here. The password is "
    "kept as a hash only, and so are the keys you are recognised by; they are not in the file.",
}


async def collect(session: ReadSession, account_id: int, *, now: datetime) -> Data:
    """All of it, in sections. Raises SignInNeeded where there is no such account any more."""
    owner = (await session.execute(select(account).where(account.c.id == account_id))).one_or_none()
    if owner is None:
        raise SignInNeeded  # erased a moment ago; the session is remembered for some seconds more
    found: Data = {"about": ABOUT, "made_at": now, "account": await _account(session, account_id, owner)}
    if owner.citizen_id is not None:
        found["register"] = await _register(session, owner.citizen_id)
        found["taking_part"] = await _participations(session, owner.citizen_id)
        found["named_votes"] = await _named(session, owner.citizen_id)
        found["ratings_given"] = await _ratings(session, owner.citizen_id)
    events = select(audit_event.c.at, audit_event.c.kind, audit_event.c.subject, audit_event.c.facts)
    mine = (audit_event.c.actor == account_id) | (audit_event.c.subject == f"account:{account_id}")
    found["audit_log"] = await _rows(session, events.where(mine).order_by(audit_event.c.id))
    made: Data = plain(found)
    return made


async def _account(session: ReadSession, account_id: int, owner: Any) -> Data:
    of = {
        "roles": select(account_role.c.role, account_role.c.department, territory.c.name_ru.label("territory"),
                        account_role.c.granted_at)
        .outerjoin_from(account_role, territory, territory.c.id == account_role.c.territory_id)
        .where(account_role.c.account_id == account_id),
        "sessions": select(
            web_session.c.created_at, web_session.c.last_seen_at, web_session.c.expires_at, web_session.c.user_agent,
            web_session.c.way,
        ).where(web_session.c.account_id == account_id, web_session.c.assisted_centre.is_(None)),
        "api_tokens": select(
            api_token.c.name, api_token.c.prefix, api_token.c.scopes, api_token.c.created_at, api_token.c.expires_at,
            api_token.c.last_used_on, api_token.c.revoked_at,
        ).where(api_token.c.account_id == account_id),
        **_factors(account_id),
        "email_change": select(email_change.c.new_email, email_change.c.expires_at).where(
            email_change.c.account_id == account_id
        ),
        "letters_waiting": select(mail_out.c.message_key, mail_out.c.to_address, mail_out.c.created_at).where(
            mail_out.c.account_id == account_id
        ),
        "erasure": select(account_erasure.c.asked_at, account_erasure.c.due_at).where(
            account_erasure.c.account_id == account_id
        ),
        "desk": select(operator_desk.c.centre).where(operator_desk.c.account_id == account_id),
    }  # fmt: skip
    email = ("email", "email_verified_at", "email_lost_at")
    own = (*email, "phone", "display_name", "department", "language", "created_at")
    found: Data = {"number": account_id, "has_password": owner.password_hash is not None}
    found.update({name: getattr(owner, name) for name in own})
    return found | {name: await _rows(session, query) for name, query in of.items()}


def _factors(account_id: int) -> Data:
    """Passkeys, one-time codes and what two people were asked about the account; no key, secret or proof."""
    mine = (approval.c.object_kind == "account") & (approval.c.object_ref == str(account_id))
    return {
        "passkeys": select(
            passkey.c.name, passkey.c.created_at, passkey.c.last_used_on, passkey.c.aaguid, passkey.c.backed_up
        ).where(passkey.c.account_id == account_id),
        "one_time_codes": select(one_time_code.c.created_at, one_time_code.c.confirmed_at).where(
            one_time_code.c.account_id == account_id
        ),
        "recovery_codes": select(recovery_code.c.used_at).where(recovery_code.c.account_id == account_id),
        "approvals": select(
            approval.c.action, approval.c.object_kind, approval.c.object_ref, approval.c.asked_at, approval.c.state,
            approval.c.decided_at,
        ).where(mine | (approval.c.author_id == account_id) | (approval.c.decided_by == account_id)),
    }  # fmt: skip


async def _register(session: ReadSession, citizen_id: int) -> Data:
    entry = (await session.execute(select(citizen).where(citizen.c.id == citizen_id))).one()
    groups = {row.id: row.name_ru for row in await session.execute(select(citizen_group))}
    building = territory.alias()
    periods = await _rows(
        session,
        select(
            citizen_period.c.valid_from, citizen_period.c.valid_to, territory.c.name_ru.label("district"),
            building.c.name_ru.label("building"), citizen_period.c.level, citizen_period.c.groups,
        )
        .join_from(citizen_period, territory, territory.c.id == citizen_period.c.district_id)
        .outerjoin(building, building.c.id == citizen_period.c.building_id)
        .where(citizen_period.c.citizen_id == citizen_id)
        .order_by(citizen_period.c.valid_from),
    )  # fmt: skip
    for period in periods:
        period["groups"] = [groups.get(one, str(one)) for one in period["groups"]]
    flats = (
        select(territory.c.name_ru.label("building"), unit.c.number, unit_owner.c.share_numerator,
               unit_owner.c.share_denominator, unit_owner.c.valid_from, unit_owner.c.valid_to)
        .join_from(unit_owner, unit, unit.c.id == unit_owner.c.unit_id)
        .join(territory, territory.c.id == unit.c.building_id)
        .where(unit_owner.c.citizen_id == citizen_id)
    )  # fmt: skip
    lists = select(invited_list.c.code, invited_list.c.title_ru).join_from(
        invited, invited_list, invited_list.c.id == invited.c.list_id
    )
    links = select(sign_on_link.c.provider, sign_on_link.c.linked_at).where(sign_on_link.c.citizen_id == citizen_id)
    case = sign_on_case.c
    decided = case.state.in_(("linked", "merged"))
    cases = (
        select(case.reference, case.kind, case.provider, case.opened_at, case.state, case.answer, case.decided_at)
        .where(or_(case.by_subject == citizen_id, decided & (case.entry_id == citizen_id),
                   decided & (case.other_id == citizen_id)))
        .order_by(case.id)
    )  # fmt: skip
    kinds = select(identity.c.kind).where(identity.c.citizen_id == citizen_id).distinct()
    return {
        "register": entry.register_code, "birth_date": entry.birth_date, "sex": entry.sex,
        "registered_at": entry.registered_at, "periods": periods, "flats": await _rows(session, flats),
        "invited_to": await _rows(session, lists.where(invited.c.citizen_id == citizen_id)),
        "recognised_by": sorted(await session.scalars(kinds)),
        "city_sign_on": await _rows(session, links), "sign_on_cases": await _rows(session, cases),
    }  # fmt: skip


async def _participations(session: ReadSession, citizen_id: int) -> list[Data]:
    return await _rows(
        session,
        select(poll.c.public_id, poll.c.slug, poll.c.title_ru, poll.c.title_en, participation.c.day,
               participation.c.channel)
        .join_from(participation, poll, poll.c.id == participation.c.poll_id)
        .where(participation.c.citizen_id == citizen_id)
        .order_by(participation.c.day, poll.c.id),
    )  # fmt: skip


async def _named(session: ReadSession, citizen_id: int) -> list[Data]:
    """Votes of polls whose law keeps the name beside the answer."""
    rows = await _rows(
        session,
        select(poll.c.public_id, poll.c.slug, poll.c.title_ru, named_ballot.c.seq, named_ballot.c.answers)
        .join_from(named_ballot, poll, poll.c.id == named_ballot.c.poll_id)
        .where(named_ballot.c.citizen_id == citizen_id)
        .order_by(poll.c.id),
    )
    for row in rows:
        row["answers"] = [json.loads(answer) if answer else None for answer in row["answers"]]
    return rows


async def _ratings(session: ReadSession, citizen_id: int) -> list[Data]:
    """That the finished work was rated; the stars are kept without names."""
    return await _rows(
        session,
        select(poll.c.public_id, poll.c.slug, poll.c.title_ru)
        .join_from(work_rating_given, decision, decision.c.id == work_rating_given.c.decision_id)
        .join(poll, poll.c.id == decision.c.poll_id)
        .where(work_rating_given.c.citizen_id == citizen_id)
        .order_by(poll.c.id),
    )


async def _rows(session: ReadSession, query: Any) -> list[Data]:
    return [dict(row._mapping) for row in await session.execute(query)]


def plain(value: Any) -> Any:
    """The value with what JSON does not know as text."""
    if isinstance(value, dict):
        return {name: plain(held) for name, held in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(held) for held in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def as_json(data: Data) -> bytes:
    """The file."""
    return json.dumps(data, ensure_ascii=False, indent=2).encode() + b"\n"


def as_zip(data: Data) -> bytes:
    """An archive of the file whole, and a file for each of its sections."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("read-me.txt", "\n\n".join(ABOUT.values()) + "\n")
        made.writestr("everything.json", as_json(data))
        for name, section in data.items():
            if name not in ("about", "made_at"):
                made.writestr(f"{name}.json", as_json(section))
    return archive.getvalue()

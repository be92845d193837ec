"""What people do to the ways they sign in by: add and remove passkeys, turn one-time codes on and off.

Each takes a fresh proof (`step_up`) of the purpose `passkey_add`, `passkey_remove`, `codes_on`, `codes_off` or
`recovery_codes` over `object_of`, is written to the audit log and told to the owner by letter, and what takes a way
away or adds a step ends all other sessions of the account.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Request

from polls.audit import write_event
from polls.audit_chain import Fact
from polls.sessions import ReadSession, Session
from voting.identity import accounts, ceremonies, passkeys, totp
from voting.identity.ceremonies import Json
from voting.identity.mailbox import notify
from voting.identity.recognition import web_session_of
from voting.identity.sessions import SessionRecord, end_all_web_sessions
from voting.identity.signing_in import Desk
from voting.identity.step_up import Asked, Proof, ask, object_hash, require_fresh
from voting.identity.totp import SetUp

AnyRequest = Request[Any, Any, Any]


def object_of(purpose: str, account_id: int, passkey_id: int | None = None) -> bytes:
    """What a proof is given for: the purpose, the account, and the passkey to be removed."""
    return object_hash(action=purpose, account=account_id, passkey=passkey_id)


async def ask_for(
    session: ReadSession, desk: Desk, account_id: int, purpose: str, passkey_id: int | None = None
) -> Asked:
    """What the proof must be, for the page that asks for it."""
    hashed = object_of(purpose, account_id, passkey_id)
    return await ask(session, account_id, purpose=purpose, object_hash=hashed, settings=desk.settings)


async def begin_passkey(desk: Desk, request: AnyRequest, proof: Proof | None, *, now: datetime) -> Json:
    """Options for a browser that is to make a passkey: asked for before, so that none is made in vain.

    Raises StepUpNeeded and its kin, TooManyPasskeys, PasskeysUnavailable.
    """
    record = _record(request)
    party = ceremonies.relying_party(desk.settings)
    async with desk.database.open_session() as session:
        await _prove(session, desk, request, "passkey_add", proof, now)
        return await passkeys.begin_registration(
            session, record.account_id, bound_to=record.token_hash, party=party, now=now
        )


async def add_passkey(desk: Desk, request: AnyRequest, credential: Json, name: str, *, now: datetime) -> int:
    """Keep a passkey that was made; gives its id. Its challenge was drawn in this session after a fresh proof.

    Raises Invalid, PasskeyRefused, PasskeyExists, TooManyPasskeys, PasskeysUnavailable.
    """
    record = _record(request)
    party = ceremonies.relying_party(desk.settings)
    async with desk.database.open_session() as session:
        made = await passkeys.finish_registration(
            session, record.account_id, bound_to=record.token_hash, party=party, credential=credential, name=name,
            now=now,
        )  # fmt: skip
        await notify(session, record.account_id, "passkey_added", now=now)
    return made


async def remove_passkey(
    desk: Desk, request: AnyRequest, passkey_id: int, proof: Proof | None, *, now: datetime
) -> None:
    """Remove a passkey and end all other sessions. Raises StepUpNeeded and its kin, NotFound, LastPasskey."""
    record = _record(request)
    async with desk.database.open_session() as session:
        await passkeys.own_passkey(session, record.account_id, passkey_id)
        await _prove(session, desk, request, "passkey_remove", proof, now, passkey_id)
        await passkeys.remove_passkey(
            session, record.account_id, passkey_id, keep_one=desk.settings.staff_step_up == "passkey", now=now
        )
        await notify(session, record.account_id, "passkey_removed", now=now)
        await end_all_web_sessions(session, record.account_id, keep=record.token_hash)
    desk.web_sessions.forget_account(record.account_id)


async def begin_codes(desk: Desk, request: AnyRequest, proof: Proof | None, *, now: datetime) -> SetUp:
    """Draw a secret for an application of one-time codes. Raises StepUpNeeded and its kin, CodesAlreadyOn."""
    record = _record(request)
    async with desk.database.open_session() as session:
        await _prove(session, desk, request, "codes_on", proof, now)
        login = (await accounts.logins_of(session, record.account_id))[0]
        return await totp.begin_set_up(
            session, record.account_id, login=login, site=desk.settings.site_name_ru, keys=desk.seal_keys, now=now
        )


async def pending_codes(desk: Desk, request: AnyRequest, *, now: datetime) -> SetUp | None:
    """The secret that waits for its first code, to be shown once more while its proof is fresh."""
    record = _record(request)
    async with desk.database.open_session() as session:
        login = (await accounts.logins_of(session, record.account_id))[0]
        return await totp.pending_set_up(
            session, record.account_id, login=login, site=desk.settings.site_name_ru, keys=desk.seal_keys, now=now
        )


async def confirm_codes(desk: Desk, request: AnyRequest, code: str, *, now: datetime) -> list[str]:
    """Turn codes on with the first of them and end all other sessions; gives the recovery codes. Raises CodeRefused."""
    record = _record(request)
    await desk.throttle.hit(("second_step", f"account {record.account_id}"), now=now)
    async with desk.database.open_session() as session:
        made = await totp.confirm_set_up(session, record.account_id, code, keys=desk.seal_keys, now=now)
        await notify(session, record.account_id, "codes_on", now=now)
        await end_all_web_sessions(session, record.account_id, keep=record.token_hash)
    desk.web_sessions.forget_account(record.account_id)
    await desk.throttle.forgive("second_step", f"account {record.account_id}", now=now)
    return made


async def renew_recovery_codes(desk: Desk, request: AnyRequest, proof: Proof | None, *, now: datetime) -> list[str]:
    """Ten new recovery codes; the old ones open nothing. Raises StepUpNeeded and its kin, CodeRefused."""
    async with desk.database.open_session() as session:
        await _prove(session, desk, request, "recovery_codes", proof, now)
        return await totp.renew_recovery_codes(session, _record(request).account_id, now=now)


async def turn_codes_off(desk: Desk, request: AnyRequest, proof: Proof | None, *, now: datetime) -> None:
    """Ask for no codes any more and end all other sessions. Raises StepUpNeeded and its kin."""
    record = _record(request)
    async with desk.database.open_session() as session:
        await _prove(session, desk, request, "codes_off", proof, now)
        await totp.turn_off(session, record.account_id, actor=record.account_id, now=now)
        await notify(session, record.account_id, "codes_off", now=now)
        await end_all_web_sessions(session, record.account_id, keep=record.token_hash)
    desk.web_sessions.forget_account(record.account_id)


async def forget_keys(session: Session, account_id: int, *, actor: int | None, now: datetime) -> tuple[int, bool]:
    """Remove all passkeys and one-time codes of somebody who has lost them, and end all the account's sessions.

    Gives how many passkeys there were, and whether codes were on. For the command line: whoever may run it has made
    sure who is asking.
    """
    removed = await passkeys.remove_all_passkeys(session, account_id)
    codes = await totp.turn_off(session, account_id, actor=actor, now=now)
    await end_all_web_sessions(session, account_id)
    await notify(session, account_id, "keys_forgotten", now=now)
    facts: dict[str, Fact] = {"passkeys": removed, "codes": codes}
    await write_event(session, "passkeys_forgotten", actor=actor, subject=f"account:{account_id}", facts=facts, now=now)
    return removed, codes


async def _prove(
    session: Session, desk: Desk, request: AnyRequest, purpose: str, proof: Proof | None, now: datetime,
    passkey_id: int | None = None,
) -> None:  # fmt: skip
    account_id = _record(request).account_id
    await require_fresh(
        session, request, account_id, purpose=purpose, object_hash=object_of(purpose, account_id, passkey_id),
        proof=proof, settings=desk.settings, now=now,
    )  # fmt: skip


def _record(request: AnyRequest) -> SessionRecord:
    record = web_session_of(request)
    assert record is not None, "guarded"
    return record

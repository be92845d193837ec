"""A fresh proof that it is you, asked for once more, for one thing: publishing this poll as it is, removing that key.

    evidence = await require_fresh(session, request, account_id, purpose="publish", object_hash=hash_of_the_poll,
                                   proof=proof_of_form(form), settings=settings, now=now)

The proof is a passkey's signature over ``SHA-256("veche/step-up/v1" ‖ purpose ‖ object_hash ‖ nonce)``, so it serves
for this purpose and these bytes alone; the nonce is a row that serves once, for five minutes, to one account in one
session. Where the deployment says so (`Settings.staff_step_up`), and for residents' own accounts, the password typed
again will do, with a one-time code where the account asks for them; an account that has a passkey and works for the
city is never let through by a password.

A page asks `ask` what is needed, and includes ``step_up/_proof.html`` in its form. The API asks ``GET
/api/v1/step-up`` and sends the answer in the header ``X-Step-Up`` (`proof_of_header`) or in a field of the body.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import rfc8785
from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.types import Scope
from sqlalchemy import insert, select, update

from polls.audit import write_event
from polls.errors import Busy, FieldError, Invalid, SignInNeeded, TooMany
from polls.sessions import ReadSession, Session
from voting.factor_tables import step_up_challenge
from voting.identity import accounts, ceremonies, totp
from voting.identity.factor_refusals import (
    CodeRefused,
    PasskeyRefused,
    PasskeySuspect,
    StepUpElsewhere,
    StepUpExpired,
    StepUpFailed,
    StepUpNeeded,
    StepUpUsed,
)
from voting.identity.passkeys import allowed_credentials, has_passkey, is_staff, note_suspect, roles_of, use_passkey
from voting.identity.sessions import SessionRecord
from voting.settings import Settings
from voting.tables import account, web_session

PREFIX = b"veche/step-up/v1"
ANSWER_WITHIN = timedelta(minutes=5)
NONCE_BYTES = HASH_BYTES = 32
PURPOSE = re.compile(r"[a-z][a-z0-9_]{0,39}")
OWN_PURPOSES = frozenset({"passkey_add", "passkey_remove", "codes_on", "codes_off", "recovery_codes", "own_account"})
"""What people do to the sign-in of their own accounts: here the first passkey comes from, so a password may do."""
HEADER = "x-step-up"
LONGEST_PROOF = 30_000
PROOF_REFUSALS = (
    StepUpNeeded, StepUpExpired, StepUpUsed, StepUpElsewhere, StepUpFailed, PasskeySuspect, TooMany, Busy,
)  # fmt: skip
"""What may be answered to a fresh proof, or to none."""

Way = Literal["passkey", "password", "sign_in"]
Where = ASGIConnection[Any, Any, Any, Any] | Scope


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody gave: a passkey's answer, or a password with a one-time code where the account asks for them."""

    credential: Mapping[str, Any] | None = None
    password: str | None = None
    code: str | None = None

    def __repr__(self) -> str:
        return f"Proof({'passkey' if self.credential is not None else 'password'})"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A proof that held: what approvals keep. `credential_id` is the passkey's, None for other ways."""

    account_id: int
    method: Way
    credential_id: bytes | None
    object_hash: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page must ask for. `ways` in the order of preference; empty: a passkey must be registered first."""

    purpose: str
    object_hash: bytes
    ways: tuple[Way, ...]
    code: bool

    @property
    def object(self) -> str:
        """The hash as hex, for the page."""
        return self.object_hash.hex()

    def refusal(self) -> StepUpNeeded:
        """What is answered without a proof."""
        how = self.ways[0] if self.ways else "passkey"
        return StepUpNeeded(
            purpose=self.purpose, object=self.object, how=how, ways=list(self.ways), code=self.code,
            no_passkey=not self.ways,
        )  # fmt: skip


class PasswordDesk(Protocol):
    """What of `voting.identity.signing_in.Desk` a proof needs; it lies in the application's state."""

    database: Any
    passwords: Any
    throttle: Any
    seal_keys: Mapping[int, bytes]


def object_hash(**parts: Any) -> bytes:
    """SHA-256 of the canonical JSON (RFC 8785) of what is agreed to: action, object, version, parameters."""
    return hashlib.sha256(rfc8785.dumps(parts)).digest()


def challenge_of(purpose: str, object_hash: bytes, nonce: bytes) -> bytes:
    """The challenge a passkey signs: it holds what is agreed to. All parts but the purpose have one length each."""
    return hashlib.sha256(PREFIX + purpose.encode() + object_hash + nonce).digest()


async def ask(session: ReadSession, account_id: int, *, purpose: str, object_hash: bytes, settings: Settings) -> Asked:
    """What a proof of this account must be. Raises Invalid for a purpose or a hash that cannot be one."""
    _check_object(purpose, object_hash)
    staff = is_staff(await roles_of(session, account_id))
    passkeys = ceremonies.has_passkeys(settings) and await has_passkey(session, account_id)
    hashed = await session.scalar(select(account.c.password_hash).where(account.c.id == account_id))
    ways: tuple[Way, ...]
    if staff and passkeys:
        ways = ("passkey",)
    elif staff and settings.staff_step_up == "passkey" and purpose not in OWN_PURPOSES:
        ways = ()
    else:
        plain: Way = "password" if hashed is not None else "sign_in"
        ways = ("passkey", plain) if passkeys else (plain,)
    code = "password" in ways and await totp.asks_for_codes(session, account_id)
    return Asked(purpose, object_hash, ways, code)


async def draw_challenge(
    session: Session, where: Where, account_id: int, *, purpose: str, object_hash: bytes, settings: Settings,
    now: datetime,
) -> Mapping[str, Any]:  # fmt: skip
    """Draw a nonce for one purpose and object; gives the options of `navigator.credentials.get`. Raises Invalid."""
    _check_object(purpose, object_hash)
    nonce = secrets.token_bytes(NONCE_BYTES)
    challenge = challenge_of(purpose, object_hash, nonce)
    party = ceremonies.relying_party(settings)
    await session.execute(
        insert(step_up_challenge).values(
            challenge=challenge, nonce=nonce, account_id=account_id, session_hash=_web_session(where).token_hash,
            purpose=purpose, object_hash=object_hash, expires_at=now + ANSWER_WITHIN,
        )
    )  # fmt: skip
    allowed = await allowed_credentials(session, account_id)
    return ceremonies.request_options(party, challenge=challenge, allowed=allowed, verified=True)


async def require_fresh(
    session: Session, request_or_scope: Where, account_id: int, *, purpose: str, object_hash: bytes,
    proof: Proof | None, settings: Settings, now: datetime,
) -> Evidence:  # fmt: skip
    """Take a fresh proof for this purpose and object, in the caller's transaction; gives what to keep of it.

    `object_hash` is worked out anew by the caller from the object as it is now, never taken from the request. Ask for
    it before anything is written. Raises StepUpNeeded, StepUpExpired, StepUpUsed,
    StepUpElsewhere, StepUpFailed, PasskeySuspect, TooMany, Busy; wrong proofs are logged in a transaction apart.
    """
    desk = desk_of(request_or_scope)
    record = _web_session(request_or_scope)
    asked = await ask(session, account_id, purpose=purpose, object_hash=object_hash, settings=settings)
    proof = proof or Proof()
    method: Way = "password"
    try:
        if proof.credential is not None and "passkey" in asked.ways:
            return await _by_passkey(session, record, asked, account_id, proof.credential, settings, now)
        if proof.password is not None and "password" in asked.ways:
            await _by_password(session, request_or_scope, asked, account_id, proof, now)
        elif "sign_in" in asked.ways and await _has_just_signed_in(session, record, now):
            method = "sign_in"
        else:
            raise asked.refusal()
    except PasskeySuspect as suspect:
        async with desk.database.open_session_aside() as aside:
            await note_suspect(aside, suspect, now)
        raise
    except (StepUpElsewhere, StepUpFailed, StepUpUsed) as refusal:
        async with desk.database.open_session_aside() as aside:
            await _note(aside, "step_up_refused", asked, account_id, now, code=refusal.code, **_plain(refusal.facts))
        raise
    await _note(session, "step_up_given", asked, account_id, now, method=method)
    return Evidence(account_id, method, None, object_hash, now)


async def _by_passkey(
    session: Session, record: SessionRecord, asked: Asked, account_id: int, credential: Mapping[str, Any],
    settings: Settings, now: datetime,
) -> Evidence:  # fmt: skip
    try:
        challenge = ceremonies.challenge_in(credential)
        row = (
            await session.execute(
                select(step_up_challenge).where(step_up_challenge.c.challenge == challenge).with_for_update()
            )
        ).one_or_none()
        if row is None:
            raise StepUpFailed(reason="challenge")
        for what, given, due in (
            ("account", row.account_id, account_id),
            ("session", row.session_hash, record.token_hash),
            ("purpose", row.purpose, asked.purpose),
            ("object", row.object_hash, asked.object_hash),
        ):
            if given != due:
                raise StepUpElsewhere(what=what)
        if row.used_at is not None:
            raise StepUpUsed
        if row.expires_at <= now:
            raise StepUpExpired
        used = await use_passkey(
            session, credential, challenge=challenge_of(asked.purpose, asked.object_hash, row.nonce),
            party=ceremonies.relying_party(settings), verified=True, account_id=account_id, now=now,
        )  # fmt: skip
    except PasskeyRefused as refusal:
        malformed = refusal.facts["reason"] == "malformed"
        raise StepUpFailed(reason="malformed" if malformed else "passkey") from None
    await session.execute(
        update(step_up_challenge).where(step_up_challenge.c.challenge == challenge).values(used_at=now)
    )
    await _note(session, "step_up_given", asked, account_id, now, method="passkey", passkey=used.passkey_id)
    return Evidence(account_id, "passkey", used.credential_id, asked.object_hash, now)


async def _by_password(
    session: Session, where: Where, asked: Asked, account_id: int, proof: Proof, now: datetime
) -> None:
    """The password typed again, counted with the sign-ins of this account, and its code where due."""
    desk = desk_of(where)
    subject = f"account {account_id}"
    await desk.throttle.hit(("sign_in", subject), now=now)
    known = await accounts.credentials_of(session, account_id)
    if not await desk.passwords.verify(proof.password or "", known.password_hash):
        raise StepUpFailed(reason="password")
    if asked.code:
        try:
            await totp.check_code(session, account_id, proof.code or "", keys=desk.seal_keys, now=now)
        except CodeRefused:
            raise StepUpFailed(reason="code") from None
    await desk.throttle.forgive("sign_in", subject, now=now)


async def _has_just_signed_in(session: Session, record: SessionRecord, now: datetime) -> bool:
    """An account with neither passkey nor password came from elsewhere: within five minutes that is proof enough."""
    began: datetime | None = await session.scalar(
        select(web_session.c.created_at).where(web_session.c.token_hash == record.token_hash)
    )
    return began is not None and now - began <= ANSWER_WITHIN


async def _note(
    session: Session, kind: str, asked: Asked, account_id: int, now: datetime, **facts: str | int | bool | None
) -> None:
    facts |= {"purpose": asked.purpose, "object": asked.object}
    await write_event(session, kind, actor=account_id, subject=f"account:{account_id}", facts=facts, now=now)


def _plain(facts: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in facts.items() if name in ("what", "reason")}


# ---- reading a proof


def proof_of_form(form: Any) -> Proof | None:
    """The proof in a form that includes ``step_up/_proof.html``; None where nothing was given. Raises StepUpFailed."""
    if credential := _text(form, "proof"):
        return proof_of_json({"credential": _json(credential)})
    if password := _text(form, "step_up_password"):
        return Proof(password=password, code=_text(form, "step_up_code") or None)
    return None


def proof_of_header(request: ASGIConnection[Any, Any, Any, Any]) -> Proof | None:
    """The proof in the header ``X-Step-Up``: `{"credential": {…}}` or `{"password": "…", "code": "…"}` as JSON.

    What is not ASCII in it is escaped (``\\u0439``). Raises StepUpFailed.
    """
    text = request.headers.get(HEADER)
    return None if text is None else proof_of_json(_json(text))


def proof_of_json(found: Any) -> Proof | None:
    """The proof in a field of a body: an object as in the header, or null. Raises StepUpFailed."""
    if found is None:
        return None
    if not isinstance(found, dict) or not found.keys() <= {"credential", "password", "code"}:
        raise StepUpFailed(reason="malformed")
    credential, password, code = found.get("credential"), found.get("password"), found.get("code")
    fits = isinstance(credential, dict | None) and isinstance(password, str | None) and isinstance(code, str | None)
    if not fits or (credential is None and password is None):
        raise StepUpFailed(reason="malformed")
    return Proof(credential, password, code)


def _json(text: str) -> Any:
    if len(text) > LONGEST_PROOF:
        raise StepUpFailed(reason="malformed")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise StepUpFailed(reason="malformed") from None


def _text(form: Any, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _check_object(purpose: str, hashed: bytes) -> None:
    for name, fits in (("purpose", PURPOSE.fullmatch(purpose)), ("object", len(hashed) == HASH_BYTES)):
        if not fits:
            raise Invalid([FieldError(name, "form", "The text does not have the form it should have.")])


def desk_of(where: Where) -> PasswordDesk:
    """The application's desk, out of a request."""
    desk: PasswordDesk = Litestar.from_scope(_scope(where)).state["desk"]
    return desk


def _web_session(where: Where) -> SessionRecord:
    """The web session of a request: a token of the API is none. Raises SignInNeeded."""
    record: SessionRecord | None = _scope(where)["state"].get("web_session")
    if record is None:
        raise SignInNeeded
    return record


def _scope(where: Where) -> Scope:
    return where.scope if isinstance(where, ASGIConnection) else where

"""The account's passkeys: list, make, name, remove. Making and removing take a fresh proof (`GET /step-up`)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from pydantic import Field, JsonValue

from polls.errors import Invalid, NotFound
from polls.sessions import Session
from voting.api.operations import Header, Returned, describes
from voting.api.representation import json_reply
from voting.api.schemas import Shape
from voting.identity.factor_refusals import (
    LastPasskey,
    PasskeyExists,
    PasskeyRefused,
    PasskeysUnavailable,
    TooManyPasskeys,
)
from voting.identity.guards import signed_in
from voting.identity.own_keys import add_passkey, begin_passkey, remove_passkey
from voting.identity.passkeys import PasskeySummary, list_passkeys, rename_passkey
from voting.identity.sessions import Viewer
from voting.identity.signing_in import Desk
from voting.identity.step_up import PROOF_REFUSALS, proof_of_header, proof_of_json

AnyRequest = Request[Any, Any, Any]
PROOF = Header(
    "X-Step-Up", "A fresh proof, as JSON in ASCII: `{\"credential\": {…}}` or `{\"password\": \"…\"}`.", r"\{.*\}",
    '{"password": "correct horse battery staple"}', required=False,
)  # fmt: skip


class PasskeyView(Shape):
    """One passkey of the account."""

    id: int
    name: str
    created_at: datetime
    last_used_on: date | None = Field(description="The day, in UTC.")
    synced: bool = Field(description="It is copied between its owner's devices.")

    @classmethod
    def of(cls, one: PasskeySummary) -> PasskeyView:
        """From the account's own list."""
        return cls(
            id=one.id, name=one.name, created_at=one.created_at, last_used_on=one.last_used_on, synced=one.synced
        )


class Passkeys(Shape):
    """The account's passkeys, the oldest first."""

    passkeys: list[PasskeyView]


class CreationOptions(Shape):
    """What `navigator.credentials.create` is asked for; the challenge serves once, for five minutes."""

    options: dict[str, JsonValue]


class ProofIn(Shape):
    """A fresh proof: what the passkey answered, or a password, with a one-time code where the account asks for them."""

    credential: dict[str, JsonValue] | None = None
    password: str | None = Field(None, max_length=1000, examples=["correct horse battery staple"])
    code: str | None = Field(None, max_length=100)


class Beginning(Shape):
    """What comes before a new passkey."""

    proof: ProofIn | None = None


class NewPasskey(Shape):
    """A passkey that was made, and its owner's word for it."""

    name: str = Field(min_length=1, max_length=60, examples=["Key in the safe"])
    credential: dict[str, JsonValue] = Field(description="The JSON of `navigator.credentials.create`.")


class PasskeyName(Shape):
    """Another name."""

    name: str = Field(min_length=1, max_length=60)


class PasskeyMade(Shape):
    """The new passkey's id."""

    id: int


@get(
    "/account/passkeys",
    guards=[signed_in],
    summary="The account's passkeys",
    tags=["session"],
    opt=describes("listPasskeys", {200: Returned("The list", Passkeys)}, private=True),
)
async def show_passkeys(viewer: NamedDependency[Viewer], session: NamedDependency[Session]) -> Response[bytes]:
    """Names and days alone: what a key is stays here."""
    found = await list_passkeys(session, viewer.account_id)
    return json_reply(Passkeys(passkeys=[PasskeyView.of(one) for one in found]))


@post(
    "/account/passkeys/options",
    guards=[signed_in],
    status_code=200,
    summary="Options for a new passkey",
    tags=["session"],
    opt=describes(
        "beginPasskey", {200: Returned("For `navigator.credentials.create`", CreationOptions)},
        refuses=[*PROOF_REFUSALS, TooManyPasskeys, PasskeysUnavailable], private=True,
        body_example={"proof": {"password": "correct horse battery staple"}},
    ),
)  # fmt: skip
async def show_options(
    request: AnyRequest, data: JSONBody[Beginning], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[bytes]:
    """Takes a fresh proof of the purpose `passkey_add`; the challenge is bound to this session."""
    proof = None if data.proof is None else proof_of_json(data.proof.model_dump(exclude_none=True))
    return json_reply(CreationOptions(options=dict(await begin_passkey(desk, request, proof, now=now))))


@post(
    "/account/passkeys",
    guards=[signed_in],
    status_code=201,
    summary="Register a passkey",
    tags=["session"],
    opt=describes(
        "addPasskey", {201: Returned("Registered", PasskeyMade)},
        refuses=[Invalid, PasskeyRefused, PasskeyExists, TooManyPasskeys, PasskeysUnavailable],
        private=True, body_example={"name": "Key in the safe", "credential": {"id": "…"}},
    ),
)  # fmt: skip
async def add(
    request: AnyRequest, data: JSONBody[NewPasskey], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[bytes]:
    """With what the browser made of the options, within five minutes and in the same session."""
    made = await add_passkey(desk, request, data.credential, data.name, now=now)
    return json_reply(PasskeyMade(id=made), status=201)


@patch(
    "/account/passkeys/{passkey_id:int}",
    guards=[signed_in],
    summary="Rename a passkey",
    tags=["session"],
    opt=describes(
        "renamePasskey",
        {204: Returned("Renamed")},
        refuses=[Invalid, NotFound],
        private=True,
        body_example={"name": "Key in the safe"},
    ),
    status_code=204,
)
async def rename(
    passkey_id: FromPath[int], data: JSONBody[PasskeyName], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
) -> None:  # fmt: skip
    """Its owner's word for it, and nothing more."""
    await rename_passkey(session, viewer.account_id, passkey_id, data.name)


@delete(
    "/account/passkeys/{passkey_id:int}",
    guards=[signed_in],
    summary="Remove a passkey",
    tags=["session"],
    opt=describes(
        "removePasskey", {204: Returned("Removed; all other sessions have ended")},
        refuses=[*PROOF_REFUSALS, NotFound, LastPasskey], headers=[PROOF], private=True,
    ),
    status_code=204,
)  # fmt: skip
async def remove(
    request: AnyRequest, passkey_id: FromPath[int], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> None:
    """The proof's purpose is `passkey_remove`."""
    await remove_passkey(desk, request, passkey_id, proof_of_header(request), now=now)


handlers = [show_passkeys, show_options, add, rename, remove]

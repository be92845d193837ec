"""GET /step-up: what a fresh proof must be, for one purpose and one object, and a challenge for a passkey."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from pydantic import Field, JsonValue

from polls.errors import FieldError, Invalid
from polls.sessions import Session
from voting.api.operations import Returned, describes
from voting.api.representation import json_reply
from voting.api.schemas import Shape
from voting.identity.guards import signed_in
from voting.identity.sessions import Viewer
from voting.identity.step_up import ask, draw_challenge
from voting.settings import Settings


class StepUpView(Shape):
    """What to give, in the header `X-Step-Up`, with the request that was refused as `step_up_needed`."""

    purpose: str
    object: str = Field(description="SHA-256 of what is agreed to, as hex.")
    ways: list[Literal["passkey", "password", "sign_in"]] = Field(
        description="Any one will do; with none the account has to register a passkey first."
    )
    code: bool = Field(description="Whether a password takes a one-time code beside it.")
    options: dict[str, JsonValue] | None = Field(
        description="For `navigator.credentials.get`: the challenge serves once, for five minutes, in this session."
    )


@get(
    "/step-up",
    guards=[signed_in],
    summary="What a fresh proof must be",
    tags=["session"],
    opt=describes("askForStepUp", {200: Returned("What to give", StepUpView)}, refuses=[Invalid], private=True),
)
async def show_step_up(
    request: Request[Any, Any, Any],
    purpose: Annotated[str, QueryParameter(max_length=40, description="What it is for, such as `publish`.")],
    object_hash: Annotated[str, QueryParameter(name="object", max_length=64, description="As hex.")],
    viewer: NamedDependency[Viewer], session: NamedDependency[Session], settings: NamedDependency[Settings],
    now: NamedDependency[datetime],
) -> Response[bytes]:  # fmt: skip
    """`purpose` and `object` are the facts of the refusal. A passkey's answer goes back as `{"credential": …}`."""
    try:
        hashed = bytes.fromhex(object_hash)
    except ValueError:
        raise Invalid([FieldError("object", "form", "The text does not have the form it should have.")]) from None
    asked = await ask(session, viewer.account_id, purpose=purpose, object_hash=hashed, settings=settings)
    options = None
    if "passkey" in asked.ways:
        options = dict(
            await draw_challenge(
                session, request, viewer.account_id, purpose=purpose, object_hash=hashed, settings=settings, now=now
            )
        )
    return json_reply(
        StepUpView(purpose=purpose, object=asked.object, ways=list(asked.ways), code=asked.code, options=options)
    )


handlers = [show_step_up]

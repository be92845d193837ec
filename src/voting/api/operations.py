"""What an operation of the API says of itself, for its OpenAPI description: what it returns and what it refuses.

A handler carries an :class:`Operation` in its ``opt``; everything else (path, parameters, body, roles) is read from the
handler itself by :mod:`voting.api.openapi`, so a description cannot drift from what runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from polls.errors import AccountExists, BadCredentials, Busy, NotInRegister, Refusal, TooMany
from voting.identity.factor_refusals import (
    CodeRefused,
    LetterNeeded,
    NewDeviceRefused,
    PasskeyRefused,
    PasskeysUnavailable,
    PasskeySuspect,
    SecondStepNeeded,
)

JSON = "application/json"


@dataclass(frozen=True)
class Returned:
    """One reply: what it means and its model (None: no body), or the media type of a file."""

    description: str
    model: Any = None
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Header:
    """A request header an operation reads."""

    name: str
    description: str
    pattern: str
    example: str
    required: bool = True


@dataclass(frozen=True)
class Operation:
    """One operation. `refuses` holds its own refusals; those every operation may make are added by the description.

    `conditional` says that the reply has an ETag and that `If-None-Match` is honoured.
    """

    id: str
    returns: Mapping[int, Returned]
    refuses: Sequence[type[Refusal]] = ()
    headers: Sequence[Header] = ()
    conditional: bool = False
    body_example: Any = None
    body_files: Sequence[str] = ()
    """Media types of a body that is a file and not JSON."""


def describes(
    operation_id: str,
    returns: Mapping[int, Returned],
    *,
    refuses: Sequence[type[Refusal]] = (),
    headers: Sequence[Header] = (),
    conditional: bool = False,
    body_example: Any = None,
    body_files: Sequence[str] = (),
    **opt: Any,
) -> dict[str, Any]:
    """Build a handler's ``opt``: its description, and what the layers around it read (``limit``, ``private``…).

    ``json_body`` names the model of a body that the handler reads by itself.
    """
    operation = Operation(
        operation_id, returns, tuple(refuses), tuple(headers), conditional, body_example, tuple(body_files)
    )
    return {"operation": operation, **opt}


OWN_REFUSALS: Mapping[str, Sequence[type[Refusal]]] = {
    "open_session": (
        BadCredentials,
        NewDeviceRefused,
        LetterNeeded,
        SecondStepNeeded,
        CodeRefused,
        TooMany,
        Busy,
    ),
    "show_passkey_options": (PasskeysUnavailable, TooMany),
    "open_passkey_session": (PasskeyRefused, PasskeySuspect, PasskeysUnavailable, TooMany),
    "create_account": (AccountExists, NotInRegister, TooMany, Busy),
}
"""What handlers without an `Operation` of their own refuse, by name: those of :mod:`voting.api.session`."""

BODY_EXAMPLES: Mapping[str, Any] = {
    "open_session": {"login": "anna@example.org", "password": "correct horse battery staple"},
    "open_passkey_session": {"credential": {"id": "…", "rawId": "…", "type": "public-key", "response": {}}},
    "create_account": {
        "national_id": "112-233-445 95", "birth_date": "1990-05-17", "login": "anna@example.org",
        "password": "correct horse battery staple",
    },
}  # fmt: skip
"""Request bodies to show for the same handlers."""

"""What WebAuthn asks of a site: options for a browser, and whether its answer holds. Pure but for the library.

The library (`webauthn`) is imported when it is first needed: it is heavy, and most processes never see a passkey.
The site's name for itself, the relying party, follows from its address. Browsers make passkeys for names only; the
machine's own address (127.0.0.1 and [::1]) goes by `localhost`.
"""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from voting.identity.factor_refusals import PasskeyRefused, PasskeysUnavailable
from voting.settings import Settings

CHALLENGE_BYTES = 32
TIMEOUT_MS = 300_000
LONGEST_CREDENTIAL = 20_000
"""Characters of an answer as JSON; with an attestation nobody asked for it may have several thousand."""
TRANSPORTS = ("ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The site as passkeys know it: `id` is a host name, `origin` what a browser must say it stood at."""

    id: str
    origin: str
    name: str


@dataclass(frozen=True, slots=True)
class Made:
    """A passkey that was made, as its authenticator tells of it."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    aaguid: str
    backup_eligible: bool
    backed_up: bool
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asserted:
    """An answer whose signature holds. `sign_count` is still to be held against the one before."""

    sign_count: int
    backed_up: bool
    user_verified: bool


def relying_party(settings: Settings) -> RelyingParty:
    """The relying party of this deployment. Raises PasskeysUnavailable where its address is a number."""
    parts = urlsplit(settings.base_url)
    host = (parts.hostname or "").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return RelyingParty(host, f"{parts.scheme}://{parts.netloc.lower()}", settings.site_name_ru)
    if not address.is_loopback:
        raise PasskeysUnavailable
    port = f":{parts.port}" if parts.port else ""
    return RelyingParty("localhost", f"{parts.scheme}://localhost{port}", settings.site_name_ru)


def has_passkeys(settings: Settings) -> bool:
    """Whether the site's address lets browsers make passkeys for it."""
    try:
        relying_party(settings)
    except PasskeysUnavailable:
        return False
    return True


def registration_options(
    party: RelyingParty, *, challenge: bytes, user_handle: bytes, login: str, name: str, known: Sequence[bytes],
    verified: bool,
) -> Json:  # fmt: skip
    """What `navigator.credentials.create` is asked for, as JSON. `known` are not made twice on one device."""
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers import structs

    options = generate_registration_options(
        rp_id=party.id, rp_name=party.name, user_id=user_handle, user_name=login, user_display_name=name or login,
        challenge=challenge, timeout=TIMEOUT_MS,
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=one) for one in known],
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement("required" if verified else "preferred"),
        ),
    )  # fmt: skip
    made: Json = json.loads(options_to_json(options))
    return made


def request_options(
    party: RelyingParty, *, challenge: bytes, allowed: Sequence[tuple[bytes, Sequence[str]]], verified: bool
) -> Json:
    """What `navigator.credentials.get` is asked for, as JSON; with nothing `allowed` any of the site will do."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers import structs

    options = generate_authentication_options(
        rp_id=party.id, challenge=challenge, timeout=TIMEOUT_MS,
        allow_credentials=[
            structs.PublicKeyCredentialDescriptor(
                id=one, transports=[structs.AuthenticatorTransport(way) for way in ways]
            )
            for one, ways in allowed
        ],
        user_verification=structs.UserVerificationRequirement("required" if verified else "preferred"),
    )  # fmt: skip
    made: Json = json.loads(options_to_json(options))
    return made


def read_credential(text: str | None) -> Json:
    """An answer as a form carries it. Raises PasskeyRefused for what is not an object of JSON."""
    if not text or len(text) > LONGEST_CREDENTIAL:
        raise PasskeyRefused(reason="malformed")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise PasskeyRefused(reason="malformed") from None
    if not isinstance(found, dict):
        raise PasskeyRefused(reason="malformed")
    return found


def challenge_in(credential: Json) -> bytes:
    """The challenge an answer says it answers; nothing is checked yet. Raises PasskeyRefused."""
    try:
        said = json.loads(_decode(credential["response"]["clientDataJSON"]))
        return _decode(said["challenge"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise PasskeyRefused(reason="malformed") from None


def credential_id_in(credential: Json) -> bytes:
    """Which passkey an answer says it comes from; nothing is checked yet. Raises PasskeyRefused."""
    try:
        return _decode(credential["rawId"])
    except (ValueError, KeyError, TypeError):
        raise PasskeyRefused(reason="malformed") from None


def check_registration(credential: Json, party: RelyingParty, *, challenge: bytes, verified: bool) -> Made:
    """Read a passkey that was made. Raises PasskeyRefused unless it answers this challenge, here."""
    from webauthn import verify_registration_response
    from webauthn.helpers.structs import CredentialDeviceType

    try:
        found = verify_registration_response(
            credential=dict(credential), expected_challenge=challenge, expected_rp_id=party.id,
            expected_origin=party.origin, require_user_verification=verified,
        )  # fmt: skip
    except Exception as error:  # the library lets many kinds through for bytes that are not what they should be
        raise _refused(error) from error
    named = credential.get("response", {}).get("transports")
    ways = named if isinstance(named, list) else []
    return Made(
        credential_id=found.credential_id,
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        aaguid=found.aaguid,
        backup_eligible=found.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
        backed_up=found.credential_backed_up,
        transports=tuple(way for way in TRANSPORTS if way in ways),
    )


def check_assertion(
    credential: Json, party: RelyingParty, *, challenge: bytes, public_key: bytes, verified: bool
) -> Asserted:
    """Check the signature of an answer. Raises PasskeyRefused unless it answers this challenge, here.

    The counter is left to the caller: the library looks at it before the signature, and what is not signed says
    nothing about a copy of the key.
    """
    from webauthn import verify_authentication_response

    try:
        found = verify_authentication_response(
            credential=dict(credential), expected_challenge=challenge, expected_rp_id=party.id,
            expected_origin=party.origin, credential_public_key=public_key, credential_current_sign_count=0,
            require_user_verification=verified,
        )  # fmt: skip
    except Exception as error:  # as above
        raise _refused(error) from error
    return Asserted(found.new_sign_count, found.credential_backed_up, found.user_verified)


def _refused(error: Exception) -> PasskeyRefused:
    words = str(error)
    if "User verification is required" in words:
        return PasskeyRefused(reason="verification")
    if "challenge" in words:
        return PasskeyRefused(reason="challenge")
    return PasskeyRefused(reason="signature")


def _decode(text: str) -> bytes:
    """Bytes out of base64url without padding. Raises ValueError and TypeError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)

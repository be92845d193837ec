"""An ID token checked against all that OpenID Connect Core §3.1.3.7 asks for, and a little more. Pure but for the key.

Only what the operator allowed counts as a signature, and only a public key that the provider itself publishes: never
one that the token brings along, never one shared with the client.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from voting.identity.city_sign_on.configuration import ProviderSettings
from voting.identity.city_sign_on.discovery import Directory
from voting.identity.city_sign_on.errors import SignOnNotFresh, SignOnRefused

SKEW = timedelta(seconds=60)
OLDEST = timedelta(minutes=10)
"""A token is made while its code is redeemed: one made long before belongs to something else."""
LONGEST = 32 * 1024
HASHES = {"256": "sha256", "384": "sha384", "512": "sha512"}


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must say, from this very trip. `max_age` where a fresh proof of the person was asked for."""

    nonce: str
    max_age: int | None
    access_token: str | None


async def checked_claims(
    token: object, settings: ProviderSettings, directory: Directory, expected: Expected, now: datetime
) -> Mapping[str, Any]:
    """Give the claims of a token once all of it holds. Raises SignOnRefused, SignOnNotFresh, SignOnUnavailable."""
    if not isinstance(token, str) or len(token) > LONGEST or token.count(".") != 2:
        raise SignOnRefused(why="token")
    header = _header(token)
    algorithm = header.get("alg")
    if algorithm not in settings.algorithms:
        raise SignOnRefused(why="algorithm")
    key_id = header.get("kid")
    if key_id is not None and not isinstance(key_id, str):
        raise SignOnRefused(why="key")
    key = await directory.key(key_id)
    if key.get("alg") not in (None, algorithm):
        raise SignOnRefused(why="algorithm")
    try:
        signed = jws.deserialize_compact(token, key, registry=JWSRegistry(algorithms=[str(algorithm)]))
        claims = json.loads(signed.payload)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise SignOnRefused(why="signature") from None
    if not isinstance(claims, dict):
        raise SignOnRefused(why="claims")
    _check_parties(claims, settings)
    _check_times(claims, now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise SignOnRefused(why="nonce")
    _check_access_token(claims, str(algorithm), expected.access_token)
    if expected.max_age is not None and not is_fresh(claims, expected.max_age, now):
        raise SignOnNotFresh(max_age=expected.max_age)
    return claims


def is_fresh(claims: Mapping[str, Any], max_age: int, now: datetime) -> bool:
    """Tell whether `auth_time` says that the person proved who he is within so many seconds; False without one."""
    at = _number(claims.get("auth_time"))
    return at is not None and now.timestamp() - max_age - SKEW.total_seconds() <= at <= _late(now)


def _header(token: str) -> Mapping[str, Any]:
    part = token.partition(".")[0]
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        raise SignOnRefused(why="token") from None
    # `crit` names extensions that must be understood; none is here.
    if not isinstance(found, dict) or "crit" in found:
        raise SignOnRefused(why="token")
    return found


def _check_parties(claims: Mapping[str, Any], settings: ProviderSettings) -> None:
    """From whom and for whom: for this site, and for another as well only if it is the party named."""
    if claims.get("iss") != settings.issuer:
        raise SignOnRefused(why="issuer")
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or settings.client_id not in named:
        raise SignOnRefused(why="audience")
    party = claims.get("azp")
    if (len(named) > 1 and party is None) or party not in (None, settings.client_id):
        raise SignOnRefused(why="party")


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    expires, made = _number(claims.get("exp")), _number(claims.get("iat"))
    if expires is None or now.timestamp() - SKEW.total_seconds() >= expires:
        raise SignOnRefused(why="expired")
    if made is None or not (now - OLDEST).timestamp() <= made <= _late(now):
        raise SignOnRefused(why="issued")
    if "nbf" in claims:
        begins = _number(claims["nbf"])
        if begins is None or begins > _late(now):
            raise SignOnRefused(why="not_yet")


def _check_access_token(claims: Mapping[str, Any], algorithm: str, access_token: str | None) -> None:
    """`at_hash` ties the two tokens of one reply together (Core §3.1.3.6); a provider may leave it out."""
    told, name = claims.get("at_hash"), HASHES.get(algorithm[-3:])
    if told is None or access_token is None or name is None:
        return
    digest = hashlib.new(name, access_token.encode()).digest()
    due = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), due.encode()):
        raise SignOnRefused(why="access_token")


def _late(now: datetime) -> float:
    return (now + SKEW).timestamp()


def _number(value: Any) -> float | None:
    """A time of a claim; whatever is not a finite number is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        return None
    return float(value)

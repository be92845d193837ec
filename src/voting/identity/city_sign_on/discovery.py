"""What a provider says of itself, and its public keys: fetched once, kept for a while, asked for anew only so often.

Metadata is OpenID Connect Discovery 1.0; keys are a JWK set (RFC 7517). Keys that are no public keys, or too short, are
left out before anything is checked with them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from voting.identity.city_sign_on.errors import SignOnRefused, SignOnUnavailable
from voting.identity.city_sign_on.fetching import Fetcher

FRESH = 3600.0  # seconds what was fetched is used without asking again
STALE = 24 * 3600.0  # … and, while the provider does not answer, at most
ASKED_AGAIN = 60.0  # seconds between two questions because of an unknown key: anybody can send us one
FAILED = 5.0  # seconds after a failure without another try
MOST_KEYS = 50
LEAST_RSA_BITS = 2048

PublicKey = RSAKey | ECKey | OKPKey


@dataclass(frozen=True, slots=True)
class Metadata:
    """A provider's endpoints; `names_itself` where it promises the `iss` parameter of RFC 9207."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    names_itself: bool


class Directory:
    """A provider's metadata and keys in this process."""

    def __init__(self, issuer: str, fetcher: Fetcher, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._fetcher = fetcher
        self._clock = clock
        self._lock = asyncio.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, dict[str, PublicKey]] | None = None
        self._failed_at: float | None = None

    async def metadata(self) -> Metadata:
        """Give the provider's metadata. Raises SignOnUnavailable."""
        async with self._lock:
            return await self._read_metadata()

    async def key(self, key_id: str | None) -> PublicKey:
        """Give the key of an id, or the only one for a token without. Raises SignOnRefused, SignOnUnavailable."""
        async with self._lock:
            keys = await self._read_keys(FRESH)
            if key_id is not None and key_id not in keys:
                keys = await self._read_keys(ASKED_AGAIN)
        if key_id is None:
            if len(keys) != 1:
                raise SignOnRefused(why="key")
            return next(iter(keys.values()))
        if key_id not in keys:
            raise SignOnRefused(why="key")
        return keys[key_id]

    async def _read_metadata(self) -> Metadata:
        if self._metadata is not None and self._clock() - self._metadata[0] < FRESH:
            return self._metadata[1]
        try:
            found = await self._fetch(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
            read = self._checked(found)
        except SignOnUnavailable:
            if self._metadata is not None and self._clock() - self._metadata[0] < STALE:
                return self._metadata[1]
            raise
        self._metadata = (self._clock(), read)
        return read

    def _checked(self, found: Mapping[str, Any]) -> Metadata:
        """The parts that are used. The issuer must be the one configured, to the letter (Discovery §4.3)."""
        if found.get("issuer") != self._issuer:
            raise SignOnUnavailable(why="issuer", retry_after=FAILED)
        check = self._fetcher.check_address
        userinfo = found.get("userinfo_endpoint")
        return Metadata(
            authorization_endpoint=check(found.get("authorization_endpoint")),
            token_endpoint=check(found.get("token_endpoint")),
            jwks_uri=check(found.get("jwks_uri")),
            userinfo_endpoint=None if userinfo is None else check(userinfo),
            names_itself=found.get("authorization_response_iss_parameter_supported") is True,
        )

    async def _read_keys(self, no_older: float) -> dict[str, PublicKey]:
        """The keys, fetched anew if those at hand are older than so many seconds."""
        if self._keys is not None and self._clock() - self._keys[0] < no_older:
            return self._keys[1]
        try:
            read = _keys_in(await self._fetch((await self._read_metadata()).jwks_uri))
        except SignOnUnavailable:
            if self._keys is not None and self._clock() - self._keys[0] < STALE:
                return self._keys[1]
            raise
        self._keys = (self._clock(), read)
        return read

    async def _fetch(self, address: str) -> Mapping[str, Any]:
        if self._failed_at is not None and self._clock() - self._failed_at < FAILED:
            raise SignOnUnavailable(why="failed_before", retry_after=FAILED)
        try:
            found = await self._fetcher.get_json(address)
        except (SignOnUnavailable, SignOnRefused):
            self._failed_at = self._clock()
            raise
        self._failed_at = None
        return found


def _keys_in(found: Mapping[str, Any]) -> dict[str, PublicKey]:
    """The public signing keys of a JWK set by their ids; one without an id stands under the empty word."""
    listed = found.get("keys")
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise SignOnUnavailable(why="keys", retry_after=FAILED)
    kept: dict[str, PublicKey] = {}
    for one in listed:
        key = _public_key(one)
        if key is not None:
            kept.setdefault(str(one.get("kid", "")), key)
    return kept


def _public_key(one: Any) -> PublicKey | None:
    """A key to check signatures with; None for what is none: shared secrets above all, short keys, keys to encrypt."""
    kinds: Mapping[str, type[PublicKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    if not isinstance(one, dict) or one.get("use", "sig") != "sig" or not isinstance(one.get("kid", ""), str):
        return None
    kind = kinds.get(str(one.get("kty")))
    if kind is None:
        return None
    public = {name: value for name, value in one.items() if name in ("kty", "n", "e", "crv", "x", "y", "kid", "alg")}
    try:
        key = kind.import_key(public)
        if isinstance(key, RSAKey) and key.public_key.key_size < LEAST_RSA_BITS:
            return None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key

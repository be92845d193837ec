"""Talking to a provider: its own addresses alone, no redirect, a little at a time, and not for long.

A provider is somebody else's machine. It may be slow, send without end, lead us to a machine inside our own network, or
say what no client expects; none of that may hold up votes, fill the memory or become a failure of ours.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx

from voting.identity.city_sign_on.configuration import ProviderSettings
from voting.identity.city_sign_on.errors import SignOnRefused, SignOnUnavailable

LARGEST = 256 * 1024
SECONDS = 8.0
AT_ONCE = 20
"""Requests to one provider from one process at a time; whoever comes beyond that hears that it is busy."""
RETRY_AFTER = 30


class Fetcher:
    """Requests to one provider."""

    def __init__(self, settings: ProviderSettings, *, plain_http: bool) -> None:
        self._settings = settings
        self._schemes = ("https", "http") if plain_http else ("https",)
        self._hosts = {urlsplit(settings.issuer).netloc.lower(), *(host.lower() for host in settings.hosts)}
        self._free = AT_ONCE

    def check_address(self, address: object) -> str:
        """Give an address back if it is one of the provider's. Raises SignOnUnavailable for any other."""
        parts = urlsplit(address) if isinstance(address, str) else None
        if parts is None or parts.scheme not in self._schemes or parts.netloc.lower() not in self._hosts:
            raise SignOnUnavailable(why="address", retry_after=RETRY_AFTER)
        assert isinstance(address, str)
        return address

    async def get_json(self, address: str, *, bearer: str | None = None) -> Mapping[str, Any]:
        """Fetch a JSON object. Raises SignOnUnavailable."""
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        status, body = await self._send("GET", address, headers, None)
        if status != 200:
            raise SignOnUnavailable(why=f"status_{status}", retry_after=RETRY_AFTER)
        return _object(body)

    async def post_form(
        self, address: str, fields: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, Any]]:
        """Send a form; give the status, 200 or 4xx, and the JSON object that came. Raises SignOnUnavailable."""
        status, body = await self._send("POST", address, headers, fields)
        if status != 200 and not 400 <= status < 500:
            raise SignOnUnavailable(why=f"status_{status}", retry_after=RETRY_AFTER)
        return status, _object(body)

    async def _send(
        self, method: str, address: str, headers: Mapping[str, str], fields: Mapping[str, str] | None
    ) -> tuple[int, bytes]:
        self.check_address(address)
        if not self._free:
            raise SignOnUnavailable(why="busy", retry_after=RETRY_AFTER)
        self._free -= 1
        try:
            async with asyncio.timeout(SECONDS):
                return await self._receive(method, address, headers, fields)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise SignOnUnavailable(why=type(error).__name__, retry_after=RETRY_AFTER) from None
        finally:
            self._free += 1

    async def _receive(
        self, method: str, address: str, headers: Mapping[str, str], fields: Mapping[str, str] | None
    ) -> tuple[int, bytes]:
        """One exchange, its body no longer than `LARGEST` and not compressed: a little may unpack to very much."""
        given = {"accept": "application/json", "accept-encoding": "identity", **headers}
        async with self._connect() as client, client.stream(method, address, headers=given, data=fields) as reply:
            if reply.headers.get("content-encoding", "identity") != "identity":
                raise SignOnUnavailable(why="encoding", retry_after=RETRY_AFTER)
            body = bytearray()
            async for piece in reply.aiter_raw():
                body += piece
                if len(body) > LARGEST:
                    raise SignOnUnavailable(why="too_large", retry_after=RETRY_AFTER)
            return reply.status_code, bytes(body)

    def _connect(self) -> httpx.AsyncClient:
        """A client that follows nothing, keeps no cookie and asks no proxy of the environment.

        One for each request: people sign in seldom, and nothing is left open between.
        """
        return httpx.AsyncClient(verify=self._trusted, trust_env=False, follow_redirects=False, timeout=SECONDS)

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        """Whose certificates are believed: the operator's authority's, or the usual ones'."""
        ca_file = self._settings.ca_file
        if ca_file is not None:
            return ssl.create_default_context(cafile=str(ca_file))
        return httpx.create_ssl_context(trust_env=False)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise SignOnUnavailable(why="not_json", retry_after=RETRY_AFTER) from None
    if not isinstance(found, dict):
        raise SignOnRefused(why="not_object")
    return found

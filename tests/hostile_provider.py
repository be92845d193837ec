"""A provider that lies: it signs what it is told, and answers what no client expects. The attacker of the tests."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jws
from joserfc.jwk import OctKey, RSAKey
from joserfc.jws import JWSRegistry

KEY = RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256", "use": "sig"}, private=True)
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "k1"}, private=True)
ANY_SIGNATURE = JWSRegistry(algorithms=["RS256", "HS256", "RS384"])

Answer = Callable[[], tuple[int, dict[str, str], bytes]]


def without_signature(claims: dict[str, Any], header: dict[str, Any]) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part(header)}.{part(claims)}."


class HostileProvider:
    """An HTTP server on a free port. Set `claims`, `header`, `key` or `answers[path]` to what it should lie about."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.left_out: set[str] = set()
        self.header: dict[str, Any] = {}
        self.key: Any = KEY
        self.answers: dict[str, Answer] = {}
        self.metadata: dict[str, Any] = {}
        self.jwks: Any = {"keys": [KEY.as_dict(private=False)]}
        self.told: dict[str, Any] = {}  # userinfo
        self.asked: list[str] = []
        self.nonce = ""
        self.redeemed: list[dict[str, str]] = []
        self.slow = 0.0
        self.signed: Callable[[dict[str, Any], dict[str, Any]], str] = self._signed

    async def __aenter__(self) -> HostileProvider:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.issuer = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def settings(self, name: str = "city", **more: Any) -> dict[str, Any]:
        return {"name": name, "title_ru": "Вход", "title_en": "ID", "issuer": self.issuer, "client_id": "veche",
                "levels": {"high": 2}, "algorithms": ("RS256",), **more}  # fmt: skip

    def note(self, address: str) -> str:
        """Take from the address a browser was sent to what a token needs; gives the state."""
        asked = parse_qs(urlsplit(address).query)
        self.nonce = asked["nonce"][0]
        return asked["state"][0]

    def _signed(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        return jws.serialize_compact(header, json.dumps(claims), self.key, registry=ANY_SIGNATURE)

    def token(self) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "veche", "sub": "anna", "exp": now + 300, "iat": now, "nonce": self.nonce,
                  "acr": "high", "national_id": "4510 123456", "auth_time": now, **self.claims}  # fmt: skip
        kept = {name: value for name, value in claims.items() if name not in self.left_out}
        return self.signed(kept, {"alg": "RS256", "kid": "k1", **self.header})

    def _answer(self, path: str, body: str) -> tuple[int, dict[str, str], bytes]:
        if path in self.answers:
            return self.answers[path]()
        if path == "/token":
            self.redeemed.append({name: values[0] for name, values in parse_qs(body).items()})
        found: Any = {
            "/.well-known/openid-configuration": lambda: {
                "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/jwks",
                "userinfo_endpoint": f"{self.issuer}/me", **self.metadata,
            },
            "/jwks": lambda: self.jwks,
            "/token": lambda: {"access_token": "access", "token_type": "Bearer", "id_token": self.token()},
            "/me": lambda: self.told,
        }[path]()  # fmt: skip
        return 200, {"content-type": "application/json"}, json.dumps(found).encode()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split(" ")[1]
            lines = [line.partition(":") for line in head.split("\r\n")[1:]]
            length = next((int(value) for name, _, value in lines if name.lower() == "content-length"), 0)
            body = (await reader.readexactly(length)).decode()
            self.asked.append(path)
            await asyncio.sleep(self.slow)
            status, headers, answer = self._answer(path, body)
            headers = {"content-length": str(len(answer)), "connection": "close", **headers}
            lines_out = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(f"HTTP/1.1 {status} Said\r\n{lines_out}\r\n".encode() + answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def hmac_with_the_public_key(claims: dict[str, Any], header: dict[str, Any]) -> str:
    """The old confusion: a token signed by the text of the public key as if that were a shared secret."""
    shared = OctKey.import_key(KEY.as_pem(private=False).strip() + b"\n")
    return jws.serialize_compact({**header, "alg": "HS256"}, json.dumps(claims), shared, registry=ANY_SIGNATURE)

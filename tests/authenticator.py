"""An authenticator in software: what a security key or a phone does, for tests. The client's side of WebAuthn.

It makes a key pair for a site and signs challenges with it, byte for byte as browsers send it; the tests' own mistakes
are options (another origin, no user verification, a counter that goes back).
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from collections.abc import Mapping
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class SoftwareKey:
    """One passkey on one device. `count` is its counter of uses; None for a device that keeps none."""

    def __init__(self, origin: str, *, count: int | None = 0, synced: bool = False, verifies: bool = True) -> None:
        self.origin = origin
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(32)
        self.handle = b""
        self.rp_id = ""
        self.count = count
        self.flags = PRESENT | (VERIFIED if verifies else 0) | (ELIGIBLE | BACKED_UP if synced else 0)

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `navigator.credentials.create`."""
        self.handle, self.rp_id = decode(options["user"]["id"]), options["rp"]["id"]
        numbers = self.private.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor2.dumps(cose)
        data = self._data(self.flags | ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options["challenge"])
        response = {"clientDataJSON": encode(client), "attestationObject": encode(attestation), "transports": ["usb"]}
        return self._credential(response)

    def get(self, options: Mapping[str, Any], *, rp_id: str | None = None) -> dict[str, Any]:
        """Answer `navigator.credentials.get`."""
        if self.count is not None:
            self.count += 1
        data = self._data(self.flags, rp_id)
        client = self._client("webauthn.get", options["challenge"])
        signature = self.private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": encode(client), "authenticatorData": encode(data), "signature": encode(signature),
            "userHandle": encode(self.handle),
        }  # fmt: skip
        return self._credential(response)

    def _data(self, flags: int, rp_id: str | None = None) -> bytes:
        hashed = hashlib.sha256((rp_id or self.rp_id).encode()).digest()
        return hashed + bytes([flags]) + struct.pack(">I", self.count or 0)

    def _client(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said, separators=(",", ":")).encode()

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": encode(self.id), "rawId": encode(self.id), "type": "public-key", "response": response,
            "clientExtensionResults": {},
        }  # fmt: skip

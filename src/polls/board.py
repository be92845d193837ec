"""Ballot ids, entries, leaves and receipts: their exact bytes. Pure.

The trees and files of the board grow from these leaves (:mod:`polls.tlog`). Nothing here knows a person: a ballot id
comes from a key the voter's browser holds, a nonce comes from the ballot id.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import rfc8785

from polls.tally.profile import NOT_SHOWN
from polls.tlog import hash_leaf

BALLOT_DOMAIN = b"veche/ballot/v1"
ENTRY_DOMAIN = b"veche/entry/v1"
RECEIPT_DOMAIN = b"veche/receipt/v1\n"
KEY_BYTES = 16
LARGEST_NUMBER = (1 << 53) - 1


class Signer(Protocol):
    """An Ed25519 private key, or what stands for one."""

    @property
    def key_id(self) -> str:
        """The key's short name, listed with its validity."""
        ...

    @property
    def public_bytes(self) -> bytes:
        """The public half, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature."""
        ...


def exact(value: Any) -> Any:
    """The value with integers that JSON readers would round as text: RFC 8785 knows no larger ones."""
    if isinstance(value, Mapping):
        return {key: exact(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [exact(held) for held in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_NUMBER:
        return str(value)
    return value


def ballot_id(poll_hash: bytes, key: bytes) -> bytes:
    """16 bytes: SHA-256(domain ‖ poll hash ‖ K). `key` is the voter's random K of at least 128 bits."""
    if len(poll_hash) != 32 or len(key) < KEY_BYTES:
        raise ValueError("a poll hash has 32 bytes and a key at least 16")
    return hashlib.sha256(BALLOT_DOMAIN + poll_hash + key).digest()[:16]


def nonce(ballot: bytes, question_id: int) -> bytes:
    """16 bytes that make equal answers different leaves: SHA-256(domain ‖ ballot id ‖ question as 4 bytes)."""
    return hashlib.sha256(ENTRY_DOMAIN + ballot + question_id.to_bytes(4, "big")).digest()[:16]


def entry(poll_hash: bytes, question_id: int, style: int, answer: str, entry_nonce: bytes) -> bytes:
    """The canonical bytes of one published record: ``["<poll hash>",question,style,answer,"<nonce>"]``.

    `answer` is canonical text already, so the whole is RFC 8785 by construction.
    """
    return f'["{poll_hash.hex()}",{question_id},{style},{answer},"{entry_nonce.hex()}"]'.encode("ascii")


def leaf_hash(entry_bytes: bytes) -> bytes:
    """RFC 6962 §2.1: SHA-256(0x00 ‖ entry), 32 bytes."""
    return hash_leaf(entry_bytes)


def leaf_hashes(
    poll_hash: bytes, ballot: bytes, question_ids: Sequence[int], answers: Sequence[str], style: int
) -> tuple[bytes, ...]:
    """One leaf per question that was shown, in the order of the questions."""
    return tuple(
        leaf_hash(entry(poll_hash, question, style, answer, nonce(ballot, question)))
        for question, answer in zip(question_ids, answers, strict=True)
        if answer != NOT_SHOWN
    )


@dataclass(frozen=True)
class Receipt:
    """A signed promise that a ballot was accepted. `body` is canonical JSON; `signature` is over domain ‖ body."""

    body: bytes
    key_id: str
    signature: bytes

    @property
    def facts(self) -> Mapping[str, Any]:
        """The receipt's statements as values."""
        facts: Mapping[str, Any] = json.loads(self.body)
        return facts

    def as_json(self) -> dict[str, Any]:
        """For API replies, the QR and the file a resident keeps."""
        return {
            "receipt": self.facts,
            "key_id": self.key_id,
            "signature": base64.b64encode(self.signature).decode("ascii"),
        }


def signed_message(body: bytes) -> bytes:
    """What the receipt key signs."""
    return RECEIPT_DOMAIN + body


def inclusion_receipt(signer: Signer, poll_hash: bytes, ballot: bytes, leaves: Sequence[bytes], day: str) -> Receipt:
    """Signs poll hash, ballot code, leaf hashes and the day. It can show others how its holder voted.

    The body is RFC 8785 JSON by construction: names in order, nothing in them that JSON would escape.
    """
    listed = ",".join(f'"{leaf.hex()}"' for leaf in leaves)
    body = (
        f'{{"ballot":"{short_code(ballot)}","day":"{day}","kind":"inclusion","leaves":[{listed}],'
        f'"poll":"{poll_hash.hex()}","v":1}}'
    ).encode("ascii")
    return Receipt(body, signer.key_id, signer.sign(signed_message(body)))


def acceptance_receipt(signer: Signer, poll_hash: bytes, ballot: bytes, day: str) -> Receipt:
    """Signs that a ballot was accepted, with nothing that leads to its answers on the board."""
    commitment = hashlib.sha256(b"veche/acceptance/v1" + poll_hash + ballot).hexdigest()
    body = rfc8785.dumps(
        {"v": 1, "kind": "acceptance_only", "poll": poll_hash.hex(), "acceptance": commitment, "day": day}
    )
    return Receipt(body, signer.key_id, signer.sign(signed_message(body)))


def short_code(ballot: bytes) -> str:
    """The whole ballot id in base32, 26 letters and digits without padding."""
    bits = int.from_bytes(ballot, "big") << 2  # 130 of them: 13 pairs of letters
    return "".join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # RFC 4648 §6
_SHIFTS = range(120, -1, -10)
_PAIRS = [high + low for high in _LETTERS for low in _LETTERS]
"""Every ten bits as two letters: `base64.b32encode` takes as long as a tenth of a vote."""


def grouped_code(code: str) -> str:
    """The code as people read it aloud: groups of four or five."""
    return " ".join(code[i : i + 5] for i in range(0, len(code), 5))

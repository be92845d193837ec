"""A lot that nobody chooses and anybody repeats: two commitments, two secrets, the count's own root. Pure.

BALLOTS §21: an official and an observer each commit to a secret before opening and reveal it after the count. With
both secrets and the root of the counted ballots fixed, the order of tied options follows by hashing: neither party can
steer it without the other, and no ballot can be added once the secrets are known.

    commitment = SHA-256("veche/lot-commitment/v1" ‖ poll hash ‖ party ‖ 0x00 ‖ secret)
    lot        = SHA-256("veche/lot/v1" ‖ official's secret ‖ observer's secret ‖ root ‖ question as 4 bytes
                         ‖ stage as 4 bytes ‖ the tied option ids, rising, 4 bytes each)
    the tied options stand by SHA-256(lot ‖ option id as 4 bytes), smallest first, best first.

Both secrets have 32 bytes, so their boundary needs no mark. A commitment names its party and poll, so that one party
cannot repeat the other's commitment and then its secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

SECRET_BYTES = 32
COMMITMENT_DOMAIN = b"veche/lot-commitment/v1"
LOT_DOMAIN = b"veche/lot/v1"


class Party(StrEnum):
    """Who commits: an official of the poll, and an observer who is not one."""

    OFFICIAL = "official"
    OBSERVER = "observer"


def commitment(poll_hash: bytes, party: Party, secret: bytes) -> bytes:
    """What is published before opening (32 bytes). Raises ValueError for a secret of another length."""
    if len(secret) != SECRET_BYTES or len(poll_hash) != 32:
        raise ValueError("a secret and a poll hash have 32 bytes")
    return hashlib.sha256(COMMITMENT_DOMAIN + poll_hash + party.value.encode() + b"\x00" + secret).digest()


@dataclass(frozen=True)
class Lot:
    """What the order of any tie of a poll follows from. `root` is the Merkle root of the question's leaves."""

    official: bytes
    observer: bytes
    root: bytes

    def order(self, question_id: int, stage: int, tied: Iterable[int]) -> tuple[int, ...]:
        """The tied option ids, best first."""
        ids = sorted(tied)
        drawn = hashlib.sha256(
            LOT_DOMAIN + self.official + self.observer + self.root + _four(question_id) + _four(stage) + _fours(ids)
        ).digest()
        return tuple(sorted(ids, key=lambda option_id: hashlib.sha256(drawn + _four(option_id)).digest()))


def _four(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _fours(numbers: Sequence[int]) -> bytes:
    return b"".join(_four(number) for number in numbers)

"""A lot that nobody chooses and anybody repeats (BALLOTS 21), and the tree its root comes from (RFC 6962)."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polls.lots import Lot, Party, commitment
from polls.tlog import merkle_root

POLL = bytes(range(32))


def by_the_book(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + by_the_book(leaves[:k]) + by_the_book(leaves[k:])).digest()


@given(st.integers(0, 70))
def test_the_streamed_root_is_the_tree_hash_of_the_rfc(size: int) -> None:
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(size)]
    assert merkle_root(iter(leaves)) == by_the_book(leaves)


def test_the_root_of_the_rfcs_published_example() -> None:
    # The test vectors of certificate-transparency: inputs "", 00, 10, 2021, 3031, 40414243 (five more follow there).
    inputs = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43"]
    leaves = [hashlib.sha256(b"\x00" + data).digest() for data in inputs]
    assert merkle_root(leaves).hex() == "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"


def test_a_commitment_names_its_poll_and_its_party() -> None:
    secret = b"s" * 32
    made = commitment(POLL, Party.OFFICIAL, secret)
    assert made == hashlib.sha256(b"veche/lot-commitment/v1" + POLL + b"official\x00" + secret).digest()
    assert made != commitment(POLL, Party.OBSERVER, secret), "the other party cannot repeat it"
    assert made != commitment(bytes(32), Party.OFFICIAL, secret)
    with pytest.raises(ValueError, match="32 bytes"):
        commitment(POLL, Party.OFFICIAL, b"short")


@given(
    st.lists(st.integers(1, 300), min_size=2, max_size=8, unique=True),
    st.integers(1, 50),
    st.binary(min_size=32, max_size=32),
)
def test_the_order_of_the_tied_depends_on_who_is_tied_and_not_on_how_they_are_listed(
    tied: list[int], stage: int, secret: bytes
) -> None:
    lot = Lot(secret, b"o" * 32, b"r" * 32)
    order = lot.order(1, stage, tied)
    assert sorted(order) == sorted(tied)
    assert all(lot.order(1, stage, listed) == order for listed in list(permutations(tied))[:20])


def test_each_part_moves_the_lot_and_every_order_is_as_likely() -> None:
    drawn: Counter[tuple[int, ...]] = Counter()
    for n in range(6_000):
        drawn[Lot(n.to_bytes(32, "big"), b"o" * 32, b"r" * 32).order(1, 1, (1, 2, 3))] += 1
    assert len(drawn) == 6
    assert all(abs(found - 1_000) < 150 for found in drawn.values()), "five standard deviations are about 144"
    base = [Lot(b"a" * 32, b"b" * 32, bytes([n]) * 32) for n in range(40)]
    assert len({lot.order(1, 1, range(1, 9)) for lot in base}) > 30
    assert len({base[0].order(q, s, range(1, 9)) for q in (1, 2, 3) for s in (1, 2, 3)}) == 9

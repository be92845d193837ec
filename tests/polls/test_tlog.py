"""Trees and their proofs against the definitions of RFC 6962, written down here once more; tiles as C2SP has them."""

from __future__ import annotations

import hashlib
import secrets
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polls.tlog import (
    EMPTY_ROOT,
    RootOf,
    Tile,
    TileWriter,
    bundle,
    bundle_path,
    bundles_of,
    check_consistency,
    check_inclusion,
    consistency_proof,
    hash_leaf,
    inclusion_proof,
    merkle_root,
    nodes_from_tiles,
    nodes_of,
    numbered,
    range_root,
    read_bundle,
    tiles_of,
)

# ---- the definitions, straight from RFC 6962 §2.1


def split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def mth(entries: tuple[bytes, ...]) -> bytes:
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = split(len(entries))
    return hashlib.sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: tuple[bytes, ...]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def subproof(m: int, entries: tuple[bytes, ...], whole: bool) -> list[bytes]:
    n = len(entries)
    if m == n:
        return [] if whole else [mth(entries)]
    k = split(n)
    if m <= k:
        return [*subproof(m, entries[:k], whole), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], False), mth(entries[:k])]


@cache
def entries(n: int) -> tuple[bytes, ...]:
    return tuple(b"entry %d" % i for i in range(n))


@cache
def leaves(n: int) -> tuple[bytes, ...]:
    return tuple(hash_leaf(entry) for entry in entries(n))


# The tree of Certificate Transparency's own tests: entries, and its root after each of them.
CT_ENTRIES = [
    b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43", b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
]  # fmt: skip
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_tree_of_certificate_transparency() -> None:
    for n in range(1, 9):
        assert merkle_root(map(hash_leaf, CT_ENTRIES[:n])).hex() == CT_ROOTS[n - 1]
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_proofs_of_certificate_transparency() -> None:
    node = nodes_of([hash_leaf(entry) for entry in CT_ENTRIES])
    assert [h.hex() for h in inclusion_proof(5, 8, node)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert [h.hex() for h in consistency_proof(6, 8, node)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@pytest.mark.parametrize("n", range(1, 71))
def test_every_proof_of_every_small_tree(n: int) -> None:
    """The rule's own proofs, all of them; each leads to the root, and to no other leaf, place or size."""
    node, root, all_leaves = nodes_of(leaves(n)), mth(entries(n)), leaves(n)
    assert merkle_root(all_leaves) == range_root(0, n, node) == root
    for i in range(n):
        proof = inclusion_proof(i, n, node)
        assert proof == path(i, entries(n))
        assert check_inclusion(all_leaves[i], i, n, proof, root)
        assert not check_inclusion(hash_leaf(b"another"), i, n, proof, root)
        assert not check_inclusion(all_leaves[i], (i + 1) % n, n, proof, root) or n == 1
        assert not check_inclusion(all_leaves[i], i, n, [*proof, root], root)
        assert not proof or not check_inclusion(all_leaves[i], i, n, proof[:-1], root)
    for m in range(n + 1):
        proof, old_root = consistency_proof(m, n, node), mth(entries(m))
        assert m == 0 or proof == subproof(m, entries(n), True)
        assert check_consistency(m, n, old_root, root, proof)
        assert not check_consistency(m, n, hash_leaf(b"another"), root, proof)
        assert not check_consistency(m, n, old_root, hash_leaf(b"another"), proof) or m == 0
        assert not check_consistency(m, n, old_root, root, [*proof, root])
        if proof:
            assert not check_consistency(m, n, old_root, root, proof[:-1])


def test_proofs_of_what_is_not_there_are_refused() -> None:
    node = nodes_of(leaves(5))
    for index, size in ((5, 5), (-1, 5), (0, 0)):
        with pytest.raises(ValueError):
            inclusion_proof(index, size, node)
        assert not check_inclusion(leaves(5)[0], index, size, [], leaves(5)[0])
    with pytest.raises(ValueError):
        consistency_proof(6, 5, node)
    assert not check_consistency(6, 5, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not check_inclusion(b"short", 0, 1, [], b"short")


@given(st.integers(1, 300), st.data())
def test_a_changed_proof_proves_nothing(n: int, data: st.DataObject) -> None:
    node, root = nodes_of(leaves(n)), merkle_root(leaves(n))
    i = data.draw(st.integers(0, n - 1))
    proof = inclusion_proof(i, n, node)
    if proof:
        at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        proof[at] = (int.from_bytes(proof[at], "big") ^ (1 << bit)).to_bytes(32, "big")
        assert not check_inclusion(leaves(n)[i], i, n, proof, root)
    m = data.draw(st.integers(1, n))
    proof = consistency_proof(m, n, node)
    if proof:
        at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        proof[at] = (int.from_bytes(proof[at], "big") ^ (1 << bit)).to_bytes(32, "big")
        assert not check_consistency(m, n, merkle_root(leaves(m)), root, proof)


# ---- tiles


def test_numbers_of_tiles_are_written_in_threes() -> None:
    assert numbered(1_234_067) == "x001/x234/067"
    assert [numbered(0), numbered(999), numbered(1_000)] == ["000", "999", "x001/000"]
    assert Tile(0, 273, 112).path == "tile/0/273.p/112"
    assert Tile(2, 1).path == "tile/2/001"
    assert bundle_path(1_234_067, 5) == "tile/entries/x001/x234/067.p/5"
    for number, width in ((-1, 256), (0, 0), (0, 257)):
        with pytest.raises(ValueError):
            numbered(number, width)


def test_the_tiles_of_a_tree_of_seventy_thousand() -> None:
    """The example of C2SP: a tree of 70,000 has 273 full tiles and one of 112, then 1 and one of 17, then one of 1."""
    tiles = list(tiles_of(70_000))
    assert [tile for tile in tiles if tile.level == 0] == [*(Tile(0, n) for n in range(273)), Tile(0, 273, 112)]
    assert [tile for tile in tiles if tile.level == 1] == [Tile(1, 0), Tile(1, 1, 17)]
    assert [tile for tile in tiles if tile.level == 2] == [Tile(2, 0, 1)]
    assert len(tiles) == 277
    assert list(bundles_of(600)) == [(0, 256), (1, 256), (2, 88)]
    assert list(tiles_of(0)) == []


@pytest.mark.parametrize("n", [0, 1, 2, 255, 256, 257, 511, 512, 1_000, 65_535, 65_536, 65_537])
def test_tiles_hold_the_tree(n: int) -> None:
    """What the writer gives is what `tiles_of` names; nodes read from it prove leaves and older trees."""
    written: dict[str, bytes] = {}
    writer = TileWriter(lambda tile, data: written.__setitem__(tile.path, data))
    all_leaves = leaves(n)
    some = n // 3
    for leaf in all_leaves[:some]:
        writer.add(leaf)
    for start in range(some, n, 700):  # leaves may come many at a time, too
        writer.add_all(all_leaves[start : start + 700])
    assert writer.size == n
    assert writer.finish() == merkle_root(all_leaves)
    assert {path: len(data) for path, data in written.items()} == {t.path: 32 * t.width for t in tiles_of(n)}
    assert b"".join(written[t.path] for t in tiles_of(n) if t.level == 0) == b"".join(all_leaves)
    node = nodes_from_tiles(n, lambda tile: written[tile.path])
    for i in {0, n // 3, n // 2, n - 1} if n else ():
        assert check_inclusion(all_leaves[i], i, n, inclusion_proof(i, n, node), merkle_root(all_leaves))
    for m in {1, n // 3, n // 2, n - 1} - {0} if n > 1 else ():
        proof = consistency_proof(m, n, node)
        assert check_consistency(m, n, merkle_root(all_leaves[:m]), merkle_root(all_leaves), proof)


@given(st.lists(st.binary(max_size=400), max_size=256))
def test_bundles_are_read_as_they_were_written(held: list[bytes]) -> None:
    assert read_bundle(bundle(held)) == held


def test_broken_bundles_are_refused() -> None:
    with pytest.raises(OverflowError):
        bundle([bytes(65_536)])
    assert bundle([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    for broken in (b"\x00", b"\x00\x03ab", bundle([b"x"] * 257)):
        with pytest.raises(ValueError):
            read_bundle(broken)


def test_a_root_grows_by_leaves_and_by_subtrees() -> None:
    some = [secrets.token_bytes(32) for _ in range(300)]
    tree = RootOf()
    tree.add_subtree(256, merkle_root(some[:256]))
    for leaf in some[256:]:
        tree.add(leaf)
    assert tree.root() == merkle_root(some)

"""Trees of a transparency log: roots, proofs and the files a tree is published as. Pure.

Hashing is RFC 6962 §2.1, proofs are RFC 6962 §2.1.1–2.1.2 and are checked as RFC 9162 §2.1.3–2.1.4 say, files are C2SP
tlog-tiles: 256 hashes a tile, and bundles of 256 entries with their lengths. Whoever holds a tree gives its nodes by
(level, index): the hash of the complete subtree of 2^level leaves that begins at leaf index·2^level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
LONGEST_ENTRY: Final = 0xFFFF
HASH: Final = 32

Node = Callable[[int, int], bytes]
"""(level, index) → the hash of that complete subtree."""

_sha256 = hashlib.sha256


def hash_leaf(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry), 32 bytes."""
    return _sha256(b"\x00" + entry).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right), 32 bytes."""
    return _sha256(b"\x01" + left + right).digest()


class RootOf:
    """The tree hash of leaf hashes added in their order.

    Keeps one hash per level, so seven million leaves need no memory.
    """

    def __init__(self) -> None:
        self._complete: list[tuple[int, bytes]] = []  # (size, hash) of complete subtrees, the larger first

    def add(self, leaf: bytes) -> None:
        """The next leaf hash (32 bytes)."""
        self.add_subtree(1, leaf)

    def add_subtree(self, size: int, root: bytes) -> None:
        """The next `size` leaves by the root of their subtree: a power of two that divides the leaves so far."""
        while self._complete and self._complete[-1][0] == size:
            root = hash_children(self._complete.pop()[1], root)
            size *= 2
        self._complete.append((size, root))

    def root(self) -> bytes:
        """The root so far (32 bytes); of no leaves, SHA-256 of nothing."""
        if not self._complete:
            return EMPTY_ROOT
        top = self._complete[-1][1]
        for _, left in reversed(self._complete[:-1]):
            top = hash_children(left, top)
        return top


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """The tree hash of leaf hashes in their order (32 bytes)."""
    tree = RootOf()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


# ---- proofs


def nodes_of(leaves: Sequence[bytes]) -> Node:
    """The nodes of a tree held in memory, made as they are asked for."""
    made: dict[tuple[int, int], bytes] = {}

    def node(level: int, index: int) -> bytes:
        if level == 0:
            return leaves[index]
        if (level, index) not in made:
            made[level, index] = hash_children(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))
        return made[level, index]

    return node


def range_root(start: int, end: int, node: Node) -> bytes:
    """The tree hash of leaves start ≤ i < end, where the range is a subtree of RFC 6962 (start is aligned)."""
    size = end - start
    if size < 1:
        return EMPTY_ROOT
    level = size.bit_length() - 1
    if size == 1 << level:
        return node(level, start >> level)
    split = start + _split(size)
    return hash_children(range_root(start, split, node), range_root(split, end, node))


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """PATH(index, D[size]): the siblings from the leaf up. Raises ValueError for an index that is not in the tree."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            proof.append(range_root(split, end, node))
            end = split
        else:
            proof.append(range_root(start, split, node))
            start = split
    return proof[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """PROOF(old, D[new]), which shows that the first `old` leaves stayed. Nothing is to be shown of none or of all.

    Raises ValueError unless 0 ≤ old ≤ new.
    """
    if not 0 <= old <= new:
        raise ValueError(f"no consistency of {old} with {new} leaves")
    if old in (0, new):
        return []
    proof: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        split = start + _split(end - start)
        if old <= split:
            proof.append(range_root(split, end, node))
            end = split
        else:
            proof.append(range_root(start, split, node))
            start, whole = split, False
    if not whole:
        proof.append(range_root(start, end, node))
    return proof[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from the leaf hash at this index to the root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size or not _are_hashes(leaf, root, *proof):
        return False
    here, last, made = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            made = hash_children(sibling, made)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            made = hash_children(made, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and made == root


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows the older tree to be the beginning of the newer one (RFC 9162 §2.1.4.2)."""
    if not 0 <= old <= new or not _are_hashes(old_root, new_root, *proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            before, after = hash_children(sibling, before), hash_children(sibling, after)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            after = hash_children(after, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _split(size: int) -> int:
    """The largest power of two smaller than `size` (≥ 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _are_hashes(*values: bytes) -> bool:
    return all(len(value) == HASH for value in values)


# ---- tiles and bundles


class Tile(NamedTuple):
    """Where a tile is: its level (of 8 tree levels each), its number there, and how many of its 256 places are taken.

    The hashes of a tile of level L are the complete subtrees of 2^(8·L) leaves.
    """

    level: int
    number: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """``tile/<L>/<N>`` with ``.p/<W>`` where it is not full."""
        return f"tile/{self.level}/{numbered(self.number, self.width)}"


def bundle_path(number: int, width: int = TILE_WIDTH) -> str:
    """Where the bundle of the entries from 256·number on is: ``tile/entries/<N>`` with ``.p/<W>``."""
    return f"tile/entries/{numbered(number, width)}"


def numbered(number: int, width: int = TILE_WIDTH) -> str:
    """A tile's number in threes, all but the last marked with x: 1234067 is ``x001/x234/067``."""
    if number < 0 or not 1 <= width <= TILE_WIDTH:
        raise ValueError(f"no tile {number} of width {width}")
    parts = [f"{number % 1000:03d}"]
    while number := number // 1000:
        parts.append(f"x{number % 1000:03d}")
    path = "/".join(reversed(parts))
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of a tree, the lower levels first; the last of a level may be partial. Of no leaves, none."""
    level, count = 0, size
    while count:
        for number in range(count // TILE_WIDTH):
            yield Tile(level, number)
        if count % TILE_WIDTH:
            yield Tile(level, count // TILE_WIDTH, count % TILE_WIDTH)
        level, count = level + 1, count // TILE_WIDTH


def bundles_of(size: int) -> Iterator[tuple[int, int]]:
    """(number, width) of every bundle of a tree's entries."""
    return ((tile.number, tile.width) for tile in tiles_of(size) if tile.level == 0)


def nodes_from_tiles(size: int, read: Callable[[Tile], bytes]) -> Node:
    """The nodes of a published tree, from the bytes of its tiles. `read` gives a tile's bytes."""

    def node(level: int, index: int) -> bytes:
        tile_level, inside = divmod(level, TILE_HEIGHT)
        first = index << inside
        held = size >> (TILE_HEIGHT * tile_level)
        number, at = divmod(first, TILE_WIDTH)
        data = read(Tile(tile_level, number, min(TILE_WIDTH, held - TILE_WIDTH * number)))
        return subtree_root([data[HASH * i : HASH * (i + 1)] for i in range(at, at + (1 << inside))])

    return node


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """The root of a complete subtree from 1, 2, 4, … of its nodes."""
    level = list(hashes)
    while len(level) > 1:
        level = [_sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level), 2)]
    return level[0]


class TileWriter:
    """Tiles of a growing tree: leaves come in their order, tiles leave as they fill, the root is known at the end.

    Holds at most one tile a level. `write` is given the tile's place and its bytes.
    """

    def __init__(self, write: Callable[[Tile, bytes], None]) -> None:
        self._write = write
        self._open: list[list[bytes]] = [[]]
        self._full: list[int] = [0]

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._full[0] * TILE_WIDTH + len(self._open[0])

    def add(self, leaf: bytes) -> None:
        """The next leaf hash (32 bytes)."""
        self._open[0].append(leaf)
        if len(self._open[0]) == TILE_WIDTH:
            self._fill(0)

    def add_all(self, leaves: Sequence[bytes]) -> None:
        """The next leaf hashes, in their order; whole tiles at once are fastest."""
        at = 0
        while at < len(leaves):
            more = leaves[at : at + TILE_WIDTH - len(self._open[0])]
            self._open[0] += more
            at += len(more)
            if len(self._open[0]) == TILE_WIDTH:
                self._fill(0)

    def _fill(self, level: int) -> None:
        hashes = self._open[level]
        self._write(Tile(level, self._full[level]), b"".join(hashes))
        self._open[level], self._full[level] = [], self._full[level] + 1
        if level + 1 == len(self._open):
            self._open.append([])
            self._full.append(0)
        self._open[level + 1].append(subtree_root(hashes))
        if len(self._open[level + 1]) == TILE_WIDTH:
            self._fill(level + 1)

    def finish(self) -> bytes:
        """Write the partial tiles; gives the root. Nothing may be added after."""
        tree = RootOf()
        for level in range(len(self._open) - 1, -1, -1):
            for hashed in self._open[level]:
                tree.add_subtree(TILE_WIDTH**level, hashed)
        for level, hashes in enumerate(self._open):
            if hashes:
                self._write(Tile(level, self._full[level], len(hashes)), b"".join(hashes))
        return tree.root()


def bundle(entries: Iterable[bytes]) -> bytes:
    """Up to 256 entries, each behind its length in two bytes, the high one first."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def read_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises ValueError for bytes that end amid an entry or hold more than 256."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data) or len(entries) == TILE_WIDTH:
            raise ValueError("not a bundle of entries")
        entries.append(data[at + 2 : end])
        at = end
    return entries

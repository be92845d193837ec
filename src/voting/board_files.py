"""The board of a counted poll as files: what everybody may take from /board/, in the form of C2SP tlog-tiles.

    <id>/manifest.json, manifest.note      the newest; every version also as manifest-<n>.json and .note
    <id>/definition.json                   the poll as it was sealed
    <id>/q<question>/checkpoint, tile/…    the tree of a question: hashes, and bundles of entries

A board is built beside its place and renamed: it is there whole or not at all, whatever ends the building. Its trees
never change after that; a next manifest is added to them. What the files hold is held against what was signed before
anybody sees it.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from polls.board_manifest import Manifest
from polls.board_trees import Tree
from polls.tlog import TILE_WIDTH, TileWriter, bundle, bundle_path, hash_leaf
from voting.publishing import write_whole

Put = Callable[[str, bytes], None]
"""(path below the tree's directory, bytes): writes a file, or compares one."""

A_RECORD: Final = 230
"""Bytes of disk that a record takes at most in a board of many: its entry, its hash, its share of the upper levels."""
A_BOARD: Final = 1 << 20
"""Bytes of disk that a board takes besides."""


class BoardFault(Exception):
    """A board that must not be published, or for which there is no room. The words are for an operator."""


def boards_in(data_dir: Path) -> Path:
    """The directory of all boards below the service's data directory."""
    return data_dir / "board"


def is_published(boards: Path, poll: str, version: int) -> bool:
    """Whether the files of a poll's board are there with this version of its manifest as the newest: what is written
    last says so."""
    directory = boards / poll
    try:
        lines = (directory / "manifest.note").read_text("utf-8", errors="replace").split("\n")
    except OSError:  # not there, or not to be read: either way somebody should see to it
        return False
    newest = int(lines[2]) if len(lines) > 2 and lines[2].isdecimal() else 0
    return newest >= version and (directory / f"manifest-{version}.note").is_file()


class TreeFiles:
    """The files of one tree, from its entries in leaf order. `put` is given each path and its bytes.

    Raises BoardFault for entries that are not in the order of their leaf hashes: no tree is made of such.
    """

    def __init__(self, put: Put) -> None:
        self._put = put
        self._tiles = TileWriter(lambda tile, data: put(tile.path, data))
        self._waiting: list[bytes] = []
        self._last = b""
        self._bundles = 0

    def add(self, entries: Iterable[bytes]) -> None:
        """The next entries."""
        self._waiting += entries
        whole = len(self._waiting) - len(self._waiting) % TILE_WIDTH
        for start in range(0, whole, TILE_WIDTH):
            self._bundle(self._waiting[start : start + TILE_WIDTH])
        del self._waiting[:whole]

    def _bundle(self, entries: list[bytes]) -> None:
        leaves = [hash_leaf(entry) for entry in entries]
        last = self._last
        for leaf in leaves:
            if leaf <= last:
                raise BoardFault("the records are not in the order of their hashes")
            last = leaf
        self._last = last
        self._put(bundle_path(self._bundles, len(entries)), bundle(entries))
        self._bundles += 1
        self._tiles.add_all(leaves)

    def finish(self) -> tuple[int, bytes]:
        """The files of what is left; gives the size and the root of the tree."""
        if self._waiting:
            self._bundle(self._waiting)
            self._waiting = []
        return self._tiles.size, self._tiles.finish()


@dataclass(frozen=True)
class BoardTexts:
    """What a board holds beside its trees' tiles: the sealed document, checkpoints, and manifests, the older first."""

    poll: str
    definition: bytes
    trees: Mapping[int, Tree]
    manifests: tuple[Manifest, ...]

    def files(self) -> dict[str, bytes]:
        """Path → bytes of all of it."""
        made = {"definition.json": self.definition}
        made |= {f"q{question}/checkpoint": tree.checkpoint.encode() for question, tree in self.trees.items()}
        for manifest in self.manifests:
            made |= manifest_files(manifest, f"manifest-{manifest.version}")
        return made | manifest_files(self.manifests[-1], "manifest")


def manifest_files(manifest: Manifest, name: str) -> dict[str, bytes]:
    """A manifest and its note under a name."""
    return {f"{name}.json": manifest.data, f"{name}.note": manifest.note.encode()}


class BoardDraft:
    """A board that is being built, in a directory beside its place.

    Use it in `with`: unless `publish` was reached, nothing of it is left. Not two at a time of one poll: the caller
    holds a lock; what an interrupted builder left behind is cleared away at the beginning.
    """

    def __init__(self, boards: Path, poll: str) -> None:
        self._boards, self._poll = boards, poll
        self.directory = boards / f".{poll}.{secrets.token_hex(4)}"
        self._made: set[str] = set()

    def __enter__(self) -> BoardDraft:
        self._boards.mkdir(mode=0o755, parents=True, exist_ok=True)
        for left in self._boards.glob(f".{self._poll}.*"):
            shutil.rmtree(left, ignore_errors=True)
        self.directory.mkdir(mode=0o755)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)  # after the renaming there is nothing by this name

    def put(self, path: str, data: bytes) -> None:
        """Write a file of the board."""
        folder, _, name = path.rpartition("/")
        if folder not in self._made:
            (self.directory / folder).mkdir(mode=0o755, parents=True, exist_ok=True)
            self._made.add(folder)
        with open(f"{self.directory}/{folder}/{name}", "xb") as file:  # noqa: PTH123 -- tens of thousands of them
            file.write(data)

    def tree(self, question_id: int) -> TreeFiles:
        """What takes the entries of a question's tree."""
        return TreeFiles(lambda path, data: self.put(f"q{question_id}/{path}", data))

    def publish(self, texts: BoardTexts) -> None:
        """Write what stands beside the trees, and put the whole in its place. Raises BoardFault if a board is there."""
        for path, data in texts.files().items():
            self.put(path, data)
        os.sync()  # tens of thousands of files at once: a power cut after the renaming must find them all
        target = self._boards / self._poll
        if target.exists():
            raise BoardFault(f"{target} is there already")
        self.directory.rename(target)


def check_tree(tree: Tree, made: tuple[int, bytes]) -> None:
    """Raises BoardFault unless a tree made for publication is the one that was signed."""
    if made != (tree.size, tree.root):
        raise BoardFault(
            f"question {tree.question_id}: {made[0]:,} records with the root {made[1].hex()} are not the"
            f" {tree.size:,} with the root {tree.root.hex()} that were signed at the count; nothing was published"
        )


def check_room(boards: Path, records: int) -> None:
    """Raises BoardFault where the disk clearly has no room for a board of so many records."""
    boards.mkdir(mode=0o755, parents=True, exist_ok=True)
    needed, free = A_BOARD + records * A_RECORD, shutil.disk_usage(boards).free
    if free < needed:
        raise BoardFault(f"{boards} has {free >> 20:,} MB free; the board needs about {needed >> 20:,} MB")


def add_manifests(boards: Path, texts: BoardTexts) -> None:
    """Put manifests made since beside a published board.

    Every numbered file comes before the two that name the newest, and the note that :func:`is_published` reads last:
    whoever reads in between finds the old board whole, or two files of the newest that do not fit for a moment.
    """
    directory = boards / texts.poll
    if is_published(boards, texts.poll, texts.manifests[-1].version):
        return
    files: dict[str, bytes] = {}
    for manifest in texts.manifests:
        if not (directory / f"manifest-{manifest.version}.note").is_file():
            files |= manifest_files(manifest, f"manifest-{manifest.version}")
    for path, data in (files | manifest_files(texts.manifests[-1], "manifest")).items():
        write_whole(directory / path, data)


class Comparison:
    """Files that are there against files as they should be: a sentence for each that differs."""

    MOST = 50

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._expected: set[str] = set()
        self.found: list[str] = []

    def put(self, path: str, data: bytes) -> None:
        """A file that should be there."""
        self._expected.add(path)
        try:
            if (self._directory / path).read_bytes() != data:
                self._differs(f"{path} is not as it was signed")
        except OSError:
            self._differs(f"{path} is missing")

    def tree(self, question_id: int) -> TreeFiles:
        """What takes the entries of a question's tree."""
        return TreeFiles(lambda path, data: self.put(f"q{question_id}/{path}", data))

    def finish(self) -> list[str]:
        """Every difference, files nobody expects among them."""
        for folder, _, names in os.walk(self._directory):
            for name in names:
                path = Path(folder, name).relative_to(self._directory).as_posix()
                if path not in self._expected:
                    self._differs(f"{path} does not belong there")
        return self.found

    def _differs(self, sentence: str) -> None:
        if len(self.found) < self.MOST:
            self.found.append(sentence)

# /// script
# requires-python = ">=3.11"
# dependencies = ["cryptography>=42"]
# ///
"""veche-verify: check a closed poll of Veche, or a receipt of one, without trusting the site that published it.

    veche-verify https://voting.example.org/polls/square-2026
    veche-verify https://voting.example.org/polls/square-2026 --receipt receipt.json --key "$VKEY"
    veche-verify path/to/board/5f0c… --registry path/to/registry --previous saved/checkpoint
    veche-verify --complaint complaint.json --key "$VKEY"

Exit code 0: valid. 1: invalid. 2: not everything could be checked (it says what); never "valid" with a check skipped.
It does not read the protocol a city signs for a result (protocol.json): `veche protocol verify` does.

One file, the standard library and `cryptography`. It shares no code with the service: the counting rules are written
again from their descriptions (docs/rules), the formats from docs/board-format.md. Read it from the top:

    1 words and verdicts      what is said to people, and what ends a check
    2 bytes                   strict JSON, base64, hex
    3 signed notes            keys, signatures, checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint)
    4 where files come from   a directory or a site
    5 trees                   RFC 6962 hashing over c2sp.org/tlog-tiles; proofs
    6 questions and answers   which answers the sealed document allows
    7 counting                the rules of docs/rules, exact integers and fractions
    8 a board                 manifest, definition, trees, counts, outcomes, ties
    9 receipts and complaints
    10 registry log, earlier checkpoints
    11 the command line
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import http.client
import io
import json
import os
import re
import shutil
import ssl
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cmp_to_key
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import quote, urljoin, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__version__ = "1"

# ---------------------------------------------------------------------------------------------------------------------
# 1 Words and verdicts
# ---------------------------------------------------------------------------------------------------------------------

LANGUAGE = "en"


def say(en: str, ru: str) -> str:
    """The sentence in the language of the reader."""
    return ru if LANGUAGE == "ru" else en


class Invalid(Exception):
    """Something is not as it must be: exit 1."""


class Unchecked(Exception):
    """Something could not be checked (no network, a rule this verifier does not know): exit 2."""


class Missing(Exception):
    """A file that should be there is not."""


@dataclass
class Report:
    """What was found: each list holds sentences. `facts` are figures for --json."""

    passed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    of_board: bool = False
    """Whether a board's manifest was read: only then there is something to say about what a count proves."""

    def exit_code(self) -> int:
        """0 only where something was checked, nothing was wrong and nothing was left out."""
        if self.wrong:
            return 1
        return 2 if self.unchecked or not self.passed else 0

    def attempt(self, what: Callable[[], None]) -> bool:
        """Run one check; keep what it finds. Returns whether it went through."""
        try:
            what()
        except Missing as error:
            self.wrong.append(say(f"A file of the board is missing: {error}", f"На доске не хватает файла: {error}"))
        except Invalid as error:
            self.wrong.append(str(error))
        except Unchecked as error:
            self.unchecked.append(str(error))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError, RecursionError) as error:
            # A document of a shape nobody publishes by mistake. Whatever it is, it is not valid.
            kind = type(error).__name__
            self.wrong.append(say(f"A published file is malformed ({kind}: {error}).",
                                  f"Опубликованный файл испорчен ({kind}: {error})."))  # fmt: skip
        else:
            return True
        return False


# ---------------------------------------------------------------------------------------------------------------------
# 2 Bytes
# ---------------------------------------------------------------------------------------------------------------------

MOST_SAFE = 2**53 - 1
HEX = b"0123456789abcdef"


def sha256(data: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of JSON without fractions: keys by UTF-16, no spaces, the shortest escapes."""

    def in_order(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: in_order(item[key]) for key in sorted(item, key=lambda k: k.encode("utf-16-be"))}
        return [in_order(one) for one in item] if isinstance(item, list) else item

    return json.dumps(in_order(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def read_json(data: bytes, what: str, *, exact: bool = True) -> Any:
    """The value of strict JSON; with `exact` its bytes must be the canonical ones.

    Refuses wrong UTF-8, a key that comes twice, fractions, NaN and numbers above 2^53.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key comes twice")
        return found

    def whole(digits: str) -> int:
        if len(digits) > 17 or abs(int(digits)) > MOST_SAFE or digits == "-0":
            raise ValueError("a number is out of range")
        return int(digits)

    def never(text: str) -> Any:
        raise ValueError(f"{text[:20]} is no whole number")

    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=once, parse_int=whole, parse_float=never, parse_constant=never
        )
        if exact and canonical(value) != data:
            raise ValueError("the bytes are not canonical (RFC 8785)")
    except (ValueError, RecursionError) as error:
        raise Invalid(say(f"{what} is not proper JSON: {error}", f"{what}: неправильный JSON: {error}")) from None
    return value


def shaped(value: Any, shape: Any, where: str, extra: list[str]) -> None:
    """Hold a JSON value against a shape; names of keys nobody told us about go to `extra`.

    A shape is a type, None, a tuple of alternatives, a list of one shape, a list of several (a fixed row), or a dict.
    """
    if shape is object or (isinstance(shape, tuple) and value is None and None in shape):
        return
    if isinstance(shape, tuple):
        shape = next(one for one in shape if one is not None)
    if isinstance(shape, dict):
        lacking = sorted(shape.keys() - (value.keys() if isinstance(value, dict) else set()))
        if lacking or not isinstance(value, dict):
            raise Invalid(say(f"{where} lacks {lacking}", f"В {where} не хватает {lacking}"))
        extra += [f"{where}.{key}" for key in value.keys() - shape.keys()]
        for key, inner in shape.items():
            shaped(value[key], inner, f"{where}.{key}", extra)
    elif isinstance(shape, list):
        if not isinstance(value, list) or (len(shape) > 1 and len(value) != len(shape)):
            raise Invalid(say(f"{where} is not the list it must be", f"{where}: не тот список"))
        for number, item in enumerate(value):
            shaped(item, shape[number] if len(shape) > 1 else shape[0], f"{where}[{number}]", extra)
    elif type(value) is not shape or (shape is int and value < 0):
        raise Invalid(say(f"{where} is not what it must be", f"{where}: не то значение"))


def from_base64(text: str, what: str, length: int | None = None) -> bytes:
    """Standard base64 with its padding, and written the one way there is."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        data = b"\x00"
        text = ""
    if base64.b64encode(data).decode() != text or (length is not None and len(data) != length):
        raise Invalid(say(f"{what} is not proper base64", f"{what}: неправильный base64"))
    return data


def to_base64(data: bytes) -> str:
    """Standard base64 as text."""
    return base64.b64encode(data).decode()


def from_hex(text: str, what: str, length: int = 32) -> bytes:
    """Lower-case hex of so many bytes."""
    if not isinstance(text, str) or len(text) != 2 * length or text.encode().translate(None, HEX):
        raise Invalid(say(f"{what} is not {length} bytes in hex", f"{what}: не {length} байт в hex"))
    return bytes.fromhex(text)


def rising_leaves(texts: Sequence[str], what: str) -> list[bytes]:
    """Hashes in hex, strictly rising."""
    leaves = [from_hex(text, what) for text in texts]
    if any(a >= b for a, b in pairwise(leaves)):
        raise Invalid(say(f"{what} do not rise", f"{what}: не по возрастанию"))
    return leaves


# ---------------------------------------------------------------------------------------------------------------------
# 3 Signed notes
# ---------------------------------------------------------------------------------------------------------------------

ED25519 = b"\x01"
KEY_NAME = r"[^\s+\ufeff\x00-\x1f\x7f-\x9f]+"
MOST_LEAVES = 10**10
"""More than there are people: a log of more is none, and nobody should have to read it."""


def signed_by(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the Ed25519 signature is right."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_hash(name: str, public: bytes) -> bytes:
    """What names a key beside its name: four bytes."""
    return sha256(name.encode() + b"\n" + ED25519 + public)[:4]


@dataclass(frozen=True)
class Key:
    """A public key and the name it was given out under: a log's origin, or the beginning of several (`host`)."""

    name: str
    public: bytes
    until: datetime | None = None
    """When it was retired, where a key list said so."""

    def speaks_for(self, origin: str) -> bool:
        """`host` stands for all logs of the host, `host/board` for its boards, and so on."""
        return origin == self.name or origin.startswith(self.name.rstrip("/") + "/")


def read_vkey(text: str) -> Key:
    """A key as it is handed from person to person: ``name+hash in hex+base64``."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3 or not parts[0]:
        raise Unchecked(say(f"This is not a verifier key (name+hash+base64): {text[:80]}",
                            f"Это не ключ проверки (имя+хеш+base64): {text[:80]}"))  # fmt: skip
    try:
        public = from_base64(parts[2], "the key", 33)
        wanted = from_hex(parts[1], "the key's hash", 4)
    except Invalid as error:
        raise Unchecked(str(error)) from None
    if public[:1] != ED25519 or key_hash(parts[0], public[1:]) != wanted:
        raise Unchecked(say(f"The key of {parts[0]} is mistyped: its hash does not fit.",
                            f"В ключе {parts[0]} опечатка: хеш не сходится."))  # fmt: skip
    return Key(parts[0], public[1:])


def read_keys_file(path: str) -> list[Key]:
    """Verifier keys one a line, or a saved keys.json of a site."""
    data = read_local(path, 4_000_000)
    if not data.lstrip().startswith((b"{", b"[")):
        lines = (line.split("#")[0].strip() for line in data.decode("utf-8", "replace").splitlines())
        return [read_vkey(line) for line in lines if line]
    return list(vkeys_in(read_json(data, path, exact=False)))


def vkeys_in(value: Any, until: datetime | None = None) -> Iterator[Key]:
    """Every verifier key that stands anywhere in a JSON document, with the end of its use that stands beside it."""
    if isinstance(value, dict):
        ends = value.get("valid_to")
        until = moment(ends) if ends is not None else None
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from vkeys_in(item, until)
    elif isinstance(value, str) and re.fullmatch(r"[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}", value):
        key = read_vkey(value)
        yield Key(key.name, key.public, until)


def vkey_of(name: str, public: bytes) -> str:
    """A key as it is handed from person to person."""
    return f"{name}+{key_hash(name, public).hex()}+{to_base64(ED25519 + public)}"


def open_note(note: bytes, name: str, publics: Iterable[bytes]) -> str:
    """The text of a note that one of the keys signed under `name`. Signatures of others are passed over."""
    return open_signed(note, name, publics)[0]


def open_signed(note: bytes, name: str, publics: Iterable[bytes]) -> tuple[str, list[bytes]]:
    """The text of such a note, and which of the keys have signed it."""
    what = say(f"The note of {name}", f"Подписанная заметка {name}")
    try:
        text, gap, signatures = note.decode("utf-8").rpartition("\n\n")
    except UnicodeDecodeError:
        raise Invalid(say(f"{what} is not UTF-8.", f"{what}: не UTF-8.")) from None
    lines = signatures.split("\n")
    if not gap or lines.pop() != "" or not lines or len(lines) > 64 or re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text):
        raise Invalid(say(f"{what} is not a signed note.", f"{what}: это не подписанная заметка."))
    text += "\n"
    known: dict[bytes, list[bytes]] = {}
    for public in publics:
        known.setdefault(key_hash(name, public), []).append(public)
    right = []
    for line in lines:
        parts = line.split(" ")
        signature = from_base64(parts[2], what) if len(parts) == 3 else b""
        if len(signature) < 5 or parts[0] != "—" or not re.fullmatch(KEY_NAME, parts[1]):
            raise Invalid(say(f"{what} has a malformed signature.", f"{what}: подпись испорчена."))
        if parts[1] != name or signature[:4] not in known:
            continue
        held = [one for one in known[signature[:4]] if signed_by(one, signature[4:], text.encode())]
        if not held:
            raise Invalid(say(f"{what}: the signature is false.", f"{what}: подпись не сходится."))
        right += held
    if not right:
        raise Invalid(say(f"{what} is not signed by a known key.", f"{what} не подписана ни одним известным ключом."))
    return text, right


@dataclass(frozen=True)
class Checkpoint:
    """A signed state of a log: so many entries, with this root."""

    origin: str
    size: int
    root: bytes


def read_checkpoint(text: str) -> Checkpoint:
    """The three lines of a checkpoint."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not re.fullmatch(r"0|[1-9][0-9]{0,14}", lines[1]) or int(lines[1]) > MOST_LEAVES:
        raise Invalid(say("A checkpoint is malformed, or of more entries than there are people.",
                          "Контрольная точка испорчена, или записей в ней больше, чем людей."))  # fmt: skip
    return Checkpoint(lines[0], int(lines[1]), from_base64(lines[2], "root", 32))


def origin_of(note: bytes) -> str:
    """The first line of a note that nobody has checked yet."""
    return note.split(b"\n", 1)[0].decode("utf-8", "replace")


@dataclass
class Trust:
    """Whose signatures count: keys the reader brought, or else those the site itself lists."""

    pinned: list[Key]
    from_site: bool = False

    def publics(self, origin: str, listed: Iterable[bytes] = ()) -> list[bytes]:
        """The keys for a log. Raises Unchecked where the reader's keys are all of others."""
        if not self.pinned:
            self.from_site = True
            return list(listed)
        mine = [key.public for key in self.pinned if key.speaks_for(origin)]
        if not mine:
            raise Unchecked(say(f"None of the keys given is for {origin}.", f"Среди данных ключей нет ключа {origin}."))
        return mine

    def of(self, name: str) -> list[Key]:
        """The keys brought under just this name."""
        return [key for key in self.pinned if key.name == name]


# ---------------------------------------------------------------------------------------------------------------------
# 4 Where files come from
# ---------------------------------------------------------------------------------------------------------------------

SMALL = 64 * 1024
LARGE = 64 * 1024 * 1024
BUNDLE = 256 * (2 + 65_535)
TIMEOUT = 30.0  # seconds without a byte
WHOLE_TIMEOUT = 300.0  # seconds for one file, its headers included
AHEAD = 24  # files asked for before they are needed
AHEAD_LARGE = 2  # the same while they are large
CONNECTIONS = 6


def read_local(path: str | Path, limit: int) -> bytes:
    """A file of this machine, not above `limit` bytes."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise Unchecked(say(f"Cannot read {path}: {error.strerror}", f"Не читается {path}: {error.strerror}")) from None
    if len(data) > limit:
        raise Invalid(say(f"{path} is larger than it can be.", f"{path} больше, чем может быть."))
    return data


class Directory:
    """Files of a board that somebody saved."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host = ""

    def __str__(self) -> str:
        return str(self.root)

    def read(self, path: str, limit: int) -> bytes:
        """The bytes of a file. Raises Missing."""
        full = self.root / path
        if not full.is_file():
            raise Missing(path)
        return read_local(full, limit)

    def stream(self, wanted: Iterable[tuple[str, int]]) -> Iterator[bytes]:
        """The files one after another."""
        for path, limit in wanted:
            yield self.read(path, limit)

    def close(self) -> None:
        """Nothing is held open."""


class Timed(io.RawIOBase):
    """The bytes of a connection until a moment: whoever trickles them in, headers too, is not waited for any longer."""

    def __init__(self, inner: io.RawIOBase, until: float) -> None:
        self._inner, self._until = inner, until

    def readable(self) -> bool:
        """It is for reading alone."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """What there is. Raises Unchecked once the time is over."""
        if time.monotonic() > self._until:
            raise Unchecked(say("An answer trickles in too slowly.", "Ответ идёт слишком медленно."))
        return self._inner.readinto(buffer)

    def close(self) -> None:
        """Close what is read, too."""
        self._inner.close()
        super().close()


class Reply(http.client.HTTPResponse):
    """An answer that has to be whole within WHOLE_TIMEOUT."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fp = io.BufferedReader(Timed(self.fp.detach(), time.monotonic() + WHOLE_TIMEOUT))


class Site:
    """Files below an address, over connections that are kept."""

    def __init__(self, base: str) -> None:
        self.base = base if base.endswith("/") else base + "/"
        self.host = urlsplit(base).netloc
        self._local = threading.local()
        self._opened: list[http.client.HTTPConnection] = []

    def __str__(self) -> str:
        return self.base

    def read(self, path: str, limit: int) -> bytes:
        """The bytes of a file. Raises Missing where the site says there is none, Unchecked where it does not answer."""
        url = urljoin(self.base, path)
        for _ in range(6):
            status, headers, data = self._ask(url, limit)
            if status in (301, 302, 303, 307, 308):
                onward = urljoin(url, headers.get("location", ""))
                if not stays(url, onward):
                    raise Unchecked(say(f"{url} leads away to {onward}: not followed. If that is the right place, name it.",
                                        f"{url} уводит на {onward}: не иду. Если это верный адрес, назовите его "
                                        "сами."))  # fmt: skip
                url = onward
                continue
            if status in (404, 410):
                raise Missing(url)
            if status != 200:
                raise Unchecked(say(f"{url} answers {status}.", f"{url} отвечает {status}."))
            if headers.get("content-encoding", "identity") != "identity":
                raise Unchecked(say(f"{url} came compressed unasked.", f"{url}: пришло сжатое, чего не просили."))
            return data
        raise Unchecked(say(f"{url} leads on and on.", f"{url}: бесконечная переадресация."))

    def _ask(self, url: str, limit: int) -> tuple[int, Mapping[str, str], bytes]:
        """One answer; tried again when the connection breaks or the site is busy."""
        told = ""
        for pause in (0.0, 0.5, 2.0, 5.0):
            time.sleep(pause)
            try:
                status, headers, data = self._once(url, limit)
            except (OSError, http.client.HTTPException) as error:
                for broken in self._local.__dict__.pop("kept", {}).values():
                    broken.close()
                told = str(error) or type(error).__name__
                continue
            if status not in (429, 500, 502, 503, 504):
                return status, headers, data
            told = f"HTTP {status}"
        raise Unchecked(say(f"The network or the site fails: {url}: {told}", f"Сеть или сайт подводят: {url}: {told}"))

    def _once(self, url: str, limit: int) -> tuple[int, Mapping[str, str], bytes]:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
            raise Unchecked(say(f"This address cannot be read: {url}", f"Этот адрес не читается: {url}"))
        kept: dict[tuple[str, str], http.client.HTTPConnection] = self._local.__dict__.setdefault("kept", {})
        place = (parts.scheme, parts.netloc)
        if place not in kept:
            if parts.scheme == "https":
                context = ssl.create_default_context()
                kept[place] = http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT, context=context)
            else:
                kept[place] = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
            kept[place].response_class = Reply
            self._opened.append(kept[place])
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Accept-Encoding": "identity", "User-Agent": f"veche-verify/{__version__}"}
        try:
            kept[place].request("GET", target, headers=headers)
            reply = kept[place].getresponse()
        except Unchecked:
            kept.pop(place).close()
            raise
        most = limit if reply.status == 200 else 1_000_000  # a page that says what went wrong
        data = bytearray()
        try:
            while True:
                if len(data) + (reply.length or 0) > most:  # what it announces is enough not to read it
                    raise Invalid(say(f"{url} is larger than it can be.", f"{url} больше, чем может быть."))
                piece = reply.read1(65_536)
                if not piece:
                    break
                data += piece
            if reply.length:
                raise http.client.IncompleteRead(bytes(data), reply.length)
        except BaseException:
            kept.pop(place).close()
            raise
        finally:
            reply.close()  # the connection stays, unless something went wrong
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, bytes(data)

    def close(self) -> None:
        """Give the connections back."""
        for one in self._opened:
            one.close()

    def stream(self, wanted: Iterable[tuple[str, int]]) -> Iterator[bytes]:
        """The files in order, some of them asked for ahead of time."""
        waiting: deque[Future[bytes]] = deque()
        ahead = AHEAD
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            try:
                for path, limit in wanted:
                    waiting.append(pool.submit(self.read, path, limit))
                    while len(waiting) > ahead:
                        data = waiting.popleft().result()
                        ahead = min(AHEAD, ahead + 1) if len(data) < 1 << 20 else AHEAD_LARGE
                        yield data
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


class Keeping(Site):
    """A site whose files are written below a directory as they are read."""

    def __init__(self, base: str, into: Path) -> None:
        super().__init__(base)
        self.into = into

    def read(self, path: str, limit: int) -> bytes:
        """The bytes of a file, kept."""
        data = super().read(path, limit)
        place = self.into / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        except OSError as error:
            raise Unchecked(say(f"Cannot save {place}: {error}", f"Не сохраняется {place}: {error}")) from None
        return data


Source = Directory | Site


def stays(url: str, onward: str) -> bool:
    """Whether a redirect stays where the reader sent us: the same host, or the same by https."""
    here, there = urlsplit(url), urlsplit(onward)
    if (there.scheme, there.netloc) == (here.scheme, here.netloc):
        return True
    return (here.scheme, there.scheme) == ("http", "https") and here.hostname == there.hostname


# ---------------------------------------------------------------------------------------------------------------------
# 5 Trees
# ---------------------------------------------------------------------------------------------------------------------


def leaf_hash(entry: bytes) -> bytes:
    """RFC 6962: the hash of a leaf."""
    return sha256(b"\x00" + entry)


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962: the hash of two neighbours."""
    return sha256(b"\x01" + left + right)


def pair_up(hashes: Sequence[bytes]) -> bytes:
    """The root over 2^k hashes."""
    new = hashlib.sha256
    while len(hashes) > 1:
        hashes = [new(b"\x01" + hashes[i] + hashes[i + 1]).digest() for i in range(0, len(hashes), 2)]
    return hashes[0]


def root_of(levels: Sequence[Sequence[bytes]]) -> bytes:
    """The root of a tree from its unfinished tiles: `levels[k]` are hashes over 256^k leaves each, the lowest first."""
    complete: list[tuple[int, bytes]] = []  # (leaves, hash) from left to right, ever smaller
    for level in range(len(levels) - 1, -1, -1):
        for found in levels[level]:
            size, right = 256**level, found
            while complete and complete[-1][0] == size:
                right, size = node_hash(complete.pop()[1], right), size * 2
            complete.append((size, right))
    if not complete:
        return sha256(b"")
    top = complete.pop()[1]
    while complete:
        top = node_hash(complete.pop()[1], top)
    return top


def tile_path(level: int | Literal["entries"], number: int, width: int = 256) -> str:
    """c2sp.org/tlog-tiles: tile/0/x001/x234/067, with .p/WIDTH where it is not full."""
    path = f"{number % 1000:03d}"
    while number >= 1000:
        number //= 1000
        path = f"x{number % 1000:03d}/{path}"
    return f"tile/{level}/{path}" + ("" if width == 256 else f".p/{width}")


def split_bundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle, each after its length in two bytes; nothing before, between or after."""
    entries, at = [], 0
    try:
        for _ in range(width):
            end = at + 2 + (data[at] << 8 | data[at + 1])
            entries.append(data[at + 2 : end])
            at = end
    except IndexError:
        at = -1
    if at != len(data):
        raise Invalid(say("A bundle of entries is cut off or has more than it should.",
                          "Файл записей обрезан или содержит лишнее."))  # fmt: skip
    return entries


@dataclass
class Found:
    """Where a hash is in a sorted tree, or where it would be: `entry` is None where it is not there."""

    index: int
    entry: bytes | None


class Tree:
    """The files of one log below `folder` of a source, under a signed checkpoint."""

    def __init__(self, source: Source, folder: str, checkpoint: Checkpoint, note: bytes) -> None:
        self.source, self.folder = source, folder
        self.checkpoint, self.note = checkpoint, note
        self.size = checkpoint.size
        self.found: dict[bytes, Found] = {}
        self.roots: dict[int, bytes] = {}
        self._tiles: dict[tuple[int, int], bytes] = {}

    def walk(
        self, *, ascending: bool, wanted: Iterable[bytes] = (), roots_at: Iterable[int] = ()
    ) -> Iterator[tuple[int, list[bytes]]]:
        """All entries, by bundle: (index of the first, entries); every tile and the root checked on the way.

        `wanted` leaves end up in `found`, the roots of the first n entries in `roots`.
        """
        looking = deque(sorted(set(wanted)))
        sizes = sorted({n for n in roots_at if 0 <= n <= self.size})
        levels: list[list[bytes]] = [[]]
        full = [0]  # tiles finished at each level
        last = b""
        paths = ((self.folder + tile_path(kind, n, w), BUNDLE if kind == "entries" else 8192)
                 for n, w in self._widths() for kind in ("entries", 0))  # fmt: skip
        files = self.source.stream(paths)
        self.roots |= {0: sha256(b"")}
        for number, width in self._widths():
            entries = split_bundle(next(files), width)
            leaves = [hashlib.sha256(b"\x00" + entry).digest() for entry in entries]
            if next(files) != b"".join(leaves):
                raise Invalid(say(f"{self.folder}: hash tile {number} does not fit its entries.",
                                  f"{self.folder}: плитка хешей {number} не сходится с записями."))  # fmt: skip
            if ascending:
                _rises(last, leaves, self.folder)
                last = leaves[-1]
                while looking and looking[0] <= last:
                    leaf = looking.popleft()
                    at = bisect_left(leaves, leaf)
                    self.found[leaf] = Found(number * 256 + at, entries[at] if leaves[at] == leaf else None)
            while sizes and sizes[0] <= number * 256 + width:
                n = sizes.pop(0)
                self.roots[n] = root_of([leaves[: n - number * 256], *levels[1:]])
            yield number * 256, entries
            levels[0] = leaves
            self._carry(levels, full)
        self.found |= {leaf: Found(self.size, None) for leaf in looking}
        for level in range(1, len(levels)):
            self._hold_tile(level, full[level], levels[level])
        if root_of(levels) != self.checkpoint.root:
            raise Invalid(say(f"{self.folder}: the entries do not give the signed root.",
                              f"{self.folder}: записи не дают подписанного корня."))  # fmt: skip

    def _widths(self) -> Iterator[tuple[int, int]]:
        for number in range(-(-self.size // 256)):
            yield number, min(256, self.size - number * 256)

    def _carry(self, levels: list[list[bytes]], full: list[int]) -> None:
        """Full tiles give one hash to the level above."""
        level = 0
        while len(levels[level]) == 256:
            if level:
                self._hold_tile(level, full[level], levels[level])
            if len(levels) == level + 1:
                levels.append([])
                full.append(0)
            levels[level + 1].append(pair_up(levels[level]))
            full[level] += 1
            levels[level] = []
            level += 1

    def _hold_tile(self, level: int, number: int, hashes: list[bytes]) -> None:
        if not hashes:
            return
        path = self.folder + tile_path(level, number, len(hashes))
        if self.source.read(path, 8192) != b"".join(hashes):
            raise Invalid(say(f"{path} does not fit the tiles below it.", f"{path} не сходится с плитками под ней."))

    # ---- proofs, from the tiles alone

    def proof(self, index: int) -> list[bytes]:
        """RFC 6962 §2.1.1: the hashes that lead from a leaf to the root, held against the root."""
        path: list[bytes] = []
        low, high = 0, self.size
        while high - low > 1:
            middle = low + (1 << ((high - low - 1).bit_length() - 1))
            if index < middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low = middle
        return path[::-1]

    def entry(self, index: int) -> bytes:
        """One entry, read again."""
        number = index // 256
        width = min(256, self.size - number * 256)
        return split_bundle(self.source.read(self.folder + tile_path("entries", number, width), BUNDLE), width)[
            index % 256
        ]

    def proven(self, index: int) -> dict[str, Any]:
        """An entry with its proof, checked, as complaints hold it."""
        entry, proof = self.entry(index), self.proof(index)
        if not included(leaf_hash(entry), index, self.size, proof, self.checkpoint.root):
            raise Invalid(say("The tiles changed while they were read.", "Плитки изменились во время чтения."))
        return {"index": index, "entry": to_base64(entry), "proof": [to_base64(one) for one in proof]}

    def _range(self, low: int, high: int) -> bytes:
        """The hash over leaves from `low` to before `high`."""
        size = high - low
        if size & (size - 1) == 0 and low % size == 0:
            return self._node(size.bit_length() - 1, low // size)
        middle = low + (1 << ((size - 1).bit_length() - 1))
        return node_hash(self._range(low, middle), self._range(middle, high))

    def _node(self, height: int, index: int) -> bytes:
        level, above = divmod(height, 8)
        first = index << above
        number = first // 256
        if (level, number) not in self._tiles:
            width = min(256, (self.size >> (8 * level)) - number * 256)
            self._tiles[level, number] = self.source.read(self.folder + tile_path(level, number, width), 8192)
        tile = self._tiles[level, number]
        start = first % 256
        return pair_up([tile[32 * i : 32 * i + 32] for i in range(start, start + (1 << above))])


def _rises(last: bytes, leaves: list[bytes], folder: str) -> None:
    """Leaf hashes rise strictly, so that no entry stands twice and their order says nothing."""
    if leaves[0] <= last or leaves != sorted(leaves) or len(set(leaves)) != len(leaves):
        raise Invalid(say(f"{folder}: entries are not in the order of their hashes, or one stands twice.",
                          f"{folder}: записи не в порядке хешей, или одна стоит дважды."))  # fmt: skip


def included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162 §2.1.3.2: whether the proof leads from the leaf at `index` to the root."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for one in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(one, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, one)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


# ---------------------------------------------------------------------------------------------------------------------
# 6 Questions and answers
# ---------------------------------------------------------------------------------------------------------------------

MOST_PLACES = 20_000_000  # of distinct rankings, in memory: about 1.5 GB
MOST_WAITING = 8 << 20  # bytes of records whose answers are added up at once
OWN = 0  # stands in an answer for words of the resident's own
RERUN = ("plurality", "approval", "rating", "points", "borda", "instant_runoff", "schulze",
         "greedy", "greedy_threshold", "greedy_no_skip", "text")  # fmt: skip


MOST_QUESTIONS, MOST_OPTIONS, MOST_LEVEL = 50, 300, 100
SHARE = r"[0-9]{1,6}/[1-9][0-9]{0,5}"


def within_limits(sealed: Mapping[str, Any]) -> bool:
    """Whether a question is of a size that can be counted, by the limits of veche/poll/v1. Without them a document sealed
    in bad faith would keep a verifier busy for ever."""
    rule, levels = sealed["rule"], [sealed.get("scale_min", 1), sealed.get("scale_max", 5)]
    shares = [rule[name] for name in ("threshold", "trim") if rule.get(name) is not None]
    return (
        len(sealed.get("options", [])) <= MOST_OPTIONS
        and all(type(level) is int and abs(level) <= MOST_LEVEL for level in levels)
        and all(type(share) is str and re.fullmatch(SHARE, share) for share in shares)
    )


class Question:
    """One question of the sealed document: its options, its limits, its rule."""

    def __init__(self, sealed: Mapping[str, Any]) -> None:
        self.id: int = sealed["id"]
        self.kind: str = sealed["kind"]
        if not within_limits(sealed):
            raise Invalid(say(f"Question {self.id} of the sealed document is beyond the limits of its format.",
                              f"Вопрос {self.id} опечатанного документа вне пределов формата."))  # fmt: skip
        self.sealed = sealed
        self.rule: Mapping[str, Any] = sealed["rule"]
        self.method: str = self.rule["method"]
        self.required: bool = sealed.get("required", True)
        options = sealed.get("options", [])
        self.regular: list[int] = [o["id"] for o in options if o.get("kind", "regular") == "regular"]
        self.neutral: list[int] = [o["id"] for o in options if o.get("kind", "regular") == "neutral"]
        self.cost: dict[int, int] = {o["id"]: o.get("cost") or 0 for o in options}
        self._styles: dict[int, list[int]] = {o["id"]: o.get("styles", []) for o in options}
        self.styles: list[int] = sealed.get("styles", [])
        self.takes_own = self.kind == "text" or bool(sealed.get("own_answer", False))
        self._shown: dict[int, tuple[set[int], set[int]]] = {}

    @property
    def everybody_has_it(self) -> bool:
        """Whether every ballot holds the question."""
        return not self.styles and self.sealed.get("shown_if") is None

    def asked_in(self, style: int) -> bool:
        """Whether ballots of this style hold the question."""
        return not self.styles or style in self.styles

    def shown(self, style: int) -> tuple[set[int], set[int]]:
        """Regular and neutral options a ballot of this style shows."""
        if style not in self._shown:
            ids = {o for o, styles in self._styles.items() if not styles or style in styles}
            self._shown[style] = (ids & set(self.regular), ids & set(self.neutral))
        return self._shown[style]

    def read(self, style: int, text: str) -> Any:
        """The answer as a value. Raises Invalid for one that a ballot of this style cannot hold."""
        if len(text) > 60_000 or not re.fullmatch(r"[\[\],0-9-]*", text):
            raise self._unfit(text, "it is not canonical")
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, list) or json.dumps(answer, separators=(",", ":")) != text:
            raise self._unfit(text, "it is not canonical")
        regular, neutral = self.shown(style)
        if not answer:
            if self.required:
                raise self._unfit(text, "the question may not be left blank")
        elif not (len(answer) == 1 and type(answer[0]) is int and answer[0] in neutral):
            why = self._against(answer, regular)
            if why:
                raise self._unfit(text, why)
        return answer

    def _unfit(self, text: str, why: str) -> Invalid:
        return Invalid(say(f"Question {self.id}: the answer {text[:80]!r} cannot stand on a ballot: {why}.",
                           f"Вопрос {self.id}: ответа {text[:80]!r} в бюллетене быть не может: {why}."))  # fmt: skip

    def _against(self, answer: list[Any], regular: set[int]) -> str:
        """Why an answer that is neither blank nor neutral does not fit; "" where it does."""
        match self.kind:
            case "single_choice" | "multiple_choice" | "text" | "budget":
                return self._against_choices(answer, regular)
            case "rating" | "points":
                return self._against_levels(answer, regular)
            case "ranking":
                return self._against_ranking(answer, regular)
        raise Unchecked(say(f"Question {self.id} is of a kind this verifier does not know: {self.kind}.",
                            f"Вопрос {self.id}: вид «{self.kind}» этой программе неизвестен."))  # fmt: skip

    def _against_choices(self, ids: list[Any], regular: set[int]) -> str:
        if not rising(ids):
            return "option ids must rise"
        allowed = regular | {OWN} if self.takes_own else regular
        if not allowed.issuperset(ids):
            return "an option is unknown, not on this ballot, or neutral beside others"
        one = self.kind in ("single_choice", "text")
        least = 1 if one else self.sealed.get("min_choices", 1)
        most = 1 if one else self.sealed.get("max_choices")
        if len(ids) < least or (most is not None and len(ids) > most):
            return "too few or too many options"
        if self.kind == "budget":
            limit = self.sealed.get("ballot_limit")
            if limit is not None and sum(self.cost[o] for o in ids) > limit:
                return "it costs more than one ballot may spend"
            groups = self.sealed.get("exclusive_groups", []) if self.sealed.get("exclusive_on_ballot") else []
            if any(len(set(group) & set(ids)) > 1 for group in groups):
                return "it chooses projects that exclude each other"
        return ""

    def _against_levels(self, pairs: list[Any], regular: set[int]) -> str:
        if any(type(p) is not list or len(p) != 2 or not all(type(n) is int for n in p) for p in pairs):
            return "it is not a list of pairs"
        if not rising([option for option, _ in pairs]) or not regular.issuperset(option for option, _ in pairs):
            return "an option is unknown, not on this ballot, or out of order"
        numbers = [number for _, number in pairs]
        if self.kind == "rating":
            low, high = self.sealed.get("scale_min", 1), self.sealed.get("scale_max", 5)
            return "" if all(low <= n <= high for n in numbers) else "a level is off the scale"
        total = self.sealed.get("total", 10)
        most = self.sealed.get("most_per_option")
        if min(numbers) < 1 or (most is not None and max(numbers) > most) or sum(numbers) > total:
            return "too many points, or none"
        return "points are left" if self.sealed.get("spend_all") and sum(numbers) != total else ""

    def _against_ranking(self, tiers: list[Any], regular: set[int]) -> str:
        if any(type(tier) is not list or not tier or not rising(tier) for tier in tiers):
            return "it is not a list of places"
        ids = [option for tier in tiers for option in tier]
        if len(set(ids)) != len(ids) or not regular.issuperset(ids):
            return "an option is unknown, not on this ballot, or stands twice"
        if not self.sealed.get("equal_ranks", False) and len(ids) != len(tiers):
            return "options share a place"
        most = self.sealed.get("max_ranked")
        least = min(self.sealed.get("min_ranked", 1), len(regular))
        return "too few or too many options" if len(ids) < least or (most is not None and len(ids) > most) else ""


def meets(condition: Mapping[str, Any], kind: str, answer: Sequence[Any]) -> bool:
    """Whether an answer calls for a follow-up: it names one of the options, or any; of levels, one within the bounds."""
    options = set(condition.get("options", []))
    low, high = condition.get("at_least"), condition.get("at_most")
    if kind in ("rating", "points") and (low is not None or high is not None):
        pairs = [pair for pair in answer if type(pair) is list and (not options or pair[0] in options)]
        return any((low is None or n >= low) and (high is None or n <= high) for _, n in pairs)
    named: set[int] = set()
    for item in answer:
        if type(item) is not list:
            named.add(item)
        else:
            named.update(item if kind == "ranking" else item[:1])
    return bool(named & options) if options else bool(named)


def rising(ids: Sequence[Any]) -> bool:
    """Whether these are whole numbers, each greater than the one before."""
    return all(type(one) is int for one in ids) and all(a < b for a, b in pairwise(ids))


class Ballots:
    """What a question's answers add up to while its records stream by. Memory does not grow with the records, but for
    instant run-off, which needs every distinct ranking."""

    def __init__(self, question: Question, follow_ups: Sequence[Question] = ()) -> None:
        self.question = question
        self.follow_ups = follow_ups
        self.leads_to: dict[int, Counter[int]] = {q.id: Counter() for q in follow_ups}
        """Follow-up → style → records that call for it."""
        self.places = 0
        self.cast = self.valid = self.blank = self.own = self.given = 0
        self.neutral = dict.fromkeys(question.neutral, 0)
        self.votes = dict.fromkeys(question.regular, 0)  # ballots that name the option at all
        self.points = dict.fromkeys(question.regular, 0)
        self.first = dict.fromkeys(question.regular, 0)
        self.twice_borda = dict.fromkeys(question.regular, 0)  # twice the points, so that halves are whole
        self.above = {o: dict.fromkeys(question.regular, 0) for o in question.regular}
        self.levels: dict[int, Counter[int]] = {o: Counter() for o in question.regular}
        self.rankings: Counter[tuple[tuple[int, ...], ...]] = Counter()
        self.by_style: Counter[int] = Counter()

    def add(self, style: int, text: str, n: int) -> None:
        """So many ballots of a style with this canonical answer."""
        answer = self.question.read(style, text)
        self.by_style[style] += n
        for other in self.follow_ups:
            if meets(other.sealed["shown_if"], self.question.kind, answer):
                self.leads_to[other.id][style] += n
        self.cast += n
        if not answer:
            self.blank += n
        elif type(answer[0]) is int and answer[0] in self.neutral:
            self.neutral[answer[0]] += n
        else:
            self.valid += n
            match self.question.kind:
                case "rating":
                    for option, level in answer:
                        self.votes[option] += n
                        self.levels[option][level] += n
                case "points":
                    for option, number in answer:
                        self.votes[option] += n
                        self.points[option] += number * n
                        self.given += number * n
                case "ranking":
                    self._add_ranking(answer, n)
                case _:
                    for option in answer:
                        if option == OWN:
                            self.own += n
                        else:
                            self.votes[option] += n

    def _add_ranking(self, tiers: list[list[int]], n: int) -> None:
        """Who stands above whom on these ballots, and Borda's points by the declared treatment of options left out."""
        left = dict.fromkeys(self.question.regular)
        size, named = len(left), sum(map(len, tiers))
        truncated = self.question.rule.get("truncated", "average")
        for option in tiers[0]:
            self.first[option] += n
        below = size
        for tier in tiers:
            for option in tier:
                del left[option]
            below -= len(tier)
            # An option gets a point for each below it and half a point for each held equal; counted twice here.
            twice = 2 * below + len(tier) - 1
            if truncated == "modified":  # of k named the first gets k, the last 1: nothing for those left out
                twice += 2 - 2 * (size - named)
            for option in tier:
                self.votes[option] += n
                self.twice_borda[option] += twice * n
                beaten = self.above[option]
                for other in left:
                    beaten[other] += n
        if truncated == "average":  # those left out share the last places
            for option in left:
                self.twice_borda[option] += (len(left) - 1) * n
        if self.question.method == "instant_runoff":
            ranking = tuple(map(tuple, tiers))
            if ranking not in self.rankings:
                self.places += named
                if self.places > MOST_PLACES:
                    raise Unchecked(say(f"Question {self.question.id}: more different rankings than are kept in memory.",
                                        f"Вопрос {self.question.id}: разных порядков больше, чем "
                                        "помещается в память."))  # fmt: skip
            self.rankings[ranking] += n


# ---------------------------------------------------------------------------------------------------------------------
# 7 Counting
# ---------------------------------------------------------------------------------------------------------------------

Decide = Callable[[int, Sequence[int]], "list[int] | None"]
"""Stage of the count and the tied options → them best first, or None where nobody has decided."""
Json = dict[str, Any]


def text_of(number: Fraction | int | None) -> str | None:
    """A fraction in lowest terms as ``a/b``."""
    if number is None:
        return None
    exact = Fraction(number)
    return f"{exact.numerator}/{exact.denominator}"


def step(code: str, **facts: Any) -> Json:
    """One step of a count as it is published."""
    return {"code": code, "facts": facts}


def a_tie(options: Sequence[int], place: int, seats: int, resolution: str, kind: str, stage: int = 1,
          order: Sequence[int] | None = None) -> Json:  # fmt: skip
    """A tie as it is published."""
    return {"options": list(options), "place": place, "seats": seats, "resolution": resolution, "kind": kind,
            "stage": stage, "order": None if order is None else list(order)}  # fmt: skip


class Count:
    """The outcome of one question from what its ballots add up to: what every rule has in common."""

    def __init__(self, ballots: Ballots, entitled: int | None, decide: Decide) -> None:
        self.b, self.q, self.rule = ballots, ballots.question, ballots.question.rule
        self.entitled = entitled
        self.tie: str = self.rule.get("tie", "joint")
        self._decide = decide
        also = set(self.rule.get("also_valid", []))
        self.neutral_total = sum(ballots.neutral.values())
        self.of: str = self.rule.get("denominator", "valid")
        joined = (self.neutral_total if "neutral" in also else 0) + (ballots.blank if "blank" in also else 0)
        self.n: int | None = {"cast": ballots.cast, "entitled": entitled}.get(self.of, ballots.valid + joined)
        classes = {"cast": ballots.cast, "blank": ballots.blank, "neutral": self.neutral_total, "valid": ballots.valid}
        if self.q.takes_own:
            classes["own"] = ballots.own
        self.opening = [
            step("ballots", **classes),
            step("denominator", denominator=self.of, n=self.n, also=sorted(also)),
        ]
        if entitled is not None and ballots.cast > entitled:
            self.opening.append(step("cast_exceeds_roll", cast=ballots.cast, entitled=entitled))

    def decided(self, stage: int, tied: Sequence[int]) -> list[int] | None:
        """The order somebody gave to a tie; a joint one is nobody's to decide."""
        return None if self.tie == "joint" else self._decide(stage, tied)

    def enough(self, support: Mapping[int, Fraction | int]) -> tuple[set[int], bool | None, list[Json]]:
        """Who meets the threshold and the least number of votes; whether anybody is above the threshold; the steps."""
        may, met, steps = list(support), None, []
        share = self.rule.get("threshold")
        if share is not None:
            if self.n is None:
                may = []
                steps.append(step("threshold_unknown", share=share, denominator=self.of))
            else:
                line = Fraction(share) * self.n
                may = [o for o in may if support[o] > line]
                met = bool(may)
                steps.append(step("threshold", share=share, denominator=self.of, n=self.n,
                                  needs_more_than=text_of(line), above=list(may)))  # fmt: skip
        least = self.rule.get("min_votes", 0)
        if least:
            steps.append(step("min_votes", needs=least, enough=[o for o in support if support[o] >= least]))
            may = [o for o in may if support[o] >= least]
        return set(may), met, steps

    def draw_line(self, candidates: Sequence[int], places: Mapping[int, int]) -> tuple[list[int], list[Json]]:
        """The first `winners` of the candidates, best first, and the tie across the line."""
        seats = self.rule.get("winners", 1)
        if len(candidates) <= seats or places[candidates[seats]] != places[candidates[seats - 1]]:
            return list(candidates[:seats]), []
        line = places[candidates[seats]]
        safe = [o for o in candidates if places[o] < line]
        tied = [o for o in candidates if places[o] == line]
        room = seats - len(safe)
        order = self.decided(1, tied)
        if order is not None:
            return safe + order[:room], [a_tie(tied, line, room, "order", "winners", order=order)]
        return safe + (tied if self.tie == "joint" else []), [a_tie(tied, line, room, self.tie, "winners")]

    def outcome(self, options: Sequence[Json], order: Sequence[int], winners: Sequence[int], ties: Sequence[Json],
                met: bool | None, steps: Sequence[Json], pairwise: Json | None = None) -> Json:  # fmt: skip
        """The outcome as it is published: every key of every rule."""
        b = self.b
        return {
            "method": self.q.method, "question_id": self.q.id, "denominator": self.of, "denominator_n": self.n,
            "cast": b.cast, "valid": b.valid, "blank": b.blank,
            "neutral": {str(o): n for o, n in b.neutral.items()}, "neutral_total": self.neutral_total,
            "options": list(options), "order": list(order), "winners": list(winners), "ties": list(ties),
            "threshold_met": met, "steps": [*self.opening, *steps], "own": b.own if self.q.takes_own else None,
            "pairwise": pairwise, "houses": None,
        }  # fmt: skip

    def option(self, option: int, votes: int, place: int, **more: Any) -> Json:
        """What one option got, with every key of every rule."""
        share = Fraction(votes, self.n) if self.n else None
        blank: Json = dict.fromkeys(("rated", "mean", "median", "distribution", "cost", "funded", "why", "remaining",
                                     "trimmed_mean", "grade", "grade_above", "grade_below", "points", "score"))  # fmt: skip
        return {"id": option, "votes": votes, "share": text_of(share), "place": place, **blank, **more}


def by_key(keys: Mapping[int, Any]) -> tuple[list[int], dict[int, int]]:
    """Options by falling key, those without one last, and their places: equal keys share one (1, 2, 2, 4)."""
    order = sorted(keys, key=lambda o: (keys[o] is None, 0 if keys[o] is None else -keys[o]))
    places: dict[int, int] = {}
    for number, option in enumerate(order):
        same = number and keys[order[number - 1]] == keys[option]
        places[option] = places[order[number - 1]] if same else number + 1
    return order, places


def as_decided(order: Sequence[int], places: Mapping[int, int], ties: Sequence[Json]) -> list[int]:
    """The order with the options of a decided tie as decided, within their place."""
    found = list(order)
    for tie in ties:
        given = tie["order"]
        if given is not None:
            found.sort(key=lambda o, at=given: (places[o], at.index(o) if o in at else len(at)))  # type: ignore[misc]
    return found


def count_by_key(c: Count, votes: Mapping[int, int], keys: Mapping[int, Any], by: str, further: Sequence[Json],
                 more: Callable[[int], Json]) -> Json:  # fmt: skip
    """Rules that give each option a figure: plurality, approval, rating, points. Nobody wins without a vote."""
    order, places = by_key(keys)
    above, met, steps = c.enough(votes)
    winners, ties = c.draw_line([o for o in order if votes[o] and o in above], places)
    order = as_decided(order, places, ties)
    steps = [*further, step("ordered", by=by, then=None, order=order, places=[places[o] for o in order]), *steps]
    if not any(votes.values()):
        steps.append(step("no_votes"))
    steps += [step("tie", **tie) for tie in ties]
    steps.append(step("winners", winners=winners))
    options = [c.option(o, votes[o], places[o], **more(o)) for o in votes]
    return c.outcome(options, order, winners, ties, met, steps)


def count_votes(c: Count) -> Json:
    """Plurality and approval: most votes."""
    return count_by_key(c, c.b.votes, c.b.votes, "votes", [], lambda _: {})


def count_points(c: Count) -> Json:
    """Most points; votes are the ballots that gave any."""
    unused = c.q.sealed.get("total", 10) * c.b.valid - c.b.given
    further = [step("points_given", given=c.b.given, unused=unused)]
    return count_by_key(c, c.b.votes, c.b.points, "points", further, lambda o: {"points": c.b.points[o]})


def count_text(c: Count) -> Json:
    """Words are not counted; only how many there are."""
    return c.outcome([], [], [], [], None, [step("texts", texts=c.b.valid)])


# ---- ratings


def mean(levels: Mapping[int, int]) -> Fraction | None:
    """The mean of level → ballots."""
    n = sum(levels.values())
    return Fraction(sum(level * k for level, k in levels.items()), n) if n else None


def nth(levels: Mapping[int, int], position: int) -> int:
    """The level at a position (from 0) of all ratings in rising order."""
    for level in sorted(levels):
        position -= levels[level]
        if position < 0:
            return level
    raise IndexError(position)


def median(levels: Mapping[int, int]) -> Fraction | None:
    """The middle, or halfway between the two middle ones."""
    n = sum(levels.values())
    return Fraction(nth(levels, (n - 1) // 2) + nth(levels, n // 2), 2) if n else None


def trimmed_mean(levels: Mapping[int, int], share: Fraction) -> Fraction | None:
    """The mean without the ⌊share × n⌋ lowest and as many of the highest."""
    n = sum(levels.values())
    if not n:
        return None
    cut = share.numerator * n // share.denominator
    total = at = 0
    for level in sorted(levels):
        kept = max(0, min(at + levels[level], n - cut) - max(at, cut))
        total += level * kept
        at += levels[level]
    return Fraction(total, n - 2 * cut)


def judged_better(a: Mapping[int, int], b: Mapping[int, int]) -> int:
    """Majority judgment: 1 where the grades `a` are better than `b`, -1 where worse, 0 where they are the same.

    Taking the middle grade away again and again walks outwards from the middle, a step down and a step up in turn. So
    of two options the better is the one whose grade just below, then just above, the middle is better at the least
    distance at which they differ. Distances are shares of the option's ballots, so unequal numbers compare as if each
    were repeated until the numbers agree.
    """

    def cumulative(levels: Mapping[int, int]) -> list[tuple[Fraction, int]]:
        total, so_far, found = sum(levels.values()), 0, []
        for level in sorted(levels):
            if levels[level]:
                so_far += levels[level]
                found.append((Fraction(so_far, total), level))
        return found

    def around(found: list[tuple[Fraction, int]], distance: Fraction) -> tuple[int, int]:
        low = next(level for end, level in found if end >= half - distance)
        high = next(level for end, level in found if end > half + distance)
        return low, high

    half = Fraction(1, 2)
    first, second = cumulative(a), cumulative(b)
    for distance in sorted({Fraction(0), *(abs(half - end) for end, _ in (*first, *second))}):
        if distance < half:
            one, other = around(first, distance), around(second, distance)
            if one != other:
                return 1 if one > other else -1
    return 0


def count_rating(c: Count) -> Json:
    """Ratings: all four figures are published, one of them orders."""
    low, high = c.q.sealed.get("scale_min", 1), c.q.sealed.get("scale_max", 5)
    levels = {o: {level: c.b.levels[o][level] for level in range(low, high + 1)} for o in c.q.regular}
    graded = {o: dict(found) for o, found in levels.items()}
    if c.rule.get("ungraded", "left") == "worst":
        for o in graded:
            graded[o][low] += c.b.valid - c.b.votes[o]
    grades = {o: nth(g, (sum(g.values()) - 1) // 2) if any(g.values()) else None for o, g in graded.items()}
    above = {o: sum(n for level, n in g.items() if level > (grades[o] or 0)) for o, g in graded.items()}
    below = {o: sum(n for level, n in g.items() if level < (grades[o] or 0)) for o, g in graded.items()}
    trim = Fraction(c.rule.get("trim", "1/10"))
    figures = {o: {"mean": mean(levels[o]), "median": median(levels[o]), "trimmed_mean": trimmed_mean(levels[o], trim)}
               for o in levels}  # fmt: skip
    by = c.rule.get("order_by", "mean")
    keys: dict[int, Any]
    further: list[Json] = []
    if by == "majority_judgment":

        def worse_last(one: int, other: int) -> int:
            return judged_better(graded[other], graded[one])

        best_first = sorted((o for o in graded if grades[o] is not None), key=cmp_to_key(worse_last))
        keys = dict.fromkeys(levels)
        for number, o in enumerate(best_first):
            before = best_first[number - 1] if number else o
            equal = number > 0 and judged_better(graded[before], graded[o]) == 0
            keys[o] = keys[before] if equal else -number
        further = [step("judgment", option=o, grade=grades[o], above=above[o], below=below[o]) for o in levels]
    else:
        keys = {o: figures[o][by] for o in levels}

    def more(o: int) -> Json:
        return {"rated": c.b.votes[o], **{name: text_of(value) for name, value in figures[o].items()},
                "distribution": {str(level): n for level, n in levels[o].items()}, "grade": grades[o],
                "grade_above": None if grades[o] is None else above[o],
                "grade_below": None if grades[o] is None else below[o]}  # fmt: skip

    return count_by_key(c, c.b.votes, keys, by, further, more)


# ---- budgets: greedy


class Purse:
    """The money left and the fate of each project, while a greedy rule goes through them."""

    def __init__(self, c: Count) -> None:
        self.c = c
        self.left: int = c.rule.get("budget", 0)
        self.stops = c.q.method == "greedy_no_skip"
        self.stopped = self.open = False
        self.group = {o: number for number, group in enumerate(c.q.sealed.get("exclusive_groups", []))
                      for o in group if o in c.b.votes}  # fmt: skip
        self.taken: set[int] = set()  # groups of which one project is funded
        self.fate: dict[int, tuple[str, int]] = {}  # project → why, money left after it; in the order of the walk
        self.ties: list[tuple[list[int], int, str, list[int] | None]] = []

    def settle(self, option: int, why: str) -> None:
        """Write down the fate of a project."""
        self.fate[option] = (why, self.left)

    def excluded(self, option: int) -> bool:
        """Whether another of its group is funded."""
        return self.group.get(option, -1) in self.taken

    def rivals(self, options: Sequence[int]) -> list[list[int]]:
        """Those of these projects that exclude each other, by group."""
        found: dict[int, list[int]] = {}
        for o in options:
            if o in self.group:
                found.setdefault(self.group[o], []).append(o)
        return [group for group in found.values() if len(group) > 1]

    def consider(self, option: int) -> None:
        """A project whose turn has come."""
        cost = self.c.q.cost[option]
        if self.open:
            self.settle(option, "after_open_tie")
        elif self.excluded(option):
            self.settle(option, "excluded")
        elif self.stopped:
            self.settle(option, "after_stop")
        elif cost > self.left:
            self.settle(option, "over_budget")
            self.stopped = self.stops
        else:
            self.left -= cost
            if option in self.group:
                self.taken.add(self.group[option])
            self.settle(option, "funded")

    def consider_equals(self, equals: Sequence[int]) -> None:
        """Projects of the same votes and the same cost: none of them comes first by itself."""
        for o in equals:
            if self.excluded(o):
                self.settle(o, "excluded")
        equals = [o for o in equals if o not in self.fate]
        if not equals:
            return
        cost = self.c.q.cost[equals[0]]
        affordable = len(equals) if cost == 0 else self.left // cost
        rivals = self.rivals(equals)
        buildable = len(equals) - sum(len(group) - 1 for group in rivals)
        if self.stopped or self.open or (affordable >= len(equals) and not rivals):
            for o in equals:
                self.consider(o)
        elif affordable == 0:
            for o in equals:
                self.settle(o, "over_budget")
            self.stopped = self.stops
        elif affordable < buildable:
            self.tie(equals, affordable, short=True)
        else:
            for o in equals:
                if not any(o in group for group in rivals):
                    self.consider(o)
            for group in rivals:
                self.tie(group, 1, short=False)

    def tie(self, tied: Sequence[int], seats: int, *, short: bool) -> None:
        """Of these only `seats` can be funded: money is short, or they exclude each other."""
        order = self.c.decided(1, tied)
        resolution = self.c.tie if order is None else "order"
        self.ties.append((list(tied), seats, resolution, order))
        if order is not None:
            for o in order:
                self.consider(o)
            return
        if resolution != "joint":
            self.left -= seats * self.c.q.cost[tied[0]]  # kept for those who will be named
            for number in {self.group[o] for o in tied if o in self.group}:
                members = {o for o, group in self.group.items() if group == number}
                if not short:
                    self.taken.add(number)
                elif not members <= self.fate.keys() | set(tied):
                    self.open = True  # what comes later of the group hangs on who is named
        for o in tied:
            self.settle(o, "tied" if resolution == "joint" else "tie_open")
        self.stopped = self.stopped or (self.stops and short)

    def order_matters(self, running: Sequence[int]) -> bool:
        """Whether another order among projects of equal votes would fund others."""
        if self.stopped or self.open:
            return False
        if self.rivals(running):
            return True
        costs = [self.c.q.cost[o] for o in running]
        fitting = [cost for cost in costs if cost <= self.left]
        return bool(fitting) and sum(costs if self.stops else fitting) > self.left


def count_budget(c: Count) -> Json:
    """Greedy: by votes, the cheaper first of equal votes; each is funded if it fits into what is left."""
    votes, cost = c.b.votes, c.q.cost
    above, met, steps = c.enough(votes)
    unmet = "threshold_unknown" if c.rule.get("threshold") is not None and c.n is None else "below_threshold"
    least = c.rule.get("min_score", 0) if c.q.method == "greedy_threshold" else None
    purse, equal_votes = Purse(c), []
    for score in sorted(set(votes.values()), reverse=True):
        group = sorted((o for o in votes if votes[o] == score), key=lambda o: cost[o])
        out = {o: unmet for o in group if o not in above}
        for o in group:
            if least is not None and score < least:
                out.setdefault(o, "below_threshold")
            elif purse.excluded(o):
                out.setdefault(o, "excluded")
        running = [o for o in group if o not in out]
        if len(group) > 1:
            equal_votes.append(step("equal_votes", options=group, votes=score, matters=purse.order_matters(running)))
        for o in group:
            if o in out:
                purse.settle(o, out[o])
        for price in sorted({cost[o] for o in running}):
            purse.consider_equals([o for o in running if cost[o] == price])
    order, places = by_key({o: Fraction(votes[o] * (10**16 + 1) - cost[o]) for o in votes})
    ties = [a_tie(tied, places[tied[0]], seats, how, "budget", order=given) for tied, seats, how, given in purse.ties]
    order = as_decided(order, places, ties)
    funded = [o for o, (why, _) in purse.fate.items() if why == "funded"]
    spent = sum(cost[o] for o in funded)
    steps += [step("budget_rule", method=c.q.method, budget=c.rule.get("budget", 0), min_score=least)]
    steps += [step("ordered", by="votes", then="cost", order=order, places=[places[o] for o in order]), *equal_votes]
    steps += [step("project", option=o, votes=votes[o], cost=cost[o], funded=why == "funded", why=why, remaining=left)
              for o, (why, left) in purse.fate.items()]  # fmt: skip
    steps += [step("tie", **tie) for tie in ties]
    if unwanted := [o for o in funded if not votes[o]]:
        steps.append(step("funded_without_votes", options=unwanted))
    if not any(votes.values()):
        steps.append(step("no_votes"))
    steps += [step("budget_spent", spent=spent, remaining=purse.left), step("winners", winners=funded)]
    options = [c.option(o, votes[o], places[o], cost=cost[o], funded=purse.fate[o][0] == "funded",
                        why=purse.fate[o][0], remaining=purse.fate[o][1]) for o in votes]  # fmt: skip
    return c.outcome(options, order, funded, ties, met, steps)


# ---- rankings


def pairwise_of(c: Count) -> Json:
    """Each option against each other; who beats all, whom all beat, and the Smith set."""
    options, above = c.q.regular, c.b.above
    beats = {a: {b for b in options if above[a][b] > above[b][a]} for a in options}
    winner = next((a for a in options if len(beats[a]) == len(options) - 1), None)
    loser = next((a for a in options if len(options) > 1 and all(a in beats[b] for b in options if b != a)), None)
    # Smith: begin with whoever does best one to one, and take in everybody whom one inside does not beat.
    inside = {max(options, key=lambda a: 2 * len(beats[a]) + sum(a != b and a not in beats[b] and b not in beats[a]
                                                                 for b in options))} if options else set()  # fmt: skip
    while more := {b for b in options if b not in inside and any(b not in beats[a] for a in inside)}:
        inside |= more
    matrix = [[above[a][b] for b in options] for a in options]
    return {"options": list(options), "beats": matrix, "winner": winner, "loser": loser,
            "smith": [o for o in options if o in inside]}  # fmt: skip


def tiers_by(scores: Mapping[int, Any], options: Sequence[int]) -> list[list[int]]:
    """Options by falling score, equal ones together."""
    return [[o for o in options if scores[o] == score] for score in sorted({scores[o] for o in options}, reverse=True)]


def count_order(c: Count, tiers: list[list[int]], own_steps: Sequence[Json], scores: Mapping[int, Fraction] | None,
                pairwise: Json) -> Json:  # fmt: skip
    """Schulze and Borda: the first `winners` of an order win; a threshold asks who is ranked at all."""
    places = {o: 1 + sum(map(len, tiers[:number])) for number, tier in enumerate(tiers) for o in tier}
    order = [o for tier in tiers for o in tier]
    above, met, steps = c.enough(c.b.votes)
    winners, ties = c.draw_line([o for o in order if c.b.votes[o] and o in above], places)
    order = as_decided(order, places, ties)
    return finish_ranking(
        c, places, order, own_steps, ("ranked", c.b.votes, met, steps), winners, ties, scores, pairwise
    )


def finish_ranking(c: Count, places: Mapping[int, int], order: Sequence[int], own_steps: Sequence[Json],
                   line: tuple[str, Mapping[int, Fraction | int], bool | None, list[Json]], winners: Sequence[int],
                   ties: Sequence[Json], scores: Mapping[int, Fraction] | None, pairwise: Json) -> Json:  # fmt: skip
    """The outcome of a rule for rankings. `line` is what the threshold asked about, and what came of it."""
    of, support, met, steps = line
    all_steps = [step("pairwise", **pairwise), *own_steps]
    all_steps.append(step("ordered", by=c.q.method, then=None, order=list(order), places=[places[o] for o in order]))
    if steps:
        all_steps.append(step("support", of=of, votes=[[o, text_of(support[o])] for o in c.q.regular]))
    all_steps += [*steps, *(step("tie", **tie) for tie in ties), step("winners", winners=list(winners))]
    options = [c.option(o, c.b.first[o], places[o], score=text_of(scores[o]) if scores else None) for o in c.q.regular]
    return c.outcome(options, order, winners, ties, met, all_steps, pairwise)


def count_borda(c: Count) -> Json:
    """Points by place."""
    scores = {o: Fraction(n, 2) for o, n in c.b.twice_borda.items()}
    own = [step("scores", scores=[[o, text_of(n)] for o, n in scores.items()])]
    if not any(scores.values()):
        own.append(step("no_votes"))
    return count_order(c, tiers_by(scores, c.q.regular), own, scores, pairwise_of(c))


def count_schulze(c: Count) -> Json:
    """a stands above b when its strongest chain of defeats to b is stronger than b's to a."""
    options, above = c.q.regular, c.b.above
    path = {a: {b: above[a][b] if above[a][b] > above[b][a] else 0 for b in options} for a in options}
    for through in options:
        for a in options:
            reach = path[a][through]
            if a != through and reach:
                row, onward = path[a], path[through]
                for b in options:
                    if b != a and onward[b] > row[b] and reach > row[b]:
                        row[b] = min(reach, onward[b])
    left, tiers = list(options), []
    while left:
        free = [b for b in left if not any(path[a][b] > path[b][a] for a in left)]
        tiers.append(free)
        left = [b for b in left if b not in free]
    tier_of = {o: number for number, tier in enumerate(tiers) for o in tier}
    own = [step("strengths", options=list(options), paths=[[path[a][b] for b in options] for a in options])]
    unordered = [[a, b] for a in options for b in options if tier_of[a] < tier_of[b] and path[a][b] <= path[b][a]]
    if unordered:
        own.append(step("incomparable", pairs=unordered))
    if not c.b.valid:
        own.append(step("no_votes"))
    return count_order(c, tiers, own, None, pairwise_of(c))


class RunOff:
    """Instant run-off: the fewest votes leave, round by round, until one has more than half of what still counts."""

    def __init__(self, c: Count) -> None:
        self.c = c
        self.running = list(c.q.regular)
        self.gone: list[list[int]] = []
        self.piles: dict[int, list[tuple[tuple[tuple[int, ...], ...], int]]] = {o: [] for o in self.running}
        self.votes: dict[int, int] = {}
        self.most: dict[int, Fraction | int] = dict.fromkeys(self.running, 0)
        self.winners: list[int] = []
        self.ties: list[Json] = []
        self.steps: list[Json] = []
        self.skips = c.rule.get("equal", "skip") == "skip"
        for ranking, n in c.b.rankings.items():
            self._place(ranking, n)

    def _place(self, ranking: tuple[tuple[int, ...], ...], n: int) -> None:
        """Give these ballots to their best option still in; of a place shared by several still in, as declared."""
        for tier in ranking:
            still = [o for o in tier if o in self.piles]
            if len(still) == 1:
                self.piles[still[0]].append((ranking, n))
                return
            if still and not self.skips:
                return

    def run(self) -> None:
        """All rounds; ends with winners, or with a tie that nobody has decided."""
        number = 0
        while self.running:
            number += 1
            self.votes = {o: sum(n for _, n in self.piles[o]) for o in self.running}
            counting = sum(self.votes.values())
            self.most |= {o: max(self.most[o], n) for o, n in self.votes.items()}
            votes = [[o, n] for o, n in self.votes.items()]
            self.steps.append(step("round", round=number, votes=votes, exhausted=self.c.b.valid - counting))
            if not counting:
                self.steps.append(step("no_votes"))
                return
            self.winners = [o for o, n in self.votes.items() if 2 * n > counting]
            leaving = [] if self.winners else self._leaving(number)
            if not leaving:
                return
            self.steps.append(step("eliminated", round=number, options=leaving, batch=False))
            self.running = [o for o in self.running if o not in leaving]
            self.gone.append(leaving)
            moved = [pile for o in leaving for pile in self.piles.pop(o)]
            for ranking, n in moved:
                self._place(ranking, n)

    def _leaving(self, number: int) -> list[int]:
        """Who leaves; nobody where a tie stays open or all of them win."""
        fewest = min(self.votes.values())
        tied = [o for o in self.running if self.votes[o] == fewest]
        if len(tied) == 1:
            return tied
        others = [n for n in self.votes.values() if n > fewest]
        matters = not others or fewest * len(tied) >= min(others)
        order = self.c.decided(number, tied) if matters else None
        resolution = "order" if order else self.c.tie if matters else "together"
        self.steps.append(step("elimination_tie", round=number, options=tied, matters=matters, resolution=resolution,
                               order=order))  # fmt: skip
        if not matters:
            return tied
        place = len(self.running) - len(tied) + 1
        self.ties.append(a_tie(tied, place, len(tied) - 1, resolution, "elimination", number, order))
        if order:
            return [order[-1]]
        if self.c.tie == "joint" and others:
            return tied
        self.winners = tied if self.c.tie == "joint" else []
        return []


def count_runoff(c: Count) -> Json:
    """Instant run-off; a threshold asks about the most votes an option held in any round."""
    run = RunOff(c)
    first = {o: sum(n for _, n in pile) for o, pile in run.piles.items()}
    run.run()
    rest = tiers_by(run.votes, [o for o in run.running if o not in run.winners])
    tiers = [*([run.winners] if run.winners else []), *rest, *reversed(run.gone)]
    places = {o: 1 + sum(map(len, tiers[:number])) for number, tier in enumerate(tiers) for o in tier}
    above, met, steps = c.enough(run.most)
    winners = [o for o in run.winners if o in above]
    scores = {o: Fraction(n) for o, n in first.items()}
    order = [o for tier in tiers for o in tier]
    line = ("held", run.most, met, steps)
    return finish_ranking(c, places, order, run.steps, line, winners, run.ties, scores, pairwise_of(c))


COUNTS: dict[str, Callable[[Count], Json]] = {
    "plurality": count_votes, "approval": count_votes, "rating": count_rating, "points": count_points,
    "borda": count_borda, "instant_runoff": count_runoff, "schulze": count_schulze, "text": count_text,
    "greedy": count_budget, "greedy_threshold": count_budget, "greedy_no_skip": count_budget,
}  # fmt: skip


def recount(ballots: Ballots, entitled: int | None, decide: Decide) -> Json:
    """The whole outcome of a question, as the service publishes one. Raises KeyError for a rule not among `COUNTS`."""
    return COUNTS[ballots.question.method](Count(ballots, entitled, decide))


def compare(announced: Any, ours: Any, where: str, extra: list[str]) -> None:
    """Hold an announced outcome against ours. Keys and steps we do not know go to `extra`; what differs is Invalid."""
    if isinstance(ours, dict) and isinstance(announced, dict):
        for key in ours:
            if key not in announced:
                raise Invalid(say(f"{where}.{key} is missing.", f"{where}: не хватает «{key}»."))
            compare(announced[key], ours[key], f"{where}.{key}", extra)
        extra += [f"{where}.{key}" for key in announced.keys() - ours.keys()]
    elif isinstance(ours, list) and isinstance(announced, list) and len(ours) == len(announced):
        for number, (theirs, mine) in enumerate(zip(announced, ours, strict=True)):
            compare(theirs, mine, f"{where}[{number}]", extra)
    elif type(ours) is int and abs(ours) > MOST_SAFE and announced == str(ours):
        pass  # RFC 8785 knows no larger numbers, so they are published as text
    elif type(announced) is not type(ours) or announced != ours:
        raise Invalid(say(f"{where}: announced {short(announced)}, counted {short(ours)}.",
                          f"{where}: объявлено {short(announced)}, по подсчёту {short(ours)}."))  # fmt: skip


def short(value: Any) -> str:
    """A value for a sentence."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "…"


# ---------------------------------------------------------------------------------------------------------------------
# 8 A board
# ---------------------------------------------------------------------------------------------------------------------

MANIFEST: Json = {
    "v": int, "format": str, "origin": str, "poll": str, "poll_hash": str, "version": int, "previous": (str, None),
    "reason": str, "counted_at": str, "opens_at": str, "closes_at": str, "time_zone": str, "privacy": str,
    "receipt": str, "roll": {"known": bool, "total": (int, None), "styles": [[int, int]]}, "participations": int,
    "ballots": int,
    "questions": [{"id": int, "size": int, "root": str, "shown": int,
                   "withheld": {"records": int, "styles": [int], "leaves": [str]}, "entitled": (int, None),
                   "counted_by": str, "outcome": object}],
    "ties": [{"question": int, "stage": int, "options": [int], "decided": [int], "method": str, "reason": str}],
    "lot": ({"official": {"commitment": str, "secret": (str, None)},
             "observer": {"commitment": str, "secret": (str, None)}}, None),
    "superseded": [str],
    "keys": [{"key_id": str, "purpose": str, "public": str, "valid_from": str, "valid_to": (str, None)}],
    "software": str,
}  # fmt: skip
SCHEMA = "veche/poll/v1"
MOST_VERSIONS = 1_000
CHANGES = ("version", "previous", "reason", "counted_at", "ties", "lot", "questions", "keys", "software")
"""What differs between versions; of `lot` the secrets do, of `questions` the outcomes."""


def manifest_text(origin: str, version: int, data: bytes) -> str:
    """What the note of a manifest says."""
    return f"{origin}\nveche/manifest/v1\n{version}\n{to_base64(sha256(data))}\n"


def listed_keys(manifest: Json, purpose: str) -> list[Json]:
    """The keys a manifest lists for a purpose, with their 32 bytes under `bytes`."""
    return [{**key, "bytes": from_base64(key["public"], "a key", 32)}
            for key in manifest["keys"] if key["purpose"] == purpose]  # fmt: skip


def fixed_part(manifest: Json) -> Json:
    """What a later version of a count may not change."""
    lot = manifest["lot"] and {party: half["commitment"] for party, half in manifest["lot"].items()}
    questions = [{key: q[key] for key in MANIFEST["questions"][0] if key != "outcome"} for q in manifest["questions"]]
    return {key: manifest[key] for key in MANIFEST if key not in CHANGES} | {"lot": lot, "questions": questions}


def keeps_secrets(before: Json, after: Json) -> bool:
    """Whether the secrets that an earlier version reveals are those of a later one."""
    return before["lot"] is None or all(
        half["secret"] in (None, after["lot"][party]["secret"]) for party, half in before["lot"].items()
    )


def check_use(public: bytes, when: datetime, manifest: Json, trust: Trust, log: Log | None) -> None:
    """A board's key had not been retired when it signed, by whatever list we have. It may be younger than the count:
    trees of polls that an earlier release counted are signed later."""
    ends = [moment(key["valid_to"]) for key in listed_keys(manifest, "board")
            if key["bytes"] == public and key["valid_to"] is not None]  # fmt: skip
    ends += [key.until for key in trust.pinned if key.public == public and key.until is not None]
    if log is not None:
        known = log.key("board", public)
        if known is None:
            raise Invalid(say("The board is signed by a key that the registry log does not name as a board key.",
                              "Доска подписана ключом, которого в журнале сайта нет среди ключей "
                              "досок."))  # fmt: skip
        ends += [known.retired] if known.retired is not None else []
    if any(end < when for end in ends):
        raise Invalid(say("The board is signed by a key that had been retired before the count.",
                          "Доска подписана ключом, который отозвали ещё до подсчёта."))  # fmt: skip


def read_manifest(data: bytes, note: bytes, trust: Trust, extra: list[str]) -> tuple[Json, list[bytes]]:
    """A manifest whose shape, name and signature are right, and the keys that have signed it."""
    manifest: Json = read_json(data, "manifest.json")
    if not isinstance(manifest, dict) or manifest.get("format") != "veche/board/v1" or manifest.get("v") != 1:
        raise Unchecked(say("This is not a board of the format veche/board/v1, the only one this verifier knows.",
                            "Это не доска формата veche/board/v1, а другого программа не знает."))  # fmt: skip
    shaped(manifest, MANIFEST, "manifest", extra)
    origin = manifest["origin"]
    host, _, rest = origin.partition("/")
    if (
        not re.fullmatch(KEY_NAME, host)
        or not re.fullmatch(r"board/[0-9a-f]{32}", rest)
        or not origin.endswith("/" + manifest["poll"])
    ):
        raise Invalid(say("The manifest's origin is not that of its poll.", "Имя доски не от этого опроса."))
    publics = trust.publics(origin, [key["bytes"] for key in listed_keys(manifest, "board")])
    text, signers = open_signed(note, origin, publics)
    if text != manifest_text(origin, manifest["version"], data):
        raise Invalid(say("The signed note is of another manifest.", "Подписана не эта опись, а другая."))
    return manifest, signers


class Board:
    """One counted poll as it is published, and everything that is checked about it."""

    manifest: Json
    definition: Json

    def __init__(
        self, source: Source, trust: Trust, report: Report, poll: str | None = None, registry: Source | None = None
    ) -> None:
        self.source, self.trust, self.report = source, trust, report
        self.poll, self.registry = poll, registry
        self.log: Log | None = None
        self.versions: dict[int, bytes] = {}
        """Version → SHA-256 of its manifest."""
        self.signers: dict[int, list[bytes]] = {}
        """Version → the keys that have signed it."""
        self.uses: list[tuple[bytes, datetime]] = []
        """Keys that have signed, and when they must have been in use."""
        self.counted_first: datetime | None = None
        self.tree_keys: set[bytes] = set()
        self.ballots: dict[int, Ballots] = {}
        self.questions: dict[int, Question] = {}
        self.trees: dict[int, Tree] = {}
        self.notes: dict[int, bytes] = {}
        self.used_ties: set[tuple[int, int, tuple[int, ...]]] = set()
        self.extra: list[str] = []

    # ---- the parts, in the order they are checked

    def check(self, wanted: Iterable[bytes] = ()) -> bool:
        """Everything but receipts and earlier checkpoints. Returns whether the manifest and the definition could be
        read, without which nothing else can be said. `wanted` are leaves to look for."""
        report = self.report
        for what in (self.read_manifest, self.read_definition):
            if not report.attempt(what):
                return False
        report.attempt(self.read_log)
        for what in (self.check_times, self.check_numbers, self.check_lot, self.check_versions):
            report.attempt(what)
        wanted = list(wanted)
        for published in self.manifest["questions"]:
            report.attempt(lambda published=published: self.check_question(published, wanted))  # type: ignore[misc]
        for what in (self.check_shown, self.check_ties, self.check_keys):
            report.attempt(what)
        if self.log is not None:
            report.attempt(self.check_log)
        if self.extra:
            names = ", ".join(sorted(set(self.extra))[:10])
            report.unchecked.append(say(f"Parts this verifier does not know: {names}.",
                                        f"Части, которых эта программа не знает: {names}."))  # fmt: skip
        return True

    def read_manifest(self) -> None:
        """Signature and shape of what the board says about itself."""
        for patience in (2, 1, 0):
            try:
                data, note = self.source.read("manifest.json", LARGE), self.source.read("manifest.note", SMALL)
            except Missing as error:
                raise Unchecked(say(f"There is no board at {self.source} ({error} is missing). A board appears once a poll "
                                    "is counted.", f"По адресу {self.source} доски нет (нет {error}). Доска появляется "
                                    "после подсчёта.")) from None  # fmt: skip
            self.data, self.note = data, note
            self.report.of_board = True
            try:
                self.manifest, signers = read_manifest(data, note, self.trust, self.extra)
                break
            except Invalid:
                # The two are replaced one after the other: between them they do not fit. What was saved stays as it is.
                if patience and not isinstance(self.source, Directory):
                    time.sleep(1.0)
                elif self.is_torn(data, note):
                    raise Unchecked(say(
                        "manifest.json and manifest.note are of two versions, each of them published: somebody stopped "
                        "between the two files, here or in saving them. Read them again.",
                        "manifest.json и manifest.note — от двух версий, и каждая опубликована: кто-то остановился между "
                        "двумя файлами, здесь или при сохранении. Прочитайте их ещё раз.")) from None  # fmt: skip
                else:
                    raise
        m = self.manifest
        if self.poll is not None and m["poll"] != self.poll:
            raise Invalid(say(f"Asked for the board of poll {self.poll}, the site gives that of {m['poll']}.",
                              f"Спрошена доска опроса {self.poll}, а сайт даёт доску {m['poll']}."))  # fmt: skip
        self.uses += [(public, moment(m["counted_at"])) for public in signers]
        self.signers[m["version"]] = signers
        self.origin: str = m["origin"]
        self.poll_hash = from_hex(m["poll_hash"], "poll_hash")
        self.superseded = set(rising_leaves(m["superseded"], "superseded"))
        self.report.passed.append(say(
            f"The manifest of {self.origin}, version {m['version']}, bears the signature of the board's key.",
            f"Опись доски {self.origin}, версия {m['version']}, подписана ключом доски."))  # fmt: skip
        if self.source.host and self.source.host != self.origin.split("/")[0]:
            self.report.notes.append(say(f"The files came from {self.source.host}, the board is of {self.origin}.",
                                         f"Файлы взяты с {self.source.host}, а доска — {self.origin}."))  # fmt: skip

    def is_torn(self, data: bytes, note: bytes) -> bool:
        """Whether the newest manifest and note are each those of a numbered version, of two of them."""
        version, other = (re.search(pattern, found) for pattern, found in (
            (rb'"version":([1-9][0-9]{0,2})[,}]', data), (rb"\nveche/manifest/v1\n([1-9][0-9]{0,2})\n", note)))  # fmt: skip
        if version is None or other is None or version[1] == other[1]:
            return False
        try:
            return (self.source.read(f"manifest-{version[1].decode()}.json", LARGE),
                    self.source.read(f"manifest-{other[1].decode()}.note", SMALL)) == (data, note)  # fmt: skip
        except Missing:
            return False

    def read_definition(self) -> None:
        """The sealed document: its hash is the poll's hash, its questions are those counted."""
        data = self.source.read("definition.json", LARGE)
        if sha256(data) != self.poll_hash:
            raise Invalid(say("definition.json is not the sealed document: its SHA-256 is not the poll's hash.",
                              "definition.json — не опечатанный документ: SHA-256 не равен хешу опроса."))  # fmt: skip
        definition = self.definition = read_json(data, "definition.json")
        if definition.get("schema", SCHEMA) != SCHEMA:
            raise Unchecked(say(f"The sealed document is not of the schema {SCHEMA}, the only one this verifier knows.",
                                f"Опечатанный документ — не {SCHEMA}, а другого программа не знает."))  # fmt: skip
        m = self.manifest
        if len(definition["questions"]) > MOST_QUESTIONS:
            raise Invalid(say("The sealed document has more questions than its format allows.",
                              "В опечатанном документе вопросов больше, чем допускает формат."))  # fmt: skip
        self.questions = {q["id"]: Question(q) for q in definition["questions"]}
        known = definition.get("roll_known", True)
        same = {
            "poll_id": definition["poll_id"] == m["poll"],
            "questions": [q["id"] for q in definition["questions"]] == [q["id"] for q in m["questions"]],
            "privacy": definition.get("privacy", "separated") == m["privacy"],
            "receipt": definition.get("receipt", "inclusion") == m["receipt"],
            "time_zone": definition.get("time_zone", "Europe/Moscow") == m["time_zone"],
            "roll": known == m["roll"]["known"] and (m["roll"]["total"] is not None) <= known,
        }
        if len(self.questions) != len(definition["questions"]) or not all(same.values()):
            wrong = ", ".join(name for name, right in same.items() if not right)
            raise Invalid(say(f"The manifest contradicts the sealed document: {wrong}.",
                              f"Опись противоречит опечатанному документу: {wrong}."))  # fmt: skip
        self.styles = {0, *(style["id"] for style in definition.get("styles", []))}
        if pairs := len(definition.get("cross_tabs", [])):
            self.report.notes.append(say(
                f"The sealed document names {pairs} pairs of questions counted together. Their tables were not checked: "
                "published records are one question each, so nobody outside can recount two together.",
                f"Пар вопросов, подсчитанных вместе по документу: {pairs}. Их таблицы не проверены: опубликованные записи "
                "— по одному вопросу, и пересчитать два вместе извне нельзя."))  # fmt: skip
        self.report.passed.append(say(
            f"The sealed document is the one voted on: its SHA-256 is {m['poll_hash']}.",
            f"Документ опроса — тот, по которому голосовали: его SHA-256 {m['poll_hash']}."))  # fmt: skip

    def read_log(self) -> None:
        """The site's registry log, with what it says of this poll and of keys."""
        if self.registry is None:
            raise Unchecked(say(
                "The board was not compared with the site's registry log: whether this very board was entered there, with "
                "these keys, at these times, and the secrets of lots before voting began. Give the log with --registry DIR, "
                "or its address with --registry https://SITE/registry/.",
                "Доска не сверена с журналом сайта: та ли она в нём, с теми ли ключами и сроками, и были ли секреты жребия "
                "закреплены до голосования. Укажите журнал: --registry ПАПКА или --registry "
                "https://САЙТ/registry/."))  # fmt: skip
        log = read_whole_registry(self.registry, self.trust, self.report, [], self.manifest["poll"], self.origin)[0]
        wanted = self.origin.split("/")[0] + "/registry"
        if log.checkpoint.origin != wanted:
            raise Unchecked(say(f"The log at {self.registry} is {log.checkpoint.origin}; this board's is {wanted}.",
                                f"По адресу {self.registry} журнал {log.checkpoint.origin}, а этой доске нужен "
                                f"{wanted}."))  # fmt: skip
        self.log = log

    def check_times(self) -> None:
        """Opening as sealed; counted after closing; a moved closing is said."""
        m = self.manifest
        opens, closes, counted = (moment(m[name]) for name in ("opens_at", "closes_at", "counted_at"))
        if moment(self.definition["opens_at"]) != opens or not opens <= closes <= counted:
            raise Invalid(say("The times of the manifest are not those sealed, or the count came before closing.",
                              "Сроки в описи не те, что опечатаны, или подсчёт был до закрытия."))  # fmt: skip
        sealed = moment(self.definition["closes_at"])
        if sealed != closes and self.log is None:
            self.report.notes.append(say(
                f"Voting was sealed to close at {sealed.isoformat()} and closed at {closes.isoformat()}. The registry log "
                "has to say so and why; it was not read.", f"По документу голосование закрывалось {sealed.isoformat()}, а "
                f"закрылось {closes.isoformat()}. Об этом и о причине должен говорить журнал сайта; он не "
                "прочитан."))  # fmt: skip

    def check_numbers(self) -> None:
        """Records ≤ ballots ≤ participations ≤ roll, and what follows from the sealed document."""
        m = self.manifest
        roll: dict[int, int] = dict(map(tuple, m["roll"]["styles"]))
        total = m["roll"]["total"]
        wrong = m["ballots"] > m["participations"] or (total is not None and m["participations"] > total)
        wrong = wrong or (total is not None) != m["roll"]["known"]
        expected = sorted(self.styles) if m["roll"]["known"] and len(self.styles) > 1 else []
        wrong = wrong or [style for style, _ in m["roll"]["styles"]] != expected
        wrong = wrong or (total is not None and sum(roll.values()) > total)
        may_change = m["privacy"] == "named" and self.definition.get("may_change", False)
        wrong = wrong or (bool(m["superseded"]) and not may_change)
        for published in m["questions"]:
            question, hidden = self.questions[published["id"]], published["withheld"]
            leaves = rising_leaves(hidden["leaves"], "withheld")
            wrong = wrong or published["size"] + hidden["records"] != published["shown"] or (
                published["shown"] > m["ballots"] or len(leaves) != hidden["records"])  # fmt: skip
            wrong = wrong or not rising(hidden["styles"]) or bool(hidden["styles"]) != bool(hidden["records"])
            wrong = wrong or not all(style in self.styles and question.asked_in(style) for style in hidden["styles"])
            wrong = wrong or (question.everybody_has_it and published["shown"] != m["ballots"])
            entitled = total
            if total is not None and question.styles:
                entitled = sum(roll.get(style, 0) for style in question.styles)
            wrong = wrong or published["entitled"] != entitled
        if wrong:
            raise Invalid(say("The numbers of the manifest contradict each other: records, ballots, participations, roll.",
                              "Числа описи противоречат друг другу: записи, бюллетени, участие, список."))  # fmt: skip
        roll_words = say("roll not known", "список неизвестен") if total is None else str(total)
        self.report.passed.append(say(
            f"The numbers agree: {m['ballots']} ballots ≤ {m['participations']} who took part ≤ {roll_words} entitled.",
            f"Числа сходятся: бюллетеней {m['ballots']} ≤ участников {m['participations']} ≤ имеющих право "
            f"{roll_words}."))  # fmt: skip
        quorum = self.definition.get("quorum")
        if quorum:
            self.report.notes.append(quorum_words(quorum, m["ballots"], total))

    def check_versions(self) -> None:
        """Earlier manifests, each signed and chained to the next; the ballots never change between them."""
        newest, m = self.manifest, self.manifest
        version = m["version"]
        if not 1 <= version <= MOST_VERSIONS:
            raise Invalid(say("The manifest's version is out of range.", "Версия описи вне пределов."))
        for suffix, own in (("json", self.data), ("note", self.note)):
            if self.source.read(f"manifest-{version}.{suffix}", LARGE) != own:
                raise Invalid(say("The newest manifest stands in two versions.", "Новейшая опись — в двух видах."))
        self.versions[version] = sha256(self.data)
        for number in range(version - 1, 0, -1):
            data = self.source.read(f"manifest-{number}.json", LARGE)
            note = self.source.read(f"manifest-{number}.note", SMALL)
            before, signers = read_manifest(data, note, self.trust, self.extra)
            if (
                before["version"] != number
                or m["previous"] != sha256(data).hex()
                or fixed_part(before) != fixed_part(newest)
                or not keeps_secrets(before, m)
            ):
                raise Invalid(say(f"Version {number} of the manifest does not lead to the next, or says what may not change.",
                                  f"Версия {number} описи не ведёт к следующей или говорит иначе о том, что "
                                  "меняться не может."))  # fmt: skip
            if moment(before["counted_at"]) < moment(before["closes_at"]):
                raise Invalid(say(f"Version {number} was counted before closing.", f"Версия {number} — до закрытия."))
            self.versions[number] = sha256(data)
            self.uses += [(public, moment(before["counted_at"])) for public in signers]
            self.signers[number] = signers
            m = before
        earlier = version - 1
        if m["previous"] is not None:
            raise Invalid(say("The first version of the manifest names one before it.",
                              "Первая версия описи называет более раннюю."))  # fmt: skip
        self.counted_first = moment(m["counted_at"])
        if earlier:
            self.report.passed.append(say(f"{earlier} earlier versions of the count are chained to this one.",
                                          f"Прежних версий подсчёта: {earlier}, связаны с этой."))  # fmt: skip

    def check_lot(self) -> None:
        """A revealed secret is the one committed to; that this was before opening, the registry log says."""
        for party, half in (self.manifest["lot"] or {}).items():
            committed = from_hex(half["commitment"], "commitment")
            if half["secret"] is not None:
                secret = from_hex(half["secret"], "secret")
                if sha256(b"veche/lot-commitment/v1" + self.poll_hash + party.encode() + b"\0" + secret) != committed:
                    raise Invalid(say(f"The {party}'s secret is not what was committed to.",
                                      f"Секрет ({party}) — не тот, что был закреплён."))  # fmt: skip

    def check_question(self, published: Json, wanted: Iterable[bytes]) -> None:
        """One question's tree, its records, and its outcome counted again."""
        question = self.questions[published["id"]]
        hidden = published["withheld"]
        withheld = {bytes.fromhex(leaf) for leaf in hidden["leaves"]}
        tree = self.open_tree(published)
        ballots = self.read_records(tree, question, set(hidden["styles"]), {*wanted, *withheld, *self.superseded})
        self.trees[question.id], self.ballots[question.id] = tree, ballots
        if any(tree.found[leaf].entry is not None for leaf in withheld | self.superseded):
            raise Invalid(say(f"Question {question.id}: a record said to be withheld or replaced is published.",
                              f"Вопрос {question.id}: опубликована запись, названная скрытой или "
                              "заменённой."))  # fmt: skip
        if not self.definition.get("late_registration", False):
            roll = dict(map(tuple, self.manifest["roll"]["styles"]))
            if any(style in roll and n > roll[style] for style, n in ballots.by_style.items()):
                raise Invalid(say(f"Question {question.id}: a ballot style has more records than entitled residents.",
                                  f"Вопрос {question.id}: записей по виду бюллетеня больше, чем "
                                  "имеющих право."))  # fmt: skip
        self.report.passed.append(say(
            f"Question {question.id}: {tree.size} records, each proper and in its place; they give the signed root.",
            f"Вопрос {question.id}: записей {tree.size}, каждая правильна и на своём месте; они дают подписанный "
            "корень."))  # fmt: skip
        self.check_outcome(question, published, ballots)

    def open_tree(self, published: Json) -> Tree:
        """The question's checkpoint: signed, and of the root the manifest names."""
        folder = f"q{published['id']}/"
        note = self.notes[published["id"]] = self.source.read(folder + "checkpoint", SMALL)
        origin = f"{self.origin}/q{published['id']}"
        listed = [key["bytes"] for key in listed_keys(self.manifest, "board")]
        text, signers = open_signed(note, origin, self.trust.publics(origin, listed))
        self.tree_keys |= set(signers)
        checkpoint = read_checkpoint(text)
        if checkpoint != Checkpoint(origin, published["size"], from_hex(published["root"], "root")):
            raise Invalid(say(f"{folder}checkpoint is not of the tree the manifest names.",
                              f"{folder}checkpoint — не от того дерева, что названо в описи."))  # fmt: skip
        return Tree(self.source, folder, checkpoint, note)

    def read_records(self, tree: Tree, question: Question, withheld: set[int], wanted: set[bytes]) -> Ballots:
        """Every record of the tree, held against the sealed question, and added up."""
        conditions = [(q, q.sealed.get("shown_if")) for q in self.questions.values()]
        ballots = Ballots(
            question, [q for q, condition in conditions if condition and condition["question"] == question.id]
        )
        start = f'["{self.poll_hash.hex()}",{question.id},'.encode()
        at, waiting, held = len(start), Counter[bytes](), 0
        watch = Progress(tree.size, question.id)
        wrong = Invalid(say(f"Question {question.id}: a record is malformed, or of another poll or question.",
                            f"Вопрос {question.id}: запись испорчена или от другого опроса или вопроса."))  # fmt: skip

        def settle() -> None:
            for text, n in waiting.items():
                style_text, _, answer = text.decode("ascii").partition(",")
                style = int(style_text)
                if str(style) != style_text or style not in self.styles or not question.asked_in(style):
                    raise wrong
                if style in withheld:
                    raise Invalid(say(f"Question {question.id}: a record of a withheld style is published.",
                                      f"Вопрос {question.id}: опубликована запись скрытого вида."))  # fmt: skip
                ballots.add(style, answer, n)
            waiting.clear()

        # A record is ["<poll hash>",<question>,<style>,<answer>,"<nonce>"]; style and answer are read once for each
        # distinct text, so that seven million records take minutes.
        for first, entries in tree.walk(ascending=True, wanted=wanted):
            nonces = []
            for entry in entries:
                if not entry.startswith(start) or entry[-36:-34] != b',"' or entry[-2:] != b'"]':
                    raise wrong
                nonces.append(entry[-34:-2])
            if b"".join(nonces).translate(None, HEX):
                raise wrong
            waiting.update([entry[at:-36] for entry in entries])
            held += sum(map(len, entries))
            if len(waiting) > 50_000 or held > MOST_WAITING:
                settle()
                held = 0
            watch.at(first)
        settle()
        return ballots

    def check_outcome(self, question: Question, published: Json, ballots: Ballots) -> None:
        """The announced outcome against ours; what cannot be counted again is named."""
        announced = published["outcome"]
        hidden = published["withheld"]["records"]
        if not isinstance(announced, dict):
            raise Invalid(say("An outcome is malformed.", "Итог испорчен."))
        self.check_classes(question, published, announced, ballots)
        if published["counted_by"] != "ballots" or question.method not in COUNTS:
            raise Unchecked(say(
                f"Question {question.id}: the rule «{question.method}» is not re-run by this verifier. The records were "
                "checked, the outcome was not.", f"Вопрос {question.id}: правило «{question.method}» эта программа не "
                "пересчитывает. Записи проверены, итог — нет."))  # fmt: skip
        if hidden:
            raise Unchecked(say(
                f"Question {question.id}: {hidden} records are withheld, since few voted in their place and would be "
                "recognised. So the outcome was not counted again.", f"Вопрос {question.id}: записей скрыто: {hidden} — "
                "там голосовали немногие, и их узнали бы. Поэтому итог не пересчитан."))  # fmt: skip
        ours = recount(ballots, published["entitled"], self.decide(question))
        compare(announced, ours, say(f"Question {question.id}, outcome", f"Вопрос {question.id}, итог"), self.extra)
        winners = ", ".join(self.name_of(question, o) for o in ours["winners"]) or say("nobody", "никто")
        self.report.passed.append(say(
            f"Question {question.id}, counted again by the rule «{question.method}»: the announced outcome is right. "
            f"Winners: {winners}.", f"Вопрос {question.id}, пересчитан по правилу «{question.method}»: объявленный итог "
            f"верен. Победители: {winners}."))  # fmt: skip
        for tie in ours["ties"]:
            if tie["resolution"] in ("lot", "chair"):
                self.report.notes.append(say(f"Question {question.id}: a tie is still to be decided.",
                                             f"Вопрос {question.id}: ничья ещё не разрешена."))  # fmt: skip

    def check_classes(self, question: Question, published: Json, announced: Json, ballots: Ballots) -> None:
        """What holds of any rule: how the ballots divide."""
        names = ("cast", "valid", "blank", "neutral_total")
        cast, valid, blank, neutral = (announced[name] for name in names)
        seen = (ballots.cast, ballots.valid, ballots.blank, sum(ballots.neutral.values()))
        if any(type(n) is not int for n in (cast, valid, blank, neutral)) or announced["question_id"] != question.id or (
            announced["method"] != question.method
            or published["counted_by"] != ("units" if question.method == "units" else "ballots")
            or cast != valid + blank + neutral
            or (published["counted_by"] == "ballots" and cast != published["shown"])
            or (published["counted_by"] == "ballots"
                and any(a > b for a, b in zip(seen, (cast, valid, blank, neutral), strict=True)))
        ):  # fmt: skip
            raise Invalid(say(f"Question {question.id}: the announced numbers of ballots contradict the records.",
                              f"Вопрос {question.id}: объявленные числа бюллетеней противоречат записям."))  # fmt: skip

    def decide(self, question: Question) -> Decide:
        """How ties of a question were decided, by the manifest; each decision that is asked for is used."""
        known = {
            (tie["question"], tie["stage"], tuple(tie["options"])): tie["decided"] for tie in self.manifest["ties"]
        }

        def decided(stage: int, tied: Sequence[int]) -> list[int] | None:
            key = (question.id, stage, tuple(sorted(tied)))
            if key not in known:
                return None
            self.used_ties.add(key)
            return list(known[key])

        return decided

    def check_shown(self) -> None:
        """Who holds which question: every ballot of a style what the style asks, a follow-up whoever it follows from."""
        if len(self.ballots) != len(self.questions):
            return  # a tree could not be read, and that is said
        said = {q["id"]: q for q in self.manifest["questions"]}
        hidden = {q: set(published["withheld"]["styles"]) for q, published in said.items()}
        of_style: dict[int, int] = {}
        wrong = False
        for question in self.questions.values():
            styles = [style for style in self.styles if question.asked_in(style)]
            held, condition = self.ballots[question.id].by_style, question.sealed.get("shown_if")
            if condition is None:
                for style in styles:
                    if style not in hidden[question.id]:
                        wrong = wrong or of_style.setdefault(style, held[style]) != held[style]
                continue
            parent = condition["question"]
            calls, back = self.ballots[parent].leads_to[question.id], said[parent]["withheld"]["records"]
            least = sum(calls[style] for style in styles)
            most = least + (back if hidden[parent].intersection(styles) else 0)
            either = hidden[parent] | hidden[question.id]
            wrong = wrong or not least <= said[question.id]["shown"] <= most
            wrong = wrong or any(held[style] != calls[style] for style in styles if style not in either)
        if wrong or sum(of_style.values()) > self.manifest["ballots"]:
            raise Invalid(say("A question has more or fewer records than there are ballots that could hold it.",
                              "Записей по вопросу больше или меньше, чем бюллетеней, в которых он "
                              "был."))  # fmt: skip

    def check_keys(self) -> None:
        """No key signed after it had been retired, and trees were signed by a key that was there at the count."""
        uses = self.uses + [(public, self.counted_first) for public in self.tree_keys if self.counted_first]
        for public, when in uses:
            check_use(public, when, self.manifest, self.trust, self.log)
        if self.counted_first is not None:
            for public in self.tree_keys:
                self.check_age(public, self.counted_first)

    def check_age(self, public: bytes, counted: datetime) -> None:
        """A tree's key may be younger than the count only where there was none then: the ballots were counted by a
        release without boards. Otherwise somebody has signed other trees later. The log's order says which, and without
        a log the manifest's times."""
        if self.log is not None:
            at = self.log.first("poll_counted")
            keys = [(key.public, key.position > at if at is not None else key.added > counted)
                    for key in self.log.keys if key.purpose == "board"]  # fmt: skip
        else:
            keys = [(key["bytes"], moment(key["valid_from"]) > counted) for key in listed_keys(self.manifest, "board")]
        if not any(younger for key, younger in keys if key == public):
            return
        if not all(younger for _, younger in keys):
            raise Invalid(say("The trees are signed by a key that is younger than the count, though there was a key then.",
                              "Деревья подписаны ключом, который моложе подсчёта, хотя ключ тогда "
                              "уже был."))  # fmt: skip
        if self.log is None and not self.trust.pinned:
            raise Unchecked(say(
                "The trees are signed by a key younger than the count, as those of polls that an earlier release counted. "
                "Whether there was none before, the registry log says (--registry).",
                "Деревья подписаны ключом моложе подсчёта, как у опросов, подсчитанных прежним выпуском. Не было ли ключа "
                "раньше, скажет журнал сайта (--registry)."))  # fmt: skip
        self.report.notes.append(say("The trees were made and signed after the count: it was made by an earlier release.",
                                     "Деревья сделаны и подписаны после подсчёта: его вёл прежний "
                                     "выпуск."))  # fmt: skip

    def check_log(self) -> None:
        """The registry log says the same: which document was sealed, which boards were published, whose keys they are,
        and that the secrets of lots were fixed before voting began."""
        log, m = self.log, self.manifest
        assert log is not None
        if not log.bodies("poll_sealed") or log.bodies("poll_sealed")[-1].get("poll_hash") != m["poll_hash"]:
            raise Invalid(say("By the registry log another document was sealed for this poll, or none.",
                              "По журналу сайта для этого опроса опечатан другой документ или никакой."))  # fmt: skip
        for purpose in ("board", "receipt"):
            for key in listed_keys(m, purpose):
                if log.key(purpose, key["bytes"]) is None:
                    raise Invalid(say(f"The manifest lists the {purpose} key {key['key_id']}, the registry log does not.",
                                      f"В описи есть ключ {key['key_id']} ({purpose}), а в журнале сайта "
                                      "нет."))  # fmt: skip
        self.check_course(log)
        self.check_lot_was_first(log)
        waiting = False
        trees = {"roots": {str(q["id"]): q["root"] for q in m["questions"]},
                 "sizes": {str(q["id"]): q["size"] for q in m["questions"]}}  # fmt: skip
        entered = [(position, event["body"]) for position, event in log.events if event["kind"] == "board_published"]
        for version, digest in self.versions.items():
            facts: Json = {"version": version, "manifest": digest.hex(), **trees}
            same = [canonical(facts), canonical({"sha256": sha256(canonical(facts)).hex()})]
            if any(canonical(body) not in same for _, body in entered
                   if type(body.get("version")) is int and body["version"] == version):  # fmt: skip
                raise Invalid(say(f"The registry log was told of another board as version {version}.",
                                  f"В журнале сайта версией {version} названа другая доска."))  # fmt: skip
            at = next((position for position, body in entered if canonical(body) in same), None)
            waiting = waiting or at is None
            known = [one for one in log.keys if one.purpose == "board" and one.public in self.signers[version]]
            if at is not None and any(one.position > at for one in known):
                raise Invalid(say(f"Version {version} was entered in the registry log before the key that signed it.",
                                  f"Версия {version} внесена в журнал сайта раньше ключа, которым подписана."))  # fmt: skip
        newest = m["version"]
        if any(type(body.get("version")) is int and body["version"] > newest for _, body in entered):
            raise Unchecked(say(f"The registry log knows a newer version than {newest}, which the site gives. Ask again.",
                                f"Журнал сайта знает версию новее {newest}, которую даёт сайт. Спросите ещё "
                                "раз."))  # fmt: skip
        if waiting:
            raise Unchecked(say("This board is not yet entered in the registry log. That takes seconds: ask again.",
                                "Этой доски ещё нет в журнале сайта. Это дело секунд: спросите ещё раз."))  # fmt: skip
        self.report.passed.append(say(
            f"The registry log of {log.checkpoint.size} events has this board, this document and these keys.",
            f"В журнале сайта (событий: {log.checkpoint.size}) — эта доска, этот документ и эти ключи."))  # fmt: skip

    def check_course(self, log: Log) -> None:
        """Sealed, opened, closed and counted, in this order and at the times of the manifest, and every move of the closing
        entered before the count. What the log lacks is hidden, unless the board itself is not entered yet either."""
        wanted = {name: moment(self.manifest[name]) for name in ("opens_at", "closes_at")}
        closes, moves = moment(self.definition["closes_at"]), list[tuple[int, Json]]()
        places: dict[str, int] = {}
        for position, event in log.events:
            kind, body = event["kind"], event["body"]
            if kind in ("poll_opened", "poll_closed"):
                said = tuple(moment(body.get(name)) for name in ("opens_at", "closes_at"))
                if said != (wanted["opens_at"], closes):
                    raise Invalid(say(
                        f"Entry {position} of the registry log ({kind}) says that voting is from {body.get('opens_at')} to "
                        f"{body.get('closes_at')}. By the sealed document and the entries before it, it was to be from "
                        f"{wanted['opens_at'].isoformat()} to {closes.isoformat()}: an entry that moved it is missing or false.",
                        f"По записи {position} журнала сайта ({kind}) голосование идёт с {body.get('opens_at')} по "
                        f"{body.get('closes_at')}, а по документу и записям до неё — с {wanted['opens_at'].isoformat()} по "
                        f"{closes.isoformat()}: записи о переносе нет, или она ложна."))  # fmt: skip
            elif kind in MOVES and "poll_counted" not in places:
                closes = moment(body.get("closes_at"))
                moves.append((position, event))
            elif kind == "poll_counted" and (
                other := [name for name in COUNTED if body.get(name) != self.manifest[name]]
            ):
                raise Invalid(say(
                    f"Entry {position} of the registry log ({kind}) and the manifest differ in {', '.join(other)}.",
                    f"Запись {position} журнала сайта ({kind}) и опись расходятся: {', '.join(other)}."))  # fmt: skip
            places.setdefault(kind, position)
        if "board_published" not in places:
            return  # which is said elsewhere
        if lacking := [kind for kind in COURSE if kind not in places]:
            raise Invalid(say(f"The registry log conceals what every counted poll has: {', '.join(lacking)}.",
                              "Журнал сайта скрывает то, что есть у каждого подсчитанного опроса: "
                              f"{', '.join(lacking)}."))  # fmt: skip
        if closes != wanted["closes_at"]:
            raise Invalid(say(
                f"By the sealed document and the registry log voting closed at {closes.isoformat()}, by the manifest at "
                f"{wanted['closes_at'].isoformat()}: nothing in the log moved it there before the count.",
                f"По документу и журналу сайта голосование закрылось {closes.isoformat()}, а по описи "
                f"{wanted['closes_at'].isoformat()}: до подсчёта в журнале его туда никто не переносил."))  # fmt: skip
        # A poll that an earlier release counted may have its opening and closing written down after the count.
        late = all(key.position > places["poll_counted"] for key in log.keys if key.purpose == "board")
        course = [places[kind] for kind in COURSE if not late or kind in ("poll_sealed", "poll_counted")]
        if course != sorted(course):
            raise Invalid(say("In the registry log sealing, opening, closing and counting do not come in this order.",
                              "В журнале сайта опечатывание, открытие, закрытие и подсчёт идут не по порядку."))  # fmt: skip
        for position, event in moves:
            self.report.notes.append(say(
                f"The closing was moved to {event['body']['closes_at']}: entry {position} of the registry log, "
                f"{event['kind']}. Reason given: {event['body'].get('reason') or 'none'}.",
                f"Закрытие перенесено на {event['body']['closes_at']}: запись {position} журнала сайта, {event['kind']}. "
                f"Названная причина: {event['body'].get('reason') or 'нет'}."))  # fmt: skip
        self.report.passed.append(say(
            "By the registry log the poll was sealed, opened, closed and counted in this order, at the published times.",
            "По журналу сайта опрос опечатан, открыт, закрыт и подсчитан по порядку и в объявленные сроки."))  # fmt: skip

    def check_lot_was_first(self, log: Log) -> None:
        """Both parties' commitments stand in the log before the opening. What is said there of times does not count where
        the positions speak."""
        lot = self.manifest["lot"]
        opened = log.first("poll_opened")
        before = [
            event["body"]
            for position, event in log.events
            if event["kind"] == "lot_committed"
            and (position < opened if opened is not None else moment(event["at"]) <= moment(self.manifest["opens_at"]))
        ]
        if lot is None:
            rules = {question.rule.get("tie", "joint") for question in self.questions.values()}
            if "lot" in rules and {body.get("party") for body in before} >= {"official", "observer"}:
                raise Invalid(say("Both parties committed to a lot by the registry log; the manifest conceals it.",
                                  "По журналу сайта оба закрепили секреты жребия, а опись это скрывает."))  # fmt: skip
            return
        for party, half in lot.items():
            known = [body.get("commitment") for body in before if body.get("party") == party]
            if known != [half["commitment"]]:
                raise Invalid(say(f"The {party}'s commitment for the lot does not stand in the registry log before opening.",
                                  f"В журнале сайта до открытия нет этого закреплённого секрета ({party})."))  # fmt: skip
        self.report.passed.append(say("The secrets of the lot were fixed before voting began, by the registry log.",
                                      "Секреты жребия закреплены до голосования: так в журнале сайта."))  # fmt: skip

    def check_ties(self) -> None:
        """Decisions about ties: one of each that was met, by those whose decision it was, lots drawn again."""
        met = [(tie["question"], tie["stage"], tuple(tie["options"])) for tie in self.manifest["ties"]]
        if len(set(met)) != len(met):
            raise Invalid(say("A tie was decided twice.", "Ничью решали дважды."))
        for tie in self.manifest["ties"]:
            question = self.questions[tie["question"]]
            where = say(f"Question {question.id}: the tie of {tie['options']}",
                        f"Вопрос {question.id}: ничья {tie['options']}")  # fmt: skip
            if not rising(tie["options"]) or sorted(tie["decided"]) != tie["options"]:
                raise Invalid(say(f"{where} is not decided among those tied.", f"{where} решена не между ними."))
            rule = question.rule.get("tie", "joint")
            key = (question.id, tie["stage"], tuple(tie["options"]))
            counted_again = question.method in COUNTS and next(
                q["counted_by"] == "ballots" and not q["withheld"]["records"]
                for q in self.manifest["questions"] if q["id"] == question.id
            )  # fmt: skip
            if rule == "joint" or (counted_again and key not in self.used_ties):
                raise Invalid(say(f"{where} was not to be decided: there is none.", f"{where}: такой ничьей нет."))
            if tie["method"] == "lot":
                if rule != "lot" or self.draw(question.id, tie["stage"], tie["options"]) != tie["decided"]:
                    raise Invalid(say(f"{where}: the lot falls otherwise.", f"{where}: жребий выпадает иначе."))
                self.report.passed.append(say(f"{where} went by lot; drawn again, it falls the same.",
                                              f"{where}: жребий повторён и выпал так же."))  # fmt: skip
            elif tie["method"] == "chair":
                if not tie["reason"].strip():
                    raise Invalid(say(f"{where} was decided by the chair without a reason.",
                                      f"{where} решена председателем без объяснения."))  # fmt: skip
                drawn = self.draw(question.id, tie["stage"], tie["options"]) if rule == "lot" else None
                if drawn is not None:
                    self.report.unchecked.append(say(
                        f"{where} was decided by the chair, as {tie['decided']}, though a lot was due and can be drawn: it "
                        f"falls {drawn}. Only a secret that came too late lets the chair decide, and that cannot be seen "
                        f"from here. The reason given: {tie['reason']}",
                        f"{where} решена председателем, {tie['decided']}, хотя полагался жребий и его можно вытянуть: он "
                        f"выпадает {drawn}. Председатель решает, только если секрет раскрыт слишком поздно, а этого отсюда "
                        f"не видно. Названная причина: {tie['reason']}"))  # fmt: skip
                self.report.notes.append(say(f"{where} was decided by the chair: {tie['reason']}",
                                             f"{where} решена председателем: {tie['reason']}"))  # fmt: skip
            else:
                raise Unchecked(say(f"{where}: decided in a way unknown to us.", f"{where}: решена неизвестно как."))

    def draw(self, question: int, stage: int, tied: Sequence[int]) -> list[int] | None:
        """The lot: both secrets, the root and the tie give the order. None where a secret is not revealed."""
        lot = self.manifest["lot"]
        if lot is None or lot["official"]["secret"] is None or lot["observer"]["secret"] is None:
            return None
        secrets = b"".join(bytes.fromhex(lot[party]["secret"]) for party in ("official", "observer"))
        root = next(bytes.fromhex(q["root"]) for q in self.manifest["questions"] if q["id"] == question)
        numbers = b"".join(n.to_bytes(4, "big") for n in (question, stage, *sorted(tied)))
        drawn = sha256(b"veche/lot/v1" + secrets + root + numbers)
        return sorted(tied, key=lambda o: sha256(drawn + o.to_bytes(4, "big")))

    def name_of(self, question: Question, option: int) -> str:
        """An option in words."""
        for found in question.sealed["options"]:
            if found["id"] == option:
                text = found.get("text", {})
                words = text.get(LANGUAGE) or text.get("ru") or text.get("en")
                return f"«{words}»" if words else str(option)
        return str(option)


MOMENT = r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"


def moment(text: str) -> datetime:
    """A time with its zone, in the one form the formats have. Raises Invalid."""
    try:
        found = datetime.fromisoformat(text) if re.fullmatch(MOMENT, text) else None
    except (ValueError, TypeError):
        found = None
    if found is None:
        raise Invalid(say(f"{str(text)[:40]!r} is no time.", f"{str(text)[:40]!r} — не время."))
    return found


def day_of(text: str) -> date:
    """The day of a receipt. Raises Invalid."""
    try:
        found = date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        found = None
    if found is None:
        raise Invalid(say(f"{text[:40]!r} is no day.", f"{text[:40]!r} — не день."))
    return found


def quorum_words(quorum: Json, ballots: int, total: int | None) -> str:
    """Whether enough took part, by the sealed quorum; the announced outcome of a question does not depend on it."""
    needed = quorum.get("ballots") or 0
    if quorum.get("share") is not None:
        if total is None:
            return say("The quorum is a share of a roll that is not known.", "Кворум — доля неизвестного списка.")
        if not re.fullmatch(SHARE, quorum["share"]):
            raise Invalid(say("The quorum is no share.", "Кворум — не доля."))
        share = Fraction(quorum["share"]) * total
        needed = max(needed, -(-share.numerator // share.denominator))
    met = ballots >= needed
    return say(f"Quorum: {needed} ballots needed, {ballots} cast: {'met' if met else 'not met'}.",
               f"Кворум: нужно {needed}, подано {ballots}: {'есть' if met else 'нет'}.")  # fmt: skip


class Progress:
    """A line on stderr every few seconds while a large tree is read."""

    def __init__(self, size: int, question: int) -> None:
        self.size, self.question = size, question
        self.began = self.told = time.monotonic()

    def at(self, done: int) -> None:
        """So many records are read."""
        now = time.monotonic()
        if self.size > 100_000 and now - self.told > 2:
            self.told = now
            left = (now - self.began) / max(done, 1) * (self.size - done)
            print(say(f"question {self.question}: {done:,} of {self.size:,} records, about {left:.0f} s more",
                      f"вопрос {self.question}: {done:,} из {self.size:,} записей, ещё около {left:.0f} с"),
                  file=sys.stderr)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# 9 Receipts and complaints
# ---------------------------------------------------------------------------------------------------------------------

RECEIPT_DOMAIN = b"veche/receipt/v1\n"
PROOF_HEAD = "c2sp.org/tlog-proof@v1"


@dataclass
class Receipt:
    """A signed promise that a ballot was accepted."""

    file: Json
    poll: bytes
    kind: str
    ballot: bytes | None
    leaves: list[bytes]
    day: str
    code: str


def read_receipt(value: Any) -> Receipt:
    """A receipt as the site hands it out: ``{"receipt": {…}, "key_id", "signature"}``. Its signature is checked later."""
    facts = value.get("receipt") if isinstance(value, dict) else None
    if not isinstance(facts, dict) or facts.get("v") != 1 or facts.get("kind") not in ("inclusion", "acceptance_only"):
        raise Invalid(say("This is not a receipt of Veche.", "Это не квитанция Вече."))
    shaped(value, {"receipt": object, "key_id": str, "signature": str}, "receipt", [])
    extra: list[str] = []
    base: Json = {"v": int, "kind": str, "poll": str, "day": str}
    inclusion = facts["kind"] == "inclusion"
    shaped(facts, base | ({"ballot": str, "leaves": [str]} if inclusion else {"acceptance": str}), "receipt", extra)
    if extra:
        raise Invalid(say(f"The receipt holds what it should not: {extra}", f"В квитанции лишнее: {extra}"))
    file = {name: value[name] for name in ("receipt", "key_id", "signature")}
    poll, day = from_hex(facts["poll"], "poll"), facts["day"]
    if not inclusion:
        return Receipt(file, poll, facts["kind"], None, [], day, facts["acceptance"][:8])
    code = facts["ballot"]
    try:
        ballot = base64.b32decode(code + "======")
    except ValueError:
        ballot = b""
    if len(ballot) != 16 or base64.b32encode(ballot).decode().rstrip("=") != code:
        raise Invalid(say("The receipt's ballot code is mistyped.", "В коде бюллетеня ошибка."))
    leaves = [from_hex(leaf, "leaf") for leaf in facts["leaves"]]
    if not leaves or len(set(leaves)) != len(leaves) or len(leaves) > 1_000:
        raise Invalid(
            say("The receipt names no records, or one twice.", "Квитанция не называет записей или одну дважды.")
        )
    return Receipt(file, poll, facts["kind"], ballot, leaves, day, code[:8])


def nonce_of(ballot: bytes, question: int) -> str:
    """What makes equal answers different records, in hex."""
    return sha256(b"veche/entry/v1" + ballot + question.to_bytes(4, "big"))[:16].hex()


def check_receipt_signature(receipt: Receipt, manifest: Json, trust: Trust, log: Log | None) -> None:
    """Signed by a receipt key: one the reader brought, else one the registry log names, else one the manifest lists.

    The key was there on the receipt's day. That it had been retired by then does not matter: a process that had not yet
    been restarted signs with it, and whoever stole it writes whatever day he likes."""
    message = RECEIPT_DOMAIN + canonical(receipt.file["receipt"])
    signature = from_base64(receipt.file["signature"], "signature")
    day = day_of(receipt.day)
    brought = trust.of(manifest["origin"].split("/")[0] + "/receipt")
    known: list[tuple[bytes, datetime | None]]
    if brought:
        known = [(key.public, None) for key in brought]
        whose = say("of the keys given", "из данных ключей")
    elif log is not None:
        known = [(key.public, key.added) for key in log.keys if key.purpose == "receipt"]
        whose = say("that the registry log names", "из журнала сайта")
    else:
        known = [(key["bytes"], moment(key["valid_from"])) for key in listed_keys(manifest, "receipt")]
        whose = say("that the manifest lists", "из описи")
    for public, added in known:
        if signed_by(public, signature, message):
            if added is not None and day < added.date() - timedelta(days=1):
                raise Invalid(say("The receipt's key was not there yet on its day.",
                                  "Ключа квитанции в тот день ещё не было."))  # fmt: skip
            return
    hint = (
        ""
        if brought or log is not None
        else say(
            " If you have the service's receipt key from elsewhere, give it with --key, or its registry log with --registry.",
            " Если ключ квитанций сервиса есть у вас из другого места, укажите его в --key или журнал сайта в --registry.",
        )
    )
    raise Invalid(say(f"The receipt is not signed by any receipt key {whose}: so it proves nothing.{hint}",
                      f"Квитанция не подписана ни одним ключом {whose}: так она ничего не доказывает.{hint}"))  # fmt: skip


def check_receipt(board: Board, receipt: Receipt, out: Path | None, proof_to: Path | None) -> None:
    """Where the records of one receipt are. Raises Invalid where one is missing, after writing the complaint."""
    report, name = board.report, receipt.code
    if receipt.poll != board.poll_hash:
        raise Unchecked(say(f"Receipt {name}… is of another poll.", f"Квитанция {name}… — от другого опроса."))
    if receipt.kind != board.manifest["receipt"]:
        raise Invalid(say("The receipt is of a kind this poll does not give.", "Этот опрос таких квитанций не даёт."))
    check_receipt_signature(receipt, board.manifest, board.trust, board.log)
    report.passed.append(say(f"Receipt {name}… of {receipt.day} is signed by this service.",
                             f"Квитанция {name}… от {receipt.day} подписана этим сервисом."))  # fmt: skip
    if receipt.ballot is None:
        raise Unchecked(say("It says only that a ballot was accepted: for this poll it was decided that no receipt leads to "
                            "a ballot. So whether it was counted cannot be checked with it.",
                            "Она говорит лишь, что бюллетень принят: в этом опросе решено, что квитанция не ведёт к "
                            "бюллетеню. Учтён ли он, по ней не проверить."))  # fmt: skip
    if len(board.trees) != len(board.questions):
        raise Unchecked(say("Not every tree could be read, so the receipt was not looked for.",
                            "Прочитаны не все деревья, поэтому квитанцию не искали."))  # fmt: skip
    withheld = {leaf for q in board.manifest["questions"] for leaf in q["withheld"]["leaves"]}
    missing = []
    for leaf in receipt.leaves:
        tree = next((t for t in board.trees.values() if t.found[leaf].entry is not None), None)
        if tree is not None:
            tell_found(board, receipt.ballot, tree, tree.found[leaf], proof_to, len(receipt.leaves) > 1)
        elif leaf.hex() in withheld:
            report.passed.append(say("One record of the receipt is counted and withheld: few voted in your place.",
                                     "Одна запись учтена, но скрыта: у вас голосовали немногие."))  # fmt: skip
        elif leaf in board.superseded:
            report.notes.append(say("One record of the receipt was replaced: its holder voted again later.",
                                    "Одна запись заменена: владелец позже проголосовал заново."))  # fmt: skip
        else:
            missing.append(leaf)
    if missing:
        written = write_complaint(board, receipt, missing, out)
        raise Invalid(say(
            f"{len(missing)} of {len(receipt.leaves)} records of receipt {name}… are MISSING from the count, although the "
            f"service signed that it had accepted them. The complaint is in {written}: anybody can check it with "
            f"`veche-verify --complaint {written} --key KEY`, without trusting you; KEY is the city's, from where they trust.",
            f"Записей квитанции {name}…, которых НЕТ в подсчёте: {len(missing)} из {len(receipt.leaves)}, хотя сервис "
            f"подписал, что принял их. Жалоба — в файле {written}: её проверит кто угодно командой «veche-verify "
            f"--complaint {written} --key КЛЮЧ», не доверяя вам; КЛЮЧ — сервиса, из надёжного для них места."))  # fmt: skip


def tell_found(board: Board, ballot: bytes, tree: Tree, found: Found, proof_to: Path | None, several: bool) -> None:
    """A record that is in its tree: whose it is, what it says, and its proof as a file if asked for."""
    assert found.entry is not None
    _, question_id, _, answer, nonce = json.loads(found.entry)
    question = board.questions[question_id]
    if nonce != nonce_of(ballot, question_id):
        raise Invalid(say(f"Question {question_id}: the receipt names a record of another ballot.",
                          f"Вопрос {question_id}: квитанция называет запись чужого бюллетеня."))  # fmt: skip
    if not included(leaf_hash(found.entry), found.index, tree.size, tree.proof(found.index), tree.checkpoint.root):
        raise Invalid(say("The tiles changed while they were read.", "Плитки изменились во время чтения."))
    board.report.passed.append(say(
        f"Question {question_id}: the ballot is counted, record {found.index + 1} of {tree.size}. It says: "
        f"{answer_words(board, question, answer)}.", f"Вопрос {question_id}: бюллетень учтён, запись {found.index + 1} из "
        f"{tree.size}. В ней: {answer_words(board, question, answer)}."))  # fmt: skip
    if proof_to is not None:
        path = proof_to.with_name(f"{proof_to.stem}-q{question_id}{proof_to.suffix}") if several else proof_to
        path.write_text(proof_text(found.entry, found.index, tree))
        board.report.notes.append(say(f"Proof written to {path}.", f"Доказательство записано в {path}."))


def answer_words(board: Board, question: Question, answer: list[Any]) -> str:
    """An answer for people."""
    if not answer:
        return say("left blank", "без ответа")
    if answer == [OWN]:
        return say("own words", "свой ответ")
    parts = []
    for item in answer:
        if question.kind in ("rating", "points") and isinstance(item, list):
            parts.append(f"{board.name_of(question, item[0])}: {item[1]}")
        elif isinstance(item, list):
            parts.append(" = ".join(board.name_of(question, one) for one in item))
        else:
            parts.append(board.name_of(question, item) if item != OWN else say("own words", "свой ответ"))
    return (" > " if question.kind == "ranking" else ", ").join(parts)


def proof_text(entry: bytes, index: int, tree: Tree) -> str:
    """c2sp.org/tlog-proof: the record, the way from it to the root, and the signed root."""
    hashes = "".join(f"{to_base64(one)}\n" for one in tree.proof(index))
    return f"{PROOF_HEAD}\nextra {to_base64(entry)}\nindex {index}\n{hashes}\n{tree.note.decode()}"


def check_proof(path: str, trust: Trust, report: Report) -> None:
    """A proof file, without any network."""
    text = read_local(path, SMALL).decode("utf-8", "replace")
    head, gap, note = text.partition("\n\n")
    lines = head.split("\n")
    if not gap or len(lines) < 3 or lines[0] != PROOF_HEAD or not re.fullmatch(r"index (0|[1-9][0-9]{0,14})", lines[2]):
        raise Invalid(say("This is not a proof of inclusion.", "Это не доказательство включения."))
    if not lines[1].startswith("extra "):
        raise Invalid(say("The proof holds no record.", "В доказательстве нет записи."))
    entry = from_base64(lines[1][6:], "record")
    proof = [from_base64(line, "hash", 32) for line in lines[3:]]
    origin = origin_of(note.encode())
    if not trust.pinned:
        raise Unchecked(say("Give the board's key with --key: the signature was not checked.",
                            "Укажите ключ доски (--key): подпись не проверена."))  # fmt: skip
    checkpoint = read_checkpoint(open_note(note.encode(), origin, trust.publics(origin)))
    index = int(lines[2][6:])
    if not included(leaf_hash(entry), index, checkpoint.size, proof, checkpoint.root):
        raise Invalid(say("The record is not in the signed tree.", "Записи нет в подписанном дереве."))
    shown = entry.decode("utf-8", "replace")
    report.passed.append(say(f"Record {index + 1} of {checkpoint.size} in {origin}: {shown}",
                             f"Запись {index + 1} из {checkpoint.size} в {origin}: {shown}"))  # fmt: skip


def write_complaint(board: Board, receipt: Receipt, missing: Sequence[bytes], out: Path | None) -> str:
    """The complaint as a file; returns its path. In a sorted tree two neighbours prove that nothing is between them."""
    listed = []
    for leaf in missing:
        trees = []
        for question_id, tree in board.trees.items():
            at = tree.found[leaf].index
            trees.append({
                "question": question_id, "checkpoint": tree.note.decode(), "size": tree.size,
                "left": tree.proven(at - 1) if at > 0 else None, "right": tree.proven(at) if at < tree.size else None,
            })  # fmt: skip
        listed.append({"leaf": leaf.hex(), "trees": trees})
    complaint = {
        "v": 1, "format": "veche/complaint/v1", "receipt": receipt.file, "manifest": to_base64(board.data),
        "manifest_note": board.note.decode(), "missing": listed,
    }  # fmt: skip
    path = (out or Path()) / f"complaint-{receipt.code}.json"
    try:
        path.write_bytes(canonical(complaint))
    except OSError as error:
        return say(f"(not written: {error})", f"(не записана: {error})")
    board.report.facts.setdefault("complaints", []).append(str(path))
    return str(path)


COMPLAINT_SIDE: Json = {"index": int, "entry": str, "proof": [str]}
COMPLAINT: Json = {
    "v": int, "format": str, "receipt": object, "manifest": str, "manifest_note": str,
    "missing": [{"leaf": str, "trees": [{"question": int, "checkpoint": str, "size": int, "left": (COMPLAINT_SIDE, None),
                                        "right": (COMPLAINT_SIDE, None)}]}],
}  # fmt: skip


def check_complaint(path: str, trust: Trust, report: Report, registry: Source | None = None) -> None:
    """Whether a complaint holds, from its file alone. Raises Invalid where it proves nothing, and Unchecked where no key
    was given: anybody can make up a whole city, its board and a complaint about it."""
    complaint = read_json(read_local(path, 4 * LARGE), "complaint", exact=False)
    extra: list[str] = []
    shaped(complaint, COMPLAINT, "complaint", extra)
    if complaint["format"] != "veche/complaint/v1" or complaint["v"] != 1 or extra or not complaint["missing"]:
        raise Invalid(say("This is not a complaint of the format veche/complaint/v1.",
                          "Это не жалоба формата veche/complaint/v1."))  # fmt: skip
    data = from_base64(complaint["manifest"], "manifest")
    manifest, signers = read_manifest(data, complaint["manifest_note"].encode(), trust, extra)
    receipt = read_receipt(complaint["receipt"])
    log = None
    if registry is not None:
        log = read_whole_registry(registry, trust, report, [], manifest["poll"], manifest["origin"])[0]
        if log.checkpoint.origin != manifest["origin"].split("/")[0] + "/registry":
            raise Unchecked(say(f"The log at {registry} is of another site.", f"Журнал {registry} — другого сайта."))
    for public in signers:
        check_use(public, moment(manifest["counted_at"]), manifest, trust, log)
    if receipt.poll.hex() != manifest["poll_hash"]:
        raise Invalid(say("Receipt and board are of two polls.", "Квитанция и доска — от разных опросов."))
    check_complaint_signature(receipt, manifest, trust, log)
    counted = {leaf for q in manifest["questions"] for leaf in q["withheld"]["leaves"]} | set(manifest["superseded"])
    questions = {q["id"]: q for q in manifest["questions"]}
    for missing in complaint["missing"]:
        leaf = from_hex(missing["leaf"], "leaf")
        if leaf not in receipt.leaves:
            raise Invalid(say("The receipt promises no such record.", "Квитанция такой записи не обещает."))
        if missing["leaf"] in counted:
            raise Invalid(say("The record is counted: withheld for secrecy, or replaced by a later vote.",
                              "Запись учтена: скрыта ради тайны или заменена поздним голосом."))  # fmt: skip
        if [tree["question"] for tree in missing["trees"]] != list(questions):
            raise Invalid(say("The complaint does not cover every question.", "Жалоба охватывает не все вопросы."))
        for tree in missing["trees"]:
            check_absence(leaf, tree, questions[tree["question"]], manifest, trust)
    if not trust.pinned:
        shown = "\n      ".join(vkey_of(manifest["origin"].split("/")[0] + "/board", public) for public in signers)
        raise Unchecked(say(
            "The complaint agrees with itself. It shows that the city dropped a ballot only if this key is the city's: compare "
            f"it with one you trust and give that with --key.\n      {shown}",
            "Жалоба согласна сама с собой. Она показывает, что город выбросил бюллетень, только если этот ключ — города: "
            f"сравните его с тем, которому верите, и укажите тот в --key.\n      {shown}"))  # fmt: skip
    report.passed.append(say(
        f"The complaint holds: {manifest['origin'].split('/')[0]} signed on {receipt.day} that it had accepted this ballot, "
        f"and the board it signed lacks {len(complaint['missing'])} of its records.",
        f"Жалоба обоснована: {manifest['origin'].split('/')[0]} подписью от {receipt.day} подтвердил приём бюллетеня, а в "
        f"подписанной им доске нет записей этого бюллетеня: {len(complaint['missing'])}."))  # fmt: skip


def check_complaint_signature(receipt: Receipt, manifest: Json, trust: Trust, log: Log | None) -> None:
    """As of any receipt; only that a manifest which does not list the receipt's key says nothing about the complaint,
    since whoever is complained of has written the manifest."""
    alone = not trust.of(manifest["origin"].split("/")[0] + "/receipt") and log is None
    listed = any(
        key["key_id"] == receipt.file["key_id"]
        and moment(key["valid_from"]).date() - timedelta(days=1) <= day_of(receipt.day)
        for key in listed_keys(manifest, "receipt")
    )
    try:
        check_receipt_signature(receipt, manifest, trust, log)
    except Invalid:
        if not alone or listed:
            raise
        raise Unchecked(say(
            "The manifest does not list the key that signed the receipt, or from a later day on. Whether it is the city's, the registry log says "
            "(--registry), or a receipt key from a source you trust (--key).",
            "В описи нет ключа, которым подписана квитанция, или он там с более позднего дня. Городской ли он, скажет журнал "
            "сайта (--registry) или ключ квитанций из надёжного места (--key).")) from None  # fmt: skip


def check_absence(leaf: bytes, tree: Json, published: Json, manifest: Json, trust: Trust) -> None:
    """Two neighbours of a sorted tree, both proven, with the leaf between them."""
    origin = f"{manifest['origin']}/q{published['id']}"
    publics = trust.publics(origin, [key["bytes"] for key in listed_keys(manifest, "board")])
    checkpoint = read_checkpoint(open_note(tree["checkpoint"].encode(), origin, publics))
    if checkpoint != Checkpoint(origin, published["size"], from_hex(published["root"], "root")):
        raise Invalid(say("A checkpoint is not of this board.", "Контрольная точка не от этой доски."))
    at = {"left": -1, "right": checkpoint.size}
    for side in ("left", "right"):
        if tree[side] is None:
            continue
        entry = from_base64(tree[side]["entry"], "entry")
        proof = [from_base64(one, "proof", 32) for one in tree[side]["proof"]]
        at[side] = tree[side]["index"]
        between = leaf_hash(entry) < leaf if side == "left" else leaf < leaf_hash(entry)
        if not between or not included(leaf_hash(entry), at[side], checkpoint.size, proof, checkpoint.root):
            raise Invalid(say("A neighbour in the complaint is false.", "Соседняя запись в жалобе ложна."))
    if at["left"] + 1 != at["right"]:
        raise Invalid(say("The neighbours in the complaint do not stand side by side.",
                          "Соседние записи в жалобе стоят не рядом."))  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# 10 The registry log, earlier checkpoints
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LoggedKey:
    """A key by the events that brought it and took it away."""

    purpose: str
    key_id: str
    public: bytes
    added: datetime
    position: int
    retired: datetime | None = None


COURSE = ("poll_sealed", "poll_opened", "poll_closed", "poll_counted")
"""What the log has of every counted poll, in this order."""
COUNTED = ("ballots", "participations", "poll_hash")
"""What the log says of a count, in the manifest's names."""
MOVES = ("poll_extended", "poll_closed_early", "poll_resumed")
"""Entries with a new closing time."""


class Log:
    """What a registry log says of keys, and of one poll if one is asked for; the rest of it is only hashed."""

    OF_A_POLL = (*COURSE, *MOVES, "lot_committed", "board_published")
    ENTRY: ClassVar[Json] = {"position": int, "kind": str, "at": str, "poll": (str, None), "body": {}}
    MOST = 20_000  # of these events of one poll, or of keys

    def __init__(self, checkpoint: Checkpoint, poll: str | None = None) -> None:
        self.checkpoint, self.poll = checkpoint, poll
        self.keys: list[LoggedKey] = []
        self.events: list[tuple[int, Json]] = []
        """(position, event), in the order of the log."""

    def take(self, position: int, event: Any) -> str:
        """One entry; gives its kind."""
        shaped(event, self.ENTRY, say("An entry of the registry", "Запись журнала"), [])
        if event["position"] != position:
            raise Invalid(say(f"Entry {position} of the registry log says that it is another.",
                              f"Запись {position} журнала называет себя другой."))  # fmt: skip
        kind, at, body = str(event["kind"]), moment(event["at"]), event["body"]
        if kind == "key_added":
            public = from_base64(body["public"], "a key", 32)
            self.keys.append(LoggedKey(body["purpose"], body["key_id"], public, at, position))
        elif kind == "key_retired":
            name = (body["purpose"], body["key_id"])
            self.keys = [replace(key, retired=key.retired or at) if (key.purpose, key.key_id) == name else key
                         for key in self.keys]  # fmt: skip
        elif kind in self.OF_A_POLL and self.poll is not None and event["poll"] == self.poll:
            self.events.append((position, event))
        if max(len(self.events), len(self.keys)) > self.MOST:
            raise Unchecked(say("The registry log says more of this poll than is kept in memory.",
                                "Журнал сайта говорит об этом опросе больше, чем помещается в память."))  # fmt: skip
        return kind

    def bodies(self, kind: str) -> list[Json]:
        """The facts of each event of a kind."""
        return [event["body"] for _, event in self.events if event["kind"] == kind]

    def first(self, kind: str) -> int | None:
        """Where the first event of a kind stands."""
        return next((position for position, event in self.events if event["kind"] == kind), None)

    def key(self, purpose: str, public: bytes) -> LoggedKey | None:
        """A key that was entered."""
        return next((key for key in self.keys if (key.purpose, key.public) == (purpose, public)), None)


Kept = list[tuple[str, Checkpoint, "bytes | None"]]


def read_whole_registry(
    source: Source, trust: Trust, report: Report, previous: Sequence[tuple[str, bytes]], poll: str | None = None,
    beside: str | None = None,
) -> tuple[Log, Kept]:  # fmt: skip
    """The log's entries, and of each checkpoint kept the root the log had then. `beside` is the board it is read for."""
    for patience in (2, 1, 0):
        try:
            return read_registry(source, trust, report, previous, poll, beside)
        except Missing as error:
            # The log may have grown while it was read: an unfinished tile goes when it is full. Then there is a newer
            # checkpoint, and we begin again.
            if not patience and beside is None:
                raise
            if not patience:
                raise Invalid(say(f"A file of the registry log is missing: {error}.",
                                  f"В журнале сайта не хватает файла: {error}.")) from None  # fmt: skip
    raise AssertionError


def check_registry(source: Source, trust: Trust, report: Report, previous: Sequence[tuple[str, bytes]]) -> None:
    """The whole registry log: signature, tiles, root; and that it only grew since the checkpoints the reader kept."""
    whole, kept = read_whole_registry(source, trust, report, previous)
    log = whole.checkpoint
    report.passed.append(say(f"The registry log {log.origin}: {log.size} events give the signed root.",
                             f"Журнал {log.origin}: событий {log.size}, они дают подписанный корень."))  # fmt: skip
    for where, old, root in kept:
        if root != old.root:
            raise Invalid(say(f"The log was rewritten: it does not continue {where} of {old.size} events. Both are signed: "
                              "keep them, they are the proof.", f"Журнал переписан: он не продолжает {where} ({old.size} "
                              "событий). Оба подписаны: сохраните их, это доказательство."))  # fmt: skip
        report.passed.append(say(f"The log continues {where}, of {old.size} events.",
                                 f"Журнал продолжает {where} ({old.size} событий)."))  # fmt: skip
    for where, old_note in previous:
        if origin_of(old_note) != log.origin:
            raise Unchecked(say(f"{where} is of another log: {origin_of(old_note)}.",
                                f"{where} — от другого журнала: {origin_of(old_note)}."))  # fmt: skip
    if not previous:
        report.notes.append(say("Whether the log was rewritten since an earlier day was not checked: keep its checkpoint and "
                                "give it next time with --previous.", "Не переписан ли журнал, не проверялось: сохраните "
                                "его checkpoint и в другой раз укажите в --previous."))  # fmt: skip


def read_registry(
    source: Source, trust: Trust, report: Report, previous: Sequence[tuple[str, bytes]], poll: str | None,
    beside: str | None,
) -> tuple[Log, Kept]:  # fmt: skip
    """One reading of the log, from its checkpoint to its last entry."""
    try:
        note = source.read("checkpoint", SMALL)
    except Missing:
        raise Unchecked(say(f"There is no log at {source}.", f"По адресу {source} журнала нет.")) from None
    origin = origin_of(note)
    if not origin.endswith("/registry"):
        raise Unchecked(say(f"{origin} is not a registry log.", f"{origin} — не журнал сервиса."))
    if beside is not None and trust.pinned and not any(key.speaks_for(origin) for key in trust.pinned):
        publics = registry_keys(source)  # the board's key was brought, and the log's was not
        report.notes.append(say(f"No key for {origin} was given; the site's own list was taken.",
                                f"Ключ для {origin} не дан; взят из списка самого сайта."))  # fmt: skip
    else:
        publics = trust.publics(origin, registry_keys(source))
    checkpoint = read_checkpoint(open_note(note, origin, publics))
    kept = [
        (where, read_checkpoint(kept_text(where, old, publics))) for where, old in previous if origin_of(old) == origin
    ]
    tree = Tree(source, "", checkpoint, note)
    kinds: Counter[str] = Counter()
    log = Log(checkpoint, poll)
    for first, entries in tree.walk(ascending=False, roots_at=[old.size for _, old in kept]):
        for position, entry in enumerate(entries, start=first):
            kinds[log.take(position, read_json(entry, say("An entry of the registry", "Запись журнала")))] += 1
    if beside is None:
        report.facts["events"] = dict(kinds)
    return log, [(where, old, tree.roots.get(old.size)) for where, old in kept]


def kept_text(where: str, note: bytes, publics: Iterable[bytes]) -> str:
    """The text of a note the reader kept. Unsigned by the keys we know it proves nothing either way."""
    try:
        return open_note(note, origin_of(note), publics)
    except Invalid as error:
        raise Unchecked(say(f"{where} could not be compared. {error}", f"{where}: сравнить нельзя. {error}")) from None


def registry_keys(source: Source) -> list[bytes]:
    """The registry's keys as the site lists them in keys.json."""
    try:
        listed = read_json(source.read("keys.json", LARGE), "keys.json", exact=False)
    except Missing:
        return []
    keys = listed.get("keys", []) if isinstance(listed, dict) else listed
    shaped(keys, [{"purpose": str, "public": str}], "keys.json", [])
    return [from_base64(key["public"], "a key", 32) for key in keys if key["purpose"] == "registry"]


def check_previous(board: Board, previous: Sequence[tuple[str, bytes]]) -> None:
    """Checkpoints and manifest notes kept from an earlier day: a closed poll's trees never change."""
    held = 0
    publics = board.trust.publics(board.origin, [key["bytes"] for key in listed_keys(board.manifest, "board")])
    for where, note in previous:
        origin = origin_of(note)
        if origin == board.origin:
            check_previous_manifest(board, where, kept_text(where, note, publics))
        elif origin.startswith(board.origin + "/q"):
            old = read_checkpoint(kept_text(where, note, publics))
            now = next((t.checkpoint for t in board.trees.values() if t.checkpoint.origin == origin), None)
            if now != old:
                raise Invalid(say(
                    f"{origin} was changed: {where} had {old.size} records and another root. Both are signed: keep them, "
                    "they are the proof.", f"{origin} изменено: в {where} записей было {old.size} и корень другой. Оба "
                    "подписаны: сохраните их, это доказательство."))  # fmt: skip
        else:
            raise Unchecked(say(f"{where} is of another log, {origin}, and was not compared.",
                                f"{where} — от другого журнала, {origin}, и не сравнивался."))  # fmt: skip
        held += 1
    board.report.passed.append(say(f"The board is the one seen earlier ({held} signed notes compared).",
                                   f"Доска та же, что прежде (сравнено подписанных заметок: {held})."))  # fmt: skip


def check_previous_manifest(board: Board, where: str, text: str) -> None:
    """An earlier manifest is still one of the versions published."""
    lines = text.split("\n")
    if len(lines) != 5 or lines[1] != "veche/manifest/v1" or not re.fullmatch(r"[1-9][0-9]{0,5}", lines[2]):
        raise Invalid(say(f"{where} is malformed.", f"{where} испорчена."))
    try:
        data = board.source.read(f"manifest-{lines[2]}.json", LARGE)
    except Missing:
        data = b""
    if to_base64(sha256(data)) != lines[3]:
        raise Invalid(say(f"Version {lines[2]} of the manifest was replaced since {where} was kept.",
                          f"Версию {lines[2]} описи подменили с тех пор, как сохранена {where}."))  # fmt: skip


def read_previous(path: str, what: str) -> list[tuple[str, bytes]]:
    """The signed notes a reader kept: one file, or all checkpoints and manifest notes of a saved directory. `what`: of a
    board, or of the registry; --save leaves both below one directory."""
    place = Path(path)
    place = place / what if (place / what).is_dir() else place
    files = sorted([*place.rglob("checkpoint"), *place.glob("manifest*.note")]) if place.is_dir() else [place]
    if not files:
        raise Unchecked(say(f"There is no checkpoint in {path}.", f"В {path} нет контрольных точек."))
    return [(str(file), read_local(file, SMALL)) for file in files]


# ---------------------------------------------------------------------------------------------------------------------
# 11 The command line
# ---------------------------------------------------------------------------------------------------------------------

DOES_NOT_PROVE = (
    ("that only entitled people voted, and each once: the site keeps the list of voters, and this shows only that the "
     "numbers do not exceed it",
     "что голосовали только имеющие право и по разу: список у сайта, а отсюда видно лишь, что числа его не превышают"),
    ("that a voter's browser sent the choice the voter made: for that, compare your receipt on another device",
     "что браузер отправил именно тот выбор, который сделал человек: для этого сверьте квитанцию на другом устройстве"),
    ("that nobody was pressed or paid to vote", "что никого не принуждали и никому не платили"),
    ("that no ballot vanished without its voter looking: whoever keeps a receipt can see it",
     "что ничей бюллетень не исчез: это видит тот, кто сохранил квитанцию"),
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """What is to be checked, and of a board on a site the poll that was asked for and where the site's log is."""

    what: Literal["board", "registry"]
    source: Source
    poll: str | None = None
    registry: Source | None = None


def registry_at(place: str) -> Source:
    """A registry log that the reader named: a directory or an address."""
    if not re.match(r"https?://", place):
        return Directory(Path(place))
    way = urlsplit(place).path.strip("/")
    return Site(place if way else urljoin(place, "/registry/"))


def resolve(target: str, poll: str | None) -> Target:
    """What to check, from an address (a poll's page, its board, a site and an id) or a directory."""
    if not re.match(r"https?://", target):
        place = Path(target) / poll if poll else Path(target)
        if not place.is_dir():
            raise Unchecked(say(f"{place} is neither an address nor a directory.", f"{place} — не адрес и не папка."))
        log = place / "registry"  # as --save leaves them
        if (place / "board/manifest.json").is_file():
            return Target("board", Directory(place / "board"), None, Directory(log) if log.is_dir() else None)
        if (log / "checkpoint").is_file() and not (place / "manifest.json").exists():
            return Target("registry", Directory(log))
        alone = (place / "checkpoint").is_file() and not (place / "manifest.json").exists()
        return Target("registry" if alone else "board", Directory(place))
    parts = urlsplit(target)
    site = f"{parts.scheme}://{parts.netloc}/"
    way = [part for part in parts.path.split("/") if part]
    if poll is None and way[:1] == ["registry"]:
        return Target("registry", Site(site + "registry/"))
    if poll is None and len(way) >= 2 and way[0] in ("board", "polls", "results"):
        poll = way[1]
    if poll is None:
        raise Unchecked(say("Give the address of a poll's page or of its board, or a site and a poll's id.",
                            "Нужен адрес страницы опроса или его доски, либо сайт и номер опроса."))  # fmt: skip
    if not re.fullmatch(r"[0-9a-f]{32}", poll):
        poll = id_of(site, poll)
    return Target("board", Site(f"{site}board/{poll}/"), poll, Site(site + "registry/"))


def id_of(site: str, slug: str) -> str:
    """The id behind a poll's short name. The board has to be of this poll, and its sealed document says which."""
    source = Site(site)
    try:
        found = json.loads(source.read(f"api/v1/polls/{quote(slug, safe='')}", LARGE))["poll_id"]
    except (Missing, ValueError, KeyError, TypeError):
        found = ""
    finally:
        source.close()
    if not isinstance(found, str) or not re.fullmatch(r"[0-9a-f]{32}", found):
        raise Unchecked(say(f"{site} knows no poll «{slug}».", f"{site} не знает опроса «{slug}»."))
    return found


def check_target(options: argparse.Namespace, trust: Trust, report: Report) -> None:
    """A board with its receipts, or a registry log."""
    target = resolve(options.target, options.poll)
    registry = registry_at(options.registry) if options.registry else target.registry
    previous = [note for path in options.previous for note in read_previous(path, target.what)]
    unfinished = None
    if options.save:
        unfinished = place_to_save(Path(options.save), target.source)
        target = replace(target, source=Keeping(str(target.source), unfinished / target.what))
        registry = Keeping(str(registry), unfinished / "registry") if isinstance(registry, Site) else registry
    try:
        if target.what == "registry":
            check_registry(target.source, trust, report, previous)
        else:
            board = Board(target.source, trust, report, target.poll, registry)
            check_board(options, board, previous)
        if unfinished is not None and not report.wrong and report.passed:
            unfinished.rename(options.save)
            report.facts["saved"] = options.save
            report.notes.append(say(f"What was read is saved in {options.save}: check it again with that directory, and what "
                                    f"the site gives later with --previous {options.save}.",
                                    f"Прочитанное сохранено в {options.save}: эту папку можно проверить снова, а то, что сайт "
                                    f"даст потом, — с --previous {options.save}."))  # fmt: skip
    finally:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)
        for source in {target.source, target.registry, registry} - {None}:
            source.close()  # type: ignore[union-attr]


def place_to_save(wanted: Path, source: Source) -> Path:
    """A directory of its own beside the one wanted, which it becomes once nothing was found wrong."""
    if not isinstance(source, Site):
        raise Unchecked(say("--save keeps what is read from a site; this is a directory.",
                            "--save сохраняет прочитанное с сайта, а это папка."))  # fmt: skip
    if wanted.exists():
        raise Unchecked(
            say(f"{wanted} is there already: name a new directory.", f"{wanted} уже есть: назовите новую папку.")
        )
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{wanted.name}-", dir=wanted.parent))
    except OSError as error:
        raise Unchecked(say(f"Cannot save to {wanted}: {error}", f"Не сохраняется в {wanted}: {error}")) from None


def check_board(options: argparse.Namespace, board: Board, previous: Sequence[tuple[str, bytes]]) -> None:
    """A board, the receipts given, and what was kept of it."""
    report = board.report
    files: list[tuple[str, Receipt]] = []
    for path in options.receipt:
        report.attempt(lambda path=path: files.append(  # type: ignore[misc]
            (path, read_receipt(read_json(read_local(path, SMALL), path, exact=False)))))  # fmt: skip
    if not board.check(leaf for _, receipt in files for leaf in receipt.leaves):
        return
    for _, receipt in files:
        report.attempt(lambda receipt=receipt: check_receipt(  # type: ignore[misc]
            board, receipt, Path(options.out), Path(options.proof) if options.proof else None))  # fmt: skip
    if previous:
        report.attempt(lambda: check_previous(board, previous))
    else:
        report.notes.append(say(
            "Whether the board was the same earlier was not checked: keep it with --save DIR and give that next time with "
            "--previous.", "Была ли доска прежде такой же, не проверялось: сохраните её (--save ПАПКА) и в другой раз укажите в "
            "--previous."))  # fmt: skip
    report.facts |= {"origin": board.origin, "poll_hash": board.manifest["poll_hash"], "version": board.manifest["version"],
                     "ballots": board.manifest["ballots"], "participations": board.manifest["participations"],
                     "questions": {str(q): {"size": tree.size, "root": tree.checkpoint.root.hex()}
                                   for q, tree in board.trees.items()}}  # fmt: skip


OF_A_FILE = {
    "complaint": (
        ("The complaint holds: the service signed that it had taken this ballot, and the board it signed lacks it.",
         "Жалоба обоснована: сервис подписал, что принял этот бюллетень, а в подписанной им доске его нет."),
        ("The complaint does NOT hold: it proves nothing.", "Жалоба НЕ обоснована: она ничего не доказывает."),
        ("Whether the complaint holds could not be told.", "Обоснована ли жалоба, установить не удалось."),
    ),
    "proof": (
        ("The proof holds: the record is in the signed tree. Nothing else of the poll was checked.",
         "Доказательство верно: запись есть в подписанном дереве. Ничего другого в опросе не проверялось."),
        ("The proof does NOT hold: it proves nothing.", "Доказательство НЕВЕРНО: оно ничего не доказывает."),
        ("Whether the proof holds could not be told.", "Верно ли доказательство, установить не удалось."),
    ),
}  # fmt: skip
"""The last line for a file that was checked alone, by exit code, in English and Russian."""


def print_report(report: Report, file: Literal["complaint", "proof"] | None) -> None:
    """The findings in plain words, for somebody who is no engineer. `file`: it was not a poll that was checked."""
    code = report.exit_code()
    lines = []
    for title, found in ((say("Checked:", "Проверено:"), report.passed), (say("Note:", "К сведению:"), report.notes),
                         (say("COULD NOT CHECK:", "ПРОВЕРИТЬ НЕ УДАЛОСЬ:"), report.unchecked),
                         (say("WRONG:", "НЕВЕРНО:"), report.wrong)):  # fmt: skip
        if found:
            lines += [title, *(f"  - {line}" for line in found)]
    verdict = {
        0: say("VALID: everything that can be checked was, and all of it is right.",
               "ВЕРНО: проверено всё, что можно проверить, и всё сходится."),
        1: say("INVALID: what is published contradicts itself or its signatures.",
               "НЕВЕРНО: опубликованное противоречит себе или своим подписям."),
        2: say("INCOMPLETE: not everything could be checked. This is neither «valid» nor «invalid».",
               "НЕПОЛНО: проверено не всё. Это не «верно» и не «неверно»."),
    }[code]  # fmt: skip
    if file is not None:
        verdict = OF_A_FILE[file][code][LANGUAGE == "ru"]
    if report.of_board and code == 0:
        lines += [say("This proves: the announced outcome follows from the published records by the sealed rule, and the "
                      "service has signed these records once and for all.",
                      "Это доказывает: объявленный итог следует из опубликованных записей по опечатанному правилу, и "
                      "сервис подписал эти записи раз и навсегда."),
                  say("This does not prove:", "Это не доказывает:"),
                  *(f"  - {say(*words)}" for words in DOES_NOT_PROVE)]  # fmt: skip
    print("\n".join([*lines, "", verdict]))


def parser(name: str) -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog=name,
        description=say("Check a closed poll of Veche, or a receipt, without trusting the site.",
                        "Проверить закрытый опрос Вече или квитанцию, не доверяя сайту."),
        epilog=say("Exit code: 0 valid, 1 invalid, 2 not everything could be checked. Of a complaint or a proof: 0 it holds, "
                   "1 it does not, 2 it could not be told. Protocols of results are not read: veche protocol verify does.",
                   "Код выхода: 0 верно, 1 неверно, 2 проверено не всё. Для жалобы и доказательства: 0 обоснованы, 1 нет, 2 "
                   "установить не удалось. Протоколы итогов не читаются: для них есть veche protocol verify."),
    )  # fmt: skip
    made.add_argument("target", nargs="?", help=say("a poll's page, its /board/… address, a site, or a directory",
                                                    "страница опроса, адрес /board/…, сайт или папка"))  # fmt: skip
    made.add_argument("poll", nargs="?", help=say("the poll's id or short name, after a site", "номер или имя опроса"))
    made.add_argument("--receipt", action="append", default=[], metavar="FILE")
    made.add_argument("--previous", action="append", default=[], metavar="CHECKPOINT_OR_DIR",
                      help=say("what you kept earlier: a checkpoint, or a saved board", "сохранённое прежде"))  # fmt: skip
    made.add_argument("--save", metavar="DIR",
                      help=say("keep what was read, unless it is wrong", "сохранить прочитанное, если оно верно"))  # fmt: skip
    made.add_argument("--key", action="append", default=[], metavar="VKEY",
                      help=say("the service's key, from a source you trust", "ключ сервиса из надёжного места"))  # fmt: skip
    made.add_argument("--keys", action="append", default=[], metavar="FILE", help=say("keys, one a line", "ключи"))
    made.add_argument("--registry", metavar="DIR_OR_URL",
                      help=say("the site's registry log, for a saved board", "журнал сайта, для сохранённой доски"))  # fmt: skip
    made.add_argument("--complaint", metavar="FILE", help=say("check a complaint", "проверить жалобу"))
    made.add_argument("--proof", metavar="FILE", help=say("write the receipt's proof", "записать доказательство"))
    made.add_argument("--check-proof", metavar="FILE", help=say("check such a proof", "проверить доказательство"))
    made.add_argument("--out", default=".", metavar="DIR", help=say("where complaints go", "куда писать жалобы"))
    made.add_argument("--lang", choices=("en", "ru"))
    made.add_argument("--json", action="store_true", help=say("the findings as JSON", "итог в JSON"))
    made.add_argument("--version", action="version", version=f"veche-verify {__version__}")
    return made


def choose_language(arguments: Sequence[str]) -> None:
    """Russian or English, by --lang or the environment."""
    global LANGUAGE
    asked = next((arguments[i + 1] for i, one in enumerate(arguments[:-1]) if one == "--lang"), None)
    asked = asked or next((one[7:] for one in arguments if one.startswith("--lang=")), None)
    local = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    LANGUAGE = "ru" if (asked or local).startswith("ru") else "en"


def run(arguments: Sequence[str] | None = None, name: str = "veche-verify") -> int:
    """The whole program; returns the exit code. `name` is what it was called by."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    choose_language(arguments)
    options = parser(name).parse_args(arguments)
    report, trust = Report(), Trust([])

    def work() -> None:
        trust.pinned = [read_vkey(key) for key in options.key] + [
            k for path in options.keys for k in read_keys_file(path)
        ]
        if (options.key or options.keys) and not trust.pinned:
            raise Unchecked(say("There is no verifier key in the file given.", "В данном файле нет ключей."))
        if options.complaint:
            check_complaint(
                options.complaint, trust, report, registry_at(options.registry) if options.registry else None
            )
        elif options.check_proof:
            check_proof(options.check_proof, trust, report)
        elif options.target is None:
            raise Unchecked(say("Say what to check: see --help.", "Скажите, что проверять: см. --help."))
        elif options.proof and not options.receipt:
            raise Unchecked(say("--proof needs --receipt.", "Для --proof нужна --receipt."))
        else:
            check_target(options, trust, report)

    try:
        report.attempt(work)
    except Exception as error:  # whatever happens, it is never «valid»
        report.unchecked.append(say(f"This verifier failed: {type(error).__name__}: {error}",
                                    f"Сбой самой программы: {type(error).__name__}: {error}"))  # fmt: skip
    if trust.from_site:
        report.notes.append(say(
            "The key was taken from the site itself, so this shows that the site agrees with itself. To be surer, take the "
            "key from elsewhere (a newspaper, an observer) and give it with --key.",
            "Ключ взят у самого сайта: это показывает, что сайт согласен сам с собой. Надёжнее взять ключ из другого места "
            "(газета, наблюдатель) и указать его в --key."))  # fmt: skip
    code = report.exit_code()
    if options.json:
        verdict = ("valid", "invalid", "incomplete")[code]
        print(json.dumps({"verdict": verdict, "exit": code, "checked": report.passed, "notes": report.notes,
                          "not_checked": report.unchecked, "wrong": report.wrong, **report.facts},
                         ensure_ascii=False, indent=1))  # fmt: skip
    else:
        print_report(report, "complaint" if options.complaint else "proof" if options.check_proof else None)
    return code


def main() -> None:
    """The command `veche-verify`."""
    try:
        sys.exit(run())
    except KeyboardInterrupt:
        sys.exit(2)


if __name__ == "__main__":
    main()

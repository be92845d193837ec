"""Signed notes and checkpoints of the board and the registry log, byte for byte as C2SP has them. Pure.

A note is a text, an empty line and a line ``— <name> base64(4 bytes of key hash ‖ 64 bytes of signature)``; the
signature (Ed25519) covers the text with its last newline. A checkpoint is a note whose text is origin, size and root of
a tree, a line each. C2SP: signed-note, tlog-checkpoint.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from polls.board import Signer

ED25519: Final = b"\x01"
MANIFEST: Final = "veche/manifest/v1"
PROTOCOL: Final = "veche/protocol/v1"
LARGEST_SIZE: Final = (1 << 63) - 1
LONGEST_NOTE: Final = 1_000_000


class BadNote(Exception):
    """A note that is malformed, or not signed by the key it is read with. The words are for a person."""


def key_hash(name: str, public: bytes) -> bytes:
    """The first 4 bytes of SHA-256(name ‖ newline ‖ 0x01 ‖ public key): tells keys of one name apart."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def vkey(name: str, public: bytes) -> str:
    """The verifier key: ``name+hex(key hash)+base64(0x01 ‖ public key)``."""
    return f"{name}+{key_hash(name, public).hex()}+{_base64(ED25519 + public)}"


def read_vkey(line: str) -> tuple[str, bytes]:
    """Name and 32 bytes of the public key of a verifier key. Raises BadNote where it is none of ours."""
    name, _, rest = line.strip().partition("+")
    hashed, _, encoded = rest.partition("+")
    key = _decoded(encoded)
    if not _is_name(name) or len(key) != 33 or key[:1] != ED25519 or hashed != key_hash(name, key[1:]).hex():
        raise BadNote("this is not an Ed25519 verifier key")
    return name, key[1:]


def note(text: str, name: str, signer: Signer) -> str:
    """The text signed under a key's name. Raises ValueError for a text or a name that notes cannot hold."""
    if not _is_text(text) or not _is_name(name):
        raise ValueError("a note's text ends with a newline and its name has neither spaces nor a plus")
    signature = key_hash(name, signer.public_bytes) + signer.sign(text.encode())
    return f"{text}\n— {name} {_base64(signature)}\n"


def open_note(signed: str, name: str, public: bytes) -> str:
    """The text of a note that this key signed under this name. Raises BadNote.

    Lines of other names or keys are passed over, as witnesses may add theirs; malformed lines are not.
    """
    text, gap, lines = signed.rpartition("\n\n")
    text += "\n"
    if not gap or not lines.endswith("\n") or len(signed) > LONGEST_NOTE or not _is_text(text):
        raise BadNote("this is not a signed note")
    found = False
    for line in lines[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        who, _, encoded = rest.partition(" ")
        signature = _decoded(encoded)
        if dash != "—" or not _is_name(who) or len(signature) < 5:
            raise BadNote("a signature line is malformed")
        if who != name or signature[:4] != key_hash(name, public):
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], text.encode())
        except (InvalidSignature, ValueError):
            raise BadNote(f"the signature of {name} is not good") from None
        found = True
    if not found:
        raise BadNote(f"there is no signature of {name} by this key")
    return text


@dataclass(frozen=True)
class Checkpoint:
    """The state of a log: whose it is, how many entries, and the 32-byte root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """Three lines: origin, size, root in base64."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in a note's text. Raises BadNote; further lines are passed over, as C2SP asks."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not lines[0]:
        raise BadNote("this is not a checkpoint")
    origin, digits, encoded = lines[:3]
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19 or (digits[0] == "0" and digits != "0"):
        raise BadNote("the size of a checkpoint is a number")
    root = _decoded(encoded)
    if len(root) != 32 or int(digits) > LARGEST_SIZE:
        raise BadNote("the root of a checkpoint has 32 bytes")
    return Checkpoint(origin, int(digits), root)


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """The checkpoint as a note; the key's name is the log's origin."""
    return note(checkpoint.text, checkpoint.origin, signer)


def open_checkpoint(signed: str, origin: str, public: bytes) -> Checkpoint:
    """The checkpoint of this log, signed by this key. Raises BadNote, also for a checkpoint of another log."""
    checkpoint = read_checkpoint(open_note(signed, origin, public))
    if checkpoint.origin != origin:
        raise BadNote(f"this is a checkpoint of {checkpoint.origin}")
    return checkpoint


@dataclass(frozen=True)
class BoardSealer:
    """What signs boards: the deployment's name among logs, the board key and the release that signs."""

    host: str
    signer: Signer
    software: str

    def origin(self, poll: str) -> str:
        """The name of a poll's board."""
        return board_origin(self.host, poll)

    def checkpoint(self, poll: str, question_id: int, size: int, root: bytes) -> str:
        """The signed checkpoint of one question's tree."""
        return sign_checkpoint(Checkpoint(tree_origin(self.host, poll, question_id), size, root), self.signer)

    def manifest_note(self, poll: str, version: int, manifest: bytes) -> str:
        """The signed note of a manifest's bytes."""
        return note(manifest_text(self.origin(poll), version, manifest), self.origin(poll), self.signer)


def board_origin(host: str, poll: str) -> str:
    """``HOST/board/<poll>``, which is also the name its manifests are signed under."""
    return f"{host}/board/{poll}"


def tree_origin(host: str, poll: str, question_id: int) -> str:
    """``HOST/board/<poll>/q<question>``."""
    return f"{board_origin(host, poll)}/q{question_id}"


def manifest_text(origin: str, version: int, manifest: bytes) -> str:
    """What the note of a manifest says: the board, the kind of note, the version, the SHA-256 of the bytes."""
    return _document_text(origin, MANIFEST, version, manifest)


def protocol_origin(host: str, poll: str) -> str:
    """``HOST/protocol/<poll>``: the name a poll's protocols are signed under."""
    return f"{host}/protocol/{poll}"


def protocol_text(origin: str, version: int, protocol: bytes) -> str:
    """What the note of a protocol says: whose it is, the kind of note, the version, the SHA-256 of the bytes."""
    return _document_text(origin, PROTOCOL, version, protocol)


def _document_text(origin: str, kind: str, version: int, data: bytes) -> str:
    return f"{origin}\n{kind}\n{version}\n{_base64(hashlib.sha256(data).digest())}\n"


def _is_text(text: str) -> bool:
    """UTF-8 without control characters but newlines, ending with one."""
    if not text.endswith("\n") or any(character < " " and character != "\n" for character in text):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() for character in name)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decoded(encoded: str) -> bytes:
    """The bytes of canonical base64; nothing for any other text."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if _base64(data) == encoded else b""

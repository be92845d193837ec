"""Signed notes as C2SP has them: an example of theirs to the byte, and everything that is not one refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import SEALER, ASigner

from polls.checkpoint import (
    BadNote,
    Checkpoint,
    key_hash,
    note,
    open_checkpoint,
    open_note,
    read_checkpoint,
    read_vkey,
    sign_checkpoint,
    vkey,
)
from polls.tlog import EMPTY_ROOT

KEY = ASigner()
# The example of the package golang.org/x/mod/sumdb/note, on which C2SP signed-note stands.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
POEM = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_example_of_the_go_package_is_read() -> None:
    name, public = read_vkey(PETER)
    assert name == "PeterNeumann"
    assert vkey(name, public) == PETER
    assert open_note(POEM, name, public).startswith("If you think cryptography")
    with pytest.raises(BadNote):
        open_note(POEM.replace("answer", "Answer"), name, public)


def test_a_checkpoint_has_three_lines_and_a_signature() -> None:
    signed = sign_checkpoint(Checkpoint("example.org/board/ab/q1", 0, EMPTY_ROOT), KEY)
    lines = signed.split("\n")
    assert lines[:4] == ["example.org/board/ab/q1", "0", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", ""]
    assert lines[4].startswith("— example.org/board/ab/q1 ")
    signature = base64.b64decode(lines[4].split(" ")[2])
    assert signature[:4] == key_hash("example.org/board/ab/q1", KEY.public_bytes)
    KEY.public.verify(signature[4:], "\n".join([*lines[:3], ""]).encode())
    opened = open_checkpoint(signed, "example.org/board/ab/q1", KEY.public_bytes)
    assert opened == Checkpoint("example.org/board/ab/q1", 0, EMPTY_ROOT)


def test_origins_of_a_sealer() -> None:
    signed = SEALER.checkpoint("ab" * 16, 3, 7, b"\x05" * 32)
    origin = f"127.0.0.1:8000/board/{'ab' * 16}/q3"
    assert open_checkpoint(signed, origin, KEY.public_bytes) == Checkpoint(origin, 7, b"\x05" * 32)
    board = SEALER.origin("ab" * 16)
    text = open_note(SEALER.manifest_note("ab" * 16, 2, b"{}"), board, KEY.public_bytes)
    assert text == f"{board}\nveche/manifest/v1\n2\nRBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=\n"


def test_witnesses_may_add_their_lines() -> None:
    signed = sign_checkpoint(Checkpoint("a", 1, EMPTY_ROOT), KEY)
    stranger = note(open_note(signed, "a", KEY.public_bytes), "witness.example", KEY).split("\n\n")[1]
    assert open_checkpoint(signed + stranger, "a", KEY.public_bytes).size == 1
    assert open_note(signed + stranger, "witness.example", KEY.public_bytes)
    with pytest.raises(BadNote):  # signed by the right key under its own name, and it is another log's checkpoint
        open_checkpoint(note(Checkpoint("b", 1, EMPTY_ROOT).text, "a", KEY), "a", KEY.public_bytes)


@given(st.data())
def test_one_changed_byte_makes_a_note_bad(data: st.DataObject) -> None:
    signed = sign_checkpoint(Checkpoint("example.org/x", 12, EMPTY_ROOT), KEY).encode()
    at, flip = data.draw(st.integers(0, len(signed) - 1)), data.draw(st.integers(1, 255))
    changed = signed[:at] + bytes([signed[at] ^ flip]) + signed[at + 1 :]
    with pytest.raises((BadNote, UnicodeDecodeError)):
        open_checkpoint(changed.decode(), "example.org/x", KEY.public_bytes)


@pytest.mark.parametrize(
    "text",
    ["", "a\n1\n", "a\n01\nroot\n", "a\n-1\n" + "A" * 43 + "=\n", "a\n1\nAAAA\n", f"a\n{2**63}\n" + "A" * 43 + "=\n",
     "\n1\n" + "A" * 43 + "=\n", "a\n١\n" + "A" * 43 + "=\n", "a\n1\n" + "A" * 42 + "B=\n"],
)  # fmt: skip
def test_texts_that_are_no_checkpoints(text: str) -> None:
    with pytest.raises(BadNote):
        read_checkpoint(text)


def test_notes_hold_no_control_characters_and_names_no_spaces() -> None:
    for text, name in (
        ("no newline", "a"),
        ("tab\t\n", "a"),
        ("\ud800\n", "a"),
        ("x\n", ""),
        ("x\n", "a b"),
        ("x\n", "a+b"),
    ):
        with pytest.raises(ValueError):
            note(text, name, KEY)


@given(st.text(max_size=200))
def test_any_text_is_no_note(text: str) -> None:
    with pytest.raises(BadNote):
        open_note(text, "a", KEY.public_bytes)


def test_verifier_keys_that_are_not_ours() -> None:
    good = vkey("a", KEY.public_bytes)
    for bad in ("", "a", good.replace("a+", "b+", 1), good[:-2], PETER.replace("ARpc", "AhpC")):
        with pytest.raises(BadNote):
            read_vkey(bad)

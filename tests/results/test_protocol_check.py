"""A protocol file is checked alone: one changed byte anywhere is refused, and so is every key but the right one."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from tests.builders import NOW, ASigner, a_definition

from polls.checkpoint import note, protocol_origin, protocol_text, vkey
from polls.definition import canonical_bytes
from polls.tally import tally
from polls.tally.profile import Profile
from results.protocol_check import KnownKey, check_protocol, read_keys
from results.protocol_document import FORMAT, Person, certified_bytes, prepared_document, signed_file

HOST = "vote.city.test"
SIGNER = ASigner()
KEYS = [KnownKey(f"{HOST}/protocol", SIGNER.public_bytes)]


def facts() -> dict[str, Any]:
    definition = a_definition()
    sealed = canonical_bytes(definition)
    outcome = tally(definition.questions[0], Profile({"[1]": 30, "[2]": 12}, 100)).as_json()
    return {
        "v": 1, "format": FORMAT, "origin": protocol_origin(HOST, definition.poll_id), "poll": definition.poll_id,
        "slug": "square", "poll_hash": hashlib.sha256(sealed).hexdigest(), "definition": json.loads(sealed),
        "sealed_at": NOW.isoformat(), "opens_at": NOW.isoformat(), "closes_at": NOW.isoformat(),
        "time_zone": "Europe/Moscow", "privacy": "separated", "receipt": "inclusion",
        "changes": [{"kind": "poll_extended", "at": NOW.isoformat(), "facts": {"reason": "Сбой связи"}}],
        "roll": {"known": True, "total": 100, "styles": []},
        "turnout": {"participations": 42, "ballots": 42, "entitled": 100, "share": "21/50",
                    "days": [["2026-11-22", 42]]},
        "quorum": {"met": True}, "count": {"version": 1, "at": NOW.isoformat(), "reason": "", "software": "veche 1"},
        "questions": [{"id": 1, "shown": 42, "entitled": 100, "counted_by": "ballots", "withheld": 0,
                       "outcome": outcome, "tree": {"size": 42, "root": "ab" * 32, "key_id": "x"}}],
        "ties": [], "lot": None, "board": {"origin": f"{HOST}/board/x", "version": 1, "manifest": "cd" * 32},
        "irregularities": [], "anomalies": None,
    }  # fmt: skip


def protocol(**more: Any) -> dict[str, Any]:
    one, other = Person(1, "Ирина", "Транспорт", "official"), Person(2, "Олег", "Контроль", "reviewer")
    now = NOW + timedelta(hours=1)
    document = prepared_document(facts(), version=1, previous=None, reason="", person=one, now=now) | more
    said: dict[str, Any] = json.loads(certified_bytes(rfc8785.dumps(document), other, now + timedelta(hours=1)))
    return said | {key: value for key, value in more.items() if key == "certified"}


def signed(said: dict[str, Any], signer: ASigner = SIGNER, name: str | None = None) -> bytes:
    data = rfc8785.dumps(said)
    origin = name or said["origin"]
    text = protocol_text(said["origin"], said["version"], data)
    return signed_file(data, note(text, origin, signer), vkey(f"{HOST}/protocol", signer.public_bytes))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document that holds a value of its own."""
    if isinstance(value, dict):
        for key, held in value.items():
            yield from places(held, (*path, key))
    elif isinstance(value, list) and value:
        for index, held in enumerate(value):
            yield from places(held, (*path, index))
    else:
        yield path


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return value + "х" if isinstance(value, str) else "x"


def test_a_whole_file_with_the_right_key_is_valid() -> None:
    verdict = check_protocol(signed(protocol()), KEYS)
    assert (verdict.code, verdict.wrong, verdict.unchecked) == (0, [], [])
    assert len(verdict.checked) == 5
    assert "veche verify" in verdict.about[0]


def test_every_single_value_that_is_changed_is_noticed() -> None:
    whole = json.loads(signed(protocol()))
    tried = 0
    for path in places(whole["protocol"]):
        forged = copy.deepcopy(whole)
        target = forged["protocol"]
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = changed(target[path[-1]])
        verdict = check_protocol(rfc8785.dumps(forged), KEYS)
        assert verdict.code == 1, path
        # Also for whoever has no list of keys: the file no longer agrees with itself.
        assert check_protocol(rfc8785.dumps(forged), None).code == 1, path
        tried += 1
    assert tried > 90


@pytest.mark.parametrize("member", sorted(protocol()))
def test_every_member_taken_away_is_noticed(member: str) -> None:
    whole = json.loads(signed(protocol()))
    del whole["protocol"][member]
    assert check_protocol(rfc8785.dumps(whole), KEYS).code == 1


def test_added_and_doubled_members_are_noticed() -> None:
    whole = json.loads(signed(protocol()))
    whole["protocol"]["winner"] = 2
    assert check_protocol(rfc8785.dumps(whole), KEYS).code == 1
    text = signed(protocol()).decode()
    assert check_protocol(text.replace('"version":1', '"version":1,"version":1', 1).encode(), KEYS).code == 1
    assert check_protocol(text.replace('{"key"', '{"x":1,"key"', 1).encode(), KEYS).code == 1
    # What the signer itself added and this release does not know: signed, but nobody here can judge it.
    assert check_protocol(signed(protocol(later="x")), KEYS).code == 2


def test_the_note_of_another_protocol_signs_nothing() -> None:
    one, other = json.loads(signed(protocol())), json.loads(signed(protocol(reason="")))
    forged = {**one, "note": other["note"]}
    assert check_protocol(rfc8785.dumps(forged), KEYS).code == 1


class AnotherSigner(ASigner):
    def __init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self.private = Ed25519PrivateKey.generate()
        self.public = self.private.public_key()
        self.public_bytes = self.public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = "other"


def test_only_the_right_key_of_the_right_site_counts() -> None:
    forged = signed(protocol(), AnotherSigner())
    assert check_protocol(forged, KEYS).code == 1
    assert check_protocol(forged, None).code == 2  # whole, and nobody knows whose
    good = signed(protocol())
    assert check_protocol(good, None).code == 2
    assert check_protocol(good, [KnownKey("other.city/protocol", SIGNER.public_bytes)]).code == 1
    assert check_protocol(good, [KnownKey(f"{HOST}/board", SIGNER.public_bytes)]).code == 1
    assert check_protocol(good, [KnownKey(f"{HOST}/protocol", AnotherSigner().public_bytes), *KEYS]).code == 0


def test_a_key_retired_before_signs_nothing_after() -> None:
    good = signed(protocol())
    for ended, code in ((NOW, 1), (NOW + timedelta(days=1), 0)):
        keys = [KnownKey(f"{HOST}/protocol", SIGNER.public_bytes, ended)]
        assert check_protocol(good, keys).code == code


@pytest.mark.parametrize(
    "more",
    [
        {"poll_hash": "00" * 32}, {"certified": None}, {"version": 2}, {"reason": "просто так"},
        {"previous": "00" * 32},
        {"questions": []}, {"count": {"version": 1, "at": (NOW + timedelta(days=9)).isoformat()}},
        {"turnout": {"participations": 1, "ballots": 1, "entitled": 1, "share": None, "days": []}},
        {"poll": "0" * 32}, {"origin": "elsewhere/protocol/x"},
    ],
)  # fmt: skip
def test_a_signature_does_not_make_a_contradiction_good(more: dict[str, Any]) -> None:
    assert check_protocol(signed(protocol(**more)), KEYS).code == 1


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[]", b"{}", b"null", b'{"key":1,"note":2,"protocol":3}', b"[" * 100_000, b"NaN",
     b'{"key":"","note":"","protocol":{"format":"veche/protocol/v1"}}', b"x" * 100],
)  # fmt: skip
def test_what_is_no_protocol_is_invalid_and_no_failure(data: bytes) -> None:
    assert check_protocol(data, KEYS).code == 1


def test_keys_are_read_in_every_form_they_are_published_in() -> None:
    line = vkey(f"{HOST}/protocol", SIGNER.public_bytes)
    ended = datetime(2027, 1, 1, tzinfo=UTC)
    of_log = json.dumps({"v": 1, "keys": [{"vkey": line, "valid_to": ended.isoformat()}]}).encode()
    assert read_keys(of_log) == [KnownKey(f"{HOST}/protocol", SIGNER.public_bytes, ended)]
    of_api = json.dumps({"keys": [{"vkey": line, "public_key": base64.b64encode(SIGNER.public_bytes).decode()}]})
    assert read_keys(of_api.encode()) == read_keys(f"{line}\n".encode()) == KEYS


# ---- the command


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from voting.cli import main; sys.argv = ['veche', *sys.argv[1:]]; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "protocol", "verify", *arguments], capture_output=True, text=True, check=False,
        env={"PATH": "/nowhere", "VECHE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
             "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )  # fmt: skip


def test_the_command_says_what_it_found(tmp_path: Path) -> None:
    file, keys = tmp_path / "protocol.json", tmp_path / "keys.txt"
    file.write_bytes(signed(protocol()))
    keys.write_text(vkey(f"{HOST}/protocol", SIGNER.public_bytes))
    good = run(str(file), "--keys", str(keys))
    assert (good.returncode, good.stderr) == (0, "")
    assert "VALID" in good.stdout
    assert "certified by Олег" in good.stdout
    alone = run(str(file))
    assert alone.returncode == 2
    assert "NOT EVERYTHING WAS CHECKED" in alone.stdout
    file.write_bytes(file.read_bytes().replace(b'"ballots":42', b'"ballots":43'))
    bad = run(str(file), "--keys", str(keys))
    assert bad.returncode == 1
    assert "INVALID" in bad.stdout
    assert run(str(file), "--keys", str(tmp_path / "none")).returncode == 2
    assert run(str(tmp_path / "none")).returncode == 1

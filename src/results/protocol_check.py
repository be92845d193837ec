"""Checking a protocol file with nothing but the file and a list of keys: no database, no site. Pure.

What is checked: the signature over every byte, that the key is one the reader's list names for protocols of this
deployment and was not retired before, that the rules are those whose hash receipts and the board bear, and that the
document does not contradict itself. What cannot be checked here is said too: the count itself, which `veche verify`
makes again from the board.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import rfc8785

from polls.checkpoint import BadNote, open_note, protocol_origin, protocol_text, read_vkey
from results.protocol_document import FORMAT, digest

LARGEST: Final = 32 << 20
MEMBERS: Final = frozenset({
    "v", "format", "origin", "poll", "slug", "poll_hash", "definition", "sealed_at", "opens_at", "closes_at",
    "time_zone", "privacy", "receipt", "changes", "roll", "turnout", "quorum", "count", "questions", "ties", "lot",
    "board", "irregularities", "anomalies", "version", "previous", "reason", "prepared", "certified",
})  # fmt: skip


class NotAProtocol(Exception):
    """The file is none, or contradicts itself. The words are for a person."""


@dataclass(frozen=True)
class KnownKey:
    """A key the reader trusts: the name of its verifier key, 32 bytes, and until when it signed (None: still)."""

    name: str
    public: bytes
    valid_to: datetime | None = None


@dataclass
class Verdict:
    """What was found, a sentence each. `code`: 0 valid, 1 invalid, 2 not everything could be checked."""

    checked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    about: list[str] = field(default_factory=list)
    document: Mapping[str, Any] | None = None

    @property
    def code(self) -> int:
        """The exit code."""
        return 1 if self.wrong else 2 if self.unchecked else 0


def read_keys(data: bytes) -> list[KnownKey]:
    """Keys out of ``keys.json`` of a registry log, of the API's ``/keys``, or of lines with verifier keys.

    Raises NotAProtocol when there is none in it.
    """
    found: list[KnownKey] = []
    try:
        said = json.loads(data)
    except ValueError:
        lines = data.decode("utf-8", errors="replace").split()
        found = [key for line in lines if (key := _key(line, None)) is not None]
    else:
        for one in said.get("keys", []) if isinstance(said, dict) else []:
            if isinstance(one, dict) and isinstance(one.get("vkey"), str):
                key = _key(one["vkey"], one.get("valid_to"))
                found += [key] if key is not None else []
    if not found:
        raise NotAProtocol("The list of keys holds no verifier key.")
    return found


def _key(line: str, valid_to: Any) -> KnownKey | None:
    try:
        name, public = read_vkey(line)
        return KnownKey(name, public, None if valid_to is None else datetime.fromisoformat(str(valid_to)))
    except (BadNote, ValueError):
        return None


def check_protocol(data: bytes, keys: Sequence[KnownKey] | None) -> Verdict:
    """Everything about one file. Without keys the signature says only that the file is whole: exit code 2."""
    verdict = Verdict()
    try:
        _check(data, keys, verdict)
    except NotAProtocol as fault:
        verdict.wrong.append(str(fault))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as fault:
        verdict.wrong.append(f"The file does not have the form of a protocol ({type(fault).__name__}).")
    return verdict


def _check(data: bytes, keys: Sequence[KnownKey] | None, verdict: Verdict) -> None:
    file = _read(data)
    said, note, named = file["protocol"], file["note"], file["key"]
    if not isinstance(said, dict) or said.get("format") != FORMAT or not isinstance(note, str):
        raise NotAProtocol(f"This is not a protocol of the form {FORMAT}.")
    protocol = rfc8785.dumps(said)
    trusted = _signed_by(protocol, said, note, named, keys, verdict)
    verdict.document = said
    verdict.checked.append(
        f"The signature covers every byte of the protocol: version {said['version']}, SHA-256 {digest(protocol)}."
    )
    if trusted is not None:
        _judge_key(trusted, said, verdict)
    for fault in _contradictions(said):
        verdict.wrong.append(fault)
    if not verdict.wrong:
        verdict.checked += [
            "The rules in it are those sealed before the vote: their hash is the poll's.",
            "It was prepared by one person and certified by another, after the count.",
            "Its questions, outcomes and roots of the board are of the same poll.",
        ]
    unknown = sorted(set(said) - MEMBERS)
    if unknown:
        verdict.unchecked.append(f"Members this release does not know: {', '.join(unknown)}.")
    verdict.about += [
        "The count was not made again here: `veche verify` does that, from the board whose roots this file names.",
        f"Whether the public registry log names this protocol: look there for SHA-256 {digest(protocol)}.",
    ]


def _signed_by(
    protocol: bytes, said: Mapping[str, Any], note: str, named: Any, keys: Sequence[KnownKey] | None, verdict: Verdict
) -> KnownKey | None:
    """The trusted key that signed; None when the reader has given none. Raises NotAProtocol."""
    origin = str(said["origin"])
    host = origin.removesuffix(protocol_origin("", str(said["poll"])))
    if host == origin or not host:
        raise NotAProtocol("The name it is signed under is not that of its poll.")
    try:
        own = KnownKey(*read_vkey(str(named)))
    except BadNote:
        raise NotAProtocol("The key it names is not a verifier key.") from None
    ours = [own] if keys is None else [key for key in keys if key.name == f"{host}/protocol"]
    if not ours:
        raise NotAProtocol(f"The list of keys has no key {host}/protocol: the file is of another site, or forged.")
    fault = "no key of the list signed it"
    for key in ours:
        try:
            text = open_note(note, origin, key.public)
        except BadNote as bad:
            fault = str(bad)
            continue
        if text != protocol_text(origin, said["version"], protocol):
            raise NotAProtocol("The signature is of other bytes: something in the file was changed.")
        if keys is None:
            verdict.unchecked.append(
                "Whose signature it is: the key comes from the file itself. Give a list of keys you trust with --keys."
            )
            return None
        return key
    raise NotAProtocol(f"It is not signed by a protocol key of {host}: {fault}.")


def _judge_key(key: KnownKey, said: Mapping[str, Any], verdict: Verdict) -> None:
    if key.valid_to is not None and key.valid_to < datetime.fromisoformat(said["certified"]["at"]):
        verdict.wrong.append(f"The key {key.name} was retired before the protocol was certified.")
    else:
        verdict.checked.append(f"The key is {key.name}, which your list of keys names, in use when it was certified.")


def _contradictions(said: Mapping[str, Any]) -> Iterator[str]:
    """What one part of the document says against another."""
    if hashlib.sha256(rfc8785.dumps(said["definition"])).hexdigest() != said["poll_hash"]:
        yield "The rules in it are not those the poll was sealed with: their hash differs."
    if said["definition"]["poll_id"] != said["poll"]:
        yield "The rules in it are of another poll."
    first = said["version"] == 1
    if (said["previous"] is None) is not first or bool(said["reason"]) is first:
        yield "A correction names the protocol before it and its reason; a first protocol has neither."
    if not isinstance(said["certified"], dict) or not isinstance(said["prepared"], dict):
        raise NotAProtocol("Nobody has certified it.")
    times = [said["count"]["at"], said["prepared"]["at"], said["certified"]["at"]]
    moments = [datetime.fromisoformat(one) for one in times]
    if moments != sorted(moments):
        yield "It was certified before it was prepared, or prepared before the count."
    asked = [question["id"] for question in said["definition"]["questions"]]
    if [question["id"] for question in said["questions"]] != asked:
        yield "Its questions are not those of the rules."
    if [question["outcome"]["question_id"] for question in said["questions"]] != asked:
        yield "Its outcomes are of other questions."
    if any(tie["resolution"] in ("lot", "chair") for one in said["questions"] for tie in one["outcome"]["ties"]):
        yield "A tie in it is still open, and a result with an open tie is not certified."
    shown = [question["shown"] for question in said["questions"]]
    if any(n > said["turnout"]["ballots"] for n in shown):
        yield "A question was shown on more ballots than were cast."


def _read(data: bytes) -> dict[str, Any]:
    if len(data) > LARGEST:
        raise NotAProtocol("The file is larger than any protocol.")
    try:
        said = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_never)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise NotAProtocol("The file is not JSON.") from None
    if not isinstance(said, dict) or set(said) != {"key", "note", "protocol"}:
        raise NotAProtocol("The file is not a signed protocol: it has to hold key, note and protocol, nothing else.")
    return said


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotAProtocol("A member stands in the file twice.")
    return found


def _never(constant: str) -> Any:
    raise NotAProtocol(f"{constant} is not JSON.")

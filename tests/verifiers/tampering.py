"""Boards that somebody has tampered with, for every verifier: each has to be refused.

`TAMPERED` are changes by somebody without the keys, `LIES` by the service itself, whose signatures are good: there the
contradiction has to be seen. `mutations` are random changes of one byte. Run as a program to write them all for a
verifier in another language:

    python -m tests.verifiers.tampering DIRECTORY [MUTATIONS]

writes ``NAME/…`` for each board, and ``index.json``: name → {"expected": [exit codes], "key": verifier key}.
"""

import base64
import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import rfc8785
from tests.verifiers import boards
from tests.verifiers.boards import note, tree_files

from polls import board

REFUSED = (1, 2)


@dataclass(frozen=True)
class Case:
    """A board to refuse; `honest` ones are to be accepted, so that a verifier that refuses all is found out."""

    name: str
    files: dict
    key: str
    expected: tuple = (1,)


def corpus() -> Iterator[Case]:
    """Every honest sample, everything tampered with, every lie."""
    for name in case_names():
        yield case(name)


def case_names() -> list[str]:
    """The names of all cases, without making any."""
    return [
        *(f"honest-{name}" for name in boards.SAMPLES),
        *(f"tampered-{name}" for name in TAMPERED),
        *(f"lie-{name}" for name in LIES),
        "wrong-key",
        "key-of-another-host",
        "withheld",
    ]


def case(name: str) -> Case:
    """One case of the corpus."""
    kind, _, which = name.partition("-")
    service = boards.SAMPLES[which]() if kind == "honest" else boards.one_choice()
    if kind == "honest":
        return Case(name, service.files(), service.vkey, (0,))
    if kind == "tampered":
        files = service.files()
        TAMPERED[which](files, service)
        return Case(name, files, service.vkey, REFUSED if which in CANNOT_SAY else (1,))
    if kind == "lie":
        return Case(name, LIES[which](service), service.vkey, REFUSED if which in CANNOT_SAY else (1,))
    if name == "wrong-key":
        return Case(name, service.files(), boards.vkey(boards.HOST, boards.key("another")))
    if name == "key-of-another-host":
        return Case(name, service.files(), boards.vkey("other.example", service.board_key), (2,))
    half = boards.with_styles(withheld=(1,))
    return Case(name, half.files(), half.vkey, (2,))


def mutations(files: dict, n: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """(path, its bytes with one changed), so that every file and every part of one has its turn."""
    chance = random.Random(seed)
    paths = sorted(path for path, data in files.items() if data)
    chance.shuffle(paths)
    for number in range(n):
        path = paths[number % len(paths)]
        data = bytearray(files[path])
        data[chance.randrange(len(data))] ^= chance.randrange(1, 256)
        yield path, bytes(data)


# ---- without the keys

BUNDLE, LAST = "q1/tile/entries/000", "q1/tile/entries/001.p/44"
TILE, LAST_TILE = "q1/tile/0/000", "q1/tile/0/001.p/44"


def entries_of(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        found.append(data[at + 2 : end])
        at = end
    return found


def bundle_of(entries) -> bytes:
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def flip(entry: bytes) -> bytes:
    """The same record with another answer."""
    return entry.replace(b",[1],", b",[2],") if b",[1]," in entry else entry.replace(b",[2],", b",[3],")


def with_entries(change: Callable) -> Callable:
    """Edit all records and write tiles to match: only the signed root can tell."""

    def tamper(files, service):
        records = change(service.entries(1), service)
        for path in [path for path in files if path.startswith("q1/tile/")]:
            del files[path]
        made, _ = tree_files("q1/", records, f"{service.origin}/q1", service.board_key)
        del made["q1/checkpoint"]
        files |= made

    return tamper


def in_file(path: str, change: Callable) -> Callable:
    """Edit the bytes of one file."""

    def tamper(files, service):
        files[path] = change(files[path])

    return tamper


def in_bundle(change: Callable) -> Callable:
    return in_file(BUNDLE, lambda data: bundle_of(change(entries_of(data))))


def sorted_records(records):
    return sorted(records, key=board.leaf_hash)


def flipped(records, service):
    at = next(i for i, record in enumerate(records) if flip(record) != record)
    return sorted_records([*records[:at], flip(records[at]), *records[at + 1 :]])


def a_stranger(service, style=0, question=1, answer="[1]", poll_hash=None):
    """A record of nobody's ballot."""
    return board.entry(poll_hash or service.poll_hash, question, style, answer, b"stranger's nonce")


def from_another_poll(files, service):
    other = boards.one_choice()
    other.definition = boards.define(boards.a_single_choice(1, required=False), poll_id="a1" * 16)
    files.clear()
    files |= other.files()
    files["manifest.json"] = service.files()["manifest.json"]
    files["manifest.note"] = service.files()["manifest.note"]


def another_checkpoint(origin=None, size=None, who="board"):
    def tamper(files, service):
        lines = files["q1/checkpoint"].decode().split("\n")[:3]
        lines[0] = origin or lines[0]
        lines[1] = str(size or lines[1])
        files["q1/checkpoint"] = note("\n".join(lines) + "\n", lines[0], boards.key(who))

    return tamper


def without(path):
    def tamper(files, service):
        del files[path]

    return tamper


def swapped_tiles(files, service):
    files[TILE], files[LAST_TILE] = files[LAST_TILE], files[TILE]


TAMPERED: dict[str, Callable] = {
    "flip": in_bundle(lambda entries: [flip(entries[0]), *entries[1:]]),
    "drop": in_bundle(lambda entries: entries[1:]),
    "duplicate": in_bundle(lambda entries: [entries[0], *entries]),
    "reorder": in_bundle(lambda entries: [entries[1], entries[0], *entries[2:]]),
    "flip_with_tiles": with_entries(flipped),
    "drop_with_tiles": with_entries(lambda records, service: records[1:]),
    "duplicate_with_tiles": with_entries(lambda records, service: [records[0], *records[:-1]]),
    "reorder_with_tiles": with_entries(lambda records, service: [records[1], records[0], *records[2:]]),
    "insert_with_tiles": with_entries(lambda records, service: sorted_records([*records, a_stranger(service)])),
    "replace_with_tiles": with_entries(lambda records, service: sorted_records([*records[1:], a_stranger(service)])),
    "swap_polls": from_another_poll,
    "swap_tiles": swapped_tiles,
    "truncated_bundle": in_file(BUNDLE, lambda data: data[:-1]),
    "half_a_bundle": in_file(LAST, lambda data: data[: len(data) // 2]),
    "empty_bundle": in_file(LAST, lambda data: b""),
    "extra_byte_after_bundle": in_file(LAST, lambda data: data + b"\0"),
    "extra_entry_after_bundle": in_file(LAST, lambda data: data + data[: 2 + int.from_bytes(data[:2], "big")]),
    "truncated_tile": in_file(TILE, lambda data: data[:-1]),
    "extra_bytes_after_tile": in_file(LAST_TILE, lambda data: data + bytes(32)),
    "upper_tile": in_file("q1/tile/1/000.p/1", lambda data: bytes(32)),
    "no_bundle": without(BUNDLE),
    "no_tile": without(LAST_TILE),
    "no_upper_tile": without("q1/tile/1/000.p/1"),
    "no_checkpoint": without("q1/checkpoint"),
    "no_definition": without("definition.json"),
    "no_manifest": without("manifest.json"),
    "no_manifest_note": without("manifest.note"),
    "no_old_manifest": without("manifest-1.json"),
    "huge_definition": in_file("definition.json", lambda data: data + b" " * (65 << 20)),
    "huge_tile": in_file(TILE, lambda data: data * 3),
    "checkpoint_by_another_key": another_checkpoint(who="another"),
    "checkpoint_of_another_origin": another_checkpoint(origin=f"{boards.HOST}/board/{'a1' * 16}/q1"),
    "checkpoint_of_another_question": another_checkpoint(origin=f"{boards.HOST}/board/{'5f' * 16}/q2"),
    "checkpoint_shrunken": another_checkpoint(size=256),
    "checkpoint_grown": another_checkpoint(size=301),
    "definition_of_another_hash": in_file("definition.json", lambda data: data.replace(b"Option 1", b"Option 9")),
    "note_cut": in_file("manifest.note", lambda data: data[:-1]),
    "note_of_checkpoint": lambda files, service: files.update({"manifest.note": files["q1/checkpoint"]}),
    "two_newest": in_file("manifest-1.note", lambda data: data + b"\xe2\x80\x94 witness AAAAAAA=\n"),
}  # fmt: skip


# ---- by the service itself


def says(change: Callable) -> Callable:
    """A manifest that says something else, well signed."""
    return lambda service: service.files(change)


def outcome(change: Callable) -> Callable:
    return says(lambda manifest: change(manifest["questions"][0]["outcome"]))


def question(**changes) -> Callable:
    return says(lambda manifest: manifest["questions"][0].update(changes))


def manifest(**changes) -> Callable:
    return says(lambda manifest: manifest.update(changes))


def holds(change: Callable, *, counted_too: bool = False) -> Callable:
    """Trees of other records than were cast, well signed; the outcome stays as it was announced."""

    def lie(service):
        records = change(service.entries(1), service)
        if not counted_too:
            return service.files(entries={1: records})

        def agree(manifest):
            more = len(records) - manifest["questions"][0]["shown"]
            manifest["questions"][0]["shown"] += more
            manifest["ballots"] += more
            manifest["participations"] += more

        return service.files(agree, entries={1: records})

    return lie


def written(change: Callable) -> Callable:
    """A manifest whose bytes are edited before they are signed."""

    def lie(service):
        files = service.files()
        data = change(files["manifest.json"])
        digest = base64.b64encode(boards.hashlib.sha256(data).digest()).decode()
        signed = note(f"{service.origin}\nveche/manifest/v1\n1\n{digest}\n", service.origin, service.board_key)
        for name in ("manifest", "manifest-1"):
            files |= {f"{name}.json": data, f"{name}.note": signed}
        return files

    return lie


def add_vote(found):
    found["options"][0]["votes"] += 1


def other_definition(service):
    """The definition of another poll, with the hash of this one."""
    files = service.files()
    files["definition.json"] = rfc8785.dumps(json.loads(files["definition.json"]) | {"poll_id": "a1" * 16})
    return files


def swapped_questions(service):
    definition = boards.define(*(boards.a_single_choice(q, required=False) for q in (1, 2)))
    service.definition = definition
    for vote in service.votes:
        vote.answers[2] = "[1]"
    one, two = service.entries(1), service.entries(2)
    return service.files(entries={1: two, 2: one})


def false_lot(service):
    made = boards.tied_by_lot()

    def other_way(manifest):
        for tie in manifest["ties"]:
            tie["decided"].reverse()
            manifest["questions"][0]["outcome"]["winners"] = tie["decided"][:1]
            for found in manifest["questions"][0]["outcome"]["ties"]:
                found["order"].reverse()

    return made.files(other_way)


def false_secret(service):
    made = boards.tied_by_lot()
    return made.files(lambda manifest: manifest["lot"]["official"].update(secret="00" * 32))


def needless_decision(service):
    service.definition = boards.define(
        boards.a_single_choice(1, required=False, rule={"method": "plurality", "tie": "chair"})
    )
    tie = {"question": 1, "stage": 1, "options": [1, 2], "decided": [2, 1], "method": "chair", "reason": "Так."}
    return service.files(lambda manifest: manifest["ties"].append(tie))


def hidden_history(service):
    files = boards.tied_for_the_chair().files()
    for suffix in ("json", "note"):
        del files[f"manifest-1.{suffix}"]
    return files


def withheld_and_shown(service):
    leaf = board.leaf_hash(service.entries(1)[0]).hex()

    def hide(manifest):
        manifest["questions"][0]["withheld"] = {"records": 1, "styles": [], "leaves": [leaf]}
        for name in ("ballots", "participations"):
            manifest[name] += 1
        manifest["questions"][0]["shown"] += 1

    return service.files(hide)


def other_votes(style=0, question=1, answer="[1]", poll_hash=None):
    """One record replaced by a stranger's."""

    def change(records, service):
        return sorted_records([*records[1:], a_stranger(service, style, question, answer, poll_hash)])

    return holds(change)


def raw_record(edit):
    return holds(lambda records, service: sorted_records([edit(records[0]), *records[1:]]))


LIES: dict[str, Callable] = {
    "flipped_record": holds(flipped),
    "dropped_record": holds(lambda records, service: records[1:]),
    "dropped_record_and_counts": holds(lambda records, service: records[1:], counted_too=True),
    "inserted_record": holds(lambda held, service: sorted_records([*held, a_stranger(service)]), counted_too=True),
    "doubled_record": holds(lambda records, service: [records[0], *records], counted_too=True),
    "doubled_for_another": holds(lambda records, service: [records[1], *records[1:]]),
    "unsorted_records": holds(lambda records, service: [records[1], records[0], *records[2:]]),
    "record_of_another_poll": other_votes(poll_hash=b"\1" * 32),
    "record_of_another_question": other_votes(question=2),
    "record_of_unknown_style": other_votes(style=7),
    "record_with_unknown_option": other_votes(answer="[44]"),
    "record_with_two_options": other_votes(answer="[1,2]"),
    "record_with_own_words": other_votes(answer="[0]"),
    "record_with_a_space": other_votes(answer="[1 ]"),
    "record_with_a_float": other_votes(answer="[1.0]"),
    "record_with_a_long_number": other_votes(answer="[" + "1" * 5000 + "]"),
    "record_deep": other_votes(answer="[" * 3000 + "]" * 3000),
    "record_not_shown": other_votes(answer="null"),
    "record_with_capital_nonce": raw_record(lambda record: record[:-34] + record[-34:].upper().replace(b'"]', b'"]')),
    "record_with_short_nonce": raw_record(lambda record: record[:-4] + record[-2:]),
    "record_with_a_tail": raw_record(lambda record: record + b" "),
    "record_empty": raw_record(lambda record: b""),
    "swapped_questions": swapped_questions,
    "votes": outcome(add_vote),
    "winner": outcome(lambda found: found.update(winners=[3])),
    "no_winner": outcome(lambda found: found.update(winners=[])),
    "order": outcome(lambda found: found["order"].reverse()),
    "share": outcome(lambda found: found["options"][0].update(share="1/2")),
    "cast": outcome(lambda found: found.update(cast=found["cast"] + 1, valid=found["valid"] + 1)),
    "blank_as_valid": outcome(lambda found: found.update(valid=found["valid"] + 1, blank=found["blank"] - 1)),
    "denominator": outcome(lambda found: found.update(denominator="cast")),
    "threshold": outcome(lambda found: found.update(threshold_met=True)),
    "true_for_one": outcome(lambda found: found["options"][0].update(place=True)),
    "steps_missing": outcome(lambda found: found["steps"].pop()),
    "step_changed": outcome(lambda found: found["steps"][0]["facts"].update(cast=1)),
    "outcome_of_another_method": outcome(lambda found: found.update(method="approval")),
    "outcome_without_a_key": outcome(lambda found: found.pop("own")),
    "outcome_nothing": question(outcome=None),
    "a_key_more": manifest(more=1),
    "outcome_with_a_key_more": outcome(lambda found: found.update(more=1)),
    "more_ballots_than_voters": manifest(participations=299),
    "more_voters_than_roll": manifest(participations=1001),
    "fewer_ballots": manifest(ballots=299),
    "more_ballots": manifest(ballots=301, participations=301),
    "entitled": question(entitled=999),
    "roll_smaller": manifest(roll={"known": True, "total": 200, "styles": []}),
    "roll_unknown": manifest(roll={"known": False, "total": None, "styles": []}),
    "size": question(size=299),
    "shown": question(shown=299),
    "withheld_without_leaves": question(withheld={"records": 1, "styles": [], "leaves": []}),
    "withheld_and_shown": withheld_and_shown,
    "superseded_in_separated": manifest(superseded=["00" * 32]),
    "root": question(root="00" * 32),
    "counted_by_units": question(counted_by="units"),
    "counted_before_closing": manifest(counted_at="2026-11-14T09:00:00Z"),
    "opened_earlier": manifest(opens_at="2026-10-01T09:00:00Z"),
    "no_time": manifest(closes_at="tomorrow"),
    "another_hash": manifest(poll_hash="00" * 32),
    "another_poll": manifest(poll="a1" * 16),
    "another_privacy": manifest(privacy="named"),
    "another_receipt": manifest(receipt="acceptance_only"),
    "no_questions": manifest(questions=[]),
    "negative": manifest(ballots=-1),
    "text_for_number": manifest(ballots="300"),
    "no_version": manifest(version=0),
    "unknown_format": manifest(format="veche/board/v2"),
    "history_without_first": manifest(previous="00" * 32),
    "hidden_history": hidden_history,
    "other_definition": other_definition,
    "false_lot": false_lot,
    "false_secret": false_secret,
    "needless_decision": needless_decision,
    "spaces_in_json": written(lambda data: data.replace(b'"v":1', b'"v": 1')),
    "key_twice": written(lambda data: data.replace(b'"v":1', b'"v":1,"v":1')),
    "float": written(lambda data: data.replace(b'"v":1', b'"v":1.0')),
    "huge_number": written(lambda data: data.replace(b'"ballots":300', b'"ballots":' + b"9" * 400)),
    "not_utf8": written(lambda data: data.replace(b"veche 0", b"veche\xff0")),
    "surrogate": written(lambda data: data.replace(b"veche 0", b"\\ud800 0")),
    "nan": written(lambda data: data.replace(b'"ballots":300', b'"ballots":NaN')),
    "deep": written(lambda data: data.replace(b'"superseded":[]', b'"superseded":' + b"[" * 100_000 + b"]" * 100_000)),
    "not_json": written(lambda data: b"<html>"),
    "a_list": written(lambda data: b"[]"),
}  # fmt: skip
CANNOT_SAY = {
    "no_manifest", "no_manifest_note", "a_key_more", "outcome_with_a_key_more", "unknown_format", "a_list",
}  # fmt: skip
"""Changes at which a verifier may also say that it cannot tell."""


def main() -> None:
    """Write the corpus for verifiers in other languages."""
    root, n = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    index = {}
    for case in corpus():
        boards.write(case.files, root / case.name)
        index[case.name] = {"expected": list(case.expected), "key": case.key}
    service = boards.one_choice()
    honest = service.files()
    for number, (path, data) in enumerate(mutations(honest, n)):
        boards.write({**honest, path: data}, root / f"mutation-{number}")
        index[f"mutation-{number}"] = {"expected": [1, 2], "key": service.vkey, "file": path}
    (root / "index.json").write_text(json.dumps(index, indent=1))


if __name__ == "__main__":
    main()

"""Boards that somebody has tampered with, for every verifier: each has to be refused.

`TAMPERED` are changes by somebody without the keys, `LIES` by the service itself, whose signatures are good: there the
contradiction has to be seen. `mutations` are random changes of one byte. Run as a program to write them all for a
verifier in another language:

    python -m tests.verifiers.tampering DIRECTORY [MUTATIONS]

writes ``NAME/…`` for each board, and ``index.json``: name → {"expected": [exit codes], "key": verifier key}, with
"registry" where there is a registry log to compare with (``NAME.registry/…``) and "receipt" where there is one to look
up (``NAME.receipt.json``).
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
from polls.definition import canonical_bytes

REFUSED = (1, 2)


@dataclass(frozen=True)
class Case:
    """A board to refuse; `honest` ones are to be accepted, so that a verifier that refuses all is found out."""

    name: str
    files: dict
    key: str
    expected: tuple = (1,)
    registry: dict | None = None
    receipt: dict | None = None


def case_names() -> list[str]:
    """The names of all cases, without making any."""
    return [
        *(f"honest-{name}" for name in boards.SAMPLES),
        *(f"tampered-{name}" for name in TAMPERED),
        *(f"lie-{name}" for name in LIES),
        *(f"registry-{name}" for name in REGISTRY),
        *(f"receipt-{name}" for name in RECEIPTS),
        "wrong-key",
        "key-of-another-host",
        "withheld",
    ]


def case(name: str) -> Case:
    """One case of the corpus."""
    kind, _, which = name.partition("-")
    service = boards.SAMPLES[which]() if kind == "honest" else boards.one_choice()
    if kind == "honest":
        files = service.files()
        return Case(name, files, service.vkey, (0,), registry=service.registry(files, others=0))
    if kind == "tampered":
        files = service.files()
        TAMPERED[which](files, service)
        return Case(name, files, service.vkey, REFUSED if which in CANNOT_SAY else (1,))
    if kind == "lie":
        expected = (2,) if which in UNKNOWN else REFUSED if which in CANNOT_SAY else (1,)
        files = LIES[which](service)
        log = boards.log_of(files) if which in UNKNOWN else None  # a lie is seen without the log too
        return Case(name, files, service.vkey, expected, registry=log)
    if kind == "registry":
        found, files, log, expected = REGISTRY[which]()
        return Case(name, files, found.vkey, expected, registry=log)
    if kind == "receipt":
        found, files, log, receipt, expected = RECEIPTS[which]()
        return Case(name, files, found.vkey, expected, registry=log, receipt=receipt)
    if name == "wrong-key":
        return Case(name, service.files(), boards.vkey(boards.HOST, boards.key("another")))
    if name == "key-of-another-host":
        return Case(name, service.files(), boards.vkey("other.example", service.board_key), (2,))
    half = boards.with_styles(withheld=(1,))
    files = half.files()
    return Case(name, files, half.vkey, (2,), registry=half.registry(files, others=0))


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


def renamed(path, other):
    def tamper(files, service):
        files[other] = files.pop(path)

    return tamper


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
    "definition_with_a_mark": in_file("definition.json", lambda data: b"\xef\xbb\xbf" + data),
    "checkpoint_with_carriage_returns": in_file("q1/checkpoint", lambda data: data.replace(b"\n", b"\r\n")),
    "note_with_carriage_returns": in_file("manifest.note", lambda data: data.replace(b"\n", b"\r\n")),
    "note_of_many_witnesses": in_file("q1/checkpoint", lambda data: data + b"\xe2\x80\x94 witness AAAAAAA=\n" * 64),
    "note_of_a_nameless_witness": in_file("q1/checkpoint", lambda data: data + b"\xe2\x80\x94  AAAAAAA=\n"),
    "note_of_a_short_signature": in_file("q1/checkpoint", lambda data: data + b"\xe2\x80\x94 witness AAAAAA==\n"),
    "full_tile_called_partial": renamed(TILE, TILE + ".p/256"),
    "partial_tile_with_nought_before": renamed(LAST_TILE, "q1/tile/0/001.p/044"),
    "partial_bundle_called_full": renamed(LAST, "q1/tile/entries/001"),
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


def lie_of(make: Callable, change: Callable = lambda manifest: None) -> Callable:
    """Another sample, and what its manifest says instead."""
    return lambda service: make().files(change)


def named(change: Callable, **more) -> Callable:
    """A poll by name."""

    def lie(service):
        service.definition = boards.define(boards.a_single_choice(1, required=False), privacy="named", **more)
        return service.files(change)

    return lie


def stuffed(question_id, **answers):
    """Those who did not hold a question hold it, and their records are counted."""

    def lie(service):
        made = boards.follow_up()
        honest = {q.id: made.entries(q.id) for q in made.definition.questions if q.id != question_id}
        for vote in made.votes:
            if vote.answers[question_id] == boards.NOT_SHOWN and vote.style in answers.get("styles", (0, 1, 2)):
                vote.answers[question_id] = "[3]"
                vote.style = answers.get("as_style", vote.style)
        return made.files(entries=honest)

    return lie


def one_moved(question_id):
    """As many records as there should be, one of them of another style."""

    def lie(service):
        made = boards.follow_up()
        honest = {q.id: made.entries(q.id) for q in made.definition.questions if q.id != question_id}
        next(v for v in made.votes if v.style == 2 and v.answers[question_id] != boards.NOT_SHOWN).style = 1
        return made.files(entries=honest)

    return lie


def styled_entitled(service):
    """300 are on the roll of a style; the threshold is of 60."""
    rule = {"method": "plurality", "denominator": "entitled", "threshold": "1/2"}
    made = boards.with_styles()
    made.definition = boards.define(
        boards.a_single_choice(1), boards.a_single_choice(2, styles=[1], rule=rule),
        styles=[{"id": 1, "territories": ["msk-cao"]}, {"id": 2, "territories": ["x"]}],
    )  # fmt: skip
    for vote in made.votes:
        vote.answers[2] = "[1]" if vote.style == 1 else boards.NOT_SHOWN
    honest = made.entitled_of
    made.entitled_of = lambda question: 60 if question.styles else honest(question)
    return made.files()


def roll_by_style(change: Callable) -> Callable:
    def edit(manifest):
        change(manifest["roll"])

    return lie_of(boards.with_styles, edit)


def next_version(make: Callable, change: Callable) -> Callable:
    """A version more, well chained, that says something else."""

    def lie(service):
        made = make()
        files = made.files()
        before = files["manifest.json"]
        said = json.loads(before)
        said |= {"version": said["version"] + 1, "previous": boards.hashlib.sha256(before).hexdigest(), "reason": "x"}
        change(said)
        made.seal(files, said)
        return files

    return lie


def other_commitments(service):
    """Version 1 committed to other secrets than version 2 reveals."""
    made = boards.tied_by_lot()

    def change(manifest):
        if manifest["version"] == 1 and not manifest["ties"]:
            manifest["lot"] = {party: {"commitment": "ab" * 32, "secret": None} for party in manifest["lot"]}

    return made.files(change)


def chair_over_lot(service):
    """Both secrets are revealed, and the chair decides the other way."""
    made = boards.tied_by_lot()
    drawn = json.loads(made.files()["manifest.json"])["ties"][0]["decided"]
    secrets = made.lot()
    made.revealed, made.chair = False, {(1, 1, (1, 2)): tuple(reversed(drawn))}
    return made.files(lambda manifest: manifest.update(lot=secrets))


def decided_twice(service):
    made = boards.tied_for_the_chair()

    def change(manifest):
        if manifest["ties"]:
            manifest["ties"].append({**manifest["ties"][0], "decided": [1, 2]})

    return made.files(change)


def retired_key(service):
    def change(manifest):
        for listed in manifest["keys"]:
            if listed["purpose"] == "board":
                listed["valid_to"] = "2026-11-15T09:00:00+00:00"

    return service.files(change)


def nested_points(rule_kind):
    def lie(service):
        options = [boards.an_option(i) for i in range(1, 5)]
        asked = {
            "kind": rule_kind,
            "id": 1,
            "text": boards.both("Что?", "What?"),
            "options": options,
            "required": False,
        }
        definition = boards.define(asked)
        made = boards.Service(definition, boards.votes(30, 6, {1: lambda chance, style: "[[1,2]]"}))
        other = boards.Service(definition, [boards.Vote(vote.key, {1: "[[1,[2]]]"}) for vote in made.votes])
        return made.files(entries={1: other.entries(1)})

    return lie


def superseded_in_v2(manifest):
    manifest["superseded"] = sorted([*manifest["superseded"], "ab" * 32])


def more_on_the_roll(manifest):
    manifest["roll"]["total"] = 5_000


def withheld(change: Callable) -> Callable:
    return lambda manifest: change(manifest["questions"][-1]["withheld"])


def sealed_as(change: Callable, times: int = 1) -> Callable:
    """A document that no release would seal, with a hash that fits; all else is as if it were in order."""

    def lie(service):
        sealed = json.loads(canonical_bytes(service.definition))
        change(sealed["questions"][0])
        sealed["questions"] *= times
        data = rfc8785.dumps(sealed)
        service._hashed = (service.definition, boards.hashlib.sha256(data).digest())
        files = service.files(lambda manifest: manifest.update(questions=manifest["questions"] * times))
        return files | {"definition.json": data}

    return lie


def endless_tree(service):
    """More records than there are people, in a checkpoint and a manifest that agree."""
    size = 10**14
    files = service.files(lambda manifest: manifest["questions"][0].update(size=size, shown=size))
    root = json.loads(files["manifest.json"])["questions"][0]["root"]
    text = f"{service.origin}/q1\n{size}\n{base64.b64encode(bytes.fromhex(root)).decode()}\n"
    return files | {"q1/checkpoint": note(text, f"{service.origin}/q1", service.board_key)}


def checkpoint_text(change: Callable, origin: str | None = None) -> Callable:
    """A checkpoint in other words, well signed."""

    def lie(service):
        files = service.files()
        named = origin or f"{service.origin}/q1"
        lines = files["q1/checkpoint"].decode().split("\n")[1:3]
        text = change("\n".join([named, *lines]) + "\n")
        return files | {"q1/checkpoint": note(text, named, service.board_key)}

    return lie


def younger_key(also=()):
    """The manifest says that the key which signed came after the count, beside `also`: (name, since when)."""

    def change(manifest):
        listed = next(one for one in manifest["keys"] if one["purpose"] == "board")
        listed["valid_from"] = "2026-11-20T00:00:00+00:00"
        for name, since in also:
            public = base64.b64encode(boards.raw(boards.key(name))).decode()
            key_id = boards.key_id(boards.key(name))
            manifest["keys"].append({**listed, "public": public, "key_id": key_id, "valid_from": since})

    return change


LIES: dict[str, Callable] = {
    "superseded_where_nobody_may_change": named(lambda manifest: manifest.update(superseded=["00" * 32])),
    "superseded_and_published": lambda service: (lambda made: made.files(
        lambda manifest: manifest.update(superseded=[board.leaf_hash(made.entries(1)[0]).hex()])
    ))(boards.by_name()),
    "follow_up_stuffed": stuffed(2),
    "styled_follow_up_stuffed": stuffed(3, styles=(1,)),
    "style_stuffed": stuffed(4, styles=(0,), as_style=1),
    "style_of_one_record_moved": one_moved(4),
    "follow_up_of_another_style": one_moved(2),
    "entitled_of_a_style": styled_entitled,
    "roll_without_styles": roll_by_style(lambda roll: roll.update(styles=[])),
    "roll_without_one_style": roll_by_style(lambda roll: roll["styles"].pop()),
    "roll_of_styles_too_large": roll_by_style(lambda roll: roll.update(styles=[[0, 900], [1, 900], [2, 900]])),
    "roll_styles_twice": roll_by_style(lambda roll: roll["styles"].insert(0, [0, 1])),
    "roll_styles_without_styles": manifest(roll={"known": True, "total": 1_000, "styles": [[0, 1_000]]}),
    "roll_known_without_total": lambda service: (setattr(service, "entitled", None), service.files(
        lambda said: said.update(roll={"known": True, "total": None, "styles": []}, participations=10**9)))[1],
    "version_from_nowhere": manifest(version=7),
    "version_2_adds_superseded": next_version(boards.by_name, superseded_in_v2),
    "version_2_closes_earlier": next_version(boards.one_choice, lambda m: m.update(closes_at="2026-11-13T09:00:00Z")),
    "version_2_of_a_larger_roll": next_version(boards.one_choice, more_on_the_roll),
    "version_2_of_another_receipt": next_version(boards.one_choice, lambda m: m.update(receipt="acceptance_only")),
    "other_commitments": other_commitments,
    "chair_over_lot": chair_over_lot,
    "decided_twice": decided_twice,
    "chair_without_a_reason": lie_of(
        boards.tied_for_the_chair, lambda manifest: [tie.update(reason=" ") for tie in manifest["ties"]]
    ),
    "counted_a_moment_before_closing": manifest(counted_at="2026-11-15T08:59:59.999999+00:00"),
    "opened_a_moment_later": manifest(opens_at="2026-11-01T09:00:00.000300+00:00"),
    "retired_key": retired_key,
    "nested_points": nested_points("points"),
    "nested_rating": nested_points("rating"),
    "withheld_style_unknown": question(withheld={"records": 0, "styles": [7], "leaves": []}),
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
    "withheld_styles_fall": lie_of(lambda: boards.with_styles((1, 2)), withheld(lambda held: held["styles"].reverse())),
    "withheld_records_of_no_style": lie_of(
        lambda: boards.with_styles((1,)), withheld(lambda held: held["styles"].clear())
    ),
    "withheld_style_without_records": lie_of(
        boards.with_styles_unused, withheld(lambda held: held["styles"].append(2))
    ),
    "withheld_style_of_another_question": lie_of(
        lambda: boards.with_styles((1,), asked=[1]), withheld(lambda held: held["styles"].append(2))
    ),
    "style_of_more_than_its_roll": roll_by_style(lambda roll: roll.update(styles=[[0, 300], [1, 2], [2, 300]])),
    "withheld_and_miscounted": lie_of(
        lambda: boards.with_styles((1,)),
        lambda manifest: manifest["questions"][0]["outcome"].update(cast=59),
    ),
    "younger_key_than_the_one_then": says(younger_key([("first", "2026-01-01T00:00:00+00:00")])),
    "endless_scale": sealed_as(
        lambda asked: asked.update(kind="rating", scale_max=2**53 - 1, rule={"method": "rating"})
    ),
    "endless_threshold": sealed_as(lambda asked: asked["rule"].update(threshold="1e999999999")),
    "endless_trim": sealed_as(lambda asked: asked["rule"].update(trim="1e-999999999")),
    "too_many_options": sealed_as(lambda asked: asked.update(options=asked["options"] * 2_000)),
    "too_many_questions": sealed_as(lambda asked: None, times=60),
    "endless_tree": endless_tree,
    "two_million_versions": manifest(version=2_000_000),
    "negative_roll": manifest(roll={"known": True, "total": -1, "styles": []}),
    "minus_nought": written(lambda data: data.replace(b'"participations":300', b'"participations":-0')),
    "number_with_an_exponent": written(lambda data: data.replace(b'"participations":300', b'"participations":3e2')),
    "mark_before_the_manifest": written(lambda data: b"\xef\xbb\xbf" + data),
    "prototype": outcome(lambda found: found["options"][0].update({"__proto__": {"votes": 1}})),
    "wide_digits_in_a_time": manifest(counted_at="２０２６-11-15T09:00:05+00:00"),
    "time_by_weeks": manifest(counted_at="2026-W46-7T09:00:05+00:00"),
    "time_without_colons": manifest(counted_at="20261115T090005Z"),
    "time_of_no_day": manifest(counted_at="2026-11-31T09:00:05+00:00"),
    "time_of_hour_24": manifest(counted_at="2026-11-15T24:00:00+00:00"),
    "time_of_eight_digits": manifest(counted_at="2026-11-15T09:00:05.12345678+00:00"),
    "checkpoint_size_in_wide_digits": checkpoint_text(lambda text: text.replace("300", "３００")),
    "checkpoint_size_with_nought_before": checkpoint_text(lambda text: text.replace("300", "0300")),
    "checkpoint_with_carriage_returns": checkpoint_text(lambda text: text.replace("\n", "\r\n")),
    "checkpoint_of_four_lines": checkpoint_text(lambda text: text + "more\n"),
    "checkpoint_of_the_registry": checkpoint_text(lambda text: text, origin=f"{boards.HOST}/registry"),
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
    "no_manifest", "no_manifest_note", "unknown_format", "a_list",
}  # fmt: skip
"""Changes at which a verifier may also say that it cannot tell."""
UNKNOWN = {"a_key_more", "outcome_with_a_key_more", "prototype", "chair_over_lot"}
"""What is neither right nor wrong."""


# ---- against the registry log


def logged(change: Callable = lambda events: None, expected: tuple = (1,), make: Callable = boards.one_choice,
           say: Callable = lambda manifest: None, **more) -> Callable:  # fmt: skip
    """A board, and the registry log with its events changed."""

    def made():
        service = make()
        files = service.files(say)
        return service, files, service.registry(files, lambda events: change(events), **more), expected

    return made


def kinds(events, kind):
    return [event for event in events if event["kind"] == kind]


def without_kind(kind):
    return lambda events: events.__setitem__(slice(None), [event for event in events if event["kind"] != kind])


def bodies_say(kind, **facts):
    return lambda events: [event["body"].update(facts) for event in kinds(events, kind)]


MOVES = ("poll_extended", "poll_closed_early", "poll_resumed")
LATEST = ("poll_closed", "poll_counted", "board_published")


def moved_closing(*moves, at="2026-11-14T09:00:00Z", expected: tuple = (1,), change: Callable = lambda events: None):
    """A board whose voting closed at another time than was sealed, and a log with the moves that led there; `change`
    edits that honest log."""

    def enter(events):
        closed = kinds(events, "poll_closed")[0]
        for number, kind in enumerate(moves, start=1):
            last = number == len(moves)
            body = {"closes_at": at if last else "2026-11-14T12:00:00Z", "reason": "Сбой."}
            events.insert(events.index(closed), {**closed, "kind": kind, "body": body})
        closed["body"]["closes_at"] = at
        change(events)

    return logged(enter, expected, say=lambda manifest: manifest.update(closes_at=at))


def moved_and_back(events):
    """Moved and moved again, to what was sealed."""
    closed = kinds(events, "poll_closed")[0]
    for at in ("2026-11-14T12:00:00Z", "2026-11-15T09:00:00Z"):
        events.insert(events.index(closed), {**closed, "kind": "poll_extended", "body": {"closes_at": at}})


def moved_only_in_the_log(events):
    """Log and manifest disagree: by the log voting closed a day before."""
    closed = kinds(events, "poll_closed")[0]
    closed["body"]["closes_at"] = "2026-11-14T09:00:00Z"
    body = {"closes_at": "2026-11-14T09:00:00Z", "reason": "Сбой."}
    events.insert(events.index(closed), {**closed, "kind": "poll_closed_early", "body": body})


def drop_time(events):
    for event in kinds(events, "poll_closed_early"):
        del event["body"]["closes_at"]


def hidden_with_its_closing(events):
    """No word of the move, and the closing is said to have been as sealed."""
    without_kind("poll_closed_early")(events)
    bodies_say("poll_closed", closes_at="2026-11-15T09:00:00Z")(events)


def of_purpose(events, purpose):
    return next(event for event in kinds(events, "key_added") if event["body"]["purpose"] == purpose)


def retires(purpose, at):
    """A key is retired at a time, after all other events."""

    def change(events):
        added = of_purpose(events, purpose)
        facts = {"key_id": added["body"]["key_id"], "purpose": purpose, "reason": "compromised"}
        events.append({**added, "kind": "key_retired", "at": at, "body": facts})

    return change


def moved_behind(kind, other, which=lambda event: True):
    """Events of a kind are entered right after the first of another, with the times they had."""

    def change(events):
        late = [event for event in kinds(events, kind) if which(event)]
        events[:] = [event for event in events if event not in late]
        at = next(i for i, event in enumerate(events) if event["kind"] == other)
        events[at + 1 : at + 1] = late

    return change


def is_board_key(event):
    return event["body"]["purpose"] == "board"


def another_board_key(events):
    """The deployment had a key before; the one that signed came after the count."""
    mine = of_purpose(events, "board")
    public = base64.b64encode(boards.raw(boards.key("first"))).decode()
    moved_behind("key_added", "poll_counted", is_board_key)(events)
    body = {**mine["body"], "key_id": boards.key_id(boards.key("first")), "public": public}
    events.insert(0, {**mine, "body": body})


def two_commitments(events):
    """One party commits twice before the opening."""
    first = kinds(events, "lot_committed")[0]
    events.insert(events.index(first), {**first, "body": {**first["body"], "commitment": "ab" * 32}})


def needless_commitments(events):
    """Both parties commit for a poll that draws no lots."""
    opened = kinds(events, "poll_opened")[0]
    for party in ("official", "observer"):
        body = {"party": party, "commitment": "ab" * 32}
        events.insert(events.index(opened), {**opened, "kind": "lot_committed", "body": body})


def time_of(kind, at):
    """Events of a kind say that they were at another time; their places in the log stay."""
    return lambda events: [event.update(at=at) for event in kinds(events, kind)]


def nobody_tied():
    """A poll that would draw a lot, and has a winner without one."""
    made = boards.tied_by_lot()
    made.votes.append(boards.Vote(b"k" * 16, {1: "[1]"}))
    return made


def committed_late(events):
    """Entered after the opening, with a time before it."""
    for event in kinds(events, "lot_committed"):
        events.remove(event)
        events.append(event)


def newer_version(events):
    last = kinds(events, "board_published")[-1]
    events.append({**last, "body": {**last["body"], "version": last["body"]["version"] + 1, "manifest": "ab" * 32}})


def body_as_hash(events):
    for event in kinds(events, "board_published"):
        event["body"] = {"sha256": boards.hashlib.sha256(rfc8785.dumps(event["body"])).hexdigest()}


def ground_lot():
    """Secrets and commitments are made up after the count, until somebody else wins; the log has the old ones."""
    service = boards.tied_by_lot()
    first, old = json.loads(service.files()["manifest.json"])["questions"][0]["outcome"]["winners"], boards.SECRETS
    try:
        for number in range(100):
            boards.SECRETS = (boards.hashlib.sha256(b"%d" % number).digest(), b"w" * 32)
            files = service.files()
            if json.loads(files["manifest.json"])["questions"][0]["outcome"]["winners"] != first:
                break
    finally:
        boards.SECRETS = old
    return service, files, service.registry(files), (1,)


def hidden_lot():
    """The chair decides though both have committed, and the manifest says nothing of a lot."""
    service = boards.tied_by_lot()
    service.revealed, service.chair = False, {(1, 1, (1, 2)): (2, 1)}
    files = service.files(lambda manifest: manifest.update(lot=None))
    return service, files, service.registry(files), (1,)


def of_another_log():
    service = boards.one_choice()
    files = service.files()
    service.host = "other.example"
    log = service.registry(files)
    service.host = boards.HOST
    return service, files, log, REFUSED


def in_entries(change: Callable) -> Callable:
    """Entries are edited before they are signed; the first of them is not canonical any more."""

    def made():
        service = boards.one_choice(20)
        files = service.files()
        return service, files, service.registry(files, written_as=change), (1,)

    return made


def endless_log():
    """A checkpoint, well signed, of a log that nobody can read to its end."""
    service = boards.one_choice(20)
    files = service.files()
    log = service.registry(files)
    root = base64.b64encode(bytes(32)).decode()
    origin = f"{service.host}/registry"
    log["checkpoint"] = note(f"{origin}\n{10**14}\n{root}\n", origin, service.registry_key)
    return service, files, log, (1,)


def in_log(path: str, change: Callable, expected: tuple = (1,)) -> Callable:
    """The log's files were tampered with."""

    def made():
        service, files, log, _ = logged()()
        log[path] = change(log[path])
        return service, files, log, expected

    return made


REGISTRY: dict[str, Callable] = {
    **{f"honest_{name}": logged(expected=(0,), make=make) for name, make in boards.SAMPLES.items()},
    "honest_body_as_hash": logged(body_as_hash, (0,)),
    "honest_key_retired_later": logged(retires("board", "2026-11-20T00:00:00+00:00"), (0,)),
    "without_sealing": logged(without_kind("poll_sealed")),
    "without_opening": logged(without_kind("poll_opened"), make=boards.tied_by_lot),
    "without_closing": logged(without_kind("poll_closed")),
    "without_counting": logged(without_kind("poll_counted")),
    "behind_the_board": logged(
        lambda events: events.__setitem__(slice(None), [e for e in events if e["kind"] not in LATEST]), (2,)
    ),
    "opened_at_another_time": logged(bodies_say("poll_opened", opens_at="2026-11-02T09:00:00+00:00")),
    "opened_for_another_time": logged(bodies_say("poll_opened", closes_at="2026-11-16T09:00:00+00:00")),
    "closed_at_another_time": logged(bodies_say("poll_closed", closes_at="2026-11-16T09:00:00+00:00")),
    "counted_before_closing": logged(moved_behind("poll_closed", "poll_counted")),
    "opened_after_closing": logged(moved_behind("poll_opened", "poll_closed")),
    **{f"honest_{kind}": moved_closing(kind, expected=(0,)) for kind in MOVES},
    "honest_moved_twice": moved_closing("poll_extended", "poll_closed_early", expected=(0,)),
    "honest_moved_and_back": logged(moved_and_back, (0,)),
    "move_hidden": moved_closing("poll_closed_early", change=without_kind("poll_closed_early")),
    "extension_hidden": moved_closing("poll_extended", at="2026-11-15T09:00:04Z", change=without_kind("poll_extended")),
    "move_to_another_time": moved_closing(
        "poll_closed_early", change=bodies_say("poll_closed_early", closes_at="2026-11-13T09:00:00+00:00")
    ),
    "move_without_a_time": moved_closing("poll_closed_early", change=drop_time),
    "move_after_the_count": moved_closing(
        "poll_closed_early", change=moved_behind("poll_closed_early", "board_published")
    ),
    "move_hidden_and_its_closing_too": moved_closing("poll_closed_early", change=hidden_with_its_closing),
    "move_of_another_poll": moved_closing(
        "poll_closed_early",
        change=lambda events: [e.update(poll="e0" * 16) for e in kinds(events, "poll_closed_early")],
    ),
    "move_that_the_manifest_hides": logged(moved_only_in_the_log),
    "not_yet_entered": logged(without_kind("board_published"), (2,)),
    "one_version_not_entered": logged(
        lambda events: events.remove(kinds(events, "board_published")[0]), (2,), boards.tied_by_lot
    ),
    "newer_version": logged(newer_version, (2,)),
    "another_manifest": logged(bodies_say("board_published", manifest="ab" * 32)),
    "another_root": logged(bodies_say("board_published", roots={"1": "ab" * 32})),
    "another_size": logged(bodies_say("board_published", sizes={"1": 299})),
    "another_document": logged(bodies_say("poll_sealed", poll_hash="ab" * 32)),
    "another_document_counted": logged(bodies_say("poll_counted", poll_hash="ab" * 32)),
    "another_number_counted": logged(bodies_say("poll_counted", ballots=299)),
    "another_number_took_part": logged(bodies_say("poll_counted", participations=10**6)),
    "counted_without_a_number": logged(lambda events: kinds(events, "poll_counted")[0]["body"].pop("participations")),
    "no_document": logged(without_kind("poll_sealed")),
    "board_key_unknown": logged(lambda events: events.remove(of_purpose(events, "board"))),
    "receipt_key_unknown": logged(lambda events: events.remove(of_purpose(events, "receipt"))),
    "board_key_retired": logged(retires("board", "2026-11-15T00:00:00+00:00")),
    "lot_not_committed": logged(without_kind("lot_committed"), make=boards.tied_by_lot),
    "lot_committed_by_one": logged(
        lambda events: events.remove(kinds(events, "lot_committed")[0]), make=boards.tied_by_lot
    ),
    "lot_committed_late": logged(committed_late, make=boards.tied_by_lot),
    "lot_committed_to_others": logged(bodies_say("lot_committed", commitment="ab" * 32), make=boards.tied_by_lot),
    "lot_ground": ground_lot,
    "lot_hidden": hidden_lot,
    "lot_hidden_where_nobody_tied": logged(make=nobody_tied, say=lambda manifest: manifest.update(lot=None)),
    "honest_lot_of_one_alone": logged(
        lambda events: events.remove(kinds(events, "lot_committed")[0]),
        (0,),
        nobody_tied,
        lambda manifest: manifest.update(lot=None),
    ),
    "honest_lot_hidden_but_none_was_due": logged(needless_commitments, (0,)),
    "honest_lot_whose_time_is_late": logged(
        time_of("lot_committed", "2026-11-05T00:00:00+00:00"), (0,), boards.tied_by_lot
    ),
    "lot_committed_twice": logged(two_commitments, make=boards.tied_by_lot),
    "honest_made_late": logged(moved_behind("key_added", "poll_counted", is_board_key), (0,)),
    "board_entered_before_its_key": logged(moved_behind("key_added", "board_published", is_board_key)),
    "board_key_put_in_after_the_count": logged(another_board_key),
    "entry_moved": logged(lambda events: events[1].update(position=7)),
    "entry_without_a_time": logged(lambda events: events[1].update(at="soon")),
    "version_as_true": logged(bodies_say("board_published", version=True), (2,)),
    "fraction_in_a_body": logged(bodies_say("poll_closed", closes_at=0.5)),
    "huge_number_in_a_body": in_entries(lambda data: data.replace(b'"revision":1', b'"revision":9007199254740993')),
    "key_twice_in_an_entry": in_entries(lambda data: data.replace(b'"revision":1', b'"revision":1,"revision":1')),
    "nan_in_an_entry": in_entries(lambda data: data.replace(b'"revision":1', b'"revision":NaN')),
    "deep_entry": in_entries(lambda data: data.replace(b'"revision":1', b'"revision":' + b"[" * 9000 + b"]" * 9000)),
    "mark_before_an_entry": in_entries(lambda data: b"\xef\xbb\xbf" + data),
    "keys_twice": in_log("keys.json", lambda data: data.replace(b'{"v": 1,', b'{"keys": [], "v": 1,')),
    "mark_before_keys": in_log("keys.json", lambda data: b"\xef\xbb\xbf" + data),
    "keys_a_number": in_log("keys.json", lambda data: b'{"v":1,"origin":"voting.example.org","keys":7}'),
    "checkpoint_with_carriage_returns": in_log("checkpoint", lambda data: data.replace(b"\n", b"\r\n"), REFUSED),
    "log_of_more_than_there_are_people": endless_log,
    "of_another_site": of_another_log,
    "entry_changed": in_log("tile/entries/001.p/52", lambda data: data.replace(b'"revision":1', b'"revision":2')),
    "checkpoint_changed": in_log("checkpoint", lambda data: data.replace(b"registry\n308", b"registry\n307")),
}
"""name → (service, files, registry, expected)."""


# ---- receipts


def receipt_case(make: Callable = boards.one_choice, receipt: Callable = lambda service, vote: service.receipt(vote),
                 expected: tuple = (1,), lost: bool = False, say: Callable = lambda manifest: None,
                 log: Callable | None = lambda events: None) -> Callable:  # fmt: skip
    """A board with one receipt to look up, of a vote that the board has or has lost."""

    def made():
        service = make()
        vote = service.votes[7]
        given = receipt(service, vote)
        if lost:
            service.votes = [other for other in service.votes if other is not vote]
        files = service.files(say)
        return service, files, None if log is None else service.registry(files, log), given, expected

    return made


def of_others_record(service, vote):
    return service.receipt(vote, leaves=[board.leaf_hash(service.entry(service.votes[8], 1))])


def of_a_kind(kind):
    def make(service, vote):
        facts = {**service.receipt(vote)["receipt"], "kind": kind}
        return service.signed_receipt(facts)

    return make


def one_superseded(service, vote):
    """Of its two records the board calls one replaced; the other is simply gone."""
    service.superseded = (*service.superseded, board.leaf_hash(service.entry(vote, 1)))
    return service.receipt(vote)


def without_receipt_keys(manifest):
    manifest["keys"] = [listed for listed in manifest["keys"] if listed["purpose"] != "receipt"]


def receipt_key_begins_later(manifest):
    for listed in manifest["keys"]:
        if listed["purpose"] == "receipt":
            listed["valid_from"] = "2026-11-13T00:00:00+00:00"


def receipt_key_ends(manifest):
    for listed in manifest["keys"]:
        if listed["purpose"] == "receipt":
            listed["valid_to"] = "2026-11-05T00:00:00+00:00"


def forged(service, vote):
    service.receipt_key, honest = boards.key("forger"), service.receipt_key
    made = service.receipt(vote)
    service.receipt_key = honest
    return made


WITHOUT_LOG = (0, 2)
"""A board alone is incomplete; a verifier that judges only the receipt may go on."""

RECEIPTS: dict[str, Callable] = {
    "counted": receipt_case(expected=(0,)),
    "counted_without_log": receipt_case(expected=WITHOUT_LOG, log=None),
    "missing": receipt_case(lost=True),
    "clash": receipt_case(receipt=of_others_record),
    "without_leaves": receipt_case(receipt=lambda service, vote: service.receipt(vote, leaves=[])),
    "of_unknown_kind": receipt_case(receipt=of_a_kind("whatever")),
    "acceptance_in_an_inclusion_poll": receipt_case(receipt=lambda service, vote: service.acceptance(vote)),
    "one_superseded_one_missing": receipt_case(boards.by_name, one_superseded, lost=True),
    "missing_and_its_key_left_out": receipt_case(lost=True, say=without_receipt_keys),
    "missing_and_its_key_ended_early": receipt_case(lost=True, say=receipt_key_ends),
    "missing_and_its_key_begins_later": receipt_case(lost=True, say=receipt_key_begins_later),
    "counted_and_its_key_left_out": receipt_case(expected=(0,), say=without_receipt_keys),
    "forged": receipt_case(receipt=forged),
    "day_of_no_month": receipt_case(receipt=lambda service, vote: service.receipt(vote, day="2026-11-31")),
    "day_without_dashes": receipt_case(receipt=lambda service, vote: service.receipt(vote, day="20261110")),
    "day_in_wide_digits": receipt_case(receipt=lambda service, vote: service.receipt(vote, day="２０２６-11-10")),
    "day_before_its_key": receipt_case(receipt=lambda service, vote: service.receipt(vote, day="2025-12-30")),
    "day_before_its_key_without_log": receipt_case(
        receipt=lambda service, vote: service.receipt(vote, day="2025-12-30"), log=None
    ),
    "counted_on_the_day_before_its_key": receipt_case(
        receipt=lambda service, vote: service.receipt(vote, day="2025-12-31"), expected=(0,)
    ),
    "counted_by_a_key_retired_before": receipt_case(expected=(0,), log=retires("receipt", "2026-11-01T00:00:00+00:00")),
    "counted_by_a_key_the_manifest_ends_early": receipt_case(expected=WITHOUT_LOG, say=receipt_key_ends, log=None),
    "counted_under_another_key_id": receipt_case(
        receipt=lambda service, vote: {**service.receipt(vote), "key_id": "00000000"}, expected=(0,)
    ),
    "of_too_many_records": receipt_case(
        receipt=lambda service, vote: service.receipt(vote, leaves=[b"%032d" % n for n in range(1_001)])
    ),
}
"""name → (service, files, registry or None, receipt, expected)."""


def main() -> None:
    """Write the corpus for verifiers in other languages."""
    root, n = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    index = {}
    for name in case_names():
        found = case(name)
        boards.write(found.files, root / found.name)
        index[found.name] = {"expected": list(found.expected), "key": found.key}
        if found.registry is not None:
            boards.write(found.registry, root / f"{found.name}.registry")
            index[found.name]["registry"] = f"{found.name}.registry"
        if found.receipt is not None:
            (root / f"{found.name}.receipt.json").write_text(json.dumps(found.receipt))
            index[found.name]["receipt"] = f"{found.name}.receipt.json"
    service = boards.one_choice()
    honest = service.files()
    boards.write(service.registry(honest), root / "mutation.registry")
    for number, (path, data) in enumerate(mutations(honest, n)):
        boards.write({**honest, path: data}, root / f"mutation-{number}")
        index[f"mutation-{number}"] = {"expected": [1, 2], "key": service.vkey, "file": path,
                                        "registry": "mutation.registry"}  # fmt: skip
    (root / "index.json").write_text(json.dumps(index, indent=1))


if __name__ == "__main__":
    main()

"""The browser's verifier compares a board with the site's registry log: keys, rules, lots, and the board itself."""

import base64
import json

import pytest
from tests.verifiers import boards, tampering
from tests.verifiers.browser_core import run_core

LOT = boards.tied_by_lot


def checked(tmp_path, service, *, files=None, log=None):
    """What the page says of a board beside a registry; both honest unless they are given."""
    files = files or service.files()
    boards.write(files, tmp_path / "board")
    boards.write(service.registry(files) if log is None else log, tmp_path / "registry")
    (reply,) = run_core([{"do": "board", "dir": str(tmp_path / "board"), "registry": str(tmp_path / "registry")}])
    return reply


def states(reply):
    return reply["verdict"], reply["states"]["keys"], reply["states"]["registry"]


@pytest.mark.parametrize("name", ["one_choice", "tied_by_lot", "tied_for_the_chair", "no_votes"])
def test_an_honest_board_is_what_the_registry_says(name, tmp_path):
    assert states(checked(tmp_path, boards.SAMPLES[name]())) == ("valid", "passed", "passed")


@pytest.mark.parametrize("others", [0, 247, 248, 249, 503, 504, 600])
def test_a_log_of_many_tiles_is_hashed_whole(others, tmp_path):
    service = boards.one_choice(20)
    files = service.files()
    log = service.registry(files, others=others)
    assert states(checked(tmp_path, service, files=files, log=log)) == ("valid", "passed", "passed")
    path = next(path for path in sorted(log) if "entries" in path)
    log[path] = log[path].replace(b"poll_sealed", b"poll_opened", 1)
    reply = checked(tmp_path / "changed", service, files=files, log=log)
    assert states(reply) == ("invalid", "failed", "skipped")


def edited(kind, act):
    """A change of the log's events of one kind: `act` gives each anew, or None to leave it out."""

    def change(events):
        events[:] = [new for event in events if (new := act(event) if event["kind"] == kind else event)]

    return change


def saying(**body):
    return lambda event: event | {"body": event["body"] | body}


def moved_behind(kind, other):
    """Events of a kind entered right after another, a day later."""

    def change(events):
        late = [event | {"at": "2026-11-02T00:00:00+00:00"} for event in events if event["kind"] == kind]
        events[:] = [event for event in events if event["kind"] != kind]
        at = next(i for i, event in enumerate(events) if event["kind"] == other)
        events[at + 1 : at + 1] = late

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (edited("key_added", lambda event: None), ("invalid", "failed", "passed")),
        (edited("key_added", lambda event: None if event["body"]["purpose"] == "receipt" else event),
         ("invalid", "failed", "passed")),
        (edited("key_added", saying(public=base64.b64encode(bytes(32)).decode())), ("invalid", "failed", "passed")),
        (edited("poll_sealed", lambda event: None), ("invalid", "passed", "failed")),
        (edited("poll_sealed", saying(poll_hash="00" * 32)), ("invalid", "passed", "failed")),
        (edited("poll_sealed", lambda event: event | {"poll": "00" * 16}), ("invalid", "passed", "failed")),
        (edited("board_published", saying(manifest="00" * 32)), ("invalid", "passed", "failed")),
        (edited("board_published", saying(roots={"1": "00" * 32})), ("invalid", "passed", "failed")),
        (edited("board_published", saying(sizes={"1": 3})), ("invalid", "passed", "failed")),
        (edited("board_published", lambda event: None), ("incomplete", "passed", "skipped")),
        (edited("board_published", lambda event: None if event["body"]["version"] == 2 else event),
         ("incomplete", "passed", "skipped")),
        (lambda events: events.append(saying(version=3)(events[-1])), ("incomplete", "passed", "skipped")),
        (edited("lot_committed", lambda event: None), ("invalid", "passed", "failed")),
        (edited("lot_committed", saying(commitment="00" * 32)), ("invalid", "passed", "failed")),
        (edited("lot_committed", lambda event: None if event["body"]["party"] == "observer" else event),
         ("invalid", "passed", "failed")),
        (moved_behind("lot_committed", "poll_opened"), ("invalid", "passed", "failed")),
    ],
)  # fmt: skip
def test_a_board_that_the_registry_contradicts_is_not_valid(change, expected, tmp_path):
    service = LOT()
    files = service.files()
    assert states(checked(tmp_path, service, files=files, log=service.registry(files, change))) == expected


def test_lots_ground_after_the_count_are_invalid(tmp_path):
    """The service looks for secrets until the lot falls as it likes, and commits to them in the manifest alone."""
    honest, ground = LOT(), LOT()
    secret = bytes(31) + b"!"
    other = boards.commitment(ground.poll_hash, boards.Party.OBSERVER, secret).hex()
    ground.lot = lambda: honest.lot() | {"observer": {"commitment": other, "secret": secret.hex()}}
    ground.order = lambda question, roots, ties: boards.Service.order(ground, question, roots, ties)
    before, boards.SECRETS = boards.SECRETS, (boards.SECRETS[0], secret)
    try:
        files = ground.files()
    finally:
        boards.SECRETS = before
    log = honest.registry(files)
    alone = next(run_core([{"do": "board", "dir": str(boards.write(files, tmp_path / "alone"))}]))
    assert alone["verdict"] == "valid"
    reply = checked(tmp_path, honest, files=files, log=log)
    assert states(reply) == ("invalid", "passed", "failed")
    assert "observer" in reply["failed"][0]["detail"]


@pytest.mark.parametrize(
    ("at", "verdict"), [("2026-11-15T09:00:04+00:00", "invalid"), ("2026-11-16T00:00:00Z", "valid")]
)
def test_a_board_key_retired_before_the_count_signs_nothing(at, verdict, tmp_path):
    service = boards.one_choice(20)
    files = service.files()
    log = service.registry(files, tampering.retires("board", at))
    assert checked(tmp_path, service, files=files, log=log)["verdict"] == verdict


@pytest.mark.parametrize(
    ("valid_to", "verdict"), [("2026-11-15T09:00:04.999999Z", "invalid"), ("2026-11-15T09:00:05Z", "valid")]
)
def test_a_key_that_the_manifest_says_was_retired_signs_nothing(valid_to, verdict, tmp_path):
    service = boards.one_choice(20)
    boards.write(service.files(lambda manifest: manifest["keys"][0].update(valid_to=valid_to)), tmp_path)
    (reply,) = run_core([{"do": "board", "dir": str(tmp_path)}])
    assert reply["verdict"] == verdict


def test_a_registry_that_cannot_be_read_leaves_the_check_open(tmp_path):
    service = boards.one_choice(20)
    files = service.files()
    log = service.registry(files)
    for path in ("checkpoint", "keys.json"):
        there = {name: data for name, data in log.items() if name != path}
        reply = checked(tmp_path / path, service, files=files, log=there)
        assert states(reply) == ("incomplete", "skipped", "skipped")
        assert reply["skips"][0]["why"] == "unreachable"
    service.host = "elsewhere.example"
    other = service.registry(files)
    service.host = boards.HOST
    assert states(checked(tmp_path / "other", service, files=files, log=other)) == ("incomplete", "skipped", "skipped")


@pytest.mark.parametrize("change", ["another key", "no entry", "no json"])
def test_a_log_that_is_not_what_was_signed_is_invalid(change, tmp_path):
    service = boards.one_choice(20)
    files = service.files()
    log = service.registry(files)
    if change == "another key":
        public = base64.b64encode(boards.raw(boards.key("another"))).decode()
        log["keys.json"] = json.dumps(
            {"origin": service.host, "keys": [{"purpose": "registry", "public": public}]}
        ).encode()
    elif change == "no entry":
        del log[next(path for path in log if "entries" in path)]
    else:
        log["keys.json"] = b"<html>"
    assert states(checked(tmp_path, service, files=files, log=log)) == ("invalid", "failed", "skipped")

"""Receipts in the browser's verifier: found, hidden, lost, forged. A lost one leaves a complaint anybody checks."""

import base64
import json

import pytest
from tests.verifiers import boards, tampering
from tests.verifiers.browser_core import run_core

import veche_verify
from polls.board import grouped_code, short_code
from polls.definition import Privacy, ReceiptKind

WAYS = ("board", "quick")


def asked(way, directory, token):
    """What one way of looking says about a receipt (a dictionary) or a text."""
    text = token if isinstance(token, str) else json.dumps(token)
    (reply,) = run_core([{"do": way, "dir": str(directory), "token": text}])
    return reply


@pytest.fixture(scope="module")
def service():
    return boards.one_choice(900)


@pytest.fixture(scope="module")
def directory(service, tmp_path_factory):
    return boards.write(service.files(), tmp_path_factory.mktemp("board"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("voter", [0, 255, 511, 899])
def test_a_receipt_is_found_with_its_answer(way, voter, service, directory):
    vote = service.votes[voter]
    ballot = asked(way, directory, service.receipt(vote))["ballot"]
    assert ballot["state"] == "counted"
    assert [found["answer"] for found in ballot["found"]] == [vote.answers[1]]


def test_looking_one_up_reads_a_part_of_the_board(service, directory):
    reply = asked("quick", directory, service.receipt(service.votes[1]))
    tiles = [path for path in reply["asked"] if "/tile/0/" in path]
    assert len(tiles) <= 3  # of four: the binary search, and what the proof needs
    assert len([path for path in reply["asked"] if "/entries/" in path]) == 1


@pytest.mark.parametrize("spelled", [str, str.lower, grouped_code, lambda code: f" {grouped_code(code).lower()}\n"])
def test_a_typed_code_finds_the_ballot(spelled, service, directory):
    vote = service.votes[5]
    ballot = asked("board", directory, spelled(short_code(service.ballot(vote))))["ballot"]
    assert ballot["state"] == "numbered"
    assert ballot["found"][0]["answer"] == vote.answers[1]


def test_a_code_does_not_say_that_a_changed_ballot_is_counted(service, tmp_path):
    """Changed before the count: the nonce follows from the code alone, so the record is found, with another answer."""
    vote = service.votes[5]
    receipt, before = service.receipt(vote), vote.answers[1]
    vote.answers = {1: "[2]" if before != "[2]" else "[3]"}
    directory = boards.write(service.files(), tmp_path / "changed")
    ballot = asked("board", directory, short_code(service.ballot(vote)))["ballot"]
    assert (ballot["state"], ballot["complaint"]) == ("numbered", None)
    assert ballot["found"][0]["answer"] == vote.answers[1] != before
    for way in WAYS:
        assert asked(way, directory, receipt)["ballot"]["state"] == "missing"


def test_a_code_of_nobody_is_nowhere_and_proves_nothing(directory):
    ballot = asked("board", directory, short_code(b"nobody's ballot!"))["ballot"]
    assert (ballot["state"], ballot["complaint"]) == ("nowhere", None)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [1, 2, 257, 600])
@pytest.mark.parametrize("voter", [0, -1])
def test_a_lost_ballot_leaves_a_complaint_that_anybody_checks(way, size, voter, tmp_path, capsys):
    service = boards.one_choice(size)
    vote = sorted(service.votes, key=lambda vote: boards.board.leaf_hash(service.entry(vote, 1)))[voter]
    receipt = service.receipt(vote)
    service.votes = [other for other in service.votes if other is not vote]
    boards.write(service.files(), tmp_path / "board")
    ballot = asked(way, tmp_path / "board", receipt)["ballot"]
    assert ballot["state"] == "missing"
    (tmp_path / "complaint.json").write_text(json.dumps(ballot["complaint"]))
    found = veche_verify.run(["--lang=en", "--complaint", str(tmp_path / "complaint.json"), "--key", service.vkey])
    assert found == 0, capsys.readouterr().out


@pytest.mark.parametrize("way", WAYS)
def test_a_receipt_of_many_questions_is_found_in_each(way, tmp_path):
    service = boards.every_rule(40)
    boards.write(service.files(), tmp_path)
    ballot = asked(way, tmp_path, service.receipt(service.votes[3]))["ballot"]
    assert ballot["state"] == "counted"
    assert {found["question"]: found["answer"] for found in ballot["found"]} == service.votes[3].answers


@pytest.mark.parametrize("way", WAYS)
def test_what_is_withheld_is_counted_and_not_shown(way, tmp_path):
    service = boards.with_styles(withheld=(1,))
    boards.write(service.files(), tmp_path)
    hidden = next(vote for vote in service.votes if vote.style == 1)
    assert asked(way, tmp_path, service.receipt(hidden))["ballot"]["state"] == "withheld"


@pytest.mark.parametrize("way", WAYS)
def test_a_replaced_vote_is_named(way, tmp_path):
    service = named(boards.one_choice(20))
    old = boards.Vote(b"an earlier vote!", {1: "[2]"})
    service.superseded = (boards.board.leaf_hash(service.entry(old, 1)),)
    boards.write(service.files(), tmp_path)
    assert asked(way, tmp_path, service.receipt(old))["ballot"]["state"] == "superseded"


@pytest.mark.parametrize("way", WAYS)
def test_forged_foreign_and_acceptance_receipts_are_told_apart(way, service, directory):
    receipt = service.receipt(service.votes[0])
    leaf = receipt["receipt"]["leaves"][0]
    forged = {**receipt, "receipt": {**receipt["receipt"], "leaves": [leaf[:-1] + ("0" if leaf[-1] != "0" else "1")]}}
    other = boards.one_choice(3)
    other.definition = other.definition.model_copy(update={"poll_id": "a1" * 16})
    states = [asked(way, directory, one)["ballot"]["state"] for one in (forged, other.receipt(other.votes[0]))]
    assert states == ["not_signed", "another_poll"]


@pytest.mark.parametrize("way", WAYS)
def test_a_receipt_of_acceptance_is_genuine_where_the_poll_gives_such(way, tmp_path):
    service = boards.one_choice(20)
    service.definition = service.definition.model_copy(update={"receipt": ReceiptKind.ACCEPTANCE_ONLY})
    boards.write(service.files(), tmp_path)
    vote = service.votes[0]
    states = [asked(way, tmp_path, one)["ballot"]["state"] for one in (service.acceptance(vote), service.receipt(vote))]
    assert states == ["acceptance", "improper"]


def spoilt(service, **changes):
    """A well signed receipt that says something else; a field of None is left out."""
    facts = service.receipt(service.votes[0])["receipt"] | changes
    return service.signed_receipt({name: value for name, value in facts.items() if value is not None})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "changes",
    [{"leaves": []}, {"leaves": None}, {"leaves": "none"}, {"leaves": ["00"]}, {"kind": "whatever"}, {"kind": None},
     {"kind": "acceptance_only"}, {"v": 2}, {"day": "yesterday"}, {"ballot": "short"}, {"ballot": None}, {"more": 1}],
)  # fmt: skip
def test_a_signed_receipt_that_says_nothing_is_not_waved_through(way, changes, service, directory):
    ballot = asked(way, directory, spoilt(service, **changes))["ballot"]
    assert (ballot["state"], ballot["found"]) == ("improper", [])


@pytest.mark.parametrize("way", WAYS)
def test_a_leaf_named_twice_is_improper(way, service, directory):
    leaf = service.receipt(service.votes[0])["receipt"]["leaves"][0]
    assert asked(way, directory, spoilt(service, leaves=[leaf, leaf]))["ballot"]["state"] == "improper"


@pytest.mark.parametrize("way", WAYS)
def test_a_record_promised_to_two_voters_is_a_clash(way, service, directory):
    one, other = service.votes[:2]
    leaf = boards.board.leaf_hash(service.entry(one, 1))
    ballot = asked(way, directory, service.receipt(other, leaves=[leaf]))["ballot"]
    assert (ballot["state"], ballot["found"]) == ("clash", [])


@pytest.mark.parametrize("way", WAYS)
def test_a_ballot_that_is_replaced_in_part_and_missing_in_part_is_missing(way, tmp_path):
    service = named(boards.one_choice(20))
    old = boards.Vote(b"an earlier vote!", {1: "[2]"})
    leaf = boards.board.leaf_hash(service.entry(old, 1))
    service.superseded = (leaf,)
    boards.write(service.files(), tmp_path)
    lost = boards.board.leaf_hash(service.entry(boards.Vote(old.key, {1: "[3]"}), 1))
    ballot = asked(way, tmp_path, service.receipt(old, leaves=[leaf, lost]))["ballot"]
    assert ballot["state"] == "missing"
    assert [one["leaf"] for one in ballot["complaint"]["missing"]] == [lost.hex()]


def named(service):
    service.definition = service.definition.model_copy(update={"privacy": Privacy.NAMED, "may_change": True})
    return service


@pytest.mark.parametrize("way", WAYS)
def test_a_key_of_the_registry_makes_a_receipt_genuine_whatever_the_manifest_says(way, service, tmp_path):
    lost = service.receipt(service.votes[0])
    smaller = boards.one_choice(900)
    smaller.votes = smaller.votes[1:]
    leave_out = lambda manifest: manifest["keys"].pop()  # noqa: E731
    files = smaller.files(leave_out)
    boards.write(files, tmp_path / "board")
    boards.write(smaller.registry(files), tmp_path / "registry")
    command = {"do": way, "dir": str(tmp_path / "board"), "token": json.dumps(lost)}
    without, with_log = run_core([command, command | {"registry": str(tmp_path / "registry")}])
    assert [reply["ballot"]["state"] for reply in (without, with_log)] == ["not_signed", "missing"]
    compared = {"board": ["whole", "whole"], "quick": ["board", "keys"]}
    assert [reply["ballot"]["compared"] for reply in (without, with_log)] == compared[way]
    assert with_log["ballot"]["complaint"]


@pytest.mark.parametrize(
    ("day", "state"), [("2026-10-01", "counted"), ("2025-12-01", "not_signed"), ("2026-12-20", "counted")]
)
def test_a_receipt_is_of_no_day_before_its_key(day, state, service, directory, tmp_path):
    retired = tampering.retires("receipt", "2026-12-01T00:00:00+00:00")
    boards.write(service.registry(service.files(), retired), tmp_path)
    token = json.dumps(service.receipt(service.votes[0], day=day))
    (reply,) = run_core([{"do": "board", "dir": str(directory), "token": token, "registry": str(tmp_path)}])
    assert reply["ballot"]["state"] == state


@pytest.mark.parametrize("way", WAYS)
def test_what_a_qr_holds_is_read_too(way, service, directory):
    receipt = service.receipt(service.votes[9])
    body = json.dumps(receipt["receipt"], separators=(",", ":"), sort_keys=True)
    signature = base64.urlsafe_b64encode(base64.b64decode(receipt["signature"])).decode().rstrip("=")
    text = f"veche-receipt/1 {receipt['key_id']} {signature} {body}"
    assert asked(way, directory, text)["ballot"]["state"] == "counted"


def test_a_ballot_is_not_judged_on_a_board_that_contradicts_itself(service, directory):
    token = json.dumps(service.receipt(service.votes[0]))
    bundle = (directory / "q1/tile/entries/000").read_bytes()
    changed = base64.b64encode(bundle.replace(b"[1]", b"[2]", 1)).decode()
    (reply,) = run_core(
        [{"do": "board", "dir": str(directory), "token": token, "overlay": {"q1/tile/entries/000": changed}}]
    )
    assert (reply["verdict"], reply["ballot"]["state"]) == ("invalid", "unsure")

"""Honest boards are valid, with receipts, proofs and earlier checkpoints; what cannot be checked is said."""

import base64
import json
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import rfc8785
from tests.verifiers import boards, tampering

import veche_verify as verifier
from polls import board


def verify(*arguments, language="en"):
    return verifier.run([f"--lang={language}", *boards.with_log(*arguments)])


def report_of(capsys, *arguments):
    code = verifier.run(["--lang=en", "--json", *boards.with_log(*arguments)])
    found = json.loads(capsys.readouterr().out)
    assert found["exit"] == code
    return found


def save(path, value):
    path.write_text(json.dumps(value))
    return path


@pytest.fixture
def service():
    return boards.one_choice()


@pytest.fixture
def directory(service, tmp_path):
    return boards.write(service.files(), tmp_path / "board")


def lost(service):
    """A vote whose record the service leaves out though it signed a receipt, and the board without it."""
    vote = service.votes[7]
    receipt = service.receipt(vote)
    service.votes = [other for other in service.votes if other is not vote]
    return receipt


# ---- boards


@pytest.mark.parametrize("name", boards.SAMPLES)
def test_an_honest_board_is_valid_and_the_key_is_spoken_of(name, tmp_path, capsys):
    service = boards.SAMPLES[name]()
    directory = boards.write(service.files(), tmp_path / "board")
    assert verify(directory, "--key", service.vkey) == 0, capsys.readouterr().out
    assert "from the site itself" not in capsys.readouterr().out
    assert verify(directory) == 0
    assert "taken from the site itself" in capsys.readouterr().out
    assert verify(directory, language="ru") == 0
    assert "ВЕРНО" in capsys.readouterr().out


def test_a_board_of_more_than_one_level_of_tiles_is_valid(tmp_path, capsys):
    service = boards.one_choice(66_000)
    service.entitled = 100_000
    directory = boards.write(service.files(), tmp_path / "board")
    assert (directory / "q1/tile/2/000.p/1").exists()
    receipt = save(tmp_path / "receipt.json", service.receipt(service.votes[0]))
    proof = tmp_path / "mine.tlog-proof"
    assert verify(directory, "--key", service.vkey, "--receipt", receipt, "--proof", proof) == 0
    assert proof.stat().st_size < 2_000
    assert verify("--check-proof", proof, "--key", service.vkey) == 0


@pytest.mark.parametrize("n", [1, 2, 3, 255, 256, 257, 511, 512, 513])
def test_trees_of_awkward_sizes(n, tmp_path, capsys):
    service = boards.one_choice(n)
    directory = boards.write(service.files(), tmp_path / "board")
    receipts = [save(tmp_path / f"{i}.json", service.receipt(service.votes[i])) for i in {0, n // 2, n - 1}]
    given = [argument for path in receipts for argument in ("--receipt", path)]
    assert verify(directory, *given) == 0, capsys.readouterr().out


def test_withheld_records_are_said_and_keep_the_verdict_open(tmp_path, capsys):
    service = boards.with_styles(withheld=(1,))
    directory = boards.write(service.files(), tmp_path / "board")
    hidden = next(vote for vote in service.votes if vote.style == 1)
    receipt = save(tmp_path / "receipt.json", service.receipt(hidden))
    found = report_of(capsys, directory, "--receipt", receipt)
    assert found["exit"] == 2
    assert not found["wrong"]
    assert any("withheld" in line for line in found["checked"])
    assert any("was not counted again" in line for line in found["not_checked"])


@pytest.mark.parametrize(
    ("kind", "rule"),
    [("budget", {"method": "equal_shares", "budget": 500}), ("ranking", {"method": "stv_scottish"}),
     ("ranking", {"method": "stv_meek"}), ("ranking", {"method": "ranked_pairs"})],
)  # fmt: skip
def test_a_rule_that_is_not_run_again_is_named(kind, rule, tmp_path, capsys):
    options = [boards.an_option(i, **({"cost": 200} if kind == "budget" else {})) for i in (1, 2, 3)]
    asked = {"kind": kind, "id": 1, "text": boards.both("Что?", "What?"), "options": options, "rule": rule}
    answer = "[1,2]" if kind == "budget" else "[[1],[2]]"
    service = boards.Service(boards.define(asked), boards.votes(30, 5, {1: lambda chance, style: answer}))
    found = report_of(capsys, boards.write(service.files(), tmp_path))
    assert found["exit"] == 2
    assert rule["method"] in found["not_checked"][0]


def test_a_tie_that_waits_is_valid_and_said(tmp_path, capsys):
    service = boards.tied_by_lot()
    service.revealed = False
    found = report_of(capsys, boards.write(service.files(), tmp_path))
    assert found["exit"] == 0
    assert any("still to be decided" in line for line in found["notes"])


def test_nothing_to_check_is_never_valid(tmp_path, capsys):
    assert verify() == 2
    assert verify(tmp_path) == 2
    assert verify(tmp_path / "nothing") == 2
    assert verify("https://example.org/") == 2
    assert verify(tmp_path, "--key", "not a key") == 2
    capsys.readouterr()


# ---- receipts


def test_a_receipt_shows_its_answers_back(service, directory, tmp_path, capsys):
    vote = service.votes[3]
    receipt = save(tmp_path / "receipt.json", service.receipt(vote))
    found = report_of(capsys, directory, "--receipt", receipt)
    assert found["exit"] == 0
    assert any("the ballot is counted" in line for line in found["checked"])


def test_a_missing_record_is_a_complaint_that_anybody_checks(service, tmp_path, capsys):
    receipt = save(tmp_path / "receipt.json", lost(service))
    directory = boards.write(service.files(), tmp_path / "board")
    found = report_of(capsys, directory, "--receipt", receipt, "--out", tmp_path)
    assert found["exit"] == 1
    assert len(found["complaints"]) == 1
    complaint = found["complaints"][0]
    assert verify("--complaint", complaint, "--key", service.vkey) == 0, capsys.readouterr().out
    capsys.readouterr()
    assert verify("--complaint", complaint) == 2, "whoever made the complaint may have made the city up as well"
    assert service.vkey in capsys.readouterr().out
    assert verify("--complaint", complaint, "--key", boards.vkey(boards.HOST, boards.key("another"))) == 1
    capsys.readouterr()


def test_complaints_at_both_ends_of_a_tree_and_of_an_empty_one(tmp_path, capsys):
    for keep in (0, 1, 40):
        service = boards.one_choice(41)
        ordered = sorted(service.votes, key=lambda vote: board.leaf_hash(service.entry(vote, 1)))
        for vote in (ordered[0], ordered[-1]):
            service.votes = [other for other in ordered if other is not vote][:keep]
            directory = boards.write(service.files(), tmp_path / f"board-{keep}-{vote.key.hex()}")
            receipt = save(tmp_path / "receipt.json", service.receipt(vote))
            found = report_of(capsys, directory, "--receipt", receipt, "--out", tmp_path)
            assert found["exit"] == 1
            assert verify("--complaint", found["complaints"][0], "--key", service.vkey) == 0, capsys.readouterr().out
            capsys.readouterr()


def test_a_made_up_city_and_its_complaint_prove_nothing(service, tmp_path, capsys):
    liar = boards.one_choice()
    liar.board_key, liar.receipt_key = boards.key("liar's board"), boards.key("liar's receipts")
    receipt = save(tmp_path / "receipt.json", lost(liar))
    directory = boards.write(liar.files(), tmp_path / "board")
    [complaint] = report_of(capsys, directory, "--receipt", receipt, "--out", tmp_path)["complaints"]
    assert verify("--complaint", complaint) == 2
    assert verify("--complaint", complaint, "--key", service.vkey) == 1
    capsys.readouterr()


@pytest.mark.parametrize("change", [tampering.without_receipt_keys, tampering.receipt_key_begins_later])
def test_a_city_cannot_disown_a_receipt_by_its_own_list_of_keys(change, service, tmp_path, capsys):
    receipt = save(tmp_path / "receipt.json", lost(service))
    files = service.files(change)
    directory = boards.write(files, tmp_path / "board")
    registry = boards.write(service.registry(files), tmp_path / "registry")
    pinned = ["--key", boards.vkey(f"{boards.HOST}/receipt", service.receipt_key)]
    for more in (["--registry", registry], [*pinned, "--key", service.vkey]):
        for old in tmp_path.glob("complaint-*"):
            old.unlink()
        [complaint] = report_of(capsys, directory, "--receipt", receipt, "--out", tmp_path, *more)["complaints"]
        assert verify("--complaint", complaint, "--key", service.vkey, *more) == 0, capsys.readouterr().out
        assert verify("--complaint", complaint, "--key", service.vkey) == 2
        assert "does not list the key" in capsys.readouterr().out
        forger = boards.vkey(f"{boards.HOST}/receipt", boards.key("forger"))
        assert verify("--complaint", complaint, "--key", service.vkey, "--key", forger) == 1
        capsys.readouterr()


def test_a_receipt_of_a_retired_key_stays_good(service, tmp_path, capsys):
    """A web process that was not restarted signs with it; and a thief would write an earlier day."""
    receipt = save(tmp_path / "receipt.json", lost(service))
    directory = boards.write(service.files(tampering.receipt_key_ends), tmp_path / "board")
    [complaint] = report_of(capsys, directory, "--receipt", receipt, "--out", tmp_path)["complaints"]
    assert verify("--complaint", complaint, "--key", service.vkey) == 0, capsys.readouterr().out
    capsys.readouterr()


def test_trees_signed_after_the_count_need_a_key_that_somebody_vouches_for(service, tmp_path, capsys):
    """Of polls that an earlier release counted: nobody had a key then."""
    late = boards.write(service.files(tampering.younger_key()), tmp_path / "board")
    assert verifier.run(["--lang=en", str(late)]) == 2
    assert "younger than the count" in capsys.readouterr().out
    assert verifier.run(["--lang=en", str(late), "--key", service.vkey]) == 2  # for the log alone
    said = capsys.readouterr().out
    assert "made and signed after the count" in said and "younger than the count" not in said
    change = tampering.moved_behind("key_added", "poll_counted", tampering.is_board_key)
    log = boards.write(service.registry(service.files(tampering.younger_key()), change), tmp_path / "log")
    assert verify(late, "--registry", log) == 0


@pytest.mark.parametrize("half", ["json", "note"])
def test_a_board_saved_between_two_files_is_not_called_false(half, tmp_path, capsys):
    files = boards.tied_for_the_chair().files()
    files[f"manifest.{half}"] = files[f"manifest-1.{half}"]
    directory = boards.write(files, tmp_path)
    assert verify(directory) == 2
    assert "Read them again" in capsys.readouterr().out
    (directory / f"manifest-1.{half}").write_bytes(b"another")
    assert verify(directory) == 1
    capsys.readouterr()


def test_a_key_list_of_our_own_knows_when_a_key_was_retired(service, tmp_path, capsys):
    """Though the manifest that the thief made lists it as in use."""
    directory = boards.write(service.files(), tmp_path / "board")
    listed = {"vkey": service.vkey, "purpose": "board", "valid_to": None}
    for ends, code in ((None, 0), ("2026-11-16T00:00:00+00:00", 0), ("2026-11-14T00:00:00+00:00", 1)):
        keys = save(tmp_path / "keys.json", {"keys": [{**listed, "valid_to": ends}]})
        assert verify(directory, "--keys", keys) == code, ends
    capsys.readouterr()


def changed_complaints(complaint, other_receipt):
    """Complaints that prove nothing."""
    first = complaint["missing"][0]["trees"][0]

    def with_first(**changes):
        return complaint | {"missing": [{**complaint["missing"][0], "trees": [{**first, **changes}]}]}

    yield "a neighbour moved", with_first(left={**first["left"], "index": first["left"]["index"] - 1})
    yield "no neighbour", with_first(left=None)
    yield "neither neighbour", with_first(left=None, right=None)
    yield "one neighbour twice", with_first(right=first["left"])
    yield "another entry", with_first(left={**first["left"], "entry": base64.b64encode(b"x").decode()})
    yield "another size", with_first(size=1, checkpoint=first["checkpoint"].replace("\n299\n", "\n1\n"))
    yield "no trees", complaint | {"missing": [{**complaint["missing"][0], "trees": []}]}
    yield "nothing missing", complaint | {"missing": []}
    yield "another leaf", complaint | {"missing": [{**complaint["missing"][0], "leaf": "00" * 32}]}
    yield "another receipt", complaint | {"receipt": other_receipt}
    yield (
        "another day",
        complaint
        | {"receipt": {**complaint["receipt"], "receipt": {**complaint["receipt"]["receipt"], "day": "2026-11-11"}}},
    )
    yield "another note", complaint | {"manifest_note": first["checkpoint"]}


def test_a_false_complaint_is_refused(service, tmp_path, capsys):
    receipt = save(tmp_path / "receipt.json", lost(service))
    directory = boards.write(service.files(), tmp_path / "board")
    found = report_of(capsys, directory, "--receipt", receipt, "--out", tmp_path)
    complaint = json.loads(Path(found["complaints"][0]).read_text())
    for name, changed in changed_complaints(complaint, service.receipt(service.votes[0])):
        assert verify("--complaint", save(tmp_path / "changed.json", changed)) == 1, name
    capsys.readouterr()


def test_a_present_record_makes_no_complaint(service, tmp_path, capsys):
    """The neighbours of a record that is there cannot be shown side by side."""
    receipt = save(tmp_path / "receipt.json", lost(service))
    directory = boards.write(service.files(), tmp_path / "board")
    found = report_of(capsys, directory, "--receipt", receipt, "--out", tmp_path)
    complaint = json.loads(Path(found["complaints"][0]).read_text())
    mine = service.receipt(service.votes[0])
    complaint["receipt"] = mine
    complaint["missing"][0]["leaf"] = mine["receipt"]["leaves"][0]
    assert verify("--complaint", save(tmp_path / "changed.json", complaint)) == 1
    capsys.readouterr()


def test_forged_receipts_prove_nothing(service, directory, tmp_path, capsys):
    good = service.receipt(service.votes[0])
    another = boards.one_choice()
    another.receipt_key = boards.key("forger")
    forged = {
        "by another key": another.receipt(another.votes[0]),
        "under our key's name": {**another.receipt(another.votes[0]), "key_id": good["key_id"]},
        "another leaf": {**good, "receipt": {**good["receipt"], "leaves": ["00" * 32]}},
        "another ballot": {**good, "receipt": {**good["receipt"], "ballot": "A" * 26}},
        "with more": {**good, "receipt": {**good["receipt"], "more": 1}},
        "signed for another's record": service.receipt(
            service.votes[0], leaves=[board.leaf_hash(service.entry(service.votes[1], 1))]
        ),
        "before the key": service.receipt(service.votes[0], day="2020-01-01"),
        "nothing": {},
    }
    for name, receipt in forged.items():
        path = save(tmp_path / "receipt.json", receipt)
        assert verify(directory, "--receipt", path, "--out", tmp_path) == 1, name
    assert not list(tmp_path.glob("complaint-*"))
    capsys.readouterr()


def test_a_receipt_of_another_poll_is_not_looked_for(service, directory, tmp_path, capsys):
    service.definition = boards.define(boards.a_single_choice(1), poll_id="a1" * 16)
    path = save(tmp_path / "receipt.json", service.receipt(service.votes[0]))
    assert verify(directory, "--receipt", path) == 2
    assert "another poll" in capsys.readouterr().out


def test_an_acceptance_receipt_cannot_show_inclusion(tmp_path, capsys):
    service = boards.one_choice()
    service.definition = boards.define(boards.a_single_choice(1, required=False), receipt="acceptance_only")
    directory = boards.write(service.files(), tmp_path / "board")
    path = save(tmp_path / "receipt.json", service.acceptance(service.votes[0]))
    found = report_of(capsys, directory, "--receipt", path)
    assert found["exit"] == 2
    assert any("is signed by this service" in line for line in found["checked"])


def test_a_replaced_vote_is_said(tmp_path, capsys):
    service = boards.one_choice()
    more = {"privacy": "named", "may_change": True}
    service.definition = boards.define(boards.a_single_choice(1, required=False), **more)
    receipt = lost(service)
    service.superseded = (bytes.fromhex(receipt["receipt"]["leaves"][0]),)
    directory = boards.write(service.files(), tmp_path / "board")
    found = report_of(capsys, directory, "--receipt", save(tmp_path / "receipt.json", receipt), "--out", tmp_path)
    assert found["exit"] == 0
    assert any("replaced" in line for line in found["notes"])


def test_a_proof_is_small_and_stands_alone(service, directory, tmp_path, capsys):
    receipt = save(tmp_path / "receipt.json", service.receipt(service.votes[5]))
    proof = tmp_path / "mine.tlog-proof"
    assert verify(directory, "--receipt", receipt, "--proof", proof) == 0
    assert verify("--check-proof", proof, "--key", service.vkey) == 0
    assert verify("--check-proof", proof) == 2, "without a key the signature was not checked"
    good = proof.read_bytes()
    for at in range(0, len(good), 3):
        bad = bytearray(good)
        bad[at] ^= 1
        proof.write_bytes(bytes(bad))
        assert verify("--check-proof", proof, "--key", service.vkey) in (1, 2), at
    capsys.readouterr()


# ---- what was kept


def test_the_same_board_as_earlier(service, directory, tmp_path, capsys):
    kept = boards.write(service.files(), tmp_path / "kept")
    found = report_of(capsys, directory, "--previous", kept)
    assert found["exit"] == 0
    assert any("seen earlier" in line for line in found["checked"])
    assert not any("not checked" in line for line in found["notes"])
    assert any("was not checked" in line for line in report_of(capsys, directory)["notes"])


@pytest.mark.parametrize("n", [299, 300, 301])
def test_a_fork_or_a_shrunken_tree_is_seen_with_what_was_kept(n, service, directory, tmp_path, capsys):
    """All of it signed by the service itself, and each board valid when seen alone."""
    other = boards.one_choice(301)
    other.votes = other.votes[:n] if n != 300 else [*other.votes[:299], other.votes[300]]
    forked = boards.write(other.files(), tmp_path / "forked")
    assert verify(forked, "--key", service.vkey) == 0, capsys.readouterr().out
    for kept in (directory, directory / "q1/checkpoint", directory / "manifest.note"):
        assert verify(forked, "--previous", kept) == 1, kept
    capsys.readouterr()


def test_a_checkpoint_of_another_log_is_not_compared(service, directory, tmp_path, capsys):
    other = boards.one_choice()
    other.definition = boards.define(boards.a_single_choice(1, required=False), poll_id="a1" * 16)
    kept = boards.write(other.files(), tmp_path / "kept")
    assert verify(directory, "--previous", kept) == 2
    capsys.readouterr()


# ---- the registry log


def registry(events, directory, forged=False):
    entries = [
        rfc8785.dumps({"at": "2026-11-01T00:00:00Z", "body": {}, "poll": None, "position": n,
                       "kind": "poll_forged" if forged and not n else "poll_sealed"})
        for n in range(events)
    ]  # fmt: skip
    files, _ = boards.tree_files("", entries, f"{boards.HOST}/registry", boards.key("registry"))
    return boards.write(files, directory)


@pytest.mark.parametrize(("before", "now"), [(0, 1), (1, 1), (5, 300), (256, 700), (300, 300), (700, 701)])
def test_the_registry_log_only_grows(before, now, tmp_path, capsys):
    key = boards.vkey(f"{boards.HOST}/registry", boards.key("registry"))
    kept = registry(before, tmp_path / "kept")
    assert verify(registry(now, tmp_path / "now"), "--key", key, "--previous", kept / "checkpoint") == 0
    if before < now:
        assert verify(kept, "--key", key, "--previous", tmp_path / "now/checkpoint") == 1
    if before:
        forged = registry(now, tmp_path / "forged", forged=True)
        assert verify(forged, "--key", key) == 0
        assert verify(forged, "--key", key, "--previous", kept) == 1
    capsys.readouterr()


# ---- over the network


@pytest.fixture
def site(directory, service, tmp_path):
    """A static site with the board at its address, at a wrong one too, and the registry log."""
    root = tmp_path / "site"
    (root / "board").mkdir(parents=True)
    directory.rename(root / "board" / ("5f" * 16))
    (root / "board" / ("a1" * 16)).symlink_to(root / "board" / ("5f" * 16))
    boards.write(service.registry(service.files()), root / "registry")

    class Quiet(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            if self.path.startswith("/api/v1/polls/square"):
                found = json.dumps({"poll_id": "5f" * 16}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(found)))
                self.end_headers()
                self.wfile.write(found)
            elif self.path.startswith(("/loop", "/away")):
                self.send_response(302)
                self.send_header("Location", self.path if self.path.startswith("/loop") else "http://127.0.0.1:1/x")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                super().do_GET()

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_every_way_to_name_a_board_on_a_site(site, service, tmp_path, capsys):
    poll = "5f" * 16
    receipt = save(tmp_path / "receipt.json", service.receipt(service.votes[0]))
    for named in (
        [f"{site}/board/{poll}/"], [f"{site}/board/{poll}/manifest.json"], [f"{site}/polls/square"],
        [f"{site}/polls/square/results"], [site, poll], [site, "square"],
    ):  # fmt: skip
        assert verify(*named, "--key", service.vkey, "--receipt", receipt) == 0, capsys.readouterr().out
        assert "The registry log of 308 events has this board" in capsys.readouterr().out
    assert verify(f"{site}/polls/unknown") == 2
    assert verify(site, "00" * 16) == 2
    capsys.readouterr()


def test_a_board_of_another_poll_than_was_asked_for(site, service, capsys):
    assert verify(f"{site}/board/{'a1' * 16}/", "--key", service.vkey) == 1
    assert "Asked for the board of poll a1" in capsys.readouterr().out


def test_what_was_read_is_kept_and_taken_again(site, service, tmp_path, capsys):
    address, kept = f"{site}/board/{'5f' * 16}/", tmp_path / "deep" / "kept"
    assert verify(address, "--key", service.vkey, "--save", kept) == 0
    for folder, there in (("board", tmp_path / "site/board" / ("5f" * 16)), ("registry", tmp_path / "site/registry")):
        files = {path.relative_to(there): path.read_bytes() for path in there.rglob("*") if path.is_file()}
        saved = {
            path.relative_to(kept / folder): path.read_bytes() for path in (kept / folder).rglob("*") if path.is_file()
        }
        assert saved == files
    assert verify(kept, "--key", service.vkey) == 0
    assert verify(address, "--previous", kept) == 0
    assert verify(f"{site}/registry/", "--previous", kept) == 0
    assert verify(address, "--save", kept) == 2, "it is there already"
    assert verify(kept, "--save", tmp_path / "again") == 2, "it is no site"
    assert verify(f"{site}/registry/", "--save", tmp_path / "log") == 0
    assert verify(tmp_path / "log") == 0
    (tmp_path / "site/board" / ("5f" * 16) / "definition.json").write_bytes(b"{}")
    assert verify(address, "--save", tmp_path / "wrong") == 1
    assert not (tmp_path / "wrong").exists()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["kept"]
    (kept / "board/q1/tile/entries/000").write_bytes(b"")
    assert verify(kept) == 1
    capsys.readouterr()


@pytest.mark.parametrize(("language", "words"), [("en", "The complaint holds"), ("ru", "Жалоба обоснована")])
def test_a_complaint_and_a_proof_have_last_lines_of_their_own(language, words, service, tmp_path, capsys):
    """So that nobody takes «valid» for a word about the poll."""

    def last(*arguments):
        code = verify(*arguments, language=language)
        said = capsys.readouterr().out
        assert "VALID" not in said and "\nВЕРНО" not in said
        return code, said.strip().splitlines()[-1]

    proven = save(tmp_path / "receipt.json", service.receipt(service.votes[3]))
    receipt = save(tmp_path / "lost.json", lost(service))
    directory = boards.write(service.files(), tmp_path / "board")
    proof = tmp_path / "mine.tlog-proof"
    verify(directory, "--receipt", receipt, "--receipt", proven, "--proof", proof, "--out", tmp_path)
    capsys.readouterr()
    [complaint] = tmp_path.glob("complaint-*.json")
    code, line = last("--complaint", complaint, "--key", service.vkey)
    assert code == 0 and line.startswith(words)
    assert last("--complaint", complaint)[0] == 2
    code, line = last("--check-proof", proof, "--key", service.vkey)
    assert code == 0 and line.startswith({"en": "The proof holds", "ru": "Доказательство верно"}[language])
    proof.write_text(proof.read_text().replace("index ", "index 1"))
    code, line = last("--check-proof", proof, "--key", service.vkey)
    assert code == 1 and ("does NOT hold" in line or "НЕВЕРНО" in line)


def test_a_site_without_its_registry_log_is_not_wholly_checked(site, service, tmp_path, capsys):
    log = (tmp_path / "site" / "registry").rename(tmp_path / "moved")
    address = f"{site}/board/{'5f' * 16}/"
    assert verify(address, "--key", service.vkey) == 2
    assert "There is no log" in capsys.readouterr().out
    assert verify(address, "--key", service.vkey, "--registry", log) == 0
    capsys.readouterr()


def test_a_saved_board_without_its_log_is_not_called_valid(directory, service, tmp_path, capsys):
    assert verifier.run(["--lang=en", "--json", "--key", service.vkey, str(directory)]) == 2
    found = json.loads(capsys.readouterr().out)
    assert not found["wrong"]
    assert ["not compared with the site's registry log" in line for line in found["not_checked"]] == [True]
    assert "--registry DIR" in found["not_checked"][0] and "https://SITE/registry/" in found["not_checked"][0]
    log = boards.write(service.registry(service.files()), tmp_path / "log")
    assert verify(directory, "--key", service.vkey, "--registry", log) == 0


def test_a_moved_closing_is_told_with_its_reason(tmp_path, capsys):
    _, files, log, _ = tampering.REGISTRY["honest_poll_closed_early"]()
    directory, log = boards.write(files, tmp_path / "board"), boards.write(log, tmp_path / "log")
    found = report_of(capsys, directory, "--registry", log)
    assert found["exit"] == 0
    assert any("poll_closed_early" in line and "Сбой." in line for line in found["notes"])


def test_a_hidden_move_of_the_closing_is_said_plainly(tmp_path, capsys):
    _, files, log, _ = tampering.REGISTRY["move_hidden_and_its_closing_too"]()
    directory, log = boards.write(files, tmp_path / "board"), boards.write(log, tmp_path / "log")
    found = report_of(capsys, directory, "--registry", log)
    assert found["exit"] == 1
    assert ["nothing in the log moved it there before the count" in line for line in found["wrong"]] == [True]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_manifest_that_is_being_replaced_is_read_again(times, site, service, tmp_path, monkeypatch, capsys):
    """Its two files are replaced one after the other: a reader in between is not told a falsehood."""
    note = tmp_path / "site" / "board" / ("5f" * 16) / "manifest.note"
    right = note.read_bytes()
    note.write_bytes(right.replace(b"/v1\n1\n", b"/v1\n2\n"))
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if pauses.count(1.0) == times:
            note.write_bytes(right)

    monkeypatch.setattr(verifier.time, "sleep", sleep)
    assert verify(f"{site}/board/{'5f' * 16}/", "--key", service.vkey) == (0 if times < 3 else 1)
    assert pauses.count(1.0) == min(times, 2)
    capsys.readouterr()


def test_a_failing_network_is_not_an_invalid_board(monkeypatch, capsys):
    monkeypatch.setattr(verifier.time, "sleep", lambda _: None)
    assert verify("http://127.0.0.1:9/board/" + "5f" * 16) == 2
    assert "network or the site fails" in capsys.readouterr().out


def test_endless_redirects_and_hostile_sizes_end(site):
    source = verifier.Site(f"{site}/board/{'5f' * 16}/")
    with pytest.raises(verifier.Unchecked, match="on and on"):
        source.read("/loop/x", 10)
    with pytest.raises(verifier.Unchecked, match="leads away"):
        source.read("/away", 10)
    with pytest.raises(verifier.Invalid, match="larger"):
        source.read("manifest.json", 10)
    with pytest.raises(verifier.Missing):
        source.read("nothing", 10)
    source.close()


def test_redirects_stay_where_the_reader_sent_us():
    stays = verifier.stays
    assert stays("http://a.example/x", "http://a.example/y")
    assert stays("http://a.example/x", "https://a.example/x")
    assert stays("http://a.example:8080/x", "https://a.example/x")
    for onward in ("http://b.example/x", "http://a.example:81/x", "file:///etc/passwd", "http://169.254.169.254/", "x"):
        assert not stays("http://a.example/x", onward), onward
    assert not stays("https://a.example/x", "http://a.example/x")
    assert not stays("https://a.example/x", "https://b.example/x")


@pytest.mark.parametrize("beginning", [b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\n\r\n", b""])
def test_an_answer_that_trickles_in_is_not_waited_for(beginning, monkeypatch):
    monkeypatch.setattr(verifier, "WHOLE_TIMEOUT", 0.4)
    listening = socket.create_server(("127.0.0.1", 0))

    def drip():
        connection, _ = listening.accept()
        connection.recv(4096)
        try:
            connection.sendall(beginning)
            while True:
                connection.sendall(b"a")
                time.sleep(0.02)
        except OSError:
            connection.close()

    threading.Thread(target=drip, daemon=True).start()
    source = verifier.Site(f"http://127.0.0.1:{listening.getsockname()[1]}/")
    began = time.monotonic()
    with pytest.raises(verifier.Unchecked):
        source.read("x", 1_000_000)
    assert time.monotonic() - began < 5
    source.close()
    listening.close()


def test_large_answers_that_all_differ_do_not_fill_the_memory(tmp_path):
    """1,500 records of 59 kB: 88 MB of a hostile board, held in bundles and eight megabytes more."""
    service = boards.one_choice(0)
    start = b'["' + service.poll_hash.hex().encode() + b'",1,0,'
    records = sorted(
        (start + b"[" + str(i).encode() + b"," * 59_000 + b'],"' + b"%032x" % i + b'"]' for i in range(1_500)),
        key=board.leaf_hash,
    )  # fmt: skip
    directory = boards.write(service.files(entries={1: records}), tmp_path / "board")
    program = (
        "import sys, veche_verify as v; code = v.run([sys.argv[1]]); status = open('/proc/self/status').read();"
        " print(code, status.split('VmHWM:')[1].split()[0], file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", program, directory], capture_output=True, text=True, check=True)
    code, kilobytes = map(int, found.stderr.split()[-2:])
    assert code == 1
    assert kilobytes < 140 * 1024


def test_more_rankings_than_memory_holds_are_not_counted(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(verifier, "MOST_PLACES", 100)
    found = report_of(capsys, boards.write(boards.every_rule().files(), tmp_path))
    assert found["exit"] == 2
    assert any("kept in memory" in line for line in found["not_checked"])


def test_the_file_runs_alone(directory, service, tmp_path):
    """As somebody who downloaded it runs it: nothing of ours can be imported."""
    import shutil

    alone = shutil.copy(verifier.__file__, tmp_path / "veche_verify.py")
    found = subprocess.run(
        [sys.executable, "-P", str(alone), *boards.with_log(directory), "--key", service.vkey],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={"LANG": "ru_RU.UTF-8", "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert "ВЕРНО" in found.stdout

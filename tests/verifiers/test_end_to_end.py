"""From a vote to the verdict, on a real database: cast, counted, published, verified; and a ballot changed by SQL."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from tests.builders import (
    NOW,
    SEALER,
    ASigner,
    a_budget,
    a_citizen,
    a_city,
    a_definition,
    a_key,
    a_multiple_choice,
    a_rating,
    a_sealed_poll,
    a_single_choice,
    an_open_poll,
    close_now,
)
from tests.verifiers import boards
from tests.verifiers.browser_core import run_core

import veche_verify as verifier
from polls.board_check import differences
from polls.board_manifest import board_of, publish_manifest
from polls.board_trees import copy_entries
from polls.casting import cast_ballot
from polls.catalogue import sealed_poll
from polls.counting import count_poll
from polls.lots import Party, commitment
from polls.public_keys import add_key
from polls.published import entry_prefix, records_of
from polls.sealed import sealed_bytes
from polls.tie_breaking import commit_to_lot, decide_tie, reveal_secret
from results.figures import poll_figures
from voting.cli import cli

SIGNER = ASigner()
KEY = boards.vkey("127.0.0.1:8000/board", SIGNER.private)
SECRETS = {Party.OFFICIAL: b"o" * 32, Party.OBSERVER: b"w" * 32}


def verify(*arguments):
    return verifier.run(["--lang=en", "--key", KEY, *boards.with_log(*arguments)])


async def a_voted_poll(session, votes, **more):
    """A poll with these votes, closed; gives it with the receipts in the order of the votes."""
    await a_city(session)
    for purpose in ("board", "receipt"):
        await add_key(session, purpose, SIGNER.key_id, SIGNER.public_bytes, NOW)
    poll = await an_open_poll(session, **more)
    receipts = [await a_vote(session, poll, answers) for answers in votes]
    return await close_now(session, poll), receipts


async def a_vote(session, poll, answers):
    cast = await cast_ballot(session, poll, await a_citizen(session), answers, a_key(), SIGNER, datetime.now(UTC))
    return cast.receipt.as_json()


async def publish(session, poll, directory):
    """Count if need be, make the manifests, and write the board as a reader gets it: the records and the signed bytes
    from the database, the tiles by the tests' own hands."""
    now = datetime.now(UTC)
    await count_poll(session, poll.public_id, now, SEALER)
    await publish_manifest(session, poll.public_id, SEALER, now)
    found = await sealed_poll(session, poll.public_id)
    board = await board_of(session, found.id)
    files = {"definition.json": (await sealed_bytes(session, poll.public_id)).data}
    for question, tree in board.trees.items():
        chunks = []

        async def keep(chunk, chunks=chunks):
            chunks.append(chunk)

        await copy_entries(session, found, question, (await records_of(session, found))[question].published, keep)
        start = entry_prefix(found, question).encode()
        entries = [start + line for line in b"".join(chunks).splitlines()]
        made, _ = boards.tree_files(f"q{question}/", entries, "unused", boards.key("unused"))
        files |= made | {f"q{question}/checkpoint": tree.checkpoint.encode()}
    for manifest in board.manifests:
        for name in (f"manifest-{manifest.version}", "manifest"):
            files |= {f"{name}.json": manifest.data, f"{name}.note": manifest.note.encode()}
    return boards.write(files, directory)


async def forge_a_ballot(session, poll):
    """What somebody with all rights on the database can do: past the triggers, one answer becomes another."""
    await session.execute(text("SET LOCAL session_replication_role = replica"))
    await session.execute(
        text(
            "UPDATE ballot SET answers = ARRAY['[2]'] WHERE poll_id = :poll AND ballot_id ="
            " (SELECT ballot_id FROM ballot WHERE poll_id = :poll AND answers = ARRAY['[1]'] ORDER BY 1 LIMIT 1)"
        ),
        {"poll": poll.id},
    )
    await session.execute(text("SET LOCAL session_replication_role = origin"))


def saved(receipts, directory):
    paths = []
    for number, receipt in enumerate(receipts):
        paths.append(directory / f"receipt-{number}.json")
        paths[-1].write_text(json.dumps(receipt))
    return [argument for path in paths for argument in ("--receipt", path)]


async def test_a_poll_of_every_kind_is_valid_with_all_its_receipts(session, tmp_path, capsys):
    asked = [a_single_choice(), a_multiple_choice(), a_rating(), a_budget()]
    votes = [
        {"1": 1 + n % 3, "2": [1 + n % 4], "3": {"1": 1 + n % 5, "2": 5}, "4": [1 + n % 4, 1 + (n + 1) % 4]}
        for n in range(30)
    ]
    together = [{"rows": 1, "columns": 2}]
    poll, receipts = await a_voted_poll(session, votes, questions=asked, cross_tabs=together)
    board = await publish(session, poll, tmp_path / "board")
    assert verify(board, *saved(receipts, tmp_path)) == 0, capsys.readouterr().out
    assert "1 pairs of questions counted together. Their tables were not checked" in capsys.readouterr().out
    assert await differences(session, await sealed_poll(session, poll.public_id)) == []
    capsys.readouterr()


@pytest.mark.parametrize("styles", [[], [{"id": 1, "territories": ["msk-cao"]}]])
async def test_a_poll_that_nobody_may_vote_in_is_valid(styles, session, tmp_path, capsys):
    """Its roll is known: nought."""
    asked = [a_single_choice(rule={"denominator": "entitled", "threshold": "1/2"})]
    asked += [a_single_choice(2, styles=[1])] if styles else []
    poll, _ = await a_voted_poll(session, [], questions=asked, styles=styles, strata=["district"])
    board = await publish(session, poll, tmp_path / "board")
    assert verify(board) == 0, capsys.readouterr().out
    said = json.loads((board / "manifest.json").read_bytes())
    assert said["roll"]["total"] == 0
    assert [question["entitled"] for question in said["questions"]] == [0] * len(asked)
    (reply,) = run_core([{"do": "board", "dir": str(board)}])
    assert reply["verdict"] == "valid", reply
    figures = await poll_figures(session, poll.public_id, datetime.now(UTC) + timedelta(days=30))
    assert (figures.turnout.entitled, figures.turnout.share) == (0, None)
    capsys.readouterr()


async def test_a_ballot_changed_before_counting_makes_its_receipt_a_complaint(session, tmp_path, capsys):
    poll, receipts = await a_voted_poll(session, [{"1": 1}] * 20 + [{"1": 2}] * 10)
    changed = await session.scalar(
        text(f"UPDATE intake_{poll.id} SET answers = ARRAY['[2]'] WHERE ballot_id ="
             f" (SELECT ballot_id FROM intake_{poll.id} WHERE answers = ARRAY['[1]'] ORDER BY 1 LIMIT 1)"
             " RETURNING ballot_id")
    )  # fmt: skip
    board = await publish(session, poll, tmp_path / "board")
    assert verify(board) == 0, "the count of what is there is right: only the receipt can tell"
    code = boards.board.short_code(changed)
    for number, receipt in enumerate(receipts):
        mine = receipt["receipt"]["ballot"] == code
        found = verify(board, *saved([receipt], tmp_path), "--out", tmp_path)
        assert found == (1 if mine else 0), (number, capsys.readouterr().out)
    [complaint] = tmp_path.glob("complaint-*.json")
    assert verify("--complaint", complaint) == 0, capsys.readouterr().out
    capsys.readouterr()


async def test_a_ballot_changed_after_counting_differs_from_what_was_signed(session, tmp_path, capsys):
    poll, receipts = await a_voted_poll(session, [{"1": 1}] * 12 + [{"1": 2}] * 10)
    board = await publish(session, poll, tmp_path / "board")
    assert verify(board, *saved(receipts, tmp_path)) == 0, capsys.readouterr().out
    await forge_a_ballot(session, poll)
    [difference] = await differences(session, await sealed_poll(session, poll.public_id))
    assert "root" in difference
    again = await publish(session, poll, tmp_path / "again")
    assert verify(again) == 1
    capsys.readouterr()


async def test_a_vote_by_name_that_was_changed(session, tmp_path, capsys):
    """The first receipt's record was replaced, which the board says; the second one's is there."""
    more = {"privacy": "named", "may_change": True, "names_seen_by": boards.both("Комиссия", "The commission")}
    poll, receipts = await a_voted_poll(session, [{"1": 1}] * 11, **more)
    voter = await a_citizen(session)
    poll = await sealed_poll(session, poll.public_id)
    await session.execute(
        text("UPDATE poll SET closes_at = clock_timestamp() + interval '1 hour' WHERE id = :poll"), {"poll": poll.id}
    )
    open_poll = await sealed_poll(session, poll.public_id)
    mine = []
    for choice in (2, 3):
        cast = await cast_ballot(session, open_poll, voter, {"1": choice}, a_key(), SIGNER, datetime.now(UTC))
        mine.append(cast.receipt.as_json())
    await close_now(session, poll)
    board = await publish(session, poll, tmp_path / "board")
    assert verify(board, *saved([*receipts, *mine], tmp_path)) == 0, capsys.readouterr().out
    assert "was replaced" in capsys.readouterr().out


async def test_records_of_few_are_withheld_and_their_receipts_say_so(session, tmp_path, capsys):
    styles = [{"id": 1, "title": boards.both("ЦАО", "CAO"), "territories": ["msk-cao"]}]
    asked = [a_single_choice(), a_single_choice(2, styles=[1])]
    poll, receipts = await a_voted_poll(session, [{"1": 1, "2": 3}] * 4, questions=asked, styles=styles)
    board = await publish(session, poll, tmp_path / "board")
    found = verify("--json", board, *saved(receipts, tmp_path))
    said = json.loads(capsys.readouterr().out)
    assert found == 2
    assert not said["wrong"]
    assert sum("withheld" in line for line in said["checked"]) == 8


@pytest.mark.parametrize("kind", ["lot", "chair"])
async def test_a_decided_tie_is_decided_again(kind, session, tmp_path, capsys):
    await a_city(session)
    for purpose in ("board", "receipt"):
        await add_key(session, purpose, SIGNER.key_id, SIGNER.public_bytes, NOW)
    clock = await session.scalar(text("SELECT clock_timestamp()"))
    opens = (clock + timedelta(hours=1)).replace(microsecond=0)
    poll = await a_sealed_poll(session, a_definition(
        questions=[a_single_choice(rule={"tie": kind})], opens_at=opens, closes_at=opens + timedelta(days=1)
    ))  # fmt: skip
    if kind == "lot":
        for account, (party, secret) in enumerate(SECRETS.items(), start=1):
            made = commitment(poll.poll_hash, party, secret)
            await commit_to_lot(session, poll.public_id, party, account, made, NOW)
    await session.execute(text("ALTER TABLE poll DISABLE TRIGGER sealed"))  # time passes
    moved = text("UPDATE poll SET opens_at = clock_timestamp() - interval '1 hour' WHERE id = :poll")
    await session.execute(moved, {"poll": poll.id})
    for n in range(20):
        await a_vote(session, await sealed_poll(session, poll.public_id), {"1": 1 + n % 2})
    await close_now(session, poll)
    moved = text("UPDATE poll SET opens_at = :opens, closes_at = :closes WHERE id = :poll")
    when = {"opens": opens, "closes": opens + timedelta(minutes=1), "poll": poll.id}
    later = opens + timedelta(hours=1)
    await count_poll(session, poll.public_id, later, SEALER)
    await session.execute(moved, when)
    await session.execute(text("ALTER TABLE poll ENABLE TRIGGER sealed"))
    board = await publish(session, poll, tmp_path / "open")
    assert verify(board) == 0, capsys.readouterr().out
    assert "still to be decided" in capsys.readouterr().out
    if kind == "lot":
        for account, (party, secret) in enumerate(SECRETS.items(), start=1):
            await reveal_secret(session, poll.public_id, party, account, secret, later)
    else:
        await decide_tie(session, poll.public_id, 1, [2, 1], "Так решила комиссия.", 1, later)
    decided = await publish(session, poll, tmp_path / "decided")
    assert verify(decided, "--previous", board) == 0, capsys.readouterr().out
    words = "drawn again" if kind == "lot" else "by the chair"
    assert words in capsys.readouterr().out


async def test_the_command_compares_the_database_with_what_was_signed(
    fresh_database, fresh_database_url, tmp_path, monkeypatch
):
    environment = {"VECHE_DATABASE_URL": fresh_database_url, "VECHE_DATA_DIR": str(tmp_path), "VECHE_DEMO": "false"}

    async def ask(*names):
        return await asyncio.to_thread(CliRunner().invoke, cli, ["verify", "--database", *names], env=environment)

    assert (await ask()).exit_code == 2, "nothing is counted yet"
    async with fresh_database.open_session() as session:
        poll, _ = await a_voted_poll(session, [{"1": 1}] * 12)
        await publish(session, poll, tmp_path / "board")
    agrees = await ask()
    assert agrees.exit_code == 0, agrees.output
    nobody = await ask("nobody-knows-it", poll.public_id)
    assert nobody.exit_code == 2, nobody.output
    assert "There is no poll «nobody-knows-it»" in nobody.output and f"\n  {poll.slug}\n" in nobody.output
    assert f"{poll.public_id}: as it was signed" in nobody.output
    async with fresh_database.open_session() as session:
        await forge_a_ballot(session, poll)
    differs = await ask()
    assert differs.exit_code == 1, differs.output
    assert "DIFFERS" in differs.output

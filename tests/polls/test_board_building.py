"""Trees, checkpoints and manifests of counted polls, held against the ballots they are made of."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import (
    NOW,
    SEALER,
    ASigner,
    a_citizen,
    a_city,
    a_key,
    a_multiple_choice,
    a_single_choice,
    an_open_poll,
    close_now,
)
from tests.polls import test_tie_breaking as tie_breaking

from polls import board_trees
from polls.board import ballot_id, leaf_hashes
from polls.board_check import differences
from polls.board_manifest import board_of, boards_due, publish_manifest
from polls.board_trees import question_root, signed_trees
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll, sealed_poll
from polls.checkpoint import Checkpoint, open_checkpoint, open_note
from polls.counting import count_poll
from polls.errors import WrongState
from polls.journal import poll_events
from polls.lots import Lot, Party
from polls.public_keys import add_key
from polls.sessions import Session
from polls.tally.profile import NOT_SHOWN
from polls.tie_breaking import decide_tie, reveal_secret
from polls.tlog import EMPTY_ROOT, merkle_root

SIGNER = ASigner()
CAO = "msk-cao-arbat"
SAO = "msk-sao-timiryazevsky"
STYLES = [
    {"id": 1, "territories": ["msk-cao"]},
    {"id": 2, "territories": ["msk-sao"]},
]
Ballot = tuple[bytes, str, dict[str, Any]]
"""K, the district, the answers."""


async def a_voted_poll(
    session: Session, ballots: Sequence[tuple[str, dict[str, Any]]], **more: Any
) -> tuple[SealedPoll, list[Ballot]]:
    """A poll that residents of these districts voted in so, and what they hold: closed, not counted."""
    await a_city(session)
    await add_key(session, "board", SIGNER.key_id, SIGNER.public_bytes, NOW)
    poll = await an_open_poll(session, **more)
    held = []
    for district, answers in ballots:
        citizen, key = await a_citizen(session, district=district), a_key()
        await cast_ballot(session, poll, citizen, answers, key, SIGNER, NOW)
        held.append((key, district, answers))
    return await close_now(session, poll), held


async def counted(session: Session, poll: SealedPoll) -> SealedPoll:
    await count_poll(session, poll.public_id, NOW, SEALER)
    return await sealed_poll(session, poll.public_id)


async def manifest(session: Session, poll: SealedPoll) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(await publish_manifest(session, poll.public_id, SEALER, NOW))
    return said


async def leaves_by_hand(session: Session, poll: SealedPoll, styles: set[int] | None = None) -> dict[int, list[bytes]]:
    """Question id → leaves of the counted ballots, made by the code that makes receipts."""
    table = "ballot" if poll.definition.privacy == "separated" else "named_ballot"
    rows = await session.execute(text(f"SELECT ballot_id, answers, style FROM {table} WHERE poll_id = {poll.id}"))
    leaves: dict[int, list[bytes]] = {question: [] for question in poll.question_ids}
    for row in rows:
        shown = [q for q, answer in zip(poll.question_ids, row.answers, strict=True) if answer != NOT_SHOWN]
        made = leaf_hashes(poll.poll_hash, bytes(row.ballot_id), poll.question_ids, row.answers, row.style)
        for question, leaf in zip(shown, made, strict=True):
            if styles is None or row.style in styles:
                leaves[question].append(leaf)
    return {question: sorted(of) for question, of in leaves.items()}


async def test_the_count_signs_the_root_of_what_receipts_name(session: Session) -> None:
    questions = [a_single_choice(1), a_multiple_choice(2)]
    answers = [(CAO, {"1": 1 + n % 3, "2": [1 + n % 4]}) for n in range(30)]
    poll, held = await a_voted_poll(session, answers, questions=questions)
    assert await signed_trees(session, poll.id) == {}
    poll = await counted(session, poll)
    trees, leaves = await signed_trees(session, poll.id), await leaves_by_hand(session, poll)
    for question in (1, 2):
        origin = f"127.0.0.1:8000/board/{poll.public_id}/q{question}"
        root = merkle_root(leaves[question])
        assert open_checkpoint(trees[question].checkpoint, origin, SIGNER.public_bytes) == Checkpoint(origin, 30, root)
        assert trees[question].root == root == await question_root(session, poll, question)
    mine = leaf_hashes(poll.poll_hash, ballot_id(poll.poll_hash, held[0][0]), (1, 2), ("[1]", "[1]"), 0)
    assert mine[0] in leaves[1] and mine[1] in leaves[2]
    assert await differences(session, poll) == []


async def test_an_empty_poll_has_an_empty_tree(session: Session) -> None:
    poll, _ = await a_voted_poll(session, [])
    poll = await counted(session, poll)
    tree = (await signed_trees(session, poll.id))[1]
    assert (tree.size, tree.root) == (0, EMPTY_ROOT)
    [question] = (await manifest(session, poll))["questions"]
    assert question["shown"] == 0 and question["withheld"] == {"records": 0, "styles": [], "leaves": []}
    assert await differences(session, poll) == []


async def test_a_question_of_few_ballots_is_withheld_whole_and_its_leaves_are_named(session: Session) -> None:
    poll, _ = await a_voted_poll(session, [(CAO, {"1": 1})] * 9)
    poll = await counted(session, poll)
    [question] = (await manifest(session, poll))["questions"]
    leaves = (await leaves_by_hand(session, poll))[1]
    assert question["size"] == 0 and question["root"] == EMPTY_ROOT.hex() and question["shown"] == 9
    assert question["withheld"] == {"records": 9, "styles": [0], "leaves": [leaf.hex() for leaf in leaves]}


async def test_small_styles_stay_back(session: Session) -> None:
    ballots = [(CAO, {"1": 1 + n % 3}) for n in range(12)] + [(SAO, {"1": 1, "2": 2}) for _ in range(4)]
    ballots += [("msk-cao-basmanny", {"1": 3}) for _ in range(9)]
    questions = [a_single_choice(1), a_single_choice(2, styles=[2])]
    poll, _ = await a_voted_poll(session, ballots, questions=questions, styles=STYLES)
    poll = await counted(session, poll)
    first, second = (await manifest(session, poll))["questions"]
    assert (first["size"], first["shown"], second["size"], second["shown"]) == (0, 25, 0, 4)
    assert first["withheld"]["styles"] == [1, 2], "four alone would be told by subtraction"
    assert second["withheld"]["records"] == 4
    assert len(first["withheld"]["leaves"]) == 25 and first["withheld"]["leaves"] == sorted(first["withheld"]["leaves"])


async def test_a_follow_up_is_of_those_who_were_asked_it(session: Session) -> None:
    follow_up = a_single_choice(2, shown_if={"question": 1, "options": [1]})
    ballots = [(CAO, {"1": 1, "2": 1 + n % 3} if n % 2 else {"1": 2}) for n in range(40)]
    poll, _ = await a_voted_poll(session, ballots, questions=[a_single_choice(1), follow_up])
    poll = await counted(session, poll)
    leaves = await leaves_by_hand(session, poll)
    first, second = (await manifest(session, poll))["questions"]
    assert (first["size"], second["size"], second["shown"]) == (40, 20, 20)
    assert second["root"] == merkle_root(leaves[2]).hex()


async def test_named_polls_have_a_board_too_and_name_what_was_replaced(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(session, privacy="named", may_change=True)
    citizen, first, second = await a_citizen(session), a_key(), a_key()
    old = await cast_ballot(session, poll, citizen, {"1": 1}, first, SIGNER, NOW)
    new = await cast_ballot(session, poll, citizen, {"1": 2}, second, SIGNER, NOW)
    poll = await counted(session, await close_now(session, poll))
    said = await manifest(session, poll)
    assert said["superseded"] == [old.receipt.facts["leaves"][0]]
    assert (said["questions"][0]["size"], said["privacy"]) == (1, "named")
    assert (await signed_trees(session, poll.id))[1].root.hex() == new.receipt.facts["leaves"][0]


async def test_the_manifest_says_what_was_counted(session: Session) -> None:
    poll, _ = await a_voted_poll(session, [(CAO, {"1": 1 + n % 2}) for n in range(20)])
    poll = await counted(session, poll)
    data = await publish_manifest(session, poll.public_id, SEALER, NOW)
    said = json.loads(data)
    origin = f"127.0.0.1:8000/board/{poll.public_id}"
    assert (said["v"], said["format"], said["origin"], said["version"]) == (1, "veche/board/v1", origin, 1)
    assert said["poll_hash"] == poll.poll_hash.hex() and said["previous"] is None and said["lot"] is None
    assert (said["ballots"], said["participations"], said["roll"]["total"]) == (20, 20, 20)
    [question] = said["questions"]
    assert [option["votes"] for option in question["outcome"]["options"]] == [10, 10, 0]
    assert [key["key_id"] for key in said["keys"]] == [SIGNER.key_id]
    board = await board_of(session, poll.id)
    assert board.newest is not None and board.newest.data == data
    digest = open_note(board.newest.note, origin, SIGNER.public_bytes).split("\n")[3]
    assert digest == base64.b64encode(hashlib.sha256(data).digest()).decode()
    [event] = [e for e in await poll_events(session, poll.id) if e["kind"] == "board_published"]
    assert event["body"] == {
        "version": 1, "manifest": hashlib.sha256(data).hexdigest(), "roots": {"1": question["root"]}, "sizes": {"1": 20}
    }  # fmt: skip
    again = await publish_manifest(session, poll.public_id, SEALER, NOW)
    assert again == data and len((await board_of(session, poll.id)).manifests) == 1


async def test_the_manifest_is_of_after_the_closing_whatever_the_clock_of_the_counting_machine_says(
    session: Session,
) -> None:
    poll, _ = await a_voted_poll(session, [(CAO, {"1": 1})])
    await count_poll(session, poll.public_id, poll.opens_at, SEALER)
    said = await manifest(session, poll)
    assert said["counted_at"] == said["closes_at"] > said["opens_at"]


async def test_the_roll_by_style_adds_up_to_what_questions_are_shares_of(session: Session) -> None:
    """Late registrations included: they are in the total, and whoever checks has to be able to add up."""
    questions = [a_single_choice(1), a_single_choice(2, styles=[2]), a_single_choice(3, styles=[1, 2])]
    ballots = [(CAO, {"1": 1, "3": 1})] * 12 + [(SAO, {"1": 1, "2": 2, "3": 1})] * 11
    poll, _ = await a_voted_poll(session, ballots, questions=questions, styles=STYLES, late_registration=True)
    await session.execute(
        text("INSERT INTO roll_amendment (poll_id, stratum, style, change, reason, at)"
             " VALUES (:poll, 0, 2, 1, 'late_registration', now()), (:poll, 0, 2, 1, 'late_registration', now())"),
        {"poll": poll.id},
    )  # fmt: skip
    said = await manifest(session, await counted(session, poll))
    styles = dict(map(tuple, said["roll"]["styles"]))
    assert styles == {0: 0, 1: 12, 2: 13}
    assert said["roll"]["total"] == 25
    assert [question["entitled"] for question in said["questions"]] == [25, 13, 25]


async def test_no_manifest_before_the_count(session: Session) -> None:
    poll, _ = await a_voted_poll(session, [(CAO, {"1": 1})])
    with pytest.raises(WrongState):
        await publish_manifest(session, poll.public_id, SEALER, NOW)
    assert await boards_due(session) == []
    await counted(session, poll)
    assert await boards_due(session) == [(poll.public_id, 1, None)]
    await publish_manifest(session, poll.public_id, SEALER, NOW)
    assert await boards_due(session) == [(poll.public_id, 1, 1)]


async def a_tied_poll(session: Session, tie: str) -> SealedPoll:
    rule = {"method": "plurality", "tie": tie}
    answers = [(CAO, {"1": 1 + n % 2}) for n in range(20)]
    poll, _ = await a_voted_poll(session, answers, questions=[a_single_choice(1, rule=rule)])
    return poll


async def test_a_decided_tie_is_a_next_manifest_that_names_the_one_before(session: Session) -> None:
    poll = await counted(session, await a_tied_poll(session, "chair"))
    first = await publish_manifest(session, poll.public_id, SEALER, NOW)
    await decide_tie(session, poll.public_id, 1, [2, 1], "Так решила комиссия.", 7, NOW)
    assert await boards_due(session) == [(poll.public_id, 2, 1)]
    second = json.loads(await publish_manifest(session, poll.public_id, SEALER, NOW))
    assert second["version"] == 2 and second["previous"] == hashlib.sha256(first).hexdigest()
    assert second["reason"] == "chair: Так решила комиссия."
    assert second["ties"] == [{"question": 1, "stage": 1, "options": [1, 2], "decided": [2, 1], "method": "chair",
                               "reason": "Так решила комиссия."}]  # fmt: skip
    assert (
        json.loads(first)["ties"] == [] and json.loads(first)["questions"][0]["root"] == second["questions"][0]["root"]
    )
    assert await differences(session, poll) == []


async def test_versions_nobody_had_time_to_publish_are_all_made(session: Session) -> None:
    poll = await counted(session, await a_tied_poll(session, "chair"))
    await decide_tie(session, poll.public_id, 1, [2, 1], "Так решила комиссия.", 7, NOW)
    await publish_manifest(session, poll.public_id, SEALER, NOW)
    board = await board_of(session, poll.id)
    assert [m.version for m in board.manifests] == [1, 2]
    assert json.loads(board.manifests[1].data)["previous"] == hashlib.sha256(board.manifests[0].data).hexdigest()


async def test_the_secrets_of_a_lot_stand_in_the_manifest_once_revealed(session: Session) -> None:
    poll = await tie_breaking.a_tied_poll(session, {"tie": "lot"})
    first, later = await manifest(session, poll), NOW + timedelta(hours=1)
    for party, secret in tie_breaking.SECRETS.items():
        assert first["lot"][party]["secret"] is None
        await reveal_secret(session, poll.public_id, party, tie_breaking.WHO[party], secret, later)
    second = await manifest(session, poll)
    secrets = {party: said["secret"] for party, said in second["lot"].items()}
    assert secrets == {party: secret.hex() for party, secret in tie_breaking.SECRETS.items()}
    [tie] = second["ties"]
    lot = Lot(tie_breaking.SECRETS[Party.OFFICIAL], tie_breaking.SECRETS[Party.OBSERVER],
              bytes.fromhex(second["questions"][0]["root"]))  # fmt: skip
    assert tuple(tie["decided"]) == lot.order(1, tie["stage"], tie["options"])


async def test_trees_an_earlier_release_did_not_sign_are_made_late_and_said_to_be(session: Session) -> None:
    poll, _ = await a_voted_poll(session, [(CAO, {"1": 1 + n % 2}) for n in range(20)])
    poll = await counted(session, poll)
    signed = await signed_trees(session, poll.id)
    await session.execute(text("ALTER TABLE board_tree DISABLE TRIGGER ALL"))
    await session.execute(text("DELETE FROM board_tree WHERE poll_id = :poll"), {"poll": poll.id})
    assert await question_root(session, poll, 1) == signed[1].root
    assert await differences(session, poll) == ["nothing was signed for this poll"]
    said = await manifest(session, poll)
    assert "earlier release" in said["reason"]
    assert (await signed_trees(session, poll.id))[1].root == signed[1].root
    assert await differences(session, poll) == []


@pytest.mark.parametrize(
    "change",
    ["UPDATE ballot SET answers = '{[3]}'"
     " WHERE ballot_id = (SELECT ballot_id FROM ballot WHERE poll_id = :poll ORDER BY 1 LIMIT 1)",
     "DELETE FROM ballot WHERE ballot_id = (SELECT ballot_id FROM ballot WHERE poll_id = :poll ORDER BY 1 LIMIT 1)",
     "INSERT INTO ballot SELECT poll_id, substr(sha256(ballot_id), 1, 16), answers, style, stratum FROM ballot"
     " WHERE poll_id = :poll LIMIT 1"],
)  # fmt: skip
async def test_one_ballot_changed_after_the_count_differs_from_the_signed_root(session: Session, change: str) -> None:
    poll, _ = await a_voted_poll(session, [(CAO, {"1": 1 + n % 2}) for n in range(20)])
    poll = await counted(session, poll)
    await publish_manifest(session, poll.public_id, SEALER, NOW)
    assert await differences(session, poll) == []
    await session.execute(text("ALTER TABLE ballot DISABLE TRIGGER ALL"))
    await session.execute(text(change), {"poll": poll.id})
    found = await differences(session, poll)
    assert any("the records' root is" in sentence for sentence in found)


async def test_what_was_signed_cannot_be_changed_either(session: Session) -> None:
    poll, _ = await a_voted_poll(session, [(CAO, {"1": 1 + n % 2}) for n in range(20)])
    poll = await counted(session, poll)
    await publish_manifest(session, poll.public_id, SEALER, NOW)
    await session.execute(text("ALTER TABLE board_tree DISABLE TRIGGER ALL"))
    await session.execute(text("UPDATE board_tree SET root = sha256(root) WHERE poll_id = :poll"), {"poll": poll.id})
    found = await differences(session, poll)
    assert any("is not the signed" in sentence for sentence in found)
    await session.execute(text("UPDATE board_tree SET checkpoint = replace(checkpoint, E'\\n20\\n', E'\\n21\\n')"))
    assert any("not good" in sentence for sentence in await differences(session, poll))


async def test_a_count_that_cannot_sign_keeps_its_intake(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    poll, _ = await a_voted_poll(session, [(CAO, {"1": 1})] * 12)

    async def fails(*_: object) -> tuple[int, bytes]:
        raise OSError("no")

    monkeypatch.setattr(board_trees, "make_tree", fails)
    with pytest.raises(OSError):
        async with session.begin_nested():
            await count_poll(session, poll.public_id, NOW, SEALER)
    monkeypatch.undo()
    assert await session.scalar(text(f"SELECT count(*) FROM intake_{poll.id}")) == 12
    await counted(session, poll)
    assert (await signed_trees(session, poll.id))[1].size == 12

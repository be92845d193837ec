"""The browser's verifier on boards of a real database: what was cast, counted and signed there."""

import json

from sqlalchemy import text
from tests.builders import a_budget, a_multiple_choice, a_rating, a_single_choice, both
from tests.verifiers.browser_core import run_core
from tests.verifiers.test_end_to_end import a_voted_poll, publish

from polls.board import short_code


def verify(directory, receipts=()):
    """What the browser says about the board, then about each receipt in both ways of looking."""
    tokens = [json.dumps(receipt) for receipt in receipts]
    asked = [{"do": way, "dir": str(directory), "token": token} for token in tokens for way in ("board", "quick")]
    board, *replies = run_core([{"do": "board", "dir": str(directory)}, *asked])
    ballots = [reply["ballot"] for reply in replies]
    assert [one["state"] for one in ballots[::2]] == [one["state"] for one in ballots[1::2]]
    return board, ballots[::2]


async def test_a_poll_of_every_kind_is_valid_with_its_receipts(session, tmp_path):
    asked = [a_single_choice(), a_multiple_choice(), a_rating(), a_budget()]
    votes = [
        {"1": 1 + n % 3, "2": [1 + n % 4], "3": {"1": 1 + n % 5, "2": 5}, "4": [1 + n % 4, 1 + (n + 1) % 4]}
        for n in range(30)
    ]
    poll, receipts = await a_voted_poll(session, votes, questions=asked, cross_tabs=[{"rows": 1, "columns": 2}])
    board, ballots = verify(await publish(session, poll, tmp_path / "board"), receipts)
    assert board["verdict"] == "valid", board
    assert {ballot["state"] for ballot in ballots} == {"counted"}
    assert [found["answer"] for found in ballots[4]["found"]][:2] == ["[2]", "[1]"]


async def test_a_ballot_changed_before_counting_is_missing_to_its_receipt_alone(session, tmp_path):
    poll, receipts = await a_voted_poll(session, [{"1": 1}] * 20 + [{"1": 2}] * 10)
    changed = await session.scalar(
        text(f"UPDATE intake_{poll.id} SET answers = ARRAY['[2]'] WHERE ballot_id ="
             f" (SELECT ballot_id FROM intake_{poll.id} WHERE answers = ARRAY['[1]'] ORDER BY 1 LIMIT 1)"
             " RETURNING ballot_id")
    )  # fmt: skip
    board, ballots = verify(await publish(session, poll, tmp_path / "board"), receipts)
    assert board["verdict"] == "valid"
    code = short_code(changed)
    expected = ["missing" if receipt["receipt"]["ballot"] == code else "counted" for receipt in receipts]
    assert [ballot["state"] for ballot in ballots] == expected
    assert expected.count("missing") == 1


async def test_records_of_few_leave_the_check_open(session, tmp_path):
    styles = [{"id": 1, "title": both("ЦАО", "CAO"), "territories": ["msk-cao"]}]
    asked = [a_single_choice(), a_single_choice(2, styles=[1])]
    poll, receipts = await a_voted_poll(session, [{"1": 1, "2": 3}] * 4, questions=asked, styles=styles)
    board, ballots = verify(await publish(session, poll, tmp_path / "board"), receipts)
    assert board["verdict"] == "incomplete"
    assert {skip["why"] for skip in board["skips"]} == {"withheld"}
    assert {ballot["state"] for ballot in ballots} == {"withheld"}

"""Residents' own words: kept apart, judged by wording, never shown unreviewed (BALLOTS 10)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import (
    AUTHOR,
    NOW,
    SEALER,
    ASigner,
    a_citizen,
    a_city,
    a_key,
    a_single_choice,
    an_open_poll,
    both,
    close_now,
    mark_cancelled,
)

from polls.authoring import cancel_poll
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll
from polls.counting import count_poll
from polls.errors import Invalid, NotFound, WrongState
from polls.journal import poll_events
from polls.own_answers import Status, published, review, statuses, waiting
from polls.sessions import Session
from voting.db import Database

SIGNER = ASigner()
TEXT = {"kind": "text", "id": 2, "text": {"ru": "Что ещё?", "en": "What else?"}, "required": False}


async def a_poll_with_words(session: Session, answers: list[dict[str, Any]]) -> SealedPoll:
    await a_city(session)
    poll = await an_open_poll(session, questions=[a_single_choice(own_answer=True), TEXT])
    for given in answers:
        await cast_ballot(session, poll, await a_citizen(session), given, a_key(), SIGNER, NOW)
    return poll


async def test_words_stand_with_nothing_that_leads_to_a_ballot(session: Session) -> None:
    poll = await a_poll_with_words(session, [{"1": {"own": " Пруд "}, "2": "Скамейки\nу воды"}, {"1": 2}])
    rows = (await session.execute(text("SELECT question_id, text, status FROM text_answer ORDER BY 1"))).all()
    assert [tuple(row) for row in rows] == [(1, "Пруд", "pending"), (2, "Скамейки\nу воды", "pending")]
    ballots = list(await session.scalars(text(f"SELECT answers FROM intake_{poll.id} ORDER BY answers")))
    assert ballots == [["[0]", "[0]"], ["[2]", "[]"]]
    columns = set(await session.scalars(text(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'text_answer'"
    )))  # fmt: skip
    assert columns.isdisjoint({"ballot_id", "citizen_id", "created_at", "stratum", "style"})


async def test_a_wording_is_judged_once_for_everybody_who_wrote_it(session: Session) -> None:
    words = ["Пруд", "пруд ", "Каток", "ПРУД"]
    poll = await a_poll_with_words(session, [{"1": {"own": one}} for one in words])
    queue = await waiting(session, poll.id, 1)
    assert [(w.text.strip().lower(), w.n) for w in queue.wordings] == [("пруд", 3), ("каток", 1)]
    assert queue.total == 2
    assert queue.next_offset is None
    assert (await published(session, poll.id, 1)).wordings == ()
    assert await review(session, poll.public_id, 1, "пруд", Status.MERGED, AUTHOR, NOW, merged_into=2) == 3
    assert await review(session, poll.public_id, 1, "Каток", Status.REJECTED, AUTHOR, NOW, note="Уже есть.") == 1
    [shown] = (await published(session, poll.id, 1)).wordings
    assert (shown.n, shown.status, shown.merged_into) == (3, Status.MERGED, 2)
    assert (await statuses(session, poll.id))[1][Status.REJECTED] == 1
    # What is like it and comes later waits again: nothing is shown that nobody has looked at.
    await cast_ballot(session, poll, await a_citizen(session), {"1": {"own": "Пруд"}}, a_key(), SIGNER, NOW)
    assert [(w.n, w.status) for w in (await waiting(session, poll.id, 1)).wordings] == [(1, Status.PENDING)]
    assert (await published(session, poll.id, 1)).wordings[0].n == 3
    # And a decision can be taken back.
    assert await review(session, poll.public_id, 1, "ПРУД", Status.PENDING, AUTHOR, NOW) == 4
    assert (await published(session, poll.id, 1)).wordings == ()


async def test_merging_changes_no_count_and_counting_shuffles_the_rows(session: Session) -> None:
    words = [f"Предложение {n}" for n in range(40)]
    poll = await a_poll_with_words(session, [{"1": {"own": one}} for one in words] + [{"1": 1}])
    before = list(await session.scalars(text("SELECT text FROM text_answer ORDER BY ctid")))
    assert before == words, "until the count the order of casting can be seen: the reason for writing them anew"
    await review(session, poll.public_id, 1, words[0], Status.MERGED, AUTHOR, NOW, merged_into=1)
    await close_now(session, poll)
    counted = await count_poll(session, poll.public_id, NOW, SEALER)
    assert counted is not None
    outcome = counted.outcomes[0]
    assert outcome.option(1).votes == 1, "merged for display, never in the count"
    assert (outcome.valid, outcome.own) == (41, 40)
    after = list(await session.scalars(text("SELECT text FROM text_answer ORDER BY ctid")))
    assert sorted(after) == sorted(words)
    assert after != words
    assert (await published(session, poll.id, 1)).wordings[0].text == words[0], "decisions survive"


async def test_what_cannot_be_decided_is_refused(session: Session) -> None:
    poll = await a_poll_with_words(session, [{"1": {"own": "Пруд"}, "2": "Скамейки"}])
    with pytest.raises(NotFound):
        await review(session, poll.public_id, 1, "Каток", Status.APPROVED, AUTHOR, NOW)
    with pytest.raises(NotFound):
        await review(session, poll.public_id, 7, "Пруд", Status.APPROVED, AUTHOR, NOW)
    with pytest.raises(Invalid):
        await review(session, poll.public_id, 1, "Пруд", Status.MERGED, AUTHOR, NOW, merged_into=90)
    with pytest.raises(Invalid):
        await review(session, poll.public_id, 2, "Скамейки", Status.MERGED, AUTHOR, NOW, merged_into=1)
    with pytest.raises(Invalid):
        await review(session, poll.public_id, 1, "Пруд", Status.REJECTED, AUTHOR, NOW)
    await mark_cancelled(session, poll.id)
    with pytest.raises(WrongState):
        await review(session, poll.public_id, 1, "Пруд", Status.APPROVED, AUTHOR, NOW)


async def test_a_decision_made_while_the_count_runs_is_not_lost(fresh_database: Database) -> None:
    """Counting writes the rows anew: from before the decision, a rejected text would come back as approved."""
    async with fresh_database.open_session() as session:
        poll = await a_poll_with_words(session, [{"1": {"own": "Пруд"}}] * 12)
    async with fresh_database.open_session() as session:
        await review(session, poll.public_id, 1, "Пруд", Status.APPROVED, AUTHOR, NOW)
        await close_now(session, poll)

    async def count() -> None:
        async with fresh_database.open_session() as session:
            await count_poll(session, poll.public_id, NOW, SEALER)

    async with fresh_database.open_session() as session:
        await review(session, poll.public_id, 1, "Пруд", Status.REJECTED, AUTHOR, NOW, note="Личные данные.")
        counting = asyncio.create_task(count())
        await asyncio.sleep(1)
        assert not counting.done(), "the count waits for the decision"
    await counting
    async with fresh_database.open_session() as session:
        assert (await statuses(session, poll.id))[1][Status.REJECTED] == 12
        assert (await published(session, poll.id, 1)).wordings == ()


@pytest.mark.parametrize("ending", ["separated", "named", "cancelled"])
async def test_no_words_share_a_transaction_with_a_person_afterwards(fresh_database: Database, ending: str) -> None:
    named = {"privacy": "named", "names_seen_by": both("Комиссия", "The commission")} if ending == "named" else {}
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session, questions=[a_single_choice(own_answer=True), TEXT], **named)
        people = [await a_citizen(session) for _ in range(12)]
    for number, citizen in enumerate(people):
        async with fresh_database.open_session() as session:
            await cast_ballot(session, poll, citizen, {"1": {"own": f"Слово {number}"}}, a_key(), SIGNER, NOW)
    linked = text(
        "SELECT count(*) FROM text_answer t JOIN participation p ON p.poll_id = t.poll_id"
        " AND p.xmin::text = t.xmin::text WHERE t.poll_id = :poll"
    )
    async with fresh_database.open_session() as session:
        assert await session.scalar(linked, {"poll": poll.id}) == 12, "till then an administrator can: said in SECURITY"
    async with fresh_database.open_session() as session:
        if ending == "cancelled":
            await cancel_poll(session, poll.public_id, AUTHOR, "Ошибка в вопросе.", NOW)
        else:
            await close_now(session, poll)
            await count_poll(session, poll.public_id, NOW, SEALER)
    async with fresh_database.open_session() as session:
        assert await session.scalar(linked, {"poll": poll.id}) == 0
        left = await session.scalar(text("SELECT count(*) FROM text_answer WHERE poll_id = :poll"), {"poll": poll.id})
        assert left == (0 if ending == "cancelled" else 12)


async def test_reviews_stand_in_the_registry_and_not_in_the_public_history(session: Session) -> None:
    """One event a wording, while results are hidden: everybody would learn how much was written, and to what."""
    poll = await a_poll_with_words(session, [{"1": {"own": "Пруд"}}, {"1": {"own": "Каток"}}])
    for wording in ("Пруд", "Каток"):
        await review(session, poll.public_id, 1, wording, Status.APPROVED, AUTHOR, NOW)
    kinds = [event["kind"] for event in await poll_events(session, poll.id)]
    assert kinds == ["poll_sealed"]
    recorded = "SELECT count(*) FROM registry_event WHERE poll_id = :p AND kind = 'text_reviewed'"
    assert await session.scalar(text(recorded), {"p": poll.id}) == 2

"""Revisions, conflicts, errata, and who looks after a draft."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.builders import AUTHOR, NOW, a_city, a_definition, a_sealed_poll, an_open_poll, both

from polls.authoring import Draft, cancel_poll, create_draft, load_draft, save_draft, schedule_poll
from polls.custody import archive_draft, hand_over, restore_draft
from polls.definition import Definition
from polls.desk import Pile, desk_counts, desk_polls
from polls.document import Text
from polls.errata import add_erratum, errata_of
from polls.errors import EditConflict, Invalid, PollNotFound, RevisionNotFound, Sealed, WrongState
from polls.journal import poll_events
from polls.revisions import compare_revisions, load_revision, restore_revision
from polls.sessions import Session


def titled(definition: Definition, ru: str, **more: object) -> Definition:
    return Definition.model_validate({**definition.as_json(), "title": both(ru), **more})


async def drafted(session: Session, *titles: str) -> Draft:
    draft = await create_draft(session, AUTHOR, titled(a_definition(), titles[0]), NOW)
    for title in titles[1:]:
        draft = await save_draft(session, draft.public_id, titled(draft.definition, title), 2, draft.revision, NOW)
    return draft


async def test_an_earlier_revision_is_read_compared_and_restored_as_a_new_one(session: Session) -> None:
    draft = await drafted(session, "Первая", "Вторая", "Третья")
    first = await load_revision(session, draft.public_id, 1)
    assert (first.definition.title.ru, first.saved_by) == ("Первая", AUTHOR)
    changes = await compare_revisions(session, draft.public_id, 1, 3)
    assert next((c.path, c.before, c.after) for c in changes) == ("title/ru", "Первая", "Третья")
    restored = await restore_revision(session, draft.public_id, 1, 7, 3, NOW)
    assert (restored.revision, restored.definition, restored.saved_by) == (4, first.definition, 7)
    assert (await restore_revision(session, draft.public_id, 3, 7, 4, NOW)).definition.title.ru == "Третья"


async def test_restoring_refuses_what_saving_refuses(session: Session) -> None:
    draft = await drafted(session, "Первая", "Вторая")
    with pytest.raises(EditConflict):
        await restore_revision(session, draft.public_id, 1, AUTHOR, 1, NOW)
    with pytest.raises(RevisionNotFound):
        await restore_revision(session, draft.public_id, 9, AUTHOR, 2, NOW)
    with pytest.raises(PollNotFound):
        await load_revision(session, "0" * 32, 1)
    sealed = await a_sealed_poll(session)
    with pytest.raises(Sealed):
        await restore_revision(session, sealed.public_id, 1, AUTHOR, 1, NOW)


async def test_a_conflict_carries_what_both_did(session: Session) -> None:
    draft = await drafted(session, "Начало")
    theirs = titled(draft.definition, "Их", department="Парки")
    await save_draft(session, draft.public_id, theirs, 2, 1, NOW)
    with pytest.raises(EditConflict) as refused:
        await save_draft(session, draft.public_id, titled(draft.definition, "Моё", binding=True), 3, 1, NOW)
    facts = refused.value.facts
    assert {c["path"] for c in facts["their_changes"]} == {"title/ru", "title/en", "department"}
    assert {c["path"] for c in facts["your_changes"]} == {"title/ru", "title/en", "binding"}
    assert facts["both_changed"] == ["title/ru", "title/en"]
    json.dumps(facts)
    with pytest.raises(EditConflict):
        await save_draft(session, draft.public_id, draft.definition, 3, 77, NOW)


async def test_an_erratum_stands_above_a_sealed_text_for_good(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(session)
    await add_erratum(session, poll.public_id, AUTHOR, Text(ru="Вместо «сквера» читайте «парк»."), NOW)
    await cancel_poll(session, poll.public_id, AUTHOR, "ошибка", NOW)
    await add_erratum(session, poll.public_id, AUTHOR, Text(ru="Голосование отменено.", en="Cancelled."), NOW)
    assert [e.text.en for e in await errata_of(session, poll.id)] == ["", "Cancelled."]
    assert [e["kind"] for e in await poll_events(session, poll.id)].count("erratum_added") == 2
    with pytest.raises(IntegrityError):
        await session.execute(text("UPDATE erratum SET text_ru = 'иначе'"))


@pytest.mark.parametrize("words", [Text(), Text(en="Only English"), Text(ru="x" * 2_001)])
async def test_an_erratum_needs_words(session: Session, words: Text) -> None:
    await a_city(session)
    poll = await an_open_poll(session)
    with pytest.raises(Invalid):
        await add_erratum(session, poll.public_id, AUTHOR, words, NOW)


async def test_a_draft_takes_no_erratum_and_a_poll_no_more_than_twenty(session: Session) -> None:
    draft = await drafted(session, "Черновик")
    with pytest.raises(WrongState):
        await add_erratum(session, draft.public_id, AUTHOR, Text(ru="Ошибка"), NOW)
    await a_city(session)
    poll = await an_open_poll(session)
    for number in range(20):
        await add_erratum(session, poll.public_id, AUTHOR, Text(ru=f"Ошибка {number}"), NOW)
    with pytest.raises(Invalid):
        await add_erratum(session, poll.public_id, AUTHOR, Text(ru="Ошибка 21"), NOW)


async def test_a_draft_put_away_keeps_everything_and_is_not_scheduled(session: Session) -> None:
    draft = await drafted(session, "Старый")
    away = await archive_draft(session, draft.public_id, AUTHOR, NOW)
    assert away.archived_at == NOW
    assert (await archive_draft(session, draft.public_id, AUTHOR, NOW)).archived_at == NOW
    counts = await desk_counts(session, NOW)
    assert (counts[Pile.ARCHIVED], counts[Pile.DRAFTS], counts[Pile.ALL]) == (1, 0, 0)
    [line], _ = await desk_polls(session, NOW, Pile.ARCHIVED)
    assert line.archived_at == NOW
    with pytest.raises(WrongState):
        await schedule_poll(session, draft.public_id, AUTHOR, 1, NOW)
    back = await restore_draft(session, draft.public_id, AUTHOR, NOW)
    assert (back.archived_at, back.definition) == (None, draft.definition)
    sealed = await a_sealed_poll(session)
    with pytest.raises(WrongState):
        await archive_draft(session, sealed.public_id, AUTHOR, NOW)
    kinds = await session.scalars(text("SELECT kind FROM registry_event WHERE body->>'public_id' = :p ORDER BY id"),
                                  {"p": draft.public_id})  # fmt: skip
    assert list(kinds) == ["poll_drafted", "draft_archived", "draft_restored"]


async def test_a_poll_is_handed_over_in_any_state_and_the_public_history_names_nobody(session: Session) -> None:
    await a_city(session)
    for public_id in ((await drafted(session, "Черновик")).public_id, (await an_open_poll(session)).public_id):
        given = await hand_over(session, public_id, 42, AUTHOR, NOW)
        assert given.author_id == 42
        assert (await load_draft(session, public_id, NOW)).author_id == 42
        with pytest.raises(Invalid):
            await hand_over(session, public_id, 42, AUTHOR, NOW)
        assert "poll_handed_over" not in [e["kind"] for e in await poll_events(session, given.poll_id)]
    with pytest.raises(PollNotFound):
        await hand_over(session, "0" * 32, 42, AUTHOR, NOW)
    [first, *_] = (
        await session.execute(text("SELECT body FROM registry_event WHERE kind = 'poll_handed_over' ORDER BY id"))
    ).scalars()
    assert (first["former"], first["author"], first["by"]) == (AUTHOR, 42, AUTHOR)

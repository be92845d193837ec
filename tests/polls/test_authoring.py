"""Officials' use cases: drafts, conflicts, sealing, amendments, and what the database itself refuses."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.builders import AUTHOR, NOW, a_citizen, a_city, a_definition, a_sealed_poll, an_open_poll, both

from polls.authoring import (
    cancel_poll,
    check_draft,
    close_early,
    copy_poll,
    create_draft,
    delete_draft,
    extend_poll,
    load_draft,
    revisions,
    save_draft,
    schedule_poll,
)
from polls.catalogue import sealed_poll
from polls.definition import Definition, canonical_bytes, poll_hash
from polls.errors import EditConflict, Invalid, NotReady, PollNotFound, Sealed, WrongState
from polls.journal import poll_events
from polls.lifecycle import State
from polls.sessions import Session


def titled(definition: Definition, ru: str) -> Definition:
    return Definition.model_validate({**definition.as_json(), "title": both(ru)})


async def test_every_save_is_a_revision_and_an_unchanged_one_is_not(session: Session) -> None:
    draft = await create_draft(session, AUTHOR, a_definition(), NOW)
    saved = await save_draft(session, draft.public_id, titled(draft.definition, "Иначе"), 2, draft.revision, NOW)
    same = await save_draft(session, draft.public_id, saved.definition, 2, saved.revision, NOW)
    assert (saved.revision, same.revision) == (2, 2)
    assert [number for number, _, _ in await revisions(session, draft.public_id)] == [2, 1]
    assert (await load_draft(session, draft.public_id, NOW)).definition.title.ru == "Иначе"


async def test_two_officials_editing_at_once_are_told_and_lose_nothing(session: Session) -> None:
    draft = await create_draft(session, AUTHOR, a_definition(), NOW)
    await save_draft(session, draft.public_id, titled(draft.definition, "Первая"), 2, 1, NOW)
    with pytest.raises(EditConflict) as refused:
        await save_draft(session, draft.public_id, titled(draft.definition, "Вторая"), 3, 1, NOW)
    assert (refused.value.facts["yours"], refused.value.facts["theirs"]) == (1, 2)
    again = await save_draft(session, draft.public_id, titled(draft.definition, "Вторая"), 3, 2, NOW)
    assert again.definition.title.ru == "Вторая"


async def test_an_address_is_checked_and_unique(session: Session) -> None:
    first = await create_draft(session, AUTHOR, a_definition(), NOW, slug="skver")
    second = await create_draft(session, AUTHOR, a_definition(), NOW)
    for slug in ("skver", "Сквер", "a b", "-", "x" * 65, "../etc", "a" * 32):
        with pytest.raises(Invalid):
            await save_draft(session, second.public_id, second.definition, AUTHOR, 1, NOW, slug=slug)
    assert first.slug == "skver"


async def test_scheduling_seals_the_bytes_and_shows_their_hash(session: Session) -> None:
    await a_city(session)
    await a_citizen(session)
    draft = await create_draft(session, AUTHOR, a_definition(opens_at=NOW + timedelta(hours=1)), NOW)
    done = await schedule_poll(session, draft.public_id, AUTHOR, 1, NOW)
    assert done.state is State.SCHEDULED
    assert done.poll_hash == poll_hash(draft.definition)
    stored = await session.scalar(text("SELECT bytes FROM sealed_definition WHERE poll_id = :p"), {"p": done.poll_id})
    assert stored == canonical_bytes(draft.definition)
    [event] = await poll_events(session, done.poll_id)
    assert (event["kind"], event["body"]["reviewed"]) == ("poll_sealed", False)
    with pytest.raises(Sealed):
        await save_draft(session, draft.public_id, titled(draft.definition, "Тайком"), AUTHOR, 1, NOW)
    with pytest.raises(WrongState):
        await schedule_poll(session, draft.public_id, AUTHOR, 1, NOW)
    with pytest.raises(WrongState):
        await delete_draft(session, draft.public_id, AUTHOR, NOW)


async def test_a_draft_with_blocking_findings_is_not_scheduled(session: Session) -> None:
    await a_city(session)
    draft = await create_draft(session, AUTHOR, a_definition(questions=[], opens_at=NOW + timedelta(hours=1)), NOW)
    with pytest.raises(NotReady) as refused:
        await schedule_poll(session, draft.public_id, AUTHOR, 1, NOW)
    assert {finding["code"] for finding in refused.value.facts["findings"]} == {"no_questions", "audience_empty"}
    with pytest.raises(EditConflict):
        await schedule_poll(session, draft.public_id, AUTHOR, 7, NOW)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sealed_definition SET bytes = '\\x00'",
        "DELETE FROM sealed_definition",
        "TRUNCATE sealed_definition",
        "UPDATE poll SET opens_at = opens_at - interval '1 day'",
        "UPDATE poll SET poll_hash = sha256('other')",
        "UPDATE poll SET privacy = 'named'",
        "UPDATE poll SET title_ru = 'Другое'",
        "UPDATE poll SET state = 'draft', sealed_at = NULL, poll_hash = NULL",
        "DELETE FROM poll",
        "UPDATE poll_revision SET definition = '{}'",
        "INSERT INTO poll_revision SELECT poll_id, 99, definition, 1, now() FROM poll_revision",
        "UPDATE registry_event SET body = '{}'",
        "DELETE FROM registry_event",
    ],
)
async def test_the_database_itself_refuses_to_change_what_is_sealed(session: Session, statement: str) -> None:
    await a_city(session)
    await a_sealed_poll(session)
    with pytest.raises(IntegrityError, match=r"sealed|append-only|refused"):
        await session.execute(text(statement))


async def test_a_draft_can_be_deleted_with_its_revisions(session: Session) -> None:
    draft = await create_draft(session, AUTHOR, a_definition(), NOW)
    await save_draft(session, draft.public_id, titled(draft.definition, "Иначе"), 2, 1, NOW)
    await delete_draft(session, draft.public_id, AUTHOR, NOW)
    with pytest.raises(PollNotFound):
        await load_draft(session, draft.public_id, NOW)
    assert await session.scalar(text("SELECT count(*) FROM poll_revision")) == 0


async def test_a_copy_has_everything_but_times_and_identity(session: Session) -> None:
    await a_city(session)
    source = await a_sealed_poll(session)
    copy = await copy_poll(session, source.public_id, secrets.token_hex(16), 7, NOW)
    assert copy.state is State.DRAFT
    assert copy.definition.questions == source.definition.questions
    assert (copy.definition.opens_at, copy.definition.closes_at) == (None, None)
    assert copy.definition.poll_id != source.definition.poll_id


async def test_extending_closing_early_and_cancelling_need_a_reason_and_are_public(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(session)
    for reason in ("", "  ", "x" * 1_001):
        with pytest.raises(Invalid):
            await extend_poll(session, poll.public_id, AUTHOR, poll.closes_at + timedelta(days=1), reason, NOW)
    with pytest.raises(Invalid):
        await extend_poll(session, poll.public_id, AUTHOR, poll.closes_at - timedelta(hours=1), "раньше", NOW)
    later = poll.closes_at + timedelta(days=1)
    await extend_poll(session, poll.public_id, AUTHOR, later, "сбой связи", NOW)
    assert (await sealed_poll(session, poll.public_id)).closes_at == later
    assert (await sealed_poll(session, poll.public_id)).definition.closes_at == poll.closes_at, "the seal holds"
    await close_early(session, poll.public_id, AUTHOR, "решение суда", NOW)
    with pytest.raises(WrongState):
        await extend_poll(session, poll.public_id, AUTHOR, later + timedelta(days=1), "поздно", NOW)
    kinds = [event["kind"] for event in await poll_events(session, poll.id)]
    assert kinds == ["poll_sealed", "poll_extended", "poll_closed_early"]


async def test_a_cancelled_poll_stays_readable_with_its_reason(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(session)
    await cancel_poll(session, poll.public_id, AUTHOR, "ошибка в вопросе", NOW)
    found = await sealed_poll(session, poll.slug)
    assert (found.state(NOW), found.reason) == (State.CANCELLED, "ошибка в вопросе")
    with pytest.raises(WrongState):
        await cancel_poll(session, poll.public_id, AUTHOR, "ещё раз", NOW)


async def test_the_check_needs_no_times_to_say_what_is_missing(session: Session) -> None:
    await a_city(session)
    check = await check_draft(session, a_definition(opens_at=None, closes_at=None), NOW)
    assert check.dry_run is None
    assert not check.ready
    assert {"opening_missing", "closing_missing"} <= {finding.code for finding in check.findings}


async def test_nobody_finds_a_draft_among_public_polls(session: Session) -> None:
    draft = await create_draft(session, AUTHOR, a_definition(), NOW)
    with pytest.raises(PollNotFound):
        await sealed_poll(session, draft.public_id)

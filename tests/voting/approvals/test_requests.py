"""Requests for a second person on the real database: bound to one object, one answer, one carrying out."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
import rfc8785
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from tests.builders import NOW, an_open_poll, both
from tests.voting.approvals.staff import (
    Shown,
    a_hand,
    a_member,
    a_ready_definition,
    an_office,
    asked_to_publish,
    the_clock,
)

from polls.authoring import load_draft, save_draft
from polls.custody import archive_draft
from polls.document import Text
from polls.errata import errata_of
from polls.errors import EditConflict, Invalid, NotReady, WrongState
from polls.lifecycle import State as PollState
from polls.pausing import pause_poll
from polls.sessions import Session
from polls.tables import audit_event, registry_event
from voting.approvals.actions import LASTS, Action, State
from voting.approvals.carrying_out import judge
from voting.approvals.errors import (
    ApprovalNotFound,
    ApprovalOver,
    ApprovalOwn,
    ApprovalUnseen,
    ApprovalWaiting,
    LastAdmin,
    NotOnYourself,
    OutOfScope,
)
from voting.approvals.gate import parameters_of
from voting.approvals.queue import Reader, counts_for, request_seen_by, requests_for
from voting.approvals.requests import agree, ask, decline, withdraw
from voting.approvals.scopes import officials_reaching
from voting.identity.accounts import revoke_role
from voting.identity.scope import Grant
from voting.tables import account_role

OWN = "UPDATE approval SET state = 'approved', decided_by = author_id, decided_at = now() WHERE id = :id"


async def kinds(session: Session) -> list[str]:
    return list(await session.scalars(select(audit_event.c.kind).order_by(audit_event.c.id)))


async def test_publishing_takes_two_and_both_are_written_down(session: Session) -> None:
    office = await an_office(session, NOW)
    shown = Shown()
    request = await asked_to_publish(session, office, NOW)
    assert (await load_draft(session, office.draft.public_id, NOW)).state is PollState.DRAFT
    done = await agree(session, a_hand(office.reviewer, shown), request.id, request.object_hash, NOW)
    assert (done.state, done.decided_by) == (State.APPROVED, office.reviewer)
    assert shown.proofs == [("agree_publish", request.object_hash)]
    assert done.author_evidence["account"] == office.official
    assert done.decider_evidence is not None and done.decider_evidence["object_hash"] == request.object_hash.hex()
    assert (await load_draft(session, office.draft.public_id, NOW)).state is PollState.SCHEDULED
    sealed = await session.scalar(select(registry_event.c.body).where(registry_event.c.kind == "poll_sealed"))
    assert sealed is not None
    assert (sealed["by"], sealed["reviewed"]) == (office.official, True)
    told = (await session.execute(select(audit_event).where(audit_event.c.kind == "approval_given"))).one()
    assert (told.actor, told.facts["author"], told.facts["hash"]) == (
        office.reviewer, office.official, request.object_hash.hex(),
    )  # fmt: skip


async def test_the_hash_is_what_the_format_says(session: Session) -> None:
    """Recomputed here from the rule alone: whoever audits can do the same."""
    office = await an_office(session, NOW)
    request = await asked_to_publish(session, office, NOW)
    document = hashlib.sha256(rfc8785.dumps(office.draft.definition.as_json())).hexdigest()
    version = {"state": "draft", "revision": 1, "document": document, "slug": office.draft.slug, "archived": False}
    told: Any = {
        "what": "veche/approval/v1", "action": "publish", "parameters": {"revision": 1},
        "object": {"kind": "poll", "ref": office.draft.public_id, "version": version},
    }  # fmt: skip
    assert hashlib.sha256(rfc8785.dumps(told)).digest() == request.object_hash


async def test_nobody_agrees_to_their_own(session: Session) -> None:
    office = await an_office(session, NOW)
    both_roles = await a_member(session, "both", "official", "reviewer")
    wrote = await a_member(session, "wrote", "official", "reviewer")
    more = office.draft.definition.model_copy(update={"summary": Text(ru="Ещё", en="More")})
    office.draft = await save_draft(session, office.draft.public_id, more, wrote, 1, NOW)
    told = parameters_of(Action.PUBLISH, {"revision": 2})
    request = await ask(session, a_hand(both_roles), Action.PUBLISH, office.draft.public_id, told, NOW)
    for account_id, part in ((both_roles, "asked"), (wrote, "drafted")):
        with pytest.raises(ApprovalOwn) as refused:
            await agree(session, a_hand(account_id), request.id, request.object_hash, NOW)
        assert refused.value.facts["part"] == part
    with pytest.raises(OutOfScope):  # an official is no reviewer
        await agree(session, a_hand(await a_member(session, "third", "official")), request.id, request.object_hash, NOW)
    assert (await load_draft(session, office.draft.public_id, NOW)).state is PollState.DRAFT


async def test_nor_does_the_same_person_under_another_account(session: Session) -> None:
    office = await an_office(session, NOW)
    request = await asked_to_publish(session, office, NOW)
    await session.execute(text("ALTER TABLE account DROP CONSTRAINT uq_account_citizen_id"))
    await session.execute(text("INSERT INTO citizen (sex, registered_at) VALUES ('f', now())"))
    await session.execute(text("UPDATE account SET citizen_id = (SELECT max(id) FROM citizen)"))
    with pytest.raises(ApprovalOwn) as refused:
        await agree(session, a_hand(office.reviewer), request.id, request.object_hash, NOW)
    assert refused.value.facts["part"] == "same_person"


async def test_a_consent_names_what_was_read(session: Session) -> None:
    office = await an_office(session, NOW)
    request = await asked_to_publish(session, office, NOW)
    with pytest.raises(ApprovalUnseen):
        await agree(session, a_hand(office.reviewer), request.id, b"\0" * 32, NOW)


@pytest.mark.parametrize("edit", ["save", "slug", "archive", "hand_over_role", "delete"])
async def test_any_edit_voids_the_request(session: Session, edit: str) -> None:
    office = await an_office(session, NOW)
    request, public_id = await asked_to_publish(session, office, NOW), office.draft.public_id
    if edit == "save":
        changed = office.draft.definition.model_copy(update={"summary": Text(ru="Иначе", en="Otherwise")})
        await save_draft(session, public_id, changed, office.official, 1, NOW)
    elif edit == "slug":
        await save_draft(session, public_id, office.draft.definition, office.official, 1, NOW, "another-address")
    elif edit == "archive":
        await archive_draft(session, public_id, office.official, NOW)
    elif edit == "delete":
        await session.execute(text("DELETE FROM poll_revision WHERE true"))
        await session.execute(text("DELETE FROM poll"))
    else:
        await revoke_role(session, office.official, Grant("official"), now=NOW)
    void = await agree(session, a_hand(office.reviewer), request.id, request.object_hash, NOW)
    assert (void.state, void.decided_by, void.decider_evidence) == (State.VOID, None, None)
    assert void.note == {"delete": "gone", "hand_over_role": "author"}.get(edit, "changed")
    assert "approval_void" in await kinds(session)
    with pytest.raises(ApprovalOver):
        await agree(session, a_hand(office.reviewer), request.id, request.object_hash, NOW)


async def test_reading_the_queue_writes_down_what_is_over(session: Session) -> None:
    office = await an_office(session, NOW)
    request = await asked_to_publish(session, office, NOW)
    reader = Reader(office.reviewer, (Grant("reviewer"),))
    assert [one.id for one in (await requests_for(session, reader, NOW))[0]] == [request.id]
    assert (await counts_for(session, reader)).for_you == 1
    changed = office.draft.definition.model_copy(update={"summary": Text(ru="Иначе", en="Otherwise")})
    await save_draft(session, office.draft.public_id, changed, office.official, 1, NOW)
    assert (await requests_for(session, reader, NOW))[0] == []
    past, _ = await requests_for(session, reader, NOW, pile="past")
    assert [(one.id, one.state) for one in past] == [(request.id, State.VOID)]
    assert (await request_seen_by(session, reader, request.id, NOW)).state is State.VOID
    with pytest.raises(ApprovalNotFound):
        await request_seen_by(session, Reader(9, (Grant("analyst"),)), request.id, NOW)


async def test_a_week_ends_it(session: Session) -> None:
    office = await an_office(session, NOW, opens_at=NOW + timedelta(days=30), closes_at=NOW + timedelta(days=40))
    request = await asked_to_publish(session, office, NOW)
    assert request.expires_at - request.asked_at == timedelta(days=7)
    late = await agree(session, a_hand(office.reviewer), request.id, request.object_hash, NOW + LASTS)
    assert late.state is State.EXPIRED
    again = await asked_to_publish(session, office, NOW + LASTS)  # the same may be asked for anew
    done = await agree(session, a_hand(office.reviewer), again.id, again.object_hash, NOW + LASTS)
    assert done.state is State.APPROVED


async def test_declining_and_taking_back(session: Session) -> None:
    office = await an_office(session, NOW)
    request = await asked_to_publish(session, office, NOW)
    with pytest.raises(ApprovalWaiting):
        await asked_to_publish(session, office, NOW)
    with pytest.raises(Invalid):
        await decline(session, office.reviewer, request.id, " ", NOW)
    with pytest.raises(OutOfScope):
        await decline(session, office.official, request.id, "не согласен сам с собой", NOW)
    declined = await decline(session, office.reviewer, request.id, "Опечатка в вопросе", NOW)
    assert (declined.state, declined.note) == (State.DECLINED, "Опечатка в вопросе")
    again = await asked_to_publish(session, office, NOW)
    with pytest.raises(ApprovalNotFound):
        await withdraw(session, office.reviewer, again.id, NOW)
    assert (await withdraw(session, office.official, again.id, NOW)).state is State.WITHDRAWN
    with pytest.raises(ApprovalNotFound):  # nor is anybody but its author told how it ended
        await withdraw(session, office.reviewer, again.id, NOW)
    with pytest.raises(ApprovalOver):
        await agree(session, a_hand(office.reviewer), again.id, again.object_hash, NOW)


async def test_only_its_author_takes_a_request_back_and_only_in_the_role_it_was_asked_in(session: Session) -> None:
    office = await an_office(session, NOW)
    request = await asked_to_publish(session, office, NOW)
    for other in (office.reviewer, await a_member(session, "colleague", "official"), 10**6):
        with pytest.raises(ApprovalNotFound):
            await withdraw(session, other, request.id, NOW)
    await session.execute(text("UPDATE account_role SET department = 'Другие' WHERE account_id = :a"),
                          {"a": office.official})  # fmt: skip
    with pytest.raises(OutOfScope):
        await withdraw(session, office.official, request.id, NOW)
    await revoke_role(session, office.official, Grant("official", "Другие"), now=NOW)
    with pytest.raises(OutOfScope):
        await withdraw(session, office.official, request.id, NOW)
    state = await session.scalar(text("SELECT state FROM approval WHERE id = :i"), {"i": request.id})
    assert state == State.WAITING.value


async def test_what_cannot_be_done_is_not_asked_for(session: Session) -> None:
    office = await an_office(session, NOW, opens_at=NOW - timedelta(days=1))
    with pytest.raises(NotReady):
        await asked_to_publish(session, office, NOW)
    told = parameters_of(Action.PUBLISH, {"revision": 7})
    with pytest.raises(EditConflict):
        await ask(session, a_hand(office.official), Action.PUBLISH, office.draft.public_id, told, NOW)
    told = parameters_of(Action.CLOSE_EARLY, {"reason": "Рано"})
    with pytest.raises(WrongState):
        await ask(session, a_hand(office.official), Action.CLOSE_EARLY, office.draft.public_id, told, NOW)
    with pytest.raises(Invalid):
        parameters_of(Action.EXTEND, {"closes_at": "tomorrow", "reason": "x"})
    told = parameters_of(Action.PUBLISH, {"revision": 1})
    with pytest.raises(OutOfScope):
        await ask(session, a_hand(office.reviewer), Action.PUBLISH, office.draft.public_id, told, NOW)


async def test_a_running_poll(session: Session) -> None:
    """Later, a correction, early: each by two; a pause in between voids an extension."""
    office = await an_office(session, NOW)
    poll, now = await an_open_poll(session), await the_clock(session)
    mine, theirs = a_hand(office.official), a_hand(office.reviewer)
    later = {"closes_at": (poll.closes_at + timedelta(days=1)).isoformat(), "reason": "Праздники"}

    extend = await ask(session, mine, Action.EXTEND, poll.public_id, parameters_of(Action.EXTEND, later), now)
    await pause_poll(session, poll.public_id, office.official, "Сбой связи", now)
    assert (await agree(session, theirs, extend.id, extend.object_hash, now)).state is State.VOID

    extend = await ask(session, mine, Action.EXTEND, poll.public_id, parameters_of(Action.EXTEND, later), now)
    await agree(session, theirs, extend.id, extend.object_hash, now)
    closes_at = await session.scalar(text("SELECT closes_at FROM poll WHERE id = :id"), {"id": poll.id})
    assert closes_at == poll.closes_at + timedelta(days=1)

    told = parameters_of(Action.CORRECT, {"text": both("Не сквер, а парк", "Not a square but a park")})
    correct = await ask(session, mine, Action.CORRECT, poll.public_id, told, now)
    assert await errata_of(session, poll.id) == ()  # judged in a savepoint: nothing stays
    await agree(session, theirs, correct.id, correct.object_hash, now)
    assert [(one.text.ru, one.by) for one in await errata_of(session, poll.id)] == [
        ("Не сквер, а парк", office.official)
    ]

    told = parameters_of(Action.CLOSE_EARLY, {"reason": "Стройка начинается"})
    close = await ask(session, mine, Action.CLOSE_EARLY, poll.public_id, told, now)
    await agree(session, theirs, close.id, close.object_hash, now)
    assert (await load_draft(session, poll.public_id, await the_clock(session))).state is PollState.CLOSED


async def test_a_role_takes_two_administrators(session: Session) -> None:
    await an_office(session, NOW)
    first, second = await a_member(session, "first", "admin"), await a_member(session, "second", "admin")
    clerk = await a_member(session, "clerk")
    told = parameters_of(Action.GRANT_ROLE, {"role": "official", "territory": "msk-cao", "department": "Парки"})
    with pytest.raises(NotOnYourself):
        await ask(session, a_hand(first), Action.GRANT_ROLE, str(first), told, NOW)
    request = await ask(session, a_hand(first), Action.GRANT_ROLE, str(clerk), told, NOW)
    with pytest.raises(ApprovalOwn):
        await agree(session, a_hand(first), request.id, request.object_hash, NOW)
    await agree(session, a_hand(second), request.id, request.object_hash, NOW)
    row = (await session.execute(select(account_role).where(account_role.c.account_id == clerk))).one()
    assert (row.role, row.department, row.granted_by) == ("official", "Парки", first)
    assert {"role_granted", "approval_given"} <= set(await kinds(session))
    with pytest.raises(Invalid):  # held already
        await ask(session, a_hand(first), Action.GRANT_ROLE, str(clerk), told, NOW)

    down = parameters_of(Action.REVOKE_ROLE, {"role": "admin"})
    request = await ask(session, a_hand(first), Action.REVOKE_ROLE, str(second), down, NOW)
    with pytest.raises(ApprovalOwn) as refused:  # nobody decides on their own role
        await agree(session, a_hand(second), request.id, request.object_hash, NOW)
    assert refused.value.facts["part"] == "subject"


async def test_the_last_administrator_stays(session: Session) -> None:
    only = await a_member(session, "only", "admin")
    told = parameters_of(Action.REVOKE_ROLE, {"role": "admin"})
    with pytest.raises(LastAdmin):
        await judge(session, Action.REVOKE_ROLE, str(only), told, NOW)


async def test_scopes_decide_who_asks_and_who_agrees(session: Session) -> None:
    """The poll is of the parks department in Arbat, which lies in the Central okrug."""
    office = await an_office(session, NOW, territory="msk-cao-arbat")
    public_id, told = office.draft.public_id, parameters_of(Action.PUBLISH, {"revision": 1})
    for name, scope in (("transport", {"department": "Транспорт"}), ("north", {"territory": "msk-sao"})):
        outsider = await a_member(session, name, "official", **scope)
        with pytest.raises(OutOfScope):
            await ask(session, a_hand(outsider), Action.PUBLISH, public_id, told, NOW)
    insider = await a_member(session, "parks", "official", department="Департамент парков", territory="msk-cao")
    request = await ask(session, a_hand(insider), Action.PUBLISH, public_id, told, NOW)
    stranger = await a_member(session, "stranger", "reviewer", territory="msk-sao")
    with pytest.raises(OutOfScope):
        await agree(session, a_hand(stranger), request.id, request.object_hash, NOW)
    near = await a_member(session, "near", "reviewer", territory="msk-cao")
    assert (await agree(session, a_hand(near), request.id, request.object_hash, NOW)).state is State.APPROVED


async def test_a_poll_is_handed_only_to_whom_it_is_in_reach_of(session: Session) -> None:
    office = await an_office(session, NOW, territory="msk-cao-arbat")
    near = await a_member(session, "parks", "official", department="Департамент парков", territory="msk-cao")
    for name, scope in (("transport", {"department": "Транспорт"}), ("north", {"territory": "msk-sao"})):
        await a_member(session, name, "official", **scope)
    await a_member(session, "near", "reviewer", territory="msk-cao")
    gone = await a_member(session, "gone", "official")
    await session.execute(text("UPDATE account SET disabled_at = now() WHERE id = :id"), {"id": gone})
    assert set(await officials_reaching(session, office.draft.poll_id)) == {office.official, near}


async def test_the_database_keeps_what_was_decided(session: Session) -> None:
    office = await an_office(session, NOW)
    request = await asked_to_publish(session, office, NOW)
    await decline(session, office.reviewer, request.id, "Опечатка", NOW)
    for statement in (
        "UPDATE approval SET state = 'approved'", "UPDATE approval SET parameters = '{}'", "DELETE FROM approval",
        "TRUNCATE approval", "UPDATE approval SET carried_at = now()",
    ):  # fmt: skip
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                await session.execute(text(statement))
    again = await asked_to_publish(session, office, NOW)
    with pytest.raises(IntegrityError):  # whatever the code does, the author is no second person
        async with session.begin_nested():
            await session.execute(
                text(
                    "UPDATE approval SET state = 'approved', decided_by = author_id, decided_at = now() WHERE id = :id"
                ),
                {"id": again.id},
            )


def test_a_ready_document_is_ready() -> None:
    assert a_ready_definition(NOW).opens_at is not None

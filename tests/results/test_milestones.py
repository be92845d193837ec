"""Steps of a decision and the files that show them done, on PostgreSQL."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.results.counted import AFTER
from tests.results.decided import DEADLINE, LIMES, OFFICIAL, WHY, a_decided_poll, decide

from polls.catalogue import SealedPoll
from polls.definition import Text
from polls.errors import EditConflict, Invalid, NotFound, PollNotFound, WrongState
from polls.sessions import Session
from results.decision_changes import ChangeKind, changes_of
from results.decisions import Status, decision_on
from results.evidence import (
    MOST_FILES,
    Role,
    StoredFile,
    add_evidence,
    public_file,
    withdraw_evidence,
    withdrawn_before,
)
from results.milestones import (
    MOST_STEPS,
    Milestone,
    StepDraft,
    add_milestone,
    change_milestone,
    milestones_of,
    order_milestone,
)
from results.promised_days import promised_days
from results.tables import decision_change
from voting.evidence_files import forget_evidence, store_evidence, stored_evidence

DAY = timedelta(days=1)
TODAY = AFTER.date()
DRAFT = StepDraft(LIMES, DEADLINE)
SAID = Text(ru="Посажено 40 лип", en="40 limes planted")
PICTURE = StoredFile("ab" * 32, "image/jpeg", 1_000)
PAPER = StoredFile("cd" * 32, "application/pdf", 1_000)


async def a_step(session: Session, poll: SealedPoll, text: Text = LIMES, planned_on: date = DEADLINE) -> Milestone:
    return await add_milestone(
        session, poll.slug, text=text, planned_on=planned_on, author_id=OFFICIAL, now=AFTER
    )  # fmt: skip


async def change(session: Session, poll: SealedPoll, step: Milestone, draft: StepDraft, **more: Any) -> Milestone:
    return await change_milestone(session, poll.slug, step.id, draft, **{"author_id": OFFICIAL, "now": AFTER, **more})


async def kinds(session: Session, poll: SealedPoll) -> list[ChangeKind]:
    found = await decision_on(session, poll.slug)
    return [one.kind for one in reversed(await changes_of(session, found.id))]


async def test_a_step_from_plan_to_done(session: Session) -> None:
    poll = await a_decided_poll(session)
    step = await a_step(session, poll)
    moved = await change(session, poll, step, replace(DRAFT, planned_on=DEADLINE + 30 * DAY, reason=WHY))
    assert (moved.first_planned_on, moved.planned_on, moved.version) == (DEADLINE, DEADLINE + 30 * DAY, 2)
    done = await change(session, poll, step, StepDraft(LIMES, moved.planned_on, TODAY, outcome=SAID))
    assert (done.done_on, done.outcome, done.open) == (TODAY, SAID, False)
    found = await decision_on(session, poll.slug)
    assert (found.steps, found.steps_done) == (1, 1)
    assert found.latest and (found.latest.text, found.latest.day) == (LIMES, TODAY)
    assert found.coming is None
    assert await kinds(session, poll) == [ChangeKind.RECORDED, ChangeKind.STEP_ADDED, ChangeKind.STEP_CHANGED,
                                          ChangeKind.STEP_DONE]  # fmt: skip
    again = await change(session, poll, step, StepDraft(LIMES, moved.planned_on, reason=WHY))
    assert again.open
    dropped = await change(session, poll, step, StepDraft(LIMES, moved.planned_on, dropped=True, reason=WHY))
    assert dropped.dropped == TODAY
    assert (await kinds(session, poll))[-2:] == [ChangeKind.STEP_REOPENED, ChangeKind.STEP_DROPPED]
    assert (await decision_on(session, poll.slug)).steps == 0


@pytest.mark.parametrize(
    ("draft", "path"),
    [
        (replace(DRAFT, planned_on=DEADLINE + DAY), "reason/ru"),
        (replace(DRAFT, dropped=True), "reason/ru"),
        (replace(DRAFT, done_on=TODAY), "outcome/ru"),
        (replace(DRAFT, done_on=TODAY + DAY, outcome=SAID), "done_on"),
        (replace(DRAFT, done_on=TODAY, dropped=True, outcome=SAID, reason=WHY), "done_on"),
        (replace(DRAFT, text=Text(ru="", en="x")), "text/ru"),
        (replace(DRAFT, text=Text(ru="ы" * 501, en="")), "text/ru"),
        (replace(DRAFT, outcome=Text(ru="", en="only English")), "outcome/ru"),
        (replace(DRAFT, planned_on=date(1812, 1, 1), reason=WHY), "planned_on"),
    ],
)
async def test_what_a_step_is_refused_for(session: Session, draft: StepDraft, path: str) -> None:
    poll = await a_decided_poll(session)
    step = await a_step(session, poll)
    with pytest.raises(Invalid) as refusal:
        await change(session, poll, step, draft)
    assert path in {error.path for error in refusal.value.errors}
    found = await decision_on(session, poll.slug)
    assert await milestones_of(session, found.id) == [step]


async def test_a_stale_step_is_refused_and_the_same_changes_nothing(session: Session) -> None:
    poll = await a_decided_poll(session)
    step = await a_step(session, poll)
    assert (await change(session, poll, step, DRAFT, based_on=1)).version == 1
    await change(session, poll, step, replace(DRAFT, text=SAID), based_on=1)
    with pytest.raises(EditConflict):
        await change(session, poll, step, replace(DRAFT, text=WHY), based_on=1)


async def test_steps_have_an_order(session: Session) -> None:
    poll = await a_decided_poll(session)
    steps = [await a_step(session, poll, Text(ru=name, en=name)) for name in "abc"]

    async def order() -> str:
        found = await decision_on(session, poll.slug)
        return "".join(step.text.en for step in await milestones_of(session, found.id))

    for step, up, wanted in ((2, True, "acb"), (0, True, "acb"), (0, False, "cab"), (1, False, "cab")):
        await order_milestone(session, poll.slug, steps[step].id, up=up, author_id=1, now=AFTER)
        assert await order() == wanted
    assert len(await kinds(session, poll)) == 4, "the order is no promise"


async def test_steps_of_another_poll_are_not_there(session: Session) -> None:
    poll, other = await a_decided_poll(session), await a_decided_poll(session)
    step = await a_step(session, poll)
    for number in (step.id, 0, -1, 2**70):
        with pytest.raises(NotFound):
            await change_milestone(session, other.slug, number, DRAFT, author_id=1, now=AFTER)
        with pytest.raises(NotFound):
            await add_evidence(session, other.slug, number, file=PICTURE, role=Role.AFTER, name=SAID, author_id=1,
                               now=AFTER)  # fmt: skip
    with pytest.raises(PollNotFound):
        await a_step(session, replace(poll, slug="no-such-poll"))


async def test_finished_and_declined_work_keeps_its_steps(session: Session) -> None:
    poll = await a_decided_poll(session)
    step = await a_step(session, poll)
    await change(session, poll, step, replace(DRAFT, done_on=TODAY, outcome=SAID))
    await decide(session, poll, status=Status.DONE)
    with pytest.raises(WrongState):
        await a_step(session, poll)
    with pytest.raises(WrongState):
        await change(session, poll, step, DRAFT)
    await add_evidence(session, poll.slug, step.id, file=PICTURE, role=Role.AFTER, name=SAID, author_id=1, now=AFTER)
    await decide(session, poll, status=Status.DECLINED, reason=WHY)
    with pytest.raises(WrongState):
        await add_evidence(session, poll.slug, step.id, file=PAPER, role=Role.DOCUMENT, name=SAID, author_id=1,
                           now=AFTER)  # fmt: skip


async def test_there_is_an_end_to_steps(session: Session) -> None:
    poll = await a_decided_poll(session)
    for _ in range(MOST_STEPS):
        await a_step(session, poll)
    with pytest.raises(Invalid, match="fields") as refusal:
        await a_step(session, poll)
    assert refusal.value.errors[0].code == "too_many_steps"


# ---- evidence


async def put(session: Session, poll: SealedPoll, step: Milestone, **more: Any) -> Any:
    wanted: dict[str, Any] = {"file": PICTURE, "role": Role.AFTER, "name": SAID, "author_id": 1, "now": AFTER, **more}
    return await add_evidence(session, poll.slug, step.id, **wanted)


async def test_a_file_is_public_while_it_stands_under_a_step(session: Session) -> None:
    poll = await a_decided_poll(session)
    step = await a_step(session, poll)
    with pytest.raises(NotFound):
        await public_file(session, PICTURE.sha256)
    made = await put(session, poll, step)
    assert (await public_file(session, PICTURE.sha256)).name == SAID
    done = await change(session, poll, step, replace(DRAFT, done_on=TODAY))
    assert done.files == (made,), "a file is evidence enough"
    with pytest.raises(Invalid):
        await withdraw_evidence(
            session, poll.slug, step.id, made.id, reason=Text(ru="", en="x"), author_id=1, now=AFTER
        )
    await withdraw_evidence(session, poll.slug, step.id, made.id, reason=WHY, author_id=1, now=AFTER)
    for gone in (made.id, 2**70, 0):
        with pytest.raises(NotFound):
            await withdraw_evidence(session, poll.slug, step.id, gone, reason=WHY, author_id=1, now=AFTER)
    with pytest.raises(NotFound):
        await public_file(session, PICTURE.sha256)
    newest = (await changes_of(session, (await decision_on(session, poll.slug)).id))[0]
    assert (newest.kind, newest.reason) == (ChangeKind.FILE_WITHDRAWN, WHY)
    assert "sha256" not in newest.body, "nothing leads to a file withdrawn"
    await put(session, poll, step)
    assert (await public_file(session, PICTURE.sha256)).id == made.id


def aged(directory: Path, moment: datetime) -> int:
    """Make files as old as that; how many there are."""
    found = list(directory.rglob("*.pdf"))
    for path in found:
        os.utime(path, (moment.timestamp(), moment.timestamp()))
    return len(found)


async def test_a_withdrawn_file_is_forgotten_after_its_time_unless_it_stands_elsewhere(
    session: Session, tmp_path: Path
) -> None:
    poll = await a_decided_poll(session)
    step, other = await a_step(session, poll), await a_step(session, poll)
    files = [store_evidence(tmp_path, b"%PDF-1.7\n" + letter * 40 + b"\n%%EOF") for letter in (b"a", b"b")]
    old, lately = AFTER - timedelta(days=400), datetime.now(UTC) - timedelta(hours=1)
    aged(tmp_path, old)
    shared, alone = files
    made = [await put(session, poll, step, file=file, role=Role.DOCUMENT) for file in files]
    await put(session, poll, other, file=shared, role=Role.DOCUMENT)
    for one in made:
        await withdraw_evidence(session, poll.slug, step.id, one.id, reason=WHY, author_id=1, now=AFTER)
    assert await withdrawn_before(session, AFTER) == []
    assert await withdrawn_before(session, AFTER + timedelta(seconds=1)) == [alone.sha256]
    again = stored_evidence(tmp_path, alone.sha256)  # somebody is about to put it back
    assert forget_evidence(tmp_path, [alone.sha256], lately) == 0 and again == alone
    assert aged(tmp_path, old) == 2
    assert forget_evidence(tmp_path, [alone.sha256], lately) == 1 == aged(tmp_path, old)
    assert stored_evidence(tmp_path, shared.sha256) == shared


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"name": Text(ru="", en="x")}, "name/ru"),
        ({"name": Text(ru="ы" * 501, en="")}, "name/ru"),
        ({"role": Role.DOCUMENT}, "role"),
        ({"file": PAPER}, "role"),
    ],
)
async def test_what_a_file_is_refused_for(session: Session, wrong: dict[str, Any], path: str) -> None:
    poll = await a_decided_poll(session)
    step = await a_step(session, poll)
    with pytest.raises(Invalid) as refusal:
        await put(session, poll, step, **wrong)
    assert [error.path for error in refusal.value.errors] == [path]
    assert await session.scalar(select(func.count()).select_from(decision_change)) == 2


async def test_there_is_an_end_to_files(session: Session) -> None:
    poll = await a_decided_poll(session)
    step = await a_step(session, poll)
    for n in range(MOST_FILES):
        await put(session, poll, step, file=replace(PICTURE, sha256=f"{n:064x}"))
    with pytest.raises(Invalid):
        await put(session, poll, step)


async def test_promised_days_for_a_calendar(session: Session) -> None:
    poll = await a_decided_poll(session)
    step = await a_step(session, poll, planned_on=DEADLINE - DAY)
    await change(session, poll, step, StepDraft(LIMES, DEADLINE - 2 * DAY, dropped=True, reason=WHY))
    first, whole = await promised_days(session)
    assert (first.step_id, first.day, first.given_up, first.version) == (step.id, DEADLINE - 2 * DAY, True, 2)
    assert (whole.step_id, whole.day, whole.given_up, whole.done) == (None, DEADLINE, False, False)

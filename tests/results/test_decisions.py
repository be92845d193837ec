"""Decisions: what is promised stays visible, what moves has its reason, what is late is counted, on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.results.counted import AFTER
from tests.results.decided import DEADLINE, LIMES, WHY, a_decided_poll, a_poll_to_decide, decide

from polls.definition import Text
from polls.errors import EditConflict, Invalid, PollNotFound, ResultsHidden
from polls.journal import poll_events
from polls.sessions import Session
from results.decision_changes import ChangeKind, changes_of, newest_changes
from results.decisions import (
    CityDecision,
    DecisionFilter,
    Show,
    Status,
    decision_of,
    decision_on,
    decisions,
    preview_decision,
)
from results.departments import count_decisions, departments, offered_filters
from results.milestones import add_milestone

DAY = timedelta(days=1)
TODAY = AFTER.date()


def codes(refusal: pytest.ExceptionInfo[Invalid]) -> dict[str, str]:
    return {error.path: error.code for error in refusal.value.errors}


async def test_the_first_saving_and_every_change_stay_in_the_history(session: Session) -> None:
    poll = await a_decided_poll(session)
    moved = await decide(session, poll, deadline=date(2027, 5, 31), reason=WHY, now=AFTER + DAY)
    assert (moved.deadline, moved.first_deadline, moved.moved, moved.version) == (date(2027, 5, 31), DEADLINE, True, 2)
    await decide(session, poll, deadline=date(2027, 5, 31), owner="Транспорт", now=AFTER + 2 * DAY)
    newest, middle, first = await changes_of(session, moved.id)
    assert (first.kind, first.body["deadline"]) == (ChangeKind.RECORDED, "2027-03-31")
    assert middle.body == {"deadline": ["2027-03-31", "2027-05-31"]}
    assert middle.reason == WHY
    assert newest.body == {"owner": ["Парки", "Транспорт"]}
    assert [one.number for one in (first, middle, newest)] == [1, 2, 3]
    events = [event["kind"] for event in await poll_events(session, poll.id)]
    assert events.count("decision_recorded") == 3


async def test_saving_what_is_there_changes_nothing(session: Session) -> None:
    poll = await a_decided_poll(session)
    again = await decide(session, poll, now=AFTER + DAY)
    assert (again.version, again.changed_at) == (1, AFTER)
    assert len(await changes_of(session, again.id)) == 1


async def test_the_history_takes_inserts_only(session: Session) -> None:
    await a_decided_poll(session)
    for statement in ("UPDATE decision_change SET reason_ru = 'x'", "DELETE FROM decision_change",
                      "TRUNCATE decision_change"):  # fmt: skip
        with pytest.raises(DBAPIError, match="append-only"):
            async with session.begin_nested():
                await session.execute(text(statement))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"deadline": date(2027, 6, 1)}, "reason/ru"),
        ({"deadline": None}, "reason/ru"),
        ({"status": Status.DECLINED}, "reason/ru"),
        ({"deadline": AFTER.date() - DAY, "reason": WHY}, "deadline"),
        ({"deadline": date(1950, 1, 1), "reason": WHY}, "deadline"),
        ({"status": Status.DONE, "done_on": TODAY + DAY}, "done_on"),
        ({"text": Text(ru="", en="We plant")}, "text/ru"),
        ({"owner": "  "}, "owner"),
        ({"owner": "Пар\x00ки"}, "owner"),
        ({"owner": "П" * 301}, "owner"),
        ({"text": Text(ru="Ы" * 10_000, en="x"), "reason": Text(ru="", en="")}, ""),
    ],
)
async def test_what_a_change_is_refused_for(session: Session, change: dict[str, Any], path: str) -> None:
    poll = await a_decided_poll(session)
    before = await decision_of(session, poll.id)
    if not path:
        assert (await decide(session, poll, **change)).version == 2
        return
    with pytest.raises(Invalid) as refusal:
        await decide(session, poll, **change)
    assert path in codes(refusal)
    assert await decision_of(session, poll.id) == before
    arguments: dict[str, Any] = {"text": LIMES, "owner": "Парки", "status": Status.IN_PROGRESS,
                                 "deadline": DEADLINE, "now": AFTER, **change}  # fmt: skip
    with pytest.raises(Invalid) as refusal:
        await preview_decision(session, poll.slug, **arguments)
    assert path in codes(refusal)


async def test_declined_and_finished_work_is_taken_up_again_only_with_a_reason(session: Session) -> None:
    poll = await a_decided_poll(session)
    done = await decide(session, poll, status=Status.DONE)
    assert done.done_on == TODAY
    kept = await decide(session, poll, status=Status.DONE, owner="Транспорт", now=AFTER + 5 * DAY)
    assert kept.done_on == TODAY, "a correction does not move the day the work was done"
    with pytest.raises(Invalid) as refusal:
        await decide(session, poll, status=Status.IN_PROGRESS)
    assert codes(refusal) == {"reason/ru": "required"}
    again = await decide(session, poll, status=Status.IN_PROGRESS, reason=WHY)
    assert again.done_on is None
    declined = await decide(session, poll, status=Status.DECLINED, reason=WHY)
    assert declined.status is Status.DECLINED
    with pytest.raises(Invalid):
        await decide(session, poll, status=Status.PLANNED)


async def test_work_with_open_steps_is_not_done(session: Session) -> None:
    poll = await a_decided_poll(session)
    await add_milestone(session, poll.slug, text=LIMES, planned_on=DEADLINE, author_id=1, now=AFTER)
    with pytest.raises(Invalid) as refusal:
        await decide(session, poll, status=Status.DONE)
    assert codes(refusal) == {"status": "steps_open"}


async def test_a_stale_form_is_refused(session: Session) -> None:
    poll = await a_decided_poll(session)
    await decide(session, poll, owner="Транспорт", based_on=1)
    with pytest.raises(EditConflict) as conflict:
        await decide(session, poll, owner="Культура", based_on=1)
    assert (conflict.value.facts["yours"], conflict.value.facts["theirs"]) == (1, 2)
    assert (await decision_on(session, poll.slug)).owner == "Транспорт"
    fresh = await a_poll_to_decide(session)
    await decide(session, fresh, based_on=0)
    with pytest.raises(EditConflict):
        await decide(session, fresh, owner="Культура", based_on=0)


async def test_a_preview_writes_nothing(session: Session) -> None:
    poll = await a_poll_to_decide(session)
    shown = await preview_decision(
        session, poll.slug, text=LIMES, owner="Парки", status=Status.PLANNED, deadline=DEADLINE, now=AFTER
    )
    assert (shown.text, shown.first_deadline) == (LIMES, DEADLINE)
    assert await decision_of(session, poll.id) is None
    with pytest.raises(PollNotFound):
        await decision_on(session, poll.slug)


async def test_a_past_deadline_can_be_left_as_it_is(session: Session) -> None:
    poll = await a_decided_poll(session, deadline=TODAY + DAY)
    late = await decide(session, poll, deadline=TODAY + DAY, owner="Транспорт", now=AFTER + 30 * DAY)
    assert late.overdue_days(TODAY + 13 * DAY) == 12


def of(deadline: date | None, status: Status, done_on: date | None = None, first: date | None = None) -> CityDecision:
    return CityDecision(1, "0" * 32, "x", LIMES, "parks", LIMES, "Парки", deadline, status, AFTER, AFTER,
                        first or deadline, done_on)  # fmt: skip


def test_lateness_is_of_days_in_city_time() -> None:
    assert of(TODAY, Status.PLANNED).overdue_days(TODAY) == 0, "the day of the deadline itself is in time"
    assert of(TODAY, Status.PLANNED).overdue_days(TODAY + DAY) == 1
    assert of(TODAY, Status.DONE, TODAY).overdue_days(TODAY + DAY) == 0
    assert of(None, Status.PLANNED).overdue_days(TODAY) == 0
    assert of(TODAY, Status.DONE, TODAY).in_time
    moved = of(TODAY + 10 * DAY, Status.DONE, TODAY + 3 * DAY, TODAY)
    assert (moved.late_days, moved.in_time, moved.moved) == (3, False, True), "by the first promise"
    assert not of(TODAY, Status.DONE).in_time, "the day is not known"


# ---- lists


async def five(session: Session) -> list[str]:
    """Overdue, in time, late, declined, and one without a deadline; slugs in this order."""
    late, owed = TODAY - 3 * DAY, datetime.combine(TODAY - 20 * DAY, AFTER.timetz())
    polls = [await a_poll_to_decide(session, topic=topic, territory=place)
             for topic, place in (("parks", "msk"), ("parks", "msk-cao-arbat"), ("transport", "msk-cao"),
                                  ("transport", "msk-sao"), ("culture", "msk"))]  # fmt: skip
    await decide(session, polls[0], deadline=late, now=owed)
    await decide(session, polls[1], deadline=late, now=owed)
    await decide(session, polls[1], deadline=late, now=AFTER, status=Status.DONE, done_on=late)
    await decide(session, polls[2], deadline=late, now=owed, owner="Транспорт 100%_")
    await decide(session, polls[2], deadline=late + 9 * DAY, now=AFTER, owner="Транспорт 100%_", reason=WHY)
    await decide(session, polls[2], deadline=late + 9 * DAY, now=AFTER, owner="Транспорт 100%_", status=Status.DONE)
    await decide(session, polls[3], status=Status.DECLINED, reason=WHY, now=AFTER + DAY)
    await decide(session, polls[4], deadline=None, status=Status.PLANNED, text=Text(ru="Клавесин", en="A harpsichord"))
    return [poll.slug for poll in polls]


async def slugs(session: Session, **wanted: Any) -> list[str]:
    return [one.poll_slug for one in await decisions(session, 20, 0, DecisionFilter(**wanted), TODAY)]


async def test_lists_are_narrowed_by_what_is_asked(session: Session) -> None:
    overdue, timely, late, declined, plain = await five(session)
    assert await slugs(session, show=Show.OVERDUE) == [overdue]
    assert set(await slugs(session, show=Show.DONE)) == {timely, late}
    assert await slugs(session, topic="culture") == [plain]
    assert set(await slugs(session, within="msk-cao")) == {timely, late}
    assert await slugs(session, owner="Транспорт 100%_") == [late]
    assert await slugs(session, words="харпсикорд") == []
    assert await slugs(session, words="клавес") == [plain]
    assert await slugs(session, words="100%_") == [late], "signs of LIKE are taken as they are"
    assert await slugs(session, words="harpsichord", show=Show.OVERDUE) == []
    assert (await decisions(session, 1))[0].poll_slug == declined, "the newest change first"
    everything = [one.poll_slug for one in await decisions(session)]
    paged = [one.poll_slug for n in range(5) for one in await decisions(session, 1, n)]
    assert paged == everything


async def test_counts_and_departments(session: Session) -> None:
    await five(session)
    counts = await count_decisions(session, DecisionFilter(show=Show.DONE), TODAY)
    assert counts == {Show.ALL: 5, Show.OVERDUE: 1, Show.PLANNED: 1, Show.IN_PROGRESS: 1, Show.DONE: 2,
                      Show.DECLINED: 1}  # fmt: skip
    parks, transport = await departments(session, TODAY)
    assert (parks.owner, parks.total, parks.overdue, parks.in_time, parks.late, parks.declined) == (
        "Парки",
        4,
        1,
        1,
        0,
        1,
    )
    assert (transport.done, transport.in_time, transport.late, transport.moved) == (1, 0, 1, 1)
    assert await departments(session, TODAY, "Нет такого") == []
    offered = await offered_filters(session)
    assert offered.topics == {"parks": 2, "transport": 2, "culture": 1}
    assert offered.territories["msk"] == 2


async def test_the_newest_changes_of_all_and_of_one(session: Session) -> None:
    poll = await a_decided_poll(session)
    other = await a_decided_poll(session, now=AFTER + DAY)
    assert [one.poll_slug for one in await newest_changes(session)] == [other.slug, poll.slug]
    assert [one.poll_slug for one in await newest_changes(session, poll_id=poll.id)] == [poll.slug]


async def test_nothing_is_decided_before_the_count(session: Session) -> None:
    from tests.builders import a_city, a_sealed_poll

    await a_city(session)
    poll = await a_sealed_poll(session)
    with pytest.raises(ResultsHidden):
        await decide(session, poll, now=datetime(2026, 11, 23, tzinfo=UTC))

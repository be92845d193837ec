"""The protocol of a result: what it says, the rule of two persons under attack, what is stored and never changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from tests.builders import AUTHOR, SEALER, ASigner, a_citizen, a_city, a_key, a_single_choice, an_open_poll, close_now

from polls.board_manifest import publish_manifest
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll, sealed_poll
from polls.counting import count_poll
from polls.definition import Text
from polls.errata import add_erratum
from polls.errors import Invalid, NotCounted, ResultsHidden, TieStillOpen
from polls.lifecycle import State
from polls.public_keys import add_key
from polls.registry import append_entries, entries_between
from polls.sessions import Session
from polls.tie_breaking import decide_tie
from results.decisions import Status, record_decision
from results.errors import (
    BoardNotPublished,
    NotSecondPerson,
    ProtocolChanged,
    ProtocolNotFound,
    ProtocolNotWaiting,
    ProtocolUnsigned,
)
from results.figures import poll_figures
from results.looks import looks_of, record_look
from results.protocol import (
    Certified,
    Waiting,
    certified_protocol,
    certify_protocol,
    draft_protocol,
    prepare_protocol,
    protocols_of,
    require_signed,
    sign_protocol,
    unsigned_protocols,
    waiting_protocol,
    withdraw_protocol,
    withdrawn_protocols,
)
from results.protocol_document import Person

IRINA = Person(11, "Ирина Лебедева", "Департамент транспорта", "official")
OLEG = Person(12, "Олег Карпов", "Департамент транспорта", "reviewer")
VERA = Person(13, "Вера Зимина", "Контроль", "reviewer")
DRAFTER = Person(AUTHOR, "Автор", "", "reviewer")


async def moment_of(session: Session) -> datetime:
    clock: datetime | None = await session.scalar(text("SELECT clock_timestamp()"))
    assert clock is not None
    return clock.astimezone(UTC) + timedelta(seconds=1)


async def a_counted_poll(
    session: Session, answers: tuple[int, ...] = (1, 1, 1, 2, 2, 1, 1, 2, 3, 1, 1), *, board: bool = True, **more: Any
) -> SealedPoll:
    """A poll through the ballot box and the count, its manifest signed."""
    await a_city(session)
    poll = await an_open_poll(session, **more)
    for answer in answers:
        citizen = await a_citizen(session)
        await cast_ballot(session, poll, citizen, {"1": answer}, a_key(), ASigner(), poll.opens_at)
    await close_now(session, poll)
    await count_poll(session, poll.public_id, await moment_of(session), SEALER)
    if board:
        await publish_manifest(session, poll.public_id, SEALER, await moment_of(session))
    return await sealed_poll(session, poll.public_id)


async def prepared(session: Session, poll: SealedPoll, person: Person = IRINA, reason: str = "") -> Waiting:
    now = await moment_of(session)
    draft = await draft_protocol(session, poll.slug, now)
    return await prepare_protocol(session, poll.slug, person, draft.sha256, reason, now)


async def certified(session: Session, poll: SealedPoll, reason: str = "") -> Certified:
    waiting = await prepared(session, poll, reason=reason)
    return await certify_protocol(session, poll.slug, OLEG, waiting.sha256, await moment_of(session))


# ---- what it says


async def test_two_people_and_a_job_make_a_protocol(session: Session) -> None:
    poll = await a_counted_poll(session)
    waiting = await prepared(session, poll)
    assert waiting.document["certified"] is None
    made = await certify_protocol(session, poll.slug, OLEG, waiting.sha256, await moment_of(session))
    said, figures = made.document, await poll_figures(session, poll.slug, await moment_of(session))
    assert {**said, "certified": None} == waiting.document  # what was read is what is signed
    assert said["questions"][0]["outcome"] == json.loads(json.dumps(figures.questions[0].outcome.as_json()))
    assert said["turnout"]["participations"] == figures.turnout.votes == 11
    assert (said["prepared"]["name"], said["certified"]["name"]) == (IRINA.name, OLEG.name)
    assert "account" not in json.dumps(said["certified"])
    assert said["definition"]["title"]["ru"] == "Каким будет сквер?"
    assert len(said["questions"][0]["tree"]["root"]) == 64
    assert (await sealed_poll(session, poll.slug)).stored_state is State.CERTIFIED

    with pytest.raises(ProtocolUnsigned):
        require_signed(made)
    [waits] = await unsigned_protocols(session)
    assert await sign_protocol(session, waits, ASigner(), await moment_of(session))
    assert not await sign_protocol(session, waits, ASigner(), await moment_of(session))
    signed = await certified_protocol(session, poll)
    note, key_id = require_signed(signed)
    assert note.startswith(f"127.0.0.1:8000/protocol/{poll.public_id}\nveche/protocol/v1\n1\n")
    assert key_id == ASigner().key_id
    assert not await unsigned_protocols(session)


async def test_two_readings_are_equal_to_the_byte(session: Session) -> None:
    poll = await a_counted_poll(session)
    now = await moment_of(session)
    first, later = [await draft_protocol(session, poll.slug, now + timedelta(days=n)) for n in (0, 400)]
    assert first.sha256 == later.sha256


async def test_the_registry_log_names_the_protocol_and_nobody(session: Session) -> None:
    poll = await a_counted_poll(session)
    made = await certified(session, poll)
    signer = ASigner()
    await add_key(session, "registry", signer.key_id, signer.public_bytes, await moment_of(session))
    while await append_entries(session, "127.0.0.1:8000", ASigner(), await moment_of(session)):
        pass
    entries = [json.loads(one) for one in await entries_between(session, 0, 10_000)]
    [entry] = [one for one in entries if one["kind"] == "protocol_certified"]
    assert entry["body"] == {"version": 1, "count": 1, "protocol": made.sha256, "reason": ""}
    assert not any(one["kind"] == "protocol_prepared" for one in entries)


async def test_an_erratum_and_the_reasons_of_moves_are_in_it(session: Session) -> None:
    poll = await a_counted_poll(session)
    await add_erratum(session, poll.public_id, AUTHOR, Text(ru="Площадь 2 га, а не 3"), await moment_of(session))
    said = (await certified(session, poll)).document
    [change] = said["changes"]
    assert change["kind"] == "erratum_added"
    assert change["facts"]["text"]["ru"] == "Площадь 2 га, а не 3"


async def test_few_ballots_give_outcome_and_turnout_and_no_day_less(session: Session) -> None:
    poll = await a_counted_poll(session, (1, 1, 2))
    said = (await certified(session, poll)).document
    assert said["questions"][0]["outcome"]["winners"] == [1]
    assert said["turnout"]["ballots"] == 3


async def test_what_stands_in_the_way_is_said(session: Session) -> None:
    poll = await a_counted_poll(session, board=False)
    with pytest.raises(BoardNotPublished):
        await draft_protocol(session, poll.slug, await moment_of(session))
    with pytest.raises(ProtocolNotFound):
        await certified_protocol(session, poll)
    running = await an_open_poll(session)
    with pytest.raises(ResultsHidden):
        await draft_protocol(session, running.slug, await moment_of(session))
    await close_now(session, running)
    with pytest.raises(NotCounted):
        await draft_protocol(session, running.slug, await moment_of(session))


async def test_an_open_tie_is_certified_by_nobody(session: Session) -> None:
    question = a_single_choice(rule={"method": "plurality", "tie": "chair"})
    poll = await a_counted_poll(session, (1, 2), questions=[question])
    with pytest.raises(TieStillOpen) as refusal:
        await prepared(session, poll)
    assert refusal.value.facts["questions"] == [1]
    await decide_tie(session, poll.public_id, 1, (2, 1), "Так решил председатель", AUTHOR, await moment_of(session))
    await publish_manifest(session, poll.public_id, SEALER, await moment_of(session))
    said = (await certified(session, poll)).document
    assert said["count"]["version"] == 2
    assert said["ties"][0]["decided"] == [2, 1]


# ---- two persons, attacked


async def test_nobody_certifies_what_they_prepared_or_drafted(session: Session) -> None:
    poll = await a_counted_poll(session)
    waiting = await prepared(session, poll, OLEG)
    for person, part in ((OLEG, "prepared"), (DRAFTER, "drafted")):
        with pytest.raises(NotSecondPerson) as refusal:
            await certify_protocol(session, poll.slug, person, waiting.sha256, await moment_of(session))
        assert refusal.value.facts["part"] == part
    # The database itself refuses one pair of hands, whatever the code above it does.
    with pytest.raises(DBAPIError, match="second_person"):
        async with session.begin_nested():
            await session.execute(
                text("UPDATE protocol SET certified_by = prepared_by, certified_at = now(), bytes = prepared")
            )
    assert await protocols_of(session, poll.id) == []


async def test_handing_the_poll_over_makes_no_second_person_of_its_drafter(session: Session) -> None:
    poll = await a_counted_poll(session)
    waiting = await prepared(session, poll)
    await session.execute(text("UPDATE poll SET author_id = 77 WHERE id = :p"), {"p": poll.id})
    for person in (DRAFTER, Person(77, "Новый", "", "reviewer")):
        with pytest.raises(NotSecondPerson):
            await certify_protocol(session, poll.slug, person, waiting.sha256, await moment_of(session))


async def test_a_hash_is_good_for_one_object_and_once(session: Session) -> None:
    poll = await a_counted_poll(session)
    first = await prepared(session, poll)
    second = await prepared(session, poll)  # the same facts at another moment: another object
    assert first.sha256 != second.sha256
    for stale in (first.sha256, "0" * 64, ""):
        with pytest.raises(ProtocolNotWaiting):
            await certify_protocol(session, poll.slug, OLEG, stale, await moment_of(session))
    await certify_protocol(session, poll.slug, OLEG, second.sha256, await moment_of(session))
    for person in (OLEG, VERA):
        with pytest.raises(ProtocolNotWaiting):
            await certify_protocol(session, poll.slug, person, second.sha256, await moment_of(session))
    assert len(await protocols_of(session, poll.id)) == 1
    assert [one.note for one in await withdrawn_protocols(session, poll.id)] == ["prepared anew"]


async def test_a_new_count_voids_what_waits(session: Session) -> None:
    poll = await a_counted_poll(session)
    waiting = await prepared(session, poll)
    await session.execute(
        text(
            "INSERT INTO count_record SELECT poll_id, 2, counted_at, ballots, participations, outcomes, 'counted again'"
            " FROM count_record WHERE poll_id = :p"
        ),
        {"p": poll.id},
    )
    await publish_manifest(session, poll.public_id, SEALER, await moment_of(session))
    with pytest.raises(ProtocolChanged) as refusal:
        await certify_protocol(session, poll.slug, OLEG, waiting.sha256, await moment_of(session))
    assert {"board", "count"} <= set(refusal.value.facts["changed"])
    assert (await sealed_poll(session, poll.slug)).stored_state is State.COUNTED
    again = await prepared(session, poll)
    assert again.count_version == 2


async def test_what_changed_between_looking_and_preparing_is_prepared_by_nobody(session: Session) -> None:
    poll = await a_counted_poll(session)
    seen = await draft_protocol(session, poll.slug, await moment_of(session))
    await add_erratum(session, poll.public_id, AUTHOR, Text(ru="Не тот адрес"), await moment_of(session))
    with pytest.raises(ProtocolChanged):
        await prepare_protocol(session, poll.slug, IRINA, seen.sha256, "", await moment_of(session))
    assert await waiting_protocol(session, poll.id) is None


async def test_taking_back_needs_the_object_and_a_word(session: Session) -> None:
    poll = await a_counted_poll(session)
    waiting = await prepared(session, poll)
    with pytest.raises(ProtocolNotWaiting):
        await withdraw_protocol(session, poll.slug, 12, "0" * 64, "Не та дата", await moment_of(session))
    with pytest.raises(Invalid):
        await withdraw_protocol(session, poll.slug, 12, waiting.sha256, " ", await moment_of(session))
    await withdraw_protocol(session, poll.slug, 12, waiting.sha256, "Не та дата", await moment_of(session))
    with pytest.raises(ProtocolNotWaiting):
        await certify_protocol(session, poll.slug, OLEG, waiting.sha256, await moment_of(session))


# ---- corrections, decisions


async def test_a_correction_is_a_new_version_with_its_reason_and_the_old_one_stays(session: Session) -> None:
    poll = await a_counted_poll(session)
    first = await certified(session, poll)
    assert (await draft_protocol(session, poll.slug, await moment_of(session))).changed == ()
    with pytest.raises(Invalid):
        await prepared(session, poll, reason=" ")
    await add_erratum(session, poll.public_id, AUTHOR, Text(ru="Не тот адрес"), await moment_of(session))
    assert (await draft_protocol(session, poll.slug, await moment_of(session))).changed == ("changes",)
    second = await certified(session, poll, "Добавлено исправление адреса")
    assert (second.version, second.document["previous"]) == (2, first.sha256)
    assert second.document["reason"] == "Добавлено исправление адреса"
    assert (await certified_protocol(session, poll, 1)).data == first.data
    with pytest.raises(ProtocolNotFound):
        await certified_protocol(session, poll, 3)


async def decided(session: Session, poll: SealedPoll) -> State:
    """Record the one decision, twice as a double click would, and give the state the poll is in then."""
    for _ in range(2):
        await record_decision(session, poll.slug, text=Text(ru="Построим"), owner="Управа", status=Status.PLANNED,
                              author_id=AUTHOR, now=await moment_of(session))  # fmt: skip
    return (await sealed_poll(session, poll.slug)).stored_state


async def test_a_decision_after_the_protocol_makes_the_poll_decided(session: Session) -> None:
    poll = await a_counted_poll(session)
    await certified(session, poll)
    assert (await sealed_poll(session, poll.slug)).stored_state is State.CERTIFIED
    assert await decided(session, poll) is State.DECIDED


async def test_a_poll_decided_before_its_protocol_stays_decided(session: Session) -> None:
    poll = await a_counted_poll(session)
    assert await decided(session, poll) is State.DECIDED
    await certified(session, poll)
    assert (await sealed_poll(session, poll.slug)).stored_state is State.DECIDED
    await certified(session, poll, "Добавлены сведения")  # nor does a correction of the protocol take it back
    assert (await sealed_poll(session, poll.slug)).stored_state is State.DECIDED


# ---- what never changes


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE protocol SET prepared = 'x'", "UPDATE protocol SET bytes = 'x'",
        "UPDATE protocol SET certified_by = 99",
        "UPDATE protocol SET reason = 'other'", "UPDATE protocol SET version = 7", "UPDATE protocol SET note = 'x'",
        "UPDATE protocol SET withdrawn_by = 1, withdrawn_at = now(), withdrawn_note = 'no'", "DELETE FROM protocol",
        "TRUNCATE protocol", "UPDATE figure_look SET account_id = 2", "DELETE FROM figure_look", "TRUNCATE figure_look",
    ],
)  # fmt: skip
async def test_nothing_certified_and_no_look_is_ever_changed(session: Session, change: str) -> None:
    poll = await a_counted_poll(session)
    assert await record_look(session, poll.slug, 11, "results", await moment_of(session))
    made = await certified(session, poll)
    await sign_protocol(session, made.id, ASigner(), await moment_of(session))
    with pytest.raises(IntegrityError):
        async with session.begin_nested():
            await session.execute(text(change))


async def test_what_waits_cannot_be_rewritten_either(session: Session) -> None:
    poll = await a_counted_poll(session)
    await prepared(session, poll)
    for change in ("UPDATE protocol SET prepared = 'x'", "UPDATE protocol SET prepared_by = 5", "DELETE FROM protocol"):
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                await session.execute(text(change))


# ---- looks


async def test_looks_are_logged_from_the_count_to_the_certificate(session: Session) -> None:
    running = await an_open_poll_of_a_city(session)
    assert not await record_look(session, running.slug, 11, "results", await moment_of(session))
    poll = await a_counted_poll(session)
    for name in (poll.slug, poll.public_id):
        assert await record_look(session, name, 11, "results", await moment_of(session))
    assert not await record_look(session, "no-such-poll", 11, "results", await moment_of(session))
    await certified(session, poll)
    assert not await record_look(session, poll.slug, 11, "results", await moment_of(session))
    total, looks = await looks_of(session, poll.id)
    assert (total, [look.what for look in looks]) == (2, ["results", "results"])


async def an_open_poll_of_a_city(session: Session) -> SealedPoll:
    await a_city(session)
    return await an_open_poll(session)


async def test_a_protocol_of_a_whole_city_stays_small(session: Session) -> None:
    """Every district of 132 has voters and every ranking is long: breakdowns are not in a protocol."""
    from polls.tables import territory

    await a_city(session)
    rows = [{"code": f"msk-cao-d{n}", "kind": "district", "name_ru": f"Район {n}", "name_en": f"District {n}",
             "parent_id": await session.scalar(text("SELECT id FROM territory WHERE code = 'msk-cao'"))}
            for n in range(129)]  # fmt: skip
    await session.execute(insert(territory), rows)
    poll = await a_counted_poll(session, (1,) * 40, questions=[a_single_choice(options=80)])
    assert len((await certified(session, poll)).data) < 300_000

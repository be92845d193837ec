"""The registry log: every public event once, in order, signed, and found out when it is altered."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from tests.builders import AUTHOR, NOW, ASigner, a_city, an_open_poll, both, close_now

from polls.authoring import cancel_poll, extend_poll
from polls.board_tables import registry_checkpoint, registry_leaf
from polls.checkpoint import open_checkpoint
from polls.definition import Text
from polls.errata import add_erratum
from polls.journal import HISTORY, PUBLIC_FACTS, record_event
from polls.pausing import pause_poll, resume_poll
from polls.public_keys import add_key, retire_key
from polls.registry import (
    LOOK_BACK,
    RegistryFault,
    append_entries,
    entries_between,
    latest_entries,
    newest_checkpoint,
    record_protocol_version,
    registry_entry,
)
from polls.registry_check import check_registry
from polls.sessions import Session
from polls.tables import registry_event
from polls.tlog import LONGEST_ENTRY, check_consistency, consistency_proof, hash_leaf, nodes_of
from polls.turning_points import due_turning_points, record_turning_points
from voting.db import Database

HOST = "city.test"
NAME = f"{HOST}/registry"
KEY = ASigner()


async def with_key(session: Session) -> None:
    await add_key(session, "registry", KEY.key_id, KEY.public_bytes, NOW)


async def appended(session: Session, **more: Any) -> int:
    return await append_entries(session, HOST, KEY, NOW, **more)


async def entries(session: Session) -> list[dict[str, Any]]:
    return [json.loads(entry) for entry in await entries_between(session, 0, 1_000_000)]


async def test_a_polls_life_is_in_the_log_in_order_and_signed(session: Session) -> None:
    await with_key(session)
    await a_city(session)
    poll = await an_open_poll(session)
    await record_turning_points(session, poll.id, NOW)
    await pause_poll(session, poll.public_id, AUTHOR, "Сбой на узле связи", NOW)
    await resume_poll(session, poll.public_id, AUTHOR, NOW)
    await extend_poll(session, poll.public_id, AUTHOR, poll.closes_at + timedelta(days=1), "Сбой связи", NOW)
    await add_erratum(session, poll.public_id, AUTHOR, Text(**both("Опечатка в слове", "A misprint")), NOW)
    await close_now(session, poll)
    await record_turning_points(session, poll.id, NOW)
    count = await appended(session)
    log = await entries(session)
    assert [entry["kind"] for entry in log] == [
        "key_added", "poll_sealed", "poll_opened", "poll_paused", "poll_resumed", "poll_extended", "erratum_added",
        "poll_closed",
    ]  # fmt: skip
    assert [entry["position"] for entry in log] == list(range(count)) == list(range(8))
    assert {entry["poll"] for entry in log[1:]} == {poll.public_id}
    assert {entry["poll_hash"] for entry in log[1:]} == {poll.poll_hash.hex()}
    assert log[0]["poll"] is None and log[0]["body"]["key_id"] == KEY.key_id
    state = await newest_checkpoint(session)
    assert state is not None
    said = open_checkpoint(state.note, NAME, KEY.public_bytes)
    assert (said.size, said.root) == (8, state.root)
    assert await appended(session) == 0  # nothing new, nothing signed
    assert not (await check_registry(session)).faults


async def test_nothing_but_the_facts_named_leaves_the_database(session: Session) -> None:
    """Whatever an event holds besides: account, citizen, name, or a fact a later release adds."""
    await with_key(session)
    await a_city(session)
    poll = await an_open_poll(session)
    secret = {"by": 424_242, "citizen": 424_242, "owner": "Иванов Иван", "login": "ivanov@city.test", "новое": "424242"}
    for kind in sorted(HISTORY):
        await record_event(session, kind, poll.id, NOW, reason="Причина", version=1, **secret)
    for kind in ("text_reviewed", "poll_drafted", "register_imported", "list_uploaded", "poll_handed_over"):
        await record_event(session, kind, poll.id, NOW, **secret)
    await appended(session)
    log = await entries_between(session, 0, 1_000)
    for entry in log:
        said = json.loads(entry)
        assert set(said) == {"v", "position", "kind", "at", "poll", "poll_hash", "body"}
        assert set(said["body"]) <= PUBLIC_FACTS[said["kind"]]
    whole = b"\n".join(log).decode()
    assert {json.loads(entry)["kind"] for entry in log} == HISTORY
    for word in ("424242", "Иванов", "ivanov", "text_reviewed", "drafted", "handed_over", '"by"', "citizen"):
        assert word not in whole
    private = {"by", "author", "account", "citizen", "owner", "name", "login", "answers", "ballot", "stratum"}
    assert not private & set().union(*PUBLIC_FACTS.values())


@given(st.text(max_size=300_000), st.dictionaries(st.text(), st.integers(0, 10**9)))
def test_an_entry_fits_its_sixteen_bits_of_length(reason: str, strange: dict[str, int]) -> None:
    entry = registry_entry(7, "poll_extended", NOW, "ab" * 16, b"\1" * 32, {**strange, "reason": reason})
    assert len(entry) <= LONGEST_ENTRY
    said = json.loads(entry)
    assert said["body"] == {"reason": reason} or set(said["body"]) == {"sha256"}


def test_a_reason_too_long_for_an_entry_leaves_its_hash() -> None:
    entry = registry_entry(0, "poll_extended", NOW, None, None, {"reason": "я" * 40_000})
    assert len(json.loads(entry)["body"]["sha256"]) == 64


async def test_turning_points_are_written_once_with_the_times_in_force(session: Session) -> None:
    await a_city(session)
    running, ended, called_off = [await an_open_poll(session) for _ in range(3)]
    await close_now(session, ended)
    await cancel_poll(session, called_off.public_id, AUTHOR, "Не состоится", datetime.now(UTC))
    assert {due.poll_id for due in await due_turning_points(session)} == {running.id, ended.id, called_off.id}
    assert await record_turning_points(session, running.id, NOW) == ("poll_opened",)
    assert await record_turning_points(session, ended.id, NOW) == ("poll_opened", "poll_closed")
    assert await record_turning_points(session, called_off.id, NOW) == ("poll_opened",)
    assert await due_turning_points(session) == []
    assert await record_turning_points(session, ended.id, NOW) == ()
    rows = await session.execute(
        select(registry_event.c.body).where(
            registry_event.c.poll_id == ended.id, registry_event.c.kind == "poll_closed"
        )
    )
    (body,) = rows.scalars()
    times = await session.execute(text("SELECT opens_at, closes_at FROM poll WHERE id = :p"), {"p": ended.id})
    assert {name: datetime.fromisoformat(at) for name, at in body.items()} == dict(times.one()._mapping)


async def test_a_paused_poll_does_not_close(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(session)
    await pause_poll(session, poll.public_id, AUTHOR, "Сбой на узле связи", NOW)
    await close_now(session, poll)
    assert await record_turning_points(session, poll.id, NOW) == ("poll_opened",)


async def test_the_protocols_version_is_said_once_and_again_when_it_changes(session: Session) -> None:
    assert await record_protocol_version(session, HOST, "veche 1", NOW)
    assert not await record_protocol_version(session, HOST, "veche 2", NOW)  # the same files
    assert await record_protocol_version(session, "new.test", "veche 2", NOW)


async def test_appenders_at_once_make_one_log(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        await with_key(session)

    async def write(number: int) -> None:
        async with fresh_database.open_session() as session:
            await record_event(session, "poll_extended", None, NOW, reason=str(number))
            await asyncio.sleep(0.001 * (number % 7))

    async def append() -> int:
        await asyncio.sleep(0.003)
        async with fresh_database.open_session() as session:
            return await appended(session, look_back=LOOK_BACK)

    await asyncio.gather(*[write(number) if number % 4 else append() for number in range(80)])
    await append()
    async with fresh_database.open_session() as session:
        log = await entries(session)
        assert [entry["position"] for entry in log] == list(range(61))  # the key, and 60 events
        assert len({entry["body"].get("reason") for entry in log}) == 61
        checked = await check_registry(session)
        assert not checked.faults and checked.waiting == 0
        assert checked.checkpoints == len(set(await session.scalars(select(registry_checkpoint.c.size))))


async def test_an_event_committed_late_is_not_lost(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        await with_key(session)
    async with fresh_database.open_session() as slow:
        await record_event(slow, "poll_extended", None, NOW, reason="begun first")
        async with fresh_database.open_session() as quick:
            await record_event(quick, "poll_extended", None, NOW, reason="committed first")
        async with fresh_database.open_session() as session:
            assert await appended(session, look_back=LOOK_BACK) == 2
    async with fresh_database.open_session() as session:
        assert await appended(session, look_back=LOOK_BACK) == 1
        reasons = [entry["body"].get("reason") for entry in await entries(session)]
        assert reasons == [None, "committed first", "begun first"]


async def test_an_old_clients_checkpoint_is_consistent_with_every_newer_one(session: Session) -> None:
    await with_key(session)
    for number in range(40):
        await record_event(session, "poll_extended", None, NOW, reason=str(number))
        if number % 3 == 0:
            await appended(session)
    await appended(session)
    states = (await session.execute(select(registry_checkpoint).order_by(registry_checkpoint.c.size))).all()
    assert len(states) > 10
    leaves = [hash_leaf(entry) for entry in await entries_between(session, 0, 100)]
    newest = states[-1]
    for state in states:
        proof = consistency_proof(state.size, newest.size, nodes_of(leaves))
        assert check_consistency(state.size, newest.size, state.root, newest.root, proof)
        assert not check_consistency(state.size, newest.size, bytes(32), newest.root, proof)


async def test_a_key_not_in_use_signs_nothing(session: Session) -> None:
    with pytest.raises(RegistryFault, match="not listed"):
        await appended(session)
    await with_key(session)
    await retire_key(session, "registry", KEY.key_id, NOW, "planned")
    with pytest.raises(RegistryFault, match="not listed"):
        await appended(session)
    assert await newest_checkpoint(session) is None


ALTERED = {
    "an entry": "UPDATE registry_leaf SET entry = replace(convert_from(entry, 'UTF8'), 'five', 'nine')::bytea"
    " WHERE position = 5",
    "an event": "UPDATE registry_event SET body = jsonb_set(body, '{reason}', '\"nine\"')"
    " WHERE body->>'reason' = 'five'",
    "an entry taken away": "DELETE FROM registry_leaf WHERE position = 5",
    "the newest entries taken away": "DELETE FROM registry_leaf WHERE position >= 5",
    "two entries exchanged": "UPDATE registry_leaf SET position = CASE position WHEN 3 THEN 1000 WHEN 4 THEN 3 END"
    " WHERE position IN (3, 4); UPDATE registry_leaf SET position = 4 WHERE position = 1000",
    "a root": "UPDATE registry_checkpoint SET root = sha256('x') WHERE size = 4",
    "a note": "UPDATE registry_checkpoint SET note = (SELECT note FROM registry_checkpoint WHERE size = 7)"
    " WHERE size = 4",
    "a signature": "UPDATE registry_checkpoint SET note = regexp_replace(note, '.{9}=\\n$', 'AAAAAAAAA=' || chr(10))"
    " WHERE size = 4",
    "a key": "UPDATE public_key SET public = sha256('x')",
}


@pytest.mark.parametrize("statement", ALTERED.values(), ids=ALTERED.keys())
async def test_a_log_altered_by_sql_is_found_out(session: Session, statement: str) -> None:
    await with_key(session)
    for number in ("one", "two", "three", "four", "five", "six", "seven"):
        await record_event(session, "poll_extended", None, NOW, reason=number)
        await appended(session)
    assert not (await check_registry(session)).faults
    for table in ("registry_leaf", "registry_checkpoint", "registry_event"):
        await session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    for part in statement.split("; "):
        changed = await session.execute(text(part.replace("\\n", "\n")))
        assert changed.rowcount > 0  # type: ignore[attr-defined]
    assert (await check_registry(session)).faults


async def test_nothing_more_is_signed_over_an_altered_log(session: Session) -> None:
    await with_key(session)
    await record_event(session, "poll_extended", None, NOW, reason="five")
    await appended(session)
    await session.execute(text("ALTER TABLE registry_leaf DISABLE TRIGGER USER"))
    await session.execute(text("UPDATE registry_leaf SET entry = 'x' WHERE position = 1"))
    await record_event(session, "poll_extended", None, NOW, reason="six")
    with pytest.raises(RegistryFault, match="does not hold what was signed"):
        await appended(session)
    assert await session.scalar(select(registry_leaf.c.position).order_by(registry_leaf.c.position.desc())) == 1


async def test_what_is_appended_stays(session: Session) -> None:
    await with_key(session)
    await appended(session)
    for statement in (
        "UPDATE registry_leaf SET entry = 'x'",
        "DELETE FROM registry_checkpoint",
        "TRUNCATE registry_leaf",
    ):
        with pytest.raises(Exception, match=r"append-only|final"):
            async with session.begin_nested():
                await session.execute(text(statement))


async def test_the_latest_entries_come_a_page_at_a_time(session: Session) -> None:
    await with_key(session)
    await a_city(session)
    poll = await an_open_poll(session)
    for number in range(5):
        await record_event(session, "poll_extended", poll.id, NOW, reason=str(number))
    await appended(session)
    first = await latest_entries(session, None, 4)
    assert [entry.position for entry in first] == [6, 5, 4, 3]
    assert first[0].slug == poll.slug and first[0].title_ru
    rest = await latest_entries(session, 3, 4)
    assert [entry.position for entry in rest] == [2, 1, 0] and rest[-1].slug is None

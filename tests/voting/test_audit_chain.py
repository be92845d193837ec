"""The audit log's chain: late commits, tampering of every kind, seals in the signed registry log, exported files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from tests.builders import a_city, an_open_poll
from tests.sites import site_settings

from polls.audit import write_event
from polls.audit_chain import BEGINNING, link
from polls.audit_tables import audit_link
from polls.journal import record_event
from polls.registry import append_entries
from polls.sessions import Session
from polls.tables import audit_event, count_record, poll, registry_event
from results.protocol_tables import figure_look
from voting.auditing.checking import Checked, check_database, check_file
from voting.auditing.files import as_json_line
from voting.auditing.listing import Asked, entries_in_chain, find_entries
from voting.auditing.sealing import seal_entries, tell_refusals
from voting.db import Database
from voting.identity.staff_events import count_refused_sign_in
from voting.keys import REGISTRY, record_keys, signer

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Moscow")


async def grant(session: Session, account: int = 9, at: datetime = NOW) -> None:
    await write_event(
        session, "role_granted", actor=7, subject=f"account:{account}", facts={"role": "official"}, now=at
    )


async def sign(session: Session, folder: Path) -> None:
    """The registry log, up to date and signed."""
    settings = site_settings(folder)
    await record_keys(session, settings, NOW)
    await append_entries(session, settings.log_origin, signer(settings, REGISTRY), NOW)


async def a_history(session: Session) -> None:
    """Entries of all three sources, before and after a poll is counted."""
    await a_city(session)
    sealed = await an_open_poll(session)
    await grant(session)
    await session.execute(figure_look.insert().values(poll_id=sealed.id, account_id=5, at=NOW, what="results"))
    await record_event(session, "text_reviewed", sealed.id, NOW, by=3, question=1, status="approved", texts=7)


async def test_everything_is_chained_once_and_its_head_is_signed(session: Session, tmp_path: Path) -> None:
    await a_history(session)
    n = await seal_entries(session, NOW)
    assert n >= 4
    assert await seal_entries(session, NOW) == 0, "a seal is no entry"
    await sign(session, tmp_path)
    checked = await check_database(session, NOW)
    assert (checked.code, checked.faults, checked.unchecked) == (1 - 1, [], []) and checked.entries == n
    await grant(session, 10)
    await seal_entries(session, NOW + timedelta(minutes=10))
    await sign(session, tmp_path)
    later = await check_database(session, NOW)
    assert (later.code, later.seals) == (0, 2)
    since = await check_database(session, NOW, since=NOW + timedelta(minutes=1))
    assert (since.code, since.head) == (0, later.head) and since.entries < later.entries


async def test_the_hash_of_an_entry_covers_the_one_before_it_and_everything_said(session: Session) -> None:
    await grant(session)
    await grant(session, 10)
    await seal_entries(session, NOW)
    hashes = list(await session.scalars(select(audit_link.c.hash).order_by(audit_link.c.position)))
    entries = [one.entry async for piece in entries_in_chain(session, Asked(), ZONE) for one in piece]
    assert link(BEGINNING, entries[0].as_json()) == hashes[0]
    assert link(hashes[0], entries[1].as_json()) == hashes[1] != link(BEGINNING, entries[1].as_json())


async def test_what_commits_late_is_sealed_later_and_nobody_waits(fresh_database: Database) -> None:
    async with fresh_database.open_session() as early:
        await grant(early, 1)  # has its number, and does not commit yet
        async with fresh_database.open_session() as other:
            await grant(other, 2)
        async with fresh_database.open_session() as job:
            await asyncio.wait_for(seal_entries(job, NOW), 5)
    async with fresh_database.open_session() as job:
        assert await seal_entries(job, NOW, everything=False) == 1
        subjects = [one.entry.subject async for piece in entries_in_chain(job, Asked(), ZONE) for one in piece]
    assert subjects == ["account:2", "account:1"]


async def test_two_sealers_at_once_make_one_chain(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        for account in range(50):
            await grant(session, account)

    async def seal() -> int:
        async with fresh_database.open_session() as session:
            return await seal_entries(session, NOW)

    assert sorted(await asyncio.gather(seal(), seal(), seal())) == [0, 0, 50]


async def unguarded(session: Session, table: str, statement: str) -> None:
    """What the owner of the database can do, triggers or not."""
    await session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    await session.execute(text(statement))
    await session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("audit_event", "UPDATE audit_event SET facts = '{\"role\": \"resident\"}'"),
        ("audit_event", "UPDATE audit_event SET actor = 8"),
        ("audit_event", "UPDATE audit_event SET at = at - interval '1 second'"),
        ("audit_event", "DELETE FROM audit_event"),
        ("registry_event", "UPDATE registry_event SET body = body || '{\"by\": 999}' WHERE kind = 'poll_sealed'"),
        ("figure_look", "DELETE FROM figure_look"),
        ("audit_link", "DELETE FROM audit_link WHERE position = 1"),
        ("audit_link", "DELETE FROM audit_link WHERE position = (SELECT max(position) FROM audit_link)"),
        ("audit_link", "UPDATE audit_link SET hash = sha256(hash) WHERE position = 1"),
        ("audit_link", "UPDATE audit_link SET source_id = source_id + 9999 WHERE position = 1"),
        ("registry_event", "UPDATE registry_event SET body = body || '{\"size\": 1}' WHERE kind = 'audit_sealed'"),
        ("registry_leaf", "UPDATE registry_leaf SET entry = convert_to(replace(convert_from(entry, 'UTF8'),"
         " 'audit_sealed', 'audit_sealer'), 'UTF8')"),
    ],
)  # fmt: skip
async def test_the_owner_of_the_database_is_found_out(
    session: Session, tmp_path: Path, table: str, statement: str
) -> None:
    await a_history(session)
    await seal_entries(session, NOW)
    await sign(session, tmp_path)
    await unguarded(session, table, statement)
    checked = await check_database(session, NOW)
    assert checked.code == 1 and checked.faults


async def test_a_chain_made_anew_with_its_seals_does_not_hold_against_the_registry(
    session: Session, tmp_path: Path
) -> None:
    """Whoever changes an event and everything in the database after it still lacks the registry's key."""
    await grant(session)
    await seal_entries(session, NOW)
    await sign(session, tmp_path)
    await unguarded(session, "audit_event", "UPDATE audit_event SET actor = 8")
    await unguarded(session, "audit_link", "DELETE FROM audit_link")
    await unguarded(session, "registry_event", "DELETE FROM registry_event WHERE false")
    await seal_entries(session, NOW)
    assert (await check_database(session, NOW)).code == 1


async def test_what_is_new_is_in_order_and_what_waits_too_long_is_told(session: Session, tmp_path: Path) -> None:
    await sign(session, tmp_path)
    await grant(session)
    fresh = await check_database(session, NOW)
    assert fresh.code == 0 and fresh.waiting >= 1
    assert (await check_database(session, NOW + timedelta(hours=2))).code == 2
    await seal_entries(session, NOW)
    assert (await check_database(session, NOW + timedelta(hours=2))).code == 2, "the seal is not signed"
    await sign(session, tmp_path)
    assert (await check_database(session, NOW + timedelta(hours=2))).code == 0


async def test_when_words_were_judged_is_told_by_the_day_and_not_before_the_count(session: Session) -> None:
    await a_city(session)
    sealed = await an_open_poll(session)
    await record_event(session, "text_reviewed", sealed.id, NOW, by=3, question=1, status="merged", merged_into=31397)
    asked = Asked(kind="text_reviewed")
    assert await find_entries(session, asked, ZONE) == []
    counted = {"poll_id": sealed.id, "version": 1, "counted_at": NOW, "ballots": 0, "participations": 0, "outcomes": []}
    await session.execute(insert(count_record).values(counted))
    await session.execute(update(poll).where(poll.c.id == sealed.id).values(state="counted"))
    await seal_entries(session, NOW)
    [found] = await find_entries(session, asked, ZONE)
    assert found.entry.at == datetime(2026, 11, 22, tzinfo=UTC)
    assert found.entry.facts == {"question": 1, "status": "merged"} and found.position is not None


async def test_refused_sign_ins_are_told_by_the_hour(session: Session) -> None:
    for minute in range(3):
        await count_refused_sign_in(session, 41, NOW + timedelta(minutes=minute))
    assert await tell_refusals(session, NOW + timedelta(minutes=59)) == 0
    assert await tell_refusals(session, NOW + timedelta(hours=1)) == 1
    assert await tell_refusals(session, NOW + timedelta(hours=2)) == 0
    row = (await session.execute(select(audit_event))).one()
    assert (row.kind, row.subject, row.facts["count"]) == ("sign_ins_refused", "site", 3)


# ---- what is looked for


async def test_filters_and_pages_find_what_they_say(session: Session) -> None:
    for number in range(120):
        await grant(session, number % 3, NOW + timedelta(minutes=number))
    seen = []
    asked = Asked(kind="role_granted", subject="account:1")
    while page := await find_entries(session, asked, ZONE, limit=17):
        seen += [one.entry.id for one in page]
        last = page[-1].entry
        asked = Asked(kind="role_granted", subject="account:1", before=(last.at, last.source, last.id))
    assert len(seen) == len(set(seen)) == 40 and seen == sorted(seen, reverse=True)
    assert await find_entries(session, Asked(actors=(8,)), ZONE) == []
    assert len(await find_entries(session, Asked(actors=(7,)), ZONE)) == 50
    day = date(2026, 11, 22)
    assert await find_entries(session, Asked(until=day - timedelta(days=1), kind="role_granted"), ZONE) == []
    assert len(await find_entries(session, Asked(since=day, until=day, kind="role_granted"), ZONE, limit=200)) == 120


async def test_entries_of_one_moment_are_paged_once(session: Session) -> None:
    await a_city(session)
    sealed = await an_open_poll(session)
    for _ in range(3):
        await grant(session)
        await session.execute(figure_look.insert().values(poll_id=sealed.id, account_id=5, at=NOW, what="results"))
        await record_event(session, "margins_kept", None, NOW, set="census", numbers=4)
    seen, before = [], None
    for _ in range(40):
        page = await find_entries(session, Asked(since=NOW.date(), until=NOW.date(), before=before), ZONE, limit=2)
        if not page:
            break
        seen += [(one.entry.source, one.entry.id) for one in page]
        before = (page[-1].entry.at, page[-1].entry.source, page[-1].entry.id)
    assert len(seen) == len(set(seen)) >= 9


# ---- files


async def exported(session: Session) -> list[str]:
    return [as_json_line(one).decode() async for piece in entries_in_chain(session, Asked(), ZONE) for one in piece]


def changed(line: str, **more: object) -> str:
    return json.dumps({**json.loads(line), **more})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: [changed(lines[0], actor=8), *lines[1:]],
        lambda lines: [lines[1], lines[0], *lines[2:]] and [lines[0], changed(lines[1], hash="00" * 32), *lines[2:]],
        lambda lines: [lines[0], changed(lines[1], previous="00" * 32), *lines[2:]],
        lambda lines: [*lines[:1], "not json", *lines[1:]],
        lambda lines: [*lines[:1], "[1]", *lines[1:]],
        lambda lines: [*lines[:1], changed(lines[1], previous="zz"), *lines[2:]],
    ],
)
async def test_a_file_that_was_changed_is_found_out(session: Session, spoil: Callable[[list[str]], list[str]]) -> None:
    await a_history(session)
    await seal_entries(session, NOW)
    assert check_file(spoil(await exported(session))).code == 1


async def test_a_whole_file_is_whole_only_against_a_registry(session: Session) -> None:
    await a_history(session)
    await seal_entries(session, NOW)
    lines = await exported(session)
    size, head = (
        await session.execute(select(func.count(), func.max(registry_event.c.body["head"].astext)).select_from(
            audit_link.join(registry_event, registry_event.c.kind == "audit_sealed")))
    ).one()  # fmt: skip
    whole: Checked = check_file(lines, {size: bytes.fromhex(head)})
    assert (whole.code, whole.seals) == (0, 1)
    assert check_file(lines).code == 2
    assert check_file(lines, {size: bytes(32)}).code == 1
    assert check_file([*lines[:1], *lines[2:]], {size: bytes.fromhex(head)}).code == 2, "a gap cannot be judged"
    assert check_file([]).code == 2


async def test_links_are_never_changed(session: Session) -> None:
    await grant(session)
    await seal_entries(session, NOW)
    with pytest.raises(DBAPIError, match="append-only"):
        await session.execute(update(audit_link).values(position=5))

"""A poll of owners over HTTP: from the draft by the API to the house's sheet and the minutes, and who may see them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.builders import SEALER, a_definition, close_now
from tests.flows.api_client import UNLIMITED, Client, Town
from tests.owners import a_decision, a_house, an_owners_definition
from tests.sites import add_account, fast_passwords, site_settings

from polls.catalogue import sealed_poll
from polls.counting import count_poll
from polls.tables import audit_event
from voting.app import create_app
from voting.db import Database

HOUSE = "/polls/meeting/houses/arbat-1"


@pytest.fixture
async def town(fresh_database: Database, tmp_path: Path) -> Town:
    """Every role, the house on the Arbat, and an account for each of its owners: a@city.test and so on."""
    town = await Town(fresh_database, tmp_path).settle()
    town.app = create_app(
        site_settings(tmp_path), database=fresh_database, passwords=fast_passwords(), limits=UNLIMITED
    )
    async with fresh_database.open_session() as session:
        owners = await a_house(session)
    for letter, citizen_id in owners.items():
        await add_account(fresh_database, f"{letter}@city.test", "resident", citizen_id=citizen_id)
    return town


def a_document(**more: Any) -> dict[str, Any]:
    now = datetime.now(UTC).replace(microsecond=0)
    times = {"opens_at": now.isoformat(), "closes_at": (now + timedelta(days=7)).isoformat()}
    document = a_definition().as_json() | an_owners_definition(**{**times, **more})
    del document["poll_id"]
    return document


async def schedule(official: Client, document: dict[str, Any]) -> Any:
    drafted = await official.post("/drafts", {"definition": document, "slug": "meeting"})
    assert drafted.status_code == 201, drafted.text
    return await official.post(f"/drafts/{drafted.json()['poll_id']}/schedule", {"revision": 1})


async def meet(town: Town, votes: dict[str, tuple[int, int]], **more: Any) -> None:
    """Hold the meeting: two items, these votes by owner, closed and counted."""
    consent = a_decision(2, denominator="entitled", threshold="2/3", inclusive=True, law="ЖК РФ, ст. 44, 46")
    official = await town.client("official")
    sealed = await schedule(official, a_document(questions=[a_decision(1), consent], **more))
    assert sealed.status_code == 200, sealed.text
    for letter, (first, second) in votes.items():
        voter = await town.client(letter)
        cast = await voter.vote("meeting", secrets.token_hex(16), {"1": first, "2": second})
        assert cast.status_code == 201, cast.text
    async with town.database.open_session() as session:
        poll = await close_now(session, await sealed_poll(session, "meeting"))
    async with town.database.open_session() as session:
        await count_poll(session, poll.public_id, datetime.now(UTC), SEALER)


async def test_a_meeting_from_draft_to_sheet_and_minutes(town: Town) -> None:
    await meet(town, {"a": (1, 1), "b": (2, 1), "d": (1, 9), "e": (9, 1)})
    results = await town.anonymous().http.get("/polls/meeting/results")
    assert results.status_code == 200, results.text
    assert f'href="{HOUSE}"' in results.text
    assert "The house decided for." in results.text
    assert "10а" not in results.text, "no flat is named to everybody"
    outcome = (await town.anonymous().get("/polls/meeting/results")).json()["outcomes"][0]
    assert [house["carried"] for house in outcome["houses"]] == [True]
    assert "10а" not in str(outcome)

    owner = await town.client("f")
    sheet = await owner.http.get(HOUSE)
    assert sheet.status_code == 200, sheet.text
    for words in ("10а", "30.50", "For 1/3, Abstained 2/3", "Owners differ", "The convener"):
        assert words in sheet.text, words
    minutes = await owner.http.get(f"{HOUSE}/minutes")
    for words in ("Minutes of the general meeting", "there is a quorum", "66.00%", "Decided: the decision is taken.",
                  "Not decided: too few were for.", "At least 2/3 of the votes of all owners of the house.",
                  "Смирнова А. П.", "______"):  # fmt: skip
        assert words in minutes.text, words
    russian = await owner.http.get(f"{HOUSE}/minutes.html", params={"lang": "ru"})
    assert russian.headers["content-disposition"].startswith('attachment; filename="minutes-meeting-arbat-1-')
    for words in ("Протокол общего собрания собственников", "кворум имеется", "ЖК РФ, ст. 44, 46", 'border="1"'):
        assert words in russian.text, words
    assert "<script" not in russian.text and "<link" not in russian.text


async def test_who_sees_a_house_flat_by_flat(town: Town) -> None:
    await meet(town, {"a": (1, 1), "b": (1, 1), "d": (2, 2)})
    stranger = await town.add_resident()
    for page in (HOUSE, f"{HOUSE}/minutes", f"{HOUSE}/minutes.html"):
        for who, status in (("a", 200), ("official", 200), ("admin", 403), (stranger, 403), ("observer", 403)):
            reply = await (await town.client(who)).http.get(page)
            assert reply.status_code == status, (page, who)
            assert ("10а" in reply.text) == (status == 200)
        sent = await town.anonymous().http.get(page)
        assert (sent.status_code, "/sign-in" in sent.headers["location"]) == (303, True)
    async with town.database.open_read_session() as session:
        logged = await session.execute(select(audit_event.c.kind, audit_event.c.facts).where(
            audit_event.c.kind == "personal_data_exported"))  # fmt: skip
        assert [row.facts for row in logged] == [{"what": "house arbat-1"}] * 3, "an official's looks, and no owner's"
    refused = await (await town.client(stranger)).http.get(HOUSE)
    assert "Only officials and the owners of flats in this house see it flat by flat." in refused.text
    owner = await town.client("a")
    for missing in ("/polls/meeting/houses/arbat-2", "/polls/meeting/houses/Ы", "/polls/none/houses/arbat-1"):
        assert (await owner.http.get(missing)).status_code == 404


async def test_nothing_is_shown_before_the_count(town: Town) -> None:
    sealed = await schedule(await town.client("official"), a_document())
    assert sealed.status_code == 200, sealed.text
    reply = await (await town.client("a")).http.get(HOUSE)
    assert reply.status_code == 403, reply.text


async def test_an_audience_wider_than_the_owners_is_refused_before_sealing(town: Town) -> None:
    reply = await schedule(await town.client("official"), a_document(audience={"op": "all", "of": []}))
    assert reply.status_code == 409
    assert "audience_beyond_units" in [finding["code"] for finding in reply.json()["facts"]["findings"]]


async def test_pages_name_the_house_and_officials_find_it(town: Town) -> None:
    official = await town.client("official")
    await schedule(official, a_document())
    page = await town.anonymous().http.get("/polls/meeting", params={"lang": "ru"})
    assert "Арбат, arbat-1" in page.text, "the audience is named by the address"
    drafted = await official.post("/drafts", {"definition": a_document(), "slug": "another"})
    edited = await official.http.get(f"/officials/polls/{drafted.json()['poll_id']}/edit", params={"lang": "ru"})
    assert "Арбат, arbat-1" in edited.text

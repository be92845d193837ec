"""The registry log over HTTP: its page in two languages, its files for strangers, and receipts of retired keys."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.builders import a_key, an_open_poll
from tests.flows.api_client import UNLIMITED, Town
from tests.sites import browser, fast_passwords, site_settings

from polls.catalogue import SealedPoll
from polls.checkpoint import open_checkpoint, read_vkey
from polls.journal import HISTORY, record_event
from polls.tlog import bundle_path, bundles_of, hash_leaf, merkle_root, read_bundle
from voting.app import create_app
from voting.db import Database
from voting.jobs import Work
from voting.keys import finish_rotation, record_keys, record_new_key, retire_old_key
from voting.registry_jobs import keep_the_registry
from voting.settings import Settings

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def settings_of(town: Town) -> Settings:
    settings = town.app.state["settings"]
    assert isinstance(settings, Settings)
    return settings


def site_of(database: Database, tmp_path: Path) -> Town:
    """A town with every page of the site, not the API alone."""
    town = Town(database, tmp_path)
    town.app = create_app(site_settings(tmp_path), database=database, passwords=fast_passwords(), limits=UNLIMITED)
    return town


@pytest.fixture
async def town(fresh_database: Database, tmp_path: Path) -> Town:
    town = await site_of(fresh_database, tmp_path).settle(residents=1)
    async with fresh_database.open_session() as session:
        await record_keys(session, settings_of(town), NOW)
    return town


async def one_poll(town: Town) -> SealedPoll:
    async with town.database.open_session() as session:
        return await an_open_poll(session)


async def kept(town: Town) -> None:
    await keep_the_registry(Work(town.database, settings_of(town)))


def visitor(town: Town, language: str = "en") -> httpx.AsyncClient:
    return browser(town.app, **{"accept-language": language})


async def test_a_stranger_rebuilds_the_log_from_its_files(town: Town) -> None:
    await one_poll(town)
    async with town.database.open_session() as session:
        for number in range(300):
            await record_event(session, "poll_extended", None, NOW, reason=str(number))
    await kept(town)
    client = visitor(town)
    listed = (await client.get("/registry/keys.json")).json()
    [line] = [key["vkey"] for key in listed["keys"] if key["purpose"] == "registry"]
    name, public = read_vkey(line)
    reply = await client.get("/registry/checkpoint")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["cache-control"] == "public, no-cache"
    assert reply.headers["access-control-allow-origin"] == "*"
    state = open_checkpoint(reply.text, name, public)
    entries = []
    for number, width in bundles_of(state.size):
        tile = await client.get(f"/registry/{bundle_path(number, width)}")
        assert (tile.status_code, tile.headers["content-type"]) == (200, "application/octet-stream")
        assert "immutable" in tile.headers["cache-control"]
        assert tile.headers["access-control-allow-origin"] == "*"
        assert tile.headers["cross-origin-resource-policy"] == "cross-origin"
        assert "content-encoding" not in tile.headers
        entries += read_bundle(tile.content)
    assert merkle_root([hash_leaf(entry) for entry in entries]) == state.root
    assert {json.loads(entry)["kind"] for entry in entries} == {
        "key_added", "poll_sealed", "poll_opened", "poll_extended",
    }  # fmt: skip
    again = await client.get("/registry/checkpoint", headers={"if-none-match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


STRANGE_PATHS = [
    "tile/0/999", "tile", "..%2fkeys", "%2e%2e/keys/forms", ".keys.lock", "tile/../../keys/forms", "tile//0",
    "checkpoint/x", "a" * 300, "/".join(["tile"] * 40), "checkpoint%00", "tile/0/%0a", "%5c..%5ckeys",
]  # fmt: skip


async def test_nothing_else_of_the_disk_is_served(town: Town) -> None:
    await kept(town)
    client = visitor(town)
    assert {path: (await client.get(f"/registry/{path}")).status_code for path in STRANGE_PATHS} == dict.fromkeys(
        STRANGE_PATHS, 404
    )


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Registry log", "The rules were sealed.", "Voting began.", "A new key", "In use since"]),
        ("ru", ["Открытый реестр", "Правила зафиксированы", "Голосование началось.", "новый ключ", "Действует с"]),
    ],
)
async def test_the_page_says_what_is_in_the_log(town: Town, language: str, words: list[str]) -> None:
    poll = await one_poll(town)
    await kept(town)
    reply = await visitor(town, language).get("/registry")
    assert reply.status_code == 200
    for word in words:
        assert word in reply.text, word
    assert f'href="/polls/{poll.slug}"' in reply.text
    checkpoint = (await visitor(town).get("/registry/checkpoint")).text
    assert checkpoint.replace("+", "&#43;").split("\n")[2].replace("&#43;", "+") in reply.text.replace("&#43;", "+")
    keys = (await visitor(town).get("/registry/keys.json")).json()["keys"]
    assert all(key["vkey"] in reply.text.replace("&#43;", "+") for key in keys)
    assert 'href="/registry"' in (await visitor(town, language).get("/help/data")).text


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_every_kind_of_entry_has_words(town: Town, language: str) -> None:
    """With the facts their events have, and without any."""
    poll = await one_poll(town)
    facts = {
        "reason": "chair: Причина", "added": 1, "removed": 2, "ballots": 3, "party": "official", "purpose": "board",
        "key_id": "01234567", "reviewed": False, "version": 2,
    }  # fmt: skip
    async with town.database.open_session() as session:
        for kind in sorted(HISTORY):
            await record_event(session, kind, poll.id, NOW, **facts)
    await kept(town)
    pages = []
    address = "/registry"
    while True:
        pages.append((await visitor(town, language).get(address)).text)
        older = re.search(r'href="(/registry\?before=\d+)"', pages[-1])
        if not older:
            break
        address = older[1]
    assert len(pages) == 2
    shown = "".join(re.findall(r'<ol class="history".*?</ol>', "".join(pages), re.DOTALL))
    # Besides: four keys, the poll sealed; without the seals of the audit log, which the page leaves to the files.
    assert shown.count("<li value=") == len(HISTORY) - 1 + 4 + 1
    for kind in HISTORY:
        assert kind not in shown


async def test_a_page_that_is_none_is_not_found(town: Town) -> None:
    for before in ("x", "-1", "9" * 30, "1e3", "", "%00", "٣"):
        assert (await visitor(town).get(f"/registry?before={before}")).status_code == 404, before


async def test_an_empty_log_has_a_page_and_no_files(fresh_database: Database, tmp_path: Path) -> None:
    town = site_of(fresh_database, tmp_path)
    assert "There are no entries here." in (await visitor(town).get("/registry")).text
    assert (await visitor(town).get("/registry/checkpoint")).status_code == 404


async def test_a_receipt_of_a_retired_key_is_still_good(town: Town, fresh_database: Database, tmp_path: Path) -> None:
    settings = settings_of(town)
    poll = await one_poll(town)
    resident = await town.client("resident1@city.test")
    taken = (await resident.vote(poll.slug, a_key().hex(), {"1": 2})).json()["receipt"]
    async with fresh_database.open_session() as session:
        rotation, _ = await record_new_key(session, settings, "receipt", "planned", LATER)
        await retire_old_key(session, rotation, "planned", LATER)
    finish_rotation(settings, rotation)
    renewed = site_of(fresh_database, tmp_path)  # a process started after the rotation
    keys = (await renewed.anonymous().get("/keys")).json()["keys"]
    assert [(key["key_id"], key["valid_to"] is None) for key in keys if key["use"] == "receipt"] == [
        (rotation.old, False), (rotation.new.key_id, True),
    ]  # fmt: skip
    body = json.dumps(taken["receipt"], separators=(",", ":"), sort_keys=True)
    form = {"body": body, "key_id": taken["key_id"], "signature": taken["signature"]}
    headers = {"origin": "http://city.test"}
    assert taken["key_id"] == rotation.old
    good = await visitor(renewed).post("/receipt/file", data=form, headers=headers)
    assert good.status_code == 200 and good.json()["signature"] == taken["signature"]
    forged = bytearray(base64.b64decode(taken["signature"]))
    forged[7] ^= 1
    bad = [
        {**form, "signature": base64.b64encode(bytes(forged)).decode()},
        {**form, "key_id": rotation.new.key_id},
        {**form, "key_id": "00000000"},
        {**form, "body": body.replace("inclusion", "acceptance")},
    ]
    for sent in bad:
        assert (await visitor(renewed).post("/receipt/file", data=sent, headers=headers)).status_code == 422
    await a_second_look(renewed)


async def a_second_look(town: Town) -> None:
    """Both languages list the retired key with the times it was in use."""
    for language, words in (("en", "Was in use from"), ("ru", "Действовал с")):
        assert words in (await visitor(town, language).get("/registry")).text

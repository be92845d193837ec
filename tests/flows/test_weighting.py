"""The weighted estimate over HTTP: the page, the API, the results document, and the page of census margins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from litestar import Litestar
from tests.builders import NOW, a_city, a_definition, a_sealed_poll, a_single_choice
from tests.flows.api_client import UNLIMITED, Client
from tests.flows.pages import a_site
from tests.results.counted import AFTER, a_counted_poll
from tests.results.test_weighting import a_lopsided_poll
from tests.sites import Clock, add_account, browser, form_token, sign_in

from results.weighted_polls import weighted_of
from results.weighting_document import weighting_document
from voting.commands.results import results
from voting.db import Database

CENSUS = "dimension,value,number\nsex,f,700\nsex,m,300\nage,18-24,500\nage,25-34,500\n"


async def a_weighted_poll(database: Database, **more: Any) -> str:
    async with database.open_session() as session:
        return (await a_lopsided_poll(session, **more)).slug


@pytest.fixture
async def database(fresh_database: Database) -> Database:
    return fresh_database


@pytest.fixture
def clock() -> Clock:
    return Clock(AFTER)


@pytest.fixture
def site(database: Database, tmp_path: Path, clock: Clock) -> Litestar:
    return a_site(database, tmp_path, clock=clock, limits=UNLIMITED)


async def test_page_api_and_document_say_the_same(database: Database, site: Litestar) -> None:
    slug = await a_weighted_poll(database)
    async with database.open_read_session() as session:
        expected = json.loads(json.dumps(weighting_document(await weighted_of(session, slug, AFTER))))
    anybody = Client(site)
    reply = await anybody.get(f"/polls/{slug}/weighting")
    assert (reply.status_code, reply.json()) == (200, expected)
    assert reply.headers["cache-control"].startswith("public, max-age=") and "Cookie" in reply.headers["vary"]
    assert (await anybody.get(f"/polls/{slug}/results")).json()["weighting"] == expected
    assert (await anybody.get(f"/polls/{slug}/results.json")).json()["weighting"] == expected
    assert "weights" not in json.dumps(expected)  # by stratum nobody is told
    again = await anybody.get(f"/polls/{slug}/weighting", {"If-None-Match": reply.headers["etag"]})
    assert again.status_code == 304
    page = await page_of(site, f"/polls/{slug}/results?lang=en")
    one = expected["questions"][0]["answers"][0]
    interval = f"{one['low']:.1%} – {one['high']:.1%}"
    for text in (f"{one['share']:.1%}", f"{one['weighted_share']:.1%}", interval, f"{expected['design_effect']:.2f}",
                 "The count is the result", "this is no random sample"):  # fmt: skip
        assert text in page, text
    russian = await page_of(site, f"/polls/{slug}/results?lang=ru")
    assert "Итог — это подсчёт" in russian and "это не случайная выборка" in russian


async def page_of(site: Litestar, address: str, status: int = 200) -> str:
    async with browser(site) as client:
        reply = await client.get(address)
        assert reply.status_code == status, reply.text[:2000]
        return " ".join(reply.text.replace("\u00a0", " ").split())


async def test_polls_without_one_say_why(database: Database, site: Litestar) -> None:
    slug = await a_weighted_poll(database, binding=True)
    reply = await Client(site).get(f"/polls/{slug}/weighting")
    assert (reply.status_code, reply.json()["code"]) == (409, "decides_by_number")
    assert reply.json()["facts"] == {"why": "binding"}
    assert (await Client(site).get(f"/polls/{slug}/results")).json()["weighting"] is None
    assert "the counted votes decide by its rules" in await page_of(site, f"/polls/{slug}/results?lang=en")
    small = await a_weighted_poll(database, men=60, women=39)
    assert (await Client(site).get(f"/polls/{small}/weighting")).json()["code"] == "too_few_to_weight"
    assert "Fewer than 100 votes" in await page_of(site, f"/polls/{small}/results?lang=en")


async def test_nothing_is_said_before_the_count(database: Database, tmp_path: Path) -> None:
    site = a_site(database, tmp_path, clock=lambda: NOW + timedelta(days=1), limits=UNLIMITED)
    async with database.open_session() as session:
        await a_city(session)
        slug = (await a_sealed_poll(session, a_definition(visibility="live"))).slug
        few = (await a_counted_poll(session, a_definition(questions=[a_single_choice()]), [(("[1]",), 0)] * 9)).slug
    for path, code in ((slug, "results_hidden"), (few, "too_few_to_publish"), ("no-such-poll", "poll_not_found")):
        for margins in ("", "?margins=no-such", "?margins=register"):
            reply = await Client(site).get(f"/polls/{path}/weighting{margins}")
            assert reply.json()["code"] == code, reply.text


async def test_hostile_names_of_margins(database: Database, site: Litestar) -> None:
    slug = await a_weighted_poll(database)
    for name, status in (("no-such", 404), ("'; DROP TABLE poll; --", 404), ("\0", 404), ("x" * 65, 422)):
        reply = await Client(site).get(f"/polls/{slug}/weighting", margins=name)
        assert reply.status_code == status, (name, reply.text)
        assert "/polls/" in await page_of(site, f"/polls/{slug}/results?margins={name.replace(chr(0), '%00')}")


# ---- the page of sets


class Keeper:
    """Somebody with a role and a browser that runs no script."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def upload(self, file: bytes, **typed: str) -> httpx.Response:
        page = await self.client.get("/margins")
        fields: Mapping[str, str] = {
            "csrf_token": form_token(page), "name.ru": "Перепись", "name.en": "Census", "code": "census",
            "source": "Росстат", "as_of": "2021-10-01",
            **{key.replace("__", "."): value for key, value in typed.items()},
        }  # fmt: skip
        return await self.client.post("/margins", data=dict(fields), files={"file": ("m.csv", file, "text/csv")})


@pytest.fixture
async def office(database: Database, site: Litestar) -> Litestar:
    for role in ("admin", "analyst"):
        await add_account(database, f"{role}@margins.test", role)
    return site


async def test_an_administrator_uploads_replaces_and_removes(
    database: Database, office: Litestar, clock: Clock
) -> None:
    slug = await a_weighted_poll(database)
    async with browser(office) as client:
        await sign_in(client, "admin@margins.test")
        keeper = Keeper(client)
        assert (await keeper.upload(CENSUS.encode())).status_code == 303
        page = await client.get(f"/polls/{slug}/results?margins=census&lang=en")
        assert "Source: Росстат" in page.text and 'aria-current="true">Census' in page.text
        clock.go(seconds=5)
        assert (await keeper.upload(CENSUS.replace("700", "100").encode(), source="Другой источник")).status_code == 303
        clock.go(seconds=5)  # pages are remembered until something happens, which is looked for every second
        assert "Другой источник" in (await client.get(f"/polls/{slug}/results?margins=census&lang=en")).text
        listed = await client.get("/margins")
        removed = await client.post("/margins/remove", data={"csrf_token": form_token(listed), "code": "census"})
        assert removed.status_code == 303
        clock.go(seconds=5)
        assert "?margins=census#" not in (await client.get(f"/polls/{slug}/results?margins=census")).text


async def test_bad_uploads_are_told_line_by_line_and_keep_nothing(database: Database, office: Litestar) -> None:
    async with database.open_session() as session:
        await a_city(session)
    async with browser(office) as client:
        await sign_in(client, "admin@margins.test")
        keeper = Keeper(client)
        bad = await keeper.upload(b"dimension,value,number\nsex,f,5\nage,old,5\nsex,<script>,7\n")
        assert bad.status_code == 422 and "<script>,7" not in bad.text
        assert ">3</th>" in bad.text and ">4</th>" in bad.text and 'value="census"' in bad.text
        for name, value in (("code", "Перепись"), ("name.ru", ""), ("source", ""), ("as_of", "вчера")):
            anchor = f"#{name}"
            refused = await keeper.upload(CENSUS.encode(), **{name: value})
            assert refused.status_code == 422 and f'href="{anchor}"' in refused.text
        assert (await keeper.upload(b"")).status_code == 422
        assert (await keeper.upload(b"x" * (2 * 1024 * 1024))).status_code == 413
        assert "<code>census</code>" not in (await client.get("/margins")).text


async def test_only_administrators_keep_sets(office: Litestar) -> None:
    async with browser(office) as client:
        assert (await client.get("/margins")).status_code in (303, 401)
        await sign_in(client, "analyst@margins.test")
        page = await client.get("/margins")
        assert page.status_code == 200 and 'type="file"' not in page.text
        token = form_token(page)
        refused = await client.post("/margins", data={"csrf_token": token, "code": "census"})
        assert refused.status_code == 403
        removed = await client.post("/margins/remove", data={"csrf_token": token, "code": "census"})
        assert removed.status_code == 403


def test_the_command_line(tmp_path: Path, fresh_database_url: str) -> None:
    env = {"VECHE_DATABASE_URL": fresh_database_url, "VECHE_DATA_DIR": str(tmp_path / "data")}

    def run(content: bytes, *more: str) -> tuple[int, str]:
        path = tmp_path / "margins.csv"
        path.write_bytes(content)
        said = ["--set", "census", "--name", "Перепись", "--source", "Росстат", "--as-of", "2021-10-01", *more]
        done = CliRunner().invoke(results, ["margins", str(path), *said], env=env)
        return done.exit_code, done.output

    assert run(CENSUS.encode()) == (0, "4 numbers kept as «census», as of 2021-10-01.\n")
    code, out = run(b"dimension,value,number\nsex,f,5\nsex,x,7\n")
    assert code == 1 and "line 3, value: unknown sex «x»" in out and "nothing was taken" in out
    assert "YYYY-MM-DD" in run(CENSUS.encode(), "--as-of", "yesterday")[1]
    assert "Latin letters" in run(CENSUS.encode(), "--set", "Перепись")[1]
    done = CliRunner().invoke(results, ["remove-margins", "census"], env=env)
    assert (done.exit_code, done.output) == (0, "«census» is removed.\n")

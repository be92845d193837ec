"""The explorer over HTTP: every view an address, nothing shown in silence in place of something else, nothing summed."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.builders import a_city, a_single_choice, an_open_poll
from tests.flows.pages import Page, a_site
from tests.results.counted import a_counted_poll, a_typical_poll, city_strata, random_ballots
from tests.results.every_rule import CASES
from tests.sites import HTTP

from voting.db import Database


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=a_site(database, tmp_path))
    async with httpx.AsyncClient(transport=transport, base_url=HTTP) as made:
        yield made


@pytest.fixture
async def slug(database: Database) -> str:
    async with database.open_session() as session:
        return (await a_typical_poll(session)).slug


async def look(client: httpx.AsyncClient, address: str, language: str = "en") -> Page:
    return Page(await client.get(address, headers={"accept-language": language}))


async def test_smoke(client, slug) -> None:
    page = await look(client, f"/polls/{slug}/explore")
    Path("/tmp/h2_out.html").write_text(page.html)
    assert page.status == 200
    for query in ("by=okrug", "by=district&chart=map", "by=okrug&chart=map", "by=okrug&chart=bars&sort=value", "by=sex&chart=multiples", "by=age_band&chart=heatmap", "show=turnout&chart=days", "show=turnout&by=okrug&chart=map", "question=3&show=means&by=district", "question=3&chart=ratings", "chart=flow", "place=msk-cao", "by=district&place=msk-cao", "by=sex&and=age_band", "x=1&by=no&chart=no&sex=q"):
        for language in ("ru", "en"):
            page = await look(client, f"/polls/{slug}/explore?{query}", language)
            assert page.status == 200, query
            Path(f"/tmp/h2_{query[:20].replace('&','_')}.html").write_text(page.html)
    got = await client.get(f"/polls/{slug}/explore.csv?by=okrug")
    print(got.text)
    assert got.status_code == 200

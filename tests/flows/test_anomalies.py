"""Anomalies over HTTP: page and API say the same, files hold the counters, nothing shows before the count."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import httpx
from tests.builders import a_city, an_open_poll
from tests.flows.api_client import V1
from tests.results.test_anomalies import a_poll_with_minutes
from tests.sites import browser, fast_passwords, site_settings

from voting.app import create_app
from voting.db import Database


def a_visitor(database: Database, tmp_path: Path) -> httpx.AsyncClient:
    return browser(create_app(site_settings(tmp_path), database=database, passwords=fast_passwords()))


async def test_page_and_api_tell_the_same(fresh_database: Database, tmp_path: Path) -> None:
    async with fresh_database.open_session() as session:
        found = await a_poll_with_minutes(session, 1_200, 400)
    visitor = a_visitor(fresh_database, tmp_path)
    sent = await visitor.get(f"{V1}/polls/{found.slug}/anomalies")
    assert sent.status_code == 200
    report = sent.json()
    assert report["recorded"] == report["votes"] == 1_600
    assert {check["name"] for check in report["checks"]} == {"burst", "night", "places", "turnout", "young", "steps"}
    assert all(check["may_mean"]["ru"] and check["cannot_mean"]["en"] for check in report["checks"])
    assert min(n for row in report["hours"] for n in row["votes"]) >= 10
    again = await visitor.get(f"{V1}/polls/{found.slug}/anomalies", headers={"if-none-match": sent.headers["etag"]})
    assert again.status_code == 304

    for language, words in (("ru", "Было ли в голосовании что-то необычное?"), ("en", "Was anything unusual")):
        page = (await visitor.get(f"/polls/{found.slug}/results?lang={language}")).text
        assert words in page
        for check in report["checks"]:
            assert check["title"][language] in page
        assert "t-hours" in page

    file = await visitor.get(f"{V1}/polls/{found.slug}/hours.csv")
    assert file.headers["content-disposition"].endswith('_hours.csv"')
    lines = list(csv.DictReader(io.StringIO(file.text)))
    assert sum(int(line["votes"]) for line in lines if line["table"] == "okrugs") == 1_600
    excel = await visitor.get(f"{V1}/polls/{found.slug}/hours.csv?dialect=excel")
    assert excel.content.startswith(b"\xef\xbb\xbfpoll_id;")


async def test_nothing_of_them_before_the_count(fresh_database: Database, tmp_path: Path) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        found = await an_open_poll(session)
    visitor = a_visitor(fresh_database, tmp_path)
    for path in ("anomalies", "hours.csv"):
        for method in ("GET", "HEAD"):
            refused = await visitor.request(method, f"{V1}/polls/{found.slug}/{path}")
            assert refused.status_code == 403, (path, method)
    unknown = await visitor.get(f"{V1}/polls/nowhere/anomalies")
    assert unknown.status_code == 404

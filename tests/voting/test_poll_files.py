"""`veche poll export | import | schema`, and what a file is refused for before a database is asked."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.builders import a_city, a_definition, a_sealed_poll, a_single_choice
from tests.sites import site_settings

from polls.authoring import create_draft
from polls.definition import canonical_bytes
from polls.definition_file import LARGEST, read_file
from polls.errors import BadFile
from polls.sealed import sealed_bytes
from voting.commands.poll import poll
from voting.db import Database


@pytest.fixture
def city(fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    settings = site_settings(tmp_path).model_copy(update={"database_url": fresh_database_url})
    monkeypatch.setattr("voting.commands.poll.Settings.from_env", lambda: settings)
    return fresh_database_url


def on(url: str, work: Any) -> Any:
    async def run() -> Any:
        database = Database.from_url(url)
        try:
            async with database.open_session() as session:
                return await work(session)
        finally:
            await database.close()

    return asyncio.run(run())


def veche(*arguments: str | Path) -> Result:
    return CliRunner().invoke(poll, [str(argument) for argument in arguments])


def test_a_draft_goes_out_and_into_another_city_as_the_same_bytes(
    city: str, databases: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = a_definition(questions=[a_single_choice(1, own_answer=True)])

    async def draft(session: Any) -> Any:
        return await create_draft(session, 1, definition, datetime.now(UTC), slug="skver")

    on(city, draft)
    file = tmp_path / "skver.json"
    assert veche("export", "skver", "--out", file).exit_code == 0
    assert file.read_bytes() == canonical_bytes(definition)
    beside = veche("import", file)
    assert "under a new id" in beside.output, "a poll that is here is never written over"
    assert veche("export", "skver").stdout_bytes == file.read_bytes()
    other = databases.create()
    settings = site_settings(tmp_path).model_copy(update={"database_url": databases.url(other)})
    monkeypatch.setattr("voting.commands.poll.Settings.from_env", lambda: settings)
    assert "under a new id" not in veche("import", file).output
    assert veche("export", definition.poll_id).stdout_bytes == file.read_bytes()
    databases.drop(other)


def test_a_sealed_poll_goes_out_as_it_was_sealed(city: str) -> None:
    async def seal(session: Any) -> Any:
        await a_city(session)
        found = await a_sealed_poll(session)
        return found.slug, (await sealed_bytes(session, found.slug)).data

    slug, data = on(city, seal)
    assert veche("export", slug).stdout_bytes == data


def test_mistakes_are_named_by_their_paths(city: str, tmp_path: Path) -> None:
    values = json.loads(canonical_bytes(a_definition()))
    values["questions"][0]["surprise"] = 1
    values["quorum"] = {"share": "3/2"}
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(values))
    refused = veche("import", file)
    assert refused.exit_code == 1
    assert "questions/0/single_choice/surprise" in refused.output
    assert "quorum/share" in refused.output
    file.write_bytes(b" " * (LARGEST + 1))
    assert "larger" in veche("import", file).output
    file.write_text('{"schema":\n"veche/poll/v9"}')
    assert "veche/poll/v9" in veche("import", file).output
    assert veche("import", file, "--official", "nobody@city.test").exit_code == 1
    assert veche("export", "no-such-poll").exit_code == 1


def test_the_schema_is_printed() -> None:
    assert json.loads(veche("schema").output)["properties"]["schema"]["const"] == "veche/poll/v1"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"[1]", "not a JSON object"),
        (b"{}", "is missing"),
        (b'{"schema": "veche/poll/v2"}', "reads veche/poll/v1"),
        (b'{"schema": "veche/poll/v1", "title": {}, "title": {}}', "twice"),
        (b'{"schema": Infinity}', "not a number"),
        (b'{"schema": ' + b"9" * 5_000 + b"}", "not JSON"),
        (b"[" * 100_000, "nested"),
        (b'{"a":' * 1_000 + b"1" + b"}" * 1_000, "nested"),
    ],
)
def test_what_is_no_definition_file_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BadFile) as refused:
        read_file(data)
    assert reason in refused.value.facts["reason"]


def test_a_field_repeated_after_many_is_found_at_once() -> None:
    names = ",".join(f'"f{n}": 1' for n in range(100_000))
    began = time.process_time()
    with pytest.raises(BadFile) as refused:
        read_file(f'{{{names}, "f99999": 2}}'.encode())
    assert (refused.value.facts["field"], refused.value.facts["reason"]) == ("f99999", "the field is there twice")
    assert time.process_time() - began < 5, "pairwise it would take minutes"


def test_brackets_within_texts_are_no_nesting() -> None:
    definition = a_definition(title={"ru": '[{"' * 200, "en": "\\[" * 200})
    assert read_file(canonical_bytes(definition)) == definition


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda words: words.encode()))
def test_any_bytes_are_refused_in_order(data: bytes) -> None:
    with pytest.raises((BadFile, ValidationError)):
        read_file(data)

"""`veche map`: takes a map in, says what is wrong with one, tells which is in use, and goes back to tiles."""

from __future__ import annotations

import asyncio
from pathlib import Path

from click.testing import CliRunner
from tests.builders import a_city
from tests.results.drawn_city import a_map
from tests.results.test_maps import BOW_TIE, a_file

from voting.commands.map import city_map
from voting.db import Database

PLACES = ("msk-cao-arbat", "msk-cao-basmanny", "msk-sao-timiryazevsky")


async def load(url: str) -> None:
    database = Database.from_url(url)
    async with database.open_session() as session:
        await a_city(session)
    await database.close()


def test_a_map_by_the_command_line(tmp_path: Path, fresh_database_url: str) -> None:
    asyncio.run(load(fresh_database_url))
    env = {"VECHE_DATABASE_URL": fresh_database_url, "VECHE_DATA_DIR": str(tmp_path / "data")}
    path = tmp_path / "city.geojson"

    def run(content: bytes | None, *more: str) -> tuple[int, str]:
        if content is not None:
            path.write_bytes(content)
        done = CliRunner().invoke(city_map, [*([str(path)] if content is not None else []), *more], env=env)
        return done.exit_code, done.output

    assert run(None) == (0, "There is no map: charts show territories as tiles.\n")
    code, told = run(a_file(BOW_TIE, code="msk-cao-arbat"))
    assert code == 1
    assert "features/0: “msk-cao-arbat”: its border crosses itself or encloses nothing." in told
    assert run(b"[" * 200_000)[1].endswith("file: The file is nested too deeply to be a map.\n")
    assert run(None)[1].startswith("There is no map")

    code, told = run(a_map(PLACES), "--credit", "Nobody: made up")
    assert code == 0, told
    assert "3 of kind district" in told
    assert "okrugs were put together out of their districts" in told
    told = run(None)[1]
    assert told.startswith("city.geojson, 2 of kind okrug, 3 of kind district, uploaded 2")
    assert told.endswith("Nobody: made up\n")
    assert run(a_map(PLACES), "--remove")[0] == 2
    assert run(None, "--remove") == (0, "The map is removed.\n")
    assert run(None, "--remove") == (0, "There was no map.\n")

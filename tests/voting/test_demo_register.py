"""The synthetic register: the same for ever, in believable proportions, loaded by the ordinary import."""

import hashlib
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from click.testing import CliRunner
from sqlalchemy import text

from polls.eligibility import age_on
from polls.register import facts_as_of, find_citizen, identity_key, territory_tree
from polls.sessions import Session
from voting.commands.register import load_demo, register
from voting.demo_register import (
    REFERENCE_DAY,
    city_groups,
    city_territories,
    demo_citizen,
    demo_register,
    load_city,
    load_demo_register,
)
from voting.settings import Settings

SECRETS = {1: bytes(range(32))}
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def file_of(citizens: int) -> bytes:
    return b"".join(demo_register(citizens, city_territories()))


def test_the_register_is_the_same_every_time() -> None:
    digest = hashlib.sha256(file_of(5000)).hexdigest()
    assert digest == hashlib.sha256(file_of(5000)).hexdigest()
    assert file_of(5000).startswith(file_of(1000))
    assert file_of(0).count(b"\n") == 1
    first = demo_citizen(1)
    assert f"{first.national_id},{first.birth_date},{first.sex}," in file_of(1).decode()
    assert first.national_id == "77-00000001"
    assert demo_citizen(1, "another seed") != first


def test_ages_sexes_groups_and_levels_are_believable() -> None:
    people = [demo_citizen(number) for number in range(1, 20_001)]
    ages = [age_on(person.birth_date, REFERENCE_DAY) for person in people]
    assert min(ages) >= 14
    assert max(ages) <= 100
    share_over_60 = sum(age >= 60 for age in ages) / len(ages)
    assert 0.24 < share_over_60 < 0.34
    women_old = [person.sex == "f" for person, age in zip(people, ages, strict=True) if age >= 75]
    women_young = [person.sex == "f" for person, age in zip(people, ages, strict=True) if age < 30]
    assert 0.66 < sum(women_old) / len(women_old) < 0.78
    assert 0.45 < sum(women_young) / len(women_young) < 0.53
    groups = Counter(code for person in people for code in person.groups)
    assert set(groups) == {row.code for row in city_groups()}
    assert all(0.02 < n / len(people) < 0.12 for n in groups.values())
    levels = Counter(person.level for person in people)
    assert set(levels) == {0, 1, 2, 3}
    assert 0.5 < levels[2] / len(people) < 0.6


def test_districts_are_drawn_by_population() -> None:
    rows = [line.split(",") for line in file_of(50_000).decode().splitlines()[1:]]
    drawn = Counter(row[3] for row in rows)
    districts = [row for row in city_territories() if row.kind == "district"]
    total = sum(row.population or 0 for row in districts)
    assert set(drawn) == {row.code for row in districts}
    for row in districts:
        expected = len(rows) * (row.population or 0) / total
        assert abs(drawn[row.code] - expected) < 5 * expected**0.5 + 5


def test_the_territories_of_moscow() -> None:
    rows = city_territories()
    kinds = Counter(row.kind for row in rows)
    assert kinds == {"city": 1, "okrug": 12, "district": 132}
    okrugs = [row for row in rows if row.kind == "okrug"]
    shorts = ["ЦАО", "САО", "СВАО", "ВАО", "ЮВАО", "ЮАО", "ЮЗАО", "ЗАО", "СЗАО", "ЗелАО", "НАО", "ТАО"]
    assert [row.short_ru for row in okrugs] == shorts
    assert len({(row.tile_column, row.tile_row) for row in okrugs}) == 12
    assert len({row.name_ru for row in rows}) == len({row.name_en for row in rows}) == len(rows)
    assert all(row.code.isascii() and row.name_en.isascii() for row in rows)
    assert all(row.population for row in rows)
    assert not any(row.population_source for row in rows)
    for okrug in okrugs:
        below = [row.population or 0 for row in rows if row.parent == okrug.code]
        assert sum(below) == okrug.population


async def test_it_is_loaded_by_the_ordinary_import_quickly_and_again(session: Session) -> None:
    start = time.perf_counter()
    report = await load_demo_register(session, 10_000, secrets=SECRETS, now=NOW)
    seconds = time.perf_counter() - start
    assert report.added == report.rows == 10_000
    assert seconds < 10  # 3 on a quiet machine; this one may be shared
    again = await load_demo_register(session, 10_000, secrets=SECRETS, now=NOW)
    assert (again.added, again.unchanged) == (0, 10_000)

    person = demo_citizen(77)
    key = identity_key(SECRETS[1], "national_id", person.national_id)
    number = await find_citizen(session, "national_id", [(1, key)])
    assert number is not None
    facts = await facts_as_of(session, number, NOW)
    assert (facts.birth_date, facts.sex, facts.level) == (person.birth_date, person.sex, person.level)
    assert facts.groups == set(person.groups)
    assert {"msk"} < facts.territories
    leaked = await session.execute(text("SELECT count(*) FROM identity WHERE encode(key, 'escape') LIKE '%7700%'"))
    assert leaked.scalar_one() == 0


async def test_the_city_loads_again_without_a_change(session: Session) -> None:
    await load_city(session)
    tree = await territory_tree(session)
    await load_city(session)
    assert await territory_tree(session) == tree
    assert tree.path("msk-cao-arbat") == {"msk", "msk-cao", "msk-cao-arbat"}


# ---- the command line


def test_the_import_command(tmp_path: Path, fresh_database_url: str) -> None:
    env = {
        "VECHE_DATABASE_URL": fresh_database_url,
        "VECHE_DATA_DIR": str(tmp_path / "data"),
    }
    path = tmp_path / "register.csv"
    path.write_bytes(file_of(300))

    def run(*arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(register, ["import", *arguments], env=env)
        return done.exit_code, done.stdout, done.stderr

    assert run(str(path), "--dry-run")[1].startswith("300 rows (dry run: nothing was written)\n  added      300\n")
    code, out, err = run(str(path))
    assert (code, err) == (0, "")
    assert "added      300" in out
    path.write_bytes(file_of(200))
    assert "ended      100" in run(str(path), "--snapshot", "--register", "city")[1]

    path.write_text(path.read_text().replace("msk-cao-arbat", "Арбатт") + "x\n", encoding="utf-8")
    code, out, err = run(str(path))
    assert (code, out) == (1, "")
    assert "line 202: 1 fields instead of 7" in err
    assert err.splitlines()[-1].endswith("errors; nothing was taken")


async def test_the_demo_loads_with_one_call(tmp_path: Path, fresh_database_url: str) -> None:
    settings = Settings(database_url=fresh_database_url, data_dir=tmp_path, demo=True)
    assert (await load_demo(settings, 50)).added == 50

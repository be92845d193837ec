"""How long a dry run and a roll take on a register of a whole city, beside PostgreSQL's own counting of the same.

    python bench/dry_run.py [--citizens 7000000] [--times 5] [--slow]

Runs on a throw-away database of the test server (`VECHE_TEST_DATABASE_URL`, or the embedded one), filled by SQL: the
132 districts of the city by population, ages, sexes, groups, levels, and periods that have ended. For each rule it
prints the median seconds of our dry run and of our roll, and of the baseline: a plain SELECT count(*) by district, age
band and sex of the same two tables joined, without the rule, so that it does less. `--slow` adds the same with no sum
of the register. About 1.5 GB of disk for 7,000,000. Target: each dry run in 2 s.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import TextClause, text

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import summary  # noqa: E402
from tests.databases import Databases, running_server  # noqa: E402

from polls.audience import dry_run, entitled_by_stratum  # noqa: E402
from polls.definition import BallotStyle, Definition  # noqa: E402
from polls.register_sum import sum_up_register  # noqa: E402
from polls.sessions import ReadSession  # noqa: E402
from polls.style_roll import entitled_by_style  # noqa: E402
from voting.db import Database  # noqa: E402
from voting.demo_register import load_city  # noqa: E402

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
ADULT = {"op": "age", "at_least": 18}
STUDENTS, VETERANS = ({"op": "group", "codes": [code]} for code in ("students", "veterans"))
NESTED = {
    "op": "any",
    "of": [
        {"op": "not", "of": {"op": "any", "of": [STUDENTS, {"op": "verified", "level": 3}]}},
        {"op": "all", "of": [VETERANS, {"op": "not", "of": {"op": "age", "at_most": 59}}]},
    ],
}
OKRUGS = {"op": "territory", "codes": ["msk-cao", "msk-sao", "msk-yuao", "msk-zelao"]}
RULES: dict[str, dict[str, Any]] = {
    "city, 14 and older": {"op": "age", "at_least": 14},
    "one district, 18 and older": {"op": "all", "of": [ADULT, {"op": "territory", "codes": ["msk-cao-arbat"]}]},
    "any of three groups": {"op": "any", "of": [STUDENTS, VETERANS, {"op": "group", "codes": ["large-families"]}]},
    "nested not and any": NESTED,
    "all of it together": {"op": "all", "of": [ADULT, OKRUGS, {"op": "verified", "level": 2}, NESTED,
                                               {"op": "not", "of": {"op": "group", "codes": ["large-families"]}}]},
    "registered before a month ago": {"op": "all", "of": [ADULT, {"op": "registered_before",
                                                                   "moment": "2026-10-22T00:00:00Z"}]},
    "registered before 2023": {"op": "all", "of": [ADULT, {"op": "registered_before",
                                                            "moment": "2023-01-01T00:00:00Z"}]},
}  # fmt: skip

CITIZENS = """
    INSERT INTO citizen (id, register_code, birth_date, sex, registered_at) OVERRIDING SYSTEM VALUE
    SELECT n, 'city',
           CASE WHEN random() >= 0.0005 THEN date '2026-11-22' - (365.2425 * CASE
                WHEN random() < 0.12 THEN random() * 18 WHEN random() < 0.75 THEN 18 + random() * 45
                ELSE 60 + random() * 38 END)::integer END,
           CASE WHEN random() < 0.54 THEN 'f' ELSE 'm' END,
           timestamptz '2012-01-01' + random() * (timestamptz '2026-11-20' - timestamptz '2012-01-01')
      FROM generate_series(1, :n) AS n
"""
PERIODS = """
    WITH place AS (
        SELECT array_agg(id ORDER BY id) AS ids, array_agg(above ORDER BY id) AS steps
          FROM (SELECT id, (sum(people) OVER (ORDER BY id) - people) / sum(people) OVER ()::float8 AS above
                  FROM (SELECT id, coalesce(population, 10000)::float8 AS people FROM territory
                         WHERE kind = 'district') d) s
    ), known AS (
        SELECT (SELECT id FROM citizen_group WHERE code = 'students') AS s,
               (SELECT id FROM citizen_group WHERE code = 'veterans') AS v,
               (SELECT id FROM citizen_group WHERE code = 'large-families') AS f
    )
    INSERT INTO citizen_period (citizen_id, valid_from, valid_to, district_id, level, groups)
    SELECT c.id, c.registered_at,
           CASE WHEN c.id % 25 = 0 THEN c.registered_at + (timestamptz '2026-11-21' - c.registered_at) / 2 END,
           ids[width_bucket(random(), steps)],
           CASE WHEN random() < 0.02 THEN 0 WHEN random() < 0.2 THEN 1 WHEN random() < 0.7 THEN 2 ELSE 3 END,
           CASE WHEN random() < 0.07 THEN ARRAY[s] ELSE '{}'::smallint[] END
           || CASE WHEN random() < 0.05 THEN ARRAY[v] ELSE '{}'::smallint[] END
           || CASE WHEN random() < 0.05 THEN ARRAY[f] ELSE '{}'::smallint[] END
      FROM citizen c, place, known
"""
MOVES = """
    INSERT INTO citizen_period (citizen_id, valid_from, district_id, level, groups)
    SELECT p.citizen_id, p.valid_to, (SELECT min(id) FROM territory WHERE kind = 'district'), p.level, p.groups
      FROM citizen_period p WHERE p.valid_to IS NOT NULL AND p.citizen_id % 50 = 0
"""
BASELINE = """
    SELECT p.district_id, width_bucket(c.birth_date, ARRAY[{lines}]::date[]), c.sex, count(*)
      FROM citizen c JOIN citizen_period p ON p.citizen_id = c.id
     WHERE c.register_code = 'city' AND p.valid_from <= '{moment}' AND (p.valid_to IS NULL OR p.valid_to > '{moment}')
     GROUP BY 1, 2, 3
"""


def definition(audience: dict[str, Any]) -> Definition:
    """A draft with this audience and every stratum."""
    words = {"ru": "опрос", "en": "poll"}
    return Definition.model_validate(
        {
            "poll_id": "0" * 32, "title": words, "territory": "msk", "questions": [], "audience": audience,
            "opens_at": NOW + timedelta(days=9), "closes_at": NOW + timedelta(days=16),
            "strata": ["district", "age_band", "sex"],
        }
    )  # fmt: skip


async def median(times: int, work: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    """Median seconds of so many runs after a first one, and the last result."""
    seconds, result = [], await work()
    for _ in range(times):
        start = time.perf_counter()
        result = await work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


async def fill(database: Database, citizens: int) -> None:
    """Make the register and say how large it is."""
    start = time.perf_counter()
    async with database.open_session() as session:
        await load_city(session)
        await session.execute(text("SELECT setseed(0.2026)"))
        for statement in (CITIZENS, PERIODS, MOVES):
            await session.execute(text(statement), {"n": citizens} if ":n" in statement else {})
        await session.execute(text("ANALYZE citizen, citizen_period"))
        size = await session.scalar(text("SELECT pg_size_pretty(pg_database_size(current_database()))"))
    print(f"{citizens:,} citizens, {size}, made in {time.perf_counter() - start:.0f} s", flush=True)


async def compare(database: Database, times: int, plain: TextClause) -> None:
    """The baseline, and every rule's dry run and roll as they stand to it."""

    async def reading(use: Callable[[ReadSession], Awaitable[Any]]) -> Any:
        async with database.open_read_session() as session:
            return await use(session)

    async def counted(session: ReadSession) -> int:
        return sum(n for *_, n in await session.execute(plain))

    baseline, present = await median(times, lambda: reading(counted))
    print(f"  {'baseline, GROUP BY of the join':30} {baseline:.2f} s for {present:,} present", flush=True)
    for name, audience in RULES.items():
        draft = definition(audience)
        dry, run = await median(times, lambda d=draft: reading(lambda s: dry_run(s, d, seconds=600)))
        rolled, strata = await median(times, lambda d=draft: reading(lambda s: entitled_by_stratum(s, d)))
        assert sum(strata.values()) == run.entitled
        summary.record("P8", f"dry run: {name}", dry, 2, "s")
        print(
            f"  {name:30} dry run {dry:6.3f} s ({dry / baseline:5.1%} of the baseline), roll {rolled:6.3f} s: "
            f"{run.entitled:,} of {run.registered:,}, {len(run.refused_by)} reasons, "
            f"{run.small_strata.residents} in {run.small_strata.strata} small of {len(run.by_stratum)} strata",
            flush=True,
        )
    codes = RULES["all of it together"]["of"][1]["codes"]
    of_okrugs = [{"id": number, "territories": [code]} for number, code in enumerate(codes, start=1)]
    draft = definition(RULES["city, 14 and older"]).model_copy(
        update={"styles": tuple(BallotStyle.model_validate(style) for style in of_okrugs)}
    )
    styled, counts = await median(times, lambda: reading(lambda s: entitled_by_style(s, draft)))
    print(f"  {'by ballot style':30} {styled:.3f} s for {len(counts)} styles", flush=True)


async def measure(url: str, citizens: int, times: int, slow: bool) -> None:
    """Fill, count plainly, sum up, count by our own code."""
    database = Database.from_url(url)
    await fill(database, citizens)
    lines = ", ".join(f"'{2026 - bound}-12-02'" for bound in sorted(definition({"op": "all"}).age_bands, reverse=True))
    plain = text(BASELINE.format(lines=lines, moment=NOW + timedelta(days=9)))
    if slow:
        print("entry by entry (no sum holds)")
        await compare(database, times, plain)
    start = time.perf_counter()
    async with database.open_session() as session:
        await sum_up_register(session, NOW)
    taken = time.perf_counter() - start
    size_of = text("SELECT count(*), pg_size_pretty(pg_total_relation_size('register_cell')) FROM register_cell")
    async with database.open_read_session() as reading:
        cells, size = (await reading.execute(size_of)).one()
    print(f"in sum: {cells:,} cells, {size}, made in {taken:.1f} s")
    await compare(database, times, plain)
    await database.close()


def main() -> None:
    """Make a database, measure, drop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--citizens", type=int, default=7_000_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--slow", action="store_true")
    given = parser.parse_args()
    with running_server() as server:
        databases = Databases(server)
        try:
            asyncio.run(measure(databases.url(databases.create()), given.citizens, given.times, given.slow))
        finally:
            databases.close()


if __name__ == "__main__":
    main()

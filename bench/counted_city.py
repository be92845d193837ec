"""A counted poll of a whole city, written by SQL as counting leaves it: 132 districts, seven age bands, two sexes.

Districts have their approximate populations, turnout and answers differ by district, age and sex, and every number is
drawn from a seed. Ballots are written cell by cell in an order that says nothing of the leaves; the profile, the tally
and the record of the count are made by the steps of `polls.counting`. What is left out of a real count is the copy out
of the intake with its proof and signature (`bench/board.py` measures those) and the sums over the register.
"""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy
import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.builders import a_definition, a_multiple_choice, a_rating, a_sealed_poll, a_single_choice  # noqa: E402

from polls.catalogue import SealedPoll, sealed_poll  # noqa: E402
from polls.counting import Counted, _finish, _tally_all, _write_profile  # noqa: E402
from polls.register import territory_tree  # noqa: E402
from polls.sessions import Session  # noqa: E402
from polls.strata import Stratum, coarsen  # noqa: E402
from voting.db import Database, database_url_for  # noqa: E402

AGES = (0.04, 0.08, 0.16, 0.22, 0.18, 0.15, 0.17)
"""Shares of the default age bands among those who vote."""
WOMEN = 0.55
TURNOUT = 0.62
STRATA = ["district", "age_band", "sex"]
DAYS = 7

BALLOTS = """
INSERT INTO ballot (poll_id, ballot_id, answers, style, stratum)
SELECT {poll}, substr(sha256(int8send(first + i) || int8send({poll})), 1, 16), answers, 0, stratum
  FROM bench_cell, generate_series(1, n) i WHERE first >= %(from)s AND first < %(to)s
"""
MINUTES = """
INSERT INTO turnout_minute (poll_id, minute, okrug, shard, n)
SELECT {poll}, %(from)s + m * interval '1 minute', o.okrug, -1,
       greatest(1, round(o.n * (1 + cos((m %% 1440 - 840) / 230.0)) / {minutes}))
  FROM generate_series(0, {minutes} - 1) m, unnest(%(okrugs)s::int[], %(n)s::bigint[]) AS o (okrug, n)
"""


def drawn(places: list[tuple[int, int]], ballots: int, kinds: int, seed: int) -> Any:
    """Ballots by district, age, sex and kind of ballot, so many in all: an array of four axes."""
    rng = numpy.random.default_rng(seed)
    of_place = numpy.array([population for _, population in places], dtype=float)
    groups = of_place[:, None, None] * numpy.array(AGES)[None, :, None] * numpy.array([WOMEN, 1 - WOMEN])
    groups *= rng.lognormal(0, 0.15, groups.shape)
    leaning = rng.dirichlet(numpy.full(kinds, 4.0)) * numpy.ones((*groups.shape, 1))
    leaning *= rng.lognormal(0, 0.35, (len(places), 1, 1, kinds)) * rng.lognormal(0, 0.25, (1, len(AGES), 2, kinds))
    cells = groups[..., None] * leaning / leaning.sum(axis=-1, keepdims=True)
    return rng.multinomial(ballots, (cells / cells.sum()).ravel()).reshape(cells.shape)


async def a_counted_city(
    url: str, ballots: int, *, questions: int = 1, stored: bool = True, seed: int = 5
) -> SealedPoll:
    """A counted poll with so many ballots; the territories of the city have to be loaded.

    `questions`: 1 is one single choice, 3 adds several answers and a rating. Without `stored` ballots are in the
    profile alone: enough for figures, and nothing to download.
    """
    database = Database.from_url(database_url_for(url, "postgresql+asyncpg"))
    opened = datetime.now(UTC).replace(microsecond=0) - timedelta(days=DAYS + 1)
    asked = [a_single_choice(1, 4), a_multiple_choice(2, required=False), a_rating(3)][:questions]
    async with database.open_session() as session:
        definition = a_definition(
            questions=asked, strata=STRATA, opens_at=opened, closes_at=opened + timedelta(days=DAYS),
        )  # fmt: skip
        found = await a_sealed_poll(session, definition)
        tree = await territory_tree(session)
        places = [(place.id, place.population or 50_000) for place in tree.of_kind("district")]
    answers = _kinds(questions)
    cells = drawn(places, ballots, len(answers), seed)
    strata = {
        Stratum(district, age + 1, sex + 1): cells[at, age, sex]
        for at, (district, _) in enumerate(places)
        for age in range(len(AGES))
        for sex in range(2)
    }
    merged = coarsen({stratum: int(row.sum()) for stratum, row in strata.items() if row.sum()}, tree.parent)
    with psycopg.connect(database_url_for(url, "postgresql"), autocommit=True) as connection:
        _write_cells(connection, strata, merged, answers)
        if stored:
            for start in range(0, ballots, 1_000_000):
                connection.execute(BALLOTS.format(poll=found.id), {"from": start, "to": start + 1_000_000})
            connection.execute("VACUUM (FREEZE, ANALYZE) ballot")
        _write_turnout(connection, found, strata, tree, opened)
        if not stored:
            _write_profile_alone(connection, found)
    async with database.open_session() as session:
        await _count(session, found, ballots, stored=stored)
        found = await sealed_poll(session, found.public_id)
    await database.close()
    return found


def _kinds(questions: int) -> list[list[str]]:
    """The canonical answers a ballot may have, as they stand in it."""
    single = [f"[{option}]" for option in (1, 2, 3, 4, 90)]
    if questions == 1:
        return [[answer] for answer in single]
    several = ["[]", "[1]", "[2]", "[1,3]", "[2,4]"]
    grades = ["[[1,5],[2,4]]", "[[1,3],[2,5]]", "[[1,4],[2,2]]", "[[1,1],[2,3]]"]
    return [[one, two, three] for one in single for two in several for three in grades]


def _write_cells(connection: Any, strata: Any, merged: Any, answers: list[list[str]]) -> None:
    """How many ballots of each kind each merged stratum has, with the number of the first of them."""
    connection.execute("DROP TABLE IF EXISTS bench_cell")
    connection.execute("CREATE TABLE bench_cell (stratum int, answers text[], n bigint, first bigint)")
    lines, first = io.StringIO(), 0
    for stratum, row in strata.items():
        for kind, n in enumerate(row.tolist()):
            if n:
                array = "{" + ",".join(f'"{answer}"' for answer in answers[kind]) + "}"
                lines.write(f"{merged[stratum].code}\t{array}\t{n}\t{first}\n")
                first += n
    with connection.cursor().copy("COPY bench_cell FROM STDIN") as copy:
        copy.write(lines.getvalue())


def _write_turnout(connection: Any, found: SealedPoll, strata: Any, tree: Any, opened: datetime) -> None:
    """Roll, participations by stratum and by day, and the counters by minute and okrug."""
    rng = numpy.random.default_rng(found.id)
    by_okrug: dict[int, int] = {}
    total = 0
    rolls, votes = [], []
    for stratum, row in strata.items():
        n = int(row.sum())
        total += n
        okrug = tree.parent(stratum.territory)
        by_okrug[okrug] = by_okrug.get(okrug, 0) + n
        entitled = max(n + 12, round(n / TURNOUT * rng.uniform(0.85, 1.15)))
        rolls.append([found.id, stratum.code, entitled])
        votes += [[found.id, stratum.code, n]] if n else []
    with connection.cursor() as cursor:
        for table, rows in (("roll", rolls), ("turnout_stratum", votes)):
            with cursor.copy(
                f"COPY {table} (poll_id, stratum, {'entitled' if rows is rolls else 'n'}) FROM STDIN"
            ) as c:
                for row in rows:
                    c.write_row(row)
    for day in range(DAYS):
        part = total // DAYS if day else total - total // DAYS * (DAYS - 1)
        on = (opened + timedelta(days=day)).date()
        connection.execute("INSERT INTO turnout_day VALUES (%s, %s, %s)", [found.id, on, part])
    connection.execute(
        MINUTES.format(poll=found.id, minutes=DAYS * 1440),
        {"from": opened, "okrugs": list(by_okrug), "n": list(by_okrug.values())},
    )


def _write_profile_alone(connection: Any, found: SealedPoll) -> None:
    for position, question in enumerate(found.question_ids, start=1):
        connection.execute(
            "INSERT INTO profile (poll_id, question_id, stratum, answer, n)"
            f" SELECT {found.id}, {question}, stratum, answers[{position}], sum(n) FROM bench_cell GROUP BY 3, 4"
        )


async def _count(session: Session, found: SealedPoll, ballots: int, *, stored: bool) -> None:
    """The steps of counting that follow the copy."""
    if stored:
        await _write_profile(session, found)
    counted = await _tally_all(session, found)
    await _finish(session, found, Counted(ballots, ballots, counted.outcomes), datetime.now(UTC))


def full_in_one_group(url: str, found: SealedPoll) -> None:
    """Correct the roll so that a small group has voted to its last resident, and have the poll's tables made anew: as
    if the count had been so. All questions and the turnout have to be looked at as one then.
    """
    with psycopg.connect(database_url_for(url, "postgresql"), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO roll_amendment (poll_id, stratum, change, reason, at)"
            " SELECT r.poll_id, r.stratum, t.n - r.entitled, 'register_corrected', now() FROM roll r"
            " JOIN turnout_stratum t USING (poll_id, stratum) WHERE r.poll_id = %s AND t.n >= 15 ORDER BY t.n LIMIT 1",
            [found.id],
        )
        connection.execute("DELETE FROM publication WHERE poll_id = %s", [found.id])

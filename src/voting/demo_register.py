"""A synthetic register for demonstrations: deterministic, in the proportions of Moscow, nobody real.

Citizen `n` is a pure function of the seed and of `n`, so the demo's accounts know their register entry without looking,
and a register of 10,000 is the beginning of one of 1,000,000. The rows are an ordinary register file, loaded by the
ordinary import. Ages follow the shape of Moscow's pyramid from 14 years on (younger residents have no document to be
registered by), women outnumber men with age, districts are drawn by their approximate populations.
"""

from __future__ import annotations

import hashlib
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import resources
from itertools import accumulate

from polls.register import (
    GroupRow,
    TerritoryRow,
    load_groups,
    load_territories,
    read_groups,
    read_territories,
)
from polls.register_import import ImportReport, import_register
from voting.db import Session

SEED = "veche/demo/v1"
REFERENCE_DAY = date(2026, 1, 1)  # ages are as of this day, whenever the demo is made: citizens keep their birthdays
FIRST_REGISTERED = date(2012, 1, 1)
REGISTERED_DAYS = 4_000
HEADER = b"national_id,birth_date,sex,district,level,groups,registered_at\n"
LINES = 500

# (youngest, oldest, weight, share of women)
AGES = (
    (14, 17, 42, 0.49),
    (18, 24, 75, 0.49),
    (25, 29, 65, 0.50),
    (30, 34, 90, 0.51),
    (35, 39, 115, 0.51),
    (40, 44, 100, 0.51),
    (45, 49, 90, 0.52),
    (50, 54, 75, 0.53),
    (55, 59, 70, 0.56),
    (60, 64, 80, 0.59),
    (65, 69, 70, 0.62),
    (70, 74, 55, 0.65),
    (75, 79, 30, 0.68),
    (80, 84, 30, 0.72),
    (85, 89, 18, 0.75),
    (90, 99, 7, 0.79),
)
# (group, youngest, oldest, share of that age)
GROUPS = (
    ("students", 17, 22, 0.55),
    ("students", 23, 26, 0.12),
    ("large-families", 28, 49, 0.08),
    ("veterans", 45, 59, 0.03),
    ("veterans", 60, 79, 0.12),
    ("veterans", 80, 99, 0.35),
)
LEVELS = (0.02, 0.20, 0.75, 1.0)  # cumulative shares of verification levels 0, 1, 2, 3

_AGE_STEPS = tuple(accumulate(weight for _, _, weight, _ in AGES))


@dataclass(frozen=True)
class DemoCitizen:
    """One synthetic citizen. `place` in [0, 1) chooses the district among those of the city."""

    national_id: str
    birth_date: date
    sex: str
    level: int
    groups: tuple[str, ...]
    registered_on: date
    place: float


def demo_citizen(number: int, seed: str = SEED) -> DemoCitizen:
    """The synthetic citizen `number`, counted from 1: the same for ever."""
    digest = hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=32).digest()
    by_age, in_band, by_sex, place, by_group, by_level, by_day, _ = (n / 2**32 for n in struct.unpack("<8I", digest))
    youngest, oldest, _, women = AGES[bisect_right(_AGE_STEPS, by_age * _AGE_STEPS[-1])]
    days = int((youngest + in_band * (oldest - youngest + 1)) * 365.2425)
    age = min(max(int(days / 365.2425), youngest), oldest)
    return DemoCitizen(
        national_id=f"77-{number:08d}",
        birth_date=REFERENCE_DAY - timedelta(days=days + 1),
        sex="f" if by_sex < women else "m",
        level=bisect_right(LEVELS, by_level),
        groups=tuple(code for code, low, high, share in GROUPS if low <= age <= high and by_group < share),
        registered_on=FIRST_REGISTERED + timedelta(days=int(by_day * REGISTERED_DAYS)),
        place=place,
    )


def city_territories() -> list[TerritoryRow]:
    """The territories this release carries: Moscow, its okrugs and districts."""
    return read_territories(_data("territories.csv"))


def city_groups() -> list[GroupRow]:
    """The groups this release carries."""
    return read_groups(_data("groups.csv"))


def _data(name: str) -> list[str]:
    return (resources.files("voting") / "data" / name).read_text(encoding="utf-8").splitlines(keepends=True)


def demo_register(citizens: int, territories: Sequence[TerritoryRow], seed: str = SEED) -> Iterator[bytes]:
    """A register file of citizens 1 to `citizens`, in pieces of some hundred lines."""
    districts = [row for row in territories if row.kind == "district" and row.population]
    steps = list(accumulate(row.population or 0 for row in districts))
    lines = [HEADER]
    for number in range(1, citizens + 1):
        one = demo_citizen(number, seed)
        district = districts[bisect_right(steps, one.place * steps[-1])].code
        lines.append(
            f"{one.national_id},{one.birth_date},{one.sex},{district},{one.level},{'|'.join(one.groups)}"
            f",{one.registered_on}\n".encode()
        )
        if len(lines) >= LINES:
            yield b"".join(lines)
            lines.clear()
    if lines:
        yield b"".join(lines)


async def load_city(session: Session) -> None:
    """Load, or bring up to date, the territories and groups this release carries."""
    await load_territories(session, city_territories())
    await load_groups(session, city_groups())


async def load_demo_register(
    session: Session,
    citizens: int,
    *,
    secrets: Mapping[int, bytes],
    now: datetime,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Load the city and a synthetic register of so many citizens. Loading again changes nothing."""
    await load_city(session)
    rows = demo_register(citizens, city_territories())
    return await import_register(session, rows, secrets=secrets, now=now, progress=progress)

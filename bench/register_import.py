"""How long a register import takes, beside a plain COPY of the same file into the same database.

    python bench/register_import.py [--rows 1000000] [--again]

Runs on a throw-away database of the test server (`VECHE_TEST_DATABASE_URL`, or the embedded one). Prints seconds, rows
a second, the peak memory of this process, and the ratio to `COPY` of the raw file into a table of seven text columns
with no index. `--again` imports the same file again, as a dry run and as a snapshot, and then a file in which every
entry has changed. Target: 1,000,000 rows in 120 s, 500 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import text

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import summary  # noqa: E402
from tests.databases import Databases, running_server  # noqa: E402

from polls.register_import import import_register  # noqa: E402
from voting.db import Database  # noqa: E402
from voting.demo_register import city_territories, demo_register, load_city  # noqa: E402

SECRETS = {1: bytes(range(32))}


def pieces(path: Path) -> Iterator[bytes]:
    """The file in pieces of a megabyte."""
    with path.open("rb") as file:
        yield from iter(partial(file.read, 1 << 20), b"")


def peak_megabytes() -> float:
    """The most memory this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def plain_copy(database: Database, path: Path) -> float:
    """Seconds of a plain COPY of the file."""
    async with database.open_session() as session:
        await session.execute(text("CREATE TABLE plain (a text, b text, c text, d text, e text, f text, g text)"))
    start = time.perf_counter()
    async with database.open_session() as session:
        await session.execute(text("SELECT 1"))
        driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
        with path.open("rb") as file:
            await driver.copy_to_table("plain", source=file, format="csv", header=True)
    return time.perf_counter() - start


async def one_import(database: Database, path: Path, *, dry_run: bool = False, snapshot: bool = False) -> float:
    """Seconds of an import; prints its report."""
    start = time.perf_counter()
    async with database.open_session() as session:
        now = datetime.now(UTC)
        report = await import_register(
            session, pieces(path), secrets=SECRETS, now=now, dry_run=dry_run, snapshot=snapshot
        )
    seconds = time.perf_counter() - start
    print(f"  {report}")
    return seconds


async def measure(url: str, rows: int, again: bool) -> None:
    """Import, copy and compare."""
    database = Database.from_url(url)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "register.csv"
        with path.open("wb") as file:
            file.writelines(demo_register(rows, city_territories()))
        print(f"{rows:,} rows, {path.stat().st_size / 1e6:.0f} MB; {peak_megabytes():.0f} MB held before")
        async with database.open_session() as session:
            await load_city(session)
        plain = await plain_copy(database, path)
        print(f"plain COPY: {plain:.2f} s")
        kinds: dict[str, dict[str, bool]] = {"import": {}}
        if again:
            kinds |= {"same file, dry run": {"dry_run": True}, "same file, snapshot": {"snapshot": True}}
            kinds |= {"every entry changed": {"snapshot": True}}
        for name, options in kinds.items():
            if name == "every entry changed":
                with path.open("wb") as file:
                    file.writelines(demo_register(rows, city_territories(), "another seed"))
            seconds = await one_import(database, path, **options)
            summary.record("P10", f"{name}, {rows:,} rows", seconds, 120 * rows / 1_000_000, "s")
            print(
                f"{name}: {seconds:.1f} s, {rows / seconds:,.0f} rows/s, peak {peak_megabytes():.0f} MB, "
                f"{seconds / plain:.1f} × COPY"
            )
    summary.record("P10", "its memory", peak_megabytes(), 500, "MB")
    await database.close()


def main() -> None:
    """Make a database, measure, drop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--again", action="store_true")
    given = parser.parse_args()
    with running_server() as server:
        databases = Databases(server)
        try:
            asyncio.run(measure(databases.url(databases.create()), given.rows, given.again))
        finally:
            databases.close()


if __name__ == "__main__":
    main()

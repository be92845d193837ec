"""What a flood of sign-ins does to votes: their time with and without one, on the service as it is run.

    python bench/sign_in_flood.py [--quick]

The flood comes from ever new networks through a declared proxy, at ten times what the pool of hashing threads takes
at its default size. Votes are sent one by one, 25 a second at most. The bar: 95 of 100 votes take at most twice as long
as without a flood.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[1] / "src")]

from bench import rig, summary  # noqa: E402

from voting.db import Database, database_url_for  # noqa: E402

CONNECTIONS = 64


async def prepared(url: str) -> str:
    """A city with voters and one open poll; gives its address."""
    database = Database.from_url(database_url_for(url, "postgresql+asyncpg"))
    await rig.fill_city(database, 4_000)
    (slug,) = await rig.open_polls(database, 1)
    await database.close()
    return str(slug)


def votes(service: rig.Service, slug: str, people: Sequence[str]) -> list[float]:
    """The milliseconds of each vote, sent one after another."""
    taken = []
    with httpx.Client(base_url=service.url) as client:
        for line in people:
            session, csrf, key = line.split()
            began = time.perf_counter()
            headers = {"cookie": f"sid={session}", "x-csrf-token": csrf, "idempotency-key": key, "origin": service.url}
            reply = client.post(f"/api/v1/polls/{slug}/ballots", json={"answers": {"1": 1}}, headers=headers)
            spent = 1000 * (time.perf_counter() - began)
            if reply.status_code != 201:
                raise SystemExit(f"a vote was answered {reply.status_code}: {reply.text[:300]}")
            taken.append(spent)
            time.sleep(max(0.0, 0.04 - spent / 1000))
    return sorted(taken)


def flood(service: rig.Service, seconds: int, pause: int) -> subprocess.Popen[str]:
    """Guess passwords for so long, from 64 connections, each pausing so many milliseconds."""
    return subprocess.Popen(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s",
         str(rig.ROOT / "bench" / "lua" / "guess.lua"), service.url, "--", str(pause)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def at(times: Sequence[float], share: float) -> float:
    """The time below which this share of votes lies."""
    return times[min(len(times) - 1, int(share * len(times)))]


def main() -> int:
    """Measure, print, and hold the bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a third of the votes")
    number = 150 if parser.parse_args().quick else 500
    if shutil.which("wrk") is None:
        raise SystemExit(rig.WRK_MISSING)
    with (
        rig.durable_server() as server,
        rig.scratch_database(server, "veche_bench_flood") as url,
        rig.keys_of(url) as keys,
    ):
        slug = asyncio.run(prepared(url))
        people_file = Path(tempfile.mkdtemp(), "people")
        rig.write_people(people_file, rig.settings_for(url, keys), 4_000)
        people = people_file.read_text().splitlines()
        port = rig.free_port()
        env = {
            "VECHE_DATABASE_URL": url, "VECHE_DATA_DIR": str(keys), "PORT": str(port), "VECHE_DEMO": "false",
            "VECHE_BASE_URL": f"http://127.0.0.1:{port}", "VECHE_TRUSTED_PROXIES": "127.0.0.1",
        }  # fmt: skip
        command = [sys.executable, "-m", "voting.cli", "serve", "--workers", "1"]
        with rig.running(command, port, "/health/ready", env, rig.SETTLE) as service:
            votes(service, slug, people[:50])
            idle = votes(service, slug, people[50 : 50 + number])
            guessing = flood(service, seconds=int(number * 0.05) + 20, pause=160)
            time.sleep(2)
            flooded = votes(service, slug, people[1_000 : 1_000 + number])
            guessing.send_signal(signal.SIGINT)  # it says what it counted
            said = guessing.communicate()[0]
    ratio = at(flooded, 0.95) / at(idle, 0.95)
    for name, times in (("no flood", idle), ("ten times the pool", flooded)):
        print(f"  {name:20} p50 {at(times, 0.5):6.1f} ms  p95 {at(times, 0.95):6.1f} ms  p99 {at(times, 0.99):6.1f} ms")
    print("  " + " | ".join(line.strip() for line in said.splitlines() if line.startswith("judged")))
    print(json.dumps({"load": os.getloadavg()[0], "ratio": round(ratio, 2)}))
    held = summary.record("votes under a flood of sign-ins", "p95 with it by p95 without", ratio, 2.0, "×")
    print(f"  p95 {ratio:.2f} × (bar: 2)" + ("" if held else "  MISSED"))
    return 0


if __name__ == "__main__":
    sys.exit(main())

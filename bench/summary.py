"""All benchmarks one after another, and every bar in one table at the end.

    python bench/summary.py [NAME …] [--quick] [--table]

Each benchmark writes its bars to `bench/out/<its name>.json` as it meets or misses them; the table is made of those
files. `--quick` runs small sizes, in about two minutes. `--table` runs nothing and shows what the last runs wrote.
Names (growth, board, …) run those alone. Exit 1 when a benchmark broke or wrote no bar; a missed bar is a line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
WHOLE = (
    "casting.py", "pages.py", "growth.py", "city_results.py", "tally.py", "dry_run.py", "board.py --verify",
    "register_import.py",
)  # fmt: skip
QUICK = ("casting.py --quick", "pages.py --quick", "city_results.py --quick", "tally.py --quick")

_written: list[dict[str, Any]] = []


def record(bar: str, what: str, figure: float, limit: float, unit: str = "", *, least: bool = False) -> bool:
    """Keep one figure beside its bar; whether it holds. `least`: the figure has to be no less than the limit."""
    held = figure >= limit if least else figure <= limit
    _written.append(
        {"bar": bar, "what": what, "figure": figure, "limit": limit, "unit": unit, "least": least, "held": held}
    )
    OUT.mkdir(exist_ok=True)
    (OUT / f"{Path(sys.argv[0]).stem}.json").write_text(json.dumps({
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]), "at": datetime.now(UTC).isoformat(" ", "minutes"),
        "load": os.getloadavg()[0], "bars": _written,
    }, indent=1))  # fmt: skip
    return held


def name_of(command: str) -> str:
    """«board» of «board.py --verify»."""
    return command.partition(".py")[0]


def shown(figure: float, unit: str) -> str:
    """Three digits that count, and the unit; whole numbers as they are."""
    digits = 0 if abs(figure) >= 100 or figure == round(figure) else 1 if abs(figure) >= 10 else 2
    if 0 < abs(figure) < 0.1:
        digits = 3
    return f"{figure:,.{digits}f}{' ' if unit not in ('', '%') else ''}{unit}"


def table() -> str:
    """What the files hold, as Markdown; by the bars' numbers."""
    rows: list[tuple[int, str]] = []
    for path in sorted(OUT.glob("*.json")):
        found = json.loads(path.read_text())
        for one in found["bars"]:
            bar = f"{'≥' if one['least'] else '≤'} {shown(one['limit'], one['unit'])}"
            number = int("".join(c for c in one["bar"] if c.isdigit()) or 99)
            cells = (
                one["bar"], one["what"], shown(one["figure"], one["unit"]), bar,
                "held" if one["held"] else "**missed**",
                f"`{found['command']}`, {found['at'][:16]} UTC, load {found['load']:.1f}",
            )  # fmt: skip
            rows.append((number, f"| {' | '.join(cells)} |"))
    head = "| | what | figure | bar | | measured by |\n|---|---|---|---|---|---|"
    return "\n".join([head, *(line for _, line in sorted(rows, key=lambda row: row[0]))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, about two minutes")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *map(name_of, WHOLE)])
    given = parser.parse_args()
    broken = []
    for command in () if given.table else QUICK if given.quick else WHOLE:
        if given.names and name_of(command) not in given.names:
            continue
        name, *words = command.split()
        out = OUT / f"{Path(name).stem}.json"
        out.unlink(missing_ok=True)
        print(f"\n== {command}", flush=True)
        began = time.perf_counter()
        code = subprocess.run([sys.executable, str(HERE / name), *words], check=False).returncode
        print(f"== {command}: {time.perf_counter() - began:.0f} s", flush=True)
        if code or not out.exists():
            broken.append(command)
    print(f"\n{table()}")
    if broken:
        raise SystemExit(f"broke, or gave no figure: {'; '.join(broken)}")


if __name__ == "__main__":
    main()

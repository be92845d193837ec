"""docs/standards.md and the threat model are true: each number once, all that is named there, nothing met unshown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "standards.md"
STANDINGS = {"met", "partly", "not", "not yet", "n/a"}
CM = [str(number) for number in range(1, 50)]
ASVS = """
1.1.1-2 1.2.1-9 1.3.1-11 1.4.1-3 1.5.1-2 2.1.1-3 2.2.1-3 2.3.1-4 2.4.1 3.2.1-2 3.3.1-4 3.4.1-6 3.5.1-5 3.7.1-2 4.1.1-3
4.2.1 4.3.1-2 4.4.1-4 5.1.1 5.2.1-3 5.3.1-2 5.4.1-3 6.1.1-3 6.2.1-12 6.3.1-4 6.4.1-4 6.5.1-5 6.6.1-3 6.8.1-4 7.1.1-3
7.2.1-4 7.3.1-2 7.4.1-5 7.5.1-2 7.6.1-2 8.1.1-2 8.2.1-3 8.3.1 8.4.1 9.1.1-3 9.2.1-4 10.1.1-2 10.2.1-2 10.3.1-4
10.4.1-11 10.5.1-5 10.6.1-2 10.7.1-3 11.1.1-2 11.2.1-3 11.3.1-3 11.4.1-4 11.5.1 11.6.1 12.1.1-3 12.2.1-2 12.3.1-4
13.1.1 13.2.1-5 13.3.1-2 13.4.1-5 14.1.1-2 14.2.1-4 14.3.1-3 15.1.1-3 15.2.1-3 15.3.1-7 16.1.1 16.2.1-5 16.3.1-4
16.4.1-3 16.5.1-3 17.1.1 17.2.1-4 17.3.1-2
"""
"""The requirements of levels 1 and 2 of version 5.0.0: 253."""
REFERENCE = re.compile(r"`([^`]+)`")
PLACE = re.compile(r"^[\w.-]+(/[\w.-]+)*(::\w+)?$")
PLANNED = re.compile(r"planned: (src/[\w/.]+)")


@dataclass(frozen=True)
class Row:
    """A line of a table."""

    number: str
    standing: str
    shown: str
    note: str


def rows() -> Iterator[Row]:
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if re.fullmatch(r"[0-9.]+", cells[0]) and len(cells) >= 5:
            yield Row(cells[0], cells[-3], cells[-2], cells[-1])


def expected() -> list[str]:
    found = list(CM)
    for part in ASVS.split():
        first, _, last = part.partition("-")
        section, _, number = first.rpartition(".")
        found += [f"{section}.{n}" for n in range(int(number), int(last or number) + 1)]
    return found


def test_every_number_stands_there_once() -> None:
    assert len(expected()) == 49 + 253
    assert Counter(row.number for row in rows()) == Counter(expected())


def test_every_standing_has_its_reason() -> None:
    for row in rows():
        assert row.standing in STANDINGS, row
        if row.standing == "met":
            assert REFERENCE.search(row.shown) and "planned" not in row.shown, row
        elif row.standing == "partly":
            assert REFERENCE.search(row.shown) and (row.note or PLANNED.search(row.shown)), row
        elif row.standing == "not yet":
            assert PLANNED.search(row.shown), row
        else:
            assert row.note, row


def test_whatever_is_named_is_there() -> None:
    missing = []
    for text in [line for line in PAGE.read_text().splitlines() if line.startswith("|")]:
        for named in REFERENCE.findall(text):
            if "/" not in named and not named.endswith((".md", ".toml", ".txt", ".lock")):
                continue  # a word of the program
            assert PLACE.fullmatch(named), named
            path, _, test = named.partition("::")
            if not (ROOT / path).exists():
                missing.append(path)
            elif test and not re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE):
                missing.append(named)
    assert not missing, missing


def test_what_was_planned_is_not_there_yet() -> None:
    """Else its rows have to be judged anew: what they name instead of the plan shows what is met."""
    there = [f"{row.number}: {path}" for row in rows() for path in PLANNED.findall(row.shown) if (ROOT / path).exists()]
    assert not there, "judge these rows of docs/standards.md anew:\n" + "\n".join(there)


def test_the_threat_model_names_what_is_there() -> None:
    page = (ROOT / "SECURITY.md").read_text()
    named = {one for one in REFERENCE.findall(page) if one.startswith(("tests/", "docs/", "src/"))}
    assert len(named) > 25
    assert not [one for one in sorted(named) if not (ROOT / one).exists()]

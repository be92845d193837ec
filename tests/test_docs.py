"""The documentation keeps to the code: settings, dependencies, links, commands and paths named are those there are."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from polls.board import entry, leaf_hash, nonce
from voting.cli import cli
from voting.settings import Settings, variable

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"\.venv/bin/veche ([a-z-]+(?: [a-z-]+)?)")
SOURCE = re.compile(r"`((?:src|tests|docs|alembic|frontend)/[\w./-]+\.\w+)`")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def words_of(path: Path) -> str:
    """A page without its blocks of code."""
    return FENCED.sub("", path.read_text(encoding="utf-8"))


def anchors_of(path: Path) -> set[str]:
    """The anchors of a page's headings, made as repository hosts make them."""
    headings = re.findall(r"^#+ (.+)$", words_of(path), re.MULTILINE)
    bare = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in bare}


# ---- settings and dependencies


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_in_the_operators_guide(field: str) -> None:
    described = Settings.model_fields[field].description
    rows = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8").splitlines()
    found = [row for row in rows if row.startswith(f"| `{variable(field)}` |")]
    assert len(found) == 1, f"docs/operators.md has {len(found)} lines for {variable(field)}"
    assert found[0].endswith(f"| {described} |"), f"the settings say: {described}"


def test_the_operators_guide_names_no_setting_there_is_not() -> None:
    known = {variable(field) for field in Settings.model_fields}
    named = set(re.findall(r"VECHE_[A-Z_0-9]+", (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")))
    assert not named - known


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    required = [
        *project["project"]["dependencies"],
        *(one for group in project["dependency-groups"].values() for one in group),
        *project["build-system"]["requires"],
    ]
    names = {re.split(r"[\[<>=!~;\s]", one, maxsplit=1)[0] for one in required}
    told = set(re.findall(r"`([\w.-]+)`", (ROOT / "docs/decisions/0010-dependencies.md").read_text(encoding="utf-8")))
    assert not names - told


# ---- links, paths and commands


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    broken = []
    for target in LINK.findall(words_of(path)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        inside = found == ROOT or ROOT in found.parents
        if not inside or not found.exists() or (anchor and anchor not in anchors_of(found)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_file_named_is_there(path: Path) -> None:
    assert not [named for named in SOURCE.findall(words_of(path)) if not (ROOT / named).exists()]


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert not [path.name for path in (ROOT / "docs/decisions").glob("*.md") if f"decisions/{path.name}" not in index]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_command_named_exists(path: Path) -> None:
    missing = []
    for words in COMMAND.findall(path.read_text(encoding="utf-8")):
        command: click.Command | None = cli
        for word in words.split():
            if not isinstance(command, click.Group):
                break  # what follows a command is its argument
            command = command.get_command(click.Context(command), word)
            if command is None:
                missing.append(words)
    assert not missing


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [
        name for name in cli.list_commands(click.Context(cli)) if name != "version" and f"veche {name}" not in readme
    ]


def test_the_analysts_check_of_a_receipt_finds_our_leaves() -> None:
    page = (ROOT / "docs" / "analysts.md").read_text(encoding="utf-8")
    given = re.search(r"^def leaf\(record\):\n(?: {4}.*\n)+", page, re.MULTILINE)
    assert given
    names: dict[str, Any] = {"hashlib": hashlib}
    exec(given[0], names)
    leaf = names["leaf"]
    poll, ballot = bytes(range(32)), bytes(range(16))
    record = SimpleNamespace(
        poll_hash=poll.hex(), question_id="3", style="0", answer="[1,4]", nonce=nonce(ballot, 3).hex()
    )
    assert leaf(record) == leaf_hash(entry(poll, 3, 0, "[1,4]", nonce(ballot, 3))).hex()

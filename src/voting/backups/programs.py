"""PostgreSQL's own programs: which of them fit a server, and running them without a password in sight."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url

from voting.db import database_url_for
from voting.embedded_home import WHEEL

EMBEDDED_MAJOR = 18


class BackupFault(Exception):
    """A backup cannot be made or put back; the text says why and what to do."""


@dataclass(frozen=True)
class Program:
    """A program that was found, with its major version."""

    path: str
    major: int


def find_program(name: str, server: int, *more: int) -> Program:
    """The program on the path, unless it is older than the server or the dump; then the embedded server's own."""
    needed = max(server, *more, 0)
    found = shutil.which(name)
    if found is not None:
        program = Program(found, _major(found))
        if program.major >= needed:
            return program
    spec = importlib.util.find_spec(WHEEL.replace("-", "_"))
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / f"pginstall{EMBEDDED_MAJOR}" / "bin" / name
        if path.is_file() and needed <= EMBEDDED_MAJOR:
            return Program(str(path), EMBEDDED_MAJOR)
    raise BackupFault(
        f"no {name} of PostgreSQL {needed} or newer is here. Install the client programs of that version."
    )


def _major(path: str) -> int:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(found[1]) if found else 0


def run_program(program: Program, url: str, arguments: Sequence[str]) -> None:
    """Run it on a database; the password goes by the environment, which other users cannot read. Raises BackupFault."""
    parsed = make_url(database_url_for(url, "postgresql"))
    address = parsed._replace(password=None).render_as_string()
    environment = {**os.environ, "LC_ALL": "C", "PGAPPNAME": "veche"}
    if parsed.password is not None:
        environment["PGPASSWORD"] = str(parsed.password)
    command = [program.path, f"--dbname={address}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603
    if done.returncode:
        told = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise BackupFault(f"{Path(program.path).name} ended with code {done.returncode}:\n{told}")

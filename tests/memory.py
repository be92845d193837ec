"""Where tests keep what they write: in memory, where there is room, since nothing of it has to outlive them.

A disk is slow in two ways that no test is about: the keys of a site and the demo's cluster are written through to it
(`fsync`), and ext4 gives the number of a removed file to no new one for minutes, and looks through all of those for
each file it makes. A database is 860 files, and a run makes and removes over a thousand of them.
"""

import os
from pathlib import Path

ROOT = Path("/var/lib/veche") if os.geteuid() == 0 else Path.home() / ".local" / "share" / "veche"
"""On the disk: PostgreSQL as it is installed once, and the rest where memory is short."""
ROOM = 4 * 2**30  # bytes: the server's log takes two gigabytes at most, what tests keep at once takes less


def _in_memory() -> Path | None:
    """A directory of ours in memory, if there is room."""
    try:
        place = os.statvfs("/dev/shm")
        [available] = [line for line in Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in line]
    except (OSError, ValueError):
        return None
    if min(place.f_bavail * place.f_frsize, int(available.split()[1]) * 1024) < ROOM:
        return None
    ours = Path(f"/dev/shm/veche-tests-{os.geteuid()}")
    ours.mkdir(mode=0o711, exist_ok=True)  # PostgreSQL's user passes through
    return ours


SERVER = (_in_memory() or ROOT) / "tests"
"""The home of the server that all tests share."""
PLACE = ROOT if os.environ.get("VECHE_FULL_COUNTS") else SERVER.parent
"""Where the homes of services are that tests start; in full they are on the disk, as the service's are."""


def keep_files_in_memory() -> None:
    """Let pytest's `tmp_path` be there as well."""
    if PLACE != ROOT:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(PLACE))

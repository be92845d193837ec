"""Every setting of the service: one frozen model, filled from the environment once, at start.

A field named `site_name_ru` is read from `VECHE_SITE_NAME_RU`; the only exception is `port`, read from `PORT` as
hosting platforms set it. An empty variable counts as not set. Nothing else in the product reads the environment.
"""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, field_validator, model_validator

from voting.identity.city_sign_on.configuration import ProviderSettings

ENVIRONMENT_NAMES = {"port": "PORT"}
ROLE = r"^[a-z_][a-z0-9_]{0,62}$"
"""A name of a role of the database that needs no quotes."""
KEY_BYTES = 32
ORIGIN = re.compile(r"[a-z0-9._:\[\]-]{1,200}")
"""A name of a log: what may stand in a signed note, which takes neither spaces nor plus signs."""


def variable(field: str) -> str:
    """Name the environment variable that fills a field of `Settings`."""
    return ENVIRONMENT_NAMES.get(field, f"VECHE_{field.upper()}")


def default_data_dir(source: Path | None = None) -> Path:
    """Give the directory of this copy of the product: short, without spaces, different for every clone.

    A Unix socket's path must fit into about a hundred bytes, so the directory is named by a hash of the clone's path
    and does not lie under it.
    """
    source = source or Path(__file__).resolve().parents[2]
    name = hashlib.sha256(os.fsencode(source)).hexdigest()[:12]
    if os.geteuid() == 0:
        return Path("/var/lib/veche") / name
    return Path.home() / ".local" / "share" / "veche" / name


class Settings(BaseModel):
    """What an operator can set. Built by `Settings.from_env()`, or by name in tests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The database
    database_url: str | None = Field(
        None,
        repr=False,
        description="PostgreSQL ≥ 15, as postgresql://user:password@host/name. Not set: an embedded server (demo).",
    )
    read_database_url: str | None = Field(
        None, repr=False, description="A streaming replica for public results and exports. Not set: the primary."
    )
    owner_database_url: str | None = Field(
        None, repr=False,
        description="The same database as its owner, for `veche migrate`, `backup` and `restore` alone. Not set: "
        "`VECHE_DATABASE_URL`.",
    )  # fmt: skip
    web_role: str | None = Field(
        None,
        pattern=ROLE,
        description="The role of web processes and the worker, to which `veche migrate` gives its rights.",
    )
    report_role: str | None = Field(
        None, pattern=ROLE, description="A role that may read what is published, for reports; its rights likewise."
    )
    backups_dir: Path | None = Field(
        None, description="Where the directories of `veche backup` lie, for `veche doctor` to look at their age."
    )
    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Keys, published files and, in the demo, the embedded database. No spaces, at most about 80 bytes.",
    )
    demo: bool = Field(
        default_factory=lambda data: data.get("database_url") is None,
        description="Demo accounts and data are allowed. On by default only with the embedded database.",
    )
    pool_size: int = Field(10, ge=1, description="Connections a web process keeps open.")
    pool_overflow: int = Field(10, ge=0, description="Connections it may add under load.")
    read_pool_size: int = Field(5, ge=1, description="Connections kept open to the replica, if there is one.")
    pool_timeout: float = Field(10, gt=0, description="Seconds a request waits for a connection.")
    votes_waiting: int = Field(
        2_000, ge=1,
        description="Votes a web process holds until they are committed, and as many again of polls being counted or "
        "closed; beyond that it answers 503.",
    )  # fmt: skip
    statement_timeout: float = Field(60, ge=0, description="Seconds one statement of a request may take; 0: no limit.")

    # The listening socket and what stands before it
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    base_url: str = Field(
        default_factory=lambda data: f"http://{data.get('host', '127.0.0.1')}:{data.get('port', 8000)}",
        description="The address citizens type, used in mail, receipts and feeds. No trailing slash.",
    )
    log_origin: str = Field(
        default_factory=lambda data: urlsplit(str(data.get("base_url", ""))).netloc.lower(),
        description="The name under which boards and the registry log are signed. Not set: the base URL's host. "
        "Decided at set-up and stored; another name is refused later.",
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        (), description="Proxies whose X-Forwarded-For is believed: addresses or networks, separated by commas."
    )
    secure_cookies: bool = Field(
        default_factory=lambda data: str(data.get("base_url", "")).startswith("https://"),
        description="Send cookies over https only. On by default when the base URL is https.",
    )
    body_limit: int = Field(1024 * 1024, ge=1024, description="Bytes a request body may have; more is answered 413.")

    # Files made in the background
    export_kept: timedelta = Field(timedelta(days=1), description="A finished export is kept for so long (ISO 8601).")
    export_reserve: int = Field(
        512 * 1024 * 1024, ge=0, description="Bytes of the data directory's disk that exports leave free for the rest."
    )

    # The city
    site_name_ru: str = Field("Голос города", min_length=1, description="The site's name in Russian.")
    site_name_en: str = Field("City Voice", min_length=1, description="The site's name in English.")
    framed_by: str = Field(
        "*", pattern=r"^(\*|'none'|https?://[A-Za-z0-9.*:-]{1,200}( https?://[A-Za-z0-9.*:-]{1,200}){0,50})$",
        description="Sites that may show result cards in frames: addresses separated by spaces, `*` or `'none'`.",
    )  # fmt: skip
    time_zone: str = Field("Europe/Moscow", description="The city's time zone, an IANA name.")

    # Accounts
    argon2_threads: int = Field(1, ge=1, description="Passwords hashed at the same time in each web process.")
    session_idle: timedelta = Field(timedelta(minutes=30), description="A session unused for so long ends (ISO 8601).")
    session_absolute: timedelta = Field(timedelta(hours=12), description="A session ends so long after sign-in.")
    new_devices: Literal["alarm", "always"] = Field(
        "alarm",
        description="When a new device gives more than the password, a letter's link or the birth date: `alarm`, while "
        "very many sign-ins fail, or `always`.",
    )
    staff_step_up: Literal["passkey", "password"] = Field(
        default_factory=lambda data: "password" if data.get("demo") else "passkey",
        description="What staff confirm important actions with: `passkey`, or `password` in the demo and on hosts that "
        "are not public.",
    )

    four_eyes: bool = Field(
        True,
        description="What speaks for the city takes two people. Off only where nobody from outside can be served.",
    )

    city_sign_on: tuple[ProviderSettings, ...] = Field(
        (),
        description="Providers of the city's sign-on, a JSON list: see below. Not set: passwords alone.",
    )

    breached_passwords: Path | None = Field(
        None,
        description="A file of leaked passwords: SHA-1 in capital hex, one a line, sorted, as HIBP gives it. Not set: "
        "only the 11,555 commonest are refused.",
    )
    erasure_wait: timedelta = Field(
        timedelta(days=7), description="An account is erased so long after its owner asked for it (ISO 8601)."
    )

    # Letters
    smtp_url: str | None = Field(
        None, repr=False,
        description="The mail server: smtp://user:password@host:587 (STARTTLS is required) or smtps://host:465; "
        "`?tls=none` for a relay on this machine. Not set: no mail is sent; the demo shows letters on a page.",
    )  # fmt: skip
    mail_from: str = Field(
        default_factory=lambda data: f"no-reply@{urlsplit(str(data.get('base_url', ''))).hostname or 'localhost'}",
        description="The address letters come from.",
    )

    # Keys
    keys_dir: Path = Field(
        default_factory=lambda data: Path(data.get("data_dir", ".")) / "keys",
        description="Directory of the secret keys (files of mode 0600, made on first use). Back it up.",
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """Read the settings from environment variables (by default the process's own)."""
        env = os.environ if env is None else env
        given: dict[str, Any] = {field: env[variable(field)] for field in cls.model_fields if env.get(variable(field))}
        return cls.model_validate(given)

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("city_sign_on", mode="before")
    @classmethod
    def _read_json(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("data_dir", "keys_dir", "backups_dir")
    @classmethod
    def _make_absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else Path(os.path.abspath(value.expanduser()))  # noqa: PTH100 -- a symlink must stay: it may be the short path

    @field_validator("base_url")
    @classmethod
    def _drop_slash(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("smtp_url")
    @classmethod
    def _read_smtp(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path not in ("", "/"):
                raise ValueError("must be smtp://host:port or smtps://host:port")
            if parts.query not in ("", "tls=none"):
                raise ValueError("knows no parameter but tls=none")
        return value

    @field_validator("mail_from")
    @classmethod
    def _check_sender(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,253}", value):
            raise ValueError("must be an e-mail address")
        return value

    @field_validator("log_origin")
    @classmethod
    def _know_origin(cls, value: str) -> str:
        if not ORIGIN.fullmatch(value):
            raise ValueError("must be a host name in small letters, with a port if there is one, and nothing else")
        return value

    @field_validator("time_zone")
    @classmethod
    def _know_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"unknown time zone {value!r}") from error
        return value

    @model_validator(mode="after")
    def _keep_embedded_to_demo(self) -> Self:
        if self.embedded and not self.demo:
            raise ValueError("outside the demo VECHE_DATABASE_URL must name a PostgreSQL server")
        return self

    @model_validator(mode="after")
    def _keep_four_eyes(self) -> Self:
        if not self.four_eyes and not self.not_public:
            raise ValueError("VECHE_FOUR_EYES may be off only in the demo or on a host that cannot be public")
        return self

    @model_validator(mode="after")
    def _keep_passwords_from_the_public(self) -> Self:
        if self.staff_step_up == "password" and not self.not_public:
            raise ValueError("VECHE_STAFF_STEP_UP=password is for the demo and for hosts that are not public")
        return self

    @model_validator(mode="after")
    def _keep_sign_on_safe(self) -> Self:
        names = [one.name for one in self.city_sign_on]
        if len(set(names)) != len(names) or len({one.issuer for one in self.city_sign_on}) != len(names):
            raise ValueError("two providers of the city's sign-on have one name or one issuer")
        if not self.not_public and any(not one.issuer.startswith("https://") for one in self.city_sign_on):
            raise ValueError("the issuer of the city's sign-on must be an https address")
        return self

    @property
    def not_public(self) -> bool:
        """Whether nobody from outside can be served: the demo, or a host reserved for tests (RFC 2606, RFC 6761)."""
        host = urlsplit(self.base_url).hostname or ""
        return self.demo or host in ("localhost", "127.0.0.1", "::1") or host.endswith((".test", ".example"))

    @property
    def as_owner(self) -> Self:
        """The same settings with the database's owner in the place of the service's role."""
        owner = self.owner_database_url
        return self if owner is None else self.model_copy(update={"database_url": owner})

    @property
    def embedded(self) -> bool:
        """Whether the service runs a PostgreSQL of its own."""
        return self.database_url is None

    @property
    def zone(self) -> ZoneInfo:
        """The city's time zone."""
        return ZoneInfo(self.time_zone)

    def secret(self, name: str) -> bytes:
        """Give the secret key called `name` (32 random bytes), made on first use and readable by this user only."""
        path = self.keys_dir / name
        if not path.exists():
            _write_new_key(path)
        key = path.read_bytes()
        if len(key) < KEY_BYTES:
            raise ValueError(f"{path} is too short for a key: {len(key)} bytes")
        return key

    def secret_versions(self, name: str) -> dict[int, bytes]:
        """Give all versions of a rotated key, `name-1`, `name-2` and so on; the highest is the current one.

        The first is made on first use. Rotation is adding the next file: older versions keep verifying.
        """
        versions = sorted(
            int(tail)
            for path in self.keys_dir.glob(f"{name}-*")
            if (tail := path.name.removeprefix(f"{name}-")).isascii() and tail.isdigit()
        )
        return {version: self.secret(f"{name}-{version}") for version in versions or [1]}


def _write_new_key(path: Path) -> None:
    """Create a key file so that two processes starting at once end up with the same key."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # unlike a rename, a link never replaces a key another process has just begun to use
    except FileExistsError:
        pass
    finally:
        draft.unlink()

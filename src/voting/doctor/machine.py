"""What can be seen on this machine: settings, keys, disk, backups, releases."""

from __future__ import annotations

import importlib.metadata
import shutil
import stat
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from voting.backups.manifest import LIVES, Manifest, damage, read_manifest
from voting.backups.programs import BackupFault
from voting.doctor.findings import Finding, fail, ok, warn
from voting.settings import Settings

FREE_WARN, FREE_FAIL = 0.20, 0.05
BACKUP_EVERY = timedelta(hours=26)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_settings(settings: Settings) -> Iterator[Finding]:
    """The demo, the address, cookies, proxies, and what guards the staff."""
    if settings.demo:
        yield fail("demo", "the demo is on: anybody may sign in as an official", "Set VECHE_DEMO=false for real polls.")
    else:
        yield ok("demo", "off")
    secure = settings.base_url.startswith("https://")
    if secure and settings.secure_cookies:
        yield ok("address", f"{settings.base_url}, Secure cookies")
    elif settings.not_public:
        yield warn(
            "address", f"{settings.base_url} serves nobody from outside", "Set VECHE_BASE_URL to the real address."
        )
    else:
        yield fail("address", f"{settings.base_url}: not https, or cookies are not Secure",
                   "Set VECHE_BASE_URL to an https address and leave VECHE_SECURE_COOKIES on.")  # fmt: skip
    if secure and not settings.trusted_proxies:
        yield warn("proxies", "no trusted proxy is named: behind one, everybody shares a network in the limits",
                   "Set VECHE_TRUSTED_PROXIES to the proxy's address.")  # fmt: skip
    elif any(network.prefixlen == 0 for network in settings.trusted_proxies):
        yield fail("proxies", "every address is trusted to say whose request it is",
                   "Name the proxy alone in VECHE_TRUSTED_PROXIES.")  # fmt: skip
    else:
        yield ok("proxies", ", ".join(map(str, settings.trusted_proxies)) or "none, and no https here")
    yield from _guards_of_staff(settings)


def _guards_of_staff(settings: Settings) -> Iterator[Finding]:
    """Settings that other parts of the product have: looked at where they are."""
    stated: dict[str, Any] = {name: getattr(settings, name) for name in type(settings).model_fields}
    if "four_eyes" in stated:
        if stated["four_eyes"]:
            yield ok("four_eyes", "on")
        else:
            yield fail("four_eyes", "one person can publish and close polls alone", "Set VECHE_FOUR_EYES=true.")
    if "staff_step_up" in stated:
        if stated["staff_step_up"] == "passkey":
            yield ok("step_up", "by passkey")
        else:
            yield warn(
                "step_up", f"by {stated['staff_step_up']}: it can be phished", "Set VECHE_STAFF_STEP_UP=passkey."
            )
    if "smtp_url" in stated:
        if stated["smtp_url"]:
            yield ok("mail", "a server is named")
        else:
            yield warn("mail", "off: nobody can recover a password or confirm an e-mail", "Set VECHE_SMTP_URL.")


def check_key_files(settings: Settings) -> Iterator[Finding]:
    """Whose the secret keys are."""
    directory = settings.keys_dir
    if not directory.is_dir():
        yield fail(
            "key_files", f"{directory} is not there", "Restore the keys from their backup, or run `veche migrate`."
        )
        return
    loose = [path for path in (directory, *directory.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if loose:
        told = ", ".join(map(str, loose[:5]))
        yield fail("key_files", f"open to other users: {told}", f"chmod -R go= {directory}")
    else:
        yield ok("key_files", f"{directory}: readable by this user alone")


def check_disk(settings: Settings) -> Iterator[Finding]:
    """Room in the data directory."""
    place = settings.data_dir if settings.data_dir.exists() else settings.data_dir.parent
    total, _used, free = shutil.disk_usage(place if place.exists() else Path("/"))
    said = f"{free / total:.0%} of {place} is free ({free / 1e9:.1f} GB)"
    if free / total < FREE_FAIL:
        yield fail("disk", said, "Make room now: a full disk stops votes.")
    elif free / total < FREE_WARN:
        yield warn("disk", said, "Make room: less than a fifth is left.")
    else:
        yield ok("disk", said)


def check_backups(settings: Settings, now: datetime) -> Iterator[Finding]:
    """When the last one was made, and whether one lives too long."""
    home = settings.backups_dir
    if home is None:
        yield warn("backups", "VECHE_BACKUPS_DIR is not set: their age cannot be seen",
                   "Set it to where `veche backup` writes, or watch your own: docs/backups.md.")  # fmt: skip
        return
    found: list[tuple[Path, Manifest]] = []
    whole, broken = [], []
    for path in sorted(home.iterdir()) if home.is_dir() else []:
        if path.is_dir():
            try:
                manifest = read_manifest(path)
                found.append((path, manifest))
                wrong = damage(path, manifest)
            except (BackupFault, OSError) as fault:
                wrong = str(fault)
            if wrong:
                broken.append(f"{path.name} ({wrong})")
            else:
                whole.append(manifest)
    if not whole:
        yield fail("backups", f"there is no whole backup in {home}", "Run `veche backup` every day.")
    else:
        newest = max(manifest.made_at for manifest in whole)
        said = f"{len(whole)} in {home}, every file there with its size, the newest of {newest:%Y-%m-%d %H:%M} UTC"
        if now - newest > BACKUP_EVERY:
            yield fail("backups", said, "Run `veche backup` every day.")
        else:
            yield ok("backups", said)
    # A ruined one links votes to people all the same.
    yield from _too_old([(path, manifest.destroy_by) for path, manifest in found], now)
    if broken:
        told = "; ".join(broken[:5])
        yield warn("backups_whole", f"not whole: {told}", "Remove them, or find out why; none of them can be put back.")


def _too_old(backups: list[tuple[Path, datetime | None]], now: datetime) -> Iterator[Finding]:
    late = [path.name for path, destroy_by in backups if destroy_by is not None and destroy_by <= now]
    if late:
        told = ", ".join(late[:5])
        yield fail("backups_secrecy", f"older than {LIVES.days} days, with votes not counted then: {told}",
                   "Destroy them now, with their copies elsewhere: residents were promised seven days.")  # fmt: skip
    else:
        yield ok("backups_secrecy", "none that links votes to people has outlived its seven days")


def check_releases() -> Iterator[Finding]:
    """What runs here."""
    said = f"veche {importlib.metadata.version('veche')}, Python {sys.version.split()[0]}"
    if sys.version_info < (3, 11, 4):
        yield warn("releases", said, "Use Python 3.11.4 or newer: older ones unpack archives without care.")
    else:
        yield ok("releases", said)

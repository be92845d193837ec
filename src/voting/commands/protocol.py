"""`veche protocol`: check a signed protocol of a result, with nothing but the file and a list of keys.

Exit codes: 0 valid, 1 invalid, 2 not everything could be checked. No database, no settings, nothing of the site but,
if asked for, its list of keys.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from pathlib import Path

import click

from results.protocol_check import LARGEST, KnownKey, NotAProtocol, Verdict, check_protocol, read_keys

TIMEOUT = 20
MOST_KEYS = 1 << 20


@click.group()
def protocol() -> None:
    """Check signed protocols of results."""


@protocol.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--keys",
    metavar="FILE|URL",
    help="Keys you trust: a saved keys.json of the registry log or of the API, or lines with verifier keys.",
)
def verify(file: Path, keys: str | None) -> None:
    """Check FILE, a protocol.json as the site gives it out.

    Says what was checked and what was not. Without --keys the file is checked against the key it names itself, which
    proves that it is whole and not whose it is: exit code 2.
    """
    try:
        data = file.read_bytes() if file.stat().st_size <= LARGEST else b""
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}.") from None
    verdict = check_protocol(data, None if keys is None else _known(keys))
    _tell(file, verdict)
    sys.exit(verdict.code)


def _known(place: str) -> list[KnownKey]:
    """The keys at a place. Ends with code 2 where there are none to read: then nothing was checked."""
    try:
        return read_keys(_read(place))
    except (OSError, urllib.error.URLError, NotAProtocol) as fault:
        click.echo(f"NOT CHECKED: the keys at {place} cannot be read ({fault}).", err=True)
        sys.exit(2)


def _read(place: str) -> bytes:
    if not place.startswith(("https://", "http://")):
        return Path(place).read_bytes()
    with urllib.request.urlopen(place, timeout=TIMEOUT) as reply:  # noqa: S310 -- the scheme is looked at above
        data: bytes = reply.read(MOST_KEYS)
    return data


def _tell(file: Path, verdict: Verdict) -> None:
    words = {0: "VALID", 1: "INVALID", 2: "NOT EVERYTHING WAS CHECKED"}
    click.echo(f"{file}: {words[verdict.code]}")
    if verdict.document is not None and not verdict.wrong:
        for line in summary(verdict):
            click.echo(f"  {line}")
    for title, sentences in (
        ("Wrong", verdict.wrong), ("Checked", verdict.checked), ("Could not be checked", verdict.unchecked),
        ("Not a part of this check", verdict.about),
    ):  # fmt: skip
        if sentences:
            click.echo(f"{title}:")
            for sentence in sentences:
                click.echo(f"  - {sentence}")


def summary(verdict: Verdict) -> list[str]:
    """What the protocol is of, in a few lines."""
    said = verdict.document
    assert said is not None
    title, turnout = said["definition"]["title"], said["turnout"]
    entitled = "unknown" if turnout["entitled"] is None else f"{turnout['entitled']:,}"
    certified, prepared = said["certified"], said["prepared"]
    return [
        f"{title.get('en') or title.get('ru')} ({said['poll']})",
        f"version {said['version']}{': ' + said['reason'] if said['reason'] else ''}",
        f"{turnout['participations']:,} took part of {entitled} entitled; {turnout['ballots']:,} ballots",
        f"prepared by {prepared['name']} on {prepared['at']}",
        f"certified by {certified['name']} on {certified['at']}",
    ]

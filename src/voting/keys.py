"""The keys that sign: which file is whose, what the database says of them, and how one follows another.

A web process needs the receipt key alone; the process that does the queued work needs those of boards, of the
registry log and of protocols as well. Keys are made at set-up (`record_keys`, by `veche migrate` and the demo) and
never beside a key that the database names: a key that is missing or another than listed is told to the operator, not
made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Final

from polls.checkpoint import BoardSealer
from polls.public_keys import ListedKey, add_key, keys_in_use, listed_keys, lock_keys, retire_key
from polls.sessions import ReadSession, Session
from voting.key_files import (
    BOARD,
    PROTOCOL,
    PURPOSES,
    RECEIPT,
    REGISTRY,
    BadKey,
    Ed25519Signer,
    locked,
    make_keys,
    make_next,
    put_in_use,
    read_key,
)
from voting.settings import Settings

__all__ = [
    "BOARD",
    "PROTOCOL",
    "PURPOSES",
    "RECEIPT",
    "REGISTRY",
    "WEB_NEEDS",
    "WORK_NEEDS",
    "BadKey",
    "Ed25519Signer",
    "Rotation",
    "board_sealer",
    "check_keys",
    "finish_rotation",
    "receipt_signer",
    "record_keys",
    "record_new_key",
    "retire_old_key",
    "signer",
    "software",
]

WEB_NEEDS: Final = (RECEIPT,)
WORK_NEEDS: Final = (BOARD, REGISTRY, PROTOCOL)

LOST: Final = "lost"


def software() -> str:
    """The release that signs, as manifests and the registry log name it: ``veche 1.2.3``."""
    return f"veche {version('veche')}"


def signer(settings: Settings, purpose: str) -> Ed25519Signer:
    """The key in use for a purpose, from its file.

    In a keys directory that holds none at all, the first use makes all four. Raises BadKey when the directory holds
    others but not this one: whoever set it up left it out, or it is lost.
    """
    found = read_key(settings.keys_dir, purpose)
    if found is None:
        make_keys(settings.keys_dir, unless_any=True)
        found = read_key(settings.keys_dir, purpose)
    if found is None:
        raise _missing(settings, purpose, None)
    return found


def receipt_signer(settings: Settings) -> Ed25519Signer:
    """The key that signs receipts: the only one a web process needs."""
    return signer(settings, RECEIPT)


def board_sealer(settings: Settings) -> BoardSealer:
    """What counting signs boards with."""
    return BoardSealer(host=settings.log_origin, signer=signer(settings, BOARD), software=software())


async def record_keys(session: Session, settings: Settings, now: datetime) -> None:
    """Set up: make the keys that neither a file nor the database knows, and list those that are not listed.

    A listed key without a file here is left alone, since another machine may hold it. Raises BadKey when a file is not
    the key that is listed as in use. Repeating it changes nothing.
    """
    await lock_keys(session)
    listed = await listed_keys(session)
    in_use = {key.purpose: key for key in listed if key.valid_to is None}
    _finish_rotations(settings, in_use)
    make_keys(settings.keys_dir, tuple(purpose for purpose in PURPOSES if purpose not in in_use))
    for purpose in PURPOSES:
        found = read_key(settings.keys_dir, purpose)
        if found is None:
            continue
        if purpose in in_use:
            _compare(settings, purpose, found, in_use[purpose], listed)
        else:
            await add_key(session, purpose, found.key_id, found.public_bytes, now)


async def check_keys(session: ReadSession, settings: Settings, needed: Iterable[str]) -> None:
    """What a process asks before it serves or works; writes no row and makes no key.

    Raises BadKey when a needed key is missing or not listed, and when any key here is not the one listed as in use.
    """
    listed = await listed_keys(session)
    in_use = {key.purpose: key for key in listed if key.valid_to is None}
    _finish_rotations(settings, in_use)
    for purpose in PURPOSES:
        found, known = read_key(settings.keys_dir, purpose), in_use.get(purpose)
        if found is not None and known is not None:
            _compare(settings, purpose, found, known, listed)
        elif purpose in needed:
            if known is None:
                raise BadKey(f"The database lists no {purpose} key. Run `veche migrate`, which sets the keys up.")
            raise _missing(settings, purpose, known)


@dataclass(frozen=True)
class Rotation:
    """One key after another. `old` is None when the purpose had none."""

    purpose: str
    old: str | None
    new: Ed25519Signer


async def record_new_key(
    session: Session, settings: Settings, purpose: str, reason: str, now: datetime
) -> tuple[Rotation, Ed25519Signer | None]:
    """Begin a rotation: make the new key, list it, and give the old one, which is in use beside it until it retires.

    Raises BadKey when the key in use is not here, unless it is `lost` (then None is given): the wrong machine is the
    likelier reason.
    """
    await lock_keys(session)
    known = (await keys_in_use(session)).get(purpose)
    _finish_rotations(settings, {} if known is None else {purpose: known})
    old = None
    if known is not None and reason != LOST:
        old = read_key(settings.keys_dir, purpose)
        if old is None:
            raise _missing(settings, purpose, known)
        _compare(settings, purpose, old, known, await listed_keys(session))
    with locked(settings.keys_dir):
        new = make_next(settings.keys_dir, purpose)
    await add_key(session, purpose, new.key_id, new.public_bytes, now)
    return Rotation(purpose, None if known is None else known.key_id, new), old


async def retire_old_key(session: Session, rotation: Rotation, reason: str, now: datetime) -> None:
    """Go on with a rotation: the old key signs no more. The caller commits, and then calls `finish_rotation`.

    What is interrupted between the two is finished by the next start.
    """
    if rotation.old is not None:
        await retire_key(session, rotation.purpose, rotation.old, now, reason)


def finish_rotation(settings: Settings, rotation: Rotation) -> None:
    """Put the new key's file in use and the old one away, once the database says so."""
    with locked(settings.keys_dir):
        put_in_use(settings.keys_dir, rotation.purpose, rotation.new.key_id)


def _finish_rotations(settings: Settings, in_use: Mapping[str, ListedKey]) -> None:
    """Bring files to what the database says, if a rotation was interrupted between the two."""
    if not settings.keys_dir.is_dir():
        return
    for purpose, key in in_use.items():
        with locked(settings.keys_dir):
            put_in_use(settings.keys_dir, purpose, key.key_id)


def _compare(
    settings: Settings, purpose: str, found: Ed25519Signer, known: ListedKey, listed: Iterable[ListedKey]
) -> None:
    if found.public_bytes == known.public:
        return
    before = any(key.purpose == purpose and key.public == found.public_bytes for key in listed)
    what = "a retired one" if before else "one that was never listed"
    raise BadKey(
        f"{settings.keys_dir} holds the {purpose} key {found.key_id}, {what}; the key in use is {known.key_id}. "
        f"Put {purpose}-{known.key_id}.pem in its place, from a backup or from the machine where it was made. If that "
        f"file is lost for good: `veche keys rotate {purpose} --because lost`."
    )


def _missing(settings: Settings, purpose: str, known: ListedKey | None) -> BadKey:
    if known is None:
        return BadKey(
            f"{settings.keys_dir} holds no {purpose} key. Copy its file from the machine that has it or from a backup; "
            "`veche migrate` makes the keys of a new deployment."
        )
    return BadKey(
        f"{settings.keys_dir} holds no {purpose} key; the key in use is {known.key_id}. Copy "
        f"{purpose}-{known.key_id}.pem from the machine that has it or from a backup. If it is lost for good: "
        f"`veche keys rotate {purpose} --because lost`."
    )

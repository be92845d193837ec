"""Seals of the audit log out of a copy of the published registry log (its directory), without a database."""

from __future__ import annotations

import json
from pathlib import Path

import click

from polls.checkpoint import BadNote, read_checkpoint
from polls.tlog import bundle_path, bundles_of, hash_leaf, merkle_root, read_bundle
from voting.auditing.entries import SEAL


def seals_in(directory: Path) -> dict[int, bytes]:
    """Heads of the chain by size. Refuses a copy whose entries do not give the root of its checkpoint.

    Who signed the checkpoint is for `veche_verify`, which knows which keys to trust.
    """
    try:
        note = (directory / "checkpoint").read_text("utf-8")
        state = read_checkpoint(note.partition("\n\n")[0] + "\n")
        entries = [
            entry
            for number, width in bundles_of(state.size)
            for entry in read_bundle((directory / bundle_path(number, width)).read_bytes())
        ]
    except (OSError, BadNote, ValueError) as error:
        raise click.ClickException(f"{directory} is not a whole registry log: {error}") from None
    if merkle_root([hash_leaf(entry) for entry in entries]) != state.root:
        raise click.ClickException(f"{directory}: its entries do not give the root of its checkpoint.")
    said = [json.loads(entry) for entry in entries]
    return {one["body"]["size"]: bytes.fromhex(one["body"]["head"]) for one in said if one["kind"] == SEAL}

"""Whether the registry log in the database is whole: entries, events, tree, and every checkpoint ever signed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select

from polls.board_tables import registry_checkpoint, registry_leaf
from polls.checkpoint import BadNote, open_checkpoint, read_checkpoint
from polls.journal import HISTORY, PUBLIC_FACTS
from polls.public_keys import ListedKey, listed_keys
from polls.sessions import ReadSession
from polls.tables import registry_event
from polls.tlog import RootOf, hash_leaf

PAGE = 5_000


@dataclass(frozen=True)
class Checked:
    """What was looked at, the tree as recomputed, and what is wrong, a sentence each."""

    entries: int
    checkpoints: int
    root: bytes
    waiting: int
    faults: tuple[str, ...]


async def check_registry(session: ReadSession) -> Checked:
    """Recompute the log from its entries and compare it with the events and with every stored checkpoint.

    `waiting`: public events that are not in the log yet, which the next look appends. Call it under `lock_keys`, or a
    log that grows meanwhile looks broken.
    """
    faults: list[str] = []
    keys = {key.key_id: key for key in await listed_keys(session, "registry")}
    states = list(await session.execute(select(registry_checkpoint).order_by(registry_checkpoint.c.size)))
    ahead = list(reversed(states))
    tree, size = RootOf(), 0
    async for row in _entries(session):
        if row.position != size:
            faults.append(f"entry {size} is missing")
            break
        faults += _entry_faults(row)
        tree.add(hash_leaf(row.entry))
        size += 1
        while ahead and ahead[-1].size <= size:
            faults += _state_faults(ahead.pop(), size, tree.root(), keys)
    faults += [f"checkpoint {state.size}: the log has only {size} entries" for state in reversed(ahead)]
    if size and (not states or states[-1].size < size):
        faults.append(f"the newest of {size} entries are under no checkpoint")
    known = await session.scalar(
        select(func.count()).select_from(registry_event).where(registry_event.c.kind.in_(HISTORY))
    )
    return Checked(size, len(states), tree.root(), max(0, (known or 0) - size), tuple(faults))


async def _entries(session: ReadSession) -> AsyncIterator[Row[*tuple[Any, ...]]]:
    """Entries with their events, in pages: a log of years does not fit into memory at once."""
    after = -1
    while True:
        page = list(
            await session.execute(
                select(
                    registry_leaf.c.position, registry_leaf.c.entry, registry_event.c.kind, registry_event.c.at,
                    registry_event.c.body,
                )
                .join(registry_event, registry_event.c.id == registry_leaf.c.event_id)
                .where(registry_leaf.c.position > after)
                .order_by(registry_leaf.c.position)
                .limit(PAGE)
            )
        )  # fmt: skip
        for row in page:
            yield row
        if len(page) < PAGE:
            return
        after = page[-1].position


def _entry_faults(row: Row[*tuple[Any, ...]]) -> list[str]:
    """What an entry says, against the event it was made from."""
    try:
        said = json.loads(row.entry)
        facts, at = dict(said["body"]), datetime.fromisoformat(said["at"])
        same = said["position"] == row.position and said["kind"] == row.kind and at == row.at
    except (ValueError, KeyError, TypeError):
        return [f"entry {row.position} is not an entry"]
    if not same:
        return [f"entry {row.position} is not what its event says"]
    strange = sorted(name for name in facts if name != "sha256" and facts[name] != row.body.get(name, facts))
    private = sorted(set(facts) - PUBLIC_FACTS.get(row.kind, frozenset()) - {"sha256"})
    return [f"entry {row.position}: {name} is not what its event says" for name in strange] + [
        f"entry {row.position}: {name} is not public" for name in private
    ]


def _state_faults(state: Row[Any], size: int, root: bytes, keys: dict[str, ListedKey]) -> list[str]:
    """One stored checkpoint against the tree as recomputed, and its note against both."""
    where = f"checkpoint {state.size}"
    if state.size != size:
        return [f"{where}: the log has no state of this size"]
    faults = [] if state.root == root else [f"{where}: the entries give another root"]
    key = keys.get(state.key_id)
    if key is None:
        return [*faults, f"{where}: its key {state.key_id} is not listed"]
    try:
        name = read_checkpoint(state.note.partition("\n\n")[0] + "\n").origin
        said = open_checkpoint(state.note, name, key.public)
    except BadNote as error:
        return [*faults, f"{where}: {error}"]
    if (said.size, said.root) != (state.size, state.root):
        faults.append(f"{where}: its note says another state")
    return faults

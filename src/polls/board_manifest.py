"""What stands beside the trees on the board: the manifest of each version of a count, signed.

It says what the trees cannot: how many could vote, took part and voted, what was counted, which records are withheld,
how ties were decided, which keys sign. A version is made once and never changes; the next one names it by its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import rfc8785
from sqlalchemy import Row, func, insert, select

from polls.audience import roll_total
from polls.board import exact
from polls.board_tables import board_manifest
from polls.board_trees import Tree, leaves_of, seal_trees, signed_trees
from polls.catalogue import SealedPoll, sealed_poll
from polls.checkpoint import BadNote, BoardSealer, manifest_text, open_note
from polls.counting import entitled_of, entitled_with_late
from polls.definition import AnyQuestion, SingleChoice, UnitRule
from polls.errors import WrongState
from polls.journal import record_event
from polls.lifecycle import COUNTED
from polls.lots import Party
from polls.poll_lock import lock_alone
from polls.public_keys import listed_keys
from polls.published import Records, records_of
from polls.sessions import ReadSession, Session
from polls.tables import count_record, poll, superseded
from polls.tie_breaking import commitments, decided_ties, wants_lot

FORMAT: Final = "veche/board/v1"
MADE_LATE: Final = "The ballots were counted by an earlier release; their trees were made and signed after the count."


@dataclass(frozen=True)
class Manifest:
    """One version as it was signed: its RFC 8785 bytes and its note."""

    version: int
    data: bytes
    note: str


@dataclass(frozen=True)
class Board:
    """What the database holds of a counted poll's board: the trees and every manifest, the older first."""

    trees: Mapping[int, Tree]
    manifests: tuple[Manifest, ...]

    @property
    def newest(self) -> Manifest | None:
        """The manifest that stands; None before there is one."""
        return self.manifests[-1] if self.manifests else None


async def board_of(session: ReadSession, poll_id: int) -> Board:
    """The board of a poll as the database has it."""
    rows = await session.execute(
        select(board_manifest).where(board_manifest.c.poll_id == poll_id).order_by(board_manifest.c.version)
    )
    manifests = tuple(Manifest(row.version, bytes(row.bytes), row.note) for row in rows)
    return Board(await signed_trees(session, poll_id), manifests)


async def boards_due(session: ReadSession) -> list[tuple[str, int, int | None]]:
    """(public id, version of the count, version of the newest manifest or None) of every counted poll, newest first."""
    counts = select(count_record.c.poll_id, func.max(count_record.c.version).label("counted")).group_by(
        count_record.c.poll_id
    ).subquery()  # fmt: skip
    made = select(board_manifest.c.poll_id, func.max(board_manifest.c.version).label("made")).group_by(
        board_manifest.c.poll_id
    ).subquery()  # fmt: skip
    rows = await session.execute(
        select(poll.c.public_id, counts.c.counted, made.c.made)
        .join(counts, counts.c.poll_id == poll.c.id)
        .outerjoin(made, made.c.poll_id == poll.c.id)
        .where(poll.c.state.in_(COUNTED))
        .order_by(poll.c.counted_at.desc())
    )
    return [(row.public_id, row.counted, row.made) for row in rows]


async def publish_manifest(session: Session, public_id: str, sealer: BoardSealer, now: datetime) -> bytes:
    """Make and sign the manifest of every version of the count that has none; gives the newest one's bytes.

    Trees that nobody signed at the count are made now, and the manifest says so. Refuses `WrongState` for a poll that
    is not counted. Repeating it changes nothing.
    """
    found = await sealed_poll(session, public_id)
    await lock_alone(session, found.id)
    found = await sealed_poll(session, public_id)
    if found.stored_state not in COUNTED:
        raise WrongState(state=found.stored_state, move="publish_manifest")
    records = (
        await session.execute(
            select(count_record).where(count_record.c.poll_id == found.id).order_by(count_record.c.version)
        )
    ).all()
    board = await board_of(session, found.id)
    known = {manifest.version: manifest.data for manifest in board.manifests}
    trees, late = board.trees, False
    if not trees:
        await seal_trees(session, found, sealer)
        trees, late = await signed_trees(session, found.id), True
    previous: bytes | None = None
    for record in records:
        data = known.get(record.version)
        if data is None:
            data = await _make(session, found, _as_signed(sealer, found, trees), trees, record, previous, late)
            await _keep(session, found, sealer, trees, record.version, data, now)
        previous = data
    assert previous is not None, "a counted poll has a count"
    return previous


def _as_signed(sealer: BoardSealer, found: SealedPoll, trees: Mapping[int, Tree]) -> BoardSealer:
    """The sealer under the name the trees were signed with: a board keeps its name when the site moves."""
    ending = f"/board/{found.public_id}/q"
    host = next((tree.origin.partition(ending)[0] for tree in trees.values()), sealer.host)
    return replace(sealer, host=host)


async def _keep(
    session: Session, found: SealedPoll, sealer: BoardSealer, trees: Mapping[int, Tree], version: int, data: bytes,
    now: datetime,
) -> None:  # fmt: skip
    sealer = _as_signed(sealer, found, trees)
    await session.execute(
        insert(board_manifest).values(
            poll_id=found.id, version=version, bytes=data, note=sealer.manifest_note(found.public_id, version, data),
            key_id=sealer.signer.key_id, made_at=now,
        )
    )  # fmt: skip
    await record_event(
        session, "board_published", found.id, now, version=version, manifest=hashlib.sha256(data).hexdigest(),
        roots={str(q): tree.root.hex() for q, tree in trees.items()},
        sizes={str(q): tree.size for q, tree in trees.items()},
    )  # fmt: skip


async def _make(
    session: Session, found: SealedPoll, sealer: BoardSealer, trees: Mapping[int, Tree], record: Row[Any],
    previous: bytes | None, late: bool,
) -> bytes:  # fmt: skip
    """The bytes of one version's manifest: what held when that version was counted."""
    definition = found.definition
    by_question = await records_of(session, found)
    questions = [
        await _question(session, found, question, trees[question.id], by_question[question.id], outcome)
        for question, outcome in zip(definition.questions, record.outcomes, strict=True)
    ]
    said = {
        "v": 1,
        "format": FORMAT,
        "origin": sealer.origin(found.public_id),
        "poll": found.public_id,
        "poll_hash": found.poll_hash.hex(),
        "version": record.version,
        "previous": None if previous is None else hashlib.sha256(previous).hexdigest(),
        "reason": " ".join(filter(None, [record.reason, MADE_LATE if late else ""])),
        "counted_at": _moment(max(record.counted_at, found.closes_at)),  # two clocks: the database's closes the poll
        "opens_at": _moment(found.opens_at),
        "closes_at": _moment(found.closes_at),
        "time_zone": definition.time_zone,
        "privacy": definition.privacy,
        "receipt": definition.receipt,
        "roll": await _roll(session, found),
        "participations": record.participations,
        "ballots": record.ballots,
        "questions": questions,
        "ties": await _ties(session, found, record),
        "lot": await _lot(session, found, record) if wants_lot(found) else None,
        "superseded": await _superseded(session, found.id),
        "keys": await _keys(session),
        "software": sealer.software,
    }
    return rfc8785.dumps(exact(said))


async def _question(
    session: ReadSession, found: SealedPoll, question: AnyQuestion, tree: Tree, records: Records, outcome: Any
) -> dict[str, Any]:
    leaves = await leaves_of(session, found, question.id, records.withheld)
    units = isinstance(question, SingleChoice) and isinstance(question.rule, UnitRule)
    return {
        "id": question.id,
        "size": tree.size,
        "root": tree.root.hex(),
        "shown": records.shown,
        "withheld": {
            "records": len(leaves),
            "styles": list(records.withheld),
            "leaves": [leaf.hex() for leaf in leaves],
        },
        "entitled": await entitled_of(session, found, question),
        "counted_by": "units" if units else "ballots",
        "outcome": outcome,
    }


async def _roll(session: ReadSession, found: SealedPoll) -> dict[str, Any]:
    """The roll in sum, and by ballot style where there are several: `entitled` of a question adds up from these."""
    known = found.definition.roll_known
    return {
        "known": known,
        "total": await roll_total(session, found.id) if known else None,
        "styles": [list(pair) for pair in sorted((await entitled_with_late(session, found)).items())] if known else [],
    }


async def _ties(session: ReadSession, found: SealedPoll, record: Row[Any]) -> list[dict[str, Any]]:
    """The decisions this version of the count was made with."""
    return [
        {
            "question": tie.question_id,
            "stage": tie.stage,
            "options": list(tie.options),
            "decided": list(tie.decided),
            "method": tie.method,
            "reason": tie.reason,
        }
        for tie in await decided_ties(session, found.id)
        if tie.at <= record.counted_at and record.version > 1
    ]


async def _lot(session: ReadSession, found: SealedPoll, record: Row[Any]) -> dict[str, Any] | None:
    """Commitments, and the secrets that were revealed when this version was counted. None: a party did not commit."""
    known = await commitments(session, found.id)
    if len(known) < len(Party):
        return None
    return {
        party.value: {
            "commitment": one.commitment.hex(),
            "secret": one.secret.hex()
            if one.secret is not None and one.revealed_at is not None and one.revealed_at <= record.counted_at
            else None,
        }
        for party, one in sorted(known.items())
    }


async def _superseded(session: ReadSession, poll_id: int) -> list[str]:
    """Leaves of named ballots that a later vote replaced, rising."""
    rows = await session.scalars(
        select(superseded.c.leaf_hash).where(superseded.c.poll_id == poll_id).order_by(superseded.c.leaf_hash)
    )
    return [bytes(leaf).hex() for leaf in rows]


async def _keys(session: ReadSession) -> list[dict[str, Any]]:
    """Every listed key that signs receipts or boards; retired ones too, since what they signed stays good."""
    return [key.as_json() for key in await listed_keys(session) if key.purpose in ("board", "receipt")]


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def check_manifest(data: bytes, note: str, version: int, public: bytes, trees: Mapping[int, Tree]) -> Iterator[str]:
    """What is wrong with a stored manifest: its signature, its bytes, or that it tells of other trees."""
    said = json.loads(data)
    try:
        if open_note(note, said["origin"], public) != manifest_text(said["origin"], version, data):
            yield "its note is of other bytes"
    except BadNote as bad:
        yield str(bad)
    told = {question["id"]: (question["size"], question["root"]) for question in said["questions"]}
    if told != {tree.question_id: (tree.size, tree.root.hex()) for tree in trees.values()}:
        yield "it tells of other trees than the signed ones"

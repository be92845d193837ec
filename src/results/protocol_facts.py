"""Everything a protocol says of a counted poll, read once: rules, roll, turnout, steps, outcomes, board, changes.

The figures are those of `results.figures`, behind the one gate; the rest is what was sealed, signed or recorded.
Nothing in it depends on the moment of reading, so two readings of an unchanged result are equal to the byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from polls.board_manifest import Board, Manifest, board_of
from polls.catalogue import SealedPoll
from polls.checkpoint import protocol_origin
from polls.errors import TieStillOpen, TooFewToPublish
from polls.journal import PUBLIC_FACTS, poll_events
from polls.one_person import double_votes
from polls.sealed import sealed_bytes
from polls.sessions import ReadSession
from polls.tally.outcome import fraction_text
from polls.tally.quorum import check_quorum
from polls.tie_breaking import open_ties
from results.anomalies import anomalies_of
from results.errors import BoardNotPublished
from results.figures import PollFigures, poll_figures
from results.protocol_document import FORMAT, digest, moment

TOLD: Final = (
    "poll_extended", "poll_closed_early", "poll_paused", "poll_resumed", "erratum_added", "roll_amended",
    "ties_decided", "lot_committed", "lot_revealed",
)  # fmt: skip
"""Public events that bear on the result. Sealing, opening, closing and counting have members of their own."""


@dataclass(frozen=True)
class Facts:
    """The facts, ready to become bytes, and the figures they were made of."""

    said: Mapping[str, Any]
    figures: PollFigures


async def protocol_facts(session: ReadSession, found: SealedPoll, now: datetime) -> Facts:
    """The facts of a counted poll's newest count.

    Refuses what `poll_figures` refuses before the count, `TieStillOpen` (facts: `questions`) while somebody has to
    decide a tie, and `BoardNotPublished` until the manifest of that count is signed.
    """
    figures = await poll_figures(session, found.public_id, now)
    if waiting := sorted({tie.question_id for tie in await open_ties(session, found)}):
        raise TieStillOpen(questions=waiting)
    board = await board_of(session, found.id)
    manifest = next((one for one in board.manifests if one.version == figures.version), None)
    if manifest is None:
        raise BoardNotPublished()
    signed: dict[str, Any] = json.loads(manifest.data)
    sealed = await sealed_bytes(session, found.public_id)
    said = {
        "v": 1,
        "format": FORMAT,
        "origin": protocol_origin(str(signed["origin"]).partition("/board/")[0], found.public_id),
        "poll": found.public_id,
        "slug": found.slug,
        "poll_hash": found.poll_hash.hex(),
        "definition": json.loads(sealed.data),
        "sealed_at": moment(found.sealed_at),
        "opens_at": moment(found.opens_at),
        "closes_at": moment(found.closes_at),
        "time_zone": found.definition.time_zone,
        "privacy": found.definition.privacy.value,
        "receipt": found.definition.receipt.value,
        "changes": await _changes(session, found),
        "roll": signed["roll"],
        "turnout": _turnout(figures),
        "quorum": check_quorum(found.definition.quorum, figures.ballots, figures.turnout.entitled).as_json(),
        "count": {"version": figures.version, "at": signed["counted_at"], "reason": figures.reason,
                  "software": signed["software"]},
        "questions": _questions(figures, signed, board),
        "ties": signed["ties"],
        "lot": signed["lot"],
        "board": _board(signed, manifest),
        "irregularities": _irregularities(figures, await double_votes(session, found.id)),
        "anomalies": await _anomalies(session, found, now),
    }  # fmt: skip
    return Facts(said, figures)


async def _changes(session: ReadSession, found: SealedPoll) -> list[dict[str, Any]]:
    """What happened to the poll after it was sealed, as the registry log has it."""
    return [
        {"kind": event["kind"], "at": moment(event["at"]),
         "facts": {key: event["body"][key] for key in sorted(PUBLIC_FACTS[event["kind"]]) if key in event["body"]}}
        for event in await poll_events(session, found.id)
        if event["kind"] in TOLD
    ]  # fmt: skip


def _turnout(figures: PollFigures) -> dict[str, Any]:
    votes = figures.turnout
    return {
        "participations": votes.votes,
        "ballots": figures.ballots,
        "entitled": votes.entitled,
        "share": fraction_text(votes.share),
        "days": [[day.isoformat(), n] for day, n in sorted(votes.days.items())],
    }


def _questions(figures: PollFigures, signed: Mapping[str, Any], board: Board) -> list[dict[str, Any]]:
    """By question: on how many ballots it was shown, its outcome with every step, its tree."""
    told = {question["id"]: question for question in signed["questions"]}
    found = []
    for one in figures.questions:
        tree, manifest = board.trees[one.question.id], told[one.question.id]
        found.append({
            "id": one.question.id,
            "shown": manifest["shown"],
            "entitled": manifest["entitled"],
            "counted_by": manifest["counted_by"],
            "withheld": manifest["withheld"]["records"],
            "outcome": one.outcome.as_json(),
            "tree": {"size": tree.size, "root": tree.root.hex(), "key_id": tree.key_id},
        })  # fmt: skip
    return found


def _board(signed: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    return {"origin": signed["origin"], "version": manifest.version, "manifest": digest(manifest.data)}


def _irregularities(figures: PollFigures, twice: int) -> list[dict[str, Any]]:
    """What should not be, said and not hidden."""
    found: list[dict[str, Any]] = []
    if figures.ballots != figures.turnout.votes:
        found.append({"code": "ballots_differ", "ballots": figures.ballots, "participations": figures.turnout.votes})
    if figures.turnout.entitled is not None and figures.turnout.votes > figures.turnout.entitled:
        found.append(
            {"code": "more_than_entitled", "participations": figures.turnout.votes,
             "entitled": figures.turnout.entitled}
        )  # fmt: skip
    if twice:
        found.append({"code": "voted_by_two_entries", "people": twice})
    return found


async def _anomalies(session: ReadSession, found: SealedPoll, now: datetime) -> Any:
    """The verdicts on how turnout ran, without the counters they were made of; None with too few ballots for any."""
    try:
        checked = (await anomalies_of(session, found.public_id, now)).as_json()
    except TooFewToPublish:
        return None
    return {key: value for key, value in checked.items() if key != "version"}  # the count has said which it is

"""A vote on its way: what comes in, what it is once judged, what became of it, and its receipt.

Judging is pure: a vote and the facts of its citizen give the ballot, its id and its stratum, or a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Any

from polls.ballot import EncodedBallot, encode_ballot, style_of
from polls.board import Receipt, Signer, acceptance_receipt, ballot_id, inclusion_receipt, leaf_hashes
from polls.catalogue import SealedPoll
from polls.definition import ReceiptKind
from polls.eligibility import opening_day, reasons_against
from polls.entitlement import Entitlement
from polls.errors import NotEligible
from polls.strata import Stratum, stratum_of

ASSISTED = "assisted"
"""The channel of votes cast at a service centre. Their receipts, printed where others stand by, never lead to answers:
of an inclusion receipt anybody may try which answer has its fingerprints."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote as it was sent. `key` is the voter's K (at least 16 random bytes), never stored and never printed."""

    poll: SealedPoll
    citizen_id: int
    answers: Mapping[str, Any] = field(repr=False)
    key: bytes = field(repr=False)
    now: datetime
    channel: str = "online"

    @property
    def place(self) -> tuple[int, int]:
        """Poll and citizen: what is single."""
        return self.poll.id, self.citizen_id


@dataclass(frozen=True, slots=True)
class Judged:
    """A vote that may be cast, with the ballot it makes. `okrug` is a territory id, 0 where there is none."""

    vote: Vote
    encoded: EncodedBallot = field(repr=False)
    ballot_id: bytes = field(repr=False)
    stratum: Stratum
    okrug: int
    late: bool

    @property
    def leaves(self) -> tuple[bytes, ...]:
        """The leaf hashes of the questions shown, in their order."""
        poll, encoded = self.vote.poll, self.encoded
        return leaf_hashes(poll.poll_hash, self.ballot_id, poll.question_ids, encoded.answers, encoded.style)


@dataclass(frozen=True, slots=True)
class Taken:
    """A vote that stands. `repeated`: it stood before; `changed`: it replaced the citizen's earlier named vote."""

    judged: Judged
    day: date
    repeated: bool = False
    changed: bool = False


class Held(Enum):
    """Nothing was decided about a vote: somebody held its poll alone. It may be tried again."""

    HELD = "held"


Outcome = Taken | Held | Exception
"""What a batch has to say of one vote; an exception is its refusal, and the vote left no trace."""


@dataclass(frozen=True)
class Cast:
    """What the resident is told. `repeated`: this was a retry and the receipt is the first one again."""

    receipt: Receipt
    ballot_id: bytes
    day: date
    repeated: bool
    changed: bool = False


def judge(vote: Vote, entitled: Entitlement) -> Judged:
    """The ballot of a vote. Refuses `NotEligible` with reasons, `InvalidAnswer`."""
    definition, facts = vote.poll.definition, entitled.facts
    reasons = reasons_against(facts, definition)
    if reasons:
        raise NotEligible(reasons)
    encoded = encode_ballot(definition, vote.answers, style_of(definition, facts.territories))
    stratum = stratum_of(facts, opening_day(definition), definition.strata, definition.age_bands)
    return Judged(vote, encoded, ballot_id_of(vote), stratum, facts.okrug_id or 0, entitled.late)


def ballot_id_of(vote: Vote) -> bytes:
    """The id of the ballot that a vote makes, or has made before (16 bytes)."""
    return ballot_id(vote.poll.poll_hash, vote.key)


def as_stored(vote: Vote, answers: tuple[str, ...], style: int) -> Judged:
    """A vote with its ballot as it was accepted, for its receipt; of the resident nothing is known or needed."""
    return Judged(vote, EncodedBallot(answers, style, {}), ballot_id_of(vote), Stratum(0, 0, 0), 0, late=False)


def receipt_of(taken: Taken, signer: Signer) -> Cast:
    """Sign what a resident is told. The same vote always gets the same bytes: Ed25519 draws nothing at random."""
    judged, day = taken.judged, taken.day.isoformat()
    poll = judged.vote.poll
    if poll.definition.receipt is ReceiptKind.ACCEPTANCE_ONLY or judged.vote.channel == ASSISTED:
        receipt = acceptance_receipt(signer, poll.poll_hash, judged.ballot_id, day)
    else:
        receipt = inclusion_receipt(signer, poll.poll_hash, judged.ballot_id, judged.leaves, day)
    return Cast(receipt, judged.ballot_id, taken.day, taken.repeated, taken.changed)

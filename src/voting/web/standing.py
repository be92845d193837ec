"""Where a reader stands with a poll: may they vote in it now, have they voted, and if they may not, why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from litestar import Request

from polls.audience_rule import codes_of
from polls.authoring import SLUG
from polls.ballot import style_of
from polls.catalogue import SealedPoll, participation_day, sealed_poll
from polls.definition import EVERYBODY_ELSE, Definition, Privacy
from polls.desk import register_groups
from polls.eligibility import CitizenFacts, Reason, reasons_against
from polls.entitlement import entitlement
from polls.errata import Erratum, errata_of
from polls.errors import PollNotFound
from polls.lifecycle import State
from polls.pausing import Pause, standing_pause
from polls.register import GroupRow, buildings_named, territory_tree
from polls.sessions import ReadSession
from polls.territories import Territory
from results.figures import counted_version, see
from results.visibility import Decision
from voting.db import Database
from voting.identity.sessions import Viewer
from voting.remembering import Shelf

AnyRequest = Request[Any, Any, Any]


async def poll_at(session: ReadSession, slug: str) -> SealedPoll:
    """The public poll at an address. Text that cannot be a slug is answered like a poll that is not there."""
    return await sealed_poll(session, address_of(slug))


async def poll_seen(request: AnyRequest, database: Database, slug: str, now: datetime) -> tuple[SealedPoll, Decision]:
    """The poll at an address, and what of its figures may be shown now: remembered for a moment, for all readers."""

    async def look() -> tuple[SealedPoll, Decision]:
        async with database.open_read_session() as session:
            poll = await poll_at(session, slug)
            return poll, see(poll, await counted_version(session, poll.id), now)

    shelf: Shelf = request.app.state["shelf"]
    found: tuple[SealedPoll, Decision] = await shelf.get(("seen", slug), look)
    return found


def address_of(slug: str) -> str:
    """The slug itself. Refuses `PollNotFound` for text that cannot be one."""
    if not SLUG.fullmatch(slug):
        raise PollNotFound()
    return slug


@dataclass(frozen=True)
class Standing:
    """`resident`: the account points at a register entry; only then `reasons` and `voted_on` mean anything.

    `may_vote` holds before the opening too: it is about the person. `can_cast` is about this very moment.
    """

    state: State
    signed_in: bool
    resident: bool
    voted_on: date | None
    reasons: tuple[Reason, ...]
    changeable: bool
    style: int = EVERYBODY_ELSE
    """The reader's ballot style: which questions and options they are shown."""
    paused_at: datetime | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """Names the standing: pages of readers with the same one are the same. It has no reader in it."""
        reasons = tuple((one.code, one.next_step, repr(sorted(one.facts.items()))) for one in self.reasons)
        return (self.state, self.signed_in, self.resident, self.voted_on, reasons, self.changeable, self.style,
                self.paused_at)  # fmt: skip

    @property
    def may_vote(self) -> bool:
        """Whether the audience rule admits the reader."""
        return self.resident and not self.reasons

    @property
    def can_fill(self) -> bool:
        """Whether the reader may fill in a ballot now; a pause that began meanwhile does not take it away."""
        return self.state is State.OPEN and self.may_vote and (self.voted_on is None or self.changeable)

    @property
    def can_cast(self) -> bool:
        """Whether a ballot of the reader would be taken now."""
        return self.can_fill and self.paused_at is None


async def standing_of(session: ReadSession, poll: SealedPoll, reader: Viewer | None, now: datetime) -> Standing:
    """Find the reader's standing. Takes the primary's session: a vote just cast must be seen."""
    if reader is None or reader.citizen_id is None:
        return standing_of_stranger(poll, signed_in=reader is not None, now=now)
    voted_on = await participation_day(session, poll.id, reader.citizen_id)
    judged = await entitlement(session, poll, reader.citizen_id, now)
    return standing_by(poll, voted_on, judged.facts, now)


def standing_of_stranger(poll: SealedPoll, *, signed_in: bool, now: datetime) -> Standing:
    """The standing of whoever is not tied to an entry of the register."""
    return Standing(poll.state(now), signed_in, False, None, (), _changeable(poll), paused_at=poll.paused_at)


def standing_by(poll: SealedPoll, voted_on: date | None, facts: CitizenFacts, now: datetime) -> Standing:
    """The standing of a resident by what is known of them."""
    reasons = reasons_against(facts, poll.definition)
    style = style_of(poll.definition, facts.territories)
    return Standing(poll.state(now), True, True, voted_on, reasons, _changeable(poll), style, poll.paused_at)


def _changeable(poll: SealedPoll) -> bool:
    return poll.definition.privacy is Privacy.NAMED and poll.definition.may_change


async def style_for(session: ReadSession, poll: SealedPoll, citizen_id: int | None, now: datetime) -> int:
    """A citizen's ballot style, by the facts that decide when the ballot is cast; asks nothing where all are alike."""
    if citizen_id is None or not poll.definition.styles:
        return EVERYBODY_ELSE
    return style_of(poll.definition, (await entitlement(session, poll, citizen_id, now)).facts.territories)


@dataclass(frozen=True)
class Notices:
    """What was said about a poll after sealing: the pause that lasts, if one does, and the errata."""

    paused: Pause | None = None
    errata: tuple[Erratum, ...] = ()


async def notices_of(session: ReadSession, poll: SealedPoll) -> Notices:
    """What the poll's page and its ballot show on top."""
    paused = await standing_pause(session, poll.id) if poll.paused_at is not None else None
    return Notices(paused, await errata_of(session, poll.id))


@dataclass(frozen=True)
class RegisterNames:
    """What the codes in audience rules are called."""

    places: Mapping[str, Territory]
    groups: Mapping[str, GroupRow]


async def register_names(session: ReadSession, definition: Definition) -> RegisterNames:
    """The names of every territory and group, and of the buildings that a poll names."""
    tree = await territory_tree(session)
    named = {code for style in definition.styles for code in style.territories} | codes_of(definition.audience)
    buildings = await buildings_named(session, named - tree.by_code.keys())
    groups = {group.code: group for group in await register_groups(session)}
    return RegisterNames({**tree.by_code, **buildings}, groups)

"""Use cases of officials: draft, revise, check, seal, extend, close early, cancel. Pausing has a module of its own.

A draft is a row of `poll` and its revisions. Scheduling seals: the canonical bytes are stored, their hash is shown,
and a trigger refuses any later change. What remains afterwards (extending, closing early, cancelling) is an event with
a public reason, taken under the poll's exclusive lock so that no ballot is in flight.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update

from polls.audience import DRY_RUN_SECONDS, DryRun, dry_run, within
from polls.audit import write_event
from polls.cards import card_of, search_of
from polls.checklist import Finding, findings
from polls.checklist_register import register_findings
from polls.comparison import Change, clashes, compare
from polls.definition import PUBLIC_ID, Definition, Privacy, Text, canonical_bytes, poll_hash, read_definition
from polls.errors import EditConflict, FieldError, Invalid, NotReady, PollNotFound, Sealed, WrongState
from polls.journal import record_event
from polls.lifecycle import Move, State, may, state_at
from polls.poll_lock import lock_alone
from polls.sessions import ReadSession, Session
from polls.style_roll import entitled_by_style
from polls.tables import named_ballot, poll, poll_pause, poll_revision, sealed_definition, territory, text_answer

MOST_CHANGES = 200  # of each side, in the facts of a conflict
SLUG = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$")


@dataclass(frozen=True)
class Draft:
    """A poll as its officials see it: the row's facts, the newest revision (or the sealed document), its number."""

    poll_id: int
    public_id: str
    slug: str
    state: State
    author_id: int
    revision: int
    definition: Definition
    saved_at: datetime
    saved_by: int
    poll_hash: bytes | None
    reason: str
    paused_at: datetime | None = None
    archived_at: datetime | None = None


@dataclass(frozen=True)
class Check:
    """The checklist with its dry run; `dry_run` is None while times are missing.

    `by_style`: entitled by ballot style, 0 being everybody whom no style names; empty for a poll of one style.
    """

    findings: tuple[Finding, ...]
    dry_run: DryRun | None
    by_style: Mapping[int, int] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether nothing blocks scheduling."""
        return not any(finding.blocking for finding in self.findings)


async def create_draft(
    session: Session, author_id: int, definition: Definition, now: datetime, slug: str | None = None
) -> Draft:
    """A new draft. Its `poll_id` is the definition's; the slug defaults to its first digits and can be changed."""
    slug = _checked_slug(slug) if slug else default_slug(definition.poll_id)
    row = await session.scalar(
        insert(poll)
        .values(public_id=definition.poll_id, slug=slug, author_id=author_id, created_at=now, updated_at=now)
        .returning(poll.c.id)
    )
    assert row is not None
    await _write_revision(session, row, 1, definition, author_id, now)
    await record_event(session, "poll_drafted", None, now, by=author_id, public_id=definition.poll_id)
    return await load_draft(session, definition.poll_id, now)


def default_slug(public_id: str) -> str:
    """The address of a poll that was given none.

    With a letter in front: hex digits alone may read as a number, and spreadsheets would take them for one.
    """
    return f"p{public_id[:11]}"


async def copy_poll(session: Session, public_id: str, new_id: str, author_id: int, now: datetime) -> Draft:
    """A new draft with everything of another poll but its times and its id."""
    source = await load_draft(session, public_id, now)
    definition = source.definition.model_copy(
        update={
            "poll_id": new_id,
            "opens_at": None,
            "closes_at": None,
            "title": Text(
                ru=_copied(source.definition.title.ru, "копия"), en=_copied(source.definition.title.en, "copy")
            ),
        }
    )
    return await create_draft(session, author_id, definition, now)


async def load_draft(session: ReadSession, public_id: str, now: datetime) -> Draft:
    """The poll with its newest revision, or with the sealed document once sealed. Refuses `PollNotFound`."""
    row = (
        await session.execute(
            select(poll, poll_revision.c.number, poll_revision.c.definition, poll_revision.c.saved_at,
                   poll_revision.c.author_id.label("saved_by"), sealed_definition.c.bytes)
            .join(poll_revision, poll_revision.c.poll_id == poll.c.id)
            .outerjoin(sealed_definition, sealed_definition.c.poll_id == poll.c.id)
            .where(poll.c.public_id == public_id)
            .order_by(poll_revision.c.number.desc())
            .limit(1)
        )
    ).one_or_none()  # fmt: skip
    if row is None:
        raise PollNotFound()
    return Draft(
        row.id, row.public_id, row.slug,
        state_at(State(row.state), row.opens_at, row.closes_at, now, row.paused_at), row.author_id,
        row.number, read_definition(row.bytes or row.definition), row.saved_at, row.saved_by, row.poll_hash, row.reason,
        row.paused_at, row.archived_at,
    )  # fmt: skip


async def save_draft(
    session: Session, public_id: str, definition: Definition, author_id: int, based_on: int, now: datetime,
    slug: str | None = None,
) -> Draft:  # fmt: skip
    """Save a new revision on top of revision `based_on`.

    Refuses `EditConflict` when somebody saved a newer one, `Sealed` once scheduled, `Invalid` for a slug that is
    taken or malformed. An unchanged document makes no revision.
    """
    poll_id = await lock_row(session, public_id)
    draft = await load_draft(session, public_id, now)
    if not may(Move.EDIT, draft.state):
        raise Sealed(state=draft.state)
    if draft.revision != based_on:
        raise await _conflict(session, draft, based_on, definition)
    if definition.poll_id != public_id:
        raise Invalid([FieldError("poll_id", "fixed", "The id of a poll cannot be changed.")])
    if slug and slug != draft.slug:
        await _set_slug(session, poll_id, slug)
    if definition != draft.definition:
        await _write_revision(session, poll_id, draft.revision + 1, definition, author_id, now)
        await write_event(
            session, "poll_revised", actor=author_id, subject=f"poll:{public_id}",
            facts={"revision": draft.revision + 1}, now=now,
        )  # fmt: skip
    return await load_draft(session, public_id, now)


async def revisions(session: ReadSession, public_id: str) -> list[tuple[int, datetime, int]]:
    """Numbers, times and authors of all revisions, newest first."""
    rows = await session.execute(
        select(poll_revision.c.number, poll_revision.c.saved_at, poll_revision.c.author_id)
        .join(poll, poll.c.id == poll_revision.c.poll_id)
        .where(poll.c.public_id == public_id)
        .order_by(poll_revision.c.number.desc())
    )
    return [(number, at, by) for number, at, by in rows]


async def delete_draft(session: Session, public_id: str, official_id: int, now: datetime) -> None:
    """Delete a draft that was never sealed, with its revisions. Refuses `WrongState` afterwards."""
    await lock_row(session, public_id)
    draft = await load_draft(session, public_id, now)
    if not may(Move.DELETE, draft.state):
        raise WrongState(state=draft.state, move=Move.DELETE)
    await record_event(session, "draft_deleted", None, now, by=official_id, public_id=public_id)
    await session.execute(delete(poll).where(poll.c.id == draft.poll_id))


async def check_draft(session: ReadSession, definition: Definition, now: datetime) -> Check:
    """The pre-open checklist, with the dry run as soon as the opening time is known."""
    run, by_style = None, dict[int, int]()
    if definition.opens_at is not None:
        run = await dry_run(session, definition)
        async with within(session, DRY_RUN_SECONDS):
            by_style = await entitled_by_style(session, definition)
    found = [
        *findings(definition, now, run.entitled if run else None, by_style),
        *await register_findings(session, definition, now),
    ]
    return Check(tuple(sorted(found, key=lambda finding: not finding.blocking)), run, by_style)


async def schedule_poll(
    session: Session, public_id: str, official_id: int, revision: int, now: datetime, *, unchecked: bool = False,
    reviewed: bool = False,
) -> Draft:  # fmt: skip
    """Seal the draft: canonical bytes and hash stored, the intake made, and whether a second person agreed is recorded.

    Refuses `NotReady` with the blocking findings, `EditConflict` when the revision seen is not the newest,
    `WrongState` when it is sealed already. `unchecked` is for imports of polls that took place elsewhere: their
    times are past, so the checklist would refuse them.
    """
    poll_id = await lock_row(session, public_id)
    draft = await load_draft(session, public_id, now)
    if not may(Move.SCHEDULE, draft.state) or draft.archived_at is not None:
        raise WrongState(state=draft.state, move=Move.SCHEDULE, archived=draft.archived_at is not None)
    if draft.revision != revision:
        raise EditConflict(yours=revision, theirs=draft.revision, by=draft.saved_by, at=draft.saved_at.isoformat())
    if not unchecked:
        check = await check_draft(session, draft.definition, now)
        if not check.ready:
            raise NotReady(findings=[finding.as_json() for finding in check.findings if finding.blocking])
    definition = draft.definition
    digest = poll_hash(definition)
    await session.execute(
        insert(sealed_definition).values(
            poll_id=poll_id, bytes=canonical_bytes(definition), poll_hash=digest, sealed_by=official_id, sealed_at=now
        )
    )
    await session.execute(
        update(poll)
        .where(poll.c.id == poll_id)
        .values(state=State.SCHEDULED, sealed_at=now, poll_hash=digest, opens_at=definition.opens_at,
                closes_at=definition.closes_at, privacy=definition.privacy, updated_at=now)
    )  # fmt: skip
    if definition.privacy is Privacy.SEPARATED:
        await session.execute(text("SELECT veche_create_intake(:poll_id)"), {"poll_id": poll_id})
    await record_event(session, "poll_sealed", poll_id, now, poll_hash=digest.hex(), by=official_id,
                       reviewed=reviewed, revision=revision)  # fmt: skip
    return await load_draft(session, public_id, now)


async def extend_poll(
    session: Session, public_id: str, official_id: int, closes_at: datetime, reason: str, now: datetime
) -> None:
    """Move the closing time later, before it has passed by the database's clock.

    Of a paused poll too, however late it is: what the pause has taken comes on top when it ends.
    """
    await _amend_closing(session, public_id, official_id, Move.EXTEND, lambda _: closes_at, reason, now)


async def close_early(session: Session, public_id: str, official_id: int, reason: str, now: datetime) -> None:
    """Close an open poll now, a paused one too. Admitted ballots stay; counting starts at once."""
    await _amend_closing(session, public_id, official_id, Move.CLOSE_EARLY, lambda clock: clock, reason, now)


async def cancel_poll(session: Session, public_id: str, official_id: int, reason: str, now: datetime) -> None:
    """Cancel: nothing will be counted; the page stays and says why.

    The ballots are destroyed at once, since nobody will ever count them and until then they could be linked; how many
    they were is public. Participations stay.
    """
    row = await lock_for_amendment(session, public_id, Move.CANCEL, checked_reason(reason))
    await end_pause(session, row, official_id)
    destroyed = await _cast_ballots(session, row)
    # The event first: without it the database neither calls a sealed poll cancelled nor lets its intake go.
    await record_event(session, "poll_cancelled", row.id, now, by=official_id, reason=reason.strip(),
                       ballots_destroyed=destroyed)  # fmt: skip
    await session.execute(
        update(poll)
        .where(poll.c.id == row.id)
        .values(state=State.CANCELLED, cancelled_at=now, reason=reason.strip(), updated_at=now)
    )
    await _destroy_ballots(session, row)


# ---- parts


@dataclass(frozen=True)
class Locked:
    """A poll whose lock is held alone, at `clock` of the database."""

    id: int
    state: State
    clock: datetime
    closes_at: datetime | None
    sealed: bool
    privacy: Privacy
    paused_at: datetime | None


async def _amend_closing(
    session: Session, public_id: str, official_id: int, move: Move, at: Callable[[datetime], datetime], reason: str,
    now: datetime,
) -> None:  # fmt: skip
    row = await lock_for_amendment(session, public_id, move, checked_reason(reason))
    closes_at = at(row.clock)
    if move is Move.CLOSE_EARLY:
        await end_pause(session, row, official_id)
    if move is Move.EXTEND and (row.closes_at is None or closes_at <= row.closes_at):
        raise Invalid([FieldError("closes_at", "not_later", "The new closing time is not later than the old one.")])
    await session.execute(
        update(poll).where(poll.c.id == row.id).values(closes_at=closes_at, reason=reason.strip(), updated_at=now)
    )
    kind = "poll_extended" if move is Move.EXTEND else "poll_closed_early"
    await record_event(session, kind, row.id, now, by=official_id, reason=reason.strip(),
                       closes_at=closes_at.isoformat())  # fmt: skip


async def lock_for_amendment(session: Session, public_id: str, move: Move, reason: str = "") -> Locked:
    """Take the poll's lock exclusively, so that no cast is in flight, then judge the move by the database's clock.

    `reason` has been checked by :func:`checked_reason`. Refuses `PollNotFound` and `WrongState`.
    """
    poll_id = await session.scalar(select(poll.c.id).where(poll.c.public_id == public_id))
    if poll_id is None:
        raise PollNotFound()
    await lock_alone(session, poll_id)
    row = (
        await session.execute(
            select(
                poll.c.state,
                poll.c.opens_at,
                poll.c.closes_at,
                poll.c.sealed_at,
                poll.c.privacy,
                poll.c.paused_at,
                func.clock_timestamp().label("clock"),
            )
            .where(poll.c.id == poll_id)
            .with_for_update()
        )
    ).one()
    state = state_at(State(row.state), row.opens_at, row.closes_at, row.clock, row.paused_at)
    if not may(move, state):
        raise WrongState(state=state, move=move)
    return Locked(
        poll_id, state, row.clock, row.closes_at, row.sealed_at is not None, Privacy(row.privacy), row.paused_at
    )


async def end_pause(session: Session, row: Locked, official_id: int) -> None:
    """Write the end of the pause that stands, if one does; the closing time is the caller's matter."""
    if row.paused_at is None:
        return
    await session.execute(
        update(poll_pause)
        .where(poll_pause.c.poll_id == row.id, poll_pause.c.resumed_at.is_(None))
        .values(resumed_at=row.clock, resumed_by=official_id)
    )
    await session.execute(update(poll).where(poll.c.id == row.id).values(paused_at=None))


async def _cast_ballots(session: ReadSession, row: Locked) -> int:
    """How many ballots there are of a poll that is not counted."""
    if not row.sealed:
        return 0
    named = f"named_ballot WHERE poll_id = {int(row.id)}"
    source = named if row.privacy is Privacy.NAMED else f"intake_{int(row.id)}"
    return int(await session.scalar(text(f"SELECT count(*) FROM {source}")) or 0)


async def _destroy_ballots(session: Session, row: Locked) -> None:
    """Remove the ballots of a cancelled poll and the words given with them."""
    if not row.sealed:
        return
    await session.execute(delete(text_answer).where(text_answer.c.poll_id == row.id))
    if row.privacy is Privacy.NAMED:
        await session.execute(delete(named_ballot).where(named_ballot.c.poll_id == row.id))
    else:
        await session.execute(text("SELECT veche_drop_intake(:poll)"), {"poll": row.id})


def checked_reason(reason: str) -> str:
    """A public reason as it was given. Refuses `Invalid` for one that says nothing or too much."""
    if not 3 <= len(reason.strip()) <= 1_000:
        raise Invalid([FieldError("reason", "needed", "Give a reason of 3 to 1,000 characters; it is public.")])
    return reason


def _checked_slug(slug: str) -> str:
    if not SLUG.match(slug) or PUBLIC_ID.match(slug):  # nobody may take the address of another poll's id
        raise Invalid([FieldError("slug", "malformed", "Use small Latin letters, digits and hyphens, at most 64.")])
    return slug


def _copied(title: str, word: str) -> str:
    return f"{title} ({word})" if title else ""


async def _conflict(session: Session, draft: Draft, based_on: int, yours: Definition) -> EditConflict:
    """What both sides did to the revision you began with: enough to show them and to go on without loss."""
    stored = await session.scalar(
        select(poll_revision.c.definition).where(
            poll_revision.c.poll_id == draft.poll_id, poll_revision.c.number == based_on
        )
    )
    base = read_definition(stored) if stored is not None else draft.definition
    mine, theirs = compare(base, yours), compare(base, draft.definition)
    return EditConflict(
        yours=based_on, theirs=draft.revision, by=draft.saved_by, at=draft.saved_at.isoformat(),
        your_changes=_listed(mine), their_changes=_listed(theirs),
        both_changed=list(clashes(mine, theirs))[:MOST_CHANGES],
    )  # fmt: skip


def _listed(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [change.as_json() for change in changes[:MOST_CHANGES]]


async def _set_slug(session: Session, poll_id: int, slug: str) -> None:
    taken = await session.scalar(select(poll.c.id).where(poll.c.slug == _checked_slug(slug), poll.c.id != poll_id))
    if taken is not None:
        raise Invalid([FieldError("slug", "taken", "Another poll has this address already.")])
    await session.execute(update(poll).where(poll.c.id == poll_id).values(slug=slug))


async def lock_row(session: Session, public_id: str) -> int:
    """Hold the row of a poll until the end of the transaction; returns its number. Refuses `PollNotFound`."""
    poll_id = await session.scalar(select(poll.c.id).where(poll.c.public_id == public_id).with_for_update())
    if poll_id is None:
        raise PollNotFound()
    return int(poll_id)


async def _write_revision(
    session: Session, poll_id: int, number: int, definition: Definition, author_id: int, now: datetime
) -> None:
    await session.execute(
        insert(poll_revision).values(
            poll_id=poll_id, number=number, definition=definition.as_json(), author_id=author_id, saved_at=now
        )
    )
    place = select(territory.c.id).where(territory.c.code == definition.territory).scalar_subquery()
    await session.execute(
        update(poll)
        .where(poll.c.id == poll_id)
        .values(title_ru=definition.title.ru, title_en=definition.title.en, topic=definition.topic,
                territory_id=place, department=definition.department, opens_at=None, closes_at=None, updated_at=now,
                card=card_of(definition), search=search_of(definition))
    )  # fmt: skip

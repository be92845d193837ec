"""A participatory budget in Pabulib's format becomes a poll of ours: counted by the same engine, on the same ballots.

The voters of the file are registered in a register of their own, the poll is sealed, every ballot goes through
`cast_ballot`, the poll is closed and counted. All of it happens in the caller's one transaction, so an import that
fails, or whose process is killed, leaves nothing behind and is simply begun again.

Casting is judged by the database's clock, which cannot be told that it is the year of the file. So the poll opens when
it is imported and is closed when the last ballot is in; the city's own dates stand in the description.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, insert, select, text

from polls.authoring import close_early, create_draft, schedule_poll
from polls.board import KEY_BYTES, Signer
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll, sealed_poll
from polls.checkpoint import BoardSealer
from polls.counting import count_poll
from polls.eligibility import opening_day
from polls.errors import BadFile, InvalidAnswer, NotFound, RuleUnknown, WrongState
from polls.pabulib import Instance, PabulibCount, count_file
from polls.pabulib.counting import METHODS
from polls.pabulib_poll import QUESTION, definition_of, register_code_of, slug_of, territories_of
from polls.register import load_territories, territory_tree
from polls.sessions import ReadSession, Session
from polls.tables import citizen_period, poll

VOTE_TYPES = ("approval", "choose-1")
OPEN_FOR = timedelta(days=7)  # far more than any import takes; it is closed as soon as the last ballot is in
REASON = "Все бюллетени файла внесены. / Every ballot of the file has been cast."
REPORT_EVERY = 100
SEXES = {"F": "f", "K": "f", "W": "f", "M": "m"}  # Polish files: kobieta
OLDEST = 130

Progress = Callable[[int], None]


class ImportedAlready(WrongState):
    """This very file has been imported. Facts: `slug`."""

    detail = "This file has been imported already."
    next_step = "Open its results: what was counted is not counted again."


class TerritoryUnknown(NotFound):
    """The territory the poll should belong to is not stored. Facts: `territory`."""

    detail = "There is no such territory."
    next_step = "Give the code of a territory of the city, or none: the file's own places are then made."


@dataclass(frozen=True)
class RefusedBallot:
    """A ballot of the file that casting refused: its line, and the codes of what was wrong."""

    line: int
    codes: tuple[str, ...]


@dataclass(frozen=True)
class ImportedBudget:
    """What an import did. `selected`: project ids this poll funds, in file order; `count` is the file's own recount.

    `bounds_kept` is False where some real ballots lie outside the bounds the file declares: the poll then has none.
    """

    public_id: str
    slug: str
    cast: int
    refused: tuple[RefusedBallot, ...]
    selected: tuple[str, ...]
    count: PabulibCount
    bounds_kept: bool

    @property
    def agrees(self) -> bool:
        """Whether the poll funds what the file funds when counted by its own rule, apart from the database."""
        return self.selected == self.count.selected


def poll_id_of(content: bytes) -> str:
    """The id of the poll a file becomes: the same file, the same poll."""
    return hashlib.sha256(b"veche/pabulib/v1" + content).hexdigest()[:32]


async def import_budget(
    session: Session, instance: Instance, content: bytes, *, signer: Signer, sealer: BoardSealer, official_id: int,
    now: datetime,
    territory_code: str | None = None, zone: str = "Europe/Moscow", progress: Progress | None = None,
) -> ImportedBudget:  # fmt: skip
    """Make the file a counted poll in the session's transaction; the caller commits.

    `content` are the file's bytes, of which the poll's id is made. `territory_code` places the poll and its voters in
    a stored territory; otherwise country, city and districts of the file are made. `progress` hears the ballots cast.

    Refuses `RuleUnknown`, `ImportedAlready`, `TerritoryUnknown`, and `BadFile` for ballots that are not lists of
    projects and where the file lacks a number its rule needs.
    """
    _check_kind(instance)
    poll_id = poll_id_of(content)
    await _check_new(session, poll_id)
    count = count_file(instance)
    opens_at = (await _clock(session)).replace(microsecond=0)
    places, home = await _load_places(session, instance, territory_code)
    register_code = register_code_of(poll_id)
    definition, bounded = definition_of(
        instance, poll_id, register_code=register_code, territory=home, opens_at=opens_at,
        closes_at=opens_at + OPEN_FOR, zone=zone,
    )  # fmt: skip
    voters = await _register_voters(session, instance, places, home, register_code, opens_at, opening_day(definition))
    draft = await create_draft(session, official_id, definition, now, slug=slug_of(instance, poll_id))
    await schedule_poll(session, poll_id, official_id, draft.revision, now, unchecked=True)
    sealed = await sealed_poll(session, poll_id)
    refused = await _cast_all(session, sealed, instance, voters, signer, now, progress)
    await close_early(session, poll_id, official_id, REASON, now)
    await count_poll(session, poll_id, await _clock(session), sealer)
    return ImportedBudget(
        poll_id, sealed.slug, len(voters) - len(refused), tuple(refused),
        await funded_references(session, sealed), count, bounded,
    )  # fmt: skip


def _check_kind(instance: Instance) -> None:
    if instance.rule not in METHODS:
        raise RuleUnknown(rule=instance.rule, known=sorted(METHODS))
    if instance.vote_type not in VOTE_TYPES:
        reason = f"{instance.vote_type} ballots cannot be imported, only {' and '.join(VOTE_TYPES)}"
        raise BadFile(line=instance.meta_lines.get("vote_type"), field="META vote_type", reason=reason)


async def _check_new(session: ReadSession, poll_id: str) -> None:
    slug = await session.scalar(select(poll.c.slug).where(poll.c.public_id == poll_id))
    if slug is not None:
        raise ImportedAlready(slug=slug)


async def _clock(session: ReadSession) -> datetime:
    clock: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return clock


# ---- places and voters


async def _load_places(
    session: Session, instance: Instance, territory_code: str | None
) -> tuple[Mapping[str, str], str]:
    """Codes by the names of districts, and the code of the poll's own territory; without one, makes the file's."""
    if territory_code is not None:
        if territory_code not in (await territory_tree(session)).by_code:
            raise TerritoryUnknown(territory=territory_code)
        return {}, territory_code
    rows, districts = territories_of(instance)
    await load_territories(session, rows)
    return districts, rows[-1].code if instance.meta.get("district", "").strip() else rows[0].code


async def _register_voters(
    session: Session, instance: Instance, places: Mapping[str, str], home: str, register_code: str, since: datetime,
    on: date,
) -> Sequence[int]:  # fmt: skip
    """Register the file's voters, all in three statements; their ids stand in the order of the ballots.

    A year alone is known of their birth, so it is the first of January: the age on the opening day is then the file's.
    They have no identity: nobody can sign up as one of them.
    """
    tree = await territory_tree(session)
    ids = list(
        await session.scalars(
            text("SELECT nextval(pg_get_serial_sequence('citizen', 'id')) FROM generate_series(1, :n)"),
            {"n": len(instance.ballots)},
        )
    )
    births, sexes, districts = [], [], []
    for ballot in instance.ballots:
        age = _age(ballot.extra.get("age", ""))
        births.append(None if age is None else date(on.year - age, 1, 1))
        sexes.append(SEXES.get(ballot.extra.get("sex", "").strip().upper()))
        place = places.get(ballot.extra.get("district", "").strip(), home)
        districts.append(tree.by_code[place].id)
    await session.execute(
        text(
            "INSERT INTO citizen (id, register_code, birth_date, sex, registered_at)"
            " SELECT id, :register, born, sex, :since FROM unnest(CAST(:ids AS bigint[]), CAST(:births AS date[]),"
            " CAST(:sexes AS text[])) AS voter (id, born, sex)"
        ),
        {"register": register_code, "since": since, "ids": ids, "births": births, "sexes": sexes},
    )
    await session.execute(
        insert(citizen_period).from_select(
            ["citizen_id", "valid_from", "district_id", "level"],
            select(
                text("id"), text("CAST(:since AS timestamptz)"), text("district"), text("1")
            ).select_from(
                text("unnest(CAST(:ids AS bigint[]), CAST(:districts AS integer[])) AS voter (id, district)")
            ),
        ),
        {"since": since, "ids": ids, "districts": districts},
    )  # fmt: skip
    return ids


def _age(value: str) -> int | None:
    """An age out of a file; what cannot be one is not known."""
    value = value.strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 3 and int(value) <= OLDEST else None


# ---- ballots


async def _cast_all(
    session: Session, sealed: SealedPoll, instance: Instance, voters: Sequence[int], signer: Signer, now: datetime,
    progress: Progress | None,
) -> list[RefusedBallot]:  # fmt: skip
    """Cast every ballot the way residents do; one that does not fit the question is reported and left out."""
    question = sealed.definition.question(QUESTION)
    assert question is not None
    options = {option.reference: option.id for option in question.options}
    refused = []
    for done, (ballot, voter) in enumerate(zip(instance.ballots, voters, strict=True), start=1):
        answers = {str(QUESTION): [options[project] for project in ballot.projects]}
        try:
            await cast_ballot(session, sealed, voter, answers, secrets.token_bytes(KEY_BYTES), signer, now, "import")
        except InvalidAnswer as refusal:  # raised before anything is written
            refused.append(RefusedBallot(ballot.line, tuple(error.code for error in refusal.errors)))
        if progress is not None and (done % REPORT_EVERY == 0 or done == len(voters)):
            progress(done)
    return refused


async def funded_references(session: ReadSession, sealed: SealedPoll) -> tuple[str, ...]:
    """The references of the projects a counted budget poll funds, in the order of the document."""
    outcomes = await session.scalar(
        text("SELECT outcomes FROM count_record WHERE poll_id = :poll ORDER BY version DESC LIMIT 1"),
        {"poll": sealed.id},
    )
    winners = {option for outcome in outcomes for option in outcome["winners"] if outcome["question_id"] == QUESTION}
    question = sealed.definition.question(QUESTION)
    assert question is not None
    return tuple(option.reference for option in question.options if option.id in winners)

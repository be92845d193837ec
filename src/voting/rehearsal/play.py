"""A rehearsal played: the poll sealed, ballots cast side by side by the real use case, closed, counted, published.

What must be refused is tried as well: people who may not vote, second votes, retries, ballots that fit no question,
votes while paused and after closing. Every outcome is counted again here from the answers that were sent.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from polls.authoring import check_draft, close_early, create_draft, load_draft, schedule_poll
from polls.ballot import NOT_SHOWN, encode_ballot, style_of
from polls.board import Signer
from polls.casting import Cast, cast_ballot
from polls.catalogue import SealedPoll, sealed_poll
from polls.checkpoint import BoardSealer
from polls.counting import count_poll
from polls.definition import Definition
from polls.definition_exchange import export_definition
from polls.definition_file import read_file
from polls.errors import InvalidAnswer, Refusal
from polls.pausing import pause_poll, resume_poll
from polls.register import group_ids, territory_tree
from polls.rules import UnitRule
from polls.sessions import ReadSession, Session
from polls.tally import tally
from polls.tally.profile import Profile
from polls.tally.quorum import check_quorum
from results.exports.answers import answers_csv
from results.exports.codebook import codebook
from results.exports.csv import details_csv, results_csv, results_json, turnout_csv
from results.exports.dialects import Download
from results.exports.texts import texts_csv
from results.figures import counted_version
from voting.db import Database
from voting.rehearsal.answers import random_answers
from voting.rehearsal.electorate import Electorate, Person, make_up, settle
from voting.rehearsal.report import File, Load, Report, Trial, percentile
from voting.rehearsal.throwaway import copy_places
from voting.retrying import in_transaction
from voting.secrets import Ed25519Signer

OFFICIAL = 0
LATE = 20  # who try after closing
MOST_TRIED = 200  # of each thing that must be refused
WHY = "репетиция / rehearsal"
TELL_EVERY = 1.0  # seconds between two states of the voting

Tell = Callable[[str], None]
"""Hears what is being done now, a line each."""


@dataclass(frozen=True)
class Plan:
    """What is asked for: ballots to cast, how many of the entitled they are (percent), how many at once, the seed."""

    voters: int
    turnout: int = 60
    at_once: int = 16
    seed: int = 1


@dataclass
class _Stage:
    """Where it is played, and what has happened so far."""

    database: Database
    poll: SealedPoll
    signer: Signer
    rng: random.Random
    tell: Tell
    sent: dict[int, Counter[str]] = field(default_factory=dict)
    styles: Counter[int] = field(default_factory=Counter)
    trials: list[Trial] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    idle: list[Person] = field(default_factory=list)
    taken: list[tuple[Person, dict[str, Any], bytes, Cast]] = field(default_factory=list)

    async def cast(self, person: Person, answers: Mapping[str, Any], key: bytes) -> Cast:
        """One ballot by the real path, in a transaction of its own."""

        async def work(session: Session) -> Cast:
            now = datetime.now(UTC)
            return await cast_ballot(session, self.poll, person.facts.citizen_id, answers, key, self.signer, now)

        return await in_transaction(self.database, work)

    async def expect(self, what: str, expected: str, code: str, work: Sequence[Callable[[], Awaitable[Any]]]) -> None:
        """Try things that must be refused with one code, and write down how often they were."""
        held = 0
        for one in work:
            try:
                await one()
            except Refusal as refusal:
                held += refusal.code == code
        self.trials.append(Trial(what, expected, len(work), held))


async def rehearse_poll(
    real: ReadSession, database: Database, slug: str, plan: Plan, tell: Tell = lambda line: None
) -> tuple[Report, Definition]:
    """Play the poll through in `database`, which is empty and thrown away; `real` is only read. `tell` hears each step.

    Refuses `PollNotFound`. Whatever goes wrong on the way is in the report's `problems`.
    """
    now = datetime.now(UTC)
    definition = read_file((await export_definition(real, slug)).data)
    source = await load_draft(real, definition.poll_id, now)
    checklist = await check_draft(real, definition, now) if source.poll_hash is None else None
    async with database.open_session() as session:
        await copy_places(real, session)
    tell("making up people who may vote")
    stage, electorate = await _open(database, definition, plan, now, tell)
    stage.problems += _against(electorate)
    load = await _vote(stage, electorate, plan)
    tell("trying what must be refused")
    await _try_refusals(stage, electorate)
    tell("closing and counting")
    counting = await _close_and_count(stage)
    load = Load(**{**vars(load), "counting_seconds": counting})
    tell("counting once more, and making every file that would be published")
    return await _reported(stage, source.slug, source.state.value, electorate, load, checklist), stage.poll.definition


async def _open(
    database: Database, definition: Definition, plan: Plan, now: datetime, tell: Tell
) -> tuple[_Stage, Electorate]:
    """Seal the poll with times of now, its people made up and in the register."""
    opens = now.replace(microsecond=0) - timedelta(minutes=1)
    running = definition.model_copy(
        update={"poll_id": secrets.token_hex(16), "opens_at": opens, "closes_at": opens + timedelta(days=1),
                "roll_known": True}
    )  # fmt: skip
    rng = random.Random(plan.seed)  # noqa: S311  the same seed plays the same rehearsal
    async with database.open_session() as session:
        tree, groups = await territory_tree(session, buildings=True), await group_ids(session)
        entitled = -(-plan.voters * 100 // plan.turnout)
        electorate = await asyncio.to_thread(make_up, running, tree, groups.keys(), entitled, rng)
        await settle(session, electorate, tree, groups)
        draft = await create_draft(session, OFFICIAL, running, now)
        await schedule_poll(session, draft.public_id, OFFICIAL, draft.revision, now, unchecked=True)
    async with database.open_read_session() as session:
        poll = await sealed_poll(session, running.poll_id)
    key = Ed25519PrivateKey.generate()
    return _Stage(database, poll, Ed25519Signer("rehearse", key), rng, tell), electorate


def _against(electorate: Electorate) -> list[str]:
    found = len(electorate.entitled)
    if found == 0:
        return ["nobody made up may vote: the audience names what the register does not know, or nobody can be"]
    if found < electorate.asked_for:
        return [f"only {found:,} of {electorate.asked_for:,} people made up may vote: the audience is very narrow"]
    return []


async def _vote(stage: _Stage, electorate: Electorate, plan: Plan) -> Load:
    """Everybody who takes part votes, `at_once` side by side, with one pause in the middle."""
    voters = list(electorate.entitled)
    stage.rng.shuffle(voters)
    voters, stage.idle = voters[: plan.voters], voters[plan.voters :]
    ballots = [(person, _filled(stage, person)) for person in voters]
    tell_cast = _cast_so_far(stage.tell, len(ballots))
    took: list[float] = []
    refused: Counter[str] = Counter()
    half = len(ballots) // 2
    began = time.perf_counter()
    await _side_by_side(stage, ballots[:half], plan.at_once, took, refused, tell_cast)
    seconds = time.perf_counter() - began
    if ballots[half:]:
        stage.tell("pausing, and trying to vote meanwhile")
        await _pause(stage, ballots[half:][:MOST_TRIED])
    began = time.perf_counter()
    await _side_by_side(stage, ballots[half:], plan.at_once, took, refused, tell_cast)
    seconds += time.perf_counter() - began
    stage.problems += [f"{n:,} ballots that should be taken were refused: {code}" for code, n in refused.items()]
    took.sort()
    p50, p99 = (round(1_000 * percentile(took, share), 2) for share in (0.5, 0.99))
    speed = round(len(took) / seconds, 1) if seconds else 0.0
    return Load(len(took), round(seconds, 3), speed, p50, p99, plan.at_once, 0.0)


def _cast_so_far(tell: Tell, whole: int) -> Callable[[int], None]:
    """What hears the number of ballots cast, and tells of it at once, then every second, and at the end."""
    last = 0.0

    def hear(cast: int) -> None:
        nonlocal last
        now = time.monotonic()
        if cast == whole or now - last >= TELL_EVERY:
            last = now
            tell(f"{cast:,} of {whole:,} ballots cast")

    return hear


def _filled(stage: _Stage, person: Person) -> dict[str, Any]:
    """A ballot at random for this person's style."""
    definition = stage.poll.definition
    return random_answers(definition, style_of(definition, person.facts.territories), stage.rng)


async def _side_by_side(
    stage: _Stage, ballots: Sequence[tuple[Person, dict[str, Any]]], at_once: int, took: list[float],
    refused: Counter[str], tell_cast: Callable[[int], None],
) -> None:  # fmt: skip
    waiting = iter(ballots)
    definition = stage.poll.definition

    async def voter() -> None:
        for person, answers in waiting:
            key = secrets.token_bytes(16)
            began = time.perf_counter()
            try:
                cast = await stage.cast(person, answers, key)
            except Refusal as refusal:
                refused[refusal.code] += 1
                continue
            took.append(time.perf_counter() - began)
            tell_cast(len(took))
            style = style_of(definition, person.facts.territories)
            stage.styles[style] += 1
            encoded = encode_ballot(definition, answers, style)
            for number, answer in zip(stage.poll.question_ids, encoded.answers, strict=True):
                if answer != NOT_SHOWN:
                    stage.sent.setdefault(number, Counter())[answer] += 1
            if len(stage.taken) < MOST_TRIED:
                stage.taken.append((person, answers, key, cast))

    await asyncio.gather(*(voter() for _ in range(at_once)))


async def _pause(stage: _Stage, ballots: Sequence[tuple[Person, dict[str, Any]]]) -> None:
    """Interrupt the voting, see that nothing is taken, and go on with the closing time moved."""
    before = stage.poll.closes_at
    async with stage.database.open_session() as session:
        await pause_poll(session, stage.poll.public_id, OFFICIAL, WHY, datetime.now(UTC))
    tries = [partial(stage.cast, person, answers, secrets.token_bytes(16)) for person, answers in ballots]
    await stage.expect("votes while the poll was paused", "refused", "poll_paused", tries)
    async with stage.database.open_session() as session:
        after = await resume_poll(session, stage.poll.public_id, OFFICIAL, datetime.now(UTC))
    if not after > before:
        stage.problems.append("the closing time did not move by the pause")


async def _try_refusals(stage: _Stage, electorate: Electorate) -> None:
    """Second votes, retries, people who may not vote, ballots that fit nothing."""
    again = [partial(stage.cast, person, answers, secrets.token_bytes(16))
             for person, answers, _, _ in stage.taken]  # fmt: skip
    if not stage.poll.definition.may_change:
        await stage.expect("second votes of one person", "refused", "already_voted", again)
    same = 0
    for person, answers, key, first in stage.taken:
        repeated = await stage.cast(person, answers, key)
        same += repeated.repeated and repeated.receipt == first.receipt
    stage.trials.append(Trial("the same vote sent again", "given the first receipt", len(stage.taken), same))
    outsiders = electorate.outsiders[:MOST_TRIED]
    tries = [partial(stage.cast, person, {}, secrets.token_bytes(16)) for person in outsiders]
    await stage.expect("votes of people outside the audience", "refused", "not_eligible", tries)
    wrong = [partial(stage.cast, person, {"0": 1}, secrets.token_bytes(16)) for person in stage.idle[:LATE]]
    await stage.expect("ballots with a question that is not there", "refused", InvalidAnswer.code, wrong)


async def _close_and_count(stage: _Stage) -> float:
    """Close early, try to vote once more, count; returns the seconds the count took."""
    now = datetime.now(UTC)
    async with stage.database.open_session() as session:
        await close_early(session, stage.poll.public_id, OFFICIAL, WHY, now)
    late = [
        partial(stage.cast, person, _filled(stage, person), secrets.token_bytes(16)) for person in stage.idle[:LATE]
    ]
    await stage.expect("votes after closing", "refused", "poll_closed", late)
    began = time.perf_counter()
    async with stage.database.open_session() as session:
        await count_poll(session, stage.poll.public_id, now, BoardSealer("rehearse", stage.signer, "veche rehearse"))
    return round(time.perf_counter() - began, 3)


async def _reported(stage: _Stage, slug: str, state: str, electorate: Electorate, load: Load, checklist: Any) -> Report:
    async with stage.database.open_read_session() as session:
        stage.poll = await sealed_poll(session, stage.poll.public_id)
        counted = await counted_version(session, stage.poll.id)
    assert counted is not None
    quorum = check_quorum(stage.poll.definition.quorum, counted.ballots, len(electorate.entitled))
    outcomes = [outcome.as_json() for outcome in counted.outcomes]
    stage.problems += _recounted(stage, outcomes, len(electorate.entitled))
    if counted.ballots != load.ballots or counted.participations != load.ballots:
        stage.problems.append(
            f"{load.ballots:,} ballots were taken, {counted.ballots:,} counted, {counted.participations:,} took part"
        )
    stage.problems += [
        f"{trial.what}: {trial.tried - trial.held} of {trial.tried} were not {trial.expected}"
        for trial in stage.trials
        if trial.held != trial.tried
    ]
    found = [finding.as_json() for finding in checklist.findings] if checklist is not None else []
    return Report(
        slug, stage.poll.poll_hash.hex(), state, len(electorate.entitled), len(electorate.outsiders), load.ballots,
        quorum.met if stage.poll.definition.quorum else None, dict(stage.styles), load, outcomes, stage.trials,
        await _files(stage), found,
        stage.problems,
    )  # fmt: skip


def _recounted(stage: _Stage, outcomes: Sequence[Mapping[str, Any]], entitled: int) -> list[str]:
    """Count what was sent once more, in memory, and name the questions where the poll counted something else.

    Flats need the register of owners, so of their questions only the ballots are compared.
    """
    wrong = []
    for question, outcome in zip(stage.poll.definition.questions, outcomes, strict=True):
        sent = stage.sent.get(question.id, Counter())
        if outcome["cast"] != sent.total():
            wrong.append(f"question {question.id}: {sent.total():,} answers were sent, {outcome['cast']:,} counted")
        if isinstance(question.rule, UnitRule) or question.styles or stage.poll.definition.styles:
            continue  # shares of a style's own roll are the poll's matter
        again = tally(question, Profile(dict(sent), entitled)).as_json()
        wrong += [
            f"question {question.id}: counted again, {key} is different"
            for key in ("winners", "order", "valid", "blank", "neutral", "ties")
            if again[key] != outcome[key]
        ]
    return wrong


async def _files(stage: _Stage) -> list[File]:
    """Every file that will be published, made in full; one that is refused says why."""
    session, slug, now = stage.database.open_read_session, stage.poll.public_id, datetime.now(UTC)
    makers: dict[str, Callable[[], Awaitable[Download]]] = {
        "results.csv": lambda: results_csv(session, slug, now=now),
        "details.csv": lambda: details_csv(session, slug, now=now),
        "turnout.csv": lambda: turnout_csv(session, slug, now=now),
        "answers.csv": lambda: answers_csv(session, slug, now=now),
        "texts.csv": lambda: texts_csv(session, slug, now=now),
        "results.json": lambda: results_json(session, slug, now=now),
        "codebook.json": lambda: codebook(session, slug, now=now),
    }
    files = []
    for name, make in makers.items():
        try:
            download = await make()
        except Refusal as refusal:
            files.append(File(name, None, refusal.code))
            continue
        size = sum([len(chunk) async for chunk in download.chunks])
        files.append(File(name, size))
        if not size:
            stage.problems.append(f"{name} is empty")
    return files

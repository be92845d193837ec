"""Who voted what, attacked (BALLOTS 13–14): till the count the link is there; after it nothing tells more than chance.

A poll of 2,000 residents is cast for real, in a known order, one by one and many at a time, with words, reviews while
it runs and late registrations. Then everything the service has written is turned against it.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import (
    AUTHOR,
    SEALER,
    ASigner,
    a_citizen,
    a_city,
    a_key,
    a_single_choice,
    an_open_poll,
    both,
    close_now,
)
from tests.polls.linkage import Row, Score, Side, most_by_chance, pair_by_order, pair_by_value, rank_correlation

from polls.board import ballot_id, leaf_hashes
from polls.casting import BallotBox, cast_ballot
from polls.catalogue import SealedPoll
from polls.counting import count_poll
from polls.eligibility import opening_day
from polls.own_answers import Status, review
from polls.published import published_styles
from polls.sessions import ReadSession, Session
from polls.strata import LEAST, Stratum, coarsen
from polls.votes import Vote
from voting.db import Database

SIGNER = ASigner()
PEOPLE, APART, TOGETHER, LATE = 2_000, 1_000, 20, 60
"""Voters; how many come one by one; how many at a time the others; how many registered after the opening."""
TEXT = {"kind": "text", "id": 2, "text": {"ru": "Что ещё?", "en": "What else?"}, "required": False}


@dataclass
class Truth:
    """What really happened, which no attacker has: who sent which ballot and which words, in which order."""

    ballot_of: dict[int, bytes] = field(default_factory=dict)
    answers_of: dict[bytes, str] = field(default_factory=dict)
    words_of: dict[int, str] = field(default_factory=dict)
    order: dict[int, int] = field(default_factory=dict)


@dataclass
class View:
    """What the attacker reads: people with the stratum he works out for each, ballots, all other tables."""

    people: Side
    ballots: Side
    words: list[Row]


async def register(session: ReadSession) -> None:
    """Residents of three districts, of all ages and both sexes, a fifth of whom never vote."""
    await session.execute(
        text(
            "WITH made AS (INSERT INTO citizen (birth_date, sex, registered_at)"
            "  SELECT date '1940-01-01' + (n * 7919 % 24000), CASE WHEN n % 2 = 0 THEN 'f' ELSE 'm' END,"
            "         CASE WHEN n <= :late THEN now() - interval '1 minute' ELSE timestamptz '2020-01-01' END"
            "  FROM generate_series(1, :people) n RETURNING id, registered_at)"
            " INSERT INTO citizen_period (citizen_id, valid_from, district_id, level)"
            " SELECT made.id, made.registered_at, d.id, 2 FROM made JOIN territory d ON d.code ="
            "  CASE WHEN made.id % 20 < 12 THEN 'msk-cao-arbat' WHEN made.id % 20 < 19 THEN 'msk-cao-basmanny'"
            "       ELSE 'msk-sao-timiryazevsky' END"
        ),
        {"people": PEOPLE * 5 // 4, "late": LATE},
    )


async def everybody_votes(database: Database, poll: SealedPoll, truth: Truth) -> None:
    """Cast for everybody, in an order of its own; a moderator judges each word as soon as it has come."""
    dice = random.Random(20261122)
    async with database.open_read_session() as session:
        citizens = list(await session.scalars(text("SELECT id FROM citizen ORDER BY id")))
    late, others = citizens[:LATE], citizens[LATE:]
    dice.shuffle(others)
    voters = late + others[: PEOPLE - LATE]
    dice.shuffle(voters)
    truth.order = {citizen: place for place, citizen in enumerate(voters)}
    alone = [[citizen] for citizen in voters[:APART]]
    together = [voters[start : start + TOGETHER] for start in range(APART, PEOPLE, TOGETHER)]
    box = BallotBox(database.open_session, lambda: SIGNER)
    for group in alone + together:
        votes = []
        for citizen in group:
            choice = dice.choices([1, 2, 3, 90, 0], [50, 25, 12, 8, 5])[0]
            answers: dict[str, Any] = {"1": choice or {"own": f"Своё слово {citizen}"}}
            if dice.random() < 0.25:
                answers["2"] = truth.words_of[citizen] = f"Слова жителя {citizen}"
            key = hashlib.sha256(b"K%d" % citizen).digest()
            votes.append(Vote(poll, citizen, answers, key, datetime.now(UTC)))
        for vote, cast in zip(votes, await asyncio.gather(*map(box.cast, votes)), strict=True):
            truth.ballot_of[vote.citizen_id] = cast.ballot_id
            truth.answers_of[cast.ballot_id] = str(vote.answers["1"] if isinstance(vote.answers["1"], int) else 0)
        said = [truth.words_of[citizen] for citizen in group if citizen in truth.words_of]
        if len(group) == 1 and said:
            async with database.open_session() as session:
                status = dice.choice([Status.APPROVED, Status.REJECTED])
                await review(session, poll.public_id, 2, said[0], status, AUTHOR, datetime.now(UTC), note="Не о том.")


_SYSTEM = "t.ctid::text AS at, t.xmin::text::bigint AS xmin, t.cmin::text::bigint AS cmin, t.tableoid::bigint AS place"


def place(row: Row) -> tuple[int, int, int]:
    """Where a row lies: partition, page, item."""
    page, item = row["at"].strip("()").split(",")
    return row["place"], int(page), int(item)


async def look(database: Database, poll: SealedPoll, source: str) -> View:
    """Read everything, and work out everybody's stratum from the register as the service itself does."""
    async with database.open_read_session() as session:
        people = [
            dict(row._mapping)
            for row in await session.execute(
                text(
                    f"SELECT t.*, {_SYSTEM}, p.district_id, c.sex,"
                    " extract(year FROM age(:day, c.birth_date))::int AS age FROM participation t"
                    " JOIN citizen c ON c.id = t.citizen_id JOIN citizen_period p ON"
                    " p.citizen_id = c.id WHERE t.poll_id = :poll"
                ),
                {"poll": poll.id, "day": opening_day(poll.definition)},
            )
        ]
        where = "WHERE t.poll_id = :poll" if source == "ballot" else "WHERE :poll > 0"
        ballots = [
            {**row._mapping, "ballot_id": bytes(row.ballot_id), "leaves": _leaves(poll, row)}
            for row in await session.execute(text(f"SELECT t.*, {_SYSTEM} FROM {source} t {where}"), {"poll": poll.id})
        ]
        words: list[Row] = [
            dict(row._mapping)
            for row in await session.execute(
                text(f"SELECT t.*, {_SYSTEM} FROM text_answer t WHERE poll_id = :poll AND question_id = 2"),
                {"poll": poll.id},
            )
        ]
        parents = {row.id: row.parent_id for row in await session.execute(text("SELECT id, parent_id FROM territory"))}
    bands = poll.definition.age_bands
    fine = {
        row["citizen_id"]: Stratum(
            row["district_id"], sum(row["age"] >= band for band in bands) or 97, {"f": 1, "m": 2}[row["sex"]]
        )
        for row in people
    }
    sizes: dict[Stratum, int] = {}
    for stratum in fine.values():
        sizes[stratum] = sizes.get(stratum, 0) + 1
    final = coarsen(sizes, parents.get) if source == "ballot" else {stratum: stratum for stratum in sizes}
    return View(
        Side(people, "citizen_id", lambda row: final[fine[row["citizen_id"]]].code),
        Side(ballots, "ballot_id", lambda row: int(row["stratum"])),
        words,
    )


def _leaves(poll: SealedPoll, row: Any) -> tuple[bytes, ...]:
    return leaf_hashes(poll.poll_hash, bytes(row.ballot_id), poll.question_ids, row.answers, row.style)


def attacks(view: View, truth: Truth) -> list[Score]:
    """Every order of people against every order of ballots, both ways round, and every value joined on every other."""
    people, ballots = view.people, view.ballots
    dice = random.Random(7)
    shared = (people, ballots, truth.ballot_of, truth.answers_of)
    # The order people came in: what a request log with sessions, or a camera, would tell.
    of_people: dict[str, Callable[[Row], Any]] = {
        "time": lambda row: truth.order[row["citizen_id"]],
        "xmin": lambda row: (row["xmin"], row["cmin"], place(row)),
        "place": place,
        "citizen": lambda row: row["citizen_id"],
    }
    of_ballots: dict[str, Callable[[Row], Any]] = {
        "place": place,
        "xmin": lambda row: (row["xmin"], row["cmin"], place(row)),
        "ballot id": lambda row: row["ballot_id"],
        "first leaf": lambda row: row["leaves"][0],
        "second leaf": lambda row: row["leaves"][1],
    }
    scores = [
        pair_by_order(f"{one} → {other}{' backwards' * back}", *shared, of_people[one], of_ballots[other],
                      backwards=back)
        for one in of_people for other in of_ballots for back in (False, True)
    ]  # fmt: skip
    joins = ("xmin", "cmin", "at")
    scores += [
        pair_by_value(f"{one} = {other}", *shared, lambda r, c=one: r[c], lambda r, c=other: r[c], dice)  # type: ignore[misc]
        for one in joins for other in joins
    ]  # fmt: skip
    page: Callable[[Row], Any] = lambda row: place(row)[1]  # noqa: E731
    scores.append(pair_by_value("page = page", *shared, page, page, dice))
    return scores


async def transactions(database: Database) -> dict[str, set[int]]:
    """Table or partition → the transactions its rows bear."""
    found: dict[str, set[int]] = {}
    async with database.open_read_session() as session:
        names = await session.execute(
            text("SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid ="
                 " c.relnamespace WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema',"
                 " 'pg_toast')")
        )  # fmt: skip
        for (name,) in names.all():
            found[name] = set(await session.scalars(text(f"SELECT DISTINCT xmin::text::bigint FROM {name}")))
    return found


@asynccontextmanager
async def by_hand(database: Database) -> AsyncIterator[Callable[[str], Any]]:
    """Statements that stand in no transaction, such as VACUUM."""
    async with database.engine.connect() as connection:
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")

        async def run(statement: str) -> None:
            await outside.execute(text(statement))

        yield run


async def test_no_method_links_ballots_to_people_after_the_count(fresh_database: Database) -> None:
    truth = Truth()
    async with fresh_database.open_session() as session:
        await a_city(session)
        await register(session)
        poll = await an_open_poll(
            session, questions=[a_single_choice(own_answer=True), TEXT], late_registration=True,
            strata=["district", "age_band", "sex"], audience={"op": "all", "of": [{"op": "age", "at_least": 14}]},
            closes_at=(datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0),
        )  # fmt: skip
    await everybody_votes(fresh_database, poll, truth)
    assert len(truth.ballot_of) == PEOPLE and len(truth.words_of) > 400

    before = await look(fresh_database, poll, f"intake_{poll.id}")
    shows_before_the_count(before, truth)
    writer = {words: citizen for citizen, words in truth.words_of.items()}
    assert await found_by_reviews(fresh_database, writer) > 200, "so do words that are judged at once"
    async with by_hand(fresh_database) as run:
        await run(f"VACUUM (FULL, FREEZE) intake_{poll.id}")
    shows_before_the_count(await look(fresh_database, poll, f"intake_{poll.id}"), truth)

    async with fresh_database.open_session() as session:
        await close_now(session, poll)
        await count_poll(session, poll.public_id, datetime.now(UTC), SEALER)
    after = await look(fresh_database, poll, "ballot")
    sizes: dict[int, int] = {}
    for row in after.ballots.rows:
        sizes[row["stratum"]] = sizes.get(row["stratum"], 0) + 1
    assert min(sizes.values()) >= LEAST and len(sizes) > 10
    tells_no_more_than_chance(after, truth)
    await bears_no_transaction_of_a_vote(fresh_database, after, poll)
    await names_no_ballot_anywhere_else(fresh_database, truth)
    await words_lead_to_nobody(fresh_database, after, truth)

    async with by_hand(fresh_database) as run:
        partition = after.ballots.rows[0]["place"]
        async with fresh_database.open_read_session() as session:
            name = await session.scalar(text("SELECT CAST(:p AS oid)::regclass::text"), {"p": partition})
        await run(f"CLUSTER {name} USING {name}_pkey")
        for statement in ("VACUUM (FULL, FREEZE)", "ANALYZE"):
            await run(statement)
    tells_no_more_than_chance(await look(fresh_database, poll, "ballot"), truth)


def shows_before_the_count(view: View, truth: Truth) -> None:
    """The attack is real: till the count the rows of one transaction are a person and his ballot."""
    scores = {score.method: score for score in attacks(view, truth)}
    joined = scores["xmin = xmin"]
    assert joined.hits >= APART, "everybody who came alone is found"
    assert joined.hits > APART + most_by_chance(joined.expected), "and of those who came together more than by chance"
    assert scores["xmin → xmin"].links and scores["time → place"].links
    assert not scores["citizen → ballot id"].links


def tells_no_more_than_chance(view: View, truth: Truth) -> None:
    scores = attacks(view, truth)
    assert len(scores) >= 50
    assert not [score for score in scores if score.links], "better than chance"
    came = [truth.order[row["citizen_id"]] for row in view.people.rows]
    by_id = {row["ballot_id"]: row for row in view.ballots.rows}
    own = [by_id[truth.ballot_of[row["citizen_id"]]] for row in view.people.rows]
    for order in (place, lambda row: row["ballot_id"], lambda row: row["leaves"][0], lambda row: row["leaves"][1]):
        assert abs(rank_correlation(came, [order(row) for row in own])) <= 4


async def bears_no_transaction_of_a_vote(database: Database, view: View, poll: SealedPoll) -> None:
    """No row that has to do with ballots or words was written with a participation; nor a bridge between them."""
    votes = {row["xmin"] for row in view.people.rows}
    assert APART < len(votes) < APART + (PEOPLE - APART) / 4, "batches share a transaction"
    shared = {name for name, numbers in (await transactions(database)).items() if numbers & votes}
    # What a vote leaves beside the participation: facts of the roll and counts, none of which knows an answer.
    allowed = {"public.roll_amendment", "public.turnout_shard", "public.turnout_minute"}
    assert {name for name in shared if not name.startswith("public.participation")} <= allowed
    assert {row["xmin"] for row in view.ballots.rows}.isdisjoint(votes)
    assert len({row["xmin"] for row in view.ballots.rows}) == 1, "all ballots are of the count's own transaction"


async def names_no_ballot_anywhere_else(database: Database, truth: Truth) -> None:
    """No ballot id outside the ballots, in any spelling a row could have it in."""
    ids = {made.hex() for made in truth.ballot_of.values()}
    async with database.open_read_session() as session:
        tables = await session.scalars(text("SELECT relname FROM pg_class WHERE relkind = 'r' AND"
                                            " relnamespace = 'public'::regnamespace"))  # fmt: skip
        for table in [name for name in tables.all() if not name.startswith("ballot")]:
            for row in await session.scalars(text(f'SELECT row_to_json(t)::text FROM "{table}" t')):
                words = set("".join(c if c in "0123456789abcdef" else " " for c in row).split())
                assert ids.isdisjoint(words), table


async def found_by_reviews(database: Database, writer: dict[str, int]) -> int:
    """Texts told from their review: judged as soon as they came, they are of whoever had voted last.

    The moment of a review stands in the text's row and in the event, whose transaction has its place among the votes.
    """
    async with database.open_read_session() as session:
        rows = await session.execute(
            text(
                "SELECT t.text, (SELECT p.citizen_id FROM participation p WHERE p.poll_id = t.poll_id AND"
                "  p.xmin::text::bigint < e.xmin::text::bigint ORDER BY p.xmin::text::bigint DESC LIMIT 1) AS last"
                " FROM text_answer t JOIN registry_event e ON e.at = t.reviewed_at AND e.kind = 'text_reviewed'"
            )
        )
        return sum(writer[row.text] == row.last for row in rows)


async def words_lead_to_nobody(database: Database, view: View, truth: Truth) -> None:
    """Neither to whoever wrote them nor to the ballot they came with, be they judged the moment they came."""
    writer = {words: citizen for citizen, words in truth.words_of.items()}
    rows = [row for row in view.words if row["text"] in writer]
    assert len(rows) == len(truth.words_of)
    came = [truth.order[writer[row["text"]]] for row in rows]
    by_id = {row["ballot_id"]: row for row in view.ballots.rows}
    ballots = [by_id[truth.ballot_of[writer[row["text"]]]] for row in rows]
    for order in (place, lambda row: row["id"], lambda row: row["xmin"], lambda row: row["cmin"]):
        ours = [order(row) for row in rows]
        assert abs(rank_correlation(came, ours)) <= 4
        for theirs in (place, lambda row: row["ballot_id"], lambda row: row["leaves"][1]):
            assert abs(rank_correlation([theirs(row) for row in ballots], ours)) <= 4
    assert len([row for row in rows if row["status"] != "pending"]) > 200
    assert await found_by_reviews(database, writer) == 0
    async with database.open_read_session() as session:
        events = await session.scalars(text("SELECT body FROM registry_event WHERE kind = 'text_reviewed'"))
        assert {tuple(sorted(body)) for body in events} == {("by", "question")}, "nothing to tell one text by"
    # Even with the writers known, in their order: one hit by chance.
    for order in (place, lambda row: row["id"]):
        laid = [writer[row["text"]] for row in sorted(rows, key=order)]
        writers = sorted(laid, key=truth.order.__getitem__)
        assert sum(a == b for a, b in zip(laid, writers, strict=True)) <= most_by_chance(1)


def test_chance_is_worked_out_and_a_real_link_is_seen() -> None:
    """The ruler itself: random pairs stay within, a weak link (one stratum of fifteen in order) does not."""
    dice = random.Random(1)
    truth = {n: bytes([n % 251, n // 251]) for n in range(1_500)}
    answers = {made: str(dice.choice([1, 1, 2, 3])) for made in truth.values()}
    people = Side([{"id": n} for n in truth], "id", lambda row: row["id"] % 15)
    named = {made: n for n, made in truth.items()}
    ballots = Side([{"b": made} for made in answers], "b", lambda row: named[row["b"]] % 15)
    noise = {n: dice.random() for n in truth}
    blind = pair_by_order("noise", people, ballots, truth, answers, lambda r: noise[r["id"]], lambda r: r["b"])
    assert not blind.links and blind.expected == 15
    leak: Callable[[Row], Any] = lambda r: r["id"] if r["id"] % 15 == 0 else noise[r["id"]]  # noqa: E731
    seen = pair_by_order("leak", people, ballots, truth, answers, leak, lambda r: named[r["b"]])
    assert seen.hits >= 100 and seen.links
    assert most_by_chance(15) == pytest.approx(15 + 4 * 15**0.5, abs=4)
    assert rank_correlation(range(100), range(100)) == pytest.approx(99**0.5)


def test_ballot_ids_come_from_keys_alone() -> None:
    """Nothing about a person is hashed into a ballot id, so nobody can try the register against it."""
    poll_hash = b"h" * 32
    assert ballot_id(poll_hash, b"k" * 16) == hashlib.sha256(b"veche/ballot/v1" + poll_hash + b"k" * 16).digest()[:16]


async def test_a_changed_named_vote_cannot_be_worked_out_from_what_is_left_of_it(fresh_database: Database) -> None:
    """Of the old vote its leaf is left: with everything stored, no answer and no ballot id there is makes it again."""
    named = {"privacy": "named", "may_change": True, "names_seen_by": both("Комиссия", "The commission")}
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session, **named)
        people = [await a_citizen(session) for _ in range(12)]
    old: set[bytes] = set()
    for place_of, citizen in enumerate(people):
        for choice in (1 + place_of % 3, 2):
            async with fresh_database.open_session() as session:
                cast = await cast_ballot(
                    session, poll, citizen, {"1": choice}, a_key(), SIGNER, datetime.now(UTC)
                )  # fmt: skip
            old.add(cast.ballot_id)
    async with by_hand(fresh_database) as run:
        await run("VACUUM named_ballot")
    async with fresh_database.open_read_session() as session:
        left = {bytes(leaf) for leaf in await session.scalars(text("SELECT leaf_hash FROM superseded"))}
        known = {bytes(made) for made in await session.scalars(text("SELECT ballot_id FROM named_ballot"))}
        kept = "\n".join(await session.scalars(text("SELECT row_to_json(t)::text FROM named_ballot t")))
    assert len(left) == len(known) == 12 and len(old - known) == 12
    tried = {
        leaf
        for made in known
        for choice in ("[1]", "[2]", "[3]", "[90]", "[]")
        for leaf in leaf_hashes(poll.poll_hash, made, poll.question_ids, (choice,), 0)
    }
    assert left.isdisjoint(tried)
    again = {leaf for made in old - known for choice in ("[1]", "[2]", "[3]")
             for leaf in leaf_hashes(poll.poll_hash, made, poll.question_ids, (choice,), 0)}  # fmt: skip
    assert left <= again, "whoever kept the old ballot id could: it is stored nowhere"
    assert not [made for made in old - known if made.hex() in kept]


async def test_of_a_poll_of_few_turnout_and_outcome_are_all_that_leaves(session: Session) -> None:
    """Nine ballots: no record, no stratum finer than the whole, no file of answers."""
    await a_city(session)
    poll = await an_open_poll(session, strata=["district", "age_band", "sex"])
    for number in range(LEAST - 1):
        district = ("msk-cao-arbat", "msk-sao-timiryazevsky")[number % 2]
        citizen = await a_citizen(session, sex="fm"[number % 2], district=district)
        await cast_ballot(session, poll, citizen, {"1": 1 + number % 3}, a_key(), SIGNER, datetime.now(UTC))
    poll = await close_now(session, poll)
    counted = await count_poll(session, poll.public_id, datetime.now(UTC), SEALER)
    assert counted is not None and (counted.ballots, counted.participations) == (9, 9)
    assert await published_styles(session, poll) == {1: []}
    strata = list(await session.scalars(text("SELECT DISTINCT stratum FROM ballot WHERE poll_id = :p"), {"p": poll.id}))
    assert len(strata) == 1
    assert await session.scalar(text("SELECT sum(size) FROM board_tree WHERE poll_id = :p"), {"p": poll.id}) == 0

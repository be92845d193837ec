"""The intake goes only when its copy is proven equal (BALLOTS 13): whatever is lost or changed on the way is seen."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.builders import NOW, SEALER, ASigner, a_citizen, a_city, a_key, an_open_poll, close_now

from polls.authoring import cancel_poll
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll, sealed_poll
from polls.counting import CopyDiffers, count_poll, due_polls
from polls.lifecycle import State
from polls.sessions import Session
from voting.database_roles import apply_rights
from voting.db import Database

SIGNER = ASigner()
VOTES = 24

# What a faulty or hostile trigger does to a row on its way into `ballot`.
LAST = "NEW.ballot_id = (SELECT ballot_id FROM intake_{} ORDER BY 1 DESC LIMIT 1)"
ON_THE_WAY = {
    "changes an answer": "IF {last} THEN NEW.answers = '{{[3]}}'; END IF;",
    "changes every answer": "NEW.answers = '{{[2]}}';",
    "changes a style": "IF {last} THEN NEW.style = 7; END IF;",
    "changes a ballot id": "NEW.ballot_id = substr(sha256(NEW.ballot_id), 1, 16);",
    "loses a ballot": "IF {last} THEN RETURN NULL; END IF;",
    "changes strata": "NEW.stratum = NEW.stratum + 10;",
}  # fmt: skip


async def a_closed_poll(session: Session) -> SealedPoll:
    """Two answers, one of each stratum: what is swapped or changed is not what it was."""
    await a_city(session)
    poll = await an_open_poll(session)
    for number in range(VOTES):
        citizen = await a_citizen(session, sex="fm"[number % 2])
        await cast_ballot(session, poll, citizen, {"1": 1 + number % 2}, a_key(), SIGNER, NOW)
    return await close_now(session, poll)


async def intake_of(session: Session, poll: SealedPoll) -> list[tuple[Any, ...]]:
    rows = await session.execute(text(f"SELECT ballot_id, answers, style, stratum FROM intake_{poll.id} ORDER BY 1"))
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("fault", ON_THE_WAY)
async def test_a_copy_that_differs_leaves_the_poll_uncounted_with_its_intake(
    fresh_database: Database, fault: str
) -> None:
    async with fresh_database.open_session() as session:
        poll = await a_closed_poll(session)
        before = await intake_of(session, poll)
        body = ON_THE_WAY[fault].format(last=LAST.format(poll.id))
        await session.execute(
            text(f"CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$")
        )
        await session.execute(
            text("CREATE TRIGGER spoil BEFORE INSERT ON ballot FOR EACH ROW EXECUTE FUNCTION spoil()")
        )
    with pytest.raises(CopyDiffers):
        async with fresh_database.open_session() as session:
            await count_poll(session, poll.public_id, NOW, SEALER)
    async with fresh_database.open_session() as session:
        assert await intake_of(session, poll) == before
        assert (await sealed_poll(session, poll.public_id)).stored_state is State.SCHEDULED
        assert await due_polls(session) == [poll.public_id], "it is tried again"
        for table in ("ballot", "profile", "count_record"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0
        await session.execute(text("DROP TRIGGER spoil ON ballot"))
    async with fresh_database.open_session() as session:
        counted = await count_poll(session, poll.public_id, NOW, SEALER)
        assert counted is not None and counted.ballots == VOTES
        [outcome] = counted.outcomes
        assert {option.id: option.votes for option in outcome.options} == {1: 12, 2: 12, 3: 0}


async def test_an_intake_that_is_not_copied_cannot_be_dropped_by_the_function_either(session: Session) -> None:
    poll = await a_closed_poll(session)
    with pytest.raises(DBAPIError, match="24 ballots, 0 are copied"):
        async with session.begin_nested():
            await session.execute(text("SELECT veche_drop_intake(:poll)"), {"poll": poll.id})
    assert len(await intake_of(session, poll)) == VOTES


# What the service's role may write: rows in `ballot`, columns of `poll`, events. None of it makes an intake go.
COPY = "INSERT INTO ballot SELECT {poll}, ballot_id, answers, style, stratum FROM intake_{poll}"
HOSTILE = {
    "made-up ballots": ["INSERT INTO ballot SELECT {poll}, substr(sha256(ballot_id), 1, 16), '{{[3]}}', style, stratum"
                        " FROM intake_{poll}"],
    "other answers": ["INSERT INTO ballot SELECT {poll}, ballot_id, '{{[3]}}', style, stratum FROM intake_{poll}"],
    "answers given to others": ["INSERT INTO ballot SELECT {poll}, ballot_id, (SELECT array_agg(CASE a WHEN '[1]' THEN"
                                " '[2]' ELSE '[1]' END) FROM unnest(answers) a), style, stratum FROM intake_{poll}"],
    "places moved": ["INSERT INTO ballot SELECT {poll}, ballot_id, ('[0:0]={{' || answers[1] || '}}')::text[], style,"
                     " stratum FROM intake_{poll}"],
    "other styles": ["INSERT INTO ballot SELECT {poll}, ballot_id, answers, 7, stratum FROM intake_{poll}"],
    "one for another": [COPY + " ORDER BY 1 OFFSET 1",
                        "INSERT INTO ballot VALUES ({poll}, substr(sha256('x'), 1, 16), '{{[3]}}', 0, 0)"],
    "one too many": [COPY, "INSERT INTO ballot VALUES ({poll}, substr(sha256('x'), 1, 16), '{{[3]}}', 0, 0)"],
    "sexes swapped": ["INSERT INTO ballot SELECT {poll}, ballot_id, answers, style, stratum / 10 * 10 +"
                      " CASE stratum % 10 WHEN 1 THEN 2 ELSE 1 END FROM intake_{poll}"],
    "another territory": ["INSERT INTO ballot SELECT {poll}, ballot_id, answers, style, stratum + 1000000"
                          " FROM intake_{poll}"],
    "a stratum torn": ["INSERT INTO ballot SELECT {poll}, ballot_id, answers, style, CASE get_byte(ballot_id, 0) % 2"
                       " WHEN 0 THEN stratum ELSE stratum / 10 * 10 + 9 END FROM intake_{poll}"],
    "before it has closed": [
        "UPDATE poll SET closes_at = clock_timestamp() + interval '1 hour' WHERE id = {poll}", COPY],
    "while it is interrupted": ["UPDATE poll SET paused_at = clock_timestamp() WHERE id = {poll}", COPY],
    "called cancelled": ["UPDATE poll SET state = 'cancelled' WHERE id = {poll}"],
    "called counted": ["UPDATE poll SET state = 'counted' WHERE id = {poll}"],
    "cancelled with another number": [
        "INSERT INTO registry_event (kind, poll_id, at, body) VALUES ('poll_cancelled', {poll}, now(),"
        " '{{\"ballots_destroyed\": 0}}')",
        "UPDATE poll SET state = 'cancelled' WHERE id = {poll}"],
    "seen as it was": ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", COPY],
}  # fmt: skip


async def as_role(database: Database, role: str, statements: list[str]) -> None:
    """Run them in one transaction, and commit."""
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
        for statement in statements:
            await connection.exec_driver_sql(statement)


@pytest.mark.parametrize("attack", HOSTILE)
async def test_nothing_the_service_may_write_makes_uncounted_ballots_go(fresh_database: Database, attack: str) -> None:
    async with fresh_database.open_session() as session:
        poll = await a_closed_poll(session)
        before = await intake_of(session, poll)
    role = f"veche_test_web_{secrets.token_hex(4)}"
    async with fresh_database.open_session() as session:
        await session.execute(text(f"CREATE ROLE {role} NOLOGIN"))
        await apply_rights(session, role, None, NOW)
    try:
        statements = [statement.format(poll=poll.id) for statement in HOSTILE[attack]]
        with pytest.raises(DBAPIError) as refused:
            await as_role(fresh_database, role, [*statements, f"SELECT veche_drop_intake({poll.id})"])
        assert getattr(refused.value.orig, "sqlstate", "") == "23000", "refused for what it is, not for a slip"
        async with fresh_database.open_session() as session:
            assert await intake_of(session, poll) == before
            counted = await count_poll(session, poll.public_id, NOW, SEALER)
            assert counted is not None and counted.ballots == VOTES
    finally:
        async with fresh_database.open_session() as session:
            await session.execute(text(f"DROP OWNED BY {role}"))
            await session.execute(text(f"DROP ROLE {role}"))


async def test_a_cancelled_polls_ballots_go_with_an_event_that_says_how_many(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session)
        for _ in range(3):
            await cast_ballot(session, poll, await a_citizen(session), {"1": 1}, a_key(), SIGNER, NOW)
        await cancel_poll(session, poll.public_id, 1, "The question was misleading.", NOW)
    async with fresh_database.open_session() as session:
        assert await session.scalar(text("SELECT to_regclass(:intake)"), {"intake": f"intake_{poll.id}"}) is None
        said = await session.scalar(text("SELECT body -> 'ballots_destroyed' FROM registry_event"
                                         " WHERE kind = 'poll_cancelled'"))  # fmt: skip
        assert said == 3
        for state in ("scheduled", "counted"):
            with pytest.raises(DBAPIError, match="does not go from cancelled"):
                async with session.begin_nested():
                    await session.execute(text("UPDATE poll SET state = :state"), {"state": state})


async def test_a_role_that_casts_can_neither_drop_nor_delete_nor_change(fresh_database: Database) -> None:
    """A web role as narrow as casting needs: it adds, and has no other way at what was added."""
    role = f"veche_test_web_{secrets.token_hex(4)}"
    async with fresh_database.open_session() as session:
        poll = await a_closed_poll(session)
        await session.execute(text(f"CREATE ROLE {role} NOLOGIN"))
        await session.execute(text(f"GRANT SELECT, INSERT ON intake_{poll.id}, participation TO {role}"))
    try:
        for statement in (
            f"DROP TABLE intake_{poll.id}",
            f"TRUNCATE intake_{poll.id}",
            f"DELETE FROM intake_{poll.id}",
            f"UPDATE intake_{poll.id} SET answers = '{{[3]}}'",
            f"ALTER TABLE intake_{poll.id} ADD COLUMN who bigint",
            "DELETE FROM participation",
            f"SELECT veche_drop_intake({poll.id})",
            f"SELECT veche_shuffle_texts({poll.id})",
            f"SELECT veche_settle_turnout({poll.id})",
        ):
            async with fresh_database.open_session() as session:
                await session.execute(text(f"SET LOCAL ROLE {role}"))
                with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
                    await session.execute(text(statement))
                await session.rollback()
        async with fresh_database.open_session() as session:  # casting itself works
            await session.execute(text(f"SET LOCAL ROLE {role}"))
            await session.execute(
                text(f"INSERT INTO intake_{poll.id} VALUES (substr(sha256('x'), 1, 16), '{{}}', 0, 0)")
            )
    finally:
        async with fresh_database.open_session() as session:
            await session.execute(text(f"DROP OWNED BY {role}"))
            await session.execute(text(f"DROP ROLE {role}"))

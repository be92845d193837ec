"""Open ties: two commitments before opening, two secrets after the count, or the chair in public (BALLOTS 21)."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import (
    AUTHOR,
    NOW,
    SEALER,
    ASigner,
    a_citizen,
    a_city,
    a_definition,
    a_key,
    a_sealed_poll,
    a_single_choice,
    an_open_poll,
    close_now,
)
from tests.results.test_figures import body, opener

from polls.board import entry, leaf_hash
from polls.board_trees import question_root
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll, sealed_poll
from polls.counting import count_poll
from polls.definition import Text
from polls.errors import AlreadyCommitted, Invalid, LotCannotBeDrawn, LotPending, TieStillOpen, WrongState
from polls.journal import poll_events
from polls.lifecycle import State
from polls.lots import Lot, Party, commitment
from polls.sessions import Session
from polls.tie_breaking import (
    REVEAL_WITHIN,
    chair_may_decide,
    commit_to_lot,
    decide_tie,
    decided_ties,
    open_ties,
    reveal_secret,
)
from polls.tlog import merkle_root
from results.decisions import Status, record_decision
from results.exports.answers import answers_csv
from results.figures import poll_figures

OFFICIAL, OBSERVER = 11, 12
SECRETS = {Party.OFFICIAL: b"o" * 32, Party.OBSERVER: b"b" * 32}
WHO = {Party.OFFICIAL: OFFICIAL, Party.OBSERVER: OBSERVER}


async def a_tied_poll(session: Session, rule: dict[str, Any], *, committed: bool = True) -> SealedPoll:
    """Options 1 and 2 with five votes each, option 3 with one; committed to before opening; closed, not yet counted."""
    await a_city(session)
    clock = await session.scalar(text("SELECT clock_timestamp()"))
    opens = (clock + timedelta(hours=1)).replace(microsecond=0)
    definition = a_definition(
        questions=[a_single_choice(rule=rule)], opens_at=opens, closes_at=opens + timedelta(days=1)
    )
    poll = await a_sealed_poll(session, definition)
    if committed:
        for party, secret in SECRETS.items():
            made = commitment(poll.poll_hash, party, secret)
            await commit_to_lot(session, poll.public_id, party, WHO[party], made, NOW)
    await session.execute(text("ALTER TABLE poll DISABLE TRIGGER sealed"))  # time passes
    await session.execute(text("UPDATE poll SET opens_at = clock_timestamp() - interval '1 hour'"))
    await session.execute(text("ALTER TABLE poll ENABLE TRIGGER sealed"))
    for choice in (*(1, 2) * 5, 3):
        citizen = await a_citizen(session)
        await cast_ballot(
            session, await sealed_poll(session, poll.public_id), citizen, {"1": choice}, a_key(), ASigner(), NOW
        )
    await close_now(session, poll)
    await count_poll(session, poll.public_id, NOW, SEALER)
    return await sealed_poll(session, poll.public_id)


async def winners(session: Session, poll: SealedPoll) -> tuple[int, ...]:
    figures = await poll_figures(session, poll.public_id, NOW + timedelta(days=30))
    return figures.questions[0].outcome.winners


async def test_both_secrets_decide_and_anybody_repeats_the_lot(session: Session) -> None:
    poll = await a_tied_poll(session, {"tie": "lot"})
    assert await winners(session, poll) == ()
    [tie] = await open_ties(session, poll)
    assert sorted(tie.tie.options) == [1, 2]
    with pytest.raises(LotPending):
        await decide_tie(session, poll.public_id, 1, [2, 1], "Так решила комиссия.", OFFICIAL, NOW)
    assert not await reveal_secret(session, poll.public_id, Party.OFFICIAL, OFFICIAL, SECRETS[Party.OFFICIAL], NOW)
    assert await winners(session, poll) == ()
    assert await reveal_secret(session, poll.public_id, Party.OBSERVER, OBSERVER, SECRETS[Party.OBSERVER], NOW)
    # Again by hand, from what is public: the secrets, the file of records, the formula.
    download = await answers_csv(opener(session), poll.slug, now=NOW + timedelta(days=30), question_id=1)
    records = csv.DictReader(io.StringIO((await body(download)).decode()))
    leaves = [
        hashlib.sha256(
            f'\0["{r["poll_hash"]}",{r["question_id"]},{r["style"]},{r["answer"]},"{r["nonce"]}"]'.encode()
        ).digest()
        for r in records
    ]
    assert (len(leaves), leaves) == (11, sorted(leaves))
    root = merkle_root(leaves)
    assert await question_root(session, poll, 1) == root
    best, _ = Lot(SECRETS[Party.OFFICIAL], SECRETS[Party.OBSERVER], root).order(1, tie.stage, (1, 2))
    assert await winners(session, poll) == (best,)
    [decided] = await decided_ties(session, poll.id)
    assert (decided.method, decided.decided[0], decided.by) == ("lot", best, None)
    assert await open_ties(session, poll) == []
    events = [event["kind"] for event in await poll_events(session, poll.id)]
    assert events.count("lot_committed") == 2
    assert events[-3:] == ["lot_revealed", "lot_revealed", "ties_decided"]
    figures = await poll_figures(session, poll.public_id, NOW + timedelta(days=30))
    assert (figures.version, figures.reason) == (2, "lot")
    assert not await reveal_secret(session, poll.public_id, Party.OBSERVER, OBSERVER, SECRETS[Party.OBSERVER], NOW)


async def test_a_secret_that_is_not_revealed_sends_the_tie_to_the_chair(session: Session) -> None:
    poll = await a_tied_poll(session, {"tie": "lot"})
    await reveal_secret(session, poll.public_id, Party.OFFICIAL, OFFICIAL, SECRETS[Party.OFFICIAL], NOW)
    question = poll.definition.questions[0]
    assert not await chair_may_decide(session, poll, question, NOW + REVEAL_WITHIN - timedelta(seconds=1))
    later = NOW + REVEAL_WITHIN
    await decide_tie(session, poll.public_id, 1, [2, 1], "Наблюдатель не раскрыл секрет.", OFFICIAL, later)
    assert await winners(session, poll) == (2,)
    # Too late: what is decided stays decided, and the secret is kept for everybody to see.
    assert not await reveal_secret(session, poll.public_id, Party.OBSERVER, OBSERVER, SECRETS[Party.OBSERVER], later)
    assert await winners(session, poll) == (2,)


async def test_without_commitments_the_chair_decides_at_once_and_says_why(session: Session) -> None:
    poll = await a_tied_poll(session, {"tie": "lot"}, committed=False)
    with pytest.raises(LotCannotBeDrawn):
        await reveal_secret(session, poll.public_id, Party.OFFICIAL, OFFICIAL, SECRETS[Party.OFFICIAL], NOW)
    with pytest.raises(Invalid):
        await decide_tie(session, poll.public_id, 1, [2, 1], " ", OFFICIAL, NOW)
    await decide_tie(session, poll.public_id, 1, [2, 1], "Никто не дал обязательства.", OFFICIAL, NOW)
    assert await winners(session, poll) == (2,)
    assert (await decided_ties(session, poll.id))[0].reason == "Никто не дал обязательства."


async def test_the_chair_decides_only_what_is_tied(session: Session) -> None:
    poll = await a_tied_poll(session, {"tie": "chair"}, committed=False)
    for not_a_tie in ([1, 3], [1], [1, 2, 3], [], [1, 1]):
        with pytest.raises(Invalid):
            await decide_tie(session, poll.public_id, 1, not_a_tie, "Потому что.", OFFICIAL, NOW)
    await decide_tie(session, poll.public_id, 1, [1, 2], "Первый вариант дешевле.", OFFICIAL, NOW)
    with pytest.raises(Invalid):
        await decide_tie(session, poll.public_id, 1, [2, 1], "Передумали.", OFFICIAL, NOW)
    assert await winners(session, poll) == (1,)


async def test_a_joint_tie_is_nobodys_to_decide(session: Session) -> None:
    poll = await a_tied_poll(session, {}, committed=False)
    assert sorted(await winners(session, poll)) == [1, 2]
    assert await open_ties(session, poll) == []
    with pytest.raises(Invalid):
        await decide_tie(session, poll.public_id, 1, [1, 2], "Потому что.", OFFICIAL, NOW)


async def test_commitments_are_made_once_by_two_people_between_sealing_and_opening(session: Session) -> None:
    await a_city(session)
    clock = await session.scalar(text("SELECT clock_timestamp()"))
    times = {"opens_at": clock + timedelta(hours=1), "closes_at": clock + timedelta(hours=2)}
    poll = await a_sealed_poll(session, a_definition(questions=[a_single_choice(rule={"tie": "lot"})], **times))
    made = commitment(poll.poll_hash, Party.OFFICIAL, SECRETS[Party.OFFICIAL])
    with pytest.raises(Invalid):
        await commit_to_lot(session, poll.public_id, Party.OFFICIAL, OFFICIAL, b"short", NOW)
    await commit_to_lot(session, poll.public_id, Party.OFFICIAL, OFFICIAL, made, NOW)
    for party, account in ((Party.OFFICIAL, 99), (Party.OBSERVER, OFFICIAL)):
        with pytest.raises(AlreadyCommitted):
            await commit_to_lot(session, poll.public_id, party, account, made, NOW)
    with pytest.raises(WrongState):
        await reveal_secret(session, poll.public_id, Party.OFFICIAL, OFFICIAL, SECRETS[Party.OFFICIAL], NOW)
    plain = await a_sealed_poll(session, a_definition(**times))
    with pytest.raises(WrongState):
        await commit_to_lot(session, plain.public_id, Party.OFFICIAL, OFFICIAL, made, NOW)
    opened = await a_sealed_poll(session, a_definition(questions=[a_single_choice(rule={"tie": "lot"})],
        opens_at=clock - timedelta(hours=1), closes_at=clock + timedelta(hours=2)))  # fmt: skip
    with pytest.raises(WrongState):
        await commit_to_lot(session, opened.public_id, Party.OBSERVER, OBSERVER, made, NOW)


async def test_another_secret_than_the_one_committed_to_is_refused(session: Session) -> None:
    poll = await a_tied_poll(session, {"tie": "lot"})
    for secret in (b"x" * 32, b"", SECRETS[Party.OBSERVER]):
        with pytest.raises(Invalid):
            await reveal_secret(session, poll.public_id, Party.OFFICIAL, OFFICIAL, secret, NOW)
    with pytest.raises(LotCannotBeDrawn):
        await reveal_secret(session, poll.public_id, Party.OFFICIAL, AUTHOR + 999, SECRETS[Party.OFFICIAL], NOW)


async def test_a_secret_that_comes_late_draws_nothing(session: Session) -> None:
    """Whoever waits to see the other secret must not choose between the lot and the chair."""
    poll = await a_tied_poll(session, {"tie": "lot"})
    await reveal_secret(session, poll.public_id, Party.OFFICIAL, OFFICIAL, SECRETS[Party.OFFICIAL], NOW)
    late = NOW + REVEAL_WITHIN
    assert not await reveal_secret(session, poll.public_id, Party.OBSERVER, OBSERVER, SECRETS[Party.OBSERVER], late)
    assert await winners(session, poll) == ()
    await decide_tie(session, poll.public_id, 1, [1, 2], "Секрет раскрыт слишком поздно.", OFFICIAL, late)
    assert await winners(session, poll) == (1,)


async def test_the_city_decides_only_once_no_tie_is_open(session: Session) -> None:
    poll = await a_tied_poll(session, {"tie": "chair"}, committed=False)
    what: dict[str, Any] = {"text": Text(ru="Строим.", en="We build."), "owner": "Управа", "status": Status.IN_PROGRESS}
    with pytest.raises(TieStillOpen):
        await record_decision(session, poll.public_id, **what, author_id=OFFICIAL, now=NOW)
    await decide_tie(session, poll.public_id, 1, [1, 2], "Первый вариант дешевле.", OFFICIAL, NOW)
    await record_decision(session, poll.public_id, **what, author_id=OFFICIAL, now=NOW)
    assert (await sealed_poll(session, poll.public_id)).stored_state is State.DECIDED


async def test_the_root_is_of_the_records_that_are_published(session: Session) -> None:
    """A style of few voters is withheld from the file, so it is no part of what anybody has to make again."""
    await a_city(session)
    styles = [{"id": 1, "territories": ["msk-sao"]}]
    poll = await an_open_poll(session, styles=styles, questions=[a_single_choice(rule={"tie": "lot"})])
    for district, choice in [("msk-cao-arbat", 1 + n % 2) for n in range(24)] + [("msk-sao-timiryazevsky", 3)] * 11:
        citizen = await a_citizen(session, district=district)
        await cast_ballot(session, poll, citizen, {"1": choice}, a_key(), ASigner(), NOW)
    few = await a_city_with_few_of_a_style(session)
    for one, published in ((poll, 35), (few, 0)):
        await close_now(session, one)
        await count_poll(session, one.public_id, NOW, SEALER)
        download = await answers_csv(opener(session), one.slug, now=NOW + timedelta(days=30), question_id=1)
        records = list(csv.DictReader(io.StringIO((await body(download)).decode())))
        assert len(records) == published
        leaves = [
            leaf_hash(entry(one.poll_hash, 1, int(r["style"]), r["answer"], bytes.fromhex(r["nonce"]))) for r in records
        ]
        assert await question_root(session, one, 1) == merkle_root(leaves)


async def a_city_with_few_of_a_style(session: Session) -> SealedPoll:
    """Twelve ballots of everybody's style and three of a district's: nothing of the question can be published."""
    styles = [{"id": 1, "territories": ["msk-sao"]}]
    poll = await an_open_poll(session, styles=styles, questions=[a_single_choice(rule={"tie": "lot"})])
    for district in ["msk-cao-arbat"] * 12 + ["msk-sao-timiryazevsky"] * 3:
        citizen = await a_citizen(session, district=district)
        await cast_ballot(session, poll, citizen, {"1": 1}, a_key(), ASigner(), NOW)
    return poll

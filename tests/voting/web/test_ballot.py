"""Voting through the pages, without JavaScript, and everything that can come between."""

import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from litestar import Litestar
from sqlalchemy import text
from tests.builders import (
    a_budget,
    a_citizen,
    a_city,
    a_multiple_choice,
    a_rating,
    a_single_choice,
    an_open_poll,
    an_option,
    both,
    close_now,
)
from tests.flows.pages import Page, Resident, a_site
from tests.sites import add_account, browser, site_settings

from polls.authoring import cancel_poll
from polls.board import signed_message
from polls.catalogue import SealedPoll
from polls.poll_lock import lock_key
from voting.db import Database, Session
from voting.secrets import receipt_signer

FOUR = [
    a_single_choice(1, 4, shuffle=True),
    a_multiple_choice(2, required=False),
    a_rating(3, options=[an_option(1), an_option(2), an_option(90, "Не знаю", kind="neutral")]),
    a_budget(4, ballot_limit=5_000_000_00, required=False),
]


class City:
    """A site with one resident of age, one too young, an official, and polls as asked for."""

    def __init__(self, database: Database, tmp_path: Path) -> None:
        self.database, self.tmp_path = database, tmp_path
        self.app: Litestar = a_site(database, tmp_path)

    async def settle(self) -> "City":
        async with self.database.open_session() as session:
            await a_city(session)
            grown = await a_citizen(session)
            young = await a_citizen(session, born=date(2012, 5, 17))
        await add_account(self.database, "anna@city.test", "resident", citizen_id=grown)
        await add_account(self.database, "young@city.test", "resident", citizen_id=young)
        await add_account(self.database, "boss@city.test", "official")
        return self

    async def poll(self, **more: Any) -> SealedPoll:
        async with self.database.open_session() as session:
            return await an_open_poll(session, **more)

    async def resident(self, login: str = "anna@city.test", **headers: str) -> Resident:
        return await Resident(self.app, **headers).sign_in(login)

    async def count(self, query: str) -> int:
        async with self.database.open_session() as session:
            return int(await session.scalar(text(query)) or 0)

    async def votes(self, poll: SealedPoll) -> int:
        return await self.count(f"SELECT count(*) FROM participation WHERE poll_id = {poll.id}")


@pytest.fixture
async def city(fresh_database: Database, tmp_path: Path) -> City:
    return await City(fresh_database, tmp_path).settle()


async def fill_four(anna: Resident, poll: SealedPoll) -> Page:
    """Through all four kinds of questions to the check page."""
    page = await anna.get(f"/polls/{poll.slug}/vote")
    page = await anna.press(page, q_1="2")
    page = await anna.press(page, q_2=["1", "4"])
    page = await anna.press(page, q_3_1="5")
    return await anna.press(page, q_4=["1", "3"])


async def test_all_four_kinds_from_the_first_question_to_the_receipt(city: City) -> None:
    poll = await city.poll(questions=FOUR)
    anna = await city.resident()
    page = await fill_four(anna, poll)
    assert page.status == 200
    assert "Your vote has not been sent yet" in page.words
    assert "A vote is final" in page.words
    receipt = await anna.press(page, "")
    assert receipt.status == 200
    assert "Your vote was taken" in receipt.title
    assert await city.votes(poll) == 1
    stored = await city.count(
        f"SELECT count(*) FROM intake_{poll.id} WHERE answers = ARRAY['[2]', '[1,4]', '[[1,5]]', '[1,3]']"
    )
    assert stored == 1


async def test_answers_never_leave_the_forms(city: City) -> None:
    """No address, no redirect, no cookie and no reply another place could keep ever holds an answer or the key."""
    poll = await city.poll(questions=FOUR)
    anna = await city.resident()
    page = await fill_four(anna, poll)
    key = page.form("/cast").value("key")[0]
    receipt = await anna.press(page, "")
    assert set(anna.visited) == {f"/polls/{poll.slug}/vote", f"/polls/{poll.slug}/cast"}
    for shown in (page, receipt):
        assert shown.reply.headers["cache-control"] == "no-store"
        assert shown.reply.headers["referrer-policy"] == "no-referrer"
        assert "location" not in shown.reply.headers
        assert "set-cookie" not in shown.reply.headers
        assert not [link for link in shown.links if "q-" in link or key in link]
    assert key not in receipt.html


async def test_hidden_fields_survive_back_and_change(city: City) -> None:
    poll = await city.poll(questions=FOUR)
    anna = await city.resident()
    check = await fill_four(anna, poll)
    before = sorted(pair for pair in check.form("/cast").fields if pair[0] != "csrf_token")
    back = await anna.press(check, "back")
    assert "Question 4 of 4" in back.title
    back = await anna.press(await anna.press(back, "back"), "back")
    assert "Question 2 of 4" in back.title
    page = await anna.press(await anna.press(await anna.press(back)))
    assert sorted(pair for pair in page.form("/cast").fields if pair[0] != "csrf_token") == before
    change = await anna.press(page, "change-1")
    assert "Question 1 of 4" in change.title
    assert change.form("/vote").value("q-1") == ["2"], "the old answer is chosen"
    page = await anna.press(change, q_1="3")
    assert "Your vote has not been sent yet" in page.words, "a change goes straight back to the check page"
    assert page.form("/cast").value("q-1") == ["3"]


async def test_the_shuffled_order_stays_while_the_page_is_rendered_again(city: City) -> None:
    poll = await city.poll(questions=[a_single_choice(1, 8, shuffle=True)])
    anna = await city.resident()
    page = await anna.get(f"/polls/{poll.slug}/vote")
    order = [value for _, name, value in page.form("/vote").inputs if name == "q-1"]
    again = await anna.press(page)
    assert again.status == 422
    assert [value for _, name, value in again.form("/vote").inputs if name == "q-1"] == order
    assert order[-1] == "90", "neutral options stand last"


async def test_errors_are_told_on_top_and_in_the_title(city: City) -> None:
    poll = await city.poll(questions=FOUR)
    anna = await city.resident()
    page = await anna.press(await anna.get(f"/polls/{poll.slug}/vote"))
    assert page.status == 422
    assert page.title.startswith("Error: ")
    assert re.search(r'data-error-summary.*?href="#q-1-o-\d".*?Choose one answer', page.html, re.DOTALL)
    page = await anna.press(await anna.press(page, q_1="1"), q_2=["1", "2", "3"])
    assert "Choose at most 2 answers" in page.words
    page = await anna.press(await anna.press(page, "skip"), q_3_1="5", q_3="90")
    assert "not both" in page.words
    assert page.form("/vote").value("q-3-1") == ["5"], "what was filled in is shown again"
    page = await anna.press(await anna.press(page, q_3=[]), q_4=["3", "4"])
    assert page.status == 422
    assert "RUB" in page.words or "₽" in page.words


async def test_a_question_may_be_skipped_only_where_the_rules_allow(city: City) -> None:
    poll = await city.poll(questions=[a_single_choice(1), a_multiple_choice(2, required=False)])
    anna = await city.resident()
    first = await anna.get(f"/polls/{poll.slug}/vote")
    assert "Skip this question" not in first.words
    forced = await anna.post(f"/polls/{poll.slug}/vote", [*first.form("/vote").fields, ("op", "skip")])
    assert forced.status == 422
    second = await anna.press(first, q_1="1")
    check = await anna.press(second, "skip")
    assert "Left blank" in check.words


async def test_a_retry_gives_the_same_receipt_and_one_vote(city: City) -> None:
    poll = await city.poll()
    anna = await city.resident()
    check = await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="2")
    first = await anna.press(check, "")
    again = await anna.press(check, "")
    assert again.status == 200
    assert again.form("/receipt/file").value("signature") == first.form("/receipt/file").value("signature")
    assert "still one vote" in again.words
    assert await city.votes(poll) == 1


async def test_the_same_key_with_other_answers_changes_nothing(city: City) -> None:
    poll = await city.poll()
    anna = await city.resident()
    check = await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="2")
    await anna.press(check, "")
    other = await anna.press(check, "", q_1="1")
    assert other.status == 422
    assert "first answers stand" in other.words


async def test_a_key_of_another_ballot_is_replaced_and_the_answers_stay(city: City) -> None:
    poll = await city.poll(questions=FOUR)
    async with city.database.open_session() as session:
        other = await a_citizen(session)
    await add_account(city.database, "other@city.test", "resident", citizen_id=other)
    anna, stranger = await city.resident(), await city.resident("other@city.test")
    check = await fill_four(anna, poll)
    assert (await anna.press(check, "")).status == 200
    theirs = await fill_four(stranger, poll)
    key = check.form("/cast").value("key")
    refused = await stranger.post(
        f"/polls/{poll.slug}/cast",
        [pair if pair[0] != "key" else ("key", key[0]) for pair in theirs.form("/cast").fields],
    )
    assert refused.status == 409 and "The page has drawn a new one" in refused.words
    assert "The vote was not taken yet" in refused.words and "<send-again" not in refused.html
    assert await city.votes(poll) == 1
    left = [pair for pair in refused.form("/cast").fields if pair[0].startswith("q-")]
    assert left == [pair for pair in theirs.form("/cast").fields if pair[0].startswith("q-")]
    assert refused.form("/cast").value("key") not in (key, theirs.form("/cast").value("key"))
    taken = await stranger.press(refused, "")
    assert taken.status == 200 and await city.votes(poll) == 2


async def test_a_second_vote_is_refused_with_the_day_of_the_first(city: City) -> None:
    poll = await city.poll()
    anna = await city.resident()
    check = await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="2")
    other_tab = await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="1")
    await anna.press(check, "")
    refused = await anna.press(other_tab, "")
    assert refused.status == 409
    assert "You have already voted" in refused.title
    assert "new answers were not taken or kept" in refused.words
    assert (await anna.get(f"/polls/{poll.slug}/vote")).status == 409
    assert await city.votes(poll) == 1


async def test_a_poll_that_closed_meanwhile_takes_nothing_and_says_so(city: City) -> None:
    poll = await city.poll()
    anna = await city.resident()
    question = await anna.get(f"/polls/{poll.slug}/vote")
    check = await anna.press(question, q_1="2")
    async with city.database.open_session() as session:
        await close_now(session, poll)
    refused = await anna.press(check, "")
    assert refused.status == 409
    assert "Your vote was not taken" in refused.title
    assert "neither counted nor kept" in refused.words
    assert "q-1" not in refused.html, "the answers are not even on the page"
    assert (await anna.press(question, q_1="2")).status == 409
    assert await city.votes(poll) == 0


async def test_a_cancelled_poll_says_why(city: City) -> None:
    poll = await city.poll()
    anna = await city.resident()
    check = await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="2")
    async with city.database.open_session() as session:
        await cancel_poll(session, poll.public_id, 1, "Wrong street <b>named</b>", datetime.now(UTC))
    refused = await anna.press(check, "")
    assert refused.status == 409
    assert "cancelled" in refused.title
    assert "Wrong street &lt;b&gt;named" in (await anna.get(f"/polls/{poll.slug}")).html


async def test_who_voted_in_a_poll_that_was_cancelled_is_not_told_that_the_vote_is_final(city: City) -> None:
    poll = await city.poll()
    anna = await city.resident()
    check = await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="2")
    assert (await anna.press(check, "")).status == 200
    async with city.database.open_session() as session:
        await cancel_poll(session, poll.public_id, 1, "Wrong street", datetime.now(UTC))
    page = await anna.get(f"/polls/{poll.slug}/vote")
    assert page.status == 409 and "The poll was cancelled" in page.title
    assert "destroyed, yours among them" in page.words and "It is final" not in page.words
    resent = await anna.press(check, "")
    assert "not listed as having voted" not in resent.words and "Votes cast before" in resent.words


async def test_a_commit_that_was_cut_off_promises_nothing_until_the_answer_is_known(city: City) -> None:
    """The vote is in, and its answer lost. No page says that nothing was taken, not even a full box after it."""
    poll = await city.poll(questions=FOUR)
    anna = await city.resident()
    check = await fill_four(anna, poll)
    box = city.app.state["box"]
    room, open_session = box.waiting, box.open_session

    @asynccontextmanager
    async def cut_off() -> AsyncIterator[Session]:
        async with open_session() as session:
            yield session
        raise ConnectionResetError("after the commit")

    box.open_session = cut_off
    page = await anna.press(check, "")
    box.open_session = open_session
    assert await city.votes(poll) == 1
    box.waiting = 0
    full = await anna.post(f"/polls/{poll.slug}/cast", page.form("/cast").fields)
    box.waiting = room
    for shown in (page, full):
        assert shown.status == 503 and int(shown.reply.headers["retry-after"]) >= 1
        assert "It is not known yet whether your vote was taken" in shown.words
        assert not re.search("not taken yet|not been taken|not been sent yet|Nothing was taken", shown.html)
        assert ("unsure", "1") in shown.form("/cast").fields and "<send-again" in shown.html
    await taken_once(city, anna, poll, full)


async def test_sent_again_while_the_count_runs_the_ballot_stays_on_the_page(city: City) -> None:
    poll = await city.poll(questions=FOUR)
    anna = await city.resident()
    check = await fill_four(anna, poll)
    assert (await anna.press(check, "")).status == 200
    async with city.database.open_session() as session:
        await close_now(session, poll)
    async with city.database.open_session() as counting:
        await counting.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(poll.id)})
        page = await anna.press(check, "")
    assert page.status == 409 and "the count is under way" in page.words
    assert "not taken yet" not in page.html
    kept = [pair for pair in page.form("/cast").fields if pair[0] == "key" or pair[0].startswith("q-")]
    assert sorted(kept) == sorted(p for p in check.form("/cast").fields if p[0] == "key" or p[0].startswith("q-"))
    await taken_once(city, anna, poll, page)


async def test_before_the_opening(city: City) -> None:
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    poll = await city.poll(opens_at=later, closes_at=later + timedelta(days=1))
    anna = await city.resident()
    page = await anna.get(f"/polls/{poll.slug}/vote")
    assert page.status == 409
    assert "has not opened yet" in page.title
    page = await anna.get(f"/polls/{poll.slug}")
    assert "you will be able to vote" in page.words


async def test_who_may_not_vote_is_told_why_and_what_to_do(city: City) -> None:
    poll = await city.poll()
    young = await city.resident("young@city.test")
    page = await young.get(f"/polls/{poll.slug}/vote")
    assert page.status == 403
    assert "aged 18 or older" in page.words
    assert "these are the rules of the poll" in page.words
    forced = await young.post(
        f"/polls/{poll.slug}/cast",
        [("csrf_token", page.forms[-1].value("csrf_token")[0] if page.forms else await token_of(young)),
         ("key", "ab" * 16), ("q-1", "1")],
    )  # fmt: skip
    assert forced.status == 403
    assert "aged 18 or older" in forced.words
    assert await city.votes(poll) == 0


async def token_of(who: Resident) -> str:
    page = await who.get("/account")
    return next(form.value("csrf_token")[0] for form in page.forms if form.value("csrf_token"))


async def test_an_account_without_a_register_entry_cannot_vote(city: City) -> None:
    poll = await city.poll()
    boss = await city.resident("boss@city.test")
    page = await boss.get(f"/polls/{poll.slug}/vote")
    assert page.status == 403
    assert "not tied to an entry" in page.words


async def test_nobody_signed_in_is_asked_to_sign_in_and_led_back(city: City) -> None:
    poll = await city.poll()
    stranger = Resident(city.app)
    page = await stranger.get(f"/polls/{poll.slug}/vote")
    assert page.status == 303
    assert page.reply.headers["location"] == f"/sign-in?next=/polls/{poll.slug}/vote"


async def test_a_session_that_ended_meanwhile_keeps_the_answers(city: City) -> None:
    """Sign in and go on: the answers travel with the form and with nothing else."""
    poll = await city.poll()
    anna = await city.resident()
    check = await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="2")
    async with city.database.open_session() as session:
        await session.execute(text("DELETE FROM web_session"))
    other = a_site(city.database, city.tmp_path)  # another process: it remembers no session
    late = Resident(other)
    late.http.cookies = anna.http.cookies
    asked = await late.press(check, "")
    assert "Sign in" in asked.title
    assert await city.votes(poll) == 0
    form = asked.form("/sign-in")
    assert ("carry.q-1", "2") in form.fields
    typed = [(n, v) for n, v in form.fields if n not in ("login", "password")]
    onward = await late.post("/sign-in", [*typed, ("login", "anna@city.test"), ("password", "correct horse battery")])
    assert "Go on" in onward.title
    receipt = await late.post(f"/polls/{poll.slug}/cast", onward.form("/cast").fields)
    assert "Your vote was taken" in receipt.title
    assert await city.count(f"SELECT count(*) FROM intake_{poll.id} WHERE answers = ARRAY['[2]']") == 1


async def test_a_forged_form_is_refused(city: City) -> None:
    poll = await city.poll()
    anna = await city.resident()
    check = await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="2")
    fields = [pair for pair in check.form("/cast").fields if pair[0] != "csrf_token"]
    assert (await anna.post(f"/polls/{poll.slug}/cast", fields)).status == 403
    forged = [*fields, ("csrf_token", "A" * 88)]
    assert (await anna.post(f"/polls/{poll.slug}/cast", forged)).status == 403
    assert (await anna.post(f"/polls/{poll.slug}/vote", forged)).status == 403
    assert await city.votes(poll) == 0


async def fail_at_the_intake(city: City, poll: SealedPoll, state: str, times: int = 1000) -> None:
    """The database itself refuses the next ballots, as PostgreSQL does; a sequence outlives what is rolled back."""
    async with city.database.open_session() as session:
        await session.execute(text("CREATE SEQUENCE failures"))
        await session.execute(
            text(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
                f" IF nextval('failures') <= {times} THEN"
                f" RAISE EXCEPTION 'for the test' USING ERRCODE = '{state}'; END IF; RETURN NEW; END $$"
            )
        )
        await session.execute(
            text(f"CREATE TRIGGER fail BEFORE INSERT ON intake_{poll.id} FOR EACH ROW EXECUTE FUNCTION fail()")
        )


async def stop_failing(city: City, poll: SealedPoll) -> int:
    """Give the number of attempts there were."""
    async with city.database.open_session() as session:
        await session.execute(text(f"DROP TRIGGER fail ON intake_{poll.id}"))
    return await city.count("SELECT last_value FROM failures")


def keeps_everything(page: Page, check: Page) -> None:
    assert page.status == 503
    assert int(page.reply.headers["retry-after"]) >= 1
    assert page.title.startswith("Error: ")
    assert "Nothing was lost" in page.words
    kept, sent = (
        sorted(pair for pair in shown.form("/cast").fields if pair[0] == "key" or pair[0].startswith("q-"))
        for shown in (page, check)
    )
    assert kept == sent


async def taken_once(city: City, anna: Resident, poll: SealedPoll, page: Page) -> None:
    fields = page.form("/cast").fields
    for _ in range(2):
        receipt = await anna.post(f"/polls/{poll.slug}/cast", fields)
        assert receipt.status == 200
        assert "Your vote was taken" in receipt.title
    assert await city.votes(poll) == 1
    assert await city.count(f"SELECT count(*) FROM intake_{poll.id}") == 1


@pytest.mark.parametrize(
    ("state", "attempts"), [("40P01", 3), ("40001", 3), ("57014", 1), ("55P03", 1), ("53200", 1), ("57P01", 1)]
)
async def test_a_database_that_fails_loses_nothing(city: City, state: str, attempts: int) -> None:
    """The ballot comes back ready to be sent again, with the same key; nothing was taken."""
    poll = await city.poll(questions=FOUR)
    anna = await city.resident()
    check = await fill_four(anna, poll)
    await fail_at_the_intake(city, poll, state)
    page = await anna.press(check, "")
    assert await stop_failing(city, poll) == attempts
    keeps_everything(page, check)
    assert await city.votes(poll) == 0
    await taken_once(city, anna, poll, page)


async def test_a_full_box_takes_nothing_and_the_same_form_goes_through_later(city: City) -> None:
    """503 with Retry-After; the page counts how often it was sent, and stops sending by itself after twenty times."""
    poll = await city.poll(questions=FOUR)
    anna = await city.resident()
    check = await fill_four(anna, poll)
    box = city.app.state["box"]
    room, box.waiting = box.waiting, 0
    page = await anna.press(check, "")
    keeps_everything(page, check)
    assert f'data-seconds="{page.reply.headers["retry-after"]}"' in page.html
    for tries in ("2", "19"):
        fields = [*(pair for pair in page.form("/cast").fields if pair[0] != "tries"), ("tries", tries)]
        page = await anna.post(f"/polls/{poll.slug}/cast", fields)
        assert ("tries", str(int(tries) + 1)) in page.form("/cast").fields and "<send-again" in page.html
    page = await anna.post(f"/polls/{poll.slug}/cast", page.form("/cast").fields)
    assert page.status == 503 and "<send-again" not in page.html
    assert await city.votes(poll) == 0
    box.waiting = room
    await taken_once(city, anna, poll, page)


async def test_a_deadlock_that_passes_is_not_even_seen(city: City) -> None:
    poll = await city.poll()
    anna = await city.resident()
    check = await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="2")
    await fail_at_the_intake(city, poll, "40P01", times=2)
    await taken_once(city, anna, poll, check)


@pytest.mark.parametrize("locked", ["participation", "poll"])
async def test_a_lock_held_too_long_loses_nothing(
    city: City, fresh_database_url: str, tmp_path: Path, locked: str
) -> None:
    """A statement cut short by its limit, also where not even the poll can be read."""
    poll = await city.poll(questions=FOUR)
    hasty = Database.from_url(fresh_database_url, statement_timeout=0.05)
    anna = await city.resident()
    check = await fill_four(anna, poll)
    anna.http = browser_like(anna, a_site(hasty, tmp_path))
    try:
        async with city.database.open_session() as session:
            await session.execute(text(f"LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE"))
            page = await anna.post(f"/polls/{poll.slug}/cast", check.form("/cast").fields)
        keeps_everything(page, check)
        assert await city.votes(poll) == 0
    finally:
        await hasty.close()
    anna.http = browser_like(anna, city.app)
    await taken_once(city, anna, poll, page)


def browser_like(resident: Resident, app: Litestar) -> httpx.AsyncClient:
    """The same browser, its cookies kept, before another process of the site."""
    made = browser(app)
    made.cookies = resident.http.cookies
    return made


async def test_answers_that_were_tampered_with_lead_to_their_question(city: City) -> None:
    poll = await city.poll(questions=FOUR)
    anna = await city.resident()
    check = await fill_four(anna, poll)
    for field, value in (("q-2", "77"), ("q-1", "'; DROP TABLE ballot; --"), ("q-3-1", "9"), ("q-1", "<script>")):
        fields = [pair for pair in check.form("/cast").fields if pair[0] != field] + [(field, value)]
        page = await anna.post(f"/polls/{poll.slug}/cast", fields)
        assert page.status == 422
        assert page.title.startswith("Error: ")
        assert "<script>" not in page.html.replace('<script type="module"', "")
    assert await city.votes(poll) == 0


@pytest.mark.parametrize(
    "step", ["0", "99", "-1", "x", "1e9", "٣", "", "1234x", "1²", pytest.param("9" * 5000, id="long")]
)
async def test_a_step_that_is_none_shows_a_page_all_the_same(city: City, step: str) -> None:
    poll = await city.poll(questions=FOUR)
    anna = await city.resident()
    page = await anna.get(f"/polls/{poll.slug}/vote")
    fields = [pair for pair in page.form("/vote").fields if pair[0] != "step"]
    for operation in ("next", "back", "stay", "change-99", "change-x", "change-²", "change-" + "9" * 5000, "nonsense"):
        reply = await anna.post(f"/polls/{poll.slug}/vote", [*fields, ("step", step), ("op", operation)])
        assert reply.status in (200, 422)


async def test_a_lost_key_is_replaced_and_the_answers_stay(city: City) -> None:
    poll = await city.poll(questions=[a_single_choice(1), a_multiple_choice(2)])
    anna = await city.resident()
    page = await anna.get(f"/polls/{poll.slug}/vote")
    fields = [(n, v) for n, v in page.form("/vote").fields if n != "key"]
    second = await anna.post(f"/polls/{poll.slug}/vote", [*fields, ("key", "short"), ("q-1", "2"), ("op", "next")])
    assert "Question 2 of 2" in second.title
    assert second.form("/vote").value("q-1") == ["2"]
    assert re.fullmatch("[0-9a-f]{32}", second.form("/vote").value("key")[0])


async def test_every_ballot_begins_with_a_key_of_its_own(city: City) -> None:
    poll = await city.poll()
    anna = await city.resident()
    pages = [await anna.get(f"/polls/{poll.slug}/vote") for _ in range(3)]
    assert len({page.form("/vote").value("key")[0] for page in pages}) == 3


async def test_texts_of_polls_are_escaped(city: City) -> None:
    evil = "<img src=x onerror=alert(1)> ' OR 1=1; --"
    poll = await city.poll(
        title=both(evil), summary=both(evil), description=both(evil), department=evil,
        questions=[{**a_single_choice(1), "text": both(evil), "hint": both(evil),
                    "options": [an_option(1, evil, description=both(evil)), an_option(2, evil)]}],
    )  # fmt: skip
    anna = await city.resident()
    page = await anna.get(f"/polls/{poll.slug}/vote")
    check = await anna.press(page, q_1="1")
    receipt = await anna.press(check, "")
    for shown in (page, check, receipt, await anna.get(f"/polls/{poll.slug}"), await anna.get("/")):
        assert shown.status == 200
        assert "<img src=x" not in shown.html
        assert "&lt;img src=x" in shown.html


async def test_the_language_can_be_switched_without_losing_answers(city: City) -> None:
    poll = await city.poll(questions=FOUR)
    anna = await city.resident()
    page = await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="2")
    form = page.form("/vote")
    button = next(b for b in form.buttons if b.words == "Русский")
    russian = await anna.post(button.action, [*form.fields, ("q-2", "1"), (button.name, button.value)])
    assert "Вопрос 2 из 4" in russian.title
    assert russian.form("/vote").value("q-1") == ["2"]
    assert russian.form("/vote").value("q-2") == ["1"]
    assert russian.form("/vote").value("key") == form.value("key")
    check = await anna.press(await anna.press(await anna.press(russian), q_3_1="4"), "skip")
    assert "Проверьте ответы. Голос ещё не отправлен" in check.words
    assert "Голос принят" in (await anna.press(check, "")).title


async def test_the_receipt_is_signed_and_can_be_saved(city: City) -> None:
    poll = await city.poll()
    anna = await city.resident()
    page = await anna.press(await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="2"), "")
    assert '<svg viewBox="0 0' in page.html
    assert "style=" not in page.html, "the policy of contents allows no inline style"
    assert "how you voted" in page.words, "an inclusion receipt says what it can show others"
    form = page.form("/receipt/file")
    saved = await anna.post("/receipt/file", form.fields)
    assert saved.status == 200
    assert saved.reply.headers["content-disposition"].startswith('attachment; filename="receipt-')
    assert saved.reply.headers["cache-control"] == "no-store"
    receipt = json.loads(saved.html)
    assert receipt["receipt"]["poll"] == poll.poll_hash.hex()
    key: Ed25519PublicKey = receipt_signer(site_settings(city.tmp_path)).public_key
    body = form.value("body")[0].encode()
    assert json.loads(body) == receipt["receipt"]
    key.verify(base64.b64decode(receipt["signature"]), signed_message(body))
    foreign = [(name, value.replace("inclusion", "exclusion")) for name, value in form.fields]
    assert (await anna.post("/receipt/file", foreign)).status == 422


async def test_an_acceptance_receipt_tells_nothing_of_the_answers(city: City) -> None:
    poll = await city.poll(receipt="acceptance_only")
    anna = await city.resident()
    page = await anna.press(await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="2"), "")
    facts = json.loads(page.form("/receipt/file").value("body")[0])
    assert set(facts) == {"v", "kind", "poll", "acceptance", "day"}
    assert "nobody can learn from it how you voted" in page.words


async def test_a_named_vote_says_who_sees_names_and_can_be_changed(city: City) -> None:
    poll = await city.poll(privacy="named", may_change=True, names_seen_by=both("секретарь", "the secretary"))
    anna = await city.resident()
    page = await anna.get(f"/polls/{poll.slug}/vote")
    assert "the secretary" in page.words
    check = await anna.press(page, q_1="2")
    assert "You may change it until" in check.words
    await anna.press(check, "")
    assert "Vote again" in (await anna.get(f"/polls/{poll.slug}")).words
    again = await anna.press(await anna.press(await anna.get(f"/polls/{poll.slug}/vote"), q_1="3"), "")
    assert "earlier answers were replaced" in again.words
    assert await city.votes(poll) == 1


async def test_the_casting_address_without_its_form_leads_to_the_poll(city: City) -> None:
    poll = await city.poll()
    page = await Resident(city.app).get(f"/polls/{poll.slug}/cast")
    assert page.status == 303
    assert page.reply.headers["location"] == f"/polls/{poll.slug}"


async def test_a_budget_without_a_limit_counts_up_and_takes_everything(city: City) -> None:
    poll = await city.poll(questions=[a_budget(1)])
    anna = await city.resident()
    page = await anna.get(f"/polls/{poll.slug}/vote")
    assert "Chosen in all:" in page.words
    assert "Left:" not in page.words
    check = await anna.press(page, q_1=["1", "2", "3", "4"])
    assert check.status == 200, "the budget binds the count and not the ballot"

"""Assisted voting, from desk to booth: who may, what is kept, what nobody sees, one vote in any race."""

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from html import unescape

from sqlalchemy import insert, select, text
from tests.builders import (
    SEALER,
    a_budget,
    a_citizen,
    a_city,
    a_key,
    a_multiple_choice,
    a_rating,
    a_single_choice,
    an_open_poll,
    both,
    close_now,
)
from tests.flows.letters import MAIL, letters
from tests.flows.pages import Page, Resident
from tests.sites import Clock, add_account, browser, fast_passwords, form_token, sign_in, site_settings

from polls.casting import cast_ballot
from polls.catalogue import sealed_poll
from polls.counting import count_poll
from polls.identity import identity_key
from polls.tables import audit_event, identity, participation
from results.channels import may_be_told
from voting.app import create_app
from voting.identity.assisted import assign_desk
from voting.keys import receipt_signer
from voting.tables import account_role, assisted_invitation, web_session

OPERATOR = "operator@city.test"
CENTRE = "МФЦ «Арбат»"
NATIONAL_ID = "4510 123456"
DESK = {"national_id": NATIONAL_ID, "birth_date": "1990-05-17", "document_seen": "1"}


class Centre:
    """A site with an operator, a resident of the register with no account, and an open poll."""

    def __init__(self, database, tmp_path, clock=None) -> None:
        self.database, self.tmp_path = database, tmp_path
        self.settings = site_settings(tmp_path, **MAIL)
        self.app = create_app(self.settings, database=database, passwords=fast_passwords(), clock=clock or _now)

    async def settle(self) -> "Centre":
        secret = self.settings.secret_versions("identity")[1]
        async with self.database.open_session() as session:
            await a_city(session)
            self.citizen = await a_citizen(session)
            await session.execute(
                insert(identity).values(kind="national_id", key_version=1, citizen_id=self.citizen,
                                        key=identity_key(secret, "national_id", NATIONAL_ID))
            )  # fmt: skip
            self.poll = await an_open_poll(session)
        self.operator = await add_account(self.database, OPERATOR, "operator")
        async with self.database.open_session() as session:
            await assign_desk(session, self.operator, CENTRE, by=None, now=datetime.now(UTC))
        self.desk = browser(self.app)
        await sign_in(self.desk, OPERATOR)
        return self

    async def code(self, **changed: str) -> str:
        reply = await self.bring(**changed)
        assert reply.status_code == 200, reply.text[:3000]
        assert NATIONAL_ID not in reply.text
        found = re.search(r"<code>(\w{4} \w{4})</code>", reply.text)
        assert found
        return found[1]

    async def bring(self, **changed: str):
        token = form_token(await self.desk.get("/operator"))
        return await self.desk.post("/operator", data={"csrf_token": token, **DESK, **changed})

    async def enter(self, code: str, address: str = "203.0.113.20", consent: str = "1") -> Resident:
        """The booth: another browser in the operator's network."""
        booth = Resident(self.app, address=address)
        shown = await post(booth, "/assisted", "/assisted/code", code=code.lower())
        if shown.status == 200:
            assert CENTRE in shown.html
        token = form_token(await booth.http.get("/assisted"))
        self.begun = await booth.http.post("/assisted/begin", data={"csrf_token": token, "code": code,
                                                                    "consent": consent})  # fmt: skip
        return booth

    async def vote(self, booth: Resident, choice: str = "2") -> Page:
        check = await booth.press(await booth.get(f"/polls/{self.poll.slug}/vote"), q_1=choice)
        return await booth.press(check, "")

    async def rows(self, query):
        async with self.database.open_session() as session:
            return list((await session.execute(query)).all())


def _now() -> datetime:
    return datetime.now(UTC)


async def post(booth: Resident, page: str, where: str, **fields: str) -> Page:
    token = form_token(await booth.http.get(page))
    return Page(await booth.http.post(where, data={"csrf_token": token, **fields}))


def ballot_of(page: Page) -> str:
    """The form of a ballot as it is shown, without what is drawn for each: its key and the token."""
    found = re.search(r'<form[^>]*action="/polls/[^"]*/(?:vote|cast)".*?</form>', page.html, re.DOTALL)
    assert found, page.words[:500]
    return re.sub(r'(name="(?:csrf_token|key)" value=")[^"]*', r"\1", found[0])


async def test_booth_home_and_api_show_one_ballot(fresh_database, tmp_path) -> None:
    """Every question with its options, in the same words and order, step by step up to what is checked last."""
    town = await Centre(fresh_database, tmp_path).settle()
    questions = [a_single_choice(1, 4, hint=both("Один", "One")), a_multiple_choice(2, required=False),
                 a_rating(3), a_budget(4, ballot_limit=5_000_000_00, required=False)]  # fmt: skip
    async with fresh_database.open_session() as session:
        town.poll = await an_open_poll(session, questions=questions)
        anna = await a_citizen(session)
    await add_account(fresh_database, "anna@city.test", "resident", citizen_id=anna)
    home, booth = await Resident(town.app).sign_in("anna@city.test"), await town.enter(await town.code())
    seen = ""
    shown = [await one.get(f"/polls/{town.poll.slug}/vote") for one in (home, booth)]
    for filled in ({"q_1": "2"}, {"q_2": ["1", "4"]}, {"q_3_1": "5"}, {"q_4": ["1", "3"]}, None):
        assert [page.status for page in shown] == [200, 200]
        assert ballot_of(shown[0]) == ballot_of(shown[1])
        seen += unescape(ballot_of(shown[0]))
        if filled is not None:
            shown = [await one.press(page, **filled) for one, page in zip((home, booth), shown, strict=True)]
    assert "/cast" in seen
    given = (await browser(town.app).get(f"/api/v1/polls/{town.poll.slug}/definition")).json()
    at = 0
    for question in given["questions"]:
        at = seen.index(question["text"]["en"], at)
        for option in question["options"]:
            at = seen.index(option["text"]["en"], at)


async def test_from_the_desk_to_the_vote_and_away(fresh_database, tmp_path) -> None:
    town = await Centre(fresh_database, tmp_path).settle()
    booth = await town.enter(await town.code())
    assert town.begun.status_code == 303 and town.begun.headers["location"] == "/assisted"
    polls = await booth.get("/assisted")
    assert f"/polls/{town.poll.slug}/vote" in polls.links and CENTRE in polls.html
    ballot = await booth.get(f"/polls/{town.poll.slug}/vote")
    assert ballot.reply.headers["cache-control"] == "no-store"
    check = await booth.press(ballot, q_1="2")
    done = await booth.press(check, "")
    assert "Your vote was taken" in done.html and "data-print" in done.html and 'class="qr' in done.html
    # The neutral page: nothing of the answer, a receipt of acceptance alone, and everything of the session gone.
    assert "Option 2" not in done.html and '"leaves"' not in done.html and "q-1" not in done.html
    assert done.reply.headers["cache-control"] == "no-store"
    assert '"cache"' in done.reply.headers["clear-site-data"]
    assert "sid" not in booth.http.cookies
    # Going back and sending the form again shows no answer, and carries none into anybody's sign-in.
    again = await booth.press(check, "")
    assert "Option 2" not in again.html and "q-1" not in again.html and 'value="2"' not in again.html
    assert (await booth.get(f"/polls/{town.poll.slug}/vote")).status == 303
    assert await town.rows(select(participation.c.citizen_id, participation.c.channel)) == [(town.citizen, "assisted")]
    [stored] = await town.rows(text(f"SELECT * FROM intake_{town.poll.id}"))
    assert "assisted" not in str(stored) and set(stored._mapping) == {"ballot_id", "answers", "style", "stratum"}
    assert await town.rows(select(assisted_invitation)) == []
    assert await town.rows(select(web_session).where(web_session.c.assisted_centre.is_not(None))) == []


async def test_the_log_names_operator_and_centre_and_nobody_else(fresh_database, tmp_path) -> None:
    town = await Centre(fresh_database, tmp_path).settle()
    await town.vote(await town.enter(await town.code()))
    of_staff = ("account_made", "role_granted", "staff_signed_in")
    events = await town.rows(select(audit_event).where(audit_event.c.kind.not_in(of_staff)).order_by(audit_event.c.id))
    assert [one.kind for one in events] == ["desk_assigned", "assisted_opened", "assisted_begun"]
    for one in events[1:]:
        assert one.actor == town.operator and one.facts == {"centre": CENTRE} and one.subject.startswith("desk:")
    assert NATIONAL_ID not in str(events) and town.poll.public_id not in str(events)


async def test_an_assisted_session_can_only_cast(fresh_database, tmp_path) -> None:
    town = await Centre(fresh_database, tmp_path).settle()
    booth = await town.enter(await town.code())
    for path in ("/", "/account", "/account/data", "/account/data.json", "/my-votes", "/operator", "/account/tokens",
                 "/officials", "/results", "/api/v1/session", "/decisions"):  # fmt: skip
        reply = await booth.http.get(path)
        assert reply.status_code in (303, 403), path
        assert reply.headers.get("location", "/assisted") == "/assisted"
    token = form_token(await booth.http.get("/assisted"))
    for path in ("/account/password", "/account/erase", "/account/sessions/end-others", "/operator"):
        assert (await booth.http.post(path, data={"csrf_token": token})).status_code == 403, path
    left = await post(booth, "/assisted", "/assisted/finish")
    assert left.status == 303 and "sid" not in booth.http.cookies
    assert (await town.desk.get("/account")).status_code == 200, "the operator stays signed in"


async def test_both_must_confirm_and_a_code_is_good_once_for_minutes_and_from_one_network(
    fresh_database, tmp_path
) -> None:
    clock = Clock(datetime.now(UTC))
    town = await Centre(fresh_database, tmp_path, clock).settle()
    assert (await town.bring(document_seen="")).status_code == 422
    for wrong in ({"national_id": "4510 000000"}, {"birth_date": "1990-05-18"}):
        assert (await town.bring(**wrong)).status_code == 422
    assert await town.rows(select(assisted_invitation)) == []
    code = await town.code()
    await town.enter(code, consent="")
    assert town.begun.status_code == 422
    await town.enter(code, address="198.51.100.7")
    assert town.begun.status_code == 422, "another network"
    await town.enter("ABCD EFGH")
    assert town.begun.status_code == 422
    await town.enter(code)
    assert town.begun.status_code == 303
    await town.enter(code)
    assert town.begun.status_code == 422, "once only"
    code = await town.code()
    clock.go(minutes=5, seconds=1)
    await town.enter(code)
    assert town.begun.status_code == 422


async def test_the_session_ends_after_ten_minutes_and_with_the_operators_right(fresh_database, tmp_path) -> None:
    clock = Clock(datetime.now(UTC))
    town = await Centre(fresh_database, tmp_path, clock).settle()
    booth = await town.enter(await town.code())
    ballot = await booth.get(f"/polls/{town.poll.slug}/vote")
    check = await booth.press(ballot, q_1="2")
    clock.go(minutes=10, seconds=1)
    late = await booth.press(check, "")
    assert late.status == 303 and late.reply.headers["location"] == "/assisted", "nothing is carried into a sign-in"
    assert await town.rows(select(participation)) == []
    town = town.__class__(fresh_database, tmp_path)
    town.poll, town.desk = (await _poll(fresh_database)), browser(town.app)
    await sign_in(town.desk, OPERATOR)
    booth = await town.enter(await town.code())
    assert (await booth.get(f"/polls/{town.poll.slug}/vote")).status == 200
    async with fresh_database.open_session() as session:
        await session.execute(text("DELETE FROM account_role WHERE role = 'operator'"))
    await asyncio.sleep(5.2)
    assert (await booth.get(f"/polls/{town.poll.slug}/vote")).status == 303


async def _poll(database):
    async with database.open_session() as session:
        return await sealed_poll(session, await session.scalar(text("SELECT public_id FROM poll")))


async def test_nobody_but_an_operator_with_a_desk_may_and_not_for_themselves(fresh_database, tmp_path) -> None:
    town = await Centre(fresh_database, tmp_path).settle()
    for role in ("official", "admin", "resident"):
        await add_account(fresh_database, f"{role}@city.test", role)
        client = browser(town.app)
        await sign_in(client, f"{role}@city.test")
        assert (await client.get("/operator")).status_code == 403
    await add_account(fresh_database, "new@city.test", "operator")
    client = browser(town.app)
    await sign_in(client, "new@city.test")
    assert (await client.get("/operator")).status_code == 403, "no centre yet"
    async with fresh_database.open_session() as session:
        await session.execute(
            text("UPDATE account SET citizen_id = :c WHERE id = :a"), {"c": town.citizen, "a": town.operator}
        )
    assert (await town.bring()).status_code == 403
    assert await town.rows(select(account_role.c.role).where(account_role.c.account_id == town.operator)) == [
        ("operator",)
    ]


async def test_the_owner_of_an_account_is_told_by_letter(fresh_database, tmp_path) -> None:
    town = await Centre(fresh_database, tmp_path).settle()
    await add_account(fresh_database, "anna@city.test", "resident", citizen_id=town.citizen)
    await town.code()
    [letter] = await letters(fresh_database, tmp_path)
    assert letter.to_address == "anna@city.test" and CENTRE in letter.body


async def test_one_vote_whichever_way_comes_first(fresh_database, tmp_path) -> None:
    """The same resident at home and in the booth, at the same moment, five times: never two votes, never none."""
    town = await Centre(fresh_database, tmp_path).settle()
    await add_account(fresh_database, "anna@city.test", "resident", citizen_id=town.citizen)
    channels = []
    for _ in range(5):
        async with fresh_database.open_session() as session:
            town.poll = await an_open_poll(session)
        home = await Resident(town.app, address="198.51.100.4").sign_in("anna@city.test")
        booth = await town.enter(await town.code())
        done = await asyncio.gather(town.vote(home, "1"), town.vote(booth, "2"))
        assert sum("<code>" in page.html for page in done) == 1, "one receipt"
        [row] = await town.rows(select(participation.c.channel).where(participation.c.poll_id == town.poll.id))
        [(ballots,)] = await town.rows(text(f"SELECT count(*) FROM intake_{town.poll.id}"))
        assert ballots == 1
        channels.append(row.channel)
    assert set(channels) <= {"online", "assisted"}
    # And one after the other.
    async with fresh_database.open_session() as session:
        town.poll = await an_open_poll(session)
    await town.vote(await town.enter(await town.code()))
    home = await Resident(town.app, address="198.51.100.4").sign_in("anna@city.test")
    page = await home.get(f"/polls/{town.poll.slug}/vote")
    assert "q-1" not in page.html


async def test_the_channel_is_told_as_a_total_of_ten_and_more(fresh_database, tmp_path) -> None:
    town = await Centre(fresh_database, tmp_path).settle()
    signer = receipt_signer(town.settings)
    shown = {}
    for assisted in (9, 10, 21):  # of thirty: nine hides, ten shows, and nine others hide again
        async with fresh_database.open_session() as session:
            poll = await an_open_poll(session)
            for i in range(30):
                voter = await a_citizen(session, born=date(1960 + i, 1, 1))
                await cast_ballot(session, poll, voter, {"1": 1 + i % 2}, a_key(), signer, datetime.now(UTC),
                                  "assisted" if i < assisted else "online")  # fmt: skip
        async with fresh_database.open_session() as session:
            poll = await close_now(session, poll)
        async with fresh_database.open_session() as session:
            await count_poll(session, poll.public_id, datetime.now(UTC) + timedelta(seconds=1), SEALER)
        page = (await town.desk.get(f"/polls/{poll.slug}/results")).text
        found = re.search(r"service centres</dt><dd>(\d+)<", page)
        shown[assisted] = found and found[1]
    assert shown == {9: None, 10: "10", 21: None}
    assert [may_be_told(n, 30) for n in (0, 9, 10, 20, 21, 30)] == [False, False, True, True, False, False]

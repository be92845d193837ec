"""One's own data taken away, and the account erased: what goes, what stays, and no second vote by any way back."""

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, insert, select, text
from tests.builders import SEALER, a_citizen, a_city, a_key, an_open_poll, close_now
from tests.flows.letters import MAIL, letters
from tests.owners import a_house, an_owners_poll
from tests.sites import PASSWORD, add_account, browser, fast_passwords, form_token, sign_in, site_settings

from polls.casting import cast_ballot
from polls.catalogue import sealed_poll
from polls.counting import count_poll
from polls.errors import AlreadyVoted, NotInRegister
from polls.identity import identity_key
from polls.register import find_citizen
from polls.tables import audit_event, citizen, count_record, identity, participation, turnout_day
from voting import erasure
from voting.app import create_app
from voting.erasure import ask_erasure, erase_account, erase_due_accounts, forget_logins
from voting.identity.accounts import normal_login, sign_up
from voting.identity.refusals import StaffAccount
from voting.jobs import Work
from voting.keys import receipt_signer
from voting.tables import account, account_erasure, api_token, erased_citizen, mail_out, web_session

ANNA = "anna@city.test"
NATIONAL_ID = "4510 123456"
SUBJECT = "sudir|7f3c9d"


class Town:
    """A resident with an account, a vote in an open poll, and keys of the register and of the city's sign-on."""

    def __init__(self, database, tmp_path) -> None:
        self.database = database
        self.settings = site_settings(tmp_path, **MAIL)
        self.signer = receipt_signer(self.settings)
        self.secrets = self.settings.secret_versions("identity")
        self.app = create_app(self.settings, database=database, passwords=fast_passwords())

    async def settle(self) -> "Town":
        async with self.database.open_session() as session:
            await a_city(session)
            self.citizen = await a_citizen(session)
            for kind, number in (("national_id", NATIONAL_ID), ("subject", SUBJECT)):
                key = identity_key(self.secrets[1], kind, number)
                await session.execute(
                    insert(identity).values(kind=kind, key_version=1, key=key, citizen_id=self.citizen)
                )
            self.poll = await an_open_poll(session)
        self.anna = await add_account(self.database, ANNA, "resident", citizen_id=self.citizen)
        await self.vote(self.citizen)
        self.client = browser(self.app)
        await sign_in(self.client, ANNA)
        return self

    async def vote(self, citizen_id: int) -> None:
        async with self.database.open_session() as session:
            await cast_ballot(session, self.poll, citizen_id, {"1": 2}, a_key(), self.signer, datetime.now(UTC))

    async def post(self, where: str, **fields: str):
        token = form_token(await self.client.get("/account/data"))
        return await self.client.post(where, data={"csrf_token": token, **fields})

    async def scalar(self, query):
        async with self.database.open_session() as session:
            return await session.scalar(query)

    async def erase_now(self) -> None:
        """What the hourly job does when the days are over."""
        async with self.database.open_session() as session:
            await session.execute(text("UPDATE account_erasure SET due_at = now() - interval '1 second'"))
        await erase_due_accounts(Work(self.database, self.settings))

    async def count(self) -> None:
        async with self.database.open_session() as session:
            poll = await close_now(session, self.poll)
        async with self.database.open_session() as session:
            await count_poll(session, poll.public_id, datetime.now(UTC) + timedelta(seconds=1), SEALER)

    async def sign_up_again(self, login: str) -> int:
        async with self.database.open_session() as session:
            account_id = await sign_up(
                session, national_id=NATIONAL_ID, birth_date=(await self.born(session)), login=normal_login(login),
                password_hash="x", secrets=self.secrets, now=datetime.now(UTC),
            )  # fmt: skip
            return await session.scalar(select(account.c.citizen_id).where(account.c.id == account_id))

    async def born(self, session):
        return await session.scalar(select(citizen.c.birth_date).where(citizen.c.id == self.citizen))


@pytest.fixture
async def town(fresh_database, tmp_path):
    return await Town(fresh_database, tmp_path).settle()


# ---- taking it away


async def test_everything_kept_is_in_the_file_and_no_secret_and_no_choice_is(town) -> None:
    reply = await town.client.get("/account/data.json")
    assert reply.headers["cache-control"] == "no-store" and "attachment" in reply.headers["content-disposition"]
    data = reply.json()
    assert data["account"]["email"] == ANNA and data["account"]["has_password"] is True
    assert [role["role"] for role in data["account"]["roles"]] == ["resident"]
    assert len(data["account"]["sessions"]) == 1
    assert data["register"]["birth_date"] == "1990-05-17" and data["register"]["recognised_by"] == [
        "national_id", "subject"]  # fmt: skip
    assert data["register"]["periods"][0]["district"] == "Арбат"
    [vote] = data["taking_part"]
    assert vote["slug"] == town.poll.slug and vote["channel"] == "online" and vote["day"]
    assert set(vote) == {"public_id", "slug", "title_ru", "title_en", "day", "channel"}
    assert data["named_votes"] == [] and data["ratings_given"] == []
    hashes = await town.scalar(select(account.c.password_hash))
    keys = await town.scalar(select(func.string_agg(func.encode(identity.c.key, "hex"), " ")))
    session_key = await town.scalar(select(func.encode(web_session.c.token_hash, "hex")))
    for secret in (hashes, session_key, *keys.split()):
        assert secret not in reply.text
    assert '"answers"' not in reply.text and "ballot" not in reply.text


async def test_the_archive_holds_the_same_in_parts(town) -> None:
    whole = (await town.client.get("/account/data.json")).json()
    archive = zipfile.ZipFile(io.BytesIO((await town.client.get("/account/data.zip")).content))
    assert json.loads(archive.read("everything.json"))["taking_part"] == whole["taking_part"]
    assert json.loads(archive.read("register.json")) == whole["register"]
    assert {"read-me.txt", "account.json", "taking_part.json", "named_votes.json", "audit_log.json"} <= set(
        archive.namelist()
    )
    assert await town.scalar(select(func.count()).where(audit_event.c.kind == "own_data_given")) == 2


async def test_a_named_vote_is_given_with_its_answer(fresh_database, tmp_path) -> None:
    town = Town(fresh_database, tmp_path)
    async with fresh_database.open_session() as session:
        await a_city(session)
        who = await a_house(session)
        poll = await an_owners_poll(session)
        name, owner = next(iter(who.items()))
        await cast_ballot(session, poll, owner, {"1": 1}, a_key(), town.signer, datetime.now(UTC))
    await add_account(fresh_database, ANNA, "resident", citizen_id=owner)
    client = browser(town.app)
    await sign_in(client, ANNA)
    data = (await client.get("/account/data.json")).json()
    assert data["named_votes"][0]["slug"] == poll.slug and data["named_votes"][0]["answers"] == [[1]], name
    assert data["register"]["flats"], "what one owns is in the register"


async def test_nobody_gets_anybody_elses(town) -> None:
    assert (await browser(town.app).get("/account/data.json")).status_code == 303
    other = browser(town.app)
    await add_account(town.database, "boris@city.test", "resident")
    await sign_in(other, "boris@city.test")
    data = (await other.get(f"/account/data.json?account={town.anna}&account_id={town.anna}")).json()
    assert data["account"]["email"] == "boris@city.test" and "register" not in data


# ---- erasing


async def test_erasing_waits_some_days_and_can_be_cancelled(town) -> None:
    assert (await town.post("/account/erase", password="wrong")).status_code == 422
    assert (await town.post("/account/erase", password=PASSWORD)).status_code == 303
    due = await town.scalar(select(account_erasure.c.due_at))
    assert timedelta(days=6, hours=23) < due - datetime.now(UTC) < timedelta(days=7, hours=1)
    assert "will be erased on" in (await town.client.get("/account/data")).text
    await erase_due_accounts(Work(town.database, town.settings))
    assert await town.scalar(select(func.count()).select_from(account)) == 1, "not due yet"
    assert (await town.post("/account/erase", password=PASSWORD)).status_code == 303
    assert await town.scalar(select(account_erasure.c.due_at)) == due, "asking again changes nothing"
    await town.post("/account/erase/cancel")
    await town.erase_now()
    assert await town.scalar(select(func.count()).select_from(account)) == 1
    kinds = list(await _all(town, select(audit_event.c.kind).order_by(audit_event.c.id)))
    assert kinds == ["erasure_asked", "erasure_cancelled"]


async def test_the_account_is_gone_and_the_vote_stays_single_by_every_way_back(town, tmp_path) -> None:
    await town.post("/account/erase", password=PASSWORD)
    asked = await letters(town.database, tmp_path)
    assert [letter.to_address for letter in asked] == [ANNA]
    await town.erase_now()
    for table in (account, web_session, api_token, account_erasure):
        assert await town.scalar(select(func.count()).select_from(table)) == 0, table.name
    # Another process remembers the session for five seconds: what is gone is nobody's, and no page fails over it.
    for path in ("/account", "/account/data", "/account/data.json", "/account/email"):
        assert (await town.client.get(path)).status_code in (200, 303), path
    assert (await town.post("/account/erase", password=PASSWORD)).status_code in (303, 404)
    everything = await _dump(town)
    assert ANNA not in everything.replace(await _mail(town), ""), "but for the last letter on its way"
    [last] = await letters(town.database, tmp_path)
    assert last.to_address == ANNA and "http" not in last.body
    assert await town.scalar(select(func.count()).select_from(mail_out)) == 0
    assert await town.scalar(select(func.count()).select_from(participation)) == 1
    # By the register's number and another login: the same entry.
    back = await town.sign_up_again("other@city.test")
    assert back == town.citizen
    with pytest.raises(AlreadyVoted):
        await town.vote(back)
    # By the city's sign-on: its key still leads to the same entry while the poll is open.
    async with town.database.open_session() as session:
        found = await find_citizen(session, "subject", [(1, identity_key(town.secrets[1], "subject", SUBJECT))])
    assert found == town.citizen
    with pytest.raises(AlreadyVoted):
        await town.vote(found)


async def test_keys_of_logins_go_once_every_poll_voted_in_is_counted(town) -> None:
    await town.post("/account/erase", password=PASSWORD)
    await town.erase_now()
    assert await _kinds(town) == ["national_id", "subject"]
    await town.count()
    before = await _counts(town)
    await erase_due_accounts(Work(town.database, town.settings))
    assert await _kinds(town) == ["national_id"], "the register's own key stays with its entry"
    assert await town.scalar(select(func.count()).select_from(erased_citizen)) == 0
    assert await _counts(town) == before


async def test_whoever_is_back_keeps_everything(town) -> None:
    await town.post("/account/erase", password=PASSWORD)
    await town.erase_now()
    await town.sign_up_again("other@city.test")
    await town.count()
    await erase_due_accounts(Work(town.database, town.settings))
    assert await _kinds(town) == ["national_id", "subject"]
    assert await town.scalar(select(func.count()).select_from(erased_citizen)) == 0


async def test_closed_counts_are_the_same_before_and_after(town) -> None:
    await town.count()
    before = await _counts(town)
    page = (await browser(town.app).get(f"/polls/{town.poll.slug}/results")).text
    await town.post("/account/erase", password=PASSWORD)
    await town.erase_now()
    assert await _counts(town) == before
    async with town.database.open_session() as session:
        again = await sealed_poll(session, town.poll.public_id)
    assert again.counted_at is not None and "1" in page


async def test_an_entry_known_by_its_login_alone_keeps_it(town) -> None:
    """Without a key of the register the entry could never be found again: a second one would be made."""
    async with town.database.open_session() as session:
        await session.execute(delete(identity).where(identity.c.kind == "national_id"))
    await town.post("/account/erase", password=PASSWORD)
    await town.erase_now()
    await town.count()
    async with town.database.open_session() as session:
        await forget_logins(session)
    assert await _kinds(town) == ["subject"]


async def test_who_acts_for_the_city_is_not_erased(town) -> None:
    official = await add_account(town.database, "official@city.test", "official")
    client = browser(town.app)
    await sign_in(client, "official@city.test")
    token = form_token(await client.get("/account/data"))
    reply = await client.post("/account/erase", data={"csrf_token": token, "password": PASSWORD})
    assert reply.status_code == 409 and "acts for the city" in reply.text
    async with town.database.open_session() as session:
        with pytest.raises(StaffAccount):
            await ask_erasure(session, official, town.settings, now=datetime.now(UTC))
    # Made one of the staff after asking: the erasure is dropped.
    await town.post("/account/erase", password=PASSWORD)
    async with town.database.open_session() as session:
        await session.execute(text("INSERT INTO account_role (account_id, role) VALUES (:a, 'analyst')"),
                              {"a": town.anna})  # fmt: skip
    await town.erase_now()
    assert await town.scalar(select(func.count()).select_from(account)) == 2
    assert await town.scalar(select(func.count()).select_from(account_erasure)) == 0


async def test_one_that_fails_keeps_no_other(town, monkeypatch) -> None:
    boris = await add_account(town.database, "boris@city.test", "resident")
    async with town.database.open_session() as session:
        for one in (town.anna, boris):
            await ask_erasure(session, one, town.settings, now=datetime.now(UTC) - timedelta(days=30))

    async def failing(session, account_id, *, now):
        if account_id == town.anna:
            raise RuntimeError
        return await erase_account(session, account_id, now=now)

    monkeypatch.setattr(erasure, "erase_account", failing)
    await erase_due_accounts(Work(town.database, town.settings))
    assert await town.scalar(select(account.c.id)) == town.anna


async def test_a_stranger_to_the_register_stays_one(town) -> None:
    async with town.database.open_session() as session:
        with pytest.raises(NotInRegister):
            await sign_up(session, national_id="0000 000000", birth_date=await town.born(session),
                          login=normal_login("x@city.test"), password_hash="x", secrets=town.secrets,
                          now=datetime.now(UTC))  # fmt: skip


async def _all(town, query):
    async with town.database.open_session() as session:
        return list((await session.scalars(query)).all())


async def _kinds(town) -> list[str]:
    return sorted(await _all(town, select(identity.c.kind).where(identity.c.citizen_id == town.citizen)))


async def _counts(town) -> str:
    async with town.database.open_session() as session:
        counted = (await session.execute(select(count_record))).all()
        days = (await session.execute(select(turnout_day))).all()
        channels = (await session.execute(text("SELECT * FROM turnout_channel"))).all()
    return repr((counted, days, channels))


async def _dump(town) -> str:
    """Every row of every table of ours as text."""
    async with town.database.open_session() as session:
        names = await session.scalars(
            text("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
                 " AND NOT relispartition")
        )  # fmt: skip
        rows = [str((await session.execute(text(f'SELECT t::text FROM "{name}" t'))).all()) for name in names]
    return "\n".join(rows)


async def _mail(town) -> str:
    async with town.database.open_session() as session:
        return str((await session.execute(text("SELECT t::text FROM mail_out t"))).all())

"""Whose an e-mail is: claims give way to whoever confirms, one at a time, and nobody waits for one another for ever."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from polls.errors import AccountExists
from polls.tables import audit_event
from voting.identity import accounts
from voting.identity.accounts import Login, find_account, find_credentials
from voting.identity.mailbox import ask_to_change, ask_to_verify, confirm, reset_password
from voting.identity.refusals import EmailTaken, LinkWrong
from voting.mail import hash_of
from voting.tables import account, email_change, mail_token

NOW = datetime(2026, 11, 22, tzinfo=UTC)
X = "mailbox@city.test"
LOGIN = Login(email=X)


async def an_account(database, *, email: str | None = X, phone: str | None = None, confirmed: bool = False) -> int:
    """As signing up leaves it; `confirmed`, as the link of the letter does."""
    async with database.open_session() as session:
        at = NOW if confirmed else None
        row = {"email": email, "phone": phone, "password_hash": f"hash {email} {phone}", "email_verified_at": at}
        return await session.scalar(insert(account).values(**row).returning(account.c.id))


async def a_link(database, account_id: int, token: str, purpose: str = "verify", address: str = X) -> str:
    async with database.open_session() as session:
        row = {"token_hash": hash_of(token), "account_id": account_id, "purpose": purpose, "address": address}
        await session.execute(insert(mail_token).values(**row, expires_at=NOW + timedelta(hours=1)))
    return token


async def press(database, token: str) -> str:
    try:
        async with database.open_session() as session:
            return await confirm(session, token, now=NOW)
    except (EmailTaken, LinkWrong) as refusal:
        return refusal.code


async def state(database) -> dict[int, str]:
    """Of each account what its e-mail is to it: confirmed, claimed or lost."""
    async with database.open_read_session() as session:
        rows = (await session.execute(select(account).where(account.c.email == X))).all()
    return {
        row.id: "confirmed" if row.email_verified_at else "lost" if row.email_lost_at else "claimed" for row in rows
    }


async def lost_events(database) -> list[tuple[int | None, str]]:
    async with database.open_read_session() as session:
        rows = await session.execute(
            select(audit_event.c.actor, audit_event.c.subject)
            .where(audit_event.c.kind == "email_lost")
            .order_by(audit_event.c.id)
        )
        return [(row.actor, row.subject) for row in rows]


async def credentials(database) -> list[int]:
    async with database.open_read_session() as session:
        return [one.account_id for one in await find_credentials(session, LOGIN)]


async def test_claims_give_way_when_the_mailbox_is_proved_and_stay_names_to_sign_in_by(fresh_database) -> None:
    stranger, owner, third = [await an_account(fresh_database) for _ in range(3)]
    assert await credentials(fresh_database) == [stranger, owner, third], "until then the oldest first"
    assert await press(fresh_database, await a_link(fresh_database, owner, "t")) == "verified"
    assert await state(fresh_database) == {stranger: "lost", owner: "confirmed", third: "lost"}
    assert await credentials(fresh_database) == [owner, stranger, third]
    assert await lost_events(fresh_database) == [(owner, f"account:{stranger}"), (owner, f"account:{third}")]
    late = await an_account(fresh_database)
    assert await press(fresh_database, await a_link(fresh_database, late, "u")) == "email_taken"
    assert await press(fresh_database, await a_link(fresh_database, stranger, "v")) == "email_taken"
    assert (await state(fresh_database))[late] == "claimed" and len(await lost_events(fresh_database)) == 2
    async with fresh_database.open_read_session() as session:
        assert await find_account(session, LOGIN) == owner


async def test_a_confirmed_e_mail_is_nobody_elses(fresh_database) -> None:
    await an_account(fresh_database, confirmed=True)
    with pytest.raises(IntegrityError):
        await an_account(fresh_database, confirmed=True)


async def test_a_change_to_a_claimed_e_mail_takes_it_and_to_a_confirmed_one_does_not(fresh_database) -> None:
    stranger = await an_account(fresh_database)
    owner = await an_account(fresh_database, email=None, phone="+79161234567")
    async with fresh_database.open_session() as session:
        await ask_to_change(session, owner, X, now=NOW)
    assert await press(fresh_database, await a_link(fresh_database, owner, "t", "email_new")) == "changed"
    assert await state(fresh_database) == {stranger: "lost", owner: "confirmed"}
    other = await an_account(fresh_database, email="other@city.test")
    async with fresh_database.open_session() as session:
        await ask_to_change(session, other, X, now=NOW)
    assert await press(fresh_database, await a_link(fresh_database, other, "u", "email_new")) == "email_taken"


async def test_whom_an_administrator_vouches_for_has_the_e_mail(fresh_database) -> None:
    stranger = await an_account(fresh_database)
    async with fresh_database.open_session() as session:
        made = await accounts.create_account(session, login=LOGIN, password_hash="x", now=NOW)
    assert await state(fresh_database) == {stranger: "lost", made: "confirmed"}
    assert await lost_events(fresh_database) == [(None, f"account:{stranger}")]
    with pytest.raises(AccountExists):
        async with fresh_database.open_session() as session:
            await accounts.create_account(session, login=LOGIN, password_hash="x", now=NOW)


async def test_a_lost_e_mail_gets_no_letter_and_can_be_asked_for_anew(fresh_database) -> None:
    stranger, owner = [await an_account(fresh_database) for _ in range(2)]
    await press(fresh_database, await a_link(fresh_database, owner, "t"))
    async with fresh_database.open_session() as session:
        assert not await ask_to_verify(session, stranger, now=NOW)
        await ask_to_change(session, stranger, X, now=NOW)
    assert await press(fresh_database, await a_link(fresh_database, stranger, "u", "email_new")) == "email_taken"
    async with fresh_database.open_session() as session:  # the owner moves on, and the mailbox is another's now
        await session.execute(text("UPDATE account SET email = 'new@city.test' WHERE id = :id"), {"id": owner})
    assert await press(fresh_database, "u") == "changed", "the link was not used up by the refusal"
    assert await state(fresh_database) == {stranger: "confirmed"}


async def test_few_passwords_are_tried_however_many_name_an_e_mail(fresh_database) -> None:
    claims = [await an_account(fresh_database) for _ in range(6)]
    assert await credentials(fresh_database) == claims[:3]
    await press(fresh_database, await a_link(fresh_database, claims[5], "t"))
    assert await credentials(fresh_database) == [claims[5], *claims[:2]]


# ---- races


async def by_claim(database, token: str) -> str:
    return await a_link(database, await an_account(database), token)


async def by_change(database, token: str) -> str:
    changing = await an_account(database, email=None, phone=f"+7916{hash_of(token).hex()[:3].translate(DIGITS)}0000")
    async with database.open_session() as session:
        await ask_to_change(session, changing, X, now=NOW)
    return await a_link(database, changing, token, "email_new")


DIGITS = str.maketrans("abcdef", "012345")


@pytest.mark.parametrize("ways", [(by_claim, by_claim), (by_claim, by_change), (by_change, by_change)])
@pytest.mark.parametrize("held", ["first", "last", "nothing"])
async def test_of_two_who_confirm_at_once_one_has_it_and_the_other_is_told(fresh_database, ways, held) -> None:
    """Both come while an account that names the e-mail is held by somebody else, so that they meet at its locks."""
    bystanders = [await an_account(fresh_database)]
    tokens = [await way(fresh_database, token) for way, token in zip(ways, ("one", "two"), strict=True)]
    bystanders.append(await an_account(fresh_database))
    chosen = {"first": min(bystanders), "last": max(bystanders), "nothing": 0}[held]
    async with fresh_database.open_session() as session:
        await session.execute(select(account.c.id).where(account.c.id == chosen).with_for_update())
        both = [asyncio.create_task(press(fresh_database, token)) for token in tokens]
        await asyncio.sleep(0.2)
    done = sorted(await asyncio.wait_for(asyncio.gather(*both), 10))
    assert done[0] in ("changed", "email_taken") and len({"verified", "changed"} & set(done)) == 1, done
    assert done.count("email_taken") == 1
    found = await state(fresh_database)
    assert sorted(found.values()).count("confirmed") == 1 and "claimed" not in found.values()
    assert {found[one] for one in bystanders} == {"lost"}
    assert len(await lost_events(fresh_database)) == len(found) - 1


async def test_many_at_once_leave_one_owner(fresh_database) -> None:
    claims = [await an_account(fresh_database) for _ in range(6)]
    tokens = [await a_link(fresh_database, one, f"t{one}") for one in claims]
    done = await asyncio.wait_for(asyncio.gather(*(press(fresh_database, one) for one in tokens)), 20)
    assert sorted(done) == ["email_taken"] * 5 + ["verified"]
    assert sorted((await state(fresh_database)).values()) == ["confirmed"] + ["lost"] * 5


@pytest.mark.parametrize("first", [0, 1])
async def test_confirming_and_a_new_password_by_letter_do_not_wait_for_each_other(fresh_database, first) -> None:
    """Each uses a link of the account up and then needs what the other holds, were the account not held first."""
    owner = await an_account(fresh_database, confirmed=True)
    async with fresh_database.open_session() as session:
        await ask_to_change(session, owner, "new@city.test", now=NOW)
        await session.execute(email_change.update().values(new_confirmed_at=NOW))
    await a_link(fresh_database, owner, "old", "email_old")
    await a_link(fresh_database, owner, "reset", "reset")

    async def reset() -> str:
        try:
            async with fresh_database.open_session() as session:
                await reset_password(session, "reset", "hash", now=NOW)
        except LinkWrong as refusal:
            return refusal.code
        return "reset"

    async with fresh_database.open_session() as session:
        await session.execute(select(account.c.id).where(account.c.id == owner).with_for_update())
        steps = [reset(), press(fresh_database, "old")]
        both = []
        for step in (steps[first], steps[1 - first]):
            both.append(asyncio.create_task(step))
            await asyncio.sleep(0.2)
    done = set(await asyncio.wait_for(asyncio.gather(*both), 10))
    assert done in ({"changed", "link_wrong"}, {"link_wrong", "reset"}), "whoever comes first ends the other's link"

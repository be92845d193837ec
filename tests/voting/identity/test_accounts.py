from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select
from tests.sites import BORN, NATIONAL_ID, add_citizen, site_settings

from polls.errors import AccountExists, Invalid, NotFound, NotInRegister
from voting.identity import accounts
from voting.identity.accounts import Login, normal_login
from voting.identity.scope import Grant
from voting.tables import account, account_role

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "login"),
    [
        (" Ivan@City.Test ", Login(email="ivan@city.test")),
        ("иван@почта.рф", Login(email="иван@почта.рф")),
        ("8 (916) 123-45-67", Login(phone="+79161234567")),
        ("+7 916 123 45 67", Login(phone="+79161234567")),
        ("7 916 123 45 67", Login(phone="+79161234567")),
        ("9161234567", Login(phone="+79161234567")),
        ("+7\u00a0916\u2011123\u201145\u201167", Login(phone="+79161234567")),
        ("+44 20 7946 0958", Login(phone="+442079460958")),
        ("00 375 29 123-45-67", Login(phone="+375291234567")),
    ],
)
def test_logins_have_one_form(typed: str, login: Login):
    assert normal_login(typed) == login


@pytest.mark.parametrize(
    "typed",
    ["", "ivan", "ivan@", "@city.test", "ivan@city", "a b@city.test", "ivan@city.test\nbcc:x@y.zz", "+7 916 123 45 6",
     "12345", "+0 123 456 789", "+79161234567890123", "x" * 300 + "@city.test", "+٧٩١٦١٢٣٤٥٦٧"],
)  # fmt: skip
def test_other_texts_are_no_logins(typed: str):
    with pytest.raises(Invalid):
        normal_login(typed)


async def _sign_up(database, tmp_path, **changes):
    given = {"national_id": NATIONAL_ID, "birth_date": BORN, "login": Login(email="anna@city.test"), **changes}
    secrets = site_settings(tmp_path).secret_versions("identity")
    async with database.open_session() as session:
        return await accounts.sign_up(session, password_hash="x", secrets=secrets, now=NOW, **given)


async def test_signing_up_points_the_account_at_the_register_entry(fresh_database, tmp_path):
    citizen_id = await add_citizen(fresh_database, tmp_path)
    account_id = await _sign_up(fresh_database, tmp_path, national_id="4510-123456")
    async with fresh_database.open_read_session() as session:
        row = (await session.execute(select(account).where(account.c.id == account_id))).one()
        roles = (await session.scalars(select(account_role.c.role))).all()
    assert (row.citizen_id, row.email, roles) == (citizen_id, "anna@city.test", ["resident"])


@pytest.mark.parametrize(
    "changes", [{"national_id": "4510 123457"}, {"birth_date": date(1990, 2, 4)}, {"national_id": "???"}]
)
async def test_whatever_is_wrong_the_refusal_is_the_same(fresh_database, tmp_path, changes):
    await add_citizen(fresh_database, tmp_path)
    with pytest.raises(NotInRegister) as refused:
        await _sign_up(fresh_database, tmp_path, **changes)
    assert dict(refused.value.facts) == {}


async def test_an_entry_of_unknown_birth_date_opens_no_account(fresh_database, tmp_path):
    await add_citizen(fresh_database, tmp_path, born=None)
    with pytest.raises(NotInRegister):
        await _sign_up(fresh_database, tmp_path)


async def test_a_known_login_is_not_told_to_who_is_not_in_the_register(fresh_database, tmp_path):
    await add_citizen(fresh_database, tmp_path)
    await _sign_up(fresh_database, tmp_path)
    with pytest.raises(NotInRegister):
        await _sign_up(fresh_database, tmp_path, birth_date=date(1991, 1, 1))


@pytest.mark.parametrize("same", ["entry", "phone"])
async def test_an_entry_and_a_phone_have_one_account(fresh_database, tmp_path, same):
    await add_citizen(fresh_database, tmp_path)
    await add_citizen(fresh_database, tmp_path, "9999 000000")
    await _sign_up(fresh_database, tmp_path, login=Login(phone="+79161234567"))
    login = Login(email="b@city.test") if same == "entry" else Login(phone="+79161234567")
    changes = {} if same == "entry" else {"national_id": "9999 000000"}
    with pytest.raises(AccountExists):
        await _sign_up(fresh_database, tmp_path, login=login, **changes)


async def test_roles_are_given_once_and_taken(session):
    account_id = await accounts.create_admin(session, login=Login(email="a@city.test"), password_hash="x", now=NOW)
    assert await accounts.count_admins(session) == 1
    await accounts.grant_role(session, account_id, "official", granted_by=account_id, now=NOW)
    await accounts.grant_role(session, account_id, "official", granted_by=account_id, now=NOW)
    with pytest.raises(Invalid):
        await accounts.grant_role(session, account_id, "tsar", granted_by=None, now=NOW)
    await accounts.revoke_role(session, account_id, Grant("admin"), now=NOW)
    roles = (await session.scalars(select(account_role.c.role).where(account_role.c.account_id == account_id))).all()
    assert roles == ["official"]


async def test_an_account_is_found_by_either_login(session):
    account_id = await accounts.create_account(session, login=Login(phone="+79161234567"), password_hash="x", now=NOW)
    assert await accounts.find_account(session, normal_login("8 916 123-45-67")) == account_id
    with pytest.raises(NotFound):
        await accounts.find_account(session, normal_login("nobody@city.test"))

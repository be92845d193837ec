"""One-time codes: RFC 6238's own vectors, the window, no code twice, recovery codes, and secrets sealed at rest."""

from __future__ import annotations

import asyncio
import base64
import secrets
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from sqlalchemy import select
from tests.sites import add_account

from polls.sessions import Session
from voting.db import Database
from voting.factor_tables import one_time_code, recovery_code
from voting.identity import totp
from voting.identity.factor_refusals import CodeRefused, CodesAlreadyOn
from voting.tables import account

KEYS = {1: b"\1" * 32}
ROTATED = {1: b"\1" * 32, 2: b"\2" * 32}
NOW = datetime(2026, 11, 22, 12, 0, 10, tzinfo=UTC)
HALF_MINUTE = timedelta(seconds=30)
RFC_SECRET = b"12345678901234567890"


async def an_account(session: Session, login: str = "anna@city.test") -> int:
    made = await session.scalar(account.insert().values(email=login, password_hash="x").returning(account.c.id))
    assert made is not None
    return int(made)


def application(made: totp.SetUp) -> pyotp.TOTP:
    """The application on somebody's phone, set up by the address in the QR code."""
    read = pyotp.parse_uri(made.address)
    assert isinstance(read, pyotp.TOTP)
    assert read.secret == made.secret.replace(" ", "")
    return read


async def set_up(session: Session, account_id: int, now: datetime = NOW) -> tuple[pyotp.TOTP, list[str]]:
    made = await totp.begin_set_up(session, account_id, login="anna@city.test", site="Голос города", keys=KEYS, now=now)
    phone = application(made)
    return phone, await totp.confirm_set_up(session, account_id, phone.at(now), keys=KEYS, now=now)


@pytest.mark.parametrize(
    ("second", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_the_vectors_of_rfc_6238(second: int, code: str) -> None:
    now = datetime.fromtimestamp(second, UTC)
    assert totp.matching_step(RFC_SECRET, code, now, None) == second // 30


async def test_secrets_and_recovery_codes_are_drawn_anew_from_the_system_s_source(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[bytes] = []
    source = secrets.token_bytes

    def noted(size: int) -> bytes:
        drawn.append(source(size))
        return drawn[-1]

    monkeypatch.setattr(secrets, "token_bytes", noted)
    keys, codes = set(), set()
    for number in range(12):
        phone, given = await set_up(session, await an_account(session, f"p{number}@city.test"))
        keys.add(phone.byte_secret())
        codes |= {base64.b32decode(code.replace("-", "").replace(" ", "").upper()) for code in given}
    assert len(keys) == 12 and {len(key) for key in keys} == {20}
    assert len(codes) == 120 and {len(code) for code in codes} == {10}
    assert keys | codes <= set(drawn), "nothing is left out of what was drawn"
    for position in range(10):  # no byte stands still: by chance all of 120 would be one with 256 ** -119
        assert len({code[position] for code in codes}) > 50


def test_one_step_either_side_and_no_further() -> None:
    phone = pyotp.TOTP(pyotp.random_base32())
    secret = phone.byte_secret()
    for steps, taken in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        code = phone.at(NOW + steps * HALF_MINUTE)
        assert (totp.matching_step(secret, code, NOW, None) is not None) is taken


async def test_a_code_is_taken_once_and_none_before_it(session: Session) -> None:
    account_id = await an_account(session)
    phone, _ = await set_up(session, account_id)
    for code in (phone.at(NOW), phone.at(NOW - HALF_MINUTE)):  # the one that turned codes on, and the one before
        with pytest.raises(CodeRefused):
            await totp.check_code(session, account_id, code, keys=KEYS, now=NOW)
    code = phone.at(NOW + HALF_MINUTE)
    await totp.check_code(session, account_id, f"{code[:3]} {code[3:]}", keys=KEYS, now=NOW)
    with pytest.raises(CodeRefused):
        await totp.check_code(session, account_id, code, keys=KEYS, now=NOW + timedelta(seconds=30))


async def test_codes_are_asked_for_once_they_are_confirmed(session: Session) -> None:
    account_id = await an_account(session)
    made = await totp.begin_set_up(session, account_id, login="a", site="b", keys=KEYS, now=NOW)
    assert not await totp.asks_for_codes(session, account_id)
    with pytest.raises(CodeRefused):
        await totp.confirm_set_up(session, account_id, "000000", keys=KEYS, now=NOW)
    with pytest.raises(CodeRefused):  # a secret that is not confirmed signs nobody in
        await totp.check_code(session, account_id, application(made).at(NOW), keys=KEYS, now=NOW)
    shown_again = await totp.pending_set_up(session, account_id, login="a", site="b", keys=KEYS, now=NOW)
    assert shown_again == made
    codes = await totp.confirm_set_up(session, account_id, application(made).at(NOW), keys=KEYS, now=NOW)
    assert (await totp.codes_state(session, account_id)) == totp.CodesState(True, 10)
    assert len(set(codes)) == 10
    with pytest.raises(CodesAlreadyOn):
        await totp.begin_set_up(session, account_id, login="a", site="b", keys=KEYS, now=NOW)
    assert await totp.turn_off(session, account_id, actor=account_id, now=NOW)
    assert not await totp.turn_off(session, account_id, actor=account_id, now=NOW)
    assert await totp.codes_state(session, account_id) == totp.CodesState(False, 0)


async def test_a_set_up_left_lying_is_neither_shown_nor_confirmed(session: Session) -> None:
    """Whoever finds the session open later would set up a phone of his own and lock the owner out."""
    account_id = await an_account(session)
    made = await totp.begin_set_up(session, account_id, login="a", site="b", keys=KEYS, now=NOW)
    later = NOW + totp.SET_UP_WITHIN
    assert await totp.pending_set_up(session, account_id, login="a", site="b", keys=KEYS, now=later) is None
    with pytest.raises(CodeRefused):
        await totp.confirm_set_up(session, account_id, application(made).at(later), keys=KEYS, now=later)
    assert not await totp.asks_for_codes(session, account_id)
    phone, _ = await set_up(session, account_id, later)  # begun anew, it works
    assert await totp.asks_for_codes(session, account_id) and phone.secret != application(made).secret


async def test_recovery_codes_serve_once_and_are_not_stored(session: Session) -> None:
    account_id = await an_account(session)
    _, codes = await set_up(session, account_id)
    stored = (await session.scalars(select(recovery_code.c.code_hash))).all()
    assert not any(code.replace("-", "").encode() in hashed for code in codes for hashed in stored)
    await totp.check_code(session, account_id, f" {codes[3].lower()} ", keys=KEYS, now=NOW)
    with pytest.raises(CodeRefused):
        await totp.check_code(session, account_id, codes[3], keys=KEYS, now=NOW)
    assert (await totp.codes_state(session, account_id)).left == 9
    stranger = await an_account(session, "boris@city.test")
    await set_up(session, stranger)
    with pytest.raises(CodeRefused):
        await totp.check_code(session, stranger, codes[4], keys=KEYS, now=NOW)
    renewed = await totp.renew_recovery_codes(session, account_id, now=NOW)
    with pytest.raises(CodeRefused):
        await totp.check_code(session, account_id, codes[5], keys=KEYS, now=NOW)
    await totp.check_code(session, account_id, renewed[0], keys=KEYS, now=NOW)


@pytest.mark.parametrize(
    "code", ["", " ", "12345", "1234567", "abcdef", "１２３４５６", "\x00", "-" * 5000, "0" * 6, "\ud800"]
)
async def test_what_is_no_code(session: Session, code: str) -> None:
    account_id = await an_account(session)
    with pytest.raises(CodeRefused):
        await totp.check_code(session, account_id, code, keys=KEYS, now=NOW)


async def test_the_secret_is_sealed_for_its_account(session: Session) -> None:
    account_id, stranger = await an_account(session), await an_account(session, "boris@city.test")
    phone, _ = await set_up(session, account_id)
    row = (await session.execute(select(one_time_code))).one()
    assert phone.byte_secret() not in row.sealed_secret
    assert totp.unseal(row.sealed_secret, account_id, row.key_version, KEYS) == phone.byte_secret()
    for holder, version, keys in ((stranger, 1, KEYS), (account_id, 1, {1: b"\3" * 32}), (account_id, 2, KEYS)):
        with pytest.raises(ValueError, match=r"sealed|missing"):
            totp.unseal(row.sealed_secret, holder, version, keys)


async def test_a_new_key_takes_over_when_a_code_is_used_or_all_at_once(session: Session) -> None:
    first, second = await an_account(session), await an_account(session, "boris@city.test")
    phone, _ = await set_up(session, first)
    await set_up(session, second)
    later = NOW + timedelta(minutes=5)
    await totp.check_code(session, first, phone.at(later), keys=ROTATED, now=later)
    versions = select(one_time_code.c.key_version).order_by(one_time_code.c.account_id)
    assert list(await session.scalars(versions)) == [2, 1]
    assert await totp.reseal_secrets(session, ROTATED) == 1
    assert list(await session.scalars(versions)) == [2, 2]
    later += timedelta(minutes=5)
    await totp.check_code(session, first, phone.at(later), keys={2: ROTATED[2]}, now=later)  # the old file may go


async def test_two_at_once_take_one_code(fresh_database: Database) -> None:
    account_id = await add_account(fresh_database, "anna@city.test")
    async with fresh_database.open_session() as session:
        phone, codes = await set_up(session, account_id)
    later = NOW + timedelta(minutes=5)

    async def try_it(code: str) -> bool:
        try:
            async with fresh_database.open_session() as session:
                await totp.check_code(session, account_id, code, keys=KEYS, now=later)
        except CodeRefused:
            return False
        return True

    for code in (phone.at(later), codes[0]):
        assert sum(await asyncio.gather(*(try_it(code) for _ in range(4)))) == 1

import asyncio
import threading
import time

import pytest
from tests.sites import fast_passwords

from polls.errors import Busy
from voting.identity.passwords import PasswordPool, normal_password, password_faults


async def test_a_hash_verifies_its_password_and_no_other():
    pool = fast_passwords()
    stored = await pool.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert await pool.verify("correct horse", stored)
    assert not await pool.verify("correct horsf", stored)
    assert not await pool.verify("correct horse", None)
    assert not await pool.verify("correct horse", "not a hash")


async def test_parameters_are_those_promised():
    pool = PasswordPool(1)
    stored = await pool.hash("correct horse")
    assert "m=19456,t=2,p=1" in stored
    assert not pool.needs_rehash(stored)
    assert pool.needs_rehash(await fast_passwords().hash("correct horse"))


async def test_a_composed_and_a_decomposed_letter_are_one_password():
    pool = fast_passwords()
    stored = await pool.hash("зелёный чай")
    assert normal_password("чаи\u0306") == normal_password("чай")
    assert await pool.verify("зеле\u0308ный чаи\u0306", stored)


async def test_nothing_but_the_form_of_letters_is_changed():
    pool = fast_passwords()
    stored = await pool.hash(" Two  Spaces ")
    for other in ("Two  Spaces", " two  spaces ", " Two Spaces "):
        assert not await pool.verify(other, stored)


async def test_a_lone_surrogate_is_a_wrong_password_and_no_crash():
    assert not await fast_passwords().verify("\ud800" * 9, None)


async def test_a_full_pool_refuses_at_once_and_recovers():
    release = threading.Event()
    pool = fast_passwords(queue=1)
    waiting = [asyncio.ensure_future(pool._run(release.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    began = time.perf_counter()
    with pytest.raises(Busy) as refused:
        await pool.verify("anything", None)
    assert time.perf_counter() - began < 0.5
    assert refused.value.facts["retry_after"] >= 1
    release.set()
    await asyncio.gather(*waiting)
    await asyncio.sleep(0.01)
    assert not await pool.verify("anything", None)


async def test_a_client_that_gives_up_does_not_free_a_thread_that_works_on():
    release = threading.Event()
    pool = fast_passwords(queue=0)
    tasks = [asyncio.ensure_future(pool._run(release.wait)) for _ in range(2)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with pytest.raises(Busy):
        await pool.hash("correct horse")
    release.set()


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "too_short"),
        ("1234567", "too_short"),
        ("еёеёеёе", "too_short"),
        ("е\u0308" * 7, "too_short"),
        ("x" * 256 + "y", "too_long"),
        ("щ" * 129, "too_long"),
        ("Password123", "too_common"),
        ("ЙЦУКЕНгш", "too_common"),
        ("abababababab", "too_common"),
        ("Ivan.Petrov", "too_common"),
        ("ivan.petrov@city.test", "too_common"),
    ],
)
def test_weak_passwords_are_named(password: str, code: str):
    assert [fault.code for fault in password_faults(password, logins=("ivan.petrov@city.test",))] == [code]


@pytest.mark.parametrize("password", ["correct horse", "12 окон в доме", "🐎🔋📎🌳🐎🔋📎🌳", "x y z" * 51])
def test_other_passwords_will_do(password: str):
    assert password_faults(password, logins=("ivan@city.test",)) == []

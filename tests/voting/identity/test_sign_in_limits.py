"""Limits of signing in under attack, simulated against the shared counters: no hash is computed here."""

import logging
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from polls.errors import TooMany
from polls.tables import audit_event
from voting.identity.devices import KnownDevices
from voting.identity.sign_in_limits import SignInLimits
from voting.throttling import LIMITS, Limit, Throttle

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FULL = os.environ.get("VECHE_FULL_COUNTS") == "1"
SCALE = 1 if FULL else 20
"""Runs of every day try a twentieth of the pairs against a twentieth of the limits over the whole site."""


def limits(database, **changed: Limit) -> SignInLimits:
    return SignInLimits(Throttle(database, b"k" * 32, changed), database)


async def tries(one: SignInLimits, login: str, network: str, *, right: bool = False, device=None, now=NOW) -> bool:
    """One try; whether it was let through to the password."""
    try:
        admitted = await one.admit(login, network, device, now=now)
    except TooMany:
        return False
    if right:
        await one.forgive(admitted.counted, now=now)
    return True


async def passed(one: SignInLimits, attempts: Sequence[tuple[str, str]]) -> int:
    return sum([await tries(one, login, network) for login, network in attempts])


async def test_a_known_device_comes_in_whatever_strangers_do(fresh_database) -> None:
    one = limits(fresh_database, sign_in_account=Limit(20, timedelta(hours=1)))
    await passed(one, [("anna", f"198.51.{i}.0/24") for i in range(60)])
    assert not await tries(one, "anna", "198.51.0.0/24") or not await tries(one, "anna", "198.51.0.0/24")
    for _ in range(50):  # right passwords never add up
        assert await tries(one, "anna", "198.51.0.0/24", right=True, device="d1")
    # Somebody with a stolen cookie guesses no more than anybody else, and takes nothing from another device.
    assert sum([await tries(one, "anna", "x", device="d2") for _ in range(40)]) == LIMITS["sign_in_device"].hits
    assert await tries(one, "anna", "x", right=True, device="d1")


async def test_an_owner_on_a_new_device_has_two_tries_from_home_during_an_attack(fresh_database) -> None:
    one = limits(fresh_database, sign_in_account=Limit(20, timedelta(hours=1)))
    await passed(one, [("anna", f"198.51.{i}.0/24") for i in range(100)])
    for _ in range(5):
        assert await tries(one, "anna", "203.0.113.0/24", right=True), "right passwords are not counted"
    assert [await tries(one, "anna", "203.0.113.0/24") for _ in range(4)] == [True, True, False, False]
    # The attacker has the same two in each network, where ten were let through before.
    assert [await tries(one, "anna", "192.0.2.0/24") for _ in range(12)].count(True) == 2


async def test_one_login_from_one_network_is_held_and_others_are_not(fresh_database) -> None:
    one = limits(fresh_database)
    assert await passed(one, [("anna", "a")] * 15) == 10
    assert await tries(one, "anna", "b") and await tries(one, "boris", "a")
    assert await tries(one, "anna", "a", now=NOW + timedelta(minutes=31))


async def test_counters_hold_across_processes(fresh_database) -> None:
    here, there = limits(fresh_database), limits(fresh_database)
    let = [await tries(process, "anna", "a") for _ in range(10) for process in (here, there)]
    assert let.count(True) == 10


@dataclass
class Attack:
    """What a list of stolen pairs came to: pairs tried, let through to the password, right among those; and how many
    accounts open: of those with a mailbox, of those with a birth date alone, and of those with neither."""

    pairs: int
    let: int = 0
    right: int = 0
    opened: Counter[str] = field(default_factory=Counter)
    innocent: list[bool] = field(default_factory=list)
    alarm_at: datetime | None = None

    def share(self, kind: str) -> float:
        """The share of all tries that would open an account, were all accounts of this kind."""
        return self.opened[kind] / self.pairs


async def stolen_pairs(database, scale: int, span: timedelta) -> Attack:
    """Of 100,000 pairs from 1,000 networks as many as the scale leaves, against limits scaled alike.

    One try for each account, a tenth of them right, spread evenly over a time and at random over networks.

    The rule is `voting.identity.new_devices`: a right password opens by itself unless the alarm stands as it comes;
    then only where there is neither a mailbox nor a birth date. That it is followed is for tests/flows/
    test_new_devices.py.
    """
    pairs, networks = 100_000 // scale, 1000 // scale
    scaled = {
        name: replace(LIMITS[name], hits=LIMITS[name].hits // scale)
        for name in ("sign_in_alarm", "sign_in_storm", "sign_in_site")
    }
    one, drawn, found = limits(database, **scaled), random.Random(16), Attack(pairs)
    for i in range(pairs):
        now = NOW + span * i / pairs
        right = i % 10 == 0
        try:
            admitted = await one.admit(f"victim {i}", f"network {drawn.randrange(networks)}", None, now=now)
        except TooMany:
            continue
        found.let += 1
        if admitted.alarm and found.alarm_at is None:
            found.alarm_at = now
        if right:
            await one.forgive(admitted.counted, now=now)
            found.right += 1
            found.opened.update(["neither"] if admitted.alarm else ["mailbox", "birth date", "neither"])
        if i % 50 == 25:  # somebody on a new device in a quiet network, and somebody at home
            found.innocent.append(await tries(one, f"owner {i}", f"quiet {i}", right=True, now=now))
            found.innocent.append(
                await tries(one, f"owner {i}", "network 0", right=True, device=f"device {i}", now=now)
            )
    return found


@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize("minutes", [20, 24 * 60])
async def test_a_hundred_thousand_stolen_pairs_from_a_thousand_networks(fresh_database, minutes) -> None:
    """The bar: under 0.1 % of the tries open an account, nobody is kept out, and it is noticed within five minutes."""
    scale = SCALE if minutes < 60 else 20  # the slow list tells nothing more at its size, and takes minutes
    found = await stolen_pairs(fresh_database, scale, timedelta(minutes=minutes))
    logging.getLogger(__name__).warning("%s minutes: %s", minutes, replace(found, innocent=[]))
    assert all(found.innocent), "an owner was kept out"
    assert found.alarm_at is not None and found.alarm_at - NOW < timedelta(minutes=5)
    assert found.share("mailbox") < 0.001 and found.share("birth date") < 0.001
    # Neither: what limits alone can do, by networks and quarters of an hour. No bar is met there.
    windows = 1 + minutes // 15
    most = LIMITS["sign_in_storm"].hits // scale + LIMITS["sign_in_network_storm"].hits * 1000 // scale * (windows + 1)
    if minutes < 60:
        assert found.let - found.right <= most and found.share("neither") < 0.05
    else:
        assert found.share("neither") > 0.05, "a slow list is no storm: say so in 0041"


async def test_the_alarm_is_told_once_and_ends_an_hour_after_the_attack(fresh_database) -> None:
    few = {"sign_in_alarm": Limit(5, timedelta(hours=1))}
    here, there = limits(fresh_database, **few), limits(fresh_database, **few)
    for i in range(20):
        for process in (here, there):
            process._said.clear()  # as if a minute had gone by
            await process.admit(f"victim {i}", f"network {i}", None, now=NOW + timedelta(minutes=i))
    assert (await here.admit("anna", "home", None, now=NOW + timedelta(minutes=20))).alarm
    assert not (await here.admit("anna", "home", "her telephone", now=NOW + timedelta(minutes=20))).alarm
    assert not (await here.admit("anna", "home", None, now=NOW + timedelta(minutes=119))).alarm
    async with fresh_database.open_session() as session:
        told = (await session.execute(select(audit_event.c.subject, audit_event.c.facts))).all()
    assert [tuple(one) for one in told] == [("site", {"count": 5})]


async def test_mistakes_of_people_and_right_passwords_raise_no_alarm(fresh_database) -> None:
    one = limits(fresh_database, sign_in_alarm=Limit(5, timedelta(hours=1)))
    for i in range(5):
        assert await tries(one, f"somebody {i}", f"network {i}")
    for i in range(30):
        assert await tries(one, f"somebody {i}", f"network {i}", right=True, device=None if i % 2 else "d")
    assert not (await one.admit("anna", "home", "d", now=NOW)).alarm
    assert (await one.admit("anna", "home", None, now=NOW)).alarm, "the sixth failure"


def test_a_cookie_of_a_device_is_good_for_one_account_and_one_password() -> None:
    devices = KnownDevices(b"s" * 32)
    cookie = devices.issue(7, "$argon2id$a")
    number = devices.device_of(cookie, 7, "$argon2id$a")
    assert number is not None and devices.device_of(devices.issue(7, "$argon2id$a", number), 7, "$argon2id$a") == number
    assert devices.device_of(cookie, 8, "$argon2id$a") is None
    assert devices.device_of(cookie, 7, "$argon2id$b") is None
    assert KnownDevices(b"t" * 32).device_of(cookie, 7, "$argon2id$a") is None
    for forged in (
        None,
        "",
        "7",
        cookie[:-1] + "0",
        cookie.replace("7.", "07.", 1) + "x",
        "7." + "a" * 24 + "." + "0" * 64,
    ):
        assert devices.device_of(forged, 7, "$argon2id$a") is None or forged == cookie


@pytest.mark.parametrize("failures", [3])
async def test_right_passwords_leave_no_counter_behind(fresh_database, failures) -> None:
    one = limits(fresh_database, sign_in=Limit(failures, timedelta(minutes=15)))
    for _ in range(20):
        assert await tries(one, "anna", "a", right=True)
    assert await passed(one, [("anna", "a")] * 9) == failures

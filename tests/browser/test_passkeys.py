"""A passkey in Chromium, with its virtual authenticator: made, signed in with, and asked for to confirm."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pyotp
import pytest
from playwright.async_api import Browser, CDPSession, expect
from tests.browser.city import City
from tests.browser.site import LiveSite
from tests.browser.visitors import PASSWORD, Visitor
from tests.sites import add_account

from voting.db import Database

LOGIN = "passkeys@office.test"
AUTHENTICATOR: dict[str, Any] = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture
async def official(chromium: Browser, site: LiveSite, city: City) -> AsyncIterator[Visitor]:
    """Somebody of the office at the site's name: browsers make passkeys for names only."""
    assert site.settings.database_url
    database = Database.from_url(site.settings.database_url)
    await add_account(database, LOGIN, "official", password=PASSWORD)
    await database.close()
    visitor = await Visitor.arrive(chromium, site.url.replace("127.0.0.1", "localhost"))
    yield visitor
    await visitor.leave()
    assert not visitor.problems, "\n".join(visitor.problems)


async def device_of(visitor: Visitor) -> tuple[CDPSession, str]:
    devices = await visitor.context.new_cdp_session(visitor.page)
    await devices.send("WebAuthn.enable")
    made = await devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return devices, made["authenticatorId"]


async def test_register_sign_in_and_confirm(official: Visitor) -> None:
    devices, device = await device_of(official)
    page, said = official.page, official.page.locator("main [role=status]")
    await official.sign_in(LOGIN, then="/account/keys")

    # A wrong password makes no passkey, on the device neither.
    add = page.locator("form[action='/account/keys/add']")
    await add.locator("[name=name]").fill("Рабочий телефон")
    await add.locator("[name=step_up_password]").fill("not the password")
    await add.locator("button[type=submit]").click()
    await expect(add.locator("passkey-new [data-said]")).to_contain_text(
        official.words("The proof that it is you did not hold.")
    )
    assert (await devices.send("WebAuthn.getCredentials", {"authenticatorId": device}))["credentials"] == []
    official.problems.clear()  # the browser's console names the refusal that was just asked for

    await add.locator("[name=step_up_password]").fill(PASSWORD)
    await add.locator("button[type=submit]").click()
    await expect(said.first).to_contain_text(official.words("The passkey is registered."))
    await expect(official.main).to_contain_text("Рабочий телефон")

    # Signing in without typing anything.
    await official.context.clear_cookies()
    await official.go("/sign-in?next=/account/keys")
    await official.button("Sign in with a passkey").click()
    await official.headed("Passkeys and one-time codes")

    # Confirming: the device that does not know its owner confirms nothing, the one that does confirms at once.
    codes = page.locator("form[action='/account/codes/begin']")
    await expect(codes.locator("[name=step_up_password]")).to_have_count(0)
    await devices.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    await codes.locator("button[type=submit]").click()
    await expect(codes.locator("[data-said]")).to_contain_text(
        official.words("Nothing was confirmed: the passkey was not used, or the time ran out. You may try again.")
    )
    await devices.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": True})
    await codes.locator("button[type=submit]").click()
    await official.headed("Set up one-time codes")

    # The code of an application turns codes on; the page shows ten to keep.
    secret = (await page.locator("#secret").inner_text()).replace(" ", "")
    await page.locator("[name=code]").fill(pyotp.TOTP(secret).at(datetime.now(UTC)))
    await official.button("Turn one-time codes on").click()
    await expect(page.locator("#recovery-codes li")).to_have_count(10)
    recovery = await page.locator("#recovery-codes li").first.inner_text()

    # Where the browser can, its own list under the login will do; the virtual device chooses at once.
    await official.context.clear_cookies()
    await official.go("/sign-in?next=/account/keys")
    await page.locator("[name=login]").focus()
    await official.headed("Passkeys and one-time codes")

    # Without the device the password asks for a code.
    await devices.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": device})
    await official.context.clear_cookies()
    await official.go("/sign-in?next=/account/keys")
    await official.fill_in_sign_in(LOGIN)
    await official.headed("One-time code")
    await page.locator("[name=code]").fill(recovery)
    await official.button("Sign in").click()
    await official.headed("Passkeys and one-time codes")

"""People at browsers: Chromium through Playwright, and a watch on everything their pages do.

Nothing is downloaded: the machine's own Chromium is driven. Playwright's `wait_for_function` polls with eval, which the
pages' policy forbids, so tests wait with `expect()` and locators only.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    Request,
    Response,
    async_playwright,
    expect,
)

from voting.web.i18n import gettext_for

CHROMIUM: Final = Path(os.environ.get("VECHE_CHROMIUM", "/usr/bin/chromium"))
ARGS: Final = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DIST: Final = Path(__file__).parents[2] / "src" / "voting" / "static" / "dist" / "manifest.json"
SIZES: Final[dict[str, dict[str, Any]]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
    "reflow": {"viewport": {"width": 320, "height": 640}},
}
PASSWORD: Final = "veche demo"
REFUSED: Final = re.compile(r"the server responded with a status of 4\d\d")
FORM_TOKEN: Final = re.compile(r'name="csrf_token" value="([^"]+)"')
PATIENCE: Final = 20_000  # milliseconds; a machine may be busy with other tests
TABS: Final = 150  # more presses of Tab than any page takes

expect.set_options(timeout=PATIENCE)


def missing() -> str | None:
    """Say what browser tests lack on this machine; None when they can run."""
    if not CHROMIUM.is_file():
        return f"there is no {CHROMIUM}: install Chromium (Debian: apt-get install chromium)"
    if not DIST.is_file():
        return "the front end has not been built (make src/voting/static/dist/manifest.json)"
    return None


def require_browser() -> None:
    """Skip where browser tests cannot run; fail where they must (VECHE_REQUIRE_BROWSER=1)."""
    lack = missing()
    if lack is None:
        return
    if os.environ.get("VECHE_REQUIRE_BROWSER") == "1":
        pytest.fail(f"Browser tests must run here, but {lack}.", pytrace=False)
    pytest.skip(f"BROWSER TESTS DID NOT RUN: {lack}.")


@asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    """Start Chromium for the length of the block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=ARGS)
        yield browser
        await browser.close()


@dataclass
class Visitor:
    """One person: a browser context of their own with one page, and what went wrong in it."""

    context: BrowserContext
    page: Page
    site_url: str
    language: str = "ru"
    stays: bool = True
    """Whether the visitor stays on a page that warns before leaving."""
    problems: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    _navigated: set[str] = field(default_factory=set)

    @classmethod
    async def arrive(
        cls, browser: Browser, site_url: str, *, size: str = "desktop", scheme: str = "light", locale: str = "ru-RU",
        javascript: bool = True, **options: Any,
    ) -> Visitor:  # fmt: skip
        """Open a browser with no cookies and no history."""
        context = await browser.new_context(
            base_url=site_url, locale=locale, color_scheme=scheme, java_script_enabled=javascript,  # type: ignore[arg-type]
            reduced_motion="reduce", **{**SIZES[size], **options},
        )  # fmt: skip
        context.set_default_timeout(PATIENCE)
        visitor = cls(context, await context.new_page(), site_url, locale[:2])
        context.on("request", visitor._note_request)
        context.on("response", visitor._note_response)
        context.on("console", visitor._note_console)
        context.on("weberror", lambda error: visitor.problems.append(f"page error: {error.error}"))
        context.on("dialog", visitor._answer_dialog)
        return visitor

    def _note_request(self, request: Request) -> None:
        self.urls.append(request.url)
        if request.is_navigation_request():
            self._navigated.add(request.url)
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != urlsplit(self.site_url).netloc:
            self.problems.append(f"request to another host: {request.url}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 500 or (response.status >= 400 and response.url not in self._navigated):
            self.problems.append(f"answered {response.status}: {response.url}")

    def _note_console(self, message: ConsoleMessage) -> None:
        """A violated content policy is a console error too. A page refused with 4xx is what some tests are about."""
        if message.type != "error":
            return
        if REFUSED.search(message.text) and message.location.get("url") in self._navigated:
            return
        self.problems.append(f"console: {message.text} ({message.location.get('url')})")

    async def _answer_dialog(self, dialog: Dialog) -> None:
        """Note what is asked, and agree, unless the page warns before leaving it and the visitor stays."""
        self.dialogs.append(dialog.type)
        if dialog.type == "beforeunload" and self.stays:
            await dialog.dismiss()
        else:
            await dialog.accept()

    async def leave(self) -> None:
        """Close the browser without any question."""
        await self.context.close()

    # ---- what people do

    async def go(self, path: str) -> Response:
        """Open a page by its address."""
        response = await self.page.goto(path)
        assert response is not None, path
        return response

    async def sign_in(self, login: str, password: str = PASSWORD, *, then: str = "/") -> None:
        """Sign in through the form; whoever was signed in here before is forgotten."""
        await self.context.clear_cookies()
        await self.go(f"/sign-in?next={then}")
        await self.fill_in_sign_in(login, password)
        await self.page.wait_for_url(lambda url: "/sign-in" not in url)

    async def let_in(self, login: str, password: str = PASSWORD) -> None:
        """Be signed in without a page: the request of the form alone, since other tests fill the form in.

        Whoever was signed in here before is forgotten.
        """
        await self.context.clear_cookies()
        form = await self.context.request.get("/sign-in")
        token = FORM_TOKEN.search(await form.text())
        assert token is not None, form.status
        fields = {"csrf_token": token[1], "login": login, "password": password}
        reply = await self.context.request.post("/sign-in", form=fields, max_redirects=0)
        assert reply.status == 303, (login, reply.status)

    async def fill_in_sign_in(self, login: str, password: str = PASSWORD) -> None:
        """Fill in the sign-in form the page shows, and send it."""
        form = self.page.locator("form[data-sign-in]")
        await form.locator("[name=login]").fill(login)
        await form.locator("[name=password]").fill(password)
        await form.locator("button[type=submit]").click()

    def words(self, message: str, **facts: Any) -> str:
        """A message as this visitor reads it: the English id in the language of their pages."""
        found = gettext_for(self.language)(message)
        return found % facts if facts else found

    def button(self, message: str, *, exact: bool = True) -> Locator:
        """The button with these words, given in English."""
        return self.page.get_by_role("button", name=self.words(message), exact=exact)

    def link(self, message: str, *, exact: bool = True) -> Locator:
        """The link with these words, given in English."""
        return self.page.get_by_role("link", name=self.words(message), exact=exact)

    def choice(self, question: int, option: int) -> Locator:
        """The radio button or checkbox of an option."""
        return self.page.locator(f"#q-{question}-o-{option}")

    def level(self, question: int, option: int, mark: int) -> Locator:
        """The radio button of a mark given to an option of a rating."""
        return self.page.locator(f"#q-{question}-o-{option}-{mark}")

    async def headed(self, message: str, **facts: Any) -> None:
        """Wait until the page has this heading, given in English."""
        await expect(self.heading).to_have_text(self.words(message, **facts))

    async def press_to(self, target: Locator) -> None:
        """Walk with the Tab key until the target has the focus, as somebody without a mouse does."""
        for _ in range(TABS):
            if await target.evaluate("element => element === document.activeElement"):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key does not lead to {target}")

    @property
    def heading(self) -> Locator:
        """The page's first-level heading."""
        return self.page.get_by_role("heading", level=1)

    @property
    def main(self) -> Locator:
        """The page's content."""
        return self.page.locator("main")


FULL: Final = bool(os.environ.get("VECHE_FULL_COUNTS"))


def in_full(every: Iterable[Any], some: Iterable[Any]) -> list[Any]:
    """Every case with VECHE_FULL_COUNTS, as a release is tested; otherwise some, since a browser takes its time."""
    return list(every if FULL else some)

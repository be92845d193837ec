"""A browser without JavaScript for tests: it reads forms as browsers do and presses their buttons."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
from litestar import Litestar
from tests.sites import browser, fast_passwords, site_settings
from tests.sites import sign_in as sign_in_with

from voting.app import create_app
from voting.db import Database


@dataclass
class Button:
    name: str
    value: str
    action: str
    words: str = ""


@dataclass
class Form:
    """A form as it would be sent: `fields` are hidden ones, typed ones and what is checked."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)
    inputs: list[tuple[str, str, str]] = field(default_factory=list)

    def value(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]


class Page(HTMLParser):
    """A reply read as a page."""

    def __init__(self, reply: httpx.Response) -> None:
        super().__init__()
        self.reply, self.status, self.html = reply, reply.status_code, reply.text
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.title = self.words = self._choosing = self._writing = ""
        self._form: Form | None = None
        self._inside: list[str] = []
        self.feed(self.html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        attrs = dict(attributes)
        if tag == "a":
            self.links.append(attrs.get("href") or "")
        if tag == "form":
            self._form = Form(attrs.get("action") or "", attrs.get("method") or "get")
            self.forms.append(self._form)
        if tag in ("title", "button", "script", "style"):
            self._inside.append(tag)
        if self._form is None:
            return
        name, value, kind = attrs.get("name") or "", attrs.get("value") or "", attrs.get("type") or "text"
        if tag == "input" and name:
            if kind in ("radio", "checkbox"):
                self._form.inputs.append((kind, name, value))
            if kind not in ("radio", "checkbox") or "checked" in attrs:
                self._form.fields.append((name, value))
        if tag == "select":
            self._choosing = name
        if tag == "option" and "selected" in attrs:
            self._form.fields.append((self._choosing, value))
        if tag == "textarea":
            self._writing = name
            self._form.fields.append((name, ""))
        if tag == "button":
            self._form.buttons.append(Button(name, value, attrs.get("formaction") or self._form.action))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if tag == "textarea":
            self._writing = ""
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if self._inside and self._inside[-1] == "title":
            self.title += data
            return
        if self._inside and self._inside[-1] in ("script", "style"):
            return
        if self._writing and self._form is not None:
            name, before = self._form.fields[-1]
            self._form.fields[-1] = (name, (before + data).removeprefix("\n") if not before else before + data)
            return
        self.words += data
        if self._inside and self._form is not None and self._form.buttons:
            self._form.buttons[-1].words += data

    def form(self, action: str) -> Form:
        return next(form for form in self.forms if form.action.endswith(action))


class Resident:
    """A browser of one person. `visited` holds every address asked for, as a log or a history would."""

    def __init__(self, app: Litestar, **headers: str) -> None:
        self.http = browser(app, **headers)
        self.visited: list[str] = []

    async def sign_in(self, login: str) -> Resident:
        reply = await sign_in_with(self.http, login)
        assert reply.status_code == 303, reply.text[:500]
        return self

    async def get(self, path: str) -> Page:
        self.visited.append(path)
        return Page(await self.http.get(path))

    async def post(self, path: str, fields: list[tuple[str, str]]) -> Page:
        self.visited.append(path)
        content = httpx.QueryParams(tuple(fields))
        return Page(
            await self.http.post(
                path, content=str(content), headers={"content-type": "application/x-www-form-urlencoded"}
            )
        )

    async def press(self, page: Page, button: str = "next", **chosen: Any) -> Page:
        """Press a button of the ballot's form, having chosen: ``q_1="2"``, ``q_2=["1", "4"]``, ``q_3_1="5"``."""
        form = next(form for form in page.forms if form.action.endswith(("/vote", "/cast")))
        names = {name.replace("_", "-"): value for name, value in chosen.items()}
        fields = [(name, value) for name, value in form.fields if name not in names]
        for name, values in names.items():
            fields += [(name, value) for value in ([values] if isinstance(values, str) else values)]
        found = next(b for b in form.buttons if b.value == button)
        if found.name:
            fields.append((found.name, found.value))
        return await self.post(found.action, fields)


def a_site(database: Database, tmp_path: Path, **more: Any) -> Litestar:
    """The whole application, on the real clock: the database keeps its own."""
    return create_app(site_settings(tmp_path), database=database, passwords=fast_passwords(), **more)


def sent_fields(request: httpx.Request) -> list[tuple[str, str]]:
    return parse_qsl(request.content.decode())

"""Feeds anybody may follow without an account: what changes in decisions and polls, and calendars of their days.

The language is in the address (`?lang=ru` or `en`), since a reader of feeds has neither cookie nor wishes worth
trusting. Every feed has an entity tag; asking again costs a 304.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from markupsafe import Markup

from polls.errors import PollNotFound
from polls.lifecycle import State
from polls.poll_news import PollNews, news_of_polls, polls_in_calendar
from results.decision_changes import Change, newest_changes
from results.decisions import decision_of
from results.promised_days import PromisedDay, promised_days
from voting.atom import MEDIA_TYPE as ATOM
from voting.atom import Entry, Feed, tag_uri, write_atom
from voting.calendars import MEDIA_TYPE as CALENDAR
from voting.calendars import CalendarEvent, write_calendar
from voting.db import Database
from voting.identity.guards import public
from voting.remembering import BRIEFLY, Shelf
from voting.settings import Settings
from voting.web import i18n
from voting.web.i18n import gettext, pgettext, speaking
from voting.web.rendering import environment, in_language
from voting.web.standing import address_of, poll_at

AnyRequest = Request[Any, Any, Any]
NEWEST: Final = 60
KEPT: Final = "public, max-age=300"
"""Readers of feeds ask often; five minutes is soon enough for all of them."""
BEHIND: Final = timedelta(days=90)
"""How long ended polls stay in the calendar."""


@get("/decisions.atom", guards=[public], include_in_schema=False)
async def decisions_atom(
    request: AnyRequest, database: NamedDependency[Database], settings: NamedDependency[Settings]
) -> Response[bytes]:
    """What changed in all decisions."""

    async def make(language: str) -> bytes:
        async with database.open_read_session() as session:
            changes = await newest_changes(session, NEWEST)
        title = gettext("What has been decided")
        return _changes_feed(settings, language, "decisions", title, "/decisions.atom", "/decisions", changes)

    return await _send(request, "/decisions.atom", ATOM, make)


@get("/decisions/{slug:str}/feed.atom", guards=[public], include_in_schema=False)
async def decision_atom(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], settings: NamedDependency[Settings]
) -> Response[bytes]:
    """What changed in one decision."""
    address_of(slug)

    async def make(language: str) -> bytes:
        async with database.open_read_session() as session:
            poll = await poll_at(session, slug)
            if await decision_of(session, poll.id) is None:
                raise PollNotFound()
            changes = await newest_changes(session, NEWEST, poll.id)
        at = f"/decisions/{poll.slug}"
        title = gettext("The city's decision: %(poll)s") % {"poll": in_language(poll.definition.title, language)}
        name = f"decision/{poll.public_id}"
        return _changes_feed(settings, language, name, title, f"{at}/feed.atom", at, changes)

    return await _send(request, f"/decisions/{slug}/feed.atom", ATOM, make)


@get("/polls.atom", guards=[public], include_in_schema=False)
async def polls_atom(
    request: AnyRequest, database: NamedDependency[Database], settings: NamedDependency[Settings]
) -> Response[bytes]:
    """Polls that opened, ended, were counted or cancelled."""

    async def make(language: str) -> bytes:
        async with database.open_read_session() as session:
            news = await news_of_polls(session, NEWEST)
        entries = [
            Entry(
                tag_uri(_host(settings), "event", one.event_id), f"{_news_words(one)}: {in_language(one.title)}",
                settings.base_url + _news_address(one), one.at, _news_summary(one),
            )
            for one in news
        ]  # fmt: skip
        return _feed(settings, language, "polls", gettext("Polls"), "/polls.atom", "/", entries)

    return await _send(request, "/polls.atom", ATOM, make)


@get("/decisions.ics", guards=[public], include_in_schema=False)
async def decisions_ics(
    request: AnyRequest, database: NamedDependency[Database], settings: NamedDependency[Settings]
) -> Response[bytes]:
    """The days that decisions and their steps are promised by."""

    async def make(language: str) -> bytes:
        async with database.open_read_session() as session:
            days = await promised_days(session)
        return write_calendar(gettext("What has been decided"), [_promised(settings, one) for one in days])

    return await _send(request, "/decisions.ics", CALENDAR, make)


@get("/polls.ics", guards=[public], include_in_schema=False)
async def polls_ics(
    request: AnyRequest, database: NamedDependency[Database], settings: NamedDependency[Settings],
    now: NamedDependency[datetime],
) -> Response[bytes]:  # fmt: skip
    """When polls run: those to come, those that run, and those of the last three months."""

    async def make(language: str) -> bytes:
        async with database.open_read_session() as session:
            found = await polls_in_calendar(session, now - BEHIND)
        events = [
            CalendarEvent(
                f"poll-{one.public_id}@{_host(settings)}", in_language(one.title), one.opens_at, one.changed_at,
                f"{settings.base_url}/polls/{one.slug}", one.closes_at, sequence=one.moves,
                cancelled=one.state is State.CANCELLED,
            )
            for one in found
        ]  # fmt: skip
        return write_calendar(gettext("Polls"), events)

    return await _send(request, "/polls.ics", CALENDAR, make)


# ---- parts


async def _send(
    request: AnyRequest, name: str, media_type: str, make: Callable[[str], Awaitable[bytes]]
) -> Response[bytes]:
    """The file in the language asked for, remembered briefly as pages are; 304 for whoever has it."""
    asked = request.query_params.get("lang", "")
    language = asked if asked in i18n.LANGUAGES else i18n.DEFAULT
    shelf: Shelf = request.app.state["shelf"]

    async def write() -> bytes:
        with speaking(language):
            return await make(language)

    body = await shelf.get(("feed", name, language), write, age=BRIEFLY, size=len)
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": KEPT, "content-language": language}
    given = {part.strip() for part in request.headers.get("if-none-match", "").split(",")}
    if given & {tag, tag.removeprefix("W/"), "*"}:
        return Response(b"", status_code=304, headers=headers, media_type=media_type)
    return Response(body, headers=headers, media_type=media_type)


def _host(settings: Settings) -> str:
    return settings.base_url.partition("://")[2].partition("/")[0].partition(":")[0]


def _feed(
    settings: Settings, language: str, name: str, title: str, itself: str, link: str, entries: Sequence[Entry]
) -> bytes:
    site = settings.site_name_en if language == "en" else settings.site_name_ru
    base = settings.base_url
    return write_atom(
        Feed(tag_uri(_host(settings), name, language), f"{title} — {site}", f"{base}{itself}?lang={language}",
             f"{base}{link}", site, language, entries)
    )  # fmt: skip


def _changes_feed(
    settings: Settings, language: str, name: str, title: str, itself: str, link: str, changes: Sequence[Change]
) -> bytes:
    """Entries of changes; their ids are the same in every feed that has them."""
    told = environment().get_template("words/decisions.html").make_module({"zone": settings.zone})
    entries = []
    for one in changes:
        words = " ".join(Markup(told.change_words(one)).unescape().split())  # type: ignore[attr-defined]  # noqa: S704 -- our own template, escaped anew by the writer
        entries.append(
            Entry(
                tag_uri(_host(settings), "decision", one.poll_public_id, "change", one.number, language),
                in_language(one.poll_title), f"{settings.base_url}/decisions/{one.poll_slug}", one.at, words,
            )
        )  # fmt: skip
    return _feed(settings, language, name, title, itself, link, entries)


def _promised(settings: Settings, one: PromisedDay) -> CalendarEvent:
    """A deadline or the day of a step. What is done or given up stays, marked so."""
    title = in_language(one.poll_title)
    name = f"step-{one.step_id}" if one.step_id else "deadline"
    head = gettext("Deadline: %(poll)s") if one.step_id is None else gettext("Step: %(poll)s")
    mark = gettext("Done") + ". " if one.done else ""
    return CalendarEvent(
        f"decision-{one.poll_public_id}-{name}@{_host(settings)}", mark + head % {"poll": title}, one.day,
        one.changed_at, f"{settings.base_url}/decisions/{one.poll_slug}",
        text=f"{in_language(one.text)}\n{one.owner}", sequence=one.version, cancelled=one.given_up,
    )  # fmt: skip


def _news_words(one: PollNews) -> str:
    words = {
        "poll_opened": pgettext("news", "Voting began"), "poll_closed": pgettext("news", "Voting ended"),
        "poll_counted": pgettext("news", "The result is there"), "poll_cancelled": pgettext("news", "Cancelled"),
        "poll_extended": pgettext("news", "Closes later"),
    }  # fmt: skip
    return words[one.kind]


def _news_address(one: PollNews) -> str:
    return f"/polls/{one.slug}" + ("/results" if one.kind == "poll_counted" else "")


def _news_summary(one: PollNews) -> str:
    if one.kind in ("poll_opened", "poll_extended") and one.closes_at is not None:
        return gettext("The poll runs until %(moment)s.") % {"moment": i18n.when(one.closes_at)}
    return _news_words(one)


handlers = [decisions_atom, decision_atom, polls_atom, decisions_ics, polls_ics]

"""The audit log: the page observers and administrators search, and its files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.response import Stream

from polls.audit_chain import SOURCES
from polls.audit_kinds import FIELDS, KINDS
from polls.errors import FieldError, Invalid
from polls.sessions import ReadSession
from voting.auditing.files import as_csv_line, as_json_line, csv_head
from voting.auditing.listing import (
    A_PAGE,
    Asked,
    Listed,
    chained,
    cursor,
    entries_in_chain,
    find_entries,
    poll_titles,
    read_asked,
    staff_names,
    with_actor,
    with_poll,
)
from voting.db import Database
from voting.identity.guards import any_of
from voting.settings import Settings
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
FILTERS = ("kind", "actor", "subject", "since", "until")
READERS = any_of("observer", "admin")


@get("/audit", guards=[READERS], include_in_schema=False)
async def show_audit(
    request: AnyRequest, read_session: NamedDependency[ReadSession], settings: NamedDependency[Settings]
) -> Response[Any]:
    """The log, newest first, narrowed by the address; what cannot be asked for is said beside its field."""
    given = _given(request)
    faults: Mapping[str, str] = {}
    try:
        asked = await _asked(read_session, {**given, "before": request.query_params.get("before", "")})
        found = await find_entries(read_session, asked, settings.zone, limit=A_PAGE + 1)
    except Invalid as refusal:
        faults, found, asked = {error.path: error.message for error in refusal.errors}, [], Asked()
    shown = found[:A_PAGE]
    numbers = [number for one in shown for number in _accounts(one)]
    public_ids = [one.entry.subject[5:] for one in shown if one.entry.subject.startswith("poll:")]
    return page(
        request, "audit.html", status=422 if faults else 200, nav="officials", entries=shown, given=given,
        faults=faults, paging=asked.before is not None, address=_address, sources=SOURCES, own=KINDS, fields=FIELDS,
        older=cursor(shown[-1].entry) if len(found) > A_PAGE else None,
        names=await staff_names(read_session, numbers), polls=await poll_titles(read_session, public_ids),
        chained=await chained(read_session),
    )  # fmt: skip


@get("/audit/log.jsonl", guards=[READERS], include_in_schema=False)
async def send_json_lines(
    request: AnyRequest, database: NamedDependency[Database], settings: NamedDependency[Settings]
) -> Stream:
    """The log, or what the address narrows it to, as JSON Lines with every hash."""
    asked = await _asked_of(database, request)

    async def lines() -> AsyncIterator[bytes]:
        async for piece in _pieces(database, asked, settings):
            yield b"".join(map(as_json_line, piece))

    return _file(lines(), "application/jsonl", "audit.jsonl")


@get("/audit/log.csv", guards=[READERS], include_in_schema=False)
async def send_csv(
    request: AnyRequest, database: NamedDependency[Database], settings: NamedDependency[Settings]
) -> Stream:
    """The same as CSV."""
    asked = await _asked_of(database, request)

    async def lines() -> AsyncIterator[bytes]:
        yield csv_head()
        async for piece in _pieces(database, asked, settings):
            yield b"".join(map(as_csv_line, piece))

    return _file(lines(), "text/csv; charset=utf-8", "audit.csv")


def _given(request: AnyRequest) -> dict[str, str]:
    return {name: request.query_params.get(name, "")[:200] for name in FILTERS}


async def _asked(session: ReadSession, given: Mapping[str, str]) -> Asked:
    if any("\0" in value for value in given.values()):
        raise Invalid([FieldError("subject", "bad_subject", "Give a subject such as account:12 or poll:…")])
    return await with_poll(session, await with_actor(session, read_asked(given), given["actor"]))


async def _asked_of(database: Database, request: AnyRequest) -> Asked:
    async with database.open_read_session() as session:
        return replace(await _asked(session, _given(request)), before=None)


async def _pieces(database: Database, asked: Asked, settings: Settings) -> AsyncIterator[list[Listed]]:
    async with database.open_read_session() as session:
        async for piece in entries_in_chain(session, asked, settings.zone):
            yield piece


def _file(lines: AsyncIterator[bytes], media_type: str, name: str) -> Stream:
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Stream(lines, media_type=media_type, headers=headers)


def _accounts(one: Listed) -> list[int]:
    """The accounts an entry names: who did it, and to whom."""
    named = [] if one.entry.actor is None else [one.entry.actor]
    subject = one.entry.subject.removeprefix("account:")
    return [*named, int(subject)] if subject != one.entry.subject and subject.isdigit() else named


def _address(given: Mapping[str, str], path: str = "/audit", **more: str | None) -> str:
    """An address with the filters that are set, and `more`."""
    pairs = {name: value for name, value in {**given, **more}.items() if value}
    return path + ("?" + urlencode(pairs) if pairs else "")


handlers = [show_audit, send_json_lines, send_csv]

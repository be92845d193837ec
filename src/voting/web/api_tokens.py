"""Tokens of the API in one's account: listed, made and shown once, revoked. A token itself opens no page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from polls.errors import Invalid, NotFound, Refusal
from voting.db import Database
from voting.identity.api_tokens import (
    HOLDERS,
    LIVES,
    MOST_LIVE,
    SCOPES,
    TooManyTokens,
    create_api_token,
    list_api_tokens,
    revoke_api_token,
)
from voting.identity.guards import any_of
from voting.identity.sessions import Viewer
from voting.web.account import see_other
from voting.web.error_pages import by_field, described
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
PRIVATE: dict[str, Any] = {"private": True}
holder = any_of(*sorted(HOLDERS))


@get("/account/tokens", guards=[holder], opt=PRIVATE, include_in_schema=False)
async def show_tokens(
    request: AnyRequest, viewer: NamedDependency[Viewer], database: NamedDependency[Database],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """One's own tokens, by their first characters, and the form that makes another."""
    return await _page(request, viewer, database, now)


@post("/account/tokens", guards=[holder], opt=PRIVATE, include_in_schema=False, status_code=200)
async def make_token(
    request: AnyRequest, viewer: NamedDependency[Viewer], database: NamedDependency[Database],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Make a token and show it, this once: no address gives it again."""
    form = await request.form()
    name, days = str(form.get("name") or ""), str(form.get("days") or "")
    scopes = [scope for scope in SCOPES if form.get(f"scope:{scope}")]
    filled = {"name": name[:200], "days": days[:10], "scopes": scopes}
    try:
        async with database.open_session() as session:
            token = await create_api_token(
                session, viewer.account_id, name=name, scopes=scopes,
                days=int(days) if days.isascii() and days.isdigit() and len(days) < 5 else 0, now=now,
            )  # fmt: skip
    except (Invalid, TooManyTokens) as refusal:
        return await _page(request, viewer, database, now, filled=filled, refusal=refusal)
    return await _page(request, viewer, database, now, made=token)


@post("/account/tokens/revoke", guards=[holder], opt=PRIVATE, include_in_schema=False, status_code=303)
async def revoke(
    request: AnyRequest, viewer: NamedDependency[Viewer], database: NamedDependency[Database],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """End one of one's own tokens."""
    given = str((await request.form()).get("id") or "")
    if not (given.isascii() and given.isdigit() and len(given) < 18):
        raise NotFound
    async with database.open_session() as session:
        await revoke_api_token(session, viewer.account_id, int(given), now)
    return see_other("/account/tokens?done=revoked")


async def _page(
    request: AnyRequest, viewer: Viewer, database: Database, now: datetime, *, made: str | None = None,
    filled: dict[str, Any] | None = None, refusal: Refusal | None = None,
) -> Response[Any]:  # fmt: skip
    async with database.open_session() as session:  # the primary: what has just been made must be in the list
        tokens = await list_api_tokens(session, viewer.account_id, now)
    problem = None if refusal is None else described(request, refusal)
    return page(
        request, "account/tokens.html", status=200 if problem is None else problem.status, tokens=tokens, made=made,
        filled=filled or {"name": "", "days": "90", "scopes": ["results:read"]}, lives=LIVES, scopes=SCOPES,
        most=MOST_LIVE, problem=problem, errors=by_field(problem), done=request.query_params.get("done"),
    )  # fmt: skip


handlers = [show_tokens, make_token, revoke]

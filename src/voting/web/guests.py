"""Pages with a form for whoever is not signed in: they answer a link or a code, and are kept nowhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Request, Response

from polls.errors import Refusal
from voting.identity.cookies import IdentityCookies
from voting.identity.signing_in import Desk
from voting.perimeter import network_of
from voting.web.account import NO_STORE, with_cookies
from voting.web.error_pages import by_field, described, retry_header
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]


def guest_page(
    request: AnyRequest, cookies: IdentityCookies, template: str, refusal: Refusal | None = None, **context: Any
) -> Response[Any]:
    """The page with a token for its form, and with what was refused."""
    token, fresh = cookies.form_token(request)
    problem = None if refusal is None else described(request, refusal)
    shown = page(
        request, template, status=200 if problem is None else problem.status,
        headers={**NO_STORE, **retry_header(refusal)}, csrf_token=token, problem=problem, errors=by_field(problem),
        **context,
    )  # fmt: skip
    return with_cookies(shown, fresh)


async def count_link(request: AnyRequest, desk: Desk, now: datetime) -> None:
    """Count a try of a link or a code against the network it comes from. Refuses `TooMany`."""
    await desk.throttle.hit(("links", network_of(request.scope["state"]["client_address"])), now=now)

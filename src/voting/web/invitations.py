"""Where a new member of staff types the code of the invitation and chooses a password.

The code stands in no address, so it is in no log and no history.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from polls.errors import Busy, FieldError, Invalid, Refusal
from polls.sessions import Session
from voting.approvals.errors import InvitationGone
from voting.identity.cookies import IdentityCookies
from voting.identity.guards import public
from voting.identity.signing_in import Desk
from voting.identity.staff import accept_invitation, invited
from voting.web.account import with_cookies
from voting.web.error_pages import by_field, described, retry_header
from voting.web.officials import see_other
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
FORM = {"csrf": "visitor", "limit": "writes"}
LONGEST_CODE = 100


@get("/invitation", guards=[public], include_in_schema=False, sync_to_thread=False)
def show_invitation(request: AnyRequest, identity_cookies: NamedDependency[IdentityCookies]) -> Response[Any]:
    """The form, empty."""
    return _page(request, identity_cookies)


@post("/invitation", guards=[public], opt=FORM, include_in_schema=False, status_code=200)
async def submit_invitation(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Take the code and the password that was chosen, and lead to the sign-in."""
    form = await request.form()
    code, password = (str(form.get(name) or "") for name in ("code", "password"))
    code = code[:LONGEST_CODE]
    try:
        member = await invited(session, code, now)
        if faults := desk.password_faults(password, logins=(member.login,)):
            raise Invalid(faults)
        await accept_invitation(session, code, await desk.passwords.hash(password), now)
    except InvitationGone as refusal:
        return _page(request, identity_cookies, code, Invalid([FieldError("code", refusal.code, refusal.detail)]))
    except (Invalid, Busy) as refusal:
        return _page(request, identity_cookies, code, refusal)
    return see_other("/sign-in")


def _page(
    request: AnyRequest, cookies: IdentityCookies, code: str = "", refusal: Refusal | None = None
) -> Response[Any]:
    token, fresh = cookies.form_token(request)
    problem = None if refusal is None else described(request, refusal)
    return with_cookies(
        page(
            request, "approvals/invitation.html", status=200 if problem is None else problem.status, nav="account",
            headers=retry_header(refusal), csrf_token=token, code=code, errors=by_field(problem),
        ),
        fresh,
    )  # fmt: skip


handlers = [show_invitation, submit_invitation]

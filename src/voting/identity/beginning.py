"""The last step of every way of signing in: the old session ends, a new one begins, and the device becomes known.

A password, a one-time code after it, a letter's link, a passkey and the city's sign-on all come here, so that none of
them forgets what the others do: a token drawn afresh, an entry in the log where somebody of the staff comes, and the
cookie by which the owner's next tries are counted apart from strangers' (`voting.identity.devices`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from litestar import Request
from sqlalchemy import select

from polls.sessions import Session
from voting.identity.cookies import DEVICE
from voting.identity.recognition import web_session_of
from voting.identity.sessions import end_web_session, new_token, open_web_session
from voting.identity.staff_events import tell_of_staff
from voting.security import cookie_name, read_cookie
from voting.tables import account

if TYPE_CHECKING:  # signing in asks here
    from voting.identity.signing_in import Desk

How = Literal["password", "code", "letter", "passkey", "city"]
AnyRequest = Request[Any, Any, Any]


class SignedIn(NamedTuple):
    """What a browser is given: the session's token, and the value that makes the device a known one.

    `device` is empty for an account without a password: there is nothing to guess, so nobody to be told from.
    `lost_email`: another account has confirmed the e-mail this one only named, and its owner is to be told.
    """

    token: str
    device: str
    lost_email: bool = False


async def begin_session(
    desk: Desk, session: Session, request: AnyRequest, account_id: int, *, how: How, device: str | None = None,
    now: datetime,
) -> SignedIn:  # fmt: skip
    """Open a session under a fresh token and end the one the browser came with; call `forget_before` after the commit.

    `device` is the number of the known device, where the caller has looked already.
    """
    before = web_session_of(request)
    if before is not None:
        await end_web_session(session, before.account_id, before.token_hash)
    token = new_token()
    await open_web_session(
        session, account_id, token=token, user_agent=request.headers.get("user-agent", ""),
        lifetime=desk.settings.session_absolute, now=now, way="city" if how == "city" else "password",
    )  # fmt: skip
    await tell_of_staff(session, "staff_signed_in", account_id, facts={"how": how}, now=now)
    columns = (account.c.password_hash, account.c.email_lost_at)
    hashed, lost = (await session.execute(select(*columns).where(account.c.id == account_id))).one()
    if hashed is None:
        return SignedIn(token, "", lost is not None)
    device = device or desk.devices.device_of(device_cookie(desk, request), account_id, hashed)
    return SignedIn(token, desk.devices.issue(account_id, hashed, device), lost is not None)


def forget_before(desk: Desk, request: AnyRequest) -> None:
    """Drop what this process remembers of the session that `begin_session` has ended."""
    before = web_session_of(request)
    if before is not None:
        desk.web_sessions.forget([before.token_hash])


def device_cookie(desk: Desk, request: AnyRequest) -> str | None:
    """The browser's cookie of a known device, unread."""
    return read_cookie(request.scope, cookie_name(DEVICE, secure=desk.settings.secure_cookies))

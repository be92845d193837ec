"""Pages of identity: sign in, sign up, sign out, and one's own account.

A form whose session ended before it was sent is not lost: the guard's refusal becomes the sign-in page with the form's
fields hidden in it, and signing in leads to a page that sends them on, to the same address, with a token of the new
session. The fields live in forms alone, never in an address, a session or a log.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromQuery

from polls.errors import (
    AccountExists,
    BadCredentials,
    Busy,
    FieldError,
    Invalid,
    NotFound,
    NotInRegister,
    Refusal,
    TooMany,
)
from voting.form_body import form_pairs
from voting.identity.accounts import has_password
from voting.identity.ceremonies import has_passkeys
from voting.identity.cookies import IdentityCookies
from voting.identity.demo import DEMO_ACCOUNTS, PASSWORD, DemoAccount
from voting.identity.destinations import safe_destination
from voting.identity.device_words import device_words
from voting.identity.factor_refusals import LetterNeeded, NewDeviceRefused, SecondStepNeeded
from voting.identity.guards import public, signed_in
from voting.identity.mailbox import change_asked, email_of
from voting.identity.recognition import viewer_of, web_session_of
from voting.identity.sessions import Viewer, list_web_sessions
from voting.identity.signing_in import (
    Desk,
    SignedIn,
    SignUp,
    change_password,
    end_all_others,
    end_other_session,
    sign_in,
    sign_out,
    sign_up,
)
from voting.mail import mail_is_on
from voting.settings import Settings
from voting.web.error_pages import by_field, described, retry_header
from voting.web.i18n import language_of
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
Fields = Sequence[tuple[str, str]]

CARRIED = "carry."
NO_STORE = {"cache-control": "no-store"}
# Not "cookies": both of identity are removed by name, and the reader's language is to stay.
CLEAR = {"clear-site-data": '"cache", "storage"', **NO_STORE}
FORM = {"csrf": "visitor", "limit": "own"}
REFUSED_FORM = 422
SIGN_UP_FIELDS = ("national_id", "birth_date", "login", "next")


# ---- signing in


@get("/sign-in", guards=[public], include_in_schema=False, sync_to_thread=False)
def show_sign_in(
    request: AnyRequest, identity_cookies: NamedDependency[IdentityCookies], demo: FromQuery[str | None] = None,
) -> Response[Any]:  # fmt: skip
    """Show the form, or lead on whoever is signed in already."""
    target = safe_destination(request.query_params.get("next"))
    if viewer_of(request) is not None:
        return see_other(target)
    chosen = next((account for account in _demo_accounts(request) if account.key == demo), None)
    if chosen is None:
        return sign_in_page(request, identity_cookies, target=target)
    return sign_in_page(request, identity_cookies, target=target, login=chosen.login, password=PASSWORD)


@post("/sign-in", guards=[public], opt=FORM, include_in_schema=False, status_code=200)
async def submit_sign_in(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Sign in and lead on; with a carried form, show it with a button that sends it on."""
    form = await request.form()
    target = safe_destination(text_of(form, "next"))
    carried = [
        (name.removeprefix(CARRIED), value) for name, value in await form_pairs(request) if name.startswith(CARRIED)
    ]
    login = text_of(form, "login")
    try:
        done = await sign_in(
            desk, request, login, text_of(form, "password"), birth_date=date_in(text_of(form, "birth_date")), now=now
        )
    except (BadCredentials, LetterNeeded, TooMany, Busy) as refusal:  # on the form, so that nothing carried is lost
        shown = sign_in_page(request, identity_cookies, target=target, carried=carried, login=login, refusal=refusal)
        # A carried form stays in this page and is sent on from here: its address is no page to be led to.
        waits = isinstance(refusal, LetterNeeded) and not carried
        return with_cookies(shown, identity_cookies.going_to(target) if waits else [])
    except SecondStepNeeded as needed:
        return code_page(request, identity_cookies, target=target, carried=carried, ticket=needed.ticket)
    return signed_in_reply(request, identity_cookies, target, carried, done)


def signed_in_reply(
    request: AnyRequest, cookies: IdentityCookies, target: str, carried: Fields, done: SignedIn
) -> Response[Any]:
    """Lead on whoever has just signed in; with a carried form, show it with a button that sends it on."""
    if not carried:
        return see_other(first_told(target, done), cookies.signed_in(done.token, done.device))
    return _go_on(request, target, carried, done, cookies)


def first_told(target: str, done: SignedIn) -> str:
    """The page to lead to: by way of one's account where that has lost its e-mail to whoever confirmed it."""
    return f"/account?next={quote(target, safe='/')}" if done.lost_email else target


def render_sign_in_carrying(request: AnyRequest, fields: Fields, target: str) -> Response[Any]:
    """Show the sign-in page holding a form that could not be taken because its session had ended.

    `fields` are its names and values, `target` the address it was sent to.
    """
    cookies: IdentityCookies = request.app.state["cookies"]
    return sign_in_page(request, cookies, target=safe_destination(target), carried=fields, expired=True)


def _go_on(
    request: AnyRequest, target: str, carried: Fields, done: SignedIn, cookies: IdentityCookies
) -> Response[Any]:
    """Show the page that sends a carried form on, in the session that begins with this reply."""
    shown = page(
        request,
        "account/go_on.html",
        headers=NO_STORE,
        target=target,
        carried=carried,
        csrf_token=cookies.token_of_new(done.token),
    )
    return with_cookies(shown, cookies.signed_in(done.token, done.device))


def sign_in_page(
    request: AnyRequest,
    cookies: IdentityCookies,
    *,
    target: str,
    carried: Fields = (),
    login: str = "",
    password: str = "",
    refusal: Refusal | None = None,
    expired: bool = False,
) -> Response[Any]:
    """The sign-in page, holding what was typed and what is carried through, with what was refused."""
    token, fresh = cookies.form_token(request)
    problem = None if refusal is None else described(request, refusal)
    status = 200 if problem is None else REFUSED_FORM if isinstance(refusal, BadCredentials) else problem.status
    return with_cookies(
        page(
            request,
            "account/sign_in.html",
            status=status,
            headers={**NO_STORE, **retry_header(refusal)},
            csrf_token=token,
            target=target,
            carried=[(CARRIED + name, value) for name, value in carried],
            login=login,
            password=password,
            problem=problem,
            asks_birth_date=isinstance(refusal, NewDeviceRefused),
            letters=mail_is_on(request.app.state["settings"]),
            expired=expired,
            passkeys=has_passkeys(request.app.state["settings"]),
            demo_accounts=_demo_accounts(request),
            city_sign_on=city_sign_on_of(request),
        ),
        fresh,
    )


def code_page(
    request: AnyRequest, cookies: IdentityCookies, *, target: str, carried: Fields = (),
    refusal: Refusal | None = None, ticket: str | None = None,
) -> Response[Any]:  # fmt: skip
    """Ask for the code; with a `ticket` the reply begins the wait for it."""
    token, fresh = cookies.form_token(request)
    problem = None if refusal is None else described(request, refusal)
    shown = page(
        request, "account/second_step.html", status=200 if problem is None else problem.status,
        headers={**NO_STORE, **retry_header(refusal)}, csrf_token=token, target=target,
        carried=[(CARRIED + name, value) for name, value in carried], problem=problem,
    )  # fmt: skip
    return with_cookies(shown, [*fresh, *(cookies.waiting(ticket) if ticket else [])])


def _demo_accounts(request: AnyRequest) -> tuple[DemoAccount, ...]:
    settings: Settings = request.app.state["settings"]
    return DEMO_ACCOUNTS if settings.demo else ()


def city_sign_on_of(request: AnyRequest) -> list[dict[str, str]]:
    """The city's providers for the page: name, and title in both languages."""
    settings: Settings = request.app.state["settings"]
    return [{"name": one.name, "ru": one.title_ru, "en": one.title_en} for one in settings.city_sign_on]


# ---- signing up


@get("/sign-up", guards=[public], include_in_schema=False, sync_to_thread=False)
def show_sign_up(request: AnyRequest, identity_cookies: NamedDependency[IdentityCookies]) -> Response[Any]:
    """Show the form."""
    return _sign_up_page(request, identity_cookies, dict.fromkeys(SIGN_UP_FIELDS, ""))


@post("/sign-up", guards=[public], opt=FORM, include_in_schema=False, status_code=200)
async def submit_sign_up(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Open the account, sign in and lead on; else show the form with what is wrong."""
    form = await request.form()
    filled = {name: text_of(form, name) for name in SIGN_UP_FIELDS}
    try:
        given = SignUp(
            filled["national_id"], birth_date_of(filled["birth_date"]), filled["login"], text_of(form, "password")
        )
        done = await sign_up(desk, request, given, language=language_of(request), now=now)
    except (AccountExists, NotInRegister, Invalid, TooMany, Busy) as refusal:
        return _sign_up_page(request, identity_cookies, filled, refusal)
    return see_other(safe_destination(filled["next"]), identity_cookies.signed_in(done.token, done.device))


def _sign_up_page(
    request: AnyRequest, cookies: IdentityCookies, filled: Mapping[str, str], refusal: Refusal | None = None
) -> Response[Any]:
    token, fresh = cookies.form_token(request)
    problem = None if refusal is None else described(request, refusal)
    return with_cookies(
        page(
            request,
            "account/sign_up.html",
            status=200 if problem is None else problem.status,
            headers={**NO_STORE, **retry_header(refusal)},
            csrf_token=token,
            filled=filled,
            target=safe_destination(filled.get("next") or request.query_params.get("next")),
            problem=problem,
            errors=by_field(problem),
        ),
        fresh,
    )


def birth_date_of(text: str) -> date:
    """Read 2001-02-03 as browsers send it, or 03.02.2001 as people type it."""
    for form in ("%Y-%m-%d", "%d.%m.%Y"):
        try:
            return datetime.strptime(text.strip(), form).date()
        except ValueError:
            continue
    raise Invalid([FieldError("birth_date", "date_type", "A date such as 2026-11-30 is needed here.")])


def date_in(text: str) -> date | None:
    """The date of a field that may be left empty; what is none counts as nothing."""
    try:
        return birth_date_of(text)
    except Invalid:
        return None


# ---- signing out, and the account


@post("/sign-out", guards=[public], opt={"limit": "own"}, include_in_schema=False, status_code=303)
async def submit_sign_out(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies]
) -> Response[Any]:
    """End the session and have the browser forget what it kept of this site."""
    await sign_out(desk, request)
    return see_other("/", identity_cookies.signed_out(), CLEAR)


@get("/account", guards=[signed_in], include_in_schema=False)
async def show_account(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[Any]:
    """Show one's roles and sessions, and the form that changes the password."""
    return await _account_page(request, viewer, desk, now)


@post("/account/password", guards=[signed_in], include_in_schema=False, status_code=200)
async def submit_password(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk],
    identity_cookies: NamedDependency[IdentityCookies], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Change the password and end every other session."""
    form = await request.form()
    try:
        done = await change_password(
            desk, request, text_of(form, "current_password"), text_of(form, "new_password"), now=now
        )
    except (BadCredentials, Invalid, TooMany, Busy) as refusal:
        return await _account_page(request, viewer, desk, now, refusal)
    return see_other("/account?done=password", [identity_cookies.known_device(done.device)])


@post("/account/sessions/end", guards=[signed_in], include_in_schema=False, status_code=303)
async def submit_end_session(request: AnyRequest, desk: NamedDependency[Desk]) -> Response[Any]:
    """End one of one's own sessions, named by its key."""
    try:
        hashed = bytes.fromhex(text_of(await request.form(), "key"))
    except ValueError:
        raise NotFound from None
    if not await end_other_session(desk, request, hashed):
        raise NotFound
    return see_other("/account?done=session")


@post("/account/sessions/end-others", guards=[signed_in], include_in_schema=False, status_code=303)
async def submit_end_others(request: AnyRequest, desk: NamedDependency[Desk]) -> Response[Any]:
    """End every session but this one."""
    await end_all_others(desk, request)
    return see_other("/account?done=others")


async def _account_page(
    request: AnyRequest, viewer: Viewer, desk: Desk, now: datetime, refusal: Refusal | None = None
) -> Response[Any]:
    record = web_session_of(request)
    assert record is not None, "guarded"
    async with desk.database.open_session() as session:
        sessions = await list_web_sessions(
            session, viewer.account_id, current=record.token_hash, idle=desk.settings.session_idle, now=now
        )
        mailbox = await email_of(session, viewer.account_id)
        asked = await change_asked(session, viewer.account_id, now=now)
        by_password = await has_password(session, viewer.account_id)
    problem = None if refusal is None else described(request, refusal)
    wrong = refusal if isinstance(refusal, BadCredentials) else None
    return page(
        request,
        "account/account.html",
        status=200 if problem is None else REFUSED_FORM if wrong else problem.status,
        headers={**NO_STORE, **retry_header(refusal)},
        sessions=[(one, device_words(one.user_agent)) for one in sessions],
        mailbox=mailbox,
        email_asked=asked,
        mail_on=mail_is_on(desk.settings),
        target=safe_destination(request.query_params.get("next"), ""),
        problem=problem,
        wrong_password=wrong is not None,
        by_password=by_password,
        errors=by_field(problem),
        done=request.query_params.get("done"),
        city_sign_on=city_sign_on_of(request),
    )


# ---- small change


def see_other(target: str, cookies: Iterable[Cookie] = (), headers: Mapping[str, str] | None = None) -> Response[Any]:
    """Answer a form by leading to another page."""
    given = {**NO_STORE, **(headers or {}), "location": quote(target, safe="/?&=%:#+,;@!$'()*~")}
    return Response(b"", status_code=303, headers=given, cookies=list(cookies))


def with_cookies(response: Response[Any], cookies: Iterable[Cookie]) -> Response[Any]:
    """Give the response with cookies set."""
    for cookie in cookies:
        response.set_cookie(cookie)
    return response


def text_of(form: Any, name: str) -> str:
    """A field of a form as text; empty where there is none, or a file."""
    value = form.get(name)
    return value if isinstance(value, str) else ""


handlers = [
    show_sign_in, submit_sign_in, show_sign_up, submit_sign_up, submit_sign_out, show_account, submit_password,
    submit_end_session, submit_end_others,
]  # fmt: skip

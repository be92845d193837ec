"""The API's session: sign in, sign up, who am I, sign out.

A session of the API is the same cookie a browser gets. Requests that change something carry the token `GET
/api/v1/session` gives in the header `X-CSRF-Token`.
"""

from datetime import date, datetime
from typing import Any

from litestar import Request, Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from voting.identity.cookies import IdentityCookies
from voting.identity.guards import public
from voting.identity.recognition import viewer_of
from voting.identity.second_step import begin_passkey_sign_in, sign_in_with_passkey
from voting.identity.sessions import Viewer
from voting.identity.signing_in import Desk, SignUp, sign_in, sign_out, sign_up

NO_STORE = {"cache-control": "no-store"}


class SignInBody(BaseModel):
    """A login and its password."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    login: str = Field(min_length=1, max_length=254, description="E-mail or phone.")
    password: str = Field(min_length=1, max_length=1000)
    code: str = Field("", max_length=100, description="A one-time or a recovery code, where the account asks for them.")
    birth_date: date | None = Field(None, description="On a new device, when `new_device_refused` asks for it.")


class PasskeyBody(BaseModel):
    """What a browser's passkey answered."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    credential: dict[str, JsonValue] = Field(description="The JSON of `navigator.credentials.get`.")


class PasskeyOptions(BaseModel):
    """What `navigator.credentials.get` or `create` is asked for."""

    options: dict[str, JsonValue]


class SignUpBody(BaseModel):
    """What opens a resident's account: an entry of the register, and how to sign in."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    national_id: str = Field(min_length=1, max_length=100, description="As in the city's register.")
    birth_date: date
    login: str = Field(min_length=1, max_length=254, description="E-mail or phone.")
    password: str = Field(min_length=1, max_length=1000, description="8 characters or more, at most 256 bytes.")


class WhoAmI(BaseModel):
    """Who is signed in; with nobody, `signed_in` is false and the rest is empty."""

    signed_in: bool
    account_id: int | None = None
    citizen_id: int | None = None
    display_name: str = ""
    department: str = ""
    roles: list[str] = []
    csrf_token: str | None = None
    session_expires: datetime | None = None


@get("/session", guards=[public], sync_to_thread=False, summary="Who am I")
def show_session(request: Request[Any, Any, Any]) -> Response[WhoAmI]:
    """Tell who is signed in, with the token for requests that change something."""
    return Response(_who(viewer_of(request)), headers=NO_STORE)


@post(
    "/session", guards=[public], opt={"csrf": "origin", "limit": "own"}, status_code=201, summary="Sign in"
)  # fmt: skip
async def open_session(
    request: Request[Any, Any, Any], data: JSONBody[SignInBody], desk: NamedDependency[Desk],
    identity_cookies: NamedDependency[IdentityCookies], now: NamedDependency[datetime],
) -> Response[dict[str, bool]]:  # fmt: skip
    """Sign in; the session's cookie comes with the reply. Ask `GET /session` for the token next."""
    done = await sign_in(desk, request, data.login, data.password, code=data.code, birth_date=data.birth_date, now=now)
    return Response({"signed_in": True}, cookies=identity_cookies.signed_in(done.token, done.device), headers=NO_STORE)


@post(
    "/session/passkey/options", guards=[public], opt={"csrf": "origin", "limit": "passkey_options"}, status_code=200,
    summary="Options for signing in with a passkey",
)  # fmt: skip
async def show_passkey_options(
    request: Request[Any, Any, Any], desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[PasskeyOptions]:  # fmt: skip
    """A challenge that serves once, for five minutes, in this browser: the cookie that comes with it binds it."""
    bound_to, cookies = identity_cookies.binding(request)
    options = await begin_passkey_sign_in(desk, bound_to, now=now)
    return Response(PasskeyOptions(options=dict(options)), cookies=cookies, headers=NO_STORE)


@post(
    "/session/passkey", guards=[public], opt={"csrf": "origin", "limit": "own"}, status_code=201,
    summary="Sign in with a passkey",
)  # fmt: skip
async def open_passkey_session(
    request: Request[Any, Any, Any], data: JSONBody[PasskeyBody], desk: NamedDependency[Desk],
    identity_cookies: NamedDependency[IdentityCookies], now: NamedDependency[datetime],
) -> Response[dict[str, bool]]:  # fmt: skip
    """Sign in with what the passkey answered; the session's cookie comes with the reply."""
    bound_to, _ = identity_cookies.binding(request)
    done = await sign_in_with_passkey(desk, request, data.credential, bound_to, now=now)
    return Response({"signed_in": True}, cookies=identity_cookies.signed_in(done.token, done.device), headers=NO_STORE)


@delete("/session", guards=[public], status_code=204, summary="Sign out")
async def close_session(
    request: Request[Any, Any, Any], desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies]
) -> Response[None]:
    """Sign out; fine to ask when nobody is signed in."""
    await sign_out(desk, request)
    return Response(None, status_code=204, cookies=identity_cookies.signed_out(), headers=NO_STORE)


@post(
    "/accounts", guards=[public], opt={"csrf": "origin", "limit": "own"}, status_code=201, summary="Sign up"
)  # fmt: skip
async def create_account(
    request: Request[Any, Any, Any], data: JSONBody[SignUpBody], desk: NamedDependency[Desk],
    identity_cookies: NamedDependency[IdentityCookies], now: NamedDependency[datetime],
) -> Response[dict[str, bool]]:  # fmt: skip
    """Open an account for an entry of the register, and sign in."""
    given = SignUp(data.national_id, data.birth_date, data.login, data.password)
    done = await sign_up(desk, request, given, now=now)
    return Response({"signed_in": True}, cookies=identity_cookies.signed_in(done.token, done.device), headers=NO_STORE)


def _who(viewer: Viewer | None) -> WhoAmI:
    if viewer is None:
        return WhoAmI(signed_in=False)
    return WhoAmI(
        signed_in=True,
        account_id=viewer.account_id,
        citizen_id=viewer.citizen_id,
        display_name=viewer.display_name,
        department=viewer.department,
        roles=sorted(viewer.roles),
        csrf_token=viewer.csrf_token,
        session_expires=viewer.session_expires,
    )


router = Router(
    "/api/v1",
    route_handlers=[
        show_session, open_session, show_passkey_options, open_passkey_session, close_session, create_account,
    ],
    tags=["session"],
)  # fmt: skip

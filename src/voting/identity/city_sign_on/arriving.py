"""To the city's sign-on and back: where a browser is sent, and what opens a session when it returns.

No connection of the database is held while a provider is asked. A trip is taken in a transaction of its own before
anything else is done with what came back, so a state and its code are of use once, whatever happens next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import structlog
from litestar import Request
from sqlalchemy import select

from polls.audit import write_event
from polls.errors import NotFound, Refusal
from polls.sessions import Session
from voting.identity.beginning import SignedIn, begin_session, forget_before
from voting.identity.city_sign_on.cases import Told, frozen_case, open_case, settled_before
from voting.identity.city_sign_on.configuration import ProviderSettings
from voting.identity.city_sign_on.entries import (
    Claimed,
    Found,
    Unclear,
    account_of_citizen,
    claimed_keys,
    find_entry,
    lock_subject,
)
from voting.identity.city_sign_on.errors import (
    CaseStands,
    SignOnDeclined,
    SignOnLevelTooLow,
    SignOnRefused,
    SignOnUnavailable,
)
from voting.identity.city_sign_on.providers import Person, Provider, provider_of
from voting.identity.city_sign_on.trips import Trip, begin_trip, is_token, new_token, nonce_of, take_trip, verifier_of
from voting.identity.mailbox import notify
from voting.identity.signing_in import Desk
from voting.perimeter import network_of
from voting.settings import Settings
from voting.tables import account_role

if TYPE_CHECKING:  # what talks to providers is loaded when the first is asked: most sites have none
    from voting.identity.city_sign_on.discovery import Directory
    from voting.identity.city_sign_on.fetching import Fetcher

SECRET = "sign-on"  # noqa: S105  -- the name of a key file
LONGEST_CODE = 4_096
DECLINED = ("access_denied", "login_required", "consent_required", "interaction_required", "account_selection_required")
PASSING = ("temporarily_unavailable", "server_error")
RETRY_AFTER = 30

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes, and the cookie that binds the trip to it."""

    address: str
    browser: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who came back signed in: what goes into the cookies, where to go on. `joined`: an account there was is linked."""

    signed_in: SignedIn
    target: str
    joined: bool


@dataclass(frozen=True, slots=True)
class Again:
    """Whoever came back works here and has to prove anew who he is: the same trip once more, with this `max_age`."""

    target: str
    max_age: int


class Line:
    """A provider as this process reaches it."""

    def __init__(self, settings: Settings, provider: Provider) -> None:
        self.provider = provider
        self._settings = settings

    @property
    def set_up(self) -> ProviderSettings:
        """What the operator said of it."""
        return self.provider.settings

    @property
    def return_address(self) -> str:
        """The one address its people come back to, registered there to the letter."""
        return f"{self._settings.base_url}/sign-in/city/{self.set_up.name}/callback"

    @cached_property
    def fetcher(self) -> Fetcher:
        """Requests to it."""
        from voting.identity.city_sign_on.fetching import Fetcher

        return Fetcher(self.set_up, plain_http=self._settings.not_public)

    @cached_property
    def directory(self) -> Directory:
        """What it says of itself."""
        from voting.identity.city_sign_on.discovery import Directory

        return Directory(self.set_up.issuer, self.fetcher)

    def secret(self) -> str:
        """The client secret, read when it is needed: a new one takes effect at once. Raises SignOnUnavailable."""
        try:
            return (self._settings.keys_dir / self.set_up.secret_name).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            raise SignOnUnavailable(why="no_secret", retry_after=RETRY_AFTER) from None


class CitySignOn:
    """The providers of one site."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.lines = {one.name: Line(settings, provider_of(one)) for one in settings.city_sign_on}

    def line(self, name: str) -> Line:
        """Give a provider by its name. Raises NotFound."""
        found = self.lines.get(name)
        if found is None:
            raise NotFound
        return found

    @cached_property
    def secret(self) -> bytes:
        """What nonces and verifiers are derived under."""
        return self._settings.secret(SECRET)


# ---- there


async def set_out(
    desk: Desk, sign_on: CitySignOn, request: AnyRequest, name: str, target: str, *, browser: str | None,
    max_age: int | None = None, now: datetime,
) -> Departure:  # fmt: skip
    """Begin a trip; `target` is a checked path of this site. Raises NotFound, TooMany, SignOnUnavailable."""
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # type: ignore[import-untyped]
    from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

    line = sign_on.line(name)
    network = network_of(request.scope["state"]["client_address"])
    await desk.throttle.hit(("sign_on_network", network), ("sign_in_site", "site"), now=now)
    with told_to_the_log(name):
        endpoint = (await line.directory.metadata()).authorization_endpoint
    browser = browser if browser is not None and is_token(browser) else new_token()
    async with desk.database.open_session() as session:
        trip = await begin_trip(session, browser, provider=name, target=target, max_age=max_age, now=now)
    asked: dict[str, Any] = {
        **line.provider.authorization_parameters(trip.state),
        "nonce": nonce_of(sign_on.secret, trip.state),
        "code_challenge": create_s256_code_challenge(verifier_of(sign_on.secret, trip.state)),
        "code_challenge_method": "S256",
    }
    if max_age is not None:
        asked |= {"max_age": str(max_age), "prompt": "login"}
    set_up = line.set_up
    address = prepare_grant_uri(
        endpoint, set_up.client_id, "code", redirect_uri=line.return_address, scope=set_up.scope, state=trip.state,
        **asked,
    )  # fmt: skip
    return Departure(str(address), browser)


# ---- and back


async def come_back(
    desk: Desk, sign_on: CitySignOn, request: AnyRequest, name: str, said: Mapping[str, str], browser: str | None,
    now: datetime,
) -> Arrival | Again:  # fmt: skip
    """Take a trip's end: check what `said` (the parameters of the address) leads to, find the entry, open a session.

    Raises the refusals of `errors`, and CaseStands for whoever has to wait for the desk.
    """
    line = sign_on.line(name)
    with told_to_the_log(name):
        trip = await _taken(desk, said.get("state"), browser, name, now)
        code = await _code(line, said)
        claims = await _redeem(sign_on, line, trip, code, now)
        person = line.provider.person(claims)
        if person.level < line.set_up.least_level:
            raise SignOnLevelTooLow(level=person.level, needed=line.set_up.least_level)
    claimed = claimed_keys(line.set_up, person, desk.identity_secrets)
    fresh = trip.max_age is not None or _is_fresh(claims, line.set_up.staff_max_age, now)
    return await _admit(desk, request, line.set_up, trip, claimed, fresh, now)


class told_to_the_log:  # noqa: N801  -- used as a statement
    """Write down a refusal's one word, with the provider's name and nothing of what it said."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        """Nothing yet."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Log a refusal, and let it go on."""
        if isinstance(error, Refusal):
            why = str(error.facts.get("why", ""))
            structlog.get_logger("voting").warning("sign_on_refused", provider=self._name, code=error.code, why=why)


async def _taken(desk: Desk, state: str | None, browser: str | None, name: str, now: datetime) -> Trip:
    if state is None or browser is None or not is_token(state) or not is_token(browser):
        raise SignOnRefused(why="state")
    async with desk.database.open_session() as session:
        trip = await take_trip(session, state, browser, name, now)
    if trip is None:
        raise SignOnRefused(why="state")
    return trip


async def _code(line: Line, said: Mapping[str, str]) -> str:
    """The code, once the reply is this provider's (RFC 9207) and no refusal of its own."""
    issuer = said.get("iss")
    if issuer is None and (await line.directory.metadata()).names_itself:
        raise SignOnRefused(why="mix_up")
    if issuer is not None and issuer != line.set_up.issuer:
        raise SignOnRefused(why="mix_up")
    error = said.get("error")
    if error in DECLINED:
        raise SignOnDeclined
    if error == "unmet_authentication_requirements":
        raise SignOnLevelTooLow(needed=line.set_up.least_level)
    if error in PASSING:
        raise SignOnUnavailable(why="told_so", retry_after=RETRY_AFTER)
    code = said.get("code")
    if error is not None or not code or len(code) > LONGEST_CODE:
        raise SignOnRefused(why="code" if error is None else "error")
    return code


async def _redeem(sign_on: CitySignOn, line: Line, trip: Trip, code: str, now: datetime) -> Mapping[str, Any]:
    """Redeem the code; give the checked claims."""
    from voting.identity.city_sign_on.id_token import Expected, checked_claims

    metadata = await line.directory.metadata()
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": line.return_address,
        "code_verifier": verifier_of(sign_on.secret, trip.state),
    }
    asked = line.provider.token_request(fields, line.secret())
    status, reply = await line.fetcher.post_form(metadata.token_endpoint, asked.fields, asked.headers)
    if status != 200:
        if reply.get("error") in ("invalid_client", "unauthorized_client"):  # our set-up, or theirs
            raise SignOnUnavailable(why="client", retry_after=RETRY_AFTER)
        raise SignOnRefused(why="code")
    access = reply.get("access_token")
    access = access if isinstance(access, str) else None
    expected = Expected(nonce_of(sign_on.secret, trip.state), trip.max_age, access)
    claims = await checked_claims(reply.get("id_token"), line.set_up, line.directory, expected, now)
    if not line.set_up.userinfo:
        return claims
    if metadata.userinfo_endpoint is None or access is None:
        raise SignOnUnavailable(why="userinfo", retry_after=RETRY_AFTER)
    told = await line.fetcher.get_json(metadata.userinfo_endpoint, bearer=access)
    if told.get("sub") != claims.get("sub"):  # Core §5.3.2: or it may be of somebody else
        raise SignOnRefused(why="userinfo")
    wanted = (line.set_up.number_claim, line.set_up.birth_date_claim)
    return {**claims, **{key: told[key] for key in wanted if key in told}}


def _is_fresh(claims: Mapping[str, Any], max_age: int, now: datetime) -> bool:
    from voting.identity.city_sign_on.id_token import is_fresh

    return is_fresh(claims, max_age, now)


async def _admit(
    desk: Desk, request: AnyRequest, set_up: ProviderSettings, trip: Trip, claimed: Claimed, fresh: bool, now: datetime
) -> Arrival | Again:
    """In one transaction: entry, account and session, or the case."""
    stands: Told | None = None
    joined = False
    async with desk.database.open_session() as session:
        found = await _entry(session, claimed, now)
        if isinstance(found, Told):
            stands = found
        else:
            account_id, made = await account_of_citizen(session, found.citizen_id, now)
            joined = found.linked and not made
            if found.linked:
                await write_event(session, "sign_on_linked", actor=account_id, subject=f"account:{account_id}",
                                  facts={"provider": set_up.name, "new_account": made}, now=now)  # fmt: skip
                await notify(session, account_id, "sign_on_linked", now=now)
            if not fresh and await _works_here(session, account_id):
                return Again(trip.target, set_up.staff_max_age)
            done = await begin_session(desk, session, request, account_id, how="city", now=now)
    if stands is not None:
        raise CaseStands(reference=stands.reference, kind=stands.kind, state=stands.state, answer=stands.answer)
    forget_before(desk, request)
    return Arrival(done, trip.target, joined)


async def _entry(session: Session, claimed: Claimed, now: datetime) -> Found | Told:
    await lock_subject(session, claimed)
    if (frozen := await frozen_case(session, claimed)) is not None:
        return frozen
    found = await find_entry(session, claimed, now)
    if isinstance(found, Unclear):
        if found.by_subject is not None and await settled_before(session, claimed, found):
            return Found(found.by_subject, linked=False)
        return await open_case(session, claimed, found, now)
    return found


async def _works_here(session: Session, account_id: int) -> bool:
    roles = await session.scalars(select(account_role.c.role).where(account_role.c.account_id == account_id))
    return bool(set(roles) - {"resident"})


__all__ = ["Again", "Arrival", "CitySignOn", "Departure", "Person", "come_back", "set_out"]

"""Limits on how often something may be asked, counted in the database so that they hold across processes.

A limit is a number of hits in a window. Each hit is one statement: it adds to the counter of the current window and
reads that of the one before, of which the share still within reach is counted too, so that nobody gets two limits'
worth around the turn of a window. Counters are keyed by an HMAC: the table names neither logins nor networks. They are
written in a transaction of their own, since what the request does may be rolled back.

How these limits are put together for signing in, so that no stranger can lock anybody out, is in
`voting.identity.sign_in_limits`.
Casting votes has no shared counter: its limits are the one vote per citizen and a bucket in each process.
"""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from sqlalchemy import delete, text

from polls.errors import TooMany
from polls.sessions import Session
from voting.db import Database
from voting.perimeter import network_of
from voting.tables import throttle

KEPT = timedelta(days=1)
CALLERS = 20_000


@dataclass(frozen=True)
class Limit:
    """At most `hits` in any `window`; `lease` hits are taken from the shared counter at once."""

    hits: int
    window: timedelta
    lease: int = 1


MINUTE = timedelta(minutes=1)
LIMITS: Mapping[str, Limit] = {
    # Of signing in only failures add up, and known devices are counted apart: voting.identity.sign_in_limits
    "sign_in": Limit(10, timedelta(minutes=15)),  # per login and network
    "sign_in_first": Limit(2, timedelta(minutes=15)),  # per login and network, while the login is under attack
    "sign_in_account": Limit(100, timedelta(hours=1)),  # per login, over all networks
    "sign_in_network": Limit(600, timedelta(minutes=15)),  # a /24 may hold a whole mobile operator's gateway
    "sign_in_alarm": Limit(300, timedelta(hours=1)),  # over the whole site: with more failures new devices give more
    "sign_in_alarm_told": Limit(1, timedelta(hours=1)),  # the audit log hears of an alarm once
    "sign_in_storm": Limit(1000, timedelta(minutes=10)),  # over the whole site: with more, networks are held to few
    "sign_in_network_storm": Limit(20, timedelta(minutes=15)),  # per network, during a storm
    "sign_in_letters": Limit(5, timedelta(hours=1)),  # per account: letters that sign in, one at a time
    "sign_in_site": Limit(6000, MINUTE),  # far above what the hashing pool can serve; stops a flood of writes
    "second_step": Limit(20, timedelta(hours=6)),  # per account: whoever tries codes knows its password
    "passkey_options": Limit(1200, MINUTE),  # per network: challenges of visitors who may sign in
    "sign_on_network": Limit(600, timedelta(minutes=15)),  # trips to the city's sign-on
    "sign_in_device": Limit(30, timedelta(minutes=15)),  # per known device
    "letters": Limit(5, timedelta(minutes=30)),  # per address written to; a link of 30 minutes is always among them
    "letters_network": Limit(100, timedelta(hours=1)),
    "links": Limit(60, timedelta(minutes=15)),  # per network: links and codes tried
    "assist": Limit(40, timedelta(hours=1)),  # per operator: residents brought to the desk
    "own_data": Limit(20, timedelta(hours=1)),  # per account
    "sign_up": Limit(10, timedelta(hours=1)),  # per register number tried and network
    "sign_up_network": Limit(200, timedelta(hours=1)),
    "writes": Limit(240, MINUTE),  # per account
    "exports": Limit(30, timedelta(minutes=10)),  # per account or network
    "export_orders": Limit(20, timedelta(minutes=10)),  # per account or network: files made in the background
    "api_reads": Limit(1200, MINUTE, lease=60),  # per account or network, as the API's description says
    "token_reads": Limit(6000, MINUTE, lease=60),  # per token: a script reads more than a person, and has a name
    "token_exports": Limit(300, timedelta(minutes=10)),  # per token
    "token_writes": Limit(240, MINUTE),  # per token
}
OF_TOKENS = {"api_reads": "token_reads", "exports": "token_exports", "writes": "token_writes"}
"""The class that counts in the place of another for a request with a token."""
CASTING = Limit(60, MINUTE)  # per account, in each process

_HIT = text(
    """
    WITH asked AS (
        SELECT key, start, before, n
        FROM unnest(
            CAST(:keys AS text[]), CAST(:starts AS timestamptz[]),
            CAST(:befores AS timestamptz[]), CAST(:ns AS integer[])
        ) AS asked(key, start, before, n)
        ORDER BY key
    ), hit AS (
        INSERT INTO throttle AS t (key, window_start, n)
        SELECT key, start, n FROM asked
        ON CONFLICT (key, window_start) DO UPDATE SET n = t.n + excluded.n
        RETURNING t.key, t.n
    )
    SELECT asked.key, hit.n, coalesce(previous.n, 0) AS previous,
           set_config('synchronous_commit', 'off', true)
    FROM asked JOIN hit USING (key)
    LEFT JOIN throttle AS previous ON previous.key = asked.key AND previous.window_start = asked.before
    """
)

_FORGIVE = text(
    """
    WITH mine AS (
        SELECT t.key, t.window_start FROM throttle t
          JOIN unnest(CAST(:keys AS text[]), CAST(:starts AS timestamptz[])) AS asked(key, start)
            ON t.key = asked.key AND t.window_start = asked.start
         ORDER BY t.key FOR UPDATE OF t
    )
    UPDATE throttle SET n = throttle.n - 1 FROM mine
     WHERE throttle.key = mine.key AND throttle.window_start = mine.window_start AND throttle.n > 0
    """
)
"""In the order of the keys, as hits are counted, so that no two wait for each other."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands with a limit after a hit: what is left of the window, at least, and seconds until it ends."""

    limit: int
    remaining: int
    reset: int
    window: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of draft-ietf-httpapi-ratelimit-headers-06: three numbers and the policy."""
        policy = f"{self.limit};w={self.window}"
        named = {"limit": self.limit, "remaining": self.remaining, "reset": self.reset, "policy": policy}
        return [(f"ratelimit-{name}".encode(), str(value).encode()) for name, value in named.items()]


class Throttle:
    """The shared counters of one deployment."""

    def __init__(self, database: Database, secret: bytes, limits: Mapping[str, Limit] | None = None) -> None:
        self.limits = {**LIMITS, **(limits or {})}
        self._database = database
        self._secret = secret
        self._leases: OrderedDict[str, tuple[datetime, int]] = OrderedDict()
        self._unused: OrderedDict[str, int] = OrderedDict()

    async def hit_measured(self, name: str, subject: str, *, now: datetime) -> Standing:
        """Count one hit of a class, by leases if it has them, and tell how the caller stands. Raises TooMany.

        What is left is what this process knows: others may have taken leases since, so it is told for guidance.
        """
        limit, key = self.limits[name], self._key(name, subject)
        if limit.lease > 1:
            await self.hit_leased(name, subject, now=now)
            held = self._leases[key][1]
        else:
            await self.hit((name, subject), now=now)
            held = 0
        window = limit.window.total_seconds()
        reset = window - (now - _window_start(now, limit.window)).total_seconds()
        return Standing(limit.hits, held + self._unused.get(key, 0), max(1, round(reset)), round(window))

    async def hit(self, *subjects: tuple[str, str], now: datetime) -> None:
        """Count one hit of each (class, subject), such as ("sign_in_network", "10.0.0.0/24").

        Raises TooMany(retry_after) when any of them is over its limit; all are counted all the same.
        """
        wait = max(await self.waits(*subjects, now=now))
        if wait > 0:
            raise TooMany(retry_after=wait)

    async def waits(self, *subjects: tuple[str, str], now: datetime) -> list[float]:
        """Count one hit of each and refuse nothing: the seconds to wait of each, 0 where its limit is kept."""
        counted = await self._count([(name, subject, 1) for name, subject in subjects], now)
        return [counted[self._key(name, subject)] for name, subject in subjects]

    async def hit_leased(self, name: str, subject: str, *, now: datetime) -> None:
        """Count one hit of a busy class without a query each: this process takes `lease` hits at a time.

        All processes together never let through more than the limit; the last leases may be lost unused.
        """
        limit = self.limits[name]
        key = self._key(name, subject)
        start = _window_start(now, limit.window)
        held_start, left = self._leases.get(key, (start, 0))
        if held_start != start:
            left = 0
        if left <= 0:
            counted = await self._count([(name, subject, limit.lease)], now)
            if (wait := counted[key]) > 0:
                raise TooMany(retry_after=wait)
            left = limit.lease
        self._leases[key] = (start, left - 1)
        self._leases.move_to_end(key)
        if len(self._leases) > CALLERS:
            self._leases.popitem(last=False)

    async def forgive(self, name: str, subject: str, *, now: datetime) -> None:
        """Take back one hit, as after a sign-in that succeeded: only failures should add up."""
        await self.forgive_all([(name, subject)], now=now)

    async def forgive_all(self, subjects: Sequence[tuple[str, str]], *, now: datetime) -> None:
        """Take back one hit of each."""
        values = {
            "keys": [self._key(name, subject) for name, subject in subjects],
            "starts": [_window_start(now, self.limits[name].window) for name, _ in subjects],
        }
        async with self._database.open_session_aside() as session:
            await session.execute(_FORGIVE, values)

    def tag(self, name: str, subject: str) -> str:
        """A name for a subject that says nothing of it, such as for who ordered an export."""
        return self._key(name, subject)

    async def _count(self, hits: Sequence[tuple[str, str, int]], now: datetime) -> dict[str, float]:
        """Add the hits; give by key the seconds to wait, 0 where the limit is kept."""
        asked = {self._key(name, subject): (self.limits[name], n) for name, subject, n in hits}
        starts = [_window_start(now, limit.window) for limit, _ in asked.values()]
        values = {
            "keys": list(asked),
            "starts": starts,
            "befores": [start - limit.window for start, (limit, _) in zip(starts, asked.values(), strict=True)],
            "ns": [n for _, n in asked.values()],
        }
        async with self._database.open_session_aside() as session:
            rows = (await session.execute(_HIT, values)).all()
        for row in rows:
            self._note_unused(row.key, asked[row.key][0], row.n, row.previous, now)
        return {row.key: _wait(asked[row.key][0], row.n, row.previous, now) for row in rows}

    def _note_unused(self, key: str, limit: Limit, n: int, previous: int, now: datetime) -> None:
        elapsed = (now - _window_start(now, limit.window)) / limit.window
        self._unused[key] = max(0, int(limit.hits - n - previous * (1 - elapsed)))
        self._unused.move_to_end(key)
        if len(self._unused) > CALLERS:
            self._unused.popitem(last=False)

    def _key(self, name: str, subject: str) -> str:
        tag = hmac.new(self._secret, f"veche/throttle/v1/{name}\0{subject}".encode(), hashlib.sha256).hexdigest()
        return f"{name}:{tag[:32]}"


class Bucket:
    """A limit kept by this process alone, for paths that must not touch a shared counter."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._hits: OrderedDict[int, tuple[float, int]] = OrderedDict()

    def hit(self, subject: int, *, at: float | None = None) -> None:
        """Count one hit at a monotonic time. Raises TooMany(retry_after)."""
        at = time.monotonic() if at is None else at
        window = self._limit.window.total_seconds()
        began, n = self._hits.get(subject, (at, 0))
        if at - began >= window:
            began, n = at, 0
        if n >= self._limit.hits:
            raise TooMany(retry_after=max(1, round(window - (at - began))))
        self._hits[subject] = (began, n + 1)
        self._hits.move_to_end(subject)
        if len(self._hits) > CALLERS:
            self._hits.popitem(last=False)


async def sweep_throttle(session: Session, *, now: datetime) -> None:
    """Delete counters no window reaches back to."""
    await session.execute(delete(throttle).where(throttle.c.window_start < now - KEPT))


def caller_of(scope: Scope) -> str:
    """Name whom a general limit counts by: the account, or the network of an anonymous visitor."""
    token = scope["state"].get("api_token")
    if token is not None:
        return f"token:{token.id}"
    viewer = scope["state"].get("viewer")
    if viewer is not None:
        return f"account:{viewer.account_id}"
    return f"network:{network_of(scope['state']['client_address'])}"


class ThrottleMiddleware(ASGIMiddleware):
    """Applies the general limits to every route, by the class the handler names in ``opt={"limit": …}``.

    Without one, unsafe requests count as "writes" and reads of the API as "api_reads"; pages that only read are not
    limited. "casting" is kept by this process alone; "own" means that the handler counts for itself.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, counters: Throttle, clock: Callable[[], datetime], casting: Bucket) -> None:
        self._counters = counters
        self._clock = clock
        self._casting = casting

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Count the request; refuse with TooMany."""
        name = scope["route_handler"].opt.get("limit")
        if name is None:
            if scope.get("method") not in ("GET", "HEAD", "OPTIONS"):
                name = "writes"
            elif scope["path"].startswith("/api/"):
                name = "api_reads"
        if scope["state"].get("api_token") is not None and name in OF_TOKENS:
            standing = await self._counters.hit_measured(OF_TOKENS[name], caller_of(scope), now=self._clock())
            send = _telling(send, standing)
        elif name == "casting":
            viewer = scope["state"].get("viewer")
            if viewer is not None:
                self._casting.hit(viewer.account_id)
        elif name == "api_reads":
            await self._counters.hit_leased(name, caller_of(scope), now=self._clock())
        elif name not in (None, "own"):
            await self._counters.hit((name, caller_of(scope)), now=self._clock())
        await next_app(scope, receive, send)


def _telling(send: Send, standing: Standing) -> Send:
    """Put on a reply how its caller stands."""

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *standing.headers()]
        await send(message)

    return tell


def _window_start(now: datetime, window: timedelta) -> datetime:
    seconds = window.total_seconds()
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)


def _wait(limit: Limit, n: int, previous: int, now: datetime) -> float:
    """Give the seconds until the next hit would be within the limit, 0 if this one is."""
    window = limit.window.total_seconds()
    elapsed = now.timestamp() - _window_start(now, limit.window).timestamp()
    if n + previous * (1 - elapsed / window) <= limit.hits:
        return 0.0
    room = limit.hits - n - 1
    if room >= 0 and previous > 0:  # enough of the window before slides out of reach while this one lasts
        return max(1.0, window * (1 - room / previous) - elapsed)
    return max(1.0, window - elapsed + max(0.0, window * (1 - (limit.hits - 1) / n)))

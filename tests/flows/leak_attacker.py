"""An attacker who asks both of two worlds for everything there is, in every way, and compares the replies to the byte.

It walks the routes of the application itself, so a new route is attacked without a word here. A path parameter it has
no values for stops it: an address nobody knows how to ask for is an address nobody has tried.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import httpx
from litestar.params import ParameterKwarg, PathParameter
from tests.flows.two_worlds import SCRIPT, VISITOR, VOTER, WHO, World
from tests.sites import browser

from polls.catalogue import SealedPoll

READ = re.compile(r"""(?:query_params|query|asked|params|wanted)(?:\.get\(|\[)"([a-z_]{1,20})\"""")
"""Where pages read what stands in an address: the API declares it, pages pick it out."""
WILD = ("1", "2", "0", "-1", "999999", "true", "all", "csv", "excel", "ru", "2026-11-22", "%", "'", "*", "__proto__")
CONDITIONS: Sequence[Mapping[str, str]] = (
    {"if-none-match": "*"},
    {"if-none-match": 'W/"0", "1"'},
    {"if-match": "*"},
    {"if-modified-since": "Sun, 22 Nov 2026 00:00:00 GMT"},
    {"if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    {"if-unmodified-since": "Sun, 22 Nov 2026 00:00:00 GMT"},
    {"range": "bytes=0-99"},
    {"range": "bytes=-50"},
    {"range": "bytes=100-"},
    {"range": "bytes=0-1,5-9", "if-range": '"0"'},
    {"accept": "application/json"},
    {"accept": "text/csv"},
    {"accept": "image/png"},
    {"hx-request": "true"},
    {"accept-encoding": "gzip"},
    {"x-requested-with": "XMLHttpRequest", "accept": "*/*;q=0.1"},
)
DRAWN = re.compile(
    rb'urn:veche:request:[0-9a-f]{16}|[0-9a-f]{16}(?=</span>)|name="csrf_token" value="[^"]*"'
    rb'|name="(?:key|k)" value="[^"]*"|"csrf_token":"[^"]*"|"challenge":"[^"]*"'
)
"""What is drawn for each reply, whatever the ballots: the request's number, a form's token, a new ballot's key, what a
passkey is to sign."""
DRAWN_HEADERS = frozenset({"x-request-id", "date"})
DRAWN_COOKIE = re.compile(r"\bvisitor=[^;]*")
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
OF_NO_POLL = {
    "/api/v1/openapi.json", "/officials/polls/new", "/account/data.json", "/account/data.zip",
}  # fmt: skip
"""Addresses whose replies are drawn anew, by each process or each time: an order, the number of a poll to be."""
AT_RANDOM = {
    "/officials/polls/start", "/officials/polls/{public_id}/copy", "/api/v1/drafts/{poll_id}/copy", "/api/v1/session",
    "/sign-out", "/account/sessions/end", "/account/password", "/account/sessions/end-others",
}  # fmt: skip
"""Addresses no empty form is sent to: they make a poll of a new number, or end the session that asks."""


@dataclass(frozen=True)
class Asked:
    """One request: who sends what. `pattern` is the route's."""

    who: str
    method: str
    pattern: str
    address: str
    headers: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.who}: {self.method} {self.address} {dict(self.headers)}"


@dataclass
class Found:
    """What the walk came to: requests sent, statuses seen, and what was not the same in both worlds."""

    asked: int = 0
    patterns: set[str] = field(default_factory=set)
    statuses: dict[int, int] = field(default_factory=dict)
    leaks: dict[str, str] = field(default_factory=dict)

    def patterns_leaking(self) -> set[str]:
        return {leak.split(" ", 1)[0] for leak in self.leaks}


class Attacker:
    """Asks both worlds the same. `everything` leaves nothing out; otherwise ways are drawn, the same at every run, and
    with `few` a quarter as many, though of every route."""

    def __init__(
        self, here: World, there: World, *, everything: bool = False, few: bool = False, more: Sequence[Any] = ()
    ) -> None:
        self.worlds = (here, there)
        self.city = here.city
        self.everything, self.few = everything, few
        self.apps = (here.app(more), there.app(more))
        self.draw = random.Random(5)
        self.found = Found()
        self.clients: dict[str, tuple[httpx.AsyncClient, httpx.AsyncClient]] = {}

    async def __aenter__(self) -> Attacker:
        for who in WHO:
            pair = []
            for app in self.apps:
                client = browser(app, **{"accept-encoding": "identity"})
                if who == SCRIPT:
                    client.headers["authorization"] = f"Bearer {self.city.token}"
                client.cookies = httpx.Cookies(self.city.cookies.get(who))
                client._transport.raise_app_exceptions = False  # type: ignore[attr-defined]
                pair.append(client)
            self.clients[who] = (pair[0], pair[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        for pair in self.clients.values():
            for client in pair:
                await client.aclose()

    # ---- what there is to ask for

    def addresses(self, polls: Sequence[SealedPoll], methods: Sequence[str] = ("GET",)) -> list[tuple[str, str, Any]]:
        """Pattern, address and handler of everything registered, of each of these polls; and of no poll, once."""
        listed: dict[tuple[str, str], Any] = {}
        for route in self.apps[0].routes:
            pattern = route.path_format
            for handler in getattr(route, "route_handlers", ()):
                if not set(methods) & handler.http_methods:
                    continue
                for address in self._fill(pattern, polls):
                    listed[pattern, address] = handler
        return [(pattern, address, handler) for (pattern, address), handler in listed.items()]

    def _fill(self, pattern: str, polls: Sequence[SealedPoll]) -> Iterator[str]:
        names = re.findall(r"{([a-z_0-9]+)}", pattern)
        if names and names[-1] in ("path", "file_path"):
            yield from self._files(pattern.rpartition("/")[0], polls)
            return
        for poll in polls:
            known = self.values(poll)
            missing = [name for name in names if name not in known]
            assert not missing, f"say in Attacker.values what to put for {missing} of {pattern}"
            for values in product(*(known[name] for name in names)):
                yield pattern.format_map(dict(zip(names, values, strict=True)))

    def values(self, poll: SealedPoll) -> Mapping[str, Sequence[str]]:
        """What to put for each path parameter of any route."""
        first = poll is self.city.open[0]
        return {
            "slug": [poll.slug, poll.public_id] if first else [poll.slug],
            "public_id": [poll.public_id], "poll_id": [poll.public_id], "building": [self.city.house],
            "number": ["1", "2"], "version": ["1"], "question": ["1"], "option": ["1"], "code": ["results_hidden"],
            "picture": [f"{poll.slug}.png"], "sha256": ["0" * 64], "job": ["1"], "export_id": ["1"],
            "passkey_id": ["1"],
            "poll": [poll.slug], "milestone": ["1"], "evidence": ["1"], "step": ["1"], "file": ["1"],
            "approval": ["1"], "provider": ["city"], "reference": ["AAAA-2222"],
        }  # fmt: skip

    def _files(self, root: str, polls: Sequence[SealedPoll]) -> Iterator[str]:
        names = {
            "/board": ["manifest.json", "manifest.note", "1/manifest.json", "q1/checkpoint", "q1/tile/0/000",
                       "q1/tile/entries/000", "q1/entries", "results.json"],
            "/registry": ["checkpoint", "tile/0/000", "tile/entries/000", "tile/entries/000.p/9"],
            "/static": ["dist/manifest.json"],
        }.get(root, ["", "manifest.json"])  # fmt: skip
        within = [f"{poll.public_id}/" for poll in polls] if root == "/board" else [""]
        for folder, name in product(within, names):
            yield f"{root}/{folder}{name}"

    # ---- asking

    async def ask(self, asked: Asked, **body: Any) -> httpx.Response:
        """Send one request to both worlds and note a difference; gives the first world's reply."""
        pair = self.clients[asked.who]
        replies = await asyncio.gather(
            *(client.request(asked.method, asked.address, headers=asked.headers, **body) for client in pair)
        )
        seen = [plain(reply) for reply in replies]
        self.found.asked += 1
        self.found.patterns.add(asked.pattern)
        status = replies[0].status_code
        self.found.statuses[status] = self.found.statuses.get(status, 0) + 1
        if seen[0] != seen[1]:
            self.found.leaks.setdefault(f"{asked.pattern} {asked}", difference(*seen))
        for client in pair:  # a language asked for in the address is kept in a cookie; it is asked for anew each time
            client.cookies.delete("lang") if "lang" in client.cookies else None
        return replies[0]

    async def walk(self, polls: Sequence[SealedPoll], only: str = "") -> Found:
        """Ask for everything that is read. Of the first poll in many ways; of the others by somebody, in turn."""
        for number, (pattern, address, handler) in enumerate(self.addresses(polls)):
            if not pattern.startswith(only) or pattern in OF_NO_POLL:
                continue
            first = polls[0].slug in address or polls[0].public_id in address or "{" not in pattern
            if self.few and self._left_out(polls[0], first, number, pattern, address):
                continue
            turns = [WHO[number % len(WHO)], WHO[(number + 3) % len(WHO)]]
            several = turns if self.few else dict.fromkeys([VISITOR, "official", *turns])
            readers = WHO if self.everything else several if first else turns[:1]
            for turn, who in enumerate(readers):
                for language in ("ru", "en") if self.everything else (("ru", "en")[(turn + number) % 2],):
                    await self.ask(Asked(who, "GET", pattern, address, {"accept-language": language}))
            for who in WHO if self.everything else turns[: not self.few or number % 3 == 0]:
                await self.ask(Asked(who, "HEAD", pattern, address, {}))
            if "{" in pattern and (first or self.everything) and not (self.few and number % 2):
                ways = (VISITOR, SCRIPT, "official", VOTER)
                for who in (ways[number % 4], ways[(number + 1) % 4])[: 2 if self.everything else 1]:
                    await self._in_every_way(who, pattern, address, handler)
        return self.found

    def _left_out(self, poll: SealedPoll, first: bool, number: int, pattern: str, address: str) -> bool:
        """Whether a few leave it to the many: the other name of a poll that has two, and every other poll in turn."""
        odd = bool(len(pattern) % 2)
        if first:
            return "{slug}" in pattern and (poll.public_id in address) == odd
        return bool(number % 2) == odd

    async def _in_every_way(self, who: str, pattern: str, address: str, handler: Any) -> None:
        reply = await self.ask(Asked(who, "GET", pattern, address, {}))
        if tag := reply.headers.get("etag"):
            for known in ({"if-none-match": tag}, {"range": "bytes=0-9", "if-range": tag}):
                await self.ask(Asked(who, self.draw.choice(("GET", "HEAD")), pattern, address, known))
        for headers in CONDITIONS if self.everything else self.draw.sample(CONDITIONS, 1 if self.few else 2):
            await self.ask(Asked(who, self.draw.choice(("GET", "GET", "HEAD")), pattern, address, headers))
        declared, read = parameters(handler)
        queries = [f"{name}={value}" for name in declared for value in WILD[: 1 if self.few else 2]]
        others = [f"{name}={value}" for name in (*declared, *read) for value in WILD]
        queries += self.draw.sample(others, min(len(others), 40 if self.everything else 2))
        for query in queries:
            await self.ask(Asked(who, "GET", pattern, f"{address}?{query}", {"accept-language": "en"}))

    async def send_nothing(self, polls: Sequence[SealedPoll]) -> Found:
        """Send what changes something, with nothing in it or what the description shows: the refusals must be the same,
        and so what is done."""
        for pattern, address, handler in self.addresses(polls, CHANGING):
            if pattern in AT_RANDOM:
                continue
            for method in sorted(handler.http_methods & set(CHANGING)):
                for who in WHO if self.everything else self.draw.sample(WHO, 1 if self.few else 2):
                    for body in ({}, *_plausible(pattern, handler)):
                        await self.ask(Asked(who, method, pattern, address, {"accept-language": "en"}), json=body)
        return self.found


def _plausible(pattern: str, handler: Any) -> list[Any]:
    """The body an operation shows as its example, for what anybody may send about a poll, such as ordering a file."""
    example = getattr(handler.opt.get("operation"), "body_example", None)
    return [example] if "/polls/{slug}" in pattern and example is not None else []


def parameters(handler: Any) -> tuple[list[str], list[str]]:
    """Names that may stand in an address's query: those the handler declares, and those its module picks out of one."""
    declared = [
        getattr(parameter.kwarg_definition, "name", None) or name
        for name, parameter in handler.parsed_fn_signature.parameters.items()
        if isinstance(parameter.kwarg_definition, ParameterKwarg)
        and not isinstance(parameter.kwarg_definition, PathParameter)
    ]
    source = inspect.getsourcefile(getattr(handler.fn, "func", handler.fn))
    read = set(READ.findall(Path(source).read_text())) if source else set()
    return declared, sorted(read | {"question", "version", "format", "lang", "dialect", "since", "by"} - set(declared))


Plain = tuple[int, tuple[tuple[str, str], ...], bytes]


def plain(reply: httpx.Response) -> Plain:
    """A reply without what is drawn anew for each: status, headers in order of name, body."""
    body = DRAWN.sub(b"", reply.content)
    drawn = body != reply.content or reply.request.method == "HEAD"
    packed = drawn and "content-encoding" in reply.headers  # what is drawn moves the length of what is packed
    headers = sorted(
        (name, DRAWN_COOKIE.sub("visitor=", value))
        for name, value in reply.headers.multi_items()
        if name not in DRAWN_HEADERS and not (packed and name == "content-length")
    )
    return reply.status_code, tuple(headers), body


def difference(here: Plain, there: Plain) -> str:
    """Where two replies part, in a few words."""
    if here[0] != there[0]:
        return f"status {here[0]} and {there[0]}"
    if here[1] != there[1]:
        return f"headers {sorted(set(here[1]) ^ set(there[1]))}"
    at = next((i for i, (a, b) in enumerate(zip(here[2], there[2], strict=False)) if a != b), 0)
    return f"at {at}: …{here[2][max(0, at - 80) : at + 80]!r}… and …{there[2][max(0, at - 80) : at + 80]!r}…"

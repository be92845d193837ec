"""The edge of the site: headers on every reply, names we answer to, and where a request really comes from."""

import ipaddress
import re
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from litestar.types import Message, Scope

from voting.settings import Settings

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'"
)
PERMISSIONS_POLICY = (
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), midi=(), "
    "payment=(), usb=(), browsing-topics=()"
)
FOR_EVER = b"public, max-age=31536000, immutable"
HASHED = re.compile(r"/static/dist/[\w.-]+-[A-Z0-9]{8}\.\w+")
"""Built files whose name changes with their content; the others (the viewer's, the manifest) are asked for again."""
NEVER_FRAMED = frozenset({b"x-frame-options", b"cross-origin-opener-policy"})
"""Headers that a page made to stand in pages of other sites (``opt={"framed": True}``) goes without."""
PRIVATE = ((b"referrer-policy", b"no-referrer"), (b"cache-control", b"no-store"))
HSTS = "max-age=31536000; includeSubDomains"
NETLOC = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\[\]:@/?#\s]+)(:[0-9]{1,5})?")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Pairs = list[tuple[bytes, bytes]]


class SecurityHeaders:
    """Puts the headers on every reply, errors included: the framework's hook before sending.

    A handler may override them one by one by setting the header itself (the API's documentation page sets its own
    Content-Security-Policy, and a page made for frames says who may frame it). Pages of ballots say
    ``opt={"private": True}``: no referrer, no cache.
    """

    def __init__(self, settings: Settings) -> None:
        fixed = [
            ("content-security-policy", CONTENT_SECURITY_POLICY),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("permissions-policy", PERMISSIONS_POLICY),
        ]
        if settings.base_url.startswith("https://"):
            fixed.append(("strict-transport-security", HSTS))
        self._fixed = [(name.encode(), value.encode()) for name, value in fixed]
        self._missing = lru_cache(maxsize=1_000)(self._find_missing)

    async def __call__(self, message: Message, scope: Scope) -> None:
        """Complete the headers of a reply that begins."""
        if message["type"] != "http.response.start":
            return
        signed_in = scope.get("state", {}).get("viewer") is not None
        message["headers"] = self.complete(
            list(message["headers"]), scope.get("route_handler"), scope["path"], message["status"], signed_in=signed_in
        )

    def complete(self, headers: Pairs, handler: Any, path: str, status: int, *, signed_in: bool) -> Pairs:
        """The headers of a reply with those it still needs after them. `handler` is None where no route was found."""
        framed = handler is not None and bool(handler.opt.get("framed")) and status < 400
        is_private = handler is not None and bool(handler.opt.get("private"))
        if is_private:
            headers = [header for header in headers if header[0].lower() != b"cache-control"]
        given = frozenset([name.lower() for name, _ in headers])
        if not is_private and status == 200 and HASHED.fullmatch(path):
            headers = [header for header in headers if header[0].lower() != b"cache-control"]
            headers.append((b"cache-control", FOR_EVER))
        elif not is_private and b"cache-control" not in given and signed_in:
            headers.append((b"cache-control", b"private, no-cache"))  # what is shown to one is not for a shared cache
        added = self._missing(given, is_private)
        return headers + ([pair for pair in added if pair[0] not in NEVER_FRAMED] if framed else added)

    def _find_missing(self, given: frozenset[bytes], is_private: bool) -> Pairs:
        """What a reply with headers of these names still needs: worked out once for a kind of reply."""
        if is_private:
            return [header for header in PRIVATE if header[0] not in given] + [
                header for header in self._fixed if header[0] not in given and header[0] != b"referrer-policy"
            ]
        return [header for header in self._fixed if header[0] not in given]


def host_allowed(settings: Settings, host: str | None) -> bool:
    """Tell whether we answer to this Host header: the base URL's own, or on a laptop any name of the machine itself."""
    if not host:
        return False
    ours = urlsplit(settings.base_url).netloc.lower()
    host = host.lower()
    if host == ours:
        return True
    return _name(ours) in LOOPBACK and _name(host) in LOOPBACK


def _name(netloc: str) -> str:
    """The name without its port; empty for what is not a name with at most a port of digits."""
    parts = NETLOC.fullmatch(netloc)
    return parts["name"] if parts else ""


def client_address(scope: Scope, trusted: tuple[Network, ...]) -> str:
    """Give the address of the client: the peer's, unless the peer is a proxy we trust.

    Then X-Forwarded-For is read from its right end, as far as the proxies in it are ours too: whatever stands further
    left was written by the client and proves nothing.
    """
    peer = (scope["client"] or ("", 0))[0]
    if not trusted or not _within(peer, trusted):
        return peer
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1")
    address = peer
    for part in reversed([piece.strip() for piece in forwarded.split(",") if piece.strip()]):
        if not _is_address(part):
            return address
        address = part
        if not _within(part, trusted):
            return address
    return address


def network_of(address: str) -> str:
    """Give the network limits count by: the /24 of an IPv4 address, the /56 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 56), strict=False))


def _within(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

"""Requests as they stand on the wire, sent to an application with no client between: doubled headers and all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def scope_of(
    method: str, path: str, headers: Iterable[tuple[str, str]], *, query: bytes = b"", root: str = ""
) -> dict[str, Any]:
    """What a server makes of a request's first lines."""
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": b"", "query_string": query, "root_path": root, "scheme": "http", "client": ("203.0.113.9", 1),
        "server": ("city.test", 80), "state": {},
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
    }  # fmt: skip


async def answers(app: Any, scope: dict[str, Any], body: Sequence[bytes] = (b"",), *, gone: bool = False) -> list[Any]:
    """The messages an application answers with, to a body sent in these pieces; `gone`: its sender leaves before the
    end of it.
    """
    last = len(body) - 1
    pieces = iter([
        {"type": "http.request", "body": part, "more_body": at < last or gone} for at, part in enumerate(body)
    ])  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return next(pieces, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent

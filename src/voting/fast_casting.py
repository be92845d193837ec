"""A vote without the framework: POST /api/v1/polls/{slug}/ballots, the one address a whole city comes to in an evening.

What is answered is a small JSON body that reads as a ballot, sent by our own page or program with the form's token. It
is asked and cast by the very functions the ordinary way uses, and what is not straight is left to that way. Only two
things are done before the vote, once everything else is known to be in order: it is counted by the limit on casting,
and cast. Stands in `voting.front`.

tests/flows/test_fast_casting.py holds the two ways equal, to the byte.
"""

from __future__ import annotations

import re
from typing import Any

from litestar import Litestar
from litestar.types import Receive

from polls.errors import Refusal
from voting.api.ballots import KEY_HEADER, NEVER_KEPT, SentVote, cast, read_vote, take_vote
from voting.api.documents import is_too_deep
from voting.api.representation import JSON
from voting.identity.guards import resident
from voting.identity.sessions import Viewer
from voting.security import HEADER, FormTokens, is_ours
from voting.settings import Settings
from voting.straight import Straight, route_of
from voting.throttling import Bucket

ADDRESS = re.compile(r"/api/v1/polls/([a-z0-9-]{1,64})/ballots")
PLAIN_HOST = re.compile(rb"[A-Za-z0-9.:\[\]-]+")
"""Within what the framework takes for a host; that it is one of ours was seen to before (`voting.edge`)."""
MEDIA_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})
LARGEST = 64 * 1024
"""Bytes of a body that is read here; the longest ballot in words goes the ordinary way."""
ANSWERED = tuple([(name.encode(), value.encode()) for name, value in NEVER_KEPT.items()]
                 + [(b"content-type", JSON.encode())])  # fmt: skip

Pairs = tuple[tuple[bytes, bytes], ...]


class FastCasting:
    """Casts the votes of one application."""

    def __init__(self, app: Litestar, settings: Settings, tokens: FormTokens, bucket: Bucket) -> None:
        self.route = route_of(app, "POST", "/api/v1/polls/any/ballots", cast)
        self._state = app.state
        self._settings = settings
        self._tokens = tokens
        self._bucket = bucket
        self._largest = min(LARGEST, settings.body_limit)

    def at(self, path: str) -> str | None:
        """The poll of an address, if it is one of votes."""
        if self.route is None or (found := ADDRESS.fullmatch(path)) is None:
            return None
        return found[1]

    def may_cast(self, asked: Straight) -> bool:
        """Whether the headers are those of a small ballot from ourselves, and the resident may vote at all."""
        host, length = asked.headers.get(b"host", b""), asked.headers.get(b"content-length", b"")
        if not PLAIN_HOST.fullmatch(host) or asked.headers.get(b"content-type") not in MEDIA_TYPES:
            return False
        if not (length.isdigit() and len(length) < 8 and int(length) <= self._largest):
            return False
        if is_ours(asked.text("sec-fetch-site"), asked.text("origin"), host.decode("latin-1"), self._settings) is False:
            return False
        if not self._tokens.fits_session(asked.text(HEADER), asked.record.token_hash):
            return False
        try:
            resident.check(asked.viewer)
        except Refusal:
            return False
        return True

    async def read(self, asked: Straight, receive: Receive, heard: list[Any]) -> SentVote | None:
        """The vote of a request, every message of its body kept in `heard`; None if it does not read as one. Raises
        what reading it raises on the ordinary way.
        """
        body = await _hear(receive, heard, self._largest)
        if body is None or is_too_deep(body):
            return None
        return read_vote(asked.text(KEY_HEADER.lower()), body)

    async def cast(self, slug: str, viewer: Viewer, sent: SentVote) -> tuple[int, Pairs, bytes]:
        """Count and cast: status, headers and body of the reply. Refuses as the ordinary handler does."""
        self._bucket.hit(viewer.account_id)
        assert viewer.citizen_id is not None  # a resident's
        status, body = await take_vote(self._state, slug, viewer.citizen_id, sent, viewer.channel)
        return status, ANSWERED, body


async def _hear(receive: Receive, heard: list[Any], largest: int) -> bytes | None:
    """The whole body, every message of it kept in `heard`; None if it is too long or its sender has gone."""
    length = 0
    while True:
        message = await receive()
        heard.append(message)
        if message["type"] != "http.request":
            return None
        length += len(message["body"])
        if length > largest:
            return None
        if not message.get("more_body", False):
            return b"".join(part["body"] for part in heard)

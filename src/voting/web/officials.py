"""The officials' desk: every poll in any state, what can be done with each, copying and deleting."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from polls.authoring import copy_poll
from polls.catalogue import cast_counts
from polls.desk import PAGE, Pile, desk_counts, desk_polls
from polls.errors import PollNotFound
from polls.own_answers import number_waiting
from polls.sessions import Session
from voting.approvals.queue import Reader, counts_for
from voting.approvals.scopes import polls_within
from voting.identity.guards import any_of, official
from voting.identity.names import names_of
from voting.identity.sessions import Viewer
from voting.web.rendering import page
from voting.web.typed import hidden_number

AnyRequest = Request[Any, Any, Any]
PUBLIC_ID = re.compile(r"[0-9a-f]{32}")
LAST_PAGE = 10_000


@dataclass(frozen=True)
class Wanted:
    """What the list is asked for, read from the address; whatever is not known is the default."""

    pile: Pile
    mine: bool
    words: str
    number: int

    @classmethod
    def read(cls, request: AnyRequest) -> Wanted:
        """Out of a query string."""
        query = request.query_params
        pile, number = query.get("show", ""), query.get("page", "")
        return cls(
            Pile(pile) if pile in tuple(Pile) else Pile.ALL,
            query.get("mine") == "1",
            query.get("q", "").replace("\0", "").strip()[:100],
            min(hidden_number(number, 1), LAST_PAGE),
        )

    def address(self, **changed: str) -> str:
        """The address of the same list with something changed; a change starts from the first page."""
        now = {"show": self.pile.value, "mine": "1" if self.mine else "", "q": self.words}
        query = {name: value for name, value in {**now, **changed}.items() if value and value != Pile.ALL.value}
        return "/officials" + ("?" + urlencode(query) if query else "")


def known(public_id: str) -> str:
    """The id of a poll, if it can be one. Refuses `PollNotFound` before the database is asked."""
    if not PUBLIC_ID.fullmatch(public_id):
        raise PollNotFound()
    return public_id


def address_of(public_id: str, tail: str = "") -> str:
    """The address of a poll on the desk."""
    return f"/officials/polls/{public_id}{tail}"


def see_other(address: str) -> Redirect:
    """Go on with a GET: reloading the page does not send the form again."""
    return Redirect(address, status_code=303)


@get("/officials", guards=[any_of("official", "reviewer", "admin", "observer")], include_in_schema=False)
async def show_desk(
    request: AnyRequest, viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """The list of polls, by state; for the rest of the office, where their work is. Read from the primary: what was
    just saved must show."""
    waiting = await counts_for(session, Reader(viewer.account_id, viewer.grants))
    if not viewer.has("official"):
        return page(request, "officials/office.html", nav="officials", waiting=waiting)
    within = polls_within(viewer.grants_of("official"), viewer.account_id)
    wanted = Wanted.read(request)
    author = viewer.account_id if wanted.mine else None
    offset = (max(1, wanted.number) - 1) * PAGE
    rows, more = await desk_polls(session, now, wanted.pile, author_id=author, words=wanted.words, within=within,
                                  offset=offset)  # fmt: skip
    counts = await desk_counts(session, now, author_id=author, within=within)
    votes = await cast_counts(session, [row.id for row in rows])
    names = await names_of(session, [row.author_id for row in rows])
    return page(
        request, "officials/desk.html", nav="officials", wanted=wanted, rows=rows, more=more, votes=votes,
        counts={pile.value: n for pile, n in counts.items()},
        words_waiting=await number_waiting(session, within=within), waiting=waiting,
        piles=[pile.value for pile in Pile], names=names,
    )  # fmt: skip


@post("/officials/polls/{public_id:str}/copy", guards=[official], include_in_schema=False)
async def copy(
    public_id: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Redirect:  # fmt: skip
    """Make a new draft of any poll and open it."""
    draft = await copy_poll(session, known(public_id), secrets.token_hex(16), viewer.account_id, now)
    return see_other(address_of(draft.public_id, "/edit?copied=1"))


handlers = [show_desk, copy]

"""«My votes»: where the reader took part and what became of it. Never a choice: none is kept with the person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from polls.catalogue import my_votes
from results.decisions import decisions_of
from voting.db import Session
from voting.identity.guards import signed_in
from voting.identity.sessions import Viewer
from voting.web.rendering import page


@get("/my-votes", guards=[signed_in], opt={"private": True}, include_in_schema=False)
async def show_votes(
    request: Request[Any, Any, Any], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """The reader's participations, newest first."""
    cards = await my_votes(session, viewer.citizen_id, now) if viewer.citizen_id is not None else []
    decided = await decisions_of(session, [card.id for card in cards]) if cards else {}
    told: dict[str, Any] = {"cards": cards, "decided": decided, "resident": viewer.citizen_id is not None, "now": now}
    return page(request, "votes.html", nav="mine", **told)


handlers = [show_votes]

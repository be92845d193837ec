"""What the site says about itself: how it works, the secrecy of the vote, accessibility, data."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from voting.identity.guards import public
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]


@get(["/help", "/help/how-it-works"], guards=[public], include_in_schema=False, sync_to_thread=False)
def show_how_it_works(request: AnyRequest) -> Response[Any]:
    """How a poll goes, from its rules to the city's decision."""
    return page(request, "help/how.html", nav="help")


@get("/help/secrecy", guards=[public], include_in_schema=False, sync_to_thread=False)
def show_secrecy(request: AnyRequest) -> Response[Any]:
    """What is kept about a vote, what is not, and what an administrator could still do."""
    return page(request, "help/secrecy.html", nav="help")


@get("/help/accessibility", guards=[public], include_in_schema=False, sync_to_thread=False)
def show_accessibility(request: AnyRequest) -> Response[Any]:
    """What the pages do for readers of every kind, and what has not been tried."""
    return page(request, "help/accessibility.html", nav="help")


@get("/help/data", guards=[public], include_in_schema=False, sync_to_thread=False)
def show_data(request: AnyRequest) -> Response[Any]:
    """The files of a result: their formats, their columns, and what is hidden in them."""
    return page(request, "help/data.html", nav="help")


handlers = [show_how_it_works, show_secrecy, show_accessibility, show_data]

"""Refusals as pages, and a page that explains each code."""

from collections.abc import Mapping
from typing import Any

from litestar import Request, Response
from voting.web.rendering import page, translate_for

from polls.errors import Refusal
from voting.problems import Problem, describe, retry_after
from voting.telemetry import request_id_of

AnyRequest = Request[Any, Any, Any]
LANGUAGES = ("ru", "en")


def error_page(request: AnyRequest, problem: Problem, headers: Mapping[str, str]) -> Response[Any]:
    """Show a refusal as a page."""
    template = "errors/failed.html" if problem.status >= 500 else "errors/refused.html"
    return page(request, template, status=problem.status, headers=dict(headers), problem=problem)


def described(request: AnyRequest, refusal: Refusal) -> Problem:
    """Put a refusal into the reader's language, to be shown on a page's own form."""
    return describe(refusal, translate_for(request), request_id=request_id_of(request.scope))


def by_field(problem: Problem | None) -> dict[str, str]:
    """Give a problem's messages by field path."""
    return {} if problem is None else {str(error["path"]): str(error["message"]) for error in problem.errors}


def retry_header(refusal: Refusal | None) -> dict[str, str]:
    """Give the Retry-After header of a refusal that passes by itself."""
    seconds = None if refusal is None else retry_after(refusal)
    return {} if seconds is None else {"retry-after": str(seconds)}

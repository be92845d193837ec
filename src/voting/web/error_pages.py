"""Refusals as pages, and a page that explains each code."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from polls.errors import NotFound, Refusal
from voting.identity.guards import public
from voting.problems import KINDS, Problem, all_refusals, describe, retry_after
from voting.telemetry import request_id_of
from voting.web.i18n import LANGUAGES, gettext_for
from voting.web.rendering import page, translate_for

AnyRequest = Request[Any, Any, Any]


def error_page(request: AnyRequest, problem: Problem, headers: Mapping[str, str]) -> Response[Any]:
    """Show a refusal as a page."""
    template = "errors/failed.html" if problem.status >= 500 else "errors/refused.html"
    shown = replace(
        problem, facts={"retry_after": None, "no_passkey": False, **problem.facts}
    )  # asked of every refusal
    return page(request, template, status=problem.status, headers=dict(headers), problem=shown)


def page_for_all(request: AnyRequest, refusal: Refusal) -> Response[Any]:
    """Show a refusal as a page that may be sent to anybody with the same language: it has no request's number."""
    return error_page(request, describe(refusal, translate_for(request), request_id=""), retry_header(refusal))


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


@get("/problems", guards=[public], include_in_schema=False, sync_to_thread=False)
def show_problems(request: AnyRequest) -> Response[Any]:
    """List every code a refusal may carry."""
    translate = translate_for(request)
    rows = [(code, kind.status, translate(kind.title)) for code, kind in sorted(KINDS.items())]
    return page(request, "problems/all.html", rows=rows)


@get("/problems/{code:str}", guards=[public], include_in_schema=False, sync_to_thread=False)
def show_problem(request: AnyRequest, code: FromPath[str]) -> Response[Any]:
    """Explain one code in both languages."""
    refusal, kind = all_refusals().get(code), KINDS.get(code)
    if kind is None:
        raise NotFound
    words: dict[str, Any] = {}
    for language in LANGUAGES:
        translate = gettext_for(language)
        words |= {
            f"title_{language}": translate(kind.title),
            f"detail_{language}": translate(refusal.detail) if refusal else "",  # of a command, not loaded here
            f"next_{language}": translate(refusal.next_step) if refusal and refusal.next_step else "",
        }
    return page(request, "problems/one.html", code=code, kind=kind, **words)


handlers = [show_problems, show_problem]

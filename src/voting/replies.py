"""What a client gets when a request is refused or fails: a problem for the API, a page for a browser.

One function answers every exception of the application. Only what nobody expected is logged with its trace; a refusal
is an ordinary answer.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.serialization import encode_json

from polls.errors import Refusal, SignInNeeded
from voting.identity.cookies import SESSION
from voting.identity.refusals import AssistedOnly
from voting.problems import MEDIA_TYPE, Problem, as_refusal, describe, retry_after
from voting.security import ASSISTED_PREFIX, cookie_name, read_cookie
from voting.settings import Settings
from voting.telemetry import log_failure, request_id_of

AnyRequest = Request[Any, Any, Any]
ErrorPage = Callable[[AnyRequest, Problem, Mapping[str, str]], Response[Any]]
CarryingPage = Callable[[AnyRequest, Sequence[tuple[str, str]], str], Response[Any]]
TranslateFor = Callable[[AnyRequest], Callable[[str], str]]

SIGN_IN = "/sign-in"
BOOTH = "/assisted"


def is_api(request: AnyRequest) -> bool:
    """Tell whether the client speaks JSON: everything under /api/ does, and nothing else."""
    return bool(request.scope["path"].startswith("/api/"))


def make_answer(
    translate_for: TranslateFor, error_page: ErrorPage, sign_in_carrying: CarryingPage
) -> Callable[[AnyRequest, Exception], Response[Any]]:
    """Build the application's one exception handler from what the pages offer."""

    def answer(request: AnyRequest, error: Exception) -> Response[Any]:
        refusal = as_refusal(error)
        problem = describe(refusal, translate_for(request), request_id=request_id_of(request.scope))
        if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR or (problem.code in ("conflict", "unavailable")):
            log_failure(request.scope, error)
        headers = _headers(request, refusal, problem)
        if is_api(request):
            return _problem_response(problem, headers)
        if _left_booth(request, refusal):
            return Response(b"", status_code=303, headers={**headers, "location": BOOTH})
        if isinstance(refusal, SignInNeeded):
            return _send_to_sign_in(request, sign_in_carrying)
        try:
            return error_page(request, problem, headers)
        except Exception as broken:  # an error page that fails must still be an answer
            log_failure(request.scope, broken)
            return _bare_page(problem, headers)

    return answer


def problem_reply(request: AnyRequest, refusal: Refusal) -> Response[bytes]:
    """A refusal of the API that is told without rolling back: what was found out on the way is written down."""
    translate: TranslateFor = request.app.state["translate_for"]
    problem = describe(refusal, translate(request), request_id=request_id_of(request.scope))
    return _problem_response(problem, _headers(request, refusal, problem))


def _headers(request: AnyRequest, refusal: Refusal, problem: Problem) -> dict[str, str]:
    headers = {"cache-control": "no-store"}
    if (seconds := retry_after(refusal)) is not None:
        headers["retry-after"] = str(seconds)
    if is_api(request) and (challenge := _challenge(problem)) is not None:
        headers["www-authenticate"] = challenge
    if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = ", ".join(_methods_at(request))
    return headers


def _challenge(problem: Problem) -> str | None:
    """How to come in, as RFC 9110 asks of a 401 and RFC 6750 of a token that will not do."""
    if problem.code in ("bad_token", "token_expired", "token_revoked"):
        return f'Bearer realm="/api/v1", error="invalid_token", error_description="{problem.code}"'
    if problem.code == "token_scope":
        scope = problem.facts.get("scope")
        return 'Bearer realm="/api/v1", error="insufficient_scope"' + (f', scope="{scope}"' if scope else "")
    return 'Session realm="/api/v1/session"' if problem.status == HTTPStatus.UNAUTHORIZED else None


def _methods_at(request: AnyRequest) -> list[str]:
    """Name the methods an address does take, as RFC 9110 asks of a 405."""
    found = []
    for method in ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"):
        try:
            request.app.asgi_router.handle_routing(path=request.scope["path"], method=method)
        except HTTPException:
            continue
        found += [method, "HEAD"] if method == "GET" else [method]
    return found


def _problem_response(problem: Problem, headers: Mapping[str, str]) -> Response[bytes]:
    body = encode_json(problem.as_json(), serializer=str)
    return Response(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=dict(headers))


def _send_to_sign_in(request: AnyRequest, sign_in_carrying: CarryingPage) -> Response[Any]:
    """Lead an anonymous visitor to the sign-in page and back; a form whose session ended keeps its fields."""
    here = request.scope["path"]
    if request.method in ("GET", "HEAD"):
        query = request.scope["query_string"].decode("latin-1")
        target = quote(f"{here}?{query}" if query else here, safe="/")
        return Response(b"", status_code=303, headers={"location": f"{SIGN_IN}?next={target}"})
    carried = request.scope["state"].get("carried")
    if carried:
        return sign_in_carrying(request, carried, here)
    return Response(b"", status_code=303, headers={"location": SIGN_IN})


def _left_booth(request: AnyRequest, refusal: Refusal) -> bool:
    """Whether a booth of assisted voting is led back to its own page: its session is over, or goes where it may not."""
    if isinstance(refusal, AssistedOnly):
        return request.method in ("GET", "HEAD")
    if not isinstance(refusal, SignInNeeded):
        return False
    settings: Settings = request.app.state["settings"]
    cookie = read_cookie(request.scope, cookie_name(SESSION, secure=settings.secure_cookies))
    return cookie is not None and cookie.startswith(ASSISTED_PREFIX)


def _bare_page(problem: Problem, headers: Mapping[str, str]) -> Response[bytes]:
    title, detail = html.escape(problem.title), html.escape(problem.detail)
    number = html.escape(problem.instance)
    body = f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1><p>{detail}</p><p>{number}</p>"
    return Response(body.encode(), status_code=problem.status, media_type="text/html", headers=dict(headers))

"""The API's description at /api/v1/openapi.json and a page to read it at /api/docs, from our own files alone."""

import json
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.serialization import encode_json

from voting.api.openapi import describe_api
from voting.api.operations import Returned, describes
from voting.api.representation import public_bytes, public_headers, weak_tag
from voting.identity.guards import public
from voting.settings import Settings

AnyRequest = Request[Any, Any, Any]

# Swagger UI sets the style attributes of what it draws, which 'unsafe-inline' of style-src-attr allows; no script and
# no request leaves this origin.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
THEME = b"""// The page follows the system's light or dark theme.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
"""
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>API</title>
<script src="/api/docs/theme.js"></script>
<link rel="stylesheet" href="/static/dist/swagger-ui-5.css">
<div id="api-docs" data-url="/api/v1/openapi.json">
<p><a href="/api/v1/openapi.json">OpenAPI 3.1: /api/v1/openapi.json</a></p>
</div>
<script src="/static/dist/swagger-ui-bundle-5.js"></script>
<script type="module" src="{start}"></script>
</html>
"""


DIST = Path(__file__).resolve().parents[1] / "static" / "dist"


@get(
    "/openapi.json",
    guards=[public],
    sync_to_thread=False,
    summary="This description",
    tags=["reference"],
    opt=describes("getOpenapi", {200: Returned("OpenAPI 3.1", dict[str, Any])}, conditional=True),
)
def show_openapi(request: AnyRequest, settings: NamedDependency[Settings]) -> Response[bytes]:
    """The description of the API as OpenAPI 3.1."""
    state = request.app.state
    if "openapi" not in state:
        described = describe_api(request.app, title=f"{settings.site_name_en}: the API", version=version("veche"))
        state["openapi"] = encode_json(described)
    return public_bytes(request, state["openapi"], max_age=300)


@get("", guards=[public], sync_to_thread=False, include_in_schema=False, opt={"limit": "own"})
def show_docs(request: AnyRequest) -> Response[bytes]:
    """The page: Swagger UI, or without the built front end a link to the description."""
    headers = public_headers(request, weak_tag(_page()), max_age=300)
    return Response(_page(), media_type="text/html", headers={**headers, "content-security-policy": DOCS_POLICY})


@get("/theme.js", guards=[public], sync_to_thread=False, include_in_schema=False, opt={"limit": "own"})
def show_theme_script(request: AnyRequest) -> Response[bytes]:
    """The page's own script: light or dark."""
    return public_bytes(request, THEME, media_type="text/javascript", max_age=300)


@cache
def _page() -> bytes:
    manifest = DIST / "manifest.json"
    built: dict[str, str] = json.loads(manifest.read_text()) if manifest.is_file() else {}
    return PAGE.format(start=f"/static/dist/{built.get('docs.js', 'docs.js')}").encode()

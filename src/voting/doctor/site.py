"""What the site answers to whoever asks from outside: certificate, headers, cookies, readiness."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from voting.doctor.findings import Finding, fail, ok, warn
from voting.settings import Settings

WITHIN = 10.0
HEADERS = {
    "content-security-policy": "default-src",
    "x-content-type-options": "nosniff",
    "referrer-policy": "",
    "cross-origin-opener-policy": "",
}
"""Headers every page has, with what must be in them: a proxy that rewrites or drops them is found here."""


def check_site(settings: Settings, client: httpx.Client | None = None) -> Iterator[Finding]:
    """Ask the base URL. A client given is a test's."""
    secure = settings.base_url.startswith("https://")
    try:
        with client or httpx.Client(timeout=WITHIN, follow_redirects=False) as asking:
            ready = asking.get(f"{settings.base_url}/health/ready")
            page = asking.get(f"{settings.base_url}/sign-in")
    except httpx.HTTPError as error:
        yield fail("site", f"{settings.base_url} does not answer: {error}",
                   "Is the site running, does the name resolve, is the certificate good?")  # fmt: skip
        return
    if ready.status_code != 200:
        yield fail("site", f"/health/ready answers {ready.status_code}: {ready.text[:200]}", "See the site's log.")
    else:
        yield ok("site", f"{settings.base_url} is ready")
    lacking = [name for name, part in HEADERS.items() if part not in page.headers.get(name, "\0")]
    if secure and "max-age" not in page.headers.get("strict-transport-security", ""):
        lacking.append("strict-transport-security")
    if lacking or page.status_code != 200:
        yield fail("headers", f"/sign-in answers {page.status_code} without {', '.join(lacking) or 'its page'}",
                   "Let the proxy pass headers and the Host on as they are.")  # fmt: skip
    else:
        yield ok("headers", "all there")
    yield _cookies(page, secure=secure)


def _cookies(page: httpx.Response, *, secure: bool) -> Finding:
    bad = []
    for cookie in page.headers.get_list("set-cookie"):
        name, attributes = cookie.partition("=")[0], cookie.lower()
        if "samesite" not in attributes or (secure and ("secure" not in attributes or not name.startswith("__"))):
            bad.append(name)
    if bad:
        return fail("cookies", f"without Secure, SameSite or prefix: {', '.join(bad)}", "Set VECHE_BASE_URL to https.")
    if not page.headers.get_list("set-cookie"):
        return warn("cookies", "/sign-in sets none: does something before the site keep its pages?", "Do not cache it.")
    return ok("cookies", "SameSite" + (", Secure, with their prefix" if secure else ""))

"""Headers on every reply, forged requests, guards and hosts, each against the whole application."""

import ast
import gzip
import json
from pathlib import Path

import httpx
import pytest
from litestar import Request, Response, get, post
from litestar.params import JSONBody, URLEncodedBody
from pydantic import BaseModel, ConfigDict
from tests.sites import HTTP, HTTPS, add_account, browser, build_site, form_token, sign_in

import voting
from voting.boot import UnsafeRoutes
from voting.identity.guards import any_of, official, public, resident, signed_in
from voting.security import FormTokens, read_cookie

LOGIN = "anna@city.test"


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int


@get("/boom", guards=[public])
async def boom() -> None:
    raise RuntimeError("secret: nightingale")


@post("/change", guards=[signed_in], status_code=200)
async def change(request: Request) -> str:
    return "changed"


@post("/api/v1/change", guards=[signed_in], status_code=200)
async def change_by_api(data: JSONBody[Body]) -> dict[str, int]:
    return {"number": data.number}


@post("/api/v1/open", guards=[public], status_code=200)
async def open_to_all(data: JSONBody[Body]) -> dict[str, int]:
    return {"number": data.number}


@get("/private", guards=[public], opt={"private": True})
async def private_page() -> Response[str]:
    return Response("x", headers={"cache-control": "public, max-age=60"})


@get("/own-policy", guards=[public])
async def own_policy() -> Response[str]:
    return Response("x", headers={"content-security-policy": "default-src 'self'"})


@get("/for-officials", guards=[official])
async def for_officials() -> str:
    return "drafts"


@get("/api/v1/for-some", guards=[any_of("analyst", "observer")])
async def for_some() -> str:
    return "figures"


@get("/for-residents", guards=[resident])
async def for_residents() -> str:
    return "ballot"


HANDLERS = [
    boom, change, change_by_api, open_to_all, private_page, own_policy, for_officials, for_some, for_residents,
]  # fmt: skip


@pytest.fixture
def site(fresh_database, tmp_path):
    return build_site(fresh_database, tmp_path, handlers=HANDLERS)


@pytest.fixture
async def anna(fresh_database, site):
    await add_account(fresh_database, LOGIN, "official")
    async with browser(site) as client:
        assert (await sign_in(client, LOGIN)).status_code == 303
        yield client


async def token_of(client: httpx.AsyncClient) -> str:
    return (await client.get("/api/v1/session")).json()["csrf_token"]


# ---- headers


@pytest.mark.parametrize(
    ("path", "status"),
    [("/health/live", 200), ("/sign-in", 200), ("/nowhere", 404), ("/api/v1/nowhere", 404), ("/boom", 500),
     ("/sign-out", 405), ("/account", 303)],
)  # fmt: skip
async def test_every_reply_has_the_headers(site, path, status):
    async with browser(site) as client:
        reply = await client.get(path)
    assert reply.status_code == status
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "same-origin"
    assert reply.headers["cross-origin-opener-policy"] == "same-origin"
    assert len(reply.headers["x-request-id"]) == 16
    assert "strict-transport-security" not in reply.headers
    for name in ("content-security-policy", "x-content-type-options", "content-type"):
        assert len(reply.headers.get_list(name)) <= 1


async def test_https_is_asked_for_where_there_is_https(fresh_database, tmp_path):
    site = build_site(fresh_database, tmp_path, base_url=HTTPS)
    async with browser(site, base_url=HTTPS) as client:
        reply = await client.get("/nowhere")
    assert reply.headers.get_list("strict-transport-security") == ["max-age=31536000; includeSubDomains"]


@pytest.mark.parametrize("path", ["/", "/change", "/api/v1/change", "/health/live", "/static/app.css", "/nowhere"])
async def test_no_request_is_sent_back_by_trace(anna, path):
    reply = await anna.request("TRACE", path, headers={"x-mark": "nightingale"})
    assert reply.status_code in (404, 405), path
    assert "nightingale" not in reply.text + str(reply.headers) and anna.cookies["sid"] not in reply.text
    assert "TRACE" not in reply.headers.get("allow", "")


async def test_a_handler_may_have_a_policy_of_its_own(site):
    async with browser(site) as client:
        reply = await client.get("/own-policy")
    assert reply.headers.get_list("content-security-policy") == ["default-src 'self'"]


async def test_private_pages_leave_no_trace(site):
    async with browser(site) as client:
        reply = await client.get("/private")
    assert reply.headers.get_list("cache-control") == ["no-store"]
    assert reply.headers.get_list("referrer-policy") == ["no-referrer"]


async def test_what_a_viewer_sees_is_not_for_shared_caches(anna):
    assert (await anna.get("/for-officials")).headers["cache-control"] == "private, no-cache"


async def test_an_error_of_ours_tells_nothing_and_is_logged(site, capsys):
    from voting.telemetry import configure_logging

    configure_logging()
    async with browser(site) as client:
        reply = await client.get("/boom?secret=kolibri")
    assert reply.status_code == 500
    assert "nightingale" not in reply.text and "RuntimeError" not in reply.text
    number = reply.headers["x-request-id"]
    assert number in reply.text
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    failed = next(line for line in lines if line["event"] == "request failed")
    assert failed["request_id"] == number
    assert failed["exception"]["chain"][0]["class"] == "builtins.RuntimeError"
    assert not [line for line in lines if "kolibri" in json.dumps(line)]


async def test_a_refusal_is_not_logged_as_a_failure(site, capsys):
    from voting.telemetry import configure_logging

    configure_logging()
    async with browser(site) as client:
        await client.get("/nowhere")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["request"]
    assert lines[0]["route"] == "unmatched" and "nowhere" not in json.dumps(lines)


async def test_head_is_get_without_the_body(site):
    async with browser(site) as client:
        get_, head = await client.get("/robots.txt"), await client.head("/robots.txt")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get_.headers["content-length"]


# ---- hosts


@pytest.mark.parametrize("path", ["/sign-in", "/nowhere", "/api/v1/session"])
async def test_other_hosts_are_refused(site, path):
    async with browser(site) as client:
        reply = await client.get(path, headers={"host": "evil.test"})
        assert reply.status_code == 421
        assert "evil.test" not in reply.text
        assert (await client.get("/health/live", headers={"host": "10.1.2.3"})).status_code == 200


# ---- forged requests


async def test_a_form_with_its_token_passes(anna):
    reply = await anna.post("/change", data={"csrf_token": await token_of(anna)})
    assert (reply.status_code, reply.text) == (200, "changed")


async def test_a_header_with_the_token_passes(anna):
    headers = {"x-csrf-token": await token_of(anna)}
    assert (await anna.post("/api/v1/change", json={"number": 7}, headers=headers)).json() == {"number": 7}


@pytest.mark.parametrize("token", [None, "", "x", "A" * 86, "A" * 5000, "щ", "!!!!"])
async def test_a_missing_or_made_up_token_is_refused(anna, token):
    data = {} if token is None else {"csrf_token": token}
    reply = await anna.post("/change", data=data)
    assert reply.status_code == 403
    assert "bad_csrf" in reply.text
    assert reply.headers["content-type"].startswith("text/html")
    reply = await anna.post("/api/v1/change", json={"number": 1})
    assert (reply.status_code, reply.json()["code"]) == (403, "bad_csrf")


async def test_the_token_of_another_session_is_refused(fresh_database, site, anna):
    await add_account(fresh_database, "mallory@city.test")
    async with browser(site) as mallory:
        await sign_in(mallory, "mallory@city.test")
        foreign = await token_of(mallory)
    assert (await anna.post("/change", data={"csrf_token": foreign})).status_code == 403


async def test_the_token_of_ones_own_ended_session_is_refused(anna):
    before = await token_of(anna)
    await anna.post("/sign-out", data={"csrf_token": before})
    await sign_in(anna, LOGIN)
    assert (await anna.post("/change", data={"csrf_token": before})).status_code == 403


async def test_a_tossed_visitor_cookie_brings_nothing_into_a_session(site, anna):
    async with browser(site) as mallory:
        page = await mallory.get("/sign-in")
        tossed, cookie = form_token(page), mallory.cookies["visitor"]
    anna.cookies.set("visitor", cookie)
    assert (await anna.post("/change", data={"csrf_token": tossed})).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "https://city.test"},
        {"origin": "http://city.test:8080"},
        {"origin": "http://city.test.evil.test"},
    ],
)
async def test_a_request_from_elsewhere_is_refused_even_with_a_token(anna, headers):
    token = await token_of(anna)
    assert (await anna.post("/change", data={"csrf_token": token}, headers=headers)).status_code == 403
    sent = await anna.post("/api/v1/change", json={"number": 1}, headers={**headers, "x-csrf-token": token})
    assert sent.status_code == 403
    assert (await anna.post("/api/v1/open", json={"number": 1}, headers=headers)).status_code == 403


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "same-origin"}, {"origin": HTTP}])
async def test_a_request_from_here_passes(anna, headers):
    token = await token_of(anna)
    assert (await anna.post("/change", data={"csrf_token": token}, headers=headers)).status_code == 200


async def test_where_the_browser_does_not_say_who_asked_the_token_decides(anna):
    """Neither `Sec-Fetch-Site` nor `Origin`: `Referer` is not looked at."""
    elsewhere = {"referer": "http://evil.example/"}
    token = form_token(await anna.get("/account"))
    refused = await anna.post("/change", data={"csrf_token": "0" * len(token)}, headers=elsewhere)
    assert refused.status_code == 403
    assert (await anna.post("/change", headers=elsewhere)).status_code == 403
    assert (await anna.post("/change", data={"csrf_token": token}, headers=elsewhere)).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_json_is_taken_as_json_only(anna, kind):
    headers = {"content-type": kind, "x-csrf-token": await token_of(anna)}
    reply = await anna.post("/api/v1/change", content=b'{"number": 1}', headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (415, "media_type_not_supported")


async def test_tokens_differ_from_page_to_page(anna):
    """So that compression of pages tells nothing of the token (BREACH)."""
    tokens = {await token_of(anna) for _ in range(20)}
    assert len(tokens) == 20
    for position in range(0, 128, 2):  # the same byte in all twenty: once in 10^46
        assert len({token[position : position + 2] for token in tokens}) > 1


async def test_pages_are_compressed(site):
    async with browser(site) as client:
        reply = await client.get("/sign-in", headers={"accept-encoding": "gzip"})
    assert reply.headers["content-encoding"] == "gzip"
    assert len(gzip.compress(reply.content)) < len(reply.content)


def test_tokens_of_kinds_and_secrets_do_not_mix():
    tokens, others = FormTokens(b"a" * 32), FormTokens(b"b" * 32)
    token = tokens.for_session(b"subject")
    assert tokens.fits_session(token, b"subject")
    assert not tokens.fits_session(token, b"another")
    assert not tokens.fits_visitor(token, "subject")
    assert not others.fits_session(token, b"subject")
    assert not tokens.fits_visitor(tokens.for_visitor(""), "")
    assert not tokens.fits_session(token + "aa", b"subject")
    for wrong in (None, "", token[:-2] + "  ", token[:-2] + "zz", token[:-2] + "é" * 2, "0" * 128):
        assert not tokens.fits_session(wrong, b"subject")


# ---- guards


async def test_a_visitor_is_led_to_sign_in_and_back(site):
    async with browser(site) as client:
        reply = await client.get("/for-officials?page=2&q=a b")
        assert reply.status_code == 303
        assert reply.headers["location"] == "/sign-in?next=/for-officials%3Fpage%3D2%26q%3Da%2520b"
        assert (await client.get("/api/v1/for-some")).status_code == 401


async def test_a_role_opens_what_is_its_own(anna):
    assert (await anna.get("/for-officials")).text == "drafts"
    refused = await anna.get("/api/v1/for-some")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    page = await anna.get("/for-residents")
    assert page.status_code == 403 and page.headers["content-type"].startswith("text/html")


@get("/open-by-mistake")
async def open_by_mistake() -> str:
    return ""


@get("/marked", opt={"public": True})
async def marked() -> str:
    return "fine"


@get("/cached", guards=[public], cache=60)
async def cached() -> str:
    return ""


class Lax(BaseModel):
    number: int


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    inner: list[Lax]


@post("/lax", guards=[public])
async def lax(data: JSONBody[Lax]) -> None: ...


@post("/lax-form", guards=[public])
async def lax_form(data: URLEncodedBody[Lax]) -> None: ...


@post("/lax-inside", guards=[public])
async def lax_inside(data: JSONBody[Outer]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "fault"),
    [
        (open_by_mistake, "/open-by-mistake .* names no guard"),
        (cached, "/cached .* response cache"),
        (lax, "/lax .* unknown fields in Lax"),
        (lax_form, "/lax-form .* unknown fields in Lax"),
        (lax_inside, "/lax-inside .* unknown fields in Lax"),
    ],
)
def test_a_careless_route_stops_the_start(fresh_database, tmp_path, handler, fault):
    with pytest.raises(UnsafeRoutes, match=fault):
        build_site(fresh_database, tmp_path, handlers=[handler])


async def test_a_route_marked_public_starts(fresh_database, tmp_path):
    async with browser(build_site(fresh_database, tmp_path, handlers=[marked])) as client:
        assert (await client.get("/marked")).text == "fine"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/v1/open", b"application/json"),
        ("/sign-in", b"application/x-www-form-urlencoded"),
        ("/sign-in", b"multipart/form-data; boundary=x"),
    ],
)
async def test_whoever_goes_away_in_the_middle_of_a_body_is_no_failure_of_ours(site, capsys, path, kind):
    from voting.telemetry import configure_logging

    configure_logging()
    heard = iter(
        [{"type": "http.request", "body": b'--x\r\nContent-Disp{"n', "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive():
        return next(heard)

    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"city.test"), (b"content-type", kind), (b"content-length", b"4000")]
    await site(
        {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": "POST",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers,
            "client": ("203.0.113.7", 1), "server": ("city.test", 80), "state": {},
        },
        receive,
        send,
    )  # fmt: skip
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["route"], line["status"]) == ("request", path, 499)
    assert sent[0]["status"] == 499


# ---- cookies


def with_cookies(*headers: bytes):
    return {"type": "http", "headers": [(b"cookie", header) for header in headers]}


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ([b"sid=ours"], "ours"),
        ([b"a=1; sid=ours ;b=2"], "ours"),
        ([b"a=1", b"sid=ours"], "ours"),
        ([b"sid=ours; sid=ours"], "ours"),
        ([b"xsid=theirs; __Host-sid=theirs; Sid=theirs"], None),
        ([b"sid=theirs; sid=ours"], None),
        ([b"sid=ours; sid=theirs"], None),
        ([b"sid=ours", b"sid=theirs"], None),
        ([b"sid=; sid=ours"], None),
        ([], None),
    ],
)
def test_of_two_cookies_of_one_name_neither_is_believed(headers, value):
    assert read_cookie(with_cookies(*headers), "sid") == value


async def test_a_planted_session_or_visitor_is_not_taken_for_ours(site, anna):
    """Somebody's neighbouring site plants a cookie of our name, before ours or after it."""
    token = anna.cookies["sid"]
    async with browser(site) as plain:
        for both in (f"sid={token}; sid=planted", f"sid=planted; sid={token}"):
            assert (await plain.get("/for-officials", headers={"cookie": both})).status_code == 303
        assert (await plain.get("/for-officials", headers={"cookie": f"sid={token}"})).status_code == 200
        page = await plain.get("/sign-in")
        given, ours = form_token(page), plain.cookies["visitor"]
        plain.cookies.clear()
        fields = {"login": LOGIN, "password": "x", "csrf_token": given}
        for cookies, status in (
            (f"visitor={ours}", 422), (f"visitor={ours}; visitor=planted", 403), (f"visitor=x; visitor={ours}", 403),
        ):  # fmt: skip
            reply = await plain.post("/sign-in", data=fields, headers={"cookie": cookies, "origin": HTTP})
            assert reply.status_code == status, cookies


def test_nobody_reads_cookies_in_another_way():
    """The framework takes the last of two: whoever asked it would see another session than we do."""
    found = [
        path.name
        for path in Path(voting.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "cookies"
        if isinstance(node.value, ast.Name) and node.value.id in ("request", "connection")
    ]
    assert not found

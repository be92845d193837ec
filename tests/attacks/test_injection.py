"""SQL, header lines, redirects, paths and calls to other hosts, tried through every address and every upload."""

from __future__ import annotations

import ast
import asyncio
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from sqlalchemy import text
from tests.attacks.world import Route, World
from tests.flows.wire import answers, scope_of

FULL = bool(os.environ.get("VECHE_FULL_COUNTS"))
SRC = Path(__file__).parents[2] / "src"
SQL = (
    "' OR 1=1--",
    "1; DROP TABLE poll; --",
    "\\'; SELECT pg_sleep(9)--",
    "%00",
    "\ud83d'\"",
    "$1",
    ":poll",
    "%s%n{0}",
)
NAMES = ("q", "next", "phase", "topic", "question", "by", "lang", "show", "page", "cursor", "limit", "since", "dialect",
         "kind", "sauce", "demo", "done", "at", "from", "to", "revision", "department", "level", "format")  # fmt: skip
"""Names of queries, of ours and likely ones: a page takes what it knows and ignores the rest."""
ELSEWHERE = (
    "https://evil.test/", "//evil.test/", "/\\evil.test", "\\\\evil.test", "/%09/evil.test", "javascript:alert(1)",
    "/%2f%2fevil.test", "https:evil.test", "/.evil.test/..//evil.test", "////evil.test",
)  # fmt: skip
LINES = ("%0d%0aSet-Cookie:%20evil=1", "%0aLocation:%20//evil.test", "%E5%98%8A%E5%98%8Dx:%20evil")
UPWARDS = (
    "../",
    "..%2f",
    "%2e%2e/",
    "..%5c",
    "....//",
    "%2e%2e%2f",
    "..;/",
    "/",
    "./../",
    "..%c0%af",
    "%252e%252e%252f",
)
MAY_CALL_OUT = (
    "veche_verify.py", "voting/commands/", "voting/doctor/site", "voting/mail", "voting/identity/city_sign_on",
)  # fmt: skip
"""The only places from which the product calls another host: what an operator types or has set, never a visitor."""
CLIENTS = {
    "httpx",
    "requests",
    "aiohttp",
    "urllib.request",
    "urllib3",
    "http.client",
    "ftplib",
    "aiosmtplib",
    "smtplib",
}


def queries_of(route: Route, value: str) -> str:
    """The address's query with every name set to a value."""
    own = route.handler.parsed_fn_signature.parameters
    return "&".join(f"{name}={quote(value, safe='', errors='replace')}" for name in {*NAMES, *own})


@pytest.mark.parametrize("value", SQL)
async def test_no_query_is_taken_for_sql(world: World, value: str) -> None:
    async with world.database.open_read_session() as session:
        before = (await session.execute(text("SELECT count(*) FROM poll"))).scalar()
    anonymous, official, failed = world.callers["anonymous"], world.callers["official"], []
    for at, route in enumerate(world.routes()):
        if route.method != "GET" or "static" in route.path or route.path.endswith(".pdf"):
            continue
        if not FULL and at % 4 != SQL.index(value) % 4:
            continue  # every route with two of the values
        caller = anonymous if route.guard() == "everybody" else official
        hostile = {
            part: quote(value, safe="", errors="replace") for part in route.parts if f"{{{part}:int}}" not in route.path
        }
        for filled in (world.there, {**world.there, **hostile}):
            address = f"{route.filled(filled)}?{queries_of(route, value)}"
            reply = await asyncio.wait_for(caller.ask("GET", address), 30)
            if reply.status_code >= 500 or "psycopg" in reply.text or "sqlalchemy" in reply.text:
                failed.append(f"{address}: {reply.status_code}")
    assert not failed, "\n".join(failed)
    async with world.database.open_read_session() as session:
        assert (await session.execute(text("SELECT count(*) FROM poll"))).scalar() == before


def test_no_statement_is_built_from_what_a_visitor_sends() -> None:
    """The layers that hear visitors hold no SQL as text at all: they call use cases with values."""
    built = []
    for path in sorted(SRC.rglob("*.py")):
        if "/api/" in path.as_posix() or "/web/" in path.as_posix():
            tree = ast.parse(path.read_text())
            if any(isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
                   and any(alias.name in ("text", "literal_column") for alias in node.names)
                   for node in ast.walk(tree)):  # fmt: skip
                built.append(path.name)
    assert not built, f"the layers that hear visitors hold SQL: {built}"


@pytest.mark.parametrize("line", LINES)
async def test_no_header_line_is_made_of_an_address(world: World, line: str) -> None:
    official = world.callers["official"]
    for at, route in enumerate(world.routes()):
        if route.method != "GET" or route.path.endswith(".pdf") or "static" in route.path:
            continue
        if at % len(LINES) != LINES.index(line) and "slug" in route.parts:
            continue  # of the many addresses of polls each hears one of the lines
        texts = {part: f"a{line}" for part in route.parts if f"{{{part}:int}}" not in route.path}
        for query in (f"next=/{line}&q={line}&lang={line}&done={line}", ""):
            reply = await official.ask("GET", f"{route.filled({**world.there, **texts})}?{query}")
            assert reply.status_code < 500, route
            for name, value in reply.headers.multi_items():
                assert "\r" not in value and "\n" not in value, (route, name)
                assert name != "set-cookie" or "evil" not in value, route
                assert name != "location" or urlsplit(value).netloc in ("", "city.test"), (route, value)


async def test_every_file_has_a_plain_name(world: World) -> None:
    """What a file is saved as: letters, digits and dots, of ours, whatever the poll is called."""
    named = 0
    for route in world.routes():
        if route.method != "GET" or "static" in route.path:
            continue
        reply = await world.callers["official"].ask("GET", route.filled(world.there))
        if said := reply.headers.get("content-disposition"):
            named += 1
            kind, _, rest = said.partition(";")
            assert kind in ("attachment", "inline"), said
            if said == "inline":
                continue
            name = rest.strip().removeprefix('filename="').removesuffix('"')
            assert name and all(c.isalnum() or c in "._-" for c in name) and name.isascii(), (route, said)
    assert named > 10


@pytest.mark.parametrize("place", ELSEWHERE)
async def test_no_address_leads_to_another_site(world: World, place: str) -> None:
    """The addresses that lead on; test_no_header_line_is_made_of_an_address asks all others for `next`."""
    asked = 0
    for route in world.routes():
        if route.method == "GET" and route.path.startswith(("/sign", "/account", "/exports", "/polls/{slug:str}/cast")):
            query = "&".join(f"{name}={quote(place, safe='%')}" for name in ("next", "to", "url", "return", "redirect"))
            for name in ("anonymous", "official"):
                reply = await world.callers[name].ask("GET", f"{route.filled(world.there)}?{query}")
                target = reply.headers.get("location", "/")
                asked += 1
                assert target.startswith("/") and not target.startswith(("//", "/\\")), (route, place, target)
                assert urlsplit(urljoin("http://city.test/a/b", target)).netloc == "city.test", (route, target)
    assert asked >= 10


async def test_no_path_leads_out_of_what_is_published(world: World) -> None:
    """Every route that names a file or an object by text, with every way upwards, to a canary."""
    canary = b"a secret of the service"
    keys = world.settings.keys_dir
    assert keys.is_dir(), "the keys of the forms lie below the data directory"
    (keys / "canary").write_bytes(canary)
    (world.settings.data_dir / "canary").write_bytes(canary)
    for folder in ("board", "boards", "registry", "assets", "evidence", "exports"):
        (world.settings.data_dir / folder).mkdir(exist_ok=True)
    tried = 0
    targets = ("canary", "../keys/canary", str(keys / "canary"), "etc/passwd")
    for route in world.routes():
        texts = [part for part in route.parts if f"{{{part}:int}}" not in route.path]
        if route.method != "GET" or not texts or route.guard() != "everybody":
            continue
        for upwards in UPWARDS:
            for target in targets:
                for times in (1, 5):
                    path = route.filled({**world.there, texts[-1]: unquote(upwards) * times + target})
                    sent = await answers(world.app, scope_of("GET", path, [("host", "city.test")]))
                    body = b"".join(message.get("body", b"") for message in sent)
                    tried += 1
                    assert canary not in body and b"root:" not in body and b"class Settings" not in body, path
                    assert sent[0]["status"] < 500, path
            if "path" not in route.path and "sha256" not in route.path and tried > 2_000:
                break
    assert tried > 1_000


def test_only_the_command_line_and_what_is_set_call_other_hosts() -> None:
    """No picture, link, map or document makes the service call anybody: the modules that could are listed."""
    found = []
    for path in sorted(SRC.rglob("*.py")):
        where = path.relative_to(SRC).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else (
                [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
                if isinstance(node, ast.ImportFrom) else []
            )  # fmt: skip
            calls = any(name == client or name.startswith(client + ".") for name in names for client in CLIENTS)
            if calls and not where.startswith(MAY_CALL_OUT):
                found.append(f"{where}:{getattr(node, 'lineno', 0)} imports {names}")
    assert not found, "\n".join(found)


RE = {"compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"}
STARTS = {"create_subprocess_exec", "create_subprocess_shell", "Popen", "run", "call", "check_call", "check_output",
          "getoutput", "getstatusoutput", "system", "popen", "execv", "execve", "execvp", "execvpe", "execl", "execlp",
          "posix_spawn", "posix_spawnp", "spawnv", "spawnve", "subprocess_exec", "subprocess_shell"}  # fmt: skip
FOR_REQUESTS = {
    "voting/identity/hashing.py": ["[sys.executable, '-m', __spec__.name, *self._words]"],
    "voting/pdf.py": ["sys.executable", "'-m'", "'voting.pdf_child'"],
    "voting/publication_child.py": ["sys.executable", "'-m'", "__name__"],
}
"""Processes that are started while the site serves, each with its whole command line."""
FOR_THE_COMMAND_LINE = {"voting/backups/programs.py", "voting/embedded.py", "voting/embedded_home.py",
                        "voting/demo/sign_on.py"}  # fmt: skip


def calls_of(module: str) -> list[tuple[str, ast.Call, str]]:
    """Every call of a module's function in our sources: where, the call, the function's name."""
    found = []
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if owner == module or owner.endswith(f".{module}"):
                    found.append((path.relative_to(SRC).as_posix(), node, node.func.attr))
    return found


def is_fixed(pattern: ast.expr) -> bool:
    """A literal, a constant of a module, words that are escaped, or these put together."""
    match pattern:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return name.isupper()
        case ast.Attribute(attr=name):
            return name.isupper()
        case ast.Call(func=called):
            return ast.unparse(called) == "re.escape"
        case ast.BinOp(left=left, right=right):
            return is_fixed(left) and is_fixed(right)
        case ast.JoinedStr(values=values):
            return all(is_fixed(one.value if isinstance(one, ast.FormattedValue) else one) for one in values)
    return False


def test_no_regular_expression_is_built_of_input() -> None:
    calls = [(where, call) for where, call, name in calls_of("re") if name in RE]
    assert len(calls) > 80
    built = [(where, ast.unparse(call.args[0])) for where, call in calls if not is_fixed(call.args[0])]
    assert built == [
        ("polls/checklist_wording.py", "pattern"), ("polls/checklist_wording.py", "pattern"),
        ("polls/checklist_wording.py", "pattern"), ("veche_verify.py", "pattern"),
    ], "each of these goes through patterns that stand beside it"  # fmt: skip


def test_programs_are_started_by_fixed_words_and_never_by_a_shell() -> None:
    started = {where: [] for where in FOR_REQUESTS}  # type: dict[str, list[str]]
    for module in ("subprocess", "asyncio", "os", "loop"):
        for where, call, name in calls_of(module):
            if name not in STARTS or (module == "asyncio" and name == "run"):
                continue
            assert "shell" not in name and name not in ("system", "popen", "getoutput", "getstatusoutput"), where
            assert not [word for word in call.keywords if word.arg == "shell"], where
            assert where in FOR_REQUESTS or where in FOR_THE_COMMAND_LINE, where
            if where in FOR_REQUESTS:
                started[where] += [ast.unparse(word) for word in call.args]
    assert started == FOR_REQUESTS


LINKS = ("http://127.0.0.1:1/x", "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "//127.0.0.1:1/x")


@pytest.mark.parametrize("link", LINKS)
async def test_links_in_uploads_are_never_followed(world: World, link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """GeoJSON, SVG, XML, PNG text, a poll's sources: whatever names an address, nobody is called."""
    called: list[Any] = []
    connect = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and (address[0] not in ("127.0.0.1", "::1") or address[1] == 1):
            called.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    official, admin = world.callers["official"], world.callers["admin"]
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{link}"/></svg>'.encode()
    xml = f'<!DOCTYPE a [<!ENTITY b SYSTEM "{link}">]><a>&b;</a>'.encode()
    geo = (
        f'{{"type":"FeatureCollection","crs":{{"type":"link","properties":{{"href":"{link}"}}}},"$ref":"{link}",'
        f'"features":[{{"type":"Feature","properties":{{"code":"{link}"}},"geometry":null}}]}}'
    ).encode()
    for data in (svg, xml, geo):
        for path in ("/api/v1/assets", "/api/v1/evidence", "/api/v1/definitions"):
            reply = await official.ask("POST", path, content=data, headers={"content-type": "application/json"})
            assert reply.status_code in (400, 413, 415, 422), (path, reply.status_code)
        for path in ("/officials/map", "/margins"):
            reply = await admin.ask(
                "POST", path, data={"credit": link, "name": link}, files={"file": (link, data, "text/html")}
            )
            assert reply.status_code in (413, 422), (path, reply.status_code)
    assert not called


async def test_a_browser_is_told_which_of_its_addresses_a_proxy_may_not_know(world: World) -> None:
    """Headers of proxies name neither the site nor the caller: they change nothing that is answered."""
    plain = await world.callers["anonymous"].ask("GET", "/sign-in")
    for name in (
        "x-forwarded-host",
        "x-host",
        "forwarded",
        "x-original-url",
        "x-rewrite-url",
        "x-http-method-override",
    ):
        reply = await world.callers["anonymous"].ask("GET", "/sign-in", headers={name: "evil.test/admin"})
        assert reply.status_code == plain.status_code and "evil" not in reply.text, name

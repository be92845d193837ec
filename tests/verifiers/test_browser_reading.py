"""How the browser's verifier reads: files that change meanwhile, servers that flood it or keep it waiting."""

import base64
import contextlib
import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.verifiers import boards
from tests.verifiers.browser_core import run_core


def text(data):
    return base64.b64encode(data).decode()


def two_versions():
    """A board, and its files when the next version had not come yet."""
    service = boards.tied_for_the_chair()
    files = service.files()
    old = {path: files[path.replace("manifest.", "manifest-1.")] for path in ("manifest.json", "manifest.note")}
    return files, old


@pytest.mark.parametrize("late", ["manifest.note", "manifest.json"])
@pytest.mark.parametrize(("readings", "verdict"), [(1, "valid"), (2, "valid"), (3, "incomplete")])
def test_a_reader_who_comes_between_two_files_reads_again(late, readings, verdict, tmp_path):
    files, old = two_versions()
    boards.write(files, tmp_path)
    overlay = {late: text(old[late]) if late in old else None}
    (reply,) = run_core([{"do": "board", "dir": str(tmp_path), "overlay": overlay, "changing": readings}])
    assert reply["verdict"] == verdict, reply


def test_the_quick_way_reads_again_too(tmp_path):
    service = boards.tied_for_the_chair()
    files, old = two_versions()
    boards.write(files, tmp_path)
    command = {"do": "quick", "dir": str(tmp_path), "overlay": {"manifest.note": text(old["manifest.note"])},
               "changing": 2, "token": boards.rfc8785.dumps(service.receipt(service.votes[0])).decode()}  # fmt: skip
    (reply,) = run_core([command])
    assert reply["ballot"]["state"] == "counted"


# ---- servers of mischief


class Mischief(BaseHTTPRequestHandler):
    """`bomb`: little that unpacks to much; `drip`: a body that never ends; `elsewhere`: another address."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with contextlib.suppress(OSError):
            getattr(self, self.path.strip("/"))()

    def reply(self, data, **headers):
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def small(self):
        self.reply(b"a file")

    def bomb(self):
        self.reply(gzip.compress(bytes(200 << 20), 1), content_encoding="gzip")

    def large(self):
        self.reply(bytes(70_000))

    def drip(self):
        self.send_response(200)
        self.send_header("content-length", "1000000")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x")
            time.sleep(0.1)

    def elsewhere(self):
        self.send_response(302)
        self.send_header("location", "/small")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Mischief)
    made.daemon_threads = True
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}/"
    made.shutdown()
    made.server_close()


def fetched(server, path, most=65_536, patience=2_000):
    started = time.monotonic()
    asked = {"do": "fetched", "base": server, "path": path, "most": most, "patience": patience}
    (reply,) = run_core([asked], alone=True)
    return reply, time.monotonic() - started


def test_what_is_larger_than_it_may_be_is_given_up_while_it_comes(server):
    assert fetched(server, "small")[0] == {"found": 6}
    assert fetched(server, "large")[0]["fault"] == "refused"
    reply, _ = fetched(server, "bomb", patience=60_000)
    assert (reply["fault"], reply["most_memory"] < 150 << 20) == ("refused", True), reply


def test_a_server_that_drips_is_left_and_nothing_is_called_wrong(server):
    reply, took = fetched(server, "drip")
    assert reply["fault"] == "unreachable"
    assert took < 8


def test_another_address_is_not_followed(server):
    assert fetched(server, "elsewhere")[0]["fault"] == "unreachable"


def test_more_distinct_answers_than_a_tab_should_hold_leave_the_check_open(tmp_path):
    """Records of long answers, each another one: the room is made small, so that few are enough."""
    boards.write(boards.every_rule(60).files(), tmp_path)
    small, enough = run_core([{"do": "board", "dir": str(tmp_path), "room": room} for room in (40, 100_000)])
    assert (small["verdict"], small["skips"][0]["why"]) == ("incomplete", "too_much")
    assert enough["verdict"] == "valid"

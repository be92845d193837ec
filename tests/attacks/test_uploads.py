"""Files made to break whoever opens them, over HTTP to each route that takes one: refused in bounded time and room.

The decoders have tests of their own (tests/voting/test_publishing.py, tests/results/test_maps.py).
"""

from __future__ import annotations

import asyncio
import io
import resource
import struct
import time
import zipfile
import zlib
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest
from tests.attacks.world import World

CPU = 6.0
"""Seconds a bomb may take: what a file of the largest size that is taken costs to be read."""
MEMORY = 400 * 1024
"""KiB the process may grow at its highest while it is refused."""


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, data: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zipped(parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return out.getvalue()


TYPES = (
    b'<Types><Override ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/>'
    b"</Types>"
)
ZEROS = bytes(30_000_000)
FLOOD = png(100_000, 100_000, data=zlib.compress(bytes(1_000_000)))
LONG_TEXT = png(10, 10, chunk(b"zTXt", b"Comment\0\0" + zlib.compress(ZEROS)), data=zlib.compress(bytes(310)))
HUGE_CHUNK = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 2**31 - 1) + b"IHDR" + bytes(1_000)
PROFILE = png(10, 10, chunk(b"iCCP", b"x\0\0" + zlib.compress(ZEROS)), data=zlib.compress(bytes(310)))
NOISE = png(6_000, 6_000, data=zlib.compress(bytes((6_000 * 3 + 1) * 6_000)))


def broken_stream(method: int) -> bytes:
    """An archive whose parts are what their headers say, but for the packed bytes themselves."""
    whole = bytearray(zipped({"[Content_Types].xml": TYPES * 50}, method))
    at = whole.index(b"[Content_Types].xml") + len(b"[Content_Types].xml")
    whole[at : at + 24] = b"\xff" * 24
    return bytes(whole)


def lying_size() -> bytes:
    """An archive whose part says it is small and is thirty megabytes."""
    whole = zipped({"[Content_Types].xml": ZEROS, "word/document.xml": b"x"})
    return whole.replace(struct.pack("<I", len(ZEROS)), struct.pack("<I", 500))


PICTURES = {"pixel flood": FLOOD, "zTXt of 30 MB": LONG_TEXT, "a chunk of 2 GB": HUGE_CHUNK, "iCCP of 30 MB": PROFILE,
            "36 megapixels of nothing": NOISE, "svg": b"<svg onload=alert(1)>", "nothing": b""}  # fmt: skip
ARCHIVES = {
    "a zip of 300 MB": zipped({f"{n}.xml": ZEROS for n in range(10)} | {"[Content_Types].xml": TYPES}),
    "a zip of 20,000 parts": zipped({f"{n}": b"" for n in range(20_000)}, zipfile.ZIP_STORED),
    "a part that lies": lying_size(), "a broken stream": broken_stream(zipfile.ZIP_DEFLATED),
    "a broken bzip2": broken_stream(zipfile.ZIP_BZIP2), "a broken lzma": broken_stream(zipfile.ZIP_LZMA),
    "a path upwards": zipped({"../../evil.xml": b"x", "mimetype": b"text/html"}),
    "macros": zipped({"[Content_Types].xml": TYPES, "word/vbaProject.bin": b"x"}),
    "a page that says it is a PDF": b"%PDF-1.4\n<script>alert(1)</script>",
    "a page": b"<html><script>alert(1)</script>",
}  # fmt: skip
DEEP = b'{"type":"FeatureCollection","features":' + b"[" * 400_000 + b"]" * 400_000 + b"}"
WIDE = (b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":"msk-cao-arbat"},"geometry":'
        b'{"type":"Polygon","coordinates":[[' + b"[37.1,55.1]," * 400_000 + b"[37.1,55.1]]]}}]}")  # fmt: skip
NUMBERS = b'{"type":"FeatureCollection","features":[' + b"9" * 3_000_000 + b"]}"
MAPS = {"depth": DEEP, "vertices": WIDE, "a number of three million digits": NUMBERS, "NaN": b'{"features":[NaN]}'}


async def bounded(sent: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
    """Wait for a reply; the process may take so much time and room for it and no more."""
    began, room = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reply = await asyncio.wait_for(sent, 120)
    assert time.process_time() - began < CPU
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - room < MEMORY
    return reply


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("path", ["/api/v1/assets", "/api/v1/evidence", "page"])
async def test_pictures_made_to_break_a_decoder(world: World, kind: str, path: str) -> None:
    official, data = world.callers["official"], PICTURES[kind]
    if path == "page":
        path = f"/officials/polls/{await world.a_draft()}/picture/1/1"
        reply = await bounded(official.ask("POST", path, files={"file": ("a.png", data)}, data={"op": "save"}))
    else:
        reply = await bounded(official.ask("POST", path, content=data, headers={"content-type": "image/png"}))
    taken = (200, 201, 303) if kind in ("36 megapixels of nothing", "zTXt of 30 MB", "iCCP of 30 MB") else (303,)
    assert reply.status_code in (413, 415, 422, *(taken if path.startswith("/api") else (200, 303))), reply.text


@pytest.mark.parametrize("kind", ARCHIVES)
async def test_archives_and_documents_made_to_break_a_reader(world: World, kind: str) -> None:
    reply = await bounded(world.callers["official"].ask(
        "POST", "/api/v1/evidence", content=ARCHIVES[kind], headers={"content-type": "application/octet-stream"}
    ))  # fmt: skip
    assert reply.status_code in (413, 422), (kind, reply.text)


@pytest.mark.parametrize("kind", MAPS)
async def test_maps_made_to_break_a_reader(world: World, kind: str) -> None:
    reply = await bounded(world.callers["admin"].ask("POST", "/officials/map", files={"file": ("a.json", MAPS[kind])}))
    assert reply.status_code in (413, 422), reply.text[:300]


@pytest.mark.parametrize("path", ["/officials/lists", "/margins", "/officials/polls/start"])
async def test_tables_and_documents_made_to_break_a_reader(world: World, path: str) -> None:
    caller = world.callers["admin" if path == "/margins" else "official"]
    for data in (b"\xff\xfe" + bytes(1_000), b'"' + b"a" * 900_000, b"a,b\n" * 200_000, b"," * 900_000, b"\0" * 1_000,
                 b"[" * 900_000, b'{"a":' * 100_000, ARCHIVES["a zip of 300 MB"]):  # fmt: skip
        form = {"code": "q", "name": "q", "op": "file", "title": "q"}
        reply = await bounded(caller.ask("POST", path, data=form, files={"file": ("a.csv", data)}))
        assert reply.status_code < 500, (data[:20], reply.text[:300])


async def test_a_body_packed_by_its_sender_is_not_unpacked(world: World) -> None:
    packed = zlib.compress(b'{"login": "' + bytes(20_000_000) + b'"}')
    headers = {"content-type": "application/json", "content-encoding": "deflate"}
    reply = await bounded(world.callers["anonymous"].ask("POST", "/api/v1/session", content=packed, headers=headers))
    assert reply.status_code in (400, 413, 415, 422)


async def test_many_parts_and_fields_are_bounded(world: World) -> None:
    official = world.callers["official"]
    many = "&".join(f"f{n}=1" for n in range(60_000))
    parts = (
        b"".join(b'--B\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n1\r\n' % n for n in range(12_000))
        + b"--B--\r\n"
    )
    for body, kind in ((many.encode(), "application/x-www-form-urlencoded"), (parts, "multipart/form-data; boundary=B"),
                       (b"--B\r\n" * 100_000, "multipart/form-data; boundary=B"), (b"", "multipart/form-data"),
                       (b"x", "multipart/form-data; boundary=" + "B" * 5_000)):  # fmt: skip
        reply = await bounded(official.ask("POST", f"/officials/polls/{await world.a_draft()}/edit", content=body,
                                           headers={"content-type": kind}))  # fmt: skip
        assert reply.status_code < 500, kind

"""PDFs are made apart from everything: no network, no files, a limit of time and size; kept whole or not at all."""

from __future__ import annotations

import asyncio
import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pypdf
import pytest

from polls.errors import Busy
from voting import pdf
from voting.pdf import forget_old_pdfs, kept_pdf, pdfs_in, render_pdf
from voting.pdf_child import our_font
from voting.problems import PdfUnavailable

PAGE = "<!doctype html><html lang='ru'><head><title>Проба</title></head><body><h1>Итоги</h1>{}</body></html>"


async def test_a_document_loads_nothing_from_anywhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("совсем секретно")
    asked: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    tricks = (
        f"<img src='http://127.0.0.1:{port}/x.png' alt='a'><img src='file://{secret}' alt='b'>"
        f"<link rel='stylesheet' href='http://127.0.0.1:{port}/x.css'><style>@import url(file://{secret});"
        f"@font-face{{font-family:x;src:url(http://127.0.0.1:{port}/f.woff2)}} p{{font-family:x}}</style>"
        f"<object data='file://{secret}'></object><a rel='attachment' href='file://{secret}'>c</a><p>Текст</p>"
    )
    made = await render_pdf(PAGE.format(tricks))
    server.close()
    read = pypdf.PdfReader(io.BytesIO(made))
    assert asked == []
    assert "Текст" in read.pages[0].extract_text()
    assert "секретно" not in read.pages[0].extract_text()
    assert not read.attachments


@pytest.mark.parametrize("url", ["file:///etc/passwd", "veche-font:../keys/x.woff2", "veche-font:app.js", "http://x"])
def test_only_built_fonts_are_ours(url: str) -> None:
    with pytest.raises(ValueError, match="loads nothing"):
        our_font(url)


async def test_russian_and_english_keep_their_letters() -> None:
    """The bundled fonts are subsets: taken for one another, they print letters of another alphabet."""
    words = "Съешь ещё этих мягких булок 0123456789 The quick brown fox № 7 — 50 %"
    read = pypdf.PdfReader(io.BytesIO(await render_pdf(PAGE.format(f"<p>{words}</p><p><b>{words}</b></p>"))))
    assert " ".join(read.pages[0].extract_text().split()).count(words) == 2
    root: Any = read.trailer["/Root"]
    assert root["/StructTreeRoot"]


async def test_what_takes_too_long_or_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PdfUnavailable) as refusal:
        await render_pdf(PAGE.format("<p>x</p>"), within=0.05)
    assert refusal.value.facts["why"] == "too_long"
    monkeypatch.setattr(pdf, "LARGEST", 10)
    with pytest.raises(PdfUnavailable) as refusal:
        await render_pdf(PAGE.format(""))
    assert refusal.value.facts["why"] == "too_large"


async def test_many_who_ask_at_once_wait_for_one_making(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    async def count(html: str) -> bytes:
        made.append(html)
        await asyncio.sleep(0.05)
        return b"%PDF-1.7 %%EOF"

    monkeypatch.setattr(pdf, "render_pdf", count)
    replies = await asyncio.gather(*(kept_pdf(tmp_path, "one") for _ in range(20)))
    assert (len(made), set(replies)) == (1, {b"%PDF-1.7 %%EOF"})
    assert await kept_pdf(tmp_path, "one") == b"%PDF-1.7 %%EOF"
    assert len(made) == 1
    many = await asyncio.gather(*(kept_pdf(tmp_path, str(n)) for n in range(12)), return_exceptions=True)
    assert sum(isinstance(one, Busy) for one in many) == 12 - pdf.WAITING


async def test_a_failure_leaves_nothing_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: str) -> bytes:
        raise PdfUnavailable(why="failed")

    with monkeypatch.context() as broken:
        broken.setattr(pdf, "render_pdf", fail)
        with pytest.raises(PdfUnavailable):
            await kept_pdf(tmp_path, PAGE.format("x"))
    assert not await asyncio.to_thread(lambda: list(tmp_path.rglob("*.*")))
    assert (await kept_pdf(tmp_path, PAGE.format("x"))).startswith(b"%PDF-")


def test_papers_nobody_asks_for_are_forgotten(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    for name, days in (("aa/old.pdf", 40), ("bb/new.pdf", 3)):
        path = pdfs_in(tmp_path) / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
        os.utime(path, (0, (now - timedelta(days=days)).timestamp()))
    assert forget_old_pdfs(tmp_path, now) == 1
    assert [path.name for path in pdfs_in(tmp_path).rglob("*.pdf")] == ["new.pdf"]

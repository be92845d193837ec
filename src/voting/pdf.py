"""Pages of ours as PDF (WeasyPrint, tagged as PDF/UA-1), made in a process of their own and kept by their content.

The child process is given the HTML on its standard input and nothing else: no network, no files but our own fonts and
the stylesheet of print, a limit of time, of processor and of memory. What it makes is stored under the SHA-256 of the
HTML and of the release, whole or not at all, so that the same page is made once and a changed one is made anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final

import structlog

from polls.errors import Busy
from voting.pdf_child import FAILED, NO_LIBRARY, TOO_LARGE
from voting.problems import PdfUnavailable
from voting.publishing import write_whole

logger = structlog.get_logger(__name__)

WITHIN: Final = 90.0
"""Seconds one PDF may take."""
AT_ONCE: Final = 1
WAITING: Final = 8
"""PDFs a process makes at a time, and requests that may wait for their turn."""
KEPT: Final = timedelta(days=31)
LARGEST: Final = 8 << 20
"""Bytes of HTML: what makes more belongs into a table for machines."""

_turns = asyncio.Semaphore(AT_ONCE)
_making: dict[Path, asyncio.Task[bytes]] = {}


def pdfs_in(data_dir: Path) -> Path:
    """The directory of finished PDFs below the service's data directory."""
    return data_dir / "pdf"


async def kept_pdf(data_dir: Path, html: str) -> bytes:
    """The PDF of a page, from the store or made now; many who ask at once wait for one making.

    Refuses `PdfUnavailable` (facts: `why`) and `Busy` when too many wait.
    """
    name = hashlib.sha256(f"{version('veche')}/{version('weasyprint')}\n{html}".encode()).hexdigest()
    path = pdfs_in(data_dir) / name[:2] / f"{name}.pdf"
    known = await asyncio.to_thread(_read, path)
    if known is not None:
        return known
    task = _making.get(path)
    if task is None:
        if len(_making) >= WAITING:
            raise Busy(retry_after=10)
        task = _making[path] = asyncio.create_task(_make(path, html))
        task.add_done_callback(lambda done: (_making.pop(path, None), done.cancelled() or done.exception()))
    return await asyncio.shield(task)  # whoever goes away does not stop what others wait for


async def _make(path: Path, html: str) -> bytes:
    async with _turns:
        made = await render_pdf(html)
    await asyncio.to_thread(write_whole, path, made)
    return made


async def render_pdf(html: str, *, within: float = WITHIN) -> bytes:
    """The bytes of a PDF of a whole HTML document, which has to have a language and a title.

    Refuses `PdfUnavailable`: a `library` is missing on this machine, it took `too_long`, was `too_large`, or `failed`.
    """
    data = html.encode()
    if len(data) > LARGEST:
        raise PdfUnavailable(why="too_large")
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voting.pdf_child", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        made, told = await asyncio.wait_for(child.communicate(data), within)
    except TimeoutError:
        raise PdfUnavailable(why="too_long") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode == 0 and made.startswith(b"%PDF-") and made.rstrip().endswith(b"%%EOF"):
        return made
    why = {NO_LIBRARY: "library", TOO_LARGE: "too_large"}.get(child.returncode or FAILED, "failed")
    logger.error("pdf_failed", why=why, code=child.returncode, said=told.decode(errors="replace")[-2000:])
    raise PdfUnavailable(why=why)


def forget_old_pdfs(data_dir: Path, now: datetime) -> int:
    """Delete PDFs that were last asked for long ago; they are made again when somebody wants them. Gives how many."""
    before = (now - KEPT).timestamp()
    old = [path for path in pdfs_in(data_dir).glob("*/*.pdf") if path.stat().st_mtime < before]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _read(path: Path) -> bytes | None:
    try:
        found = path.read_bytes()
        path.touch()  # asked for today
    except OSError:
        return None
    return found

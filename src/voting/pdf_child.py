"""The process that makes one PDF: HTML in, PDF out. Started by `voting.pdf`; imports nothing of the service.

WeasyPrint would fetch whatever a document names. Here it gets our own built fonts and nothing else: no address of the
network, no file of the machine, whatever stands in a poll's texts.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

NO_LIBRARY: Final = 3
TOO_LARGE: Final = 4
FAILED: Final = 1
MEMORY: Final = 1500 << 20
PROCESSOR: Final = 120
LARGEST_PDF: Final = 40 << 20
FONTS: Final = "veche-font:"
DIST: Final = Path(__file__).parent / "static" / "dist"
STYLE: Final = Path(__file__).parent / "templates" / "protocol" / "print.css"
SUBSETS: Final[Mapping[str, str]] = {
    "Golos Cyrillic": "golos-text-cyrillic-wght-normal.woff2",
    "Golos Latin": "golos-text-latin-wght-normal.woff2",
    "Golos Latin Extended": "golos-text-latin-ext-wght-normal.woff2",
}
"""The fonts the front end bundles, each under a family of its own: files of one family would be taken for one font."""


def main() -> int:
    """Read HTML from the standard input and write a PDF to the standard output; gives the exit code."""
    html = sys.stdin.buffer.read().decode()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR, PROCESSOR))
    try:
        from weasyprint import CSS, HTML  # type: ignore[import-untyped]
        from weasyprint.text.fonts import FontConfiguration  # type: ignore[import-untyped]
        from weasyprint.urls import URLFetcher, URLFetcherResponse  # type: ignore[import-untyped]
    except (ImportError, OSError) as missing:  # OSError: Pango is not on this machine
        sys.stderr.write(f"{missing}\n")
        return NO_LIBRARY

    class OurFonts(URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
            return URLFetcherResponse(url, our_font(url), {"content-type": "font/woff2"})

    try:
        fonts, fetch = FontConfiguration(), OurFonts()
        style = CSS(string=font_faces() + STYLE.read_text("utf-8"), url_fetcher=fetch, font_config=fonts)
        made: bytes = HTML(string=html, url_fetcher=fetch, media_type="print").write_pdf(
            stylesheets=[style], font_config=fonts, pdf_variant="pdf/ua-1"
        )
    except MemoryError:
        return TOO_LARGE
    if len(made) > LARGEST_PDF:
        return TOO_LARGE
    sys.stdout.buffer.write(made)
    return 0


def font_faces() -> str:
    """The rules that name our fonts; none where the front end is not built: then the system's fonts serve."""
    try:
        built: dict[str, str] = json.loads((DIST / "manifest.json").read_text())
    except OSError:
        return ""
    return "".join(
        f"@font-face{{font-family:'{family}';font-weight:400 900;src:url({FONTS}{built[name]}) format('woff2')}}\n"
        for family, name in SUBSETS.items()
        if name in built
    )


def our_font(url: str) -> bytes:
    """What a document may load: a built font by its name. Raises ValueError for everything else."""
    name = url.removeprefix(FONTS)
    if name == url or "/" in name or not name.endswith(".woff2"):
        raise ValueError(f"a PDF loads nothing from {url[:80]}")
    return (DIST / name).read_bytes()


if __name__ == "__main__":
    sys.exit(main())

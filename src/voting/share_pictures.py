"""Pictures of a poll for messengers and social networks: 1200 × 630, drawn from words and bars alone.

The font is the site's own, Golos Text, out of the files the front end was built with; each of them covers a script, so
a line is drawn in runs. Where the front end has not been built there is no font, and the picture has its bars without
words: a dependable picture matters more than a whole one. Drawing takes some tens of milliseconds: call it in a thread.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

SIZE = (1200, 630)
EDGE, RIGHT = 72, 1200 - 72
PAPER, INK, SOFT, TEAL, TRACK = "#ffffff", "#12262b", "#52646a", "#0e5a6b", "#e3eaec"
SUBSETS = ("latin", "cyrillic", "latin-ext")
MOST_LINES = 4
Font = ImageFont.FreeTypeFont


@dataclass(frozen=True)
class Bar:
    """One bar: its words, what stands at its end, and how full it is (0 to 1)."""

    label: str
    value: str
    full: float
    won: bool = False


@dataclass(frozen=True)
class Poster:
    """The words of a picture, in the reader's language."""

    site: str
    title: str
    line: str
    bars: Sequence[Bar] = ()


def draw(poster: Poster, dist: Path) -> bytes:
    """The picture as PNG. `dist` is the folder of built files, where the font is."""
    image = Image.new("RGB", SIZE, PAPER)
    pen = _Pen(ImageDraw.Draw(image), dist)
    pen.box((0, 0, SIZE[0], 16), TEAL)
    _mark(pen)
    pen.write((EDGE + 64, 66), poster.site, 30, 600, TEAL)
    room = 3 if poster.bars else MOST_LINES
    size = next((size for size in (68, 58, 50, 44) if len(pen.lines(poster.title, size, 700)) <= room), 44)
    top = 138
    for line in pen.lines(poster.title, size, 700)[:room]:
        pen.write((EDGE, top), line, size, 700, INK)
        top += round(size * 1.2)
    top += 18
    for bar in poster.bars:
        if top > 500:
            break
        pen.write((EDGE, top), pen.cut(bar.label, 26, 500, 860), 26, 600 if bar.won else 450, INK)
        pen.write((RIGHT, top), bar.value, 26, 600, INK, right=True)
        pen.box((EDGE, top + 38, RIGHT, top + 50), TRACK)
        pen.box((EDGE, top + 38, EDGE + round((RIGHT - EDGE) * min(max(bar.full, 0.0), 1.0)), top + 50),
                TEAL if bar.won else SOFT)  # fmt: skip
        top += 68
    pen.write((EDGE, 566), pen.cut(poster.line, 28, 450, RIGHT - EDGE), 28, 450, SOFT)
    out = BytesIO()
    image.quantize(64, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _mark(pen: _Pen) -> None:
    """The site's mark: a tick in a square."""
    pen.draw.rounded_rectangle((EDGE, 60, EDGE + 48, 108), 13, fill=TEAL)
    pen.draw.line([(EDGE + 13, 85), (EDGE + 21, 93), (EDGE + 36, 76)], fill=PAPER, width=5, joint="curve")


class _Pen:
    """Writes words in runs of one font each, and boxes."""

    def __init__(self, draw: ImageDraw.ImageDraw, dist: Path) -> None:
        self.draw = draw
        self._files = fonts_in(dist)

    def box(self, corners: tuple[int, int, int, int], colour: str) -> None:
        """A filled box, if it has any width."""
        if corners[2] > corners[0]:
            self.draw.rectangle((corners[0], corners[1], corners[2] - 1, corners[3] - 1), fill=colour)

    def write(
        self, at: tuple[int, int], words: str, size: int, weight: int, colour: str, *, right: bool = False
    ) -> None:
        """Words from a point, or up to it."""
        x: float = at[0] - (self.width(words, size, weight) if right else 0)
        for run, font in self._runs(words, size, weight):
            self.draw.text((x, at[1]), run, font=font, fill=colour, anchor="la")
            x += font.getlength(run)

    def width(self, words: str, size: int, weight: int) -> float:
        """How wide words are."""
        return sum(font.getlength(run) for run, font in self._runs(words, size, weight))

    def cut(self, words: str, size: int, weight: int, room: int) -> str:
        """Words that fit a line, with an ellipsis where they do not."""
        if self.width(words, size, weight) <= room:
            return words
        while words and self.width(words + "…", size, weight) > room:
            words = words[:-1].rstrip()
        return words + "…"

    def lines(self, words: str, size: int, weight: int) -> list[str]:
        """Words as lines of the picture's width; what is longer than the last line is cut there, as is a long word."""
        found: list[str] = []
        line = ""
        for word in words.split():
            longer = f"{line} {word}".strip()
            if line and self.width(longer, size, weight) > RIGHT - EDGE:
                found.append(line)
                line = word
            else:
                line = longer
        found.append(line)
        if len(found) > MOST_LINES:
            found = [*found[: MOST_LINES - 1], " ".join(found[MOST_LINES - 1 :])]
        return [self.cut(one, size, weight, RIGHT - EDGE) for one in found]

    def _runs(self, words: str, size: int, weight: int) -> list[tuple[str, Font]]:
        if not self._files:
            return []
        runs: list[tuple[str, Font]] = []
        for letter in (letter if letter.isprintable() else " " for letter in words):
            font = _font(self._files[_subset(letter, len(self._files))], size, weight)
            if runs and runs[-1][1] is font:
                runs[-1] = (runs[-1][0] + letter, font)
            else:
                runs.append((letter, font))
        return runs


def _subset(letter: str, known: int) -> int:
    """Which font file has a letter, by the ranges the files are cut at."""
    code = ord(letter)
    if code == 0x301 or 0x400 <= code <= 0x45F or code in (0x490, 0x491, 0x4B0, 0x4B1, 0x2116):
        return min(1, known - 1)
    return min(2, known - 1) if 0x100 <= code <= 0x17F else 0


@lru_cache(maxsize=4)
def _listed(manifest: Path, _changed: int) -> tuple[Path, ...]:
    names: dict[str, Any] = json.loads(manifest.read_text())
    files = [names.get(f"golos-text-{subset}-wght-normal.woff2") for subset in SUBSETS]
    return tuple(manifest.parent / str(name) for name in files) if all(files) else ()


def fonts_in(dist: Path) -> tuple[Path, ...]:
    """The font's files, latin first; none where the front end has not been built."""
    manifest = dist / "manifest.json"
    try:
        return _listed(manifest, manifest.stat().st_mtime_ns)
    except (OSError, ValueError):
        return ()


@lru_cache(maxsize=48)
def _font(path: Path, size: int, weight: int) -> Font:
    font = ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
    font.set_variation_by_axes([weight])
    return font

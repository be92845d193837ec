"""The store of published files: by content, written once, never changed.

A picture an official uploads is never served as it came. It is decoded within limits, turned upright, made no larger
than a page needs, and encoded anew: what is stored is pixels alone, without places, names of cameras or anything hidden
behind the image. The SHA-256 of the stored bytes is its name, in documents and in addresses, so a sealed poll's picture
can neither change nor go missing unnoticed.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps

from polls.errors import FieldError, Invalid, NotFound

MAX_BYTES: Final = 5 * 1024 * 1024
MAX_PIXELS: Final = 40_000_000
LONGEST_SIDE: Final = 1_600
WHOLE_PIXELS: Final = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})
"""Modes whose pixels may be averaged as they are; those of a palette are made into colours first."""
SHA256: Final = re.compile(r"[0-9a-f]{64}")
MEDIA_TYPES: Final = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
SUFFIXES: Final = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}


@dataclass(frozen=True)
class Asset:
    """A stored file: its bytes and their media type."""

    content: bytes
    media_type: str


def assets_in(data_dir: Path) -> Path:
    """The directory of the store below the service's data directory."""
    return data_dir / "assets"


def store_picture(directory: Path, data: bytes) -> str:
    """Check, encode anew and store a picture; gives the SHA-256 of what is stored. Slow: call it in a thread.

    Refuses `Invalid` (field ``picture``): larger than 5 MB, more than 40 megapixels, not PNG, JPEG or WebP, or broken.
    """
    content, suffix = encode_anew(data)
    return store_asset(directory, content, suffix)


def store_asset(directory: Path, content: bytes, suffix: str) -> str:
    """Store bytes under their SHA-256; the suffix says their media type. Storing the same twice changes nothing."""
    if suffix not in MEDIA_TYPES:
        raise ValueError(f"no media type is known for {suffix!r}")
    sha256 = hashlib.sha256(content).hexdigest()
    path = _path(directory, sha256, suffix)
    if not path.exists():
        write_whole(path, content)
    return sha256


def open_asset(directory: Path, sha256: str) -> Asset:
    """The stored file with this SHA-256. Refuses `NotFound`, also for what is no SHA-256 at all."""
    if not SHA256.fullmatch(sha256):
        raise NotFound()
    for suffix, media_type in MEDIA_TYPES.items():
        path = _path(directory, sha256, suffix)
        if path.is_file():
            return Asset(path.read_bytes(), media_type)
    raise NotFound()


def encode_anew(data: bytes) -> tuple[bytes, str]:
    """The pixels of an uploaded picture, encoded anew in the same format, and the suffix of that format."""
    if not data:
        raise _refused("picture_missing", "Choose a file with a picture.")
    if len(data) > MAX_BYTES:
        raise _refused("picture_too_large", "The file is larger than 5 MB. Save the picture smaller.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _encode(data)
    except Invalid:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except Exception as error:  # decoders fail in many ways on files made to break them
        raise _refused("picture_broken", "The file is not a whole PNG, JPEG or WebP picture.") from error


def _encode(data: bytes) -> tuple[bytes, str]:
    with Image.open(BytesIO(data), formats=tuple(SUFFIXES)) as opened:
        if opened.width * opened.height > MAX_PIXELS:  # known from the header, before a pixel is decoded
            raise _too_many_pixels()
        kind = str(opened.format)
        if opened.mode in WHOLE_PIXELS:  # before the copies below: forty megapixels are 160 MB in each
            opened.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        opened.load()
        upright = ImageOps.exif_transpose(opened)
        transparent = kind != "JPEG" and ("A" in upright.getbands() or "transparency" in upright.info)
        pixels = upright.convert("RGBA" if transparent else "RGB")
    pixels.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    bare = Image.new(pixels.mode, pixels.size)
    bare.paste(pixels)  # pixels alone: whatever else the file carried stays behind
    out = BytesIO()
    if kind == "PNG":
        bare.save(out, "PNG", optimize=True)
    elif kind == "JPEG":
        bare.save(out, "JPEG", quality=85, optimize=True, progressive=True)
    else:
        bare.save(out, "WEBP", quality=85)
    return out.getvalue(), SUFFIXES[kind]


def _path(directory: Path, sha256: str, suffix: str) -> Path:
    return directory / sha256[:2] / f"{sha256}{suffix}"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees a part of it, and a power cut leaves the whole or nothing."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _too_many_pixels() -> Invalid:
    return _refused("picture_too_many_pixels", "The picture has more than 40 megapixels. Save it smaller.")


def _refused(code: str, message: str) -> Invalid:
    return Invalid([FieldError("picture", code, message)])

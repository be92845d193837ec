"""The store of pictures: what comes in is decoded within limits, what goes out is pixels alone, by content."""

import hashlib
import os
import struct
import threading
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from polls.errors import Invalid, NotFound
from voting.publishing import (
    LONGEST_SIDE,
    MAX_BYTES,
    assets_in,
    encode_anew,
    open_asset,
    store_asset,
    store_picture,
)

FORMATS = [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")]


def a_picture(kind: str = "PNG", size: tuple[int, int] = (60, 40), mode: str = "RGB", **options: object) -> bytes:
    out = BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(out, kind, **options)
    return out.getvalue()


def code_of(data: bytes) -> str:
    with pytest.raises(Invalid) as refused:
        encode_anew(data)
    (error,) = refused.value.errors
    assert error.path == "picture"
    return error.code


def a_png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a huge picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
            + chunk(b"IEND", b""))  # fmt: skip


@pytest.mark.parametrize(("kind", "media_type"), FORMATS)
def test_a_picture_is_stored_by_the_content_of_what_is_stored(tmp_path: Path, kind: str, media_type: str) -> None:
    sha256 = store_picture(assets_in(tmp_path), a_picture(kind))
    asset = open_asset(assets_in(tmp_path), sha256)
    assert asset.media_type == media_type
    assert hashlib.sha256(asset.content).hexdigest() == sha256
    assert Image.open(BytesIO(asset.content)).size == (60, 40)


def test_nothing_but_pixels_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "SecretCamera", 6  # the maker, and «turn right»
    jpeg, _ = encode_anew(a_picture("JPEG", exif=exif, comment=b"hidden words"))
    assert b"SecretCamera" not in jpeg
    assert b"hidden words" not in jpeg
    assert Image.open(BytesIO(jpeg)).size == (40, 60)  # turned upright before the note was dropped
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Author", "hidden words")
    png, _ = encode_anew(a_picture("PNG", pnginfo=notes) + b"<script>alert(1)</script>")
    assert b"hidden words" not in png
    assert b"<script>" not in png


def test_large_pictures_become_as_large_as_a_page_needs() -> None:
    content, _ = encode_anew(a_picture("JPEG", (4000, 1000)))
    assert Image.open(BytesIO(content)).size == (LONGEST_SIDE, LONGEST_SIDE // 4)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16"])
def test_every_kind_of_pixel_is_taken(mode: str) -> None:
    source = Image.new("I;16", (8, 8)) if mode == "I;16" else Image.linear_gradient("L").convert(mode)
    out = BytesIO()
    source.save(out, "PNG")
    content, _ = encode_anew(out.getvalue())
    assert Image.open(BytesIO(content)).mode in ("RGB", "RGBA")


def test_only_the_first_picture_of_an_animation_is_kept() -> None:
    out = BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:])
    content, _ = encode_anew(out.getvalue())
    assert getattr(Image.open(BytesIO(content)), "n_frames", 1) == 1


@pytest.mark.parametrize("size", [(8_000, 5_001), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_bombs_are_refused_by_their_header(size: tuple[int, int]) -> None:
    assert code_of(a_png_claiming(*size)) == "picture_too_many_pixels"


def test_a_bomb_in_a_text_chunk_is_refused() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("a", "x" * 80_000_000, zip=True)
    assert code_of(a_picture("PNG", pnginfo=notes)) == "picture_broken"


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused(kind: str) -> None:
    assert code_of(a_picture(kind)) == "picture_broken"


@pytest.mark.parametrize(
    "data",
    [b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n",
     b"RIFF\x00\x00\x00\x00WEBP", b"\xff\xd8\xff", b"MZ", b"\x00" * 100],
)  # fmt: skip
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert code_of(data) == "picture_broken"


def test_empty_and_too_large_files() -> None:
    assert code_of(b"") == "picture_missing"
    assert code_of(a_picture() + bytes(MAX_BYTES)) == "picture_too_large"


@pytest.mark.parametrize("kind", [kind for kind, _ in FORMATS])
def test_truncated_pictures_are_refused(kind: str) -> None:
    whole = a_picture(kind, (300, 300))
    for part in (12, len(whole) // 3, len(whole) // 2):
        assert code_of(whole[:part]) == "picture_broken"


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([kind for kind, _ in FORMATS]), st.data())
def test_broken_bytes_are_refused_or_harmless(kind: str, data: st.DataObject) -> None:
    broken = bytearray(a_picture(kind))
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        content, _ = encode_anew(bytes(broken))
    except Invalid:
        return
    Image.open(BytesIO(content)).load()


@pytest.mark.parametrize(
    "sha256",
    ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "%2e%2e", "a" * 32 + "/" + "a" * 31, "\x00" * 64],
)  # fmt: skip
def test_an_address_that_is_no_hash_leads_nowhere(tmp_path: Path, sha256: str) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    with pytest.raises(NotFound):
        open_asset(tmp_path, sha256)


def test_an_unknown_hash_and_an_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_asset(tmp_path, "a" * 64)
    with pytest.raises(ValueError, match="media type"):
        store_asset(tmp_path, b"<html>", ".html")


def test_storing_twice_at_once_leaves_one_whole_file_and_no_drafts(tmp_path: Path) -> None:
    data = a_picture("PNG", (500, 500))
    threads = [threading.Thread(target=store_picture, args=(tmp_path, data)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == file.stem


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        store_picture(tmp_path, a_picture())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

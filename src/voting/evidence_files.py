"""The store of evidence: pictures encoded anew, documents known by their content, each under the hash of its bytes.

Apart from the pictures of polls, since these files are public only while a step of a decision shows them. A picture
loses its places and names as any other does (`voting.publishing`). A document is kept as it came, so it is judged by
its content and not by its name: PDF, or an office file without macros; and it leaves the service as a download only,
from which a browser runs nothing.
"""

from __future__ import annotations

import hashlib
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Final

from polls.errors import FieldError, Invalid, NotFound
from results.evidence import StoredFile
from voting.publishing import MAX_BYTES as MAX_PICTURE
from voting.publishing import SHA256, encode_anew, write_whole

MAX_DOCUMENT: Final = 10 * 1024 * 1024
MAX_FILE: Final = max(MAX_DOCUMENT, MAX_PICTURE)
MOST_PARTS: Final = 5_000
MOST_UNPACKED: Final = 200 * 1024 * 1024

_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
SUFFIXES: Final = {
    "image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp",
    "application/pdf": ".pdf",
    f"{_OOXML}wordprocessingml.document": ".docx",
    f"{_OOXML}spreadsheetml.sheet": ".xlsx",
    f"{_OOXML}presentationml.presentation": ".pptx",
    f"{_ODF}text": ".odt", f"{_ODF}spreadsheet": ".ods", f"{_ODF}presentation": ".odp",
}  # fmt: skip
"""Media types that evidence may have, with the ends of their names."""

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")
_MAIN_PART = re.compile(rb'ContentType="([^"]{1,200})\.main\+xml"')
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    RuntimeError,
    EOFError,
    NotImplementedError,
    OSError,
    ValueError,
)
"""What reading an archive may end in that was made to break its reader."""
_MACROS = re.compile(r"(?:^|/)(?:vbaProject\.bin|Basic/|Scripts/)", re.IGNORECASE)


def evidence_in(data_dir: Path) -> Path:
    """The directory of the store below the service's data directory."""
    return data_dir / "evidence"


def store_evidence(directory: Path, data: bytes) -> StoredFile:
    """Find out what a file is, make it fit for the public and store it. Slow: call it in a thread.

    Refuses `Invalid` (field ``file``): empty, too large, of no kind that is taken, broken, or with macros in it.
    """
    if not data:
        raise _refused("file_missing", "Choose a file.")
    if data.startswith(_PICTURES):
        try:
            content, suffix = encode_anew(data)
        except Invalid as refusal:
            raise Invalid([FieldError("file", one.code, one.message) for one in refusal.errors]) from refusal
        media_type = next(kind for kind, end in SUFFIXES.items() if end == suffix)
    else:
        content, media_type = data, media_type_of(data)
    sha256 = hashlib.sha256(content).hexdigest()
    path = _path(directory, sha256, SUFFIXES[media_type])
    if path.exists():
        path.touch()  # as new: what is put down again is not forgotten with what was withdrawn
    else:
        write_whole(path, content)
    return StoredFile(sha256, media_type, len(content))


def media_type_of(data: bytes) -> str:
    """The media type of a document by its content alone. Refuses `Invalid`."""
    if len(data) > MAX_DOCUMENT:
        raise _refused("file_too_large", "The file is larger than 10 MB. Save it smaller.")
    if re.match(rb"%PDF-[12]\.[0-9]", data):
        if b"%%EOF" not in data[-2_048:]:
            raise _refused("file_broken", "The file is cut off or broken.")
        return "application/pdf"
    if data.startswith(b"PK\x03\x04"):
        return _office_type(data)
    raise _not_taken()


def stored_evidence(directory: Path, sha256: str) -> StoredFile:
    """A file that is in the store, whether or not anything shows it. Refuses `Invalid` (field ``sha256``)."""
    if SHA256.fullmatch(sha256):
        for media_type, suffix in SUFFIXES.items():
            path = _path(directory, sha256, suffix)
            if path.is_file():
                path.touch()
                return StoredFile(sha256, media_type, path.stat().st_size)
    raise Invalid([FieldError("sha256", "not_stored", "There is no such file in the store: upload it first.")])


def read_evidence(directory: Path, file: StoredFile) -> bytes:
    """The bytes of a stored file. Refuses `NotFound` when they are gone."""
    try:
        return _path(directory, file.sha256, SUFFIXES[file.media_type]).read_bytes()
    except FileNotFoundError:
        raise NotFound() from None


def forget_evidence(directory: Path, withdrawn: Iterable[str], before: datetime) -> int:
    """Delete files that were withdrawn, but for those put down again since `before`; gives how many. Slow, as above."""
    gone = 0
    for sha256 in withdrawn:
        for suffix in SUFFIXES.values():
            path = _path(directory, sha256, suffix)
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before.timestamp():
                    path.unlink()
                    gone += 1
    return gone


def _path(directory: Path, sha256: str, suffix: str) -> Path:
    return directory / sha256[:2] / f"{sha256}{suffix}"


def _office_type(data: bytes) -> str:
    """The kind of a zipped office file, by the part that says what it is."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as packed:
            parts = packed.infolist()
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
                raise _refused("file_too_large", "The file unpacks to more than is taken.")
            if any(part.flag_bits & 1 for part in parts):
                raise _refused("file_locked", "The file is locked with a password.")
            if any(_MACROS.search(part.filename) for part in parts):
                raise _refused("file_macros", "The file has macros in it. Save it without them.")
            named = {part.filename: part for part in parts}
            said = _said_type(packed, named)
    except _BROKEN as error:
        raise _refused("file_broken", "The file is cut off or broken.") from error
    if said not in SUFFIXES:
        raise _not_taken()
    return said


def _said_type(packed: zipfile.ZipFile, named: dict[str, zipfile.ZipInfo]) -> str:
    for name in ("mimetype", "[Content_Types].xml"):
        part = named.get(name)
        if part is None or part.file_size > 1024 * 1024:
            continue
        content = packed.read(part)
        if name == "mimetype":
            return content.decode("ascii", "replace").strip()
        kinds = {found.decode("ascii", "replace") for found in _MAIN_PART.findall(content)}
        return next((kind for kind in sorted(kinds) if kind in SUFFIXES), "")
    return ""


def _not_taken() -> Invalid:
    return _refused(
        "file_kind", "Pictures (PNG, JPEG, WebP), PDF and office files (DOCX, XLSX, PPTX, ODT, ODS, ODP) are taken."
    )


def _refused(code: str, message: str) -> Invalid:
    return Invalid([FieldError("file", code, message)])

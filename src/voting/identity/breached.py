"""Leaked passwords: is this one in the operator's file? Looked up on disk by halves, in the memory of a few lines.

The file is a list of SHA-1 digests in capital hex, one a line, in rising order, each with or without `:` and a count:
what «Pwned Passwords» of haveibeenpwned.com is downloaded as (40 GB, a thousand million lines). Thirty-odd reads of a
few bytes find a line in it; no index is built and nothing is sent to anybody. SHA-1 is the format's, not our choice:
it hides nothing here, since the file is public.
"""

import hashlib
import os
import unicodedata
from pathlib import Path

DIGITS = 40
LONGEST_LINE = 64
"""Bytes: the digest, a colon, a count and the line's end."""


class BadBreachedList(Exception):
    """The file is no sorted list of SHA-1 digests; the text says what is wrong."""


class BreachedList:
    """The operator's list; none (`path` is None) holds nothing."""

    def __init__(self, path: Path | None) -> None:
        self._file: int | None = None
        if path is None:
            return
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._size = os.fstat(self._file).st_size
        first = self._digest_from(0)
        last = self._digest_from(max(0, self._size - LONGEST_LINE))
        if first is None or (last is not None and first[0] > last[0]):
            raise BadBreachedList(f"{path} is not a sorted list of SHA-1 digests")

    def holds(self, password: str) -> bool:
        """Whether the password, or its NFKC form, is in the list. A line that cannot be read counts as no."""
        if self._file is None:
            return False
        forms = {password, unicodedata.normalize("NFKC", password)}
        return any(self._find(_sha1(form)) for form in forms)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _find(self, wanted: bytes) -> bool:
        """Halve the bytes in which the line may begin until it is found or none is left."""
        low, high = 0, self._size
        while low < high:
            middle = (low + high) // 2
            found = self._digest_from(middle)
            if found is None or found[0] > wanted:
                high = middle
            elif found[0] == wanted:
                return True
            else:
                low = found[1]
        return False

    def _digest_from(self, offset: int) -> tuple[bytes, int] | None:
        """The first digest whose line begins at `offset` or later, and where the next line may begin; None at the end.

        A line begins at 0 or after a line's end.
        """
        assert self._file is not None
        start = max(0, offset - 1)
        piece = os.pread(self._file, 2 * LONGEST_LINE + 2, start)
        begin = 0
        if offset > 0:
            begin = piece.find(b"\n") + 1
            if begin == 0:
                return None
        digest = piece[begin : begin + DIGITS].upper()
        if len(digest) < DIGITS or not all(48 <= byte <= 57 or 65 <= byte <= 70 for byte in digest):
            return None
        return digest, start + begin + DIGITS


def _sha1(text: str) -> bytes:
    digest = hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False)
    return digest.hexdigest().upper().encode()

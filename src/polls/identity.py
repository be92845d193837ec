"""Identity keys: how a person's numbers are recognised without being kept. Pure.

An identifier (national id, subject of the city's sign-on, phone) is brought to one form and put through HMAC-SHA-256
under a secret that lies outside the database. Only the 32 bytes are stored: without the secret, a stolen table cannot
be searched by trying numbers.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

DOMAIN = "veche/identity/v1"
KINDS = ("national_id", "subject", "phone")
MAX_IDENTIFIER = 64
_STRIPPED = str.maketrans("", "", " -\t")


def normal_identifier(kind: str, identifier: str) -> str:
    """The one form of an identifier, so that the ways people write it give the same key.

    A national id loses spaces and dashes and goes to upper case; a phone keeps its digits; a subject is case-sensitive
    and only loses surrounding spaces. Raises ValueError, which never repeats the identifier, when nothing is left, when
    it is longer than 64 characters (subjects with their issuer: 512), or when a national id holds other than
    letters and digits.
    """
    if kind == "national_id":
        normal = _normal_national_id(identifier)
        longest = MAX_IDENTIFIER
        if normal and not normal.isalnum():
            raise ValueError("only letters, digits, spaces and dashes are allowed")
    elif kind == "phone":
        normal = "".join(ch for ch in identifier if ch.isascii() and ch.isdigit())
        longest = MAX_IDENTIFIER
    elif kind == "subject":
        normal = identifier.strip()
        longest = 512
    else:
        raise ValueError("unknown kind of identifier")
    if not normal:
        raise ValueError("empty")
    if len(normal) > longest:
        raise ValueError(f"longer than {longest} characters")
    return normal


def identity_key(secret: bytes, kind: str, identifier: str) -> bytes:
    """HMAC-SHA-256 of the normal form under a secret of at least 32 bytes: 32 bytes, as stored in `identity.key`.

    Raises ValueError as `normal_identifier` does.
    """
    if len(secret) < 32:
        raise ValueError("an identity secret has at least 32 bytes")
    message = f"{DOMAIN}\0{kind}\0{normal_identifier(kind, identifier)}"
    return hmac.digest(secret, message.encode(), hashlib.sha256)


def _normal_national_id(identifier: str) -> str:
    if identifier.isascii():  # nearly always, and a million times in an import
        return identifier.translate(_STRIPPED).upper()
    # Office programs write non-breaking spaces, long dashes and full-width digits.
    folded = unicodedata.normalize("NFKC", identifier)
    kept = (ch for ch in folded if unicodedata.category(ch) not in ("Zs", "Pd", "Cf"))
    return "".join(kept).translate(_STRIPPED).upper()

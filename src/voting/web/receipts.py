"""Receipts as residents keep them: the text in the QR, the file, and a receipt that comes back to be saved. Pure.

The QR and the file hold the receipt itself, signature included, so checking one asks no server anything about anybody.
"""

from __future__ import annotations

import base64
import binascii
import json

import segno
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from polls.board import Receipt, grouped_code, signed_message

TEXT_PREFIX = "veche-receipt/1"
MOST_IN_QR = 1_200
"""Bytes a QR may hold: more makes modules too small for a phone to read off a screen."""
LONGEST = 20_000


def receipt_text(receipt: Receipt) -> str:
    """One line: prefix, key id, signature in base64url without padding, the signed body as it was signed."""
    signature = base64.urlsafe_b64encode(receipt.signature).decode("ascii").rstrip("=")
    return f"{TEXT_PREFIX} {receipt.key_id} {signature} {receipt.body.decode('utf-8')}"


def receipt_qr(receipt: Receipt) -> str | None:
    """The receipt's text as an inline SVG without inline styles; None when it is too long for a QR."""
    text = receipt_text(receipt)
    if len(text.encode()) > MOST_IN_QR:
        return None
    # Any of the eight masks can be read; looking for the most even one takes four fifths of the whole page's time, and
    # hashes and a signature are even enough under each.
    code = segno.make_qr(text, error="l", boost_error=False, mask=3)
    drawn: str = code.svg_inline(omitsize=True, border=4, svgclass="qr-image", lineclass="qr-dark")
    return drawn


def receipt_file(receipt: Receipt) -> bytes:
    """The file a resident keeps: the receipt, its key and its signature as JSON."""
    return json.dumps(receipt.as_json(), ensure_ascii=False, indent=2).encode() + b"\n"


def receipt_code(receipt: Receipt) -> str:
    """What people compare by eye: the ballot's short code, or the acceptance number where there is no code."""
    facts = receipt.facts
    return grouped_code(str(facts.get("ballot") or facts.get("acceptance", "")).upper())


def read_receipt(body: str, key_id: str, signature: str) -> Receipt | None:
    """The receipt in the fields of a form; None when they cannot be one. The signature is not judged here."""
    if len(body) > LONGEST or not (key_id.isascii() and key_id.isalnum()):
        return None
    try:
        facts = json.loads(body)
        return Receipt(body.encode(), key_id, base64.b64decode(signature, validate=True)) if facts else None
    except (ValueError, binascii.Error, RecursionError):
        return None


def is_ours(receipt: Receipt, key_id: str, public_key: Ed25519PublicKey) -> bool:
    """Whether the key in use has signed this receipt."""
    if receipt.key_id != key_id:
        return False
    try:
        public_key.verify(receipt.signature, signed_message(receipt.body))
    except InvalidSignature:
        return False
    return isinstance(receipt.facts, dict)

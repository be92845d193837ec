"""Devices that have signed an account in before: a signed cookie, so that an attack on a login from elsewhere does not
keep its owner out.

The cookie names an account and a number of its own, and is signed together with the password's hash as it then was: a
changed password makes every device unknown again but the one it was changed on. It signs nobody in; it only says whose
tries are counted apart from strangers' (`voting.identity.sign_in_limits`). Nothing is stored.
"""

import hashlib
import hmac
import re
import secrets

SHAPE = re.compile(r"([0-9]{1,18})\.([0-9a-f]{24})\.([0-9a-f]{64})")


class KnownDevices:
    """Makes and reads the cookie under one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def issue(self, account_id: int, password_hash: str, device: str | None = None) -> str:
        """The cookie's value for an account that has just signed in; `device` is the number it had before."""
        number = device or secrets.token_hex(12)
        return f"{account_id}.{number}.{self._tag(account_id, number, password_hash)}"

    def device_of(self, cookie: str | None, account_id: int, password_hash: str) -> str | None:
        """The number of the device, if the cookie is ours, this account's, and of today's password."""
        found = SHAPE.fullmatch(cookie or "")
        if found is None or int(found[1]) != account_id:
            return None
        wanted = self._tag(account_id, found[2], password_hash)
        return found[2] if hmac.compare_digest(wanted, found[3]) else None

    def _tag(self, account_id: int, number: str, password_hash: str) -> str:
        message = f"veche/device/v1/{account_id}\0{number}\0{password_hash}"
        return hmac.new(self._secret, message.encode(), hashlib.sha256).hexdigest()

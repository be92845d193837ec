"""Names that come in an address. What cannot be one is answered like what is not there."""

import re

from polls.errors import PollNotFound

POLL_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
PLAIN_WORDS = r"^[^\x00-\x1f\x7f]*$"
"""What may be searched for: no database text holds a null character."""
POLL_ID = re.compile(r"[0-9a-f]{32}")


def poll_name(text: str) -> str:
    """Give a slug or a 32-digit id; raises PollNotFound for text that can be neither."""
    if not POLL_NAME.fullmatch(text):
        raise PollNotFound
    return text


def poll_id(text: str) -> str:
    """Give a 32-digit id; raises PollNotFound for text that is none."""
    if not POLL_ID.fullmatch(text):
        raise PollNotFound
    return text

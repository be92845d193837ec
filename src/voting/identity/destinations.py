"""Where a visitor may be sent after signing in: a place of this site, whatever the address bar said."""

from urllib.parse import urlsplit

LONGEST = 2000
NEVER = ("/sign-in", "/sign-up", "/sign-out", "/api/", "/static/")


def safe_destination(text: str | None, default: str = "/") -> str:
    """Give `text` if it is a path of this site, else `default`.

    Browsers read a backslash as a slash and drop tabs and line breaks, so `/\\evil`, `/<tab>/evil` and `//evil` all
    lead elsewhere; such characters are refused rather than repaired.
    """
    if not text or len(text) > LONGEST or not text.startswith("/") or text.startswith("//"):
        return default
    if "\\" in text or any(ord(character) < 33 or ord(character) == 127 for character in text):
        return default
    parts = urlsplit(text)
    if parts.scheme or parts.netloc or text.startswith(NEVER):
        return default
    return text

"""A browser's own name of itself in two words, for the list of sessions. Pure.

Guessed from what browsers say; what is not known keeps its own text. Nothing is decided by it.
"""

import re
from dataclasses import dataclass

_BROWSERS = (
    (re.compile(r"YaBrowser/"), "Яндекс Браузер"),
    (re.compile(r"OPR/|Opera"), "Opera"),
    (re.compile(r"Edg(e|A|iOS)?/"), "Edge"),
    (re.compile(r"SamsungBrowser/"), "Samsung Internet"),
    (re.compile(r"Firefox/|FxiOS/"), "Firefox"),
    (re.compile(r"Chrome/|CriOS/|Chromium/"), "Chrome"),
    (re.compile(r"Version/[\d.]+.* Safari/"), "Safari"),
)
_SYSTEMS = (
    (re.compile(r"iPhone"), "iPhone"),
    (re.compile(r"iPad"), "iPad"),
    (re.compile(r"Android"), "Android"),
    (re.compile(r"CrOS"), "ChromeOS"),
    (re.compile(r"Windows"), "Windows"),
    (re.compile(r"Mac OS X|Macintosh"), "macOS"),
    (re.compile(r"Linux|X11"), "Linux"),
)


@dataclass(frozen=True, slots=True)
class Device:
    """Names of products, the same in every language."""

    browser: str
    system: str


def device_words(user_agent: str) -> Device | None:
    """The browser and its system; None where either is not known."""
    browser = next((name for pattern, name in _BROWSERS if pattern.search(user_agent)), None)
    system = next((name for pattern, name in _SYSTEMS if pattern.search(user_agent)), None)
    return Device(browser, system) if browser and system else None

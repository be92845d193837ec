"""Atom feeds (RFC 4287) out of plain entries. Pure: the moment and every text are given.

Every entry has an id that never changes (a tag URI, RFC 4151, where the feed has no other), its own moment, and a title
as plain text; the feed has an author, so its entries need none. Texts are escaped by the XML writer, and signs XML
cannot hold are left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

ATOM = "http://www.w3.org/2005/Atom"
MEDIA_TYPE = "application/atom+xml; charset=utf-8"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
"""The moment of a feed nothing has happened in yet."""
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `id` is a URI that stays; `link` an absolute address; `category` a term, if any."""

    id: str
    title: str
    link: str
    updated: datetime
    summary: str = ""
    category: str = ""


@dataclass(frozen=True)
class Feed:
    """A feed: `itself` is its own address, `link` the page of the same. `ordered`: its entries stand newest first."""

    id: str
    title: str
    itself: str
    link: str
    author: str
    language: str
    entries: Sequence[Entry]
    rights: str = ""
    ordered: bool = False


def write_atom(feed: Feed) -> bytes:
    """The bytes of the feed; the same entries give the same bytes. Entries are put newest first."""
    ET.register_namespace("", ATOM)
    root = ET.Element(f"{{{ATOM}}}feed", {"{http://www.w3.org/XML/1998/namespace}lang": feed.language})
    _add(root, "id", feed.id)
    _add(root, "title", feed.title)
    entries = list(feed.entries)
    if not feed.ordered:
        entries.sort(key=lambda one: one.updated, reverse=True)  # stable: ties stay as they came
    _add(root, "updated", _moment(entries[0].updated if entries else BEGAN))
    _link(root, "self", feed.itself, "application/atom+xml")
    _link(root, "alternate", feed.link, "text/html")
    if feed.rights:
        _add(root, "rights", feed.rights)
    _add(ET.SubElement(root, f"{{{ATOM}}}author"), "name", feed.author)
    for entry in entries:
        one = ET.SubElement(root, f"{{{ATOM}}}entry")
        _add(one, "id", entry.id)
        _add(one, "title", entry.title)
        _add(one, "updated", _moment(entry.updated))
        if entry.category:
            ET.SubElement(one, f"{{{ATOM}}}category", {"term": entry.category})
        _link(one, "alternate", entry.link, "text/html")
        if entry.summary:
            _add(one, "summary", entry.summary)
    written: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{written}'.encode()


def tag_uri(host: str, *parts: str | int) -> str:
    """A name that never changes, whatever address the site moves to later; `host` is the one it had first."""
    return f"tag:{host.partition(':')[0]},2026:" + "/".join(str(part) for part in parts)


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, f"{{{ATOM}}}{name}").text = _NOT_XML.sub("", text)


def _link(parent: ET.Element, rel: str, href: str, media_type: str) -> None:
    ET.SubElement(parent, f"{{{ATOM}}}link", {"rel": rel, "href": href, "type": media_type})


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

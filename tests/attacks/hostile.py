"""Hostile texts: what is put into every field there is, and how a page is judged that shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from tests.browser.city import every_kind
from tests.builders import both

from polls.definition import Definition
from polls.document import Text

MARK = "q7z"
"""Stands in every hostile text, so that it is known wherever it comes out."""
POLYGLOT = (
    "{mark}\"'><img src=x onerror=alert(7)>--></title></textarea></select></script></style>"
    "<svg/onload=alert(7)><a href=javascript:alert(7)>{{{{7*7}}}}${{7*7}}]]>&lt;b&gt;"
)
"""Breaks out of an element, both kinds of quoted attribute, a comment, raw text, CDATA and templates."""
SHORTER = ("{mark}\"'><img src=x onerror=alert(7)>", '{mark}"><svg/onload=alert(7)>', "<b>{mark}", "{mark}<")
FORMULAS = ('=HYPERLINK("http://{mark}.example","x")', "+1+{mark}", "-2+{mark}", "@SUM({mark})", "\t={mark}")
SCRIPT_LIKE = frozenset({"javascript", "vbscript", "data", "file"})
LEADING = ("href", "src", "action", "formaction", "xlink:href", "srcset", "poster", "hx-get", "hx-post", "hx-put")


def marked(number: int) -> str:
    """The mark of one field."""
    return f"{MARK}{number}z"


def texts_for(number: int) -> list[str]:
    """Hostile texts of a field, the worst first: a field takes the first that its rules allow."""
    return [text.format(mark=marked(number)) for text in (POLYGLOT, *SHORTER)]


@dataclass
class Poisoned:
    """A document whose every text is hostile, and the mark of each field."""

    values: dict[str, Any]
    marks: dict[str, str] = field(default_factory=dict)


def rich_document(**more: Any) -> Definition:
    """A document in which every kind of text has a place: pictures and places apart, which name files and points."""
    questions = every_kind()
    source = {"title": both("Источник", "A source"), "url": "https://city.example/paper"}
    for question in questions:
        question["hint"] = both("Подсказка", "A hint")
        for option in question["options"]:
            option |= {"sources": [source], "place": {"address": both("Арбат, 1", "1 Arbat")}, "reference": "P-1"}
    return Definition.model_validate({
        "poll_id": "0" * 32, "title": both("Опрос", "A poll"), "sources": [source], "territory": "msk",
        "department": "Парки", "questions": questions,
        "audience": {"op": "all", "of": [{"op": "age", "at_least": 18}, {"op": "territory", "codes": ["msk"]}]},
        **more,
    })  # fmt: skip


def poison(document: Definition, texts: Any = texts_for) -> Poisoned:
    """Put a hostile text into every text field of the model, also those left empty; into other strings where valid.

    Fields are found in the model, so one that is added later is poisoned too.
    """
    made = Poisoned(json.loads(document.model_dump_json(by_alias=True)))
    for where in list(_leaves(document, ())):
        number = 100 + len(made.marks)
        for text in texts(number):
            before = _at(made.values, where)
            _put(made.values, where, text)
            try:
                Definition.model_validate(made.values)
            except ValidationError:
                _put(made.values, where, before)
                continue
            made.marks[".".join(map(str, where))] = marked(number)
            break
    return made


def _leaves(value: Any, where: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """The paths of all strings of a model, as its JSON has them."""
    if isinstance(value, Text):
        yield from ((*where, "ru"), (*where, "en"))
    elif isinstance(value, BaseModel):
        for name, about in type(value).model_fields.items():
            yield from _leaves(getattr(value, name), (*where, about.alias or name))
    elif isinstance(value, tuple | list):
        for at, part in enumerate(value):
            yield from _leaves(part, (*where, at))
    elif type(value) is str and where[-1] not in ("schema", "poll_id", "territory", "topic", "register", "op"):
        yield where


def _at(values: Any, where: tuple[str | int, ...]) -> Any:
    for step in where:
        values = values[step]
    return values


def _put(values: Any, where: tuple[str | int, ...], text: Any) -> None:
    _at(values, where[:-1])[where[-1]] = text


class Judge(HTMLParser):
    """Reads a page as a browser does and notes whatever a hostile text could have become but a text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.seen: set[str] = set()
        self._raw = ""
        self.feed(html)
        self.close()

    def _note(self, text: str) -> None:
        self.seen.update(re.findall(MARK + r"\d+z", text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._raw = tag if tag in ("script", "style") else ""
        given = dict(attrs)
        if len(given) < len(attrs):
            self.faults.append(f"<{tag}> has an attribute twice: {attrs}")
        for name, value in attrs:
            if (
                name.startswith("on")
                or name == "style"
                or MARK in name
                or not re.fullmatch(r"[a-z@:_][a-z0-9:._@-]*", name)
            ):
                self.faults.append(f"<{tag}> has the attribute {name}={value!r}")
            leads = name in LEADING and urlsplit((value or "").strip()).scheme.lower() in SCRIPT_LIKE
            if leads and not (tag in ("img", "link") and str(value).startswith("data:image/")):
                self.faults.append(f"<{tag} {name}={value!r}>")
            self._note(value or "")
        if MARK in tag or (tag == "img" and given.get("src") == "x"):
            self.faults.append(f"<{tag} {given}>")
        if (
            tag == "script"
            and not given.get("src")
            and given.get("type") not in ("application/json", "application/ld+json")
        ):
            self.faults.append(f"a script of the page's own: {given}")
        described = tag == "meta" and "content" in given and "http-equiv" not in given
        if tag in ("iframe", "object", "embed", "base", "meta") and MARK in str(attrs) and not described:
            self.faults.append(f"<{tag} {given}>")

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_comment(self, data: str) -> None:
        if MARK in data:
            self.faults.append(f"in a comment: {data[:80]}")

    def handle_decl(self, decl: str) -> None:
        if MARK in decl:
            self.faults.append(f"in a declaration: {decl[:80]}")

    def handle_data(self, data: str) -> None:
        if self._raw == "style" and MARK in data:
            self.faults.append(f"in a style: {data[:80]}")
        self._note(data)


@dataclass
class TypedForm:
    """A form of a page: its fields as they stand, and the names of those a person types into."""

    action: str
    method: str
    kind: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Forms(HTMLParser):
    """The forms of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[TypedForm] = []
        self.links: set[str] = set()
        self._form: TypedForm | None = None
        self._select = self._area = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.add(given.get("href", ""))
        if tag == "form":
            self._form = TypedForm(
                given.get("action", ""), given.get("method", "get").lower(), given.get("enctype", "")
            )
            self.found.append(self._form)
        if self._form is None or not (name := given.get("name", "")):
            return
        kind = given.get("type", "text")
        if tag == "button":
            self._form.buttons.append((name, given.get("value", "")))
        elif tag == "input" and kind == "file":
            self._form.files.append(name)
        elif tag == "input" and (kind not in ("radio", "checkbox") or "checked" in given):
            self._form.fields.append((name, given.get("value", "")))
            if kind in ("text", "search", "url", "email", "tel", "password"):
                self._form.typed.append(name)
        elif tag == "textarea":
            self._form.fields.append((name, ""))
            self._form.typed.append(name)
            self._area = name
        elif tag == "select":
            self._select = name

    def handle_endtag(self, tag: str) -> None:
        self._form = None if tag == "form" else self._form
        self._area = "" if tag == "textarea" else self._area


def faults_of(html: str) -> list[str]:
    """What is wrong with a page: nothing, where every hostile text is a text."""
    return Judge(html).faults


def seen_in(pages: Iterable[str]) -> set[str]:
    """The marks that come out on pages."""
    return {mark for html in pages for mark in Judge(html).seen}

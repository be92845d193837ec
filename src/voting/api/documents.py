"""Poll documents as the API takes them, and what it refuses before any engine sees it.

The engine's model says what a document is. What arrives from outside may besides be built to exhaust something: nested
a thousand deep, a rule of ten thousand parts, a year the calendar cannot move between zones, a character no database
text may hold. Each is refused here as a field that is not right.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from litestar import Request
from pydantic import AfterValidator, BeforeValidator, Field, ValidatorFunctionWrapHandler, WrapValidator

from polls.definition import Definition, Moment
from voting.problems import Malformed

DEEPEST = 40
MOST_RULES = 500
MOST_BANDS = 30
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

_STRINGS = re.compile(rb'"[^"]*(?:"|\Z)')  # without escapes in it; one that is not closed goes to the end
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SQUARE = bytes.maketrans(b"{}", b"[]")
_TOO_MANY = b"[" * (DEEPEST + 1)


async def refuse_deep_nesting(request: Request[Any, Any, Any]) -> None:
    """Refuse JSON nested deeper than anything the API takes, before a parser meets it."""
    if request.method in ("GET", "HEAD", "DELETE") or not request.content_type[0].endswith("json"):
        return
    if is_too_deep(await request.body()):
        raise Malformed(deepest=DEEPEST)


def is_too_deep(body: bytes) -> bool:
    """Whether JSON is nested deeper than anything the API takes; the body need not be JSON at all.

    Takes time in proportion to the body, whatever is in it: brackets are taken away from the inside out, a level in
    each pass. What is left of something that is no JSON is at most as deep again, which a parser bears.
    """
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return False
    left = _STRINGS.sub(b"", body.replace(b"\\\\", b"").replace(b'\\"', b"")).translate(_SQUARE, _NOT_BRACKETS)
    for _ in range(DEEPEST):
        if _TOO_MANY in left or not left:
            break
        left = left.replace(b"[]", b"")
    return left.count(b"[") > DEEPEST or b"[]" in left


def _strings(value: Any) -> Iterator[str]:
    """Every text within JSON values, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _strings(key)
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def _rules(value: Any) -> int:
    """How many parts an audience rule has."""
    if not isinstance(value, dict):
        return 1
    parts = value.get("of", [])
    return 1 + sum(_rules(part) for part in (parts if isinstance(parts, list) else [parts]))


def _as_sent(value: Any) -> Any:
    if isinstance(value, dict):
        if any("\x00" in text for text in _strings(value)):
            raise ValueError("control characters are not allowed")
        if _rules(value.get("audience")) > MOST_RULES:
            raise ValueError(f"an audience rule has at most {MOST_RULES} parts")
    return value


def _time(value: datetime) -> datetime:
    if not EARLIEST <= value < LATEST:
        raise ValueError("the year should be between 1990 and 2199")
    return value


def _within_calendar(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """A moment next to the calendar's ends cannot be moved between zones: no value, as far as a poll is concerned."""
    try:
        return read(value)
    except OverflowError:
        raise ValueError("the year should be between 1990 and 2199") from None


def _readable_by_the_engine(document: Definition) -> Definition:
    for moment in (document.opens_at, document.closes_at):
        if moment is not None:
            _time(moment)
    if len(document.age_bands) > MOST_BANDS:
        raise ValueError(f"at most {MOST_BANDS} age bands")
    try:
        ZoneInfo(document.time_zone)
    except (KeyError, ValueError, OSError):
        raise ValueError("there is no such time zone") from None
    return document


class NewDefinition(Definition):
    """A poll document that need not have an id yet: leave `poll_id` out and it is drawn."""

    poll_id: str = Field(
        default_factory=lambda: secrets.token_hex(16),
        pattern=r"^[0-9a-f]{32}$",
        description="32 hex digits. Left out, it is drawn; drawn by you, sending twice makes no second draft.",
    )

    def document(self) -> Definition:
        """The document as the engine knows it."""
        return Definition.model_validate(self.as_json())


_guards = (BeforeValidator(_as_sent), WrapValidator(_within_calendar), AfterValidator(_readable_by_the_engine))
NewDocument = Annotated[NewDefinition, *_guards]
SavedDocument = Annotated[Definition, *_guards]
Time = Annotated[Moment, WrapValidator(_within_calendar), AfterValidator(_time)]

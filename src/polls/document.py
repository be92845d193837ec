"""What every part of the poll document is made of: texts in two languages, money, moments, shares, pictures. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

MAX_MONEY = 10**15  # 10 trillion units in hundredths: below 2**53, exact in any JSON reader


class Document(BaseModel):
    """The base of every part of the document: unknown fields are refused, values never change in place."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def _no_control_characters(value: str) -> str:
    """Refuse C0/C1 controls, lone surrogates and bidi overrides: they break CSV, logs and what a reader sees."""
    for ch in value:
        point = ord(ch)
        if (point < 32 and ch not in "\n\t") or 127 <= point < 160 or 0xD800 <= point <= 0xDFFF:
            raise ValueError("control characters are not allowed")
        if ch in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff":
            raise ValueError("invisible direction marks are not allowed")
    return value


def _utc(value: datetime) -> datetime:
    """Years a poll can have: nearer the ends of the calendar, other zones and ages would leave it."""
    if not 1900 <= value.year <= 2200:
        raise ValueError("the year is between 1900 and 2200")
    return value.astimezone(UTC)


def known_zone(value: str) -> str:
    """A time zone of the IANA database."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("there is no such time zone") from error
    return value


def _write_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


Words = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_no_control_characters)]
Line = Annotated[str, StringConstraints(max_length=500), AfterValidator(_no_control_characters)]
ShortLine = Annotated[str, StringConstraints(max_length=300), AfterValidator(_no_control_characters)]
OuterCode = Annotated[str, StringConstraints(max_length=200), AfterValidator(_no_control_characters)]
"""What something outside the document goes by: a territory, a building, a group. Unknown ones are findings."""
ListCode = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_no_control_characters)]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
OptionId = Annotated[int, Field(ge=1, le=32_767)]
QuestionId = Annotated[int, Field(ge=1, le=32_767)]
Money = Annotated[int, Field(ge=0, le=MAX_MONEY)]
Moment = Annotated[AwareDatetime, AfterValidator(_utc), PlainSerializer(_write_time)]


def _fraction(value: str) -> str:
    fraction = Fraction(value)
    if not 0 <= fraction <= 1:
        raise ValueError("a share is between 0 and 1")
    return f"{fraction.numerator}/{fraction.denominator}"


Share = Annotated[str, StringConstraints(pattern=r"^\d{1,6}/[1-9]\d{0,5}$"), AfterValidator(_fraction)]
"""An exact fraction such as ``"2/3"``: binary floats never decide."""


class Text(Document):
    """A text in both languages. Russian is required before sealing; English missing is a warning."""

    ru: Words = ""
    en: Words = ""

    def __bool__(self) -> bool:
        return bool(self.ru or self.en)

    def in_language(self, language: str) -> str:
        """The text in `language`, or the other one when it is missing."""
        return (self.en or self.ru) if language == "en" else (self.ru or self.en)


class Picture(Document):
    """A picture by content: the SHA-256 of its bytes in the asset store, and what it shows in words."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    alt: Text = Text()


class Source(Document):
    """Where a claim comes from, or more to read: a link that opens on demand, never loaded by the page."""

    title: Text
    url: Annotated[
        str,
        StringConstraints(pattern=r"^https?://[^\s\"'<>\\]+$", max_length=2_000),
        AfterValidator(_no_control_characters),
    ]

"""Languages: which one a reader gets, the catalogues, and numbers, dates and money as each language writes them.

Message ids are English. Russian stands in `locale/ru/*.po`, one file per family of pages, read as they are when the
process starts: nothing compiled is kept. The reader's language is in a context variable while a page is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_timedelta
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent, get_currency_symbol
from babel.support import NullTranslations, Translations
from litestar import Request

from voting.security import cookie_name, read_cookie

LANGUAGES = ("ru", "en")
DEFAULT = "ru"
LOCALE = Path(__file__).parents[1] / "locale"
COOKIE = "lang"
NBSP = "\u00a0"

current: ContextVar[str] = ContextVar("language", default=DEFAULT)


def pick(asked: str | None, cookie: str | None, accepted: str) -> str:
    """The language: what the address asks for, then the cookie, then the browser's wishes, then Russian."""
    for candidate in (asked, cookie):
        if candidate in LANGUAGES:
            return candidate
    return next((wish for wish in _wishes(accepted) if wish in LANGUAGES), DEFAULT)


def _wishes(accepted: str) -> list[str]:
    """The languages of an Accept-Language header, the dearest first, without their regions."""
    weighed = []
    for part in accepted[:200].split(","):
        name, _, rest = part.partition(";")
        weight = re.fullmatch(r"\s*q=([01](?:\.[0-9]{0,3})?)\s*", rest)
        weighed.append((float(weight[1]) if weight else 1.0, name.strip().lower().partition("-")[0]))
    return [name for weight, name in sorted(weighed, key=lambda pair: -pair[0]) if weight > 0]


def language_of(request: Request[Any, Any, Any]) -> str:
    """The language of a request."""
    name = cookie_name(COOKIE, secure=request.app.state["settings"].secure_cookies)
    return pick(
        request.query_params.get("lang"), read_cookie(request.scope, name), request.headers.get("accept-language", "")
    )


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Render what is inside in this language."""
    token = current.set(language)
    try:
        yield
    finally:
        current.reset(token)


class DuplicateMessage(Exception):
    """One message id is translated differently in two catalogues: one of them would win by chance."""


@cache
def catalogue(language: str) -> NullTranslations:
    """All catalogues of a language as one. Raises `DuplicateMessage`."""
    merged = Catalog(locale=language)
    seen: dict[Any, tuple[str, Any]] = {}
    for path in sorted((LOCALE / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if not message.id or not message.string:
                    continue
                key = (message.context, message.id if isinstance(message.id, str) else message.id[0])
                if key in seen and seen[key][1] != message.string:
                    raise DuplicateMessage(f"{key[1]!r} differs between {seen[key][0]} and {path.name}")
                seen[key] = (path.name, message.string)
                merged.add(message.id, message.string, context=message.context)
    if not seen:
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, merged)
    compiled.seek(0)
    return Translations(compiled)


def load_catalogues() -> None:
    """Read every language now: otherwise the first reader of a process would wait while it is read."""
    for language in LANGUAGES:
        catalogue(language)


def gettext(message: str) -> str:
    """The message in the reader's language."""
    return str(catalogue(current.get()).ugettext(message))


def ngettext(one: str, many: str, n: int) -> str:
    """The message in the number's form."""
    return str(catalogue(current.get()).ungettext(one, many, n))


def pgettext(context: str, message: str) -> str:
    """The message in a context, where one English word stands for two Russian ones."""
    return str(catalogue(current.get()).upgettext(context, message))


def npgettext(context: str, one: str, many: str, n: int) -> str:
    """The message in a context and the number's form."""
    return str(catalogue(current.get()).unpgettext(context, one, many, n))


def gettext_for(language: str) -> Callable[[str], str]:
    """A translator bound to a language, for use outside pages."""
    found = catalogue(language)
    return lambda message: str(found.ugettext(message))


# ---- numbers, money, dates


def num(value: float | Fraction, digits: int | None = None) -> str:
    """A number: «12 480», "12,480"; with `digits`, exactly so many after the mark."""
    pattern = None if digits is None else "#,##0" + ("." + "0" * digits if digits else "")
    plain = float(value) if isinstance(value, Fraction) else value
    return str(format_decimal(plain, format=pattern, locale=current.get()))


def pct(value: float | Fraction, digits: int = 1) -> str:
    """A share of one as per cent: «14,2 %» with a space that never breaks, "14.2%"."""
    space = NBSP if current.get() == "ru" else ""
    pattern = "#,##0" + ("." + "0" * digits if digits else "") + space + "%"
    return str(format_percent(float(value), format=pattern, locale=current.get()))


def money(hundredths: int, currency: str = "RUB") -> str:
    """An exact sum: «1 200 000 ₽», "RUB 1,200,000.50"-like without needless zeros."""
    whole, rest = divmod(abs(hundredths), 100)
    text = num(whole) + ((("," if current.get() == "ru" else ".") + f"{rest:02d}") if rest else "")
    return _with_currency(("−" if hundredths < 0 else "") + text, currency)


def money_short(hundredths: int, currency: str = "RUB") -> str:
    """A sum as people say it: «1,2 млн ₽», «850 тыс. ₽»; exact where it is small."""
    units = hundredths / 100
    for size, ru, en in ((1_000_000_000, "млрд", "bn"), (1_000_000, "млн", "m"), (1_000, "тыс.", "k")):
        if abs(units) >= size:
            text = str(format_decimal(units / size, format="#,##0.#", locale=current.get()))
            return _with_currency(text + (f"{NBSP}{ru}" if current.get() == "ru" else en), currency)
    return money(hundredths, currency)


def _with_currency(text: str, currency: str) -> str:
    symbol = get_currency_symbol(currency, locale=current.get())
    return f"{text}{NBSP}{symbol}" if current.get() == "ru" or len(symbol) > 1 else f"{symbol}{text}"


DAY = {"ru": "d MMMM", "en": "d MMMM"}


def day(value: date, *, year: bool | None = None, zone: ZoneInfo | None = None) -> str:
    """A day: «24 ноября»; with the year when it is another than now or when asked for."""
    if isinstance(value, datetime):
        value = value.astimezone(zone or ZoneInfo("Europe/Moscow")).date()
    if year is None:
        year = value.year != datetime.now(zone or ZoneInfo("Europe/Moscow")).year
    return str(format_date(value, DAY[current.get()] + (" y" if year else ""), locale=current.get()))


ZONE_NAMES = {"Europe/Moscow": {"ru": "МСК", "en": "Moscow time"}}


def iso_day(value: str) -> str:
    """A day written as 2026-11-24, as people say it with its year."""
    return day(date.fromisoformat(value), year=True)


def when(value: datetime, zone: ZoneInfo | None = None) -> str:
    """A moment in city time with the zone named: «24 ноября 2026, 18:00 МСК»."""
    zone = zone or ZoneInfo("Europe/Moscow")
    local = value.astimezone(zone)
    text = format_datetime(local, "d MMMM y, HH:mm", locale=current.get(), tzinfo=zone)
    named = ZONE_NAMES.get(zone.key, {}).get(current.get()) or local.tzname() or zone.key
    return f"{text}{NBSP}{named}"


def ago(delta: timedelta) -> str:
    """A span as people say it: «2 часа»."""
    return str(format_timedelta(delta, locale=current.get()))


_SHORT = re.compile(r"(?<![\w-])([А-ЯЁа-яё]{1,2}|для|при|над|под|без) (?=\S)")
_UNIT = re.compile(r"(\d) (?=(?:млн|млрд|тыс|₽|%|лет\b|год|мин|дн|вопрос|голос))")
_SUM = re.compile(r"(млн|млрд|тыс\.?) (?=₽|руб)")


def typo(text: str) -> str:
    """Russian micro-typography: no hanging prepositions, no number parted from its unit."""
    if current.get() != "ru":
        return text
    for pattern in (_SHORT, _UNIT, _SUM):
        text = pattern.sub(rf"\1{NBSP}", text)
    return text.replace(" —", f"{NBSP}—").replace("№ ", f"№{NBSP}")

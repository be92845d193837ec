"""Two languages: which one a reader gets, that no word lacks its Russian, and how each writes numbers and dates."""

from datetime import UTC, date, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

import pytest
from babel.messages.pofile import read_po
from tests.sites import site_settings
from tests.voting.messages import all_literals, all_messages

from voting.app import create_app
from voting.web import i18n
from voting.web.i18n import LOCALE, pick, speaking

NBSP = "\u00a0"
FILES = sorted((LOCALE / "ru").glob("*.po"))


# ---- which language


@pytest.mark.parametrize(
    ("asked", "cookie", "accepted", "expected"),
    [
        ("en", "ru", "ru", "en"),
        (None, "en", "ru", "en"),
        ("xx", None, "en-GB,en;q=0.9", "en"),
        (None, None, "en;q=0.3, ru;q=0.8", "ru"),
        (None, None, "de-DE,en-US;q=0.7", "en"),
        (None, None, "en;q=0, de", "ru"),
        (None, None, "", "ru"),
        (None, "../../etc", "*", "ru"),
        (None, None, "en;q=garbage;;,,", "en"),
    ],
)
def test_the_address_comes_first_then_the_cookie_then_the_browser_then_russian(asked, cookie, accepted, expected):
    assert pick(asked, cookie, accepted) == expected


def test_a_language_lasts_only_as_long_as_its_page() -> None:
    with speaking("en"):
        assert i18n.gettext("Polls") == "Polls"
        with speaking("ru"):
            assert i18n.gettext("Polls") == "Опросы"
        assert i18n.gettext("Polls") == "Polls"
    assert i18n.gettext("Polls") == "Опросы"


# ---- the catalogues


def test_every_message_has_russian_words() -> None:
    known = {(message.context, _id(message)) for path in FILES for message in _read(path) if _strings(message)}
    missing = sorted({(m.where, m.msgid) for m in all_messages() if (m.context, m.msgid) not in known})
    assert not missing, "no Russian for:\n" + "\n".join(f"{where}: {msgid!r}" for where, msgid in missing)


def test_an_application_has_read_its_catalogues_before_it_answers(tmp_path: Path) -> None:
    """Otherwise the first refused request of a process waits while they are read."""
    i18n.catalogue.cache_clear()
    create_app(site_settings(tmp_path), route_handlers=[])
    read = i18n.catalogue.cache_info()
    assert read.currsize == len(i18n.LANGUAGES)
    i18n.gettext_for("ru")("Nothing here"), i18n.gettext_for("en")("Nothing here")
    assert i18n.catalogue.cache_info().misses == read.misses


def test_no_translation_is_of_a_message_that_nobody_says() -> None:
    used = {(message.context, message.msgid) for message in all_messages()}
    literals = all_literals()
    unused = [
        f"{path.name}: {_id(message)!r}"
        for path in FILES
        for message in _read(path)
        if (message.context, _id(message)) not in used and _id(message) not in literals
    ]
    assert not unused, "no source says:\n" + "\n".join(unused)


def test_a_message_in_two_files_is_translated_alike() -> None:
    seen: dict[object, tuple[object, str]] = {}
    for path in FILES:
        for message in _read(path):
            key = (message.context, _id(message))
            string, where = seen.setdefault(key, (message.string, path.name))
            assert string == message.string, f"{key[1]!r} differs in {where} and {path.name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_says_each_message_once_in_full_and_with_the_same_places(path) -> None:
    ids = [line for line in path.read_text().splitlines() if line.startswith("msgid ") and line != 'msgid ""']
    contexts = sum(line.startswith("msgctxt ") for line in path.read_text().splitlines())
    assert len(ids) - len(set(ids)) <= contexts, "a message stands twice"
    for message in _read(path):
        strings = _strings(message)
        assert "fuzzy" not in message.flags, message.id
        if isinstance(message.id, tuple):
            assert len(strings) == 3, f"Russian has three plural forms: {message.id}"
        wanted = set(_places(_id(message))) | (set(_places(message.id[1])) if isinstance(message.id, tuple) else set())
        for string in strings:
            assert set(_places(string)) <= wanted, message.id
        # A form for one may spell the number out; what is said of many may not.
        assert set(_places(strings[-1])) == set(
            _places(message.id[-1] if isinstance(message.id, tuple) else message.id)
        )


@pytest.mark.parametrize(
    ("n", "word"), [(1, "секунду"), (3, "секунды"), (5, "секунд"), (11, "секунд"), (21, "секунду")]
)
def test_russian_has_three_plural_forms(n, word) -> None:
    one, many = "You can try again in %(num)s second.", "You can try again in %(num)s seconds."
    assert f"{n} {word}" in (i18n.ngettext(one, many, n) % {"num": n}).replace(NBSP, " ")
    with speaking("en"):
        assert (i18n.ngettext(one, many, n) == one) == (n == 1)


# ---- numbers, money, dates


def both(function, *arguments, **options):
    """What a function says in Russian and in English."""
    said = []
    for language in i18n.LANGUAGES:
        with speaking(language):
            said.append(function(*arguments, **options).replace(NBSP, "_"))
    return tuple(said)


def test_numbers_and_shares() -> None:
    assert both(i18n.num, 12480) == ("12_480", "12,480")
    assert both(i18n.num, 2.5, 1) == ("2,5", "2.5")
    assert both(i18n.pct, 0.142) == ("14,2_%", "14.2%")
    assert both(i18n.pct, Fraction(2, 3), 0) == ("67_%", "67%")


def test_sums_of_money_are_exact_or_short() -> None:
    assert both(i18n.money, 120_000_000)[0] == "1_200_000_₽"
    assert both(i18n.money, 120_000_050)[0] == "1_200_000,50_₽"
    assert both(i18n.money_short, 120_000_000)[0] == "1,2_млн_₽"
    assert both(i18n.money_short, 6_000_000_000)[0] == "60_млн_₽"


def test_moments_are_in_the_citys_time_with_its_name() -> None:
    moment = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
    assert both(i18n.when, moment)[0] == "24 ноября 2026, 18:00_МСК"
    assert "18:00" in both(i18n.when, moment)[1]
    assert "20:00" in both(i18n.when, moment, ZoneInfo("Asia/Yekaterinburg"))[0]
    assert both(i18n.day, date(2026, 11, 24), year=True)[0] == "24 ноября 2026"
    assert both(i18n.day, datetime(2026, 11, 24, 22, 0, tzinfo=UTC), year=False)[0] == "25 ноября"


def test_russian_lines_do_not_end_in_a_preposition_nor_part_a_number_from_its_unit() -> None:
    assert both(i18n.typo, "На что потратить 60 млн ₽ в районе")[0] == "На_что потратить 60_млн_₽ в_районе"
    assert both(i18n.typo, "in a day")[1] == "in a day"


@cache
def _read(path):
    with path.open("rb") as file:
        return [message for message in read_po(file, locale="ru") if message.id]


def _id(message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _strings(message) -> list[str]:
    strings = [message.string] if isinstance(message.string, str) else list(message.string)
    return strings if all(strings) else []


def _places(text: str) -> list[str]:
    percent = [part.partition(")")[0] for part in text.split("%(")[1:]]
    try:
        return percent + [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        return percent

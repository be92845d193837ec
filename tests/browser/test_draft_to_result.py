"""Every kind of question and every template through the pages alone: drafted, sealed, voted, counted, read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
from playwright.async_api import Locator, Page, expect
from tests.browser.city import ADULT, ANALYST, ARBAT, OFFICIAL, City
from tests.browser.conftest import Visit
from tests.browser.office import await_results, close, press, seal, set_times, type_in, unfold
from tests.browser.visitors import Visitor, in_full
from tests.builders import a_citizen
from tests.owners import a_house

from polls.poll_templates import TEMPLATES

CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)

Answers = Mapping[int, Any]
"""What a resident gives each question: see `answer`."""

# ---- one poll with every kind

KINDS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("single_choice", "Что главное в парке?", (("Деревья", "Trees"), ("Спорт", "Sport"), ("Сцена", "A stage"))),
    ("text", "Какой спорт?", ()),
    ("multiple_choice", "Что поставить у входа?", (("Карту", "A map"), ("Фонтан", "A fountain"), ("Часы", "A clock"))),
    ("rating", "Оцените дорожки", (("Северная аллея", "The northern walk"), ("У пруда", "By the pond"))),
    ("rating", "Как вам места?", (("Парк", "The park"), ("Сквер", "The square"))),
    ("ranking", "Что строить первым?", (("Каток", "A rink"), ("Кафе", "A café"), ("Теплицу", "A greenhouse"))),
    ("ranking", "Какой маршрут?", (("Трамвай", "A tram"), ("Автобус", "A bus"), ("Канатку", "A cable car"))),
    ("ranking", "Кого в совет?", (("Анну", "Anna"), ("Бориса", "Boris"), ("Веру", "Vera"))),
    ("points", "Раздайте баллы", (("Тень", "Shade"), ("Вода", "Water"), ("Свет", "Light"))),
    ("budget", "На что потратить?", (("Мост", "A bridge"), ("Паром", "A ferry"), ("Беседку", "A pavilion"))),
    ("budget", "Какие дворы сделать?", (("Первый", "The first"), ("Второй", "The second"), ("Третий", "The third"))),
    ("text", "Что ещё?", ()),
)
SETTINGS: Mapping[int, Mapping[str, str]] = {
    3: {"max_choices": "2"},
    5: {"scale_min": "-1", "scale_max": "1"},
    8: {"rule.winners": "2"},
    9: {"total": "6"},
    10: {"rule.budget": "400 000", "options.1.cost": "200 тыс", "options.2.cost": "100 000",
         "options.3.cost": "150 000", "options.1.exclusive": "вода", "options.2.exclusive": "вода"},
    11: {"rule.budget": "0,5 млн", "options.1.cost": "300 000", "options.2.cost": "200 000",
         "options.3.cost": "250 000"},
}  # fmt: skip
NUMBERS = in_full(range(1, len(KINDS) + 1), (1, 2, 3, 7, 10, 12))
"""The questions that are asked; in short without ratings and points, whose ballots `test_all_kinds` fills in."""
PLACES = {number: place for place, number in enumerate(NUMBERS, start=1)}
"""Where each question stands in the poll."""
METHODS = {5: "majority_judgment", 7: "instant_runoff", 8: "stv_scottish", 11: "equal_shares"}

BALLOTS: tuple[Answers, ...] = (
    {1: [1], 3: [1, 2], 4: {1: 5, 2: 1}, 5: {1: 1, 2: -1}, 6: [1, 2, 3], 7: [1, 2], 8: [1, 2], 9: {1: 6}, 10: [1, 2],
     11: [1, 3], 12: "Больше тени"},
    {1: [1], 3: [1], 4: {1: 4, 2: 2}, 5: {1: 1, 2: 0}, 6: [2, 1, 3], 7: [1], 8: [1, 2], 9: {1: 3, 2: 3}, 10: [1],
     11: [1, 3]},
    {1: [2], 2: "Badminton", 3: ["A <map>", 2], 4: {1: 4}, 5: {1: 0, 2: -1}, 6: [3, 1, 2], 7: [2, 1, 3], 8: [1, 3],
     9: {2: 4, 3: 2}, 10: [1], 11: [1]},
    {1: ["Тишину"], 3: [1, 2], 4: {1: 2, 2: 3}, 5: {1: -1, 2: 1}, 6: [2, 1, 3], 7: [2], 8: [2], 9: {3: 6}, 10: [2, 3],
     11: [2]},
    {1: ["тишину"], 3: [1, 3], 4: {1: 5, 2: 2}, 5: {1: 0, 2: -1}, 6: [3, 1, 2], 7: [3, 2], 8: [3],
     9: {1: 2, 2: 2, 3: 2}, 10: [3], 11: [2]},
)  # fmt: skip
PLAIN: Mapping[str, Any] = {"javascript": False}
BROWSERS: tuple[Mapping[str, Any], ...] = (
    {}, {"javascript": False}, {"locale": "en-GB", "size": "phone"}, {"size": "phone"}, {"javascript": False},
)  # fmt: skip


async def test_every_kind_from_the_draft_to_the_result(visit: Visit, city: City) -> None:
    official = await visit(OFFICIAL)
    page = official.page
    await official.go("/officials/polls/new")
    await unfold(page)
    await type_in(page, {"title.ru": "Парк целиком", "title.en": "The whole park"})
    for number in NUMBERS:
        await add_question(page, number)
    for number in NUMBERS:
        await fill_question(page, number)
    await set_times(page)
    public_id, slug = await seal(official)

    everybody = [*zip(BALLOTS, BROWSERS, strict=True), *((one, PLAIN) for one in BALLOTS)]
    at_browsers = in_full(range(len(everybody)), (1, 2))
    for turn, (given, browser) in enumerate(everybody):
        answers = {PLACES[number]: one for number, one in given.items() if number in PLACES}
        if turn in at_browsers:
            voter = await visit(await city.resident(), **browser)
            await voter.go(f"/polls/{slug}/vote")
            await vote(voter, answers)
        else:
            await city.cast(slug, as_sent(answers))

    await moderate(official, public_id)
    await close(official, public_id)
    await await_results(official, slug, city)
    await read_results(official)
    await read_english(await visit(locale="en-GB", size="phone", javascript=False), slug)
    await read_files(await visit(ANALYST), slug)


async def add_question(page: Page, number: int) -> None:
    """Add a question with its options; the first is there already."""
    place, (kind, _, options) = PLACES[number], KINDS[number - 1]
    at = f"questions.{place}"
    if place > 1:
        await press(page, f"add_question:{kind if kind != 'multiple_choice' else 'single_choice'}")
    if kind == "multiple_choice":
        await page.locator(f"[name='{at}.kind']").select_option(kind)
        await press(page, "refresh")
    for _ in options[2:]:
        await press(page, f"add_option:{place}")


async def fill_question(page: Page, number: int) -> None:
    """Give a question its words, its options and its rule."""
    at = f"questions.{PLACES[number]}"
    kind, name, options = KINDS[number - 1]
    await type_in(page, {f"{at}.text.ru": name, f"{at}.text.en": f"Question {number}: {kind}"})
    for option, (ru, en) in enumerate(options, start=1):
        await type_in(page, {f"{at}.options.{option}.text.ru": ru, f"{at}.options.{option}.text.en": en})
    await type_in(page, {f"{at}.{name}": value for name, value in SETTINGS.get(number, {}).items()})
    if number in METHODS:
        await page.locator(f"[name^='{at}.rule.'][value={METHODS[number]}]").check()
    if kind in ("single_choice", "multiple_choice"):
        await page.locator(f"[name='{at}.own_answer']").check()
    if number == 2:
        await page.locator(f"[name='{at}.shown_if.question']").select_option("1")
        await press(page, "refresh")
        await page.locator(f"[id='{at}.shown_if.options.2']").check()
    if number == 5:
        await page.locator(f"[name='{at}.levels.declared']").check()
        await press(page, "refresh")
        for place, (ru, en) in enumerate((("плохо", "bad"), ("сносно", "passable"), ("хорошо", "good"))):
            await type_in(page, {f"{at}.levels.{place}.ru": ru, f"{at}.levels.{place}.en": en})
    if number == 12:
        await page.locator(f"[name='{at}.required']").uncheck()


# ---- a resident


async def vote(voter: Visitor, answers: Answers) -> None:
    """From the first question to the receipt."""
    for _ in range(30):
        if not await voter.page.locator("button[name=op][value=next]").count():
            break
        for number in await questions_on(voter.page):
            if number in answers:
                await answer(voter, number, answers[number])
        async with voter.page.expect_navigation():
            await voter.page.locator("button[name=op][value=next]").click()
    await voter.headed("Check your answers. Your vote has not been sent yet")
    assert await voter.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await voter.button("Send my vote").click()
    await voter.headed("Your vote was taken")


async def questions_on(page: Page) -> list[int]:
    """The numbers of the questions a page asks."""
    ids = [await title.get_attribute("id") for title in await page.locator("[id^='q-'][id$='-title']").all()]
    return [int(str(name).split("-")[1]) for name in ids]


async def answer(voter: Visitor, number: int, given: Any) -> None:
    """Words, chosen options (words among them are an own answer), an order of options, or numbers by option."""
    page = voter.page
    ranked = page.locator("rank-list")
    if isinstance(given, str):
        await page.locator(f"#q-{number}-own").fill(given)
    elif isinstance(given, Mapping):
        for option, value in given.items():
            mark = voter.level(number, option, value)
            await (mark.check() if await mark.count() else page.locator(f"#q-{number}-o-{option}").fill(str(value)))
    elif await ranked.count():
        await rank(ranked, number, given)
    else:
        for one in given:
            if isinstance(one, str):
                await page.locator(f"#q-{number}-own").fill(one)
                await voter.choice(number, 0).check()
            else:
                await voter.choice(number, one).check()


async def rank(ranked: Locator, number: int, order: Sequence[int]) -> None:
    """By the buttons of the list, or by the places where there is no JavaScript."""
    for place, option in enumerate(order, start=1):
        select = ranked.page.locator(f"[name=q-{number}-{option}]")
        button = ranked.locator("li.rank").filter(has=select).locator("[data-do=add]")
        if await button.count():
            await button.click()
        else:
            await select.select_option(str(place))


def as_sent(answers: Answers) -> dict[str, Any]:
    """The same answers as the service takes them from a program."""

    def sent(given: Any) -> Any:
        if isinstance(given, Mapping):
            return {str(option): value for option, value in given.items()}
        if isinstance(given, str):
            return given
        return [{"own": one} if isinstance(one, str) else one for one in given]

    return {str(number): sent(given) for number, given in answers.items()}


# ---- the words


async def moderate(official: Visitor, public_id: str) -> None:
    """Approve what may be shown, show one wording with an option, reject one, each with a button of the queue."""
    page = official.page
    await official.go(f"/officials/polls/{public_id}")
    await official.link("Words to read", exact=False).click()
    for question, wording, act in ((1, "тишину", "approve"), (2, "Badminton", "approve"), (3, "A <map>", "merge"),
                                   (12, "Больше тени", "reject")):  # fmt: skip
        await official.go(f"/officials/polls/{public_id}/words?question={PLACES[question]}")
        row = page.locator("li.word").filter(has_text=wording)
        if act != "approve":
            await row.locator("summary").click()
        if act == "merge":
            await row.locator("[name=merged_into]").select_option("1")
        if act == "reject":
            await row.locator("[name=note]").fill("Не о парке")
        await row.locator(f"button[name=act][value={act}]").click()
        await expect(page.get_by_role("status").first).to_be_visible()
    assert await page.locator("li.word").count() == 0


# ---- the result


def tile(reader: Visitor, number: int) -> Locator:
    """The part of the results page that tells of a question."""
    return reader.page.locator(f"section[aria-labelledby=h-q{number}]")


OUTCOMES: Mapping[int, tuple[str, ...]] = {
    1: ("Победил вариант «Деревья»: 4 голоса. Это 40,0 % от действительных ответов.", "ишину 4 раза",
        "Бюллетеней со своими словами жителей: 4.", "Победитель: «Деревья»."),
    2: ("Показан в 2 бюллетенях", "Текст написали 2 жителя.", "Тексты не публикуются"),
    3: ("Победил вариант «Карту»: 8 голосов. Это 80,0 %", "A <map> 2 раза · показан рядом с вариантом «Карту»"),
    4: ("Лучшая оценка: «Северная аллея». Средняя 4,00, медиана 4.",),
    5: ("Лучшая оценка: «Парк». Оценка большинства: сносно (0).", "оценок лучше 4, хуже 2"),
    6: ("Победил вариант «Каток». На первое место его поставили 2 бюллетеня.",
        "«Каток» побеждает каждый другой вариант (победитель по Кондорсе)."),
    7: ("В последнем туре у него 6 из 10 ещё действовавших бюллетеней.", "После тура 1 выбывает «Канатку».",
        "Тур 2: «Трамвай» 4, «Автобус» 6."),
    8: ("Победили варианты: «Анну» и «Бориса».", "Квота на 2 места: 4.",
        "Этап 2: «Анну» 4, «Бориса» 3,33, «Веру» 2,67.", "Место занимает «Бориса»."),
    9: ("Победил вариант «Тень»: 22 балла.", "Всего роздано баллов: 60."),
    10: ("Финансируются 2 проекта: «Мост» и «Беседку».", "Всего потрачено 350 000 ₽, осталось 50 000 ₽.",
         "его нельзя построить вместе с проектом, который финансируется",
         "Линия отсечения: следующий по очереди проект не финансируется."),
    11: ("Финансируются 2 проекта: «Первый» и «Второй».", "вносят 6 его сторонников. Действенных голосов: 6.",
         "«Третий»: 4 голоса, 250 000 ₽. Не финансируется"),
    12: ("Текст написали 2 жителя.", "Ни один из текстов не допущен к показу."),
}  # fmt: skip


async def tells(reader: Visitor, number: int, pieces: Sequence[str]) -> None:
    """The part of a question says each of these, whatever the spaces and lines between the words."""
    told = " ".join((await tile(reader, number).inner_text()).split())
    for piece in pieces:
        assert piece in told, (number, piece, told)


async def read_results(reader: Visitor) -> None:
    """The page tells each outcome in words, with what led to it."""
    await expect(reader.page.locator("dl.facts dd").first).to_have_text("10")
    for number, place in PLACES.items():
        await tells(reader, place, OUTCOMES[number])
    assert "Больше тени" not in await reader.main.inner_text(), "a rejected text is shown nowhere"


async def read_english(reader: Visitor, slug: str) -> None:
    """The English page, without JavaScript and on a phone, holds no Russian words but residents' own."""
    await reader.go(f"/polls/{slug}/results?lang=en")
    await expect(tile(reader, PLACES[7])).to_contain_text(
        "In the last round it had 6 of the 10 ballots that still counted."
    )
    await no_russian(reader, given=("тишину", "Тишину"))


async def no_russian(reader: Visitor, given: Sequence[str]) -> None:
    """An English page has no Cyrillic letter but in what residents wrote, in names of houses and of Russian laws."""
    lines = [line for line in (await reader.main.inner_text()).splitlines() if CYRILLIC.search(line)]
    assert [line for line in lines if not any(words in line for words in given)] == []


async def read_files(analyst: Visitor, slug: str) -> None:
    """The files hold what the page shows."""
    await analyst.go(f"/polls/{slug}/results")
    tables: dict[str, pd.DataFrame] = {}
    for name in ("results", "details", "texts"):
        async with analyst.page.expect_download() as waiting:
            await analyst.page.locator(f"a[href='/api/v1/polls/{slug}/{name}.csv']").click()
        tables[name] = pd.read_csv(await (await waiting.value).path())
        tables[name]["question_id"] = tables[name]["question_id"].map(dict(enumerate(NUMBERS, start=1)))
    results = tables["results"]
    won = results[results["status"].isin(["winner", "funded"]) & (results["dimension"] == "all")]
    expected = {
        (1, "Деревья", 4), (3, "Карту", 8), (4, "Северная аллея", 10), (5, "Парк", 10), (6, "Каток", 2),
        (7, "Автобус", 4), (8, "Анну", 6), (8, "Бориса", 2), (9, "Тень", 6), (10, "Мост", 6), (10, "Беседку", 4),
        (11, "Первый", 6), (11, "Второй", 4),
    }  # fmt: skip
    found = set(zip(won["question_id"], won["option_ru"], won["votes"], strict=True))
    assert found == {row for row in expected if row[0] in PLACES}
    details = tables["details"]
    rounds = details[(details["figure"] == "round") & (details["question_id"] == 7) & (details["option_id"] > 0)]
    assert list(zip(rounds["number"], rounds["option_id"], rounds["votes"], strict=True)) == [
        (1, 1, 4), (1, 2, 4), (1, 3, 2), (2, 1, 4), (2, 2, 6)
    ]  # fmt: skip
    if 6 in PLACES:
        pairs = details[(details["figure"] == "pair") & (details["question_id"] == 6)]
        assert {(a, b): n for a, b, n in zip(pairs["option_id"], pairs["other_id"], pairs["votes"], strict=True)} == {
            (1, 2): 6, (1, 3): 6, (2, 1): 4, (2, 3): 6, (3, 1): 4, (3, 2): 4
        }  # fmt: skip
    if 8 in PLACES:
        moved = details[(details["figure"] == "round") & (details["question_id"] == 8) & (details["number"] == 2)]
        assert dict(zip(moved["option_id"], moved["votes"], strict=True)) == {1: 4, 2: 3.33332, 3: 2.66666, 0: 0.00002}
    texts = tables["texts"]
    assert sorted(zip(texts["question_id"], texts["text"], texts["shown_beside"].fillna(0), strict=True)) == [
        (1, "Тишину", 0), (1, "Тишину", 0), (1, "тишину", 0), (1, "тишину", 0), (3, "A <map>", 1), (3, "A <map>", 1)
    ], "two ballots of the follow-up are too few to publish what they say"  # fmt: skip


# ---- templates


@dataclass(frozen=True)
class Case:
    """What residents answer to a template and what its results page then says. `owners`: letters of `tests.owners`."""

    ballots: tuple[Answers, ...]
    told: Mapping[int, tuple[str, ...]]
    owners: str = ""


TEMPLATE_CASES: Mapping[str, Case] = {
    "city_poll": Case(
        ({1: [1]}, {1: [1]}, {1: ["Пруд"]}),
        {1: ("Победил вариант «Спортивным площадкам»: 2 голоса.", "Бюллетеней со своими словами жителей: 1.")},
    ),
    "district_poll": Case(
        ({1: [1, 2]}, {1: [1]}, {1: [4], 2: "И так хорошо"}),
        {1: ("Победил вариант «Детскую площадку»: 2 голоса. Это 66,7 %",), 2: ("Текст написал 1 житель.",)},
    ),
    "venue_rating": Case(
        ({1: {1: 5, 2: 2, 3: 3}}, {1: {1: 4, 2: 2}}, {1: {1: 1, 2: 2, 3: 4}}),
        {1: ("Лучшая оценка: «Площадь у театра». Средняя 3,33, медиана 4.",)},
    ),
    "ranking": Case(
        ({1: [1, 2, 3, 4]}, {1: [2, 1]}, {1: [2, 3]}),
        {1: ("Победил вариант «Лесная». На первое место его поставили 2 бюллетеня.",)},
    ),
    "participatory_budget": Case(
        ({1: [1, 4]}, {1: [2, 4]}, {1: [3, 6]}),
        {1: ("Финансируются 5 проектов: «Освещение двора», «Книгообмен в библиотеке»", "Доля каждого проголосовавшего",
             "На остаток взяты проекты с наибольшим числом голосов, которые в него уложились: «Навес на остановке».")},
    ),
    "owners_meeting": Case(
        ({1: [1], 2: [1], 3: [1], 4: [1]}, {1: [1], 2: [1], 3: [2], 4: [1]}, {1: [2], 2: [1], 3: [1], 4: [90]}),
        {1: ("Дом решил «за».", "87,34 % от 131,67 м²", "Нужно больше 50,0 %. Этого достаточно."),
         2: ("52,67 % от 250,00 м²",), 3: ("Дом не решил «за».", "Нужно не меньше 2/3. Этого недостаточно."),
         4: ("46,00 % от 250,00 м²", "Нужно не меньше 100,0 %. Этого недостаточно.")},
        owners="abd",
    ),
    "renovation": Case(({1: [1]}, {1: [1]}, {1: [2]}), {1: ("Дом",)}, owners="abf"),
}  # fmt: skip


def test_every_template_is_here() -> None:
    assert set(TEMPLATE_CASES) == set(TEMPLATES)


@pytest.mark.parametrize("code", in_full(TEMPLATE_CASES, ["owners_meeting"]))
async def test_a_template_from_the_gallery_to_the_result(visit: Visit, city: City, code: str) -> None:
    """With the least that must be filled in: a place and the times."""
    case = TEMPLATE_CASES[code]
    house = f"arbat-{code.replace('_', '-')}"
    async with city.database.open_session() as session:
        if case.owners:
            people = await a_house(session, code=house)
            voters = [people[letter] for letter in case.owners]
        else:
            voters = [await a_citizen(session, district=ARBAT, born=ADULT) for _ in case.ballots]
    official = await visit(OFFICIAL)
    if code == "renovation":
        await begin_without_a_place(official, code, house)
    else:
        await begin_with(official, code, house if case.owners else "")
    await set_times(official.page)
    _, slug = await seal(official)
    at_browsers = in_full(range(len(voters)), (0,))
    for turn, (citizen_id, answers, browser) in enumerate(zip(voters, case.ballots, BROWSERS, strict=False)):
        if turn in at_browsers:
            voter = await visit(await city.account_of(citizen_id), **browser)
            await voter.go(f"/polls/{slug}/vote")
            await vote(voter, answers)
        else:
            await city.cast(slug, as_sent(answers), citizen_id)
    await city.close(slug)
    await await_results(official, slug, city)
    await expect(official.page.locator("dl.facts dd").first).to_have_text("3")
    for number, pieces in case.told.items():
        await tells(official, number, pieces)
    await official.go(f"/polls/{slug}/results?lang=en")
    await unfold(official.page)
    await no_russian(official, given=("Арбат, arbat", "The law:"))


async def begin_without_a_place(official: Visitor, code: str, house: str) -> None:
    """With no house chosen the check names what is missing; all of it is put right in the editor."""
    page = official.page
    await official.go(f"/officials/polls/new?template={code}")
    await set_times(page)
    await page.locator("button[name=op][value=check]").click()
    await official.headed("Check before scheduling")
    missing = page.locator("section[aria-labelledby=blocking-h] .findings a")
    named = {str(await one.get_attribute("href")).partition("#")[2] for one in await missing.all()}
    assert named == {"territory", "units.buildings", "audience"}
    await page.locator(".findings a").first.click()
    await unfold(page)
    await page.locator("[name=territory]").select_option(ARBAT)
    await tick_house(page, "units.buildings", house)
    await press(page, "refine_audience")
    await press(page, "add_part:unit")
    await tick_house(page, "audience.parts.1.codes", house)


async def tick_house(page: Page, name: str, house: str) -> None:
    """Look for a house by its address and tick it."""
    await page.locator(f"[name='{name}.find']").fill(house)
    await press(page, "refresh")
    await page.locator(f"[id='{name}.{house}']").check()


async def begin_with(official: Visitor, code: str, house: str) -> None:
    """From the desk through the gallery to the editor, for the Arbat or for a house looked for by its address."""
    page = official.page
    await official.go("/officials")
    await official.link("New poll").click()
    if house:
        await page.locator("[name=house]").fill(house)
        await page.locator("form", has=page.locator("[name=house]")).get_by_role("button").click()
        await expect(page.locator("#territory")).to_have_value(house)
    else:
        await page.locator("#territory").select_option(ARBAT)
    await page.locator(f"button[name=template][value={code}]").click()
    await expect(official.page.get_by_role("status").first).to_contain_text("Пока ничего не сохранено")
    await unfold(page)

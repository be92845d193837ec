"""What the checklist hears in real-looking questions, and what it must not mistake for a fault."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.builders import NOW, a_definition, a_single_choice, an_option

from polls.checklist import findings
from polls.checklist_ranges import read_range, seams

WORDING = {
    "double_barrelled", "leading_wording", "no_against_option", "scale_unbalanced", "options_overlap",
    "options_leave_gap", "option_contained",
}  # fmt: skip
HARD = {"id": 90, "text": {"ru": "Затрудняюсь ответить", "en": "Hard to say"}, "kind": "neutral"}


def heard(ru: str = "", en: str = "", options: tuple[str, ...] = (), **more: Any) -> set[str]:
    """The codes of wording in one question; options are Russian."""
    listed = [{"id": n, "text": {"ru": words, "en": words}} for n, words in enumerate(options or ("А", "Б"), start=1)]
    question = {"kind": "single_choice", "id": 1, "text": {"ru": ru or "Вопрос", "en": en or "Question"},
                "options": [*listed, HARD], **more}  # fmt: skip
    found = findings(a_definition(questions=[question]), NOW)
    assert not any(finding.blocking for finding in found if finding.code in WORDING)
    return {finding.code for finding in found} & WORDING


@pytest.mark.parametrize(
    "words",
    [
        "Построить парковку и снести гаражи?",
        "Нужно ли закрыть сквер и построить на его месте центр?",
        "Поддерживаете ли вы строительство парковки и снос гаражей?",
        "Вы за благоустройство двора или расширение проезда?",
        "Что построить и где?",
        "Когда и как проводить фестиваль?",
        "Следует ли продлить линию трамвая, а также отменить автобус?",
    ],
)
def test_two_proposals_in_one_question_are_heard(words: str) -> None:
    assert "double_barrelled" in heard(words)


@pytest.mark.parametrize(
    "words",
    [
        "Should we build a car park and demolish the garages?",
        "Do you support closing the square and building a centre?",
        "Should the city plant trees or to widen the street?",
        "What should we build and where?",
    ],
)
def test_two_proposals_in_one_question_are_heard_in_english(words: str) -> None:
    assert "double_barrelled" in heard(en=words)


@pytest.mark.parametrize(
    "words",
    [
        "Согласны ли вы, что двору нужна парковка?",
        "Не считаете ли вы, что сквер пора обновить?",
        "Разве сквер не заслуживает фонтана?",
        "Нравится ли вам долгожданный парк?",
        "Поддерживаете ли вы замечательный проект набережной?",
        "Надо ли наконец убрать уродливый забор?",
        "Насколько вам понравилась новая набережная?",
        "Насколько заметно улучшилась уборка улиц?",
    ],
)
def test_leading_words_are_heard(words: str) -> None:
    assert "leading_wording" in heard(words)


@pytest.mark.parametrize(
    "words",
    ["Do you agree that the yard needs a car park?", "Wouldn't you like a fountain?",
     "How much better is the street now?", "Do you support the long-awaited, beautiful park?"],
)  # fmt: skip
def test_leading_words_are_heard_in_english(words: str) -> None:
    assert "leading_wording" in heard(en=words)


QUIET_RU = [
    "Каким будет новый парк культуры и отдыха?",
    "Какую улицу благоустроить первой?",
    "Что построить на пустыре?",
    "Как назвать новую станцию метро?",
    "Куда перенести остановку автобуса?",
    "Нужен ли велопрокат у метро «Сокольники» и «Парк культуры»?",
    "Поддерживаете ли вы установку шлагбаума на въезде во двор?",
    "Сколько раз в неделю вы пользуетесь метро и автобусом?",
    "Выберите лучший эскиз для детей и взрослых.",
    "Какое время проведения ярмарки вам удобно?",
    "Какие виды спорта развивать в районе: футбол, волейбол и баскетбол?",
    "Включить ваш дом в программу реновации?",
    "Во сколько должны закрываться кафе и рестораны на набережной?",
    "Избрать председателем собрания собственника квартиры 1?",
    "Каким цветом покрасить фасады и двери?",
    "Какой маршрут нужен жителям Арбата и Басманного района?",
    "В каком порядке благоустраивать улицы?",
    "Как часто вывозить мусор в праздничные и выходные дни?",
]
QUIET_EN = [
    "What should get most room in the new park?",
    "Which street should be improved first?",
    "Do you support a barrier at the entrance to the yard?",
    "How often do you use the metro and the bus?",
    "Choose the best design for children and adults.",
    "Which colours should the doors and windows have?",
    "When should cafes and restaurants close?",
]


@pytest.mark.parametrize("words", QUIET_RU)
def test_plain_questions_give_no_alarm(words: str) -> None:
    assert heard(words) == set()


@pytest.mark.parametrize("words", QUIET_EN)
def test_plain_questions_give_no_alarm_in_english(words: str) -> None:
    assert heard(en=words) == set()


@pytest.mark.parametrize(
    ("words", "options", "alarm"),
    [
        ("Поддерживаете ли вы установку шлагбаума?", ("Да", "Да, если бесплатно"), True),
        ("Поддерживаете ли вы установку шлагбаума?", ("Поддерживаю", "Поддерживаю частично"), True),
        ("Поддерживаете ли вы установку шлагбаума?", ("Да", "Нет"), False),
        ("Нужно ли перекрыть улицу?", ("За", "Против"), False),
        ("Нужно ли перекрыть улицу?", ("Да, летом", "Оставить как есть"), False),
        ("Какую сцену построить?", ("Большую", "Малую"), False),
    ],
)
def test_a_yes_needs_a_no(words: str, options: tuple[str, ...], *, alarm: bool) -> None:
    assert ("no_against_option" in heard(words, options=options)) is alarm


@pytest.mark.parametrize(
    ("levels", "alarm"),
    [
        (("Плохо", "Средне", "Хорошо", "Очень хорошо", "Отлично"), True),
        (("Неудовлетворительно", "Хорошо", "Отлично"), True),
        (("Очень плохо", "Плохо", "Средне", "Хорошо", "Очень хорошо"), False),
        (("Совсем не нравится", "Скорее не нравится", "Скорее нравится", "Очень нравится"), False),
        (("Полностью недоволен", "Недоволен", "Ни то, ни другое", "Доволен", "Полностью доволен"), False),
        (("Первый класс", "Второй класс", "Третий класс"), False),
        (("Bad", "Fair", "Good", "Very good", "Excellent"), True),
        (("Very bad", "Bad", "Fair", "Good", "Very good"), False),
        (("Strongly disagree", "Disagree", "Neither", "Agree", "Strongly agree"), False),
    ],
)
def test_a_scale_has_as_much_praise_as_blame(levels: tuple[str, ...], *, alarm: bool) -> None:
    named = [{"ru": level, "en": level} for level in levels]
    question = {"kind": "rating", "id": 1, "text": {"ru": "Оцените двор", "en": "Rate the yard"}, "levels": named,
                "scale_max": len(levels), "options": [an_option(1), HARD]}  # fmt: skip
    codes = {finding.code for finding in findings(a_definition(questions=[question]), NOW)}
    assert ("scale_unbalanced" in codes) is alarm
    if alarm:
        assert "scale_unbalanced" in heard("Как вам двор?", options=levels)


def test_two_qualities_are_not_rated_by_one_mark() -> None:
    def rated(words: str) -> bool:
        question = {"kind": "rating", "id": 1, "text": {"ru": words, "en": "Rate"}, "options": [an_option(1), HARD]}
        return "double_barrelled" in {f.code for f in findings(a_definition(questions=[question]), NOW)}

    assert rated("Оцените безопасность и доступность парка")
    assert not rated("Оцените парк культуры и отдыха")
    assert not rated("Оцените чистоту дворов")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("До 18 лет", "18–25 лет", "25–35 лет", "Старше 35 лет"), "options_overlap"),
        (("до 10 минут", "от 10 до 20 минут", "от 20 до 30 минут", "более 30 минут"), "options_overlap"),
        (("0-17", "18-24", "30-44", "45+"), "options_leave_gap"),
        (("under 20", "20-40", "50 and over"), "options_leave_gap"),
        (("До 18 лет", "18–24 года", "25–34 года", "35 лет и старше"), None),
        (("до 1 000 ₽", "1 001–5 000", "более 5 000"), None),
        (("Менее 10%", "10-20%", "21-30%", "более 30%"), None),
        (("под 5", "пять", "10-20"), None),
        (("Парк", "Парк с фонтаном", "Сквер"), "option_contained"),
        (("Автобус", "Трамвай", "Автобус и трамвай"), "option_contained"),
        (("Парк", "Парковка"), None),
        (("Да", "Да, но позже", "Нет"), None),
    ],
)
def test_options_that_overlap_or_leave_something_out(options: tuple[str, ...], code: str | None) -> None:
    found = heard("Вопрос", options=options) & {"options_overlap", "options_leave_gap", "option_contained"}
    assert found == ({code} if code else set())


def test_ranges_are_read_with_their_open_ends() -> None:
    under, over = read_range("до 18 лет"), read_range("старше 60")
    assert under is not None and over is not None
    assert (under.high, under.high_at_least, over.low, over.low_at_most) == (18, 17, 60, 61)
    assert read_range("улица 1905 года") is None
    assert read_range("25-18") is None
    assert seams([r for r in (under, read_range("18-60"), over) if r]) == []


def test_hostile_texts_take_no_time() -> None:
    long = "строить и " * 1_000
    question = a_single_choice(1, 3, text={"ru": long[:9_999], "en": ("build and " * 1_000)[:9_999]})
    many = {**a_single_choice(2), "options": [an_option(n, "парк " * 1_900 + str(n)) for n in range(1, 301)]}
    began = time.perf_counter()
    findings(a_definition(questions=[question, many]), NOW)
    assert time.perf_counter() - began < 5


def test_each_warning_says_what_it_heard() -> None:
    [found] = [f for f in findings(a_definition(questions=[a_single_choice(1, 2, text={
        "ru": "Разве сквер, безусловно, не нужен?", "en": "Is a square needed?"})]), NOW)
        if f.code == "leading_wording"]  # fmt: skip
    assert (found.path, found.facts) == ("questions/1/text", {"language": "ru", "words": ["разве", "безусловно"]})

"""The first line of a file in Russian or in English; machine names (:mod:`results.exports.columns`) are the default.

A title is short and stays as it is within a major version of the format, like the name it stands for. The codebook has
both beside every name, so that a file with either first line is told by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from results.exports.columns import ColumnDoc

Language = Literal["ru", "en"]

TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "poll_id": ("Номер голосования", "Poll id"),
    "poll_slug": ("Адрес голосования", "Poll address"),
    "poll_hash": ("Хеш правил", "Hash of the rules"),
    "question_id": ("Вопрос №", "Question no."),
    "question_kind": ("Вид вопроса", "Kind of question"),
    "question_ru": ("Вопрос", "Question (Russian)"),
    "question_en": ("Вопрос по-английски", "Question"),
    "class": ("Класс ответа", "Class of answer"),
    "option_id": ("Вариант №", "Option no."),
    "option_ru": ("Вариант", "Option (Russian)"),
    "option_en": ("Вариант по-английски", "Option"),
    "dimension": ("Разрез", "Breakdown"),
    "group_code": ("Код группы", "Group code"),
    "group_ru": ("Группа", "Group (Russian)"),
    "group_en": ("Группа по-английски", "Group"),
    "suppressed": ("Скрыто", "Hidden"),
    "votes": ("Голосов", "Votes"),
    "share": ("Доля", "Share"),
    "denominator": ("От чего доля", "Share of"),
    "denominator_n": ("Знаменатель", "Denominator"),
    "rating_mean": ("Средняя оценка", "Mean rating"),
    "rating_median": ("Медиана оценок", "Median rating"),
    **{f"rating_{level}": (f"Оценок {level}", f"Rated {level}") for level in range(1, 6)},
    "place": ("Место", "Place"),
    "status": ("Итог", "Outcome"),
    "cost": ("Стоимость", "Cost"),
    "currency": ("Валюта", "Currency"),
    "points": ("Баллы", "Points"),
    "score": ("Счёт правила", "Score of the rule"),
    "rating_trimmed_mean": ("Усечённое среднее", "Trimmed mean rating"),
    "grade": ("Оценка большинства", "Majority grade"),
    "grade_above": ("Оценок лучше", "Grades above"),
    "grade_below": ("Оценок хуже", "Grades below"),
    "figure": ("Показатель", "Figure"),
    "other_id": ("Второй вариант №", "Other option no."),
    "number": ("Оценка, место или тур", "Level, place or round"),
    "text": ("Текст", "Text"),
    "shown_beside": ("Показан рядом с вариантом №", "Shown beside option no."),
    "entitled": ("Имели право", "Entitled"),
    "turnout": ("Явка", "Turnout"),
    "style": ("Вид бюллетеня", "Ballot style"),
    "answer": ("Ответ", "Answer"),
    "nonce": ("Случайная добавка", "Nonce"),
    "slug": ("Адрес голосования", "Poll address"),
    "table": ("Таблица", "Table"),
    "begins": ("С", "From"),
    "ends": ("По", "To"),
    "okrugs": ("Коды округов", "Okrug codes"),
    "label_ru": ("Где", "Where (Russian)"),
    "label_en": ("Где по-английски", "Where"),
    "hidden": ("Скрытые столбцы", "Hidden columns"),
}


def header_of(columns: Sequence[ColumnDoc], language: Language | None) -> list[str]:
    """The first line of a file: machine names, or titles in a language."""
    return [title_of(column.name, language) for column in columns]


def title_of(name: str, language: Language | None) -> str:
    """One column's title in a language, or its machine name."""
    if language is None:
        return name
    ru, en = TITLES[name]
    return en if language == "en" else ru

"""A poll that holds every kind of question, follow-ups, own answers and ballot styles, for tests of pages and API."""

from __future__ import annotations

from typing import Any

from tests.builders import an_option, both

UNSURE = an_option(90, "Затрудняюсь ответить", kind="neutral") | {"text": both("Затрудняюсь ответить", "Hard to say")}


def named(number: int, ru: str, en: str, **more: Any) -> dict[str, Any]:
    """An option with its names."""
    return an_option(number, ru, **more) | {"text": both(ru, en)}


def all_kinds() -> list[dict[str, Any]]:
    """Twelve questions: 2 follows 1 on its page, 12 follows 1 from a page of its own; the rest stand alone."""
    return [
        {"kind": "single_choice", "id": 1, "own_answer": True, "shuffle": True,
         "text": both("Что главное в парке?", "What matters most in the park?"),
         "options": [named(1, "Деревья", "Trees"), named(2, "Спорт", "Sport"), named(3, "Сцена", "A stage"), UNSURE]},
        {"kind": "text", "id": 2, "max_length": 100, "text": both("Какой спорт?", "Which sport?"),
         "shown_if": {"question": 1, "options": [2, 0]}, "required": True},
        {"kind": "multiple_choice", "id": 3, "own_answer": True,
         "text": both("Что поставить у входа?", "What to put at the gate?"),
         "options": [named(1, "Карту", "A map"), named(2, "Фонтан", "A fountain"),
                     named(3, "Часы", "A clock"), UNSURE]},
        {"kind": "rating", "id": 4, "scale_min": 0, "scale_max": 10, "required": False,
         "text": both("Оцените дорожки", "Rate the paths"),
         "options": [named(1, "Северная аллея", "The northern walk"), named(2, "У пруда", "By the pond"), UNSURE]},
        {"kind": "rating", "id": 5, "scale_min": 1, "scale_max": 3, "text": both("Как вам парк?", "How is the park?"),
         "levels": [both("плохо", "bad"), both("сносно", "passable"), both("хорошо", "good")],
         "rule": {"method": "rating", "order_by": "majority_judgment"}, "options": [named(1, "Парк", "The park")]},
        {"kind": "rating", "id": 6, "scale_min": -20, "scale_max": 20, "required": False,
         "text": both("Насколько стало лучше?", "How much better is it?"), "options": [named(1, "Парк", "The park")]},
        {"kind": "ranking", "id": 7, "min_ranked": 2, "max_ranked": 3,
         "text": both("Что строить первым?", "What to build first?"),
         "options": [named(1, "Лодочную станцию", "A boat house"), named(2, "Каток", "A rink"),
                     named(3, "Кафе", "A café"), named(4, "Теплицу", "A greenhouse"), UNSURE]},
        {"kind": "ranking", "id": 8, "equal_ranks": True, "required": False,
         "text": both("Расставьте время открытия", "Order the opening hours"),
         "options": [named(1, "С шести", "From six"), named(2, "С восьми", "From eight"),
                     named(3, "С десяти", "From ten")]},
        {"kind": "points", "id": 9, "total": 10, "most_per_option": 6, "spend_all": True,
         "text": both("Раздайте баллы", "Spread the points"),
         "options": [named(1, "Тень", "Shade"), named(2, "Вода", "Water"), named(3, "Свет", "Light"), UNSURE]},
        {"kind": "budget", "id": 10, "ballot_limit": 500_00, "exclusive_groups": [[1, 2]], "exclusive_on_ballot": True,
         "text": both("На что потратить?", "What to spend on?"), "rule": {"method": "greedy", "budget": 600_00},
         "options": [named(1, "Мост", "A bridge", cost=200_00), named(2, "Паром", "A ferry", cost=100_00),
                     named(3, "Беседку", "A pavilion", cost=150_00)]},
        {"kind": "text", "id": 11, "max_length": 300, "required": False, "text": both("Что ещё?", "What else?"),
         "options": [UNSURE]},
        {"kind": "single_choice", "id": 12, "text": both("Где сцена?", "Where is the stage?"),
         "shown_if": {"question": 1, "options": [3]},
         "options": [named(1, "У пруда", "By the pond"), named(2, "На лугу", "On the lawn")]},
    ]  # fmt: skip


STORED = ["[2]", "[0]", "[0,2]", "[[1,10],[2,0]]", "[[1,3]]", "[[1,-7]]", "[[3],[1]]", "[[1,2],[3]]",
          "[[1,6],[3,4]]", "[2,3]", "[0]", "null"]  # fmt: skip
"""The canonical answers of the walk the tests take: see `answers`."""
WORDS = {2: "Бадминтон", 3: "Скамью <у ворот>", 11: "Больше тени.\nИ тише."}


def answers() -> dict[str, Any]:
    """The same ballot as the API takes it."""
    return {
        "1": 2, "2": WORDS[2], "3": [{"own": WORDS[3]}, 2], "4": {"1": 10, "2": 0}, "5": {"1": 3}, "6": {"1": -7},
        "7": [3, 1], "8": {"1": 1, "2": 1, "3": 2}, "9": {"1": 6, "3": 4}, "10": [3, 2], "11": {"own": WORDS[11]},
    }  # fmt: skip

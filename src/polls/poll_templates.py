"""Templates: whole bilingual definitions to start a poll from, for the polls a city holds most. Pure.

A template leaves open what only the official knows: the territory and the times. Both set, it passes the checklist; its
texts are examples to be replaced. Templates for owners name the law of every majority they ask for; see docs/rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from polls.definition import Definition, Text
from polls.errors import TemplateNotFound
from polls.owners_templates import owners_meeting, renovation

Parts = dict[str, Any]
ADULTS: Parts = {"op": "age", "at_least": 18}


@dataclass(frozen=True)
class Template:
    """One template. `of_owners`: the territory it asks for is a building, and flats decide."""

    code: str
    title: Text
    purpose: Text
    build: Callable[[str], Parts]
    of_owners: bool = False


def definition_from(code: str, poll_id: str, territory: str = "") -> Definition:
    """A draft out of a template, for a territory (code) if it is known already. Refuses `TemplateNotFound`."""
    template = TEMPLATES.get(code)
    if template is None:
        raise TemplateNotFound(code=code)
    return Definition.model_validate({"poll_id": poll_id, "territory": territory, **template.build(territory)})


def _both(ru: str, en: str) -> Parts:
    return {"ru": ru, "en": en}


def _option(number: int, ru: str, en: str, **more: Any) -> Parts:
    return {"id": number, "text": _both(ru, en), **more}


def _neutral(number: int, ru: str, en: str) -> Parts:
    return _option(number, ru, en, kind="neutral")


HARD_TO_SAY = _neutral(90, "Затрудняюсь ответить", "Hard to say")
LEAVE_TO_SPECIALISTS = _neutral(91, "Доверить решение специалистам", "Leave it to specialists")


def _of_place(territory: str) -> Parts:
    """Adults registered in the territory; adults of the register while it is not known."""
    return {"op": "all", "of": [ADULTS, *([{"op": "territory", "codes": [territory]}] if territory else [])]}


def _city_poll(_territory: str) -> Parts:
    return {
        "title": _both("Каким будет новый парк?", "What will the new park be like?"),
        "summary": _both("Выберите, чему отдать главное место в парке.", "Choose what the park gives most room to."),
        "topic": "parks",
        "audience": {"op": "all", "of": [ADULTS]},
        "questions": [
            {
                "kind": "single_choice", "id": 1, "shuffle": True, "own_answer": True,
                "text": _both("Чему отдать главное место в новом парке?", "What should get most room in the new park?"),
                "options": [
                    _option(1, "Спортивным площадкам", "Sports grounds"),
                    _option(2, "Тихим аллеям со скамейками", "Quiet paths with benches"),
                    _option(3, "Сцене под открытым небом", "An open-air stage"),
                    _option(4, "Оставить как есть", "Leave it as it is"),
                    HARD_TO_SAY, LEAVE_TO_SPECIALISTS,
                ],
            }
        ],
    }  # fmt: skip


def _district_poll(territory: str) -> Parts:
    return {
        "title": _both("Что построить на пустыре?", "What should be built on the vacant lot?"),
        "summary": _both("Решают жители района.", "The residents of the district decide."),
        "topic": "streets",
        "audience": _of_place(territory),
        "questions": [
            {
                "kind": "multiple_choice", "id": 1, "shuffle": True, "max_choices": 2,
                "text": _both("Что построить на пустыре? Выберите до двух вариантов.",
                              "What should be built on the vacant lot? Choose up to two."),
                "options": [
                    _option(1, "Детскую площадку", "A playground"),
                    _option(2, "Площадку для собак", "A dog park"),
                    _option(3, "Парковку", "A car park"),
                    _option(4, "Ничего не строить", "Build nothing"),
                    HARD_TO_SAY,
                ],
            },
            {
                "kind": "text", "id": 2, "required": False, "max_length": 500,
                "shown_if": {"question": 1, "options": [4]},
                "text": _both("Почему, по-вашему, ничего строить не нужно?", "Why do you think nothing is needed?"),
            },
        ],
    }  # fmt: skip


def _venue_rating(territory: str) -> Parts:
    levels = [
        _both("Очень плохо", "Very bad"), _both("Плохо", "Bad"), _both("Средне", "Fair"), _both("Хорошо", "Good"),
        _both("Очень хорошо", "Very good"),
    ]  # fmt: skip
    return {
        "title": _both("Оцените площадки фестиваля", "Rate the venues of the festival"),
        "summary": _both("Оценка каждой площадки от 1 до 5.", "Each venue from 1 to 5."),
        "topic": "culture",
        "audience": _of_place(territory),
        "questions": [
            {
                "kind": "rating", "id": 1, "required": False, "levels": levels,
                "rule": {"method": "rating", "order_by": "median", "winners": 1},
                "text": _both("Как вы оцениваете каждую площадку, где побывали?",
                              "How do you rate each venue you have been to?"),
                "options": [
                    _option(1, "Площадь у театра", "The square at the theatre"),
                    _option(2, "Набережная", "The embankment"),
                    _option(3, "Парк", "The park"),
                    _neutral(90, "Нигде не был(а)", "I have been to none"),
                ],
            }
        ],
    }  # fmt: skip


def _ranking(territory: str) -> Parts:
    return {
        "title": _both("Какую улицу благоустроить первой?", "Which street should be improved first?"),
        "summary": _both("Расставьте улицы по порядку.", "Put the streets in your order."),
        "topic": "streets",
        "audience": _of_place(territory),
        "questions": [
            {
                "kind": "ranking", "id": 1, "shuffle": True,
                "rule": {"method": "schulze"},
                "text": _both("В каком порядке благоустраивать улицы?",
                              "In which order should the streets be improved?"),
                "hint": _both("Начните с самой важной; остальные можно не указывать.",
                              "Begin with the most important; you may leave others out."),
                "options": [
                    _option(1, "Садовая", "Sadovaya"),
                    _option(2, "Лесная", "Lesnaya"),
                    _option(3, "Речная", "Rechnaya"),
                    _option(4, "Школьная", "Shkolnaya"),
                    HARD_TO_SAY,
                ],
            }
        ],
    }  # fmt: skip


def _budget(territory: str) -> Parts:
    return {
        "title": _both("Бюджет района: выберите проекты", "The district's budget: choose projects"),
        "summary": _both("Деньги делятся между жителями поровну.", "Every resident has an equal share of the money."),
        "topic": "budget",
        "audience": _of_place(territory),
        "questions": [
            {
                "kind": "budget", "id": 1, "shuffle": True, "max_choices": 5, "exclusive_groups": [[1, 2]],
                "rule": {"method": "equal_shares", "budget": 10_000_000_00, "tie": "chair"},
                "text": _both("Какие проекты вы поддерживаете? Выберите до пяти.",
                              "Which projects do you support? Choose up to five."),
                "hint": _both("Фонтан и сцена займут одно место: построен будет один из этих проектов.",
                              "The fountain and the stage share one place: one of them can be built."),
                "options": [
                    _option(1, "Фонтан на площади", "A fountain on the square", cost=6_000_000_00),
                    _option(2, "Сцена на площади", "A stage on the square", cost=4_500_000_00),
                    _option(3, "Велодорожка", "A cycle path", cost=3_000_000_00),
                    _option(4, "Освещение двора", "Lights in the yard", cost=1_200_000_00),
                    _option(5, "Навес на остановке", "A bus shelter", cost=800_000_00),
                    _option(6, "Книгообмен в библиотеке", "A book exchange in the library", cost=300_000_00),
                    _neutral(90, "Ни один из проектов", "None of the projects"),
                ],
            }
        ],
    }  # fmt: skip


TEMPLATES: Mapping[str, Template] = {
    template.code: template
    for template in (
        Template(
            "city_poll",
            Text(ru="Городское голосование", en="City poll"),
            Text(ru="Один вопрос ко всем жителям, со своим вариантом.", en="One question to everybody, own answers."),
            _city_poll,
        ),
        Template(
            "district_poll",
            Text(ru="Голосование района", en="District poll"),
            Text(ru="Несколько вариантов и уточняющий вопрос для жителей одного района.",
                 en="Several answers and a follow-up for the residents of one district."),
            _district_poll,
        ),
        Template(
            "venue_rating",
            Text(ru="Оценка площадок", en="Rating of venues"),
            Text(ru="Одна шкала для многих площадок; порядок по медиане.", en="One scale for many venues, by median."),
            _venue_rating,
        ),
        Template(
            "ranking",
            Text(ru="Очерёдность", en="Ranking"),
            Text(ru="Что делать раньше: варианты по порядку, подсчёт по Шульце.",
                 en="What comes first: options in order, counted by Schulze."),
            _ranking,
        ),
        Template(
            "participatory_budget",
            Text(ru="Инициативный бюджет", en="Participatory budget"),
            Text(ru="Проекты со стоимостью, метод равных долей, взаимоисключающие проекты.",
                 en="Projects with costs, equal shares, projects that exclude each other."),
            _budget,
        ),
        Template(
            "owners_meeting",
            Text(ru="Общее собрание собственников", en="General meeting of owners"),
            Text(ru="Повестка с большинством по Жилищному кодексу для каждого вопроса; именное.",
                 en="An agenda with the Housing Code's majority for each item; named."),
            owners_meeting,
            of_owners=True,
        ),
        Template(
            "renovation",
            Text(ru="Реновация дома", en="Renovation of a house"),
            Text(ru="Более двух третей квартир; «молчуны» пропорционально; именное.",
                 en="More than two thirds of the flats, silent ones in proportion; named."),
            renovation,
            of_owners=True,
        ),
    )
}  # fmt: skip

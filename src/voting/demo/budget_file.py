"""A participatory budget of the demo as an open data file, to be imported the way a real city's is."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from polls.pabulib import Ballot, Instance, Project, write

BUDGET = 3_000_000_000  # hundredths: 30 million
DISTRICT = "msk-sao-koptevo"
TITLE = "Бюджет инициатив района Коптево"
PROJECTS = (
    # number, cost in thousands, how often it is liked, name, category
    ("К-01", 9_800, 31, "Сквер на месте пустыря у школы", "environmental protection"),
    ("К-02", 4_350, 27, "Тёплые остановки с расписанием", "public transit and roads"),
    ("К-03", 12_600, 24, "Крытая ледовая коробка", "sport"),
    ("К-04", 2_150, 22, "Лавки и тень на бульваре", "public space"),
    ("К-05", 7_400, 20, "Инклюзивная детская площадка", "public space"),
    ("К-06", 1_280, 18, "Кормушки и дуплянки в парке", "environmental protection"),
    ("К-07", 5_900, 15, "Мастерская для подростков", "education"),
    ("К-08", 3_300, 14, "Кинозал под открытым небом", "culture"),
    ("К-09", 8_750, 11, "Роллердром за стадионом", "sport"),
    ("К-10", 640, 9, "Полки обмена книгами в подъездах", "culture"),
)


def budget_file(ballots: int, now: datetime) -> str:
    """The text of the file: ten projects, so many approval ballots with age and sex; the same for the same number."""
    chance = random.Random("veche/demo/v1/budget")  # noqa: S311 -- a story, not a secret
    begin = (now - timedelta(days=60)).date()
    meta = {
        "description": TITLE,
        "country": "Россия",
        "unit": "Москва",
        "district": "Коптево",
        "subunit": "Коптево",
        "instance": str(begin.year),
        "budget": str(BUDGET // 100),
        "vote_type": "approval",
        "rule": "greedy",
        "date_begin": begin.strftime("%d.%m.%Y"),
        "date_end": (begin + timedelta(days=14)).strftime("%d.%m.%Y"),
        "min_length": "1",
        "max_length": "5",
        "language": "ru",
        "currency": "RUB",
    }
    projects = tuple(
        Project(number, thousands * 100_000, extra={"name": name, "category": category})
        for number, thousands, _, name, category in PROJECTS
    )
    cast = tuple(_ballot(number, chance) for number in range(1, ballots + 1))
    return write(Instance(meta, projects, cast))


def _ballot(number: int, chance: random.Random) -> Ballot:
    weights = {project[0]: project[2] for project in PROJECTS}
    chosen = []
    for _ in range(chance.randint(1, 5)):
        project = chance.choices(list(weights), list(weights.values()))[0]
        chosen.append(project)
        del weights[project]
    who = {"age": str(min(92, max(14, round(chance.gauss(44, 17))))), "sex": chance.choice("FFM")}
    return Ballot(str(number), tuple(chosen), extra=who)

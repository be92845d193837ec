"""Closed polls of the demo that show the finer counting rules: rankings, majority judgment, equal shares."""

from __future__ import annotations

from datetime import timedelta

from voting.demo.script import (
    MILLION,
    DemoPoll,
    Leaning,
    aged,
    budget,
    everybody,
    hard_to_say,
    living_in,
    option,
    project,
    ranking,
    rating,
    t,
)

LIBRARY = DemoPoll(
    slug="imya-biblioteki",
    opens=timedelta(days=-30),
    closes=timedelta(days=-12),
    share=0.05,
    leanings={
        1: Leaning({1: 30, 2: 26, 3: 21, 4: 13, 5: 8}, young={3: 1.8, 5: 1.6}, old={1: 1.5, 2: 1.3}, choices=4),
        2: Leaning({1: 24, 2: 20, 3: 16, 4: 15, 5: 12, 6: 9}, women={2: 1.4}, young={4: 1.7}, choices=5),
    },
    content={
        "title": t("Какой быть новой библиотеке?", "What will the new library be like?"),
        "summary": t("Имя библиотеки и три читательских совета.", "The library's name, and three of its councils."),
        "description": t(
            "Варианты ставят по порядку: лучший первым. Имя выбирают турами, советы — соразмерно голосам.",
            "Options are put in order, the best first. The name is chosen in rounds, the councils in proportion to the "
            "votes.",
        ),
        "topic": "culture",
        "territory": "msk",
        "department": "Департамент культуры",
        "audience": everybody(aged(14)),
        "strata": ["age_band", "sex"],
        "questions": [
            ranking(
                1, "Как назвать библиотеку?", "How should the library be called?",
                [
                    option(1, "Имени Чехова", "After Chekhov"),
                    option(2, "Имени Ахматовой", "After Akhmatova"),
                    option(3, "Библиотека у пруда", "The Library by the Pond"),
                    option(4, "Имени Ломоносова", "After Lomonosov"),
                    option(5, "Книжный двор", "The Book Yard"),
                    hard_to_say(),
                ],
                rule={"method": "instant_runoff"},
            ),
            ranking(
                2, "Какие читательские советы открыть первыми?", "Which readers' councils should come first?",
                [
                    option(1, "Детской литературы", "Children's literature"),
                    option(2, "Истории города", "History of the city"),
                    option(3, "Кино и театра", "Film and theatre"),
                    option(4, "Науки и техники", "Science and technology"),
                    option(5, "Поэзии", "Poetry"),
                    option(6, "Языков", "Languages"),
                    hard_to_say(),
                ],
                rule={"method": "stv_scottish", "winners": 3},
            ),
        ],
    },
)  # fmt: skip

EMBANKMENT = DemoPoll(
    slug="naberezhnaya-proekty",
    opens=timedelta(days=-28),
    closes=timedelta(days=-10),
    share=0.09,
    leanings={
        1: Leaning({1: 3.6, 2: 3.1, 3: 4.0}, young={2: 0.9}, old={2: -0.7, 3: 0.4}),
        2: Leaning({1: 22, 2: 20, 3: 18, 4: 15, 5: 13, 6: 9, 7: 8}, young={2: 1.9, 6: 2.0}, old={1: 1.5, 5: 1.8},
                   choices=4),
    },
    content={
        "title": t("Что сделать на набережной?", "What to do on the embankment?"),
        "summary": t("Оценка трёх проектов и бюджет округа.", "Three designs to judge, and the okrug's budget."),
        "description": t(
            "Проекты оценивают словами, а деньги делят поровну между проголосовавшими: проект оплачивают те, кто его "
            "выбрал.",
            "Designs are judged in words, and the money is split equally among those who vote: a project is paid for "
            "by those who chose it.",
        ),
        "topic": "parks",
        "territory": "msk-sao",
        "department": "Префектура Северного округа",
        "audience": everybody(aged(18), living_in("msk-sao")),
        "strata": ["age_band", "sex"],
        "questions": [
            rating(
                1, "Как вам каждый из проектов набережной?", "What do you think of each design?",
                [
                    option(1, "Спокойная аллея", "A quiet alley"),
                    option(2, "Спорт у воды", "Sports by the water"),
                    option(3, "Сад над рекой", "A garden above the river"),
                    hard_to_say(),
                ],
                low_label=t("плохо", "bad"), high_label=t("отлично", "excellent"),
                levels=[t("Плохо", "Bad"), t("Слабо", "Poor"), t("Терпимо", "Passable"), t("Хорошо", "Good"),
                        t("Отлично", "Excellent")],
                rule={"order_by": "majority_judgment"},
            ),
            budget(
                2, "На какие проекты потратить бюджет?", "Which projects should the budget go to?", 60,
                [
                    project(1, 24, "Скамейки и тень", "Benches and shade",
                            ("Сорок скамеек под деревьями.", "Forty benches under trees."), "НБ-1"),
                    project(2, 22, "Велодорожка", "A bicycle path",
                            ("Вдоль всей набережной.", "Along the whole embankment."), "НБ-2"),
                    project(3, 15, "Детская площадка", "A playground",
                            ("Для детей до двенадцати лет.", "For children under twelve."), "НБ-3"),
                    project(4, 12, "Освещение спуска", "Lights on the steps",
                            ("Тёплый свет до воды.", "Warm light down to the water."), "НБ-4"),
                    project(5, 9, "Площадка для шахмат", "A place for chess",
                            ("Десять столов с навесом.", "Ten tables with a roof."), "НБ-5"),
                    project(6, 14, "Лодочный причал", "A boat pier",
                            ("Прокат весельных лодок.", "Rowing boats for hire."), "НБ-6"),
                    project(7, 6, "Питьевые фонтанчики", "Drinking fountains",
                            ("Шесть фонтанчиков.", "Six of them."), "НБ-7"),
                    hard_to_say(),
                ],
                ballot_limit=None,
                rule={"method": "equal_shares", "budget": 60 * MILLION, "completion": "add1u", "increment": 1_000_00,
                      "compare_with_greedy": True},
            ),
        ],
    },
)  # fmt: skip

COUNTING_POLLS = (LIBRARY, EMBANKMENT)

"""The demo's open polls of the whole city: several answers, ratings, all kinds, live totals, and one to come."""

from __future__ import annotations

from datetime import timedelta

from voting.demo.park_poll import PARK
from voting.demo.script import (
    DemoPoll,
    Leaning,
    aged,
    budget,
    everybody,
    hard_to_say,
    multiple,
    option,
    project,
    rating,
    single,
    t,
)

NIGHT_BUSES = DemoPoll(
    slug="nochnye-avtobusy-v-budni",
    opens=timedelta(days=-5),
    closes=timedelta(days=9),
    share=0.05,
    leanings={
        1: Leaning(
            {1: 30, 2: 26, 3: 18, 4: 22, 5: 12, 6: 15}, young={1: 1.6, 4: 1.5}, old={5: 1.8, 1: 0.5}, choices=3,
            okrugs={"msk-yuvao": {2: 2.5}, "msk-sao": {4: 2.2}, "msk-zelao": {6: 5.0}},
        )
    },
    content={
        "title": t("Какие ночные автобусы пустить в будни?", "Which night buses should run on weekdays?"),
        "summary": t(
            "Сейчас ночью в будни ездят шесть маршрутов. Добавим ещё три.",
            "Six routes run on weekday nights now. Three more will be added.",
        ),
        "description": t(
            "Ночные маршруты выходного дня перевозят около девяти тысяч человек за ночь. В будни хватит автобусов и "
            "водителей на три новых маршрута с интервалом 30 минут, с часу до пяти утра.",
            "The weekend night routes carry about nine thousand people a night. On weekdays there are buses and "
            "drivers for three new routes, every 30 minutes from one to five in the morning.",
        ),
        "topic": "transport",
        "territory": "msk",
        "department": "Департамент транспорта",
        "audience": everybody(aged(14)),
        "questions": [
            multiple(
                1, "Отметьте до трёх маршрутов", "Choose up to three routes", 3,
                [
                    option(1, "Н11: центр — Хамовники — Раменки", "N11: centre – Khamovniki – Ramenki"),
                    option(2, "Н12: центр — Люблино — Марьино", "N12: centre – Lyublino – Maryino"),
                    option(3, "Н13: центр — Измайлово — Гольяново", "N13: centre – Izmaylovo – Golyanovo"),
                    option(4, "Н14: центр — Тимирязевская — Дегунино", "N14: centre – Timiryazevskaya – Degunino"),
                    option(5, "Н15: по больницам и вокзалам", "N15: hospitals and railway stations",
                           ("Кольцевой: девять больниц и пять вокзалов.", "A ring: nine hospitals, five stations.")),
                    option(6, "Н16: Ховрино — Зеленоград", "N16: Khovrino – Zelenograd"),
                    hard_to_say(),
                ],
            )
        ],
    },
)  # fmt: skip

LIBRARIES = DemoPoll(
    slug="biblioteki-vecherom",
    opens=timedelta(days=-3),
    closes=timedelta(days=18),
    share=0.03,
    keen=("neighbour",),
    leanings={1: Leaning({1: 4.2, 2: 3.6, 3: 3.1, 4: 3.9, 5: 2.8}, young={1: 0.4, 3: 0.7}, old={2: 0.8, 3: -0.7})},
    content={
        "title": t("Что добавить в библиотеках по вечерам?", "What should libraries offer in the evening?"),
        "summary": t("Оцените пять предложений: что нужно вам самим?", "Rate five ideas: what do you need yourself?"),
        "description": t(
            "С осени сорок библиотек будут открыты до 22:00. Оценки помогут решить, чем занять эти часы. Ставьте "
            "оценку только тому, о чём у вас есть мнение: остальное можно пропустить.",
            "From autumn forty libraries will stay open until 22:00. Your ratings help to decide what for. Rate only "
            "what you have an opinion about: the rest may be left out.",
        ),
        "topic": "culture",
        "territory": "msk",
        "department": "Департамент культуры",
        "audience": everybody(aged(14)),
        "strata": ["age_band"],
        "questions": [
            rating(
                1, "Оцените каждое предложение", "Rate each idea",
                [
                    option(1, "Тихий зал для работы", "A quiet room to work in"),
                    option(2, "Кружок компьютерной грамотности", "A computer class"),
                    option(3, "Настольные игры и киноклуб", "Board games and a film club"),
                    option(4, "Детский час с чтением вслух", "An hour of reading aloud for children"),
                    option(5, "Мастерская: принтер, швейные машины", "A workshop: printers, sewing machines"),
                    hard_to_say(),
                ],
            )
        ],
    },
)  # fmt: skip

WINTER = DemoPoll(
    slug="zimniy-gorod",
    opens=timedelta(days=-2),
    closes=timedelta(days=26),
    share=0.025,
    leanings={
        1: Leaning({1: 30, 2: 44, 3: 18}, old={2: 1.5}, young={1: 1.8}),
        2: Leaning({1: 30, 2: 22, 3: 27, 4: 16}, choices=2),
        3: Leaning({1: 4.1, 2: 3.4, 3: 2.9}),
        4: Leaning({1: 30, 2: 22, 3: 18, 4: 25}, choices=4),
    },
    content={
        "title": t("Зимний город: каким он должен быть?", "The winter city: what should it be like?"),
        "summary": t("Четыре вопроса о катках, уборке и праздниках.", "Four questions on rinks, snow and holidays."),
        "description": t(
            "Город готовит программу на три зимы. Вопросы разные: выбрать один вариант, отметить несколько, поставить "
            "оценки и распределить деньги. Любой вопрос, кроме первого, можно пропустить.",
            "The city prepares a programme for three winters. The questions differ: choose one answer, mark several, "
            "give ratings, spend money. Any question but the first may be left out.",
        ),
        "topic": "sport",
        "territory": "msk",
        "department": "Департамент спорта",
        "audience": everybody(aged(14)),
        "strata": ["age_band"],
        "cross_tabs": [{"rows": 1, "columns": 2}],
        "questions": [
            single(
                1, "Что важнее этой зимой?", "What matters most this winter?",
                [
                    option(1, "Больше катков и лыжней", "More rinks and ski tracks"),
                    option(2, "Быстрее убирать снег во дворах", "Snow cleared from the yards sooner"),
                    option(3, "Больше света и праздников", "More light and holidays"),
                    hard_to_say(),
                ],
            ),
            multiple(
                2, "Где залить новые катки?", "Where should new rinks be?", 2,
                [
                    option(1, "В парках", "In parks"),
                    option(2, "На школьных стадионах", "On school grounds"),
                    option(3, "Во дворах, где есть хоккейная коробка", "In yards with hockey boards"),
                    option(4, "На набережных", "On the embankments"),
                ],
                required=False,
            ),
            rating(
                3, "Насколько нужны эти услуги?", "How much are these needed?",
                [
                    option(1, "Тёплые павильоны у катков", "Warm pavilions at rinks"),
                    option(2, "Прокат детских санок", "Sledges for hire"),
                    option(3, "Ночное катание по пятницам", "Skating on Friday nights"),
                ],
                required=False,
            ),
            budget(
                4, "Распределите 10 миллионов", "Spend 10 million", 10,
                [
                    project(1, 4.0, "Снегоуборщики для узких дворов", "Small snow ploughs",
                            ("Десять машин.", "Ten of them."), "З-1"),
                    project(2, 3.0, "Горки с освещением", "Lit slides", ("Шесть горок.", "Six slides."), "З-2"),
                    project(3, 5.0, "Ярмарка на площади", "A fair on the square",
                            ("Месяц торговли и каток.", "A month of stalls and a rink."), "З-3"),
                    project(4, 2.5, "Песок вместо соли в парках", "Sand instead of salt in parks",
                            ("На всю зиму.", "All winter."), "З-4"),
                ],
                required=False,
            ),
        ],
    },
)  # fmt: skip

TRAM = DemoPoll(
    slug="nazvanie-tramvaynoy-linii",
    opens=timedelta(days=-12),
    closes=timedelta(days=2),
    share=0.17,
    keen=("neighbour",),
    leanings={1: Leaning({1: 24, 2: 31, 3: 17, 4: 21}, young={3: 1.9}, old={1: 1.5})},
    content={
        "title": t("Как назвать новую трамвайную линию?", "What should the new tram line be called?"),
        "summary": t(
            "Четыре названия, предложенные жителями. Итоги видны по ходу голосования.",
            "Four names proposed by residents. Totals are shown as the poll goes on.",
        ),
        "description": t(
            "Линия пройдёт от набережной до «Университета» и откроется весной. Из 1 140 предложений жюри отобрало "
            "четыре. Промежуточные итоги обновляются на каждую тысячу голосов.",
            "The line runs from the embankment to Universitet and opens in spring. A jury chose four out of 1,140 "
            "proposals. Interim totals are renewed with every thousand votes.",
        ),
        "topic": "transport",
        "territory": "msk",
        "binding": True,
        "department": "Департамент транспорта",
        "audience": everybody(aged(14)),
        "visibility": "live",
        "strata": ["district"],
        "questions": [
            single(
                1, "Какое название лучше?", "Which name is best?",
                [
                    option(1, "Академическая", "Akademicheskaya"),
                    option(2, "Речная", "Rechnaya"),
                    option(3, "Серебряная стрела", "The Silver Arrow"),
                    option(4, "Воробьёвская", "Vorobyovskaya"),
                    hard_to_say(),
                ],
                shuffle=True,
            )
        ],
    },
)  # fmt: skip

READING_ROOMS = DemoPoll(
    slug="letnie-chitalni",
    opens=timedelta(days=2, hours=3),
    closes=timedelta(days=16),
    content={
        "title": t("Где открыть летние читальни?", "Where should summer reading rooms open?"),
        "summary": t("Пять парков, в двух из них поставят павильоны.", "Five parks, two of which get a pavilion."),
        "description": t(
            "Павильон — это навес, шезлонги, розетки и тележка с книгами. Голосование определит парки первого года.",
            "A pavilion is a roof, deck chairs, sockets and a trolley of books. The poll decides on the parks of the "
            "first year.",
        ),
        "topic": "culture",
        "territory": "msk",
        "department": "Департамент культуры",
        "audience": everybody(aged(14)),
        "questions": [
            multiple(
                1, "Отметьте до двух парков", "Choose up to two parks", 2,
                [
                    option(1, "Парк «Сокольники»", "Sokolniki park"),
                    option(2, "Парк «Дубки»", "Dubki park"),
                    option(3, "Филёвский парк", "Filyovsky park"),
                    option(4, "Парк «Царицыно»", "Tsaritsyno park"),
                    option(5, "Бабушкинский парк", "Babushkinsky park"),
                    hard_to_say(),
                ],
                rule={"method": "approval", "winners": 2},
            )
        ],
    },
)  # fmt: skip

OPEN_POLLS = (NIGHT_BUSES, LIBRARIES, WINTER, PARK, TRAM, READING_ROOMS)

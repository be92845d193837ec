"""The demo's polls that are over: counted, most of them with what the city did about them."""

from __future__ import annotations

from datetime import timedelta

from results.decisions import Status
from voting.demo.script import (
    CityDecides,
    DemoPoll,
    DemoStep,
    Leaning,
    aged,
    everybody,
    hard_to_say,
    living_in,
    multiple,
    option,
    rating,
    single,
    specialists,
    t,
)

YARD_LIGHT = DemoPoll(
    slug="svet-vo-dvorakh",
    opens=timedelta(days=-66),
    closes=timedelta(days=-52),
    share=0.25,
    keen=("neighbour", "southerner"),
    leanings={
        1: Leaning(
            {1: 52, 2: 30}, young={2: 1.6}, old={1: 1.4}, neutral=0.07,
            okrugs={"msk-cao": {1: 1.5}, "msk-yuvao": {2: 1.8}, "msk-zelao": {2: 1.4}, "msk-yuzao": {1: 1.3}},
        )
    },
    decision=CityDecides(
        "Во дворах поставят лампы тёплого света (2700 К). Начинаем с 214 дворов, где фонари меняют в этом году; "
        "остальные перейдут на тёплый свет при плановой замене.",
        "Yards get lamps of warm light (2700 K). The first are the 214 yards whose lamps are due this year; the others "
        "follow as their lamps are replaced.",
        "Департамент ЖКХ", Status.IN_PROGRESS, timedelta(days=10), timedelta(days=180),
        steps=(
            DemoStep(
                "Закупить 5 600 ламп тёплого света", "Buy 5,600 lamps of warm light", timedelta(days=20),
                timedelta(days=18), ("Закуплено 5 600 ламп, поставка до конца месяца.",
                                     "5,600 lamps are bought and arrive this month."),
            ),
            DemoStep(
                "Заменить лампы в первых 40 дворах", "Change the lamps of the first 40 yards", timedelta(days=30),
                timedelta(days=38), ("Заменено в 40 дворах.", "Changed in 40 yards."), pictures=True,
                moved=(timedelta(days=28), timedelta(days=40), "Поставка задержалась на неделю.",
                       "The delivery came a week late."),
            ),
            DemoStep("Заменить лампы в остальных 174 дворах", "Change the lamps of the other 174 yards",
                     timedelta(days=150)),
        ),
    ),
    content={
        "title": t("Тёплый или холодный свет во дворах?", "Warm or cold light in the yards?"),
        "summary": t("Каким светом освещать дворы после замены ламп.", "The light of yards once lamps are replaced."),
        "description": t(
            "Лампы служат двенадцать лет, поэтому выбор надолго. Тёплый свет спокойнее для глаз, при холодном лучше "
            "различимы цвета. Стоят они одинаково.",
            "Lamps last twelve years, so the choice is for long. Warm light is easier on the eyes, under cold light "
            "colours are told apart better. They cost the same.",
        ),
        "topic": "housing",
        "territory": "msk",
        "binding": True,
        "department": "Департамент ЖКХ",
        "audience": everybody(aged(18)),
        "strata": ["district"],
        "quorum": {"share": "5/100"},
        "questions": [
            single(
                1, "Какой свет лучше для вашего двора?", "Which light is better for your yard?",
                [
                    option(1, "Тёплый, желтоватый", "Warm, yellowish"),
                    option(2, "Холодный, белый", "Cold, white"),
                    hard_to_say(),
                    specialists(),
                ],
                rule={"method": "plurality", "threshold": "1/2"},
            )
        ],
    },
)  # fmt: skip

BICYCLES = DemoPoll(
    slug="gde-nuzhny-veloparkovki",
    opens=timedelta(days=-40),
    closes=timedelta(days=-26),
    share=0.12,
    leanings={
        1: Leaning({1: 34, 2: 20, 3: 16, 4: 25, 5: 9}, young={1: 1.3, 5: 2.5}, old={4: 2.2, 3: 1.5, 1: 0.6}, choices=3),
        2: Leaning({1: 20, 2: 45, 3: 25}, young={1: 1.8}, old={3: 2.0}, women={2: 1.3}),
    },
    decision=CityDecides(
        "Поставили 1 200 мест у сорока станций метро. Карта стоек — на городском портале.",
        "1,200 places have been set up at forty metro stations. A map of them is on the city's portal.",
        "Департамент транспорта", Status.DONE, timedelta(days=14), timedelta(days=10),
        steps=(
            DemoStep("Выбрать места с районами", "Choose the places with the districts", timedelta(days=3),
                     timedelta(days=3), ("Места согласованы с сорока районами.",
                                         "The places are agreed with forty districts.")),
            DemoStep("Поставить 1 200 мест", "Set up 1,200 places", timedelta(days=8), timedelta(days=9),
                     ("Стойки стоят у сорока станций.", "The racks stand at forty stations."), pictures=True),
        ),
        finished=timedelta(days=9), stars={5: 21, 4: 14, 3: 6, 2: 2, 1: 3},
    ),
    content={
        "title": t("Где нужны велопарковки?", "Where are bicycle racks needed?"),
        "summary": t("Выберите места и расскажите, как часто ездите.", "Choose places and say how often you ride."),
        "description": t(
            "В программе 1 200 мест. Их поставят там, где они нужнее всего, и через год спросят ещё раз.",
            "The programme has 1,200 places. They go where they are needed most, and in a year we ask again.",
        ),
        "topic": "streets",
        "territory": "msk",
        "department": "Департамент транспорта",
        "audience": everybody(aged(14)),
        "strata": ["age_band", "sex"],
        "cross_tabs": [{"rows": 2, "columns": 1}],
        "questions": [
            multiple(
                1, "Отметьте до трёх мест", "Choose up to three kinds of places", 3,
                [
                    option(1, "У станций метро", "At metro stations"),
                    option(2, "У школ и колледжей", "At schools and colleges"),
                    option(3, "У поликлиник", "At clinics"),
                    option(4, "У магазинов и рынков", "At shops and markets"),
                    option(5, "У бизнес-центров", "At office buildings"),
                    hard_to_say(),
                ],
            ),
            single(
                2, "Как часто вы ездите на велосипеде?", "How often do you ride?",
                [
                    option(1, "Почти каждый день в сезон", "Nearly every day in season"),
                    option(2, "По выходным", "On weekends"),
                    option(3, "Не езжу", "I do not ride"),
                ],
                required=False,
            ),
        ],
    },
)  # fmt: skip

SERVICE_CENTRES = DemoPoll(
    slug="raspisanie-tsentrov-uslug",
    opens=timedelta(days=-20),
    closes=timedelta(days=-3),
    share=0.07,
    keen=("southerner",),
    leanings={1: Leaning({1: 3.9, 2: 4.3, 3: 2.6}, young={2: 0.5, 1: -0.4}, old={1: 0.7, 2: -0.8, 3: 0.5})},
    content={
        "title": t("Удобно ли работают центры госуслуг?", "Do the public service centres keep convenient hours?"),
        "summary": t("Оцените три варианта расписания.", "Rate three timetables."),
        "description": t(
            "Общее число рабочих часов не меняется: позднее закрытие значит и позднее открытие.",
            "The number of hours stays the same: closing later means opening later.",
        ),
        "topic": "social",
        "territory": "msk",
        "department": "Департамент госуслуг",
        "audience": everybody(aged(18)),
        "strata": ["age_band", "sex"],
        "questions": [
            rating(
                1, "Оцените удобство", "Rate how convenient each is",
                [
                    option(1, "С 8:00 до 20:00, как сейчас", "8:00 to 20:00, as now"),
                    option(2, "С 10:00 до 22:00", "10:00 to 22:00"),
                    option(3, "С 8:00 до 18:00 и по субботам", "8:00 to 18:00 and on Saturdays"),
                    hard_to_say(),
                ],
                low_label=t("неудобно", "inconvenient"), high_label=t("очень удобно", "very convenient"),
            )
        ],
    },
)  # fmt: skip

FAIR = DemoPoll(
    slug="yarmarka-vykhodnogo-dnya",
    opens=timedelta(days=-33),
    closes=timedelta(days=-19),
    share=0.08,
    leanings={1: Leaning({1: 40, 2: 38, 3: 15}, old={1: 1.4})},
    decision=CityDecides(
        "Кворум не набран, поэтому ярмарку не переносим. Вернёмся к вопросу весной и заранее предупредим жителей "
        "соседних домов.",
        "The quorum was not reached, so the fair stays where it is. We come back to it in spring and tell the "
        "neighbouring houses beforehand.",
        "Префектура Северного округа", Status.DECLINED, timedelta(days=8),
        reason=("Кворум 20 % не набран.", "The quorum of 20 % was not reached."),
    ),
    content={
        "title": t("Куда перенести ярмарку выходного дня?", "Where should the weekend fair move?"),
        "summary": t("Голосование жителей Северного округа с кворумом 20 %.", "A poll of the North, quorum 20 %."),
        "description": t(
            "Площадку у метро закрывают на ремонт. Решение обязательно, если проголосует пятая часть имеющих право.",
            "The ground by the metro closes for repairs. The result binds if a fifth of those entitled take part.",
        ),
        "topic": "streets",
        "territory": "msk-sao",
        "binding": True,
        "department": "Префектура Северного округа",
        "audience": everybody(aged(18), living_in("msk-sao")),
        "strata": ["age_band"],
        "quorum": {"share": "1/5"},
        "questions": [
            single(
                1, "Где быть ярмарке?", "Where should it be?",
                [
                    option(1, "На парковке у стадиона", "On the stadium's car park"),
                    option(2, "На площади у кинотеатра", "On the square by the cinema"),
                    option(3, "Не переносить, закрыть на время ремонта", "Nowhere: close it during the repairs"),
                    hard_to_say(),
                ],
            )
        ],
    },
)  # fmt: skip

CLOSED_POLLS = (YARD_LIGHT, BICYCLES, FAIR, SERVICE_CENTRES)

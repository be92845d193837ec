"""The demo's open polls of one district and one okrug: a square, a budget, a named vote, a cancelled poll."""

from __future__ import annotations

from datetime import timedelta

from voting.demo.script import (
    DemoPoll,
    Leaning,
    aged,
    budget,
    everybody,
    hard_to_say,
    living_in,
    option,
    project,
    single,
    source,
    specialists,
    t,
)

DISTRICT = "msk-sao-timiryazevsky"

SQUARE = DemoPoll(
    slug="skver-timiryazevskaya",
    opens=timedelta(days=-9),
    closes=timedelta(days=5),
    share=0.4,
    keen=("neighbour",),
    leanings={1: Leaning({1: 34, 2: 27, 3: 16, 4: 21, 5: 9}, young={3: 2.0, 5: 1.6}, old={4: 1.7, 2: 0.7})},
    content={
        "title": t("Каким будет сквер у метро «Тимирязевская»?", "What will the square at Timiryazevskaya be like?"),
        "summary": t(
            "Сквер обновят следующим летом. Выберите, с чего начать.",
            "The square will be renewed next summer. Choose what comes first.",
        ),
        "description": t(
            "Сквер между станцией метро и Дмитровским проездом не обновляли с 2009 года. Денег хватит на один большой "
            "этап: то, за что проголосуют чаще всего, сделают первым, остальное войдёт в план следующих лет.\n\n"
            "Голосовать могут взрослые жители Тимирязевского района.",
            "The square between the metro station and Dmitrovsky Proyezd has not been renewed since 2009. There is "
            "money for one big stage: what gets the most votes is done first, the rest goes into later plans.\n\n"
            "Adult residents of Timiryazevsky district may vote.",
        ),
        "topic": "parks",
        "territory": DISTRICT,
        "binding": True,
        "department": "Управа района Тимирязевский",
        "sources": [source("Схема сквера сегодня", "The square today", "https://example.org/skver/today.pdf")],
        "audience": everybody(aged(18), living_in(DISTRICT)),
        "strata": ["age_band", "sex"],
        "questions": [
            single(
                1, "С чего начать?", "What should come first?",
                [
                    option(1, "Деревья и тень", "Trees and shade",
                           ("80 саженцев липы и клёна, живые изгороди, полив.",
                            "80 young limes and maples, hedges, watering.")),
                    option(2, "Детская площадка", "A playground",
                           ("Две зоны: до шести лет и от семи до двенадцати.",
                            "Two parts: up to six years and from seven to twelve.")),
                    option(3, "Тренажёры под навесом", "A covered workout area",
                           ("Навес, свет до 22:00, мягкое покрытие.", "A roof, light until 22:00, soft ground.")),
                    option(4, "Свет и лавки", "Light and benches",
                           ("24 фонаря, лавки со спинками и подлокотниками.",
                            "24 lamps, benches with backs and armrests.")),
                    option(5, "Площадка для собак", "A place for dogs",
                           ("Ограда, вода и отдельный вход со стороны проезда.",
                            "A fence, water and an entrance of its own from the street.")),
                    hard_to_say(),
                    specialists(),
                ],
                shuffle=True,
            )
        ],
    },
)  # fmt: skip

OKRUG_BUDGET = DemoPoll(
    slug="byudzhet-severnogo-okruga",
    opens=timedelta(days=-6),
    closes=timedelta(days=12),
    share=0.28,
    leanings={
        1: Leaning(
            {1: 20, 2: 26, 3: 24, 4: 11, 5: 22, 6: 15, 7: 18, 8: 12}, young={2: 1.7, 8: 1.6}, old={3: 1.9, 1: 1.3},
            choices=6, neutral=0.03,
        )
    },
    content={
        "title": t("На что потратить 60 миллионов в Северном округе?", "How should the North spend 60 million?"),
        "summary": t(
            "Соберите свой список из восьми проектов в пределах бюджета.",
            "Put together your own list out of eight projects, within the budget.",
        ),
        "description": t(
            "Проекты предложили жители, стоимость посчитали инженеры префектуры. После голосования деньги получают "
            "проекты с наибольшим числом голосов, пока хватает бюджета; проект, на который остатка не хватает, "
            "пропускается.",
            "Residents proposed the projects and the engineers of the okrug worked out their cost. After the poll the "
            "projects with the most votes get the money while it lasts; one that no longer fits is passed over.",
        ),
        "topic": "budget",
        "territory": "msk-sao",
        "binding": True,
        "department": "Префектура Северного округа",
        "audience": everybody(aged(16), living_in("msk-sao")),
        "strata": ["age_band", "sex"],
        "questions": [
            budget(
                1, "Какие проекты поддержать?", "Which projects should be funded?", 60,
                [
                    project(1, 18.5, "Лыжная трасса в Тимирязевском парке", "A ski track in Timiryazevsky park",
                            ("Три километра с освещением и прокатом.", "Three lit kilometres with ski hire."), "С-01"),
                    project(2, 4.2, "Велопарковки у девяти станций", "Bicycle racks at nine stations",
                            ("360 мест под навесами.", "360 places under roofs."), "С-02"),
                    project(3, 9.6, "Пандусы в двенадцати подъездах", "Ramps at twelve entrances",
                            ("Адреса выбраны по заявкам жителей.", "Addresses come from residents' requests."), "С-03"),
                    project(4, 27.0, "Сухой фонтан на площади", "A walk-through fountain",
                            ("48 струй с подсветкой, работает с мая.", "48 lit jets, from May on."), "С-04"),
                    project(5, 12.3, "Островки безопасности на переходах", "Refuge islands at crossings",
                            ("Пятнадцать переходов у школ.", "Fifteen crossings near schools."), "С-05"),
                    project(6, 6.8, "Мастерская в библиотеке", "A workshop in the library",
                            ("Столярные верстаки и два принтера.", "Workbenches and two printers."), "С-06"),
                    project(7, 15.0, "Зелёные дворы: 400 деревьев", "Green yards: 400 trees",
                            ("Деревья старше пяти лет, уход три года.", "Trees over five years, cared for three."),
                            "С-07"),
                    project(8, 8.4, "Скейт-площадка у платформы", "A skate park by the railway",
                            ("Бетонная чаша и спот для новичков.", "A concrete bowl and a place to learn."), "С-08"),
                    hard_to_say(),
                ],
                hint=("Ваш список не может стоить больше 60 миллионов рублей.",
                      "Your list may not cost more than 60 million roubles."),
            )
        ],
    },
)  # fmt: skip

HEARING = DemoPoll(
    slug="sovet-parka-dubki",
    opens=timedelta(days=-4),
    closes=timedelta(days=8),
    share=0.05,
    leanings={1: Leaning({1: 40, 2: 26, 3: 20}, old={1: 1.4}, neutral=0.02)},
    content={
        "title": t("Кто возглавит совет парка «Дубки»?", "Who should chair the council of Dubki park?"),
        "summary": t(
            "Именное голосование жителей округа: голос можно изменить до закрытия.",
            "A named vote of the okrug's residents: a vote may be changed until closing.",
        ),
        "description": t(
            "Совет следит за тем, как парк содержат, и согласует работы в нём. По положению о советах имена голосующих "
            "вносятся в протокол собрания, поэтому голосование именное.",
            "The council watches over the upkeep of the park and agrees to works in it. By its charter the names of "
            "voters go into the minutes, so this vote is a named one.",
        ),
        "topic": "parks",
        "territory": "msk-sao",
        "department": "Префектура Северного округа",
        "audience": everybody(aged(18), living_in("msk-sao")),
        "privacy": "named",
        "may_change": True,
        "names_seen_by": t(
            "Имена видят секретарь совета и участники собрания, которым выдаётся протокол.",
            "Names are seen by the council's secretary and by members of the meeting, who get the minutes.",
        ),
        "strata": [],
        "questions": [
            single(
                1, "Выберите кандидата", "Choose a candidate",
                [
                    option(1, "Нина Громова, ландшафтный архитектор", "Nina Gromova, landscape architect"),
                    option(2, "Тимур Ахметов, учитель биологии", "Timur Akhmetov, biology teacher"),
                    option(3, "Лев Соболев, тренер по бегу", "Lev Sobolev, running coach"),
                    hard_to_say(),
                ],
            )
        ],
    },
)  # fmt: skip

FOUNTAIN = DemoPoll(
    slug="svetomuzykalnyy-fontan",
    opens=timedelta(days=-7),
    closes=timedelta(days=6),
    share=0.01,
    cancelled=(
        "Пересчёт показал, что фонтан обойдётся вдвое дороже объявленного: голосовать по прежней цене нечестно. "
        "Новое голосование объявим после экспертизы сметы."
    ),
    leanings={1: Leaning({1: 50, 2: 40})},
    content={
        "title": t("Нужен ли светомузыкальный фонтан на пруду?", "Does the pond need a musical fountain?"),
        "summary": t("Да или нет — и почему смета изменилась.", "Yes or no – and why the estimate has changed."),
        "description": t(
            "Фонтан предложили поставить на Большом Садовом пруду к дню города.",
            "The fountain was proposed for the Big Garden pond, to be ready for the city's birthday.",
        ),
        "topic": "parks",
        "territory": "msk-sao",
        "department": "Префектура Северного округа",
        "audience": everybody(aged(14), living_in("msk-sao")),
        "strata": [],
        "questions": [
            single(
                1, "Строить фонтан?", "Should it be built?",
                [option(1, "Да", "Yes"), option(2, "Нет", "No"), hard_to_say()],
            )
        ],
    },
)  # fmt: skip

OKRUG_POLLS = (SQUARE, OKRUG_BUDGET, HEARING, FOUNTAIN)

"""The demo's poll that holds every kind of question: a city park, from the first walk to the budget."""

from __future__ import annotations

from datetime import timedelta

from voting.demo.script import (
    DemoPoll,
    Leaning,
    aged,
    budget,
    everybody,
    hard_to_say,
    multiple,
    option,
    points,
    project,
    ranking,
    rating,
    single,
    source,
    specialists,
    t,
    text,
)

LIKELY_WORDS = (
    "Сделайте дорожки ровными: с коляской не проехать.",
    "Нужны скамейки со спинками, пожилым трудно без них.",
    "Не вырубайте старые липы у пруда.",
    "Больше урн и чаще вывозить мусор.",
    "Свет у северного входа не горит второй год.",
)

PARK = DemoPoll(
    slug="kak-obustroit-park",
    opens=timedelta(days=-2),
    closes=timedelta(days=20),
    share=0.03,
    leanings={
        1: Leaning({1: 34, 2: 22, 3: 14, 4: 12}, young={2: 1.9}, old={1: 1.6}),
        2: Leaning({1: 18, 2: 26, 3: 15}, young={1: 1.5}),
        3: Leaning({1: 24, 2: 30, 3: 21, 4: 12, 5: 16}, choices=3),
        4: Leaning({1: 3.9, 2: 3.1, 3: 2.4}, old={3: -0.4}),
        5: Leaning({1: 2.1}),
        6: Leaning({1: 30, 2: 26, 3: 24, 4: 15, 5: 12}, young={3: 1.7}, choices=4),
        7: Leaning({1: 26, 2: 22, 3: 20, 4: 11}, women={4: 1.5}),
        8: Leaning({1: 28, 2: 22, 3: 25, 4: 19, 5: 16}, choices=3),
        9: Leaning({}, texts=LIKELY_WORDS, neutral=0.0),
    },
    content={
        "title": t("Как нам обустроить парк?", "How should we lay out the park?"),
        "summary": t(
            "Девять коротких вопросов о парке «Дубки»: дорожки, спорт, очередь работ и деньги.",
            "Nine short questions about Dubki park: paths, sport, the order of works and the money.",
        ),
        "description": t(
            "Весной в парке «Дубки» начнутся работы. Проект готовят три бюро, и до конца года им нужны пожелания "
            "жителей. Вопросы разные: где-то достаточно одного ответа, где-то нужно расставить варианты по порядку, "
            "раздать баллы или выбрать проекты на сумму.\n\nЛюбой вопрос, кроме первого, можно пропустить.",
            "Works in Dubki park begin in spring. Three bureaus are drawing the design and need residents' wishes "
            "before the end of the year. The questions differ: some take one answer, in others you put options in "
            "order, spread points or choose projects within a sum.\n\nAny question but the first may be left out.",
        ),
        "topic": "parks",
        "territory": "msk",
        "department": "Департамент природопользования",
        "audience": everybody(aged(14)),
        "strata": ["age_band"],
        "sources": [source("Концепция парка", "The concept of the park", "https://example.org/dubki")],
        "questions": [
            single(
                1, "Зачем вы чаще всего приходите в парк?", "What do you mostly come to the park for?",
                [
                    option(1, "Погулять", "To walk"),
                    option(2, "Заняться спортом", "To exercise"),
                    option(3, "С детьми на площадку", "To the playground with children"),
                    option(4, "Прохожу насквозь", "I pass through"),
                    hard_to_say(),
                ],
                own_answer=True, shuffle=True,
            ),
            single(
                2, "Каким спортом вы занимаетесь в парке?", "What sport do you do in the park?",
                [option(1, "Бег", "Running"), option(2, "Скандинавская ходьба", "Nordic walking"),
                 option(3, "Игры с мячом", "Ball games"), hard_to_say()],
                required=False, shown_if={"question": 1, "options": [2]},
            ),
            multiple(
                3, "Чего не хватает у входов?", "What do the gates lack?", None,
                [
                    option(1, "Велопарковки", "Bicycle racks"),
                    option(2, "Туалета", "A toilet"),
                    option(3, "Питьевого фонтана", "A drinking fountain"),
                    option(4, "Карты парка", "A map of the park"),
                    option(5, "Навеса от дождя", "A roof against the rain"),
                    hard_to_say(),
                ],
                required=False, own_answer=True,
            ),
            rating(
                4, "Оцените нынешние места", "Rate the places as they are",
                [
                    option(1, "Липовая аллея", "The lime walk",
                           place={"address": t("вход с улицы Немчинова", "the gate on Nemchinova street"),
                                  "latitude": 55_818_700, "longitude": 37_565_600}),
                    option(2, "Площадка у пруда", "The ground by the pond",
                           place={"address": t("южный берег пруда", "the southern bank of the pond"),
                                  "latitude": 55_816_900, "longitude": 37_567_900}),
                    option(3, "Спортивная коробка", "The sports court",
                           place={"address": t("у Дубовой рощи", "by the oak grove")}),
                    hard_to_say(),
                ],
                required=False, low_label=t("плохо", "bad"), high_label=t("отлично", "excellent"),
            ),
            rating(
                5, "Спокойно ли вам в парке вечером?", "Do you feel safe in the park in the evening?",
                [option(1, "Парк вечером", "The park in the evening"), hard_to_say()],
                required=False, scale_max=4, low_label=t("", ""), high_label=t("", ""),
                levels=[t("тревожно", "uneasy"), t("скорее тревожно", "rather uneasy"),
                        t("скорее спокойно", "rather safe"), t("спокойно", "safe")],
                rule={"method": "rating", "order_by": "median"},
            ),
            ranking(
                6, "Что сделать в первую очередь?", "What should be done first?",
                [
                    option(1, "Свет на дорожках", "Light on the paths",
                           ("Тёплый свет по датчику, 140 фонарей.", "Warm light by sensors, 140 lamps.")),
                    option(2, "Ремонт дорожек", "Repair of the paths",
                           ("Щебень и плитка вместо асфальта.", "Gravel and slabs instead of asphalt.")),
                    option(3, "Спортивная площадка", "A sports ground"),
                    option(4, "Сцена и летний кинотеатр", "A stage and a summer cinema"),
                    option(5, "Экотропа у пруда", "A nature trail by the pond"),
                    specialists(),
                ],
                required=False, shuffle=True,
            ),
            points(
                7, "Раздайте 10 баллов: чего в парке должно быть больше?",
                "Spread 10 points: what should the park have more of?", 10,
                [option(1, "Тишины", "Quiet"), option(2, "Тени", "Shade"), option(3, "Спорта", "Sport"),
                 option(4, "Событий", "Events"), hard_to_say()],
                required=False, most_per_option=7,
            ),
            budget(
                8, "Распределите 40 миллионов", "Spend 40 million", 40,
                [
                    project(1, 18.0, "Каток с навесом", "A covered rink",
                            ("Открыт с ноября по март.", "Open from November to March."), "П-1"),
                    project(2, 15.0, "Скейт-парк", "A skate park",
                            ("На том же месте, что и каток.", "On the site of the rink."), "П-2"),
                    project(3, 12.0, "Деревянный настил у пруда", "A boardwalk by the pond",
                            ("240 метров, с перилами.", "240 metres with a rail."), "П-3"),
                    project(4, 9.0, "Детская площадка из дерева", "A wooden playground",
                            ("Для детей от трёх лет.", "For children from three."), "П-4"),
                    project(5, 6.5, "Двести новых деревьев", "Two hundred new trees",
                            ("Липы и дубы.", "Limes and oaks."), "П-5"),
                ],
                required=False, exclusive_groups=[[1, 2]], exclusive_on_ballot=True,
            ),
            text(
                9, "Что ещё важно учесть?", "What else should be kept in mind?", 600, required=False,
            ),
        ],
    },
)  # fmt: skip

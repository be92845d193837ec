"""A counted poll of a whole city, broken down every way there is: what the explorer has to draw at its full size."""

from __future__ import annotations

import random
from typing import Any

from tests.builders import a_definition, a_multiple_choice, a_rating, a_single_choice, an_option, both
from tests.results.counted import Ballot, a_counted_poll

from polls.catalogue import SealedPoll
from polls.register import territory_tree
from polls.sessions import Session
from polls.strata import Stratum

QUESTION = both("Каким быть главному парку округа?", "What should the okrug's main park be?")
OPTIONS = [
    an_option(1, text=both("Тихий парк для прогулок", "A quiet park for walks")),
    an_option(2, text=both("Спортивный парк", "A park for sport")),
    an_option(3, text=both("Парк для детей", "A park for children")),
    an_option(90, text=both("Мне всё равно", "I do not mind"), kind="neutral"),
]


def city_definition(**more: Any) -> Any:
    """One answer, several answers and a rating, broken down by place, age and sex unless `strata` says otherwise."""
    questions = [
        a_single_choice() | {"text": QUESTION, "options": OPTIONS},
        a_multiple_choice(2, required=False),
        a_rating(3),
    ]
    return a_definition(questions=questions, **{"strata": ["district", "age_band", "sex"], **more})


async def a_city_poll(session: Session, ballots: int = 6_000, seed: int = 5, **more: Any) -> SealedPoll:
    """So many ballots over all districts that are loaded: large districts and small ones, the young unlike the old."""
    rng = random.Random(seed)
    tree = await territory_tree(session)
    districts = tree.of_kind("district")
    okrugs = [place.id for place in tree.of_kind("okrug")]
    weights = [1 / (1 + number % 9) for number in range(len(districts))]
    made: list[Ballot] = []
    for district in rng.choices(districts, weights, k=ballots):
        age, sex = rng.choices([2, 3, 4, 5, 6, 7], [2, 4, 5, 4, 4, 3])[0], rng.choices([1, 2], [55, 45])[0]
        leaning = okrugs.index(district.parent_id or okrugs[0]) / len(okrugs)
        answer = rng.choices([1, 2, 3, 90], [30 + 8 * age, 40 - 4 * age, 10 + 50 * leaning, 5])[0]
        several = sorted(rng.sample(range(1, 5), rng.randint(0, 2)))
        grades = f"[[1,{rng.randint(2, 5)}],[2,{min(5, 1 + age // 2 + rng.randint(0, 1))}]]"
        made.append(((f"[{answer}]", str(several).replace(" ", ""), grades), Stratum(district.id, age, sex).code))
    return await a_counted_poll(session, city_definition(**more), made, entitled=400)

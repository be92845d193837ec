"""Two looks at a poll shown live never differ by a few people, nor by people who all said the same."""

import pytest
from tests.builders import a_single_choice
from tests.results.every_rule import question as any_question

from polls.definition import AnyQuestion
from polls.live_apart import next_shown
from polls.tally import tally
from polls.tally.outcome import Outcome
from polls.tally.profile import Profile


def parsed(value: dict[str, object]) -> AnyQuestion:
    from tests.builders import a_definition

    return a_definition(questions=[value]).questions[0]


def of(question: AnyQuestion, **answers: int) -> Outcome:
    return tally(question, Profile({key: n for key, n in answers.items() if n}))


@pytest.mark.parametrize(
    ("earlier", "later", "moves"),
    [
        ((60, 40), (65, 49), True),
        ((60, 40), (63, 42), False),  # five people
        ((60, 40), (80, 40), False),  # twenty, and all of them said the same
        ((60, 40), (60, 40), True),
        ((4, 3), (5, 3), True),  # nothing was shown of under ten
    ],
)
def test_a_question_moves_when_enough_ballots_that_differ_hold_it(
    earlier: tuple[int, int], later: tuple[int, int], moves: bool
) -> None:
    question = parsed(a_single_choice(1))
    before, now = (of(question, **{"[1]": yes, "[2]": no}) for yes, no in (earlier, later))
    assert next_shown(question, before, now) == (now if moves else before)
    assert next_shown(question, None, now) == now


def test_of_a_rating_levels_count_and_not_that_everybody_gave_one() -> None:
    question = parsed({**any_question("rating", 1), "id": 1})
    before = of(question, **{"[[1,5]]": 20, "[[1,2]]": 20})
    alike = of(question, **{"[[1,5]]": 40, "[[1,2]]": 20})
    mixed = of(question, **{"[[1,5]]": 30, "[[1,2]]": 30})
    assert next_shown(question, before, alike) == before
    assert next_shown(question, before, mixed) == mixed


def test_a_ranking_moves_by_ballots() -> None:
    question = parsed({**any_question("ranking", 3), "id": 1})
    before = of(question, **{"[[1],[2],[3]]": 30, "[[2],[1],[3]]": 20})
    few = of(question, **{"[[1],[2],[3]]": 35, "[[2],[1],[3]]": 20})
    more = of(question, **{"[[1],[2],[3]]": 45, "[[2],[1],[3]]": 30})
    assert next_shown(question, before, few) == before
    assert next_shown(question, before, more) == more

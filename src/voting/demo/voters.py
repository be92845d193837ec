"""Who of the demo's residents votes, on which day, and what they answer: by their age and place, and by chance.

Chance is seeded by the poll, so the same city of the same size votes the same way every time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from polls.definition import (
    AnyQuestion,
    Budget,
    Definition,
    FreeText,
    MultipleChoice,
    Points,
    Ranking,
    Rating,
    SingleChoice,
)
from polls.eligibility import CitizenFacts, age_on, reasons_against
from polls.identity import identity_key
from polls.register import citizen_facts_many
from polls.sessions import ReadSession
from polls.tables import identity
from voting.demo.script import DemoPoll, Leaning
from voting.demo_register import demo_citizen

YOUNG, OLD = 30, 60
KEENNESS = {"young": 0.75, "": 1.0, "old": 1.25}  # older residents vote more often
EAGER_OKRUGS = {"msk-sao": 1.35, "msk-cao": 1.15, "msk-szao": 1.1, "msk-tao": 0.7, "msk-nao": 0.75, "msk-zelao": 0.85}
TALKATIVE = 0.2  # who writes something where words are asked for
FIRST_DAY, LAST_DAY = 2.2, 1.8  # how much busier they are than the days between


async def city_voters(
    session: ReadSession, citizens: int, secrets: Mapping[int, bytes], moment: datetime
) -> list[CitizenFacts]:
    """The synthetic citizens 1 to `citizens` in the order of their numbers, as they stood at `moment`."""
    version = max(secrets)
    keys = [
        identity_key(secrets[version], "national_id", demo_citizen(number).national_id)
        for number in range(1, citizens + 1)
    ]
    rows = await session.execute(
        select(identity.c.key, identity.c.citizen_id).where(
            identity.c.kind == "national_id", identity.c.key_version == version, identity.c.key.in_(keys)
        )
    )
    ids = {row.key: row.citizen_id for row in rows}
    known = [ids[key] for key in keys if key in ids]
    facts = await citizen_facts_many(session, known, moment)
    return [facts[citizen_id] for citizen_id in known if citizen_id in facts]


def turnout(
    voters: Sequence[CitizenFacts], poll: DemoPoll, definition: Definition, until: datetime
) -> Iterator[tuple[datetime, list[tuple[CitizenFacts, dict[str, Any]]]]]:
    """The days of a poll from its opening to `until`, each with who votes on it and how they answer."""
    chance = random.Random(poll.slug)  # noqa: S311 -- a story, not a secret
    opens, closes = definition.opens_at, definition.closes_at
    assert opens is not None
    assert closes is not None
    on = opens.date()
    coming = []
    for facts in voters:
        keenness = KEENNESS[_generation(facts, on)] * EAGER_OKRUGS.get(okrug_of(facts), 1.0)
        if chance.random() < poll.share * keenness and not reasons_against(facts, definition):
            coming.append(facts)
    chance.shuffle(coming)
    moments = list(_days(opens, min(closes, until)))
    weights = [1.0] * len(moments)
    weights[0] *= FIRST_DAY
    if closes <= until:
        weights[-1] *= LAST_DAY
    of_day = chance.choices(range(len(moments)), weights, k=len(coming))
    for day, moment in enumerate(moments):
        here = [facts for facts, when in zip(coming, of_day, strict=True) if when == day]
        yield moment, [(facts, answers_of(facts, poll, definition, chance)) for facts in here]


def answers_of(facts: CitizenFacts, poll: DemoPoll, definition: Definition, chance: random.Random) -> dict[str, Any]:
    """One resident's answers to every question, as a form would send them."""
    on = definition.opens_at.date() if definition.opens_at else date.today()
    answers = {}
    for question in definition.questions:
        leaning = poll.leanings[question.id]
        answers[str(question.id)] = _answer(question, leaning, _generation(facts, on), facts, chance)
    return answers


def okrug_of(facts: CitizenFacts) -> str:
    """The code of a resident's okrug, or an empty text."""
    return next((code for code in facts.territories if code.count("-") == 1), "")


def _days(opens: datetime, until: datetime) -> Iterator[datetime]:
    """A moment of each day of voting; the first just after opening, the last before `until`."""
    moment = opens + timedelta(minutes=5)
    while moment < until:
        yield moment
        moment += timedelta(days=1)


def _generation(facts: CitizenFacts, on: date) -> str:
    if facts.birth_date is None:
        return ""
    age = age_on(facts.birth_date, on)
    return "young" if age < YOUNG else "old" if age >= OLD else ""


def _weights(leaning: Leaning, generation: str, facts: CitizenFacts, *, ratings: bool) -> dict[int, float]:
    """The weights as this resident has them: multiplied, or for ratings added to."""
    tilts = [leaning.okrugs.get(okrug_of(facts), {})]
    tilts += [{"young": leaning.young, "old": leaning.old}.get(generation, {})]
    tilts += [leaning.women] if facts.sex == "f" else []
    found = dict(leaning.weights)
    for tilt in tilts:
        for option, by in tilt.items():
            found[option] = found[option] + by if ratings else found[option] * by
    return found


def _answer(
    question: AnyQuestion, leaning: Leaning, generation: str, facts: CitizenFacts, chance: random.Random
) -> Any:
    if chance.random() < leaning.neutral:
        if question.neutral:
            return [chance.choice(question.neutral).id]
        if not question.required:
            return []
    weights = _weights(leaning, generation, facts, ratings=isinstance(question, Rating))
    match question:
        case Rating():
            rated = {
                option: _level(question, mean, chance) for option, mean in weights.items() if chance.random() < 0.92
            }
            return {str(option): level for option, level in rated.items()} or {str(next(iter(weights))): 3}
        case SingleChoice():
            return chance.choices(list(weights), list(weights.values()))
        case MultipleChoice():
            return _several(weights, chance.randint(1, leaning.choices), chance)
        case Ranking():
            return _several(weights, chance.randint(1, leaning.choices), chance)
        case Points():
            return _spread(question, weights, chance)
        case FreeText():
            return chance.choice(leaning.texts) if leaning.texts and chance.random() < TALKATIVE else ""
        case Budget():
            return _within(question, _several(weights, chance.randint(1, leaning.choices), chance))


def _level(question: Rating, mean: float, chance: random.Random) -> int:
    return min(question.scale_max, max(question.scale_min, round(chance.gauss(mean, 1.1))))


def _spread(question: Points, weights: Mapping[int, float], chance: random.Random) -> dict[str, int]:
    """The points of a question, dealt one by one; an option that has all it may have gets no more."""
    most = question.most_per_option or question.total
    given = dict.fromkeys(weights, 0)
    for _ in range(question.total):
        open_to = {option: weight for option, weight in weights.items() if given[option] < most}
        if not open_to:
            break
        given[chance.choices(list(open_to), list(open_to.values()))[0]] += 1
    return {str(option): n for option, n in given.items()}


def _several(weights: Mapping[int, float], n: int, chance: random.Random) -> list[int]:
    """So many different options, each drawn by its weight."""
    left = dict(weights)
    chosen = []
    for _ in range(min(n, len(left))):
        option = chance.choices(list(left), list(left.values()))[0]
        chosen.append(option)
        del left[option]
    return chosen


def _within(question: Budget, options: Sequence[int]) -> list[int]:
    """The options in their order, as long as they fit into what one ballot may spend."""
    costs = {option.id: option.cost or 0 for option in question.options}
    chosen: list[int] = []
    left = question.ballot_limit
    for option in options:
        rivals = {other for group in question.exclusive_groups if option in group for other in group}
        if question.exclusive_on_ballot and rivals.intersection(chosen):
            continue
        if left is None or costs[option] <= left:
            chosen.append(option)
            left = None if left is None else left - costs[option]
    return chosen

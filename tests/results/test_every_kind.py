"""Questions of the newer kinds from ballots to figures: totals, breakdowns, follow-ups, ballot styles, files."""

from __future__ import annotations

import io
import random
from collections import Counter
from typing import Any

import pandas
import pytest
from sqlalchemy import insert
from tests.builders import a_city, a_definition, a_single_choice, an_option, both
from tests.results.counted import AFTER, a_counted_poll, city_strata
from tests.results.every_rule import NEUTRAL, question
from tests.results.protected import breakdowns
from tests.results.test_figures import body, opener

from polls.definition import Definition
from polls.errors import NotFound
from polls.sessions import Session
from polls.strata import Stratum
from polls.tables import text_answer
from polls.tally import tally
from polls.tally.profile import Profile
from polls.territories import Territory, TerritoryTree
from results.aggregation import class_counts
from results.exports.columns import DETAILS, TEXTS
from results.exports.csv import details_csv, results_document
from results.exports.texts import texts_csv
from results.figures import poll_figures
from results.reading import read_classes
from results.shapes import By, Kind, Table
from voting.api.schemas_results import Results

PLACES = TerritoryTree.of(
    [
        Territory(1, "msk", "city", None, "Москва", "Moscow"),
        Territory(2, "cao", "okrug", 1, "ЦАО", "CAO"),
        *(
            Territory(number, f"d{number}", "district", 2, f"Район {number}", f"District {number}")
            for number in (4, 5, 6)
        ),
    ]
)


def kinds() -> list[dict[str, Any]]:
    """A ranking, points, a choice with own answers, a text and a follow-up."""
    return [
        {**question("ranking", 4), "rule": {"method": "instant_runoff"}},
        {**question("points", 3, total=10, spend_all=True), "id": 2},
        {**question("multiple_choice", 3, own_answer=True), "id": 3},
        {**question("text"), "id": 4},
        {**a_single_choice(5), "shown_if": {"question": 3, "options": [1]}},
    ]


def ballots_of(n: int, strata: list[int], seed: int = 4) -> list[tuple[tuple[str, ...], int]]:
    """Random answers to :func:`kinds`; the last question is shown to those who chose option 1 of the third."""
    rng = random.Random(seed)
    made = []
    for _ in range(n):
        order = rng.sample(range(1, 5), rng.randint(1, 4))
        first = rng.randint(0, 10)
        chosen = sorted(rng.sample(range(4), rng.randint(1, 2)))  # 0: in their own words
        points = [[option, given] for option, given in ((1, first), (3, 10 - first)) if given]
        follow = f"[{rng.choice([1, 2, 90])}]" if 1 in chosen else "null"
        answers = (
            str([[option] for option in order]), str(points), str(chosen), rng.choice(["[0]", "[]", "[90]"]), follow,
        )  # fmt: skip
        made.append((tuple(answer.replace(" ", "") for answer in answers), rng.choice(strata)))
    return made


async def test_every_kind_from_ballots_to_files(session: Session) -> None:
    await a_city(session)
    strata = await city_strata(session)
    found = await a_counted_poll(session, a_definition(questions=kinds()), ballots_of(900, strata))
    figures = await poll_figures(session, found.slug, AFTER)
    asked = figures.questions[4]
    assert asked.outcome.cast < 900 == figures.ballots == figures.questions[0].outcome.cast
    assert asked.total.cast == figures.questions[2].outcome.option(1).votes == asked.outcome.cast
    ranking, points = figures.questions[0], figures.questions[1]
    assert ranking.placed and sum(places[1] for places in ranking.placed.values()) == 900
    district = points.by(By.OKRUG)
    assert district is not None
    known = [cell.points for row in district.rows for cell in row.cells[:1] if cell.points is not None]
    assert known and sum(known) == points.outcome.option(1).points
    document = Results.model_validate(results_document(figures))
    assert document.outcomes[0].pairwise is not None and document.outcomes[3].own == figures.questions[3].outcome.own
    table = pandas.read_csv(io.BytesIO(await body(await details_csv(opener(session), found.slug, now=AFTER))))
    assert list(table.columns) == [column.name for column in DETAILS]
    assert set(table["figure"]) == {"place", "pair", "round"}
    first = table[(table["figure"] == "round") & (table["number"] == 1) & (table["question_id"] == 1)]
    assert first["votes"].sum() == 900


async def test_the_classes_of_sql_are_those_of_python_for_every_kind(session: Session) -> None:
    await a_city(session)
    strata = await city_strata(session)
    definition, made = a_definition(questions=kinds()), ballots_of(300, strata)
    found = await a_counted_poll(session, definition, made)
    tables = {
        table.question_id for q in (await poll_figures(session, found.slug, AFTER)).questions for table in q.tables
    }
    assert tables == {1, 2, 3, 4, 5}
    by_sql = Counter({(c.question_id, c.key): 0 for c in await read_classes(session, found)})
    for count in await read_classes(session, found):
        by_sql[count.question_id, count.key] += count.n
    rows = [
        (item.id, stratum, answers[place], 1)
        for answers, stratum in made
        for place, item in enumerate(definition.questions)
        if answers[place] != "null"
    ]
    by_python: Counter[tuple[int, str]] = Counter()
    for count in class_counts(rows, definition):
        by_python[count.question_id, count.key] += count.n
    assert by_sql == by_python
    assert any(key == (1, "^1") for key in by_sql)


async def test_only_reviewed_texts_leave_and_alone(session: Session) -> None:
    await a_city(session)
    strata = await city_strata(session)
    found = await a_counted_poll(session, a_definition(questions=kinds()), ballots_of(60, strata))
    rows = [("approved", "Липы", None), ("merged", "=Скамейки", 2), ("rejected", "брань", None), ("pending", "?", None)]
    await session.execute(
        insert(text_answer),
        [
            {"poll_id": found.id, "question_id": 3, "text": words, "status": status, "merged_into": into}
            for status, words, into in rows
        ],
    )
    table = pandas.read_csv(io.BytesIO(await body(await texts_csv(opener(session), found.slug, now=AFTER))))
    assert list(table.columns) == [column.name for column in TEXTS]
    assert sorted(table["text"]) == ["'=Скамейки", "Липы"]  # and no spreadsheet takes one for a formula
    assert not set(table.columns) & {"stratum", "ballot_id", "group_code", "at"}
    with pytest.raises(NotFound):
        await texts_csv(opener(session), found.slug, now=AFTER, question_id=1)


# ---- follow-ups are protected with the question they follow


def tables_of(definition: Definition, counts: dict[int, dict[tuple[str, ...], int]]) -> list[Table]:
    """Tables of answers by district: territory → whole ballots → how many."""
    rows = [
        (item.id, Stratum(territory, 0, 0).code, answers[place], n)
        for territory, ballots in counts.items()
        for answers, n in ballots.items()
        for place, item in enumerate(definition.questions)
        if answers[place] != "null"
    ]
    outcomes = []
    for item in definition.questions:
        sums: Counter[str] = Counter()
        for number, _, answer, n in rows:
            if number == item.id:
                sums[answer] += n
        outcomes.append(tally(item, Profile(sums)))
    return breakdowns(definition, outcomes, class_counts(rows, definition), PLACES)


@pytest.mark.parametrize("options", [[1], [1, 2]])
def test_a_follow_up_gives_away_no_hidden_vote(options: list[int]) -> None:
    """The ballots of a follow-up are the votes that led to it: shown in one table, they are not hidden in the other."""
    first = a_single_choice(1, 3)
    then = {**a_single_choice(2, 2), "shown_if": {"question": 1, "options": options}}
    definition = a_definition(questions=[first, then], strata=["district"])
    follow = {1: "[1]", 2: "[2]", 3: "null"}
    asked = set(options)

    def answers(option: int) -> tuple[str, str]:
        return f"[{option}]", follow[option] if option in asked else "null"

    counts: dict[int, dict[tuple[str, ...], int]] = {
        4: {answers(1): 60, answers(2): 40, answers(3): 4},
        5: {answers(1): 70, answers(2): 50, answers(3): 60},
        6: {answers(1): 80, answers(2): 45, answers(3): 50},
    }
    tables = tables_of(definition, counts)
    choice, after = (next(t for t in tables if t.question_id == number) for number in (1, 2))
    for mine, theirs in zip(choice.rows, after.rows, strict=True):
        votes = [mine.cells[option - 1].votes for option in options]
        hidden = sum(n is None for n in votes)
        if hidden == 1:  # one unknown among those that add up to the ballots of the follow-up
            assert theirs.cast is None, (mine.group.code, votes)
    assert any(cell.suppressed for cell in choice.rows[0].cells)


def test_points_alike_in_a_group_stay_hidden() -> None:
    """Where everybody gave an option the same, its sum would say how each voted."""
    asked = {
        "kind": "points",
        "id": 1,
        "text": both("Баллы"),
        "total": 10,
        "options": [an_option(1), an_option(2), NEUTRAL],
    }
    definition = a_definition(questions=[asked], strata=["district"])
    tables = tables_of(
        definition,
        {
            4: {("[[1,7]]",): 30},
            5: {("[[1,3],[2,2]]",): 30, ("[[1,9]]",): 30},
            6: {("[[1,4]]",): 25, ("[[1,2],[2,1]]",): 25},
        },
    )
    [table] = tables
    by_code = {row.group.code: row for row in table.rows}
    assert by_code["d4"].cells[0].points is None and by_code["d4"].cells[0].votes == 30
    shown = [row.cells[0].points for row in table.rows if row.cells[0].points is not None]
    assert len(shown) <= 1  # one more is hidden, so that it cannot be had by subtraction
    assert [column.kind for column in table.columns] == [Kind.OPTION, Kind.OPTION, Kind.NEUTRAL, Kind.BLANK]

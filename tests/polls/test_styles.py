"""What a resident is shown: ballot styles by territory and follow-ups by earlier answers, from casting to the count."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import (
    NOW,
    SEALER,
    ASigner,
    a_citizen,
    a_city,
    a_definition,
    a_key,
    a_rating,
    a_single_choice,
    an_open_poll,
    an_option,
    close_now,
)

from polls.ballot import encode_ballot, style_of
from polls.board import leaf_hashes
from polls.casting import Cast, cast_ballot
from polls.catalogue import SealedPoll
from polls.counting import count_poll, entitled_of
from polls.definition import Definition
from polls.errors import InvalidAnswer
from polls.register_sum import sum_up_register
from polls.sessions import Session
from polls.style_roll import entitled_by_style

SIGNER = ASigner()
ARBAT, TIMIRYAZEVSKY = "msk-cao-arbat", "msk-sao-timiryazevsky"
STYLES = [
    {"id": 1, "territories": [ARBAT]},
    {"id": 2, "territories": ["msk-cao"]},
]
QUESTIONS = [
    {**a_single_choice(1, 2), "options": [an_option(1), an_option(2, styles=[1]), an_option(3, styles=[2])]},
    {**a_single_choice(2, 2), "styles": [1, 2]},
    {**a_single_choice(3, 2), "required": True, "shown_if": {"question": 1, "options": [1]}},
]


def styled(**more: Any) -> Definition:
    return a_definition(styles=STYLES, questions=QUESTIONS, **more)


@pytest.mark.parametrize(
    ("territories", "style"),
    [({"msk", "msk-cao", ARBAT}, 1), ({"msk", "msk-cao", "msk-cao-basmanny"}, 2), ({"msk", "msk-sao"}, 0), (set(), 0)],
)
def test_the_first_style_that_names_a_territory_of_the_resident_holds(territories: set[str], style: int) -> None:
    assert style_of(styled(), territories) == style


def test_options_and_questions_of_another_style_are_not_on_the_ballot() -> None:
    definition = styled()
    assert encode_ballot(definition, {"1": 2, "2": 1}, 1).answers == ("[2]", "[1]", "null")
    assert encode_ballot(definition, {"1": 1, "3": 2}, 0).answers == ("[1]", "null", "[2]")
    for style, answers in ((0, {"1": 2}), (2, {"1": 2, "2": 1}), (0, {"1": 1, "2": 1, "3": 1})):
        with pytest.raises(InvalidAnswer):
            encode_ballot(definition, answers, style)


TWO = [an_option(1), an_option(2)]
FOLLOW_UPS: list[tuple[dict[str, Any], dict[str, Any], Any, bool]] = [
    (a_single_choice(1, own_answer=True), {"options": [1, 2]}, 2, True),
    (a_single_choice(1, own_answer=True), {"options": [1, 2]}, 3, False),
    (a_single_choice(1, own_answer=True), {"options": [0]}, {"own": "Пруд"}, True),
    (a_single_choice(1, own_answer=True), {"options": [0]}, 1, False),
    (a_single_choice(1), {}, 90, True),
    (a_single_choice(1, required=False), {}, None, False),
    (a_rating(1), {"at_most": 2}, {"1": 2, "2": 5}, True),
    (a_rating(1), {"at_most": 2}, {"1": 3}, False),
    (a_rating(1), {"options": [2], "at_most": 2}, {"1": 1, "2": 5}, False),
    (a_rating(1), {"options": [2]}, {"1": 2}, False),
    (a_rating(1), {"options": [2]}, {"2": 1}, True),
    ({"kind": "points", "id": 1, "options": TWO}, {"options": [1], "at_least": 5}, {"1": 5, "2": 1}, True),
    ({"kind": "points", "id": 1, "options": TWO}, {"options": [1], "at_least": 5}, {"1": 1, "2": 5}, False),
    ({"kind": "ranking", "id": 1, "options": TWO}, {"options": [2]}, [2], True),
    ({"kind": "ranking", "id": 1, "options": TWO}, {"options": [2]}, [1], False),
    ({"kind": "text", "id": 1}, {"options": [0]}, "Скамейки", True),
]  # fmt: skip


@pytest.mark.parametrize(("earlier", "condition", "answer", "shown"), FOLLOW_UPS)
def test_a_follow_up_is_asked_when_the_earlier_answer_says_so(
    earlier: dict[str, Any], condition: dict[str, Any], answer: Any, shown: bool
) -> None:
    follow = {**a_single_choice(2), "shown_if": {"question": 1, **condition}}
    definition = a_definition(questions=[earlier, follow])
    assert encode_ballot(definition, {"1": answer, "2": 1}).answers[1] == ("[1]" if shown else "null")
    if shown:
        with pytest.raises(InvalidAnswer):
            encode_ballot(definition, {"1": answer})  # the follow-up is required once it is shown
    else:
        assert encode_ballot(definition, {"1": answer}).answers[1] == "null"


def test_a_follow_up_of_a_question_that_was_not_asked_is_not_asked() -> None:
    chain = [a_single_choice(1), {**a_single_choice(2), "shown_if": {"question": 1, "options": [1]}},
             {**a_single_choice(3), "shown_if": {"question": 2}}]  # fmt: skip
    definition = a_definition(questions=chain)
    assert encode_ballot(definition, {"1": 2, "2": 1, "3": 1}).answers == ("[2]", "null", "null")
    assert encode_ballot(definition, {"1": 1, "2": 1, "3": 1}).answers == ("[1]", "[1]", "[1]")


async def a_styled_poll(session: Session) -> tuple[SealedPoll, list[Cast]]:
    await a_city(session)
    poll = await an_open_poll(session, styles=STYLES, questions=QUESTIONS)
    given = [(ARBAT, {"1": 2, "2": 1})] * 12 + [(ARBAT, {"1": 1, "2": 2, "3": 2})] * 4
    given += [(TIMIRYAZEVSKY, {"1": 1, "3": 1})] * 11
    cast = []
    for district, answers in given:
        citizen = await a_citizen(session, district=district)
        cast.append(await cast_ballot(session, poll, citizen, answers, a_key(), SIGNER, NOW))
    await a_citizen(session, district=ARBAT)  # one who does not vote
    return poll, cast


async def test_each_question_is_counted_over_those_who_were_asked_it(session: Session) -> None:
    poll, _ = await a_styled_poll(session)
    await close_now(session, poll)
    counted = await count_poll(session, poll.public_id, NOW, SEALER)
    assert counted is not None
    assert counted.ballots == 27
    assert [outcome.cast for outcome in counted.outcomes] == [27, 16, 15]
    assert [{o.id: o.votes for o in outcome.options} for outcome in counted.outcomes] == [
        {1: 15, 2: 12, 3: 0}, {1: 12, 2: 4}, {1: 11, 2: 4},
    ]  # fmt: skip
    styles = await session.execute(
        text("SELECT style, count(*) FROM ballot WHERE poll_id = :p GROUP BY 1"), {"p": poll.id}
    )
    assert dict(styles.all()) == {0: 11, 1: 16}


async def test_shares_of_the_entitled_are_of_those_who_could_be_asked(session: Session) -> None:
    poll, _ = await a_styled_poll(session)
    await close_now(session, poll)
    await count_poll(session, poll.public_id, NOW, SEALER)
    entitled = [await entitled_of(session, poll, question) for question in poll.definition.questions]
    assert entitled == [28, 17, 28]


async def test_no_leaf_stands_for_a_question_that_was_not_asked(session: Session) -> None:
    poll, cast = await a_styled_poll(session)
    assert [len(one.receipt.facts["leaves"]) for one in (cast[0], cast[12], cast[-1])] == [2, 3, 2]
    leaves = leaf_hashes(poll.poll_hash, cast[-1].ballot_id, poll.question_ids, ("[1]", "null", "[1]"), 0)
    assert cast[-1].receipt.facts["leaves"] == [leaf.hex() for leaf in leaves]


async def test_styles_are_counted_alike_in_sum_entry_by_entry_and_by_building(session: Session) -> None:
    await a_city(session)
    arbat = await session.scalar(text("SELECT id FROM territory WHERE code = :code"), {"code": ARBAT})
    await session.execute(
        text(
            "INSERT INTO territory (code, kind, parent_id, name_ru, name_en) VALUES ('dom', 'building', :a, 'Дом', 'H')"
        ),
        {"a": arbat},
    )
    for district in [ARBAT] * 5 + ["msk-cao-basmanny"] * 3 + [TIMIRYAZEVSKY] * 2:
        await a_citizen(session, district=district)
    at_home = await a_citizen(session, district=ARBAT)
    await session.execute(
        text("UPDATE citizen_period SET building_id = (SELECT id FROM territory WHERE code = 'dom')"
             " WHERE citizen_id = :c"), {"c": at_home},
    )  # fmt: skip
    definition = styled()
    one_by_one = await entitled_by_style(session, definition)
    await sum_up_register(session, NOW)
    assert await entitled_by_style(session, definition) == one_by_one == {0: 2, 1: 6, 2: 3}
    house = styled_with([{"id": 7, "territories": ["dom"]}, *STYLES])
    assert await entitled_by_style(session, house) == {0: 2, 7: 1, 1: 5, 2: 3}


def styled_with(styles: list[dict[str, Any]]) -> Definition:
    return a_definition(styles=styles, questions=QUESTIONS)

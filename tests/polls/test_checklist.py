"""The checklist's rules about what cannot work: bounds, follow-ups, styles, owners, money, times, figures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.builders import (
    AUTHOR,
    NOW,
    a_budget,
    a_citizen,
    a_city,
    a_definition,
    a_multiple_choice,
    a_rating,
    a_single_choice,
    an_option,
    both,
)

from polls.authoring import check_draft, create_draft, schedule_poll
from polls.checklist import Finding, findings
from polls.definition import Definition
from polls.errors import NotReady
from polls.poll_templates import TEMPLATES, definition_from
from polls.sessions import Session

HARD = an_option(90, "Затрудняюсь ответить", kind="neutral")


def found(*questions: dict[str, Any], **more: Any) -> dict[str, Finding]:
    more.setdefault("opens_at", NOW + timedelta(hours=1))
    if questions:
        more["questions"] = list(questions)
    figures = {name: more.pop(name) for name in ("entitled", "by_style") if name in more}
    return {finding.code: finding for finding in findings(a_definition(**more), NOW, **figures)}


def asked(kind: str, n: int = 3, number: int = 1, **more: Any) -> dict[str, Any]:
    options = [an_option(i) for i in range(1, n + 1)] + [HARD]
    return {"kind": kind, "id": number, "text": both("Вопрос", "Question"), "options": options, **more}


@pytest.mark.parametrize("code", TEMPLATES)
def test_a_template_passes_once_territory_and_times_are_set(code: str) -> None:
    raw = definition_from(code, "0" * 32, "msk")
    opens = NOW + timedelta(days=1)
    ready = raw.model_copy(update={"opens_at": opens, "closes_at": opens + timedelta(days=9)})
    assert findings(ready, NOW, entitled=1_000) == ()
    assert Definition.model_validate(ready.as_json()) == ready


@pytest.mark.parametrize("code", TEMPLATES)
def test_a_template_without_them_says_what_is_missing(code: str) -> None:
    blocking = {f.code for f in findings(definition_from(code, "0" * 32), NOW) if f.blocking}
    owners = {"units_need_buildings"} if TEMPLATES[code].of_owners else set()
    assert blocking == {"territory_missing", "opening_missing", "closing_missing"} | owners


FIRST = asked("single_choice")
RATED = asked("rating")


def then(**condition: Any) -> dict[str, Any]:
    """A text asked for after question 1."""
    return asked("text", 0, 2, shown_if={"question": 1, **condition})


BLOCKING: list[tuple[str, list[dict[str, Any]]]] = [
    ("ranks_impossible", [asked("ranking", min_ranked=4)]),
    ("ranks_impossible", [asked("ranking", min_ranked=3, max_ranked=2)]),
    ("points_impossible", [asked("points", total=10, most_per_option=3, spend_all=True)]),
    ("text_with_options", [{**asked("text"), "options": [an_option(1)]}]),
    ("level_repeats", [asked("rating", scale_max=2, levels=[both("Хорошо"), both("хорошо")])]),
    ("threshold_impossible", [asked("single_choice", rule={"threshold": "1/1"})]),
    ("group_unknown_project", [a_budget(exclusive_groups=[[1, 77]])]),
    ("choices_impossible", [a_budget(exclusive_groups=[[1, 2, 3]], exclusive_on_ballot=True, min_choices=3)]),
    ("choices_impossible", [a_budget(ballot_limit=4_000_000_00, min_choices=3)]),
    ("follow_up_not_later", [asked("text", 0, 1, shown_if={"question": 2}), asked("single_choice", 3, 2)]),
    ("follow_up_not_later", [asked("single_choice", 3, 1, shown_if={"question": 1})]),
    ("follow_up_not_later", [asked("single_choice", 3, 1, shown_if={"question": 9})]),
    ("follow_up_unknown_option", [FIRST, then(options=[8])]),
    ("follow_up_unknown_option", [FIRST, then(options=[0])]),
    ("follow_up_impossible", [RATED, then(at_least=6)]),
    ("follow_up_impossible", [RATED, then(at_least=4, at_most=2)]),
    ("follow_up_impossible", [asked("points"), then(at_most=0)]),
    ("follow_up_impossible", [FIRST, then(at_least=1)]),
]


@pytest.mark.parametrize(("code", "questions"), BLOCKING)
def test_what_cannot_work_blocks(code: str, questions: list[dict[str, Any]]) -> None:
    assert found(*questions)[code].blocking


@pytest.mark.parametrize(
    "condition",
    [{"question": 1, "at_most": 2}, {"question": 1, "options": [1, 2], "at_least": 5}, {"question": 1, "options": [90]},
     {"question": 1}],
)  # fmt: skip
def test_a_follow_up_that_can_be_shown_does_not(condition: dict[str, Any]) -> None:
    codes = found(asked("rating"), asked("text", 0, 2, shown_if=condition))
    assert not [code for code in codes if code.startswith("follow_up")]


def test_an_own_answer_may_be_waited_for() -> None:
    later = asked("text", 0, 2, shown_if={"question": 1, "options": [0]})
    assert "follow_up_unknown_option" not in found(asked("single_choice", own_answer=True), later)


WARNINGS: list[tuple[str, list[dict[str, Any]]]] = [
    ("points_cap_idle", [asked("points", total=5, most_per_option=9)]),
    ("ranking_of_one", [asked("ranking", max_ranked=1)]),
    ("equal_shares_joint", [a_budget(rule={"method": "equal_shares", "budget": 5_000_000_00})]),
    ("scale_end_unnamed", [asked("rating", low_label=both("Плохо"))]),
    ("everything_wins", [asked("multiple_choice", rule={"winners": 3})]),
    ("lot_needs_secrets", [asked("single_choice", rule={"tie": "lot"})]),
    ("translation_missing", [asked("single_choice", hint={"ru": "Подсказка"})]),
]


@pytest.mark.parametrize(("code", "questions"), WARNINGS)
def test_what_is_odd_warns(code: str, questions: list[dict[str, Any]]) -> None:
    assert not found(*questions)[code].blocking


# ---- styles


def styled(*styles: dict[str, Any], **more: Any) -> dict[str, Finding]:
    question = {**a_single_choice(), "styles": more.pop("shown", [])}
    return found(question, a_multiple_choice(2), styles=list(styles), **more)


def test_styles_that_are_not_there_or_of_nobody_block() -> None:
    assert styled(shown=[3])["style_unknown"].facts == {"styles": [3]}
    assert styled({"id": 1})["style_of_nobody"].blocking
    alone = found(
        a_single_choice(1, styles=[1]), styles=[{"id": 1, "territories": ["a"]}, {"id": 2, "territories": ["b"]}]
    )
    assert alone["style_without_questions"].path == "styles/2"


def test_a_territory_of_two_styles_is_told() -> None:
    codes = styled({"id": 1, "territories": ["a", "b"]}, {"id": 2, "territories": ["b"]})
    assert codes["styles_overlap"].facts == {"style": 2, "other": 1, "territory": "b"}
    assert not codes["styles_overlap"].blocking


def test_a_style_with_too_few_options_blocks() -> None:
    question = a_single_choice()
    for option in question["options"][1:3]:
        option["styles"] = [1]
    codes = found(question, styles=[{"id": 1, "territories": ["a"]}, {"id": 2, "territories": ["b"]}])
    assert codes["style_too_few_options"].facts == {"style": 2, "at_least": 2}


STYLES = [{"id": 1, "territories": ["a"]}, {"id": 2, "territories": ["b"]}]


def split(kind: str, everybody: int, first: int, **more: Any) -> dict[str, Any]:
    """A question of options for everybody, and of others for style 1 alone."""
    question = asked(kind, everybody + first, **more)
    for option in question["options"][everybody:-1]:
        option["styles"] = [1]
    for option in question["options"][:-1]:
        option.update({"cost": 100} if kind == "budget" else {})
    return question


def test_residents_whom_no_style_names_must_be_able_to_vote_unless_there_are_none() -> None:
    question = asked("single_choice", 4)
    for option, style in zip(question["options"], (1, 1, 2, 2), strict=False):
        option["styles"] = [style]
    told = found(question, styles=STYLES)["others_too_few_options"]
    assert (told.blocking, told.path, told.facts) == (True, "questions/1/options", {"style": 0, "at_least": 2})
    assert "others_too_few_options" in found(question, styles=STYLES, by_style={0: 12, 1: 12, 2: 12})
    assert "others_too_few_options" not in found(question, styles=STYLES, by_style={0: 0, 1: 12, 2: 12})
    assert "others_too_few_options" not in found({**question, "styles": [1, 2]}, asked("rating", 2, 2), styles=STYLES)


def test_a_ballot_without_a_question_blocks_for_everybody_else_too() -> None:
    first = asked("single_choice", styles=[1])
    assert found(first, styles=STYLES[:1])["others_without_questions"].blocking
    assert found(first, styles=STYLES[:1], by_style={0: 7, 1: 12})["others_without_questions"].path == "styles"
    assert "others_without_questions" not in found(first, styles=STYLES[:1], by_style={0: 0, 1: 12})
    assert "others_without_questions" not in found(asked("single_choice"))
    follows = asked("text", 0, 2, shown_if={"question": 1})
    assert "others_without_questions" in found(first, follows, styles=STYLES[:1]), "what it follows is never asked"
    waits = asked("text", 0, 2, shown_if={"question": 1, "options": [3]}, styles=[1])
    assert "style_without_questions" not in found(split("single_choice", 2, 1), waits, styles=STYLES)


@pytest.mark.parametrize(
    ("code", "question", "most"),
    [
        ("style_choices_impossible", split("multiple_choice", 2, 3, min_choices=3), 2),
        ("style_choices_impossible", split("multiple_choice", 2, 3, min_choices=4, own_answer=True), 3),
        ("style_choices_impossible", split("budget", 2, 3, min_choices=3, rule={"budget": 900}), 2),
        ("style_choices_impossible", split("budget", 3, 1, min_choices=3, exclusive_groups=[[1, 2]],
                                           exclusive_on_ballot=True, rule={"budget": 900}), 2),
        ("style_points_impossible", split("points", 2, 3, total=10, most_per_option=4, spend_all=True), 8),
    ],
)  # fmt: skip
def test_bounds_that_the_options_of_one_style_cannot_meet_block(code: str, question: dict[str, Any], most: int) -> None:
    every = {0: 50, 1: 50, 2: 50}
    told = found(question, styles=STYLES, by_style=every)[code]
    assert (told.blocking, told.facts["style"], told.facts["most"]) == (True, 0, most)
    assert found(question, styles=STYLES, by_style={**every, 0: 0})[code].facts["style"] == 2
    assert code not in found(question, styles=STYLES[:1], by_style={0: 0, 1: 50})


def test_bounds_that_a_style_can_just_meet_do_not() -> None:
    fits = [
        split("multiple_choice", 2, 3, min_choices=2),
        split("multiple_choice", 2, 3, min_choices=3, own_answer=True, number=2),
        split("points", 2, 3, total=10, most_per_option=5, spend_all=True, number=3),
        split("points", 2, 3, total=10, most_per_option=4, number=4),
        split("ranking", 2, 3, min_ranked=5, number=5),
    ]
    assert not any(code.startswith(("style", "others")) for code in found(*fits, styles=STYLES))


def test_a_style_few_would_get_blocks_in_a_separated_poll_alone() -> None:
    two = [{"id": 1, "territories": ["a"]}]
    assert styled(*two, by_style={0: 500, 1: 9})["style_too_small"].facts["entitled"] == 9
    assert "style_too_small" in styled(*two, by_style={0: 500, 1: 0})
    assert "style_too_small" in styled(*two, by_style={0: 3, 1: 500})
    assert "style_too_small" not in styled(*two, by_style={0: 0, 1: 10})
    named = {"privacy": "named", "names_seen_by": both("комиссия")}
    assert "style_too_small" not in styled(*two, by_style={0: 500, 1: 9}, **named)


async def test_the_dry_run_counts_styles_and_the_schedule_refuses_small_ones(session: Session) -> None:
    await a_city(session)
    for _ in range(12):
        await a_citizen(session)
    for _ in range(3):
        await a_citizen(session, district="msk-sao-timiryazevsky")
    styles = [{"id": 1, "territories": ["msk-sao"]}]
    definition = a_definition(styles=styles, opens_at=NOW + timedelta(hours=1))
    check = await check_draft(session, definition, NOW)
    assert check.by_style == {0: 12, 1: 3}
    draft = await create_draft(session, AUTHOR, definition, NOW)
    with pytest.raises(NotReady) as refused:
        await schedule_poll(session, draft.public_id, AUTHOR, 1, NOW)
    assert [finding["code"] for finding in refused.value.facts["findings"]] == ["style_too_small"]


# ---- owners, names, figures


def owners(**more: Any) -> dict[str, Finding]:
    rule = {"method": "units", "law": "ЖК РФ", **more.pop("rule", {})}
    question = {**asked("single_choice", 2), "rule": rule, **more.pop("question", {})}
    named = {"privacy": "named", "names_seen_by": both("секретарь"), "units": {"buildings": ["b1"]}}
    audience = {"op": "all", "of": [{"op": "unit", "codes": ["b1"]}]}
    return found(question, **{**named, "audience": audience, **more})


def test_polls_of_owners_need_names_houses_owners_and_sides() -> None:
    assert not any(finding.blocking for finding in owners().values())
    assert owners(privacy="separated")["units_need_named"].blocking
    assert owners(units=None)["units_need_buildings"].blocking
    assert owners(rule={"for_option": 90})["unit_sides_unknown"].blocking
    assert owners(rule={"against_option": 1})["unit_sides_unknown"].blocking
    assert owners(rule={"threshold": "1/1"})["threshold_impossible"].blocking
    assert "threshold_impossible" not in owners(rule={"threshold": "1/1", "inclusive": True})
    assert not owners(rule={"law": ""})["law_missing"].blocking
    assert owners(question={"own_answer": True})["unit_own_answer"].path == "questions/1/own_answer"
    assert owners(question={"own_answer": True})["unit_own_answer"].blocking
    assert "unit_third_side" in owners(question={"options": [an_option(1), an_option(2), an_option(3), HARD]})
    assert "units_unused" in found(a_single_choice(), units={"buildings": ["b1"]})


def test_words_that_could_not_be_taken_back_block_a_vote_that_may_be_changed() -> None:
    named = {"privacy": "named", "names_seen_by": both("комиссия"), "may_change": True}
    assert found(a_single_choice(own_answer=True), **named)["words_not_purged"].path == "questions/1"
    assert "words_not_purged" in found(a_single_choice(), asked("text", 0, 2), **named)
    assert "words_not_purged" not in found(a_single_choice(), **named)
    assert "words_not_purged" not in found(a_single_choice(own_answer=True), **{**named, "may_change": False})


def test_figures_of_the_dry_run_make_some_rules_impossible() -> None:
    assert found(entitled=50, quorum={"ballots": 51})["quorum_over_audience"].blocking
    assert "quorum_over_audience" not in found(entitled=50, quorum={"ballots": 50})
    assert found(a_single_choice(rule={"min_votes": 51}), entitled=50)["min_votes_over_audience"].blocking
    assert found(quorum={"share": "0/1"})["quorum_of_nobody"].blocking
    assert not found(quorum={"share": "1/1"})["quorum_of_everybody"].blocking
    assert found(roll_known=False)["roll_unknown"].path == "roll_known"
    assert found(roll_known=False)["roll_unknown"].blocking


# ---- the calendar


@pytest.mark.parametrize(
    ("closes", "code"),
    [
        (datetime(2027, 3, 8, 15, tzinfo=UTC), "closing_on_holiday"),
        (datetime(2027, 1, 5, 15, tzinfo=UTC), "closing_on_holiday"),
        (datetime(2027, 6, 11, 21, 30, tzinfo=UTC), "closing_on_holiday"),  # 12 June, half past midnight in Moscow
        (datetime(2026, 11, 28, 15, tzinfo=UTC), "closing_on_weekend"),
        (datetime(2026, 12, 1, 20, 30, tzinfo=UTC), "closing_at_night"),
        (datetime(2026, 12, 1, 3, tzinfo=UTC), "closing_at_night"),
        (NOW + timedelta(hours=24), "too_short"),
        (NOW + timedelta(days=100), "too_long"),
    ],
)
def test_days_off_nights_and_lengths_warn(closes: datetime, code: str) -> None:
    assert not found(closes_at=closes)[code].blocking


def test_an_ordinary_evening_is_fine() -> None:
    odd = {"closing_on_holiday", "closing_on_weekend", "closing_at_night", "too_short", "too_long"}
    assert not odd & set(found(closes_at=datetime(2026, 12, 1, 17, tzinfo=UTC)))


def test_a_rating_of_one_thing_needs_no_second_option() -> None:
    assert "too_few_options" not in found({**a_rating(1), "options": [an_option(1)]})

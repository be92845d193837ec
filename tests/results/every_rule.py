"""A question and an answer sheet for every counting rule, and the outcomes they come to: what a page has to explain."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from tests.builders import a_definition, an_option, both

from polls.definition import Definition
from polls.tally import tally
from polls.tally.outcome import Outcome
from polls.tally.profile import Profile
from polls.tally.units import Ownership, Unit, UnitProfile, tally_units

NEUTRAL = an_option(90, "Затрудняюсь ответить", kind="neutral")
RANKINGS = {
    "[[1],[2],[3]]": 37, "[[2],[3],[1]]": 29, "[[3],[2],[1]]": 18, "[[4],[3]]": 11, "[[5]]": 5, "[]": 3, "[90]": 2,
}  # fmt: skip
CYCLE = {"[[1],[2],[3]]": 35, "[[2],[3],[1]]": 33, "[[3],[1],[2]]": 32, "[[4],[5]]": 6, "[[5],[4]]": 4}
BUDGET = {"[1,2]": 40, "[1,3]": 21, "[2,4]": 15, "[3,5]": 30, "[4]": 12, "[5]": 9, "[]": 2}


def question(kind: str, options: int = 5, **more: Any) -> dict[str, Any]:
    """A question of a kind with so many options and a neutral one."""
    listed = [an_option(number) for number in range(1, options + 1)]
    if kind == "budget":
        listed = [an_option(number, cost=number * 1_000_000_00) for number in range(1, options + 1)]
    if kind == "text":
        listed = []
    return {"kind": kind, "id": 1, "text": both("Что построить?", "What to build?"), "required": False,
            "options": [*listed, NEUTRAL], **more}  # fmt: skip


def ranking(method: str, **rule: Any) -> dict[str, Any]:
    """A ranking counted by a method."""
    return question("ranking", rule={"method": method, **rule})


def budget(method: str, **rule: Any) -> dict[str, Any]:
    """A budget of five millions over projects of one to five."""
    return question("budget", rule={"method": method, "budget": 5_000_000_00, **rule})


def rating(order_by: str, **more: Any) -> dict[str, Any]:
    """Three options rated from 1 to 5."""
    rule = {"order_by": order_by, "ungraded": "worst", **more.pop("rule", {})}
    return question("rating", 3, rule=rule, **more)


RATINGS = {"[[1,5],[2,3],[3,1]]": 40, "[[1,4],[2,5]]": 25, "[[2,2],[3,4]]": 22, "[]": 3, "[90]": 4}
LEVELS = [both(ru, en) for ru, en in (
    ("ужасно", "terrible"), ("плохо", "bad"), ("терпимо", "passable"), ("хорошо", "good"), ("отлично", "excellent"),
)]  # fmt: skip

CASES: dict[str, tuple[dict[str, Any], Mapping[str, int]]] = {
    "plurality": (question("single_choice"), {"[1]": 40, "[2]": 31, "[90]": 9, "[]": 4}),
    "plurality with own answers": (question("single_choice", own_answer=True), {"[1]": 40, "[0]": 12, "[90]": 9}),
    "plurality below a threshold": (question("single_choice", rule={"threshold": "2/3"}), {"[1]": 40, "[2]": 31}),
    "plurality with least votes": (question("single_choice", rule={"min_votes": 50}), {"[1]": 40, "[2]": 31}),
    "plurality tied jointly": (question("single_choice"), {"[1]": 40, "[2]": 40}),
    "plurality left to the chair": (question("single_choice", rule={"tie": "chair"}), {"[1]": 40, "[2]": 40}),
    "plurality left to a lot": (question("single_choice", rule={"tie": "lot"}), {"[1]": 40, "[2]": 40}),
    "plurality of everything": (
        question("single_choice", rule={"denominator": "entitled", "also_valid": ["neutral", "blank"]}), {"[1]": 40}
    ),
    "nothing": (question("single_choice"), {"[]": 4}),
    "approval": (question("multiple_choice", max_choices=3, own_answer=True), {"[1,2]": 20, "[0,3]": 14, "[2,3,4]": 9}),
    "mean": (rating("mean"), RATINGS),
    "trimmed mean": (rating("trimmed_mean"), RATINGS),
    "median": (rating("median"), RATINGS),
    "majority judgment": (rating("majority_judgment", levels=LEVELS), RATINGS),
    "ratings below nought": (rating("mean", scale_min=-2, scale_max=2), {"[[1,-2],[2,2]]": 40, "[[3,0]]": 9}),
    "a hundred levels": (rating("median", scale_min=0, scale_max=100), {"[[1,100],[2,37]]": 40, "[[3,0]]": 9}),
    "instant run-off": (ranking("instant_runoff"), RANKINGS),
    "instant run-off, tied": (ranking("instant_runoff"), {"[[1]]": 40, "[[2],[1]]": 20, "[[3],[2]]": 20}),
    "instant run-off, open": (ranking("instant_runoff", tie="lot"), {"[[1]]": 40, "[[2],[1]]": 20, "[[3],[2]]": 20}),
    "scottish": (ranking("stv_scottish", winners=2), RANKINGS),
    "scottish, tied": (ranking("stv_scottish", winners=2), {"[[1]]": 10, "[[2]]": 10, "[[3]]": 10}),
    "meek": (ranking("stv_meek", winners=2), RANKINGS),
    "schulze": (ranking("schulze"), RANKINGS),
    "schulze in a circle": (ranking("schulze"), CYCLE),
    "ranked pairs": (ranking("ranked_pairs"), CYCLE),
    "ranked pairs, equal": (ranking("ranked_pairs"), {"[[1],[2]]": 10, "[[2],[3]]": 10, "[[3],[1]]": 10}),
    "ranked pairs by votes": (ranking("ranked_pairs", strength="winning_votes", threshold="1/2"), RANKINGS),
    "borda": (ranking("borda"), RANKINGS),
    "borda of the named": (ranking("borda", truncated="modified", winners=2), RANKINGS),
    "no rankings": (ranking("schulze"), {"[]": 3}),
    "points": (question("points", total=10), {"[[1,7],[2,3]]": 30, "[[3,10]]": 12, "[90]": 3}),
    "greedy": (budget("greedy"), BUDGET),
    "greedy with a threshold": (budget("greedy_threshold", min_score=40), BUDGET),
    "greedy without skipping": (budget("greedy_no_skip"), BUDGET),
    "greedy with groups": (
        question("budget", exclusive_groups=[[1, 2]], rule={"method": "greedy", "budget": 5_000_000_00}), BUDGET
    ),
    "greedy, tied": (
        {**budget("greedy"), "options": [an_option(1, cost=300), an_option(2, cost=300)],
         "rule": {"method": "greedy", "budget": 500}}, {"[1]": 5, "[2]": 5}
    ),
    "equal shares": (budget("equal_shares", completion="add1u"), BUDGET),
    "equal shares compared": (budget("equal_shares", completion="add1", compare_with_greedy=True), BUDGET),
    "equal shares alone": (budget("equal_shares", completion="none", satisfaction="cardinality"), BUDGET),
    "text": (question("text"), {"[0]": 17, "[90]": 3, "[]": 2}),
}  # fmt: skip


def counted(case: str, entitled: int | None = 400) -> tuple[Definition, Outcome]:
    """The poll of one case and its outcome."""
    content, answers = CASES[case]
    definition = a_definition(questions=[content])
    return definition, tally(definition.questions[0], Profile(answers, entitled))


def of_houses(silent: str = "proportional", speaks: str = "unit", weigh_by: str = "area") -> tuple[Definition, Outcome]:
    """A poll of owners of two houses: one carried, one without a quorum."""
    rule = {"method": "units", "silent": silent, "speaks": speaks, "weigh_by": weigh_by, "threshold": "2/3",
            "law": "245-ПП"}  # fmt: skip
    definition = a_definition(questions=[question("single_choice", 2, rule=rule)], privacy="named")
    half = Fraction(1, 2)
    units = [
        Unit(1, "house-1", "1", 50_00, (Ownership(Fraction(1), "[1]"),)),
        Unit(2, "house-1", "2", 40_00, (Ownership(half, "[1]"), Ownership(half, "[2]"))),
        Unit(3, "house-1", "3", 60_00, (Ownership(Fraction(1), "[1]"),)),
        Unit(4, "house-1", "4", 30_00, (Ownership(half, None),)),
        Unit(5, "house-2", "1", 90_00, ()),
        Unit(6, "house-2", "2", 20_00, (Ownership(Fraction(1), "[]"),)),
        Unit(7, "house-2", "3", 20_00, (Ownership(Fraction(1), "[90]"),)),
    ]
    profile = UnitProfile(tuple(units), {"[1]": 3, "[2]": 1, "[]": 1, "[90]": 1}, 9, half)
    found = definition.questions[0]
    return definition, tally_units(found, profile)  # type: ignore[arg-type]

"""Strategies of questions of every kind with any rule, and of answers that the door of casting lets through."""

from dataclasses import dataclass

from hypothesis import strategies as st

from polls.answer import encode_answer
from polls.definition import (
    ApprovalRule,
    Budget,
    BudgetRule,
    FreeText,
    MultipleChoice,
    Option,
    OptionKind,
    PluralityRule,
    Points,
    PointsRule,
    Ranking,
    RankingRule,
    Rating,
    RatingRule,
    SingleChoice,
)
from polls.errors import FieldError

NEUTRAL = (90, 91)
KINDS = ("single_choice", "multiple_choice", "rating", "ranking", "points", "budget", "text")


@dataclass(frozen=True)
class Found:
    """A question, canonical answers → ballots, and the roll (None: not known)."""

    question: object
    answers: dict
    entitled: int | None


@st.composite
def common(draw):
    """What every rule declares."""
    return {
        "denominator": draw(st.sampled_from(["valid", "cast", "entitled"])),
        "also_valid": draw(st.sampled_from([(), ("neutral",), ("neutral", "blank")])),
        "winners": draw(st.integers(1, 3)),
        "threshold": draw(st.sampled_from([None, None, None, None, "1/5", "1/2", "2/3"])),
        "tie": draw(st.sampled_from(["joint", "lot", "chair"])),
    }


@st.composite
def questions(draw, kind, styles=True):
    """A question of the kind over one to five options with ids in any order."""
    ids = draw(st.lists(st.integers(1, 20), min_size=1, max_size=5, unique=True))
    rule = draw(common())
    groups = st.sampled_from([(), (), (1,), (2,)]) if styles else st.just(())
    cost = st.sampled_from(draw(st.sampled_from([[600], [300, 600], range(0, 1000, 100)])))  # equals come often
    costs = [draw(cost) if kind == "budget" else None for _ in ids]
    regular = [Option(id=i, styles=draw(groups), cost=cost) for i, cost in zip(ids, costs, strict=True)]
    neutral = [Option(id=i, kind=OptionKind.NEUTRAL) for i in NEUTRAL]
    base = {"id": 7, "options": (*regular, *neutral), "required": draw(st.booleans())}
    most = draw(st.sampled_from([None, 1, 2, len(ids)]))
    match kind:
        case "single_choice":
            return SingleChoice(**base, own_answer=draw(st.booleans()), rule=PluralityRule(**rule))
        case "multiple_choice":
            return MultipleChoice(**base, max_choices=most, own_answer=draw(st.booleans()), rule=ApprovalRule(**rule))
        case "rating":
            low = draw(st.sampled_from([-100, -2, 0, 1]))
            rule["order_by"] = draw(st.sampled_from(["mean", "trimmed_mean", "median", "majority_judgment"]))
            rule["ungraded"] = draw(st.sampled_from(["worst", "left"]))
            rule["trim"] = draw(st.sampled_from(["0/1", "1/10", "1/3"]))
            return Rating(**base, scale_min=low, scale_max=low + draw(st.integers(1, 5)), rule=RatingRule(**rule))
        case "ranking":
            methods = ["instant_runoff", "stv_scottish", "stv_meek", "schulze", "ranked_pairs", "borda"]
            rule["method"] = draw(st.sampled_from(methods))
            rule["winners"] = 1 if rule["method"] == "instant_runoff" else rule["winners"]
            rule["equal"] = draw(st.sampled_from(["skip", "exhaust"]))
            rule["truncated"] = draw(st.sampled_from(["average", "zero", "modified"]))
            rule["strength"] = draw(st.sampled_from(["margins", "winning_votes"]))
            ranked = {"min_ranked": draw(st.integers(1, 2)), "max_ranked": draw(st.sampled_from([None, 2, 5]))}
            return Ranking(**base, **ranked, equal_ranks=draw(st.booleans()), rule=RankingRule(**rule))
        case "points":
            cap = draw(st.sampled_from([None, 4]))
            return Points(**base, total=6, most_per_option=cap, spend_all=draw(st.booleans()), rule=PointsRule(**rule))
        case "budget":
            rule["method"] = draw(st.sampled_from(["greedy", "greedy_threshold", "greedy_no_skip", "equal_shares"]))
            rule["budget"] = draw(st.integers(0, 25)) * 100
            rule["satisfaction"] = draw(st.sampled_from(["cost", "cardinality"]))
            rule["completion"] = draw(st.sampled_from(["none", "add1", "add1u"]))
            rule["compare_with_greedy"] = draw(st.booleans())
            pairs = [tuple(ids[:2])] if len(ids) > 1 and draw(st.booleans()) else []
            alone = draw(st.booleans())
            groups = {"exclusive_groups": tuple(pairs), "exclusive_on_ballot": alone}
            return Budget(**base, **groups, max_choices=most, rule=BudgetRule(**rule))
        case "text":
            return FreeText(**{**base, "options": tuple(neutral)})


@st.composite
def raw_answers(draw, question):
    """Anything a resident might send that has the right shape, right or wrong."""
    ids = [option.id for option in question.regular]
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from([[], [NEUTRAL[0]], [NEUTRAL[1]]]))
    some = draw(st.permutations(ids))[: draw(st.integers(0, len(ids)))] if ids else []
    match question.kind:
        case "text":
            return "words"
        case "rating":
            return {str(i): draw(st.integers(question.scale_min, question.scale_max)) for i in some}
        case "points":
            points, left = {}, question.total
            for i in some:
                points[str(i)] = draw(st.integers(0, left))
                left -= points[str(i)]
            return points
        case "ranking":
            if draw(st.booleans()):
                return {str(i): draw(st.integers(1, 3)) for i in some}
            return some
        case "single_choice":
            some = some[:1]
    if question.kind != "budget" and draw(st.integers(0, 4)) == 0:
        return [*some, {"own": "words"}]
    return some


@st.composite
def profiles(draw, kind, styles=True):
    """A question of the kind and ballots for it, as casting would have stored them."""
    question = draw(questions(kind, styles))
    answers = {}
    for _ in range(draw(st.integers(0, 7))):
        style = draw(st.integers(0, 2)) if styles else 0
        text = encode_answer(question, draw(raw_answers(question)), style)
        if not isinstance(text, FieldError):
            answers[text] = answers.get(text, 0) + draw(st.integers(1, 4))
    entitled = draw(st.sampled_from([None, sum(answers.values()) + 3]))
    return Found(question, answers, entitled)

"""The checklist of one question: bounds nobody can meet, money, scales, rules that cannot be satisfied. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from polls.checklist_finding import Finding
from polls.definition import AnyQuestion, Budget, FreeText, MultipleChoice, Points, Ranking, Rating, Tie
from polls.rules import BudgetRule, UnitRule

LEAST_OPTIONS = {"rating": 1, "budget": 1, "text": 0}


def check_question(question: AnyQuestion) -> Iterator[Finding]:
    """What its options, bounds and rule make impossible or pointless; texts are looked at elsewhere."""
    path = f"questions/{question.id}"
    least = LEAST_OPTIONS.get(question.kind, 2)
    if len(question.regular) < least:
        yield Finding("too_few_options", f"{path}/options", True, {"at_least": least})
    if not question.neutral and question.required:
        yield Finding("no_way_to_abstain", f"{path}/options", False)
    yield from _repeats(question, path)
    yield from _rule(question, f"{path}/rule")
    match question:
        case MultipleChoice():
            yield from _choices(question, path, len(question.regular))
        case Budget():
            yield from _choices(question, path, most_at_once(question))
            yield from _money(question, path)
            yield from _groups(question, path)
        case Rating():
            yield from _scale(question, path)
        case Ranking():
            yield from _ranks(question, path)
        case Points():
            yield from _points(question, path)
        case FreeText() if question.regular:
            yield Finding("text_with_options", f"{path}/options", True)
        case _:
            pass


def _repeats(question: AnyQuestion, path: str) -> Iterator[Finding]:
    seen: dict[tuple[str, tuple[int, ...]], int] = {}
    for option in question.options:
        words = option.text.ru.casefold()
        key = (words, option.styles)  # districts may each have an option of the same name
        if words and key in seen:
            yield Finding("option_repeats", f"{path}/options/{option.id}/text", True, {"other": seen[key]})
        seen[key] = option.id


def _rule(question: AnyQuestion, path: str) -> Iterator[Finding]:
    rule = question.rule
    if rule.winners > max(1, len(question.regular)):
        yield Finding("winners_over_options", path, True)
    elif rule.winners == len(question.regular) > 1 and not rule.threshold and not rule.min_votes:
        yield Finding("everything_wins", path, False)
    beyond = not (isinstance(rule, UnitRule) and rule.inclusive)
    if rule.threshold is not None and beyond and Fraction(rule.threshold) >= 1:
        yield Finding("threshold_impossible", f"{path}/threshold", True)
    if isinstance(rule, BudgetRule) and rule.method == "equal_shares" and rule.tie is Tie.JOINT:
        yield Finding("equal_shares_joint", path, False)


def _choices(question: MultipleChoice | Budget, path: str, possible: int) -> Iterator[Finding]:
    most = question.max_choices
    if question.min_choices > possible or (most is not None and most < question.min_choices):
        yield Finding("choices_impossible", f"{path}/min_choices", True)
    if most is not None and most > len(question.regular):
        yield Finding("max_over_options", f"{path}/max_choices", False)


def most_at_once(question: Budget) -> int:
    """How many projects one ballot can hold at most, by exclusive groups and the limit of a ballot."""
    costs = {option.id: option.cost or 0 for option in question.regular}
    if question.exclusive_on_ballot:
        for group in question.exclusive_groups:
            for dearer in sorted((o for o in group if o in costs), key=costs.__getitem__)[1:]:
                del costs[dearer]
    if question.ballot_limit is None:
        return len(costs)
    left, n = question.ballot_limit, 0
    for cost in sorted(costs.values()):
        left -= cost
        n += left >= 0
    return n


def _money(question: Budget, path: str) -> Iterator[Finding]:
    if not question.rule.budget:
        yield Finding("budget_missing", f"{path}/rule/budget", True)
    for option in question.regular:
        if option.cost is None:
            yield Finding("cost_missing", f"{path}/options/{option.id}/cost", True)
        elif option.cost > question.rule.budget > 0:
            yield Finding("cost_over_budget", f"{path}/options/{option.id}/cost", False)
        elif question.ballot_limit is not None and option.cost > question.ballot_limit:
            yield Finding("cost_over_limit", f"{path}/options/{option.id}/cost", True)


def _groups(question: Budget, path: str) -> Iterator[Finding]:
    known = {option.id for option in question.regular}
    for number, group in enumerate(question.exclusive_groups, start=1):
        unknown = sorted(set(group) - known)
        if unknown:
            where = f"{path}/exclusive_groups"
            yield Finding("group_unknown_project", where, True, {"group": number, "projects": unknown})


def _scale(question: Rating, path: str) -> Iterator[Finding]:
    if bool(question.low_label.ru) != bool(question.high_label.ru):
        missing = "high_label" if question.low_label.ru else "low_label"
        yield Finding("scale_end_unnamed", f"{path}/{missing}", False)
    for name in ("low_label", "high_label"):
        label = getattr(question, name)
        if label.ru and not label.en:
            yield Finding("translation_missing", f"{path}/{name}", False, {"language": "en"})
    for level, label in enumerate(question.levels, start=question.scale_min):
        if not label.ru:
            yield Finding("text_missing", f"{path}/levels/{level}", True)
        elif not label.en:
            yield Finding("translation_missing", f"{path}/levels/{level}", False, {"language": "en"})
    names = [label.ru.casefold() for label in question.levels if label.ru]
    if len(names) != len(set(names)):
        yield Finding("level_repeats", f"{path}/levels", True)


def _ranks(question: Ranking, path: str) -> Iterator[Finding]:
    most, options = question.max_ranked, len(question.regular)
    if question.min_ranked > options or (most is not None and most < question.min_ranked):
        yield Finding("ranks_impossible", f"{path}/min_ranked", True)
    if most is not None and most > options:
        yield Finding("max_over_options", f"{path}/max_ranked", False)
    if most == 1 and question.rule.method != "stv_scottish":
        yield Finding("ranking_of_one", f"{path}/max_ranked", False)


def points_taken(question: Points) -> int:
    """How many points the options can take together."""
    cap = question.total if question.most_per_option is None else question.most_per_option
    return cap * len(question.regular)


def _points(question: Points, path: str) -> Iterator[Finding]:
    cap = question.most_per_option
    if cap is None:
        return
    if question.spend_all and points_taken(question) < question.total:
        facts = {"total": question.total, "most": points_taken(question)}
        yield Finding("points_impossible", f"{path}/most_per_option", True, facts)
    if cap > question.total:
        yield Finding("points_cap_idle", f"{path}/most_per_option", False)

"""Questions of the editor's form, read into the plain values of the poll document. Pure.

Fields that another kind has stay in the form while a question is of this kind (:func:`carried`), so that trying another
kind loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from voting.web.editor_form import EditorForm
from voting.web.form_reader import FieldReader
from voting.web.typed import Mistyped, read_degrees, read_money, read_number, read_share

KINDS: Final = ("single_choice", "multiple_choice", "rating", "ranking", "points", "budget", "text")
CHOICE_METHODS: Final = ("plurality", "units")
RANKING_METHODS: Final = ("schulze", "instant_runoff", "stv_scottish", "stv_meek", "ranked_pairs", "borda")
BUDGET_METHODS: Final = ("greedy", "greedy_threshold", "greedy_no_skip", "equal_shares")
METHODS: Final = {"single_choice": CHOICE_METHODS, "ranking": RANKING_METHODS, "budget": BUDGET_METHODS}
MOST_NAMED_LEVELS: Final = 101

_COMMON = (
    "kind", "text.ru", "text.en", "hint.ru", "hint.en", "required", "shuffle", "shown_if.question", "shown_if.options",
    "shown_if.options_were", "shown_if.at_least", "shown_if.at_most", "styles", "styles_were", "next_option",
)  # fmt: skip
_RULE = ("rule.denominator", "rule.also_valid", "rule.also_valid_were", "rule.min_votes", "rule.tie", "rule.threshold",
         "rule.winners")  # fmt: skip
_OF_KIND: Final = {
    "single_choice": ("own_answer", "rule.method"),
    "multiple_choice": ("min_choices", "max_choices", "own_answer"),
    "rating": ("scale_min", "scale_max", "low_label.ru", "low_label.en", "high_label.ru", "high_label.en",
               "levels.declared", "rule.order_by", "rule.trim", "rule.ungraded"),
    "ranking": ("min_ranked", "max_ranked", "equal_ranks", "rule.method", "rule.equal", "rule.truncated",
                "rule.strength"),
    "points": ("total", "most_per_option", "spend_all"),
    "budget": ("min_choices", "max_choices", "currency", "ballot_limit", "exclusive_on_ballot", "exclusive_were",
               "rule.method", "rule.budget", "rule.min_score", "rule.satisfaction", "rule.completion",
               "rule.increment", "rule.compare_with_greedy"),
    "text": ("max_length",),
}  # fmt: skip
_UNITS: Final = ("rule.speaks", "rule.weigh_by", "rule.silent", "rule.for_option", "rule.against_option",
                 "rule.inclusive", "rule.law")  # fmt: skip


def shows_units(form: EditorForm, at: str) -> bool:
    """Whether the question is counted by flats."""
    return form.get(f"{at}.kind") == "single_choice" and form.get(f"{at}.rule.method") == "units"


def carried(form: EditorForm, at: str) -> Iterator[tuple[str, str]]:
    """Names and values of the question's fields that its kind does not show: hidden fields of the page."""
    kind = form.get(f"{at}.kind") or KINDS[0]
    shown = {*_COMMON, *_OF_KIND.get(kind, ())}
    if kind != "text":
        shown |= {*_RULE, *(_UNITS if shows_units(form, at) else ())}
    if kind == "budget":
        shown -= {"rule.winners", "rule.threshold"}
    levels = {f"levels.{n}.{language}" for n in range(levels_shown(form, at)) for language in ("ru", "en")}
    for name, values in form.values.items():
        if not name.startswith(f"{at}."):
            continue
        part = name[len(at) + 1 :]
        if part in shown or part.startswith("options.") or part in levels:
            continue
        yield from ((name, value) for value in values)


def read_question(reader: FieldReader, at: str, number: int) -> dict[str, Any]:
    """One question as plain values."""
    form = reader.form
    kind = form.get(f"{at}.kind")
    if kind not in KINDS:
        reader.wrong(f"{at}.kind", "unknown_kind", "Choose how people answer.")
        kind = KINDS[0]
    values: dict[str, Any] = {
        "id": number, "kind": kind, "text": reader.text(f"{at}.text"), "hint": reader.text(f"{at}.hint"),
        "required": reader.flag(f"{at}.required"), "shuffle": reader.flag(f"{at}.shuffle"),
        "shown_if": _shown_if(reader, f"{at}.shown_if"), "styles": reader.ticked_numbers(f"{at}.styles"),
        "options": [_option(reader, f"{at}.options.{n}", n) for n in form.ids(f"{at}.options")],
        "rule": _rule(reader, f"{at}.rule.", kind),
    }  # fmt: skip
    return values | _FIELDS[kind](reader, at)


# ---- by kind


def _single(reader: FieldReader, at: str) -> dict[str, Any]:
    return reader.flags("own_answer", at=f"{at}.")


def _several(reader: FieldReader, at: str) -> dict[str, Any]:
    return {
        "min_choices": reader.number(f"{at}.min_choices", 1),
        "max_choices": reader.number(f"{at}.max_choices", None),
    }


def _multiple(reader: FieldReader, at: str) -> dict[str, Any]:
    return _several(reader, at) | reader.flags("own_answer", at=f"{at}.")


def _rating(reader: FieldReader, at: str) -> dict[str, Any]:
    low, high = reader.number(f"{at}.scale_min", 1), reader.number(f"{at}.scale_max", 5)
    values: dict[str, Any] = {name: reader.text(f"{at}.{name}") for name in ("low_label", "high_label")}
    return values | {"scale_min": low, "scale_max": high, "levels": _levels(reader, at, levels_of(low, high))}


def levels_of(low: int | None, high: int | None) -> int:
    """How many levels a scale has; 0 for one that is none."""
    size = (5 if high is None else high) - (1 if low is None else low) + 1
    return size if 2 <= size <= MOST_NAMED_LEVELS else 0


def levels_shown(form: EditorForm, at: str) -> int:
    """How many levels the page asks the names of: none of another kind, of a scale mistyped, or if nobody wants to."""
    named = form.get(f"{at}.levels.declared") or form.ids(f"{at}.levels")
    if form.get(f"{at}.kind") != "rating" or not named:
        return 0
    try:
        low, high = (read_number(typed) if (typed := form.get(f"{at}.{name}")).strip() else None
                     for name in ("scale_min", "scale_max"))  # fmt: skip
    except Mistyped:
        return 0
    return levels_of(low, high)


def _levels(reader: FieldReader, at: str, size: int) -> list[dict[str, str]]:
    named = [reader.text(f"{at}.levels.{place}") for place in range(size)]
    return named if reader.flag(f"{at}.levels.declared") or any(text["ru"] or text["en"] for text in named) else []


def _ranking(reader: FieldReader, at: str) -> dict[str, Any]:
    return {
        "min_ranked": reader.number(f"{at}.min_ranked", 1), "max_ranked": reader.number(f"{at}.max_ranked", None),
        "equal_ranks": reader.flag(f"{at}.equal_ranks"),
    }  # fmt: skip


def _points(reader: FieldReader, at: str) -> dict[str, Any]:
    return {
        "total": reader.number(f"{at}.total", 10), "most_per_option": reader.number(f"{at}.most_per_option", None),
        "spend_all": reader.flag(f"{at}.spend_all"),
    }  # fmt: skip


def _budget(reader: FieldReader, at: str) -> dict[str, Any]:
    return {
        **_several(reader, at), **reader.given("currency", at=f"{at}."),
        "ballot_limit": reader.parsed(f"{at}.ballot_limit", read_money, None),
        "exclusive_on_ballot": reader.flag(f"{at}.exclusive_on_ballot"), "exclusive_groups": _groups(reader, at),
    }  # fmt: skip


def _free_text(reader: FieldReader, at: str) -> dict[str, Any]:
    return reader.numbers("max_length", at=f"{at}.")


_FIELDS: Final = {
    "single_choice": _single, "multiple_choice": _multiple, "rating": _rating, "ranking": _ranking, "points": _points,
    "budget": _budget, "text": _free_text,
}  # fmt: skip


def _groups(reader: FieldReader, at: str) -> list[list[int]]:
    """Projects that exclude each other: those with the same mark. In the stored order while they are the same."""
    groups: dict[str, list[int]] = {}
    for number in reader.form.ids(f"{at}.options"):
        if mark := reader.form.get(f"{at}.options.{number}.exclusive").strip().casefold():
            groups.setdefault(mark, []).append(number)
    for members in groups.values():
        if len(members) == 1:
            name = f"{at}.options.{members[0]}.exclusive"
            reader.wrong(name, "alone_in_group", "No other project has this mark: nothing would exclude anything.")
    found = [members for members in groups.values() if len(members) > 1]
    try:
        were = json.loads(reader.form.get(f"{at}.exclusive_were") or "[]")
        same = sorted(map(sorted, were)) == sorted(map(sorted, found))
    except (ValueError, TypeError, RecursionError):
        same = False
    return were if same else found


# ---- parts


def _shown_if(reader: FieldReader, at: str) -> dict[str, Any] | None:
    question = reader.number(f"{at}.question", None)
    if question is None:
        return None
    return {
        "question": question, "options": reader.ticked_numbers(f"{at}.options"),
        "at_least": reader.number(f"{at}.at_least", None), "at_most": reader.number(f"{at}.at_most", None),
    }  # fmt: skip


def _option(reader: FieldReader, at: str, number: int) -> dict[str, Any]:
    form = reader.form
    picture = form.get(f"{at}.picture.sha256")
    return {
        "id": number,
        **reader.given("kind", at=f"{at}."),
        "text": reader.text(f"{at}.text"),
        "description": reader.text(f"{at}.description"),
        "cost": reader.parsed(f"{at}.cost", read_money, None),
        "reference": form.get(f"{at}.reference"),
        "picture": {"sha256": picture, "alt": reader.text(f"{at}.picture.alt")} if picture else None,
        "place": _place(reader, f"{at}.place"),
        "sources": reader.sources(f"{at}.sources"),
        "styles": reader.ticked_numbers(f"{at}.styles"),
    }


def _place(reader: FieldReader, at: str) -> dict[str, Any] | None:
    address = reader.text(f"{at}.address")
    latitude = reader.parsed(f"{at}.latitude", lambda typed: read_degrees(typed, 90), None)
    longitude = reader.parsed(f"{at}.longitude", lambda typed: read_degrees(typed, 180), None)
    point = (latitude, longitude)
    if None in point and point != (None, None):
        if not any(error.path.startswith(at.replace(".", "/")) for error in reader.errors):
            missing = "latitude" if latitude is None else "longitude"
            reader.wrong(f"{at}.{missing}", "half_a_point", "A point has a latitude and a longitude.")
        point = (None, None)
    declared = reader.flag(f"{at}.declared") or any(text.strip() for text in address.values()) or point[0] is not None
    return {"address": address, "latitude": point[0], "longitude": point[1]} if declared else None


def _rule(reader: FieldReader, at: str, kind: str) -> dict[str, Any]:
    rule: dict[str, Any] = {
        **reader.given("denominator", "tie", at=at),
        "also_valid": [name for name in reader.ticked(f"{at}also_valid") if name in ("neutral", "blank")],
        "winners": reader.number(f"{at}winners", 1),
        "min_votes": reader.number(f"{at}min_votes", 0),
        "threshold": reader.parsed(f"{at}threshold", read_share, None),
    }
    if kind in METHODS:
        rule["method"] = reader.one_of(f"{at}method", METHODS[kind])
    if kind == "rating":
        rule |= reader.given("order_by", "ungraded", at=at)
        rule["trim"] = reader.parsed(f"{at}trim", read_share, "1/10")
    elif kind == "ranking":
        rule |= reader.given("equal", "truncated", "strength", at=at)
    elif kind == "budget":
        rule |= reader.given("satisfaction", "completion", at=at)
        rule["budget"] = reader.parsed(f"{at}budget", read_money, 0)
        rule["min_score"] = reader.number(f"{at}min_score", 0)
        rule["increment"] = reader.parsed(f"{at}increment", read_money, None)
        rule["compare_with_greedy"] = reader.flag(f"{at}compare_with_greedy")
    elif rule.get("method") == "units":
        rule |= reader.given("speaks", "weigh_by", "silent", at=at)
        rule |= reader.numbers("for_option", "against_option", at=at)
        rule |= {"inclusive": reader.flag(f"{at}inclusive"), "law": reader.form.get(f"{at}law")}
    return rule

"""The comparison of two documents: nothing for the same, every difference once, and enough to make one of the other."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.builders import (
    a_budget,
    a_definition,
    a_multiple_choice,
    a_rating,
    a_single_choice,
    an_option,
    both,
)

from polls.comparison import Change, clashes, compare
from polls.definition import Definition

POLL = "5f0c9a1b2c3d4e5f60718293a4b5c6d7"
BASE = a_definition(poll_id=POLL, questions=[a_single_choice(1, 4), a_multiple_choice(2), a_rating(3), a_budget(4)])


def changed(**more: Any) -> Definition:
    return Definition.model_validate({**BASE.as_json(), **more})


def test_nothing_done_is_no_change() -> None:
    assert compare(BASE, BASE) == ()
    assert compare(BASE, Definition.model_validate(BASE.as_json())) == ()


def test_a_word_is_one_change_at_its_path_by_ids() -> None:
    values = BASE.as_json()
    values["questions"][1]["options"][2]["text"]["ru"] = "Иначе"
    [change] = compare(BASE, Definition.model_validate(values))
    assert change == Change("questions/2/options/3/text/ru", "changed", "Вариант 3", "Иначе")


def test_a_question_taken_out_is_one_change_and_the_others_did_not_move() -> None:
    found = compare(BASE, changed(questions=[a_multiple_choice(2), a_rating(3), a_budget(4)]))
    assert [(change.path, change.kind) for change in found] == [("questions/1", "removed")]
    assert found[0].before["text"]["ru"] == "Что построить?"


def test_one_option_moved_to_the_top_is_one_move() -> None:
    values = BASE.as_json()
    options = values["questions"][0]["options"]
    options.insert(0, options.pop(3))
    [change] = compare(BASE, Definition.model_validate(values))
    assert change == Change("questions/1/options/4", "moved", 4, 1)


def test_an_option_added_says_all_of_it() -> None:
    values = BASE.as_json()
    values["questions"][0]["options"].insert(1, an_option(7, "Новый"))
    [change] = compare(BASE, Definition.model_validate(values))
    assert (change.path, change.kind, change.after["text"]["ru"]) == ("questions/1/options/7", "added", "Новый")


def test_another_rule_is_shown_whole_and_another_threshold_alone() -> None:
    values = BASE.as_json()
    values["questions"][3]["rule"]["method"] = "equal_shares"
    [change] = compare(BASE, Definition.model_validate(values))
    assert (change.path, change.before["method"], change.after["method"]) == (
        "questions/4/rule", "greedy", "equal_shares",
    )  # fmt: skip
    values = BASE.as_json()
    values["questions"][3]["rule"]["threshold"] = "1/2"
    assert compare(BASE, Definition.model_validate(values)) == (
        Change("questions/4/rule/threshold", "changed", None, "1/2"),
    )


def test_the_audience_is_shown_whole() -> None:
    [change] = compare(BASE, changed(audience={"op": "age", "at_least": 21}))
    assert (change.path, change.after["at_least"]) == ("audience", 21)


def test_what_both_changed_differently_is_named() -> None:
    mine = compare(BASE, changed(title=both("Моё"), department="A"))
    theirs = compare(BASE, changed(title=both("Их"), department="A"))
    assert clashes(mine, theirs) == ("title/ru", "title/en")
    gone = compare(BASE, changed(questions=[a_multiple_choice(2), a_rating(3), a_budget(4)]))
    values = BASE.as_json()
    values["questions"][0]["text"]["ru"] = "Иначе"
    assert clashes(gone, compare(BASE, Definition.model_validate(values))) == ("questions/1",)


# ---- properties

words = st.text(st.characters(codec="ascii", min_codepoint=97, max_codepoint=122), min_size=1, max_size=6)


@st.composite
def edited(draw: st.DrawFn) -> Definition:
    """The base after several edits of any kind."""
    values = copy.deepcopy(BASE.as_json())
    for _ in range(draw(st.integers(0, 6))):
        match draw(st.sampled_from(["title", "word", "move", "remove", "add", "question", "shuffle", "flag"])):
            case "title":
                values["title"] = {"ru": draw(words), "en": draw(words)}
            case "flag":
                values["binding"] = not values["binding"]
            case "question":
                values["questions"] = draw(st.permutations(values["questions"]))
            case kind:
                question = draw(st.sampled_from(values["questions"]))
                options = question["options"]
                match kind:
                    case "word":
                        if options:
                            draw(st.sampled_from(options))["text"]["ru"] = draw(words)
                    case "move":
                        question["options"] = draw(st.permutations(options))
                    case "remove":
                        if options:
                            options.pop(draw(st.integers(0, len(options) - 1)))
                    case "add":
                        used = max((option["id"] for option in options), default=0)
                        options.insert(draw(st.integers(0, len(options))), an_option(max(used, 100) + 1, draw(words)))
                    case "shuffle":
                        question["shuffle"] = not question["shuffle"]
    return Definition.model_validate(values)


@given(edited(), edited())
def test_every_changed_leaf_is_reported_exactly_once(old: Definition, new: Definition) -> None:
    found = compare(old, new)
    before, after = leaves(old.as_json()), leaves(new.as_json())
    differing = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    told = [change for change in found if change.kind != "moved"]
    covers = {path: [c for c in told if path == c.path or path.startswith(f"{c.path}/")] for path in differing}
    assert all(len(changes) == 1 for changes in covers.values()), covers
    assert all(any(c in changes for changes in covers.values()) for c in told), "nothing is told that did not change"


@given(edited(), edited())
def test_the_changes_make_the_new_document_of_the_old_one(old: Definition, new: Definition) -> None:
    made = old.as_json()
    for change in compare(old, new):
        if change.kind != "moved":
            apply(made, change)
    assert leaves(made) == leaves(new.as_json())


@given(edited(), edited())
def test_what_is_not_said_to_have_moved_stands_in_its_order(old: Definition, new: Definition) -> None:
    moved = {change.path for change in compare(old, new) if change.kind == "moved"}
    assert (order(old) == order(new)) or moved or set(order(old)) != set(order(new))
    kept = [path for path in order(old) if path in set(order(new)) and not within(path, moved)]
    for one, other in zip(siblings(kept), siblings([p for p in order(new) if p in set(kept)]), strict=True):
        assert one == other


def leaves(value: Any, path: str = "", key: str = "") -> dict[str, Any]:
    """Path → value, as the comparison sees paths, whatever the order of lists."""
    if isinstance(value, Mapping) and key != "audience":
        return {p: leaf for k, part in value.items() for p, leaf in leaves(part, f"{path}/{k}".strip("/"), k).items()}
    if key in ("questions", "options", "styles") and all(isinstance(item, Mapping) for item in value):
        return {p: leaf for item in value for p, leaf in leaves(item, f"{path}/{item['id']}").items()}
    return {path: value}


def apply(values: Any, change: Change) -> None:
    *way, last = change.path.split("/")
    for step in way:
        values = next(item for item in values if str(item["id"]) == step) if isinstance(values, list) else values[step]
    if isinstance(values, list):
        if change.kind == "removed":
            values[:] = [item for item in values if str(item["id"]) != last]
        else:
            values.append(change.after)
    elif change.kind == "removed":
        del values[last]
    else:
        values[last] = change.after


def order(definition: Definition) -> list[str]:
    return [f"questions/{q.id}" for q in definition.questions] + [
        f"questions/{q.id}/options/{o.id}" for q in definition.questions for o in q.options
    ]


def siblings(paths: list[str]) -> list[tuple[str, list[str]]]:
    parents = sorted({path.rpartition("/")[0] for path in paths})
    return [(parent, [path for path in paths if path.rpartition("/")[0] == parent]) for parent in parents]


def within(path: str, moved: set[str]) -> bool:
    return path in moved

"""Results in words: every rule, step and reason has words in both languages, and a page shows what was counted."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest
from jinja2 import Environment
from tests.results.every_rule import CASES, counted, of_houses

import polls.tally
from polls import rules
from polls.definition import Definition
from polls.tally.funding import Why
from polls.tally.outcome import Outcome
from results.aggregation import total_row
from results.explained import explain
from results.figures import QuestionFigures
from voting.web.i18n import speaking
from voting.web.rendering import environment

TALLY = Path(polls.tally.__file__).parent
ELSEWHERE = {"quorum"}
"""Codes that are in no outcome of a question."""


@pytest.fixture(scope="module")
def pages() -> Environment:
    return environment()


def shown(definition: Definition, outcome: Outcome, language: str, **more: Any) -> str:
    """The part of the page about one question."""
    question = definition.questions[0]
    found = QuestionFigures(question, outcome, total_row(question, outcome), (), 400, more.pop("placed", None))
    values = {
        "definition": definition, "figures": type("Figures", (), {"ballots": outcome.cast + 5}), "found": found,
        "view": explain(question, outcome), "exact": Fraction, "texts": {}, "waiting": {}, "words_kept": (),
        "tie_decisions": {}, "lots": {}, "house_names": {}, "okrug_names": {},
        "poll": type("Poll", (), {"slug": "dom"}), **more,
    }  # fmt: skip
    template = environment().from_string(
        '{% import "words/results.html" as told with context %}{% include "results/_question.html" %}'
    )
    with speaking(language):
        return template.render(values)


def words(page: str) -> str:
    """The text of a piece of a page."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("case", CASES)
def test_every_rule_is_explained_in_both_languages(case: str, language: str) -> None:
    definition, outcome = counted(case)
    page = shown(definition, outcome, language)
    text = words(page)
    assert ("Что построить?" if language == "ru" else "What to build?") in text
    [steps] = re.findall(r'<ol class="count-steps">(.*?)</ol>', page, re.DOTALL)
    said = [words(one).strip() for one in re.findall(r"<li>(.*?)</li>", steps, re.DOTALL)]
    assert len(said) == len(outcome.steps)
    assert all(len(sentence) > 8 for sentence in said), said
    assert not re.search(r"Fraction\(|%\(|: None|None[,)]", text), text
    if language == "ru":
        assert not re.search(r"\b(the|is|are|votes|ballots|option)\b", text), text


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("silent", ["dropped", "proportional", "for", "against"])
@pytest.mark.parametrize(("speaks", "weigh_by"), [("unit", "units"), ("unit", "area"), ("owner", "area")])
def test_houses_are_explained(language: str, silent: str, speaks: str, weigh_by: str) -> None:
    definition, outcome = of_houses(silent, speaks, weigh_by)
    text = words(shown(definition, outcome, language, house_names={"house-1": "Тверская, 1", "house-2": "Тверская, 2"}))
    assert "Тверская, 1" in text and "245-ПП" in text
    assert ("кворума" if language == "ru" else "quorum") in text


def codes_of_steps() -> Iterator[str]:
    """Every code some rule writes: the first argument of every `Step(…)`."""
    for path in sorted(TALLY.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Step" and node.args:
                for value in ast.walk(node.args[0]):
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        yield value.value


def test_every_step_reason_and_method_has_words() -> None:
    """A code the tally may write and no page can say fails here, before a resident meets it."""
    templates = Path(__file__).parents[3] / "src" / "voting" / "templates" / "words"
    said = set(re.findall(r'"([a-z_0-9]+)"', (templates / "steps.html").read_text()))
    assert set(codes_of_steps()) - said - ELSEWHERE == set()
    assert {why.value for why in Why} <= said
    methods = {
        method for kind in rules.Rule.__subclasses__() for method in get_args(kind.model_fields["method"].annotation)
    }
    told = set(re.findall(r'"([a-z_0-9]+)"', (templates / "rules.html").read_text()))
    assert methods - told - {"rating", "greedy", "greedy_threshold", "equal_shares"} == set()
    reached = {step.code for case in CASES for step in counted(case)[1].steps}
    reached |= {step.code for house in explain(*_first(of_houses())).houses for step in house.steps}
    reached |= {step.code for step in of_houses()[1].steps}
    rare = set(codes_of_steps()) - reached - ELSEWHERE
    assert rare <= RARE, rare - RARE


RARE = {"growth_ended", "too_many_orders", "cast_exceeds_roll", "threshold_unknown", "shares_voted", "silent_nobody",
        "equal_support",
        "elected_together", "funded_without_votes", "incomparable", "odd_shares", "tied_dropped",
        "no_owners", "completed"}  # fmt: skip
"""Steps no case above comes to; their words are rendered by the next test."""


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize(
    ("code", "facts"),
    [
        ("growth_ended", {"tries": 2000}),
        ("too_many_orders", {"most": 5000}),
        ("cast_exceeds_roll", {"cast": 12, "entitled": 11}),
        ("threshold_unknown", {"share": "1/2", "denominator": "entitled"}),
        ("equal_support", {"options": [1, 2]}),
        ("completed", {"options": [1, 2]}),
        ("elected_together", {"options": [1, 2]}),
        ("funded_without_votes", {"options": [1]}),
        ("incomparable", {"pairs": [[1, 2], [1, 3]]}),
        ("silent_nobody", {}),
        ("odd_shares", {"units": 2}),
        ("tied_dropped", {"units": 1, "weight": "1/1"}),
        ("no_owners", {"units": 5}),
    ],
)
def test_rare_steps_have_words(code: str, facts: dict[str, Any], language: str) -> None:
    definition, _ = counted("greedy")
    template = environment().from_string(
        '{% import "words/steps.html" as steps with context %}{{ steps.step_words(question, step) }}'
    )
    question = definition.questions[0]
    step = {"code": code, "facts": facts}
    with speaking(language):
        text = template.render(question=question, step=step, exact=Fraction, definition=definition) if code not in (
            "silent_nobody", "odd_shares", "tied_dropped", "no_owners") else environment().from_string(
            '{% import "words/steps.html" as steps with context %}{{ steps.house_step(step, "units") }}'
        ).render(step=step, exact=Fraction, definition=definition)  # fmt: skip
    assert len(text.strip()) > 10 and code not in text


def _first(pair: tuple[Definition, Outcome]) -> tuple[Any, Outcome]:
    return pair[0].questions[0], pair[1]

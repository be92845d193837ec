"""How a question is counted, as the public rules say it before anybody votes: true of every rule, in both languages."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from tests.builders import a_definition
from tests.results.every_rule import CASES, budget, question, ranking, rating

from voting.web.i18n import speaking
from voting.web.rendering import environment

TEMPLATES = Path(__file__).parents[3] / "src" / "voting" / "templates"
HOUSE: dict[str, Any] = {"method": "units", "silent": "dropped", "speaks": "owner", "weigh_by": "area",
                         "law": "ЖК РФ, ст. 46"}  # fmt: skip


def said(asked: dict[str, Any], language: str = "en") -> list[str]:
    """The lines of the rules about one question."""
    template = environment().from_string(
        '{% import "words/rules.html" as rules with context %}{{ rules.counting(question) }}'
    )
    with speaking(language):
        page = template.render(question=a_definition(questions=[asked]).questions[0])
    lines = re.findall(r"<li>(.*?)</li>", page, re.DOTALL)
    return [html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", line))).replace("\xa0", " ") for line in lines]


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("case", CASES)
def test_every_rule_is_said_in_full_in_both_languages(case: str, language: str) -> None:
    lines = said(CASES[case][0], language)
    assert lines and all(len(line.strip()) > 8 for line in lines), lines
    text = " ".join(lines)
    assert not re.search(r"Fraction\(|%\(|None", text), text
    if language == "ru":
        assert not re.search(r"\b(the|is|are|votes|ballots|option)\b", text), text


@pytest.mark.parametrize(
    ("rule", "english", "russian"),
    [
        ({"threshold": "2/3", "inclusive": True, "denominator": "entitled"},
         "At least 2/3 of the votes of all owners of the house.", "Не менее"),
        ({"threshold": "1/2", "denominator": "cast"},
         "More than 50.0% of the votes of owners who took part.", "Более"),
        ({"threshold": "1/2", "denominator": "entitled", "weigh_by": "units", "speaks": "unit"},
         "More than 50.0% of all flats of the house.", "Более"),
        ({"threshold": None}, "More for than against.", "за"),
        ({"threshold": "1/1", "inclusive": True, "denominator": "entitled"}, "All, that is 100%", "100"),
    ],
)  # fmt: skip
def test_a_house_decides_by_what_the_law_asks(rule: dict[str, Any], english: str, russian: str) -> None:
    asked = question("single_choice", 2, rule={**HOUSE, **rule})
    lines = said(asked)
    [needed] = [line for line in lines if line.startswith("A house decides for")]
    assert english in needed
    assert not [line for line in lines if "all of them win" in line or "To win" in line or "valid answers" in line]
    assert russian.lower() in " ".join(said(asked, "ru")).lower()
    if rule.get("speaks") == "unit":
        assert "A flat whose owners are equally for and against is neither." in lines


def test_seats_in_proportion_are_not_the_first_so_many() -> None:
    for method in ("stv_scottish", "stv_meek"):
        text = " ".join(said(ranking(method, winners=3)))
        assert "3 places are filled in proportion" in text
        assert "The first 3 win" not in text
        assert "all of them win" not in text and "they win together" in text
    assert "The first 3 win." in " ".join(said(ranking("schulze", winners=3)))


def test_a_budget_says_what_becomes_of_the_rest_of_groups_and_of_ties() -> None:
    shares = budget("equal_shares", completion="add1u", compare_with_greedy=True)
    text = " ".join(said(shares | {"exclusive_groups": [[1, 2]]}))
    for part in ("then the projects with the most votes that fit are added", "that result stands instead",
                 "at most one is funded", "the cheaper comes first, then the one with more votes",
                 "all of them are bought, or none where not all can be"):  # fmt: skip
        assert part in text
    assert "Money left over is not spent." in " ".join(said(budget("equal_shares", completion="none")))
    greedy = " ".join(said(budget("greedy_threshold", min_score=5)))
    assert "at least 5 votes" in greedy and "share one fate: all of them are funded" in greedy


def test_wider_denominators_and_least_votes_are_said() -> None:
    asked = question("single_choice", rule={"also_valid": ["neutral", "blank"], "min_votes": 500, "threshold": "1/2"})
    lines = said(asked)
    assert [line for line in lines if line.startswith("A share is counted") and "neutral or left blank" in line]
    assert "To win, at least 500 votes are needed." in lines
    assert "To win, more than 50.0% is needed." in lines
    assert "Для победы нужно хотя бы 500 голосов." in said(asked, "ru")
    assert [line for line in said(rating("mean", rule={"also_valid": ["blank"]})) if "those left blank" in line]
    assert not [line for line in said(question("single_choice")) if "at least" in line]


def test_rules_are_said_in_one_place() -> None:
    """Words of its own in a page about polls would say the same once more, and be wrong one day."""
    method = re.compile(r"""rule\.(?:method|order_by|silent|speaks|tie)|\bmethod (?:==|in)""")
    assert method.search((TEMPLATES / "words" / "rules.html").read_text())
    for page in ("words/poll.html", "poll.html", "houses/sheet.html", "results/counted.html"):
        assert not method.search((TEMPLATES / page).read_text()), page

"""A protocol is laid out for every counting rule, in both languages, out of nothing but its stored document."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from tests.builders import NOW
from tests.results.every_rule import CASES, counted, of_houses
from tests.results.test_protocol_check import facts

from polls.definition import Definition, canonical_bytes
from polls.tally.outcome import Outcome
from results.protocol_document import Person, canonical, certified_bytes, prepared_document
from voting.web import i18n
from voting.web.protocol_view import document_context
from voting.web.rendering import environment


def laid_out(definition: Definition, outcome: Outcome, language: str, **more: object) -> str:
    """The paper of a protocol, after its document has been to the database and back."""
    said = facts()
    said["definition"] = json.loads(canonical_bytes(definition))
    said["questions"][0]["outcome"] = outcome.as_json()
    said |= more
    one = Person(1, "Ирина", "Транспорт", "official")
    waiting = prepared_document(said, version=2, previous=b"x", reason="Опечатка", person=one, now=NOW)
    stored = certified_bytes(canonical(waiting), Person(2, "Олег", "", "reviewer"), NOW)
    context = {
        **document_context(json.loads(stored), definition), "places": {}, "groups": {},
        "zone": ZoneInfo("Europe/Moscow"),
        "site_name": "Голос", "base_url": "https://x", "poll": SimpleNamespace(slug="square"),
        "shown": SimpleNamespace(version=2, sha256="ab" * 32, key_id="cd"),
    }  # fmt: skip
    with i18n.speaking(language):
        return environment().get_template("protocol/paper.html").render(context).replace("\u00a0", " ")


@pytest.mark.parametrize("language", i18n.LANGUAGES)
@pytest.mark.parametrize("case", CASES)
def test_every_rule_has_its_protocol(case: str, language: str) -> None:
    definition, outcome = counted(case)
    page = laid_out(definition, outcome, language)
    assert not re.search(r"[>«( ]None[<»), ]|Fraction\(|Undefined|\bnan\b" if language == "ru" else ">None<", page)
    names = [option.text.in_language(language) for option in definition.questions[0].options]
    assert all(name in page for name in names)
    assert page.count("<li>") >= len(outcome.steps)


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_houses_stand_in_it_with_their_steps(language: str) -> None:
    definition, outcome = of_houses()
    page = laid_out(definition, outcome, language)
    assert outcome.houses
    assert all(house["building"] in page for house in outcome.houses)
    assert not re.search(r">None<|Fraction\(|Undefined", page)


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_what_is_odd_and_what_was_changed_is_in_words(language: str) -> None:
    checks = [
        {"name": "burst", "verdict": "unusual", "lack": None, "findings": [{}, {}], "statistic": 9.1, "threshold": 4.0},
        {"name": "night", "verdict": "usual", "lack": None, "findings": [], "statistic": 0.1, "threshold": 0.3},
        {"name": "steps", "verdict": "cannot_say", "lack": "not_live", "findings": [], "statistic": None,
         "threshold": None},
    ]  # fmt: skip
    changes = [
        {"kind": "erratum_added", "at": NOW.isoformat(), "facts": {"text": {"ru": "Не <b>та</b> улица", "en": ""}}},
        {"kind": "poll_extended", "at": NOW.isoformat(), "facts": {"reason": "Сбой", "closes_at": NOW.isoformat()}},
        {"kind": "roll_amended", "at": NOW.isoformat(), "facts": {"reason": "x", "added": 2, "removed": 1}},
    ]
    odd = [{"code": "ballots_differ", "ballots": 5, "participations": 6},
           {"code": "more_than_entitled", "participations": 6, "entitled": 5}]  # fmt: skip
    definition, outcome = counted(next(iter(CASES)))
    page = laid_out(definition, outcome, language, anomalies={"checks": checks}, changes=changes, irregularities=odd)
    assert "Не &lt;b&gt;та&lt;/b&gt; улица" in page
    russian = language == "ru"
    for expected in (
        "Ирина", "Олег", "Опечатка", "2 случая" if russian else "2 findings",
        "опрос шёл без промежуточных итогов" if russian else "the poll was not shown live",
        "Сбой", "согласующий" if russian else "reviewer",
    ):  # fmt: skip
        assert expected in page, expected

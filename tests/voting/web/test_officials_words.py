"""What officials read: every finding has words in both languages, every field a name and a place to go to."""

import ast
import inspect
from pathlib import Path

import pytest
from tests.builders import NOW, a_budget, a_definition, a_multiple_choice, a_rating, a_single_choice, both

from polls import checklist
from polls.checklist import Finding, findings
from voting.web.editor_form import EditorForm
from voting.web.form_filling import form_of
from voting.web.i18n import gettext_for
from voting.web.officials_words import FIELDS, FINDINGS, anchor_of, error_lines, finding_line, label_of

RUSSIAN = gettext_for("ru")


def codes_of_the_checklist() -> set[str]:
    sources = Path(inspect.getfile(checklist)).parent.glob("checklist*.py")
    calls = [
        node for source in sources for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)
    ]
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "Finding" and isinstance(call.args[0], ast.Constant)
    }


def test_every_finding_has_words() -> None:
    assert codes_of_the_checklist() == set(FINDINGS)


@pytest.mark.parametrize("message", sorted({*FIELDS.values(), *FINDINGS.values()}))
def test_every_message_has_russian_words(message: str) -> None:
    assert RUSSIAN(message) != message


def test_findings_name_questions_by_their_place_and_lead_to_their_fields() -> None:
    broken = a_definition(
        title=both("", "Only English") | {"ru": ""}, opens_at=None, closes_at=None, territory="",
        questions=[a_rating(9), a_budget(4, rule={"method": "greedy"}), a_single_choice(2, options=1)],
    )  # fmt: skip
    form = form_of(broken)
    lines = [finding_line(found, form, str) for found in findings(broken, NOW)]
    told = {line.anchor: line.label for line in lines}
    assert told["questions.4.rule.budget"] == "Question 2: Budget"
    assert told["questions.2.options"] == "Question 3: Options"
    assert told["title.ru"] == "Title"
    assert told["opens_at"] == "Opens"
    assert [line.blocking for line in lines] == sorted((line.blocking for line in lines), reverse=True)


def test_facts_stand_in_the_words_and_a_missing_one_breaks_nothing() -> None:
    form = form_of(a_definition())
    found = Finding("too_few_options", "questions/1/options", True, {"at_least": 2})
    assert "2" in finding_line(found, form, str).words
    assert "—" in finding_line(Finding("too_few_options", "questions/1/options", True), form, str).words
    assert finding_line(Finding("of_a_later_release", "somewhere", True), form, str).words == "of_a_later_release"


def test_a_missing_translation_leads_to_its_language() -> None:
    found = Finding("translation_missing", "summary", False, {"language": "en"})
    assert finding_line(found, form_of(a_definition()), str).anchor == "summary.en"


@pytest.mark.parametrize(
    ("name", "anchor"),
    [
        ("questions.1.options.3.text", "questions.1.options.3.text.ru"), ("questions.1.rule.budget",) * 2,
        ("privacy", "privacy-1"), ("questions.4.rule.method", "questions.4.rule.method-1"),
        ("questions.1.options.3.picture", "questions.1.options.3.picture"),
        ("questions.1.options.3.picture.sha256", "questions.1.options.3.picture"), ("title.en", "title.en"),
    ],
)  # fmt: skip
def test_anchors(name: str, anchor: str) -> None:
    assert anchor_of(name) == anchor


def test_every_field_of_every_kind_has_a_name() -> None:
    form = form_of(a_definition(questions=[a_single_choice(), a_multiple_choice(), a_rating(), a_budget()]))
    for name in form.values:
        if name not in ("poll_id", "strata") and not name.endswith(("_were", ".fold")):
            assert label_of(form, name, str), name


def test_errors_of_odd_paths_are_told_all_the_same() -> None:
    errors = [{"path": path, "message": "No."} for path in ("", "questions/99/options/99999/text/ru", "x/y")]
    assert [line.words for line in error_lines(errors, EditorForm(), str)] == ["No."] * 3

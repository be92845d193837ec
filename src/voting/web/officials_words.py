"""What officials read about fields and findings: names of fields, the checklist in words, links to the fields. Pure.

Words are message ids; `translate` puts them into the reader's language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from polls.checklist import Finding
from voting.web.editor_form import EditorForm

Translate = Callable[[str], str]


@dataclass(frozen=True)
class Line:
    """One line of a list of things to look at: where it leads, what it is about, what it says."""

    anchor: str
    label: str
    words: str
    blocking: bool = True


FIELDS: Final[Mapping[str, str]] = {
    "title": "Title", "summary": "In short", "description": "Description", "slug": "Address of the page",
    "topic": "Topic", "territory": "Territory", "department": "Department", "binding": "What the result means",
    "register": "Register", "time_zone": "Time zone", "sources": "Sources", "questions": "Questions",
    "audience": "Who may vote", "age_from": "Age from", "age_to": "Age to", "territories": "Territories",
    "groups": "Groups", "level": "Verification level", "registered_before": "In the register before",
    "json": "The rule in full", "late_registration": "Late registration", "opens_at": "Opens", "closes_at": "Closes",
    "strata": "Groups in breakdowns", "age_bands": "Age bands", "privacy": "Privacy", "may_change": "Changing a vote",
    "names_seen_by": "Who sees names", "visibility": "When results are shown", "receipt": "Receipt",
    "quorum": "Quorum", "share": "Share of those entitled", "ballots": "Number of ballots", "text": "Text",
    "hint": "Hint", "kind": "How people answer", "required": "Required", "shuffle": "Order of options",
    "min_choices": "At least", "max_choices": "At most", "low_label": "Words at 1", "high_label": "Words at 5",
    "currency": "Currency", "ballot_limit": "Limit of one ballot", "rule": "Counting rule",
    "denominator": "What a share is of", "winners": "Number of winners", "threshold": "Threshold", "tie": "Ties",
    "order_by": "Order by", "method": "Method", "budget": "Budget", "min_score": "Least votes", "cost": "Cost",
    "picture": "Picture", "alt": "Picture in words", "sha256": "Picture", "reference": "Number in the city's papers",
    "url": "Address", "options": "Options", "id": "Number",
    "roll_known": "Number of those entitled known",
}  # fmt: skip

FINDINGS: Final[Mapping[str, str]] = {
    "text_missing": "The Russian text is missing.",
    "translation_missing": "There is no English text; English readers will see the Russian one.",
    "territory_missing": "Say whose poll it is: the whole city, an okrug or a district.",
    "no_questions": "There is no question yet.",
    "opening_missing": "Say when the poll opens.",
    "closing_missing": "Say when the poll closes.",
    "closing_past": "The closing time has passed, or is a minute away.",
    "closing_before_opening": "The poll closes before it opens.",
    "opening_past": "The opening time has passed.",
    "closing_at_night": "The poll closes at night, at {hour}:00 hours. People expect the evening.",
    "names_seen_by_missing": "The vote is named: say in Russian who sees the names.",
    "change_needs_named": "A vote can be changed only in a named poll: a separated one cannot be found again.",
    "receipt_may_be_superseded": "Votes may be changed, so a receipt may be of a vote that no longer counts.",
    "live_results_sway": "Results shown while the poll runs sway those who have not voted yet.",
    "quorum_empty": "The quorum names neither a share nor a number of ballots.",
    "too_few_options": "At least {at_least} options are needed that can win.",
    "no_way_to_abstain": "An answer is required and nobody can abstain. Add «Hard to say», or let it be left blank.",
    "winners_over_options": "There are more winners than options.",
    "option_repeats": "Two options have the same text.",
    "alt_missing": "Say in Russian what the picture shows, for those who cannot see it.",
    "choices_impossible": "Nobody can choose that many: check the least and the most.",
    "max_over_options": "More choices are allowed than there are options.",
    "budget_missing": "Say how large the budget is.",
    "cost_missing": "Say what the project costs.",
    "cost_over_budget": "The project costs more than the whole budget and cannot win.",
    "cost_over_limit": "The project costs more than one ballot may hold: nobody can choose it.",
    "audience_empty": "Nobody in the register may vote by these rules.",
}

BILINGUAL: Final = frozenset(
    {"title", "summary", "description", "names_seen_by", "text", "hint", "low_label", "high_label", "alt"}
)
RADIOS: Final = frozenset({"privacy", "visibility", "receipt", "tie", "method"})


def finding_line(finding: Finding, form: EditorForm, translate: Translate) -> Line:
    """A finding of the checklist in words, with the field it is about."""
    message = translate(FINDINGS.get(finding.code, finding.code)).format_map(_Facts(finding.facts))
    language = str(finding.facts.get("language", "ru"))
    name = finding.path.replace("/", ".")
    return Line(anchor_of(name, language), label_of(form, name, translate), message, finding.blocking)


def error_lines(errors: Iterable[Mapping[str, Any]], form: EditorForm, translate: Translate) -> list[Line]:
    """Errors of fields, as a problem describes them, with the fields they are about."""
    names = [(str(error["path"]).replace("/", "."), str(error["message"])) for error in errors]
    return [Line(anchor_of(name), label_of(form, name, translate), words) for name, words in names]


def anchor_of(name: str, language: str = "ru") -> str:
    """The id of the element to go to for a field's name: its input, or what stands around a group of inputs."""
    head, _, last = name.rpartition(".")
    if last in BILINGUAL:
        return f"{name}.{language}"
    if last in RADIOS:
        return f"{name}-1"
    if last in ("picture", "sha256"):
        return f"{head if last == 'picture' else head.rpartition('.')[0]}.picture"
    return name


def label_of(form: EditorForm, name: str, translate: Translate) -> str:
    """What a field is called: «Question 2, option 3: Cost»."""
    parts = name.split(".")
    place: list[str] = []
    if parts[0] == "questions" and len(parts) > 1:
        place.append(_numbered(translate("Question {n}"), form.ids("questions"), parts[1]))
        if len(parts) > 3 and parts[2] == "options":
            place.append(_numbered(translate("option {n}"), form.ids(f"questions.{parts[1]}.options"), parts[3]))
    words = [translate(FIELDS[part]) for part in parts if part in FIELDS and part not in ("questions", "options")]
    if parts[-1] in ("options", "questions"):
        words = [translate(FIELDS[parts[-1]])]
    language = {"ru": translate("in Russian"), "en": translate("in English")}.get(parts[-1], "")
    field = " ".join(part for part in (words[-1] if words else "", f"({language})" if language else "") if part)
    return ": ".join(part for part in (", ".join(place), field) if part)


def _numbered(words: str, ids: list[int], number: str) -> str:
    """The place of an id in its list: people count questions, they do not read ids."""
    place = ids.index(int(number)) + 1 if number.isdigit() and int(number) in ids else number
    return words.format(n=place)


class _Facts(dict[str, Any]):
    """Facts of a finding; a fact a message names and the finding lacks shows as a dash."""

    def __missing__(self, key: str) -> str:
        return "—"

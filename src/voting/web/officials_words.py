"""What officials read about fields and findings: names of fields, the checklist in words, links to the fields. Pure.

Words are message ids; `translate` puts them into the reader's language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from polls.checklist import Finding
from voting.web.editor_form import EditorForm
from voting.web.finding_words import FINDINGS
from voting.web.value_words import FIELD_NAMES, value_words

__all__ = ["FIELDS", "FINDINGS", "Line", "anchor_of", "error_lines", "finding_line", "label_of", "value_words"]
Translate = Callable[[str], str]


@dataclass(frozen=True)
class Line:
    """One line of a list of things to look at: where it leads, what it is about, what it says."""

    anchor: str
    label: str
    words: str
    blocking: bool = True


FIELDS: Final = FIELD_NAMES

BILINGUAL: Final = frozenset(
    {"title", "summary", "description", "names_seen_by", "text", "hint", "low_label", "high_label", "alt", "address"}
)
RADIOS: Final = frozenset(
    {"privacy", "visibility", "receipt", "tie", "method", "order_by", "speaks", "weigh_by", "silent"}
)

LISTS: Final = ("questions", "options", "styles", "levels")


def finding_line(finding: Finding, form: EditorForm, translate: Translate) -> Line:
    """A finding of the checklist in words, with the field it is about."""
    message = translate(FINDINGS.get(finding.code, finding.code)).format_map(_Facts(_plain(finding.facts)))
    language = str(finding.facts.get("language", "ru"))
    name = _field(finding.path, form)
    return Line(anchor_of(name, language), label_of(form, name, translate), message, finding.blocking)


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as words: a list of words heard becomes «a», «b»."""
    return {
        name: ", ".join(f"«{one}»" for one in value) if isinstance(value, list | tuple) else value
        for name, value in facts.items()
    }


def _field(path: str, form: EditorForm) -> str:
    """The form's name of what a finding is about: levels are counted from the lowest there."""
    parts = path.split("/")
    if len(parts) == 4 and parts[2] == "levels":
        low = form.get(f"questions.{parts[1]}.scale_min") or "1"
        with suppress(ValueError):
            parts[3] = str(int(parts[3]) - int(low))
    return ".".join(parts)


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
    if head.endswith(".levels"):
        return f"{name}.{language}"
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
    if parts[0] == "styles" and len(parts) > 1:
        place.append(_numbered(translate("Ballot {n}"), form.ids("styles"), parts[1]))
    if parts[0] == "cross_tabs" and len(parts) > 1:
        place.append(_numbered(translate("Pair {n}"), form.ids("cross_tabs"), parts[1]))
    level = next((part for part in reversed(parts) if part.isdigit()), "") if "levels" in parts[:-1] else ""
    if level:
        place.append(translate("level {n}").format(n=1 + int(level)))
    words = [translate(FIELDS[part]) for part in parts if part in FIELDS and part not in LISTS]
    if parts[-1] in LISTS:
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

"""What the editor's buttons do to a form without saving it: add, remove, move, prefill. Pure.

An operation is the value of the button pressed, such as ``option_up:2:5`` (question 2, option 5). Ids are never given
twice within a draft: a new one is above every id in the form and above the marks the form carries of those removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from polls.definition import MAX_OPTIONS, MAX_QUESTIONS
from voting.web import form_audience_operations as audience
from voting.web.editor_form import EditorForm
from voting.web.form_parts import copy_part, mark, move_part, next_id, remember, remove_part, reorder
from voting.web.form_questions import KINDS

MOST_STYLES: Final = 1_000
NEUTRAL: Final = {
    "hard_to_say": ("Затрудняюсь ответить", "Hard to say"),
    "specialists": ("Доверить специалистам", "Leave it to specialists"),
}
MARKS: Final = (
    "next_question",
    "next_option",
    "next_style",
    ".find",
    "_were",
    ".fold",
    "declared",
    "time_zone",
    "poll_id",
    "based_on",
)


def operate(form: EditorForm, operation: str) -> str:
    """Do what a button says; give the name of the part to show next. An operation that does not fit does nothing."""
    name, *arguments = operation[:80].split(":")
    action = OPERATIONS.get(name)
    if action is None or any(not (part.isascii() and part.replace("_", "").isalnum()) for part in arguments):
        return ""
    try:
        return action(form, *arguments)
    except (TypeError, ValueError):  # other arguments than the button has
        return ""


def mark_ids(form: EditorForm, question: int, options: dict[int, int]) -> None:
    """Write the highest ids ever used into the form, where they are above those it holds."""
    form.put("next_question", str(max([question, mark(form, "next_question"), *form.ids("questions")])))
    for number in form.ids("questions"):
        at = f"questions.{number}"
        highest = max([options.get(number, 0), mark(form, f"{at}.next_option"), *form.ids(f"{at}.options")])
        form.put(f"{at}.next_option", str(highest))


def differences(mine: EditorForm, theirs: EditorForm) -> Iterator[tuple[str, str, str]]:
    """Fields in which two forms differ: name, text of the one, text of the other; in the order of the first."""
    for name in dict.fromkeys([*mine.values, *theirs.values]):
        ours, others = ", ".join(mine.chosen(name)), ", ".join(theirs.chosen(name))
        if ours != others and not name.endswith(MARKS):
            yield name, ours, others


# ---- questions


def _add_question(form: EditorForm, kind: str = KINDS[0]) -> str:
    if kind not in KINDS or len(form.ids("questions")) >= MAX_QUESTIONS:
        return "questions"
    number = next_id(form, "questions", "next_question")
    if number is None:
        return "questions"
    at = f"questions.{number}"
    form.put(f"{at}.kind", kind)
    form.put(f"{at}.required", "" if kind == "text" else "1")
    for _ in range(0 if kind == "text" else 2):
        _add_option(form, str(number))
    return at


def _copy_question(form: EditorForm, number: str) -> str:
    copied = int(number)
    if copied not in form.ids("questions") or len(form.ids("questions")) >= MAX_QUESTIONS:
        return f"questions.{copied}"
    new = next_id(form, "questions", "next_question")
    if new is None:
        return f"questions.{copied}"
    copy_part(form, "questions", copied, new)
    return f"questions.{new}"


def _remove_question(form: EditorForm, number: str) -> str:
    remember(form, "questions", "next_question")
    remove_part(form, f"questions.{int(number)}")
    return "questions"


def _move_question(step: int) -> Callable[[EditorForm, str], str]:
    def move(form: EditorForm, number: str) -> str:
        move_part(form, "questions", int(number), step)
        return f"questions.{int(number)}"

    return move


# ---- options


def _add_option(form: EditorForm, question: str, kind: str = "regular", ru: str = "", en: str = "") -> str:
    """A new option: a regular one goes before the neutral ones, which stand last."""
    at = f"questions.{int(question)}"
    prefix = f"{at}.options"
    if len(form.ids(prefix)) >= MAX_OPTIONS or not form.get(f"{at}.kind"):
        return at
    number = next_id(form, prefix, f"{at}.next_option")
    if number is None:
        return at
    form.put(f"{prefix}.{number}.kind", kind)
    form.put(f"{prefix}.{number}.text.ru", ru)
    form.put(f"{prefix}.{number}.text.en", en)
    if kind == "regular":
        others = [n for n in form.ids(prefix) if n != number]
        tail = [n for n in others if form.get(f"{prefix}.{n}.kind") == "neutral"]
        reorder(form, prefix, [*(n for n in others if n not in tail), number, *tail])
    return f"{prefix}.{number}"


def _add_neutral(form: EditorForm, question: str, which: str) -> str:
    at = f"questions.{int(question)}"
    if which not in NEUTRAL:
        return at
    ru, en = NEUTRAL[which]
    for number in form.ids(f"{at}.options"):
        if form.get(f"{at}.options.{number}.text.ru").strip() == ru:
            return f"{at}.options.{number}"
    return _add_option(form, question, "neutral", ru, en)


def _remove_option(form: EditorForm, question: str, option: str) -> str:
    at = f"questions.{int(question)}"
    remember(form, f"{at}.options", f"{at}.next_option")
    remove_part(form, f"{at}.options.{int(option)}")
    return f"{at}.options"


def _copy_option(form: EditorForm, question: str, option: str) -> str:
    at, copied = f"questions.{int(question)}", int(option)
    prefix = f"{at}.options"
    if copied not in form.ids(prefix) or len(form.ids(prefix)) >= MAX_OPTIONS:
        return prefix
    new = next_id(form, prefix, f"{at}.next_option")
    if new is None:
        return prefix
    copy_part(form, prefix, copied, new)
    return f"{prefix}.{new}"


def _move_option(step: int) -> Callable[[EditorForm, str, str], str]:
    def move(form: EditorForm, question: str, option: str) -> str:
        prefix = f"questions.{int(question)}.options"
        move_part(form, prefix, int(option), step)
        return f"{prefix}.{int(option)}"

    return move


def _remove_picture(form: EditorForm, question: str, option: str) -> str:
    at = f"questions.{int(question)}.options.{int(option)}"
    remove_part(form, f"{at}.picture")
    return at


# ---- ballot styles


def _add_style(form: EditorForm) -> str:
    number = next_id(form, "styles", "next_style") if len(form.ids("styles")) < MOST_STYLES else None
    if number is None:
        return "styles"
    form.put(f"styles.{number}.title.ru", "")
    form.put(f"styles.{number}.title.en", "")
    return f"styles.{number}"


def _remove_style(form: EditorForm, number: str) -> str:
    """A style gone, and its tick at every question and option with it."""
    remember(form, "styles", "next_style")
    remove_part(form, f"styles.{int(number)}")
    for name, values in form.values.items():
        if name.startswith("questions.") and name.endswith(".styles") and number in values:
            form.put(name, *(value for value in values if value != number))
    return "styles"


def _move_style(step: int) -> Callable[[EditorForm, str], str]:
    def move(form: EditorForm, number: str) -> str:
        move_part(form, "styles", int(number), step)
        return f"styles.{int(number)}"

    return move


# ---- sources


def _add_source(form: EditorForm, question: str = "", option: str = "") -> str:
    prefix = _source_prefix(question, option)
    row = max(form.ids(prefix), default=-1) + 1
    if row < 50:
        for part in ("title.ru", "title.en", "url"):
            form.put(f"{prefix}.{row}.{part}", "")
    return f"{prefix}.{row}"


def _remove_source(form: EditorForm, *place: str) -> str:
    *owner, row = place
    prefix = _source_prefix(*owner)
    remove_part(form, f"{prefix}.{int(row)}")
    return prefix


def _source_prefix(question: str = "", option: str = "") -> str:
    return f"questions.{int(question)}.options.{int(option)}.sources" if option else "sources"


OPERATIONS: Final[dict[str, Callable[..., str]]] = {
    "refresh": lambda form: "",
    "add_question": _add_question,
    "remove_question": _remove_question,
    "question_up": _move_question(-1),
    "question_down": _move_question(1),
    "copy_question": _copy_question,
    "copy_option": _copy_option,
    "add_style": _add_style,
    "remove_style": _remove_style,
    "style_up": _move_style(-1),
    "style_down": _move_style(1),
    "refine_audience": audience.refine,
    "simplify_audience": audience.simplify,
    "add_part": audience.add_part,
    "remove_part": audience.remove,
    "part_up": audience.move(-1),
    "part_down": audience.move(1),
    "add_option": lambda form, question: _add_option(form, question),
    "add_neutral": _add_neutral,
    "remove_option": _remove_option,
    "option_up": _move_option(-1),
    "option_down": _move_option(1),
    "remove_picture": _remove_picture,
    "add_source": _add_source,
    "remove_source": _remove_source,
}

"""What the editor's buttons do to a form without saving it: add, remove, move, prefill. Pure.

An operation is the value of the button pressed, such as ``option_up:2:5`` (question 2, option 5). Ids are never given
twice within a draft: a new one is above every id in the form and above the marks the form carries of those removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from polls.definition import MAX_OPTIONS, MAX_QUESTIONS
from voting.web.forms import KINDS, EditorForm

LAST_ID: Final = 32_767
NEUTRAL: Final = {
    "hard_to_say": ("Затрудняюсь ответить", "Hard to say"),
    "specialists": ("Доверить специалистам", "Leave it to specialists"),
}
MARKS: Final = ("next_question", "next_option", "_were", ".fold", "declared", "time_zone", "poll_id", "based_on")


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
    form.put("next_question", str(max([question, _mark(form, "next_question"), *form.ids("questions")])))
    for number in form.ids("questions"):
        at = f"questions.{number}"
        highest = max([options.get(number, 0), _mark(form, f"{at}.next_option"), *form.ids(f"{at}.options")])
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
    number = _next_id(form, "questions", "next_question")
    if number is None:
        return "questions"
    at = f"questions.{number}"
    form.put(f"{at}.kind", kind)
    form.put(f"{at}.required", "1")
    for _ in range(2):
        _add_option(form, str(number))
    return at


def _remove_question(form: EditorForm, number: str) -> str:
    _remember(form, "questions", "next_question")
    _remove(form, f"questions.{int(number)}")
    return "questions"


def _move_question(step: int) -> Callable[[EditorForm, str], str]:
    def move(form: EditorForm, number: str) -> str:
        _move(form, "questions", int(number), step)
        return f"questions.{int(number)}"

    return move


# ---- options


def _add_option(form: EditorForm, question: str, kind: str = "regular", ru: str = "", en: str = "") -> str:
    """A new option: a regular one goes before the neutral ones, which stand last."""
    at = f"questions.{int(question)}"
    prefix = f"{at}.options"
    if len(form.ids(prefix)) >= MAX_OPTIONS or not form.get(f"{at}.kind"):
        return at
    number = _next_id(form, prefix, f"{at}.next_option")
    if number is None:
        return at
    form.put(f"{prefix}.{number}.kind", kind)
    form.put(f"{prefix}.{number}.text.ru", ru)
    form.put(f"{prefix}.{number}.text.en", en)
    if kind == "regular":
        others = [n for n in form.ids(prefix) if n != number]
        tail = [n for n in others if form.get(f"{prefix}.{n}.kind") == "neutral"]
        _reorder(form, prefix, [*(n for n in others if n not in tail), number, *tail])
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
    _remember(form, f"{at}.options", f"{at}.next_option")
    _remove(form, f"{at}.options.{int(option)}")
    return f"{at}.options"


def _move_option(step: int) -> Callable[[EditorForm, str, str], str]:
    def move(form: EditorForm, question: str, option: str) -> str:
        prefix = f"questions.{int(question)}.options"
        _move(form, prefix, int(option), step)
        return f"{prefix}.{int(option)}"

    return move


def _remove_picture(form: EditorForm, question: str, option: str) -> str:
    at = f"questions.{int(question)}.options.{int(option)}"
    _remove(form, f"{at}.picture")
    return at


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
    _remove(form, f"{prefix}.{int(row)}")
    return prefix


def _source_prefix(question: str = "", option: str = "") -> str:
    return f"questions.{int(question)}.options.{int(option)}.sources" if option else "sources"


# ---- parts of a form


def _mark(form: EditorForm, name: str) -> int:
    typed = form.get(name)
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 5 else 0


def _next_id(form: EditorForm, prefix: str, mark: str) -> int | None:
    """The id after every id ever used, remembered as used; None when the numbers have run out."""
    number = max([_mark(form, mark), *form.ids(prefix)]) + 1
    if number > LAST_ID:
        return None
    form.put(mark, str(number))
    return number


def _remember(form: EditorForm, prefix: str, mark: str) -> None:
    form.put(mark, str(max([_mark(form, mark), *form.ids(prefix)])))


def _remove(form: EditorForm, at: str) -> None:
    form.replace({name: value for name, value in form.values.items() if not name.startswith(f"{at}.")})


def _move(form: EditorForm, prefix: str, number: int, step: int) -> None:
    order = form.ids(prefix)
    if number in order:
        place = order.index(number)
        order.insert(max(0, place + step), order.pop(place))
        _reorder(form, prefix, order)


def _reorder(form: EditorForm, prefix: str, order: Sequence[int]) -> None:
    """Put the blocks of fields below a prefix into an order, in the place of the first of them."""
    blocks: dict[str, dict[str, list[str]]] = {str(number): {} for number in order}
    start = f"{prefix}."
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for name, value in form.values.items():
        head = name[len(start) :].partition(".")[0] if name.startswith(start) else ""
        place = blocks[head] if head in blocks else after if any(blocks.values()) else before
        place[name] = value
    for block in blocks.values():
        before |= block
    form.replace(before | after)


OPERATIONS: Final[dict[str, Callable[..., str]]] = {
    "refresh": lambda form: "",
    "add_question": _add_question,
    "remove_question": _remove_question,
    "question_up": _move_question(-1),
    "question_down": _move_question(1),
    "add_option": lambda form, question: _add_option(form, question),
    "add_neutral": _add_neutral,
    "remove_option": _remove_option,
    "option_up": _move_option(-1),
    "option_down": _move_option(1),
    "remove_picture": _remove_picture,
    "add_source": _add_source,
    "remove_source": _remove_source,
}

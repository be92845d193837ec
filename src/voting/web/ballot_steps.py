"""The way through a ballot: its pages, which questions they show, and where each button leads. Pure.

A page holds one question and the follow-ups that stand right behind it; a follow-up of an earlier page is a page of its
own, passed over while the earlier answer hides it. So the ballot works in steps without scripts, and with them the
follow-ups of a page come and go as one answers. What is hidden is dropped on the way on, so the check page shows
exactly what will be cast.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from polls.answer import read_answer
from polls.ballot import is_shown
from polls.definition import EVERYBODY_ELSE, AnyQuestion, Definition
from polls.errors import FieldError
from polls.questions import shown_in
from polls.tally.profile import BLANK, NOT_SHOWN
from voting.web.ballot_form import Filled, answer_of, problem_with

_CHANGE = re.compile(r"change-([0-9]{1,5})")
BallotPage = tuple[AnyQuestion, ...]
"""The questions of one page: one, and those of its follow-ups that stand right behind it."""


@dataclass(frozen=True)
class Sheet:
    """The ballot of one style: what a resident of certain territories is asked."""

    definition: Definition
    style: int = EVERYBODY_ELSE

    @property
    def pages(self) -> tuple[BallotPage, ...]:
        """Every page there can be, in order."""
        pages: list[list[AnyQuestion]] = []
        for question in self.definition.questions:
            if not shown_in(question, self.style):
                continue
            last = {asked.id for asked in pages[-1]} if pages else set()
            if question.shown_if is not None and question.shown_if.question in last:
                pages[-1].append(question)
            else:
                pages.append([question])
        return tuple(tuple(page) for page in pages)

    def given(self, filled: Filled) -> Mapping[int, str]:
        """The canonical answers so far, by question id; a wrong one counts as blank, as it does when casting."""
        given: dict[int, str] = {}
        for question in self.definition.questions:
            if not is_shown(self.definition, question, self.style, given):
                given[question.id] = NOT_SHOWN
                continue
            found = read_answer(question, answer_of(question, filled), self.style)
            given[question.id] = BLANK if isinstance(found, FieldError) else found.canonical
        return given

    def shown(self, filled: Filled) -> tuple[AnyQuestion, ...]:
        """The questions these answers show, in order."""
        given = self.given(filled)
        return tuple(question for question in self.definition.questions if given[question.id] != NOT_SHOWN)

    def steps(self, filled: Filled) -> tuple[BallotPage, ...]:
        """The pages these answers show. A page stays whole: its follow-ups come and go while it is filled in."""
        shown = {question.id for question in self.shown(filled)}
        return tuple(page for page in self.pages if page[0].id in shown)

    def page_of(self, question_id: int) -> BallotPage | None:
        """The page that holds a question, if this style has it."""
        return next((page for page in self.pages if any(asked.id == question_id for asked in page)), None)

    def pruned(self, filled: Filled) -> Filled:
        """The ballot without answers to questions that other answers hide."""
        shown = {question.id for question in self.shown(filled)}
        return filled.without(*(question.id for question in self.definition.questions if question.id not in shown))

    def answers(self, filled: Filled) -> dict[str, Any]:
        """The answers to the questions shown, by question id, as the casting use case takes them."""
        return {str(question.id): answer_of(question, filled) for question in self.shown(filled)}

    def problems(self, filled: Filled, page: BallotPage | None = None) -> dict[int, FieldError]:
        """What is wrong, by question id, with the questions shown: of one page, or of the whole ballot."""
        wanted = None if page is None else {question.id for question in page}
        found: dict[int, FieldError] = {}
        for question in self.shown(filled):
            if wanted is not None and question.id not in wanted:
                continue
            if (error := problem_with(question, filled, self.style)) is not None:
                found[question.id] = error
        return found


@dataclass(frozen=True)
class Place:
    """Where a step leads: `at` is the first question of the page to show, None for the check page.

    `reviewing`: the resident came from the check page to change one answer and goes back there.
    """

    filled: Filled
    at: int | None
    reviewing: bool = False
    errors: Mapping[int, FieldError] = field(default_factory=dict)


def start(sheet: Sheet, filled: Filled) -> Place:
    """The first page; the check page of a ballot that asks nothing."""
    steps = sheet.steps(filled)
    return Place(filled, steps[0][0].id if steps else None)


def move(sheet: Sheet, place: Place, operation: str) -> Place:
    """Follow the button pressed on a page: `next`, `skip`, `back`, `change-2`, or anything else to stay.

    Going forward asks for right answers to the page left; nobody reaches the check page with a wrong one.
    """
    steps = sheet.steps(place.filled)
    numbers = [page[0].id for page in steps]
    if not steps:
        return Place(place.filled, None)
    if (asked := _CHANGE.fullmatch(operation)) is not None:
        page = sheet.page_of(int(asked[1]))
        return Place(place.filled, page[0].id if page and page in steps else numbers[0], reviewing=True)
    step = numbers.index(place.at) if place.at in numbers else len(steps) if place.at is None else 0
    if operation == "back":
        return Place(place.filled, numbers[max(step - 1, 0)])
    if operation not in ("next", "skip") or step == len(steps):
        at = numbers[step] if step < len(steps) else None
        return _checked(sheet, Place(place.filled, at, place.reviewing))
    page, filled = steps[step], place.filled
    if operation == "skip":
        filled = filled.without(*(question.id for question in page))
    if errors := sheet.problems(filled, page):
        return Place(filled, page[0].id, place.reviewing, errors)
    return _onward(sheet, sheet.pruned(filled), page, reviewing=place.reviewing)


def _onward(sheet: Sheet, filled: Filled, left: BallotPage, *, reviewing: bool) -> Place:
    """The page behind the one left; from a change, the check page, or a question the change has brought up."""
    steps = sheet.steps(filled)
    if reviewing:
        found = _checked(sheet, Place(filled, None))
        unasked = found.at is not None and all(error.code == "required" for error in found.errors.values())
        return Place(filled, found.at, reviewing=True) if unasked else found
    behind = [page[0].id for page in steps[steps.index(left) + 1 :]] if left in steps else []
    return _checked(sheet, Place(filled, behind[0] if behind else None))


def _checked(sheet: Sheet, place: Place) -> Place:
    """The place itself; instead of the check page the first page with a wrong answer, if there is one."""
    if place.at is not None:
        return place
    wrong = sheet.problems(place.filled)
    for page in sheet.steps(place.filled):
        if errors := {question.id: wrong[question.id] for question in page if question.id in wrong}:
            return Place(place.filled, page[0].id, reviewing=True, errors=errors)
    return place

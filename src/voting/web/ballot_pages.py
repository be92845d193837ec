"""The pages of voting as replies: a step of the ballot, its check, the receipt, and why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from litestar import Request, Response

from polls.casting import Cast
from polls.catalogue import SealedPoll
from polls.definition import AnyQuestion, Budget, Option, Rating
from polls.eligibility import Reason
from polls.errors import FieldError, Refusal
from polls.questions import shown_in, takes_words
from voting.problems import KINDS, retry_after, status_of
from voting.web.ballot_form import Filled, new_ballot, shown_order
from voting.web.ballot_steps import Place, Sheet
from voting.web.error_pages import retry_header
from voting.web.receipts import receipt_code, receipt_qr
from voting.web.rendering import page
from voting.web.standing import Notices, RegisterNames, Standing

AnyRequest = Request[Any, Any, Any]
NO_NOTICES = Notices()
MOST_TRIES = 20
"""How often a page sends a ballot again by itself; then only the reader does."""
MOST_MARKS = 11
"""The longest scale that is shown as buttons; a longer one is a list to pick from."""


@dataclass(frozen=True)
class Asked:
    """One question as a page shows it: its options in this ballot's order, and what is wrong with the answer.

    `earlier` is the question a follow-up hangs on; `live` says that it stands on the same page, so that a script may
    show and hide this one; `shown` that the answers so far show it.
    """

    question: AnyQuestion
    options: tuple[Option, ...]
    neutral: tuple[Option, ...]
    error: FieldError | None = None
    earlier: AnyQuestion | None = None
    live: bool = False
    shown: bool = True

    @property
    def most_words(self) -> int:
        """The most characters of words the question takes."""
        return takes_words(self.question)

    @property
    def as_marks(self) -> bool:
        """Whether the scale of a rating is short enough for a button per level."""
        question = self.question
        return isinstance(question, Rating) and question.scale_max - question.scale_min < MOST_MARKS

    def group_of(self, option_id: int) -> tuple[int, ...]:
        """The exclusive group a project is in, cut down to what this ballot shows; empty where it excludes nothing."""
        groups = self.question.exclusive_groups if isinstance(self.question, Budget) else ()
        shown = {option.id for option in self.options}
        found = next((group for group in groups if option_id in group), ())
        here = tuple(other for other in found if other in shown)
        return here if len(here) > 1 else ()


@dataclass(frozen=True)
class History:
    """How often this ballot was sent before, and whether it may have been taken one of these times."""

    tries: int = 0
    unsure: bool = False


NO_HISTORY = History()


def asked_on(sheet: Sheet, place: Place) -> tuple[Asked, ...]:
    """The questions of the page a place is at."""
    found = sheet.page_of(place.at) if place.at is not None else None
    on_page = found or ()
    ids = {question.id for question in on_page}
    shown = {question.id for question in sheet.shown(place.filled)}
    made = []
    for question in on_page:
        condition = question.shown_if
        made.append(
            Asked(
                question, shown_order(question, place.filled.key, sheet.style), _neutral(question, sheet.style),
                error=place.errors.get(question.id),
                earlier=sheet.definition.question(condition.question) if condition else None,
                live=condition is not None and condition.question in ids,
                shown=question.id in shown,
            )
        )  # fmt: skip
    return tuple(made)


def _neutral(question: AnyQuestion, style: int | None) -> tuple[Option, ...]:
    return tuple(option for option in question.neutral if style is None or shown_in(option, style))


def step_page(
    request: AnyRequest, poll: SealedPoll, sheet: Sheet, place: Place, refusal: Refusal | None = None, *,
    notices: Notices = NO_NOTICES, history: History = NO_HISTORY,
) -> Response[Any]:  # fmt: skip
    """The page of a place: a question with its follow-ups, or the check page at the end.

    With a `refusal` that passes by itself the check page sends the ballot again.
    """
    steps = sheet.steps(place.filled)
    numbers = [found[0].id for found in steps]
    shared: dict[str, Any] = {
        "poll": poll, "definition": poll.definition, "filled": place.filled, "steps": len(steps), "preview": False,
        "reviewing": place.reviewing, "notices": notices,
    }  # fmt: skip
    if place.at is None:
        status, headers = status_of(refusal) if refusal else 200, retry_header(refusal)
        return page(
            request, "ballot/check.html", status=status, headers=headers, refusal=refusal, step=len(steps) + 1,
            at="check", shown=sheet.shown(place.filled), given=sheet.given(place.filled),
            carried=place.filled.fields(), again_in=_again_in(refusal, history), history=history, **shared,
        )  # fmt: skip
    asked = asked_on(sheet, place)
    return page(
        request, "ballot/question.html", status=422 if place.errors else 200, asked=asked, at=place.at,
        step=numbers.index(place.at) + 1 if place.at in numbers else 1,
        carried=place.filled.fields(without=[one.question.id for one in asked]), **shared,
    )  # fmt: skip


def sample_page(request: AnyRequest, poll: SealedPoll, standing: Standing, names: RegisterNames) -> Response[Any]:
    """Every question of the reader's own ballot; of all ballots where the reader's is not known. Nothing is sent."""
    style = standing.style if standing.resident else None
    key = new_ballot().key
    asked = tuple(
        Asked(
            question, shown_order(question, key, style), _neutral(question, style),
            earlier=poll.definition.question(question.shown_if.question) if question.shown_if else None,
        )
        for question in poll.definition.questions
        if style is None or shown_in(question, style)
    )  # fmt: skip
    return page(
        request, "ballot/sample.html", poll=poll, definition=poll.definition, asked=asked, style=style,
        filled=Filled(key, {}, {}, {}), preview=True, standing=standing, places=names.places,
    )  # fmt: skip


def again_page(
    request: AnyRequest, slug: str, fields: list[tuple[str, str]], refusal: Refusal, history: History
) -> Response[Any]:
    """The page that can show no question, since not even the poll could be read, and sends the same fields again."""
    own = ("csrf_token", "tries", "unsure")  # what the page puts itself
    kept = [(name, value) for name, value in fields if name not in own]
    return page(
        request, "ballot/again.html", status=status_of(refusal), headers=retry_header(refusal),
        here=f"/polls/{slug}", refusal=refusal, carried=kept, again_in=_again_in(refusal, history), history=history,
    )  # fmt: skip


def _again_in(refusal: Refusal | None, history: History) -> int | None:
    """Seconds after which a page with scripts sends the ballot again by itself; None where only the reader should."""
    return retry_after(refusal) if refusal is not None and history.tries < MOST_TRIES else None


def stopped_page(
    request: AnyRequest, poll: SealedPoll, code: str, facts: Mapping[str, Any] | None = None,
    reasons: Sequence[Reason] = (), *, names: RegisterNames | None = None, sent: bool = False,
    notices: Notices = NO_NOTICES, voted: bool = False,
) -> Response[Any]:  # fmt: skip
    """The page that says why no ballot is taken. `sent`: answers came along, and the page says they were not kept.

    `voted`: the reader is known to have voted in a poll that was cancelled.
    """
    facts, names = facts or {}, names or RegisterNames({}, {})
    status = 403 if code == "not_a_resident" else KINDS[code].status
    return page(
        request, "ballot/stopped.html", status=status, poll=poll, definition=poll.definition, code=code, facts=facts,
        voted_on=date.fromisoformat(facts["day"]) if "day" in facts else None, reasons=reasons, places=names.places,
        groups=names.groups, sent=sent, voted=voted, notices=notices, here=f"/polls/{poll.slug}",
    )  # fmt: skip


def receipt_page(request: AnyRequest, poll: SealedPoll, done: Cast) -> Response[Any]:
    """The receipt page: the only place where the receipt exists besides what the resident keeps."""
    receipt = done.receipt
    return page(
        request, "ballot/receipt.html", poll=poll, definition=poll.definition, receipt=receipt.as_json(),
        body=receipt.body.decode(), code=receipt_code(receipt), qr=receipt_qr(receipt), day=done.day,
        repeated=done.repeated, changed=done.changed, here=f"/polls/{poll.slug}",
    )  # fmt: skip

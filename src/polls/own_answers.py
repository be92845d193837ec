"""Residents' own words: the moderation queue and what may be shown of it.

Words stand in `text_answer` with nothing that leads to a ballot or a person (BALLOTS §10), and none is shown before an
official has reviewed it. Officials judge a *wording*: all texts of one question that are the same but for case and
spaces at the ends. So a thousand people who wrote «Сквер» are one decision, and it does not matter that counting writes
the rows anew in random order. A wording merged into an option is shown beside it and never counted for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, func, select, text, true, update

from polls.catalogue import SealedPoll, sealed_poll
from polls.errors import FieldError, Invalid, NotFound, WrongState
from polls.journal import record_event
from polls.lifecycle import State
from polls.questions import FreeText, takes_words
from polls.sessions import ReadSession, Session
from polls.tables import poll as poll_table
from polls.tables import text_answer

PAGE = 50


class Status(StrEnum):
    """pending → approved, merged (shown beside an option) or rejected; and back, since officials err too."""

    PENDING = "pending"
    APPROVED = "approved"
    MERGED = "merged"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Wording:
    """One wording of one question: how it was written first, how many wrote it, what was decided."""

    question_id: int
    text: str
    n: int
    status: Status
    merged_into: int | None = None
    note: str = ""
    reviewed_at: datetime | None = None


@dataclass(frozen=True)
class WordingPage:
    """A page of wordings, most frequent first, and how many pages' worth there is: `total` wordings."""

    wordings: tuple[Wording, ...]
    total: int
    offset: int

    @property
    def next_offset(self) -> int | None:
        """Where the next page starts, or None."""
        after = self.offset + len(self.wordings)
        return after if self.wordings and after < self.total else None


_KEY = func.lower(func.btrim(text_answer.c.text))


async def waiting(
    session: ReadSession, poll_id: int, question_id: int, status: Status = Status.PENDING, offset: int = 0,
    limit: int = PAGE,
) -> WordingPage:  # fmt: skip
    """Wordings of one question in one status, for its moderators: the most frequent first, then by alphabet."""
    return await _wordings(session, poll_id, question_id, text_answer.c.status == status, offset, limit)


async def published(
    session: ReadSession, poll_id: int, question_id: int, offset: int = 0, limit: int = PAGE
) -> WordingPage:
    """Reviewed wordings anybody may see. Whether they may be seen *now* is for :mod:`results.visibility` to say."""
    shown = text_answer.c.status.in_([Status.APPROVED, Status.MERGED])
    return await _wordings(session, poll_id, question_id, shown, offset, limit)


async def statuses(session: ReadSession, poll_id: int) -> Mapping[int, Mapping[Status, int]]:
    """How many texts each question has in each status: the badge of the queue, and «сколько ещё не проверено»."""
    rows = await session.execute(
        select(text_answer.c.question_id, text_answer.c.status, func.count())
        .where(text_answer.c.poll_id == poll_id)
        .group_by(text_answer.c.question_id, text_answer.c.status)
    )
    found: dict[int, dict[Status, int]] = {}
    for question_id, status, n in rows:
        found.setdefault(question_id, dict.fromkeys(Status, 0))[Status(status)] = n
    return found


async def review(
    session: Session, public_id: str, question_id: int, wording: str, status: Status, official_id: int, now: datetime,
    *, merged_into: int | None = None, note: str = "",
) -> int:  # fmt: skip
    """Decide about a wording; returns how many texts that were. `Status.PENDING` takes a decision back.

    Refuses `NotFound` for a wording nobody wrote, `Invalid` for an option the question does not have, or a rejection
    without a note, `WrongState` once the poll is cancelled.
    """
    poll = await sealed_poll(session, public_id)
    if poll.stored_state is State.CANCELLED:
        raise WrongState(state=poll.stored_state, move="review")
    _check(poll, question_id, status, merged_into, note)
    changed = await session.execute(
        update(text_answer)
        .where(
            text_answer.c.poll_id == poll.id,
            text_answer.c.question_id == question_id,
            func.lower(func.btrim(wording)) == _KEY,
        )
        .values(
            status=status,
            merged_into=merged_into if status is Status.MERGED else None,
            note=note.strip(),
            reviewed_by=None if status is Status.PENDING else official_id,
            reviewed_at=None if status is Status.PENDING else now,
        )
    )
    n = int(changed.rowcount)  # type: ignore[attr-defined]
    if not n:
        raise NotFound(question=question_id)
    # Till the count no more than that somebody judged a wording: which one it was would tell when it was written.
    decided = {} if poll.stored_state is State.SCHEDULED else {"status": status, "merged_into": merged_into, "texts": n}
    await record_event(session, "text_reviewed", poll.id, now, by=official_id, question=question_id, **decided)
    return n


def _check(poll: SealedPoll, question_id: int, status: Status, merged_into: int | None, note: str) -> None:
    question = poll.definition.question(question_id)
    if question is None or not takes_words(question):
        raise NotFound(question=question_id)
    if status is Status.MERGED:
        regular = {option.id for option in question.regular}
        if isinstance(question, FreeText) or merged_into not in regular:
            raise Invalid([FieldError("merged_into", "unknown_option", "Choose one of the question's options.")])
    if status is Status.REJECTED and not 3 <= len(note.strip()) <= 500:
        raise Invalid([FieldError("note", "needed", "Say in 3 to 500 characters why it is rejected.")])


async def _wordings(
    session: ReadSession, poll_id: int, question_id: int, condition: ColumnElement[bool], offset: int, limit: int
) -> WordingPage:
    where = (text_answer.c.poll_id == poll_id, text_answer.c.question_id == question_id, condition)
    total = await session.scalar(select(func.count(func.distinct(_KEY))).where(*where))
    rows = await session.execute(
        select(
            func.min(text_answer.c.text).label("text"), func.count().label("n"),
            func.min(text_answer.c.status).label("status"), func.min(text_answer.c.merged_into).label("merged_into"),
            func.min(text_answer.c.note).label("note"), func.max(text_answer.c.reviewed_at).label("reviewed_at"),
        )
        .where(*where)
        .group_by(_KEY)
        .order_by(text("n DESC"), _KEY)
        .offset(offset)
        .limit(limit)
    )  # fmt: skip
    return WordingPage(tuple(_wording(question_id, row) for row in rows), int(total or 0), offset)


def _wording(question_id: int, row: Any) -> Wording:
    return Wording(question_id, row.text, row.n, Status(row.status), row.merged_into, row.note, row.reviewed_at)


@dataclass(frozen=True)
class WaitingPoll:
    """A poll with texts that wait for a moderator, and how many."""

    public_id: str
    title_ru: str
    title_en: str
    n: int


async def waiting_polls(
    session: ReadSession, offset: int = 0, limit: int = PAGE, *, within: ColumnElement[bool] | None = None
) -> list[WaitingPoll]:
    """A page of polls with texts that wait, the most first; cancelled polls publish nothing and wait for nobody.

    `within` narrows it to the polls a reader's role reaches.
    """
    rows = await session.execute(
        select(poll_table.c.public_id, poll_table.c.title_ru, poll_table.c.title_en, func.count().label("n"))
        .join(text_answer, text_answer.c.poll_id == poll_table.c.id)
        .where(
            text_answer.c.status == Status.PENDING,
            poll_table.c.state != State.CANCELLED,
            true() if within is None else within,
        )
        .group_by(poll_table.c.id)
        .order_by(text("n DESC"), poll_table.c.id)
        .offset(offset)
        .limit(limit)
    )
    return [WaitingPoll(row.public_id, row.title_ru, row.title_en, row.n) for row in rows]


async def number_waiting(session: ReadSession, *, within: ColumnElement[bool] | None = None) -> int:
    """How many texts of all polls, or of those `within` a reader's role, wait for a moderator."""
    waits = (
        select(func.count())
        .select_from(text_answer.join(poll_table, poll_table.c.id == text_answer.c.poll_id))
        .where(
            text_answer.c.status == Status.PENDING,
            poll_table.c.state != State.CANCELLED,
            true() if within is None else within,
        )
    )
    return await session.scalar(waits) or 0

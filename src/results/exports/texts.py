"""texts.csv: what residents wrote and somebody has reviewed, a text a line.

A text stands alone: no ballot, no group, no other answer, and in an order that means nothing (that of random numbers),
so that nobody can be told by when or after whom they wrote. Texts not reviewed or rejected never leave, nor do those of
a question that under ten ballots of a separated poll held.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from sqlalchemy import select

from polls.catalogue import SealedPoll, sealed_poll
from polls.errors import NotFound
from polls.own_answers import Status
from polls.questions import takes_words
from polls.tables import text_answer
from results.exports.columns import TEXTS
from results.exports.dialects import Dialect, Download, OpenSession, Value, csv_chunks, file_name
from results.exports.headers import Language, header_of
from results.figures import counted_version, see
from results.visibility import Need, enough, require

AT_ONCE = 1_000


async def texts_csv(
    open_session: OpenSession,
    slug_or_id: str,
    *,
    now: datetime,
    question_id: int | None = None,
    dialect: Dialect = Dialect.PLAIN,
    language: Language | None = None,
) -> Download:
    """All reviewed texts of a counted poll, or those of one question.

    Refuses before the first byte what the results refuse, `TooFewToPublish` with under ten ballots of a separated poll,
    and `NotFound` for a question that takes no words.
    """
    async with open_session() as session:
        found = await sealed_poll(session, slug_or_id)
        counted = await counted_version(session, found.id)
        require(see(found, counted, now), Need.ANSWERS)
    assert counted is not None
    many = [outcome.question_id for outcome in counted.outcomes if enough(found.definition, outcome.cast)]
    asked = found.definition.question(question_id) if question_id is not None else None
    if question_id is not None and (asked is None or not takes_words(asked)):
        raise NotFound(question=question_id)
    what = "texts" if question_id is None else f"texts_q{question_id}"
    name = file_name(found.closes_at, found.definition.time_zone, found.slug, what, "csv")
    return Download(name, "text/csv", _stream(open_session, found, many, question_id, dialect, language))


async def _stream(
    open_session: OpenSession,
    found: SealedPoll,
    questions: list[int],
    question_id: int | None,
    dialect: Dialect,
    language: Language | None,
) -> AsyncIterator[bytes]:
    for chunk in csv_chunks(header_of(TEXTS, language), (), dialect):
        yield chunk
    query = select(text_answer.c.question_id, text_answer.c.text, text_answer.c.merged_into).where(
        text_answer.c.poll_id == found.id,
        text_answer.c.question_id.in_(questions),
        text_answer.c.status.in_([Status.APPROVED, Status.MERGED]),
    )
    if question_id is not None:
        query = query.where(text_answer.c.question_id == question_id)
    async with open_session() as session:
        rows = await session.stream(query.order_by(text_answer.c.question_id, text_answer.c.id))
        async for part in rows.partitions(AT_ONCE):
            lines: list[tuple[Value, ...]] = [
                (found.public_id, found.slug, row.question_id, row.text, row.merged_into) for row in part
            ]
            for chunk in csv_chunks(None, lines, dialect):
                yield chunk

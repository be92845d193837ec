"""Counting two questions together: from the counted ballots into a small table, by SQL alone.

It happens in the transaction of the count, from the very rows the profile is made of and by the same merged strata. A
figure of two answers never leaves as it is: strata serve the protection of the table (:mod:`results.crossing`), and
the table itself is of the whole poll.
"""

from __future__ import annotations

from sqlalchemy import text

from polls.catalogue import SealedPoll
from polls.definition import CrossTab
from polls.published import counted_ballots
from polls.sessions import Session
from polls.tally.profile import BLANK, NOT_SHOWN

GROUP = (
    "CREATE TEMPORARY TABLE crossed ON COMMIT DROP AS SELECT stratum, answers[{first}] AS first,"
    " answers[{second}] AS second, count(*) AS n FROM {ballots} WHERE poll_id = {poll} GROUP BY 1, 2, 3"
)
"""Grouped by whole answers first: seven million ballots become thousands of rows before any answer is taken apart."""
TAKE_APART = (
    "INSERT INTO cross_tab (poll_id, rows_question, columns_question, stratum, row_key, column_key, n)"
    " SELECT :poll, :rows, :columns, {stratum}, a.key, b.key, sum(n) FROM crossed {merging}"
    " CROSS JOIN LATERAL (SELECT json_array_elements_text(first::json) AS key"
    " UNION ALL SELECT :blank WHERE first = :blank) AS a"
    " CROSS JOIN LATERAL (SELECT json_array_elements_text(second::json) AS key"
    " UNION ALL SELECT :blank WHERE second = :blank) AS b"
    " WHERE first <> :hidden AND second <> :hidden GROUP BY 4, 5, 6"
)


async def count_cross_tabs(session: Session, found: SealedPoll, *, merged: bool) -> None:
    """Write the cross-tabs a poll has sealed. `merged`: strata are yet to be merged by the table ``merging``."""
    for pair in found.definition.cross_tabs:
        await _count(session, found, pair, merged=merged)


async def _count(session: Session, found: SealedPoll, pair: CrossTab, *, merged: bool) -> None:
    first, second = (found.question_ids.index(id_) + 1 for id_ in (pair.rows, pair.columns))
    await session.execute(
        text(GROUP.format(first=first, second=second, ballots=counted_ballots(found), poll=int(found.id)))
    )
    stratum, merging = ("into_", "JOIN merging USING (stratum)") if merged else ("stratum", "")
    await session.execute(
        text(TAKE_APART.format(stratum=stratum, merging=merging)),
        {"poll": found.id, "rows": pair.rows, "columns": pair.columns, "blank": BLANK, "hidden": NOT_SHOWN},
    )
    await session.execute(text("DROP TABLE crossed"))

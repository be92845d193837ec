"""The table of cross-tabs: two questions counted together, for polls that sealed such a pair."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, SmallInteger, Table, Text

from polls.tables import metadata

cross_tab = Table(
    "cross_tab",
    metadata,
    Column("poll_id", BigInteger, primary_key=True, autoincrement=False),  # unchecked, like the profile
    Column("rows_question", SmallInteger, primary_key=True, autoincrement=False),
    Column("columns_question", SmallInteger, primary_key=True, autoincrement=False),
    Column("stratum", Integer, primary_key=True, autoincrement=False, comment="coarsened"),
    Column("row_key", Text, primary_key=True, comment="an answer to the one question"),
    Column("column_key", Text, primary_key=True, comment="an answer to the other"),
    Column("n", Integer, nullable=False),
    comment="ballots by answers to two questions that the poll sealed as counted together; leaves as a protected table",
)

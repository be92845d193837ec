"""Tables of people whom the register held twice: which entry stands for which, and how often both had voted."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Identity, Integer, Table

from polls.tables import Moment, metadata

OTHER_ENTRY = "other_entry"
"""The channel of a participation that is nobody's vote: the person has voted, or could have, by another entry. It keeps
the entry from voting by the same primary key as a vote does, and no figure counts it."""

merged_entry = Table(
    "merged_entry",
    metadata,
    Column("citizen_id", ForeignKey("citizen.id"), primary_key=True, comment="the entry that stands for nobody now"),
    Column("into_id", ForeignKey("citizen.id"), nullable=False, index=True, comment="the person's entry"),
    Column("merged_by", BigInteger, nullable=False, comment="account"),
    Column("merged_at", Moment, nullable=False),
    CheckConstraint("citizen_id <> into_id", name="two"),
    comment="two register entries that were one person",
)

double_vote = Table(
    "double_vote",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("poll_id", ForeignKey("poll.id"), nullable=False, index=True),
    Column("n", Integer, nullable=False, server_default="1"),
    comment="people who had voted by two entries when that was found: a number, never who",
)

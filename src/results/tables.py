"""Tables of the results package: what the city decided and says it did."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, ForeignKey, Identity, Table, Text

from polls.tables import Moment, metadata

decision = Table(
    "decision",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("poll_id", ForeignKey("poll.id"), nullable=False, unique=True),
    Column("text_ru", Text, nullable=False),
    Column("text_en", Text, nullable=False, server_default=""),
    Column("owner", Text, nullable=False, comment="the department that answers for it"),
    Column("deadline", Date),
    Column("status", Text, nullable=False),
    Column("published_at", Moment, nullable=False),
    Column("author_id", BigInteger, nullable=False),
    CheckConstraint("status IN ('planned', 'in_progress', 'done', 'declined')", name="status"),
)

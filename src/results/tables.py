"""Tables of the results package: what the city decided and says it did; its map."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

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

city_map = Table(
    "city_map",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False, comment="always 1: a city has one map"),
    Column("file_name", Text, nullable=False),
    Column("credit", Text, nullable=False, comment="whose data it is, as their licence asks to be said"),
    Column("sha256", LargeBinary, nullable=False),
    Column("drawn", JSONB, nullable=False, comment="paths by kind of territory, as results.maps makes them"),
    Column("vertices", Integer, nullable=False),
    Column("kept", Integer, nullable=False),
    Column("uploaded_at", Moment, nullable=False),
    Column("uploaded_by", BigInteger, comment="the account; none where the command line did it"),
    CheckConstraint("id = 1", name="one"),
)
"""The borders of okrugs and districts that charts are drawn on; without a row they are drawn as a grid of tiles."""

"""Tables of the results package: what was published of a count, what the city decided and did; its map; margins."""

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

margin_set = Table(
    "margin_set",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name_ru", Text, nullable=False),
    Column("name_en", Text, nullable=False, server_default=""),
    Column("source", Text, nullable=False, comment="public: where the numbers come from"),
    Column("as_of", Date, nullable=False),
    Column("uploaded_at", Moment, nullable=False),
    comment="named sets of census margins; a set is replaced whole",
)

census_margin = Table(
    "census_margin",
    metadata,
    Column("set_code", ForeignKey("margin_set.code", ondelete="CASCADE"), primary_key=True),
    Column("dimension", Text, primary_key=True),
    Column("value", Text, primary_key=True, comment="code of a territory, 18-24 or 65+, f or m"),
    Column("number", BigInteger, nullable=False),
    CheckConstraint("dimension IN ('okrug', 'district', 'age', 'sex')", name="dimension"),
    CheckConstraint("number >= 0", name="number"),
    comment="residents by group, to weight participants to",
)

publication = Table(
    "publication",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False, comment="of the count"),
    Column("amendment", BigInteger, primary_key=True, autoincrement=False, comment="last change to the roll, or 0"),
    Column("made_at", Moment, nullable=False),
    Column("tables", JSONB, nullable=False, comment="question (0: turnout) -> the dimensions it is broken down by"),
    Column("memory", Text, nullable=False, comment="every cell of the poll ever shown, and every cell ever hidden"),
    Column("limited", Integer, nullable=False, comment="hidden cells that totals leave a range under ten"),
    comment="which cells of a count are hidden: made once, by the count, and held to by what is published later",
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

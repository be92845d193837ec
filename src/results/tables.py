"""Tables of the results package: what was published of a count, what the city decided and did about it, what residents
say of the work; the city's map; census margins.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
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
    Column("deadline", Date, comment="in force; moved only with a reason"),
    Column("status", Text, nullable=False),
    Column("published_at", Moment, nullable=False),
    Column("author_id", BigInteger, nullable=False, comment="who saved it last"),
    Column("first_deadline", Date, comment="as first promised: what is kept or not"),
    Column("done_on", Date, comment="null too where it was done before days were kept"),
    Column("version", Integer, nullable=False, server_default="1", comment="rises with every saving"),
    Column("changed_at", Moment, nullable=False, server_default=func.now(), comment="of it or of a step"),
    CheckConstraint("status IN ('planned', 'in_progress', 'done', 'declined')", name="status"),
    CheckConstraint("done_on IS NULL OR status = 'done'", name="done_on"),
    Index("ix_decision_changed_at", "changed_at", "id"),
    Index("ix_decision_owner", "owner"),
)

decision_change = Table(
    "decision_change",
    metadata,
    Column("decision_id", ForeignKey("decision.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("at", Moment, nullable=False, index=True),
    Column("by", BigInteger, nullable=False),
    Column("milestone_id", BigInteger),
    Column("reason_ru", Text, nullable=False, server_default=""),
    Column("reason_en", Text, nullable=False, server_default=""),
    Column("body", JSONB, nullable=False, comment="what changed: field to [before, after]"),
    comment="the public history of a decision: append-only by trigger",
)

milestone = Table(
    "milestone",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("decision_id", ForeignKey("decision.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("text_ru", Text, nullable=False),
    Column("text_en", Text, nullable=False, server_default=""),
    Column("planned_on", Date, nullable=False),
    Column("first_planned_on", Date, nullable=False, comment="as first promised"),
    Column("done_on", Date),
    Column("dropped", Date, comment="the day it was given up; the reason is in the history"),
    Column("outcome_ru", Text, nullable=False, server_default="", comment="what was done, in words"),
    Column("outcome_en", Text, nullable=False, server_default=""),
    Column("version", Integer, nullable=False, server_default="1"),
    CheckConstraint("done_on IS NULL OR dropped IS NULL", name="one_end"),
    Index("ix_milestone_decision_id", "decision_id", "position"),
    comment="a step of a decision",
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("milestone_id", ForeignKey("milestone.id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("sha256", Text, nullable=False, index=True),
    Column("media_type", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("name_ru", Text, nullable=False, comment="a picture's alternative text, a document's title"),
    Column("name_en", Text, nullable=False, server_default=""),
    Column("at", Moment, nullable=False),
    Column("withdrawn_at", Moment, comment="no longer given to anybody; that it was there is in the history"),
    CheckConstraint("role IN ('before', 'after', 'picture', 'document')", name="role"),
    UniqueConstraint("milestone_id", "sha256", "role"),
    comment="files that show a step was done; the bytes are in the content-addressed store",
)

work_rating_given = Table(
    "work_rating_given",
    metadata,
    Column("decision_id", ForeignKey("decision.id"), primary_key=True),
    Column("citizen_id", BigInteger, primary_key=True, autoincrement=False),
    comment="that a resident rated the finished work; never how, and not when",
)

work_rating = Table(
    "work_rating",
    metadata,
    Column("decision_id", ForeignKey("decision.id"), primary_key=True),
    Column("stars", SmallInteger, primary_key=True, autoincrement=False),
    Column("n", Integer, nullable=False, server_default="0"),
    Column("shown", Integer, nullable=False, server_default="0", comment="n as of the last ten ratings together"),
    CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),
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

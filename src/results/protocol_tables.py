"""Tables of protocols and of looks at results nobody has certified. Triggers keep what was certified or logged."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)

from polls.tables import Moment, metadata

protocol = Table(
    "protocol",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("poll_id", ForeignKey("poll.id"), nullable=False),
    Column("version", Integer, nullable=False, comment="of the protocol, from 1"),
    Column("count_version", Integer, nullable=False, comment="the count it tells of"),
    Column("reason", Text, nullable=False, server_default="", comment="public; of a correction"),
    Column("prepared", LargeBinary, nullable=False, comment="RFC 8785 JSON as it waits, nobody having certified it"),
    Column("prepared_by", BigInteger, nullable=False),
    Column("prepared_at", Moment, nullable=False),
    Column("withdrawn_by", BigInteger),
    Column("withdrawn_at", Moment),
    Column("withdrawn_note", Text, comment="inside the office"),
    Column("bytes", LargeBinary, comment="RFC 8785 JSON as certified"),
    Column("certified_by", BigInteger),
    Column("certified_at", Moment),
    Column("note", Text, comment="signed note over the SHA-256 of the bytes"),
    Column("key_id", Text),
    Column("signed_at", Moment),
    CheckConstraint("certified_by <> prepared_by", name="second_person"),
    CheckConstraint(
        "num_nulls(bytes, certified_by, certified_at) IN (0, 3) AND num_nulls(note, key_id, signed_at) IN (0, 3)"
        " AND num_nulls(withdrawn_by, withdrawn_at, withdrawn_note) IN (0, 3)",
        name="whole",
    ),
    CheckConstraint("note IS NULL OR bytes IS NOT NULL", name="signed_once_certified"),
    CheckConstraint("bytes IS NULL OR withdrawn_at IS NULL", name="not_both"),
    comment="protocols of results: prepared by one, certified by another, signed by the worker",
)
Index("ix_protocol_poll_id", protocol.c.poll_id)
Index(
    "uq_protocol_certified", protocol.c.poll_id, protocol.c.version, unique=True,
    postgresql_where=text("certified_at IS NOT NULL"),
)  # fmt: skip
Index(
    "uq_protocol_waiting", protocol.c.poll_id, unique=True,
    postgresql_where=text("certified_at IS NULL AND withdrawn_at IS NULL"),
)  # fmt: skip

figure_look = Table(
    "figure_look",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("poll_id", ForeignKey("poll.id"), nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("what", Text, nullable=False, comment="which figures: results, a file, the draft of the protocol"),
    comment="who in the office looked at the figures of a counted poll before they were certified",
)
Index("ix_figure_look_poll_id", figure_look.c.poll_id, figure_look.c.id)
Index("ix_figure_look_at", figure_look.c.at)

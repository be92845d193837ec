"""Tables of turnout counters, of the board, of the registry log and of public keys. All but the counters append only.

The counters have no foreign key: each batch of votes would lock the row of its poll for it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from polls.tables import Moment, metadata

turnout_shard = Table(
    "turnout_shard",
    metadata,
    Column("poll_id", BigInteger, primary_key=True, autoincrement=False),
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("n", Integer, nullable=False),
    comment="participations so far, in so many parts that no row is fought over",
    postgresql_with={"fillfactor": "50"},
)

turnout_minute = Table(
    "turnout_minute",
    metadata,
    Column("poll_id", BigInteger, primary_key=True, autoincrement=False),
    Column("minute", Moment, primary_key=True),
    Column("okrug", Integer, primary_key=True, autoincrement=False, comment="territory id, 0 where there is none"),
    Column("shard", SmallInteger, primary_key=True, autoincrement=False, comment="-1 once settled at counting"),
    Column("n", Integer, nullable=False),
    comment="participations by minute and okrug: never a choice, never a person",
    postgresql_with={"fillfactor": "50"},
)

turnout_channel = Table(
    "turnout_channel",
    metadata,
    Column("poll_id", BigInteger, primary_key=True, autoincrement=False),
    Column("channel", Text, primary_key=True),
    Column("n", Integer, nullable=False),
    comment="participations by channel, fixed at counting: one number a poll, never beside a ballot",
)

board_tree = Table(
    "board_tree",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("question_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("size", Integer, nullable=False, comment="published records"),
    Column("root", LargeBinary, nullable=False, comment="RFC 6962 root over the leaf hashes in rising order"),
    Column("checkpoint", Text, nullable=False, comment="the signed note, signed before the intake was dropped"),
    Column("key_id", Text, nullable=False),
    CheckConstraint("octet_length(root) = 32", name="root"),
    comment="one tree a question of a counted poll",
)

board_manifest = Table(
    "board_manifest",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False, comment="that of the count"),
    Column("bytes", LargeBinary, nullable=False, comment="RFC 8785 JSON"),
    Column("note", Text, nullable=False, comment="signed note over the SHA-256 of the bytes"),
    Column("key_id", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
    comment="what stands beside the trees on the board",
)

registry_leaf = Table(
    "registry_leaf",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False, comment="from 0, without gaps"),
    Column("event_id", ForeignKey("registry_event.id"), nullable=False),
    Column("entry", LargeBinary, nullable=False, comment="RFC 8785 JSON, as published"),
    UniqueConstraint("event_id"),
    comment="the registry log: public events in their order",
)

registry_checkpoint = Table(
    "registry_checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("at", Moment, nullable=False),
    CheckConstraint("octet_length(root) = 32", name="root"),
    comment="every signed state of the registry log",
)

public_key = Table(
    "public_key",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("public", LargeBinary, nullable=False, comment="Ed25519, 32 bytes"),
    Column("valid_from", Moment, nullable=False),
    Column("valid_to", Moment, comment="null while in use"),
    CheckConstraint("purpose IN ('receipt', 'board', 'registry', 'protocol')", name="purpose"),
    CheckConstraint("octet_length(public) = 32", name="public"),
    comment="public halves of the keys that sign; private ones are files",
)

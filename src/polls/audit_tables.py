"""The tables beside `audit_event`: the chain over the log, by inserts only, and counters of refused sign-ins."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, LargeBinary, Table, Text, UniqueConstraint

from polls.tables import Moment, metadata

audit_link = Table(
    "audit_link",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False, comment="from 0, without gaps"),
    Column("source", Text, nullable=False, comment="audit_event, the engine's journal, or looks at figures"),
    Column("source_id", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False, comment="of the entry and of the hash before it"),
    UniqueConstraint("source", "source_id"),
    CheckConstraint("source IN ('audit', 'journal', 'look')", name="source"),
    CheckConstraint("octet_length(hash) = 32", name="hash"),
    comment="the audit log's chain, made by a job: append-only by trigger",
)

audit_counter = Table(
    "audit_counter",
    metadata,
    Column("subject", Text, primary_key=True, comment="an account of the staff, or all others together"),
    Column("hour", Moment, primary_key=True),
    Column("n", Integer, nullable=False),
    comment="sign-ins refused, until the hour is over and one event says how many",
)

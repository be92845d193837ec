"""Tables of the city's sign-on: trips to it, links to register entries, cases of the conflict desk.

No number, name, address or subject of anybody: keys of people are those of `polls.identity`.
"""

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
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from polls.tables import Moment, metadata

sign_on_trip = Table(
    "sign_on_trip",
    metadata,
    Column("state_hash", LargeBinary, primary_key=True, comment="SHA-256 of the state"),
    Column("browser_hash", LargeBinary, nullable=False, comment="SHA-256 of the browser's cookie"),
    Column("provider", Text, nullable=False),
    Column("target", Text, nullable=False, comment="the page of this site to go on with"),
    Column("max_age", Integer, comment="seconds since the person proved who they are, if asked"),
    Column("expires_at", Moment, nullable=False, index=True),
    comment="ways to the city's sign-on and back, each taken once; nonce and verifier are derived, not stored",
)

sign_on_link = Table(
    "sign_on_link",
    metadata,
    Column("key_version", SmallInteger, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, primary_key=True, comment="as in identity, of the kind subject"),
    Column("provider", Text, nullable=False),
    Column("citizen_id", ForeignKey("citizen.id"), nullable=False, index=True),
    Column("linked_at", Moment, nullable=False),
    UniqueConstraint("provider", "citizen_id", "key_version"),
    comment="which provider's person is which register entry: one each",
)

sign_on_case = Table(
    "sign_on_case",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("reference", Text, nullable=False, unique=True, comment="what the resident is told"),
    Column("kind", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("subject_version", SmallInteger, nullable=False),
    Column("subject_key", LargeBinary, nullable=False),
    Column("number_version", SmallInteger),
    Column("number_key", LargeBinary),
    Column("by_subject", ForeignKey("citizen.id"), comment="the entry the subject leads to"),
    Column("by_number", ForeignKey("citizen.id"), comment="the entry the number leads to"),
    Column("opened_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False, comment="when the person last came"),
    Column("state", Text, nullable=False, server_default="open"),
    Column("entry_id", ForeignKey("citizen.id"), comment="proposed: the person's entry"),
    Column("other_id", ForeignKey("citizen.id"), comment="proposed: the entry joined to it"),
    Column("reason", Text, nullable=False, server_default="", comment="the desk's own"),
    Column("answer", Text, nullable=False, server_default="", comment="what the resident reads"),
    Column("proposed_by", BigInteger),
    Column("proposed_at", Moment),
    Column("decided_by", BigInteger),
    Column("decided_at", Moment),
    CheckConstraint(
        "kind IN ('two_entries', 'two_subjects', 'not_found', 'number_changed', 'birth_date')", name="kind"
    ),
    CheckConstraint("state IN ('open', 'proposed', 'linked', 'merged', 'dismissed')", name="state"),
    CheckConstraint("state <> 'proposed' OR proposed_by IS NOT NULL", name="proposed"),
    CheckConstraint("state NOT IN ('linked', 'merged') OR decided_by <> proposed_by", name="four_eyes"),
    Index("uq_sign_on_case_waiting", "subject_version", "subject_key", unique=True,
          postgresql_where=text("state IN ('open', 'proposed')")),
    Index("ix_sign_on_case_state_opened_at", "state", "opened_at"),
    comment="people whom the city's sign-on and the register do not agree on",
)  # fmt: skip

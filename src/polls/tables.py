"""The engine's tables: register, polls, participation and ballots kept apart, profile, registry events.

SQLAlchemy Core tables, one metadata for the whole product. Every unique key of a per-vote table contains `poll_id` or
`citizen_id`, so that the same schema can be distributed. Nothing in a ballot leads to a person; nothing in a
participation leads to a choice.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR, UUID

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Moment = DateTime(timezone=True)

# ---- the register: who lives here (no credentials, no names)

territory = Table(
    "territory",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("code", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("parent_id", ForeignKey("territory.id"), index=True),
    *(Column(name, Text, nullable=False) for name in ("name_ru", "name_en")),
    *(Column(name, Text, nullable=False, server_default="") for name in ("short_ru", "short_en")),
    Column("tile_column", SmallInteger, comment="place on the tile map, counted from 0"),
    Column("tile_row", SmallInteger),
    Column("population", Integer, comment="approximate where no source is named; for demonstrations alone"),
    Column("population_source", Text, nullable=False, server_default=""),
    Column("path", ARRAY(Text), nullable=False, server_default="{}", comment="codes up to the city's, kept by itself"),
    Column("okrug_id", Integer, comment="the okrug it is or lies in, kept by itself"),
    CheckConstraint("kind IN ('city', 'okrug', 'district', 'building')", name="kind"),
)

citizen_group = Table(
    "citizen_group",
    metadata,
    Column("id", SmallInteger, Identity(), primary_key=True),
    Column("code", Text, nullable=False, unique=True),
    Column("name_ru", Text, nullable=False),
    Column("name_en", Text, nullable=False),
)

citizen = Table(
    "citizen",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("register_code", Text, nullable=False, server_default="city"),
    Column("birth_date", Date, comment="unknown only in registers imported from elsewhere"),
    Column("sex", Text, comment="f, m, or unknown"),
    Column("registered_at", Moment, nullable=False),
    CheckConstraint("sex IN ('f', 'm')", name="sex"),
)

citizen_period = Table(
    "citizen_period",
    metadata,
    Column("citizen_id", ForeignKey("citizen.id"), primary_key=True),
    Column("valid_from", Moment, primary_key=True),
    Column("valid_to", Moment, comment="exclusive; null while it lasts"),
    Column("district_id", ForeignKey("territory.id"), nullable=False),
    Column("building_id", ForeignKey("territory.id"), comment="of the district; null where it is not known"),
    Column("level", SmallInteger, nullable=False, server_default="1"),
    Column("groups", ARRAY(SmallInteger), nullable=False, server_default="{}"),
    CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="order"),
    CheckConstraint("level BETWEEN 0 AND 3", name="level"),
    comment="residence, groups and verification level of a citizen, with the time they held",
)
Index("uq_citizen_period_current", citizen_period.c.citizen_id, unique=True,
      postgresql_where=text("valid_to IS NULL"))  # fmt: skip

register_summary = Table(
    "register_summary",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("through", Moment, nullable=False,
           comment="the last beginning or end of a period: the sum holds for this moment and all later ones"),
    Column("made_at", Moment, nullable=False),
    comment="one row while register_cell is the sum of the register as it is; removed by any change of it",
)  # fmt: skip

register_cell = Table(
    "register_cell",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("summary_id", BigInteger, nullable=False),
    Column("register_code", Text, nullable=False),
    Column("district_id", Integer, nullable=False),
    Column("sex", Text),
    Column("level", SmallInteger, nullable=False),
    Column("groups", ARRAY(SmallInteger), nullable=False),
    Column("births", ARRAY(Date), nullable=False, comment="every known birth date, rising"),
    Column("unknown", Integer, nullable=False, comment="citizens whose birth date is not known"),
    Column("registered", ARRAY(Moment), nullable=False, comment="every moment of registration, rising"),
    Column("births_registered", ARRAY(Date), nullable=False,
           comment="the birth date of each of these, null where it is not known"),
    comment="citizens alike in district, sex, level and groups, by the periods that last",
)  # fmt: skip

identity = Table(
    "identity",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key_version", SmallInteger, primary_key=True),
    Column("key", LargeBinary, primary_key=True, comment="HMAC-SHA-256 of the identifier under a versioned secret"),
    Column("citizen_id", ForeignKey("citizen.id"), nullable=False, index=True),
    CheckConstraint("kind IN ('national_id', 'subject', 'phone')", name="kind"),
    CheckConstraint("octet_length(key) = 32", name="key"),
)

# ---- polls

poll = Table(
    "poll",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("public_id", Text, nullable=False, unique=True, comment="32 hex digits; poll_id of the definition"),
    Column("slug", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False, server_default="draft"),
    Column("title_ru", Text, nullable=False, server_default=""),
    Column("title_en", Text, nullable=False, server_default=""),
    Column("topic", Text, nullable=False, server_default="other"),
    Column("territory_id", ForeignKey("territory.id"), index=True),
    Column("department", Text, nullable=False, server_default=""),
    Column("author_id", BigInteger, nullable=False, comment="account; the engine knows no accounts"),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("updated_at", Moment, nullable=False, server_default=func.now()),
    Column("opens_at", Moment, comment="planned, as sealed"),
    Column("closes_at", Moment, comment="in force: planned, or as amended by an extension or an early close"),
    Column("sealed_at", Moment),
    Column("poll_hash", LargeBinary, comment="SHA-256 of the sealed bytes"),
    Column("counted_at", Moment),
    Column("cancelled_at", Moment),
    Column("reason", Text, nullable=False, server_default="", comment="of cancelling or closing early, public"),
    Column("privacy", Text, nullable=False, server_default="separated"),
    Column("paused_at", Moment, comment="while a pause lasts; its reason is in poll_pause"),
    Column("archived_at", Moment, comment="a draft put away; sealed polls are never archived"),
    Column("card", JSONB, nullable=False, server_default="{}", comment="what lists show, taken from the document"),
    Column("search", TSVECTOR, nullable=False, server_default="", comment="words of the document, both languages"),
    CheckConstraint(
        "state IN ('draft','in_review','scheduled','counted','certified','decided','cancelled')", name="state"
    ),
    CheckConstraint("(sealed_at IS NULL) = (poll_hash IS NULL)", name="seal"),
    CheckConstraint("closes_at > opens_at", name="times"),
    Index("ix_poll_state_closes_at", "state", "closes_at"),
    Index("ix_poll_search", "search", postgresql_using="gin"),
)

poll_revision = Table(
    "poll_revision",
    metadata,
    Column("poll_id", ForeignKey("poll.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("definition", JSONB, nullable=False),
    Column("author_id", BigInteger, nullable=False),
    Column("saved_at", Moment, nullable=False),
    comment="every saved draft; the highest number is the current one",
)

sealed_definition = Table(
    "sealed_definition",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("bytes", LargeBinary, nullable=False, comment="RFC 8785; immutable by trigger"),
    Column("poll_hash", LargeBinary, nullable=False),
    Column("sealed_by", BigInteger, nullable=False),
    Column("sealed_at", Moment, nullable=False),
    CheckConstraint("octet_length(poll_hash) = 32", name="hash"),
)

roll = Table(
    "roll",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("stratum", Integer, primary_key=True, autoincrement=False),
    Column("entitled", Integer, nullable=False),
    comment="entitled per stratum by the facts as of opens_at",
)

roll_amendment = Table(
    "roll_amendment",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("poll_id", ForeignKey("poll.id"), nullable=False, index=True),
    Column("stratum", Integer, nullable=False),
    Column("style", Integer, nullable=False, server_default="0"),
    Column("change", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
    comment="late registrations and corrections: logged, never silent",
)

roll_style = Table(
    "roll_style",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("style", Integer, primary_key=True, autoincrement=False),
    Column("entitled", Integer, nullable=False),
    comment="entitled per ballot style: what shares of a question that only some are asked are of",
)

poll_pause = Table(
    "poll_pause",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("poll_id", ForeignKey("poll.id"), nullable=False, index=True),
    Column("paused_at", Moment, nullable=False),
    Column("resumed_at", Moment),
    Column("reason", Text, nullable=False, comment="public"),
    Column("paused_by", BigInteger, nullable=False),
    Column("resumed_by", BigInteger),
)

erratum = Table(
    "erratum",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("poll_id", ForeignKey("poll.id"), nullable=False, index=True),
    Column("text_ru", Text, nullable=False),
    Column("text_en", Text, nullable=False, server_default=""),
    Column("by", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    comment="what an official says about a mistake in a sealed text; the text itself stays",
)

lot_secret = Table(
    "lot_secret",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("party", Text, primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("commitment", LargeBinary, nullable=False, comment="SHA-256 of the secret, given before opening"),
    Column("committed_at", Moment, nullable=False),
    Column("secret", LargeBinary, comment="revealed after the count"),
    Column("revealed_at", Moment),
    CheckConstraint("party IN ('official', 'observer')", name="party"),
    CheckConstraint("octet_length(commitment) = 32", name="commitment"),
)

tie_decision = Table(
    "tie_decision",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("question_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("stage", SmallInteger, primary_key=True, autoincrement=False),
    Column("options", ARRAY(Integer), primary_key=True, comment="the tied, rising"),
    Column("decided", ARRAY(Integer), nullable=False, comment="the same, best first"),
    Column("method", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default="", comment="of the chair, public"),
    Column("by", BigInteger, comment="null for a lot"),
    Column("at", Moment, nullable=False),
    CheckConstraint("method IN ('chair', 'lot')", name="method"),
    comment="how open ties were decided; each leads to a new version of the count",
)

registry_event = Table(
    "registry_event",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("poll_id", ForeignKey("poll.id"), index=True),
    Column("kind", Text, nullable=False),
    Column("at", Moment, nullable=False, index=True),
    Column("body", JSONB, nullable=False),
    comment="what happened to polls: append-only by trigger",
)

audit_event = Table(
    "audit_event",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("actor", BigInteger, comment="account; none for the service and the command line"),
    Column("subject", Text, nullable=False, comment="what it was done to"),
    Column("facts", JSONB, nullable=False),
    comment="who did what: append-only by trigger",
)

# ---- voting

PARTITIONS = 16

participation = Table(
    "participation",
    metadata,
    Column("poll_id", BigInteger, primary_key=True, autoincrement=False),
    Column("citizen_id", BigInteger, primary_key=True, autoincrement=False),
    Column("day", Date, nullable=False, comment="city time; no finer time is kept"),
    Column("channel", Text, nullable=False, server_default="online"),
    postgresql_partition_by="HASH (citizen_id)",
    comment="that a citizen has voted; never what",
)

ballot = Table(
    "ballot",
    metadata,
    Column("poll_id", BigInteger, primary_key=True, autoincrement=False),
    Column("ballot_id", LargeBinary, primary_key=True),
    Column("answers", ARRAY(Text), nullable=False, comment="canonical, in the order of the questions"),
    Column("style", Integer, nullable=False),
    Column("stratum", Integer, nullable=False),
    postgresql_partition_by="HASH (poll_id)",
    comment="counted ballots of separated polls, written in leaf order in a transaction of their own",
)

named_ballot = Table(
    "named_ballot",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("citizen_id", ForeignKey("citizen.id"), primary_key=True),
    Column("seq", Integer, nullable=False, server_default="1"),
    Column("ballot_id", LargeBinary, nullable=False),
    Column("answers", ARRAY(Text), nullable=False),
    Column("style", Integer, nullable=False),
    Column("stratum", Integer, nullable=False),
    UniqueConstraint("poll_id", "ballot_id"),
    comment="named polls only: the law asks for the link, and the ballot page says so",
)

superseded = Table(
    "superseded",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("leaf_hash", LargeBinary, primary_key=True),
    comment="leaves of named ballots that were changed; the answers themselves are purged",
)

text_answer = Table(
    "text_answer",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("id", UUID, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("question_id", SmallInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("merged_into", SmallInteger, comment="option shown beside it; never in the count"),
    Column("note", Text, nullable=False, server_default="", comment="why it was rejected"),
    Column("reviewed_by", BigInteger),
    Column("reviewed_at", Moment),
    CheckConstraint("status IN ('pending', 'approved', 'merged', 'rejected')", name="status"),
    CheckConstraint("(status = 'merged') = (merged_into IS NOT NULL)", name="merged"),
    Index("ix_text_answer_queue", "poll_id", "question_id", "status"),
    comment="texts and own answers with no ballot beside them; re-ordered at random at counting",
)

profile = Table(
    "profile",
    metadata,
    Column("poll_id", BigInteger, primary_key=True, autoincrement=False),  # unchecked: see migration 0006
    Column("question_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("stratum", Integer, primary_key=True, autoincrement=False, comment="coarsened"),
    Column("answer", Text, primary_key=True),
    Column("n", Integer, nullable=False),
    comment="one question's canonical answers counted by stratum: all that tallies and tables start from",
)

count_record = Table(
    "count_record",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("counted_at", Moment, nullable=False),
    Column("ballots", Integer, nullable=False),
    Column("participations", Integer, nullable=False),
    Column("outcomes", JSONB, nullable=False, comment="one tally outcome per question, with its steps"),
    Column("reason", Text, nullable=False, server_default="", comment="of a correction"),
)

turnout_day = Table(
    "turnout_day",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("n", Integer, nullable=False),
    comment="votes by day, fixed at counting",
)

turnout_stratum = Table(
    "turnout_stratum",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("stratum", Integer, primary_key=True, autoincrement=False, comment="as on the roll, never coarsened"),
    Column("n", Integer, nullable=False),
    comment="participations by stratum of the roll, fixed at counting: who voted, never what",
)

turnout_young = Table(
    "turnout_young",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("since", Moment, nullable=False, comment="when the poll became public"),
    Column("votes", Integer, nullable=False, comment="participations of accounts registered since"),
    Column("accounts", Integer, nullable=False, comment="accounts of the register"),
    Column("young_accounts", Integer, nullable=False),
    comment="how many took part with an account younger than the poll, fixed at counting: one number, never who",
)

live_step = Table(
    "live_step",
    metadata,
    Column("poll_id", ForeignKey("poll.id"), primary_key=True),
    Column("ballots", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("outcomes", JSONB, nullable=False),
    comment="figures of polls shown live, taken in steps of at least 1,000 ballots",
)

asset = Table(
    "asset",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("size", Integer, nullable=False),
    Column("uploaded_by", BigInteger, nullable=False),
    Column("uploaded_at", Moment, nullable=False),
    Column("is_picture", Boolean, nullable=False, server_default="true"),
    comment="pictures by content; the bytes are in the content-addressed store",
)

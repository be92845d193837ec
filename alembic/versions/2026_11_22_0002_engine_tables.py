"""The product's tables, partitions, and the triggers and functions that keep what must not change.

Revision: 0002
Revises: 0001
Created: 2026-11-22

`participation` is partitioned by citizen, since one hot poll would otherwise be one partition; `ballot` by poll. The
intake of a poll is made and dropped by functions of their own, so that the web role will need no right to create or
drop anything.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PARTITIONS = 16

FUNCTIONS = r"""
CREATE FUNCTION veche_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION veche_guard_sealed_poll() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.sealed_at IS NULL THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    IF TG_OP = 'DELETE' OR (NEW.public_id, NEW.slug, NEW.title_ru, NEW.title_en, NEW.topic, NEW.department,
            NEW.opens_at, NEW.sealed_at, NEW.poll_hash, NEW.privacy)
        IS DISTINCT FROM (OLD.public_id, OLD.slug, OLD.title_ru, OLD.title_en, OLD.topic, OLD.department,
            OLD.opens_at, OLD.sealed_at, OLD.poll_hash, OLD.privacy)
        OR (NEW.closes_at IS DISTINCT FROM OLD.closes_at AND OLD.state <> 'scheduled')
        OR (NEW.state = 'draft' OR NEW.state = 'in_review')
    THEN
        RAISE EXCEPTION 'poll % is sealed: only its state and closing time may change', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION veche_guard_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM poll WHERE id = COALESCE(NEW.poll_id, OLD.poll_id) AND sealed_at IS NOT NULL) THEN
        RAISE EXCEPTION 'poll % is sealed: it takes no revision', COALESCE(NEW.poll_id, OLD.poll_id)
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;

CREATE FUNCTION veche_create_intake(poll bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (ballot_id bytea PRIMARY KEY CHECK (octet_length(ballot_id) = 16),'
        ' answers text[] NOT NULL, style integer NOT NULL, stratum integer NOT NULL)', 'intake_' || poll);
END $$;

CREATE FUNCTION veche_drop_intake(poll bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('DROP TABLE %I', 'intake_' || poll);
END $$;

CREATE TRIGGER sealed BEFORE UPDATE OR DELETE ON poll FOR EACH ROW EXECUTE FUNCTION veche_guard_sealed_poll();
CREATE TRIGGER sealed BEFORE INSERT OR UPDATE OR DELETE ON poll_revision
    FOR EACH ROW EXECUTE FUNCTION veche_guard_revision();
"""

# table → why its rows never change once written
APPEND_ONLY = {
    "sealed_definition": "the definition is sealed",
    "registry_event": "the registry is append-only",
    "roll": "the roll is frozen; corrections are amendments",
    "roll_amendment": "amendments are logged, never changed",
    "participation": "a participation is final",
    "ballot": "counted ballots are final",
}

DROP_FUNCTIONS = """
DROP FUNCTION veche_create_intake(bigint), veche_drop_intake(bigint), veche_refuse_change() CASCADE;
DROP FUNCTION veche_guard_sealed_poll() CASCADE;
DROP FUNCTION veche_guard_revision() CASCADE;
"""


def run_script(script: str) -> None:
    """Many statements at once, through the driver's own cursor."""
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(script)


def upgrade() -> None:
    op.create_table(
        "asset",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("uploaded_by", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_picture", sa.Boolean(), server_default="true", nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_asset")),
        comment="pictures by content; the bytes are in the content-addressed store",
    )
    op.create_table(
        "ballot",
        sa.Column("poll_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ballot_id", sa.LargeBinary(), nullable=False),
        sa.Column("answers", sa.ARRAY(sa.Text()), nullable=False, comment="canonical, in the order of the questions"),
        sa.Column("style", sa.Integer(), nullable=False),
        sa.Column("stratum", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("poll_id", "ballot_id", name=op.f("pk_ballot")),
        comment="counted ballots of separated polls, written in leaf order in a transaction of their own",
        postgresql_partition_by="HASH (poll_id)",
    )
    op.create_table(
        "citizen",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("register_code", sa.Text(), server_default="city", nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True, comment="unknown only in registers imported from elsewhere"),
        sa.Column("sex", sa.Text(), nullable=True, comment="f, m, or unknown"),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("sex IN ('f', 'm')", name=op.f("ck_citizen_sex")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_citizen")),
    )
    op.create_table(
        "citizen_group",
        sa.Column("id", sa.SmallInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name_ru", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_citizen_group")),
        sa.UniqueConstraint("code", name=op.f("uq_citizen_group_code")),
    )
    op.create_table(
        "participation",
        sa.Column("poll_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("citizen_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="city time; no finer time is kept"),
        sa.Column("channel", sa.Text(), server_default="online", nullable=False),
        sa.PrimaryKeyConstraint("poll_id", "citizen_id", name=op.f("pk_participation")),
        comment="that a citizen has voted; never what",
        postgresql_partition_by="HASH (citizen_id)",
    )
    op.create_table(
        "refusal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusal")),
        comment="refusals worth keeping, written in a transaction of their own",
    )
    op.create_table(
        "territory",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("name_ru", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("short_ru", sa.Text(), server_default="", nullable=False),
        sa.Column("short_en", sa.Text(), server_default="", nullable=False),
        sa.Column("tile_column", sa.SmallInteger(), nullable=True, comment="place on the tile map, counted from 0"),
        sa.Column("tile_row", sa.SmallInteger(), nullable=True),
        sa.Column(
            "population",
            sa.Integer(),
            nullable=True,
            comment="approximate where no source is named; for demonstrations alone",
        ),
        sa.Column("population_source", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("kind IN ('city', 'okrug', 'district', 'building')", name=op.f("ck_territory_kind")),
        sa.ForeignKeyConstraint(["parent_id"], ["territory.id"], name=op.f("fk_territory_parent_id_territory")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_territory")),
        sa.UniqueConstraint("code", name=op.f("uq_territory_code")),
    )
    op.create_index(op.f("ix_territory_parent_id"), "territory", ["parent_id"], unique=False)
    op.create_table(
        "throttle",
        sa.Column("key", sa.Text(), nullable=False, comment="route class and a keyed hash of account or network"),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", "window_start", name=op.f("pk_throttle")),
        comment="counters that hold across processes",
    )
    op.create_index("ix_throttle_window_start", "throttle", ["window_start"], unique=False)
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("email", sa.Text(), nullable=True, comment="lower case"),
        sa.Column("phone", sa.Text(), nullable=True, comment="E.164"),
        sa.Column("password_hash", sa.Text(), nullable=True, comment="argon2id"),
        sa.Column("display_name", sa.Text(), server_default="", nullable=False),
        sa.Column("department", sa.Text(), server_default="", nullable=False),
        sa.Column("citizen_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("email IS NOT NULL OR phone IS NOT NULL", name=op.f("ck_account_login")),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_account_citizen_id_citizen")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("citizen_id", name=op.f("uq_account_citizen_id")),
        sa.UniqueConstraint("email", name=op.f("uq_account_email")),
        sa.UniqueConstraint("phone", name=op.f("uq_account_phone")),
    )
    op.create_table(
        "citizen_period",
        sa.Column("citizen_id", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True, comment="exclusive; null while it lasts"),
        sa.Column("district_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("groups", sa.ARRAY(sa.SmallInteger()), server_default="{}", nullable=False),
        sa.CheckConstraint("level BETWEEN 0 AND 3", name=op.f("ck_citizen_period_level")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_citizen_period_order")),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_citizen_period_citizen_id_citizen")),
        sa.ForeignKeyConstraint(
            ["district_id"], ["territory.id"], name=op.f("fk_citizen_period_district_id_territory")
        ),
        sa.PrimaryKeyConstraint("citizen_id", "valid_from", name=op.f("pk_citizen_period")),
        comment="residence, groups and verification level of a citizen, with the time they held",
    )
    op.create_index(
        "uq_citizen_period_current",
        "citizen_period",
        ["citizen_id"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "identity",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key_version", sa.SmallInteger(), nullable=False),
        sa.Column(
            "key", sa.LargeBinary(), nullable=False, comment="HMAC-SHA-256 of the identifier under a versioned secret"
        ),
        sa.Column("citizen_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('national_id', 'subject', 'phone')", name=op.f("ck_identity_kind")),
        sa.CheckConstraint("octet_length(key) = 32", name=op.f("ck_identity_key")),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_identity_citizen_id_citizen")),
        sa.PrimaryKeyConstraint("kind", "key_version", "key", name=op.f("pk_identity")),
    )
    op.create_index(op.f("ix_identity_citizen_id"), "identity", ["citizen_id"], unique=False)
    op.create_table(
        "poll",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False, comment="32 hex digits; poll_id of the definition"),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="draft", nullable=False),
        sa.Column("title_ru", sa.Text(), server_default="", nullable=False),
        sa.Column("title_en", sa.Text(), server_default="", nullable=False),
        sa.Column("topic", sa.Text(), server_default="other", nullable=False),
        sa.Column("territory_id", sa.Integer(), nullable=True),
        sa.Column("department", sa.Text(), server_default="", nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False, comment="account; the engine knows no accounts"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=True, comment="planned, as sealed"),
        sa.Column(
            "closes_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="in force: planned, or as amended by an extension or an early close",
        ),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("poll_hash", sa.LargeBinary(), nullable=True, comment="SHA-256 of the sealed bytes"),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "reason", sa.Text(), server_default="", nullable=False, comment="of cancelling or closing early, public"
        ),
        sa.Column("privacy", sa.Text(), server_default="separated", nullable=False),
        sa.CheckConstraint(
            "state IN ('draft','in_review','scheduled','counted','certified','decided','cancelled')",
            name=op.f("ck_poll_state"),
        ),
        sa.CheckConstraint("(sealed_at IS NULL) = (poll_hash IS NULL)", name=op.f("ck_poll_seal")),
        sa.CheckConstraint("closes_at > opens_at", name=op.f("ck_poll_times")),
        sa.ForeignKeyConstraint(["territory_id"], ["territory.id"], name=op.f("fk_poll_territory_id_territory")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_poll")),
        sa.UniqueConstraint("public_id", name=op.f("uq_poll_public_id")),
        sa.UniqueConstraint("slug", name=op.f("uq_poll_slug")),
    )
    op.create_index("ix_poll_state_closes_at", "poll", ["state", "closes_at"], unique=False)
    op.create_index(op.f("ix_poll_territory_id"), "poll", ["territory_id"], unique=False)
    op.create_table(
        "account_role",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("granted_by", sa.BigInteger(), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "role IN ('resident','official','reviewer','analyst','observer','admin')", name=op.f("ck_account_role_role")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_account_role_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "role", name=op.f("pk_account_role")),
    )
    op.create_table(
        "count_record",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ballots", sa.Integer(), nullable=False),
        sa.Column("participations", sa.Integer(), nullable=False),
        sa.Column(
            "outcomes",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="one tally outcome per question, with its steps",
        ),
        sa.Column("reason", sa.Text(), server_default="", nullable=False, comment="of a correction"),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_count_record_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "version", name=op.f("pk_count_record")),
    )
    op.create_table(
        "decision",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("text_ru", sa.Text(), nullable=False),
        sa.Column("text_en", sa.Text(), server_default="", nullable=False),
        sa.Column("owner", sa.Text(), nullable=False, comment="the department that answers for it"),
        sa.Column("deadline", sa.Date(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("status IN ('planned', 'in_progress', 'done', 'declined')", name=op.f("ck_decision_status")),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_decision_poll_id_poll")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
        sa.UniqueConstraint("poll_id", name=op.f("uq_decision_poll_id")),
    )
    op.create_table(
        "live_step",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("ballots", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcomes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_live_step_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "ballots", name=op.f("pk_live_step")),
        comment="figures of polls shown live, taken in steps of at least 1,000 ballots",
    )
    op.create_table(
        "named_ballot",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("citizen_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.Integer(), server_default="1", nullable=False),
        sa.Column("ballot_id", sa.LargeBinary(), nullable=False),
        sa.Column("answers", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("style", sa.Integer(), nullable=False),
        sa.Column("stratum", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_named_ballot_citizen_id_citizen")),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_named_ballot_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "citizen_id", name=op.f("pk_named_ballot")),
        sa.UniqueConstraint("poll_id", "ballot_id", name=op.f("uq_named_ballot_poll_id_ballot_id")),
        comment="named polls only: the law asks for the link, and the ballot page says so",
    )
    op.create_table(
        "poll_revision",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("definition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["poll_id"], ["poll.id"], name=op.f("fk_poll_revision_poll_id_poll"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("poll_id", "number", name=op.f("pk_poll_revision")),
        comment="every saved draft; the highest number is the current one",
    )
    op.create_table(
        "profile",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("question_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("stratum", sa.Integer(), autoincrement=False, nullable=False, comment="coarsened"),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_profile_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "question_id", "stratum", "answer", name=op.f("pk_profile")),
        comment="one question's canonical answers counted by stratum: all that tallies and tables start from",
    )
    op.create_table(
        "registry_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("poll_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_registry_event_poll_id_poll")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_event")),
        comment="what happened to polls: append-only by trigger",
    )
    op.create_index(op.f("ix_registry_event_poll_id"), "registry_event", ["poll_id"], unique=False)
    op.create_table(
        "roll",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("stratum", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entitled", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_roll_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "stratum", name=op.f("pk_roll")),
        comment="entitled per stratum by the facts as of opens_at",
    )
    op.create_table(
        "roll_amendment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("stratum", sa.Integer(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_roll_amendment_poll_id_poll")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roll_amendment")),
        comment="late registrations and corrections: logged, never silent",
    )
    op.create_index(op.f("ix_roll_amendment_poll_id"), "roll_amendment", ["poll_id"], unique=False)
    op.create_table(
        "sealed_definition",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False, comment="RFC 8785; immutable by trigger"),
        sa.Column("poll_hash", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_by", sa.BigInteger(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(poll_hash) = 32", name=op.f("ck_sealed_definition_hash")),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_sealed_definition_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", name=op.f("pk_sealed_definition")),
    )
    op.create_table(
        "superseded",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_superseded_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "leaf_hash", name=op.f("pk_superseded")),
        comment="leaves of named ballots that were changed; the answers themselves are purged",
    )
    op.create_table(
        "turnout_day",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_turnout_day_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "day", name=op.f("pk_turnout_day")),
        comment="votes by day, fixed at counting",
    )
    op.create_table(
        "turnout_stratum",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "stratum", sa.Integer(), autoincrement=False, nullable=False, comment="as on the roll, never coarsened"
        ),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_turnout_stratum_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "stratum", name=op.f("pk_turnout_stratum")),
        comment="participations by stratum of the roll, fixed at counting: who voted, never what",
    )
    op.create_table(
        "web_session",
        sa.Column(
            "token_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the token; the token is never stored"
        ),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "last_seen_at", sa.DateTime(timezone=True), nullable=False, comment="coarse: written at most once a minute"
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, comment="absolute"),
        sa.Column("user_agent", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_web_session_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_web_session")),
    )
    op.create_index(op.f("ix_web_session_account_id"), "web_session", ["account_id"], unique=False)
    for table in ("participation", "ballot"):
        for part in range(PARTITIONS):
            op.execute(
                f"CREATE TABLE {table}_{part:02d} PARTITION OF {table}"
                f" FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {part})"
            )
    run_script(FUNCTIONS)
    for table, why in APPEND_ONLY.items():
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION veche_refuse_change('{why}')"
        )
        op.execute(
            f"CREATE TRIGGER never_truncated BEFORE TRUNCATE ON {table}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION veche_refuse_change('{why}')"
        )


def downgrade() -> None:
    run_script(DROP_FUNCTIONS)
    op.drop_index(op.f("ix_web_session_account_id"), table_name="web_session")
    op.drop_table("web_session")
    op.drop_table("turnout_stratum")
    op.drop_table("turnout_day")
    op.drop_table("superseded")
    op.drop_table("sealed_definition")
    op.drop_index(op.f("ix_roll_amendment_poll_id"), table_name="roll_amendment")
    op.drop_table("roll_amendment")
    op.drop_table("roll")
    op.drop_index(op.f("ix_registry_event_poll_id"), table_name="registry_event")
    op.drop_table("registry_event")
    op.drop_table("profile")
    op.drop_table("poll_revision")
    op.drop_table("named_ballot")
    op.drop_table("live_step")
    op.drop_table("decision")
    op.drop_table("count_record")
    op.drop_table("account_role")
    op.drop_index(op.f("ix_poll_territory_id"), table_name="poll")
    op.drop_index("ix_poll_state_closes_at", table_name="poll")
    op.drop_table("poll")
    op.drop_index(op.f("ix_identity_citizen_id"), table_name="identity")
    op.drop_table("identity")
    op.drop_index(
        "uq_citizen_period_current", table_name="citizen_period", postgresql_where=sa.text("valid_to IS NULL")
    )
    op.drop_table("citizen_period")
    op.drop_table("account")
    op.drop_index("ix_throttle_window_start", table_name="throttle")
    op.drop_table("throttle")
    op.drop_index(op.f("ix_territory_parent_id"), table_name="territory")
    op.drop_table("territory")
    op.drop_table("refusal")
    op.drop_table("participation")
    op.drop_table("citizen_group")
    op.drop_table("citizen")
    op.drop_table("ballot")
    op.drop_table("asset")

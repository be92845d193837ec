"""Everything a whole poll engine keeps: ballot styles on the roll, texts, pauses, errata, lots, owners, lists, search.

Revision: 0004
Revises: 0003
Created: 2026-11-22

New tables and columns with defaults only, so the previous release runs on beside it. Texts and own answers stand with
no ballot beside them; `veche_shuffle_texts` writes them anew in random order when their poll is counted.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE FUNCTION veche_shuffle_texts(poll bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    -- One statement: what a moderator decides meanwhile is waited for, and its outcome is what is written anew.
    WITH gone AS (
        DELETE FROM text_answer WHERE poll_id = poll
        RETURNING question_id, text, status, merged_into, note, reviewed_by, reviewed_at)
    INSERT INTO text_answer (poll_id, id, question_id, text, status, merged_into, note, reviewed_by, reviewed_at)
        SELECT poll, gen_random_uuid(), question_id, text, status, merged_into, note, reviewed_by, reviewed_at
        FROM gone ORDER BY random();
END $$;
"""

CARDS = """
WITH newest AS (
    SELECT DISTINCT ON (poll_id) poll_id, definition AS d FROM poll_revision ORDER BY poll_id, number DESC)
UPDATE poll SET
    card = jsonb_build_object(
        'summary_ru', d #>> '{summary,ru}', 'summary_en', d #>> '{summary,en}',
        'kinds', jsonb_path_query_array(d, '$.questions[*].kind'),
        'picture', jsonb_path_query_first(d, '$.questions[*].options[*].picture.sha256'),
        'live', d ->> 'visibility' = 'live'),
    search = setweight(to_tsvector('russian', title_ru), 'A') || setweight(to_tsvector('english', title_en), 'A')
        || setweight(to_tsvector('simple', title_ru || ' ' || title_en), 'A')
        || setweight(to_tsvector('russian', (d #>> '{summary,ru}') || ' ' || (d #>> '{description,ru}')), 'B')
        || setweight(to_tsvector('english', (d #>> '{summary,en}') || ' ' || (d #>> '{description,en}')), 'B')
        || setweight(jsonb_to_tsvector('russian',
                jsonb_path_query_array(d, '$.questions[*].**.text.ru'), '["string"]'), 'C')
        || setweight(jsonb_to_tsvector('english',
                jsonb_path_query_array(d, '$.questions[*].**.text.en'), '["string"]'), 'C')
    FROM newest WHERE newest.poll_id = poll.id
"""
"""The cards and words of polls already there, as :mod:`polls.cards` writes them when a poll is saved."""

# table → why its rows never change once written
APPEND_ONLY = {
    "roll_style": "the roll is frozen; corrections are amendments",
    "unit_roll": "the unit roll is frozen",
    "unit_roll_owner": "the unit roll is frozen",
    "invited_list": "a list never changes; upload a new one",
    "invited": "a list never changes; upload a new one",
    "erratum": "what was said is not unsaid; add another",
    "tie_decision": "a tie is decided once",
}


def run_script(script: str) -> None:
    """Many statements at once, through the driver's own cursor."""
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(script)


def upgrade() -> None:
    op.create_table(
        "invited_list",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("title_ru", sa.Text(), nullable=False),
        sa.Column("title_en", sa.Text(), server_default="", nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("uploaded_by", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invited_list")),
        sa.UniqueConstraint("code", name=op.f("uq_invited_list_code")),
        comment="a list of invited residents; never changes once uploaded",
    )
    op.create_table(
        "invited",
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("citizen_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_invited_citizen_id_citizen")),
        sa.ForeignKeyConstraint(["list_id"], ["invited_list.id"], name=op.f("fk_invited_list_id_invited_list")),
        sa.PrimaryKeyConstraint("list_id", "citizen_id", name=op.f("pk_invited")),
    )
    op.create_index("ix_invited_citizen_id", "invited", ["citizen_id"], unique=False)
    op.create_table(
        "unit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("building_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="flat", nullable=False),
        sa.Column("area", sa.Integer(), nullable=False, comment="hundredths of a square metre"),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True, comment="exclusive; null while it lasts"),
        sa.CheckConstraint("kind IN ('flat', 'nonresidential')", name=op.f("ck_unit_kind")),
        sa.CheckConstraint("area > 0", name=op.f("ck_unit_area")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_unit_order")),
        sa.ForeignKeyConstraint(["building_id"], ["territory.id"], name=op.f("fk_unit_building_id_territory")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit")),
        comment="a flat as it was for a time: with another area or kind it ends and begins anew",
    )
    op.create_index(op.f("ix_unit_building_id"), "unit", ["building_id"], unique=False)
    op.create_index(
        "uq_unit_current",
        "unit",
        ["building_id", "number"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "erratum",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("text_ru", sa.Text(), nullable=False),
        sa.Column("text_en", sa.Text(), server_default="", nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_erratum_poll_id_poll")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erratum")),
        comment="what an official says about a mistake in a sealed text; the text itself stays",
    )
    op.create_index(op.f("ix_erratum_poll_id"), "erratum", ["poll_id"], unique=False)
    op.create_table(
        "lot_secret",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "commitment", sa.LargeBinary(), nullable=False, comment="SHA-256 of the secret, given before opening"
        ),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True, comment="revealed after the count"),
        sa.Column("revealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("party IN ('official', 'observer')", name=op.f("ck_lot_secret_party")),
        sa.CheckConstraint("octet_length(commitment) = 32", name=op.f("ck_lot_secret_commitment")),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_lot_secret_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "party", name=op.f("pk_lot_secret")),
    )
    op.create_table(
        "poll_pause",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False, comment="public"),
        sa.Column("paused_by", sa.BigInteger(), nullable=False),
        sa.Column("resumed_by", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_poll_pause_poll_id_poll")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_poll_pause")),
    )
    op.create_index(op.f("ix_poll_pause_poll_id"), "poll_pause", ["poll_id"], unique=False)
    op.create_table(
        "roll_style",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("style", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entitled", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_roll_style_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "style", name=op.f("pk_roll_style")),
        comment="entitled per ballot style: what shares of a question that only some are asked are of",
    )
    op.create_table(
        "text_answer",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("question_id", sa.SmallInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column(
            "merged_into", sa.SmallInteger(), nullable=True, comment="option shown beside it; never in the count"
        ),
        sa.Column("note", sa.Text(), server_default="", nullable=False, comment="why it was rejected"),
        sa.Column("reviewed_by", sa.BigInteger(), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(status = 'merged') = (merged_into IS NOT NULL)", name=op.f("ck_text_answer_merged")),
        sa.CheckConstraint(
            "status IN ('pending', 'approved', 'merged', 'rejected')", name=op.f("ck_text_answer_status")
        ),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_text_answer_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "id", name=op.f("pk_text_answer")),
        comment="texts and own answers with no ballot beside them; re-ordered at random at counting",
    )
    op.create_index("ix_text_answer_queue", "text_answer", ["poll_id", "question_id", "status"], unique=False)
    op.create_table(
        "tie_decision",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("question_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("options", sa.ARRAY(sa.Integer()), nullable=False, comment="the tied, rising"),
        sa.Column("decided", sa.ARRAY(sa.Integer()), nullable=False, comment="the same, best first"),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False, comment="of the chair, public"),
        sa.Column("by", sa.BigInteger(), nullable=True, comment="null for a lot"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("method IN ('chair', 'lot')", name=op.f("ck_tie_decision_method")),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_tie_decision_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "question_id", "stage", "options", name=op.f("pk_tie_decision")),
        comment="how open ties were decided; each leads to a new version of the count",
    )
    op.create_table(
        "unit_owner",
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("citizen_id", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True, comment="exclusive; null while it lasts"),
        sa.Column("share_numerator", sa.Integer(), nullable=False),
        sa.Column("share_denominator", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "share_numerator > 0 AND share_numerator <= share_denominator", name=op.f("ck_unit_owner_share")
        ),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_unit_owner_order")),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_unit_owner_citizen_id_citizen")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_unit_owner_unit_id_unit")),
        sa.PrimaryKeyConstraint("unit_id", "citizen_id", "valid_from", name=op.f("pk_unit_owner")),
        comment="who owns what part of a flat, with the time it held",
    )
    op.create_index("ix_unit_owner_citizen_id", "unit_owner", ["citizen_id"], unique=False)
    op.create_table(
        "unit_roll",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("building_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("area", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["building_id"], ["territory.id"], name=op.f("fk_unit_roll_building_id_territory")),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_unit_roll_poll_id_poll")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_unit_roll_unit_id_unit")),
        sa.PrimaryKeyConstraint("poll_id", "unit_id", name=op.f("pk_unit_roll")),
        comment="the flats that decide in a poll of owners, as of opens_at",
    )
    op.create_table(
        "unit_roll_owner",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("citizen_id", sa.BigInteger(), nullable=False),
        sa.Column("share_numerator", sa.Integer(), nullable=False),
        sa.Column("share_denominator", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_unit_roll_owner_citizen_id_citizen")),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_unit_roll_owner_poll_id_poll")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_unit_roll_owner_unit_id_unit")),
        sa.PrimaryKeyConstraint("poll_id", "unit_id", "citizen_id", name=op.f("pk_unit_roll_owner")),
        comment="their owners' shares, as of opens_at",
    )
    op.add_column(
        "citizen_period",
        sa.Column("building_id", sa.Integer(), nullable=True, comment="of the district; null where it is not known"),
    )
    op.create_foreign_key(
        op.f("fk_citizen_period_building_id_territory"), "citizen_period", "territory", ["building_id"], ["id"]
    )
    op.add_column(
        "poll",
        sa.Column(
            "paused_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="while a pause lasts; its reason is in poll_pause",
        ),
    )
    op.add_column(
        "poll",
        sa.Column(
            "archived_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="a draft put away; sealed polls are never archived",
        ),
    )
    op.add_column(
        "poll",
        sa.Column(
            "card",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="what lists show, taken from the document",
        ),
    )
    op.add_column(
        "poll",
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            server_default="",
            nullable=False,
            comment="words of the document, both languages",
        ),
    )
    op.create_index("ix_poll_search", "poll", ["search"], unique=False, postgresql_using="gin")
    op.add_column("roll_amendment", sa.Column("style", sa.Integer(), server_default="0", nullable=False))
    run_script(FUNCTIONS)
    op.execute(CARDS)
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
    run_script("DROP FUNCTION veche_shuffle_texts(bigint)")
    op.drop_column("roll_amendment", "style")
    op.drop_index("ix_poll_search", table_name="poll", postgresql_using="gin")
    op.drop_column("poll", "search")
    op.drop_column("poll", "card")
    op.drop_column("poll", "archived_at")
    op.drop_column("poll", "paused_at")
    op.drop_constraint(op.f("fk_citizen_period_building_id_territory"), "citizen_period", type_="foreignkey")
    op.drop_column("citizen_period", "building_id")
    op.drop_table("unit_roll_owner")
    op.drop_table("unit_roll")
    op.drop_index("ix_unit_owner_citizen_id", table_name="unit_owner")
    op.drop_table("unit_owner")
    op.drop_table("tie_decision")
    op.drop_index("ix_text_answer_queue", table_name="text_answer")
    op.drop_table("text_answer")
    op.drop_table("roll_style")
    op.drop_index(op.f("ix_poll_pause_poll_id"), table_name="poll_pause")
    op.drop_table("poll_pause")
    op.drop_table("lot_secret")
    op.drop_index(op.f("ix_erratum_poll_id"), table_name="erratum")
    op.drop_table("erratum")
    op.drop_index("uq_unit_current", table_name="unit", postgresql_where=sa.text("valid_to IS NULL"))
    op.drop_index(op.f("ix_unit_building_id"), table_name="unit")
    op.drop_table("unit")
    op.drop_index("ix_invited_citizen_id", table_name="invited")
    op.drop_table("invited")
    op.drop_table("invited_list")

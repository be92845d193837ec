"""Decisions with their history, steps, evidence and the residents' rating of the finished work.

Revision: 0012
Revises: 0011
Created: 2026-11-23

Adds columns with defaults and new tables, so the previous release runs on beside it; what it records meanwhile has no
line in the history until it is saved again. Decisions already there get the line of their first publication, and the
deadline in force as the one first promised: an earlier one was not kept.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)

FIRST_LINES = """
INSERT INTO decision_change (decision_id, number, kind, at, by, body)
SELECT id, 1, 'recorded', published_at, author_id,
       jsonb_build_object('status', status, 'deadline', deadline, 'done_on', done_on, 'owner', owner,
                          'text_ru', text_ru, 'text_en', text_en)
  FROM decision
"""


def upgrade() -> None:
    op.add_column("decision", sa.Column("first_deadline", sa.Date(), comment="as first promised: what is kept or not"))
    op.add_column(
        "decision", sa.Column("done_on", sa.Date(), comment="null too where it was done before days were kept")
    )
    op.add_column(
        "decision",
        sa.Column("version", sa.Integer(), server_default="1", nullable=False, comment="rises with every saving"),
    )
    op.add_column(
        "decision",
        sa.Column("changed_at", MOMENT, server_default=sa.func.now(), nullable=False, comment="of it or of a step"),
    )
    op.alter_column("decision", "deadline", comment="in force; moved only with a reason")
    op.alter_column("decision", "author_id", comment="who saved it last")
    op.execute("UPDATE decision SET first_deadline = deadline, changed_at = published_at")
    op.create_check_constraint(op.f("ck_decision_done_on"), "decision", "done_on IS NULL OR status = 'done'")
    op.create_index("ix_decision_changed_at", "decision", ["changed_at", "id"])
    op.create_index("ix_decision_owner", "decision", ["owner"])
    _history()
    op.execute(FIRST_LINES)
    _steps()
    _ratings()


def _history() -> None:
    op.create_table(
        "decision_change",
        sa.Column("decision_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("milestone_id", sa.BigInteger(), nullable=True),
        sa.Column("reason_ru", sa.Text(), server_default="", nullable=False),
        sa.Column("reason_en", sa.Text(), server_default="", nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False, comment="what changed: field to [before, after]"),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.id"], name=op.f("fk_decision_change_decision_id_decision")),
        sa.PrimaryKeyConstraint("decision_id", "number", name=op.f("pk_decision_change")),
        comment="the public history of a decision: append-only by trigger",
    )
    op.create_index(op.f("ix_decision_change_at"), "decision_change", ["at"])
    why = "the history of a decision is append-only"
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON decision_change"
        f" FOR EACH ROW EXECUTE FUNCTION veche_refuse_change('{why}')"
    )
    op.execute(
        "CREATE TRIGGER never_truncated BEFORE TRUNCATE ON decision_change"
        f" FOR EACH STATEMENT EXECUTE FUNCTION veche_refuse_change('{why}')"
    )


def _steps() -> None:
    op.create_table(
        "milestone",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("decision_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text_ru", sa.Text(), nullable=False),
        sa.Column("text_en", sa.Text(), server_default="", nullable=False),
        sa.Column("planned_on", sa.Date(), nullable=False),
        sa.Column("first_planned_on", sa.Date(), nullable=False, comment="as first promised"),
        sa.Column("done_on", sa.Date(), nullable=True),
        sa.Column("dropped", sa.Date(), nullable=True, comment="the day it was given up; the reason is in the history"),
        sa.Column("outcome_ru", sa.Text(), server_default="", nullable=False, comment="what was done, in words"),
        sa.Column("outcome_en", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("done_on IS NULL OR dropped IS NULL", name=op.f("ck_milestone_one_end")),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.id"], name=op.f("fk_milestone_decision_id_decision")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_milestone")),
        comment="a step of a decision",
    )
    op.create_index("ix_milestone_decision_id", "milestone", ["decision_id", "position"])
    op.create_table(
        "evidence",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("milestone_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column(
            "name_ru", sa.Text(), nullable=False, comment="a picture's alternative text, a document's title"
        ),
        sa.Column("name_en", sa.Text(), server_default="", nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column(
            "withdrawn_at", MOMENT, nullable=True,
            comment="no longer given to anybody; that it was there is in the history",
        ),
        sa.CheckConstraint("role IN ('before', 'after', 'picture', 'document')", name=op.f("ck_evidence_role")),
        sa.ForeignKeyConstraint(["milestone_id"], ["milestone.id"], name=op.f("fk_evidence_milestone_id_milestone")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        sa.UniqueConstraint("milestone_id", "sha256", "role", name=op.f("uq_evidence_milestone_id_sha256_role")),
        comment="files that show a step was done; the bytes are in the content-addressed store",
    )  # fmt: skip
    op.create_index(op.f("ix_evidence_sha256"), "evidence", ["sha256"])


def _ratings() -> None:
    op.create_table(
        "work_rating_given",
        sa.Column("decision_id", sa.BigInteger(), nullable=False),
        sa.Column("citizen_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decision.id"], name=op.f("fk_work_rating_given_decision_id_decision")
        ),
        sa.PrimaryKeyConstraint("decision_id", "citizen_id", name=op.f("pk_work_rating_given")),
        comment="that a resident rated the finished work; never how, and not when",
    )
    op.create_table(
        "work_rating",
        sa.Column("decision_id", sa.BigInteger(), nullable=False),
        sa.Column("stars", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "shown", sa.Integer(), server_default="0", nullable=False,
            comment="n as of the last ten ratings together",
        ),
        sa.CheckConstraint("stars BETWEEN 1 AND 5", name=op.f("ck_work_rating_stars")),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.id"], name=op.f("fk_work_rating_decision_id_decision")),
        sa.PrimaryKeyConstraint("decision_id", "stars", name=op.f("pk_work_rating")),
    )  # fmt: skip


def downgrade() -> None:
    for table in ("work_rating", "work_rating_given", "evidence", "milestone", "decision_change"):
        op.drop_table(table)
    op.drop_index("ix_decision_owner", "decision")
    op.drop_index("ix_decision_changed_at", "decision")
    op.drop_constraint(op.f("ck_decision_done_on"), "decision", type_="check")
    for column in ("changed_at", "version", "done_on", "first_deadline"):
        op.drop_column("decision", column)
    op.alter_column("decision", "deadline", comment=None)
    op.alter_column("decision", "author_id", comment=None)

"""City sign-on: its round trips, links and cases; entries of the register that are one person's.

Revision: 0021
Revises: 0020
Created: 2026-11-23

New tables, one column with a default and one rule relaxed, so the previous release runs on beside it: an account made
by the city's sign-on has neither e-mail nor phone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    _engine()
    _sign_on()
    op.add_column("web_session", sa.Column("way", sa.Text(), server_default="password", nullable=False))
    op.create_check_constraint(op.f("ck_web_session_way"), "web_session", "way IN ('password', 'city')")
    op.drop_constraint(op.f("ck_account_login"), "account")
    op.create_check_constraint(
        op.f("ck_account_login"), "account", "email IS NOT NULL OR phone IS NOT NULL OR citizen_id IS NOT NULL"
    )


def _engine() -> None:
    op.create_table(
        "merged_entry",
        sa.Column("citizen_id", sa.BigInteger(), nullable=False, comment="the entry that stands for nobody now"),
        sa.Column("into_id", sa.BigInteger(), nullable=False, comment="the person's entry"),
        sa.Column("merged_by", sa.BigInteger(), nullable=False, comment="account"),
        sa.Column("merged_at", moment, nullable=False),
        sa.CheckConstraint("citizen_id <> into_id", name=op.f("ck_merged_entry_two")),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_merged_entry_citizen_id_citizen")),
        sa.ForeignKeyConstraint(["into_id"], ["citizen.id"], name=op.f("fk_merged_entry_into_id_citizen")),
        sa.PrimaryKeyConstraint("citizen_id", name=op.f("pk_merged_entry")),
        comment="two register entries that were one person",
    )
    op.create_index(op.f("ix_merged_entry_into_id"), "merged_entry", ["into_id"])
    op.create_table(
        "double_vote",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_double_vote_poll_id_poll")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_double_vote")),
        comment="people who had voted by two entries when that was found: a number, never who",
    )
    op.create_index(op.f("ix_double_vote_poll_id"), "double_vote", ["poll_id"])


def _sign_on() -> None:
    op.create_table(
        "sign_on_trip",
        sa.Column("state_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the state"),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the browser's cookie"),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False, comment="the page of this site to go on with"),
        sa.Column("max_age", sa.Integer(), comment="seconds since the person proved who they are, if asked"),
        sa.Column("expires_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_sign_on_trip")),
        comment="ways to the city's sign-on and back, each taken once; nonce and verifier are derived, not stored",
    )
    op.create_index(op.f("ix_sign_on_trip_expires_at"), "sign_on_trip", ["expires_at"])
    op.create_table(
        "sign_on_link",
        sa.Column("key_version", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False, comment="as in identity, of the kind subject"),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("citizen_id", sa.BigInteger(), nullable=False),
        sa.Column("linked_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_sign_on_link_citizen_id_citizen")),
        sa.PrimaryKeyConstraint("key_version", "key", name=op.f("pk_sign_on_link")),
        sa.UniqueConstraint(
            "provider", "citizen_id", "key_version", name=op.f("uq_sign_on_link_provider_citizen_id_key_version")
        ),
        comment="which provider's person is which register entry: one each",
    )
    op.create_index(op.f("ix_sign_on_link_citizen_id"), "sign_on_link", ["citizen_id"])
    op.create_table(
        "sign_on_case",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False, comment="what the resident is told"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("subject_version", sa.SmallInteger(), nullable=False),
        sa.Column("subject_key", sa.LargeBinary(), nullable=False),
        sa.Column("number_version", sa.SmallInteger()),
        sa.Column("number_key", sa.LargeBinary()),
        sa.Column("by_subject", sa.BigInteger(), comment="the entry the subject leads to"),
        sa.Column("by_number", sa.BigInteger(), comment="the entry the number leads to"),
        sa.Column("opened_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False, comment="when the person last came"),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("entry_id", sa.BigInteger(), comment="proposed: the person's entry"),
        sa.Column("other_id", sa.BigInteger(), comment="proposed: the entry joined to it"),
        sa.Column("reason", sa.Text(), server_default="", nullable=False, comment="the desk's own"),
        sa.Column("answer", sa.Text(), server_default="", nullable=False, comment="what the resident reads"),
        sa.Column("proposed_by", sa.BigInteger()),
        sa.Column("proposed_at", moment),
        sa.Column("decided_by", sa.BigInteger()),
        sa.Column("decided_at", moment),
        sa.CheckConstraint(
            "kind IN ('two_entries', 'two_subjects', 'not_found', 'number_changed', 'birth_date')",
            name=op.f("ck_sign_on_case_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('open', 'proposed', 'linked', 'merged', 'dismissed')", name=op.f("ck_sign_on_case_state")
        ),
        sa.CheckConstraint("state <> 'proposed' OR proposed_by IS NOT NULL", name=op.f("ck_sign_on_case_proposed")),
        sa.CheckConstraint(
            "state NOT IN ('linked', 'merged') OR decided_by <> proposed_by", name=op.f("ck_sign_on_case_four_eyes")
        ),
        sa.ForeignKeyConstraint(["by_subject"], ["citizen.id"], name=op.f("fk_sign_on_case_by_subject_citizen")),
        sa.ForeignKeyConstraint(["by_number"], ["citizen.id"], name=op.f("fk_sign_on_case_by_number_citizen")),
        sa.ForeignKeyConstraint(["entry_id"], ["citizen.id"], name=op.f("fk_sign_on_case_entry_id_citizen")),
        sa.ForeignKeyConstraint(["other_id"], ["citizen.id"], name=op.f("fk_sign_on_case_other_id_citizen")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_on_case")),
        sa.UniqueConstraint("reference", name=op.f("uq_sign_on_case_reference")),
        comment="people whom the city's sign-on and the register do not agree on",
    )
    op.create_index(
        "uq_sign_on_case_waiting", "sign_on_case", ["subject_version", "subject_key"], unique=True,
        postgresql_where=sa.text("state IN ('open', 'proposed')"),
    )  # fmt: skip
    op.create_index("ix_sign_on_case_state_opened_at", "sign_on_case", ["state", "opened_at"])


def downgrade() -> None:
    op.drop_constraint(op.f("ck_account_login"), "account")
    # Accounts that the older release could not have made stay as they are; new ones must have a login again.
    op.execute(
        "ALTER TABLE account ADD CONSTRAINT ck_account_login CHECK (email IS NOT NULL OR phone IS NOT NULL) NOT VALID"
    )
    op.drop_column("web_session", "way")
    for table in ("sign_on_case", "sign_on_link", "sign_on_trip", "double_vote", "merged_entry"):
        op.drop_table(table)

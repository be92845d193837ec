"""A territory keeps the way up to its city: who asks for a resident's facts does not walk it each time.

Revision: 0026
Revises: 0025
Created: 2026-11-24

The database keeps it, whoever writes: a row's way is made of its parent's, and a row whose way changes has those below
made anew. Parents in a circle have no way up; they keep what they had, and the import that made them is refused.

The previous release runs on beside it: it writes no such column, and the triggers fill it in.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE FUNCTION veche_territory_path() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    above territory;
BEGIN
    IF NEW.parent_id IS NOT NULL THEN
        SELECT * INTO above FROM territory WHERE id = NEW.parent_id;
        IF above.id = NEW.id OR NEW.code = ANY (above.path) THEN
            RETURN NEW;
        END IF;
    END IF;
    NEW.path := NEW.code || COALESCE(above.path, '{}');
    NEW.okrug_id := CASE WHEN NEW.kind = 'okrug' THEN NEW.id ELSE above.okrug_id END;
    RETURN NEW;
END $$;

CREATE FUNCTION veche_territory_paths_below() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE territory SET parent_id = parent_id WHERE parent_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER territory_path BEFORE INSERT OR UPDATE OF code, kind, parent_id ON territory
    FOR EACH ROW EXECUTE FUNCTION veche_territory_path();
CREATE TRIGGER territory_paths_below AFTER UPDATE ON territory
    FOR EACH ROW WHEN ((OLD.path, OLD.okrug_id) IS DISTINCT FROM (NEW.path, NEW.okrug_id))
    EXECUTE FUNCTION veche_territory_paths_below();
"""


def upgrade() -> None:
    op.add_column(
        "territory",
        sa.Column(
            "path", ARRAY(sa.Text()), nullable=False, server_default="{}",
            comment="codes up to the city's, kept by itself",
        ),
    )  # fmt: skip
    op.add_column(
        "territory",
        sa.Column(
            "okrug_id", sa.Integer(), comment="the okrug it is or lies in, kept by itself"
        ),
    )  # fmt: skip
    op.execute(FUNCTIONS)
    op.execute("UPDATE territory SET parent_id = parent_id WHERE parent_id IS NULL")  # and so, down from there, of all


def downgrade() -> None:
    op.execute("DROP TRIGGER territory_paths_below ON territory")
    op.execute("DROP TRIGGER territory_path ON territory")
    op.execute("DROP FUNCTION veche_territory_paths_below()")
    op.execute("DROP FUNCTION veche_territory_path()")
    op.drop_column("territory", "okrug_id")
    op.drop_column("territory", "path")

"""Uncounted ballots go for a reason that stays: a copy of every one of them, or a cancellation in the journal.

Revision: 0025
Revises: 0024
Created: 2026-11-23

`veche_drop_intake` trusts nothing its caller may write but what is append-only. It holds the intake alone, so that no
ballot comes between the look and the drop, in a transaction whose snapshots are fresh. For a count it joins intake and
copy by their key and compares answers and style of every row, and looks that a stratum was left or merged upwards as a
whole. For a cancelled poll it wants the public event, with the true number of ballots. Sums or XORs of hashes would not
do: whoever chooses the rows can make them agree.

A sealed poll's state goes forward alone: `cancelled` after its event, `counted` after its record. The previous release,
which writes the event last, can cancel no sealed poll meanwhile; counting it can. Trigger functions that run as the
owner are no longer for everybody to put on tables of their own.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

GUARD = """
CREATE OR REPLACE FUNCTION veche_guard_sealed_poll() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""
MOVES = """
    IF NEW.state <> OLD.state AND NOT (CASE NEW.state
        WHEN 'cancelled' THEN OLD.state = 'scheduled' AND EXISTS (
            SELECT FROM registry_event e WHERE e.poll_id = OLD.id AND e.kind = 'poll_cancelled')
        WHEN 'counted' THEN OLD.state = 'scheduled' AND EXISTS (SELECT FROM count_record c WHERE c.poll_id = OLD.id)
        WHEN 'certified' THEN OLD.state = 'counted'
        WHEN 'decided' THEN OLD.state IN ('counted', 'certified')
        ELSE false END)
    THEN
        RAISE EXCEPTION 'poll % does not go from % to %: a move that cannot be undone is recorded first',
            OLD.id, OLD.state, NEW.state USING ERRCODE = 'integrity_constraint_violation';
    END IF;
"""
END = """
    RETURN NEW;
END $$;
"""

DROP_INTAKE = """
CREATE OR REPLACE FUNCTION veche_drop_intake(poll bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET enable_nestloop = off AS $$
DECLARE
    intake CONSTANT text := format('%I', 'intake_' || $1);
    state text;
    over boolean;
    stored bigint;
    copied bigint;
    same bigint;
    astray bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'an intake is dropped in a READ COMMITTED transaction: an older snapshot may miss ballots'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', intake);
    SELECT p.state, p.closes_at <= clock_timestamp() AND p.paused_at IS NULL INTO state, over
        FROM poll AS p WHERE p.id = $1;
    EXECUTE format('SELECT count(*) FROM %s', intake) INTO stored;
    IF state = 'cancelled' THEN
        IF NOT EXISTS (SELECT FROM registry_event AS e WHERE e.poll_id = $1 AND e.kind = 'poll_cancelled'
                AND e.body ->> 'ballots_destroyed' = stored::text) THEN
            RAISE EXCEPTION 'no event says that poll % was cancelled with % ballots', $1, stored
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    ELSIF state IS DISTINCT FROM 'scheduled' OR over IS NOT TRUE THEN
        RAISE EXCEPTION 'poll % has not closed, or is counted: its intake stays', $1
            USING ERRCODE = 'integrity_constraint_violation';
    ELSE
        SELECT count(*) INTO copied FROM ballot AS b WHERE b.poll_id = $1;
        IF stored <> copied THEN
            RAISE EXCEPTION 'the intake of poll % holds % ballots, % are copied', $1, stored, copied
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        -- Of polls.strata: a stratum is left or merged as a whole, into its own sex or 9, its own age or 99, its own
        -- territory or one above it. Which of these it is, the caller has reckoned and compared.
        EXECUTE format(
            'WITH RECURSIVE above(low, up) AS ('
            ' SELECT id, id FROM territory'
            ' UNION SELECT a.low, t.parent_id FROM above a JOIN territory t ON t.id = a.up'
            '  WHERE t.parent_id IS NOT NULL),'
            ' merged AS (SELECT i.stratum AS was, min(b.stratum) AS least, max(b.stratum) AS now, count(*) AS n'
            '  FROM %s i JOIN ballot b ON b.ballot_id = i.ballot_id AND b.answers = i.answers AND b.style = i.style'
            '  WHERE b.poll_id = %s GROUP BY i.stratum)'
            ' SELECT coalesce(sum(n), 0), count(*) FILTER (WHERE least <> now'
            '  OR NOT (now %% 10 = was %% 10 OR was %% 10 > 0 AND now %% 10 = 9)'
            '  OR NOT (now / 10 %% 100 = was / 10 %% 100 OR was / 10 %% 100 > 0 AND now / 10 %% 100 = 99)'
            '  OR now / 1000 <> was / 1000 AND (was / 1000, now / 1000) NOT IN (SELECT low, up FROM above))'
            ' FROM merged', intake, $1) INTO same, astray;
        IF same <> stored OR astray > 0 THEN
            RAISE EXCEPTION 'the intake of poll % holds % ballots, % of them are copied as they are, % strata are not',
                $1, stored, same, astray USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    EXECUTE format('DROP TABLE %s', intake);
END $$;
"""

FORMER = """
CREATE OR REPLACE FUNCTION veche_drop_intake(poll bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    stored bigint;
    copied bigint;
BEGIN
    -- The caller proves the copy equal; this holds for any caller, whatever it has proven.
    IF NOT EXISTS (SELECT FROM poll AS p WHERE p.id = $1 AND p.state = 'cancelled') THEN
        EXECUTE format('SELECT count(*) FROM %I', 'intake_' || $1) INTO stored;
        SELECT count(*) INTO copied FROM ballot AS b WHERE b.poll_id = $1;
        IF stored <> copied THEN
            RAISE EXCEPTION 'the intake of poll % holds % ballots, % are copied', $1, stored, copied
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    EXECUTE format('DROP TABLE %I', 'intake_' || $1);
END $$;
"""
AS_OWNER = "veche_forget_summary(), veche_end_tokens()"


def run_script(script: str) -> None:
    """Many statements at once, through the driver's own cursor."""
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(script)


def upgrade() -> None:
    run_script(GUARD + MOVES + END + DROP_INTAKE)
    op.execute(f"REVOKE ALL ON FUNCTION {AS_OWNER} FROM PUBLIC")


def downgrade() -> None:
    op.execute(f"GRANT EXECUTE ON FUNCTION {AS_OWNER} TO PUBLIC")
    run_script(GUARD + END + FORMER)

"""A version from before a budget takes nothing from it and gives nothing back to it."""

from alembic import op

revision = "0087"
down_revision = "0086"
branch_labels = None
depends_on = None

# What one claim of a version takes from its budget: nothing, while no version up to it has brought one.
# That never changes for a version, so what is given back is what was taken.
TAKEN_FEN = """
CREATE FUNCTION benefit_taken_fen(benefit uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN EXISTS (
            SELECT FROM benefits x
            WHERE x.code = b.code AND x.version <= b.version AND x.budget_fen IS NOT NULL)
        THEN b.subsidy_fen ELSE 0 END
    FROM benefits b WHERE b.benefit_id = benefit;
$$;
"""
FUNCTIONS = """
-- One piece and one subsidy from any bucket that has both: first one that nobody else holds, then each
-- in turn.  False: nothing is left.
CREATE OR REPLACE FUNCTION benefit_take(benefit uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b record;
    chosen bigint;
BEGIN
    SELECT x.code, {fen} INTO b FROM benefits x WHERE x.benefit_id = benefit;
    SELECT s.bucket INTO chosen FROM benefit_stock s
    WHERE s.benefit_code = b.code AND coalesce(s.left_count > 0, true)
        AND coalesce(s.left_fen >= b.subsidy_fen, true)
    ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE benefit_stock s
        SET left_count = s.left_count - 1, left_fen = s.left_fen - b.subsidy_fen
        WHERE s.benefit_code = b.code AND s.bucket = chosen;
        RETURN true;
    END IF;
    -- All that is left is held by others, who may give up: wait for each in turn.
    FOR chosen IN
        SELECT s.bucket FROM benefit_stock s
        WHERE s.benefit_code = b.code AND coalesce(s.left_count > 0, true)
            AND coalesce(s.left_fen >= b.subsidy_fen, true)
        ORDER BY s.bucket
    LOOP
        UPDATE benefit_stock s
        SET left_count = s.left_count - 1, left_fen = s.left_fen - b.subsidy_fen
        WHERE s.benefit_code = b.code AND s.bucket = chosen AND coalesce(s.left_count > 0, true)
            AND coalesce(s.left_fen >= b.subsidy_fen, true);
        IF FOUND THEN RETURN true; END IF;
    END LOOP;
    RETURN false;
END $$;

-- What was taken for a voucher of this version comes back.
CREATE OR REPLACE FUNCTION benefit_give_back(benefit uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE b record;
BEGIN
    SELECT x.code, {fen} INTO b FROM benefits x WHERE x.benefit_id = benefit;
    UPDATE benefit_stock s
    SET left_count = s.left_count + 1, left_fen = s.left_fen + b.subsidy_fen
    WHERE s.benefit_code = b.code AND s.bucket = (
        SELECT t.bucket FROM benefit_stock t WHERE t.benefit_code = b.code
        ORDER BY t.left_count, t.left_fen, t.bucket LIMIT 1);
END $$;
"""


def upgrade() -> None:
    op.execute(TAKEN_FEN)
    op.execute("REVOKE ALL ON FUNCTION benefit_taken_fen(uuid) FROM PUBLIC")
    op.execute(FUNCTIONS.format(fen="benefit_taken_fen(x.benefit_id) AS subsidy_fen"))


def downgrade() -> None:
    op.execute(FUNCTIONS.format(fen="x.subsidy_fen"))
    op.execute("DROP FUNCTION benefit_taken_fen(uuid)")

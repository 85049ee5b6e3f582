"""Subsidy budgets beside the stock, in the same buckets: taken at the claim, given back unused.

The old release calls benefit_take_stock and benefit_return_stock; they go on working for stock alone.
"""

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

COLUMNS = """
-- Null is without end.  A budget is shared out in whole subsidies.
-- squawk-ignore ban-drop-not-null
ALTER TABLE benefit_stock ALTER COLUMN left_count DROP NOT NULL;
ALTER TABLE benefit_stock ADD COLUMN left_fen bigint;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE benefit_stock ADD CONSTRAINT ck_benefit_stock__left_fen CHECK (left_fen >= 0);
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE benefit_stock ADD CONSTRAINT ck_benefit_stock__limited
    CHECK (left_count IS NOT NULL OR left_fen IS NOT NULL);
-- A later version may bring a limit that was not there.
GRANT UPDATE (left_count, left_fen) ON benefit_stock TO card_web;
"""
# One piece and one subsidy from any bucket that has both: first one that nobody else holds, then each
# in turn.  False: nothing is left.
TAKE = """
CREATE FUNCTION benefit_take(benefit uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b record;
    chosen bigint;
BEGIN
    SELECT x.code, x.subsidy_fen INTO b FROM benefits x WHERE x.benefit_id = benefit;
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
CREATE FUNCTION benefit_give_back(benefit uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE b record;
BEGIN
    SELECT x.code, x.subsidy_fen INTO b FROM benefits x WHERE x.benefit_id = benefit;
    UPDATE benefit_stock s
    SET left_count = s.left_count + 1, left_fen = s.left_fen + b.subsidy_fen
    WHERE s.benefit_code = b.code AND s.bucket = (
        SELECT t.bucket FROM benefit_stock t WHERE t.benefit_code = b.code
        ORDER BY t.left_count, t.left_fen, t.bucket LIMIT 1);
END $$;
"""
FUNCTIONS = ("benefit_take(uuid)", "benefit_give_back(uuid)")


def upgrade() -> None:
    op.execute(COLUMNS)
    op.execute(TAKE)
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO card_web, card_job")


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.execute("""
    -- The old release knows no budgets: what was left without a count stays away from claims.
    UPDATE benefit_stock SET left_count = 0 WHERE left_count IS NULL;
    ALTER TABLE benefit_stock DROP COLUMN left_fen;
    ALTER TABLE benefit_stock ALTER COLUMN left_count SET NOT NULL;
    REVOKE UPDATE (left_count) ON benefit_stock FROM card_web;
    """)

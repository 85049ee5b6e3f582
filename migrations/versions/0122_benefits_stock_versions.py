"""A version from before a stock takes no piece of it and gives none back to it.

Null is a version that was published before this was noted, or by the old release: it takes pieces
where there are any, as it always did.
"""

from alembic import op

revision = "0122"
down_revision = "0121"
branch_labels = None
depends_on = None

# Which versions that are there already brought a stock is known where nothing but a stock limits them,
# and where their benefit has none.
NOTE = """
ALTER TABLE benefits ADD COLUMN brings_stock boolean;
UPDATE benefits b SET brings_stock = b.budget_fen IS NULL
WHERE b.stock_limited AND (b.budget_fen IS NULL OR NOT EXISTS (
    SELECT FROM benefit_stock s WHERE s.benefit_code = b.code AND s.left_count IS NOT NULL));
UPDATE benefits SET brings_stock = false WHERE NOT stock_limited;
"""
# What one claim of a version takes from the stock: nothing, while no version up to it has brought one.
# That never changes for a version, so what is given back is what was taken.
TAKEN_COUNT = """
CREATE FUNCTION benefit_taken_count(benefit uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN EXISTS (
            SELECT FROM benefits x
            WHERE x.code = b.code AND x.version <= b.version
                AND coalesce(x.brings_stock, x.stock_limited))
        THEN 1 ELSE 0 END
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
    SELECT x.code, benefit_taken_fen(x.benefit_id) AS subsidy_fen{taken} INTO b FROM benefits x WHERE x.benefit_id = benefit;
    SELECT s.bucket INTO chosen FROM benefit_stock s
    WHERE s.benefit_code = b.code AND coalesce(s.left_count {some}, true)
        AND coalesce(s.left_fen >= b.subsidy_fen, true)
    ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE benefit_stock s
        SET left_count = s.left_count - {pieces}, left_fen = s.left_fen - b.subsidy_fen
        WHERE s.benefit_code = b.code AND s.bucket = chosen;
        RETURN true;
    END IF;
    -- All that is left is held by others, who may give up: wait for each in turn.
    FOR chosen IN
        SELECT s.bucket FROM benefit_stock s
        WHERE s.benefit_code = b.code AND coalesce(s.left_count {some}, true)
            AND coalesce(s.left_fen >= b.subsidy_fen, true)
        ORDER BY s.bucket
    LOOP
        UPDATE benefit_stock s
        SET left_count = s.left_count - {pieces}, left_fen = s.left_fen - b.subsidy_fen
        WHERE s.benefit_code = b.code AND s.bucket = chosen AND coalesce(s.left_count {some}, true)
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
    SELECT x.code, benefit_taken_fen(x.benefit_id) AS subsidy_fen{taken} INTO b FROM benefits x WHERE x.benefit_id = benefit;
    UPDATE benefit_stock s
    SET left_count = s.left_count + {pieces}, left_fen = s.left_fen + b.subsidy_fen
    WHERE s.benefit_code = b.code AND s.bucket = (
        SELECT t.bucket FROM benefit_stock t WHERE t.benefit_code = b.code
        ORDER BY t.left_count, t.left_fen, t.bucket LIMIT 1);
END $$;
"""
NAMES = ("benefit_taken_count(uuid)", "benefit_taken_fen(uuid)")


def upgrade() -> None:
    op.execute(NOTE)
    op.execute(TAKEN_COUNT)
    op.execute("REVOKE ALL ON FUNCTION benefit_taken_count(uuid) FROM PUBLIC")
    for name in NAMES:
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO card_web, card_job")
    op.execute(FUNCTIONS.format(
        taken=",\n        benefit_taken_count(x.benefit_id) AS pieces", some=">= b.pieces",
        pieces="b.pieces",
    ))


def downgrade() -> None:
    """The functions take one piece again, whatever the version."""
    op.execute(FUNCTIONS.format(taken="", some="> 0", pieces="1"))
    op.execute("REVOKE EXECUTE ON FUNCTION benefit_taken_fen(uuid) FROM card_web, card_job")
    op.execute("DROP FUNCTION benefit_taken_count(uuid)")
    op.execute("ALTER TABLE benefits DROP COLUMN brings_stock")

"""Records go when the information catalogue's retention is over.

What stays of them is the last day on which one counted: up to that day a score that is computed
again may be another than the one that was told then.
"""

from alembic import op

revision = "0125"
down_revision = "0124"
branch_labels = None
depends_on = None

TABLE = """
-- Deliveries wait while it is built.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_records__kept_from ON records ((coalesce(event_on, delivered_on)));
-- Whose number it was stays known, or a second delivery would bring the record and its points again.
ALTER TABLE record_holders ADD COLUMN expired_on date;
CREATE TABLE expired_records (
    citizen_id uuid NOT NULL,
    counted_until_on date NOT NULL,
    record_count bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_expired_records PRIMARY KEY (citizen_id)
);
GRANT SELECT ON expired_records TO card_web, card_job;
"""

FUNCTIONS = """
-- Deletes records, each with all its versions, whose last day of retention is before a day in the
-- city; others of the same names are left alone.  Whose records went.
CREATE FUNCTION records_expire(citizens uuid[], kinds text[], numbers text[], retentions integer[])
RETURNS TABLE (citizen_id uuid) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    today CONSTANT date := (now() AT TIME ZONE 'Asia/Shanghai')::date;
BEGIN
    RETURN QUERY
    WITH due AS MATERIALIZED (
        SELECT k.citizen, k.kind, k.number
        FROM unnest(citizens, kinds, numbers, retentions) AS k (citizen, kind, number, days)
        WHERE k.days > 0 AND NOT EXISTS (
            SELECT FROM records r
            WHERE r.citizen_id = k.citizen AND r.record_type = k.kind
                AND r.record_number = k.number
                AND coalesce(r.event_on, r.delivered_on) + k.days >= today)
    ), holder AS (
        UPDATE record_holders h SET expired_on = today FROM due d
        WHERE h.record_number = d.number AND h.record_type = d.kind AND h.citizen_id = d.citizen
    ), adverse AS (
        DELETE FROM adverse_records a USING due d
        WHERE a.citizen_id = d.citizen AND a.record_type = d.kind AND a.record_number = d.number
    ), gone AS (
        DELETE FROM records r USING due d
        WHERE r.citizen_id = d.citizen AND r.record_type = d.kind AND r.record_number = d.number
        RETURNING r.citizen_id AS citizen, r.record_number, CASE WHEN r.is_void THEN NULL
            ELSE least(r.replaced_on - 1, r.ends_on - 1, today - 1) END AS counted_until_on
    ), noted AS (
        INSERT INTO expired_records AS e (citizen_id, counted_until_on, record_count)
        SELECT g.citizen, max(g.counted_until_on), count(DISTINCT g.record_number)
        FROM gone g GROUP BY g.citizen HAVING max(g.counted_until_on) IS NOT NULL
        ON CONFLICT ON CONSTRAINT pk_expired_records DO UPDATE
        SET counted_until_on = greatest(e.counted_until_on, excluded.counted_until_on),
            record_count = e.record_count + excluded.record_count
    )
    SELECT DISTINCT g.citizen FROM gone g;
END $$;
REVOKE ALL ON FUNCTION records_expire(uuid[], text[], text[], integer[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION records_expire(uuid[], text[], text[], integer[]) TO card_job;

CREATE OR REPLACE FUNCTION records_erase(citizen uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF citizen_is_active(citizen) THEN
        RAISE EXCEPTION 'only who has left is erased';
    END IF;
    DELETE FROM record_holders h WHERE h.citizen_id = citizen;
    DELETE FROM adverse_records a WHERE a.citizen_id = citizen;
    DELETE FROM records r WHERE r.citizen_id = citizen;
    DELETE FROM expired_records e WHERE e.citizen_id = citizen;
END $$;
"""

DOWN = """
CREATE OR REPLACE FUNCTION records_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM adverse_records a WHERE a.citizen_id = citizen;
        DELETE FROM record_holders h WHERE h.citizen_id = citizen;
        DELETE FROM records r WHERE r.citizen_id = citizen;
    END $$;
DROP FUNCTION records_expire(uuid[], text[], text[], integer[]);
DROP TABLE expired_records;
ALTER TABLE record_holders DROP COLUMN expired_on;
DROP INDEX ix_records__kept_from;
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(FUNCTIONS)


def downgrade() -> None:
    op.execute(DOWN)

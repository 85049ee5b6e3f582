"""Slots of a day or of hours, with so many places each; several limits of a person at once.

The old release gives no slots: a city publishes its first benefit with slots after the roll-out.
"""

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

COLUMNS = """
-- A voucher of a benefit with slots expires when its slot ends, and is good for slot_seconds before.
-- claim_limits: [{"count": 1, "period": "day"}, …], the shortest period first; the first of them also
-- stands in claim_limit_count and claim_limit_period, for the old release.
ALTER TABLE benefits
    ADD COLUMN slot_seconds bigint,
    ADD COLUMN slot_capacity bigint,
    ADD COLUMN slot_days_ahead bigint,
    ADD COLUMN slot_give_back_seconds bigint,
    ADD COLUMN claim_limits jsonb NOT NULL DEFAULT '[]';
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE benefits ADD CONSTRAINT ck_benefits__slots CHECK (
    num_nulls(slot_seconds, slot_capacity, slot_days_ahead, slot_give_back_seconds) IN (0, 4)
    AND slot_seconds > 0 AND slot_capacity > 0 AND slot_days_ahead >= 0
    AND slot_give_back_seconds >= 0);
UPDATE benefits SET claim_limits = jsonb_build_array(
    jsonb_build_object('count', claim_limit_count, 'period', claim_limit_period))
WHERE claim_limit_count IS NOT NULL;
-- One row for each slot that was ever claimed.  No buckets: a slot has few places, and its row is the
-- last thing that a claim locks.
CREATE TABLE benefit_slots (
    benefit_code text NOT NULL,
    begins_at timestamptz NOT NULL,
    taken_count bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_benefit_slots PRIMARY KEY (benefit_code, begins_at),
    CONSTRAINT ck_benefit_slots__taken_count CHECK (taken_count >= 0)
);
GRANT SELECT ON benefit_slots TO card_web, card_job, card_report;
"""
SLOTS = """
-- The slots of a day that are not over at a time: none on days that the benefit is not taken, or that
-- are further away than it may be claimed ahead.
CREATE FUNCTION benefit_slots_on(benefit uuid, city_day date, at timestamptz)
RETURNS TABLE (begins_at timestamptz, ends_at timestamptz, left_count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.begins_at, s.begins_at + make_interval(secs => b.slot_seconds),
        greatest(b.slot_capacity - coalesce(t.taken_count, 0), 0)
    FROM benefits b
    CROSS JOIN LATERAL (
        SELECT (city_day + coalesce(b.open_from, '00:00') + make_interval(secs => b.slot_seconds) * n)
            AT TIME ZONE 'Asia/Shanghai' AS begins_at
        FROM generate_series(0, extract(epoch FROM
            coalesce(b.open_until, '24:00') - coalesce(b.open_from, '00:00')
            )::bigint / b.slot_seconds - 1) n
    ) s
    LEFT JOIN benefit_slots t ON t.benefit_code = b.code AND t.begins_at = s.begins_at
    WHERE b.benefit_id = benefit
      AND extract(isodow FROM city_day)::bigint = ANY (b.weekdays)
      AND city_day BETWEEN b.valid_from AND coalesce(b.valid_to, 'infinity')
      AND city_day <= (at AT TIME ZONE 'Asia/Shanghai')::date + b.slot_days_ahead::integer
      AND s.begins_at + make_interval(secs => b.slot_seconds) > at
    ORDER BY s.begins_at
$$;

-- Take a place; why not, or null.  The row itself says whether there was one.
CREATE FUNCTION benefit_take_slot(benefit uuid, wanted timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b record;
    left_now bigint;
BEGIN
    SELECT x.code, x.slot_capacity INTO b FROM benefits x WHERE x.benefit_id = benefit;
    SELECT s.left_count INTO left_now
    FROM benefit_slots_on(benefit, (wanted AT TIME ZONE 'Asia/Shanghai')::date, clock_timestamp()) s
    WHERE s.begins_at = wanted;
    IF NOT FOUND THEN RETURN 'slot_unknown'; END IF;
    IF left_now = 0 THEN RETURN 'slot_full'; END IF;
    INSERT INTO benefit_slots AS s (benefit_code, begins_at, taken_count) VALUES (b.code, wanted, 1)
    ON CONFLICT (benefit_code, begins_at) DO UPDATE SET taken_count = s.taken_count + 1
        WHERE s.taken_count < b.slot_capacity;
    RETURN CASE WHEN NOT FOUND THEN 'slot_full' END;
END $$;

-- When the slot began of a voucher that expires at its end; null for benefits without slots.
CREATE FUNCTION benefit_slot_begins(benefit uuid, expires_at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT expires_at - make_interval(secs => b.slot_seconds) FROM benefits b
    WHERE b.benefit_id = benefit
$$;

-- The place of a voucher comes back; nothing happens for benefits without slots.
CREATE FUNCTION benefit_return_slot(benefit uuid, expires_at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE benefit_slots s SET taken_count = s.taken_count - 1
    FROM benefits b
    WHERE b.benefit_id = benefit AND s.benefit_code = b.code
      AND s.begins_at = benefit_slot_begins(benefit, expires_at)
$$;

-- What the slots say of themselves, for the proof.
CREATE FUNCTION benefit_slot_counts()
RETURNS TABLE (benefit_code text, begins_at timestamptz, taken_count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.benefit_code, s.begins_at, s.taken_count FROM benefit_slots s
$$;
"""
FUNCTIONS = (
    "benefit_slots_on(uuid, date, timestamptz)",
    "benefit_take_slot(uuid, timestamptz)",
    "benefit_slot_begins(uuid, timestamptz)",
    "benefit_return_slot(uuid, timestamptz)",
    "benefit_slot_counts()",
)


def upgrade() -> None:
    op.execute(COLUMNS)
    op.execute(SLOTS)
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO card_web, card_job")


def downgrade() -> None:
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("""
    DROP TABLE benefit_slots;
    ALTER TABLE benefits
        DROP COLUMN slot_seconds, DROP COLUMN slot_capacity, DROP COLUMN slot_days_ahead,
        DROP COLUMN slot_give_back_seconds, DROP COLUMN claim_limits;
    """)

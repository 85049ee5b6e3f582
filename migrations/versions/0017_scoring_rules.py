"""Rules of any city: starting values, periods with their caps, decay, a record's own end, minus items.

The chain is score_fed -> score_parts -> score_periods -> score_indicators -> score_dimensions ->
score_totals; score_lines stands beside it, on score_fed, and tells each record's share.
"""

from alembic import context, op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# A table of a few rows, whose constraint on rules only grows; the functions are called by the application that comes along.
COLUMNS = """
ALTER TABLE scheme_indicators
    -- squawk-ignore ban-drop-not-null
    ALTER COLUMN record_type DROP NOT NULL,
    ADD COLUMN period text,
    ADD COLUMN period_cap numeric,
    ADD COLUMN decay text,
    ADD COLUMN decay_days bigint[],
    ADD COLUMN decay_shares numeric[],
    ADD COLUMN until_record_ends boolean NOT NULL DEFAULT false,
    -- squawk-ignore ban-drop-constraint
    DROP CONSTRAINT ck_scheme_indicators__rule,
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT ck_scheme_indicators__rule
        CHECK (rule IN ('base', 'factor', 'per_unit', 'table', 'best_of', 'once')),
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT ck_scheme_indicators__base
        CHECK ((rule = 'base') = (record_type IS NULL)),
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT ck_scheme_indicators__period
        CHECK (period IN ('month', 'quarter', 'year')
               AND (period_cap IS NULL OR period IS NOT NULL)),
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT ck_scheme_indicators__decay
        CHECK (decay IN ('linear', 'steps')
               AND (decay = 'linear') <= (validity_days IS NOT NULL)
               AND coalesce(decay = 'steps', false) = (decay_days IS NOT NULL)
               AND (decay_days IS NULL) = (decay_shares IS NULL));
"""

FED = """
-- squawk-ignore ban-drop-function
DROP FUNCTION score_fed(date, text, text);
-- Records inside their validity, beside each indicator that they feed.  A record is worth
-- quantity x worth x share / divisor; the division comes last, once per indicator, so that what is
-- between is exact.  Linear decay: days left of validity.  Steps: the share of the step reached.
-- changes_on: the first day after as_of on which it is worth something else.
CREATE FUNCTION score_fed(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, indicator text, rule text, unit text, record_type text,
               record_number text, version bigint, event_on date, ends_on date, item text,
               quantity numeric, worth numeric, share numeric, divisor bigint, period_on date,
               period_cap numeric, month_on date, changes_on date)
LANGUAGE sql STABLE AS $$
    SELECT r.citizen_id, i.indicator, i.rule, i.unit, r.record_type, r.record_number, r.version,
           r.event_on,
           least(CASE WHEN i.until_record_ends THEN r.ends_on END,
                 r.event_on + i.validity_days::integer),
           r.item,
           CASE WHEN i.measure IS NULL THEN 1 ELSE (r.measures ->> i.measure)::numeric END,
           coalesce(v.value, i.value),
           CASE i.decay
               WHEN 'linear' THEN i.validity_days - (as_of - r.event_on)
               WHEN 'steps' THEN coalesce(
                   i.decay_shares[width_bucket((as_of - r.event_on)::bigint, i.decay_days)], 1)
               ELSE 1 END,
           CASE i.decay WHEN 'linear' THEN i.validity_days ELSE 1 END,
           CASE WHEN i.period IS NOT NULL
               THEN date_trunc(i.period, r.event_on::timestamp)::date END,
           i.period_cap,
           CASE WHEN i.unit = 'month' THEN date_trunc('month', r.event_on::timestamp)::date END,
           least(CASE WHEN i.until_record_ends THEN r.ends_on END,
                 r.event_on + i.validity_days::integer,
                 CASE i.decay
                     WHEN 'linear' THEN as_of + 1
                     WHEN 'steps' THEN r.event_on + i.decay_days[
                         width_bucket((as_of - r.event_on)::bigint, i.decay_days) + 1]::integer
                 END)
    FROM public.records_live(as_of) r
    JOIN public.scheme_indicators i ON i.record_type = r.record_type
        AND i.scheme_code = scheme AND i.version = scheme_version
    LEFT JOIN public.scheme_values v ON v.scheme_code = i.scheme_code AND v.version = i.version
        AND v.indicator = i.indicator AND v.item = r.item
    WHERE coalesce(v.value, i.value) IS NOT NULL AND r.event_on <= as_of
      AND (i.validity_days IS NULL OR as_of < r.event_on + i.validity_days::integer)
      AND (NOT i.until_record_ends OR r.ends_on IS NULL OR as_of < r.ends_on)
$$;
"""

PARTS = """
-- What the records of one month (unit month) or period (a rule with one) or of all days are worth
-- together, by the rule; in divisor parts.  Plain aggregates only: this is what runs over everybody.
CREATE FUNCTION score_parts(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, indicator text, period_on date, month_on date, amount numeric)
LANGUAGE sql STABLE AS $$
    SELECT f.citizen_id, f.indicator, f.period_on, f.month_on,
           CASE WHEN f.rule IN ('best_of', 'once') OR f.unit = 'month'
                   THEN max(f.quantity * f.worth * f.share)
                WHEN f.rule = 'factor'  -- the latest; two of one day: the greater number
                   THEN (max(ARRAY[to_char(f.event_on, 'YYYYMMDD'), f.record_number,
                                   (f.quantity * f.worth * f.share)::text] COLLATE "C")
                         FILTER (WHERE f.rule = 'factor'))[3]::numeric
                WHEN f.unit = 'hundred_yuan' THEN div(sum(f.quantity), 100) * max(f.worth)
                ELSE sum(f.quantity * f.worth * f.share) END
    FROM public.score_fed(as_of, scheme, scheme_version) f
    GROUP BY f.citizen_id, f.indicator, f.rule, f.unit, f.period_on, f.month_on
    UNION ALL
    -- What everybody starts with.
    SELECT c.citizen_id, i.indicator, NULL, NULL, i.value
    FROM public.scheme_indicators i CROSS JOIN public.citizens_joined(as_of) c
    WHERE i.rule = 'base' AND i.scheme_code = scheme AND i.version = scheme_version
$$;
-- Each period cut at its cap, both ways.
CREATE FUNCTION score_periods(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, indicator text, period_on date, amount numeric)
LANGUAGE sql STABLE AS $$
    SELECT s.citizen_id, s.indicator, s.period_on,
           CASE WHEN i.period_cap IS NULL THEN s.amount
               WHEN i.decay = 'linear' THEN greatest(-i.period_cap * i.validity_days,
                   least(i.period_cap * i.validity_days, s.amount))
               ELSE greatest(-i.period_cap, least(i.period_cap, s.amount)) END
    FROM (
        SELECT p.citizen_id, p.indicator, p.period_on, sum(p.amount) AS amount
        FROM public.score_parts(as_of, scheme, scheme_version) p
        GROUP BY p.citizen_id, p.indicator, p.period_on
    ) s
    JOIN public.scheme_indicators i ON i.indicator = s.indicator
        AND i.scheme_code = scheme AND i.version = scheme_version
$$;
"""

INDICATORS = """
-- Divided once, rounded once (round(numeric) is half away from zero), then the cap, both ways.
CREATE OR REPLACE FUNCTION score_indicators(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, dimension text, indicator text, exact numeric, rounded bigint,
               points bigint)
LANGUAGE sql STABLE AS $$
    SELECT s.citizen_id, s.dimension, s.indicator, s.exact, round(s.exact)::bigint,
           greatest(-s.cap, least(s.cap, round(s.exact)::bigint))
    FROM (
        SELECT p.citizen_id, i.dimension, p.indicator, i.cap,
               CASE i.decay WHEN 'linear' THEN p.amount / i.validity_days ELSE p.amount END AS exact
        FROM (
            SELECT q.citizen_id, q.indicator, sum(q.amount) AS amount
            FROM public.score_periods(as_of, scheme, scheme_version) q
            GROUP BY q.citizen_id, q.indicator
        ) p
        JOIN public.scheme_indicators i ON i.indicator = p.indicator
            AND i.scheme_code = scheme AND i.version = scheme_version
    ) s
$$;
"""

LINES = """
-- squawk-ignore ban-drop-function
DROP FUNCTION score_lines(date, text, text);
-- One line per record and indicator: its share, which with those of the other lines adds up to the
-- exact value.  not_counted says why a line is worth nothing: older, best_of, once, same_month;
-- over_period_cap is what the cap of the period takes from it, in the order of the lines.
-- A starting value has no line.
CREATE FUNCTION score_lines(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, indicator text, record_type text, record_number text,
               version bigint, event_on date, ends_on date, item text, quantity numeric,
               value numeric, not_counted text, period_on date, over_period_cap numeric)
LANGUAGE sql STABLE AS $$
    SELECT l.citizen_id, l.indicator, l.record_type, l.record_number, l.version, l.event_on,
           l.ends_on, l.item, l.quantity, l.counted / l.divisor, l.not_counted, l.period_on,
           (l.amount - l.counted) / l.divisor
    FROM (
        SELECT k.*,
               CASE WHEN k.period_cap IS NULL THEN k.amount
                   ELSE greatest(-k.period_cap * k.divisor,
                            least(k.period_cap * k.divisor, k.reached))
                      - greatest(-k.period_cap * k.divisor,
                            least(k.period_cap * k.divisor, k.reached - k.amount))
                   END AS counted
        FROM (
            SELECT j.*, sum(j.amount) OVER (
                PARTITION BY j.citizen_id, j.indicator, j.period_on
                ORDER BY j.event_on, j.record_number COLLATE "C" ROWS UNBOUNDED PRECEDING
            ) AS reached
            FROM (
                SELECT g.*,
                       CASE WHEN NOT g.picks THEN NULL WHEN g.place = 1 THEN NULL
                           WHEN g.rule = 'factor' THEN 'older'
                           WHEN g.rule = 'per_unit' THEN 'same_month' ELSE g.rule END
                           AS not_counted,
                       CASE WHEN g.picks AND g.place > 1 THEN 0
                           WHEN g.unit = 'hundred_yuan' THEN
                               (div(g.running, 100) - div(g.running - g.quantity, 100)) * g.worth
                           ELSE g.full_amount END AS amount
                FROM (
                    SELECT f.*, f.quantity * f.worth * f.share AS full_amount,
                           f.rule IN ('factor', 'best_of', 'once') OR f.month_on IS NOT NULL
                               AS picks,
                           row_number() OVER (
                               PARTITION BY f.citizen_id, f.indicator, f.period_on, f.month_on
                               ORDER BY CASE WHEN f.rule <> 'factor'
                                       THEN f.quantity * f.worth * f.share END DESC NULLS LAST,
                                   CASE WHEN f.rule IN ('factor', 'best_of') THEN f.event_on END
                                       DESC NULLS LAST,
                                   f.event_on, f.record_number COLLATE "C" DESC
                           ) AS place,
                           sum(f.quantity) OVER (
                               PARTITION BY f.citizen_id, f.indicator, f.period_on
                               ORDER BY f.event_on, f.record_number COLLATE "C"
                               ROWS UNBOUNDED PRECEDING
                           ) AS running
                    FROM public.score_fed(as_of, scheme, scheme_version) f
                ) g
            ) j
        ) k
    ) l
$$;
"""

TOTALS = """
CREATE OR REPLACE FUNCTION score_totals(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, total bigint, tier text, dimensions jsonb)
LANGUAGE sql STABLE AS $$
    SELECT s.citizen_id, s.total, s.tiers[width_bucket(s.total, s.least_totals)], s.dimensions
    FROM (
        SELECT d.citizen_id, jsonb_object_agg(d.dimension, d.points) AS dimensions,
               greatest(0, least(sum(d.points)::bigint, v.total_cap)) AS total,
               t.tiers, t.least_totals
        FROM public.score_dimensions(as_of, scheme, scheme_version) d
        CROSS JOIN (SELECT sv.total_cap FROM public.scheme_versions sv
                    WHERE sv.scheme_code = scheme AND sv.version = scheme_version) v
        CROSS JOIN (SELECT array_agg(st.tier ORDER BY st.least_total) AS tiers,
                           array_agg(st.least_total ORDER BY st.least_total) AS least_totals
                    FROM public.scheme_tiers st
                    WHERE st.scheme_code = scheme AND st.version = scheme_version) t
        GROUP BY d.citizen_id, v.total_cap, t.tiers, t.least_totals
    ) s
$$;
"""

CHANGES = """
CREATE OR REPLACE FUNCTION score_changes(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, changes_on date)
LANGUAGE sql STABLE AS $$
    SELECT f.citizen_id, min(f.changes_on)
    FROM public.score_fed(as_of, scheme, scheme_version) f
    GROUP BY f.citizen_id
$$;
"""

GRANTS = """
GRANT EXECUTE ON FUNCTION score_fed(date, text, text), score_parts(date, text, text),
    score_periods(date, text, text), score_lines(date, text, text) TO card_web, card_job;
"""


def upgrade() -> None:
    for statements in (COLUMNS, FED, PARTS, INDICATORS, LINES, TOTALS, CHANGES, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Back to the functions of 0006; refused by NOT NULL while a scheme has a starting value."""
    for name in ("totals", "dimensions", "indicators", "periods", "parts", "lines", "fed"):
        op.execute(f"DROP FUNCTION score_{name}(date, text, text)")
    op.execute("""
        ALTER TABLE scheme_indicators
            ALTER COLUMN record_type SET NOT NULL,
            DROP CONSTRAINT ck_scheme_indicators__rule,
            DROP CONSTRAINT ck_scheme_indicators__base,
            DROP CONSTRAINT ck_scheme_indicators__period,
            DROP CONSTRAINT ck_scheme_indicators__decay,
            DROP COLUMN period, DROP COLUMN period_cap, DROP COLUMN decay, DROP COLUMN decay_days,
            DROP COLUMN decay_shares, DROP COLUMN until_record_ends,
            ADD CONSTRAINT ck_scheme_indicators__rule
                CHECK (rule IN ('factor', 'per_unit', 'table', 'best_of', 'once'));
    """)
    before = context.script.get_revision("0006").module
    op.execute(before.ARITHMETIC)
    op.execute(CHANGES.replace("min(f.changes_on)", "min(f.ends_on)"))
    op.execute("""
        GRANT EXECUTE ON FUNCTION score_fed(date, text, text), score_lines(date, text, text),
            score_indicators(date, text, text), score_dimensions(date, text, text),
            score_totals(date, text, text) TO card_web, card_job;
    """)

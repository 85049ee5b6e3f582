"""The chain of the score in fewer steps: each amount computed once, what a level needs carried along.

An aggregate without FILTER computes its argument for every record, whatever its rule, and joining the
indicators again at each level was planned as loops, because a planner guesses one row of a scheme.
"""

from alembic import context, op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# As before, and what the levels above need of the indicator.
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
               period_cap numeric, month_on date, changes_on date, dimension text, cap bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
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
                 END),
           i.dimension, i.cap
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
-- squawk-ignore ban-drop-function
DROP FUNCTION score_parts(date, text, text);
-- What the records of one month (unit month) or period (a rule with one) or of all days are worth
-- together, by the rule; in divisor parts.  Plain aggregates only: this is what runs over everybody.
-- An indicator has one rule, so one of the four has a value; FILTER spares computing the others.
CREATE FUNCTION score_parts(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, dimension text, indicator text, period_on date, month_on date,
               amount numeric, divisor bigint, period_cap numeric, cap bigint, changes_on date)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT f.citizen_id, f.dimension, f.indicator, f.period_on, f.month_on,
           coalesce(
               sum(f.quantity * f.worth * f.share)
                   FILTER (WHERE f.rule = 'table' OR f.unit IN ('record', 'hour')),
               max(f.quantity * f.worth * f.share)
                   FILTER (WHERE f.rule IN ('best_of', 'once') OR f.unit = 'month'),
               -- The latest; two of one day: the greater number.  Days as six digits.
               (max(ARRAY[(f.event_on - DATE '1000-01-01')::text, f.record_number,
                          (f.quantity * f.worth * f.share)::text] COLLATE "C")
                   FILTER (WHERE f.rule = 'factor'))[3]::numeric,
               div(sum(f.quantity) FILTER (WHERE f.unit = 'hundred_yuan'), 100)
                   * max(f.worth) FILTER (WHERE f.unit = 'hundred_yuan')
           ),
           max(f.divisor), max(f.period_cap), max(f.cap), min(f.changes_on)
    FROM public.score_fed(as_of, scheme, scheme_version) f
    GROUP BY f.citizen_id, f.dimension, f.indicator, f.period_on, f.month_on
    UNION ALL
    -- What everybody starts with.
    SELECT c.citizen_id, i.dimension, i.indicator, NULL, NULL, i.value, 1, NULL, i.cap, NULL
    FROM public.scheme_indicators i CROSS JOIN public.citizens_joined(as_of) c
    WHERE i.rule = 'base' AND i.scheme_code = scheme AND i.version = scheme_version
$$;
-- squawk-ignore ban-drop-function
DROP FUNCTION score_periods(date, text, text);
-- Each period cut at its cap, both ways; greatest and least pass over a cap that is not there.
CREATE FUNCTION score_periods(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, dimension text, indicator text, period_on date, amount numeric,
               divisor bigint, cap bigint, changes_on date)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT p.citizen_id, p.dimension, p.indicator, p.period_on,
           greatest(-max(p.period_cap) * max(p.divisor),
               least(max(p.period_cap) * max(p.divisor), sum(p.amount))),
           max(p.divisor), max(p.cap), min(p.changes_on)
    FROM public.score_parts(as_of, scheme, scheme_version) p
    GROUP BY p.citizen_id, p.dimension, p.indicator, p.period_on
$$;
"""

INDICATORS = """
-- squawk-ignore ban-drop-function
DROP FUNCTION score_indicators(date, text, text);
-- Divided once, rounded once (round(numeric) is half away from zero), then the cap, both ways.
CREATE FUNCTION score_indicators(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, dimension text, indicator text, exact numeric, rounded bigint,
               points bigint, changes_on date)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT s.citizen_id, s.dimension, s.indicator, s.exact, round(s.exact)::bigint,
           greatest(-s.cap, least(s.cap, round(s.exact)::bigint)), s.changes_on
    FROM (
        SELECT p.citizen_id, p.dimension, p.indicator, max(p.cap) AS cap,
               CASE max(p.divisor) WHEN 1 THEN sum(p.amount)
                   ELSE sum(p.amount) / max(p.divisor) END AS exact,
               min(p.changes_on) AS changes_on
        FROM public.score_periods(as_of, scheme, scheme_version) p
        GROUP BY p.citizen_id, p.dimension, p.indicator
    ) s
$$;
"""

TOTALS = """
-- squawk-ignore ban-drop-function
DROP FUNCTION score_dimensions(date, text, text);
CREATE FUNCTION score_dimensions(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, dimension text, points bigint, changes_on date)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT s.citizen_id, s.dimension, least(s.points, d.cap), s.changes_on
    FROM (
        SELECT i.citizen_id, i.dimension, sum(i.points)::bigint AS points,
               min(i.changes_on) AS changes_on
        FROM public.score_indicators(as_of, scheme, scheme_version) i
        GROUP BY i.citizen_id, i.dimension
    ) s
    JOIN public.scheme_dimensions d ON d.dimension = s.dimension
        AND d.scheme_code = scheme AND d.version = scheme_version
$$;
-- squawk-ignore ban-drop-function
DROP FUNCTION score_totals(date, text, text);
-- changes_on: the first day after as_of on which a record of this citizen is worth something else.
CREATE FUNCTION score_totals(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, total bigint, tier text, dimensions jsonb, changes_on date)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT s.citizen_id, s.total, t.tiers[width_bucket(s.total, t.least_totals)], s.dimensions,
           s.changes_on
    FROM (
        SELECT c.citizen_id, greatest(0, least(c.points, v.total_cap)) AS total, c.dimensions,
               c.changes_on
        FROM (
            SELECT d.citizen_id, jsonb_object_agg(d.dimension, d.points) AS dimensions,
                   sum(d.points)::bigint AS points, min(d.changes_on) AS changes_on
            FROM public.score_dimensions(as_of, scheme, scheme_version) d
            GROUP BY d.citizen_id
        ) c
        JOIN public.scheme_versions v
            ON v.scheme_code = scheme AND v.version = scheme_version
    ) s
    CROSS JOIN (
        SELECT array_agg(st.tier ORDER BY st.least_total) AS tiers,
               array_agg(st.least_total ORDER BY st.least_total) AS least_totals
        FROM public.scheme_tiers st
        WHERE st.scheme_code = scheme AND st.version = scheme_version
    ) t
$$;
-- squawk-ignore ban-drop-function
DROP FUNCTION score_changes(date, text, text);
"""

# Functions that are not so marked keep a whole query on one core, although they are put into it.
PARALLEL = """
ALTER FUNCTION records_live(date) PARALLEL SAFE;
ALTER FUNCTION citizens_joined(date) PARALLEL SAFE;
ALTER FUNCTION score_lines(date, text, text) PARALLEL SAFE;
"""

# A scheme has too few rows for autovacuum's threshold of fifty: its tables were never analysed.
STATISTICS = """
ALTER TABLE scheme_indicators SET (autovacuum_analyze_threshold = 1);
ALTER TABLE scheme_values SET (autovacuum_analyze_threshold = 1);
ALTER TABLE scheme_dimensions SET (autovacuum_analyze_threshold = 1);
"""

DIMENSIONS_BEFORE = """
CREATE FUNCTION score_dimensions(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, dimension text, points bigint)
LANGUAGE sql STABLE AS $$
    SELECT s.citizen_id, s.dimension, least(s.points, d.cap)
    FROM (
        SELECT i.citizen_id, i.dimension, sum(i.points)::bigint AS points
        FROM public.score_indicators(as_of, scheme, scheme_version) i
        GROUP BY i.citizen_id, i.dimension
    ) s
    JOIN public.scheme_dimensions d ON d.dimension = s.dimension
        AND d.scheme_code = scheme AND d.version = scheme_version
$$;
"""

CHAIN = ("fed", "parts", "periods", "indicators", "dimensions", "totals")


def upgrade() -> None:
    for statements in (FED, PARTS, INDICATORS, TOTALS, PARALLEL, STATISTICS):
        op.execute(statements)
    _grant(CHAIN)


def downgrade() -> None:
    """Back to the functions of 0006 and 0017."""
    before = context.script.get_revision("0017").module
    for table in ("indicators", "values", "dimensions"):
        op.execute(f"ALTER TABLE scheme_{table} RESET (autovacuum_analyze_threshold)")
    for name in ("records_live(date)", "citizens_joined(date)", "score_lines(date, text, text)"):
        op.execute(f"ALTER FUNCTION {name} PARALLEL UNSAFE")
    for name in CHAIN[1:]:
        op.execute(f"DROP FUNCTION score_{name}(date, text, text)")
    for statements in (
        before.FED, before.PARTS, before.INDICATORS, DIMENSIONS_BEFORE, before.TOTALS,
        before.CHANGES,
    ):
        op.execute(statements)
    _grant((*CHAIN, "changes"))


def _grant(names: tuple[str, ...]) -> None:
    functions = ", ".join(f"score_{name}(date, text, text)" for name in names)
    op.execute(f"GRANT EXECUTE ON FUNCTION {functions} TO card_web, card_job")

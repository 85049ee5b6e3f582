"""Published schemes as tables, the one definition of the arithmetic, scores, and what records granted."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE scheme_versions (
    scheme_code text NOT NULL,
    version text NOT NULL,
    effective_on date NOT NULL,
    total_cap bigint NOT NULL,
    content_hash bytea NOT NULL,
    document text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_scheme_versions PRIMARY KEY (scheme_code, version),
    CONSTRAINT uq_scheme_versions__effective_on UNIQUE (effective_on)
);
CREATE TABLE scheme_dimensions (
    scheme_code text NOT NULL,
    version text NOT NULL,
    dimension text NOT NULL,
    cap bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_scheme_dimensions PRIMARY KEY (scheme_code, version, dimension),
    CONSTRAINT fk_scheme_dimensions__scheme_code_version
        FOREIGN KEY (scheme_code, version) REFERENCES scheme_versions (scheme_code, version)
);
CREATE TABLE scheme_indicators (
    scheme_code text NOT NULL,
    version text NOT NULL,
    indicator text NOT NULL,
    dimension text NOT NULL,
    rule text NOT NULL,
    unit text,
    cap bigint NOT NULL,
    validity_days bigint,
    record_type text NOT NULL,
    measure text,
    value numeric,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_scheme_indicators PRIMARY KEY (scheme_code, version, indicator),
    CONSTRAINT fk_scheme_indicators__scheme_code_version_dimension
        FOREIGN KEY (scheme_code, version, dimension)
        REFERENCES scheme_dimensions (scheme_code, version, dimension),
    CONSTRAINT ck_scheme_indicators__rule
        CHECK (rule IN ('factor', 'per_unit', 'table', 'best_of', 'once')),
    CONSTRAINT ck_scheme_indicators__unit
        CHECK ((rule = 'per_unit') = (unit IS NOT NULL)
               AND unit IN ('record', 'hour', 'hundred_yuan', 'month'))
);
-- The items that feed an indicator, each with its value; an indicator without a value of its own.
CREATE TABLE scheme_values (
    scheme_code text NOT NULL,
    version text NOT NULL,
    indicator text NOT NULL,
    item text NOT NULL,
    value numeric NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_scheme_values PRIMARY KEY (scheme_code, version, indicator, item),
    CONSTRAINT fk_scheme_values__scheme_code_version_indicator
        FOREIGN KEY (scheme_code, version, indicator)
        REFERENCES scheme_indicators (scheme_code, version, indicator)
);
CREATE TABLE scheme_tiers (
    scheme_code text NOT NULL,
    version text NOT NULL,
    tier text NOT NULL,
    least_total bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_scheme_tiers PRIMARY KEY (scheme_code, version, tier),
    CONSTRAINT fk_scheme_tiers__scheme_code_version
        FOREIGN KEY (scheme_code, version) REFERENCES scheme_versions (scheme_code, version)
);
-- The current result of each citizen; always what score_totals gives for as_of_on.
CREATE TABLE scores (
    citizen_id uuid NOT NULL,
    total bigint NOT NULL,
    tier text,
    dimensions jsonb NOT NULL,
    scheme_code text NOT NULL,
    scheme_version text NOT NULL,
    as_of_on date NOT NULL,
    computed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_scores PRIMARY KEY (citizen_id)
);
-- What each version of a record granted; only the version in force counts against the daily cap.
CREATE TABLE record_grants (
    citizen_id uuid NOT NULL,
    record_type text NOT NULL,
    record_number text NOT NULL,
    version bigint NOT NULL,
    indicator text NOT NULL,
    event_on date NOT NULL,
    expires_on date NOT NULL,
    granted_points bigint NOT NULL,
    transfer_id uuid,
    in_force boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_record_grants PRIMARY KEY (citizen_id, record_type, record_number, version),
    CONSTRAINT ck_record_grants__points
        CHECK (granted_points >= 0 AND (granted_points > 0) = (transfer_id IS NOT NULL))
);
CREATE INDEX ix_record_grants__citizen_id_indicator_event_on
    ON record_grants (citizen_id, indicator, event_on);
"""

# The one definition of the arithmetic.  Plain SQL functions without SET or SECURITY DEFINER: the
# planner puts them into the query that calls them, so that a condition on citizen_id reaches the
# table.  Every partition and every group therefore begins with citizen_id.
ARITHMETIC = """
-- Records inside their validity, beside each indicator that they feed.
CREATE FUNCTION score_fed(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, indicator text, rule text, unit text, record_type text,
               record_number text, version bigint, event_on date, ends_on date, item text,
               quantity numeric, worth numeric)
LANGUAGE sql STABLE AS $$
    SELECT r.citizen_id, i.indicator, i.rule, i.unit, r.record_type, r.record_number, r.version,
           r.event_on, r.event_on + i.validity_days::integer, r.item,
           CASE WHEN i.measure IS NULL THEN 1 ELSE (r.measures ->> i.measure)::numeric END,
           coalesce(v.value, i.value)
    FROM public.records_live(as_of) r
    JOIN public.scheme_indicators i ON i.record_type = r.record_type
        AND i.scheme_code = scheme AND i.version = scheme_version
    LEFT JOIN public.scheme_values v ON v.scheme_code = i.scheme_code AND v.version = i.version
        AND v.indicator = i.indicator AND v.item = r.item
    WHERE coalesce(v.value, i.value) IS NOT NULL AND r.event_on <= as_of
      AND (i.validity_days IS NULL OR as_of < r.event_on + i.validity_days::integer)
$$;

-- One line per record and indicator; the values of an indicator's lines add up to its exact value.
-- not_counted says why a line is worth nothing: older, best_of, once, same_month.
CREATE FUNCTION score_lines(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, indicator text, record_type text, record_number text,
               version bigint, event_on date, ends_on date, item text, quantity numeric,
               value numeric, not_counted text)
LANGUAGE sql STABLE AS $$
    -- Rules that simply add up.
    SELECT f.citizen_id, f.indicator, f.record_type, f.record_number, f.version, f.event_on,
           f.ends_on, f.item, f.quantity, f.quantity * f.worth, NULL::text
    FROM public.score_fed(as_of, scheme, scheme_version) f
    WHERE f.rule = 'table' OR f.unit IN ('record', 'hour')
    UNION ALL
    -- Rules by which one record counts: the latest, the best, the first, the first of a month.
    SELECT f.citizen_id, f.indicator, f.record_type, f.record_number, f.version, f.event_on,
           f.ends_on, f.item, f.quantity,
           CASE WHEN f.place = 1 THEN f.quantity * f.worth ELSE 0 END,
           CASE WHEN f.place = 1 THEN NULL WHEN f.rule = 'factor' THEN 'older'
                WHEN f.rule = 'per_unit' THEN 'same_month' ELSE f.rule END
    FROM (
        SELECT g.*, row_number() OVER (
            PARTITION BY g.citizen_id, g.indicator,
                CASE WHEN g.unit = 'month' THEN date_trunc('month', g.event_on::timestamp) END
            ORDER BY CASE WHEN g.rule = 'best_of' THEN g.worth END DESC NULLS LAST,
                CASE WHEN g.rule IN ('factor', 'best_of') THEN g.event_on END DESC NULLS LAST,
                g.event_on, g.record_number COLLATE "C" DESC
        ) AS place
        FROM public.score_fed(as_of, scheme, scheme_version) g
        WHERE g.rule IN ('factor', 'best_of', 'once') OR g.unit = 'month'
    ) f
    UNION ALL
    -- Full hundreds of a sum: each line is worth the hundreds that it completes.
    SELECT f.citizen_id, f.indicator, f.record_type, f.record_number, f.version, f.event_on,
           f.ends_on, f.item, f.quantity,
           (div(f.running, 100) - div(f.running - f.quantity, 100)) * f.worth, NULL::text
    FROM (
        SELECT g.*, sum(g.quantity) OVER (
            PARTITION BY g.citizen_id, g.indicator
            ORDER BY g.event_on, g.record_number COLLATE "C" ROWS UNBOUNDED PRECEDING
        ) AS running
        FROM public.score_fed(as_of, scheme, scheme_version) g
        WHERE g.unit = 'hundred_yuan'
    ) f
$$;

-- round(numeric) is half away from zero: once, per indicator, before the cap.
CREATE FUNCTION score_indicators(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, dimension text, indicator text, exact numeric, rounded bigint,
               points bigint)
LANGUAGE sql STABLE AS $$
    SELECT s.citizen_id, i.dimension, s.indicator, s.exact, round(s.exact)::bigint,
           least(round(s.exact)::bigint, i.cap)
    FROM (
        SELECT l.citizen_id, l.indicator, sum(l.value) AS exact
        FROM public.score_lines(as_of, scheme, scheme_version) l
        GROUP BY l.citizen_id, l.indicator
    ) s
    JOIN public.scheme_indicators i ON i.indicator = s.indicator
        AND i.scheme_code = scheme AND i.version = scheme_version
$$;

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

CREATE FUNCTION score_totals(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, total bigint, tier text, dimensions jsonb)
LANGUAGE sql STABLE AS $$
    SELECT s.citizen_id, s.total,
           (SELECT t.tier FROM public.scheme_tiers t
            WHERE t.scheme_code = scheme AND t.version = scheme_version
              AND t.least_total <= s.total
            ORDER BY t.least_total DESC LIMIT 1),
           s.dimensions
    FROM (
        SELECT d.citizen_id, jsonb_object_agg(d.dimension, d.points) AS dimensions,
               greatest(0, least(sum(d.points)::bigint, v.total_cap)) AS total
        FROM public.score_dimensions(as_of, scheme, scheme_version) d
        CROSS JOIN (SELECT sv.total_cap FROM public.scheme_versions sv
                    WHERE sv.scheme_code = scheme AND sv.version = scheme_version) v
        GROUP BY d.citizen_id, v.total_cap
    ) s
$$;
"""

PUBLISHED = """
CREATE FUNCTION citizen_tier(citizen uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT s.tier FROM scores s
            WHERE s.citizen_id = citizen AND citizen_is_active(citizen));
END $$;
"""

GRANTS = """
GRANT SELECT, INSERT ON scheme_versions, scheme_dimensions, scheme_indicators, scheme_values,
    scheme_tiers TO card_web, card_job;
GRANT SELECT ON scheme_versions, scheme_dimensions, scheme_indicators, scheme_values, scheme_tiers
    TO card_report;
GRANT SELECT, INSERT, UPDATE ON scores TO card_web, card_job;
GRANT SELECT, INSERT ON record_grants TO card_web, card_job;
GRANT UPDATE (in_force) ON record_grants TO card_web, card_job;
GRANT EXECUTE ON FUNCTION score_fed(date, text, text), score_lines(date, text, text),
    score_indicators(date, text, text), score_dimensions(date, text, text),
    score_totals(date, text, text), citizen_tier(uuid) TO card_web, card_job;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(ARITHMETIC)
    op.execute(PUBLISHED)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP FUNCTION citizen_tier(uuid)")
    for name in ("totals", "dimensions", "indicators", "lines", "fed"):
        op.execute(f"DROP FUNCTION score_{name}(date, text, text)")
    op.execute("DROP TABLE record_grants, scores, scheme_tiers, scheme_values")
    op.execute("DROP TABLE scheme_indicators, scheme_dimensions, scheme_versions")

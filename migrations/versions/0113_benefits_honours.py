"""What a benefit gives for an honour: to whoever holds such a record, whatever their score."""

from alembic import op

revision = "0113"
down_revision = "0112"
branch_labels = None
depends_on = None

# honours: [{"record_type": "honours", "items": ["国家级"], "value": {…}}], each at least the one before.
HONOUR = """
-- The place of the last one that a citizen holds on a day of the city, from 0; null: none.
CREATE FUNCTION benefit_honour(citizen uuid, benefit uuid, city_day date) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT max(h.place) - 1
    FROM benefits b, jsonb_array_elements(b.honours) WITH ORDINALITY AS h (one, place)
    WHERE b.benefit_id = benefit AND citizen_holds_record(
        citizen, h.one ->> 'record_type',
        ARRAY(SELECT jsonb_array_elements_text(coalesce(h.one -> 'items', '[]'))), city_day)
$$;
-- Since when the answer to that stands, days apart: what the audit of equal treatment reads.
CREATE FUNCTION benefit_honour_since(citizen uuid, benefit uuid) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT max(citizen_records_written_at(citizen, h ->> 'record_type'))
    FROM benefits b, jsonb_array_elements(b.honours) AS h WHERE b.benefit_id = benefit
$$;
"""
HONOUR_NAMES = ("benefit_honour(uuid, uuid, date)", "benefit_honour_since(uuid, uuid)")
# What a citizen gets where the receiver may be told: the value of an honour, which is the best there
# is; else that of the tier, or of the highest step that the score reaches; else the baseline.
# `improved` says whether it is better than the baseline.
VALUE = """
CREATE OR REPLACE FUNCTION benefit_value(citizen uuid, benefit uuid)
RETURNS TABLE (value jsonb, improved boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b benefits%ROWTYPE;
    granted jsonb;
BEGIN
    SELECT * INTO b FROM benefits WHERE benefit_id = benefit;
    IF b.consent_purpose IS NULL OR citizen_consent_state(citizen, b.consent_purpose) = 'given' THEN
        IF b.honours <> '[]' THEN
            granted := b.honours -> benefit_honour(
                citizen, benefit, (now() AT TIME ZONE 'Asia/Shanghai')::date)::integer -> 'value';
        END IF;
        IF granted IS NOT NULL THEN
            NULL;
        ELSIF b.score_steps = '[]' THEN
            granted := b.tiers -> citizen_tier(citizen);
        ELSE
            SELECT step -> 'value' INTO granted FROM jsonb_array_elements(b.score_steps) AS step
            WHERE (step ->> 'least_score')::bigint <= citizen_total(citizen)
            ORDER BY (step ->> 'least_score')::bigint DESC LIMIT 1;
        END IF;
    END IF;
    RETURN QUERY SELECT coalesce(granted, b.baseline), coalesce(granted <> b.baseline, false);
END $$;
"""
VALUE_WITHOUT = """
CREATE OR REPLACE FUNCTION benefit_value(citizen uuid, benefit uuid)
RETURNS TABLE (value jsonb, improved boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b benefits%ROWTYPE;
    granted jsonb;
BEGIN
    SELECT * INTO b FROM benefits WHERE benefit_id = benefit;
    IF b.consent_purpose IS NULL OR citizen_consent_state(citizen, b.consent_purpose) = 'given' THEN
        IF b.score_steps = '[]' THEN
            granted := b.tiers -> citizen_tier(citizen);
        ELSE
            SELECT step -> 'value' INTO granted FROM jsonb_array_elements(b.score_steps) AS step
            WHERE (step ->> 'least_score')::bigint <= citizen_total(citizen)
            ORDER BY (step ->> 'least_score')::bigint DESC LIMIT 1;
        END IF;
    END IF;
    RETURN QUERY SELECT coalesce(granted, b.baseline), coalesce(granted <> b.baseline, false);
END $$;
"""
# Rungs by tier have no least score, rungs by score no tier, rungs by honour neither; the baseline has
# nothing of them.
RUNGS = """
{create} VIEW benefit_rungs AS
SELECT b.benefit_id, b.code, b.version, b.price_points, b.consent_purpose IS NULL AS is_for_all,
    NULL::text AS tier, NULL::bigint AS least_score, b.baseline AS value{plain}
FROM benefits b
UNION ALL
SELECT b.benefit_id, b.code, b.version, b.price_points, b.consent_purpose IS NULL, t.key, NULL,
    t.value{plain}
FROM benefits b, jsonb_each(b.tiers) t WHERE b.score_steps = '[]'
UNION ALL
SELECT b.benefit_id, b.code, b.version, b.price_points, b.consent_purpose IS NULL, NULL,
    (s ->> 'least_score')::bigint, s -> 'value'{plain}
FROM benefits b, jsonb_array_elements(b.score_steps) s{more};
"""
PLAIN = ", NULL::bigint AS honour, b.honours <> '[]' AS has_honours"
MORE = """
UNION ALL
SELECT b.benefit_id, b.code, b.version, b.price_points, b.consent_purpose IS NULL, NULL, NULL,
    h.one -> 'value', h.place - 1, true
FROM benefits b, jsonb_array_elements(b.honours) WITH ORDINALITY AS h (one, place)"""


def upgrade() -> None:
    op.execute("ALTER TABLE benefits ADD COLUMN honours jsonb NOT NULL DEFAULT '[]'")
    op.execute(HONOUR)
    for name in HONOUR_NAMES:
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO card_web, card_job")
    op.execute(VALUE)
    op.execute(RUNGS.format(create="CREATE OR REPLACE", plain=PLAIN, more=MORE))


def downgrade() -> None:
    op.execute("DROP VIEW benefit_rungs")
    op.execute(RUNGS.format(create="CREATE", plain="", more=""))
    op.execute("GRANT SELECT ON benefit_rungs TO card_web, card_job")
    op.execute(VALUE_WITHOUT)
    for name in HONOUR_NAMES:
        op.execute(f"DROP FUNCTION {name}")
    op.execute("ALTER TABLE benefits DROP COLUMN honours")

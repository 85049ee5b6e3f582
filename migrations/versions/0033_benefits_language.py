"""What a benefit can say beyond tiers: values from a score on, subsidy, budget, off line, stacking."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

COLUMNS = """
-- score_steps: [{"least_score": 686, "value": {…}}], the lowest first.  subsidy_fen is for one voucher.
ALTER TABLE benefits
    ADD COLUMN score_steps jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN subsidy_payer text,
    ADD COLUMN subsidy_fen bigint NOT NULL DEFAULT 0,
    ADD COLUMN budget_fen bigint,
    ADD COLUMN confirm_above_fen bigint,
    ADD COLUMN offline_allowed boolean NOT NULL DEFAULT false,
    ADD COLUMN stacking_group text;
-- The table has a few rows.  No constraint is left not valid: SQLAlchemy cannot read that.
-- squawk-ignore ban-drop-constraint
ALTER TABLE benefits DROP CONSTRAINT ck_benefits__kind;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE benefits ADD CONSTRAINT ck_benefits__kind
    CHECK (kind IN ('entitlement', 'ticket', 'guarantee', 'statement'));
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE benefits ADD CONSTRAINT ck_benefits__subsidy
    CHECK (subsidy_fen >= 0 AND (subsidy_payer IS NOT NULL) = (subsidy_fen > 0));
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE benefits ADD CONSTRAINT ck_benefits__budget_fen CHECK (budget_fen >= subsidy_fen);
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE benefits ADD CONSTRAINT ck_benefits__confirm_above_fen CHECK (confirm_above_fen >= 0);
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE benefits ADD CONSTRAINT ck_benefits__offline_allowed
    CHECK (NOT offline_allowed OR kind IN ('entitlement', 'ticket'));
"""
# What a citizen gets: the value of the tier, or of the highest step that the score reaches, where the
# receiver may be told; else the baseline.  `improved` says whether it is better than the baseline.
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
VALUE_BY_TIER = """
CREATE OR REPLACE FUNCTION benefit_value(citizen uuid, benefit uuid)
RETURNS TABLE (value jsonb, improved boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b benefits%ROWTYPE;
    granted jsonb;
BEGIN
    SELECT * INTO b FROM benefits WHERE benefit_id = benefit;
    IF b.consent_purpose IS NULL OR citizen_consent_state(citizen, b.consent_purpose) = 'given' THEN
        granted := b.tiers -> citizen_tier(citizen);
    END IF;
    RETURN QUERY SELECT coalesce(granted, b.baseline), coalesce(granted <> b.baseline, false);
END $$;
"""


def upgrade() -> None:
    op.execute(COLUMNS)
    op.execute(VALUE)


def downgrade() -> None:
    op.execute(VALUE_BY_TIER)
    op.execute("""
    -- The old release knows no other kinds; the values stay.
    UPDATE benefits SET kind = 'entitlement' WHERE kind IN ('guarantee', 'statement');
    ALTER TABLE benefits
        DROP COLUMN score_steps, DROP COLUMN subsidy_payer, DROP COLUMN subsidy_fen,
        DROP COLUMN budget_fen, DROP COLUMN confirm_above_fen, DROP COLUMN offline_allowed,
        DROP COLUMN stacking_group, DROP CONSTRAINT ck_benefits__kind;
    ALTER TABLE benefits ADD CONSTRAINT ck_benefits__kind
        CHECK (kind IN ('entitlement', 'ticket'));
    """)

"""What each version of a benefit publishes for each rung: what the audit of equal treatment reads."""

from alembic import op

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- Rungs by tier have no least score, rungs by score no tier; the baseline has neither.
    CREATE VIEW benefit_rungs AS
    SELECT b.benefit_id, b.code, b.version, b.price_points, b.consent_purpose IS NULL AS is_for_all,
        NULL::text AS tier, NULL::bigint AS least_score, b.baseline AS value
    FROM benefits b
    UNION ALL
    SELECT b.benefit_id, b.code, b.version, b.price_points, b.consent_purpose IS NULL, t.key, NULL,
        t.value
    FROM benefits b, jsonb_each(b.tiers) t WHERE b.score_steps = '[]'
    UNION ALL
    SELECT b.benefit_id, b.code, b.version, b.price_points, b.consent_purpose IS NULL, NULL,
        (s ->> 'least_score')::bigint, s -> 'value'
    FROM benefits b, jsonb_array_elements(b.score_steps) s;
    GRANT SELECT ON benefit_rungs TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW benefit_rungs")

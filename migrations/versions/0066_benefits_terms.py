"""Who pays how much for each use of a version: what settlement joins to uses."""

from alembic import op

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE VIEW benefit_terms AS
    SELECT b.benefit_id, b.code, b.version, b.subsidy_payer, b.subsidy_fen FROM benefits b;

    -- A budget is filled by the first version that brings one, in whole subsidies; what is left of it
    -- stands in the buckets.
    CREATE VIEW benefit_budgets AS
    SELECT first.code, first.version AS since_version, first.subsidy_payer,
        first.budget_fen / first.subsidy_fen * first.subsidy_fen AS budget_fen,
        (SELECT sum(s.left_fen)::bigint FROM benefit_stock s WHERE s.benefit_code = first.code)
            AS left_fen
    FROM (SELECT DISTINCT ON (b.code) b.code, b.version, b.subsidy_payer, b.budget_fen, b.subsidy_fen
          FROM benefits b WHERE b.budget_fen IS NOT NULL ORDER BY b.code, b.version) first;
    GRANT SELECT ON benefit_terms, benefit_budgets TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW benefit_budgets")
    op.execute("DROP VIEW benefit_terms")

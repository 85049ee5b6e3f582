"""Bills that WeChat Pay Score collects, one by one: for reconciling with what it says."""

from alembic import op

revision = "0091"
down_revision = "0090"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- An order stands on one day: that of its payment, until then that of its bill.
    CREATE VIEW service_order_collections AS
    SELECT o.citizen_id, o.order_id, o.merchant_id, o.owed_fen, p.amount_fen AS paid_fen,
        p.actor_kind = 'clerk' AS at_counter, coalesce(p.happened_at, c.happened_at) AS booked_at
    FROM service_orders o
    JOIN guarantee_lines l ON l.line_id = o.line_id
        AND l.collection IN ('pay_score', 'pay_score_confirm')
    JOIN service_order_steps c ON c.citizen_id = o.citizen_id AND c.order_id = o.order_id
        AND c.event IN ('complete', 'claim')
    LEFT JOIN service_order_steps p ON p.citizen_id = o.citizen_id AND p.order_id = o.order_id
        AND p.event = 'pay'
    WHERE ((SELECT merchant_behind_wall()) IS NULL OR o.merchant_id = (SELECT merchant_behind_wall()));
    GRANT SELECT ON service_order_collections TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW service_order_collections")

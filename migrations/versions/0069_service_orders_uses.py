"""What orders came to for the merchant that served them: the rows that settlement adds up."""

from alembic import op

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- squawk-ignore require-concurrent-index-creation
    CREATE INDEX ix_service_order_steps__happened_at ON service_order_steps USING brin (happened_at);

    -- A charge is what the holder owes, lowered by what a dispute took off it.  A payment that a clerk
    -- took lies in the merchant's till, any other was collected for the guarantor.
    CREATE VIEW service_order_uses AS
    SELECT CASE WHEN s.event = 'pay' THEN 'order_payment'
            WHEN s.event IN ('complete', 'claim') THEN 'order_charge' ELSE 'order_lowered' END AS kind,
        o.merchant_id, o.kind AS what, l.guarantor_kind, l.guarantor_code,
        s.actor_kind = 'clerk' AS at_counter,
        CASE WHEN s.event IN ('uphold', 'waive') THEN s.amount_fen - before.amount_fen
            ELSE s.amount_fen END AS order_fen,
        s.happened_at AS booked_at,
        (SELECT min(c.happened_at) FROM service_order_steps c
         WHERE c.citizen_id = s.citizen_id AND c.order_id = s.order_id
           AND c.event IN ('complete', 'claim')) AS origin_at
    FROM service_order_steps s
    JOIN service_orders o ON o.citizen_id = s.citizen_id AND o.order_id = s.order_id
    JOIN guarantee_lines l ON l.line_id = o.line_id
    LEFT JOIN service_order_steps before ON before.citizen_id = s.citizen_id
        AND before.order_id = s.order_id AND before.number = s.number - 1
    WHERE s.event IN ('complete', 'claim', 'uphold', 'waive', 'pay')
        AND ((SELECT merchant_behind_wall()) IS NULL OR o.merchant_id = (SELECT merchant_behind_wall()));
    GRANT SELECT ON service_order_uses TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW service_order_uses")
    op.execute("DROP INDEX ix_service_order_steps__happened_at")

"""Whom service orders served, and when."""

from alembic import op

revision = "0098"
down_revision = "0097"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE VIEW service_order_served AS
    SELECT o.citizen_id, o.kind AS benefit, s.happened_at AS served_at
    FROM service_orders o
    JOIN service_order_steps s ON s.citizen_id = o.citizen_id AND s.order_id = o.order_id
        AND s.event = 'start';
    GRANT SELECT ON service_order_served TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW service_order_served")

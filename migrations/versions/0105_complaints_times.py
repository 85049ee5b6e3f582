"""When complaints came, were due, answered and decided: what the figures of the city read."""

from alembic import op

revision = "0105"
down_revision = "0104"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE VIEW complaint_times AS
    SELECT c.created_at AS received_at, c.due_on, a.answered_at, d.decided_at
    FROM complaints c
    LEFT JOIN complaint_answers a ON a.citizen_id = c.citizen_id AND a.complaint_id = c.complaint_id
    LEFT JOIN complaint_decisions d ON d.citizen_id = c.citizen_id
        AND d.complaint_id = c.complaint_id;
    GRANT SELECT ON complaint_times TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW complaint_times")

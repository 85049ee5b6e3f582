"""What became of rows that departments delivered: by reason, without any person."""

from alembic import op

revision = "0110"
down_revision = "0109"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE VIEW record_outcomes AS
    SELECT d.created_at, 'accepted' AS outcome, d.accepted_count AS row_count
    FROM deliveries d WHERE d.accepted_count > 0
    UNION ALL
    SELECT d.created_at, 'no_member', d.dropped_count FROM deliveries d WHERE d.dropped_count > 0
    UNION ALL
    SELECT r.created_at, r.reason, 1 FROM delivery_refusals r
    UNION ALL
    SELECT d.created_at, 'file_' || d.file_reason, 1
    FROM deliveries d WHERE d.file_reason IS NOT NULL;
    GRANT SELECT ON record_outcomes TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW record_outcomes")

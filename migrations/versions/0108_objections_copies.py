"""The worker reads attachments for the copy of their citizen."""

from alembic import op

revision = "0108"
down_revision = "0107"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "GRANT SELECT ON objection_attachments, objection_attachment_parts TO card_job"
    )


def downgrade() -> None:
    op.execute(
        "REVOKE SELECT ON objection_attachments, objection_attachment_parts FROM card_job"
    )

"""After a restore the worker's role lets those who left leave their households again."""

from alembic import op

revision = "0079"
down_revision = "0078"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    GRANT DELETE ON household_seats, village_residents TO card_job;
    GRANT SELECT, DELETE ON household_invitations TO card_job;
    """)


def downgrade() -> None:
    op.execute("""
    REVOKE DELETE ON household_seats, village_residents FROM card_job;
    REVOKE SELECT, DELETE ON household_invitations FROM card_job;
    """)

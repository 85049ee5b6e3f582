"""Under which key of the ring the number of a paper card is kept."""

from alembic import op

revision = "0120"
down_revision = "0119"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- Null: made before that was written down.
    ALTER TABLE paper_card_numbers ADD COLUMN key_id bigint;
    GRANT UPDATE (number_hash, key_id) ON paper_card_numbers TO card_job;
    """)


def downgrade() -> None:
    op.execute("""
    REVOKE UPDATE (number_hash, key_id) ON paper_card_numbers FROM card_job;
    ALTER TABLE paper_card_numbers DROP COLUMN key_id;
    """)

"""Check the kinds of actors in the lines that are there, without keeping writers out."""

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE trail_entries VALIDATE CONSTRAINT ck_trail_entries__actor_kind")


def downgrade() -> None:
    op.execute("""
    ALTER TABLE trail_entries DROP CONSTRAINT ck_trail_entries__actor_kind;
    ALTER TABLE trail_entries ADD CONSTRAINT ck_trail_entries__actor_kind CHECK (actor_kind IN
        ('citizen', 'clerk', 'machine', 'merchant_owner', 'operator', 'source', 'system')) NOT VALID;
    """)

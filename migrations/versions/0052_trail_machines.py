"""Machines of partners write lines of the trail too, under their own ids."""

from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- squawk-ignore ban-drop-constraint
    ALTER TABLE trail_entries DROP CONSTRAINT ck_trail_entries__actor_kind;
    ALTER TABLE trail_entries ADD CONSTRAINT ck_trail_entries__actor_kind CHECK (actor_kind IN
        ('citizen', 'clerk', 'machine', 'merchant_owner', 'operator', 'source', 'system')) NOT VALID;
    """)


def downgrade() -> None:
    op.execute("""
    -- The old release knows no machines; the line stays, without whose it was.
    UPDATE trail_entries SET actor_kind = 'system', actor_id = NULL WHERE actor_kind = 'machine';
    ALTER TABLE trail_entries DROP CONSTRAINT ck_trail_entries__actor_kind;
    ALTER TABLE trail_entries ADD CONSTRAINT ck_trail_entries__actor_kind CHECK (actor_kind IN
        ('citizen', 'clerk', 'merchant_owner', 'operator', 'source', 'system'));
    """)

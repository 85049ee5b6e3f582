"""Check the kinds of marks and objections that are there, without keeping writers out."""

from alembic import op

revision = "0136"
down_revision = "0135"
branch_labels = None
depends_on = None

KINDS = "'redemption', 'claim', 'order', 'repair'"


def upgrade() -> None:
    op.execute("ALTER TABLE disputed_items VALIDATE CONSTRAINT ck_disputed_items__kind")
    op.execute("ALTER TABLE objections VALIDATE CONSTRAINT ck_objections__kind")


def downgrade() -> None:
    op.execute(f"""
    ALTER TABLE disputed_items DROP CONSTRAINT ck_disputed_items__kind;
    ALTER TABLE disputed_items
        ADD CONSTRAINT ck_disputed_items__kind CHECK (kind IN ('record', {KINDS})) NOT VALID;
    ALTER TABLE objections DROP CONSTRAINT ck_objections__kind;
    ALTER TABLE objections
        ADD CONSTRAINT ck_objections__kind CHECK (kind IN ('record', 'score_line', {KINDS})
            AND (kind IN ('record', 'score_line')) = (record_number IS NOT NULL)
            AND (record_number IS NULL) = (item_id IS NOT NULL)) NOT VALID;
    """)

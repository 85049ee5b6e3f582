"""A rejected repair can be objected to, and is marked."""

from alembic import op

revision = "0135"
down_revision = "0134"
branch_labels = None
depends_on = None

BEFORE = "'redemption', 'claim', 'order'"
KINDS = f"{BEFORE}, 'repair'"


def change(kinds: str) -> str:
    return f"""
    -- They come back with other kinds.
    -- squawk-ignore ban-drop-constraint
    ALTER TABLE disputed_items DROP CONSTRAINT ck_disputed_items__kind;
    ALTER TABLE disputed_items
        ADD CONSTRAINT ck_disputed_items__kind CHECK (kind IN ('record', {kinds})) NOT VALID;
    -- squawk-ignore ban-drop-constraint
    ALTER TABLE objections DROP CONSTRAINT ck_objections__kind;
    ALTER TABLE objections
        ADD CONSTRAINT ck_objections__kind CHECK (
            kind IN ('record', 'score_line', {kinds})
            AND (kind IN ('record', 'score_line')) = (record_number IS NOT NULL)
            AND (record_number IS NULL) = (item_id IS NOT NULL)) NOT VALID;
    """


def upgrade() -> None:
    op.execute(change(KINDS))


def downgrade() -> None:
    op.execute(change(BEFORE))
    for table in ("disputed_items", "objections"):
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}__kind")

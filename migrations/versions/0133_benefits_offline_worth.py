"""What a use off line is worth and how many a device may take of a benefit before it uploads."""

from alembic import op

revision = "0133"
down_revision = "0132"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- Both null: the benefit is not used off line, or was published before they had to be said.
    ALTER TABLE benefits
        ADD COLUMN offline_worth_fen bigint,
        ADD COLUMN offline_unsent_max bigint;
    -- The table has a few rows.  No constraint is left not valid: SQLAlchemy cannot read that.
    -- squawk-ignore constraint-missing-not-valid
    ALTER TABLE benefits ADD CONSTRAINT ck_benefits__offline_worth_fen
        CHECK (offline_worth_fen IS NULL OR offline_worth_fen > 0 AND offline_allowed AND subsidy_fen = 0);
    -- squawk-ignore constraint-missing-not-valid
    ALTER TABLE benefits ADD CONSTRAINT ck_benefits__offline_unsent_max
        CHECK (offline_unsent_max IS NULL OR offline_unsent_max > 0 AND offline_allowed);
    """)


def downgrade() -> None:
    op.execute("""
    ALTER TABLE benefits DROP COLUMN offline_worth_fen, DROP COLUMN offline_unsent_max;
    """)

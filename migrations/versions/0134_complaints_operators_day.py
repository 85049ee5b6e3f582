"""The day by which an operator decides a complaint; what was used off line goes to operators at once."""

from alembic import op

revision = "0134"
down_revision = "0133"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- Both are null where no merchant is asked; the old release writes none and reads few.
    -- squawk-ignore ban-drop-not-null
    ALTER TABLE complaints ALTER COLUMN redemption_id DROP NOT NULL;
    -- squawk-ignore ban-drop-not-null
    ALTER TABLE complaints ALTER COLUMN due_on DROP NOT NULL;
    -- Five working days are a week, but for holidays; the default is for the old release.
    ALTER TABLE complaints ADD COLUMN decide_due_on date;
    ALTER TABLE complaints
        ALTER COLUMN decide_due_on SET DEFAULT (now() AT TIME ZONE 'Asia/Shanghai')::date + 14;
    UPDATE complaints SET decide_due_on = due_on + 7;
    -- squawk-ignore adding-not-nullable-field
    ALTER TABLE complaints ALTER COLUMN decide_due_on SET NOT NULL;
    -- Complaints are few.  No constraint is left not valid: SQLAlchemy cannot read that.
    -- squawk-ignore constraint-missing-not-valid
    ALTER TABLE complaints ADD CONSTRAINT ck_complaints__due_on
        CHECK ((due_on IS NULL) = (redemption_id IS NULL));
    """)


def downgrade() -> None:
    op.execute("""
    ALTER TABLE complaints DROP CONSTRAINT ck_complaints__due_on;
    -- The old release knows nothing without a redemption: they stay with operators.
    UPDATE complaints SET redemption_id = voucher_id,
        due_on = (created_at AT TIME ZONE 'Asia/Shanghai')::date - 1
    WHERE redemption_id IS NULL;
    ALTER TABLE complaints ALTER COLUMN redemption_id SET NOT NULL;
    ALTER TABLE complaints ALTER COLUMN due_on SET NOT NULL;
    ALTER TABLE complaints DROP COLUMN decide_due_on;
    """)

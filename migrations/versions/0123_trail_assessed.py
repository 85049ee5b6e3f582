"""Impact assessments: what they cover, what is told of them, until when, and a second person."""

from alembic import op

revision = "0123"
down_revision = "0122"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- Null in entries from before: they cover nothing by name and are good for two years.
    ALTER TABLE impact_assessments
        ADD COLUMN summary text,
        ADD COLUMN covers text[],
        ADD COLUMN in_force_until_on date,
        ADD COLUMN confirmed_by uuid,
        ADD COLUMN confirmed_at timestamptz;
    -- It comes back with one kind more.
    -- squawk-ignore ban-drop-constraint
    ALTER TABLE impact_assessments DROP CONSTRAINT ck_impact_assessments__kind;
    ALTER TABLE impact_assessments
        ADD CONSTRAINT ck_impact_assessments__kind
            CHECK (kind IN ('collecting', 'scoring', 'sharing', 'sensitive')) NOT VALID,
        ADD CONSTRAINT ck_impact_assessments__second_person
            CHECK (confirmed_by <> registered_by) NOT VALID;
    GRANT UPDATE (confirmed_by, confirmed_at) ON impact_assessments TO card_web;
    """)


def downgrade() -> None:
    op.execute("""
    REVOKE UPDATE (confirmed_by, confirmed_at) ON impact_assessments FROM card_web;
    ALTER TABLE impact_assessments DROP CONSTRAINT ck_impact_assessments__second_person,
        DROP CONSTRAINT ck_impact_assessments__kind,
        ADD CONSTRAINT ck_impact_assessments__kind
            CHECK (kind IN ('scoring', 'sharing', 'sensitive'));
    ALTER TABLE impact_assessments
        DROP COLUMN summary, DROP COLUMN covers, DROP COLUMN in_force_until_on,
        DROP COLUMN confirmed_by, DROP COLUMN confirmed_at;
    """)

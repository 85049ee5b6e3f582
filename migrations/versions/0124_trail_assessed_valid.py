"""Check the assessments that are there, without keeping writers out."""

from alembic import op

revision = "0124"
down_revision = "0123"
branch_labels = None
depends_on = None

KIND = "kind IN ('collecting', 'scoring', 'sharing', 'sensitive')"


def upgrade() -> None:
    op.execute("ALTER TABLE impact_assessments VALIDATE CONSTRAINT ck_impact_assessments__kind")
    op.execute(
        "ALTER TABLE impact_assessments"
        " VALIDATE CONSTRAINT ck_impact_assessments__second_person"
    )


def downgrade() -> None:
    op.execute(f"""
    ALTER TABLE impact_assessments DROP CONSTRAINT ck_impact_assessments__kind,
        DROP CONSTRAINT ck_impact_assessments__second_person;
    ALTER TABLE impact_assessments
        ADD CONSTRAINT ck_impact_assessments__kind CHECK ({KIND}) NOT VALID,
        ADD CONSTRAINT ck_impact_assessments__second_person
            CHECK (confirmed_by <> registered_by) NOT VALID;
    """)

"""Benefits go by totals of persons that are shown at once; households' and later shown ones give none.

Otherwise a head would have what the other adults have not, and a benefit would tell what is to be
shown at the end of a period.
"""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

TOTAL = """
CREATE OR REPLACE FUNCTION citizen_total(citizen uuid) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT s.total FROM scores s
            JOIN scheme_versions v
                ON v.scheme_code = s.scheme_code AND v.version = s.scheme_version
            WHERE s.citizen_id = citizen AND v.gives_benefits AND citizen_is_active(citizen));
END $$;
"""

# As 0032 wrote it.
TOTAL_BEFORE = """
    CREATE OR REPLACE FUNCTION citizen_total(citizen uuid) RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        RETURN (SELECT s.total FROM scores s
                WHERE s.citizen_id = citizen AND citizen_is_active(citizen));
    END $$;
"""


def upgrade() -> None:
    op.execute("ALTER TABLE scheme_versions ADD COLUMN gives_benefits boolean NOT NULL DEFAULT true")
    op.execute(TOTAL)


def downgrade() -> None:
    op.execute(TOTAL_BEFORE)
    op.execute("ALTER TABLE scheme_versions DROP COLUMN gives_benefits")

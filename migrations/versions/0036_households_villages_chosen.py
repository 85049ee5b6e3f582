"""Who lives in which village by their own word, for rooms that compare within villages."""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE FUNCTION villages_chosen() RETURNS TABLE (citizen_id uuid, village_code text)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT v.citizen_id, v.village_code FROM public.village_residents v
    $$;
    GRANT EXECUTE ON FUNCTION villages_chosen() TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION villages_chosen()")

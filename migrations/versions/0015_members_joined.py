"""Who a result exists for: the active members of a day, for rooms that compute over everybody."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Plain SQL without SET, so that the planner can look into it and use the caller's conditions.
JOINED = """
CREATE FUNCTION citizens_joined(as_of date) RETURNS TABLE (citizen_id uuid)
LANGUAGE sql STABLE AS $$
    SELECT c.citizen_id FROM public.citizens c WHERE c.status = 'active' AND c.joined_on <= as_of
$$;
GRANT EXECUTE ON FUNCTION citizens_joined(date) TO card_web, card_job;
"""


def upgrade() -> None:
    op.execute(JOINED)


def downgrade() -> None:
    op.execute("DROP FUNCTION citizens_joined(date)")

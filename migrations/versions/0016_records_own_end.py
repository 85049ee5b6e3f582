"""A record may say itself from which day on it counts no longer."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Plain SQL without SET, so that the planner can look into it and use the caller's conditions.
LIVE = """
-- squawk-ignore ban-drop-function
DROP FUNCTION records_live(date);
CREATE FUNCTION records_live(as_of date)
RETURNS TABLE (citizen_id uuid, record_type text, record_number text, version bigint,
               event_on date, ends_on date, item text, measures jsonb, delivery_id uuid,
               row_number bigint)
LANGUAGE sql STABLE AS $$
    SELECT r.citizen_id, r.record_type, r.record_number, r.version, r.event_on, r.ends_on, r.item,
           r.measures, r.delivery_id, r.row_number
    FROM public.records r
    WHERE NOT r.is_void AND r.delivered_on <= as_of
      AND (r.replaced_on IS NULL OR r.replaced_on > as_of)
$$;
GRANT EXECUTE ON FUNCTION records_live(date) TO card_web, card_job;
"""

LIVE_BEFORE = """
DROP FUNCTION records_live(date);
CREATE FUNCTION records_live(as_of date)
RETURNS TABLE (citizen_id uuid, record_type text, record_number text, version bigint,
               event_on date, item text, measures jsonb, delivery_id uuid, row_number bigint)
LANGUAGE sql STABLE AS $$
    SELECT r.citizen_id, r.record_type, r.record_number, r.version, r.event_on, r.item, r.measures,
           r.delivery_id, r.row_number
    FROM public.records r
    WHERE NOT r.is_void AND r.delivered_on <= as_of
      AND (r.replaced_on IS NULL OR r.replaced_on > as_of)
$$;
GRANT EXECUTE ON FUNCTION records_live(date) TO card_web, card_job;
"""


def upgrade() -> None:
    op.execute("ALTER TABLE records ADD COLUMN ends_on date")
    op.execute(LIVE)


def downgrade() -> None:
    op.execute(LIVE_BEFORE)
    op.execute("ALTER TABLE records DROP COLUMN ends_on")

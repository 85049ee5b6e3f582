"""Whether a citizen holds a record of a kind: what benefits for honoured people go by."""

from alembic import op

revision = "0112"
down_revision = "0111"
branch_labels = None
depends_on = None

FUNCTIONS = """
-- Without items any record of the type will do.
CREATE FUNCTION citizen_holds_record(
    citizen uuid, wanted_type text, wanted_items text[], city_day date
) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT citizen_is_active(citizen) AND EXISTS (
        SELECT FROM records r
        WHERE r.citizen_id = citizen AND r.record_type = wanted_type AND NOT r.is_void
          AND (wanted_items = '{}' OR r.item = ANY (wanted_items))
          AND r.delivered_on <= city_day AND (r.replaced_on IS NULL OR r.replaced_on > city_day)
          AND r.event_on <= city_day AND (r.ends_on IS NULL OR r.ends_on > city_day))
$$;
-- When a version of a citizen's records of a type was written last; null: there are none.
CREATE FUNCTION citizen_records_written_at(citizen uuid, wanted_type text) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT max(r.created_at) FROM records r
    WHERE r.citizen_id = citizen AND r.record_type = wanted_type
$$;
"""
NAMES = (
    "citizen_holds_record(uuid, text, text[], date)",
    "citizen_records_written_at(uuid, text)",
)


def upgrade() -> None:
    op.execute(FUNCTIONS)
    for name in NAMES:
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")


def downgrade() -> None:
    for name in NAMES:
        op.execute(f"DROP FUNCTION {name}")

"""Bulk viewing counts persons: who reads one person again and again has read one.

The id of a view is now one for each account and person, and whoever writes lines may count.
"""

from alembic import op

revision = "0145"
down_revision = "0144"
branch_labels = None
depends_on = None

SIGNATURE = "trail_admit_view(uuid, uuid, uuid, integer)"
COUNT = """\
        SELECT count(*) INTO view_count FROM trail_views v
        WHERE v.staff_id = staff AND v.viewed_at > coalesce(
            (SELECT max(a.released_at) FROM bulk_viewing_alarms a WHERE a.staff_id = staff),
            '-infinity');
"""
COUNT_OTHERS = """\
        since := coalesce(
            (SELECT max(a.released_at) FROM bulk_viewing_alarms a WHERE a.staff_id = staff),
            '-infinity');
        IF EXISTS (SELECT FROM trail_views v WHERE v.staff_id = staff
                   AND v.view_id = trail_admit_view.view_id AND v.viewed_at > since) THEN
            RETURN true;
        END IF;
        SELECT count(*) INTO view_count FROM trail_views v
        WHERE v.staff_id = staff AND v.viewed_at > since;
"""
KEEP = "VALUES (staff, trail_admit_view.view_id);"
# A view of before the last release counts anew.
KEEP_AGAIN = """VALUES (staff, trail_admit_view.view_id)
        ON CONFLICT ON CONSTRAINT pk_trail_views DO UPDATE SET viewed_at = clock_timestamp();"""
DECLARED = "        view_count integer;\n"
# What the function said, and what it says now.
CHANGES = (
    (DECLARED, f"{DECLARED}        since timestamptz;\n"),
    (COUNT, COUNT_OTHERS),
    (KEEP, KEEP_AGAIN),
)


def _change(old: str, new: str) -> None:
    op.execute(f"""
    DO $do$
    DECLARE said text := pg_get_functiondef('{SIGNATURE}'::regprocedure);
    BEGIN
        IF strpos(said, $old${old}$old$) = 0 THEN
            RAISE EXCEPTION 'another text than expected: {SIGNATURE}';
        END IF;
        EXECUTE replace(said, $old${old}$old$, $new${new}$new$);
    END $do$;
    """)


def upgrade() -> None:
    for before, after in CHANGES:
        _change(before, after)
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO card_job")


def downgrade() -> None:
    op.execute(f"REVOKE EXECUTE ON FUNCTION {SIGNATURE} FROM card_job")
    for before, after in reversed(CHANGES):
        _change(after, before)

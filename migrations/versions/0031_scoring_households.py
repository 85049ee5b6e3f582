"""Scores of households: the chain of the score once more, made by the database out of its own text.

The arithmetic stays one definition.  Only where records and members come from differs: a household
has those of its adults, under its head's id, from the day on which each of them agreed.
A migration that changes the chain calls `score_mirror_households()` at its end.
"""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

# Plain SQL without SET, so that the planner can look into it and use the caller's conditions.
SOURCES = """
-- Records as they count for households: of deeds since the day of consent, under the head's id.
CREATE FUNCTION score_household_records(as_of date)
RETURNS TABLE (citizen_id uuid, record_type text, record_number text, version bigint,
               event_on date, ends_on date, item text, measures jsonb, delivery_id uuid,
               row_number bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT a.citizen_id, r.record_type, r.record_number, r.version, r.event_on, r.ends_on, r.item,
           r.measures, r.delivery_id, r.row_number
    FROM public.household_adults(as_of) a
    JOIN public.records_live(as_of) r ON r.citizen_id = a.adult_id AND r.event_on >= a.since_on
$$;
CREATE FUNCTION score_household_heads(as_of date) RETURNS TABLE (citizen_id uuid)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT a.citizen_id FROM public.household_adults(as_of) a WHERE a.adult_id = a.citizen_id
$$;
GRANT EXECUTE ON FUNCTION score_household_records(date), score_household_heads(date)
    TO card_web, card_job;
"""

# Bodies are checked when they are made, so the chain is made from its beginning.
MIRROR = r"""
CREATE FUNCTION score_mirror_households() RETURNS void LANGUAGE plpgsql AS $mirror$
DECLARE
    link text;
    arguments CONSTANT text := '(date, text, text)';
BEGIN
    FOREACH link IN ARRAY
        ARRAY['fed', 'parts', 'periods', 'indicators', 'dimensions', 'totals', 'lines']
    LOOP
        EXECUTE 'DROP FUNCTION IF EXISTS public.score_household_' || link || arguments;
        EXECUTE replace(replace(regexp_replace(
            pg_get_functiondef(('public.score_' || link || arguments)::regprocedure),
            '\mscore_(fed|parts|periods|indicators|dimensions|totals|lines)\(',
            'score_household_\1(', 'g'),
            'public.records_live(', 'public.score_household_records('),
            'public.citizens_joined(', 'public.score_household_heads(');
        EXECUTE 'GRANT EXECUTE ON FUNCTION public.score_household_' || link || arguments
            || ' TO card_web, card_job';
    END LOOP;
END $mirror$;
REVOKE ALL ON FUNCTION score_mirror_households() FROM PUBLIC;
"""


def upgrade() -> None:
    op.execute(SOURCES)
    op.execute(MIRROR)
    op.execute("SELECT score_mirror_households()")


def downgrade() -> None:
    op.execute("DROP FUNCTION score_mirror_households()")
    for link in ("totals", "dimensions", "indicators", "periods", "parts", "lines", "fed"):
        op.execute(f"DROP FUNCTION score_household_{link}(date, text, text)")
    op.execute("DROP FUNCTION score_household_heads(date), score_household_records(date)")

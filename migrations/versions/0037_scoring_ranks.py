"""Ranks: computed once after a period among those who agreed, told to each alone."""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE rank_rounds (
    scheme_code text NOT NULL,
    rank text NOT NULL,
    closed_on date NOT NULL,
    scheme_version text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_rank_rounds PRIMARY KEY (scheme_code, rank, closed_on)
);
CREATE TABLE rank_results (
    citizen_id uuid NOT NULL,
    scheme_code text NOT NULL,
    rank text NOT NULL,
    closed_on date NOT NULL,
    is_reached boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_rank_results PRIMARY KEY (citizen_id, scheme_code, rank)
);
"""

# Plain SQL without SET, so that the planner can look into it and use the caller's conditions.
TAKING_PART = """
-- Members of a day who agree to be ranked now, and their village.
CREATE FUNCTION score_taking_part(as_of date) RETURNS TABLE (citizen_id uuid, village_code text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT c.citizen_id, v.village_code
    FROM public.citizens_joined(as_of) c
    LEFT JOIN public.villages_chosen() v ON v.citizen_id = c.citizen_id
    WHERE public.citizen_consent_state(c.citizen_id, 'ranking') = 'given'
$$;
-- Households of a day of whose adults every one agrees now, and the head's village.
CREATE FUNCTION score_household_taking_part(as_of date)
RETURNS TABLE (citizen_id uuid, village_code text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT a.citizen_id, max(v.village_code)
    FROM public.household_adults(as_of) a
    LEFT JOIN public.villages_chosen() v ON v.citizen_id = a.citizen_id
    GROUP BY a.citizen_id
    HAVING bool_and(public.citizen_consent_state(a.adult_id, 'ranking') = 'given')
$$;
"""

GRANTS = """
GRANT SELECT ON rank_rounds TO card_web;
GRANT SELECT, INSERT ON rank_rounds TO card_job;
GRANT SELECT, DELETE ON rank_results TO card_web;
GRANT SELECT, INSERT, DELETE ON rank_results TO card_job;
GRANT EXECUTE ON FUNCTION score_taking_part(date), score_household_taking_part(date)
    TO card_web, card_job;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(TAKING_PART)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP FUNCTION score_household_taking_part(date), score_taking_part(date)")
    op.execute("DROP TABLE rank_results, rank_rounds")

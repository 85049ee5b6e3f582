"""Recomputations of everybody's score, and when each score changes by itself."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = """
-- The first day after as_of_on on which the result may change without a delivery; null when none is
-- known.  The scores of a running city get it from the first recomputation, which is due at once.
ALTER TABLE scores ADD COLUMN changes_on date;
-- Only deliveries and the worker write scores: they wait for the seconds that the index takes.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_scores__changes_on ON scores (changes_on);
-- One pass over the scores of everybody, slice by slice, so that a killed one goes on where it was.
CREATE TABLE score_recomputations (
    recomputation_id uuid NOT NULL,
    scheme_code text NOT NULL,
    scheme_version text NOT NULL,
    as_of_on date NOT NULL,
    staff_id uuid,
    slice_count bigint NOT NULL,
    slices_done bigint NOT NULL DEFAULT 0,
    changed_count bigint NOT NULL DEFAULT 0,
    is_running boolean NOT NULL DEFAULT true,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CONSTRAINT pk_score_recomputations PRIMARY KEY (recomputation_id),
    CONSTRAINT ck_score_recomputations__slices
        CHECK (slice_count > 0 AND slices_done BETWEEN 0 AND slice_count),
    CONSTRAINT ck_score_recomputations__finished
        CHECK (is_running = (finished_at IS NULL) AND is_running = (slices_done < slice_count))
);
CREATE UNIQUE INDEX uq_score_recomputations__is_running
    ON score_recomputations (is_running) WHERE is_running;
"""

# As the functions of the arithmetic: plain SQL that the planner looks into.
FUNCTIONS = """
CREATE FUNCTION score_changes(as_of date, scheme text, scheme_version text)
RETURNS TABLE (citizen_id uuid, changes_on date)
LANGUAGE sql STABLE AS $$
    SELECT f.citizen_id, min(f.ends_on)
    FROM public.score_fed(as_of, scheme, scheme_version) f
    GROUP BY f.citizen_id
$$;
"""

GRANTS = """
GRANT EXECUTE ON FUNCTION score_changes(date, text, text) TO card_web, card_job;
GRANT SELECT, INSERT ON score_recomputations TO card_web, card_job;
GRANT UPDATE (slices_done, changed_count, is_running, finished_at) ON score_recomputations
    TO card_job, card_web;
GRANT SELECT ON score_recomputations TO card_report;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP FUNCTION score_changes(date, text, text)")
    op.execute("DROP TABLE score_recomputations")
    op.execute("ALTER TABLE scores DROP COLUMN changes_on")

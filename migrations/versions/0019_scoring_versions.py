"""New versions of a scheme in the open: proposals, notices, dry runs, and the one decision on each.

A version's rules stand in the scheme tables from its proposal on; it is in force by its decision
and its date.  A version has one decision at most: the primary key is the law.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE scheme_proposals (
    scheme_code text NOT NULL,
    version text NOT NULL,
    assessment_id uuid NOT NULL,
    proposed_by uuid NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_scheme_proposals PRIMARY KEY (scheme_code, version),
    CONSTRAINT fk_scheme_proposals__scheme_code_version
        FOREIGN KEY (scheme_code, version) REFERENCES scheme_versions (scheme_code, version)
);
CREATE TABLE scheme_notices (
    scheme_code text NOT NULL,
    version text NOT NULL,
    notice text NOT NULL,
    published_by uuid NOT NULL,
    published_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_scheme_notices PRIMARY KEY (scheme_code, version),
    CONSTRAINT fk_scheme_notices__scheme_code_version
        FOREIGN KEY (scheme_code, version) REFERENCES scheme_versions (scheme_code, version)
);
-- What a version would do to the population; figures hold no group of less than ten people.
CREATE TABLE scheme_dry_runs (
    dry_run_id uuid NOT NULL,
    scheme_code text NOT NULL,
    version text NOT NULL,
    content_hash bytea NOT NULL,
    base_code text,
    base_version text,
    as_of_on date NOT NULL,
    assessment_id uuid NOT NULL,
    requested_by uuid NOT NULL,
    reason text NOT NULL,
    slice_count bigint NOT NULL,
    slices_done bigint NOT NULL DEFAULT 0,
    figures jsonb,
    started_at timestamptz,
    ended_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_scheme_dry_runs PRIMARY KEY (dry_run_id),
    CONSTRAINT fk_scheme_dry_runs__scheme_code_version
        FOREIGN KEY (scheme_code, version) REFERENCES scheme_versions (scheme_code, version),
    CONSTRAINT ck_scheme_dry_runs__figures CHECK ((figures IS NULL) = (ended_at IS NULL))
);
CREATE INDEX ix_scheme_dry_runs__scheme_code_version
    ON scheme_dry_runs (scheme_code, version);
CREATE TABLE scheme_decisions (
    scheme_code text NOT NULL,
    version text NOT NULL,
    decision text NOT NULL,
    effective_on date NOT NULL,
    dry_run_id uuid,
    decided_by uuid,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_scheme_decisions PRIMARY KEY (scheme_code, version),
    CONSTRAINT fk_scheme_decisions__scheme_code_version
        FOREIGN KEY (scheme_code, version) REFERENCES scheme_versions (scheme_code, version),
    CONSTRAINT ck_scheme_decisions__decision CHECK (decision IN ('activated', 'withdrawn'))
);
CREATE UNIQUE INDEX uq_scheme_decisions__effective_on
    ON scheme_decisions (effective_on) WHERE decision = 'activated';
"""

# Until now every version was in force from its date on; a draft may have any date.
TAKE_OVER = """
INSERT INTO scheme_decisions (scheme_code, version, decision, effective_on, reason, created_at)
SELECT scheme_code, version, 'activated', effective_on, '', created_at FROM scheme_versions;
-- squawk-ignore ban-drop-constraint
ALTER TABLE scheme_versions DROP CONSTRAINT uq_scheme_versions__effective_on;
"""

GRANTS = """
GRANT SELECT, INSERT ON scheme_proposals, scheme_notices, scheme_decisions, scheme_dry_runs
    TO card_web;
GRANT SELECT ON scheme_proposals, scheme_notices, scheme_decisions, scheme_dry_runs
    TO card_job, card_report;
GRANT UPDATE (slices_done, figures, started_at, ended_at) ON scheme_dry_runs TO card_job;
"""

# Drafts cannot be told from published versions below; published versions stay.
GIVE_BACK = """
DELETE FROM {table} AS gone
WHERE NOT EXISTS (
    SELECT FROM scheme_decisions AS d WHERE d.scheme_code = gone.scheme_code
        AND d.version = gone.version AND d.decision = 'activated'
);
"""
RULES = ("scheme_tiers", "scheme_values", "scheme_indicators", "scheme_dimensions")


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(TAKE_OVER)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP TABLE scheme_dry_runs, scheme_notices, scheme_proposals")
    op.execute("ALTER TABLE scheme_decisions DROP CONSTRAINT fk_scheme_decisions__scheme_code_version")
    for table in (*RULES, "scheme_versions"):
        op.execute(GIVE_BACK.format(table=table))
    op.execute("ALTER TABLE scheme_versions ADD CONSTRAINT uq_scheme_versions__effective_on UNIQUE (effective_on)")
    op.execute("DROP TABLE scheme_decisions")

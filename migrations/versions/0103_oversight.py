"""Reports about how groups of members fare: figures alone, no group of fewer than ten people."""

from alembic import op

revision = "0103"
down_revision = "0102"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE fairness_reports (
        report_id uuid NOT NULL,
        from_on date NOT NULL,
        to_on date NOT NULL,
        assessment_id uuid NOT NULL,
        requested_by uuid NOT NULL,
        reason text NOT NULL,
        slice_count bigint NOT NULL,
        slices_done bigint NOT NULL DEFAULT 0,
        figures jsonb,
        ended_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_fairness_reports PRIMARY KEY (report_id),
        CONSTRAINT ck_fairness_reports__to_on CHECK (from_on <= to_on),
        CONSTRAINT ck_fairness_reports__figures CHECK ((figures IS NULL) = (ended_at IS NULL))
    );
    GRANT SELECT, INSERT ON fairness_reports TO card_web;
    GRANT SELECT ON fairness_reports TO card_job, card_report;
    GRANT UPDATE (slices_done, figures, ended_at) ON fairness_reports TO card_job;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE fairness_reports")

"""Acts of office that concern no single citizen, and the register of impact assessments.

Both are append-only: nobody is granted more than reading and adding.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE trail_acts (
        act_id uuid NOT NULL,
        actor_kind text NOT NULL,
        actor_id uuid,
        action text NOT NULL,
        subject text NOT NULL,
        reason text NOT NULL,
        basis text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_trail_acts PRIMARY KEY (act_id),
        CONSTRAINT ck_trail_acts__actor CHECK ((actor_id IS NULL) = (actor_kind = 'system')),
        CONSTRAINT ck_trail_acts__action CHECK (action ~ '^[a-z_]{1,64}$'),
        CONSTRAINT ck_trail_acts__reason CHECK (char_length(reason) <= 500),
        CONSTRAINT ck_trail_acts__basis CHECK (char_length(basis) <= 200)
    );
    CREATE INDEX ix_trail_acts__subject_act_id ON trail_acts (subject, act_id);
    -- Kept for three years at least, counted with every leap day.
    CREATE TABLE impact_assessments (
        assessment_id uuid NOT NULL,
        kind text NOT NULL,
        title text NOT NULL,
        concluded_on date NOT NULL,
        document_hash bytea NOT NULL,
        kept_until_on date NOT NULL,
        registered_by uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_impact_assessments PRIMARY KEY (assessment_id),
        CONSTRAINT ck_impact_assessments__kind CHECK (kind IN ('scoring', 'sharing', 'sensitive')),
        CONSTRAINT ck_impact_assessments__document_hash CHECK (octet_length(document_hash) = 32),
        CONSTRAINT ck_impact_assessments__kept_until_on CHECK (kept_until_on >= concluded_on + 1096)
    );
    GRANT SELECT, INSERT ON trail_acts TO card_web, card_job;
    GRANT SELECT, INSERT ON impact_assessments TO card_web;
    GRANT SELECT ON impact_assessments TO card_job;
    GRANT SELECT ON trail_acts, impact_assessments TO card_report;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE impact_assessments, trail_acts")

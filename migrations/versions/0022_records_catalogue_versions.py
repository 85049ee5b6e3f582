"""The information catalogue in the database: its versions, and what is proposed by one operator.

A published version is never changed.  The next one needs a proposal and a second operator, which
the database itself asks for.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE catalogue_proposals (
        proposal_id uuid NOT NULL,
        version text NOT NULL,
        document text NOT NULL,
        content_hash bytea NOT NULL,
        state text NOT NULL DEFAULT 'open',
        proposed_by uuid NOT NULL,
        reason text NOT NULL,
        decided_by uuid,
        decided_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_catalogue_proposals PRIMARY KEY (proposal_id),
        CONSTRAINT ck_catalogue_proposals__state
            CHECK (state IN ('open', 'confirmed', 'withdrawn')),
        CONSTRAINT ck_catalogue_proposals__decided
            CHECK ((state = 'open') = (decided_by IS NULL)
                   AND (decided_by IS NULL) = (decided_at IS NULL)),
        CONSTRAINT ck_catalogue_proposals__two_persons
            CHECK (state <> 'confirmed' OR decided_by <> proposed_by)
    );
    CREATE UNIQUE INDEX uq_catalogue_proposals__open ON catalogue_proposals (state)
        WHERE state = 'open';
    CREATE TABLE catalogue_versions (
        version text NOT NULL,
        place bigint NOT NULL,
        document text NOT NULL,
        content_hash bytea NOT NULL,
        proposal_id uuid,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_catalogue_versions PRIMARY KEY (version),
        CONSTRAINT uq_catalogue_versions__place UNIQUE (place),
        CONSTRAINT fk_catalogue_versions__proposal_id
            FOREIGN KEY (proposal_id) REFERENCES catalogue_proposals (proposal_id),
        -- The first one comes with the setting up, before anybody can sign in.
        CONSTRAINT ck_catalogue_versions__proposal
            CHECK (place >= 1 AND (place = 1) = (proposal_id IS NULL))
    );
    GRANT SELECT, INSERT ON catalogue_versions TO card_web;
    GRANT SELECT, INSERT ON catalogue_proposals TO card_web;
    GRANT UPDATE (state, decided_by, decided_at) ON catalogue_proposals TO card_web;
    GRANT SELECT ON catalogue_versions TO card_job, card_report;
    """)


def downgrade() -> None:
    op.execute("""
    DROP TABLE catalogue_versions;
    DROP TABLE catalogue_proposals;
    """)

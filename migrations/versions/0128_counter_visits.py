"""Visits at a counter: a holder lets an operator act for them, for a while."""

from alembic import op

revision = "0128"
down_revision = "0127"
branch_labels = None
depends_on = None

ERASE = """
    CREATE OR REPLACE FUNCTION counter_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;{visits}
        DELETE FROM card_checks c WHERE c.citizen_id = citizen;
        DELETE FROM paper_card_numbers n WHERE n.citizen_id = citizen;
        DELETE FROM paper_cards p WHERE p.citizen_id = citizen;
    END $$;
"""
VISITS = """
        DELETE FROM counter_visits v WHERE v.citizen_id = citizen;"""


def upgrade() -> None:
    op.execute("""
    CREATE TABLE counter_visits (
        citizen_id uuid NOT NULL,
        visit_id uuid NOT NULL,
        operator_id uuid NOT NULL,
        way text NOT NULL,
        reason text NOT NULL,
        pin_hash bytea,
        tries_left bigint NOT NULL,
        started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        expires_at timestamptz NOT NULL,
        passed_at timestamptz,
        ended_at timestamptz,
        CONSTRAINT pk_counter_visits PRIMARY KEY (citizen_id, visit_id),
        CONSTRAINT ck_counter_visits__way CHECK (
            way IN ('pin', 'document') AND (way = 'pin') = (pin_hash IS NOT NULL)),
        CONSTRAINT ck_counter_visits__tries_left CHECK (tries_left >= 0)
    );
    CREATE INDEX ix_counter_visits__visit_id ON counter_visits (visit_id);
    CREATE INDEX ix_counter_visits__citizen_id_started_at ON counter_visits (citizen_id, started_at);
    GRANT SELECT, INSERT ON counter_visits TO card_web;
    GRANT SELECT ON counter_visits TO card_job;
    GRANT UPDATE (tries_left, expires_at, passed_at, ended_at) ON counter_visits TO card_web;
    """)
    op.execute(ERASE.format(visits=VISITS))


def downgrade() -> None:
    op.execute(ERASE.format(visits=""))
    op.execute("DROP TABLE counter_visits")

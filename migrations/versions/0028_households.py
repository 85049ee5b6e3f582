"""Households under their heads' ids, and villages that people choose."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE villages (
    village_code text NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_villages PRIMARY KEY (village_code),
    CONSTRAINT ck_villages__village_code CHECK (village_code ~ '^[0-9a-z-]{1,40}$')
);
CREATE TABLE village_residents (
    citizen_id uuid NOT NULL,
    village_code text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_village_residents PRIMARY KEY (citizen_id),
    CONSTRAINT fk_village_residents__village_code
        FOREIGN KEY (village_code) REFERENCES villages (village_code)
);
-- One seat per adult, the head's too: whoever has one is in that head's household.
CREATE TABLE household_seats (
    citizen_id uuid NOT NULL,
    head_id uuid NOT NULL,
    since_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_household_seats PRIMARY KEY (citizen_id)
);
CREATE INDEX ix_household_seats__head_id ON household_seats (head_id);
CREATE TABLE household_invitations (
    citizen_id uuid NOT NULL,
    secret_digest bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_household_invitations PRIMARY KEY (citizen_id, secret_digest),
    CONSTRAINT ck_household_invitations__secret_digest CHECK (octet_length(secret_digest) = 32)
);
"""

# Plain SQL without SET, so that the planner can look into it and use the caller's conditions.
ADULTS = """
-- The adults who count for a household on a day, under the head's id: active members with a seat
-- since then and a consent to the text of now, the head's too.
CREATE FUNCTION household_adults(as_of date)
RETURNS TABLE (citizen_id uuid, adult_id uuid, since_on date)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT s.head_id, s.citizen_id, s.since_on
    FROM public.household_seats s
    JOIN public.citizens_joined(as_of) a ON a.citizen_id = s.citizen_id
    JOIN public.citizens_joined(as_of) h ON h.citizen_id = s.head_id
    WHERE s.since_on <= as_of
      AND public.citizen_consent_state(s.citizen_id, 'household') = 'given'
      AND public.citizen_consent_state(s.head_id, 'household') = 'given'
$$;
"""

GRANTS = """
GRANT SELECT, INSERT ON villages TO card_web;
GRANT SELECT ON villages TO card_job, card_report;
GRANT SELECT, INSERT, UPDATE (village_code), DELETE ON village_residents TO card_web;
GRANT SELECT ON village_residents TO card_job;
GRANT SELECT, INSERT, DELETE ON household_seats TO card_web;
-- A row is locked before it is left or joined.
GRANT UPDATE (created_at) ON household_seats TO card_web;
GRANT SELECT ON household_seats TO card_job;
GRANT SELECT, INSERT, DELETE ON household_invitations TO card_web;
GRANT EXECUTE ON FUNCTION household_adults(date) TO card_web, card_job;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(ADULTS)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP FUNCTION household_adults(date)")
    op.execute("DROP TABLE household_invitations, household_seats, village_residents, villages")

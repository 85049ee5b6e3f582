"""The log of security: sign-ins and failures, accounts, keys, openings of personal data, exports.

It is kept for 366 days (the Cybersecurity Law asks for six months) and stands under seals like the
trail.  Who tries to sign in stands in it as a keyed digest.
"""

from alembic import op

revision = "0117"
down_revision = "0116"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE security_events (
    event_id uuid NOT NULL,
    kind text NOT NULL,
    role text NOT NULL,
    account_id uuid,
    subject text NOT NULL,
    account_key bytea,
    client_key bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    seal_number bigint,
    line_hash bytea,
    CONSTRAINT pk_security_events PRIMARY KEY (event_id),
    CONSTRAINT ck_security_events__kind CHECK (kind ~ '^[a-z_]{1,64}$'),
    CONSTRAINT ck_security_events__role CHECK (role ~ '^[a-z_]{0,32}$'),
    CONSTRAINT ck_security_events__subject CHECK (char_length(subject) <= 300),
    -- A citizen stands in it by the number of a session alone.
    CONSTRAINT ck_security_events__account_id CHECK (role <> 'citizen' OR account_id IS NULL)
);
CREATE INDEX ix_security_events__created_at_event_id ON security_events (created_at, event_id);
CREATE INDEX ix_security_events__unsealed ON security_events (created_at)
    WHERE seal_number IS NULL;
CREATE INDEX ix_security_events__seal_number ON security_events (seal_number)
    WHERE seal_number IS NOT NULL;
GRANT SELECT ON security_events TO card_web, card_job, card_report;
REVOKE UPDATE, TRUNCATE ON security_events FROM CURRENT_USER;
GRANT UPDATE (seal_number, line_hash) ON security_events TO CURRENT_USER;
"""

FUNCTIONS = """
CREATE FUNCTION trail_line_hash(t security_events) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(record_send(ROW(
    'security event 1'::text, t.event_id, t.kind, t.role, t.account_id, t.subject, t.account_key,
    t.client_key, t.created_at)));

CREATE OR REPLACE FUNCTION trail_keys(register text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE register
    WHEN 'trail_entries' THEN 'citizen_id, trail_id'
    WHEN 'trail_acts' THEN 'act_id'
    WHEN 'security_events' THEN 'event_id'
END;

CREATE FUNCTION security_append(event uuid, event_kind text, role_name text, account uuid,
    about text, account_digest bytea, client_digest bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO security_events
        (event_id, kind, role, account_id, subject, account_key, client_key)
    VALUES (event, event_kind, role_name, account, about, account_digest, client_digest);
END $$;

-- Deletes events older than 366 days with their seals' lines, about so many; how many.
CREATE FUNCTION security_prune(batch_max integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN trail_empty('security_events', 366, batch_max);
END $$;

REVOKE ALL ON FUNCTION trail_line_hash(security_events), security_prune(integer),
    security_append(uuid, text, text, uuid, text, bytea, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trail_line_hash(security_events),
    security_append(uuid, text, text, uuid, text, bytea, bytea) TO card_web, card_job;
GRANT EXECUTE ON FUNCTION security_prune(integer) TO card_job;
"""

DOWN = """
DROP FUNCTION security_prune(integer);
DROP FUNCTION security_append(uuid, text, text, uuid, text, bytea, bytea);
DROP FUNCTION trail_line_hash(security_events);
CREATE OR REPLACE FUNCTION trail_keys(register text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE register
    WHEN 'trail_entries' THEN 'citizen_id, trail_id'
    WHEN 'trail_acts' THEN 'act_id'
END;
DROP TABLE security_events;
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(FUNCTIONS)


def downgrade() -> None:
    op.execute(DOWN)

"""Signed requests of source machines: secrets that can verify, nonces, credentials with an end."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

UPGRADE = """
-- Verifying a signature takes the secret itself; credentials from before have none and only sign in.
ALTER TABLE source_credentials ADD COLUMN secret_sealed bytea;
-- What was signed once, until its time stamp alone would refuse it.
CREATE TABLE source_nonces (
    credential_id uuid NOT NULL,
    nonce text NOT NULL,
    forget_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_source_nonces PRIMARY KEY (credential_id, nonce)
);
CREATE INDEX ix_source_nonces__forget_at ON source_nonces (forget_at);

-- 'admitted' once for each nonce of a live credential, while the database's clock is within the
-- tolerance of the time of signing; else 'retired', 'stale' or 'replayed'.
CREATE FUNCTION source_request_admit(credential uuid, shown text, signed_at timestamptz,
                                     expires timestamptz, tolerance interval) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE moment timestamptz := clock_timestamp();
BEGIN
    IF NOT EXISTS (SELECT FROM source_credentials k
                   JOIN source_accounts a ON a.source_id = k.source_id
                   WHERE k.credential_id = credential AND a.status = 'active'
                     AND (k.ended_at IS NULL OR k.ended_at > moment)) THEN
        RETURN 'retired';
    END IF;
    IF signed_at NOT BETWEEN moment - tolerance AND moment + tolerance OR expires <= moment THEN
        RETURN 'stale';
    END IF;
    INSERT INTO source_nonces (credential_id, nonce, forget_at)
    VALUES (credential, shown, signed_at + tolerance + tolerance)
    ON CONFLICT DO NOTHING;
    RETURN CASE WHEN FOUND THEN 'admitted' ELSE 'replayed' END;
END $$;
REVOKE ALL ON FUNCTION source_request_admit(uuid, text, timestamptz, timestamptz, interval)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION source_request_admit(uuid, text, timestamptz, timestamptz, interval)
    TO card_web;
GRANT SELECT, DELETE ON source_nonces TO card_job;
"""

# A credential may have an end that is still to come.
SESSION_IS_LIVE = """
CREATE OR REPLACE FUNCTION source_session_is_live(source uuid, session uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM source_sessions s
        JOIN source_accounts a ON a.source_id = s.source_id
        JOIN source_credentials k ON k.credential_id = s.credential_id
        WHERE s.source_id = source AND s.session_id = session AND s.ended_at IS NULL
          AND s.expires_at > now() AND a.status = 'active' AND {live});
END $$;
"""


def upgrade() -> None:
    op.execute(UPGRADE)
    live = "(k.ended_at IS NULL OR k.ended_at > clock_timestamp())"
    op.execute(SESSION_IS_LIVE.format(live=live))


def downgrade() -> None:
    op.execute(SESSION_IS_LIVE.format(live="k.ended_at IS NULL"))
    op.execute(
        "DROP FUNCTION source_request_admit(uuid, text, timestamptz, timestamptz, interval)"
    )
    op.execute("DROP TABLE source_nonces")
    op.execute("ALTER TABLE source_credentials DROP COLUMN secret_sealed")

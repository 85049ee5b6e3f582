"""Signing is the rule: sources from now on sign every request; tokens again take two operators."""

from alembic import op

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None

UPGRADE = """
-- Sources from before keep their tokens until an operator ends that.
ALTER TABLE source_accounts ADD COLUMN signed_only boolean NOT NULL DEFAULT false;
ALTER TABLE source_accounts ALTER COLUMN signed_only SET DEFAULT true;
CREATE TABLE source_token_waivers (
    waiver_id uuid NOT NULL,
    source_id uuid NOT NULL,
    proposed_by uuid NOT NULL,
    confirmed_by uuid,
    closed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_source_token_waivers PRIMARY KEY (waiver_id),
    CONSTRAINT fk_source_token_waivers__source FOREIGN KEY (source_id)
        REFERENCES source_accounts (source_id),
    CONSTRAINT ck_source_token_waivers__second_person CHECK (confirmed_by <> proposed_by)
);
CREATE INDEX ix_source_token_waivers__source_id ON source_token_waivers (source_id);
GRANT SELECT, INSERT ON source_token_waivers TO card_web;
GRANT UPDATE (confirmed_by, closed_at) ON source_token_waivers TO card_web;
GRANT UPDATE (signed_only) ON source_accounts TO card_web;
"""

# No token of a source that must sign is good for anything, whenever it was made.
SESSION_IS_LIVE = """
CREATE OR REPLACE FUNCTION source_session_is_live(source uuid, session uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM source_sessions s
        JOIN source_accounts a ON a.source_id = s.source_id
        JOIN source_credentials k ON k.credential_id = s.credential_id
        WHERE s.source_id = source AND s.session_id = session AND s.ended_at IS NULL
          AND s.expires_at > now() AND a.status = 'active'{signing} AND (k.ended_at IS NULL OR k.ended_at > clock_timestamp()));
END $$;
"""


def upgrade() -> None:
    op.execute(UPGRADE)
    op.execute(SESSION_IS_LIVE.format(signing=" AND NOT a.signed_only"))


def downgrade() -> None:
    """Whoever signs goes on signing: the release before lets everybody do so."""
    op.execute(SESSION_IS_LIVE.format(signing=""))
    op.execute("DROP TABLE source_token_waivers")
    op.execute("ALTER TABLE source_accounts DROP COLUMN signed_only")

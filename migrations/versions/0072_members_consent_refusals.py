"""A refusal is a decision too: it is remembered, so that nobody is asked again soon."""

from alembic import op

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None

STATE = """
CREATE OR REPLACE FUNCTION citizen_consent_state(citizen uuid, purpose_name text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE last consents%ROWTYPE;
BEGIN
    SELECT * INTO last FROM consents c
    WHERE c.citizen_id = citizen AND c.purpose = purpose_name
    ORDER BY c.decided_at DESC, c.consent_id DESC LIMIT 1;
    IF NOT FOUND THEN RETURN 'none'; END IF;
"""
REST = """
    IF last.text_version < (SELECT max(t.version) FROM consent_texts t
                            WHERE t.purpose = purpose_name) THEN
        RETURN 'stale';
    END IF;
    RETURN 'given';
END $$;
"""
# 'given' when the last decision is a consent to the newest text, 'stale' when it is a consent to an
# older one, 'withdrawn', 'refused', or 'none'.
WITH_REFUSALS = f"{STATE}    IF last.decision <> 'given' THEN RETURN last.decision; END IF;{REST}"
BEFORE = f"{STATE}    IF last.decision = 'withdrawn' THEN RETURN 'withdrawn'; END IF;{REST}"


def upgrade() -> None:
    op.execute(WITH_REFUSALS)
    op.execute("""
    -- squawk-ignore ban-drop-constraint
    ALTER TABLE consents DROP CONSTRAINT ck_consents__decision;
    -- Wider than the one before, so that every row holds it: a second for a million.
    -- squawk-ignore constraint-missing-not-valid
    ALTER TABLE consents ADD CONSTRAINT ck_consents__decision
        CHECK (decision IN ('given', 'withdrawn', 'refused'));
    """)


def downgrade() -> None:
    """A refusal becomes a withdrawal, which means the same to everything that asks."""
    op.execute("UPDATE consents SET decision = 'withdrawn' WHERE decision = 'refused'")
    op.execute("""
    ALTER TABLE consents DROP CONSTRAINT ck_consents__decision;
    ALTER TABLE consents ADD CONSTRAINT ck_consents__decision
        CHECK (decision IN ('given', 'withdrawn'));
    """)
    op.execute(BEFORE)

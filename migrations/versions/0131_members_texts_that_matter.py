"""A new text asks everybody anew where it matters, and a required one is answered by a day.

Who has not agreed by then rests, until they agree.
"""

from alembic import op

revision = "0131"
down_revision = "0130"
branch_labels = None
depends_on = None

# 'given' when the last decision is a consent to a text after which none has come that matters;
# 'stale' when it is a consent to an older one; 'withdrawn', 'refused', or 'none'.
STATE = """
CREATE OR REPLACE FUNCTION citizen_consent_state(citizen uuid, purpose_name text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE last consents%ROWTYPE;
BEGIN
    SELECT * INTO last FROM consents c
    WHERE c.citizen_id = citizen AND c.purpose = purpose_name
    ORDER BY c.decided_at DESC, c.consent_id DESC LIMIT 1;
    IF NOT FOUND THEN RETURN 'none'; END IF;
    IF last.decision <> 'given' THEN RETURN last.decision; END IF;
    IF last.text_version < (SELECT max(t.version) FROM consent_texts t
                            WHERE t.purpose = purpose_name{that_matter}) THEN
        RETURN 'stale';
    END IF;
    RETURN 'given';
END $$;
"""


def upgrade() -> None:
    op.execute("""
    ALTER TABLE consent_texts ADD COLUMN matters boolean NOT NULL DEFAULT true;
    ALTER TABLE consent_texts ADD COLUMN answer_due_on date;
    ALTER TABLE citizens ADD COLUMN rests_for_consent boolean NOT NULL DEFAULT false;
    GRANT UPDATE (rests_for_consent) ON citizens TO card_web, card_job;
    """)
    op.execute(STATE.format(that_matter=" AND t.matters"))


def downgrade() -> None:
    """Who rests for want of a consent goes on: nothing is left that would wake them."""
    op.execute("UPDATE citizens SET status = 'active' WHERE rests_for_consent")
    op.execute(STATE.format(that_matter=""))
    op.execute("""
    ALTER TABLE citizens DROP COLUMN rests_for_consent;
    ALTER TABLE consent_texts DROP COLUMN answer_due_on;
    ALTER TABLE consent_texts DROP COLUMN matters;
    """)

"""How a line of the trail names the consent that it rests on: by its purpose and its version."""

from alembic import op

revision = "0143"
down_revision = "0142"
branch_labels = None
depends_on = None

FUNCTION = "citizen_consent_basis(uuid, text, timestamptz)"


def upgrade() -> None:
    op.execute("""
    -- 'library v2', where this consent allowed something at a moment: given, and to the text of the
    -- time.  Else, and for no purpose, the consent to membership, whatever its text: 'membership v1'.
    CREATE FUNCTION citizen_consent_basis(citizen uuid, purpose_name text, moment timestamptz)
    RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE last consents%ROWTYPE;
    BEGIN
        SELECT * INTO last FROM consents c
        WHERE c.citizen_id = citizen AND c.purpose = purpose_name AND c.decided_at <= moment
        ORDER BY c.decided_at DESC, c.consent_id DESC LIMIT 1;
        IF last.decision IS DISTINCT FROM 'given'
           OR last.text_version < (SELECT max(t.version) FROM consent_texts t
                                   WHERE t.purpose = purpose_name AND t.created_at <= moment) THEN
            SELECT * INTO last FROM consents c
            WHERE c.citizen_id = citizen AND c.purpose = 'membership' AND c.decided_at <= moment
              AND c.decision = 'given'
            ORDER BY c.decided_at DESC, c.consent_id DESC LIMIT 1;
        END IF;
        RETURN coalesce(last.purpose || ' v' || last.text_version, 'membership');
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_web, card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")

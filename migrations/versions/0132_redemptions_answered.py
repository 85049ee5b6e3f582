"""A typed code that comes again under its id is answered as before, whatever happened since."""

from alembic import op

revision = "0132"
down_revision = "0131"
branch_labels = None
depends_on = None

FUNCTION = "redemption_answered_citizen(uuid, uuid, bytea, bytea[])"


def upgrade() -> None:
    op.execute("""
    -- Whose typed code this clerk presented before under this id, in the same request; null: nobody's.
    -- Without scans, as in redemption_redeem: a plan made while tables were empty is kept.
    CREATE FUNCTION redemption_answered_citizen(
        clerk uuid, redemption uuid, digest bytea, hashes bytea[]
    ) RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off AS $$
    BEGIN
        RETURN (
            SELECT a.citizen_id FROM voucher_manual_codes m
            JOIN redemption_attempts a ON a.citizen_id = m.citizen_id AND a.caller_id = clerk
                AND a.redemption_id = redemption AND a.request_digest = digest
            WHERE m.code_hash = ANY (hashes)
        );
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO card_web")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")

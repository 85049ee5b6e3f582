"""Presenting a pass code where no voucher is looked at: other rooms' counters and machines."""

from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

SIGNATURE = "redemption_present(uuid, uuid, bytea, timestamptz, uuid)"


def upgrade() -> None:
    op.execute("""
    -- Burn a pass code and say what is wrong with it or its holder; null when nothing is.
    CREATE FUNCTION redemption_present(
        citizen uuid, presenter uuid, code_digest bytea, code_expires_at timestamptz,
        holder_session uuid
    ) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        INSERT INTO code_presentations (citizen_id, code_digest, clerk_id, redemption_id, presented_at)
        VALUES (citizen, redemption_present.code_digest, presenter, NULL, clock_timestamp())
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN RETURN 'code_burnt'; END IF;
        RETURN redemption_holder_refusal(
            citizen, NULL, code_expires_at, holder_session, clock_timestamp());
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO card_web")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {SIGNATURE}")

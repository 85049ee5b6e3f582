"""Pass codes burnt by machines that redeem nothing, and what a voucher in the wallet promises."""

from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None

PASSES = """
-- Burns the code, good or not; what is wrong with it or with the person behind it, null: nothing.
CREATE FUNCTION redemption_burn_pass(
    citizen uuid, presented bytea, presenter uuid, code_expires_at timestamptz, holder_session uuid
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE moment timestamptz := clock_timestamp();
BEGIN
    INSERT INTO code_presentations (citizen_id, code_digest, clerk_id, redemption_id, presented_at)
    VALUES (citizen, presented, presenter, NULL, moment)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN 'code_burnt'; END IF;
    RETURN redemption_holder_refusal(citizen, NULL, code_expires_at, holder_session, moment);
END $$;

-- The vouchers of a benefit that can still be shown: what each promises, and until when.
CREATE FUNCTION redemption_held_values(citizen uuid, wanted_benefit text)
RETURNS TABLE (value jsonb, held_until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT v.value, v.expires_at FROM vouchers v
    WHERE v.citizen_id = citizen AND v.benefit_code = wanted_benefit
      AND v.expires_at > clock_timestamp()
      AND NOT EXISTS (SELECT FROM voucher_endings e
                      WHERE e.citizen_id = v.citizen_id AND e.voucher_id = v.voucher_id)
$$;
"""
FUNCTIONS = (
    ("redemption_burn_pass(uuid, bytea, uuid, timestamptz, uuid)", "card_web"),
    ("redemption_held_values(uuid, text)", "card_web, card_job"),
)


def upgrade() -> None:
    op.execute(PASSES)
    for function, roles in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {roles}")


def downgrade() -> None:
    for function, _ in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")

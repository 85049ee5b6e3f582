"""A voucher of a slot is good in its slot alone."""

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

REFUSAL = """
CREATE OR REPLACE FUNCTION redemption_voucher_refusal(
    benefit uuid, held_benefit text, expires_at timestamptz, ended text, wanted_benefit text,
    merchant uuid, moment timestamptz
) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE
        WHEN benefit IS NULL THEN 'no_voucher'
        WHEN ended = 'used_offline' THEN 'voucher_used_offline'
        WHEN ended = 'given_back' THEN 'voucher_given_back'
        WHEN ended = 'expired' OR expires_at <= moment THEN 'voucher_expired'
        WHEN wanted_benefit <> held_benefit THEN 'wrong_benefit'
        {more}ELSE benefit_redeem_check(benefit, merchant, moment)
    END;
END $$;
"""
IN_ITS_SLOT = (
    "WHEN moment < benefit_slot_begins(benefit, expires_at) THEN coalesce(\n"
    "            nullif(benefit_redeem_check(benefit, merchant, moment), 'outside_hours'),\n"
    "            'outside_slot')\n        "
)
# Of several vouchers of a benefit the one of this hour is meant, not the one that expires first.
CHOOSE = """
CREATE OR REPLACE FUNCTION redemption_choose(
    citizen uuid, wanted_benefit text, merchant uuid, moment timestamptz,
    OUT voucher uuid, OUT refusal text
) LANGUAGE plpgsql STABLE AS $$
DECLARE kinds bigint;
BEGIN
    SELECT count(DISTINCT v.benefit_code), (array_agg(v.voucher_id ORDER BY v.expires_at, v.voucher_id))[1]
    INTO kinds, voucher
    FROM vouchers v
    WHERE v.citizen_id = citizen AND v.expires_at > moment
      AND (wanted_benefit IS NULL OR v.benefit_code = wanted_benefit)
      AND NOT EXISTS (SELECT FROM voucher_endings e
                      WHERE e.citizen_id = citizen AND e.voucher_id = v.voucher_id)
      AND benefit_redeem_check(v.benefit_id, merchant, moment) IS NULL{more};
    IF kinds > 1 THEN
        voucher := NULL;
        refusal := 'benefit_code_needed';
    ELSIF kinds = 0 THEN
        SELECT v.voucher_id INTO voucher FROM vouchers v
        WHERE v.citizen_id = citizen AND (wanted_benefit IS NULL OR v.benefit_code = wanted_benefit)
          AND benefit_redeem_check(v.benefit_id, merchant, moment) IS DISTINCT FROM 'wrong_merchant'
        ORDER BY v.claimed_at DESC LIMIT 1;
        refusal := CASE WHEN voucher IS NULL THEN 'no_voucher' END;
    END IF;
END $$;
"""
# As in 0009; what is not usable yet is not shown as usable.
PREVIEW = """
CREATE OR REPLACE FUNCTION redemption_preview(
    citizen uuid, clerk uuid, clerk_session uuid, shop uuid, code_digest bytea,
    code_expires_at timestamptz, holder_session uuid, code_fault text, voucher uuid, trail uuid,
    OUT refusal_code text, OUT details jsonb, OUT answer jsonb, OUT moment timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    permit record;
    held record;
    burnt boolean := false;
BEGIN
    moment := clock_timestamp();
    permit := merchant_scan_permit(clerk, clerk_session, shop);
    IF permit.code = 'unauthenticated' THEN
        refusal_code := permit.code;
        RETURN;
    END IF;
    IF code_digest IS NOT NULL THEN
        INSERT INTO code_presentations (citizen_id, code_digest, clerk_id, redemption_id, presented_at)
        VALUES (citizen, redemption_preview.code_digest, clerk, NULL, moment)
        ON CONFLICT DO NOTHING;
        burnt := NOT FOUND;
    END IF;
    IF burnt THEN
        SELECT a.voucher_id INTO voucher FROM code_presentations p
        JOIN redemption_attempts a ON a.citizen_id = p.citizen_id
            AND a.caller_id = p.clerk_id AND a.redemption_id = p.redemption_id
        WHERE p.citizen_id = citizen AND p.code_digest = redemption_preview.code_digest;
    END IF;
    SELECT v.voucher_id, v.benefit_id, v.benefit_code, v.value, v.price_points, v.hold_id, v.expires_at,
        e.kind AS ended
    INTO held FROM vouchers v
    LEFT JOIN voucher_endings e ON e.citizen_id = citizen AND e.voucher_id = voucher
    WHERE v.citizen_id = citizen AND v.voucher_id = voucher;
    IF permit.code IS NOT NULL THEN
        refusal_code := permit.code;
    ELSIF held.ended = 'redeemed' THEN
        SELECT f.refusal, f.details INTO refusal_code, details FROM redemption_first(citizen, voucher) f;
    ELSIF burnt THEN
        refusal_code := 'code_burnt';
    ELSE
        refusal_code := redemption_holder_refusal(
            citizen, code_fault, code_expires_at, holder_session, moment);
    END IF;
    IF refusal_code IS NULL AND code_digest IS NULL THEN
        refusal_code := redemption_voucher_refusal(
            held.benefit_id, held.benefit_code, held.expires_at, held.ended, NULL, permit.merchant_id,
            moment);
    END IF;
    IF refusal_code IS NOT NULL THEN RETURN; END IF;

    IF code_digest IS NULL THEN
        answer := jsonb_build_object('kind', 'voucher', 'benefit_code', held.benefit_code,
            'value', held.value, 'price_points', held.price_points,
            'expires_at', redemption_time(held.expires_at));
        RETURN;
    END IF;
    SELECT jsonb_build_object('kind', 'person', 'benefits', coalesce(jsonb_agg(jsonb_build_object(
        'benefit_code', o.benefit_code, 'name', o.name, 'eligible', o.improved, 'value', o.value,
        'price_points', o.price_points, 'vouchers', coalesce(u.usable, '[]'::jsonb))
        ORDER BY o.benefit_code), '[]'::jsonb))
    INTO answer
    FROM benefit_offers(citizen, permit.merchant_id, moment) o
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object(
            'value', v.value, 'price_points', v.price_points,
            'expires_at', redemption_time(v.expires_at)) ORDER BY v.expires_at) AS usable
        FROM vouchers v
        WHERE v.citizen_id = citizen AND v.benefit_code = o.benefit_code AND v.expires_at > moment
          AND NOT EXISTS (SELECT FROM voucher_endings e
                          WHERE e.citizen_id = citizen AND e.voucher_id = v.voucher_id)
          AND benefit_redeem_check(v.benefit_id, permit.merchant_id, moment) IS NULL{more}
    ) u ON true;
    PERFORM trail_append(citizen, trail, 'clerk', clerk, 'preview', ARRAY['benefits'],
                         permit.shop_name, 'membership');
END $$;
"""
BEGUN = "\n      AND benefit_slot_begins(v.benefit_id, v.expires_at) > moment IS NOT TRUE"


def upgrade() -> None:
    op.execute(REFUSAL.format(more=IN_ITS_SLOT))
    op.execute(CHOOSE.format(more=BEGUN))
    op.execute(PREVIEW.format(more=BEGUN))


def downgrade() -> None:
    op.execute(PREVIEW.format(more=""))
    op.execute(CHOOSE.format(more=""))
    op.execute(REFUSAL.format(more=""))

"""Whatever a shop is told of somebody has its line, and the line names the consent it rests on.

A preview of a voucher had none; that of a person, redemptions and scans without a network named
membership alone, also where another consent had allowed the value.
"""

from alembic import op

revision = "0144"
down_revision = "0143"
branch_labels = None
depends_on = None

BASIS = """
-- The consents behind what these benefits gave at these moments, each named once: 'library v2'.
CREATE FUNCTION redemption_basis(citizen uuid, codes text[], moments timestamptz[]) RETURNS text
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT coalesce(
        left(string_agg(DISTINCT citizen_consent_basis(citizen, b.consent_purpose, g.moment), ', '),
             200),
        citizen_consent_basis(citizen, NULL, clock_timestamp()))
    FROM (
        SELECT u.moment, array_agg(u.code) AS codes
        FROM unnest(codes, moments) AS u (code, moment) GROUP BY u.moment
    ) g
    JOIN LATERAL benefits_on((g.moment AT TIME ZONE 'Asia/Shanghai')::date) b
        ON b.code = ANY (g.codes)
$$;
-- The same of a preview: what the benefits in it give now, and what the vouchers in it gave when
-- they were claimed.
CREATE FUNCTION redemption_preview_basis(citizen uuid, benefits jsonb, moment timestamptz)
RETURNS text LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT redemption_basis(citizen, array_agg(t.code), array_agg(t.moment))
    FROM jsonb_array_elements(benefits) o
    CROSS JOIN LATERAL (
        SELECT o ->> 'benefit_code', redemption_preview_basis.moment
        UNION ALL
        SELECT v.benefit_code, v.claimed_at FROM vouchers v
        WHERE o -> 'vouchers' <> '[]' AND v.citizen_id = citizen
          AND v.benefit_code = o ->> 'benefit_code'
          AND v.expires_at > redemption_preview_basis.moment
          AND NOT EXISTS (SELECT FROM voucher_endings e
                          WHERE e.citizen_id = citizen AND e.voucher_id = v.voucher_id)
    ) t (code, moment)
$$;
"""
BASIS_NAMES = (
    "redemption_basis(uuid, text[], timestamptz[])",
    "redemption_preview_basis(uuid, jsonb, timestamptz)",
)
REDEEM = (
    "redemption_redeem(uuid, uuid, uuid, uuid, uuid, bytea, text, text, bytea, timestamptz, uuid,"
    " text, uuid, text, uuid, uuid, uuid, text)"
)
PREVIEW = "redemption_preview(uuid, uuid, uuid, uuid, bytea, timestamptz, uuid, text, uuid, uuid)"
OFFLINE = (
    "offline_take_scans(uuid, uuid, uuid, text, bigint, text, interval, bytea[], bigint[], bytea[], "
    "timestamptz[], bytea[], text[], bytea[], uuid[])"
)
HELD = ("v.expires_at,\n        e.kind AS ended", "v.expires_at, v.claimed_at,\n        e.kind AS ended")
OF_HELD = "redemption_basis(citizen, ARRAY[held.benefit_code], ARRAY[held.claimed_at])"
TOLD = "redemption_time(held.expires_at));\n        RETURN;"
TOLD_WITH_LINE = f"""redemption_time(held.expires_at));
        PERFORM trail_append(citizen, trail, 'clerk', clerk, 'preview', ARRAY['voucher'],
                             permit.shop_name, {OF_HELD});
        RETURN;"""
OF_PERSON = ("permit.shop_name, 'membership')", """permit.shop_name,
                         redemption_preview_basis(citizen, answer -> 'benefits', moment))""")
OF_SCAN = ("ARRAY['voucher'], shop_name, 'membership')", """ARRAY['voucher'], shop_name, (
                                 SELECT redemption_basis(
                                     v.citizen_id, ARRAY[v.benefit_code], ARRAY[v.claimed_at])
                                 FROM vouchers v WHERE v.citizen_id = one.citizen_id
                                   AND v.voucher_id = one.voucher_id))""")
# Of each function what it said, and what it says now.
CHANGES = (
    (REDEEM, *HELD),
    (REDEEM, "permit.shop_name, 'membership')", f"permit.shop_name, {OF_HELD})"),
    (PREVIEW, *HELD),
    (PREVIEW, *OF_PERSON),
    (PREVIEW, TOLD, TOLD_WITH_LINE),
    (OFFLINE, *OF_SCAN),
)


def _change(signature: str, old: str, new: str) -> None:
    op.execute(f"""
    DO $do$
    DECLARE said text := pg_get_functiondef('{signature}'::regprocedure);
    BEGIN
        IF strpos(said, $old${old}$old$) = 0 THEN
            RAISE EXCEPTION 'another text than expected: {signature}';
        END IF;
        EXECUTE replace(said, $old${old}$old$, $new${new}$new$);
    END $do$;
    """)


def upgrade() -> None:
    op.execute(BASIS)
    for name in BASIS_NAMES:
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
    for signature, before, after in CHANGES:
        _change(signature, before, after)


def downgrade() -> None:
    for signature, before, after in reversed(CHANGES):
        _change(signature, after, before)
    for name in reversed(BASIS_NAMES):
        op.execute(f"DROP FUNCTION {name}")

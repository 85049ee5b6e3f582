"""The owner of a pass code is told when it is shown a second time: somebody may have copied it.

What burns codes is as it was; where it finds a code burnt it now calls `redemption_shown_again`.
"""

from alembic import op

revision = "0085"
down_revision = "0084"
branch_labels = None
depends_on = None

SHOWN_AGAIN = """
-- Once per code and once in ten minutes per citizen: a line in the trail and a message to the owner.
-- Their id is a UUIDv7 of the moment and the code, because nobody makes one for a refusal.
CREATE FUNCTION redemption_shown_again(
    citizen uuid, presented bytea, actor_kind text, presenter uuid, place text, request_id text
) RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    told_id uuid := overlay(overlay(overlay(encode(presented, 'hex')
        PLACING lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') FROM 1 FOR 12)
        PLACING '7' FROM 13 FOR 1) PLACING 'a' FROM 17 FOR 1)::uuid;
BEGIN
    PERFORM FROM voucher_wallets w WHERE w.citizen_id = citizen FOR UPDATE;
    UPDATE code_presentations p SET shown_again_at = moment
    WHERE p.citizen_id = citizen AND p.code_digest = presented AND p.shown_again_at IS NULL
      AND NOT EXISTS (SELECT FROM code_presentations o WHERE o.citizen_id = citizen
                      AND o.shown_again_at > moment - interval '10 minutes');
    IF NOT FOUND THEN RETURN; END IF;
    PERFORM trail_append(citizen, told_id, actor_kind, presenter, 'code_shown_again',
                         ARRAY['pass_code'], coalesce(place, ''), 'membership');
    PERFORM outbox_put(citizen, told_id, 'code_shown_again', jsonb_build_object(
        'request_id', request_id, 'shop_name', place, 'shown_at', redemption_time(moment)));
END $$;
"""
SHOWN_AGAIN_SIGNATURE = "redemption_shown_again(uuid, bytea, text, uuid, text, text)"
REDEEM_SIGNATURE = (
    "redemption_redeem(uuid, uuid, uuid, uuid, uuid, bytea, text, text, bytea, timestamptz, uuid,"
    " text, uuid, text, uuid, uuid, uuid, text)"
)
PREVIEW_SIGNATURE = (
    "redemption_preview(uuid, uuid, uuid, uuid, bytea, timestamptz, uuid, text, uuid, uuid)"
)
BURNT = " IF burnt THEN\n"
BURNT_ALONE = "IF NOT FOUND THEN RETURN 'code_burnt'; END IF;"
REDEEM = BURNT + """\
            IF code_kind = 'pass' THEN
                PERFORM redemption_shown_again(
                    citizen, code_digest, 'clerk', clerk, permit.shop_name, request_id);
            END IF;
"""
PREVIEW = BURNT + """\
        PERFORM redemption_shown_again(
            citizen, code_digest, 'clerk', clerk, permit.shop_name, NULL);
"""
ALONE = """IF NOT FOUND THEN
            PERFORM redemption_shown_again(citizen, {digest}, 'system', NULL, NULL, NULL);
            RETURN 'code_burnt';
        END IF;"""
# Of each function what it said, and what it says now.
CHANGES = (
    (REDEEM_SIGNATURE, BURNT, REDEEM),
    (PREVIEW_SIGNATURE, BURNT, PREVIEW),
    ("redemption_present(uuid, uuid, bytea, timestamptz, uuid)", BURNT_ALONE,
     ALONE.format(digest="code_digest")),
    ("redemption_burn_pass(uuid, bytea, uuid, timestamptz, uuid)", BURNT_ALONE,
     ALONE.format(digest="presented")),
)  # fmt: skip


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
    op.execute("ALTER TABLE code_presentations ADD COLUMN shown_again_at timestamptz")
    op.execute(SHOWN_AGAIN)
    op.execute(f"REVOKE ALL ON FUNCTION {SHOWN_AGAIN_SIGNATURE} FROM PUBLIC")
    for signature, before, after in CHANGES:
        _change(signature, before, after)


def downgrade() -> None:
    for signature, before, after in reversed(CHANGES):
        _change(signature, after, before)
    op.execute(f"DROP FUNCTION {SHOWN_AGAIN_SIGNATURE}")
    op.execute("ALTER TABLE code_presentations DROP COLUMN shown_again_at")

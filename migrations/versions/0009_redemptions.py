"""Vouchers, codes, redemptions, attempts and annulments, and the one statement that redeems.

Locks: the citizen's wallet first, then ledger accounts.  The law are the primary keys: one ending per
voucher, one redemption, one annulment, one presentation per pass code, one answer per caller's id.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

VOUCHERS = """
-- One row per citizen who ever claimed: what claims, redemptions and endings of one citizen lock.
CREATE TABLE voucher_wallets (
    citizen_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_voucher_wallets PRIMARY KEY (citizen_id)
);
-- What was claimed, as it was promised then.  hold_id is the ledger's hold when it costs points.
CREATE TABLE vouchers (
    citizen_id uuid NOT NULL,
    voucher_id uuid NOT NULL,
    benefit_id uuid NOT NULL,
    benefit_code text NOT NULL,
    benefit_version bigint NOT NULL,
    value jsonb NOT NULL,
    price_points bigint NOT NULL,
    hold_id uuid,
    stock_taken boolean NOT NULL,
    claimed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_vouchers PRIMARY KEY (citizen_id, voucher_id),
    CONSTRAINT fk_vouchers__citizen_id FOREIGN KEY (citizen_id) REFERENCES voucher_wallets (citizen_id),
    CONSTRAINT fk_vouchers__benefit_id FOREIGN KEY (benefit_id) REFERENCES benefits (benefit_id),
    CONSTRAINT ck_vouchers__price_points CHECK (price_points >= 0),
    CONSTRAINT ck_vouchers__hold_id CHECK ((hold_id IS NOT NULL) = (price_points > 0))
);
CREATE INDEX ix_vouchers__expires_at ON vouchers (expires_at);
-- The answer to each voucher_id a citizen ever sent; a refusal sticks to its id.
CREATE TABLE voucher_claims (
    citizen_id uuid NOT NULL,
    voucher_id uuid NOT NULL,
    request_digest bytea NOT NULL,
    refusal_code text,
    details jsonb,
    answer text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_voucher_claims PRIMARY KEY (citizen_id, voucher_id),
    CONSTRAINT ck_voucher_claims__outcome CHECK ((refusal_code IS NULL) = (answer IS NOT NULL))
);
-- No foreign keys from here on to redemptions: each would lock the row it checks on the hot path; the
-- functions write from rows that they hold, and the proof (app/redemptions/proof.py) finds orphans.
CREATE TABLE voucher_endings (
    citizen_id uuid NOT NULL,
    voucher_id uuid NOT NULL,
    kind text NOT NULL,
    ended_at timestamptz NOT NULL,
    CONSTRAINT pk_voucher_endings PRIMARY KEY (citizen_id, voucher_id),
    CONSTRAINT ck_voucher_endings__kind CHECK (kind IN ('redeemed', 'expired', 'given_back'))
);
"""

REDEMPTIONS = """
CREATE TABLE redemptions (
    citizen_id uuid NOT NULL,
    voucher_id uuid NOT NULL,
    redemption_id uuid NOT NULL,
    clerk_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    benefit_code text NOT NULL,
    price_points bigint NOT NULL,
    transfer_id uuid,
    redeemed_at timestamptz NOT NULL,
    CONSTRAINT pk_redemptions PRIMARY KEY (citizen_id, voucher_id),
    CONSTRAINT ck_redemptions__transfer_id CHECK ((transfer_id IS NOT NULL) = (price_points > 0))
);
CREATE INDEX ix_redemptions__shop_id_redeemed_at ON redemptions (shop_id, redeemed_at);
-- The answer to each redemption_id of a caller, refused scans too.
CREATE TABLE redemption_attempts (
    citizen_id uuid NOT NULL,
    caller_id uuid NOT NULL,
    redemption_id uuid NOT NULL,
    request_digest bytea NOT NULL,
    code_kind text NOT NULL,
    shop_id uuid NOT NULL,
    voucher_id uuid,
    refusal_code text,
    details jsonb,
    answer text,
    attempted_at timestamptz NOT NULL,
    CONSTRAINT pk_redemption_attempts PRIMARY KEY (citizen_id, caller_id, redemption_id),
    CONSTRAINT ck_redemption_attempts__code_kind
        CHECK (code_kind IN ('pass', 'reference', 'voucher', 'manual')),
    CONSTRAINT ck_redemption_attempts__outcome CHECK ((refusal_code IS NULL) = (answer IS NOT NULL))
);
-- A redemption taken back; the voucher stays finished, its points are back in their lots.
CREATE TABLE annulments (
    citizen_id uuid NOT NULL,
    voucher_id uuid NOT NULL,
    annulment_id uuid NOT NULL,
    clerk_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    transfer_id uuid,
    annulled_at timestamptz NOT NULL,
    answer text NOT NULL,
    CONSTRAINT pk_annulments PRIMARY KEY (citizen_id, voucher_id),
    CONSTRAINT fk_annulments__citizen_id_voucher_id
        FOREIGN KEY (citizen_id, voucher_id) REFERENCES redemptions (citizen_id, voucher_id)
);
-- A pass code or reference that was shown.  The key is what burns it.
CREATE TABLE code_presentations (
    citizen_id uuid NOT NULL,
    code_digest bytea NOT NULL,
    clerk_id uuid NOT NULL,
    redemption_id uuid,
    presented_at timestamptz NOT NULL,
    CONSTRAINT pk_code_presentations PRIMARY KEY (citizen_id, code_digest)
);
-- From the keyed hash of a typed code to its voucher.
CREATE TABLE voucher_manual_codes (
    code_hash bytea NOT NULL,
    citizen_id uuid NOT NULL,
    voucher_id uuid NOT NULL,
    tries_left bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_voucher_manual_codes PRIMARY KEY (code_hash),
    CONSTRAINT ck_voucher_manual_codes__tries_left CHECK (tries_left >= 0)
);
-- Scans that stand for nobody: kept by clerk and shop, as a keyed hash, never the text.
CREATE TABLE unreadable_scans (
    scan_id uuid NOT NULL,
    clerk_id uuid NOT NULL,
    session_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    reason text NOT NULL,
    code_digest bytea NOT NULL,
    scanned_at timestamptz NOT NULL,
    CONSTRAINT pk_unreadable_scans PRIMARY KEY (scan_id),
    CONSTRAINT ck_unreadable_scans__reason
        CHECK (reason IN ('code_unreadable', 'manual_code_unknown'))
);
CREATE INDEX ix_unreadable_scans__clerk_id_scanned_at ON unreadable_scans (clerk_id, scanned_at);
"""

# The one lock of a citizen's vouchers, for what is not one statement: claims and endings.
WALLET = """
CREATE FUNCTION redemption_lock_wallet(citizen uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO voucher_wallets (citizen_id) VALUES (citizen) ON CONFLICT DO NOTHING;
    PERFORM FROM voucher_wallets w WHERE w.citizen_id = citizen FOR UPDATE;
END $$;
"""

# Pieces that preview and redemption share; nobody else may call them.
PIECES = """
CREATE FUNCTION redemption_time(moment timestamptz) RETURNS text
LANGUAGE sql STABLE
RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

-- The voucher that a person means who shows a pass code: the one usable here that expires first, else
-- the last one claimed that this merchant takes, so that the refusal says what is wrong with it.
CREATE FUNCTION redemption_choose(
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
      AND benefit_redeem_check(v.benefit_id, merchant, moment) IS NULL;
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

-- What is wrong with the code or the person behind it; null when nothing is.
CREATE FUNCTION redemption_holder_refusal(
    citizen uuid, code_fault text, code_expires_at timestamptz, holder_session uuid,
    moment timestamptz
) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE
        WHEN code_fault IS NOT NULL THEN code_fault
        WHEN code_expires_at <= moment THEN 'code_expired'
        WHEN NOT citizen_is_active(citizen) THEN 'card_inactive'
        WHEN holder_session IS NOT NULL AND NOT citizen_session_is_live(citizen, holder_session)
            THEN 'holder_signed_out'
    END;
END $$;

-- What is wrong with an unredeemed voucher; null when nothing is.
CREATE FUNCTION redemption_voucher_refusal(
    benefit uuid, held_benefit text, expires_at timestamptz, ended text, wanted_benefit text,
    merchant uuid, moment timestamptz
) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE
        WHEN benefit IS NULL THEN 'no_voucher'
        WHEN ended = 'given_back' THEN 'voucher_given_back'
        WHEN ended = 'expired' OR expires_at <= moment THEN 'voucher_expired'
        WHEN wanted_benefit <> held_benefit THEN 'wrong_benefit'
        ELSE benefit_redeem_check(benefit, merchant, moment)
    END;
END $$;

-- Where and when a voucher was redeemed, or that it was annulled since.
CREATE FUNCTION redemption_first(
    citizen uuid, voucher uuid, OUT refusal text, OUT details jsonb
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT CASE WHEN a.voucher_id IS NULL THEN 'already_redeemed' ELSE 'voucher_annulled' END,
        jsonb_build_object('redeemed_at', redemption_time(r.redeemed_at),
                           'shop_name', merchant_shop_name(r.shop_id))
    INTO refusal, details
    FROM redemptions r
    LEFT JOIN annulments a ON a.citizen_id = r.citizen_id AND a.voucher_id = r.voucher_id
    WHERE r.citizen_id = citizen AND r.voucher_id = voucher;
END $$;
"""

# One round trip, one transaction.  A refusal is a row and an answer, never an exception.  The order:
# replay of the id, (may this clerk scan here at all,) already redeemed, burnt, everything else.
# Without scans: a plan that was made while a table was empty is kept while it grows.
REDEEM = """
CREATE FUNCTION redemption_redeem(
    citizen uuid, clerk uuid, clerk_session uuid, shop uuid, redemption uuid, request_digest bytea,
    receipt text, code_kind text, code_digest bytea, code_expires_at timestamptz,
    holder_session uuid, code_fault text, voucher uuid, wanted_benefit text,
    transfer uuid, trail uuid, message uuid, request_id text,
    OUT refusal_code text, OUT details jsonb, OUT answer text, OUT replayed boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET enable_seqscan = off AS $$
DECLARE
    permit record;
    first redemption_attempts%ROWTYPE;
    held record;
    posted ledger_result;
    choice_refusal text;
    burnt boolean := false;
    moment timestamptz;
    moment_text text;
BEGIN
    replayed := false;
    permit := merchant_scan_permit(clerk, clerk_session, shop);
    IF permit.code = 'unauthenticated' THEN
        refusal_code := permit.code;
        RETURN;
    END IF;
    PERFORM FROM voucher_wallets w WHERE w.citizen_id = citizen FOR UPDATE;

    -- The replay of an id.
    SELECT * INTO first FROM redemption_attempts a
    WHERE a.citizen_id = citizen AND a.caller_id = clerk AND a.redemption_id = redemption;
    IF FOUND THEN
        SELECT r.* INTO refusal_code, details, answer, replayed
        FROM redemption_replay(first, request_digest) r;
        RETURN;
    END IF;

    -- The first presentation burns the code, whatever follows.
    moment := clock_timestamp();
    IF code_digest IS NOT NULL THEN
        INSERT INTO code_presentations (citizen_id, code_digest, clerk_id, redemption_id, presented_at)
        VALUES (citizen, redemption_redeem.code_digest, clerk, redemption, moment)
        ON CONFLICT DO NOTHING;
        burnt := NOT FOUND;
        IF burnt THEN
            SELECT a.voucher_id INTO voucher FROM code_presentations p
            JOIN redemption_attempts a ON a.citizen_id = p.citizen_id
                AND a.caller_id = p.clerk_id AND a.redemption_id = p.redemption_id
            WHERE p.citizen_id = citizen AND p.code_digest = redemption_redeem.code_digest;
        ELSIF permit.code IS NULL THEN
            SELECT c.voucher, c.refusal INTO voucher, choice_refusal
            FROM redemption_choose(citizen, wanted_benefit, permit.merchant_id, moment) c;
        END IF;
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
        refusal_code := coalesce(
            redemption_holder_refusal(citizen, code_fault, code_expires_at, holder_session, moment),
            choice_refusal,
            redemption_voucher_refusal(held.benefit_id, held.benefit_code, held.expires_at, held.ended,
                                       wanted_benefit, permit.merchant_id, moment));
    END IF;
    IF refusal_code IS NULL AND held.hold_id IS NOT NULL THEN
        posted := ledger_post_hold(citizen, transfer, held.hold_id, NULL,
                                   (moment AT TIME ZONE 'Asia/Shanghai')::date);
        IF posted.outcome = 'refused' THEN
            refusal_code := 'voucher_expired';  -- the hold ended with the voucher's time
        END IF;
    END IF;

    IF refusal_code IS NULL THEN
        moment_text := redemption_time(moment);
        INSERT INTO voucher_endings (citizen_id, voucher_id, kind, ended_at)
        VALUES (citizen, voucher, 'redeemed', moment);
        INSERT INTO redemptions (citizen_id, voucher_id, redemption_id, clerk_id, merchant_id, shop_id,
                                 benefit_code, price_points, transfer_id, redeemed_at)
        VALUES (citizen, voucher, redemption, clerk, permit.merchant_id, shop, held.benefit_code,
                held.price_points, CASE WHEN held.hold_id IS NOT NULL THEN transfer END, moment);
        PERFORM trail_append(citizen, trail, 'clerk', clerk, 'redeem', ARRAY['voucher'],
                             permit.shop_name, 'membership');
        PERFORM outbox_put(citizen, message, 'voucher_redeemed', jsonb_build_object(
            'request_id', request_id, 'voucher_id', voucher, 'benefit_code', held.benefit_code,
            'price_points', held.price_points, 'merchant_id', permit.merchant_id, 'shop_id', shop,
            'shop_name', permit.shop_name, 'redeemed_at', moment_text));
        answer := json_build_object(
            'redemption_id', redemption, 'receipt', receipt, 'benefit_code', held.benefit_code,
            'value', held.value, 'price_points', held.price_points, 'shop_name', permit.shop_name,
            'redeemed_at', moment_text);
    END IF;
    INSERT INTO redemption_attempts (citizen_id, caller_id, redemption_id, request_digest, code_kind,
        shop_id, voucher_id, refusal_code, details, answer, attempted_at)
    VALUES (citizen, clerk, redemption, redemption_redeem.request_digest, redemption_redeem.code_kind,
        shop, voucher, redemption_redeem.refusal_code, redemption_redeem.details,
        redemption_redeem.answer, moment)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        -- Only without a wallet, hence only for refusals: the same id came twice at once.
        SELECT * INTO first FROM redemption_attempts a
        WHERE a.citizen_id = citizen AND a.caller_id = clerk AND a.redemption_id = redemption;
        SELECT r.* INTO refusal_code, details, answer, replayed
        FROM redemption_replay(first, request_digest) r;
    END IF;
END $$;

CREATE FUNCTION redemption_replay(
    first redemption_attempts, request_digest bytea,
    OUT refusal_code text, OUT details jsonb, OUT answer text, OUT replayed boolean
) LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF first.request_digest <> request_digest THEN
        refusal_code := 'id_reused';
        replayed := false;
        RETURN;
    END IF;
    refusal_code := first.refusal_code;
    details := first.details;
    answer := first.answer;
    replayed := true;
END $$;
"""

# What a clerk sees before redeeming.  It writes the burning of a pass code and, where a person's
# standing is read, the line in the access trail that goes with reading it; nothing else.
PREVIEW = """
CREATE FUNCTION redemption_preview(
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
          AND benefit_redeem_check(v.benefit_id, permit.merchant_id, moment) IS NULL
    ) u ON true;
    PERFORM trail_append(citizen, trail, 'clerk', clerk, 'preview', ARRAY['benefits'],
                         permit.shop_name, 'membership');
END $$;
"""

# Typed codes and scans that stand for nobody.  Both are counted, so that nobody can guess on.
TYPED = """
CREATE FUNCTION redemption_keep_unreadable(
    clerk uuid, clerk_session uuid, shop uuid, scan uuid, code_digest bytea, scan_reason text,
    limit_count integer, window_seconds integer
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    permit record;
    moment timestamptz;
BEGIN
    permit := merchant_scan_permit(clerk, clerk_session, shop);
    IF permit.code IS NOT NULL THEN RETURN permit.code; END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('unreadable' || clerk, 0));
    moment := clock_timestamp();
    IF (SELECT count(*) FROM unreadable_scans s WHERE s.clerk_id = clerk AND s.reason = scan_reason
        AND s.scanned_at > moment - make_interval(secs => window_seconds)) >= limit_count THEN
        RETURN 'too_many_bad_codes';
    END IF;
    INSERT INTO unreadable_scans (scan_id, clerk_id, session_id, shop_id, reason, code_digest,
                                  scanned_at)
    VALUES (scan, clerk, clerk_session, shop, scan_reason, redemption_keep_unreadable.code_digest,
            moment);
    RETURN scan_reason;
END $$;

-- Open a typed code: takes one of its tries, so that parallel tries are counted too.  A clerk who
-- typed too many wrong ones opens nothing for a while.
CREATE FUNCTION redemption_open_manual_code(
    clerk uuid, clerk_session uuid, shop uuid, scan uuid, hashes bytea[], limit_count integer,
    window_seconds integer,
    OUT refusal_code text, OUT code_hash bytea, OUT citizen_id uuid, OUT voucher_id uuid,
    OUT dead boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE found_code voucher_manual_codes%ROWTYPE;
BEGIN
    refusal_code := (merchant_scan_permit(clerk, clerk_session, shop)).code;
    IF refusal_code IS NOT NULL THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('unreadable' || clerk, 0));
    IF (SELECT count(*) FROM unreadable_scans s
        WHERE s.clerk_id = clerk AND s.reason = 'manual_code_unknown'
          AND s.scanned_at > clock_timestamp() - make_interval(secs => window_seconds)) >= limit_count
    THEN
        refusal_code := 'too_many_bad_codes';
        RETURN;
    END IF;
    SELECT * INTO found_code FROM voucher_manual_codes m WHERE m.code_hash = ANY (hashes) FOR UPDATE;
    IF NOT FOUND THEN
        refusal_code := redemption_keep_unreadable(clerk, clerk_session, shop, scan, hashes[1],
            'manual_code_unknown', limit_count, window_seconds);
        RETURN;
    END IF;
    code_hash := found_code.code_hash;
    citizen_id := found_code.citizen_id;
    voucher_id := found_code.voucher_id;
    dead := found_code.tries_left = 0;
    UPDATE voucher_manual_codes m SET tries_left = m.tries_left - 1
    WHERE m.code_hash = found_code.code_hash AND m.tries_left > 0;
END $$;

-- Give a try back: the presentation was good, or the repetition of an old answer.
CREATE FUNCTION redemption_restore_try(hash bytea, tries_max integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE voucher_manual_codes m SET tries_left = m.tries_left + 1
    WHERE m.code_hash = hash AND m.tries_left BETWEEN 0 AND tries_max - 1;
END $$;
"""

REDEEM_ARGUMENTS = (
    "uuid, uuid, uuid, uuid, uuid, bytea, text, text, bytea, timestamptz, uuid, text, uuid, text, "
    "uuid, uuid, uuid, text"
)
LOCK_WALLET = "redemption_lock_wallet(uuid)"
PUBLISHED = (
    LOCK_WALLET,
    f"redemption_redeem({REDEEM_ARGUMENTS})",
    "redemption_preview(uuid, uuid, uuid, uuid, bytea, timestamptz, uuid, text, uuid, uuid)",
    "redemption_keep_unreadable(uuid, uuid, uuid, uuid, bytea, text, integer, integer)",
    "redemption_open_manual_code(uuid, uuid, uuid, uuid, bytea[], integer, integer)",
    "redemption_restore_try(bytea, integer)",
)
INTERNAL = (
    "redemption_replay(redemption_attempts, bytea)",
    "redemption_first(uuid, uuid)",
    "redemption_voucher_refusal(uuid, text, timestamptz, text, text, uuid, timestamptz)",
    "redemption_holder_refusal(uuid, text, timestamptz, uuid, timestamptz)",
    "redemption_choose(uuid, text, uuid, timestamptz)",
    "redemption_time(timestamptz)",
)
TABLES = (
    "unreadable_scans", "voucher_manual_codes", "code_presentations", "annulments",
    "redemption_attempts", "redemptions", "voucher_endings", "voucher_claims", "vouchers",
    "voucher_wallets",
)  # fmt: skip

GRANTS = """
GRANT SELECT, INSERT ON vouchers, voucher_claims, voucher_endings, annulments TO card_web;
GRANT SELECT ON voucher_wallets, redemptions, redemption_attempts, code_presentations,
    unreadable_scans TO card_web;
GRANT SELECT, INSERT ON voucher_manual_codes TO card_web;
GRANT SELECT ON voucher_wallets, vouchers, voucher_claims, voucher_endings, redemptions,
    redemption_attempts, annulments, code_presentations, unreadable_scans, voucher_manual_codes
    TO card_job;
GRANT INSERT ON voucher_endings TO card_job;
GRANT DELETE ON code_presentations, unreadable_scans, voucher_manual_codes TO card_job;
"""


def upgrade() -> None:
    for part in (VOUCHERS, REDEMPTIONS, WALLET, PIECES, REDEEM, PREVIEW, TYPED):
        op.execute(part)
    for function in (*PUBLISHED, *INTERNAL):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    for function in PUBLISHED:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO card_web")
    op.execute(f"GRANT EXECUTE ON FUNCTION {LOCK_WALLET} TO card_job")
    op.execute(GRANTS)


def downgrade() -> None:
    for function in (*PUBLISHED, *INTERNAL):
        op.execute(f"DROP FUNCTION {function}")
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")

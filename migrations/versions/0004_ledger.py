"""Ledger: accounts, transfers, entries, lots, holds, and the functions that alone write them.

The web and job roles may read the tables and call the published functions; nobody but the owner
may write, and the owner itself has given up changing entries and movements.

Locks: the account row first (two of them in id order); lots and holds belong to its lock.
Hashes: SHA-256 over PostgreSQL's binary form of a row (`record_send`), see docs/adr.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = """
CREATE TYPE ledger_result AS (
    outcome text, code text, replayed boolean, transfer_id uuid, amount bigint,
    balance_after bigint, held_after bigint, shortfall bigint
);

CREATE TABLE ledger_accounts (
    citizen_id uuid NOT NULL,
    account_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    asset text NOT NULL,
    purpose text NOT NULL,
    credit_line_units bigint NOT NULL DEFAULT 0,
    balance_units bigint NOT NULL DEFAULT 0,
    held_units bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,
    head_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_ledger_accounts PRIMARY KEY (citizen_id, account_id),
    CONSTRAINT uq_ledger_accounts__citizen_id_subject_id_asset_purpose
        UNIQUE (citizen_id, subject_id, asset, purpose),
    CONSTRAINT ck_ledger_accounts__balance CHECK (
        balance_units - held_units >= -credit_line_units
        AND held_units >= 0 AND credit_line_units >= 0)
) WITH (fillfactor = 70);

CREATE TABLE ledger_transfers (
    citizen_id uuid NOT NULL,
    transfer_id uuid NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    refusal_code text,
    asset text,
    from_account_id uuid,
    to_account_id uuid,
    amount_units bigint NOT NULL,
    shortfall_units bigint NOT NULL,
    effective_on date NOT NULL,
    reason text,
    hold_id uuid,
    reverses_id uuid,
    lot_expires_on date,
    hold_expires_at timestamptz,
    balance_after_units bigint,
    held_after_units bigint,
    fingerprint bytea NOT NULL,
    hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_ledger_transfers PRIMARY KEY (citizen_id, transfer_id),
    CONSTRAINT ck_ledger_transfers__outcome CHECK (
        (outcome = 'accepted') = (refusal_code IS NULL)
        AND amount_units >= 0 AND shortfall_units >= 0)
);
CREATE UNIQUE INDEX uq_ledger_transfers__citizen_id_hold_id
    ON ledger_transfers (citizen_id, hold_id) WHERE hold_id IS NOT NULL AND outcome = 'accepted';
CREATE UNIQUE INDEX uq_ledger_transfers__citizen_id_reverses_id
    ON ledger_transfers (citizen_id, reverses_id)
    WHERE reverses_id IS NOT NULL AND outcome = 'accepted';

CREATE TABLE ledger_entries (
    citizen_id uuid NOT NULL,
    transfer_id uuid NOT NULL,
    account_id uuid NOT NULL,
    amount_units bigint NOT NULL,
    effective_on date NOT NULL,
    balance_after_units bigint,
    account_version bigint,
    previous_hash bytea,
    hash bytea,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_ledger_entries PRIMARY KEY (citizen_id, transfer_id, account_id),
    CONSTRAINT ck_ledger_entries__amount CHECK (amount_units <> 0)
);
CREATE UNIQUE INDEX uq_ledger_entries__citizen_id_account_id_account_version
    ON ledger_entries (citizen_id, account_id, account_version)
    WHERE account_version IS NOT NULL;

CREATE TABLE ledger_lots (
    citizen_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    account_id uuid NOT NULL,
    granted_units bigint NOT NULL,
    granted_version bigint NOT NULL,
    effective_on date NOT NULL,
    expires_on date NOT NULL,
    remaining_units bigint NOT NULL,
    held_units bigint NOT NULL,
    is_open boolean NOT NULL GENERATED ALWAYS AS (remaining_units > 0) STORED,
    CONSTRAINT pk_ledger_lots PRIMARY KEY (citizen_id, lot_id),
    CONSTRAINT ck_ledger_lots__remaining CHECK (
        remaining_units BETWEEN held_units AND granted_units AND held_units >= 0)
) WITH (fillfactor = 80);
CREATE INDEX ix_ledger_lots__citizen_id_account_id_expires_on
    ON ledger_lots (citizen_id, account_id, expires_on, granted_version) WHERE is_open;
CREATE INDEX ix_ledger_lots__expires_on ON ledger_lots (expires_on) WHERE is_open;

CREATE TABLE ledger_lot_movements (
    citizen_id uuid NOT NULL,
    transfer_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    amount_units bigint NOT NULL,
    effective_on date NOT NULL,
    CONSTRAINT pk_ledger_lot_movements PRIMARY KEY (citizen_id, transfer_id, lot_id),
    CONSTRAINT ck_ledger_lot_movements__amount CHECK (amount_units <> 0)
);

CREATE TABLE ledger_hold_lots (
    citizen_id uuid NOT NULL,
    hold_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    amount_units bigint NOT NULL,
    CONSTRAINT pk_ledger_hold_lots PRIMARY KEY (citizen_id, hold_id, lot_id),
    CONSTRAINT ck_ledger_hold_lots__amount CHECK (amount_units > 0)
);

CREATE TABLE ledger_open_holds (
    citizen_id uuid NOT NULL,
    hold_id uuid NOT NULL,
    account_id uuid NOT NULL,
    amount_units bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_ledger_open_holds PRIMARY KEY (citizen_id, hold_id)
);
CREATE INDEX ix_ledger_open_holds__expires_at ON ledger_open_holds (expires_at);

CREATE TABLE ledger_anchors (
    anchor_id uuid NOT NULL,
    anchored_on date NOT NULL,
    previous_digest bytea NOT NULL,
    digest bytea NOT NULL,
    head_count bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_ledger_anchors PRIMARY KEY (anchor_id),
    CONSTRAINT uq_ledger_anchors__anchored_on UNIQUE (anchored_on)
);

CREATE TABLE ledger_anchored_heads (
    citizen_id uuid NOT NULL,
    account_id uuid NOT NULL,
    account_version bigint NOT NULL,
    anchor_id uuid NOT NULL,
    head_hash bytea NOT NULL,
    CONSTRAINT pk_ledger_anchored_heads PRIMARY KEY (citizen_id, account_id, account_version)
);
CREATE INDEX ix_ledger_anchored_heads__anchor_id ON ledger_anchored_heads (anchor_id);
"""

# Small pieces: names, dates, hashes.  The hash functions are used by the writers and by the checks.
PIECES = """
CREATE FUNCTION ledger_city_date(moment timestamptz) RETURNS date LANGUAGE sql IMMUTABLE
RETURN (moment AT TIME ZONE 'Asia/Shanghai')::date;

-- The programme's side of every posting: fixed ids, no rows, no running balance.
CREATE FUNCTION ledger_programme_account(asset text, name text) RETURNS uuid
LANGUAGE sql IMMUTABLE
RETURN CASE asset || '.' || name
    WHEN 'points.issued' THEN '00000000-0000-8000-8000-000000000101'::uuid
    WHEN 'points.spent' THEN '00000000-0000-8000-8000-000000000102'::uuid
    WHEN 'points.expired' THEN '00000000-0000-8000-8000-000000000103'::uuid
    WHEN 'points.reversed' THEN '00000000-0000-8000-8000-000000000104'::uuid
    WHEN 'fen.claimed' THEN '00000000-0000-8000-8000-000000000201'::uuid
    WHEN 'fen.repaid' THEN '00000000-0000-8000-8000-000000000202'::uuid
END;

CREATE FUNCTION ledger_is_programme_account(account uuid) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN account <= '00000000-0000-8000-8000-ffffffffffff'::uuid;

-- A UUID (version 8) that follows from what it is for: the same cause has the same id.
CREATE FUNCTION ledger_derived_id(purpose text, origin uuid, number bigint) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    digest bytea := sha256(convert_to(purpose, 'UTF8') || uuid_send(origin) || int8send(number));
BEGIN
    digest := set_byte(digest, 6, (get_byte(digest, 6) & 15) | 128);
    digest := set_byte(digest, 8, (get_byte(digest, 8) & 63) | 128);
    RETURN encode(substr(digest, 1, 16), 'hex')::uuid;
END $$;

CREATE FUNCTION ledger_account_id(citizen uuid, subject uuid, asset text, purpose text)
RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN ledger_derived_id(
    'account.' || asset || '.' || purpose || '.' || subject::text, citizen, 0);

CREATE FUNCTION ledger_genesis_hash(a ledger_accounts) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(record_send(ROW(
    'account 1'::text, a.citizen_id, a.account_id, a.subject_id, a.asset, a.purpose)));

CREATE FUNCTION ledger_transfer_hash(t ledger_transfers) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(record_send(ROW(
    'transfer 1'::text, t.citizen_id, t.transfer_id, t.kind, t.outcome, t.refusal_code, t.asset,
    t.from_account_id, t.to_account_id, t.amount_units, t.shortfall_units, t.effective_on, t.reason,
    t.hold_id, t.reverses_id, t.lot_expires_on, t.hold_expires_at, t.balance_after_units,
    t.held_after_units, t.fingerprint, t.created_at)));

CREATE FUNCTION ledger_entry_hash(
    e ledger_entries, transfer_hash bytea, counter_account uuid, counter_amount bigint
) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(record_send(ROW(
    'entry 1'::text, e.citizen_id, e.transfer_id, e.account_id, e.amount_units, e.effective_on,
    e.balance_after_units, e.account_version, e.created_at, transfer_hash, counter_account,
    counter_amount, e.previous_hash)));
"""

# What the published functions share.  Nobody else may call these.
STEPS = """
CREATE FUNCTION ledger_lock_account(citizen uuid, subject uuid, asset_name text, purpose_name text)
RETURNS ledger_accounts LANGUAGE plpgsql AS $$
DECLARE
    account ledger_accounts;
BEGIN
    SELECT * INTO account FROM ledger_accounts a
    WHERE a.citizen_id = citizen AND a.subject_id = subject AND a.asset = asset_name
        AND a.purpose = purpose_name
    FOR UPDATE;
    IF FOUND THEN
        RETURN account;
    END IF;
    account.citizen_id := citizen;
    account.account_id := ledger_account_id(citizen, subject, asset_name, purpose_name);
    account.subject_id := subject;
    account.asset := asset_name;
    account.purpose := purpose_name;
    INSERT INTO ledger_accounts (citizen_id, account_id, subject_id, asset, purpose, head_hash)
    VALUES (citizen, account.account_id, subject, asset_name, purpose_name,
        ledger_genesis_hash(account))
    ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT account FROM ledger_accounts a
    WHERE a.citizen_id = citizen AND a.account_id = account.account_id
    FOR UPDATE;
    RETURN account;
END $$;

-- The transfer row of a request, taken under the lock, not yet decided.
CREATE FUNCTION ledger_request(
    citizen uuid, transfer uuid, kind text, amount bigint, effective_on date, reason text,
    fingerprint bytea
) RETURNS ledger_transfers LANGUAGE plpgsql AS $$
DECLARE
    t ledger_transfers;
BEGIN
    IF amount NOT BETWEEN 1 AND 1000000000000 THEN
        RAISE EXCEPTION 'not an amount for the ledger: %', amount USING ERRCODE = '22023';
    ELSIF reason !~ '^[a-z0-9][a-z0-9_.-]{0,47}$' THEN
        RAISE EXCEPTION 'a reason is a short code' USING ERRCODE = '22023';
    END IF;
    t.citizen_id := citizen;
    t.transfer_id := transfer;
    t.kind := kind;
    t.outcome := 'accepted';
    t.amount_units := coalesce(amount, 0);
    t.shortfall_units := 0;
    t.created_at := clock_timestamp();
    t.effective_on := coalesce(effective_on, ledger_city_date(t.created_at));
    t.reason := reason;
    t.fingerprint := fingerprint;
    RETURN t;
END $$;

CREATE FUNCTION ledger_answer(t ledger_transfers, is_replay boolean) RETURNS ledger_result
LANGUAGE sql IMMUTABLE
RETURN ROW(t.outcome, t.refusal_code, is_replay, t.transfer_id, t.amount_units,
    t.balance_after_units, t.held_after_units, t.shortfall_units)::ledger_result;

CREATE FUNCTION ledger_accepted(t ledger_transfers, account ledger_accounts)
RETURNS ledger_result LANGUAGE sql IMMUTABLE
RETURN ROW('accepted', NULL, false, t.transfer_id, t.amount_units, account.balance_units,
    account.held_units, t.shortfall_units)::ledger_result;

-- What was answered to this id before; null when the id is new.
CREATE FUNCTION ledger_known(t ledger_transfers) RETURNS ledger_result LANGUAGE plpgsql AS $$
DECLARE
    first ledger_transfers;
BEGIN
    SELECT * INTO first FROM ledger_transfers x
    WHERE x.citizen_id = t.citizen_id AND x.transfer_id = t.transfer_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF first.fingerprint <> t.fingerprint THEN
        RETURN ROW('refused', 'id_reused', false, t.transfer_id, t.amount_units, NULL, NULL, 0)
            ::ledger_result;
    END IF;
    RETURN ledger_answer(first, true);
END $$;

-- A refusal is a row without entries: its id is burnt.
CREATE FUNCTION ledger_refuse(t ledger_transfers, account ledger_accounts, code text)
RETURNS ledger_result LANGUAGE plpgsql AS $$
BEGIN
    t.outcome := 'refused';
    t.refusal_code := code;
    t.asset := account.asset;
    t.balance_after_units := account.balance_units;
    t.held_after_units := account.held_units;
    t.hash := ledger_transfer_hash(t);
    INSERT INTO ledger_transfers VALUES (t.*) ON CONFLICT (citizen_id, transfer_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN ledger_known(t);
    END IF;
    RETURN ledger_answer(t, false);
END $$;

-- The citizen-side entry of a transfer, chained to the account's last one.
CREATE FUNCTION ledger_next_entry(
    account ledger_accounts, t ledger_transfers, delta bigint, counter_account uuid
) RETURNS ledger_entries LANGUAGE plpgsql AS $$
DECLARE
    e ledger_entries;
BEGIN
    e.citizen_id := t.citizen_id;
    e.transfer_id := t.transfer_id;
    e.account_id := account.account_id;
    e.amount_units := delta;
    e.effective_on := t.effective_on;
    e.balance_after_units := account.balance_units + delta;
    e.account_version := account.version + 1;
    e.created_at := t.created_at;
    e.previous_hash := account.head_hash;
    e.hash := ledger_entry_hash(e, t.hash, counter_account, -delta);
    RETURN e;
END $$;

-- Post a transfer between one citizen account and the programme: the transfer row, its two entries
-- (none when nothing moves) and the account.  Gives the account as it is now.
CREATE FUNCTION ledger_apply(
    account ledger_accounts, t ledger_transfers, delta bigint, held_delta bigint
) RETURNS ledger_accounts LANGUAGE plpgsql AS $$
DECLARE
    counter_account uuid := CASE WHEN delta > 0 THEN t.from_account_id ELSE t.to_account_id END;
    e ledger_entries;
BEGIN
    t.asset := account.asset;
    t.balance_after_units := account.balance_units + delta;
    t.held_after_units := account.held_units + held_delta;
    t.hash := ledger_transfer_hash(t);
    INSERT INTO ledger_transfers VALUES (t.*);
    IF delta <> 0 THEN
        e := ledger_next_entry(account, t, delta, counter_account);
        INSERT INTO ledger_entries VALUES (e.*),
            (t.citizen_id, t.transfer_id, counter_account, -delta, t.effective_on,
                NULL, NULL, NULL, NULL, t.created_at);
        account.balance_units := e.balance_after_units;
        account.version := e.account_version;
        account.head_hash := e.hash;
    END IF;
    account.held_units := t.held_after_units;
    UPDATE ledger_accounts a
    SET balance_units = account.balance_units, held_units = account.held_units,
        version = account.version, head_hash = account.head_hash
    WHERE a.citizen_id = account.citizen_id AND a.account_id = account.account_id;
    RETURN account;
END $$;

-- What may be spent or held on a day: posted minus held minus lots that are due but not yet swept;
-- without lots, down to the credit line.
CREATE FUNCTION ledger_available(account ledger_accounts, on_day date) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    due_units bigint;
BEGIN
    IF account.asset <> 'points' THEN
        RETURN account.balance_units - account.held_units + account.credit_line_units;
    END IF;
    SELECT coalesce(sum(l.remaining_units - l.held_units), 0) INTO due_units FROM ledger_lots l
    WHERE l.citizen_id = account.citizen_id AND l.account_id = account.account_id AND l.is_open
        AND l.expires_on <= on_day;
    RETURN account.balance_units - account.held_units - due_units;
END $$;

CREATE FUNCTION ledger_move_lot(t ledger_transfers, lot uuid, units bigint, released bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger_lots l
    SET remaining_units = l.remaining_units + units, held_units = l.held_units - released
    WHERE l.citizen_id = t.citizen_id AND l.lot_id = lot;
    IF units <> 0 THEN
        INSERT INTO ledger_lot_movements (citizen_id, transfer_id, lot_id, amount_units, effective_on)
        VALUES (t.citizen_id, t.transfer_id, lot, units, t.effective_on);
    END IF;
END $$;

-- Take points from lots: the first lot, the second lot, then earliest expiry, then granted first.
CREATE FUNCTION ledger_take_lots(
    account ledger_accounts, t ledger_transfers, wanted bigint, first_lot uuid, second_lot uuid
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    lot record;
    units bigint;
BEGIN
    FOR lot IN
        SELECT l.lot_id, l.remaining_units - l.held_units AS free_units FROM ledger_lots l
        WHERE l.citizen_id = account.citizen_id AND l.account_id = account.account_id
            AND l.is_open AND l.expires_on > t.effective_on AND l.remaining_units > l.held_units
        ORDER BY CASE l.lot_id WHEN first_lot THEN 0 WHEN second_lot THEN 1 ELSE 2 END,
            l.expires_on, l.granted_version
    LOOP
        EXIT WHEN wanted = 0;
        units := least(wanted, lot.free_units);
        PERFORM ledger_move_lot(t, lot.lot_id, -units, 0);
        wanted := wanted - units;
    END LOOP;
    ASSERT wanted = 0, 'lots and balance disagree';
END $$;

CREATE FUNCTION ledger_hold_lots(account ledger_accounts, t ledger_transfers)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    lot record;
    units bigint;
    wanted bigint := t.amount_units;
BEGIN
    FOR lot IN
        SELECT l.lot_id, l.remaining_units - l.held_units AS free_units FROM ledger_lots l
        WHERE l.citizen_id = account.citizen_id AND l.account_id = account.account_id
            AND l.is_open AND l.expires_on > t.effective_on AND l.remaining_units > l.held_units
        ORDER BY l.expires_on, l.granted_version
    LOOP
        EXIT WHEN wanted = 0;
        units := least(wanted, lot.free_units);
        PERFORM ledger_move_lot(t, lot.lot_id, 0, -units);
        INSERT INTO ledger_hold_lots (citizen_id, hold_id, lot_id, amount_units)
        VALUES (t.citizen_id, t.transfer_id, lot.lot_id, units);
        wanted := wanted - units;
    END LOOP;
    ASSERT wanted = 0, 'lots and balance disagree';
END $$;

-- Expire units of one lot on a day, by a transfer of its own.  Gives the account as it is now.
CREATE FUNCTION ledger_expire_units(
    account ledger_accounts, lot uuid, units bigint, on_day date
) RETURNS ledger_accounts LANGUAGE plpgsql AS $$
DECLARE
    t ledger_transfers := ledger_request(
        account.citizen_id, ledger_derived_id('expire', lot, account.version), 'expire', units,
        on_day, NULL, sha256(record_send(ROW('expire'::text, lot, units, on_day))));
BEGIN
    t.from_account_id := account.account_id;
    t.to_account_id := ledger_programme_account('points', 'expired');
    account := ledger_apply(account, t, -units, 0);
    PERFORM ledger_move_lot(t, lot, -units, 0);
    RETURN account;
END $$;

CREATE FUNCTION ledger_place_hold(
    account ledger_accounts, transfer uuid, amount bigint, expires_at timestamptz, reason text
) RETURNS ledger_result LANGUAGE plpgsql AS $$
DECLARE
    t ledger_transfers := ledger_request(
        account.citizen_id, transfer, 'hold', amount, NULL, reason,
        sha256(record_send(ROW('hold'::text, account.account_id, amount, expires_at, reason))));
    known ledger_result := ledger_known(t);
BEGIN
    IF known.outcome IS NOT NULL THEN
        RETURN known;
    END IF;
    t.from_account_id := account.account_id;
    t.to_account_id := CASE account.asset
        WHEN 'points' THEN ledger_programme_account('points', 'spent')
        ELSE ledger_programme_account('fen', 'claimed') END;
    t.hold_expires_at := expires_at;
    IF expires_at <= t.created_at THEN
        RETURN ledger_refuse(t, account, 'hold_expired');
    END IF;
    IF ledger_available(account, t.effective_on) < amount THEN
        RETURN ledger_refuse(t, account, CASE account.asset
            WHEN 'points' THEN 'insufficient_points' ELSE 'insufficient_credit' END);
    END IF;
    account := ledger_apply(account, t, 0, amount);
    INSERT INTO ledger_open_holds (citizen_id, hold_id, account_id, amount_units, expires_at)
    VALUES (t.citizen_id, t.transfer_id, account.account_id, amount, expires_at);
    IF account.asset = 'points' THEN
        PERFORM ledger_hold_lots(account, t);
    END IF;
    RETURN ledger_accepted(t, account);
END $$;

-- End the lots of a hold: `t.amount_units` of them are spent when it is a post, the rest is free
-- again; what comes back to a lot past its expiry expires at once.
CREATE FUNCTION ledger_release_lots(account ledger_accounts, t ledger_transfers) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    part record;
    wanted bigint := CASE t.kind WHEN 'post' THEN t.amount_units ELSE 0 END;
    units bigint;
BEGIN
    FOR part IN
        SELECT h.lot_id, h.amount_units, l.expires_on
        FROM ledger_hold_lots h
        JOIN ledger_lots l ON l.citizen_id = h.citizen_id AND l.lot_id = h.lot_id
        WHERE h.citizen_id = t.citizen_id AND h.hold_id = t.hold_id
        ORDER BY l.expires_on, l.granted_version
    LOOP
        units := least(wanted, part.amount_units);
        PERFORM ledger_move_lot(t, part.lot_id, -units, part.amount_units);
        wanted := wanted - units;
        IF units < part.amount_units AND part.expires_on <= t.effective_on THEN
            account := ledger_expire_units(
                account, part.lot_id, part.amount_units - units, t.effective_on);
        END IF;
    END LOOP;
    ASSERT wanted = 0, 'lots and hold disagree';
END $$;

-- Why a hold cannot end this way now; null when it can.
CREATE FUNCTION ledger_ending_refusal(held ledger_transfers, t ledger_transfers) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    IF held.transfer_id IS NULL THEN
        RETURN 'hold_not_found';
    ELSIF NOT EXISTS (SELECT FROM ledger_open_holds o
            WHERE o.citizen_id = held.citizen_id AND o.hold_id = held.transfer_id) THEN
        RETURN 'hold_ended';
    ELSIF t.kind = 'hold_expiry' AND held.hold_expires_at > t.created_at THEN
        RETURN 'hold_not_due';
    ELSIF t.kind <> 'hold_expiry' AND held.hold_expires_at <= t.created_at THEN
        RETURN 'hold_expired';
    ELSIF t.amount_units > held.amount_units THEN
        RETURN 'amount_too_large';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION ledger_end_hold(
    citizen uuid, transfer uuid, hold uuid, ending text, amount bigint, effective_on date
) RETURNS ledger_result LANGUAGE plpgsql AS $$
DECLARE
    held ledger_transfers;
    account ledger_accounts;
    t ledger_transfers;
    answer ledger_result;
    refusal text;
BEGIN
    SELECT * INTO held FROM ledger_transfers h
    WHERE h.citizen_id = citizen AND h.transfer_id = hold AND h.kind = 'hold'
        AND h.outcome = 'accepted';
    IF FOUND THEN
        SELECT * INTO STRICT account FROM ledger_accounts a
        WHERE a.citizen_id = citizen AND a.account_id = held.from_account_id
        FOR UPDATE;
    END IF;
    t := ledger_request(citizen, transfer, ending, amount, effective_on, NULL,
        sha256(record_send(ROW(ending, hold, amount, effective_on))));
    answer := ledger_known(t);
    IF answer.outcome IS NOT NULL THEN
        RETURN answer;
    END IF;
    t.hold_id := hold;
    t.from_account_id := held.from_account_id;
    t.to_account_id := held.to_account_id;
    t.amount_units := coalesce(amount, held.amount_units, 0);
    refusal := ledger_ending_refusal(held, t);
    IF refusal IS NOT NULL THEN
        RETURN ledger_refuse(t, account, refusal);
    END IF;
    IF ending = 'hold_expiry' THEN
        t.effective_on := ledger_city_date(held.hold_expires_at);
    END IF;
    DELETE FROM ledger_open_holds o WHERE o.citizen_id = citizen AND o.hold_id = hold;
    account := ledger_apply(account, t,
        CASE ending WHEN 'post' THEN -t.amount_units ELSE 0 END, -held.amount_units);
    answer := ledger_accepted(t, account);
    IF account.asset = 'points' THEN
        PERFORM ledger_release_lots(account, t);
    END IF;
    RETURN answer;
END $$;

-- Reverse a grant: what is available is taken, the rest is the noted shortfall.
CREATE FUNCTION ledger_reverse_grant(
    account ledger_accounts, origin ledger_transfers, t ledger_transfers, prefer_lot uuid
) RETURNS ledger_result LANGUAGE plpgsql AS $$
DECLARE
    lot ledger_lots;
    due_units bigint;
BEGIN
    SELECT * INTO STRICT lot FROM ledger_lots l
    WHERE l.citizen_id = origin.citizen_id AND l.lot_id = origin.transfer_id;
    IF lot.expires_on <= t.effective_on AND lot.remaining_units > lot.held_units THEN
        account := ledger_expire_units(
            account, lot.lot_id, lot.remaining_units - lot.held_units, lot.expires_on);
    END IF;
    SELECT origin.amount_units + coalesce(sum(m.amount_units), 0) INTO due_units
    FROM ledger_lot_movements m
    JOIN ledger_transfers x ON x.citizen_id = m.citizen_id AND x.transfer_id = m.transfer_id
    WHERE m.citizen_id = origin.citizen_id AND m.lot_id = origin.transfer_id AND x.kind = 'expire';
    t.from_account_id := account.account_id;
    t.to_account_id := ledger_programme_account('points', 'reversed');
    t.amount_units := least(due_units, ledger_available(account, t.effective_on));
    t.shortfall_units := due_units - t.amount_units;
    account := ledger_apply(account, t, -t.amount_units, 0);
    PERFORM ledger_take_lots(account, t, t.amount_units, lot.lot_id, prefer_lot);
    RETURN ledger_accepted(t, account);
END $$;

-- Reverse a spend or a post: the points return to their lots; those past their expiry expire at once.
CREATE FUNCTION ledger_reverse_spend(
    account ledger_accounts, origin ledger_transfers, t ledger_transfers
) RETURNS ledger_result LANGUAGE plpgsql AS $$
DECLARE
    part record;
    answer ledger_result;
BEGIN
    t.from_account_id := origin.to_account_id;
    t.to_account_id := account.account_id;
    t.amount_units := origin.amount_units;
    account := ledger_apply(account, t, t.amount_units, 0);
    answer := ledger_accepted(t, account);
    FOR part IN
        SELECT m.lot_id, -m.amount_units AS units, l.expires_on
        FROM ledger_lot_movements m
        JOIN ledger_lots l ON l.citizen_id = m.citizen_id AND l.lot_id = m.lot_id
        WHERE m.citizen_id = origin.citizen_id AND m.transfer_id = origin.transfer_id
        ORDER BY l.expires_on, l.granted_version
    LOOP
        PERFORM ledger_move_lot(t, part.lot_id, part.units, 0);
        IF part.expires_on <= t.effective_on THEN
            account := ledger_expire_units(account, part.lot_id, part.units, t.effective_on);
        END IF;
    END LOOP;
    RETURN answer;
END $$;
"""

# The published functions: the only writers.
PUBLISHED = """
-- Grant points as a new lot.  `subject` is whose account it is: the citizen's own id, or a household.
-- `effective_on` null is the database's day in Asia/Shanghai, here and below.
CREATE FUNCTION ledger_grant(
    citizen uuid, transfer uuid, subject uuid, amount bigint, expires_on date, effective_on date,
    reason text
) RETURNS ledger_result
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    account ledger_accounts := ledger_lock_account(citizen, subject, 'points', 'points');
    t ledger_transfers := ledger_request(
        citizen, transfer, 'grant', amount, effective_on, reason,
        sha256(record_send(
            ROW('grant'::text, subject, amount, expires_on, effective_on, reason))));
    known ledger_result := ledger_known(t);
BEGIN
    IF known.outcome IS NOT NULL THEN
        RETURN known;
    END IF;
    t.from_account_id := ledger_programme_account('points', 'issued');
    t.to_account_id := account.account_id;
    t.lot_expires_on := expires_on;
    IF expires_on <= t.effective_on THEN
        RETURN ledger_refuse(t, account, 'lot_expired');
    END IF;
    account := ledger_apply(account, t, amount, 0);
    INSERT INTO ledger_lots (citizen_id, lot_id, account_id, granted_units, granted_version,
        effective_on, expires_on, remaining_units, held_units)
    VALUES (citizen, transfer, account.account_id, amount, account.version,
        t.effective_on, t.lot_expires_on, amount, 0);
    RETURN ledger_accepted(t, account);
END $$;

-- Spend points, oldest expiry first.
CREATE FUNCTION ledger_spend(
    citizen uuid, transfer uuid, subject uuid, amount bigint, effective_on date, reason text
) RETURNS ledger_result
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    account ledger_accounts := ledger_lock_account(citizen, subject, 'points', 'points');
    t ledger_transfers := ledger_request(
        citizen, transfer, 'spend', amount, effective_on, reason,
        sha256(record_send(ROW('spend'::text, subject, amount, effective_on, reason))));
    known ledger_result := ledger_known(t);
BEGIN
    IF known.outcome IS NOT NULL THEN
        RETURN known;
    END IF;
    t.from_account_id := account.account_id;
    t.to_account_id := ledger_programme_account('points', 'spent');
    IF ledger_available(account, t.effective_on) < amount THEN
        RETURN ledger_refuse(t, account, 'insufficient_points');
    END IF;
    account := ledger_apply(account, t, -amount, 0);
    PERFORM ledger_take_lots(account, t, amount, NULL, NULL);
    RETURN ledger_accepted(t, account);
END $$;

-- Hold points of the subject; the lots are chosen now and do not expire before the hold ends.
CREATE FUNCTION ledger_hold(
    citizen uuid, transfer uuid, subject uuid, amount bigint, expires_at timestamptz, reason text
) RETURNS ledger_result
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN ledger_place_hold(ledger_lock_account(citizen, subject, 'points', 'points'),
        transfer, amount, expires_at, reason);
END $$;

-- Hold fen of a guarantee account (any account, by its purpose) within its credit line.
CREATE FUNCTION ledger_hold_fen(
    citizen uuid, transfer uuid, subject uuid, purpose text, amount bigint,
    expires_at timestamptz, reason text
) RETURNS ledger_result
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN ledger_place_hold(ledger_lock_account(citizen, subject, 'fen', purpose),
        transfer, amount, expires_at, reason);
END $$;

-- Post a hold, whole (`amount` null) or in part; the rest is released.  A whole hold of points is what
-- redeeming posts: it is written out here, from plain variables, because rows handed from function to
-- function cost a fifth of it.  Everything else, refusals and repetitions too, is for ledger_end_hold.
CREATE FUNCTION ledger_post_hold(
    citizen uuid, transfer uuid, hold uuid, amount bigint, effective_on date
) RETURNS ledger_result
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    spent CONSTANT uuid := ledger_programme_account('points', 'spent');
    moment timestamptz;
    account uuid;
    balance bigint;
    held bigint;
    next_version bigint;
    head bytea;
    units bigint;
    fingerprint bytea;
    transfer_hash bytea;
    entry_hash bytea;
BEGIN
    SELECT a.account_id, a.balance_units, a.held_units, a.version + 1, a.head_hash
    INTO account, balance, held, next_version, head
    FROM ledger_accounts a
    WHERE amount IS NULL AND a.citizen_id = citizen AND a.asset = 'points' AND a.account_id = (
        SELECT o.account_id FROM ledger_open_holds o
        WHERE o.citizen_id = citizen AND o.hold_id = hold)
    FOR UPDATE;
    moment := clock_timestamp();
    DELETE FROM ledger_open_holds o
    WHERE o.citizen_id = citizen AND o.hold_id = hold AND o.account_id = account
        AND o.expires_at > moment
        AND NOT EXISTS (SELECT FROM ledger_transfers t
            WHERE t.citizen_id = citizen AND t.transfer_id = transfer)
    RETURNING o.amount_units INTO units;
    IF NOT FOUND THEN
        RETURN ledger_end_hold(citizen, transfer, hold, 'post', amount, effective_on);
    END IF;
    fingerprint := sha256(record_send(ROW('post'::text, hold, amount, effective_on)));
    effective_on := coalesce(effective_on, ledger_city_date(moment));
    balance := balance - units;
    held := held - units;
    transfer_hash := ledger_transfer_hash(ROW(citizen, transfer, 'post', 'accepted', NULL, 'points',
        account, spent, units, 0, effective_on, NULL, hold, NULL, NULL, NULL, balance, held,
        fingerprint, NULL, moment)::ledger_transfers);
    INSERT INTO ledger_transfers VALUES (citizen, transfer, 'post', 'accepted', NULL, 'points',
        account, spent, units, 0, effective_on, NULL, hold, NULL, NULL, NULL, balance, held,
        fingerprint, transfer_hash, moment);
    entry_hash := ledger_entry_hash(ROW(citizen, transfer, account, -units, effective_on, balance,
        next_version, head, NULL, moment)::ledger_entries, transfer_hash, spent, units);
    INSERT INTO ledger_entries VALUES
        (citizen, transfer, account, -units, effective_on, balance, next_version, head, entry_hash,
            moment),
        (citizen, transfer, spent, units, effective_on, NULL, NULL, NULL, NULL, moment);
    UPDATE ledger_accounts a
    SET balance_units = balance, held_units = held, version = next_version, head_hash = entry_hash
    WHERE a.citizen_id = citizen AND a.account_id = account;
    WITH taken AS (
        UPDATE ledger_lots l
        SET remaining_units = l.remaining_units - h.amount_units,
            held_units = l.held_units - h.amount_units
        FROM ledger_hold_lots h
        WHERE h.citizen_id = citizen AND h.hold_id = hold
            AND l.citizen_id = citizen AND l.lot_id = h.lot_id
        RETURNING l.lot_id, h.amount_units
    )
    INSERT INTO ledger_lot_movements (citizen_id, transfer_id, lot_id, amount_units, effective_on)
    SELECT citizen, transfer, x.lot_id, -x.amount_units, ledger_post_hold.effective_on FROM taken x;
    RETURN ROW('accepted', NULL, false, transfer, units, balance, held, 0)::ledger_result;
END $$;

CREATE FUNCTION ledger_void_hold(citizen uuid, transfer uuid, hold uuid) RETURNS ledger_result
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN ledger_end_hold(citizen, transfer, hold, 'void', NULL, NULL);
END $$;

-- End a hold that is due by the database's clock.
CREATE FUNCTION ledger_expire_hold(citizen uuid, transfer uuid, hold uuid) RETURNS ledger_result
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN ledger_end_hold(citizen, transfer, hold, 'hold_expiry', NULL, NULL);
END $$;

-- Reverse a grant, a spend or a post, once.
CREATE FUNCTION ledger_reverse(
    citizen uuid, transfer uuid, reversed uuid, effective_on date, prefer_lot uuid
) RETURNS ledger_result
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    origin ledger_transfers;
    account ledger_accounts;
    t ledger_transfers;
    known ledger_result;
BEGIN
    SELECT * INTO origin FROM ledger_transfers x
    WHERE x.citizen_id = citizen AND x.transfer_id = reversed AND x.outcome = 'accepted';
    SELECT * INTO account FROM ledger_accounts a
    WHERE a.citizen_id = citizen AND a.account_id =
        CASE origin.kind WHEN 'grant' THEN origin.to_account_id ELSE origin.from_account_id END
    FOR UPDATE;
    t := ledger_request(citizen, transfer, 'reverse', NULL, effective_on, NULL,
        sha256(record_send(ROW('reverse'::text, reversed, effective_on, prefer_lot))));
    known := ledger_known(t);
    IF known.outcome IS NOT NULL THEN
        RETURN known;
    END IF;
    t.reverses_id := reversed;
    IF origin.transfer_id IS NULL THEN
        RETURN ledger_refuse(t, account, 'transfer_not_found');
    ELSIF origin.kind NOT IN ('grant', 'spend', 'post') THEN
        RETURN ledger_refuse(t, account, 'not_reversible');
    ELSIF EXISTS (SELECT FROM ledger_transfers x WHERE x.citizen_id = citizen
            AND x.reverses_id = reversed AND x.outcome = 'accepted') THEN
        RETURN ledger_refuse(t, account, 'already_reversed');
    ELSIF origin.kind = 'grant' THEN
        RETURN ledger_reverse_grant(account, origin, t, prefer_lot);
    END IF;
    RETURN ledger_reverse_spend(account, origin, t);
END $$;

-- Expire what is free in the lots due on a day, each on its own expiry date; gives the points expired.
CREATE FUNCTION ledger_expire_lots(citizen uuid, subject uuid, due_on date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    account ledger_accounts;
    lot record;
    expired bigint := 0;
BEGIN
    SELECT * INTO account FROM ledger_accounts a
    WHERE a.citizen_id = citizen AND a.subject_id = subject AND a.asset = 'points'
        AND a.purpose = 'points'
    FOR UPDATE;
    FOR lot IN
        SELECT l.lot_id, l.expires_on, l.remaining_units - l.held_units AS free_units
        FROM ledger_lots l
        WHERE l.citizen_id = citizen AND l.account_id = account.account_id AND l.is_open
            AND l.expires_on <= due_on AND l.remaining_units > l.held_units
        ORDER BY l.expires_on, l.granted_version
    LOOP
        account := ledger_expire_units(account, lot.lot_id, lot.free_units, lot.expires_on);
        expired := expired + lot.free_units;
    END LOOP;
    RETURN expired;
END $$;

-- The job's way to end a hold: nothing happens when it is not due or has ended.
CREATE FUNCTION ledger_sweep_hold(citizen uuid, hold uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    account uuid;
BEGIN
    SELECT o.account_id INTO account FROM ledger_open_holds o
    WHERE o.citizen_id = citizen AND o.hold_id = hold;
    PERFORM FROM ledger_accounts a
    WHERE a.citizen_id = citizen AND a.account_id = account FOR UPDATE;
    PERFORM FROM ledger_open_holds o
    WHERE o.citizen_id = citizen AND o.hold_id = hold AND o.expires_at <= clock_timestamp();
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    RETURN (ledger_end_hold(citizen, ledger_derived_id('hold_expiry', hold, 0), hold,
        'hold_expiry', NULL, NULL)).outcome = 'accepted';
END $$;

-- Move fen between two accounts of one citizen's partition, or between one and the programme.
CREATE FUNCTION ledger_transfer(
    citizen uuid, transfer uuid, from_account uuid, to_account uuid, amount bigint,
    effective_on date, reason text
) RETURNS ledger_result
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    account ledger_accounts;
    giver ledger_accounts;
    taker ledger_accounts;
    paid ledger_entries;
    taken ledger_entries;
    t ledger_transfers;
    known ledger_result;
BEGIN
    FOR account IN
        SELECT * FROM ledger_accounts a
        WHERE a.citizen_id = citizen AND a.account_id IN (from_account, to_account)
        ORDER BY a.account_id FOR UPDATE
    LOOP
        IF account.asset <> 'fen' THEN
            RAISE EXCEPTION 'points move by lots only' USING ERRCODE = '22023';
        ELSIF account.account_id = from_account THEN
            giver := account;
        ELSE
            taker := account;
        END IF;
    END LOOP;
    t := ledger_request(citizen, transfer, 'move', amount, effective_on, reason,
        sha256(record_send(
            ROW('move'::text, from_account, to_account, amount, effective_on, reason))));
    known := ledger_known(t);
    IF known.outcome IS NOT NULL THEN
        RETURN known;
    END IF;
    t.from_account_id := from_account;
    t.to_account_id := to_account;
    IF (giver.account_id IS NULL AND NOT ledger_is_programme_account(from_account))
            OR (taker.account_id IS NULL AND NOT ledger_is_programme_account(to_account))
            OR (giver.account_id IS NULL AND taker.account_id IS NULL) THEN
        RETURN ledger_refuse(t, giver, 'account_not_found');
    ELSIF giver.account_id IS NOT NULL AND ledger_available(giver, t.effective_on) < amount THEN
        RETURN ledger_refuse(t, giver, 'insufficient_credit');
    ELSIF taker.account_id IS NULL THEN
        giver := ledger_apply(giver, t, -amount, 0);
    ELSIF giver.account_id IS NULL THEN
        giver := ledger_apply(taker, t, amount, 0);
    ELSE
        t.asset := 'fen';
        t.balance_after_units := giver.balance_units - amount;
        t.held_after_units := giver.held_units;
        t.hash := ledger_transfer_hash(t);
        INSERT INTO ledger_transfers VALUES (t.*);
        paid := ledger_next_entry(giver, t, -amount, to_account);
        taken := ledger_next_entry(taker, t, amount, from_account);
        INSERT INTO ledger_entries VALUES (paid.*), (taken.*);
        UPDATE ledger_accounts a
        SET balance_units = e.balance_after_units, version = e.account_version, head_hash = e.hash
        FROM ledger_entries e
        WHERE a.citizen_id = citizen AND a.account_id = e.account_id
            AND e.citizen_id = citizen AND e.transfer_id = transfer;
        giver.balance_units := paid.balance_after_units;
    END IF;
    RETURN ledger_accepted(t, giver);
END $$;

-- Open an account if need be and set how far below zero it may go.
CREATE FUNCTION ledger_set_credit_line(
    citizen uuid, transfer uuid, subject uuid, asset text, purpose text, amount bigint
) RETURNS ledger_result
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    account ledger_accounts := ledger_lock_account(citizen, subject, asset, purpose);
    t ledger_transfers := ledger_request(citizen, transfer, 'credit_line', NULL, NULL, NULL,
        sha256(record_send(ROW('credit_line'::text, subject, asset, purpose, amount))));
    known ledger_result := ledger_known(t);
BEGIN
    IF known.outcome IS NOT NULL THEN
        RETURN known;
    ELSIF asset <> 'fen' OR amount < 0 THEN
        RAISE EXCEPTION 'a credit line is an amount of fen' USING ERRCODE = '22023';
    END IF;
    t.from_account_id := account.account_id;
    t.amount_units := amount;
    IF account.balance_units - account.held_units < -amount THEN
        RETURN ledger_refuse(t, account, 'credit_line_in_use');
    END IF;
    account := ledger_apply(account, t, 0, 0);
    UPDATE ledger_accounts a SET credit_line_units = amount
    WHERE a.citizen_id = citizen AND a.account_id = account.account_id;
    RETURN ledger_accepted(t, account);
END $$;

-- The points of a subject now: lots that are due do not count, swept or not.
CREATE FUNCTION ledger_balance(
    citizen uuid, subject uuid, OUT balance bigint, OUT held bigint, OUT available bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(a.balance_units - d.due_units, 0), coalesce(a.held_units, 0),
        coalesce(a.balance_units - d.due_units - a.held_units, 0)
    FROM (SELECT 1) AS always
    LEFT JOIN ledger_accounts a ON a.citizen_id = citizen AND a.subject_id = subject
        AND a.asset = 'points' AND a.purpose = 'points'
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(l.remaining_units - l.held_units), 0)::bigint AS due_units
        FROM ledger_lots l
        WHERE l.citizen_id = citizen AND l.account_id = a.account_id AND l.is_open
            AND l.expires_on <= ledger_city_date(now())
    ) AS d ON true
$$;
"""

# Heads are collected by the first byte of the citizen's id, then as one list: the same value on one
# server and on many.
ANCHORS = """
CREATE FUNCTION ledger_anchor_digest(anchor uuid, previous bytea) RETURNS bytea
LANGUAGE sql STABLE AS $$
    SELECT sha256(previous || coalesce(string_agg(b.digest, ''::bytea ORDER BY b.bucket), ''))
    FROM (
        SELECT get_byte(uuid_send(h.citizen_id), 0) AS bucket,
            sha256(string_agg(uuid_send(h.citizen_id) || uuid_send(h.account_id)
                || int8send(h.account_version) || h.head_hash, ''::bytea
                ORDER BY h.citizen_id, h.account_id, h.account_version)) AS digest
        FROM ledger_anchored_heads h WHERE h.anchor_id = anchor
        GROUP BY get_byte(uuid_send(h.citizen_id), 0)
    ) AS b
$$;

-- Anchor every head that moved since the last anchor; one anchor a day, its digest can be published.
CREATE FUNCTION ledger_anchor_heads(anchor uuid, on_day date) RETURNS ledger_anchors
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    made ledger_anchors;
    previous bytea;
    heads bigint;
BEGIN
    LOCK TABLE ledger_anchors IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO made FROM ledger_anchors a WHERE a.anchored_on = on_day;
    IF FOUND THEN
        RETURN made;
    END IF;
    SELECT a.digest INTO previous FROM ledger_anchors a ORDER BY a.anchored_on DESC LIMIT 1;
    previous := coalesce(previous, sha256('ledger anchors 1'));
    INSERT INTO ledger_anchored_heads (citizen_id, account_id, account_version, anchor_id, head_hash)
    SELECT a.citizen_id, a.account_id, a.version, anchor, a.head_hash
    FROM ledger_accounts a
    WHERE a.version > 0 AND NOT EXISTS (
        SELECT FROM ledger_anchored_heads h
        WHERE h.citizen_id = a.citizen_id AND h.account_id = a.account_id
            AND h.account_version = a.version);
    GET DIAGNOSTICS heads = ROW_COUNT;
    INSERT INTO ledger_anchors (anchor_id, anchored_on, previous_digest, digest, head_count)
    VALUES (anchor, on_day, previous, ledger_anchor_digest(anchor, previous), heads)
    RETURNING * INTO made;
    RETURN made;
END $$;
"""

RIGHTS = """
GRANT SELECT ON ledger_accounts, ledger_transfers, ledger_entries, ledger_lots,
    ledger_lot_movements, ledger_hold_lots, ledger_open_holds, ledger_anchors,
    ledger_anchored_heads TO card_web, card_job;
GRANT SELECT ON ledger_anchors TO card_report;
-- Even the functions cannot change these any more.  No foreign keys between ledger tables: their
-- checks would need the owner's right to update, and `flask ledger verify` finds orphans.
REVOKE UPDATE, DELETE, TRUNCATE ON ledger_transfers, ledger_entries, ledger_lot_movements,
    ledger_hold_lots, ledger_anchors, ledger_anchored_heads FROM CURRENT_USER;

DO $$
DECLARE
    f regprocedure;
    open_names text[] := ARRAY['ledger_grant', 'ledger_spend', 'ledger_hold', 'ledger_hold_fen',
        'ledger_post_hold', 'ledger_void_hold', 'ledger_expire_hold', 'ledger_reverse',
        'ledger_expire_lots', 'ledger_sweep_hold', 'ledger_transfer', 'ledger_set_credit_line',
        'ledger_balance', 'ledger_anchor_heads', 'ledger_city_date', 'ledger_programme_account',
        'ledger_is_programme_account', 'ledger_account_id', 'ledger_derived_id',
        'ledger_genesis_hash', 'ledger_transfer_hash', 'ledger_entry_hash', 'ledger_anchor_digest'];
BEGIN
    FOR f IN
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND starts_with(p.proname, 'ledger_')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
    FOR f IN
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY (open_names)
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO card_web, card_job', f);
    END LOOP;
END $$;
"""

DOWN = """
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND starts_with(p.proname, 'ledger_')
    LOOP
        -- One that another took along is gone, and has no name any more.
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_proc p WHERE p.oid = f);
        EXECUTE format('DROP FUNCTION %s CASCADE', f);
    END LOOP;
END $$;
DROP TABLE ledger_anchored_heads, ledger_anchors, ledger_open_holds, ledger_hold_lots,
    ledger_lot_movements, ledger_lots, ledger_entries, ledger_transfers, ledger_accounts;
DROP TYPE ledger_result;
"""


def upgrade() -> None:
    for part in (TABLES, PIECES, STEPS, PUBLISHED, ANCHORS, RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute(DOWN)

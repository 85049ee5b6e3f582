"""Granting in bulk: the grants of many citizens in a handful of statements, in the given order."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# What ledger_grant writes, for many grants at once: each to the citizen's own account.  Every id is
# new and every grant is possible, or nothing is posted: an id that is known breaks a key.
GRANTS = """
-- The hash of an entry as a running aggregate: each one follows the one before of its account.
CREATE FUNCTION ledger_chained_hash(
    previous bytea, head bytea, citizen uuid, transfer uuid, account uuid, amount bigint,
    effective_on date, balance_after bigint, account_version bigint, created_at timestamptz,
    transfer_hash bytea, counter_account uuid
) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ledger_entry_hash(
        ROW(citizen, transfer, account, amount, effective_on, balance_after, account_version,
            coalesce(previous, head), NULL, created_at)::ledger_entries,
        transfer_hash, counter_account, -amount);
END $$;
CREATE AGGREGATE ledger_hash_chain(
    bytea, uuid, uuid, uuid, bigint, date, bigint, bigint, timestamptz, bytea, uuid
) (SFUNC = ledger_chained_hash, STYPE = bytea);

CREATE FUNCTION ledger_grant_many(
    citizens uuid[], transfers uuid[], amounts bigint[], expiries date[], effective_on date,
    reason text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    issued CONSTANT uuid := ledger_programme_account('points', 'issued');
    moment timestamptz;
    day date;
BEGIN
    INSERT INTO ledger_accounts (citizen_id, account_id, subject_id, asset, purpose, head_hash)
    SELECT c.citizen, i.account, c.citizen, 'points', 'points', ledger_genesis_hash(
        ROW(c.citizen, i.account, c.citizen, 'points', 'points', 0, 0, 0, 0, NULL, NULL)
            ::ledger_accounts)
    FROM (SELECT DISTINCT unnest(citizens) AS citizen) c
    CROSS JOIN LATERAL (
        SELECT ledger_account_id(c.citizen, c.citizen, 'points', 'points') AS account) i
    WHERE NOT EXISTS (SELECT FROM ledger_accounts a WHERE a.citizen_id = c.citizen
        AND a.subject_id = c.citizen AND a.asset = 'points' AND a.purpose = 'points')
    ON CONFLICT DO NOTHING;
    PERFORM FROM ledger_accounts a
    WHERE a.citizen_id = ANY (citizens) AND a.subject_id = a.citizen_id AND a.asset = 'points'
        AND a.purpose = 'points'
    ORDER BY a.account_id FOR UPDATE;
    moment := clock_timestamp();
    day := coalesce(effective_on, ledger_city_date(moment));
    PERFORM ledger_request(NULL, NULL, 'grant', g.amount, day, reason, NULL)
    FROM (SELECT min(amount) FROM unnest(amounts) AS amount
        UNION ALL SELECT max(amount) FROM unnest(amounts) AS amount) AS g (amount);
    IF EXISTS (SELECT FROM unnest(expiries) AS e (expires_on) WHERE e.expires_on <= day) THEN
        RAISE EXCEPTION 'a lot that has expired cannot be granted' USING ERRCODE = '22023';
    END IF;
    WITH placed AS (
        SELECT g.*, a.account_id, a.head_hash, a.held_units,
            a.balance_units + sum(g.amount) OVER chain AS balance_after,
            a.version + row_number() OVER chain AS account_version,
            row_number() OVER (PARTITION BY g.citizen ORDER BY g.place DESC) = 1 AS is_last
        FROM unnest(citizens, transfers, amounts, expiries) WITH ORDINALITY
            AS g (citizen, transfer, amount, expires_on, place)
        JOIN ledger_accounts a ON a.citizen_id = g.citizen AND a.subject_id = g.citizen
            AND a.asset = 'points' AND a.purpose = 'points'
        WINDOW chain AS (PARTITION BY g.citizen ORDER BY g.place)
    ), requested AS (
        SELECT p.*, sha256(record_send(ROW('grant'::text, p.citizen, p.amount, p.expires_on,
            ledger_grant_many.effective_on, reason))) AS fingerprint
        FROM placed p
    ), hashed AS MATERIALIZED (
        SELECT r.*, ledger_transfer_hash(ROW(r.citizen, r.transfer, 'grant', 'accepted', NULL,
            'points', issued, r.account_id, r.amount, 0, day, reason, NULL, NULL, r.expires_on,
            NULL, r.balance_after, r.held_units, r.fingerprint, NULL, moment)::ledger_transfers)
            AS transfer_hash
        FROM requested r
    ), chained AS MATERIALIZED (
        SELECT h.*, ledger_hash_chain(h.head_hash, h.citizen, h.transfer, h.account_id, h.amount,
            day, h.balance_after::bigint, h.account_version, moment, h.transfer_hash, issued)
            OVER (PARTITION BY h.citizen ORDER BY h.place) AS entry_hash
        FROM hashed h
    ), kept_transfers AS (
        INSERT INTO ledger_transfers
        SELECT c.citizen, c.transfer, 'grant', 'accepted', NULL, 'points', issued, c.account_id,
            c.amount, 0, day, reason, NULL, NULL, c.expires_on, NULL, c.balance_after,
            c.held_units, c.fingerprint, c.transfer_hash, moment
        FROM chained c
    ), kept_entries AS (
        INSERT INTO ledger_entries
        SELECT c.citizen, c.transfer, c.account_id, c.amount, day, c.balance_after,
            c.account_version, lag(c.entry_hash, 1, c.head_hash)
                OVER (PARTITION BY c.citizen ORDER BY c.place), c.entry_hash, moment
        FROM chained c
        UNION ALL
        SELECT c.citizen, c.transfer, issued, -c.amount, day, NULL, NULL, NULL, NULL, moment
        FROM chained c
    ), kept_lots AS (
        INSERT INTO ledger_lots (citizen_id, lot_id, account_id, granted_units, granted_version,
            effective_on, expires_on, remaining_units, held_units)
        SELECT c.citizen, c.transfer, c.account_id, c.amount, c.account_version, day, c.expires_on,
            c.amount, 0
        FROM chained c
    )
    UPDATE ledger_accounts a
    SET balance_units = c.balance_after, version = c.account_version, head_hash = c.entry_hash
    FROM chained c
    WHERE c.is_last AND a.citizen_id = c.citizen AND a.account_id = c.account_id;
END $$;

REVOKE ALL ON FUNCTION ledger_chained_hash(bytea, bytea, uuid, uuid, uuid, bigint, date, bigint,
    bigint, timestamptz, bytea, uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION ledger_hash_chain(bytea, uuid, uuid, uuid, bigint, date, bigint, bigint,
    timestamptz, bytea, uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION ledger_grant_many(uuid[], uuid[], bigint[], date[], date, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_grant_many(uuid[], uuid[], bigint[], date[], date, text)
    TO card_web, card_job;
"""


def upgrade() -> None:
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("""
    DROP FUNCTION ledger_grant_many(uuid[], uuid[], bigint[], date[], date, text);
    DROP AGGREGATE ledger_hash_chain(bytea, uuid, uuid, uuid, bigint, date, bigint, bigint,
        timestamptz, bytea, uuid);
    DROP FUNCTION ledger_chained_hash(bytea, bytea, uuid, uuid, uuid, bigint, date, bigint, bigint,
        timestamptz, bytea, uuid);
    """)

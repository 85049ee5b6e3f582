"""Seals over the trail: a line that was changed, taken out or put in later is seen.

A job closes what has come in by the hour: it writes each line's hash beside it, and a seal over the
hashes and the seal before.  Nobody waits for it, and a line of a transaction that ends late comes
under the next seal.
"""

from alembic import op

revision = "0114"
down_revision = "0113"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE trail_entries ADD COLUMN seal_number bigint, ADD COLUMN line_hash bytea;
ALTER TABLE trail_acts ADD COLUMN seal_number bigint, ADD COLUMN line_hash bytea;
-- Lines that are written wait while a table is read once.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_trail_entries__unsealed ON trail_entries (created_at) WHERE seal_number IS NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_trail_entries__seal_number ON trail_entries (seal_number)
    WHERE seal_number IS NOT NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_trail_acts__unsealed ON trail_acts (created_at) WHERE seal_number IS NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_trail_acts__seal_number ON trail_acts (seal_number) WHERE seal_number IS NOT NULL;
"""

SEALS = """
-- `lines_digest` is over the hashes of the lines, `reached_at` the latest time of any line so far.
CREATE TABLE trail_seals (
    register text NOT NULL,
    seal_number bigint NOT NULL,
    line_count bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    reached_at timestamptz NOT NULL,
    lines_digest bytea NOT NULL,
    previous_digest bytea NOT NULL,
    digest bytea NOT NULL,
    made_at timestamptz NOT NULL,
    emptied_at timestamptz,
    CONSTRAINT pk_trail_seals PRIMARY KEY (register, seal_number),
    CONSTRAINT ck_trail_seals__line_count CHECK (line_count > 0)
);
CREATE INDEX ix_trail_seals__full ON trail_seals (register, last_at) WHERE emptied_at IS NULL;
GRANT SELECT ON trail_seals TO card_web, card_job, card_report;
-- Not even the functions change what a line or a seal says.
REVOKE UPDATE, TRUNCATE ON trail_entries, trail_acts FROM CURRENT_USER;
GRANT UPDATE (seal_number, line_hash) ON trail_entries, trail_acts TO CURRENT_USER;
REVOKE DELETE ON trail_acts FROM CURRENT_USER;
REVOKE UPDATE, DELETE, TRUNCATE ON trail_seals FROM CURRENT_USER;
GRANT UPDATE (emptied_at) ON trail_seals TO CURRENT_USER;
"""

HASHES = """
CREATE FUNCTION trail_line_hash(t trail_entries) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(record_send(ROW(
    'trail entry 1'::text, t.citizen_id, t.trail_id, t.actor_kind, t.actor_id, t.action,
    t.fields, t.reason, t.basis, t.created_at)));

CREATE FUNCTION trail_line_hash(t trail_acts) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(record_send(ROW(
    'trail act 1'::text, t.act_id, t.actor_kind, t.actor_id, t.action, t.subject, t.reason,
    t.basis, t.created_at)));

CREATE FUNCTION trail_seal_hash(s trail_seals) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(record_send(ROW(
    'trail seal 1'::text, s.register, s.seal_number, s.line_count, s.first_at, s.last_at,
    s.reached_at, s.lines_digest, s.previous_digest, s.made_at)));

-- What names a line of a register.
CREATE FUNCTION trail_keys(register text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE register
    WHEN 'trail_entries' THEN 'citizen_id, trail_id'
    WHEN 'trail_acts' THEN 'act_id'
END;
"""

SEALING = """
-- Puts the oldest lines that have none under a seal: of one hour, at most so many; how many.
CREATE FUNCTION trail_seal(kept_register text, batch_max integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    oldest_at timestamptz;
    before trail_seals;
    made trail_seals;
BEGIN
    LOCK TABLE trail_seals IN SHARE ROW EXCLUSIVE MODE;
    EXECUTE format('SELECT min(created_at) FROM %I WHERE seal_number IS NULL', kept_register)
        INTO oldest_at;
    IF oldest_at IS NULL THEN
        RETURN 0;
    END IF;
    SELECT * INTO before FROM trail_seals s WHERE s.register = kept_register
    ORDER BY s.seal_number DESC LIMIT 1;
    made.register := kept_register;
    made.seal_number := coalesce(before.seal_number, 0) + 1;
    made.previous_digest := coalesce(before.digest, sha256(convert_to(kept_register, 'UTF8')));
    EXECUTE format(
        'WITH sealed AS (
            UPDATE %1$I AS t SET seal_number = $1, line_hash = trail_line_hash(t)
            WHERE (%2$s) IN (
                SELECT %2$s FROM %1$I WHERE seal_number IS NULL AND created_at < $2
                ORDER BY created_at LIMIT $3)
            RETURNING t.created_at, t.line_hash
        )
        SELECT count(*), min(created_at), max(created_at),
            sha256(string_agg(line_hash, '''' ORDER BY line_hash)) FROM sealed',
        kept_register, trail_keys(kept_register))
    INTO made.line_count, made.first_at, made.last_at, made.lines_digest
    USING made.seal_number, date_trunc('hour', oldest_at) + interval '1 hour', batch_max;
    made.reached_at := greatest(before.reached_at, made.last_at);
    made.made_at := clock_timestamp();
    made.digest := trail_seal_hash(made);
    INSERT INTO trail_seals SELECT made.*;
    RETURN made.line_count;
END $$;

-- Deletes the lines of whole seals that are older than so many days, until they are so many; how
-- many.  The seals stay, so that what is left still proves.
CREATE FUNCTION trail_empty(kept_register text, kept_days integer, batch_max integer)
RETURNS integer LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    due bigint;
    gone integer;
    total integer := 0;
BEGIN
    LOCK TABLE trail_seals IN SHARE ROW EXCLUSIVE MODE;
    FOR due IN
        SELECT s.seal_number FROM trail_seals s
        WHERE s.register = kept_register AND s.emptied_at IS NULL
            AND s.last_at < now() - make_interval(days => kept_days)
        ORDER BY s.last_at LIMIT batch_max
    LOOP
        EXECUTE format('DELETE FROM %I WHERE seal_number = $1', kept_register) USING due;
        GET DIAGNOSTICS gone = ROW_COUNT;
        UPDATE trail_seals s SET emptied_at = clock_timestamp()
        WHERE s.register = kept_register AND s.seal_number = due;
        total := total + gone;
        EXIT WHEN total >= batch_max;
    END LOOP;
    RETURN total;
END $$;

CREATE OR REPLACE FUNCTION trail_prune(batch_max integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN trail_empty('trail_entries', 1830, batch_max);
END $$;
"""

RIGHTS = """
REVOKE ALL ON FUNCTION trail_line_hash(trail_entries), trail_line_hash(trail_acts),
    trail_seal_hash(trail_seals), trail_keys(text), trail_seal(text, integer),
    trail_empty(text, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trail_line_hash(trail_entries), trail_line_hash(trail_acts),
    trail_seal_hash(trail_seals) TO card_web, card_job;
GRANT EXECUTE ON FUNCTION trail_seal(text, integer) TO card_job;
"""

DOWN = """
CREATE OR REPLACE FUNCTION trail_prune(batch_max integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE gone integer;
    BEGIN
        DELETE FROM trail_entries t USING (
            SELECT o.citizen_id, o.trail_id FROM trail_entries o
            WHERE o.created_at < now() - interval '1830 days' LIMIT batch_max
        ) old
        WHERE t.citizen_id = old.citizen_id AND t.trail_id = old.trail_id;
        GET DIAGNOSTICS gone = ROW_COUNT;
        RETURN gone;
    END $$;
DROP FUNCTION trail_seal(text, integer);
DROP FUNCTION trail_empty(text, integer, integer);
DROP FUNCTION trail_keys(text);
DROP FUNCTION trail_line_hash(trail_entries);
DROP FUNCTION trail_line_hash(trail_acts);
DROP FUNCTION trail_seal_hash(trail_seals);
DROP TABLE trail_seals;
ALTER TABLE trail_entries DROP COLUMN seal_number, DROP COLUMN line_hash;
ALTER TABLE trail_acts DROP COLUMN seal_number, DROP COLUMN line_hash;
GRANT UPDATE, TRUNCATE ON trail_entries, trail_acts TO CURRENT_USER;
GRANT DELETE ON trail_acts TO CURRENT_USER;
"""


def upgrade() -> None:
    for part in (COLUMNS, SEALS, HASHES, SEALING, RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute(DOWN)

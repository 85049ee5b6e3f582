"""Blind indexes under the keys of a ring: claimed under each, moved from one to the next."""

from alembic import op

revision = "0119"
down_revision = "0118"
branch_labels = None
depends_on = None

GRANTS = (
    ("UPDATE (wrapped_key)", "citizen_keys"),
    ("SELECT (staff_id, totp_sealed)", "staff_credentials"),
    ("UPDATE (totp_sealed)", "staff_credentials"),
    ("SELECT (credential_id, secret_hash, secret_sealed, ended_at)", "source_credentials"),
    ("UPDATE (secret_hash, secret_sealed)", "source_credentials"),
)
FUNCTIONS = (
    "citizen_lookup_claim(text, uuid[], bytea[], bigint[])",
    "citizen_lookup_add(text, uuid[], bytea[], bigint)",
    "citizen_lookup_forget(text, bigint, bytea, bigint)",
    "sessions_refreshed_before(uuid)",
)


def upgrade() -> None:
    op.execute("""
    -- The key of the ring that the index was made with; null: made before that was written down.
    ALTER TABLE citizen_lookup ADD COLUMN key_id bigint;

    -- Bind indexes to citizens, one under each key of the ring; the citizens who have all of theirs.
    -- Processes may know different keys while these change: whoever loses one index gives up all, so
    -- that no index is left that stands for nobody.  Sorted, so that nobody waits in a circle.
    CREATE FUNCTION citizen_lookup_claim(
        lookup text, citizens uuid[], indexes bytea[], key_ids bigint[]
    ) RETURNS SETOF uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        INSERT INTO citizen_lookup (blind_index, purpose, citizen_id, key_id)
        SELECT w.blind_index, lookup, w.citizen_id, w.key_id
        FROM unnest(indexes, citizens, key_ids) AS w (blind_index, citizen_id, key_id)
        ORDER BY w.blind_index
        ON CONFLICT DO NOTHING;
        RETURN QUERY
        WITH wanted AS (
            SELECT w.blind_index, w.citizen_id
            FROM unnest(indexes, citizens) AS w (blind_index, citizen_id)
        ), lost AS (
            SELECT DISTINCT w.citizen_id FROM wanted w
            JOIN citizen_lookup l ON l.blind_index = w.blind_index AND l.purpose = lookup
            WHERE l.citizen_id <> w.citizen_id
        ), given_up AS (
            DELETE FROM citizen_lookup l USING wanted w, lost
            WHERE w.citizen_id = lost.citizen_id AND l.citizen_id = w.citizen_id
                AND l.blind_index = w.blind_index AND l.purpose = lookup
        )
        SELECT DISTINCT w.citizen_id FROM wanted w
        WHERE NOT EXISTS (SELECT FROM lost WHERE lost.citizen_id = w.citizen_id);
    END $$;

    -- The index under the active key beside the older ones; how many.  An erasure under way waits, or
    -- is over and leaves nothing to add: a person's row goes before their indexes do.
    CREATE FUNCTION citizen_lookup_add(
        lookup text, citizens uuid[], indexes bytea[], active bigint
    ) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        living uuid[];
        added bigint;
    BEGIN
        IF lookup = 'id_number' THEN
            living := ARRAY(SELECT p.citizen_id FROM citizen_profiles p
                WHERE p.citizen_id = ANY (citizens) ORDER BY p.citizen_id FOR KEY SHARE);
        ELSE
            living := ARRAY(SELECT w.citizen_id FROM wechat_identities w
                WHERE w.citizen_id = ANY (citizens) ORDER BY w.citizen_id FOR KEY SHARE);
        END IF;
        INSERT INTO citizen_lookup AS l (blind_index, purpose, citizen_id, key_id)
        SELECT w.blind_index, lookup, w.citizen_id, active
        FROM unnest(indexes, citizens) AS w (blind_index, citizen_id)
        WHERE w.citizen_id = ANY (living) ORDER BY w.blind_index
        ON CONFLICT (blind_index, purpose) DO UPDATE SET key_id = excluded.key_id
            WHERE l.citizen_id = excluded.citizen_id;
        GET DIAGNOSTICS added = ROW_COUNT;
        RETURN added;
    END $$;

    -- Forget the indexes under other keys of citizens who have one under the active key: a batch in
    -- the order of the indexes; where to go on, null at the end, and how many.
    CREATE FUNCTION citizen_lookup_forget(
        lookup text, active bigint, after bytea, batch bigint,
        OUT last_index bytea, OUT forgotten bigint
    )
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        doomed bytea[];
    BEGIN
        doomed := ARRAY(
            SELECT o.blind_index FROM citizen_lookup o
            WHERE o.purpose = lookup AND o.blind_index > after AND o.key_id IS DISTINCT FROM active
                AND EXISTS (SELECT FROM citizen_lookup a WHERE a.citizen_id = o.citizen_id
                    AND a.purpose = lookup AND a.key_id = active)
            ORDER BY o.blind_index LIMIT batch
        );
        DELETE FROM citizen_lookup o WHERE o.purpose = lookup AND o.blind_index = ANY (doomed);
        GET DIAGNOSTICS forgotten = ROW_COUNT;
        last_index := doomed[batch];
    END $$;

    -- How many live sessions have their newest refresh token from before this UUIDv7.
    CREATE FUNCTION sessions_refreshed_before(token uuid) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    BEGIN ATOMIC
        SELECT (SELECT count(*) FROM citizen_sessions c
                WHERE c.ended_at IS NULL AND c.expires_at > now() AND c.refresh_id < token)
             + (SELECT count(*) FROM staff_sessions s JOIN staff_refreshes r
                ON r.staff_id = s.staff_id AND r.session_id = s.session_id
                WHERE s.ended_at IS NULL AND s.expires_at > now() AND r.refresh_id < token)
             + (SELECT count(*) FROM source_sessions o
                WHERE o.ended_at IS NULL AND o.expires_at > now() AND o.refresh_id < token);
    END;
    """)
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute("""
    GRANT EXECUTE ON FUNCTION citizen_lookup_claim(text, uuid[], bytea[], bigint[])
        TO card_web, card_job;
    GRANT EXECUTE ON FUNCTION citizen_lookup_add(text, uuid[], bytea[], bigint) TO card_job;
    GRANT EXECUTE ON FUNCTION citizen_lookup_forget(text, bigint, bytea, bigint) TO card_job;
    GRANT EXECUTE ON FUNCTION sessions_refreshed_before(uuid) TO card_job;
    """)
    for rights, table in GRANTS:
        op.execute(f"GRANT {rights} ON {table} TO card_job")


def downgrade() -> None:
    for rights, table in GRANTS:
        op.execute(f"REVOKE {rights} ON {table} FROM card_job")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.execute("ALTER TABLE citizen_lookup DROP COLUMN key_id")

"""The second wall between merchants: row-level security, keyed by a setting of the transaction (ADR 16)."""

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

WALLED = ("merchants", "shops", "merchant_staff", "devices", "device_invitations")
FUNCTIONS = (
    "merchant_wall_down(regclass)", "merchant_wall(regclass)", "merchant_enter_wall(uuid)",
    "merchant_shops_behind_wall()", "merchant_behind_wall()",
)  # fmt: skip


def upgrade() -> None:
    op.execute("""
    -- Whose rows the transaction may see; null: it is not on a merchant's side.
    CREATE FUNCTION merchant_behind_wall() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('card.merchant_id', true), '')::uuid;

    CREATE FUNCTION merchant_shops_behind_wall() RETURNS uuid[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        RETURN ARRAY(SELECT s.shop_id FROM shops s WHERE s.merchant_id = merchant_behind_wall());
    END $$;

    -- Narrow the open transaction to the merchant of a staff account; one that works for nobody, or
    -- not any more, sees nothing.  The setting ends with the transaction.
    CREATE FUNCTION merchant_enter_wall(staff uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        PERFORM set_config('card.merchant_id', coalesce(
            (SELECT w.merchant_id::text FROM merchant_staff w WHERE w.staff_id = staff AND w.active),
            '00000000-0000-0000-0000-000000000000'), true);
    END $$;

    -- For migrations: put a table behind the wall, by its merchant_id, else by its shop_id.  A row that
    -- belongs to no merchant yet (null) is on neither side.  What the table's owner does, functions
    -- with rights too, goes past the wall.
    CREATE FUNCTION merchant_wall(walled regclass) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        columns text[] := ARRAY(SELECT attname::text FROM pg_attribute
                                WHERE attrelid = walled AND attname IN ('merchant_id', 'shop_id'));
        own text := CASE
            WHEN 'merchant_id' = ANY (columns) THEN 'merchant_id = (SELECT merchant_behind_wall())'
            WHEN 'shop_id' = ANY (columns)
                THEN 'shop_id = ANY ((SELECT merchant_shops_behind_wall())::uuid[])'
        END;
    BEGIN
        IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = walled AND attname = 'merchant_id'
                   AND NOT attnotnull) THEN
            own := own || ' OR merchant_id IS NULL';
        END IF;
        EXECUTE format('CREATE POLICY merchant_wall ON %s USING ((SELECT merchant_behind_wall()) IS NULL OR %s)',
                       walled, own);
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', walled);
    END $$;

    CREATE FUNCTION merchant_wall_down(walled regclass) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('DROP POLICY merchant_wall ON %s', walled);
    END $$;
    """)
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute("""
    GRANT EXECUTE ON FUNCTION merchant_behind_wall(), merchant_shops_behind_wall()
        TO card_web, card_job, card_report;
    GRANT EXECUTE ON FUNCTION merchant_enter_wall(uuid) TO card_web;
    """)
    for table in WALLED:
        op.execute(f"SELECT merchant_wall('{table}')")


def downgrade() -> None:
    for table in WALLED:
        op.execute(f"SELECT merchant_wall_down('{table}')")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")

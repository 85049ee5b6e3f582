"""What is disputed, marked for every room that shows it."""

from alembic import op

revision = "0083"
down_revision = "0082"
branch_labels = None
depends_on = None

ERASE = "disputes_erase(uuid)"


def upgrade() -> None:
    op.execute("""
    CREATE TABLE disputed_items (
        citizen_id uuid NOT NULL,
        objection_id uuid NOT NULL,
        kind text NOT NULL,
        item text NOT NULL,
        marked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        lifted_at timestamptz,
        CONSTRAINT pk_disputed_items PRIMARY KEY (citizen_id, objection_id),
        CONSTRAINT ck_disputed_items__kind CHECK (kind IN ('record', 'redemption', 'claim', 'order'))
    );
    CREATE INDEX ix_disputed_items__item ON disputed_items (citizen_id, kind, item)
        WHERE lifted_at IS NULL;
    """)
    op.execute("""
    CREATE FUNCTION disputes_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM disputed_items d WHERE d.citizen_id = citizen;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {ERASE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {ERASE} TO card_job")
    op.execute("""
    GRANT SELECT, INSERT, UPDATE (marked_at, lifted_at) ON disputed_items TO card_web;
    GRANT SELECT ON disputed_items TO card_job, card_report;
    """)


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {ERASE}")
    op.execute("DROP TABLE disputed_items")

"""Database roles."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Roles belong to the whole server: an administrator may have made them before, with passwords.
    op.execute("""
    DO $$
    DECLARE role_name text;
    BEGIN
        FOREACH role_name IN ARRAY ARRAY['card_web', 'card_job', 'card_report'] LOOP
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
                EXECUTE format('CREATE ROLE %I LOGIN', role_name);
            END IF;
        END LOOP;
    END $$;
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    GRANT USAGE ON SCHEMA public TO card_web, card_job, card_report;
    ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    """)


def downgrade() -> None:
    # The roles stay: other databases of the server may use them.
    op.execute("""
    ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
    REVOKE USAGE ON SCHEMA public FROM card_web, card_job, card_report;
    """)

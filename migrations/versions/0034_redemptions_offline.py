"""Offline codes: the issuing ledger, without which nothing is signed."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- One row per signed code.  `reference` names the voucher in every code of it; `payload` is what
    -- was signed, so that the same code can be shown again; `slot` is its place in the deny list.
    CREATE TABLE offline_issues (
        code_digest bytea NOT NULL,
        reference uuid NOT NULL,
        citizen_id uuid NOT NULL,
        voucher_id uuid NOT NULL,
        benefit_code text NOT NULL,
        kid bytea NOT NULL,
        slot bigint NOT NULL,
        payload bytea NOT NULL,
        not_before_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        issued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pk_offline_issues PRIMARY KEY (code_digest),
        CONSTRAINT ck_offline_issues__code_digest CHECK (octet_length(code_digest) = 32),
        CONSTRAINT ck_offline_issues__life CHECK (
            expires_at > not_before_at AND expires_at <= not_before_at + interval '24 hours')
    );
    CREATE INDEX ix_offline_issues__citizen_id_voucher_id ON offline_issues (citizen_id, voucher_id);
    CREATE INDEX ix_offline_issues__expires_at ON offline_issues (expires_at);
    CREATE SEQUENCE offline_slots AS bigint MINVALUE 0;
    GRANT SELECT, INSERT ON offline_issues TO card_web, card_job;
    GRANT USAGE ON SEQUENCE offline_slots TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP SEQUENCE offline_slots")
    op.execute("DROP TABLE offline_issues")

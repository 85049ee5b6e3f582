"""Numbers of service orders at WeChat Pay, and the notices that were taken."""

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE pay_score_numbers (
        out_order_no text NOT NULL,
        citizen_id uuid NOT NULL,
        order_id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_pay_score_numbers PRIMARY KEY (out_order_no),
        CONSTRAINT ck_pay_score_numbers__out_order_no CHECK (out_order_no ~ '^[0-9a-f]{32}$')
    );
    CREATE TABLE pay_score_notices (
        notice_id text NOT NULL,
        taken_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_pay_score_notices PRIMARY KEY (notice_id)
    );
    CREATE INDEX ix_pay_score_notices__taken_at ON pay_score_notices (taken_at);
    GRANT SELECT ON pay_score_numbers TO card_web;
    GRANT SELECT, INSERT ON pay_score_numbers TO card_job;
    GRANT SELECT, INSERT ON pay_score_notices TO card_web;
    GRANT SELECT, DELETE ON pay_score_notices TO card_job;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE pay_score_notices, pay_score_numbers")

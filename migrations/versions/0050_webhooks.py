"""Webhooks of merchants: endpoints, deliveries, attempts; every key begins with the merchant."""

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

TABLES = ("webhook_endpoints", "webhook_deliveries", "webhook_attempts")


def upgrade() -> None:
    op.execute("""
    CREATE TABLE webhook_endpoints (
        merchant_id uuid NOT NULL,
        endpoint_id uuid NOT NULL,
        url text NOT NULL,
        event_types text[] NOT NULL,
        secret_sealed bytea NOT NULL,
        old_secret_sealed bytea,
        old_secret_until timestamptz,
        disabled_reason text,
        failing_since_at timestamptz,
        failure_count bigint NOT NULL DEFAULT 0,
        free_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_webhook_endpoints PRIMARY KEY (merchant_id, endpoint_id),
        CONSTRAINT fk_webhook_endpoints__merchant_id
            FOREIGN KEY (merchant_id) REFERENCES merchants (merchant_id),
        CONSTRAINT ck_webhook_endpoints__url CHECK (char_length(url) <= 500),
        CONSTRAINT ck_webhook_endpoints__old_secret
            CHECK ((old_secret_sealed IS NULL) = (old_secret_until IS NULL)),
        CONSTRAINT ck_webhook_endpoints__disabled_reason
            CHECK (disabled_reason IN ('owner', 'gone', 'failing'))
    );
    CREATE INDEX ix_webhook_endpoints__free_at ON webhook_endpoints (free_at)
        WHERE disabled_reason IS NULL;
    CREATE TABLE webhook_deliveries (
        merchant_id uuid NOT NULL,
        endpoint_id uuid NOT NULL,
        event_id uuid NOT NULL,
        event_type text NOT NULL,
        body text NOT NULL,
        request_id text,
        state text NOT NULL DEFAULT 'waiting',
        attempt_count bigint NOT NULL DEFAULT 0,
        try_count bigint NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        settled_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pk_webhook_deliveries PRIMARY KEY (merchant_id, endpoint_id, event_id),
        CONSTRAINT fk_webhook_deliveries__merchant_id_endpoint_id
            FOREIGN KEY (merchant_id, endpoint_id)
            REFERENCES webhook_endpoints (merchant_id, endpoint_id) ON DELETE CASCADE,
        CONSTRAINT ck_webhook_deliveries__state CHECK (state IN ('waiting', 'delivered', 'dead')),
        CONSTRAINT ck_webhook_deliveries__settled_at
            CHECK ((state = 'waiting') = (settled_at IS NULL))
    );
    CREATE INDEX ix_webhook_deliveries__merchant_id_endpoint_id_next_at
        ON webhook_deliveries (merchant_id, endpoint_id, next_at) WHERE state = 'waiting';
    CREATE INDEX ix_webhook_deliveries__created_at ON webhook_deliveries (created_at);
    CREATE TABLE webhook_attempts (
        merchant_id uuid NOT NULL,
        endpoint_id uuid NOT NULL,
        event_id uuid NOT NULL,
        number bigint NOT NULL,
        started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        status bigint,
        error text,
        duration_ms bigint,
        CONSTRAINT pk_webhook_attempts PRIMARY KEY (merchant_id, endpoint_id, event_id, number),
        CONSTRAINT fk_webhook_attempts__merchant_id_endpoint_id_event_id
            FOREIGN KEY (merchant_id, endpoint_id, event_id)
            REFERENCES webhook_deliveries (merchant_id, endpoint_id, event_id) ON DELETE CASCADE,
        CONSTRAINT ck_webhook_attempts__outcome CHECK (status IS NULL OR error IS NULL)
    );
    GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_endpoints TO card_web;
    GRANT SELECT, INSERT, UPDATE ON webhook_deliveries TO card_web;
    GRANT SELECT ON webhook_attempts TO card_web;
    GRANT SELECT, UPDATE ON webhook_endpoints TO card_job;
    GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_deliveries TO card_job;
    GRANT SELECT, INSERT, UPDATE ON webhook_attempts TO card_job;
    """)
    for table in TABLES:
        op.execute(f"SELECT merchant_wall('{table}')")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")

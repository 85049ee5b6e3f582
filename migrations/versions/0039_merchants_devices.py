"""Devices of merchants that scan off line: invited by the owner, enrolled once, switched off at once."""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE devices (
        device_id uuid NOT NULL,
        shop_id uuid NOT NULL,
        name text NOT NULL,
        suite bigint NOT NULL,
        public_key bytea NOT NULL,
        enrolled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        switched_off_at timestamptz,
        CONSTRAINT pk_devices PRIMARY KEY (device_id),
        CONSTRAINT uq_devices__public_key UNIQUE (public_key),
        CONSTRAINT fk_devices__shop_id FOREIGN KEY (shop_id) REFERENCES shops (shop_id)
    );
    CREATE INDEX ix_devices__shop_id ON devices (shop_id);
    -- A code that enrols one device, once; only its hash is kept.
    CREATE TABLE device_invitations (
        code_hash bytea NOT NULL,
        device_id uuid NOT NULL,
        shop_id uuid NOT NULL,
        name text NOT NULL,
        invited_by uuid NOT NULL,
        expires_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_device_invitations PRIMARY KEY (code_hash),
        CONSTRAINT uq_device_invitations__device_id UNIQUE (device_id),
        CONSTRAINT fk_device_invitations__shop_id FOREIGN KEY (shop_id) REFERENCES shops (shop_id)
    );
    GRANT SELECT, INSERT ON devices, device_invitations TO card_web;
    GRANT UPDATE (switched_off_at) ON devices TO card_web;
    GRANT SELECT ON devices TO card_job, card_report;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE device_invitations")
    op.execute("DROP TABLE devices")

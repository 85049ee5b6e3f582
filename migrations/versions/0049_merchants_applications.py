"""Merchants apply, sign the integrity commitment, and are approved by two; staff come by one-time code."""

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

TITLE = "诚信经营承诺书"
BODY = (
    "我单位自愿加入市民诚信卡，承诺：一、如实提供资质和门店信息，信息变化及时更新；二、按公布的基准和等级"
    "兑现权益，不因持卡人的信用分拒绝、加价、拖延或者降低服务；三、只为核销所需使用平台信息，不留存、不打"
    "探持卡人的个人信息；四、及时、如实答复持卡人的投诉；五、接受公示和监督，违反承诺的，平台可以暂停核销。"
)
TABLES = (
    "merchant_suspension_endings", "merchant_suspensions", "merchant_invitation_uses",
    "merchant_invitations", "merchant_application_decisions", "merchant_application_proposals",
    "merchant_applications", "commitment_texts",
)  # fmt: skip


def upgrade() -> None:
    op.execute(f"""
    CREATE TABLE commitment_texts (
        version bigint NOT NULL,
        title text NOT NULL,
        body text NOT NULL,
        text_hash bytea NOT NULL,
        published_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_commitment_texts PRIMARY KEY (version),
        CONSTRAINT ck_commitment_texts__text_hash CHECK (octet_length(text_hash) = 32)
    );
    INSERT INTO commitment_texts (version, title, body, text_hash)
    VALUES (1, '{TITLE}', '{BODY}', sha256(convert_to('{TITLE}' || chr(10) || '{BODY}', 'UTF8')));
    """)
    op.execute("""
    -- An organisation's wish to take part.  The contact is a person: sealed, and forgotten when done.
    CREATE TABLE merchant_applications (
        application_id uuid NOT NULL,
        secret_hash bytea NOT NULL,
        credit_code text NOT NULL,
        name text NOT NULL,
        category text NOT NULL,
        shops jsonb NOT NULL,
        benefit_codes jsonb NOT NULL,
        contact_sealed bytea,
        text_version bigint NOT NULL,
        text_hash bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_merchant_applications PRIMARY KEY (application_id),
        CONSTRAINT fk_merchant_applications__text_version
            FOREIGN KEY (text_version) REFERENCES commitment_texts (version)
    );
    CREATE INDEX ix_merchant_applications__created_at ON merchant_applications (created_at);
    -- One operator's yes; the keys are the law: one proposal, one decision.
    CREATE TABLE merchant_application_proposals (
        application_id uuid NOT NULL,
        proposed_by uuid NOT NULL,
        reason text NOT NULL,
        proposed_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_merchant_application_proposals PRIMARY KEY (application_id),
        CONSTRAINT fk_merchant_application_proposals__application_id
            FOREIGN KEY (application_id) REFERENCES merchant_applications (application_id)
    );
    CREATE TABLE merchant_application_decisions (
        application_id uuid NOT NULL,
        outcome text NOT NULL,
        decided_by uuid NOT NULL,
        reason text NOT NULL,
        approved_merchant_id uuid,
        decided_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_merchant_application_decisions PRIMARY KEY (application_id),
        CONSTRAINT fk_merchant_application_decisions__application_id
            FOREIGN KEY (application_id) REFERENCES merchant_applications (application_id),
        CONSTRAINT fk_merchant_application_decisions__approved_merchant_id
            FOREIGN KEY (approved_merchant_id) REFERENCES merchants (merchant_id),
        CONSTRAINT ck_merchant_application_decisions__outcome CHECK (outcome IN ('approved', 'refused')),
        CONSTRAINT ck_merchant_application_decisions__approved_merchant_id
            CHECK ((approved_merchant_id IS NOT NULL) = (outcome = 'approved'))
    );
    ALTER TABLE merchants ADD COLUMN category text, ADD COLUMN text_version bigint,
        ADD COLUMN committed_at timestamptz;
    ALTER TABLE shops ADD COLUMN address text, ADD COLUMN latitude_e6 bigint,
        ADD COLUMN longitude_e6 bigint;

    -- A code that opens one staff account, once; only its hash is kept.
    CREATE TABLE merchant_invitations (
        code_hash bytea NOT NULL,
        invitation_id uuid NOT NULL,
        merchant_id uuid NOT NULL,
        shop_id uuid,
        role text NOT NULL,
        display_name text NOT NULL,
        invited_by uuid,
        expires_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_merchant_invitations PRIMARY KEY (code_hash),
        CONSTRAINT fk_merchant_invitations__merchant_id
            FOREIGN KEY (merchant_id) REFERENCES merchants (merchant_id),
        CONSTRAINT fk_merchant_invitations__shop_id FOREIGN KEY (shop_id) REFERENCES shops (shop_id),
        CONSTRAINT ck_merchant_invitations__role CHECK (role IN ('clerk', 'merchant_owner'))
    );
    CREATE INDEX ix_merchant_invitations__expires_at ON merchant_invitations (expires_at);
    CREATE TABLE merchant_invitation_uses (
        invitation_id uuid NOT NULL,
        staff_id uuid NOT NULL,
        used_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_merchant_invitation_uses PRIMARY KEY (invitation_id)
    );
    -- Stopped at once by one operator, allowed again by two.
    CREATE TABLE merchant_suspensions (
        suspension_id uuid NOT NULL,
        merchant_id uuid NOT NULL,
        reason text NOT NULL,
        suspended_by uuid NOT NULL,
        suspended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pk_merchant_suspensions PRIMARY KEY (suspension_id),
        CONSTRAINT fk_merchant_suspensions__merchant_id
            FOREIGN KEY (merchant_id) REFERENCES merchants (merchant_id)
    );
    CREATE INDEX ix_merchant_suspensions__merchant_id ON merchant_suspensions (merchant_id);
    CREATE TABLE merchant_suspension_endings (
        suspension_id uuid NOT NULL,
        proposed_by uuid NOT NULL,
        reason text NOT NULL,
        confirmed_by uuid,
        ended_at timestamptz,
        CONSTRAINT pk_merchant_suspension_endings PRIMARY KEY (suspension_id),
        CONSTRAINT fk_merchant_suspension_endings__suspension_id
            FOREIGN KEY (suspension_id) REFERENCES merchant_suspensions (suspension_id),
        CONSTRAINT ck_merchant_suspension_endings__two_persons CHECK (confirmed_by <> proposed_by),
        CONSTRAINT ck_merchant_suspension_endings__ended_at
            CHECK ((ended_at IS NULL) = (confirmed_by IS NULL))
    );

    SELECT merchant_wall('merchant_invitations');
    SELECT merchant_wall('merchant_suspensions');
    GRANT SELECT, INSERT ON commitment_texts, merchant_applications, merchant_application_proposals,
        merchant_application_decisions, merchant_invitations, merchant_invitation_uses,
        merchant_suspensions, merchant_suspension_endings TO card_web;
    GRANT UPDATE (confirmed_by, ended_at) ON merchant_suspension_endings TO card_web;
    GRANT SELECT ON merchant_applications, merchant_application_decisions, merchant_invitations,
        merchant_invitation_uses TO card_job;
    GRANT UPDATE (contact_sealed) ON merchant_applications TO card_job;
    GRANT DELETE ON merchant_invitations TO card_job;
    """)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
    op.execute("ALTER TABLE shops DROP COLUMN longitude_e6, DROP COLUMN latitude_e6, DROP COLUMN address")
    op.execute("ALTER TABLE merchants DROP COLUMN committed_at, DROP COLUMN text_version, DROP COLUMN category")

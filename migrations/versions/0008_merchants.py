"""Merchants, their shops, who works there, and which benefits they take."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE merchants (
        merchant_id uuid NOT NULL,
        credit_code text NOT NULL,
        name text NOT NULL,
        suspended boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_merchants PRIMARY KEY (merchant_id),
        CONSTRAINT uq_merchants__credit_code UNIQUE (credit_code),
        CONSTRAINT ck_merchants__credit_code CHECK (credit_code ~ '^[0-9A-HJ-NPQRTUWXY]{18}$')
    );
    CREATE TABLE shops (
        shop_id uuid NOT NULL,
        merchant_id uuid NOT NULL,
        name text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_shops PRIMARY KEY (shop_id),
        CONSTRAINT fk_shops__merchant_id FOREIGN KEY (merchant_id) REFERENCES merchants (merchant_id)
    );
    CREATE INDEX ix_shops__merchant_id ON shops (merchant_id);
    -- One merchant per staff account; shop_id null means every shop of the merchant.
    CREATE TABLE merchant_staff (
        staff_id uuid NOT NULL,
        merchant_id uuid NOT NULL,
        shop_id uuid,
        role text NOT NULL,
        active boolean NOT NULL DEFAULT true,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_merchant_staff PRIMARY KEY (staff_id),
        CONSTRAINT fk_merchant_staff__merchant_id
            FOREIGN KEY (merchant_id) REFERENCES merchants (merchant_id),
        CONSTRAINT fk_merchant_staff__shop_id FOREIGN KEY (shop_id) REFERENCES shops (shop_id),
        CONSTRAINT ck_merchant_staff__role CHECK (role IN ('clerk', 'merchant_owner'))
    );
    CREATE INDEX ix_merchant_staff__merchant_id ON merchant_staff (merchant_id);
    -- Which merchants take a benefit that is not taken by all; it holds for every version.
    CREATE TABLE benefit_merchants (
        benefit_code text NOT NULL,
        merchant_id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_benefit_merchants PRIMARY KEY (benefit_code, merchant_id),
        CONSTRAINT fk_benefit_merchants__merchant_id
            FOREIGN KEY (merchant_id) REFERENCES merchants (merchant_id)
    );
    CREATE INDEX ix_benefit_merchants__merchant_id ON benefit_merchants (merchant_id);

    -- May this clerk, in this session, scan in this shop?  code is null when yes.
    CREATE FUNCTION merchant_scan_permit(
        staff uuid, session uuid, shop uuid,
        OUT code text, OUT merchant_id uuid, OUT shop_name text
    ) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE found_shop record;
    BEGIN
        IF NOT staff_session_is_live(staff, session, 'clerk') THEN
            code := 'unauthenticated';
            RETURN;
        END IF;
        SELECT m.merchant_id, m.suspended, w.active, w.shop_id AS bound_to, s.shop_id, s.name
        INTO found_shop
        FROM merchant_staff w
        JOIN merchants m ON m.merchant_id = w.merchant_id
        LEFT JOIN shops s ON s.merchant_id = w.merchant_id AND s.shop_id = shop
        WHERE w.staff_id = staff;
        IF NOT FOUND OR NOT found_shop.active THEN
            code := 'not_merchant_staff';
        ELSIF found_shop.suspended THEN
            code := 'merchant_suspended';
        ELSIF found_shop.shop_id IS NULL OR found_shop.bound_to <> found_shop.shop_id THEN
            code := 'wrong_shop';
        ELSE
            merchant_id := found_shop.merchant_id;
            shop_name := found_shop.name;
        END IF;
    END $$;

    CREATE FUNCTION merchant_shop_name(shop uuid) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        RETURN (SELECT s.name FROM shops s WHERE s.shop_id = shop);
    END $$;

    REVOKE ALL ON FUNCTION merchant_scan_permit(uuid, uuid, uuid) FROM PUBLIC;
    REVOKE ALL ON FUNCTION merchant_shop_name(uuid) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION merchant_scan_permit(uuid, uuid, uuid) TO card_web, card_job;
    GRANT EXECUTE ON FUNCTION merchant_shop_name(uuid) TO card_web, card_job;
    GRANT SELECT, INSERT ON merchants, shops, merchant_staff TO card_web;
    GRANT UPDATE (suspended) ON merchants TO card_web;
    GRANT UPDATE (shop_id, active) ON merchant_staff TO card_web;
    GRANT SELECT, INSERT, DELETE ON benefit_merchants TO card_web;
    GRANT SELECT ON merchants, shops, merchant_staff, benefit_merchants TO card_job;
    GRANT SELECT ON merchants, shops, benefit_merchants TO card_report;
    """)


def downgrade() -> None:
    op.execute("""
    DROP FUNCTION merchant_shop_name(uuid);
    DROP FUNCTION merchant_scan_permit(uuid, uuid, uuid);
    DROP TABLE benefit_merchants;
    DROP TABLE merchant_staff;
    DROP TABLE shops;
    DROP TABLE merchants;
    """)

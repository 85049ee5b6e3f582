"""Paper cards for people without a smartphone, and the checks that they begin at counters."""

from alembic import op

revision = "0095"
down_revision = "0094"
branch_labels = None
depends_on = None

FUNCTIONS = ("counter_card_uses(uuid)", "counter_erase(uuid)")


def upgrade() -> None:
    op.execute("""
    CREATE TABLE paper_cards (
        citizen_id uuid NOT NULL,
        card_id uuid NOT NULL,
        number_sealed bytea NOT NULL,
        issued_by uuid NOT NULL,
        issued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        ended_at timestamptz,
        CONSTRAINT pk_paper_cards PRIMARY KEY (citizen_id, card_id)
    );
    CREATE UNIQUE INDEX uq_paper_cards__citizen_id ON paper_cards (citizen_id)
        WHERE ended_at IS NULL;
    -- A card's number is a keyed hash here: who reads the table can make no card.
    CREATE TABLE paper_card_numbers (
        number_hash bytea NOT NULL,
        citizen_id uuid NOT NULL,
        card_id uuid NOT NULL,
        CONSTRAINT pk_paper_card_numbers PRIMARY KEY (number_hash)
    );
    CREATE INDEX ix_paper_card_numbers__citizen_id ON paper_card_numbers (citizen_id);
    CREATE TABLE card_checks (
        citizen_id uuid NOT NULL,
        check_id uuid NOT NULL,
        card_id uuid NOT NULL,
        merchant_id uuid NOT NULL,
        shop_id uuid NOT NULL,
        clerk_id uuid NOT NULL,
        way text NOT NULL,
        pin_hash bytea,
        tries_left bigint NOT NULL,
        started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        expires_at timestamptz NOT NULL,
        passed_at timestamptz,
        session_id uuid,
        CONSTRAINT pk_card_checks PRIMARY KEY (citizen_id, check_id),
        CONSTRAINT fk_card_checks__citizen_id_card_id FOREIGN KEY (citizen_id, card_id)
            REFERENCES paper_cards (citizen_id, card_id),
        CONSTRAINT ck_card_checks__way CHECK (way IN ('pin', 'document')),
        CONSTRAINT ck_card_checks__pin_hash CHECK ((way = 'pin') = (pin_hash IS NOT NULL)),
        CONSTRAINT ck_card_checks__tries_left CHECK (tries_left BETWEEN 0 AND 5),
        CONSTRAINT ck_card_checks__passed_at CHECK ((passed_at IS NULL) = (session_id IS NULL))
    );
    CREATE INDEX ix_card_checks__citizen_id_started_at ON card_checks (citizen_id, started_at);
    SELECT merchant_wall('card_checks');
    GRANT SELECT, INSERT ON paper_cards, paper_card_numbers, card_checks TO card_web;
    GRANT SELECT ON paper_cards, paper_card_numbers, card_checks TO card_job;
    GRANT UPDATE (ended_at) ON paper_cards TO card_web;
    GRANT UPDATE (tries_left, passed_at, session_id) ON card_checks TO card_web;

    -- At all merchants together: a clerk's transaction sees one merchant's rows alone.
    CREATE FUNCTION counter_card_uses(citizen uuid, OUT passed_today bigint, OUT started_in_hour bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    BEGIN ATOMIC
        SELECT count(*) FILTER (WHERE c.passed_at >= date_trunc(
                   'day', clock_timestamp() AT TIME ZONE 'Asia/Shanghai') AT TIME ZONE 'Asia/Shanghai'),
               count(*) FILTER (WHERE c.started_at > clock_timestamp() - interval '1 hour')
        FROM card_checks c
        WHERE c.citizen_id = citizen AND c.started_at > clock_timestamp() - interval '25 hours';
    END;

    CREATE FUNCTION counter_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM card_checks c WHERE c.citizen_id = citizen;
        DELETE FROM paper_card_numbers n WHERE n.citizen_id = citizen;
        DELETE FROM paper_cards p WHERE p.citizen_id = citizen;
    END $$;
    """)
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute("""
    GRANT EXECUTE ON FUNCTION counter_card_uses(uuid) TO card_web;
    GRANT EXECUTE ON FUNCTION counter_erase(uuid) TO card_job;
    """)


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    for table in ("card_checks", "paper_card_numbers", "paper_cards"):
        op.execute(f"DROP TABLE {table}")

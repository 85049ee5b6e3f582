"""What citizens read about merchants: entries with a time of publication, and shops by distance."""

from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None

DISTANCE = "merchant_distance_metres(bigint, bigint, bigint, bigint)"


def upgrade() -> None:
    op.execute("""
    -- Honours, licences and penalties of an organisation, never of a person.  A penalty is shown no
    -- longer than its grade allows, counted from the date of the document.
    CREATE TABLE merchant_entries (
        entry_id uuid NOT NULL,
        merchant_id uuid NOT NULL,
        kind text NOT NULL,
        grade text,
        title text NOT NULL,
        document_number text NOT NULL,
        authority text NOT NULL,
        legal_basis text NOT NULL,
        issued_on date NOT NULL,
        published_from date NOT NULL,
        published_to date NOT NULL,
        proposed_by uuid NOT NULL,
        reason text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_merchant_entries PRIMARY KEY (entry_id),
        CONSTRAINT fk_merchant_entries__merchant_id
            FOREIGN KEY (merchant_id) REFERENCES merchants (merchant_id),
        CONSTRAINT ck_merchant_entries__kind CHECK (kind IN ('honour', 'licence', 'penalty')),
        CONSTRAINT ck_merchant_entries__grade
            CHECK ((grade IS NOT NULL) = (kind = 'penalty') AND grade IN ('minor', 'general', 'serious')),
        CONSTRAINT ck_merchant_entries__published
            CHECK (issued_on <= published_from AND published_from <= published_to),
        CONSTRAINT ck_merchant_entries__term CHECK (published_to <= issued_on + CASE grade
            WHEN 'minor' THEN interval '3 months' WHEN 'general' THEN interval '1 year'
            WHEN 'serious' THEN interval '3 years' ELSE interval '50 years' END)
    );
    CREATE INDEX ix_merchant_entries__merchant_id ON merchant_entries (merchant_id);
    -- Another operator's yes, without which nothing is shown; the end before its day: repair, mistake.
    CREATE TABLE merchant_entry_confirmations (
        entry_id uuid NOT NULL,
        confirmed_by uuid NOT NULL,
        confirmed_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_merchant_entry_confirmations PRIMARY KEY (entry_id),
        CONSTRAINT fk_merchant_entry_confirmations__entry_id
            FOREIGN KEY (entry_id) REFERENCES merchant_entries (entry_id)
    );
    CREATE TABLE merchant_entry_endings (
        entry_id uuid NOT NULL,
        cause text NOT NULL,
        reason text NOT NULL,
        ended_by uuid NOT NULL,
        ended_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_merchant_entry_endings PRIMARY KEY (entry_id),
        CONSTRAINT fk_merchant_entry_endings__entry_id
            FOREIGN KEY (entry_id) REFERENCES merchant_entries (entry_id),
        CONSTRAINT ck_merchant_entry_endings__cause CHECK (cause IN ('repaired', 'mistaken'))
    );

    -- Along the great circle, from millionths of a degree; null where a place is not known.
    CREATE FUNCTION merchant_distance_metres(
        latitude_a bigint, longitude_a bigint, latitude_b bigint, longitude_b bigint
    ) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (2 * 6371008.8 * asin(least(1, sqrt(
        sind((latitude_b - latitude_a) / 2e6) ^ 2
        + cosd(latitude_a / 1e6) * cosd(latitude_b / 1e6) * sind((longitude_b - longitude_a) / 2e6) ^ 2
    ))))::bigint;
    SELECT merchant_wall('merchant_entries');
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {DISTANCE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {DISTANCE} TO card_web")
    op.execute("""
    GRANT SELECT, INSERT ON merchant_entries, merchant_entry_confirmations, merchant_entry_endings
        TO card_web;
    GRANT SELECT ON merchant_entries, merchant_entry_confirmations, merchant_entry_endings
        TO card_report;
    """)


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {DISTANCE}")
    for table in ("merchant_entry_endings", "merchant_entry_confirmations", "merchant_entries"):
        op.execute(f"DROP TABLE {table}")

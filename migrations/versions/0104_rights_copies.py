"""Copies for citizens: asked for, made by a job, taken once, gone within a day."""

from alembic import op

revision = "0104"
down_revision = "0103"
branch_labels = None
depends_on = None

ERASE = "rights_erase(uuid)"


def upgrade() -> None:
    op.execute("""
    CREATE TABLE personal_copies (
        citizen_id uuid NOT NULL,
        copy_id uuid NOT NULL,
        is_beyond_free boolean NOT NULL,
        secret_hash bytea NOT NULL,
        content_sealed bytea,
        asked_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        made_at timestamptz,
        taken_at timestamptz,
        CONSTRAINT pk_personal_copies PRIMARY KEY (citizen_id, copy_id),
        CONSTRAINT ck_personal_copies__expires_at CHECK (expires_at <= asked_at + interval '24 hours'),
        CONSTRAINT ck_personal_copies__taken CHECK (taken_at IS NULL OR content_sealed IS NULL)
    );
    CREATE INDEX ix_personal_copies__expires_at ON personal_copies (expires_at)
        WHERE content_sealed IS NOT NULL;
    CREATE TABLE personal_copy_handles (
        copy_id uuid NOT NULL,
        citizen_id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_personal_copy_handles PRIMARY KEY (copy_id)
    );
    CREATE INDEX ix_personal_copy_handles__citizen_id ON personal_copy_handles (citizen_id);
    GRANT SELECT, INSERT ON personal_copies, personal_copy_handles TO card_web;
    GRANT UPDATE (secret_hash, content_sealed, asked_at, expires_at, made_at, taken_at)
        ON personal_copies TO card_web;
    GRANT SELECT ON personal_copies, personal_copy_handles TO card_job;
    GRANT UPDATE (content_sealed, made_at) ON personal_copies TO card_job;

    CREATE FUNCTION rights_erase(citizen uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF citizen_is_active(citizen) THEN
            RAISE EXCEPTION 'only who has left is erased';
        END IF;
        DELETE FROM personal_copy_handles h WHERE h.citizen_id = citizen;
        DELETE FROM personal_copies c WHERE c.citizen_id = citizen;
    END $$;
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {ERASE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {ERASE} TO card_job")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {ERASE}")
    op.execute("DROP TABLE personal_copy_handles, personal_copies")

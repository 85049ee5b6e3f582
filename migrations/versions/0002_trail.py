"""The access trail: who read or changed what of a citizen, and why.

Nobody may change or delete a row; rows come in through trail_append alone.  No foreign key to the
citizen: the trail outlives an erasure as the proof that it was asked for.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE trail_entries (
        citizen_id uuid NOT NULL,
        trail_id uuid NOT NULL,
        actor_kind text NOT NULL,
        actor_id uuid,
        action text NOT NULL,
        fields text[] NOT NULL,
        reason text NOT NULL,
        basis text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_trail_entries PRIMARY KEY (citizen_id, trail_id),
        CONSTRAINT ck_trail_entries__actor_kind CHECK (actor_kind IN
            ('citizen', 'clerk', 'merchant_owner', 'operator', 'source', 'system')),
        CONSTRAINT ck_trail_entries__actor_id CHECK ((actor_id IS NULL) = (actor_kind = 'system')),
        CONSTRAINT ck_trail_entries__action CHECK (action ~ '^[a-z_]{1,64}$'),
        CONSTRAINT ck_trail_entries__reason CHECK (char_length(reason) <= 500),
        CONSTRAINT ck_trail_entries__basis CHECK (char_length(basis) <= 200)
    );
    GRANT SELECT ON trail_entries TO card_web, card_job;

    CREATE FUNCTION trail_append(citizen uuid, trail_id uuid, actor_kind text, actor_id uuid,
                                 action text, fields text[], reason text, basis text)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        INSERT INTO trail_entries
            (citizen_id, trail_id, actor_kind, actor_id, action, fields, reason, basis)
        VALUES (citizen, trail_append.trail_id, trail_append.actor_kind, trail_append.actor_id,
                trail_append.action, trail_append.fields, trail_append.reason, trail_append.basis);
    END $$;
    REVOKE ALL ON FUNCTION trail_append(uuid, uuid, text, uuid, text, text[], text, text) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION trail_append(uuid, uuid, text, uuid, text, text[], text, text)
        TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("""
    DROP FUNCTION trail_append(uuid, uuid, text, uuid, text, text[], text, text);
    DROP TABLE trail_entries;
    """)

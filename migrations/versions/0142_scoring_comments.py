"""What citizens say about rules that are proposed, without who says it."""

from alembic import op

revision = "0142"
down_revision = "0141"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE scheme_comments (
        scheme_code text NOT NULL,
        version text NOT NULL,
        comment_id uuid NOT NULL,
        comment text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_scheme_comments PRIMARY KEY (scheme_code, version, comment_id),
        CONSTRAINT fk_scheme_comments__scheme_code_version
            FOREIGN KEY (scheme_code, version) REFERENCES scheme_versions
    );
    GRANT SELECT, INSERT ON scheme_comments TO card_web;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE scheme_comments")

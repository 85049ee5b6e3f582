"""The credit codes of merchants, for telling a guarantor from the merchant that it is."""

from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    -- A view goes past the second wall with its owner's rights: the wall stands in its text.
    CREATE VIEW merchant_codes AS SELECT m.merchant_id, m.credit_code FROM merchants m
    WHERE ((SELECT merchant_behind_wall()) IS NULL OR m.merchant_id = (SELECT merchant_behind_wall()));
    GRANT SELECT ON merchant_codes TO card_web, card_job;
    """)


def downgrade() -> None:
    op.execute("DROP VIEW merchant_codes")

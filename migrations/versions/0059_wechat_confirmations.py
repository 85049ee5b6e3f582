"""The web process too writes whose order a number at WeChat Pay is: it opens its confirmation."""

from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("GRANT INSERT ON pay_score_numbers TO card_web")


def downgrade() -> None:
    op.execute("REVOKE INSERT ON pay_score_numbers FROM card_web")

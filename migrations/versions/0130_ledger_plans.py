"""Postings go by indexes, whenever their statements were planned.

A connection keeps the plan it made while the tables were nearly empty, which reads them whole; the
first large delivery of a city then reads all lots for each grant.
"""

from alembic import op

revision = "0130"
down_revision = "0129"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "ledger_grant", "ledger_grant_many", "ledger_spend", "ledger_hold", "ledger_hold_fen",
    "ledger_post_hold", "ledger_void_hold", "ledger_expire_hold", "ledger_reverse",
    "ledger_expire_lots", "ledger_sweep_hold", "ledger_transfer",
)


def upgrade() -> None:
    for name in FUNCTIONS:
        op.execute(f"ALTER FUNCTION {name} SET enable_seqscan = off")


def downgrade() -> None:
    for name in FUNCTIONS:
        op.execute(f"ALTER FUNCTION {name} RESET enable_seqscan")

"""Orders that each user confirms in WeChat, and when to ask WeChat again how an order stands."""

from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

STATES = """
-- squawk-ignore ban-drop-constraint
ALTER TABLE service_orders DROP CONSTRAINT ck_service_orders__state;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE service_orders ADD CONSTRAINT ck_service_orders__state CHECK (state IN (
    'created', {more}'confirming', 'in_use', 'completed', 'claimed', 'bill_disputed',
    'claim_disputed', 'paid', 'repaid', 'released', 'cancelled', 'expired'));
-- squawk-ignore ban-drop-constraint
ALTER TABLE service_orders DROP CONSTRAINT ck_service_orders__times;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE service_orders ADD CONSTRAINT ck_service_orders__times CHECK (
    (deadline_at IS NOT NULL) = (state IN ('created', {more}'confirming', 'in_use'))
    AND (due_at IS NOT NULL) = (state IN ('completed', 'claimed')));
-- squawk-ignore ban-drop-constraint
ALTER TABLE guarantee_lines DROP CONSTRAINT ck_guarantee_lines__collection;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE guarantee_lines ADD CONSTRAINT ck_guarantee_lines__collection
    CHECK (collection IN ('counter', 'pay_score'{collection}));
"""
ASKING = """
-- When to ask WeChat again: its notices may be lost.
ALTER TABLE service_orders ADD COLUMN ask_at timestamptz;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_service_orders__ask_at ON service_orders (ask_at) WHERE ask_at IS NOT NULL;
GRANT UPDATE (ask_at) ON service_orders TO card_web, card_job;
"""


def upgrade() -> None:
    op.execute(STATES.format(more="'agreed', ", collection=", 'pay_score_confirm'"))
    op.execute(ASKING)


def downgrade() -> None:
    op.execute("""
    DROP INDEX ix_service_orders__ask_at;
    ALTER TABLE service_orders DROP COLUMN ask_at;
    -- The old release knows neither: what was agreed is created again, and no order waits for it.
    UPDATE service_orders SET state = 'created' WHERE state = 'agreed';
    UPDATE guarantee_lines SET collection = 'pay_score' WHERE collection = 'pay_score_confirm';
    """)
    op.execute(STATES.format(more="", collection=""))

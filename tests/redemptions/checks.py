"""The assertions about vouchers and redemptions that other suites share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import text

from app.kernel.database import reading
from app.redemptions.queries import verify
from tests.ledger.checks import assert_ledger_balances

# What stands on one side alone: an effect without its message, or the reverse.
WITHOUT_THE_OTHER = text("""
    WITH effects AS (
        SELECT 'voucher_redeemed' AS topic, voucher_id AS about FROM redemptions
        UNION ALL SELECT 'redemption_annulled', annulment_id FROM annulments
        UNION ALL SELECT 'code_shown_again', citizen_id FROM code_presentations
            WHERE shown_again_at IS NOT NULL
    ),
    messages AS (
        SELECT topic, CASE topic WHEN 'voucher_redeemed' THEN (payload ->> 'voucher_id')::uuid
            WHEN 'redemption_annulled' THEN (payload ->> 'annulment_id')::uuid
            ELSE citizen_id END AS about
        FROM outbox WHERE topic IN ('voucher_redeemed', 'redemption_annulled', 'code_shown_again')
    )
    (SELECT 'no message of ' || topic, about FROM effects
        EXCEPT ALL SELECT 'no message of ' || topic, about FROM messages)
    UNION ALL
    (SELECT 'a message of nothing: ' || topic, about FROM messages
        EXCEPT ALL SELECT 'a message of nothing: ' || topic, about FROM effects)
""")


def assert_redemptions_agree() -> None:
    """Vouchers, redemptions and the ledger agree; call it inside an application context."""
    faults = verify()
    assert not faults, "\n".join(str(fault) for fault in faults[:10])
    assert_ledger_balances()


@contextmanager
def outbox_in_sight(admin: psycopg.Connection[Any]) -> Iterator[None]:
    """In the block the application may read the outbox, which else only the worker empties."""
    admin.execute("GRANT SELECT ON outbox TO card_web")
    try:
        yield
    finally:
        admin.execute("REVOKE SELECT ON outbox FROM card_web")


def assert_effects_have_their_jobs() -> None:
    """I11: nothing was done without its message, and no message is of nothing.

    For where no worker runs, so that all messages still wait; within `outbox_in_sight`.
    """
    with reading() as session:
        faults = session.execute(WITHOUT_THE_OTHER).all()
    assert not faults, "\n".join(f"{what}, {about}" for what, about in faults[:10])

"""The one assertion about vouchers and redemptions that other suites share."""

from __future__ import annotations

from app.redemptions.queries import verify
from tests.ledger.checks import assert_ledger_balances


def assert_redemptions_agree() -> None:
    """Vouchers, redemptions and the ledger agree; call it inside an application context."""
    faults = verify()
    assert not faults, "\n".join(str(fault) for fault in faults[:10])
    assert_ledger_balances()

"""The one assertion about the whole ledger that other suites share."""

from __future__ import annotations

from app.ledger.queries import verify


def assert_ledger_balances() -> None:
    """Every promise of the ledger holds; call it inside an application context."""
    faults = verify()
    assert not faults, "\n".join(str(fault) for fault in faults[:10])

"""What scanning leaves behind and nobody needs any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import func, text
from sqlalchemy.orm import Session

from app.kernel.database import Base, transaction
from app.redemptions.models import (
    CodePresentation,
    OfflineIssue,
    UnreadableScan,
    VoucherManualCode,
)

# A code lives for a minute and a reference for two.
PRESENTATIONS_KEPT: Final = timedelta(hours=72)
SCANS_KEPT: Final = timedelta(days=184)  # as long as security logs
# Beyond their end: a scan that is uploaded later than this counts as never issued.
ISSUES_KEPT: Final = timedelta(days=184)
# Beyond their voucher's time: an id that comes again finds its answer, kept as long as bad scans.
MANUAL_CODES_KEPT: Final = SCANS_KEPT
_PRUNE_REFUSALS: Final = text("SELECT redemption_prune_refusals(:limit)")


def prune_scans() -> int:
    """Delete what is past its time by the database's clock; how many rows."""
    with transaction() as session:
        return (
            _delete_older(session, CodePresentation, "presented_at", PRESENTATIONS_KEPT)
            + _delete_older(session, UnreadableScan, "scanned_at", SCANS_KEPT)
            + _delete_older(session, VoucherManualCode, "expires_at", MANUAL_CODES_KEPT)
            + _delete_older(session, OfflineIssue, "expires_at", ISSUES_KEPT)
        )


def prune_refusals(*, limit: int) -> int:
    """Delete refused redemptions that were kept as long as bad scans, at most so many; how many.

    An accepted one keeps its answer as long as the redemption is there.
    """
    with transaction() as session:
        return int(session.scalar(_PRUNE_REFUSALS, {"limit": limit}) or 0)


def _delete_older(
    session: Session, model: type[Base], column: str, kept: timedelta
) -> int:
    moment = getattr(model, column)
    done = session.query(model).where(moment < func.now() - kept)
    return done.delete(synchronize_session=False)

"""Waivers that were returned and that nobody needs any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, not_, or_

from app.kernel.database import transaction
from app.library.models import LibraryWaiver

WAIVERS_KEPT: Final = timedelta(days=1_095)  # after their return, to answer for the deposit


def prune_waivers() -> int:
    """Delete waivers that were returned long ago, or whose reader has left since; how many."""
    old = LibraryWaiver.returned_at < func.clock_timestamp() - WAIVERS_KEPT
    left = LibraryWaiver.returned_at.is_not(None) & not_(
        func.citizen_is_active(LibraryWaiver.citizen_id)
    )
    with transaction() as session:
        return session.connection().execute(delete(LibraryWaiver).where(or_(old, left))).rowcount

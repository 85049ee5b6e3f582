"""What stands for readers and machines of libraries under a key that is not the active one."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select

from app.kernel.database import reading
from app.kernel.keys import KeyPurpose
from app.kernel.rotation import Awaited, OldKey, Stock
from app.library.models import LibraryMachine, LibraryWaiver


def _live_waivers(key: OldKey) -> int:
    """Readers' accounts are not kept: a waiver is found by its key until it is returned."""
    query = select(func.count()).select_from(LibraryWaiver).where(
        LibraryWaiver.registered_at < key.used_until, LibraryWaiver.returned_at.is_(None)
    )
    with reading() as session:
        return session.scalar(query) or 0


def _machines(key: OldKey) -> int:
    """Passwords are not kept: a hash follows when its machine signs in, or gets another one."""
    query = select(func.count()).select_from(LibraryMachine).where(
        func.get_byte(LibraryMachine.secret_hash, 1) == key.id
    )
    with reading() as session:
        return session.scalar(query) or 0


STOCKS: Final[tuple[Stock, ...]] = (
    Awaited(KeyPurpose.INDEX_READER, "live waivers of deposits from before", _live_waivers),
    Awaited(KeyPurpose.CODE, "receipts of live waivers from before", _live_waivers),
    Awaited(KeyPurpose.SIGN_IN, "library_machines.secret_hash", _machines),
)

"""Reading waivers: a citizen's own, and the live ones of one library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select

from app.kernel.database import reading
from app.library.models import LibraryMachine, LibraryWaiver

FOUND_MAX = 20  # live waivers of one reader's account


def list_machine_ids(*, merchant_id: UUID) -> list[UUID]:
    """The self-service machines of a library, the suspended ones too."""
    query = select(LibraryMachine.machine_id).where(LibraryMachine.merchant_id == merchant_id)
    with reading() as session:
        return list(session.scalars(query))


@dataclass(frozen=True)
class Waiver:
    """A deposit that is waived until `returned_at`; `kind` is reader or children."""

    citizen_id: UUID
    waiver_id: UUID
    kind: str
    shop_name: str
    registered_at: datetime
    returned_at: datetime | None


def count_standing(*, merchant_id: UUID, at_most: int) -> int:
    """How many waivers stand at a library, counted up to `at_most`."""
    standing = (
        select(LibraryWaiver.waiver_id)
        .where(LibraryWaiver.merchant_id == merchant_id, LibraryWaiver.returned_at.is_(None))
        .limit(at_most)
    )
    with reading() as session:
        return int(session.scalar(select(func.count()).select_from(standing.subquery())) or 0)


def list_own_waivers(
    *, citizen_id: UUID, limit: int, before: datetime | None = None
) -> list[Waiver]:
    """A citizen's waivers at all libraries, the latest registered first, returned ones too."""
    query = _waivers().where(LibraryWaiver.citizen_id == citizen_id)
    return _page(query, limit, before)


def list_live_waivers(
    *, merchant_id: UUID, limit: int, before: datetime | None = None
) -> list[Waiver]:
    """The waivers that stand at a library, the latest registered first."""
    query = _waivers().where(
        LibraryWaiver.merchant_id == merchant_id, LibraryWaiver.returned_at.is_(None)
    )
    return _page(query, limit, before)


def find_live_waivers(*, merchant_id: UUID, hashes: Sequence[bytes]) -> list[Waiver]:
    """The waivers that stand for one account of a library's reader."""
    query = _waivers().where(
        LibraryWaiver.reader_hash.in_(hashes),
        LibraryWaiver.merchant_id == merchant_id,
        LibraryWaiver.returned_at.is_(None),
    )
    return _page(query, FOUND_MAX, None)


def list_live_kinds(*, citizen_id: UUID, merchant_id: UUID) -> tuple[str, ...]:
    """The kinds of a citizen's waivers that stand at this library."""
    query = select(LibraryWaiver.kind).where(
        LibraryWaiver.citizen_id == citizen_id,
        LibraryWaiver.merchant_id == merchant_id,
        LibraryWaiver.returned_at.is_(None),
    )
    with reading() as session:
        return tuple(sorted(session.scalars(query)))


def waiver_of(row: LibraryWaiver, shop_name: str) -> Waiver:
    """A row as it is told."""
    return Waiver(
        row.citizen_id, row.waiver_id, row.kind, shop_name, row.registered_at, row.returned_at
    )


def _waivers() -> Select[LibraryWaiver, str]:
    return select(LibraryWaiver, func.merchant_shop_name(LibraryWaiver.shop_id))


def _page(
    query: Select[LibraryWaiver, str], limit: int, before: datetime | None
) -> list[Waiver]:
    if before is not None:
        query = query.where(LibraryWaiver.registered_at < before)
    query = query.order_by(LibraryWaiver.registered_at.desc()).limit(limit)
    with reading() as session:
        return [waiver_of(row, name) for row, name in session.execute(query)]

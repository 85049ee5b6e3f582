"""At the desk of a library: ask, register a waiver of the deposit, return it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel.database import transaction, transaction_required
from app.kernel.errors import IdReused, refusal
from app.kernel.keys import KeyProvider
from app.library import queries, references
from app.library.models import LibraryWaiver
from app.library.queries import Waiver
from app.library.references import DeskReference
from app.library.refusals import DepositNotWaived, LibraryWaiverHeld, LibraryWaiverUnknown
from app.library.standing import PURPOSE, Standing, standing_of, tell_standing
from app.members.queries import is_active
from app.merchants.queries import ScanPermit, require_scan_permit
from app.redemptions.codes import CodeUnreadable, PassCode, read_scan
from app.redemptions.operations import Counter, present_pass_code, refusal_of_unreadable
from app.redemptions.refusals import ReferenceForeign
from app.trail.operations import Actor, record_access, record_accesses


@dataclass(frozen=True)
class DeskAnswer:
    """What a desk learns, and a reference to register a waiver with until it expires, once."""

    standing: Standing
    reference: str
    reference_expires_at: datetime


@dataclass(frozen=True)
class DeskWaiver:
    """A waiver as its library sees it: no person behind it."""

    receipt: str
    waiver: Waiver


def ask(*, keys: KeyProvider, counter: Counter, code: str) -> DeskAnswer:
    """What stands behind a pass code, which is burnt by being shown.

    Refuses as the scan permit does, `not_a_library`, `code_unreadable`, `too_many_bad_codes`,
    `code_burnt`, `code_expired`, `card_inactive`, `holder_signed_out`.
    """
    shown = _read_pass_code(keys, counter, code)
    standing = None
    with transaction() as session:
        permit = _permit(counter)
        refused = present_pass_code(shown=shown, presenter_id=counter.clerk_id)
        if refused is None:
            standing = tell_standing(
                citizen_id=shown.citizen_id, merchant_id=permit.merchant_id,
                shop_name=permit.shop_name, actor=Actor("clerk", counter.clerk_id),
            )
        expires_at = _clock(session) + references.REFERENCE_LIFE
    if standing is None:  # after the commit: the code stays burnt
        raise refusal(str(refused))
    reference = references.make_reference(
        keys, citizen_id=shown.citizen_id, clerk_id=counter.clerk_id, shop_id=counter.shop_id,
        expires_at=expires_at,
    )
    return DeskAnswer(standing, reference, expires_at)


def register_waiver(
    *,
    keys: KeyProvider,
    counter: Counter,
    waiver_id: UUID,
    reference: str,
    kind: str,
    reader_reference: str,
) -> DeskWaiver:
    """Waive a deposit for the holder behind a desk's reference; the same id again changes nothing.

    Refuses `code_unreadable`, `reference_foreign`, `code_expired`, `code_burnt`, `card_inactive`,
    `deposit_not_waived`, `library_waiver_held`, `id_reused`.
    """
    asked = references.read_reference(keys, reference)
    with transaction() as session:
        permit = _permit(counter)
        if (asked.clerk_id, asked.shop_id) != (counter.clerk_id, counter.shop_id):
            raise ReferenceForeign
        hashes = references.reader_hashes(
            keys, merchant_id=permit.merchant_id, reader_reference=reader_reference
        )
        held = session.get(LibraryWaiver, (asked.citizen_id, waiver_id))
        if held is None:
            _require_waivable(session, asked, permit.merchant_id, kind)
            held = _write(session, permit, {
                "citizen_id": asked.citizen_id, "waiver_id": waiver_id,
                "merchant_id": permit.merchant_id, "shop_id": counter.shop_id, "kind": kind,
                "reader_hash": hashes[0], "reference_digest": asked.digest,
                "registered_by": counter.clerk_id,
            })
        if (held.merchant_id, held.kind) != (permit.merchant_id, kind):
            raise IdReused
        if held.reader_hash not in hashes:
            raise IdReused
        return _as_told(keys, held, permit.shop_name)


def return_waiver(*, keys: KeyProvider, counter: Counter, receipt: str) -> DeskWaiver:
    """End a waiver of this library, for whoever has left too; a second time changes nothing.

    Refuses `library_waiver_unknown`.
    """
    citizen_id, waiver_id = references.read_receipt(keys, receipt)
    with transaction() as session:
        permit = _permit(counter)
        held = session.scalars(
            select(LibraryWaiver)
            .where(LibraryWaiver.citizen_id == citizen_id, LibraryWaiver.waiver_id == waiver_id)
            .with_for_update()
        ).one_or_none()
        if held is None or held.merchant_id != permit.merchant_id:
            raise LibraryWaiverUnknown
        if held.returned_at is None:
            held.returned_at, held.returned_by = _clock(session), counter.clerk_id
            session.flush()
            _record(held, permit, "library_waiver_returned")
        return _as_told(keys, held, permit.shop_name)


def list_waivers(
    *, keys: KeyProvider, counter: Counter, limit: int, before: datetime | None = None
) -> list[DeskWaiver]:
    """The waivers that stand at the clerk's library, the latest registered first."""
    merchant_id = _permit(counter).merchant_id
    found = queries.list_live_waivers(merchant_id=merchant_id, limit=limit, before=before)
    return [_with_receipt(keys, waiver) for waiver in found]


def find_waivers(
    *, keys: KeyProvider, counter: Counter, reader_reference: str
) -> list[DeskWaiver]:
    """The waivers that stand for one account of the library's reader, who sees the question."""
    with transaction():
        permit = _permit(counter)
        hashes = references.reader_hashes(
            keys, merchant_id=permit.merchant_id, reader_reference=reader_reference
        )
        found = queries.find_live_waivers(merchant_id=permit.merchant_id, hashes=hashes)
        record_accesses(
            citizen_ids={waiver.citizen_id for waiver in found},
            actor=Actor("clerk", counter.clerk_id), action="library_waiver_found",
            fields=["library_waiver"], reason=permit.shop_name, basis=PURPOSE,
        )
        return [_with_receipt(keys, waiver) for waiver in found]


def _permit(counter: Counter) -> ScanPermit:
    return require_scan_permit(
        staff_id=counter.clerk_id, session_id=counter.session_id, shop_id=counter.shop_id
    )


def _read_pass_code(keys: KeyProvider, counter: Counter, text: str) -> PassCode:
    """A pass code; whatever else is kept by clerk as a scan that stands for nobody."""
    try:
        read = read_scan(keys, text)
    except CodeUnreadable:
        read = None
    if not isinstance(read, PassCode):
        raise refusal_of_unreadable(keys, counter, text)
    return read


def _require_waivable(
    session: Session, asked: DeskReference, merchant_id: UUID, kind: str
) -> None:
    """New waivers go by the rules of now; those that stand are not looked at again."""
    if asked.expires_at <= _clock(session):
        raise refusal("code_expired")
    if not is_active(citizen_id=asked.citizen_id):
        raise refusal("card_inactive")
    if not standing_of(citizen_id=asked.citizen_id, merchant_id=merchant_id).waives(kind):
        raise DepositNotWaived


def _write(session: Session, permit: ScanPermit, line: Mapping[str, Any]) -> LibraryWaiver:
    """The new waiver, or the one that was written under its id a moment ago."""
    written: LibraryWaiver | None = session.scalar(
        insert(LibraryWaiver).values(line).on_conflict_do_nothing().returning(LibraryWaiver)
    )
    if written is not None:
        _record(written, permit, "library_waiver_registered")
        return written
    held = session.get(LibraryWaiver, (line["citizen_id"], line["waiver_id"]))
    if held is not None:
        return held
    used = select(LibraryWaiver.waiver_id).filter_by(
        citizen_id=line["citizen_id"], reference_digest=line["reference_digest"]
    )
    if session.scalar(used) is not None:
        raise refusal("code_burnt")
    kinds = queries.list_live_kinds(
        citizen_id=line["citizen_id"], merchant_id=line["merchant_id"]
    )
    raise LibraryWaiverHeld if line["kind"] in kinds else IdReused  # by another library


def _record(waiver: LibraryWaiver, permit: ScanPermit, action: str) -> None:
    transaction_required()
    actor = waiver.returned_by or waiver.registered_by
    record_access(
        citizen_id=waiver.citizen_id, actor=Actor("clerk", actor), action=action,
        fields=["library_waiver"], reason=permit.shop_name, basis=PURPOSE,
    )


def _as_told(keys: KeyProvider, row: LibraryWaiver, shop_name: str) -> DeskWaiver:
    return _with_receipt(keys, queries.waiver_of(row, shop_name))


def _with_receipt(keys: KeyProvider, waiver: Waiver) -> DeskWaiver:
    receipt = references.make_receipt(
        keys, citizen_id=waiver.citizen_id, waiver_id=waiver.waiver_id
    )
    return DeskWaiver(receipt, waiver)


def _clock(session: Session) -> datetime:
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment

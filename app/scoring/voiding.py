"""A record voided by an act of office: a next version, as a source would deliver it."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from app.kernel.database import transaction_required
from app.kernel.errors import Conflict, NotFound
from app.kernel.keys import KeyProvider, KeyPurpose
from app.members.queries import find_data_key
from app.records.adverse import limit_terms
from app.records.keeping import KeptRow, NewVersion, content_digest, keep_versions
from app.records.origins import find_latest_version
from app.records.queries import catalogue_in_force, current_day
from app.scoring.operations import SchemeNotPublished, refresh_citizens
from app.scoring.posting import LedgerPoints
from app.scoring.queries import scheme_in_force

ROW_NUMBER = 1  # an act has one row; its id stands where a delivery's does


class RecordNotHeld(NotFound):
    """The citizen has no such record, or its newest version is void."""

    code: ClassVar[str] = "record_not_held"
    title: ClassVar[str] = "There is no such record of the citizen"
    advice: ClassVar[str] = "没有找到该条有效记录，请核对记录类型和编号。"


class RecordSpendsPoints(Conflict):
    """The record is an order paid with points: what was spent is given back where it was spent."""

    code: ClassVar[str] = "record_spends_points"
    title: ClassVar[str] = "A record that spends points cannot be voided by office"
    advice: ClassVar[str] = "积分兑换类记录不能直接作废，请按撤销兑换流程处理。"


def void_record(
    *, keys: KeyProvider, citizen_id: UUID, record_type: str, record_number: str, act_id: UUID
) -> int:
    """Void a record from today on, in the open transaction; the number of the void version.

    Points that it granted are taken back by new entries, the score is computed again; nothing that
    was written before changes.
    """
    latest = find_latest_version(
        citizen_id=citizen_id, record_type=record_type, record_number=record_number
    )
    data_key = find_data_key(keys=keys, citizen_id=citizen_id)
    if latest is None or latest.kept.is_void or data_key is None:
        raise RecordNotHeld
    if catalogue_in_force().record_types[record_type].spends is not None:
        raise RecordSpendsPoints
    today = current_day()
    scheme = scheme_in_force(on=today)
    if scheme is None:
        raise SchemeNotPublished
    row = KeptRow(
        citizen_id=citizen_id, record_type=record_type, record_number=record_number,
        version=latest.kept.version + 1, is_void=True, event_on=None, ends_on=None, item=None,
        measures={}, delivery_id=act_id, row_number=ROW_NUMBER, delivered_on=today,
        is_new_record=False,
    )
    digest = content_digest(keys.active(KeyPurpose.CONTENT), b"void by act:" + act_id.bytes)
    session, versions = transaction_required(), [NewVersion(row, digest, {})]
    kind = catalogue_in_force().record_types[record_type]
    if not kind.positive:
        versions = limit_terms(session, versions=versions, record_type=kind)
    keep_versions(session, versions=versions, data_keys={citizen_id: data_key})
    LedgerPoints(session, scheme).follow([row])
    refresh_citizens(citizen_ids=[citizen_id])
    return row.version

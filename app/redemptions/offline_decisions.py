"""What an operator decides about an offline scan that does not count by itself: once, for good.

A decision says what the scan is worth to its merchant; the voucher stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel.database import reading, transaction
from app.merchants.queries import require_scan_permit
from app.redemptions import refusals
from app.redemptions.models import OfflineDecision, OfflineDenyList
from app.redemptions.operations import Counter
from app.trail.operations import Actor, record_act

OUTCOMES: Final = ("counted", "not_counted")
REASON_CODES: Final = (
    "taken_in_good_faith", "clock_was_wrong", "network_was_down", "voucher_used_before",
    "code_not_ours", "against_the_rules",
)  # fmt: skip
SHOWN_BACK: Final = timedelta(days=92)  # how far back a shop reads
_STANDING: Final = text(
    "SELECT o.standing FROM offline_standing o"
    " WHERE o.device_id = :device AND o.scan_id = :scan"
)
_SETTLED: Final = text("""
    SELECT s.device_id, s.scan_id, s.benefit_code, s.scanned_at, s.received_at, s.standing, s.fault,
        s.outcome, s.reason_code, s.decided_at, s.is_counted
    FROM offline_scans_settled(:merchant, clock_timestamp() - :back, 'infinity') s
    WHERE s.shop_id = :shop AND (CAST(:before AS timestamptz) IS NULL OR s.scanned_at < :before)
    ORDER BY s.scanned_at DESC, s.device_id, s.scan_id LIMIT :limit
""")
_WAITING: Final = text("SELECT w.disputed, w.parked, w.missing FROM offline_waiting() w")
_REFUSALS: Final = text("SELECT r.reason, r.refused FROM redemption_refusals_by_reason() r")


@dataclass(frozen=True)
class Decision:
    """What was decided about a scan, when, and by which operator."""

    device_id: UUID
    scan_id: str
    outcome: str
    reason_code: str
    decided_by: UUID
    decided_at: datetime


@dataclass(frozen=True)
class Waiting:
    """How many scans wait for a decision, and how many were taken and never uploaded."""

    disputed: int
    parked: int
    missing: int


def decide_scan(
    *, operator_id: UUID, device_id: UUID, scan_id: str, outcome: str, reason_code: str
) -> Decision:
    """Say whether a scan (hexadecimal) counts for its merchant; the same again changes nothing.

    Refuses `offline_scan_unknown`, `offline_scan_counts`, `offline_scan_decided`.
    """
    key = (device_id, bytes.fromhex(scan_id))
    with transaction() as session:
        if session.get(OfflineDecision, key) is None:
            _require_undecided(session, *key)
            written = session.scalar(
                insert(OfflineDecision)
                .values(
                    device_id=key[0], scan_id=key[1], outcome=outcome, reason_code=reason_code,
                    decided_by=operator_id,
                )
                .on_conflict_do_nothing()
                .returning(OfflineDecision.outcome)
            )
            if written is not None:
                record_act(
                    actor=Actor("operator", operator_id), action="offline_scan_decided",
                    subject=scan_id, reason=f"{outcome}: {reason_code}",
                )
        row = session.get_one(OfflineDecision, key)
        if (row.outcome, row.reason_code) != (outcome, reason_code):
            raise refusals.OfflineScanDecided(outcome=row.outcome, reason_code=row.reason_code)
        return Decision(
            device_id, scan_id, row.outcome, row.reason_code, row.decided_by, row.decided_at
        )


def list_shop_scans(
    *, counter: Counter, limit: int, before: datetime | None = None
) -> list[Mapping[str, Any]]:
    """A shop's own scans of the last 92 days, the latest first, and whether each counts."""
    permit = require_scan_permit(
        staff_id=counter.clerk_id, session_id=counter.session_id, shop_id=counter.shop_id
    )
    with reading() as session:
        rows = session.execute(_SETTLED, {
            "merchant": permit.merchant_id, "shop": counter.shop_id, "back": SHOWN_BACK,
            "before": before, "limit": limit,
        })  # fmt: skip
        return [row._asdict() for row in rows]


def count_waiting() -> Waiting:
    """For the job: what waits for an operator, or for a device."""
    with reading() as session:
        return Waiting(*session.execute(_WAITING).one())


def scan_state() -> dict[str, float]:
    """Gauges: refusals of the last hour by reason, and the age of the deny list in seconds."""
    age = func.extract("epoch", func.clock_timestamp() - func.max(OfflineDenyList.issued_at))
    with reading() as session:
        refused = session.execute(_REFUSALS).all()
        age_seconds = session.scalar(select(age))
    found = {f"refusals_last_hour_{row.reason}": float(row.refused) for row in refused}
    if age_seconds is not None:  # without offline codes there is none
        found["offline_deny_list_age_seconds"] = float(age_seconds)
    return found


def _require_undecided(session: Session, device_id: UUID, scan_id: bytes) -> None:
    standing = session.scalar(_STANDING, {"device": device_id, "scan": scan_id})
    if standing is None:
        raise refusals.OfflineScanUnknown
    if standing == "counted":
        raise refusals.OfflineScanCounts

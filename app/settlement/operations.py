"""What merchants say to their sheets, and what operators correct; never an old line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from app.kernel.database import transaction
from app.kernel.errors import IdReused
from app.merchants.names import require_merchant, require_owned_merchant
from app.settlement.models import ClosedMonth, Correction, Sheet, SheetAnswer
from app.settlement.queries import SealedSheet, list_sheets
from app.settlement.refusals import (
    SettlementAnswered,
    SettlementSheetUnknown,
)
from app.trail.operations import Actor, record_act, require_reason


@dataclass(frozen=True)
class MadeCorrection:
    """A correction as it stands: a line of the month in which it was made."""

    correction_id: UUID
    merchant_id: UUID
    origin_month_on: date
    amount_fen: int
    reason: str


def answer_sheet(*, owner_id: UUID, month_on: date, answer: str, reason: str) -> SealedSheet:
    """The owner accepts the sheet of a month or objects to it; the same again changes nothing.

    Refuses `not_merchant_staff`, `reason_needed` (for an objection), `settlement_sheet_unknown`,
    `settlement_answered`.
    """
    given = require_reason(reason) if answer == "objected" else ""
    with transaction() as session:
        merchant_id = require_owned_merchant(owner_id=owner_id)
        if session.get(Sheet, (merchant_id, month_on)) is None:
            raise SettlementSheetUnknown
        added = session.scalar(
            insert(SheetAnswer)
            .values(
                merchant_id=merchant_id, month_on=month_on, answer=answer, reason=given,
                answered_by=owner_id,
            )
            .on_conflict_do_nothing()
            .returning(SheetAnswer.month_on)
        )
        held = session.get_one(SheetAnswer, (merchant_id, month_on))
        if (held.answer, held.reason) != (answer, given):
            raise SettlementAnswered
        if added is not None:
            record_act(
                actor=Actor("merchant_owner", owner_id), action=f"settlement_sheet_{answer}",
                subject=f"settlement {month_on:%Y-%m} {merchant_id}", reason=given,
            )
        return list_sheets(merchant_id=merchant_id, month_on=month_on)[0]


def correct_sheet(
    *, operator_id: UUID, correction_id: UUID, merchant_id: UUID, origin_month_on: date,
    amount_fen: int, reason: str,
) -> MadeCorrection:
    """Owe a merchant more (or less, or nothing, with a reason) for a closed month.

    It is a line of this month, which two operators close.  The same again changes nothing.
    Refuses `reason_needed`, `merchant_unknown`, `settlement_sheet_unknown`, `id_reused`.
    """
    facts = {
        "merchant_id": merchant_id, "origin_month_on": origin_month_on, "amount_fen": amount_fen,
        "reason": require_reason(reason),
    }
    with transaction() as session:
        require_merchant(merchant_id=merchant_id)
        if session.get(ClosedMonth, origin_month_on) is None:
            raise SettlementSheetUnknown
        added = session.scalar(
            insert(Correction)
            .values(correction_id=correction_id, corrected_by=operator_id, **facts)
            .on_conflict_do_nothing()
            .returning(Correction.correction_id)
        )
        held = session.get_one(Correction, correction_id)
        if any(getattr(held, name) != value for name, value in facts.items()):
            raise IdReused
        if added is not None:
            record_act(
                actor=Actor("operator", operator_id), action="settlement_corrected",
                subject=f"settlement {origin_month_on:%Y-%m} {merchant_id}", reason=held.reason,
                basis=f"{amount_fen} fen",
            )
        return MadeCorrection(
            correction_id, merchant_id, origin_month_on, amount_fen, held.reason
        )

"""Taking a redemption back: a row of its own, within the benefit's window, by the same merchant.

The points go back to their lots, the voucher stays finished, and the citizen may claim again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.benefits.operations import return_slot, return_stock
from app.benefits.queries import find_version
from app.kernel import outbox
from app.kernel.database import transaction
from app.kernel.errors import IdReused
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.ledger import operations as ledger
from app.merchants.queries import ScanPermit, require_scan_permit
from app.redemptions import codes, refusals
from app.redemptions.models import Annulment, Redemption, RedemptionAttempt, Voucher
from app.redemptions.operations import Counter, refusal_of_unreadable
from app.trail.operations import Actor, record_access

ANNULLED_TOPIC: Final = "redemption_annulled"
_LOCK_WALLET = text("SELECT redemption_lock_wallet(:citizen)")


def annul(*, keys: KeyProvider, counter: Counter, annulment_id: UUID, receipt: str) -> str:
    """Annul the redemption of a receipt; the answer as JSON text, the same for the same id.

    Refuses `receipt_unreadable`, `redemption_unknown` (another merchant's too),
    `annulment_too_late`, `already_annulled`, `id_reused`.
    """
    permit = require_scan_permit(
        staff_id=counter.clerk_id, session_id=counter.session_id, shop_id=counter.shop_id
    )
    try:
        read = codes.read_receipt(keys, receipt)
    except codes.CodeUnreadable:
        raise refusal_of_unreadable(
            keys, counter, receipt, told=refusals.ReceiptUnreadable.code
        ) from None
    with transaction() as session:
        session.execute(_LOCK_WALLET, {"citizen": read.citizen_id})
        redemption = _find(session, read, permit)
        first = session.get(Annulment, (redemption.citizen_id, redemption.voucher_id))
        if first is not None:
            if first.annulment_id != annulment_id:
                raise refusals.AlreadyAnnulled(annulled_at=first.annulled_at.isoformat())
            return first.answer
        annulment = _annul(session, redemption, counter, annulment_id)
        record_access(
            citizen_id=redemption.citizen_id, actor=Actor("clerk", counter.clerk_id),
            action="annul_redemption", fields=["voucher"], reason=permit.shop_name,
            basis="membership",
        )
        _announce(redemption, annulment)
        return annulment.answer


def _find(session: Session, receipt: codes.Receipt, permit: ScanPermit) -> Redemption:
    attempt = session.get(
        RedemptionAttempt, (receipt.citizen_id, receipt.clerk_id, receipt.redemption_id)
    )
    redemption = None
    if attempt is not None and attempt.answer is not None:
        redemption = session.get(Redemption, (receipt.citizen_id, attempt.voucher_id))
    if redemption is None or redemption.merchant_id != permit.merchant_id:
        raise refusals.RedemptionUnknown
    return redemption


def _annul(
    session: Session, redemption: Redemption, counter: Counter, annulment_id: UUID
) -> Annulment:
    citizen_id = redemption.citizen_id
    voucher = session.get_one(Voucher, (citizen_id, redemption.voucher_id))
    window_seconds = find_version(benefit_id=voucher.benefit_id).annul_window_seconds
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    if moment > redemption.redeemed_at + timedelta(seconds=window_seconds):
        raise refusals.AnnulmentTooLate(redeemed_at=redemption.redeemed_at.isoformat())
    used = select(Annulment.voucher_id).where(
        Annulment.citizen_id == citizen_id, Annulment.annulment_id == annulment_id
    )
    if session.scalar(used) is not None:
        raise IdReused
    transfer_id = None
    if redemption.transfer_id is not None:
        transfer_id = new_id()
        ledger.reverse(
            citizen_id=citizen_id, transfer_id=transfer_id, reversed_id=redemption.transfer_id
        ).require_accepted()
    if voucher.stock_taken:
        return_stock(benefit_id=voucher.benefit_id)
    return_slot(benefit_id=voucher.benefit_id, expires_at=voucher.expires_at)
    annulment = Annulment(
        citizen_id=citizen_id, voucher_id=redemption.voucher_id, annulment_id=annulment_id,
        clerk_id=counter.clerk_id, shop_id=counter.shop_id, transfer_id=transfer_id,
        annulled_at=moment, answer=_answer(redemption, annulment_id, moment),
    )
    session.add(annulment)
    return annulment


def _announce(redemption: Redemption, annulment: Annulment) -> None:
    """Tell whoever wants to know, after the commit."""
    outbox.put(
        citizen_id=redemption.citizen_id, topic=ANNULLED_TOPIC,
        payload={
            "redemption_id": str(redemption.redemption_id),
            "annulment_id": str(annulment.annulment_id),
            "benefit_code": redemption.benefit_code,
            "returned_points": redemption.price_points,
            "merchant_id": str(redemption.merchant_id), "shop_id": str(redemption.shop_id),
            "annulled_at": annulment.annulled_at.isoformat(),
        },
    )


def _answer(redemption: Redemption, annulment_id: UUID, moment: datetime) -> str:
    answer = {
        "annulment_id": annulment_id,
        "redemption_id": redemption.redemption_id,
        "benefit_code": redemption.benefit_code,
        "returned_points": redemption.price_points,
        "annulled_at": moment,
    }
    return orjson.dumps(answer, option=orjson.OPT_UTC_Z).decode()

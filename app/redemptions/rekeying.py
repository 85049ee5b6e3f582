"""Codes that are alive under a key which is not the active one any more."""

from __future__ import annotations

from typing import Final

from sqlalchemy import exists, func, select

from app.kernel.database import reading
from app.kernel.keys import KeyPurpose
from app.kernel.rotation import Awaited, OldKey, Stock
from app.redemptions.models import Voucher, VoucherEnding, VoucherManualCode


def _open_vouchers(key: OldKey) -> int:
    """Vouchers whose codes may be printed or kept somewhere since the key's time."""
    ended = exists().where(
        VoucherEnding.citizen_id == Voucher.citizen_id,
        VoucherEnding.voucher_id == Voucher.voucher_id,
    )
    query = select(func.count()).select_from(Voucher).where(
        Voucher.claimed_at < key.used_until, Voucher.expires_at > func.now(), ~ended
    )
    with reading() as session:
        return session.scalar(query) or 0


def _typed_codes(key: OldKey) -> int:
    query = select(func.count()).select_from(VoucherManualCode).where(
        VoucherManualCode.created_at < key.used_until, VoucherManualCode.expires_at > func.now()
    )
    with reading() as session:
        return session.scalar(query) or 0


STOCKS: Final[tuple[Stock, ...]] = (
    Awaited(KeyPurpose.CODE, "open vouchers claimed before", _open_vouchers),
    Awaited(KeyPurpose.CODE, "typed codes shown before", _typed_codes),
)

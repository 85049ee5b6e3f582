"""Orders whose texts at counters are under a key which is not the active one any more."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select

from app.kernel.database import reading
from app.kernel.keys import KeyPurpose
from app.kernel.rotation import Awaited, OldKey, Stock
from app.service_orders.models import ServiceOrder
from app.service_orders.transitions import State

_OVER: Final = (State.PAID, State.REPAID, State.RELEASED, State.CANCELLED, State.EXPIRED)


def _open_orders(key: OldKey) -> int:
    query = select(func.count()).select_from(ServiceOrder).where(
        ServiceOrder.created_at < key.used_until, ServiceOrder.state.not_in(_OVER)
    )
    with reading() as session:
        return session.scalar(query) or 0


STOCKS: Final[tuple[Stock, ...]] = (
    Awaited(KeyPurpose.CODE, "open orders created before", _open_orders),
)

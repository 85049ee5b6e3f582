"""What merchants' programs can be told: a closed list, each made from a message of the outbox.

The least: ids that the merchant's own counter has seen, codes, amounts, the shop, the time.  No
person, no voucher, nothing that tells whether two events concern the same citizen (R23).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import orjson

from app.kernel.jobs import Message
from app.kernel.outbox import REQUEST_ID_KEY
from app.merchants.suspensions import SUSPENSION_TOPIC
from app.redemptions.annulments import ANNULLED_TOPIC
from app.redemptions.queries import find_redemption_id
from app.service_orders.acts import STEP_TOPIC
from app.settlement.closing import READY_TOPIC

REDEEMED_TOPIC: Final = "voucher_redeemed"


class EventType(StrEnum):
    """What can be subscribed to; a test event comes without."""

    REDEEMED = "redemption.redeemed"
    ANNULLED = "redemption.annulled"
    ORDER_CHANGED = "service_order.changed"
    SUSPENDED = "merchant.suspended"
    RESUMED = "merchant.resumed"
    STATEMENT_READY = "statement.ready"


TEST_TYPE: Final = "endpoint.test"


@dataclass(frozen=True)
class MerchantEvent:
    """Something to tell one merchant; `event_id` is the webhook-id of all its deliveries."""

    event_id: UUID
    merchant_id: UUID
    event_type: str
    happened_at: str  # RFC 3339
    data: Mapping[str, Any]
    request_id: str | None = None

    @property
    def body(self) -> str:
        """What is sent, always the same bytes."""
        return orjson.dumps({
            "type": self.event_type, "timestamp": self.happened_at, "data": dict(self.data)
        }).decode()


def read_event(message: Message) -> MerchantEvent | None:
    """The event that a message of one of TOPICS stands for; None: nothing to tell.

    Whatever the message holds beyond the named members stays behind.
    """
    event_type, time_name, data = _READERS[message.topic](message)
    if data is None:
        return None
    payload = message.payload
    return MerchantEvent(
        event_id=message.message_id, merchant_id=UUID(str(payload["merchant_id"])),
        event_type=event_type.value, happened_at=str(payload[time_name]), data=data,
        request_id=payload.get(REQUEST_ID_KEY),
    )


_Read = tuple[EventType, str, Mapping[str, Any] | None]


def _redeemed(message: Message) -> _Read:
    """A redemption on line; what devices scanned off line is told to them at the upload."""
    payload = message.payload
    redemption_id = find_redemption_id(
        citizen_id=message.citizen_id, voucher_id=UUID(str(payload["voucher_id"]))
    )
    data = None if redemption_id is None else {
        "redemption_id": str(redemption_id),
        **_named(payload, "benefit_code", "price_points", "shop_id"),
    }
    return EventType.REDEEMED, "redeemed_at", data


def _annulled(message: Message) -> _Read:
    names = "redemption_id", "annulment_id", "benefit_code", "returned_points", "shop_id"
    return EventType.ANNULLED, "annulled_at", _named(message.payload, *names)


def _order_changed(message: Message) -> _Read:
    names = "order_id", "kind", "event", "state", "held_fen", "billed_fen", "owed_fen"
    return EventType.ORDER_CHANGED, "happened_at", _named(message.payload, *names)


def _suspension(message: Message) -> _Read:
    suspended = bool(message.payload["suspended"])
    kind = EventType.SUSPENDED if suspended else EventType.RESUMED
    return kind, "changed_at", _named(message.payload, "merchant_id")


def _statement_ready(message: Message) -> _Read:
    """The sheet of a month, once it is frozen; what it holds is fetched (docs/settlement.md)."""
    names = (
        "month", "line_count", "amount_points", "subsidy_fen", "order_fen", "owed_fen", "digest"
    )  # fmt: skip
    return EventType.STATEMENT_READY, "ready_at", _named(message.payload, *names)


def _named(payload: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: payload[name] for name in names}


_READERS: Final[dict[str, Callable[[Message], _Read]]] = {
    REDEEMED_TOPIC: _redeemed,
    ANNULLED_TOPIC: _annulled,
    STEP_TOPIC: _order_changed,
    SUSPENSION_TOPIC: _suspension,
    READY_TOPIC: _statement_ready,
}
TOPICS: Final = tuple(_READERS)

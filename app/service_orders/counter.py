"""What clerks do with service orders; an order belongs to the merchant that starts it.

Nobody's membership is looked at once an order is in use: what was begun is settled, also of
somebody who has left.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.kernel.database import transaction, transaction_required
from app.kernel.errors import IdReused
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.members.queries import consent_state, is_active
from app.merchants.queries import require_scan_permit
from app.service_orders import queries
from app.service_orders.acts import (
    BY_WECHAT,
    PAY_SCORE_CONFIRM,
    Act,
    as_it_stands,
    free_hold,
    give_back,
    line_of,
    post_part,
    require_event,
    step,
    take_order,
    was_done,
)
from app.service_orders.models import ServiceOrder
from app.service_orders.operations import CONFIRM_WITHIN, confirm, place_order
from app.service_orders.queries import Line, Order
from app.service_orders.references import make_reference, read_reference
from app.service_orders.refusals import (
    GuaranteeLineUnknown,
    ServiceAmountTooLarge,
    ServiceConfirmationNeeded,
    ServiceConsentNeeded,
    ServiceLineByPhone,
    ServiceOrderStateRefuses,
    ServiceOrderUnknown,
)
from app.service_orders.transitions import Event, State
from app.trail.operations import Actor


@dataclass(frozen=True)
class Clerk:
    """Who stands at the counter, in a session, in a shop, with the keys to read references."""

    keys: KeyProvider
    clerk_id: UUID
    session_id: UUID
    shop_id: UUID

    def act(self, act_id: UUID, verb: str, *values: object) -> Act:
        """An act of this clerk."""
        return Act(act_id, Actor("clerk", self.clerk_id), verb, values)

    def merchant(self) -> UUID:
        """The clerk's merchant; refuses as `require_scan_permit` does."""
        return require_scan_permit(
            staff_id=self.clerk_id, session_id=self.session_id, shop_id=self.shop_id
        ).merchant_id


@dataclass(frozen=True)
class Terms:
    """What a holder orders at a counter: an amount of a line."""

    line_id: UUID
    amount_fen: int

    @property
    def digest(self) -> bytes:
        """What tells these terms from others."""
        return hashlib.sha256(self.line_id.bytes + str(self.amount_fen).encode()).digest()


@dataclass(frozen=True)
class SeenOrder:
    """An order as its merchant sees it: no person behind it."""

    reference: str
    order: Order


def start_use(*, clerk: Clerk, reference: str, act_id: UUID, nonce: str) -> SeenOrder:
    """Hand over; above the line's amount the holder must first confirm what the counter shows.

    Refuses `service_order_unknown`, `service_order_state`, `service_order_expired`,
    `service_consent_needed`.
    """
    act = clerk.act(act_id, "start", nonce)
    with transaction():
        order = _take(clerk, reference, is_start=True)
        if not was_done(order, act):
            _hand_over(clerk, order, act, nonce)
        return _seen(clerk, order)


def list_lines_here(*, clerk: Clerk) -> list[Line]:
    """The lines with which this counter serves holders without a phone, the newest first."""
    merchant_id = clerk.merchant()
    return [line for line in queries.list_lines() if _is_for_counters(line, merchant_id)]


def open_at_counter(
    *, clerk: Clerk, citizen_id: UUID, order_id: UUID, terms: Terms, is_confirmed: bool
) -> SeenOrder:
    """Order for a holder who is there without a phone, and hand over, in the open transaction.

    `is_confirmed`: the holder has given their word for these very terms, which an amount above the
    line's needs.  Who knows that the holder is there is the caller.  Refuses as `create_order` and
    `start_use` do, and `service_line_by_phone`, `service_confirmation_needed`.
    """
    transaction_required()
    line = queries.find_line(line_id=terms.line_id)
    if line is None or clerk.merchant() not in line.merchant_ids:
        raise GuaranteeLineUnknown
    if line.collection in BY_WECHAT:
        raise ServiceLineByPhone
    if terms.amount_fen > line.confirm_above_fen and not is_confirmed:
        raise ServiceConfirmationNeeded(confirm_above_fen=line.confirm_above_fen)
    if queries.find_order(citizen_id=citizen_id, order_id=order_id) is not None:
        raise IdReused
    order = place_order(
        citizen_id=citizen_id, order_id=order_id, actor=Actor("clerk", clerk.clerk_id),
        **vars(terms),
    )
    _hand_over(clerk, order, clerk.act(new_id(), "start", order_id), nonce=None)
    if order.state == State.CONFIRMING:
        word = Act(new_id(), Actor("citizen", citizen_id), "confirm", (order_id,))
        confirm(order, word, moment=require_event(order, Event.CONFIRM))
    return _seen(clerk, order)


def find_opened(
    *, clerk: Clerk, citizen_id: UUID, order_id: UUID, terms: Terms
) -> SeenOrder | None:
    """The order that this counter's merchant opened before under this id with these terms."""
    found = queries.find_order(citizen_id=citizen_id, order_id=order_id)
    if found is None or (found.merchant_id, found.line_id, found.held_fen) != (
        clerk.merchant(), terms.line_id, terms.amount_fen
    ):
        return None
    return _as_seen(clerk, found)


def complete(
    *, clerk: Clerk, reference: str, act_id: UUID, total_fen: int, insured_fen: int
) -> SeenOrder:
    """Bill what was used; insurance pays its share first, the rest is owed and due later.

    A rest of nothing frees the hold.  Refuses `service_order_unknown`, `service_order_state`,
    `service_order_expired`, `service_amount_too_large`.
    """
    act = clerk.act(act_id, "complete", total_fen, insured_fen)
    with transaction():
        order = _take(clerk, reference)
        if not was_done(order, act):
            if insured_fen > total_fen:
                raise ServiceAmountTooLarge(at_most_fen=total_fen)
            _charge(order, act, Event.COMPLETE, total_fen - insured_fen)
            order.billed_fen, order.insured_fen = total_fen, insured_fen
        return _seen(clerk, order)


def claim(*, clerk: Clerk, reference: str, act_id: UUID, amount_fen: int) -> SeenOrder:
    """Claim a part of the hold, or all of it, for what is damaged or late.

    Refuses as `complete` does.
    """
    act = clerk.act(act_id, "claim", amount_fen)
    with transaction():
        order = _take(clerk, reference)
        if not was_done(order, act):
            _charge(order, act, Event.CLAIM, amount_fen)
            order.billed_fen = amount_fen
        return _seen(clerk, order)


def resolve_dispute(*, clerk: Clerk, reference: str, act_id: UUID, amount_fen: int) -> SeenOrder:
    """What stays of a disputed amount, never more than before; 0 waives it.

    Refuses `service_order_unknown`, `service_order_state`, `service_amount_too_large`.
    """
    act = clerk.act(act_id, "resolve", amount_fen)
    with transaction():
        order = _take(clerk, reference)
        if not was_done(order, act):
            event = Event.UPHOLD if amount_fen else Event.WAIVE
            moment = require_event(order, event)
            lowered_fen = order.owed_fen - amount_fen
            if lowered_fen < 0:
                raise ServiceAmountTooLarge(at_most_fen=order.owed_fen)
            transfer_id = (
                give_back(order, lowered_fen, account="claimed", reason="service_lowered")
                if lowered_fen else None
            )  # fmt: skip
            step(
                order, event, act, moment=moment, amount_fen=amount_fen, owed_fen=amount_fen,
                transfer_id=transfer_id,
            )
        return _seen(clerk, order)


def dispute(*, clerk: Clerk, reference: str, act_id: UUID) -> SeenOrder:
    """Note at the counter that the holder disputes what is owed.

    Refuses `service_order_unknown`, `service_order_state`.
    """
    act = clerk.act(act_id, "dispute")
    with transaction():
        order = _take(clerk, reference)
        if not was_done(order, act):
            moment = require_event(order, Event.DISPUTE)
            owed_fen = order.owed_fen
            step(
                order, Event.DISPUTE, act, moment=moment, amount_fen=owed_fen, owed_fen=owed_fen
            )
        return _seen(clerk, order)


def take_payment(*, clerk: Clerk, reference: str, act_id: UUID) -> SeenOrder:
    """Note that the holder paid at the counter all that is owed.

    Refuses `service_order_unknown`, `service_order_state`.
    """
    act = clerk.act(act_id, "pay")
    with transaction():
        order = _take(clerk, reference)
        if not was_done(order, act):
            pay(order, act)
        return _seen(clerk, order)


def pay(order: ServiceOrder, act: Act) -> None:
    """What is owed is paid, in the open transaction.  Refuses `service_order_state`."""
    moment = require_event(order, Event.PAY)
    amount_fen = order.owed_fen
    transfer_id = give_back(order, amount_fen, account="repaid", reason="service_paid")
    step(
        order, Event.PAY, act, moment=moment, amount_fen=amount_fen, transfer_id=transfer_id
    )


def list_orders(
    *, clerk: Clerk, limit: int, before: datetime | None = None
) -> list[SeenOrder]:
    """The orders of the clerk's merchant, the latest made first."""
    found = queries.list_merchant_orders(
        merchant_id=clerk.merchant(), limit=limit, before=before
    )
    return [_as_seen(clerk, order) for order in found]


def _take(clerk: Clerk, reference: str, *, is_start: bool = False) -> ServiceOrder:
    """The order behind a reference, locked; only its merchant gets further."""
    merchant_id = clerk.merchant()
    citizen_id, order_id = read_reference(clerk.keys, reference)
    order = take_order(citizen_id=citizen_id, order_id=order_id)
    is_new = is_start and order.merchant_id is None
    if is_new and merchant_id in line_of(order).merchant_ids:
        return order
    if order.merchant_id != merchant_id:
        raise ServiceOrderUnknown
    return order


def _hand_over(clerk: Clerk, order: ServiceOrder, act: Act, nonce: str | None) -> None:
    """Into use; above the line's amount the holder is asked first."""
    above = order.held_fen > line_of(order).confirm_above_fen
    event = Event.ASK if above else Event.START
    _require_agreed(order, event)
    moment = require_event(order, event)
    _require_willing(order)
    order.merchant_id = clerk.merchant()
    order.nonce = nonce if above else None
    # A minute for the holder, by the clock that decides.
    order.deadline_at = moment + CONFIRM_WITHIN if above else order.hold_expires_at
    step(order, event, act, moment=moment, amount_fen=order.held_fen)


def _is_for_counters(line: Line, merchant_id: UUID) -> bool:
    return merchant_id in line.merchant_ids and line.collection not in BY_WECHAT


def _require_agreed(order: ServiceOrder, event: Event) -> None:
    """Where the holder confirms in WeChat, nothing begins before WeChat has said so."""
    waits = line_of(order).collection == PAY_SCORE_CONFIRM and order.state == State.CREATED.value
    if waits:
        raise ServiceOrderStateRefuses(state=order.state, event=event.value)


def _require_willing(order: ServiceOrder) -> None:
    """Nothing begins for somebody who has left or taken the consent back; why is not said here."""
    state = consent_state(citizen_id=order.citizen_id, purpose=order.kind)
    if state != "given" or not is_active(citizen_id=order.citizen_id):
        raise ServiceConsentNeeded


def _charge(order: ServiceOrder, act: Act, event: Event, amount_fen: int) -> None:
    """Take the amount from the hold; nothing to take frees it."""
    event = event if amount_fen else Event.RELEASE
    moment = require_event(order, event)
    transfer_id = post_part(order, amount_fen) if amount_fen else free_hold(order)
    step(
        order, event, act, moment=moment, amount_fen=amount_fen, owed_fen=amount_fen,
        transfer_id=transfer_id,
    )


def _seen(clerk: Clerk, order: ServiceOrder) -> SeenOrder:
    return _as_seen(clerk, as_it_stands(order))


def _as_seen(clerk: Clerk, order: Order) -> SeenOrder:
    reference = make_reference(
        clerk.keys, citizen_id=order.citizen_id, order_id=order.order_id
    )
    return SeenOrder(reference, order)

"""What a paper card begins at a counter: a check, which only its holder can bring to an end.

The card is a picture that anybody may have copied.  It opens nothing: the holder tells the clerk
six digits that came to the phone of the card's holder, or the clerk looks at the identity card and
answers for it with a fresh code of the second factor.  Then it stands like a pass code, for one
preview and one redemption at that counter, or for one question of a library's desk; or it is the
holder's word for one service order, whose terms the PIN was sent for.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Protocol
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.counter.models import CardCheck, PaperCard, PaperCardNumber
from app.counter.notices import ORDER_OPENED, tell
from app.counter.numbers import (
    Handle,
    make_handle,
    new_pin,
    number_hashes,
    parse_number,
    pin_hashes,
    read_handle,
)
from app.kernel.database import transaction, transaction_required
from app.kernel.errors import Conflict, IdReused, NotAllowed, TooMany, refusal
from app.kernel.keys import KeyProvider
from app.library import operations as libraries
from app.library.operations import DeskAnswer
from app.members import operations as members
from app.members.queries import is_active
from app.members.sessions import open_citizen_session
from app.merchants.queries import ScanPermit, require_scan_permit
from app.redemptions import codes
from app.redemptions import operations as redemptions
from app.redemptions.codes import CodeUnreadable
from app.redemptions.operations import Counter, refusal_of_unreadable
from app.service_orders import counter as orders
from app.service_orders.counter import Clerk, SeenOrder, Terms
from app.trail.operations import Actor, record_access

CHECK_LIFE: Final = timedelta(minutes=5)
PIN_TRIES: Final = 5
USES_PER_DAY: Final = 5  # a static code: few and small, however it came into whose hands
CHECKS_PER_HOUR: Final = 10
_HOUR_SECONDS: Final = 3_600
# As long as the reference that the preview gives, and the time between the two.
_OPEN_FOR: Final = codes.REFERENCE_LIFE + timedelta(seconds=30)
_USES: Final = text("SELECT passed_today, started_in_hour FROM counter_card_uses(:citizen)")


class CardCheckOver(Conflict):
    """The check was passed, failed too often, or took longer than five minutes."""

    code: ClassVar[str] = "card_check_over"
    title: ClassVar[str] = "The check is over"
    advice: ClassVar[str] = "本次核验已结束或已超时，请重新扫描纸质卡。"


class PinWrong(NotAllowed):
    """These are not the six digits that were sent; the details say how many tries are left."""

    code: ClassVar[str] = "pin_wrong"
    title: ClassVar[str] = "The PIN is not the one that was sent"
    advice: ClassVar[str] = "验证码有误，请持卡人核对短信后重新输入。"


class CardUsedUp(Conflict):
    """A paper card is good for a few uses a day."""

    code: ClassVar[str] = "card_used_up"
    title: ClassVar[str] = "The paper card was used as often as it may be today"
    advice: ClassVar[str] = "纸质卡今日使用次数已满，请明日再用或到服务窗口办理。"


class CardPhoneMissing(Conflict):
    """The holder has left no phone number to send a PIN to."""

    code: ClassVar[str] = "card_phone_missing"
    title: ClassVar[str] = "The holder of the card has left no phone number"
    advice: ClassVar[str] = "持卡人未登记手机号，请核对本人身份证办理。"


class TooManyCardChecks(TooMany):
    """Too many checks of one card within an hour."""

    code: ClassVar[str] = "too_many_card_checks"
    title: ClassVar[str] = "Too many checks of this card"
    advice: ClassVar[str] = "该卡核验过于频繁，请稍后再试。"


@dataclass(frozen=True)
class Proof:
    """What ends a check well: the PIN that the holder reads out, or the clerk's own code."""

    pin: str | None = field(repr=False, default=None)
    totp: str | None = field(repr=False, default=None)


class PinSender(Protocol):
    """Whoever can send a PIN; see `app.wechat.sms`."""

    def send_pin(self, *, message_id: UUID, phone: str, pin: str) -> None:
        """Send it, once for each message id, or refuse."""


@dataclass(frozen=True)
class StartedCheck:
    """A check that waits; `check` is for this clerk in this shop."""

    check: str
    way: str
    expires_at: datetime


def start_check(
    *, keys: KeyProvider, counter: Counter, check_id: UUID, card: str, way: str,
    sender: PinSender, terms: Terms | None = None,
) -> StartedCheck:
    """Begin a check of a scanned or typed card; by `pin` a message goes to the holder's phone.

    With the `terms` of a service order the PIN is good for that order alone.  The same id
    again sends nothing more.

    Refuses `code_unreadable` (a card that was replaced too), `card_inactive`, `card_used_up`,
    `too_many_card_checks`, `card_phone_missing`, `id_reused`,
    what the permit refuses and what the sender refuses.
    """
    pin = new_pin()
    phone = None
    found = _find_card(keys, counter, card)
    with transaction() as session:
        permit = require_scan_permit(
            staff_id=counter.clerk_id, session_id=counter.session_id, shop_id=counter.shop_id
        )
        _require_usable(session, found)
        known = session.get(CardCheck, (found.citizen_id, check_id))
        if known is None:
            _require_rested(session, found.citizen_id)
            new = CardCheck(
                citizen_id=found.citizen_id, check_id=check_id, card_id=found.card_id,
                merchant_id=permit.merchant_id, shop_id=counter.shop_id,
                clerk_id=counter.clerk_id, way=way,
            )
            about = b"" if terms is None else terms.digest
            pin_hash = pin_hashes(keys, check_id=check_id, pin=pin, about=about)[0]
            known = _write(session, new, pin_hash)
            if way == "pin":
                phone = _phone(keys, counter, permit, found.citizen_id)
        elif (known.clerk_id, known.shop_id, known.card_id, known.way) != (
            counter.clerk_id, counter.shop_id, found.card_id, way
        ):
            raise IdReused
    if phone is not None:  # after the commit: nothing waits for a network
        sender.send_pin(message_id=check_id, phone=phone, pin=pin)
    handle = Handle(found.citizen_id, check_id, counter.clerk_id, counter.shop_id)
    return StartedCheck(make_handle(keys, handle), known.way, known.expires_at)


def pass_check(
    *, keys: KeyProvider, counter: Counter, check: str, pin: str | None = None,
    totp: str | None = None,
) -> dict[str, Any]:
    """End a check well, by the PIN or by the clerk's second factor; the answer of a preview.

    Refuses `code_unreadable`, `reference_foreign`, `second_factor_refused`, `pin_wrong`,
    `card_check_over`, `card_used_up`, `card_inactive` and what a preview refuses.
    """
    code = _pass_code(keys, counter, check, Proof(pin, totp))
    return redemptions.preview(keys=keys, counter=counter, code=code)


def pass_at_library(
    *, keys: KeyProvider, counter: Counter, check: str, pin: str | None = None,
    totp: str | None = None,
) -> DeskAnswer:
    """End a check well; what a library's desk learns, and a reference to register a waiver with.

    Refuses as `pass_check` does, and `not_a_library`.
    """
    code = _pass_code(keys, counter, check, Proof(pin, totp))
    return libraries.ask(keys=keys, counter=counter, code=code)


def pass_for_order(
    *, keys: KeyProvider, counter: Counter, check: str, order_id: UUID, terms: Terms,
    proof: Proof,
) -> SeenOrder:
    """End a check well and open a service order with it: held, handed over, confirmed by the PIN.

    The same id again gives the order that there is.  Refuses as `pass_check` does, and as
    `open_at_counter`: then the check goes on waiting.
    """
    handle = _read_check(keys, counter, check, proof)
    clerk = Clerk(keys, counter.clerk_id, counter.session_id, counter.shop_id)
    seen = None
    with transaction() as session:
        held = _locked(session, handle)
        if held is not None and held.passed_at is not None:
            seen = orders.find_opened(
                clerk=clerk, citizen_id=held.citizen_id, order_id=order_id, terms=terms
            )
        if seen is None:
            held, permit = _require_waiting(session, counter, handle, proof)
            if _is_proved(keys, held, proof, about=terms.digest):
                _open(session, held, permit)
                seen = orders.open_at_counter(
                    clerk=clerk, citizen_id=held.citizen_id, order_id=order_id, terms=terms,
                    is_confirmed=proof.pin is not None,
                )
                tell(citizen_id=held.citizen_id, what=ORDER_OPENED)
            left = held.tries_left
    if seen is None:  # after the commit: the try is spent
        raise PinWrong(tries_left=left)
    return seen


def find_good_card(session: Session, keys: KeyProvider, card: str) -> PaperCardNumber | None:
    """Whose a scanned or typed card is; of an ended or unreadable one nobody's."""
    try:
        hashes = number_hashes(keys, parse_number(card))
    except CodeUnreadable:
        return None
    return session.scalar(
        select(PaperCardNumber)
        .join(
            PaperCard,
            (PaperCard.citizen_id == PaperCardNumber.citizen_id)
            & (PaperCard.card_id == PaperCardNumber.card_id),
        )
        .where(PaperCardNumber.number_hash.in_(hashes), PaperCard.ended_at.is_(None))
    )


def _find_card(keys: KeyProvider, counter: Counter, card: str) -> PaperCardNumber:
    """Whose number it is; what stands for nobody is kept by clerk and refused."""
    with transaction() as session:
        found = find_good_card(session, keys, card)
    if found is None:
        raise refusal_of_unreadable(keys, counter, card)
    return found


def _require_usable(session: Session, found: PaperCardNumber) -> None:
    """The card is good; its row is locked, so that checks of one card are counted in a row."""
    card = session.scalar(
        select(PaperCard)
        .where(PaperCard.citizen_id == found.citizen_id, PaperCard.card_id == found.card_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if card is None or card.ended_at is not None or not is_active(citizen_id=found.citizen_id):
        raise refusal("card_inactive")
    if session.execute(_USES, {"citizen": found.citizen_id}).one().passed_today >= USES_PER_DAY:
        raise CardUsedUp


def _require_rested(session: Session, citizen_id: UUID) -> None:
    uses = session.execute(_USES, {"citizen": citizen_id}).one()
    if uses.started_in_hour >= CHECKS_PER_HOUR:
        raise TooManyCardChecks(retry_after_seconds=_HOUR_SECONDS)


def _write(session: Session, check: CardCheck, pin_hash: bytes) -> CardCheck:
    now = session.execute(select(func.clock_timestamp())).scalar_one()
    check.expires_at = now + CHECK_LIFE
    check.tries_left = PIN_TRIES
    check.pin_hash = pin_hash if check.way == "pin" else None
    session.add(check)
    session.flush()
    return check


def _phone(
    keys: KeyProvider, counter: Counter, permit: ScanPermit, citizen_id: UUID
) -> str:
    opened = members.open_profile(
        keys=keys, citizen_id=citizen_id, actor=Actor("clerk", counter.clerk_id),
        fields=["phone"], reason=permit.shop_name, basis="membership", action="card_pin_sent",
    )
    phone = opened["phone"]
    if phone is None:
        raise CardPhoneMissing
    return phone


def _read_check(keys: KeyProvider, counter: Counter, check: str, proof: Proof) -> Handle:
    """The check of this counter; the clerk's own code, where one is given, is spent."""
    try:
        handle = read_handle(keys, check)
    except CodeUnreadable:
        raise refusal_of_unreadable(keys, counter, check) from None
    if (handle.clerk_id, handle.shop_id) != (counter.clerk_id, counter.shop_id):
        raise refusal("reference_foreign")
    if proof.totp is not None:
        members.confirm_second_factor(keys=keys, staff_id=counter.clerk_id, totp=proof.totp)
    return handle


def _pass_code(keys: KeyProvider, counter: Counter, check: str, proof: Proof) -> str:
    """End a check well; a pass code of the holder, for what this counter asks with it at once."""
    handle = _read_check(keys, counter, check, proof)
    session_id = None
    with transaction() as session:
        held, permit = _require_waiting(session, counter, handle, proof)
        if _is_proved(keys, held, proof):
            session_id = _open(session, held, permit)
        left = held.tries_left
    if session_id is None:  # after the commit: the try is spent
        raise PinWrong(tries_left=left)
    shown = redemptions.mint_pass_code(
        keys=keys, citizen_id=handle.citizen_id, session_id=session_id
    )
    return shown.code


def _locked(session: Session, handle: Handle) -> CardCheck | None:
    return session.get(
        CardCheck, (handle.citizen_id, handle.check_id), with_for_update=True,
        populate_existing=True,
    )


def _require_waiting(
    session: Session, counter: Counter, handle: Handle, proof: Proof
) -> tuple[CardCheck, ScanPermit]:
    """The check, locked, that still waits for this, and the permit of its clerk."""
    permit = require_scan_permit(
        staff_id=counter.clerk_id, session_id=counter.session_id, shop_id=counter.shop_id
    )
    held = _locked(session, handle)
    way = "document" if proof.pin is None else "pin"
    now = session.execute(select(func.clock_timestamp())).scalar_one()
    if (
        held is None or held.way != way or held.passed_at is not None or held.tries_left == 0
        or held.expires_at <= now
    ):
        raise CardCheckOver
    found = PaperCardNumber(citizen_id=held.citizen_id, card_id=held.card_id)
    _require_usable(session, found)
    return held, permit


def _is_proved(keys: KeyProvider, held: CardCheck, proof: Proof, about: bytes = b"") -> bool:
    """Whether this ends the check well; a wrong PIN spends a try."""
    if proof.pin is None:
        return True
    hashes = pin_hashes(keys, check_id=held.check_id, pin=proof.pin, about=about)
    wanted = held.pin_hash or b""
    is_right = any(hmac.compare_digest(wanted, one) for one in hashes)
    if not is_right:
        held.tries_left -= 1
    return is_right


def _open(session: Session, held: CardCheck, permit: ScanPermit) -> UUID:
    """A session of the holder that nobody has tokens for: what a pass code stands on."""
    transaction_required()
    opened = open_citizen_session(session, citizen_id=held.citizen_id, life=_OPEN_FOR)
    held.passed_at = session.execute(select(func.clock_timestamp())).scalar_one()
    held.session_id = opened.session_id
    session.flush()
    record_access(
        citizen_id=held.citizen_id, actor=Actor("clerk", held.clerk_id),
        action="card_checked_by_pin" if held.way == "pin" else "card_checked_by_document",
        reason=permit.shop_name, basis="membership",
    )
    return opened.session_id

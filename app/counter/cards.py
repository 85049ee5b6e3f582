"""Paper cards: issued and ended by an operator before whom the holder stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import func, select, update

from app.benefits.queries import list_current
from app.counter.models import CardCheck, PaperCard, PaperCardNumber
from app.counter.numbers import CARD_PREFIX, new_number, number_hashes, spell_number
from app.counter.presence import Present, require_present
from app.kernel.crypto import field_context, seal, unseal_with
from app.kernel.database import transaction, transaction_required
from app.kernel.errors import NotFound, refusal
from app.kernel.keys import KeyProvider, KeyPurpose
from app.members import operations as members
from app.members.queries import (
    find_data_key,
    find_masked_profile,
    is_active,
)
from app.trail.operations import Actor, record_access


class PaperCardUnknown(NotFound):
    """The person has no paper card that is good."""

    code: ClassVar[str] = "paper_card_unknown"
    title: ClassVar[str] = "The person has no paper card"
    advice: ClassVar[str] = "该市民没有有效的纸质卡，请先办理。"


@dataclass(frozen=True)
class IssuedCard:
    """A card to print; `number` is what people read, `code` what the QR picture holds."""

    card_id: UUID
    number: str = field(repr=False)
    code: str = field(repr=False)
    issued_at: datetime


@dataclass(frozen=True)
class PrintedCard:
    """A card with what is printed beside it; `name` is masked."""

    card: IssuedCard
    name: str = field(repr=False)
    benefits: tuple[str, ...]


def issue_card(
    *, keys: KeyProvider, operator_id: UUID, card_id: UUID, holder: Present
) -> IssuedCard:
    """Give the holder a card; the one before is dead when this returns.

    The same id again gives the same card.  Refuses `reason_needed`, `second_factor_refused`,
    `citizen_not_found`, `card_inactive`.
    """
    citizen_id, reason = _require_member(keys, operator_id, holder)
    with transaction() as session:
        known = session.get(PaperCard, (citizen_id, card_id))
        if known is None:
            _end_card(citizen_id)
            known = _write_card(keys, citizen_id, card_id, operator_id)
            record_access(
                citizen_id=citizen_id, actor=Actor("operator", operator_id),
                action="paper_card_issued", reason=reason, basis="membership",
            )
        return _issued(keys, known)


def end_card(*, keys: KeyProvider, operator_id: UUID, holder: Present) -> None:
    """End the holder's card, say when it is lost; it is dead when this returns.

    Again changes nothing.  Refuses `reason_needed`, `second_factor_refused`,
    `citizen_not_found`, `card_inactive`.
    """
    citizen_id, reason = _require_member(keys, operator_id, holder)
    with transaction():
        if _end_card(citizen_id):
            record_access(
                citizen_id=citizen_id, actor=Actor("operator", operator_id),
                action="paper_card_ended", reason=reason, basis="membership",
            )


def print_card(*, keys: KeyProvider, operator_id: UUID, holder: Present) -> PrintedCard:
    """The holder's card once more, to print; the holder reads that it was printed.

    Refuses `reason_needed`, `second_factor_refused`, `citizen_not_found`, `card_inactive`,
    `paper_card_unknown`.
    """
    citizen_id, reason = _require_member(keys, operator_id, holder)
    with transaction() as session:
        record_access(
            citizen_id=citizen_id, actor=Actor("operator", operator_id),
            action="paper_card_printed", reason=reason, basis="membership",
        )
        card = session.scalar(
            select(PaperCard)
            .where(PaperCard.citizen_id == citizen_id, PaperCard.ended_at.is_(None))
        )
        profile = find_masked_profile(keys=keys, citizen_id=citizen_id)
        if card is None or profile is None:
            raise PaperCardUnknown
        names = tuple(benefit.name for benefit in list_current())
        return PrintedCard(_issued(keys, card), profile.name, names)


def _require_member(keys: KeyProvider, operator_id: UUID, holder: Present) -> tuple[UUID, str]:
    """The citizen at the counter, who is a member, and the reason in its spelling."""
    citizen_id, reason = require_present(keys=keys, operator_id=operator_id, person=holder)
    if not is_active(citizen_id=citizen_id):
        raise refusal("card_inactive")
    return citizen_id, reason


def _end_card(citizen_id: UUID) -> bool:
    """End the card that is good and what it has opened, in the open transaction."""
    session = transaction_required()
    ended = session.scalar(
        update(PaperCard)
        .where(PaperCard.citizen_id == citizen_id, PaperCard.ended_at.is_(None))
        .values(ended_at=func.clock_timestamp())
        .returning(PaperCard.card_id)
        .execution_options(synchronize_session=False)
    )
    opened = select(CardCheck.session_id).where(
        CardCheck.citizen_id == citizen_id, CardCheck.card_id == ended,
        CardCheck.session_id.is_not(None),
    )
    for session_id in session.scalars(opened).all() if ended is not None else ():
        assert session_id is not None
        members.end_session(
            role="citizen", subject_id=citizen_id, session_id=session_id, reason="card_ended"
        )
    return ended is not None


def _write_card(
    keys: KeyProvider, citizen_id: UUID, card_id: UUID, operator_id: UUID
) -> PaperCard:
    session = transaction_required()
    key = find_data_key(keys=keys, citizen_id=citizen_id)
    assert key is not None, "an active member has a data key"
    number = new_number()
    card = PaperCard(
        citizen_id=citizen_id, card_id=card_id, issued_by=operator_id,
        number_sealed=seal(key, number.encode(), context=number_context(card_id)),
    )
    session.add(card)
    session.add(PaperCardNumber(
        number_hash=number_hashes(keys, number)[0], citizen_id=citizen_id, card_id=card_id,
        key_id=keys.active(KeyPurpose.CODE).id,
    ))
    session.flush()
    session.refresh(card)
    return card


def _issued(keys: KeyProvider, card: PaperCard) -> IssuedCard:
    key = find_data_key(keys=keys, citizen_id=card.citizen_id)
    assert key is not None, "an active member has a data key"
    number = unseal_with(key, card.number_sealed, context=number_context(card.card_id)).decode()
    return IssuedCard(card.card_id, spell_number(number), CARD_PREFIX + number, card.issued_at)


def number_context(card_id: UUID) -> bytes:
    """The place that the number of a card is bound to."""
    return field_context(table="paper_cards", column="number_sealed", row_id=card_id)

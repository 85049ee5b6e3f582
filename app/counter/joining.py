"""Joining at the counter: identity checked, each consent read out and given by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from app.counter import notices
from app.counter.notices import tell
from app.kernel.database import durable, transaction
from app.kernel.keys import KeyProvider
from app.members import operations as members
from app.members.joining import join_at_counter
from app.members.queries import list_consents
from app.members.spelling import parse_phone
from app.rights.consents import sign_receipt
from app.rights.receipts import SignedReceipt
from app.trail.operations import Actor, require_reason


class RealNames(Protocol):
    """Whoever can say that a name and a number belong to one person."""

    def check_real_name(self, *, name: str, id_number: str) -> None:
        """Return when they do, or refuse."""


@dataclass(frozen=True)
class Newcomer:
    """Who stands at the counter and wants to join; the identity card was looked at."""

    name: str = field(repr=False)
    id_number: str = field(repr=False)
    phone: str | None = field(repr=False)
    reason: str
    totp: str = field(repr=False)


def join(
    *, keys: KeyProvider, real_names: RealNames, operator_id: UUID, newcomer: Newcomer,
    consents: Sequence[members.GivenConsent],
) -> tuple[SignedReceipt, ...]:
    """Make the person a member with these consents; the receipt of each, to hand over in print.

    Refuses `reason_needed`, `second_factor_refused`, `member_already` and what joining on a phone
    refuses.
    """
    reason = require_reason(newcomer.reason)
    phone = None if newcomer.phone is None else parse_phone(newcomer.phone)
    request = members.check_join(
        name=newcomer.name, id_number=newcomer.id_number, consents=consents
    )
    members.confirm_second_factor(keys=keys, staff_id=operator_id, totp=newcomer.totp)
    durable()
    real_names.check_real_name(name=request.name, id_number=request.id_number.value)
    with transaction():
        citizen_id = join_at_counter(
            keys=keys, request=request, phone=phone, actor=Actor("operator", operator_id),
            reason=reason,
        )
        tell(citizen_id=citizen_id, what=notices.JOINED)
    return tuple(
        sign_receipt(keys=keys, citizen_id=citizen_id, consent_id=one.consent_id)
        for one in list_consents(citizen_id=citizen_id)
    )

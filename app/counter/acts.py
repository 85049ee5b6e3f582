"""What an operator does for the holder during a visit: what the holder could do on a phone.

Each act stands in the holder's trail, in the transaction of the act itself, and is told by text
message where there is a phone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from app.counter import notices
from app.counter.notices import tell
from app.counter.visits import OpenVisit, require_visit
from app.kernel.database import transaction
from app.kernel.keys import KeyProvider
from app.ledger.queries import Balance, Entry, balance, entries
from app.members.consents import COUNTER_CHANNEL
from app.members.queries import ConsentState, find_masked_profile
from app.redemptions import vouchers
from app.redemptions.queries import HeldVoucher, list_vouchers
from app.rights import consents
from app.rights.consents import StandingConsent, list_standing
from app.rights.leaving import leave
from app.rights.receipts import SignedReceipt
from app.scoring.explanations import ExplainedScore
from app.scoring.operations import SchemeNotPublished, ScoreNotFound, open_score
from app.trail.operations import Actor, record_access

ENTRIES_SHOWN: Final = 20
VOUCHERS_SHOWN: Final = 20
LINES_SHOWN: Final = 100
ALL: Final = ("score", "points", "vouchers", "consents")


@dataclass(frozen=True)
class Overview:
    """Everything that the holder sees on a phone; `score` is null where none is shown yet."""

    name: str = field(repr=False)
    score: ExplainedScore | None
    balance: Balance
    entries: tuple[Entry, ...]
    vouchers: tuple[HeldVoucher, ...]
    consents: tuple[StandingConsent, ...]


@dataclass(frozen=True)
class Printed:
    """An overview to print, with the code of one voucher that is good."""

    overview: Overview
    voucher: HeldVoucher | None
    code: str | None = field(repr=False, default=None)
    manual_code: str | None = field(repr=False, default=None)


@dataclass(frozen=True)
class Decided:
    """What the holder decides about one purpose: `given`, `refused` or `withdrawn`.

    `text_version` is of the text that was read out.
    """

    purpose: str
    decision: str
    text_version: int


def show_overview(
    *, keys: KeyProvider, operator_id: UUID, visit_id: UUID, ask_again_days: int
) -> Overview:
    """Score with its lines, points, vouchers and consents, to be read out.

    Refuses `visit_unknown`, `visit_over`.
    """
    with transaction():
        visit = require_visit(operator_id=operator_id, visit_id=visit_id)
        _read(visit, "visit_read")
        return _overview(keys, visit.citizen_id, ask_again_days)


def print_overview(
    *, keys: KeyProvider, operator_id: UUID, visit_id: UUID, ask_again_days: int,
    voucher_id: UUID | None = None,
) -> Printed:
    """The same to print, and a voucher's code to take to a shop.

    Refuses `visit_unknown`, `visit_over`, and of a voucher what showing its code refuses.
    """
    with transaction():
        visit = require_visit(operator_id=operator_id, visit_id=visit_id)
        _read(visit, "visit_printed")
        overview = _overview(keys, visit.citizen_id, ask_again_days)
    if voucher_id is None:
        return Printed(overview, None)
    holder_id = visit.citizen_id
    return Printed(
        overview,
        vouchers.require_usable_voucher(citizen_id=holder_id, voucher_id=voucher_id),
        vouchers.show_voucher_code(keys=keys, citizen_id=holder_id, voucher_id=voucher_id),
        vouchers.show_manual_code(keys=keys, citizen_id=holder_id, voucher_id=voucher_id),
    )


def decide_consent(*, operator_id: UUID, visit_id: UUID, decided: Decided) -> ConsentState:
    """Give, refuse or withdraw a consent for the holder.

    Refuses `visit_unknown`, `visit_over`, and what the holder is refused: `consent_unknown`,
    `consent_stale`, `consent_stands`, `consent_is_membership`, `consent_decision_unknown`.
    """
    visit = _open(operator_id, visit_id)
    acting = consents.Acting(COUNTER_CHANNEL, _beside(
        operator_id, visit_id, "visit_consent_decided", notices.CONSENT_DECIDED, decided.decision
    ))
    if decided.decision == "withdrawn":
        return consents.withdraw(
            citizen_id=visit.citizen_id, purpose=decided.purpose, acting=acting
        )
    decide = consents.give if decided.decision == "given" else consents.refuse
    return decide(
        citizen_id=visit.citizen_id, purpose=decided.purpose, text_version=decided.text_version,
        acting=acting,
    )


def claim_voucher(
    *, operator_id: UUID, visit_id: UUID, voucher_id: UUID, benefit_code: str,
    slot_begins_at: datetime | None = None,
) -> str:
    """Claim a benefit for the holder; the answer as JSON text, the same for the same id.

    Refuses `visit_unknown`, `visit_over`, and what the holder is refused.
    """
    visit = _open(operator_id, visit_id)
    return vouchers.claim_voucher(
        citizen_id=visit.citizen_id, voucher_id=voucher_id, benefit_code=benefit_code,
        slot_begins_at=slot_begins_at,
        beside=_beside(operator_id, visit_id, "visit_voucher_claimed", notices.VOUCHER_CLAIMED),
    )


def give_back_voucher(*, operator_id: UUID, visit_id: UUID, voucher_id: UUID) -> HeldVoucher:
    """Give a voucher of the holder's back.

    Refuses `visit_unknown`, `visit_over`, and what the holder is refused.
    """
    visit = _open(operator_id, visit_id)
    return vouchers.give_back_voucher(
        citizen_id=visit.citizen_id, voucher_id=voucher_id,
        beside=_beside(
            operator_id, visit_id, "visit_voucher_given_back", notices.VOUCHER_GIVEN_BACK
        ),
    )


def leave_on_visit(*, keys: KeyProvider, operator_id: UUID, visit_id: UUID) -> SignedReceipt:
    """End the holder's membership; the receipt to hand over.  `visit_unknown`, `visit_over`."""
    with transaction():
        visit = require_visit(operator_id=operator_id, visit_id=visit_id)
        tell(citizen_id=visit.citizen_id, what=notices.LEFT)
    return leave(
        keys=keys, citizen_id=visit.citizen_id, actor=Actor("operator", operator_id),
        channel=COUNTER_CHANNEL, reason=visit.reason,
    )


def _open(operator_id: UUID, visit_id: UUID) -> OpenVisit:
    """Whose visit it is; what follows looks once more, in its own transaction."""
    with transaction():
        return require_visit(operator_id=operator_id, visit_id=visit_id)


def _read(visit: OpenVisit, action: str) -> None:
    record_access(
        citizen_id=visit.citizen_id, actor=Actor("operator", visit.operator_id), action=action,
        fields=ALL, reason=visit.reason, basis="request",
    )


def _beside(
    operator_id: UUID, visit_id: UUID, action: str, what: str, *fields: str
) -> Callable[[], None]:
    """What stands in the transaction of an act: the visit is open, its line, its message."""

    def beside() -> None:
        visit = require_visit(operator_id=operator_id, visit_id=visit_id)
        record_access(
            citizen_id=visit.citizen_id, actor=Actor("operator", operator_id), action=action,
            fields=fields, reason=visit.reason, basis="request",
        )
        tell(citizen_id=visit.citizen_id, what=what)

    return beside


def _overview(keys: KeyProvider, citizen_id: UUID, ask_again_days: int) -> Overview:
    profile = find_masked_profile(keys=keys, citizen_id=citizen_id)
    assert profile is not None, "an active member has a profile"
    try:
        score = open_score(keys=keys, citizen_id=citizen_id, limit=LINES_SHOWN)
    except (ScoreNotFound, SchemeNotPublished):
        score = None
    return Overview(
        name=profile.name, score=score, balance=balance(citizen_id=citizen_id),
        entries=tuple(entries(citizen_id=citizen_id, limit=ENTRIES_SHOWN)),
        vouchers=tuple(list_vouchers(citizen_id=citizen_id, limit=VOUCHERS_SHOWN)),
        consents=tuple(list_standing(citizen_id=citizen_id, ask_again_days=ask_again_days)),
    )

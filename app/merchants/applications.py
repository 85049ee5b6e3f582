"""Organisations apply; one operator proposes to approve, another confirms; one refuses.

Nobody has an account before the approval: the applicant follows the application with its id and a
secret, of which the hash is kept.  The contact is a person and stays sealed (docs/merchants.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel.crypto import field_context, seal, unseal
from app.kernel.database import reading, transaction
from app.kernel.errors import IdReused
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider, KeyPurpose
from app.merchants import refusals
from app.merchants.commitments import require_current
from app.merchants.credit_codes import parse_credit_code
from app.merchants.models import (
    ApplicationDecision,
    ApplicationProposal,
    Merchant,
    MerchantApplication,
    Shop,
    StaffInvitationUse,
)
from app.trail.operations import Actor, SecondPersonNeeded, record_act, require_reason

UNDECIDED_LIFE: Final = timedelta(days=180)  # of a contact
DECIDED_LIFE: Final = timedelta(days=30)
APPROVED: Final = "approved"
REFUSED: Final = "refused"


@dataclass(frozen=True)
class NewApplication:
    """What an organisation sends; `shops` have name, address, latitude_e6 and longitude_e6."""

    application_id: UUID
    secret: str
    credit_code: str
    name: str
    category: str
    shops: Sequence[Mapping[str, Any]]
    benefit_codes: Sequence[str]
    contact_name: str
    contact_phone: str
    text_version: int
    text_hash: bytes


@dataclass(frozen=True)
class Application:
    """An application as it stands: open, proposed, approved or refused.  Without the contact."""

    application_id: UUID
    state: str
    credit_code: str
    name: str
    category: str
    shops: Sequence[Mapping[str, Any]]
    benefit_codes: Sequence[str]
    text_version: int
    reason: str | None
    proposed_by: UUID | None
    merchant_id: UUID | None
    created_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True)
class Contact:
    """The person to ask about an application."""

    name: str
    phone: str


def apply(*, keys: KeyProvider, new: NewApplication) -> Application:
    """Take an application; the same again changes nothing.

    Refuses `credit_code_invalid`, `commitment_stale`, `id_reused`.
    """
    facts = {
        "secret_hash": _hash(new.secret), "credit_code": parse_credit_code(new.credit_code),
        "name": new.name, "category": new.category, "shops": [dict(one) for one in new.shops],
        "benefit_codes": list(new.benefit_codes), "text_version": new.text_version,
        "text_hash": new.text_hash,
    }
    with transaction() as session:
        held = session.get(MerchantApplication, new.application_id)
        if held is None:
            require_current(version=new.text_version, text_hash=new.text_hash)
            sealed = _seal(keys, new.application_id, Contact(new.contact_name, new.contact_phone))
            session.execute(
                insert(MerchantApplication)
                .values(application_id=new.application_id, contact_sealed=sealed, **facts)
                .on_conflict_do_nothing()
            )
            held = session.get_one(MerchantApplication, new.application_id)
        if any(getattr(held, name) != value for name, value in facts.items()):
            raise IdReused
        return _found(session, new.application_id)


def follow(*, application_id: UUID, secret: str) -> Application:
    """The application behind a ticket.  Refuses `application_unknown`."""
    with reading() as session:
        held = session.get(MerchantApplication, application_id)
        if held is None or not compare_digest(held.secret_hash, _hash(secret)):
            raise refusals.ApplicationUnknown
        return _found(session, application_id)


def list_applications(*, limit: int, before: UUID | None = None) -> list[Application]:
    """The applications, the latest first; `before` is the last of the page before."""
    query = _applications().order_by(MerchantApplication.application_id.desc()).limit(limit)
    if before is not None:
        query = query.where(MerchantApplication.application_id < before)
    with reading() as session:
        return [_application(row) for row in session.execute(query)]


def open_contact(
    *, keys: KeyProvider, operator_id: UUID, application_id: UUID, reason: str
) -> Contact:
    """The contact, in plain, with a line among the acts of office.

    Refuses `application_unknown`, `contact_forgotten`, `reason_needed`.
    """
    given = require_reason(reason)
    with transaction() as session:
        held = _require(session, application_id)
        if held.contact_sealed is None:
            raise refusals.ContactForgotten
        _act(operator_id, "application_contact_read", application_id, given)
        plain = unseal(
            keys, KeyPurpose.MERCHANT_CONTACT, held.contact_sealed,
            context=contact_context(application_id),
        )
        return Contact(**orjson.loads(plain))


def propose_approval(*, operator_id: UUID, application_id: UUID, reason: str) -> Application:
    """One operator's yes; the first stands, a later one changes nothing.

    Refuses `application_unknown`, `application_decided`, `reason_needed`.
    """
    given = require_reason(reason)
    with transaction() as session:
        _require(session, application_id)
        _require_undecided(session, application_id)
        added = session.scalar(
            insert(ApplicationProposal)
            .values(application_id=application_id, proposed_by=operator_id, reason=given)
            .on_conflict_do_nothing()
            .returning(ApplicationProposal.application_id)
        )
        if added is not None:
            _act(operator_id, "application_proposed", application_id, given)
        return _found(session, application_id)


def confirm_approval(*, operator_id: UUID, application_id: UUID, reason: str) -> Application:
    """Another operator's yes: it makes the merchant and its shops.

    Refuses `application_unknown`, `application_not_proposed`, `second_person_needed`,
    `application_decided`, `merchant_exists`, `reason_needed`.
    """
    given = require_reason(reason)
    with transaction() as session:
        held = _require(session, application_id)
        proposal = session.get(ApplicationProposal, application_id)
        _require_undecided(session, application_id)
        if proposal is None:
            raise refusals.ApplicationNotProposed
        if proposal.proposed_by == operator_id:
            raise SecondPersonNeeded
        merchant_id = _make_merchant(session, held)
        _decide(
            session, application_id, APPROVED, operator_id=operator_id, reason=given,
            merchant_id=merchant_id,
        )
        return _found(session, application_id)


def refuse(*, operator_id: UUID, application_id: UUID, reason: str) -> Application:
    """No, with a reason that the applicant reads; the organisation may apply anew.

    Refuses `application_unknown`, `application_decided`, `reason_needed`.
    """
    given = require_reason(reason)
    with transaction() as session:
        _require(session, application_id)
        _decide(session, application_id, REFUSED, operator_id=operator_id, reason=given)
        return _found(session, application_id)


def forget_contacts() -> int:
    """Delete the contacts that nobody needs; how many.

    Once an owner has the account, 30 days after the decision, 180 days without one.
    """
    decided = select(ApplicationDecision.application_id).where(
        ApplicationDecision.decided_at < func.now() - DECIDED_LIFE
    )
    settled = MerchantApplication.application_id.in_(decided.union(
        select(StaffInvitationUse.invitation_id)
    ))
    forgetting = (
        update(MerchantApplication)
        .where(
            MerchantApplication.contact_sealed.is_not(None),
            settled | (MerchantApplication.created_at < func.now() - UNDECIDED_LIFE),
        )
        .values(contact_sealed=None)
        .returning(MerchantApplication.application_id)
        .execution_options(synchronize_session=False)
    )
    with transaction() as session:
        return len(session.scalars(forgetting).all())


def _make_merchant(session: Session, held: MerchantApplication) -> UUID:
    merchant_id: UUID | None = session.scalar(
        insert(Merchant)
        .values(
            merchant_id=new_id(), credit_code=held.credit_code, name=held.name,
            category=held.category, text_version=held.text_version, committed_at=held.created_at,
        )
        .on_conflict_do_nothing()
        .returning(Merchant.merchant_id)
    )
    if merchant_id is None:
        raise refusals.MerchantExists
    for shop in held.shops:
        session.add(Shop(shop_id=new_id(), merchant_id=merchant_id, **shop))
    session.flush()
    return merchant_id


def _decide(
    session: Session,
    application_id: UUID,
    outcome: str,
    *,
    operator_id: UUID,
    reason: str,
    merchant_id: UUID | None = None,
) -> None:
    decided = session.scalar(
        insert(ApplicationDecision)
        .values(
            application_id=application_id, outcome=outcome, decided_by=operator_id,
            reason=reason, approved_merchant_id=merchant_id,
        )
        .on_conflict_do_nothing()
        .returning(ApplicationDecision.application_id)
    )
    if decided is None:
        raise refusals.ApplicationDecided
    _act(operator_id, f"application_{outcome}", application_id, reason)


def _require(session: Session, application_id: UUID) -> MerchantApplication:
    held = session.get(MerchantApplication, application_id)
    if held is None:
        raise refusals.ApplicationUnknown
    return held


def _require_undecided(session: Session, application_id: UUID) -> None:
    if session.get(ApplicationDecision, application_id) is not None:
        raise refusals.ApplicationDecided


def _act(operator_id: UUID, action: str, application_id: UUID, reason: str) -> None:
    record_act(
        actor=Actor("operator", operator_id), action=action, subject=str(application_id),
        reason=reason,
    )


def _hash(secret: str) -> bytes:
    return hashlib.sha256(b"merchant application:" + secret.encode()).digest()


def contact_context(application_id: UUID) -> bytes:
    """The place that a contact is bound to."""
    return field_context(
        table="merchant_applications", column="contact_sealed", row_id=application_id
    )


def _seal(keys: KeyProvider, application_id: UUID, contact: Contact) -> bytes:
    key = keys.active(KeyPurpose.MERCHANT_CONTACT)
    return seal(key, orjson.dumps(vars(contact)), context=contact_context(application_id))


def _applications() -> Any:
    return (
        select(MerchantApplication, ApplicationProposal, ApplicationDecision)
        .outerjoin(
            ApplicationProposal,
            ApplicationProposal.application_id == MerchantApplication.application_id,
        )
        .outerjoin(
            ApplicationDecision,
            ApplicationDecision.application_id == MerchantApplication.application_id,
        )
    )


def _found(session: Session, application_id: UUID) -> Application:
    query = _applications().where(MerchantApplication.application_id == application_id)
    return _application(session.execute(query).one())


def _application(row: Row[*tuple[Any, ...]]) -> Application:
    held: MerchantApplication = row[0]
    proposal: ApplicationProposal | None = row[1]
    decision: ApplicationDecision | None = row[2]
    undecided = "open" if proposal is None else "proposed"
    return Application(
        application_id=held.application_id,
        state=undecided if decision is None else decision.outcome,
        credit_code=held.credit_code, name=held.name, category=held.category, shops=held.shops,
        benefit_codes=held.benefit_codes, text_version=held.text_version,
        reason=None if decision is None else decision.reason,
        proposed_by=None if proposal is None else proposal.proposed_by,
        merchant_id=None if decision is None else decision.approved_merchant_id,
        created_at=held.created_at,
        decided_at=None if decision is None else decision.decided_at,
    )

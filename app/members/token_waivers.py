"""The rule that a source signs every request; the way back to tokens takes two operators.

Sources from before the rule may show tokens until an operator ends that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel.database import reading, transaction
from app.kernel.errors import Conflict, IdReused, NotFound
from app.members.models import SourceAccount, SourceTokenWaiver
from app.members.sessions import SOURCE, end_sessions
from app.members.sources import SourceNotFound
from app.trail.operations import Actor, SecondPersonNeeded, record_act, require_reason

OPEN_FOR: Final = timedelta(days=7)  # a proposal that nobody confirmed


class TokenWaiverUnknown(NotFound):
    """The source has no such proposal."""

    code: ClassVar[str] = "token_waiver_unknown"
    title: ClassVar[str] = "There is no such proposal for this source"
    advice: ClassVar[str] = "该数据来源没有这项申请。"


class TokenWaiverClosed(Conflict):
    """The proposal was confirmed before, overtaken, or lay too long."""

    code: ClassVar[str] = "token_waiver_closed"
    title: ClassVar[str] = "The proposal can no longer be confirmed"
    advice: ClassVar[str] = "该申请已处理或已失效，如仍有需要请重新提出。"


@dataclass(frozen=True)
class SigningRule:
    """Whether a source must sign every request."""

    source_id: UUID
    signed_only: bool


@dataclass(frozen=True)
class TokenWaiver:
    """A proposal to let a source show tokens; `closed_at` is None while it can be confirmed."""

    waiver_id: UUID
    source_id: UUID
    created_at: datetime
    closed_at: datetime | None


def show_rule(*, source_id: UUID) -> SigningRule:
    """The rule for a source; SourceNotFound."""
    with reading() as session:
        account = session.get(SourceAccount, source_id)
        if account is None:
            raise SourceNotFound
        return SigningRule(source_id, account.signed_only)


def require_signatures(*, operator_id: UUID, source_id: UUID, reason: str) -> SigningRule:
    """From now on the source signs every request: its tokens end, and proposals are overtaken."""
    given = require_reason(reason)
    with transaction() as session:
        account = _locked(session, source_id)
        account.signed_only = True
        session.flush()
        session.execute(
            update(SourceTokenWaiver)
            .where(SourceTokenWaiver.source_id == source_id, SourceTokenWaiver.closed_at.is_(None))
            .values(closed_at=func.clock_timestamp())
        )
        end_sessions(role=SOURCE, subject_id=source_id, reason="signatures_required")
        _record(operator_id, "require_signatures", source_id, given)
    return SigningRule(source_id, signed_only=True)


def propose_token_waiver(
    *, operator_id: UUID, source_id: UUID, waiver_id: UUID, reason: str
) -> TokenWaiver:
    """Propose to let a source show tokens, under an id that the caller made.

    The same again changes nothing.  Refuses `source_account_not_found`, `id_reused`.
    """
    given = require_reason(reason)
    with transaction() as session:
        _locked(session, source_id)
        added = session.scalar(
            insert(SourceTokenWaiver)
            .values(waiver_id=waiver_id, source_id=source_id, proposed_by=operator_id)
            .on_conflict_do_nothing()
            .returning(SourceTokenWaiver.waiver_id)
        )
        held = session.get_one(SourceTokenWaiver, waiver_id)
        if (held.source_id, held.proposed_by) != (source_id, operator_id):
            raise IdReused
        if added is not None:
            _record(operator_id, "propose_token_waiver", source_id, given)
        return _said(held)


def confirm_token_waiver(
    *, operator_id: UUID, source_id: UUID, waiver_id: UUID, reason: str
) -> SigningRule:
    """Another operator's yes: from now on the source may show tokens too.

    Refuses `token_waiver_unknown`, `second_person_needed`, `token_waiver_closed`.
    """
    given = require_reason(reason)
    with transaction() as session:
        account = _locked(session, source_id)
        held = session.get(SourceTokenWaiver, waiver_id)
        if held is None or held.source_id != source_id:
            raise TokenWaiverUnknown
        if held.proposed_by == operator_id:
            raise SecondPersonNeeded
        confirmed = session.scalar(
            update(SourceTokenWaiver)
            .where(
                SourceTokenWaiver.waiver_id == waiver_id,
                SourceTokenWaiver.closed_at.is_(None),
                SourceTokenWaiver.created_at > func.now() - OPEN_FOR,
            )
            .values(confirmed_by=operator_id, closed_at=func.clock_timestamp())
            .returning(SourceTokenWaiver.waiver_id)
        )
        if confirmed is None:
            raise TokenWaiverClosed
        account.signed_only = False
        session.flush()
        _record(operator_id, "confirm_token_waiver", source_id, given)
    return SigningRule(source_id, signed_only=False)


def _locked(session: Session, source_id: UUID) -> SourceAccount:
    account = session.scalar(
        select(SourceAccount).where(SourceAccount.source_id == source_id).with_for_update()
    )
    if account is None:
        raise SourceNotFound
    return account


def _record(operator_id: UUID, action: str, source_id: UUID, reason: str) -> None:
    record_act(
        actor=Actor("operator", operator_id), action=action, subject=str(source_id), reason=reason
    )


def _said(held: SourceTokenWaiver) -> TokenWaiver:
    return TokenWaiver(held.waiver_id, held.source_id, held.created_at, held.closed_at)

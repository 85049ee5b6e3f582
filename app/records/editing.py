"""Editing the information catalogue: one operator proposes a version, another one confirms it.

Every step leaves a line among the programme's acts, with its reason, in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import ClassVar
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from app.kernel.database import reading, transaction
from app.kernel.documents import DocumentFormat
from app.kernel.errors import Conflict, IdReused, Invalid, NotFound
from app.records.catalogue import REGISTER, Catalogue, CatalogueError, parse_catalogue
from app.records.changes import check_next_version
from app.records.models import CatalogueProposal, CatalogueVersion, Delivery, Source
from app.records.queries import CatalogueEdition, catalogue_in_force, open_edition
from app.trail.assessments import require_covered
from app.trail.operations import (
    SYSTEM,
    Actor,
    SecondPersonNeeded,
    record_act,
    require_reason,
)

DOCUMENT_MAX_CHARS = 300_000
OPEN, CONFIRMED, WITHDRAWN = "open", "confirmed", "withdrawn"
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('catalogue', 0))")


class CatalogueInvalid(Invalid):
    """The proposed catalogue breaks a rule; `key` says where, `problem` which."""

    code: ClassVar[str] = "catalogue_invalid"
    title: ClassVar[str] = "The information catalogue breaks a rule"
    advice: ClassVar[str] = "信息目录不符合要求，请按提示修改后重新提交。"


class CatalogueVersionTaken(Conflict):
    """A published version never changes; a changed catalogue is a new version."""

    code: ClassVar[str] = "catalogue_version_taken"
    title: ClassVar[str] = "This version of the information catalogue is published"
    advice: ClassVar[str] = "该版本的信息目录已发布，请使用新的版本号。"


class CatalogueProposalOpen(Conflict):
    """One proposal at a time: the next is made upon what became of this one."""

    code: ClassVar[str] = "catalogue_proposal_open"
    title: ClassVar[str] = "Another proposal for the information catalogue is open"
    advice: ClassVar[str] = "已有待确认的信息目录变更，请先确认或撤回。"


class CatalogueProposalDecided(Conflict):
    """The proposal was confirmed or withdrawn before."""

    code: ClassVar[str] = "catalogue_proposal_decided"
    title: ClassVar[str] = "The proposal was confirmed or withdrawn before"
    advice: ClassVar[str] = "该变更已确认或已撤回。"


class CatalogueProposalUnknown(NotFound):
    """There is no such proposal."""

    code: ClassVar[str] = "catalogue_proposal_unknown"
    title: ClassVar[str] = "There is no such proposal"
    advice: ClassVar[str] = "没有找到该信息目录变更。"


@dataclass(frozen=True)
class Proposal:
    """A proposed version; `state` is open, confirmed or withdrawn; `document` is JSON."""

    proposal_id: UUID
    version: str
    state: str
    document: str
    content_hash: bytes
    proposed_by: UUID
    reason: str
    decided_by: UUID | None
    decided_at: datetime | None
    created_at: datetime


def publish_first_catalogue(*, document: str) -> CatalogueEdition:
    """Publish the first version from its TOML text, at the setting up; the same again is nothing.

    CatalogueVersionTaken when another one is published: from then on it takes two operators.
    CatalogueError when the text does not make sense.
    """
    catalogue = parse_catalogue(document)
    with transaction() as session:
        session.execute(_ONE_AT_A_TIME)
        held = session.scalar(
            select(CatalogueVersion.content_hash).where(CatalogueVersion.place == 1)
        )
        if held is None:
            _publish(session, catalogue, place=1, proposal_id=None)
            record_act(
                actor=SYSTEM, action="catalogue_set_up", subject=_subject(catalogue.version),
                reason="首次发布",
            )
        elif not compare_digest(held, catalogue.content_hash):
            raise CatalogueVersionTaken
        return open_edition(version=catalogue.version)


def propose_catalogue(
    *, proposal_id: UUID, staff_id: UUID, document: str, form: DocumentFormat, reason: str
) -> Proposal:
    """Propose the next version as a whole document; the same id again gives the same proposal.

    Refuses `catalogue_invalid`, `catalogue_version_taken`, `catalogue_proposal_open`, `id_reused`.
    """
    reason = require_reason(reason)
    with transaction() as session:
        session.execute(_ONE_AT_A_TIME)
        catalogue = _next_version(session, document, form)
        held = session.get(CatalogueProposal, proposal_id)
        if held is not None:
            if (held.proposed_by, bytes(held.content_hash)) != (staff_id, catalogue.content_hash):
                raise IdReused
            return _proposal(held)
        _require_new(session, catalogue.version)
        if session.scalar(select(CatalogueProposal).where(CatalogueProposal.state == OPEN)):
            raise CatalogueProposalOpen
        session.execute(
            insert(CatalogueProposal).values(
                proposal_id=proposal_id,
                version=catalogue.version,
                document=catalogue.document,
                content_hash=catalogue.content_hash,
                proposed_by=staff_id,
                reason=reason,
            )
        )
        _write_act("catalogue_proposed", staff_id, catalogue.version, reason)
        return _proposal(_found(session, proposal_id))


def confirm_catalogue(*, proposal_id: UUID, staff_id: UUID, reason: str) -> Proposal:
    """Publish a proposal of another operator: it is in force from the next delivery on.

    What was in order when it was proposed is checked again: records have come in since.
    AssessmentMissing when it has a record type that is new and that nobody has assessed.
    """
    reason = require_reason(reason)
    with transaction() as session:
        session.execute(_ONE_AT_A_TIME)
        row = _found(session, proposal_id)
        if (row.state, row.decided_by) == (CONFIRMED, staff_id):
            return _proposal(row)
        _require_open(row)
        if row.proposed_by == staff_id:
            raise SecondPersonNeeded
        catalogue = _next_version(session, row.document, DocumentFormat.JSON)
        _require_new(session, catalogue.version)
        _require_assessed(catalogue)
        place = (session.scalar(select(func.max(CatalogueVersion.place))) or 0) + 1
        _publish(session, catalogue, place=place, proposal_id=proposal_id)
        _decide(session, row, CONFIRMED, staff_id)
        _write_act("catalogue_confirmed", staff_id, row.version, reason)
        return _proposal(row)


def withdraw_catalogue(*, proposal_id: UUID, staff_id: UUID, reason: str) -> Proposal:
    """Give up an open proposal: the one who made it, or another operator who refuses it."""
    reason = require_reason(reason)
    with transaction() as session:
        session.execute(_ONE_AT_A_TIME)
        row = _found(session, proposal_id)
        if (row.state, row.decided_by) == (WITHDRAWN, staff_id):
            return _proposal(row)
        _require_open(row)
        _decide(session, row, WITHDRAWN, staff_id)
        _write_act("catalogue_withdrawn", staff_id, row.version, reason)
        return _proposal(row)


def open_proposal(*, proposal_id: UUID) -> Proposal:
    """A proposal with its document."""
    with reading() as session:
        return _proposal(_found(session, proposal_id))


def list_proposals(*, limit: int) -> list[Proposal]:
    """The newest proposals."""
    newest = select(CatalogueProposal).order_by(CatalogueProposal.created_at.desc()).limit(limit)
    with reading() as session:
        return [_proposal(row) for row in session.scalars(newest)]


def _next_version(session: Session, document: str, form: DocumentFormat) -> Catalogue:
    """The catalogue of a document that can follow the one in force."""
    held = set(
        session.scalars(
            select(Delivery.record_type).where(Delivery.accepted_count > 0).distinct()
        )
    )
    deliverable = set(session.scalars(select(func.unnest(Source.record_types)).distinct()))
    now = catalogue_in_force()
    try:
        then = parse_catalogue(document, form=form)
        check_next_version(now=now, then=then, held=held, needed=deliverable | {REGISTER})
    except CatalogueError as error:
        raise CatalogueInvalid(key=error.key, problem=error.problem) from error
    return then


def _require_assessed(catalogue: Catalogue) -> None:
    for record_type in catalogue.record_types.keys() - catalogue_in_force().record_types.keys():
        require_covered(kind="collecting", what=record_type)


def _require_new(session: Session, version: str) -> None:
    if session.get(CatalogueVersion, version) is not None:
        raise CatalogueVersionTaken


def _require_open(row: CatalogueProposal) -> None:
    if row.state != OPEN:
        raise CatalogueProposalDecided(state=row.state)


def _found(session: Session, proposal_id: UUID) -> CatalogueProposal:
    row = session.get(CatalogueProposal, proposal_id)
    if row is None:
        raise CatalogueProposalUnknown
    return row


def _publish(
    session: Session, catalogue: Catalogue, *, place: int, proposal_id: UUID | None
) -> None:
    session.execute(
        insert(CatalogueVersion).values(
            version=catalogue.version,
            place=place,
            document=catalogue.document,
            content_hash=catalogue.content_hash,
            proposal_id=proposal_id,
        )
    )


def _decide(session: Session, row: CatalogueProposal, state: str, staff_id: UUID) -> None:
    decided_at = session.scalar(select(func.now()))
    row.state, row.decided_by, row.decided_at = state, staff_id, decided_at
    session.flush()


def _write_act(action: str, staff_id: UUID, version: str, reason: str) -> None:
    record_act(
        actor=Actor("operator", staff_id), action=action, subject=_subject(version), reason=reason
    )


def _subject(version: str) -> str:
    return f"information-catalogue/{version}"


def _proposal(row: CatalogueProposal) -> Proposal:
    return Proposal(
        proposal_id=row.proposal_id,
        version=row.version,
        state=row.state,
        document=row.document,
        content_hash=bytes(row.content_hash),
        proposed_by=row.proposed_by,
        reason=row.reason,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        created_at=row.created_at,
    )

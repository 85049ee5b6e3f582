"""Papers beside a report of a death, or an application about it: scanned and sealed."""

from __future__ import annotations

from functools import partial
from hmac import compare_digest
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.deaths import queries, refusals
from app.deaths.models import DeathPaper, DeathPaperPart, DeathReport
from app.deaths.operations import OPERATOR, require_report
from app.deaths.sealing import PAPERS, data_key, open_text, part_context, seal_text
from app.kernel.database import transaction
from app.kernel.errors import IdReused
from app.kernel.keys import Key, KeyProvider
from app.objections.attachments import (
    MAX_BYTES,
    OpenedAttachment,
    digest_of,
    media_type_of,
    require_clean,
    seal_parts,
    unseal_parts,
)
from app.objections.queries import Attachment
from app.objections.refusals import AttachmentTooLarge
from app.records.scanning import Scanner
from app.trail.operations import Actor, record_access, require_reason

MAX_COUNT: Final = 5


def add_paper(
    *, keys: KeyProvider, scanner: Scanner | None, operator_id: UUID, report_id: UUID,
    paper_id: UUID, content: bytes, application_id: UUID | None = None,
) -> Attachment:
    """Add a paper to an undecided report, or to an undecided application about a confirmed one.

    The same one again changes nothing.  Refuses `attachment_too_large`, `attachment_type_unknown`,
    `file_infected`, `scanner_unavailable`, `death_report_unknown`, `death_report_decided`,
    `relative_application_unknown`, `relative_application_decided`, `death_papers_too_many`.
    """
    if len(content) > MAX_BYTES:
        raise AttachmentTooLarge(max_bytes=MAX_BYTES)
    media_type = media_type_of(content)
    require_clean(scanner, content)
    made = Attachment(paper_id, media_type, len(content))
    with transaction() as session:
        report = require_report(session, report_id)
        key = data_key(keys, report.citizen_id)
        held = session.get(DeathPaper, (report.citizen_id, paper_id))
        if held is None:
            _require_room(session, report, application_id)
            held = DeathPaper(
                citizen_id=report.citizen_id, paper_id=paper_id, report_id=report_id,
                application_id=application_id, media_type=media_type, size_bytes=len(content),
                added_by=operator_id,
            )
            _keep(session, key, held, content)
            record_access(
                citizen_id=report.citizen_id, actor=Actor(OPERATOR, operator_id),
                action="death_paper_added", basis="relatives",
            )
        elif _of(held) != (report_id, application_id) or not compare_digest(
            _digest_of(key, held), digest_of(content)
        ):
            raise IdReused
    return made


def open_paper(
    *, keys: KeyProvider, operator_id: UUID, report_id: UUID, paper_id: UUID, reason: str
) -> OpenedAttachment:
    """A paper in the clear, for a reason that stays in the trail.  DeathPaperUnknown."""
    reason = require_reason(reason)
    with transaction() as session:
        report = require_report(session, report_id)
        held = session.get(DeathPaper, (report.citizen_id, paper_id))
        if held is None or held.report_id != report_id:
            raise refusals.DeathPaperUnknown
        record_access(
            citizen_id=report.citizen_id, actor=Actor(OPERATOR, operator_id),
            action="death_paper_read", reason=reason, basis="relatives",
        )
        made = Attachment(paper_id, held.media_type, held.size_bytes)
        return OpenedAttachment(made, _content(session, data_key(keys, held.citizen_id), held))


def _require_room(session: Session, report: DeathReport, application_id: UUID | None) -> None:
    if application_id is None:
        if report.state != queries.REPORTED:
            raise refusals.DeathReportDecided
    else:
        application = queries.find_application(session, application_id)
        if application is None or application.report_id != report.report_id:
            raise refusals.RelativeApplicationUnknown
        if application.state != "open":
            raise refusals.RelativeApplicationDecided
    if len(queries.list_papers(session, report, application_id)) >= MAX_COUNT:
        raise refusals.DeathPapersTooMany(papers_max=MAX_COUNT)


def _keep(session: Session, key: Key, held: DeathPaper, content: bytes) -> None:
    held.digest_sealed = seal_text(
        key, digest_of(content), table=PAPERS, column="digest_sealed", row_id=held.paper_id
    )
    session.add(held)
    session.flush()
    for part, sealed in seal_parts(key, content, context_of=partial(part_context, held.paper_id)):
        session.add(DeathPaperPart(
            citizen_id=held.citizen_id, paper_id=held.paper_id, part=part, content_sealed=sealed
        ))
    session.flush()


def _content(session: Session, key: Key, held: DeathPaper) -> bytes:
    return unseal_parts(
        session,
        select(DeathPaperPart.part, DeathPaperPart.content_sealed)
        .where(
            DeathPaperPart.citizen_id == held.citizen_id,
            DeathPaperPart.paper_id == held.paper_id,
        )
        .order_by(DeathPaperPart.part),
        key=key, context_of=partial(part_context, held.paper_id),
    )


def _of(held: DeathPaper) -> tuple[UUID, UUID | None]:
    return held.report_id, held.application_id


def _digest_of(key: Key, held: DeathPaper) -> str:
    return open_text(
        key, held.digest_sealed, table=PAPERS, column="digest_sealed", row_id=held.paper_id
    )

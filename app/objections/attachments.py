"""Files beside an objection: known by their content, scanned, sealed under the citizen's key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hmac import compare_digest
from typing import Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.kernel.crypto import seal, unseal_with
from app.kernel.database import durable, transaction
from app.kernel.errors import IdReused
from app.kernel.keys import Key, KeyProvider
from app.objections import queries, refusals
from app.objections.decisions import require_deciding
from app.objections.models import Objection, ObjectionAttachment, ObjectionAttachmentPart
from app.objections.sealing import data_key, open_text, part_context, seal_text
from app.records.scanning import Scanner
from app.trail.operations import Actor, record_access, require_reason

MAX_BYTES: Final = 5_000_000
MAX_COUNT: Final = 5
PART_BYTES: Final = 1 << 20
EXTENSIONS: Final = {"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf"}
_STARTS: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"%PDF-", "application/pdf"),
)


@dataclass(frozen=True)
class OpenedAttachment:
    """A file in the clear."""

    attachment: queries.Attachment
    content: bytes

    @property
    def file_name(self) -> str:
        """A name that tells nothing but the type."""
        made = self.attachment
        return f"{made.attachment_id}.{EXTENSIONS[made.media_type]}"


def media_type_of(content: bytes) -> str:
    """What a file is, by its first bytes; AttachmentTypeUnknown."""
    for start, media_type in _STARTS:
        if content.startswith(start):
            return media_type
    raise refusals.AttachmentTypeUnknown


def attach(
    *, keys: KeyProvider, scanner: Scanner | None, citizen_id: UUID, objection_id: UUID,
    attachment_id: UUID, content: bytes,
) -> queries.Attachment:
    """Add a file to an open objection of the citizen; the same one again changes nothing.

    Refuses `attachment_too_large`, `attachment_type_unknown`, `file_infected`,
    `scanner_unavailable`, `objection_unknown`, `objection_decided`, `attachments_too_many`.
    """
    if len(content) > MAX_BYTES:
        raise refusals.AttachmentTooLarge(max_bytes=MAX_BYTES)
    media_type = media_type_of(content)
    require_clean(scanner, content)
    made = queries.Attachment(attachment_id, media_type, len(content))
    with transaction() as session:
        row = session.get(
            Objection, (citizen_id, objection_id), with_for_update=True, populate_existing=True
        )
        if row is None:
            raise refusals.ObjectionUnknown
        key = data_key(keys, citizen_id)
        held = session.get(ObjectionAttachment, (citizen_id, objection_id, attachment_id))
        if held is None:
            _require_room(session, row)
            _keep(session, key, row, made, content=content)
        elif not compare_digest(_digest_of(key, held), digest_of(content)):
            raise IdReused
    return made


def open_own(
    *, keys: KeyProvider, citizen_id: UUID, objection_id: UUID, attachment_id: UUID
) -> OpenedAttachment:
    """A file of the citizen's own.  AttachmentUnknown."""
    with transaction() as session:
        return _open(
            session, keys, citizen_id, objection_id, attachment_id,
            actor=Actor("citizen", citizen_id), reason="",
        )


def open_as_operator(
    *, keys: KeyProvider, operator_id: UUID, objection_id: UUID, attachment_id: UUID, reason: str
) -> OpenedAttachment:
    """A file for who decides, for a reason that the citizen will read."""
    reason = require_reason(reason)
    with transaction() as session:
        row = require_deciding(session, objection_id=objection_id, operator_id=operator_id)
        return _open(
            session, keys, row.citizen_id, objection_id, attachment_id,
            actor=Actor("operator", operator_id), reason=reason,
        )


def require_clean(scanner: Scanner | None, content: bytes) -> None:
    """Refuse what the virus scanner refuses, where there is one.  Never in a transaction."""
    if scanner is None:
        return
    durable()
    scan = scanner.begin()
    scan.write(content)
    scan.finish()


def digest_of(content: bytes) -> str:
    """By what the same file is known again: SHA-256, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def seal_parts(
    key: Key, content: bytes, *, context_of: Callable[[int], bytes]
) -> Iterator[tuple[int, bytes]]:
    """The numbered pieces of a file, each sealed in its own context."""
    for part, at in enumerate(range(0, len(content), PART_BYTES)):
        yield part, seal(key, content[at : at + PART_BYTES], context=context_of(part))


def unseal_parts(
    session: Session, parts: Select[int, bytes], *, key: Key,
    context_of: Callable[[int], bytes],
) -> bytes:
    """The file again, from the query of its numbered pieces in their order."""
    return b"".join(
        unseal_with(key, sealed, context=context_of(part))
        for part, sealed in session.execute(parts)
    )


def _require_room(session: Session, row: Objection) -> None:
    if row.state == queries.DECIDED:
        raise refusals.ObjectionDecided
    if len(queries.list_attachments(session, row)) >= MAX_COUNT:
        raise refusals.AttachmentsTooMany(attachments_max=MAX_COUNT)


def _keep(
    session: Session, key: Key, row: Objection, made: queries.Attachment, *, content: bytes
) -> None:
    objection_id, attachment_id = row.objection_id, made.attachment_id
    session.add(ObjectionAttachment(
        citizen_id=row.citizen_id, objection_id=objection_id, **vars(made),
        digest_sealed=seal_text(
            key, digest_of(content), column=f"digest:{attachment_id}", objection_id=objection_id
        ),
    ))
    session.flush()
    for part, sealed in seal_parts(
        key, content, context_of=partial(part_context, objection_id, attachment_id)
    ):
        session.add(ObjectionAttachmentPart(
            citizen_id=row.citizen_id, objection_id=objection_id, attachment_id=attachment_id,
            part=part, content_sealed=sealed,
        ))
    session.flush()


def _digest_of(key: Key, held: ObjectionAttachment) -> str:
    return open_text(
        key, held.digest_sealed, column=f"digest:{held.attachment_id}",
        objection_id=held.objection_id,
    )


def _open(
    session: Session, keys: KeyProvider, citizen_id: UUID, objection_id: UUID,
    attachment_id: UUID, *, actor: Actor, reason: str,
) -> OpenedAttachment:
    held = session.get(ObjectionAttachment, (citizen_id, objection_id, attachment_id))
    if held is None:
        raise refusals.AttachmentUnknown
    record_access(
        citizen_id=citizen_id, actor=actor, action="attachment_read", fields=["attachment"],
        reason=reason, basis="objection",
    )
    content = unseal_parts(
        session,
        select(ObjectionAttachmentPart.part, ObjectionAttachmentPart.content_sealed)
        .where(
            ObjectionAttachmentPart.citizen_id == citizen_id,
            ObjectionAttachmentPart.objection_id == objection_id,
            ObjectionAttachmentPart.attachment_id == attachment_id,
        )
        .order_by(ObjectionAttachmentPart.part),
        key=data_key(keys, citizen_id),
        context_of=partial(part_context, objection_id, attachment_id),
    )
    made = queries.Attachment(attachment_id, held.media_type, held.size_bytes)
    return OpenedAttachment(made, content)

"""A citizen's own copy of everything that is kept of them (R14, R20, D10).

Asked for with a fresh proof of who asks; made by a job; opened once, within a day, with a secret
that is told once; a ZIP file with JSON for programs and a PDF for people.  Two a year are free and
nothing stands before them; more are given too, marked, one a day.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

import orjson
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel import outbox
from app.kernel.clock import CITY_ZONE
from app.kernel.crypto import field_context, seal, unseal_with
from app.kernel.database import transaction, transaction_required
from app.kernel.errors import Conflict, IdReused, NotFound
from app.kernel.keys import KeyProvider
from app.members.profiles import CitizenNotFound
from app.members.queries import database_now, find_data_key, is_active
from app.rights.gathering import gather
from app.rights.models import CopyHandle, PersonalCopy
from app.rights.queries import AskedCopy, find_copy
from app.trail.operations import SYSTEM, Actor

COPY_TOPIC: Final = "personal_copy"
COPY_LIFE: Final = timedelta(hours=24)
FREE_A_YEAR: Final = 2
BEYOND_EVERY: Final = timedelta(days=1)
SECRET_BYTES: Final = 32
CONTENT_MAX_BYTES: Final = 50_000_000
OPTIONS: Final = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:citizen, 0))")


class CopyAskedRecently(Conflict):
    """Beyond the free ones there is one copy a day; the details say when the next may be."""

    code: ClassVar[str] = "copy_asked_recently"
    title: ClassVar[str] = "A copy was asked for within the last day"
    advice: ClassVar[str] = "本年度免费副本已用完，额外副本每天限一份，请稍后再申请。"


class CopyNotReady(Conflict):
    """The copy is still being made."""

    code: ClassVar[str] = "copy_not_ready"
    title: ClassVar[str] = "The copy is being made"
    advice: ClassVar[str] = "副本正在生成，请稍后再下载。"


class CopyUnknown(NotFound):
    """No copy opens with this: taken, over, never asked for, or another secret."""

    code: ClassVar[str] = "copy_unknown"
    title: ClassVar[str] = "There is no such copy to open"
    advice: ClassVar[str] = "下载链接无效、已使用或已过期，请重新申请。"


class CopyTooLargeError(RuntimeError):
    """The file would be larger than any person's can be."""


@dataclass(frozen=True)
class Ticket:
    """What opens a copy, told once."""

    copy: AskedCopy
    secret: str = field(repr=False)


def ask_copy(
    *, citizen_id: UUID, copy_id: UUID, beside: Callable[[], None] | None = None
) -> Ticket:
    """Ask for a copy, for somebody who has just proved who they are.

    The same id again begins the copy's day anew with another secret, as long as it was not taken.
    `beside` stands in the transaction of the asking, for who asks in somebody's name.
    Refuses `copy_asked_recently`, `copy_unknown`, IdReused.
    """
    secret = secrets.token_urlsafe(SECRET_BYTES)
    with transaction() as session:
        session.execute(_ONE_AT_A_TIME, {"citizen": str(citizen_id)})
        if beside is not None:
            beside()
        now = database_now()
        known = session.get(PersonalCopy, (citizen_id, copy_id))
        if known is None:
            _take_number(session, citizen_id, copy_id)
            known = PersonalCopy(
                citizen_id=citizen_id, copy_id=copy_id, content_sealed=None,
                is_beyond_free=_is_beyond_free(session, citizen_id, now),
            )
            session.add(known)
        elif known.taken_at is not None:
            raise CopyUnknown
        known.secret_hash, known.asked_at = _hash(secret), now
        known.expires_at, known.content_sealed, known.made_at = now + COPY_LIFE, None, None
        session.flush()
        outbox.put(
            citizen_id=citizen_id, topic=COPY_TOPIC, payload={"copy_id": str(copy_id)}
        )
    found = find_copy(citizen_id=citizen_id, copy_id=copy_id)
    assert found is not None, "it was just written"
    return Ticket(found, secret)


def make_copy(*, keys: KeyProvider, citizen_id: UUID, copy_id: UUID) -> None:
    """For the job: make a copy and keep it sealed; nothing when it is there, taken, or too late."""
    found = find_copy(citizen_id=citizen_id, copy_id=copy_id)
    if found is None or found.state != "asked":
        return
    try:
        content = _packed(gather(keys=keys, citizen_id=citizen_id, actor=_asker(citizen_id)))
    except CitizenNotFound:
        return  # left since: there is nothing to copy, and nobody to take it
    with transaction() as session:
        key = find_data_key(keys=keys, citizen_id=citizen_id)
        if key is not None:
            session.execute(
                update(PersonalCopy)
                .where(
                    PersonalCopy.citizen_id == citizen_id, PersonalCopy.copy_id == copy_id,
                    PersonalCopy.asked_at == found.asked_at, PersonalCopy.taken_at.is_(None),
                )
                .values(
                    content_sealed=seal(key, content, context=_context(copy_id)),
                    made_at=func.clock_timestamp(),
                )
            )


def take_copy(*, keys: KeyProvider, copy_id: UUID, secret: str) -> bytes:
    """The ZIP file, once: it is deleted before the answer goes out.

    Refuses `copy_unknown`, `copy_not_ready`.
    """
    with transaction() as session:
        handle = session.get(CopyHandle, copy_id)
        copy = None if handle is None else session.get(
            PersonalCopy, (handle.citizen_id, copy_id), with_for_update=True,
            populate_existing=True,
        )
        if (
            copy is None or copy.taken_at is not None or copy.expires_at <= database_now()
            or not secrets.compare_digest(copy.secret_hash, _hash(secret))
        ):
            raise CopyUnknown
        if copy.content_sealed is None:
            raise CopyNotReady
        key = find_data_key(keys=keys, citizen_id=copy.citizen_id)
        if key is None:
            raise CopyUnknown
        content = unseal_with(key, copy.content_sealed, context=_context(copy_id))
        copy.content_sealed, copy.taken_at = None, func.clock_timestamp()
        session.flush()
    return content


def prune_copies() -> int:
    """For the job: delete the content of copies that nobody took within their day; how many."""
    over = update(PersonalCopy).where(
        PersonalCopy.content_sealed.is_not(None),
        PersonalCopy.expires_at <= func.clock_timestamp(),
    )
    with transaction() as session:
        return session.connection().execute(over.values(content_sealed=None)).rowcount


def cancel_copies(*, citizen_id: UUID) -> None:
    """Let no copy be opened that was asked for before now, in the open transaction."""
    transaction_required().execute(
        update(PersonalCopy)
        .where(PersonalCopy.citizen_id == citizen_id, PersonalCopy.taken_at.is_(None))
        .values(content_sealed=None, expires_at=func.least(
            PersonalCopy.expires_at, func.clock_timestamp()
        ))
        .execution_options(synchronize_session=False)
    )


def _take_number(session: Session, citizen_id: UUID, copy_id: UUID) -> None:
    session.execute(
        insert(CopyHandle)
        .values(copy_id=copy_id, citizen_id=citizen_id)
        .on_conflict_do_nothing()
    )  # fmt: skip
    if session.get_one(CopyHandle, copy_id).citizen_id != citizen_id:
        raise IdReused


def _is_beyond_free(session: Session, citizen_id: UUID, now: datetime) -> bool:
    """Whether the free ones of the city's year are used up; refused when one was within a day."""
    new_year = datetime.combine(
        now.astimezone(CITY_ZONE).date().replace(month=1, day=1), time(), CITY_ZONE
    )
    asked = session.scalars(
        select(PersonalCopy.asked_at)
        .where(PersonalCopy.citizen_id == citizen_id, PersonalCopy.asked_at >= new_year)
        .order_by(PersonalCopy.asked_at)
    ).all()
    if len(asked) < FREE_A_YEAR:
        return False
    again_at = asked[-1] + BEYOND_EVERY
    if again_at > now:
        raise CopyAskedRecently(again_at=again_at.isoformat())
    return True


def _asker(citizen_id: UUID) -> Actor:
    """For whom a copy is made: of the dead it is made for relatives, as the line before says."""
    return Actor("citizen", citizen_id) if is_active(citizen_id=citizen_id) else SYSTEM


def _packed(document: dict[str, Any]) -> bytes:
    from app.rights.paper import print_copy  # noqa: PLC0415 -- only a worker writes PDF

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("copy.json", orjson.dumps(document, option=OPTIONS, default=str))
        archive.writestr("copy.pdf", print_copy(document))
    if file.tell() > CONTENT_MAX_BYTES:
        raise CopyTooLargeError
    return file.getvalue()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _context(copy_id: UUID) -> bytes:
    return field_context(table="personal_copies", column="content_sealed", row_id=copy_id)

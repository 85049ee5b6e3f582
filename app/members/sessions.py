"""Sessions: opened by a sign-in, carried on by refresh tokens, ended at once.

A session lives at most `SESSION_LIFE`, however often it is refreshed.  Each refresh makes the
refresh token before it worthless; showing such a token again ends the session, because one of the
two who have it is a thief.  That holds for a client too that lost the answer and asks again, or
asks twice at once: one of the two gets new tokens, then the session is over.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from sqlalchemy import func, text, update
from sqlalchemy.orm import Session

from app.kernel.database import hot_call, transaction, transaction_required
from app.kernel.errors import Unauthenticated
from app.kernel.ids import new_id
from app.members.models import (
    CitizenSession,
    SourceSession,
    StaffRefresh,
    StaffSession,
)
from app.trail import security

log = logging.getLogger(__name__)

SESSION_LIFE = timedelta(days=30)
CITIZEN = "citizen"
SOURCE = "source"

_REFRESH = {
    CITIZEN: "SELECT * FROM citizen_refresh(%(subject)s, %(session)s, %(shown)s, %(next)s)",
    SOURCE: "SELECT * FROM source_refresh(%(subject)s, %(session)s, %(shown)s, %(next)s)",
}
_STAFF_REFRESH = (
    "SELECT * FROM staff_refresh(%(subject)s, %(session)s, %(role)s, %(shown)s, %(next)s)"
)
_PRUNE = text("SELECT sessions_prune(:limit)")


class RefreshReused(Unauthenticated):
    """A refresh token was shown a second time: the session is over for everybody."""

    code: ClassVar[str] = "refresh_reused"
    title: ClassVar[str] = "The refresh token was used before; the session has been ended"
    advice: ClassVar[str] = "登录凭证被重复使用，为安全起见已退出，请重新登录。"


class SessionEnded(Unauthenticated):
    """The session has expired, was ended, or its account was disabled."""

    code: ClassVar[str] = "session_ended"
    title: ClassVar[str] = "The session has ended"
    advice: ClassVar[str] = "登录已失效，请重新登录。"


@dataclass(frozen=True)
class OpenedSession:
    """A session for which tokens can be made; `life` is what is left of it."""

    role: str
    subject_id: UUID
    session_id: UUID
    refresh_id: UUID
    life: timedelta


def open_citizen_session(
    session: Session, *, citizen_id: UUID, life: timedelta = SESSION_LIFE
) -> OpenedSession:
    """Open a session in the open transaction."""
    opened = _opened(CITIZEN, citizen_id, life)
    session.add(CitizenSession(
        citizen_id=citizen_id, session_id=opened.session_id, refresh_id=opened.refresh_id,
        expires_at=func.now() + life,
    ))
    session.flush()
    _tell_opened(opened)
    return opened


def open_staff_session(session: Session, *, staff_id: UUID, role: str) -> OpenedSession:
    """Open a session in the open transaction."""
    opened = _opened(role, staff_id)
    session.add(StaffSession(
        staff_id=staff_id, session_id=opened.session_id, expires_at=func.now() + SESSION_LIFE,
    ))
    session.add(StaffRefresh(
        staff_id=staff_id, session_id=opened.session_id, refresh_id=opened.refresh_id,
    ))
    session.flush()
    _tell_opened(opened)
    return opened


def open_source_session(
    session: Session, *, source_id: UUID, credential_id: UUID
) -> OpenedSession:
    """Open a session in the open transaction."""
    opened = _opened(SOURCE, source_id)
    session.add(SourceSession(
        source_id=source_id, session_id=opened.session_id, credential_id=credential_id,
        refresh_id=opened.refresh_id, expires_at=func.now() + SESSION_LIFE,
    ))
    session.flush()
    _tell_opened(opened)
    return opened


def refresh_session(
    *, role: str, subject_id: UUID, session_id: UUID, refresh_id: UUID
) -> OpenedSession:
    """Replace the session's refresh id, or end the session when an old one is shown.

    One statement under the lock of the session's row; the end of a session is committed before the
    refusal is raised.
    """
    successor = new_id()
    row = hot_call(_REFRESH.get(role, _STAFF_REFRESH), {
        "subject": subject_id, "session": session_id, "role": role,
        "shown": refresh_id, "next": successor,
    })
    if row is None or row["outcome"] == "ended":
        raise SessionEnded
    if row["outcome"] == "reused":
        log.warning("refresh token reused", extra={"role": role, "session": str(session_id)})
        security.note_event(
            kind=security.REFRESH_REUSED, role=role, account_id=subject_id,
            subject=str(session_id),
        )
        raise RefreshReused
    return OpenedSession(
        role=role, subject_id=subject_id, session_id=session_id, refresh_id=successor,
        life=timedelta(seconds=row["seconds_left"]),
    )


def sign_out(*, role: str, subject_id: UUID, session_id: UUID) -> None:
    """End one session; it is dead when this returns."""
    with transaction() as session:
        _end(session, role, subject_id, "signed_out", session_id)


def end_sessions(*, role: str, subject_id: UUID, reason: str) -> int:
    """End every session of a citizen, staff member or source in the open transaction; how many.

    `reason` is a stable word: `ended_by_operator`, `account_disabled`, `withdrawn`.
    """
    return _end(transaction_required(), role, subject_id, reason, None)


def end_session(*, role: str, subject_id: UUID, session_id: UUID, reason: str) -> None:
    """End one session in the open transaction; `reason` is a stable word."""
    _end(transaction_required(), role, subject_id, reason, session_id)


def prune_sessions(*, limit: int) -> int:
    """Delete sessions that ended long ago, at most so many of citizens; how many of citizens.

    They are kept for 184 days, as long as other logs of security, from the moment at which they
    would have ended by themselves.
    """
    with transaction() as session:
        return int(session.scalar(_PRUNE, {"limit": limit}) or 0)


def _tell_opened(opened: OpenedSession) -> None:
    security.record_event(
        kind=security.SIGNED_IN, role=opened.role, account_id=opened.subject_id,
        subject=str(opened.session_id),
    )


def _opened(role: str, subject_id: UUID, life: timedelta = SESSION_LIFE) -> OpenedSession:
    return OpenedSession(
        role=role, subject_id=subject_id, session_id=new_id(), refresh_id=new_id(), life=life
    )


def _end(
    session: Session, role: str, subject_id: UUID, reason: str, session_id: UUID | None
) -> int:
    table: type[CitizenSession | SourceSession | StaffSession]
    if role == CITIZEN:
        table, owner = CitizenSession, CitizenSession.citizen_id
    elif role == SOURCE:
        table, owner = SourceSession, SourceSession.source_id
    else:
        table, owner = StaffSession, StaffSession.staff_id
    ending = (
        update(table)
        .where(owner == subject_id, table.ended_at.is_(None))
        .values(ended_at=func.clock_timestamp(), ended_reason=reason)
        .returning(table.session_id)
        .execution_options(synchronize_session=False)
    )
    if session_id is not None:
        ending = ending.where(table.session_id == session_id)
    ended = session.scalars(ending).all()
    if ended:
        security.record_event(
            kind=security.SESSION_ENDED, role=role, account_id=subject_id,
            subject=f"{reason} {ended[0]}" if len(ended) == 1 else f"{reason} of {len(ended)}",
        )
    return len(ended)

"""The log of security: what an auditor asks for after the fact, for 366 days, under seals.

Nothing in it names a person: staff and machines stand in it by their ids, who tried to sign in by
a keyed digest, a citizen by the id of a session.  An event is written in the transaction of what it
tells of; what was refused is written in one of its own, before the refusal is answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

from sqlalchemy import select, text

from app.kernel.database import reading, transaction, transaction_required
from app.kernel.errors import Invalid
from app.kernel.ids import new_id
from app.kernel.tables import write_csv
from app.trail.models import SecurityEvent

# The kinds, and what each tells.
SIGNED_IN: Final = "signed_in"  # subject: the session
SIGN_IN_REFUSED: Final = "sign_in_refused"
SIGN_IN_DELAYED: Final = "sign_in_delayed"  # locked out for a while
SECOND_FACTOR_REFUSED: Final = "second_factor_refused"
REFRESH_REUSED: Final = "refresh_reused"  # subject: the session, which is over
SESSION_ENDED: Final = "session_ended"  # subject: why
ACT_OF_OFFICE: Final = "act_of_office"  # accounts, roles, keys, rules; subject: the act
PERSON_OPENED: Final = "person_opened"  # an operator read of a person; subject: the act
BULK_VIEWING_STOPPED: Final = "bulk_viewing_stopped"
DENIED: Final = "denied"  # subject: method, route and the refusal's code
EXPORTED: Final = "exported"  # subject: method and route
KINDS: Final = (
    SIGNED_IN, SIGN_IN_REFUSED, SIGN_IN_DELAYED, SECOND_FACTOR_REFUSED, REFRESH_REUSED,
    SESSION_ENDED, ACT_OF_OFFICE, PERSON_OPENED, BULK_VIEWING_STOPPED, DENIED, EXPORTED,
)  # fmt: skip
CITIZEN: Final = "citizen"
SUBJECT_MAX_CHARS: Final = 300
SPAN_MAX: Final = timedelta(days=31)
EXPORT_ROWS_MAX: Final = 50_000
COLUMNS: Final = (
    "event_id", "created_at", "kind", "role", "account_id", "subject", "account_key", "client_key",
)
_APPEND: Final = text(
    "SELECT security_append(:event, :kind, :role, :account, :subject, :account_key, :client_key)"
)
_PRUNE: Final = text("SELECT security_prune(:limit)")


class SpanTooLong(Invalid):
    """The log is read a month at a time."""

    code: ClassVar[str] = "span_too_long"
    title: ClassVar[str] = "The time asked for is longer than 31 days, or ends before it begins"
    advice: ClassVar[str] = "查询时间段最长 31 天，且开始时间须早于结束时间，请分段查询。"


@dataclass(frozen=True)
class EventLine:
    """One event; the keys are keyed digests, hexadecimal, of an account's name and an address."""

    event_id: UUID
    created_at: datetime
    kind: str
    role: str
    account_id: UUID | None
    subject: str
    account_key: str | None
    client_key: str | None


@dataclass(frozen=True)
class Span:
    """Which events: from one moment on and before another, of one kind or of all."""

    since: datetime
    until: datetime
    kind: str | None = None

    def __str__(self) -> str:
        return f"{self.since.isoformat()}/{self.until.isoformat()} {self.kind or 'all'}"


def record_event(
    *,
    kind: str,
    role: str,
    account_id: UUID | None = None,
    subject: str = "",
    account_key: bytes | None = None,
    client_key: bytes | None = None,
) -> None:
    """Write an event in the open transaction; a citizen's id is left out."""
    transaction_required().execute(_APPEND, {
        "event": new_id(), "kind": kind, "role": role,
        "account": None if role == CITIZEN else account_id,
        "subject": subject[:SUBJECT_MAX_CHARS], "account_key": account_key,
        "client_key": client_key,
    })  # fmt: skip


def note_event(
    *,
    kind: str,
    role: str,
    account_id: UUID | None = None,
    subject: str = "",
    account_key: bytes | None = None,
    client_key: bytes | None = None,
) -> None:
    """Write an event in a transaction of its own: of what was refused."""
    with transaction():
        record_event(
            kind=kind, role=role, account_id=account_id, subject=subject,
            account_key=account_key, client_key=client_key,
        )


def list_events(*, span: Span, limit: int, after: UUID | None = None) -> list[EventLine]:
    """The events of a span in their order; `after` is the last one of the page before.

    SpanTooLong.
    """
    if not timedelta(0) < span.until - span.since <= SPAN_MAX:
        raise SpanTooLong
    event = SecurityEvent
    query = (
        select(event)
        .where(event.created_at >= span.since, event.created_at < span.until)
        .order_by(event.event_id)
        .limit(limit)
    )
    if span.kind is not None:
        query = query.where(event.kind == span.kind)
    if after is not None:
        query = query.where(event.event_id > after)
    with reading() as session:
        return [_line(row) for row in session.scalars(query)]


def events_csv(events: list[EventLine]) -> str:
    """The events for a spreadsheet."""
    rows = ([_cell(getattr(one, name)) for name in COLUMNS] for one in events)
    return write_csv([COLUMNS, *rows])


def prune_security(*, limit: int) -> int:
    """Delete events that are past their 366 days, about so many; how many."""
    with transaction() as session:
        return int(session.scalar(_PRUNE, {"limit": limit}) or 0)


def _line(row: SecurityEvent) -> EventLine:
    return EventLine(
        row.event_id, row.created_at, row.kind, row.role, row.account_id, row.subject,
        _hexadecimal(row.account_key), _hexadecimal(row.client_key),
    )


def _hexadecimal(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)

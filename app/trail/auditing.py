"""Reading the log of security: an act of office, with a reason."""

from __future__ import annotations

from uuid import UUID

from app.kernel.database import transaction
from app.trail.operations import Actor, record_act, require_reason
from app.trail.security import EventLine, Span, list_events


def read_events(
    *, span: Span, limit: int, operator_id: UUID, reason: str, after: UUID | None = None
) -> list[EventLine]:
    """The events of a span, for an operator who says why; see `list_events`.

    Refuses `reason_needed`, `reason_names_person` and `span_too_long`.
    """
    reason = require_reason(reason)
    with transaction():
        events = list_events(span=span, limit=limit, after=after)
        record_act(
            actor=Actor("operator", operator_id), action="security_log_read", subject=str(span),
            reason=reason,
        )
    return events

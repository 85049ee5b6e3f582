"""Writing the access trail, in the transaction of the act itself: no trail, no act."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from sqlalchemy import insert, text

from app.kernel.database import transaction, transaction_required
from app.kernel.errors import Invalid, NotAllowed
from app.kernel.ids import new_id
from app.trail import security
from app.trail.counting import OPENING_ACTIONS, admit_view
from app.trail.models import TrailAct

OPERATOR = "operator"
REASON_MIN_CHARS = 5
REASON_MAX_CHARS = 500
# A date and a case number pass; mobile numbers, accounts, tokens and card codes do not.
_NOT_FOR_REASONS = re.compile(
    r"(?:[0-9][\s-]*){9,}|[!-~]{24,}|IC1[A-Z]:|[0-9A-Z]{4}(?:-[0-9A-Z]{4}){2}"
)


class ReasonNeeded(Invalid):
    """A person who opens somebody's data says why, in words that the citizen will read."""

    code: ClassVar[str] = "reason_needed"
    title: ClassVar[str] = "A reason of 5 to 500 characters is needed"
    advice: ClassVar[str] = "请填写查看理由（5 至 500 字），本人可以看到。"


class ReasonNamesPerson(Invalid):
    """A reason is kept in plain text for years: it holds no number or code of a person."""

    code: ClassVar[str] = "reason_names_person"
    title: ClassVar[str] = "The reason holds a long number or code"
    advice: ClassVar[str] = "查看理由中请勿填写身份证号、手机号等号码或凭证。"


class SecondPersonNeeded(NotAllowed):
    """What changes the programme for everybody takes two operators."""

    code: ClassVar[str] = "second_person_needed"
    title: ClassVar[str] = "Another operator must confirm what one has proposed"
    advice: ClassVar[str] = "本人提出的变更须由另一名工作人员确认。"


@dataclass(frozen=True)
class Actor:
    """Who acts: `kind` is a role, or `system` (without an id) for the service itself."""

    kind: str
    id: UUID | None


SYSTEM = Actor("system", None)

_APPEND = text(
    "SELECT trail_append(:citizen, :trail_id, :actor_kind, :actor_id, :action, :fields,"
    " :reason, :basis)"
)
_PRUNE = text("SELECT trail_prune(:limit)")
_APPEND_MANY = text(
    "SELECT trail_append(line.citizen, line.trail_id, :actor_kind, CAST(:actor_id AS uuid),"
    " :action, :fields, :reason, :basis)"
    " FROM unnest(CAST(:citizens AS uuid[]), CAST(:trail_ids AS uuid[]))"
    " AS line (citizen, trail_id)"
)


def record_access(
    *,
    citizen_id: UUID,
    actor: Actor,
    action: str,
    fields: Sequence[str] = (),
    reason: str = "",
    basis: str = "",
) -> UUID:
    """Write one line in the open transaction and return its id.

    `action` is a stable word, `fields` are what was read or changed, `reason` is the actor's own
    text (the citizen sees it), `basis` the consent or law behind it.
    """
    trail_id = new_id()
    transaction_required().execute(_APPEND, {
        "citizen": citizen_id, "trail_id": trail_id,
        **_what(actor, action, fields, reason, basis),
    })
    if actor.kind == OPERATOR:
        security.record_event(
            kind=security.PERSON_OPENED, role=actor.kind, account_id=actor.id,
            subject=f"{action} {trail_id}",
        )
        if action in OPENING_ACTIONS:
            assert actor.id is not None, "an operator has an account"
            # Not refused: a case has its term.  Others hear of it.
            admit_view(staff_id=actor.id, citizen_id=citizen_id, action=action)
    return trail_id


def record_accesses(
    *,
    citizen_ids: Iterable[UUID],
    actor: Actor,
    action: str,
    fields: Sequence[str] = (),
    reason: str = "",
    basis: str = "",
) -> None:
    """Write the same line for many citizens in the open transaction."""
    citizens = list(citizen_ids)
    if not citizens:
        return
    transaction_required().execute(_APPEND_MANY, {
        "citizens": citizens, "trail_ids": [new_id() for _ in citizens],
        **_what(actor, action, fields, reason, basis),
    })
    if actor.kind == OPERATOR:
        security.record_event(
            kind=security.PERSON_OPENED, role=actor.kind, account_id=actor.id,
            subject=f"{action} of {len(citizens)}",
        )


def record_act(
    *, actor: Actor, action: str, subject: str, reason: str = "", basis: str = ""
) -> UUID:
    """Write one line about an act that concerns no single citizen, in the open transaction; its id.

    `subject` is what was acted upon, by its code or id; `action`, `reason` and `basis` are as in
    `record_access`.
    """
    act_id = new_id()
    transaction_required().execute(insert(TrailAct).values(
        act_id=act_id, actor_kind=actor.kind, actor_id=actor.id, action=action, subject=subject,
        reason=reason, basis=basis,
    ))
    security.record_event(
        kind=security.ACT_OF_OFFICE, role=actor.kind, account_id=actor.id,
        subject=f"{action} {subject}",
    )
    return act_id


def prune_trail(*, limit: int) -> int:
    """Delete lines of the trail that are past their five years, at most so many; how many."""
    with transaction() as session:
        return int(session.scalar(_PRUNE, {"limit": limit}) or 0)


def require_reason(reason: str) -> str:
    """The reason without surrounding blanks; refused when it says too little or too much."""
    stripped = reason.strip()
    if not REASON_MIN_CHARS <= len(stripped) <= REASON_MAX_CHARS:
        raise ReasonNeeded
    if _NOT_FOR_REASONS.search(unicodedata.normalize("NFKC", stripped)):
        raise ReasonNamesPerson
    return stripped


def _what(
    actor: Actor, action: str, fields: Sequence[str], reason: str, basis: str
) -> dict[str, object]:
    return {
        "actor_kind": actor.kind, "actor_id": actor.id, "action": action,
        "fields": list(fields), "reason": reason, "basis": basis,
    }

"""Reading somebody's data unmasked: with a role and a reason, and never without a trail."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.kernel.database import transaction, transaction_required
from app.kernel.errors import Conflict, NotFound
from app.kernel.keys import KeyProvider
from app.members.id_numbers import parse_id_number
from app.members.models import Citizen, CitizenKey, CitizenProfile
from app.members.queries import (
    MaskedProfile,
    find_citizen_id,
    find_masked_profile,
    list_current_texts,
    names_of_actors,
    plain_fields,
)
from app.members.sessions import CITIZEN, end_sessions
from app.trail.counting import admit_view
from app.trail.operations import Actor, record_access, require_reason
from app.trail.queries import TrailLine, list_trail
from app.trail.viewing import BulkViewingStopped
from app.trail.wording import tell

log = logging.getLogger(__name__)

PROFILE_FIELDS = ("name", "id_number", "phone")


class CitizenNotFound(NotFound):
    """There is no such citizen, or nothing personal is kept of them any more."""

    code: ClassVar[str] = "citizen_not_found"
    title: ClassVar[str] = "There is no such citizen"
    advice: ClassVar[str] = "没有找到该市民，请核对后重试。"


class MembershipRests(Conflict):
    """The membership rests; the counter says why, and lets it go on when that was a mistake."""

    code: ClassVar[str] = "membership_rests"
    title: ClassVar[str] = "The membership rests"
    advice: ClassVar[str] = "您的诚信卡已暂停使用；如有疑问，请本人携带身份证到服务窗口核对恢复。"


class WeChatNotBound(Conflict):
    """The member signs in with no WeChat account."""

    code: ClassVar[str] = "wechat_not_bound"
    title: ClassVar[str] = "No WeChat account is bound to this member"
    advice: ClassVar[str] = "尚未绑定微信：请先在小程序中登录绑定；无绑定则无需解绑。"


@dataclass(frozen=True)
class NamedTrailLine:
    """A line of the trail with the work name of who acted, where there is one.

    `told` is the line in plain words.
    """

    line: TrailLine
    actor_name: str | None
    told: str


def open_profile(
    *,
    keys: KeyProvider,
    citizen_id: UUID,
    actor: Actor,
    fields: Sequence[str],
    reason: str,
    basis: str = "",
    action: str = "profile_opened",
) -> dict[str, str | None]:
    """The named fields in the clear, in the open transaction, with their line in the trail.

    The line is written first: when it cannot be written nothing is read.  Of who has left nothing
    is read either, nor while the membership rests: CitizenNotFound, MembershipRests.
    """
    session = transaction_required()
    _require_active(session, citizen_id)
    record_access(
        citizen_id=citizen_id, actor=actor, action=action, fields=fields,
        reason=reason, basis=basis,
    )
    profile = session.get(CitizenProfile, citizen_id)
    wrapped = session.get(CitizenKey, citizen_id)
    if profile is None or wrapped is None:
        raise CitizenNotFound
    plain = plain_fields(keys, profile, wrapped)
    log.info("personal data opened", extra={"actor": str(actor.id), "fields": list(fields)})
    return {name: plain[name] for name in fields}


def reveal_profile(
    *, keys: KeyProvider, citizen_id: UUID, actor: Actor, fields: Sequence[str], reason: str
) -> dict[str, str | None]:
    """What an operator reads unmasked: the fields, for a reason that the citizen will see.

    Refuses `reason_needed`, `citizen_not_found`, `membership_rests`, and `bulk_viewing_stopped`
    after too many.
    """
    reason = require_reason(reason)
    assert actor.id is not None, "an operator has an account"
    with transaction():
        opened = open_profile(
            keys=keys, citizen_id=citizen_id, actor=actor, fields=fields, reason=reason
        ) if admit_view(staff_id=actor.id, citizen_id=citizen_id) else None
    if opened is None:  # after the commit: the alarm stays
        raise BulkViewingStopped
    return opened


def find_member(
    *, keys: KeyProvider, id_number: str, actor: Actor, reason: str
) -> MaskedProfile:
    """The masked profile of the member with this identity number, with a line in the trail.

    Refuses `reason_needed`, `id_number_invalid`, `citizen_not_found`, `membership_rests`.
    """
    reason, number = require_reason(reason), parse_id_number(id_number)
    with transaction() as session:
        citizen_id = find_citizen_id(keys=keys, purpose="id_number", value=number.value)
        if citizen_id is None:
            raise CitizenNotFound
        _require_active(session, citizen_id)
        found = find_masked_profile(keys=keys, citizen_id=citizen_id)
        if found is None:
            raise CitizenNotFound
        record_access(
            citizen_id=found.citizen_id, actor=actor, action="member_found", reason=reason
        )
        return found


def end_member_sessions(*, citizen_id: UUID, actor: Actor, reason: str) -> int:
    """End every session of a citizen, for a reason that the citizen will see; how many."""
    reason = require_reason(reason)
    with transaction() as session:
        if session.get(Citizen, citizen_id) is None:
            raise CitizenNotFound
        record_access(
            citizen_id=citizen_id, actor=actor, action="sessions_ended", reason=reason
        )
        return end_sessions(role=CITIZEN, subject_id=citizen_id, reason="ended_by_operator")


def unbind_wechat(*, citizen_id: UUID, actor: Actor, reason: str) -> None:
    """Take a lost WeChat account off its member, who joins again from another one.

    The sessions end, the member stays; the citizen will see the reason.
    """
    reason = require_reason(reason)
    with transaction() as session:
        if session.get(Citizen, citizen_id, with_for_update=True) is None:
            raise CitizenNotFound
        if not session.scalar(select(func.citizen_unbind_wechat(citizen_id))):
            raise WeChatNotBound
        record_access(
            citizen_id=citizen_id, actor=actor, action="wechat_unbound", reason=reason
        )
        end_sessions(role=CITIZEN, subject_id=citizen_id, reason="wechat_unbound")


def my_profile(*, keys: KeyProvider, citizen_id: UUID) -> MaskedProfile:
    """A citizen's own masked profile."""
    found = find_masked_profile(keys=keys, citizen_id=citizen_id)
    if found is None:
        raise CitizenNotFound
    return found


def my_trail(
    *, citizen_id: UUID, limit: int, before: UUID | None = None
) -> list[NamedTrailLine]:
    """Who looked at a citizen's data, newest first."""
    lines = list_trail(citizen_id=citizen_id, limit=limit, before=before)
    names = names_of_actors(
        actor_ids={line.actor_id for line in lines if line.actor_id is not None}
    )
    titles = {text.purpose: text.title for text in list_current_texts()}
    return [
        NamedTrailLine(line, name, tell(line, name, titles))
        for line in lines
        for name in [None if line.actor_id is None else names.get(line.actor_id)]
    ]


def _require_active(session: Session, citizen_id: UUID) -> None:
    """Whoever works on the death, the objection or the repair of somebody reads it from there."""
    citizen = session.get(Citizen, citizen_id, populate_existing=True)
    if citizen is None or citizen.status == "left":
        raise CitizenNotFound
    if citizen.status != "active":
        raise MembershipRests

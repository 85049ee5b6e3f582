"""Joining and signing in by WeChat: what the rooms above have asked WeChat for ends up here.

No row for a citizen is written before the consents are there: consents, citizen, key, profile,
identity, session and trail are one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.kernel.clock import city_today
from app.kernel.crypto import open_data_key
from app.kernel.database import reading, transaction, transaction_required
from app.kernel.errors import Conflict, NotAllowed
from app.kernel.keys import Key, KeyProvider
from app.members.consents import (
    COUNTER_CHANNEL,
    WECHAT_CHANNEL,
    Decision,
    GivenConsent,
    check_consents,
    record_decisions,
)
from app.members.id_numbers import IdNumber, is_adult, parse_id_number
from app.members.models import Citizen, CitizenKey, CitizenProfile, WeChatIdentity
from app.members.profiles import MembershipRests
from app.members.queries import find_citizen_id
from app.members.register import NewMember, claim_indexes, ensure_citizens
from app.members.resting import RESTING, resume_membership
from app.members.sealing import IDENTITIES, PROFILES, open_field, seal_field
from app.members.sessions import CITIZEN, OpenedSession, open_citizen_session
from app.members.spelling import canonical_name, parse_name
from app.trail.operations import Actor, record_access


class UnderAge(NotAllowed):
    """Members are at least 18, counted on the day in the city."""

    code: ClassVar[str] = "under_age"
    title: ClassVar[str] = "Members are at least 18 years old"
    advice: ClassVar[str] = "年满 18 周岁方可加入。"


class MemberNameMismatch(Conflict):
    """The register has another name for this identity number."""

    code: ClassVar[str] = "member_name_mismatch"
    title: ClassVar[str] = "The register has another name for this person"
    advice: ClassVar[str] = "姓名与登记信息不一致，请携带身份证到服务窗口核对。"


class MemberBoundElsewhere(Conflict):
    """The person is a member already and signs in with another WeChat account."""

    code: ClassVar[str] = "member_bound_elsewhere"
    title: ClassVar[str] = "This person signs in with another WeChat account"
    advice: ClassVar[str] = "您已用其他微信加入，请用原微信登录，或到服务窗口办理更换。"


class MemberAlready(Conflict):
    """The person is a member already; what is kept of them is not changed by joining again."""

    code: ClassVar[str] = "member_already"
    title: ClassVar[str] = "This person is a member already"
    advice: ClassVar[str] = "该市民已是成员，请直接核验本人身份后办理。"


class WeChatBoundElsewhere(Conflict):
    """The WeChat account belongs to another member."""

    code: ClassVar[str] = "wechat_bound_elsewhere"
    title: ClassVar[str] = "This WeChat account belongs to another member"
    advice: ClassVar[str] = "该微信已绑定其他市民，请使用本人微信。"


class LeavingNotFinished(Conflict):
    """The person has left and what was kept is still being deleted."""

    code: ClassVar[str] = "leaving_not_finished"
    title: ClassVar[str] = "Leaving is not finished yet"
    advice: ClassVar[str] = "退出手续尚未办结，请在办结后重新加入。"


@dataclass(frozen=True)
class JoinRequest:
    """Who wants to join, in canonical form; nothing personal shows in a representation."""

    name: str = field(repr=False)
    id_number: IdNumber = field(repr=False)
    consents: tuple[GivenConsent, ...]


def check_join(*, name: str, id_number: str, consents: Sequence[GivenConsent]) -> JoinRequest:
    """Everything that can be refused without asking anybody outside."""
    request = JoinRequest(parse_name(name), parse_id_number(id_number), tuple(consents))
    with reading() as session:
        check_consents(request.consents)
        _require_adult(request, city_today(session))
    return request


def join(*, keys: KeyProvider, request: JoinRequest, openid: str, phone: str) -> OpenedSession:
    """Make the person a member, or find the member the person is already, and sign them in.

    The caller has had name and number checked by the real-name service, and has the openid and the
    phone number from WeChat.  Joining again from the same WeChat account is a sign-in.
    """
    with transaction() as session:
        today = city_today(session)
        _require_adult(request, today)
        texts = check_consents(request.consents)
        citizen_id = _ensure_citizen(session, keys, request, phone, today)
        _bind_openid(session, keys, citizen_id, openid)
        record_decisions(
            [Decision(citizen_id=citizen_id, text=t, channel=WECHAT_CHANNEL) for t in texts]
        )
        record_access(
            citizen_id=citizen_id, actor=Actor(CITIZEN, citizen_id), action="joined",
            fields=("name", "id_number", "phone"), basis="consent",
        )
        return open_citizen_session(session, citizen_id=citizen_id)


def join_at_counter(
    *, keys: KeyProvider, request: JoinRequest, phone: str | None, actor: Actor, reason: str
) -> UUID:
    """Make the person a member in the open transaction; the caller has had the name checked.

    Whoever is a member already stays as they are: MemberAlready; one that rests for want of a
    consent goes on.  UnderAge, LeavingNotFinished.
    """
    session = transaction_required()
    today = city_today(session)
    _require_adult(request, today)
    texts = check_consents(request.consents)
    person = NewMember(
        name=request.name, id_number=request.id_number.value, phone=phone, joined_on=today
    )
    (found,) = ensure_citizens(session, keys=keys, people=[person])
    if not found.created:
        citizen = session.get(Citizen, found.citizen_id)
        if citizen is None or citizen.status == "left":
            raise LeavingNotFinished
        if not citizen.rests_for_consent:
            raise MemberAlready
        resume_membership(citizen_id=found.citizen_id)
    record_decisions([
        Decision(citizen_id=found.citizen_id, text=text, channel=COUNTER_CHANNEL)
        for text in texts
    ])
    record_access(
        citizen_id=found.citizen_id, actor=actor, action="joined_at_counter",
        fields=("name", "id_number", "phone"), reason=reason, basis="consent",
    )
    return found.citizen_id


def sign_in_citizen(*, keys: KeyProvider, openid: str) -> OpenedSession | None:
    """Sign in the member behind a WeChat identity; None when they have to join (again).

    MembershipRests.
    """
    with transaction() as session:
        citizen_id = find_citizen_id(keys=keys, purpose="openid", value=openid)
        if citizen_id is None:
            return None
        citizen = session.get(Citizen, citizen_id)
        if citizen is None or citizen.status == "left":
            return None
        if citizen.rests_for_consent:
            return None  # whoever joins again agrees to what has changed
        if citizen.status == RESTING:
            raise MembershipRests
        return open_citizen_session(session, citizen_id=citizen_id)


def _require_adult(request: JoinRequest, today: date) -> None:
    if not is_adult(born_on=request.id_number.born_on, on=today):
        raise UnderAge


def _ensure_citizen(
    session: Session, keys: KeyProvider, request: JoinRequest, phone: str, today: date
) -> UUID:
    person = NewMember(
        name=request.name, id_number=request.id_number.value, phone=phone, joined_on=today
    )
    (found,) = ensure_citizens(session, keys=keys, people=[person])
    if not found.created:
        _check_same_person(session, keys, found.citizen_id, person)
    return found.citizen_id


def _check_same_person(
    session: Session, keys: KeyProvider, citizen_id: UUID, person: NewMember
) -> None:
    """Lock a member who was there before, compare the name, and take over the phone number."""
    citizen = session.scalar(
        select(Citizen).where(Citizen.citizen_id == citizen_id).with_for_update()
    )
    if citizen is None or citizen.status == "left":
        raise LeavingNotFinished
    if citizen.rests_for_consent:
        resume_membership(citizen_id=citizen_id)
    elif citizen.status == RESTING:
        raise MembershipRests
    key = _data_key(session, keys, citizen_id)
    profile = session.get_one(CitizenProfile, citizen_id)
    name = open_field(
        key, profile.name_sealed, table=PROFILES, column="name_sealed", citizen_id=citizen_id
    )
    if canonical_name(name) != person.name:
        raise MemberNameMismatch
    phone_sealed = seal_field(
        key, person.phone or "", table=PROFILES, column="phone_sealed", citizen_id=citizen_id
    )
    session.execute(
        update(CitizenProfile)
        .where(CitizenProfile.citizen_id == citizen_id)
        .values(phone_sealed=phone_sealed)
        .execution_options(synchronize_session=False)
    )


def _bind_openid(session: Session, keys: KeyProvider, citizen_id: UUID, openid: str) -> None:
    """Bind the WeChat identity to the citizen, each to one of the other."""
    if not claim_indexes(session, keys, {openid: citizen_id}, purpose="openid"):
        raise WeChatBoundElsewhere
    key = _data_key(session, keys, citizen_id)
    bound = session.get(WeChatIdentity, citizen_id)
    if bound is not None:
        known = open_field(
            key, bound.openid_sealed,
            table=IDENTITIES, column="openid_sealed", citizen_id=citizen_id,
        )
        if known != openid:
            raise MemberBoundElsewhere
        return
    session.add(WeChatIdentity(
        citizen_id=citizen_id,
        openid_sealed=seal_field(
            key, openid, table=IDENTITIES, column="openid_sealed", citizen_id=citizen_id
        ),
    ))
    session.flush()


def _data_key(session: Session, keys: KeyProvider, citizen_id: UUID) -> Key:
    wrapped = session.get_one(CitizenKey, citizen_id)
    return open_data_key(keys, wrapped.wrapped_key, citizen_id=citizen_id)

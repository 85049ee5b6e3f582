"""What can be done with members; the topics stand in the modules beside this one."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from app.kernel.keys import KeyProvider
from app.members.consents import (
    ConsentStands,
    ConsentUnknown,
    Decision,
    GivenConsent,
    current_texts,
    give_consent,
    publish_text,
    record_decisions,
    refuse_consent,
    withdraw_consent,
)
from app.members.joining import JoinRequest, check_join, join, sign_in_citizen
from app.members.leaving import end_membership, erase_member
from app.members.profiles import (
    PROFILE_FIELDS,
    CitizenNotFound,
    end_member_sessions,
    find_member,
    my_profile,
    my_trail,
    open_profile,
    reveal_profile,
    unbind_wechat,
)
from app.members.register import NewMember, Registered, register_members
from app.members.sessions import (
    OpenedSession,
    end_session,
    end_sessions,
    prune_sessions,
    refresh_session,
    sign_out,
)
from app.members.signing import admit_request, find_signing_credential, prune_nonces
from app.members.sources import (
    ListedCredential,
    NewCredential,
    add_source_credential,
    create_source_account,
    disable_source,
    end_source_credential,
    list_source_credentials,
    renew_source_credential,
    sign_in_source,
)
from app.members.staff import (
    STAFF_ROLES,
    NewStaff,
    add_staff,
    close_staff,
    confirm_second_factor,
    create_staff,
    disable_staff,
    end_staff_sessions,
    prune_sign_ins,
    sign_in_staff,
)
from app.trail.operations import SYSTEM, Actor

__all__ = [
    "PROFILE_FIELDS",
    "STAFF_ROLES",
    "Actor",
    "CitizenNotFound",
    "ConsentStands",
    "ConsentUnknown",
    "Decision",
    "GivenConsent",
    "JoinRequest",
    "ListedCredential",
    "NewCredential",
    "NewMember",
    "NewStaff",
    "OpenedSession",
    "Registered",
    "add_source_credential",
    "add_staff",
    "admit_request",
    "check_join",
    "close_staff",
    "confirm_second_factor",
    "create_source_account",
    "create_staff",
    "current_texts",
    "disable_source",
    "disable_staff",
    "end_member_sessions",
    "end_membership",
    "end_session",
    "end_sessions",
    "end_source_credential",
    "end_staff_sessions",
    "erase_member",
    "find_member",
    "find_signing_credential",
    "give_consent",
    "join",
    "list_source_credentials",
    "my_profile",
    "my_trail",
    "open_profile",
    "prune_nonces",
    "prune_sessions",
    "prune_sign_ins",
    "publish_text",
    "record_decisions",
    "refresh_session",
    "refuse_consent",
    "register_member",
    "register_members",
    "renew_source_credential",
    "reveal_profile",
    "sign_in_citizen",
    "sign_in_source",
    "sign_in_staff",
    "sign_out",
    "unbind_wechat",
    "withdraw_consent",
]


def register_member(
    *,
    keys: KeyProvider,
    name: str,
    id_number: str,
    phone: str | None,
    joined_on: date,
    channel: str = "register",
    actor: Actor = SYSTEM,
) -> UUID:
    """Register one person in the open transaction: the citizen's id, an old or a new one."""
    person = NewMember(name=name, id_number=id_number, phone=phone, joined_on=joined_on)
    found = register_members(keys=keys, people=[person], channel=channel, actor=actor)
    return found[0].citizen_id

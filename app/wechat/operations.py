"""Signing in by WeChat, joining, and messages: WeChat is asked outside of any transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol
from uuid import UUID

from app.kernel.database import durable
from app.kernel.errors import Invalid, NotAllowed
from app.kernel.keys import KeyProvider
from app.members import operations as members
from app.members.queries import database_now, find_citizen_id
from app.rights import copies
from app.trail import security
from app.wechat.tickets import TICKET_LIFE, open_ticket, seal_ticket


class IdentityNotConfirmed(NotAllowed):
    """The WeChat account that answered now is not the one of whoever is signed in."""

    code: ClassVar[str] = "identity_not_confirmed"
    title: ClassVar[str] = "The identity was not confirmed by the caller's WeChat account"
    advice: ClassVar[str] = "请使用本人绑定的微信重新确认身份。"


class Gateway(Protocol):
    """What this room asks of the services outside; refusals are domain errors."""

    def exchange_code(self, *, code: str) -> str:
        """The openid behind a sign-in code of WeChat."""

    def phone_number(self, *, code: str) -> str:
        """The phone number behind a code of WeChat's phone button."""

    def check_real_name(self, *, name: str, id_number: str) -> None:
        """Return when name and number belong to one person."""


@dataclass(frozen=True)
class SignIn:
    """Either a session, or a ticket to join with."""

    opened: members.OpenedSession | None
    join_ticket: str | None = field(repr=False, default=None)
    join_ticket_seconds: int | None = None


def sign_in(*, keys: KeyProvider, gateway: Gateway, code: str) -> SignIn:
    """Sign in the member behind a WeChat code, or give a stranger a ticket to join with."""
    durable()
    try:
        openid = gateway.exchange_code(code=code)
    except Invalid:  # the code is made up, over, or was used
        security.note_event(kind=security.SIGN_IN_REFUSED, role=security.CITIZEN)
        raise
    opened = members.sign_in_citizen(keys=keys, openid=openid)
    if opened is not None:
        return SignIn(opened)
    ticket = seal_ticket(keys=keys, openid=openid, now=database_now())
    return SignIn(None, ticket, int(TICKET_LIFE.total_seconds()))


def join(
    *,
    keys: KeyProvider,
    gateway: Gateway,
    ticket: str,
    name: str,
    id_number: str,
    phone_code: str,
    consents: Sequence[members.GivenConsent],
) -> members.OpenedSession:
    """Join the programme, or become the member one is already in the register.

    What can be refused here is refused first; the phone code, which is good for one use, is spent
    last.
    """
    durable()
    openid = open_ticket(keys=keys, ticket=ticket, now=database_now())
    request = members.check_join(name=name, id_number=id_number, consents=consents)
    gateway.check_real_name(name=request.name, id_number=request.id_number.value)
    phone = gateway.phone_number(code=phone_code)
    return members.join(keys=keys, request=request, openid=openid, phone=phone)


def ask_copy(
    *, keys: KeyProvider, gateway: Gateway, citizen_id: UUID, copy_id: UUID, code: str
) -> copies.Ticket:
    """Ask for a copy of everything, after WeChat has just said once more who is asking.

    A code is good once and for five minutes.  IdentityNotConfirmed.
    """
    durable()
    openid = gateway.exchange_code(code=code)
    if find_citizen_id(keys=keys, purpose="openid", value=openid) != citizen_id:
        raise IdentityNotConfirmed
    return copies.ask_copy(citizen_id=citizen_id, copy_id=copy_id)

"""Signing in by WeChat, joining, and messages: WeChat is asked outside of any transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from app.kernel.database import durable
from app.kernel.keys import KeyProvider
from app.members import operations as members
from app.members.queries import database_now
from app.wechat.tickets import TICKET_LIFE, open_ticket, seal_ticket


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
    openid = gateway.exchange_code(code=code)
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



"""The join ticket: proof, for 15 minutes, that somebody signed in to WeChat and is no member yet.

It holds the openid, sealed, so that nothing about the person needs to be stored before a consent.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import ClassVar

from app.kernel.crypto import SealBrokenError, seal, unseal
from app.kernel.errors import Unauthenticated
from app.kernel.keys import KeyProvider, KeyPurpose

TICKET_LIFE = timedelta(minutes=15)
_CONTEXT = b"wechat.join_ticket"
_TIME_BYTES = 8


class TicketRefused(Unauthenticated):
    """The join ticket is forged, cut, or older than 15 minutes."""

    code: ClassVar[str] = "join_ticket_refused"
    title: ClassVar[str] = "The join ticket is not good any more"
    advice: ClassVar[str] = "页面停留时间过长，请重新进入小程序后再加入。"


def seal_ticket(*, keys: KeyProvider, openid: str, now: datetime) -> str:
    """A ticket made at this moment of the database's clock."""
    made_at = int(now.timestamp()).to_bytes(_TIME_BYTES, "big")
    sealed = seal(keys.active(KeyPurpose.CODE), made_at + openid.encode(), context=_CONTEXT)
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def open_ticket(*, keys: KeyProvider, ticket: str, now: datetime) -> str:
    """The openid in a ticket; TicketRefused otherwise."""
    try:
        sealed = base64.b64decode(ticket + "=" * (-len(ticket) % 4), b"-_", validate=True)
        plain = unseal(keys, KeyPurpose.CODE, sealed, context=_CONTEXT)
    except (SealBrokenError, binascii.Error, ValueError):
        raise TicketRefused from None
    made_at = int.from_bytes(plain[:_TIME_BYTES], "big")
    if not 0 <= int(now.timestamp()) - made_at <= TICKET_LIFE.total_seconds():
        raise TicketRefused
    return plain[_TIME_BYTES:].decode()

"""Invitations into a household: a code that the head hands to one adult.

The code carries the head's random id, so that it is looked up among this head's rows only, and 128
random bits, of which a hash is kept.  Nothing is known of the invited before they join.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select

from app.households.models import HouseholdInvitation
from app.households.refusals import HouseholdFull, InvitationDead
from app.kernel.database import transaction_required

CODE_MAX_CHARS = 64
INVITATION_LIFE = timedelta(days=7)
OPEN_INVITATIONS_MAX = 12
_ID_BYTES = 16
_SECRET_BYTES = 16


@dataclass(frozen=True)
class Invitation:
    """What the head hands on; told this once."""

    code: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class ReadCode:
    """The parts of a code."""

    head_id: UUID
    secret_digest: bytes = field(repr=False)


def make_invitation(*, head_id: UUID) -> Invitation:
    """Make an invitation in the open transaction, which has locked the head's seat."""
    session = transaction_required()
    mine = HouseholdInvitation.citizen_id == head_id
    is_over = HouseholdInvitation.expires_at <= func.now()
    session.execute(delete(HouseholdInvitation).where(mine, is_over))
    count = session.scalar(select(func.count()).select_from(HouseholdInvitation).where(mine))
    if (count or 0) >= OPEN_INVITATIONS_MAX:
        raise HouseholdFull(open_invitations_max=OPEN_INVITATIONS_MAX)
    secret = secrets.token_bytes(_SECRET_BYTES)
    made = HouseholdInvitation(
        citizen_id=head_id,
        secret_digest=hashlib.sha256(secret).digest(),
        expires_at=session.scalars(select(func.now() + INVITATION_LIFE)).one(),
    )
    session.add(made)
    session.flush()
    code = base64.urlsafe_b64encode(head_id.bytes + secret).rstrip(b"=").decode()
    return Invitation(code=code, expires_at=made.expires_at)


def read_code(code: str) -> ReadCode:
    """The parts of a code; InvitationDead when it is none."""
    try:
        raw = base64.b64decode(f"{code}=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvitationDead from error
    if len(raw) != _ID_BYTES + _SECRET_BYTES:
        raise InvitationDead
    return ReadCode(UUID(bytes=raw[:_ID_BYTES]), hashlib.sha256(raw[_ID_BYTES:]).digest())


def is_open(code: ReadCode) -> bool:
    """Whether an invitation may still be used, in the open transaction."""
    return _find_open(code) is not None


def use_up(code: ReadCode) -> None:
    """Take an invitation away in the open transaction, which has locked the head's seat.

    InvitationDead when it is not open.
    """
    found = _find_open(code)
    if found is None:
        raise InvitationDead
    session = transaction_required()
    session.delete(found)
    session.flush()


def _find_open(code: ReadCode) -> HouseholdInvitation | None:
    session = transaction_required()
    found = session.get(HouseholdInvitation, (code.head_id, code.secret_digest))
    now = session.execute(select(func.now())).scalar_one()
    return found if found is not None and found.expires_at > now else None

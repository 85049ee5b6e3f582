"""Accounts of source machines: what a department delivers with.

A machine has an id and a secret of 256 random bits.  Of the secret only a keyed hash is kept; the
key's suite and id stand before it, so that the key can rotate.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.kernel.crypto import keyed_digest
from app.kernel.database import reading, transaction, transaction_required
from app.kernel.errors import Conflict, NotFound, Unauthenticated
from app.kernel.ids import new_id
from app.kernel.keys import Key, KeyProvider, KeyPurpose, UnknownKeyError
from app.members.models import SourceAccount, SourceCredential
from app.members.sessions import SOURCE, OpenedSession, end_sessions, open_source_session

SECRET_BYTES = 32


class CredentialRefused(Unauthenticated):
    """The credential is unknown, ended, or its secret is another one."""

    code: ClassVar[str] = "credential_refused"
    title: ClassVar[str] = "The credential is refused"
    advice: ClassVar[str] = "接口凭证无效，请联系平台管理员。"


class SourceExists(Conflict):
    """There is a source machine with this id or name."""

    code: ClassVar[str] = "source_exists"
    title: ClassVar[str] = "There is such a source already"
    advice: ClassVar[str] = "该数据来源已存在。"


class SourceNotFound(NotFound):
    """There is no such source machine."""

    code: ClassVar[str] = "source_account_not_found"
    title: ClassVar[str] = "There is no such source machine"
    advice: ClassVar[str] = "没有找到该数据来源的账号。"


@dataclass(frozen=True)
class NewCredential:
    """A new credential; the secret is told once."""

    source_id: UUID
    credential_id: UUID
    secret: str = field(repr=False)


def create_source_account(
    *, keys: KeyProvider, name: str, source_id: UUID | None = None
) -> NewCredential:
    """Create a source machine and its first credential in the open transaction.

    `source_id` is the id the machine goes by everywhere (default: a new one).
    """
    session = transaction_required()
    source_id = source_id or new_id()
    account = (
        upsert(SourceAccount).values(source_id=source_id, name=name)
        .on_conflict_do_nothing().returning(SourceAccount.source_id)
    )
    if session.scalar(account) is None:
        raise SourceExists
    return add_source_credential(keys=keys, source_id=source_id)


def add_source_credential(*, keys: KeyProvider, source_id: UUID) -> NewCredential:
    """Another credential for a machine, in the open transaction, so that secrets can rotate."""
    session = transaction_required()
    if session.get(SourceAccount, source_id) is None:
        raise SourceNotFound
    credential_id, secret = new_id(), secrets.token_urlsafe(SECRET_BYTES)
    session.add(SourceCredential(
        credential_id=credential_id,
        source_id=source_id,
        secret_hash=_hash(keys.active(KeyPurpose.SIGN_IN), secret),
    ))
    session.flush()
    return NewCredential(source_id=source_id, credential_id=credential_id, secret=secret)


def end_source_credential(*, credential_id: UUID) -> None:
    """End a credential and with it the sessions it opened."""
    with transaction() as session:
        ended = session.get(SourceCredential, credential_id, with_for_update=True)
        if ended is None:
            raise SourceNotFound
        session.execute(
            update(SourceCredential)
            .where(SourceCredential.credential_id == credential_id)
            .values(ended_at=func.clock_timestamp())
        )


def disable_source(*, source_id: UUID) -> None:
    """Disable a machine and end its sessions."""
    with transaction() as session:
        account = session.get(SourceAccount, source_id, with_for_update=True)
        if account is None:
            raise SourceNotFound
        account.status = "disabled"
        session.flush()
        end_sessions(role=SOURCE, subject_id=source_id, reason="account_disabled")


def sign_in_source(*, keys: KeyProvider, credential_id: UUID, secret: str) -> OpenedSession:
    """Open a session for a machine; CredentialRefused otherwise."""
    query = (
        select(SourceCredential)
        .join(SourceAccount, SourceAccount.source_id == SourceCredential.source_id)
        .where(
            SourceCredential.credential_id == credential_id,
            SourceCredential.ended_at.is_(None),
            SourceAccount.status == "active",
        )
    )
    with reading() as session:
        credential = session.scalar(query)
    if credential is None or not _fits(keys, credential.secret_hash, secret):
        raise CredentialRefused
    with transaction() as session:
        return open_source_session(
            session, source_id=credential.source_id, credential_id=credential_id
        )


def _hash(key: Key, secret: str) -> bytes:
    digest = keyed_digest(key, b"source-secret:" + secret.encode())
    return bytes((key.suite, key.id)) + digest


def _fits(keys: KeyProvider, stored: bytes, secret: str) -> bool:
    try:
        key = keys.by_id(KeyPurpose.SIGN_IN, stored[1])
    except UnknownKeyError:
        return False
    return hmac.compare_digest(stored, _hash(key, secret))

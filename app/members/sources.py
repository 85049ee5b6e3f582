"""Accounts of source machines: what a department delivers with.

A machine has an id and credentials, each with a secret of 256 random bits.  Of a secret a keyed
hash is kept, for signing in, with the key's suite and id before it, so that the key can rotate; and
the secret itself, sealed, because signatures are verified with it.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.kernel.crypto import keyed_digest
from app.kernel.database import reading, transaction, transaction_required
from app.kernel.errors import Conflict, NotAllowed, NotFound, Unauthenticated
from app.kernel.ids import new_id
from app.kernel.keys import Key, KeyProvider, KeyPurpose, UnknownKeyError
from app.members.models import SourceAccount, SourceCredential
from app.members.sessions import SOURCE, OpenedSession, end_sessions, open_source_session
from app.members.signing import seal_secret
from app.trail import security
from app.trail.operations import SYSTEM, Actor, record_act

SECRET_BYTES = 32
CREDENTIALS_MAX = 5  # live ones of one machine
CREDENTIALS_LISTED_MAX = 100
_IS_LIVE = or_(
    SourceCredential.ended_at.is_(None), SourceCredential.ended_at > func.clock_timestamp()
)


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


class TooManyCredentials(Conflict):
    """The machine has as many live credentials as one may have."""

    code: ClassVar[str] = "too_many_credentials"
    title: ClassVar[str] = "The source has as many live credentials as one may have"
    advice: ClassVar[str] = "有效接口凭证已达上限，请先停用不再使用的凭证。"


class CredentialNotFound(NotFound):
    """There is no such credential of this machine."""

    code: ClassVar[str] = "credential_not_found"
    title: ClassVar[str] = "There is no such credential"
    advice: ClassVar[str] = "没有找到该接口凭证。"


class SignatureNeeded(NotAllowed):
    """A signed request alone may ask for it."""

    code: ClassVar[str] = "signature_needed"
    title: ClassVar[str] = "This request must be signed"
    advice: ClassVar[str] = "该操作必须使用签名请求。"


class SignaturesRequired(NotAllowed):
    """The machine signs every request; it gets no tokens."""

    code: ClassVar[str] = "signatures_required"
    title: ClassVar[str] = "This source must sign its requests"
    advice: ClassVar[str] = "该数据来源须对每次请求签名，不能使用令牌。"


@dataclass(frozen=True)
class ListedCredential:
    """A credential without its secret; `ended_at` may be still to come."""

    credential_id: UUID
    can_sign: bool
    created_at: datetime
    ended_at: datetime | None


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

    `source_id` is the id the machine goes by everywhere (default: a new one).  It signs every
    request.
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
    """Another credential for a machine, in the open transaction, so that secrets can rotate.

    At most CREDENTIALS_MAX of a machine are live.
    """
    session = transaction_required()
    if session.get(SourceAccount, source_id, with_for_update=True) is None:
        raise SourceNotFound
    mine = select(func.count()).where(SourceCredential.source_id == source_id, _IS_LIVE)
    if session.scalar(mine) == CREDENTIALS_MAX:
        raise TooManyCredentials(credentials_max=CREDENTIALS_MAX)
    credential_id, secret = new_id(), secrets.token_urlsafe(SECRET_BYTES)
    session.add(SourceCredential(
        credential_id=credential_id,
        source_id=source_id,
        secret_hash=hash_secret(keys.active(KeyPurpose.SIGN_IN), secret),
        secret_sealed=seal_secret(keys, credential_id=credential_id, secret=secret),
    ))
    session.flush()
    security.record_event(
        kind=security.ACT_OF_OFFICE, role=SOURCE, account_id=source_id,
        subject=f"key_made {credential_id}",
    )
    return NewCredential(source_id=source_id, credential_id=credential_id, secret=secret)


def renew_source_credential(
    *, keys: KeyProvider, actor: Actor, source_id: UUID, is_signed: bool = True
) -> NewCredential:
    """Another credential for a machine: asked for by an operator, or by the machine in signed form.

    The old one goes on being good until somebody ends it.
    """
    if not is_signed:
        raise SignatureNeeded
    with transaction():
        made = add_source_credential(keys=keys, source_id=source_id)
        record_act(actor=actor, action="make_credential", subject=str(made.credential_id))
    return made


def list_source_credentials(*, source_id: UUID) -> list[ListedCredential]:
    """The credentials of a machine, the newest first, the ended ones too."""
    query = (
        select(SourceCredential).where(SourceCredential.source_id == source_id)
        .order_by(SourceCredential.created_at.desc(), SourceCredential.credential_id.desc())
        .limit(CREDENTIALS_LISTED_MAX)
    )
    with reading() as session:
        if session.get(SourceAccount, source_id) is None:
            raise SourceNotFound
        found = session.scalars(query).all()
    return [
        ListedCredential(
            one.credential_id, one.secret_sealed is not None, one.created_at, one.ended_at
        )
        for one in found
    ]


def end_source_credential(
    *,
    credential_id: UUID,
    actor: Actor = SYSTEM,
    source_id: UUID | None = None,
    ends_at: datetime | None = None,
) -> None:
    """End a credential and with it the sessions it opened: at once, or at a moment to come.

    An end that is set only ever comes nearer.  With `source_id`, of this machine alone.
    """
    with transaction() as session:
        ended = session.get(SourceCredential, credential_id, with_for_update=True)
        if ended is None or source_id not in {None, ended.source_id}:
            raise CredentialNotFound
        moment = func.greatest(func.clock_timestamp(), ends_at)  # ignores None
        session.execute(
            update(SourceCredential)
            .where(SourceCredential.credential_id == credential_id)
            .values(ended_at=func.least(SourceCredential.ended_at, moment))
        )
        record_act(actor=actor, action="end_credential", subject=str(credential_id))


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
    """Open a session for a machine that may show tokens.

    Refuses `credential_refused`, and `signatures_required` to whoever has the secret.
    """
    query = (
        select(SourceCredential, SourceAccount.signed_only)
        .join(SourceAccount, SourceAccount.source_id == SourceCredential.source_id)
        .where(
            SourceCredential.credential_id == credential_id,
            _IS_LIVE,
            SourceAccount.status == "active",
        )
    )
    with reading() as session:
        found = session.execute(query).one_or_none()
    if found is None or not _fits(keys, found.SourceCredential.secret_hash, secret):
        security.note_event(
            kind=security.SIGN_IN_REFUSED, role=SOURCE, subject=str(credential_id)
        )
        raise CredentialRefused
    if found.signed_only:
        raise SignaturesRequired
    credential = found.SourceCredential
    with transaction() as session:
        return open_source_session(
            session, source_id=credential.source_id, credential_id=credential_id
        )


def hash_secret(key: Key, secret: str) -> bytes:
    """The stored form of a secret that signs in."""
    digest = keyed_digest(key, b"source-secret:" + secret.encode())
    return bytes((key.suite, key.id)) + digest


def _fits(keys: KeyProvider, stored: bytes, secret: str) -> bool:
    try:
        key = keys.by_id(KeyPurpose.SIGN_IN, stored[1])
    except UnknownKeyError:
        return False
    return hmac.compare_digest(stored, hash_secret(key, secret))

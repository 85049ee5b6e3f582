"""Signed requests of source machines: the secret behind a credential, and each request only once.

What a signature covers and how it is verified is HTTP and stands in `app/web/signatures.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select

from app.kernel.crypto import field_context, seal, unseal
from app.kernel.database import hot_call, reading, transaction
from app.kernel.keys import KeyProvider, KeyPurpose
from app.members.models import SourceCredential, SourceNonce

TOLERANCE: Final = timedelta(seconds=300)  # between the signer's clock and the database's
_ADMIT = (
    "SELECT source_request_admit(%(credential)s, %(nonce)s, %(signed_at)s, %(expires_at)s,"
    " %(tolerance)s) AS outcome"
)


@dataclass(frozen=True)
class SigningCredential:
    """Whose signature it is when it was made with this secret."""

    source_id: UUID
    credential_id: UUID
    secret: bytes = field(repr=False)


def seal_secret(keys: KeyProvider, *, credential_id: UUID, secret: str) -> bytes:
    """The stored form of a secret that verifies signatures."""
    key = keys.active(KeyPurpose.SOURCE_SECRET)
    return seal(key, secret.encode(), context=secret_context(credential_id))


def find_signing_credential(
    *, keys: KeyProvider, credential_id: UUID
) -> SigningCredential | None:
    """The credential with its secret, whether it has ended or not.

    None when it is unknown, or from before requests were signed.
    """
    query = select(SourceCredential.source_id, SourceCredential.secret_sealed).where(
        SourceCredential.credential_id == credential_id,
        SourceCredential.secret_sealed.is_not(None),
    )
    with reading() as session:
        row = session.execute(query).one_or_none()
    if row is None:
        return None
    secret = unseal(
        keys, KeyPurpose.SOURCE_SECRET, row.secret_sealed, context=secret_context(credential_id)
    )
    return SigningCredential(row.source_id, credential_id, secret)


def admit_request(
    *, credential_id: UUID, nonce: str, signed_at: datetime, expires_at: datetime | None
) -> str:
    """Remember a request whose signature is good, in a transaction of its own.

    `admitted` once; otherwise `retired` (the credential has ended), `stale` (signed more than
    TOLERANCE from now by the database's clock) or `replayed`.
    """
    row = hot_call(_ADMIT, {
        "credential": credential_id, "nonce": nonce, "signed_at": signed_at,
        "expires_at": expires_at, "tolerance": TOLERANCE,
    })
    assert row is not None
    return str(row["outcome"])


def prune_nonces() -> int:
    """Forget the nonces of requests that are stale anyhow; how many."""
    with transaction() as session:
        gone = session.connection().execute(
            delete(SourceNonce).where(SourceNonce.forget_at < func.now())
        )
        return int(gone.rowcount)


def secret_context(credential_id: UUID) -> bytes:
    """The place that a secret is bound to."""
    return field_context(
        table="source_credentials", column="secret_sealed", row_id=credential_id
    )

"""The integrity commitment (信用承诺): published in versions, signed by version and hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.kernel.database import reading, transaction, transaction_required
from app.merchants import refusals
from app.merchants.models import CommitmentText
from app.trail.operations import Actor, record_act, require_reason


@dataclass(frozen=True)
class Commitment:
    """A version of the text; the hash (SHA-256, hexadecimal) is over title, line end and body."""

    version: int
    title: str
    body: str
    text_hash: str
    published_at: datetime


def current_commitment() -> Commitment:
    """The text in force: the newest."""
    newest = select(CommitmentText).order_by(CommitmentText.version.desc()).limit(1)
    with reading() as session:
        return _commitment(session.scalars(newest).one())


def publish_commitment(*, operator_id: UUID, title: str, body: str, reason: str) -> Commitment:
    """Publish the next version, which applications sign from now on; the same text adds none.

    What was signed before stays signed.  Refuses `reason_needed`, `commitment_stale`.
    """
    given = require_reason(reason)
    text_hash = hashlib.sha256(f"{title}\n{body}".encode()).digest()
    with transaction() as session:
        newest = current_commitment()
        if compare_digest(newest.text_hash, text_hash.hex()):
            return newest
        made = session.scalar(
            insert(CommitmentText)
            .values(version=newest.version + 1, title=title, body=body, text_hash=text_hash)
            .on_conflict_do_nothing()
            .returning(CommitmentText)
        )
        if made is None:  # another operator was quicker
            raise refusals.CommitmentStale(version=newest.version + 1)
        record_act(
            actor=Actor("operator", operator_id), action="commitment_published",
            subject=f"commitment {made.version}", reason=given,
        )
        return _commitment(made)


def require_current(*, version: int, text_hash: bytes) -> None:
    """In the open transaction: CommitmentStale unless this is the text in force."""
    transaction_required()
    current = current_commitment()
    if version != current.version or not compare_digest(text_hash.hex(), current.text_hash):
        raise refusals.CommitmentStale(version=current.version)


def _commitment(row: CommitmentText) -> Commitment:
    return Commitment(row.version, row.title, row.body, row.text_hash.hex(), row.published_at)

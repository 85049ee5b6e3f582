"""What offline codes stand for, read in numbers: for rooms that take them otherwise than scans."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.kernel.database import reading
from app.kernel.keys import KeyProvider
from app.redemptions.models import OfflineIssue
from app.redemptions.offline_lists import voucher_keys_ever
from integrity_card_scanner.envelope import BadEnvelopeError
from integrity_card_scanner.vouchers import read_code


@dataclass(frozen=True)
class OfflineClaim:
    """Whose code it is, of which benefit, what it promised, and within which time."""

    citizen_id: UUID
    benefit_code: str
    value: Mapping[str, Any]
    not_before_at: datetime
    expires_at: datetime


def read_claims(
    *, keys: KeyProvider, codes: Collection[str]
) -> dict[str, OfflineClaim | str]:
    """What each code stands for, or why for nothing: `code_unreadable`, `code_not_issued`."""
    if not codes:
        return {}
    known = voucher_keys_ever(keys)
    found: dict[str, OfflineClaim | str] = {}
    read = {}
    for code in codes:
        try:
            read[code] = read_code(code, known.get)
        except BadEnvelopeError:
            found[code] = "code_unreadable"
    query = select(OfflineIssue).where(
        OfflineIssue.code_digest.in_([one.digest for one in read.values()])
    )
    with reading() as session:
        issued = {row.code_digest: row for row in session.scalars(query)}
    for code, one in read.items():
        row, said = issued.get(one.digest), one.voucher
        found[code] = "code_not_issued" if row is None else OfflineClaim(
            row.citizen_id, row.benefit_code, said.value, said.not_before_at, said.expires_at
        )  # fmt: skip
    return found

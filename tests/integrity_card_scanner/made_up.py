"""Keys and codes for tests of the scanning kit."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from integrity_card_scanner.envelope import SigningKey
from integrity_card_scanner.suites import ED25519
from integrity_card_scanner.vouchers import OfflineVoucher

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def a_key() -> SigningKey:
    return SigningKey(ED25519, secrets.token_bytes(32))


def a_voucher(**facts: Any) -> OfflineVoucher:
    return OfflineVoucher(**{
        "reference": uuid4(), "slot": 123_456, "person_tag": secrets.token_bytes(16),
        "benefit_code": "library", "value": {"books": 20, "deposit_waived": True},
        "not_before_at": NOW, "expires_at": NOW + timedelta(hours=24), "scope": (),
        "uses_per_day": 4, "worth_fen": 200, **facts,
    })  # fmt: skip

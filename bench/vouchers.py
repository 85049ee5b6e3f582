"""Vouchers in thousands: one statement instead of a claim each, with the ledger's own holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.redemptions.codes import make_voucher_code

_WALLETS = """
    INSERT INTO voucher_wallets (citizen_id) SELECT DISTINCT unnest(%(citizens)s::uuid[])
    ON CONFLICT DO NOTHING
"""
_CLAIM = """
    WITH benefit AS (
        SELECT * FROM benefits WHERE code = %(code)s ORDER BY version DESC LIMIT 1
    ), held AS MATERIALIZED (
        SELECT w.citizen_id, w.voucher_id, w.hold_id, now() + interval '1 day' AS expires_at,
            (ledger_hold(w.citizen_id, w.hold_id, w.citizen_id, b.price_points,
                         now() + interval '1 day', 'voucher')).outcome
        FROM benefit b, unnest(%(citizens)s::uuid[], %(vouchers)s::uuid[], %(holds)s::uuid[])
            AS w (citizen_id, voucher_id, hold_id)
    )
    INSERT INTO vouchers (citizen_id, voucher_id, benefit_id, benefit_code, benefit_version, value,
        price_points, hold_id, stock_taken, claimed_at, expires_at)
    SELECT h.citizen_id, h.voucher_id, b.benefit_id, b.code, b.version, '{"tickets": 1}',
        b.price_points, h.hold_id, false, now(), h.expires_at
    FROM benefit b, held h WHERE h.outcome = 'accepted'
"""


@dataclass(frozen=True)
class Voucher:
    """A claimed voucher: whose it is and its code."""

    citizen_id: str
    voucher_id: str
    code: str


def claim_many(
    admin: psycopg.Connection[Any],
    keys: KeyProvider,
    *,
    citizens: list[UUID],
    benefit_code: str,
    count: int,
) -> list[Voucher]:
    """So many vouchers of a benefit with a price, dealt to the citizens in turn."""
    owners = [citizens[n % len(citizens)] for n in range(count)]
    vouchers = [new_id() for _ in owners]
    lists = {"citizens": owners, "vouchers": vouchers, "holds": [new_id() for _ in owners]}
    admin.execute(_WALLETS, lists)
    claimed = admin.execute(_CLAIM, {**lists, "code": benefit_code}).rowcount
    if claimed != count:
        message = f"{count - claimed} of {count} vouchers of {benefit_code} were not claimed"
        raise RuntimeError(message)
    return [
        Voucher(
            str(owner), str(voucher_id),
            make_voucher_code(keys, citizen_id=owner, voucher_id=voucher_id),
        )
        for owner, voucher_id in zip(owners, vouchers, strict=True)
    ]

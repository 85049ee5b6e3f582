"""What a merchant is owed or owes: one arm of SQL for each room that gives cause.

A room publishes a view; its arm is added here and to `ARMS`, and nothing else changes.  Columns:
`kind` (a constant), `merchant_id`, `shop_id` or null, `benefit_id` (then the subsidy is that of the
version) or null, `what` (where there is no benefit), `party` (who pays or stands for it),
`booked_at` (when it was written down), `origin_at` (when it happened), `item_count` (what is taken
back is negative), `points`, and `subsidy_fen`, `order_fen`, `owed_fen` beyond the version's.
A room whose rows may change their mind about a day that is past adds its kinds to `REVISED`.
"""

from __future__ import annotations

from typing import Final

KINDS: Final = {
    "redemption": "核销",
    "annulment": "撤销核销",
    "displaced": "因更早的离线核销不计",
    "offline": "离线核销",
    "dispute_paid": "争议核销（决定结算）",
    "order_charge": "订单应收",
    "order_lowered": "订单调减",
    "order_payment": "订单已收",
    "trip": "公交出行补贴",
    "correction": "更正",
}
# A scan that arrives late may take another's place: these are derived again for every past day.
REVISED: Final = ("offline", "displaced")

VOUCHERS: Final = """
    SELECT u.kind, u.merchant_id, u.shop_id, u.benefit_id, NULL::text AS what, NULL::text AS party,
        u.booked_at, u.origin_at, u.item_count::bigint AS item_count, u.points::bigint AS points,
        0::bigint AS subsidy_fen, 0::bigint AS order_fen, 0::bigint AS owed_fen
    FROM redemption_uses u
"""
OFFLINE: Final = """
    SELECT 'offline', o.merchant_id, o.shop_id, o.benefit_id, NULL, NULL, o.received_at,
        o.scanned_at, 1, 0, 0, 0, 0
    FROM offline_uses o
    WHERE o.standing = 'counted' AND o.outcome IS NULL
    UNION ALL
    SELECT 'dispute_paid', o.merchant_id, o.shop_id, o.benefit_id, NULL, NULL, o.decided_at,
        o.scanned_at, 1, 0, 0, 0, 0
    FROM offline_uses o
    WHERE o.outcome = 'counted'
"""
# What was collected for a merchant that is its own guarantor is owed to it; what it took at the
# counter for another guarantor it owes.
ORDERS: Final = """
    SELECT u.kind, u.merchant_id, NULL, NULL, u.what, u.guarantor_kind, u.booked_at,
        u.origin_at, CASE WHEN u.kind = 'order_lowered' THEN 0 ELSE 1 END, 0, 0, u.order_fen,
        CASE WHEN u.kind <> 'order_payment' THEN 0
            WHEN u.guarantor_code = m.credit_code
                THEN CASE WHEN u.at_counter THEN 0 ELSE u.order_fen END
            ELSE CASE WHEN u.at_counter THEN -u.order_fen ELSE 0 END END
    FROM service_order_uses u JOIN merchant_codes m ON m.merchant_id = u.merchant_id
"""
# Trips of a day that the operator's riders made for less, from the day on which they became final.
TRIPS: Final = """
    SELECT 'trip', t.merchant_id, NULL, NULL, t.benefit_code, 'programme', t.booked_at,
        t.booked_at, t.trip_count, 0, t.subsidy_fen, 0, t.subsidy_fen
    FROM transit_uses t
"""
CORRECTIONS: Final = """
    SELECT 'correction', c.merchant_id, NULL, NULL, NULL, NULL, c.created_at,
        c.origin_month_on::timestamp AT TIME ZONE 'Asia/Shanghai', 1, 0, 0, 0, c.amount_fen
    FROM settlement_corrections c
"""
ARMS: Final = (
    f"{VOUCHERS} UNION ALL {OFFLINE} UNION ALL {ORDERS} UNION ALL {TRIPS} UNION ALL {CORRECTIONS}"
)

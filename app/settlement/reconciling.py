"""Reconciling a day in the city: what each side has, put side by side, and every thing in a class.

Redemptions and annulments against the ledger's transfers, scans off line by their standing, what
gave cause against the lines of frozen sheets, service orders against WeChat Pay's bill of the day
and, where it says nothing of them, against what Pay Score says of each.  WeChat is asked first,
outside of any transaction; the rest is one statement.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import delete, func, select, text

from app.kernel.clock import CITY_TODAY, city_today
from app.kernel.database import alone, durable, reading, transaction
from app.kernel.errors import Unavailable
from app.settlement.bills import Order, PayScore, fetch_bill, list_billed
from app.settlement.models import Bill, Mismatch, Reconciliation
from app.settlement.refusals import ReconciliationUnknown
from app.settlement.sources import ARMS, REVISED

log = logging.getLogger(__name__)

DAYS_LOOKED_BACK: Final = 4  # a day is looked at again on each of these, whatever it came to
DAYS_MAX: Final = 100  # in one run, the oldest first
KEPT: Final = timedelta(days=400)
ASKED_MAX: Final = 2_000  # orders of one day of which no bill tells
ORDERS_MAX: Final = 100_000  # of one day
MISMATCHES_MAX: Final = 10_000  # written out for one day; the counts hold all
RECONCILE_TIMEOUT: Final = "10min"
CLASSES: Final = {
    "matched": "一致",
    "free": "免积分，无需记账",
    "late": "账本记于另一日",
    "undecided": "离线核销待处理",
    "refused": "离线核销不予结算",
    "draft": "当月未关账",
    "next_sheet": "列入下一账期",
    "pay_score_open": "支付分订单未完结",
    "counter_only": "支付分无订单，由柜台收款",
    "missing_in_ledger": "账本缺失",
    "missing_in_redemptions": "核销记录缺失",
    "amount_differs": "金额不符",
    "sheet_differs": "结算单不符",
    "pay_score_missing": "支付分未收款",
    "paid_there_only": "支付分已收款，本方未记",
    "not_asked": "支付分未答复",
    "bill_awaited": "账单未出",
    "bill_missing": "账单未取得",
    "missing_in_bill": "账单缺失",
    "paid_twice": "柜台与支付分重复收款",
    "refund_due": "支付分多收，差额待退",
    "unknown_there": "账单有款，本方无订单",
}
UNMATCHED: Final = (
    "missing_in_ledger", "missing_in_redemptions", "amount_differs", "sheet_differs",
    "pay_score_missing", "paid_there_only", "not_asked", "bill_missing", "missing_in_bill",
    "paid_twice", "refund_due", "unknown_there",
)  # fmt: skip
# What may still change its class, and is therefore looked at again.
UNSETTLED: Final = (
    *UNMATCHED, "undecided", "next_sheet", "pay_score_open", "counter_only", "bill_awaited",
)
COMPARISONS: Final = {
    "ledger": "核销与账本", "offline": "离线核销", "sheets": "业务与结算单",
    "pay_score": "订单与微信支付分", "bill": "订单与微信支付账单",
}  # fmt: skip
COLUMNS: Final = ("对账项", "结果", "笔数", "编号", "商户编号", "单位", "本方", "对方", "已过小时")

_BEGIN: Final = "CAST(:on AS date)::timestamp AT TIME ZONE 'Asia/Shanghai'"
_END: Final = "(CAST(:on AS date) + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'"
# Each gives comparison, class, subject, merchant_id, unit, our_amount, their_amount, happened_at,
# item_count.
_LEDGER: Final = f"""
    SELECT 'ledger' AS comparison, CASE
            WHEN r.transfer_id IS NULL THEN CASE r.points WHEN 0 THEN 'free'
                ELSE 'missing_in_ledger' END
            WHEN l.transfer_id IS NULL THEN 'missing_in_ledger'
            WHEN l.points <> r.points THEN 'amount_differs'
            WHEN l.effective_on <> :on THEN 'late' ELSE 'matched' END AS class,
        r.use_id::text AS subject, r.merchant_id, 'points' AS unit, r.points AS our_amount,
        l.points AS their_amount, r.happened_at, 1::bigint AS item_count
    FROM redemption_transfers r
    LEFT JOIN ledger_hold_days('voucher') l ON l.transfer_id = r.transfer_id
    WHERE r.happened_at >= {_BEGIN} AND r.happened_at < {_END}
    UNION ALL
    SELECT 'ledger', 'missing_in_redemptions', l.transfer_id::text, NULL, 'points', NULL, l.points,
        l.effective_on::timestamp AT TIME ZONE 'Asia/Shanghai', 1
    FROM ledger_hold_days('voucher') l
    WHERE l.effective_on = :on AND NOT EXISTS (
        SELECT FROM redemption_transfers r WHERE r.transfer_id = l.transfer_id)
"""
_OFFLINE: Final = f"""
    SELECT 'offline', CASE
            WHEN o.outcome = 'counted' OR o.outcome IS NULL AND o.standing = 'counted'
                THEN 'matched'
            WHEN o.outcome IS NULL THEN 'undecided' ELSE 'refused' END,
        encode(o.scan_id, 'hex'), o.merchant_id, 'items', NULL, NULL, o.received_at, 1
    FROM offline_uses o WHERE o.received_at >= {_BEGIN} AND o.received_at < {_END}
"""
_SHEETS: Final = f"""
    SELECT 'sheets', CASE
            WHEN NOT EXISTS (SELECT FROM settlement_months
                             WHERE month_on = date_trunc('month', CAST(:on AS date)))
                THEN 'draft'
            WHEN coalesce(u.items, 0) = coalesce(s.items, 0)
                AND coalesce(u.fen, 0) = coalesce(s.fen, 0) THEN 'matched'
            WHEN kind = ANY (CAST(:revised AS text[]))
                OR abs(coalesce(s.items, 0)) < abs(coalesce(u.items, 0)) AND NOT EXISTS (
                    SELECT FROM settlement_months WHERE month_on > :on)
                THEN 'next_sheet'
            ELSE 'sheet_differs' END,
        kind, merchant_id, 'items', u.items, s.items,
        CAST(:on AS date)::timestamp AT TIME ZONE 'Asia/Shanghai',
        greatest(abs(coalesce(u.items, 0)), abs(coalesce(s.items, 0)), 1)
    FROM (SELECT a.kind, a.merchant_id, sum(a.item_count)::bigint AS items,
              sum(a.order_fen)::bigint AS fen
          FROM ({ARMS}) a WHERE a.booked_at >= {_BEGIN} AND a.booked_at < {_END} GROUP BY 1, 2) u
    FULL JOIN (SELECT x.kind, x.merchant_id, sum(x.item_count)::bigint AS items,
                   sum(x.order_fen)::bigint AS fen
               FROM settlement_lines x WHERE x.booked_on = :on GROUP BY 1, 2) s
        USING (kind, merchant_id)
"""
_COLLECTED: Final = f"""FROM service_order_collections c
    WHERE c.booked_at >= {_BEGIN} AND c.booked_at < {_END}"""
_PAY_SCORE: Final = f"""
    SELECT 'pay_score', CASE
            WHEN t.order_id IS NULL THEN 'not_asked'
            WHEN NOT c.at_counter THEN CASE
                WHEN t.state <> 'DONE' THEN 'pay_score_missing'
                WHEN t.total_fen > c.paid_fen THEN 'refund_due'
                WHEN t.total_fen IS DISTINCT FROM c.paid_fen THEN 'amount_differs'
                ELSE 'matched' END
            WHEN t.state IN ('CREATED', 'DOING') THEN 'pay_score_open'
            WHEN c.at_counter OR c.owed_fen = 0 AND coalesce(t.total_fen, 0) = 0 THEN 'matched'
            WHEN t.state = 'DONE' THEN CASE c.owed_fen WHEN 0 THEN 'refund_due'
                ELSE 'paid_there_only' END
            ELSE 'counter_only' END,
        c.order_id::text, c.merchant_id, 'fen', coalesce(c.paid_fen, c.owed_fen), t.total_fen,
        c.booked_at, 1
    FROM (SELECT c.* {_COLLECTED}) c
    LEFT JOIN jsonb_to_recordset(CAST(:told AS jsonb))
        AS t (citizen_id uuid, order_id uuid, state text, total_fen bigint)
        ON t.citizen_id = c.citizen_id AND t.order_id = c.order_id
"""
# What came back is no payment any more; who paid in both places, or too much, gets that back.
_BILL: Final = f"""
    SELECT 'bill', CASE
            WHEN c.paid_fen IS NOT NULL AND NOT c.at_counter THEN CASE
                WHEN b.net_fen > c.paid_fen THEN 'refund_due'
                WHEN b.net_fen < c.paid_fen THEN 'amount_differs'
                WHEN b.bill_on <> :on OR c.booked_at < {_BEGIN} OR c.booked_at >= {_END} THEN 'late'
                ELSE 'matched' END
            WHEN b.net_fen = 0 THEN 'matched'
            WHEN c.order_id IS NULL THEN 'unknown_there'
            WHEN c.at_counter THEN 'paid_twice'
            WHEN c.owed_fen = 0 THEN 'refund_due' ELSE 'paid_there_only' END,
        coalesce(c.order_id::text, b.number), c.merchant_id, 'fen',
        coalesce(c.paid_fen, c.owed_fen), b.net_fen,
        coalesce(c.booked_at, b.bill_on::timestamp AT TIME ZONE 'Asia/Shanghai'), 1
    FROM billed b
    LEFT JOIN service_order_collections c
        ON c.citizen_id = b.citizen_id AND c.order_id = b.order_id
    UNION ALL
    SELECT 'bill', 'missing_in_bill', c.order_id::text, c.merchant_id, 'fen', c.paid_fen, NULL,
        c.booked_at, 1
    FROM (SELECT c.* {_COLLECTED}) c
    WHERE :at_hand = 'kept' AND NOT c.at_counter AND c.paid_fen > 0 AND NOT EXISTS (
        SELECT FROM billed b WHERE b.citizen_id = c.citizen_id AND b.order_id = c.order_id)
    UNION ALL
    SELECT 'bill', CASE WHEN :on < (now() AT TIME ZONE 'Asia/Shanghai')::date - 1
            THEN 'bill_missing' ELSE 'bill_awaited' END,
        CAST(:on AS text), NULL, 'items', NULL, NULL, {_BEGIN}, 1
    WHERE :at_hand = 'awaited'
"""
_RECONCILE: Final = text(f"""
    WITH billed AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:billed AS jsonb))
            AS b (number text, bill_on date, net_fen bigint, citizen_id uuid, order_id uuid)
    ),
    found AS (
        {_LEDGER} UNION ALL {_OFFLINE} UNION ALL {_SHEETS} UNION ALL {_PAY_SCORE}
        UNION ALL {_BILL}
    ),
    unmatched AS (
        INSERT INTO settlement_mismatches (day_on, number, comparison, class, subject, merchant_id,
            unit, our_amount, their_amount, happened_at)
        SELECT :on, row_number() OVER (ORDER BY f.happened_at, f.comparison, f.subject),
            f.comparison, f.class, f.subject, f.merchant_id, f.unit, f.our_amount, f.their_amount,
            f.happened_at
        FROM found f WHERE f.class = ANY (CAST(:unmatched AS text[]))
        ORDER BY 2 LIMIT :mismatches_max
    )
    INSERT INTO settlement_reconciliations (day_on, comparison, class, item_count)
    SELECT :on, f.comparison, f.class, sum(f.item_count) FROM found f GROUP BY 2, 3
    UNION ALL
    SELECT :on, 'ledger', 'matched', 0 WHERE NOT EXISTS (
        SELECT FROM found f WHERE f.comparison = 'ledger' AND f.class = 'matched')
""")
# The last days, and those of which something may still change.
_DUE: Final = text("""
    SELECT day_on FROM (
        SELECT today.day_on - past AS day_on
        FROM generate_series(1, :back) AS past,
            (SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date AS day_on) today
        UNION
        SELECT r.day_on FROM settlement_reconciliations r
        WHERE r.class = ANY (CAST(:unsettled AS text[])) OR r.class = 'draft' AND EXISTS (
            SELECT FROM settlement_months m WHERE m.month_on = date_trunc('month', r.day_on))
    ) d ORDER BY day_on LIMIT :most
""")


@dataclass(frozen=True)
class ClassCount:
    """How many things of a comparison fell into a class."""

    comparison: str
    class_: str
    item_count: int


@dataclass(frozen=True)
class Unmatched:
    """One thing that matches nothing; amounts in `unit`, None where a side does not have it."""

    comparison: str
    class_: str
    subject: str
    merchant_id: UUID | None
    unit: str
    our_amount: int | None
    their_amount: int | None
    happened_at: datetime
    age_hours: int


@dataclass(frozen=True)
class ReconciledDay:
    """A day as it was last reconciled."""

    day_on: date
    checked_at: datetime
    counts: tuple[ClassCount, ...]
    unmatched: tuple[Unmatched, ...]

    @property
    def unmatched_count(self) -> int:
        """How many things match nothing, written out or not."""
        return sum(one.item_count for one in self.counts if one.class_ in UNMATCHED)

    def rows(self) -> Iterator[tuple[object, ...]]:
        """For spreadsheets: a head, the classes, then each thing that matches nothing."""
        yield COLUMNS
        for count in self.counts:
            yield (
                COMPARISONS[count.comparison], CLASSES[count.class_], count.item_count,
                *[None] * 6,
            )  # fmt: skip
        for one in self.unmatched:
            yield (
                COMPARISONS[one.comparison], CLASSES[one.class_], 1, one.subject,
                None if one.merchant_id is None else str(one.merchant_id), one.unit,
                one.our_amount, one.their_amount, one.age_hours,
            )  # fmt: skip


def reconcile_due(*, pay_score: PayScore, must_stop: Callable[[], bool]) -> int:
    """For the worker: reconcile the days that are due and forget old ones; how many.

    Called twice at once, one does it.
    """
    done = 0
    with alone("reconcile") as is_alone:
        if not is_alone:
            return done
        asked = {"back": DAYS_LOOKED_BACK, "unsettled": list(UNSETTLED), "most": DAYS_MAX}
        with reading() as session:
            due = session.scalars(_DUE, asked).all()
        for on in due:
            if must_stop():
                return done
            reconcile_day(on=on, pay_score=pay_score)
            done += 1
        _prune()
    return done


def reconcile_day(*, on: date, pay_score: PayScore) -> None:
    """Put every thing of a day in its class, in the place of what was found before."""
    at_hand = fetch_bill(on=on, pay_score=pay_score)
    orders = _orders_of(on)
    billed = list_billed(on=on, orders=orders, pay_score=pay_score)
    told = _told_of(orders, billed, pay_score)
    with transaction() as session:
        session.execute(text(f"SET LOCAL statement_timeout = '{RECONCILE_TIMEOUT}'"))
        for table in (Reconciliation, Mismatch):
            session.execute(delete(table).where(table.day_on == on))
        session.execute(_RECONCILE, {
            "on": on, "told": orjson.dumps(told).decode(), "revised": list(REVISED),
            "billed": orjson.dumps(billed).decode(), "at_hand": at_hand.value,
            "unmatched": list(UNMATCHED), "mismatches_max": MISMATCHES_MAX,
        })  # fmt: skip


def find_day(*, on: date) -> ReconciledDay:
    """What a day came to.  Refuses `reconciliation_unknown`."""
    age = func.floor(func.extract("epoch", func.now() - Mismatch.happened_at) / 3600)
    with reading() as session:
        counts = session.scalars(
            select(Reconciliation).where(Reconciliation.day_on == on)
            .order_by(Reconciliation.comparison, Reconciliation.class_)
        ).all()  # fmt: skip
        rows = session.execute(
            select(Mismatch, age).where(Mismatch.day_on == on).order_by(Mismatch.number)
        ).all()
    if not counts:
        raise ReconciliationUnknown
    return ReconciledDay(
        on, counts[0].checked_at,
        tuple(ClassCount(one.comparison, one.class_, one.item_count) for one in counts),
        tuple(
            Unmatched(
                one.comparison, one.class_, one.subject, one.merchant_id, one.unit,
                one.our_amount, one.their_amount, one.happened_at, int(hours),
            )
            for one, hours in rows
        ),
    )  # fmt: skip


def reconciliation_state() -> dict[str, float]:
    """Gauges: how much of all kept days matches nothing, how old the oldest is, the last day."""
    oldest = func.extract("epoch", func.now() - func.min(Mismatch.happened_at)) / 3600
    with reading() as session:
        count = session.scalar(
            select(func.sum(Reconciliation.item_count)).where(Reconciliation.class_.in_(UNMATCHED))
        )
        hours = session.scalar(select(oldest))
        last_on = session.scalar(select(func.max(Reconciliation.day_on)))
        behind = 0 if last_on is None else (city_today(session) - last_on).days
    return {
        "reconciliation_unmatched": float(count or 0),
        "reconciliation_unmatched_oldest_hours": float(hours or 0),
        "reconciliation_days_behind": float(behind),
    }


def _orders_of(on: date) -> list[Order]:
    query = text(f"SELECT c.citizen_id, c.order_id {_COLLECTED} ORDER BY c.booked_at LIMIT :most")
    with reading() as session:
        return [
            (citizen_id, order_id)
            for citizen_id, order_id in session.execute(query, {"on": on, "most": ORDERS_MAX})
        ]


def _told_of(
    orders: Sequence[Order], billed: Sequence[Mapping[str, Any]], pay_score: PayScore
) -> list[dict[str, Any]]:
    """What a day's orders came to there, by a bill or, where none tells of them, by asking.

    After an outage the rest stays unasked.
    """
    paid = {(one["citizen_id"], one["order_id"]): one["net_fen"] for one in billed}
    told = [
        _told(order, "DONE" if paid[order] else "REFUNDED", paid[order])
        for order in orders if order in paid
    ]
    unbilled = [order for order in orders if order not in paid]
    durable()
    for number, order in enumerate(unbilled[:ASKED_MAX]):
        try:
            state, total_fen = pay_score.tell_order(*order) or ("NONE", None)
        except Unavailable as error:
            log.warning("orders stay unasked", extra={"code": error.code, "asked": number})
            break
        told.append(_told(order, state, total_fen))
    return told


def _told(order: Order, state: str, total_fen: int | None) -> dict[str, Any]:
    citizen_id, order_id = order
    return {
        "citizen_id": citizen_id, "order_id": order_id, "state": state, "total_fen": total_fen
    }


def _prune() -> None:
    with transaction() as session:
        for table in (Reconciliation, Mismatch):
            session.execute(delete(table).where(table.day_on < CITY_TODAY - KEPT.days))
        session.execute(delete(Bill).where(Bill.bill_on < CITY_TODAY - KEPT.days))

"""Closing a month: one operator proposes, another confirms, the worker freezes the sheets.

Freezing is one statement, hence one snapshot: what is committed a moment later is not in it, and so
belongs to the next month by the rule of `lines`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel import outbox
from app.kernel.context import request_id
from app.kernel.database import alone, transaction, transaction_required
from app.kernel.errors import IdReused
from app.kernel.ids import new_id
from app.settlement.lines import OPEN_LINES
from app.settlement.models import ClosedMonth, Closing, Confirmation
from app.settlement.queries import count_undecided, next_month, span_of
from app.settlement.refusals import (
    SettlementClosingUnknown,
    SettlementMonthNotOver,
    SettlementMonthTaken,
    SettlementOutOfOrder,
    SettlementUndecided,
)
from app.trail.operations import Actor, SecondPersonNeeded, record_act, require_reason

CLOSING_TOPIC: Final = "settlement_closing"
READY_TOPIC: Final = "settlement_sheet_ready"
# Longer than any transaction of a counter may last: what was booked before midnight is written.
SETTLED_AFTER: Final = timedelta(minutes=10)
FREEZE_TIMEOUT: Final = "30min"
# What the digest of a sheet covers, a line of it each; `l` is a row of settlement_lines.
RECORD: Final = """jsonb_build_array(l.number, l.shop_id, l.kind, l.what, l.version, l.party,
    l.booked_on, l.origin_month_on, l.item_count, l.amount_points, l.subsidy_fen, l.order_fen,
    l.owed_fen)::text"""
DIGEST: Final = f"sha256(convert_to(string_agg({RECORD}, E'\\n' ORDER BY l.number), 'UTF8'))"
_FREEZE: Final = text(f"""
    WITH open AS ({OPEN_LINES}),
    l AS (
        INSERT INTO settlement_lines (merchant_id, month_on, number, shop_id, kind, what, version,
            party, booked_on, origin_month_on, item_count, amount_points, subsidy_fen, order_fen,
            owed_fen)
        SELECT merchant_id, :month, row_number() OVER (
                PARTITION BY merchant_id ORDER BY shop_id NULLS LAST, what, version, kind, party,
                    origin_month_on, booked_on),
            shop_id, kind, what, version, party, booked_on, origin_month_on, item_count,
            amount_points, subsidy_fen, order_fen, owed_fen
        FROM open
        RETURNING *
    ), sheets AS (
        INSERT INTO settlement_sheets (merchant_id, month_on, line_count, amount_points,
            subsidy_fen, order_fen, owed_fen, digest)
        SELECT l.merchant_id, l.month_on, count(*), sum(l.amount_points), sum(l.subsidy_fen),
            sum(l.order_fen), sum(l.owed_fen), {DIGEST}
        FROM l GROUP BY l.merchant_id, l.month_on
        RETURNING 1
    )
    INSERT INTO settlement_months (month_on, sheet_count) SELECT :month, count(*) FROM sheets
    RETURNING sheet_count
""")
# What each merchant is told of its sheet; the message goes by the merchant's id.
_TELL: Final = text("""
    SELECT outbox_put(s.merchant_id, m.message_id, :topic, jsonb_build_object(
        'request_id', CAST(:request_id AS text), 'merchant_id', s.merchant_id,
        'month', to_char(s.month_on, 'YYYY-MM'), 'line_count', s.line_count,
        'amount_points', s.amount_points, 'subsidy_fen', s.subsidy_fen, 'order_fen', s.order_fen,
        'owed_fen', s.owed_fen, 'digest', encode(s.digest, 'hex'), 'ready_at',
        to_char(c.closed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))
    FROM (SELECT s.*, row_number() OVER (ORDER BY s.merchant_id) AS number
          FROM settlement_sheets s WHERE s.month_on = :month) s
    JOIN unnest(CAST(:message_ids AS uuid[])) WITH ORDINALITY AS m (message_id, number)
        USING (number)
    JOIN settlement_months c USING (month_on)
""")
_DUE: Final = (
    select(Confirmation.month_on)
    .where(~select(ClosedMonth.month_on).where(
        ClosedMonth.month_on == Confirmation.month_on
    ).exists())
    .order_by(Confirmation.month_on)
)  # fmt: skip


@dataclass(frozen=True)
class ProposedClosing:
    """A proposal as it stands; `carried_over_count` scans stay undecided on purpose."""

    closing_id: UUID
    month_on: date
    carried_over_count: int
    proposed_by: UUID
    state: str


def propose_closing(
    *, operator_id: UUID, closing_id: UUID, month_on: date, carried_over_count: int, reason: str
) -> ProposedClosing:
    """Propose to close a month, under an id that the caller made; the same again changes nothing.

    Refuses `reason_needed`, `settlement_month_not_over`, `settlement_out_of_order`,
    `settlement_month_taken`, `settlement_undecided`, `id_reused`.
    """
    given = require_reason(reason)
    with transaction() as session:
        held = session.get(Closing, closing_id)
        if held is None:
            _require_closable(session, month_on, carried_over_count)
            held = Closing(
                closing_id=closing_id, month_on=month_on, reason=given, proposed_by=operator_id,
                carried_over_count=carried_over_count,
            )
            session.add(held)
            record_act(
                actor=Actor("operator", operator_id), action="settlement_closing_proposed",
                subject=f"settlement {month_on:%Y-%m}", reason=given,
            )
        asked = (month_on, carried_over_count, operator_id)
        if (held.month_on, held.carried_over_count, held.proposed_by) != asked:
            raise IdReused
        return _proposed(held, "proposed")


def confirm_closing(*, operator_id: UUID, closing_id: UUID, reason: str) -> ProposedClosing:
    """Another operator's yes: the worker freezes the sheets.

    Refuses `reason_needed`, `settlement_closing_unknown`, `second_person_needed`, and what
    `propose_closing` refuses.
    """
    given = require_reason(reason)
    with transaction() as session:
        held = session.get(Closing, closing_id)
        if held is None:
            raise SettlementClosingUnknown
        if held.proposed_by == operator_id:
            raise SecondPersonNeeded
        _require_closable(session, held.month_on, held.carried_over_count)
        confirmed = session.scalar(
            insert(Confirmation)
            .values(month_on=held.month_on, closing_id=closing_id, confirmed_by=operator_id)
            .on_conflict_do_nothing()
            .returning(Confirmation.month_on)
        )
        if confirmed is None:
            raise SettlementMonthTaken
        record_act(
            actor=Actor("operator", operator_id), action="settlement_closing_confirmed",
            subject=f"settlement {held.month_on:%Y-%m}", reason=given,
        )
        # Messages are spread by an id; this one belongs to no citizen.
        outbox.put(citizen_id=closing_id, topic=CLOSING_TOPIC, payload={})
        return _proposed(held, "closing")


def freeze_due() -> int:
    """For the worker: freeze the months that were confirmed, in order; how many.

    Called twice at once, one does it.
    """
    frozen = 0
    with alone("settlement") as is_alone:
        while is_alone:
            with transaction() as session:
                month_on = session.scalar(_DUE.limit(1))
                if month_on is None:
                    break
                freeze_month(month_on)
            frozen += 1
    return frozen


def freeze_month(month_on: date) -> None:
    """Write the sheets of a month and a message for each, in the open transaction.

    The key of the month allows it once.
    """
    session = transaction_required()
    session.execute(text(f"SET LOCAL statement_timeout = '{FREEZE_TIMEOUT}'"))
    span = span_of(session, month_on)
    frozen = session.execute(_FREEZE, span.parameters() | {"month": month_on})
    session.execute(_TELL, {
        "month": month_on, "topic": READY_TOPIC, "request_id": request_id.get(),
        "message_ids": [new_id() for _ in range(frozen.scalar_one())],
    })  # fmt: skip


def _require_closable(session: Session, month_on: date, carried_over_count: int) -> None:
    """The month is over, next in order, and what is undecided is what was said."""
    over = text(
        "SELECT now() >= CAST(:until_on AS date)::timestamp AT TIME ZONE 'Asia/Shanghai' + :wait"
    )
    ended = {"until_on": next_month(month_on), "wait": SETTLED_AFTER}
    if not session.execute(over, ended).scalar_one():
        raise SettlementMonthNotOver
    last_on = session.scalar(select(func.max(Confirmation.month_on)))
    if last_on is not None and month_on <= last_on:
        raise SettlementMonthTaken
    if last_on is not None and month_on != next_month(last_on):
        raise SettlementOutOfOrder(next_month=f"{next_month(last_on):%Y-%m}")
    undecided = count_undecided(session, month_on)
    if undecided != carried_over_count:
        raise SettlementUndecided(undecided_count=undecided)


def _proposed(held: Closing, state: str) -> ProposedClosing:
    return ProposedClosing(
        held.closing_id, held.month_on, held.carried_over_count, held.proposed_by, state
    )

"""A city whose uses are written straight into the tables, on any day: for tests of settlement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from flask import Flask

from app.kernel.clock import CITY_ZONE
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.ledger import operations as ledger
from app.settlement.closing import freeze_due
from app.settlement.queries import Line, Statement, month_statement
from tests.redemptions.builders import (
    Clerk,
    grant_points,
    make_citizen,
    make_clerk,
    publish_benefit,
)

PRICED, SPONSORED, OWN = "priced", "sponsored", "own"
FEN = {PRICED: 300, SPONSORED: 150, OWN: 70}
PAYERS = {PRICED: "programme", SPONSORED: "sponsor", OWN: "merchant"}
PRICE_POINTS = 20
JANUARY = date(2026, 1, 1)


def noon(on: date, *, hours: float = 0) -> datetime:
    """A moment of a day in the city."""
    moment = datetime(on.year, on.month, on.day, 12, tzinfo=CITY_ZONE) + timedelta(hours=hours)
    return moment.astimezone(UTC)


@dataclass
class Books:
    """Merchants, benefits, a person with points; each act is committed at once."""

    app: Flask
    job_app: Flask
    admin: psycopg.Connection[Any]
    clerks: list[Clerk] = field(default_factory=list)
    benefits: dict[str, str] = field(default_factory=dict)
    benefit_ids: dict[str, UUID] = field(default_factory=dict)
    citizen_id: UUID = field(default_factory=new_id)

    def __post_init__(self) -> None:
        for name in (PRICED, SPONSORED, OWN):
            self.benefits[name] = publish_benefit(
                self.app, code=f"{name}_ticket", subsidy={"payer": PAYERS[name], "fen": FEN[name]},
                price_points=PRICE_POINTS if name == PRICED else None,
                offline_allowed=name != PRICED, merchants="all",
            )
            found = self.admin.execute(
                "SELECT benefit_id FROM benefits WHERE code = %s", (self.benefits[name],)
            ).fetchone()
            assert found is not None
            self.benefit_ids[name] = found[0]
        self.clerks = [make_clerk(self.app) for _ in range(2)]
        self.citizen_id = make_citizen(self.app).citizen_id
        grant_points(self.app, self.citizen_id, 1_000_000)
        self.admin.execute(
            "INSERT INTO voucher_wallets (citizen_id) VALUES (%s)", (self.citizen_id,)
        )

    def voucher(self, name: str) -> UUID:
        """A voucher that somebody claimed in January."""
        voucher_id, hold_id = new_id(), new_id() if name == PRICED else None
        if hold_id is not None:
            with self.app.app_context(), transaction():
                ledger.hold(
                    citizen_id=self.citizen_id, transfer_id=hold_id, amount_points=PRICE_POINTS,
                    expires_at=datetime.now(UTC) + timedelta(days=1), reason="voucher",
                ).require_accepted()
        self.admin.execute(
            "INSERT INTO vouchers (citizen_id, voucher_id, benefit_id, benefit_code,"
            " benefit_version, value, price_points, hold_id, stock_taken, claimed_at, expires_at)"
            " VALUES (%s, %s, %s, %s, 1, '{}', %s, %s, false, %s, %s)",
            (self.citizen_id, voucher_id, self.benefit_ids[name], self.benefits[name],
             PRICE_POINTS if hold_id else 0, hold_id, noon(JANUARY), noon(date(2027, 1, 1))),
        )  # fmt: skip
        return voucher_id

    def redeem(self, voucher_id: UUID, name: str, clerk: Clerk, at: datetime) -> UUID | None:
        """Take a voucher on line; the transfer in the ledger, if it has a price."""
        transfer_id = None
        if name == PRICED:
            transfer_id = new_id()
            with self.app.app_context(), transaction():
                ledger.post_hold(
                    citizen_id=self.citizen_id, transfer_id=transfer_id,
                    hold_id=self._hold(voucher_id), effective_on=at.astimezone(CITY_ZONE).date(),
                ).require_accepted()
        self.admin.execute(
            "INSERT INTO voucher_endings VALUES (%s, %s, 'redeemed', %s)",
            (self.citizen_id, voucher_id, at),
        )
        self.admin.execute(
            "INSERT INTO redemptions (citizen_id, voucher_id, redemption_id, clerk_id, merchant_id,"
            " shop_id, benefit_code, price_points, transfer_id, redeemed_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (self.citizen_id, voucher_id, new_id(), clerk.staff_id, clerk.merchant_id,
             clerk.shop_id, self.benefits[name], PRICE_POINTS if transfer_id else 0, transfer_id,
             at),
        )  # fmt: skip
        return transfer_id

    def annul(self, voucher_id: UUID, clerk: Clerk, at: datetime, taken: UUID | None) -> None:
        """Take a redemption back."""
        transfer_id = None
        if taken is not None:
            transfer_id = new_id()
            with self.app.app_context(), transaction():
                ledger.reverse(
                    citizen_id=self.citizen_id, transfer_id=transfer_id, reversed_id=taken,
                    effective_on=at.astimezone(CITY_ZONE).date(),
                ).require_accepted()
        self.admin.execute(
            "INSERT INTO annulments (citizen_id, voucher_id, annulment_id, clerk_id, shop_id,"
            " transfer_id, annulled_at, answer) VALUES (%s, %s, %s, %s, %s, %s, %s, '{}')",
            (self.citizen_id, voucher_id, new_id(), clerk.staff_id, clerk.shop_id, transfer_id, at),
        )

    def scan(
        self, clerk: Clerk, *, scanned_at: datetime, received_at: datetime,
        voucher_id: UUID | None = None, name: str | None = None,
    ) -> tuple[UUID, bytes]:
        """A scan off line that a device uploaded later; without a voucher it is parked."""
        device_id, scan_id = new_id(), new_id().bytes * 2
        self.admin.execute(
            "INSERT INTO offline_scans (device_id, scan_id, sequence, previous_id, scanned_at,"
            " received_at, merchant_id, shop_id, citizen_id, voucher_id, benefit_code, fault,"
            " record) VALUES (%s, %s, 1, '', %s, %s, %s, %s, %s, %s, %s, %s, '')",
            (device_id, scan_id, scanned_at, received_at, clerk.merchant_id, clerk.shop_id,
             self.citizen_id if voucher_id else None, voucher_id,
             self.benefits[name] if name else None, None if voucher_id else "not_issued"),
        )  # fmt: skip
        return device_id, scan_id

    def decide(self, scan: tuple[UUID, bytes], outcome: str, at: datetime) -> None:
        """An operator's word on a scan, on any day."""
        self.admin.execute(
            "INSERT INTO offline_decisions VALUES (%s, %s, %s, 'taken_in_good_faith', %s, %s)",
            (*scan, outcome, new_id(), at),
        )

    def close(self, month_on: date) -> None:
        """Two operators have agreed; the worker freezes."""
        closing_id = new_id()
        self.admin.execute(
            "INSERT INTO settlement_closings VALUES (%s, %s, 0, '按月关账', %s)",
            (closing_id, month_on, new_id()),
        )
        self.admin.execute(
            "INSERT INTO settlement_confirmations VALUES (%s, %s, %s)",
            (month_on, closing_id, new_id()),
        )
        with self.job_app.app_context():
            assert freeze_due() == 1

    def month(self, month_on: date, merchant_id: UUID | None = None) -> Statement:
        """The sheets of a month, or their draft."""
        with self.app.app_context():
            return month_statement(merchant_id=merchant_id, month_on=month_on)

    def frozen(self) -> dict[UUID, tuple[int, int, int]]:
        """What all sheets come to: uses, points and fen owed, by merchant."""
        rows = self.admin.execute(
            "SELECT merchant_id, sum(item_count)::int, sum(amount_points)::int, sum(owed_fen)::int"
            " FROM settlement_lines GROUP BY 1"
        ).fetchall()
        return {row[0]: (row[1], row[2], row[3]) for row in rows}

    def _hold(self, voucher_id: UUID) -> UUID:
        row = self.admin.execute(
            "SELECT hold_id FROM vouchers WHERE voucher_id = %s", (voucher_id,)
        ).fetchone()
        assert row is not None
        hold_id: UUID = row[0]
        return hold_id


def sums_of(lines: tuple[Line, ...]) -> dict[UUID, tuple[int, int, int]]:
    """Uses, points and fen owed, by merchant."""
    found: dict[UUID, tuple[int, int, int]] = {}
    for line in lines:
        count, points, fen = found.get(line.merchant_id, (0, 0, 0))
        found[line.merchant_id] = (
            count + line.item_count, points + line.amount_points, fen + line.owed_fen
        )
    return found

"""The rule of sheets against a plain model: whatever happens and whenever months close, every use
stands on exactly one line, and nothing is lost.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.kernel.database import reading
from app.settlement import proof
from app.settlement.queries import next_month
from tests.conftest import Sized
from tests.redemptions.builders import Clerk
from tests.settlement.books import FEN, OWN, PRICE_POINTS, PRICED, SPONSORED, Books, noon, sums_of

VOUCHERS_A_MONTH = 10
FIRST = date(2026, 2, 1)
Sums = dict[UUID, tuple[int, int, int]]
Act = Callable[[], None]


@dataclass
class Used:
    """What was done with one voucher."""

    name: str
    redemption: tuple[Clerk, datetime] | None = None
    is_annulled: bool = False
    scans: list[tuple[Clerk, datetime, tuple[UUID, bytes]]] = field(default_factory=list)
    decided: list[tuple[UUID, bytes]] = field(default_factory=list)
    paid: list[tuple[UUID, bytes]] = field(default_factory=list)

    def worth(self) -> list[tuple[Clerk, int]]:
        """Who is owed for how many uses, by the rule: the earliest counts, and what was decided."""
        found: list[tuple[Clerk, int]] = []
        first = min(self.scans, key=lambda one: (one[1], one[2]), default=None)
        stands = self.redemption if self.redemption and not self.is_annulled else None
        if stands and not (first and first[1] < stands[1]):
            found.append((stands[0], 1))
            first = None
        found += [(clerk, 1) for clerk, _, scan in self.scans if scan in self.paid]
        if first and first[2] not in self.decided:
            found.append((first[0], 1))
        return found


class Model:
    """Acts in an order that is made up, each with the month in which it is written down."""

    def __init__(self, books: Books, seed: int) -> None:
        self.books, self.generator = books, random.Random(seed)
        self.used: list[Used] = []
        self.parked: list[tuple[UUID, bytes]] = []

    def acts(self, month_on: date) -> list[Act]:
        """What happens in a month; an act on a voucher comes after the one before it."""
        chains = [self._voucher(month_on) for _ in range(VOUCHERS_A_MONTH)]
        acts = []
        while chains := [one for one in chains if one]:
            acts.append(self.generator.choice(chains).pop(0))
        return acts

    def expected(self) -> Sums:
        sums: Sums = {}
        for used in self.used:
            fen = 0 if used.name == OWN else FEN[used.name]
            points = PRICE_POINTS if used.name == PRICED else 0
            for clerk, count in used.worth():
                before = sums.get(clerk.merchant_id, (0, 0, 0))
                more = (count, count * points, count * fen)
                sums[clerk.merchant_id] = (
                    before[0] + more[0], before[1] + more[1], before[2] + more[2]
                )
        return sums

    def _moment(self, month_on: date) -> datetime:
        days = self.generator.randrange((next_month(month_on) - month_on).days)
        return noon(month_on + timedelta(days=days), hours=self.generator.uniform(-11.9, 11.9))

    def _voucher(self, month_on: date) -> list[Act]:
        name = self.generator.choice((PRICED, SPONSORED, OWN))
        used, voucher_id = Used(name), self.books.voucher(name)
        self.used.append(used)
        later = next_month(month_on)
        chain: list[Act] = []
        if name == PRICED or self.generator.random() < 0.6:
            annulled = self.generator.random() < 0.4
            after = self.generator.choice((month_on, later))
            chain.append(lambda: self._redeem(used, voucher_id, month_on, after, annulled))
        if name != PRICED:
            for _ in range(self.generator.randrange(3)):
                # From this month or the one before, whenever it arrives.
                origin = self.generator.choice((month_on, month_on - timedelta(days=20)))
                chain.append(lambda at=origin: self._scan(used, voucher_id, at, month_on))  # type: ignore[misc]
        if self.generator.random() < 0.2:
            chain.append(lambda: self._park(month_on))
        return chain

    def _redeem(
        self, used: Used, voucher_id: UUID, month_on: date, after: date, annulled: bool  # noqa: FBT001
    ) -> None:
        clerk, at = self.generator.choice(self.books.clerks), self._moment(month_on)
        taken = self.books.redeem(voucher_id, used.name, clerk, at)
        used.redemption = (clerk, at)
        if annulled:
            back_at = at + timedelta(hours=1) if after == month_on else self._moment(month_on)
            self.books.annul(voucher_id, clerk, max(back_at, at), taken)
            used.is_annulled = True

    def _scan(self, used: Used, voucher_id: UUID, origin: date, month_on: date) -> None:
        clerk = self.generator.choice(self.books.clerks)
        scanned_at = self._moment(origin.replace(day=1))
        scan = self.books.scan(
            clerk, scanned_at=scanned_at, received_at=self._moment(month_on),
            voucher_id=voucher_id, name=used.name,
        )
        used.scans.append((clerk, scanned_at, scan))
        if self.generator.random() < 0.4:
            verdict = self.generator.choice(("counted", "not_counted"))
            self.books.decide(scan, verdict, self._moment(month_on))
            used.decided.append(scan)
            if verdict == "counted":
                used.paid.append(scan)

    def _park(self, month_on: date) -> None:
        clerk, at = self.generator.choice(self.books.clerks), self._moment(month_on)
        self.parked.append(self.books.scan(clerk, scanned_at=at, received_at=at))


def added(one: Sums, other: Sums) -> Sums:
    found = dict(one)
    for merchant_id, sums in other.items():
        held = found.get(merchant_id, (0, 0, 0))
        found[merchant_id] = (held[0] + sums[0], held[1] + sums[1], held[2] + sums[2])
    return {key: value for key, value in found.items() if any(value)}


@pytest.mark.sized
@pytest.mark.timeout(3600)
def test_every_use_stands_on_one_line_whenever_months_close(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any], sized: Sized
) -> None:
    books = Books(committing_app, job_app, admin)
    model, month_on, late = Model(books, seed=20261129), FIRST, list[Act]()
    for _ in range(sized(ci=4, full=80)):
        acts = model.acts(month_on)
        kept = model.generator.randrange(len(acts))
        for act in (*late, *acts[:kept]):
            act()
        books.close(month_on)
        late, month_on = acts[kept:], next_month(month_on)  # these arrive after the closing
        opened = sums_of(books.month(month_on).lines)
        assert added(books.frozen(), opened) == added(model.expected(), {})
    for act in late:
        act()
    books.close(month_on)
    assert added(books.frozen(), {}) == added(model.expected(), {})
    with committing_app.app_context(), reading() as session:
        assert proof.find_faults(session) == []
        differing = session.connection().exec_driver_sql(
            "SELECT count(*) FROM offline_uses u JOIN offline_standing o USING (device_id,"
            " scan_id) WHERE u.standing <> o.standing"
        )
        assert differing.scalar_one() == 0, "both tell the same rule"

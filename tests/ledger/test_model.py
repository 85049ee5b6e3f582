"""The ledger against a model of a few lines: any order of calls gives the same answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from app.kernel.ids import new_id
from app.ledger import operations, queries
from app.ledger.operations import Posting
from tests.conftest import Sized
from tests.ledger.checks import assert_ledger_balances
from tests.ledger.people import Person, database_time, today, wait_until

pytestmark = pytest.mark.timeout(3600)  # for the full sizes

Item = TypeVar("Item")

AMOUNTS = st.integers(1, 40)
PICKS = st.integers(0, 5_000)  # which of what there is; the same range in every state
DUE_AFTER = timedelta(milliseconds=40)
INSUFFICIENT = "insufficient_points"


@dataclass
class ModelLot:
    granted: int
    expires_on: date
    order: int
    left: int
    held: int = 0
    expired: int = 0

    @property
    def free(self) -> int:
        return self.left - self.held


@dataclass
class ModelHold:
    parts: dict[UUID, int]
    is_open: bool = True

    @property
    def amount(self) -> int:
        return sum(self.parts.values())


@dataclass
class Model:
    """Lots and holds of one citizen."""

    lots: dict[UUID, ModelLot] = field(default_factory=dict)
    holds: dict[UUID, ModelHold] = field(default_factory=dict)
    spends: dict[UUID, dict[UUID, int]] = field(default_factory=dict)
    reversed: set[UUID] = field(default_factory=set)
    shortfall: int = 0

    @property
    def posted(self) -> int:
        return sum(lot.left for lot in self.lots.values())

    @property
    def held(self) -> int:
        return sum(lot.held for lot in self.lots.values())

    def usable(self, on: date, first: tuple[UUID | None, ...] = ()) -> list[UUID]:
        """Lots that count on a day, the named ones first, then in spending order."""
        found = [key for key, lot in self.lots.items() if lot.expires_on > on and lot.free]
        return sorted(
            found,
            key=lambda key: (
                first.index(key) if key in first else len(first),
                self.lots[key].expires_on,
                self.lots[key].order,
            ),
        )

    def available(self, on: date) -> int:
        return sum(self.lots[key].free for key in self.usable(on))

    def choose(
        self, amount: int, on: date, first: tuple[UUID | None, ...] = ()
    ) -> dict[UUID, int]:
        parts = {}
        for key in self.usable(on, first):
            if amount:
                parts[key] = min(amount, self.lots[key].free)
                amount -= parts[key]
        return parts

    def expire(self, key: UUID, units: int) -> None:
        self.lots[key].left -= units
        self.lots[key].expired += units

    def release(self, hold: ModelHold, posted: int, on: date) -> dict[UUID, int]:
        """End a hold; what of each lot is spent."""
        spent = {}
        hold.is_open = False
        for key in sorted(
            hold.parts, key=lambda key: (self.lots[key].expires_on, self.lots[key].order)
        ):
            units = min(posted, hold.parts[key])
            posted -= units
            self.lots[key].held -= hold.parts[key]
            self.lots[key].left -= units
            if units:
                spent[key] = units
            if self.lots[key].expires_on <= on:
                self.expire(key, hold.parts[key] - units)
        return spent


class LedgerMachine(RuleBasedStateMachine):
    """Grants, spends, holds and reversals of one citizen, over days that pass."""

    def __init__(self) -> None:
        super().__init__()
        self.person = Person()
        self.model = Model()
        self.retries: list[tuple[Any, dict[str, Any], Posting]] = []

    @initialize()
    def begin(self) -> None:
        self.first_day = self.day = today()
        for life in (3, 1, 20):
            self.grant(amount=30, life=life)
        self.hold(amount=40)

    def call(self, function: Any, **arguments: Any) -> Posting:
        arguments["transfer_id"] = new_id()
        answer: Posting = function(**arguments)
        self.retries.append((function, arguments, answer))
        return answer

    @rule(days=st.integers(1, 3))
    def a_day_passes(self, days: int) -> None:
        self.day += timedelta(days=days)

    @rule(amount=AMOUNTS, life=st.sampled_from([0, 1, 2, 3, 20]))
    def grant(self, amount: int, life: int) -> None:
        expires_on = self.day + timedelta(days=life)
        answer = self.call(
            self.person.grant, amount=amount, expires_on=expires_on, on=self.day
        )
        if life == 0:
            assert answer.refusal_code == "lot_expired"
            return
        order = len(self.model.lots)
        self.model.lots[answer.transfer_id] = ModelLot(amount, expires_on, order, amount)
        assert answer.balance_after_units == self.model.posted

    @rule(amount=AMOUNTS)
    def spend(self, amount: int) -> None:
        enough = self.model.available(self.day) >= amount
        answer = self.call(self.person.spend, amount=amount, on=self.day)
        assert answer.refusal_code == (None if enough else INSUFFICIENT)
        if enough:
            parts = self.model.choose(amount, self.day)
            for key, units in parts.items():
                self.model.lots[key].left -= units
            self.model.spends[answer.transfer_id] = parts

    @rule(amount=AMOUNTS)
    def hold(self, amount: int) -> None:
        self.place_hold(amount, timedelta(hours=1))

    def place_hold(self, amount: int, life: timedelta) -> Posting:
        enough = self.model.available(self.first_day) >= amount
        answer = self.call(self.person.hold, amount=amount, until=database_time() + life)
        if answer.refusal_code == "hold_expired" and life == DUE_AFTER:
            return answer  # this machine was busy for that long
        assert answer.refusal_code == (None if enough else INSUFFICIENT)
        if enough:
            parts = self.model.choose(amount, self.first_day)
            for key, units in parts.items():
                self.model.lots[key].held += units
            self.model.holds[answer.transfer_id] = ModelHold(parts)
        return answer

    @rule(amount=AMOUNTS)
    def hold_until_it_is_due(self, amount: int) -> None:
        held = self.place_hold(amount, DUE_AFTER)
        if not held.is_accepted:
            return
        wait_until(database_time() + DUE_AFTER)
        assert self.person.post(held).refusal_code == "hold_expired"
        assert operations.expire_due_holds(limit=10) == 1
        self.model.release(self.model.holds[held.transfer_id], 0, self.first_day)

    def holds_by_state(self) -> list[tuple[UUID, ModelHold]]:
        """Open ones, or now and then all."""
        still_open = [item for item in self.model.holds.items() if item[1].is_open]
        return still_open or list(self.model.holds.items())

    def unreversed(self, keys: Iterable[UUID]) -> list[UUID]:
        """Those that can be reversed, or all when there are none."""
        keys = list(keys)
        return [key for key in keys if key not in self.model.reversed] or keys

    @rule(pick=PICKS, percent=st.integers(1, 120))
    def post(self, pick: int, percent: int) -> None:
        if not self.model.holds:
            return
        key, hold = picked(self.holds_by_state(), pick)
        amount = max(1, hold.amount * percent // 100)
        answer = self.call(self.person.post, hold=placed(key), amount=amount, on=self.day)
        if not hold.is_open:
            assert answer.refusal_code == "hold_ended"
        elif amount > hold.amount:
            assert answer.refusal_code == "amount_too_large"
        else:
            assert answer.is_accepted
            self.model.spends[answer.transfer_id] = self.model.release(hold, amount, self.day)

    @rule(pick=PICKS)
    def void(self, pick: int) -> None:
        if not self.model.holds:
            return
        key, hold = picked(self.holds_by_state(), pick)
        answer = self.person.void(placed(key))
        assert answer.refusal_code == (None if hold.is_open else "hold_ended")
        if hold.is_open:
            self.model.release(hold, 0, self.first_day)

    @rule(pick=PICKS, preference=st.none() | PICKS)
    def reverse_a_grant(self, pick: int, preference: int | None) -> None:
        key = picked(self.unreversed(self.model.lots), pick)
        preferred = None if preference is None else picked(list(self.model.lots), preference)
        answer = self.call(
            self.person.reverse,
            posting=placed(key),
            on=self.day,
            prefer=placed(preferred) if preferred else None,
        )
        if key in self.model.reversed:
            assert answer.refusal_code == "already_reversed"
            return
        self.model.reversed.add(key)
        lot = self.model.lots[key]
        if lot.expires_on <= self.day:
            self.model.expire(key, lot.free)
        due = lot.granted - lot.expired
        taken = min(due, self.model.available(self.day))
        for other, units in self.model.choose(taken, self.day, (key, preferred)).items():
            self.model.lots[other].left -= units
        self.model.shortfall += due - taken
        assert (answer.amount_units, answer.shortfall_units) == (taken, due - taken)

    @rule(pick=PICKS)
    def reverse_a_spend(self, pick: int) -> None:
        if not self.model.spends:
            return
        key = picked(self.unreversed(self.model.spends), pick)
        parts = self.model.spends[key]
        answer = self.call(self.person.reverse, posting=placed(key), on=self.day)
        if key in self.model.reversed:
            assert answer.refusal_code == "already_reversed"
            return
        self.model.reversed.add(key)
        assert answer.amount_units == sum(parts.values())
        for lot, units in parts.items():
            self.model.lots[lot].left += units
            if self.model.lots[lot].expires_on <= self.day:
                self.model.expire(lot, units)

    @rule()
    def sweep(self) -> None:
        due = [key for key, lot in self.model.lots.items() if lot.expires_on <= self.day]
        free = sum(self.model.lots[key].free for key in due)
        assert self.person.expire_lots(self.day) == free
        for key in due:
            self.model.expire(key, self.model.lots[key].free)

    @rule(pick=PICKS)
    def retry(self, pick: int) -> None:
        function, arguments, first = picked(self.retries, pick)
        again: Posting = function(**arguments)
        assert again.is_replay
        assert again == Posting(**{**vars(first), "is_replay": True})

    @invariant()
    def lots_are_equal(self) -> None:
        found = {
            lot.lot_id: (lot.remaining_points, lot.held_points)
            for lot in queries.lots(citizen_id=self.person.citizen_id)
        }
        expected = {
            key: (lot.left, lot.held)
            for key, lot in self.model.lots.items()
            if lot.left and (lot.expires_on > self.first_day or lot.held)
        }
        assert found == expected

    @invariant()
    def the_day_is_told_equally(self) -> None:
        points = self.person.points_on(self.day)
        assert points.shortfall_points == self.model.shortfall
        live = sum(lot.left for lot in self.model.lots.values() if lot.expires_on > self.day)
        gone = [lot for lot in self.model.lots.values() if lot.expires_on <= self.day]
        assert live <= points.balance_points <= live + sum(lot.held for lot in gone)

    def teardown(self) -> None:
        assert_ledger_balances()


def picked(items: Sequence[Item], pick: int) -> Item:
    """One of them."""
    return items[pick % len(items)]


def placed(key: UUID) -> Posting:
    """A posting of which only the id matters."""
    return Posting(key, None, False, 0, None, None, 0)


def test_the_ledger_is_the_model(app: Flask, sized: Sized) -> None:
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=sized(ci=25, full=2_000),
            stateful_step_count=30,
            deadline=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )

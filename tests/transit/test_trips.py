"""Trips in batches: each row answered, each report once, each day settled once, in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from app.kernel.clock import city_date
from app.kernel.ids import new_id
from app.members.queries import database_now
from app.transit import queries, settling, uploads
from app.transit.operators import Terms
from tests.conftest import Sized
from tests.redemptions.builders import API, Citizen, set_tier
from tests.redemptions.offline_town import offline_code, publish_keys
from tests.service_orders.shop import done, refusal
from tests.transit.town import Company, make_company, make_rider, scalar, stranger_source, withdraw

FARE_FEN, MOST_FEN = 200, 900
LATER = timedelta(days=30)


@dataclass(frozen=True)
class Ride:
    """A company, a rider's account, and the moment from which it rides for less."""

    company: Company
    rider: Citizen
    account_id: UUID
    begun_at: datetime

    def row(self, at: int = 1, *, out: int | None = 20, **changes: Any) -> dict[str, Any]:
        """A trip that begins so many seconds later; without `out` nobody has tapped out."""
        tap_in_at = self.begun_at + timedelta(seconds=at)
        row: dict[str, Any] = {
            "trip_id": str(new_id()), "account_id": str(self.account_id),
            "tap_in_at": tap_in_at.isoformat(), "tap_in_place": "S01",
            "fare_fen": MOST_FEN if out is None else FARE_FEN,
        }
        if out is not None:
            row["tap_out_at"] = (tap_in_at + timedelta(seconds=out)).isoformat()
            row["tap_out_place"] = "S07"
        return row | changes

    def upload(self, *rows: Mapping[str, Any], batch_id: UUID | None = None) -> Any:
        body = {"batch_id": str(batch_id or new_id()), "trips": list(rows)}
        return self.company.post("/transit/batches", body)

    def told(self, *rows: Mapping[str, Any], **values: Any) -> list[tuple[str, str | None]]:
        found = done(self.upload(*rows, **values))["rows"]
        assert [one["row_number"] for one in found] == list(range(1, len(rows) + 1))
        return [(one["outcome"], one["reason"]) for one in found]

    def own_trips(self) -> list[dict[str, Any]]:
        answer = self.company.client.get(f"{API}/me/transit/trips", headers=self.rider.headers)
        found: list[dict[str, Any]] = done(answer)["trips"]
        return found

    def parked(self) -> list[tuple[int, str]]:
        found = done(self.company.get("/transit/parked"))["rows"]
        return sorted((one["row_number"], one["reason"]) for one in found)


def make_ride(app: Flask, company: Company, tier: str = "AA") -> Ride:
    rider = make_rider(app, tier)
    account_id = company.account_of(rider)
    with app.app_context():
        return Ride(company, rider, account_id, database_now())


@pytest.fixture
def ride(app: Flask) -> Ride:
    return make_ride(app, make_company(app))


@pytest.fixture
def settle(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settles everything as if thirty days had gone by."""

    def now() -> None:
        monkeypatch.setattr(settling, "SETTLED_AFTER", -LATER)
        with app.app_context():
            while settling.settle_due_days(limit=100):
                pass

    return now


def test_a_trip_from_the_gate_to_the_sum_of_its_day(ride: Ride, settle: Any) -> None:
    """The rider sees it at once; its places are in no answer, and in nothing that stays."""
    assert ride.told(ride.row(), ride.row(30)) == [("taken", None)] * 2
    waiting = ride.own_trips()
    assert [one["outcome"] for one in waiting] == [None, None]
    settle()
    settle()
    assert [
        (one["fare_fen"], one["discount_fen"], one["subsidy_fen"], one["outcome"])
        for one in ride.own_trips()
    ] == [(200, 40, 40, "subsidised")] * 2
    assert not any("place" in name for one in ride.own_trips() for name in one)
    today = city_date(ride.begun_at).isoformat()
    sums = done(ride.company.get(f"/transit/subsidies?from_on={today}&to_on={today}"))["days"]
    assert sums == [{
        "merchant_id": str(ride.company.merchant_id), "accounting_on": today,
        "benefit_code": ride.company.benefit_code, "trip_count": 2, "fare_fen": 400,
        "discount_fen": 80, "subsidy_fen": 80,
    }]  # fmt: skip


def test_the_same_batch_has_one_answer_and_the_same_row_one_report(ride: Ride) -> None:
    batch_id, row = new_id(), ride.row()
    first = ride.upload(row, row, batch_id=batch_id)
    assert [one["outcome"] for one in done(first)["rows"]] == ["taken", "known"]
    assert ride.upload(row, row, batch_id=batch_id).data == first.data
    assert refusal(ride.upload(ride.row(), batch_id=batch_id)) == "id_reused"
    assert ride.told(row) == [("known", None)]


def test_a_missing_tap_out_is_subsidised_when_it_comes(ride: Ride, settle: Any) -> None:
    """The highest fare was taken; what counts is the fare of the whole trip."""
    begun, never = ride.row(out=None), ride.row(40, out=None)
    whole = ride.row(trip_id=begun["trip_id"])
    ride.told(begun, never)
    assert {one["fare_fen"] for one in ride.own_trips()} == {MOST_FEN}
    assert ride.told(whole) == [("taken", None)]
    settle()
    told = {one["trip_id"]: one for one in ride.own_trips()}
    assert (told[begun["trip_id"]]["fare_fen"], told[begun["trip_id"]]["subsidy_fen"]) == (200, 40)
    assert told[never["trip_id"]]["outcome"] == "not_completed"
    assert told[never["trip_id"]]["subsidy_fen"] == 0


def test_a_day_has_a_cap_in_trips_and_in_fen(app: Flask, settle: Any) -> None:
    terms = Terms(trips_per_day=3, subsidy_per_day_fen=100, complete_within_days=5)
    ride = make_ride(app, make_company(app, terms=terms))
    ride.told(*(ride.row(at) for at in (40, 10, 30, 20)))
    settle()
    told = [(one["subsidy_fen"], one["outcome"]) for one in reversed(ride.own_trips())]
    assert told == [
        (40, "subsidised"), (40, "subsidised"), (20, "day_subsidy_used"), (0, "day_trips_used")
    ]


def test_what_cannot_count_is_parked_with_its_row_and_nothing_of_a_person(
    app: Flask, ride: Ride
) -> None:
    other = make_ride(app, make_company(app))
    plain = make_ride(app, ride.company, "A")
    rows = [
        ride.row(account_id=str(other.account_id)),
        ride.row(account_id=str(new_id())),
        ride.row(3_600),
        ride.row(10, out=-5),
        ride.row(-10_000),
        ride.row(-400_000),
        plain.row(),
        ride.row(account_id=None, offline_code="ICO1:ABC"),
    ]
    reasons = [
        "account_unknown", "account_unknown", "tap_in_to_come", "tap_out_before_tap_in",
        "not_entitled", "too_late", "not_entitled", "code_unreadable",
    ]
    if city_date(ride.begun_at) > city_date(ride.begun_at - timedelta(seconds=10_000)):
        reasons[4] = "too_late"  # the day before the terms
    assert ride.told(*rows) == [("parked", reason) for reason in reasons]
    assert ride.parked() == list(enumerate(reasons, start=1))
    assert ride.own_trips() == []
    assert scalar(
        app, "SELECT count(*) FROM transit_reports WHERE fault IS NOT NULL AND"
        " coalesce(citizen_id::text, tap_in_at::text, tap_in_place, tap_out_place) IS NOT NULL",
    ) == 0  # fmt: skip


def test_contradicting_reports_are_parked_together(ride: Ride, settle: Any) -> None:
    row = ride.row()
    other = row | {"fare_fen": 500}
    good = ride.row(50)
    assert ride.told(row, other, good) == [("taken", None)] * 3
    both = [(1, "contradiction"), (2, "contradiction")]
    assert ride.parked() == both
    settle()
    assert ride.parked() == both
    assert [one["trip_id"] for one in ride.own_trips()] == [good["trip_id"]]


def test_late_trips_and_completions(ride: Ride, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 72 hours a trip is too late; one that was begun in time can still be completed."""
    begun = ride.row(out=None)
    ride.told(begun)
    monkeypatch.setattr(uploads, "LATE_MAX", timedelta(hours=-1))
    assert ride.told(ride.row(5), ride.row(trip_id=begun["trip_id"])) == [
        ("parked", "too_late"), ("taken", None)
    ]


def test_an_offline_code_counts_as_it_promised(app: Flask, settle: Any) -> None:
    company = make_company(app, offline_allowed=True)
    publish_keys(app)
    ride = make_ride(app, company)
    code = offline_code(company.client, ride.rider, company.benefit_code)
    set_tier(app, ride.rider.citizen_id, "A")
    shown: dict[str, Any] = {"account_id": None, "offline_code": code}
    assert ride.told(ride.row(2, **shown), ride.row(-3_600, **shown), ride.row(3, **shown)) == [
        ("taken", None), ("parked", _too_early(ride)), ("taken", None)
    ]
    settle()
    assert [one["subsidy_fen"] for one in ride.own_trips()] == [40, 40]
    other = make_ride(app, make_company(app))
    assert other.told(other.row(**shown)) == [("parked", "code_of_other_benefit")]
    withdraw(app, ride.rider, "transit_location")
    assert ride.told(ride.row(4, **shown)) == [("parked", "not_entitled")]


def _too_early(ride: Ride) -> str:
    hour_ago = ride.begun_at - timedelta(hours=1)
    return "code_outside_life" if city_date(hour_ago) == city_date(ride.begun_at) else "too_late"


def test_limits_of_a_batch(app: Flask, ride: Ride) -> None:
    assert refusal(ride.upload()) == "invalid_request"
    too_many = [ride.row() for _ in range(uploads.BATCH_ROWS_MAX + 1)]
    assert refusal(ride.upload(*too_many)) == "invalid_request"
    for wrong in (
        {"fare_fen": -1}, {"fare_fen": 100_001}, {"fare_fen": 2.5}, {"trip_id": "人"},
        {"tap_in_place": "x" * 33}, {"offline_code": "ICO1:A"}, {"account_id": None},
        {"tap_out_at": None}, {"name": "某人"},
    ):  # fmt: skip
        assert refusal(ride.upload(ride.row(**wrong))) == "invalid_request", wrong
    answer = ride.company.client.post(
        f"{API}/transit/batches", json={"batch_id": str(new_id()), "trips": [ride.row()]},
        headers=stranger_source(app),
    )
    assert refusal(answer) == "not_transit_operator"


def test_the_worker_has_the_rights_that_settling_needs(
    committing_app: Flask, job_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ride = make_ride(committing_app, make_company(committing_app))
    ride.told(ride.row(), ride.row(account_id=str(new_id())))
    monkeypatch.setattr(settling, "SETTLED_AFTER", -LATER)
    with job_app.app_context():
        assert settling.settle_due_days(limit=10) == 1
        assert settling.prune_trips() == 0
    assert [one["outcome"] for one in ride.own_trips()] == ["subsidised"]


def test_what_is_not_needed_for_settlement_goes_and_the_sums_stay(
    app: Flask, ride: Ride, settle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ride.told(ride.row(), ride.row(account_id=str(new_id())))
    settle()
    with app.app_context():
        assert settling.prune_trips() == 0
        monkeypatch.setattr(settling, "REPORTS_KEPT", timedelta(days=-1))
        monkeypatch.setattr(settling, "TRIPS_KEPT", timedelta(days=-1))
        assert settling.prune_trips() == 4
        today = city_date(ride.begun_at)
        [kept] = queries.list_subsidies(from_on=today, to_on=today + timedelta(days=1))
    assert (kept.trip_count, kept.subsidy_fen) == (1, 40)
    assert ride.own_trips() == []


def test_batches_in_any_order_end_alike(app: Flask, sized: Sized, settle: Any) -> None:
    """Begun and completed trips, contradictions and repetitions, cut and shuffled."""
    company = make_company(app)
    template = make_ride(app, company)
    shapes = [
        template.row(at, out=out, trip_id=f"T{number}", fare_fen=fare_fen)
        for number, at in enumerate((5, 10, 10, 20, 30, 40, 50))
        for out, fare_fen in ((None, 900), (20, 200 + number))
    ]
    shapes += [shapes[0], shapes[3] | {"fare_fen": 77}, template.row(60, out=None, trip_id="T9")]

    @settings(
        max_examples=sized(ci=5, full=100), deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(order=some.permutations(shapes), cut=some.integers(1, len(shapes)))
    def check(order: Sequence[Mapping[str, Any]], cut: int) -> None:
        ride = make_ride(app, company)
        ride_rows = [
            {**row, "trip_id": f"{row['trip_id']}.{ride.account_id}",
             "account_id": str(ride.account_id), **_moved(row, template, ride)}
            for row in order
        ]  # fmt: skip
        for start in range(0, len(ride_rows), cut):
            ride.told(*ride_rows[start : start + cut])
        settle()
        ends.append([
            (one["trip_id"].split(".")[0], one["fare_fen"], one["subsidy_fen"], one["outcome"])
            for one in sorted(ride.own_trips(), key=lambda one: one["trip_id"])
        ])  # fmt: skip

    ends: list[Any] = []
    check()
    assert all(end == ends[0] for end in ends)
    assert [one[0] for one in ends[0]] == ["T0", "T2", "T3", "T4", "T5", "T6", "T9"]


def _moved(row: Mapping[str, Any], template: Ride, ride: Ride) -> dict[str, Any]:
    """The same times after another beginning."""
    by = ride.begun_at - template.begun_at
    return {
        name: (datetime.fromisoformat(row[name]) + by).isoformat()
        for name in ("tap_in_at", "tap_out_at") if name in row
    }  # fmt: skip

"""What the public page of a merchant counts as served, whatever the merchant gives."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.complaints import pages
from app.transit import settling
from tests.library.reading_room import open_library, publish_figures
from tests.redemptions.builders import API, make_citizen, make_clerk, publish_library
from tests.redemptions.offline_town import (
    chained,
    code_of,
    database_now,
    enrolled,
    make_scanner,
    publish_keys,
    signed,
    synced,
)
from tests.redemptions.test_offline_uploads import standings, upload
from tests.service_orders.shop import make_shop
from tests.transit.test_trips import make_ride
from tests.transit.town import make_company


@pytest.fixture(autouse=True)
def few_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "SERVED_SHOWN_FROM", 1)


def served(client: FlaskClient, merchant_id: UUID) -> int | None:
    page: dict[str, Any] = client.get(f"{API}/public/merchants/{merchant_id}").get_json()
    count: int | None = page["served_count"]
    return count


def test_a_use_off_line_is_counted_as_one_on_line_is(
    app: Flask, client: FlaskClient, tmp_path: Path
) -> None:
    library = publish_library(app, offline_allowed=True)
    clerk, citizen = make_clerk(app, takes=(library,)), make_citizen(app)
    publish_keys(app)
    assert served(client, clerk.merchant_id) is None
    gate = make_scanner(app, clerk, tmp_path)
    synced(app, gate)
    assert gate.scan(code_of(client, citizen, citizen.claimed(client, library))).accepted
    synced(app, gate)
    assert served(client, clerk.merchant_id) == 1
    shown = citizen.voucher_code(client, citizen.claimed(client, library))
    assert clerk.redeem(client, code=shown).status_code == 200
    assert served(client, clerk.merchant_id) == 2


def test_a_voucher_that_was_taken_off_line_and_on_line_is_counted_once(
    app: Flask, client: FlaskClient
) -> None:
    library = publish_library(app, offline_allowed=True)
    on_line, off_line = (make_clerk(app, takes=(library,)) for _ in range(2))
    publish_keys(app)
    citizen = make_citizen(app)
    voucher_id = citizen.claimed(client, library)
    code, scanned_at = code_of(client, citizen, voucher_id), database_now(app)
    shown = citizen.voucher_code(client, voucher_id)
    assert on_line.redeem(client, code=shown).status_code == 200
    assert served(client, on_line.merchant_id) == 1
    device_id, key = enrolled(app, off_line)
    records = chained(device_id, [(code, scanned_at)])
    answer = upload(app, device_id, signed(device_id, key, records, 1))
    assert standings(answer) == [("counted", None)]
    assert served(client, on_line.merchant_id) is None
    assert served(client, off_line.merchant_id) == 1


def test_an_order_is_counted_from_its_beginning(app: Flask, client: FlaskClient) -> None:
    shop = make_shop(app)
    shop.ordered()
    assert served(client, shop.clerk.merchant_id) is None
    shop.started()
    assert served(client, shop.clerk.merchant_id) == 1


def test_trips_are_counted_when_they_are_settled(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ride = make_ride(app, make_company(app))
    ride.told(ride.row(), ride.row(30))
    assert served(client, ride.company.merchant_id) is None
    monkeypatch.setattr(settling, "SETTLED_AFTER", -timedelta(days=30))
    with app.app_context():
        while settling.settle_due_days(limit=100):
            pass
    assert served(client, ride.company.merchant_id) == 2


def test_a_librarys_standing_waivers_are_counted(app: Flask, client: FlaskClient) -> None:
    publish_figures(app)
    library = open_library(app, client)
    holder = make_citizen(app, tier="AAA", consents=("library",))
    library.registered(holder)
    assert served(client, library.clerk.merchant_id) == 1

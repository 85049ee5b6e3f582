"""Q5, Q9: a voucher's offline code is signed with its row, drawn small, and nothing else is."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
import zxingcpp
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import text

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.redemptions import qr
from app.redemptions.offline_issuing import _person_tags
from app.redemptions.offline_lists import voucher_key
from integrity_card_scanner.envelope import PublicKey
from integrity_card_scanner.vouchers import ReadCode, merchant_tag, read_code
from tests.integrity_card_scanner.made_up import a_voucher
from tests.redemptions.builders import (
    API,
    Citizen,
    keys_of,
    make_citizen,
    make_clerk,
    publish_benefit,
    publish_library,
)
from tests.redemptions.offline_town import publish_keys


@pytest.fixture(autouse=True)
def keys_published(request: pytest.FixtureRequest) -> None:
    name = "committing_app" if "committing_app" in request.fixturenames else "app"
    publish_keys(request.getfixturevalue(name))


def shown(client: FlaskClient, citizen: Citizen, voucher_id: UUID) -> tuple[int, dict[str, Any]]:
    answer = client.post(
        f"{API}/me/vouchers/{voucher_id}/offline-code", headers=citizen.headers
    )
    return answer.status_code, answer.get_json()


def opened(app: Flask, code: str) -> ReadCode:
    with app.app_context():
        public = voucher_key(keys_of(app)).public

    def find(kid: bytes) -> PublicKey | None:
        return public if kid == public.kid else None

    return read_code(code, find)


def test_a_code_is_signed_filed_and_readable(app: Flask, client: FlaskClient) -> None:
    library = publish_library(app, offline_allowed=True)
    clerk = make_clerk(app, takes=(library,))
    citizen = make_citizen(app, tier="AA", consents=("library",))
    voucher_id = citizen.claimed(client, library)
    status, answer = shown(client, citizen, voucher_id)
    assert status == 200, answer
    read = opened(app, answer["code"])
    assert read.voucher.benefit_code == library
    assert read.voucher.value == {"books": 20, "deposit_waived": False}
    assert read.voucher.scope == (merchant_tag(clerk.merchant_id),)
    assert read.voucher.expires_at == datetime.fromisoformat(answer["expires_at"])
    assert read.voucher.expires_at - read.voucher.not_before_at <= timedelta(hours=24)
    with app.app_context(), transaction() as session:
        row = session.execute(
            text(
                "SELECT citizen_id, voucher_id, reference FROM offline_issues"
                " WHERE code_digest = :digest"
            ),
            {"digest": read.digest},
        ).one()
    assert (row.citizen_id, row.voucher_id) == (citizen.citizen_id, voucher_id)
    assert row.reference == read.voucher.reference
    assert str(citizen.citizen_id) not in repr(read.voucher)
    picture = Image.open(io.BytesIO(qr.qr_png(answer["code"])))
    found = zxingcpp.read_barcodes(
        np.asarray(picture.convert("L")),
        formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode),
    )
    assert [one.text for one in found] == [answer["code"]]
    assert len(qr.qr_matrix(answer["code"])) - 2 * qr.QUIET_ZONE_MODULES <= 17 + 4 * 10


def test_the_same_code_is_shown_again(app: Flask, client: FlaskClient) -> None:
    library = publish_library(app, offline_allowed=True)
    citizen = make_citizen(app)
    voucher_id = citizen.claimed(client, library)
    assert shown(client, citizen, voucher_id) == shown(client, citizen, voucher_id)


def test_a_code_is_replaced_in_the_second_half_of_its_life(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    app, client = committing_app, committing_app.test_client()
    library = publish_library(app, offline_allowed=True, voucher_life_seconds=864_000)
    citizen = make_citizen(app)
    voucher_id = citizen.claimed(client, library)
    first = shown(client, citizen, voucher_id)[1]
    admin.execute(
        "UPDATE offline_issues SET not_before_at = not_before_at - interval '13 hours',"
        " expires_at = expires_at - interval '13 hours'"
    )
    second = shown(client, citizen, voucher_id)[1]
    assert second["code"] != first["code"]
    references = {opened(app, one["code"]).voucher.reference for one in (first, second)}
    assert len(references) == 1  # a device knows the voucher again


def test_what_may_not_go_off_line_gets_no_code(app: Flask, client: FlaskClient) -> None:
    citizen = make_citizen(app, points=100)
    kinds: list[dict[str, Any]] = [
        {}, {"price_points": 10}, {"stock": 5},
    ]  # fmt: skip
    for facts in kinds:
        voucher_id = citizen.claimed(client, publish_benefit(app, **facts))
        status, problem = shown(client, citizen, voucher_id)
        assert (status, problem["type"].rpartition("/")[2]) == (409, "offline_not_allowed"), facts


def test_a_finished_voucher_gets_no_code(app: Flask, client: FlaskClient) -> None:
    library = publish_library(app, offline_allowed=True)
    clerk = make_clerk(app, takes=(library,))
    citizen = make_citizen(app)
    voucher_id = citizen.claimed(client, library)
    assert shown(client, citizen, voucher_id)[0] == 200
    assert clerk.redeem(client, code=citizen.voucher_code(client, voucher_id)).status_code == 200
    assert shown(client, citizen, voucher_id)[0] == 409


def test_tags_of_persons_do_not_join_days(app: Flask, client: FlaskClient) -> None:
    library = publish_library(app, offline_allowed=True)
    citizen, other = make_citizen(app), make_citizen(app)
    tags = [
        opened(app, shown(client, who, who.claimed(client, library))[1]["code"]).voucher.person_tag
        for who in (citizen, citizen, other)
    ]
    assert tags[0] == tags[1] != tags[2]


def test_q6_codes_of_two_days_share_the_tag_of_the_day_they_are_used_on(app: Flask) -> None:
    evening = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)  # eleven at night in the city
    citizen, day = new_id(), timedelta(hours=24)
    moments = [evening, evening + timedelta(hours=2), evening + timedelta(hours=10)]
    codes = [
        a_voucher(not_before_at=begun, expires_at=begun + day, person_tag=_person_tags(
            keys_of(app), citizen, begun, begun + day))
        for begun in moments
    ]  # fmt: skip
    used = moments[2]
    assert len({code.tag_on(used) for code in codes}) == 1
    assert codes[0].tag_on(evening) != codes[0].tag_on(used)
    short = _person_tags(keys_of(app), citizen, evening, evening + timedelta(hours=1))
    assert short == codes[0].tag_on(evening)  # its life ends at midnight: one tag


def test_nothing_can_change_the_ledger_of_issues(admin: psycopg.Connection[Any]) -> None:
    # The worker deletes what is past its time, and changes nothing.
    for role, acts in (("card_web", "UPDATE, DELETE"), ("card_job", "UPDATE")):
        rights = (role, "offline_issues", acts)
        found = admin.execute("SELECT has_table_privilege(%s, %s, %s)", rights).fetchone()
        assert found == (False,)

"""Half fare for honoured people: it comes from a record, goes with it, and asks for no score."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from flask import Flask

from app.kernel.database import transaction
from app.members.sessions import open_citizen_session
from app.redemptions.offline_lists import voucher_keys_ever
from app.transit import files
from integrity_card_scanner.vouchers import read_code
from tests.records.programme import Programme, build_programme
from tests.redemptions.builders import Citizen, give_consent, keys_of, set_tier, staff_tokens
from tests.redemptions.offline_town import offline_code, publish_keys
from tests.service_orders.shop import done
from tests.transit.town import Company, make_company

HALF_FARE = {"record_type": "honours", "items": ["省级", "三等功"], "value": {"price_percent": 50}}


@pytest.fixture
def programme(app: Flask) -> Programme:
    return build_programme(app)


@pytest.fixture
def company(app: Flask, programme: Programme) -> Company:
    values = {"baseline": {"price_percent": 100}, "A": {"price_percent": 80}}
    return make_company(app, values=values, honour=[HALF_FARE], offline_allowed=True)


def deliver_honour(
    programme: Programme, level: str, *, version: int = 1, status: str = "有效"
) -> None:
    """What the department says of the first person's honour."""
    person = programme.people[0]
    report = programme.deliver("honours", [
        "RY-0001", str(version), status, person.name, person.id_number, level, "见义勇为先进个人",
        "市人民政府", "2026-05-02", "",
    ])  # fmt: skip
    assert report.refused_count == 0, report.refused_by_reason


def rider_of(app: Flask, programme: Programme, at: int = 0) -> Citizen:
    """A person of the programme, signed in, with both consents."""
    citizen_id = programme.citizens[at]
    with app.app_context():
        for purpose in ("transit", "transit_location"):
            give_consent(app, citizen_id, purpose)
        with transaction() as session:
            opened = open_citizen_session(session, citizen_id=citizen_id)
        return Citizen(citizen_id, opened.session_id, staff_tokens(opened))


def filed(company: Company) -> dict[str, int]:
    """What the operator's next file says, by account."""
    with company.app.app_context():
        sequence = files.make_files(merchant_id=company.merchant_id)
    listed = done(company.get("/transit/files"))["files"]
    (part,) = (one for one in listed if (one["kind"], one["sequence"]) == ("full", sequence))
    content = company.get(f"/transit/files/{part['file_id']}.jsonl").data
    lines = [orjson.loads(line) for line in content.splitlines()[1:]]
    return {line["account_id"]: line["price_percent"] for line in lines}


def test_who_is_honoured_rides_for_half_on_line_off_line_and_in_the_file(
    app: Flask, programme: Programme, company: Company
) -> None:
    publish_keys(app)
    rider, other = rider_of(app, programme), rider_of(app, programme, 1)
    assert company.opened_by(rider).get_json()["price_percent"] == 100
    deliver_honour(programme, "三等功")
    set_tier(app, other.citizen_id, "A")
    account_id, others = company.account_of(rider), company.account_of(other)
    assert done(company.ask(account_id=account_id))["price_percent"] == 50
    assert filed(company) == {str(account_id): 50, str(others): 80}
    with app.app_context():
        known: Any = voucher_keys_ever(keys_of(app))
    code = offline_code(company.client, rider, company.benefit_code)
    assert read_code(code, known.get).voucher.value["price_percent"] == 50


def test_it_ends_with_its_record_and_never_below_what_the_score_gives(
    app: Flask, programme: Programme, company: Company
) -> None:
    """R5, L15: a source takes its record back; what was ridden until then stays."""
    rider = rider_of(app, programme)
    set_tier(app, rider.citizen_id, "A")
    deliver_honour(programme, "省级")
    account_id = company.account_of(rider)
    assert done(company.ask(account_id=account_id))["price_percent"] == 50
    deliver_honour(programme, "省级", version=2, status="作废")
    set_tier(app, rider.citizen_id, "A")
    assert done(company.ask(account_id=account_id))["price_percent"] == 80
    assert filed(company) == {str(account_id): 80}


def test_an_honour_that_is_not_listed_changes_nothing(
    app: Flask, programme: Programme, company: Company
) -> None:
    rider = rider_of(app, programme)
    deliver_honour(programme, "单位级")
    assert done(company.ask(account_id=company.account_of(rider)))["price_percent"] == 100

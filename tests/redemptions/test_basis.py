"""R19: whatever a shop is told has a line, and the line names the consent it rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.members.queries import consent_basis
from tests.redemptions.builders import (
    API,
    Citizen,
    give_consent,
    make_citizen,
    make_clerk,
    publish_benefit,
    publish_library,
)
from tests.redemptions.offline_town import code_of, make_scanner, publish_keys, synced

PARKING = {"kind": "ticket", "consent_purpose": "parking"}


def lines_of(client: FlaskClient, citizen: Citizen) -> list[dict[str, Any]]:
    """Of shops, the newest first."""
    answer = client.get(f"{API}/me/trail", headers=citizen.headers).get_json()
    return [one for one in answer["lines"] if one["actor_kind"] == "clerk"]


def take_back(client: FlaskClient, citizen: Citizen, purpose: str) -> None:
    body = {"purpose": purpose}
    answer = client.post(f"{API}/me/consents/withdrawals", json=body, headers=citizen.headers)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("consents", "basis"), [(("parking",), "parking v1"), ((), "membership v1")]
)
def test_r19_a_voucher_shown_and_redeemed_names_what_allowed_its_value(
    app: Flask, client: FlaskClient, consents: tuple[str, ...], basis: str
) -> None:
    citizen = make_citizen(app, tier="AA", consents=consents)
    benefit = publish_benefit(app, **PARKING)
    clerk = make_clerk(app, takes=(benefit,))
    voucher_id = citizen.claimed(client, benefit)
    if consents:
        take_back(client, citizen, "parking")  # what it gave was allowed when it was claimed
    code = citizen.voucher_code(client, voucher_id)
    shown = clerk.preview(client, code=code)
    assert shown.get_json()["benefit_code"] == benefit
    assert clerk.redeem(client, code=code).status_code == 200
    lines = lines_of(client, citizen)
    assert [(one["action"], one["fields"], one["basis"]) for one in lines] == [
        ("redeem", ["voucher"], basis), ("preview", ["voucher"], basis),
    ]
    assert "您同意的《" in lines[0]["told"]
    assert "》（第1版）" in lines[0]["told"]


def test_r19_a_voucher_without_a_purpose_rests_on_membership(
    app: Flask, client: FlaskClient
) -> None:
    citizen = make_citizen(app, tier="AA", consents=("parking",))
    benefit = publish_benefit(app)
    clerk = make_clerk(app, takes=(benefit,))
    code = citizen.voucher_code(client, citizen.claimed(client, benefit))
    assert clerk.redeem(client, code=code).status_code == 200
    assert [one["basis"] for one in lines_of(client, citizen)] == ["membership v1"]


def test_r19_a_preview_of_a_person_names_each_consent_behind_what_it_tells(
    app: Flask, client: FlaskClient
) -> None:
    citizen = make_citizen(app, tier="AA", consents=("parking", "library"))
    parking, plain = publish_benefit(app, **PARKING), publish_benefit(app)
    clerk = make_clerk(app, takes=(parking, plain, publish_library(app)))
    for _ in range(2):
        assert clerk.preview(client, code=citizen.pass_code(client)).status_code == 200
        take_back(client, citizen, "library")
    citizen.claimed(client, parking)
    take_back(client, citizen, "parking")
    assert clerk.preview(client, code=citizen.pass_code(client)).status_code == 200
    lines = lines_of(client, citizen)
    assert [one["basis"] for one in lines] == [
        "membership v1, parking v1",  # by the voucher in the wallet
        "membership v1, parking v1",
        "library v1, membership v1, parking v1",
    ]
    assert lines[2]["told"].count("》（第1版）") == 3


def test_r19_a_scan_without_a_network_names_it_too(
    app: Flask, client: FlaskClient, tmp_path: Path
) -> None:
    publish_keys(app)
    library = publish_library(app, offline_allowed=True)
    clerk = make_clerk(app, takes=(library,))
    citizen = make_citizen(app, tier="AAA", consents=("library",))
    code = code_of(client, citizen, citizen.claimed(client, library))
    gate = make_scanner(app, clerk, tmp_path)
    synced(app, gate)
    assert gate.scan(code).accepted
    synced(app, gate)
    assert [(one["action"], one["basis"]) for one in lines_of(client, citizen)] == [
        ("redeem_offline", "library v1")
    ]


def test_r19_a_consent_is_named_by_the_version_that_allowed_it(
    app: Flask, client: FlaskClient
) -> None:
    citizen = make_citizen(app, consents=("parking",))
    who = citizen.citizen_id

    def named(*purposes: str) -> str:
        return consent_basis(citizen_id=who, purposes=purposes)

    with app.app_context():
        assert named() == "membership v1"
        assert named("parking", "library") == "parking v1, membership v1"
        take_back(client, citizen, "parking")
        assert named("parking") == "membership v1"
        give_consent(app, who, "parking")
        assert named("parking") == "parking v1"

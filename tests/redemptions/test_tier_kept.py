"""Nobody loses a tier in the middle of a benefit: a voucher keeps what its claim promised."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from app.scoring.operations import refresh_scores
from app.scoring.queries import current_tier
from demo.load import prepare_programme
from tests.redemptions.builders import LIBRARY_VALUES, make_citizen, make_clerk, publish_library


def test_a_voucher_claimed_at_a_tier_keeps_its_value_when_the_tier_is_lost(
    app: Flask, client: FlaskClient
) -> None:
    prepare_programme()
    library = publish_library(app)
    citizen = make_citizen(app, tier="AAA", consents=("library",))
    clerk = make_clerk(app, takes=(library,))
    voucher_id = citizen.claimed(client, library)
    refresh_scores()  # midnight: the records behind the tier are past their validity
    assert current_tier(citizen.citizen_id) is None

    shown = clerk.preview(client, code=citizen.voucher_code(client, voucher_id)).get_json()
    assert shown["value"] == LIBRARY_VALUES["AAA"]
    redeemed = clerk.redeem(client, code=citizen.voucher_code(client, voucher_id))
    assert redeemed.status_code == 200, redeemed.get_json()
    assert redeemed.get_json()["value"] == LIBRARY_VALUES["AAA"]

    # What is claimed from now on is the baseline, which everybody gets.
    later = citizen.claimed(client, library)
    redeemed = clerk.redeem(client, code=citizen.voucher_code(client, later))
    assert redeemed.get_json()["value"] == LIBRARY_VALUES["baseline"]

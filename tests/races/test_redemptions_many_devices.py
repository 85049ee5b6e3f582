"""S21: one person with many devices, or one code at many counters, gets what one device gets."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial

from flask import Flask

from app.kernel.database import transaction
from app.ledger import queries as ledger
from app.members.sessions import open_citizen_session
from tests.races.threads import at_once
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    Citizen,
    make_citizen,
    make_clerk,
    publish_benefit,
    staff_tokens,
)
from tests.redemptions.checks import assert_redemptions_agree

DEVICES = 100
LIMITS = [{"count": 2, "period": "day"}, {"count": 3, "period": "ever"}]
# The negative control is test_without_the_wallets_lock_the_limit_is_passed, in the race beside.


def on_another_device(app: Flask, person: Citizen) -> Citizen:
    """The same person, signed in once more."""
    with app.app_context():
        with transaction() as session:
            opened = open_citizen_session(session, citizen_id=person.citizen_id)
        return replace(person, session_id=opened.session_id, headers=staff_tokens(opened))


def test_s21_a_hundred_devices_claim_and_redeem_as_one(committing_app: Flask) -> None:
    app = committing_app
    benefit = publish_benefit(app, price_points=10, claim_limits=LIMITS)
    person = make_citizen(app, points=1_000)
    devices = [on_another_device(app, person) for _ in range(DEVICES)]
    claimed = at_once([partial(device.claim, app.test_client(), benefit) for device in devices])
    told = Counter(outcome(answer)[1] for answer in claimed)
    assert told[""] == 2
    assert set(told) <= {"", "claim_limit_reached", "too_many_requests", "busy"}
    with app.app_context():
        assert ledger.balance(citizen_id=person.citizen_id).held_points == 20
    voucher_id = next(
        answer.get_json()["voucher_id"] for answer in claimed if answer.status_code == 200
    )
    clerk = make_clerk(app, takes=(benefit,))
    code = person.voucher_code(app.test_client(), voucher_id)
    answers = at_once(
        [partial(clerk.redeem, app.test_client(), code=code) for _ in range(DEVICES)]
    )
    scanned = Counter(outcome(answer)[1] for answer in answers)
    assert scanned[""] == 1
    assert set(scanned) <= {"", "already_redeemed", "busy"}
    with app.app_context():
        assert_redemptions_agree()

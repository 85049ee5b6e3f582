"""The places of a slot under many claims at once: never more than there are."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import psycopg
from flask import Flask

from tests.benefits.test_slots import DAYS, claim_slot, publish_slots, slots_on
from tests.conftest import Sized
from tests.races.test_benefits_stock import BUSY
from tests.races.threads import at_once, changed_function, meeting
from tests.redemptions.answers import outcome
from tests.redemptions.builders import Citizen, make_citizen
from tests.redemptions.checks import assert_redemptions_agree

TAKE_SLOT = "benefit_take_slot(uuid, timestamptz)"
# Somebody who looks whether there is a place and then takes one, without asking the row again.
LOOK_THEN_TAKE = {
    "WHERE s.taken_count < b.slot_capacity;": ";",
    "IF left_now = 0 THEN": "PERFORM race_meet(4); IF left_now = 0 THEN",
}


def claimed_at_once(app: Flask, benefit: str, clients: int, tries: int) -> Counter[str]:
    [slot] = slots_on(app.test_client(), benefit)

    def claimed_by(citizen: Citizen) -> Counter[str]:
        client, outcomes = app.test_client(), Counter[str]()
        for _ in range(tries):
            answer = claim_slot(client, citizen, benefit, slot["begins_at"])
            while answer.status_code == BUSY:
                answer = claim_slot(client, citizen, benefit, slot["begins_at"])
            outcomes[outcome(answer)[1]] += 1
        return outcomes

    people = [make_citizen(app) for _ in range(clients)]
    return sum(at_once([partial(claimed_by, one) for one in people]), Counter[str]())


def test_s23_a_slot_is_never_claimed_beyond_its_places(
    committing_app: Flask, sized: Sized
) -> None:
    clients, tries = sized(ci=16, full=64), sized(ci=5, full=25)
    capacity = clients * 2 - 1
    benefit = publish_slots(committing_app, slots={**DAYS, "capacity": capacity})
    outcomes = claimed_at_once(committing_app, benefit, clients, tries)
    assert outcomes == {"": capacity, "slot_full": clients * tries - capacity}
    assert slots_on(committing_app.test_client(), benefit)[0]["left_count"] == 0
    with committing_app.app_context():
        assert_redemptions_agree()


def test_who_looks_before_taking_gives_more_than_there_is(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    benefit = publish_slots(committing_app, slots={**DAYS, "capacity": 1})
    with meeting(admin), changed_function(admin, TAKE_SLOT, LOOK_THEN_TAKE):
        outcomes = claimed_at_once(committing_app, benefit, 4, 1)
    assert outcomes[""] > 1

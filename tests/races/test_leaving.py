"""Withdrawals while clerks redeem: nothing begins after a withdrawal was acknowledged (R4)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.kernel.database import transaction
from app.members.models import Citizen as CitizenRow
from tests.conftest import Sized
from tests.library.reading_room import publish_figures
from tests.races.threads import at_once, changed_function
from tests.redemptions.builders import (
    API,
    Citizen,
    Clerk,
    make_citizen,
    make_clerk,
    publish_benefit,
)
from tests.redemptions.checks import assert_redemptions_agree

HOLDER = "redemption_holder_refusal(uuid, text, timestamptz, uuid, timestamptz)"
CONSENTS = "citizen_consent_state(uuid, text)"
VOUCHERS = 2


@dataclass
class Seen:
    """When withdrawals were acknowledged, and when redemptions that were taken had begun."""

    acknowledged: dict[UUID, float] = field(default_factory=dict)
    begun: list[tuple[UUID, float]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def too_late(self) -> list[UUID]:
        return [who for who, at in self.begun if at > self.acknowledged.get(who, at)]


def leave(app: Flask, who: Citizen) -> None:
    answer = app.test_client().post(
        f"{API}/me/leave", json={"confirmed": True}, headers=who.headers
    )
    assert answer.status_code == 200, answer.get_json()


def only_say_so(app: Flask, who: Citizen) -> None:
    """A membership that ends on paper: no code and no voucher ends with it."""
    with app.app_context(), transaction() as session:
        session.get_one(CitizenRow, who.citizen_id).status = "left"


def storm(app: Flask, people: int, clients: int, go: Callable[[Flask, Citizen], None]) -> Seen:
    benefit = publish_benefit(app)
    clerks = [make_clerk(app, takes=(benefit,)) for _ in range(clients)]
    client, seen = app.test_client(), Seen()
    citizens = [make_citizen(app, consents=("membership",)) for _ in range(people)]
    codes = [
        (who, who.voucher_code(client, who.claimed(client, benefit)))
        for who in citizens for _ in range(VOUCHERS)
    ]
    shares = [codes[at::clients] for at in range(clients)]
    leavers = [citizens[at::4] for at in range(4)]
    at_once([
        *(partial(_redeem, app, clerk, share, seen) for clerk, share in
          zip(clerks, shares, strict=True)),
        *(partial(_leave, app, share, seen, go) for share in leavers),
    ])  # fmt: skip
    _redeem(app, clerks[0], codes, seen)  # and once more when all is over
    return seen


def _redeem(app: Flask, clerk: Clerk, share: list[tuple[Citizen, str]], seen: Seen) -> None:
    client = app.test_client()
    for who, code in random.sample(share, len(share)):
        begun = time.monotonic()
        if clerk.redeem(client, code=code).status_code == 200:
            with seen.lock:
                seen.begun.append((who.citizen_id, begun))


def _leave(
    app: Flask, share: list[Citizen], seen: Seen, go: Callable[[Flask, Citizen], None]
) -> None:
    for who in share:
        go(app, who)
        with seen.lock:
            seen.acknowledged[who.citizen_id] = time.monotonic()


def test_r4_no_redemption_begins_after_a_withdrawal(committing_app: Flask, sized: Sized) -> None:
    seen = storm(
        committing_app, people=sized(ci=40, full=1_000), clients=sized(ci=6, full=32), go=leave
    )
    assert len(seen.acknowledged) == sized(ci=40, full=1_000)
    assert seen.begun, "some clerks were faster"
    assert seen.too_late() == []
    with committing_app.app_context():
        assert_redemptions_agree()


def withdraw(app: Flask, who: Citizen) -> None:
    answer = app.test_client().post(
        f"{API}/me/consents/withdrawals", json={"purpose": "library"}, headers=who.headers
    )
    assert answer.status_code == 200, answer.get_json()


def storm_of_consents(app: Flask, people: int, clients: int) -> Seen:
    """Desks of libraries ask while readers take back the consent to tell their tier.

    Everybody goes on getting the baseline; an answer with a tier uses the score.
    """
    publish_figures(app)
    clerks = [make_clerk(app, takes=("reading", "childrens_books")) for _ in range(clients)]
    seen = Seen()
    readers = [
        make_citizen(app, tier="AAA", consents=("membership", "library")) for _ in range(people)
    ]
    at_once([
        *(partial(_lend, app, clerk, readers[at::clients], seen)
          for at, clerk in enumerate(clerks)),
        *(partial(_leave, app, readers[at::4], seen, withdraw) for at in range(4)),
    ])  # fmt: skip
    for at, clerk in enumerate(clerks):  # and once more when all is over
        _lend(app, clerk, readers[at::clients], seen)
    return seen


def _lend(app: Flask, clerk: Clerk, readers: list[Citizen], seen: Seen) -> None:
    client = app.test_client()
    for who in random.sample(readers, len(readers)):
        body = {"shop_id": str(clerk.shop_id), "code": who.pass_code(client)}
        begun = time.monotonic()
        answer = client.post(f"{API}/library/standing", json=body, headers=clerk.headers)
        assert answer.status_code == 200, answer.get_json()
        if answer.get_json()["tier"] is not None:
            with seen.lock:
                seen.begun.append((who.citizen_id, begun))


def test_r4_no_use_of_a_score_begins_after_its_consent_was_withdrawn(
    committing_app: Flask, sized: Sized
) -> None:
    people = sized(ci=40, full=1_000)
    seen = storm_of_consents(committing_app, people, clients=sized(ci=6, full=32))
    assert len(seen.acknowledged) == people
    assert seen.begun, "some clerks were faster"
    assert seen.too_late() == []
    with committing_app.app_context():
        assert_redemptions_agree()


@pytest.mark.parametrize("is_checked", [True, False])
def test_without_the_look_at_the_last_decision_it_does(
    committing_app: Flask, admin: psycopg.Connection[Any], is_checked: bool  # noqa: FBT001
) -> None:
    unchecked = {"IF last.decision <> 'given' THEN RETURN last.decision; END IF;": ""}
    change = nullcontext() if is_checked else changed_function(admin, CONSENTS, unchecked)
    with change:
        seen = storm_of_consents(committing_app, people=6, clients=2)
    assert (seen.too_late() == []) == is_checked


@pytest.mark.parametrize("is_checked", [True, False])
def test_without_the_check_of_the_holder_they_do(
    committing_app: Flask, admin: psycopg.Connection[Any], is_checked: bool  # noqa: FBT001
) -> None:
    unchecked = {"WHEN NOT citizen_is_active(citizen) THEN 'card_inactive'": "WHEN false THEN ''"}
    change = nullcontext() if is_checked else changed_function(admin, HOLDER, unchecked)
    with change:
        seen = storm(committing_app, people=6, clients=2, go=only_say_so)
    assert (seen.too_late() == []) == is_checked

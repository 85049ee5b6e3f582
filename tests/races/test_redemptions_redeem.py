"""Many scans at once: one effect, the same answers, and one ending for every voucher."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.kernel.ids import new_id
from app.redemptions.queries import verify
from app.redemptions.vouchers import expire_due_vouchers
from tests.conftest import Sized
from tests.ledger.people import wait_until
from tests.races.threads import at_once, changed_function, meeting, meeting_before_writes
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    Citizen,
    Clerk,
    make_citizen,
    make_clerk,
    publish_benefit,
)
from tests.redemptions.checks import assert_redemptions_agree

REDEEM = (
    "redemption_redeem(uuid, uuid, uuid, uuid, uuid, bytea, text, text, bytea, timestamptz, uuid,"
    " text, uuid, text, uuid, uuid, uuid, text)"
)
LOOKED = "IF refusal_code IS NULL AND held.hold_id IS NOT NULL THEN"
RACERS = 6


def without_lock(pause: str) -> dict[str, str]:
    """What to change so that everybody looks, pauses, and then writes."""
    return {
        "PERFORM FROM voucher_wallets w WHERE w.citizen_id = citizen FOR UPDATE;": "",
        LOOKED: f"PERFORM {pause}; {LOOKED}",
    }


@contextmanager
def without_the_keys(admin: psycopg.Connection[Any]) -> Iterator[None]:
    """Endings and redemptions may stand there twice."""
    admin.execute(
        "ALTER TABLE annulments DROP CONSTRAINT fk_annulments__citizen_id_voucher_id;"
        "ALTER TABLE redemptions DROP CONSTRAINT pk_redemptions;"
        "ALTER TABLE voucher_endings DROP CONSTRAINT pk_voucher_endings"
    )
    try:
        yield
    finally:
        admin.execute(
            "TRUNCATE annulments, redemptions, voucher_endings;"
            "ALTER TABLE voucher_endings ADD CONSTRAINT pk_voucher_endings"
            "  PRIMARY KEY (citizen_id, voucher_id);"
            "ALTER TABLE redemptions ADD CONSTRAINT pk_redemptions"
            "  PRIMARY KEY (citizen_id, voucher_id);"
            "ALTER TABLE annulments ADD CONSTRAINT fk_annulments__citizen_id_voucher_id FOREIGN KEY"
            "  (citizen_id, voucher_id) REFERENCES redemptions (citizen_id, voucher_id)"
        )


def counted(admin: psycopg.Connection[Any], table: str) -> int:
    row = admin.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


def outcomes(answers: list[TestResponse]) -> Counter[str]:
    return Counter(outcome(answer)[1] for answer in answers)


def a_scene(app: Flask, **facts: Any) -> tuple[Citizen, Clerk, str]:
    """A citizen with points, a clerk, and a benefit that the clerk's merchant takes."""
    benefit = publish_benefit(app, **{"price_points": 60, **facts})
    return make_citizen(app, points=60), make_clerk(app, takes=(benefit,)), benefit


@pytest.mark.parametrize("kind", ["voucher", "pass"])
def test_one_id_sent_many_times_has_one_effect_and_one_answer(
    committing_app: Flask, admin: psycopg.Connection[Any], kind: str
) -> None:
    one_id_many_times(committing_app, admin, kind, 20)


def test_two_hundred_calls_with_one_id(
    committing_app: Flask, admin: psycopg.Connection[Any], sized: Sized
) -> None:
    one_id_many_times(committing_app, admin, "voucher", sized(ci=40, full=200))


def one_id_many_times(app: Flask, admin: psycopg.Connection[Any], kind: str, calls: int) -> None:
    citizen, clerk, benefit = a_scene(app)
    client = app.test_client()
    voucher_id = citizen.claimed(client, benefit)
    code = (
        citizen.pass_code(client) if kind == "pass" else citizen.voucher_code(client, voucher_id)
    )
    redemption_id = new_id()
    answers = at_once(
        [partial(clerk.redeem, app.test_client(), redemption_id, code=code) for _ in range(calls)]
    )
    served = [answer for answer in answers if answer.status_code != 503]  # the pool is small
    assert {(answer.status_code, answer.data) for answer in served} == {(200, served[0].data)}
    assert counted(admin, "redemptions") == counted(admin, "redemption_attempts") == 1
    with app.app_context():
        assert_redemptions_agree()


def test_one_id_with_other_bodies_has_one_effect(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    citizen, clerk, benefit = a_scene(committing_app, price_points=10)
    client = committing_app.test_client()
    codes = [
        citizen.voucher_code(client, citizen.claimed(client, benefit)) for _ in range(RACERS)
    ]
    redemption_id = new_id()
    answers = at_once(
        [
            partial(clerk.redeem, committing_app.test_client(), redemption_id, code=code)
            for code in codes
        ]
    )
    assert outcomes(answers) == {"": 1, "id_reused": RACERS - 1}
    assert counted(admin, "redemptions") == 1


def race_of_ids(app: Flask) -> list[TestResponse]:
    citizen, clerk, benefit = a_scene(app)
    client = app.test_client()
    code = citizen.voucher_code(client, citizen.claimed(client, benefit))
    return at_once([partial(clerk.redeem, app.test_client(), code=code) for _ in range(RACERS)])


def test_of_many_ids_one_wins_and_the_others_are_told(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    answers = race_of_ids(committing_app)
    assert outcomes(answers) == {"": 1, "already_redeemed": RACERS - 1}
    assert counted(admin, "redemptions") == 1
    with committing_app.app_context():
        assert_redemptions_agree()


def test_without_lock_and_keys_a_voucher_is_redeemed_twice(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    unlocked = without_lock("race_meet(3)")
    with without_the_keys(admin), meeting(admin), changed_function(admin, REDEEM, unlocked):
        citizen, clerk, free = a_scene(committing_app, price_points=0)
        client = committing_app.test_client()
        code = citizen.voucher_code(client, citizen.claimed(client, free))
        answers = at_once(
            [partial(clerk.redeem, committing_app.test_client(), code=code) for _ in range(3)]
        )
        assert outcomes(answers)[""] > 1
        assert counted(admin, "redemptions") > 1
        with committing_app.app_context():
            assert verify()


def test_without_the_lock_the_keys_still_let_one_win(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    unlocked = without_lock(f"race_meet({RACERS})")
    with meeting(admin), changed_function(admin, REDEEM, unlocked):
        answers = race_of_ids(committing_app)
    assert sum(answer.status_code == 200 for answer in answers) == 1
    assert counted(admin, "redemptions") == 1


def test_a_pass_code_shown_at_two_counters_is_taken_once(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    citizen, clerk, benefit = a_scene(committing_app, price_points=10)
    client = committing_app.test_client()
    for _ in range(3):
        citizen.claimed(client, benefit)
    code = citizen.pass_code(client)
    colleague = make_clerk(committing_app, merchant_id=clerk.merchant_id)
    calls: list[Callable[[], TestResponse]] = [
        partial(who.redeem, committing_app.test_client(), code=code)
        for who in (clerk, colleague) * 2
    ]
    calls += [partial(clerk.preview, committing_app.test_client(), code=code) for _ in range(2)]
    found = outcomes(at_once(calls))
    assert found[""] == 1
    assert set(found) <= {"", "already_redeemed", "code_burnt"}
    assert counted(admin, "redemptions") <= 1


def test_redeem_and_give_back_have_one_winner(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    citizen, clerk, benefit = a_scene(committing_app)
    client = committing_app.test_client()
    for turn in range(5):
        voucher_id = citizen.claimed(client, benefit)
        code = citizen.voucher_code(client, voucher_id)
        redeemed, given_back = at_once(
            [
                partial(clerk.redeem, committing_app.test_client(), code=code),
                partial(citizen.give_back, committing_app.test_client(), voucher_id),
            ]
        )
        assert {redeemed.status_code, given_back.status_code} == {200, 409}
        assert counted(admin, "voucher_endings") == turn + 1
        if redeemed.status_code == 200:
            clerk.annul(client, redeemed.get_json()["receipt"])
    with committing_app.app_context():
        assert_redemptions_agree()


def test_redeem_and_the_sweep_have_one_winner(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    citizen, clerk, benefit = a_scene(committing_app, voucher_life_seconds=1, price_points=10)
    client = committing_app.test_client()
    claimed = [citizen.claim(client, benefit).get_json() for _ in range(4)]
    codes = [citizen.voucher_code(client, voucher["voucher_id"]) for voucher in claimed]

    def sweep() -> int:
        with committing_app.app_context():
            return sum(expire_due_vouchers(limit=10) for _ in range(5))

    def redeem(code: str) -> TestResponse:
        return clerk.redeem(committing_app.test_client(), code=code)

    with committing_app.app_context():
        row = admin.execute("SELECT min(expires_at) FROM vouchers").fetchone()
        assert row is not None
        wait_until(row[0])
    calls: list[Callable[[], Any]] = [sweep, sweep, *(partial(redeem, code) for code in codes)]
    swept_one, swept_two, *answers = at_once(calls)
    won = sum(answer.status_code == 200 for answer in answers)
    with committing_app.app_context():
        late = sum(expire_due_vouchers(limit=10) for _ in range(2))
        assert won + swept_one + swept_two + late == counted(admin, "voucher_endings")
        assert_redemptions_agree()


def test_parallel_claims_keep_the_limit_and_the_stock(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    benefit = publish_benefit(
        committing_app, price_points=10, stock=5, claim_limit={"count": 2, "period": "day"}
    )
    people = [make_citizen(committing_app, points=100) for _ in range(3)]
    answers = at_once(
        [
            partial(person.claim, committing_app.test_client(), benefit)
            for person in itertools.chain.from_iterable(itertools.repeat(people, 3))
        ]
    )
    found = outcomes(answers)
    assert found[""] == 5
    assert set(found) <= {"", "claim_limit_reached", "out_of_stock"}
    row = admin.execute(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM vouchers GROUP BY citizen_id) c"
    ).fetchone()
    assert row == (2,)
    with committing_app.app_context():
        assert_redemptions_agree()


def test_without_the_wallets_lock_the_limit_is_passed(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    benefit = publish_benefit(committing_app, claim_limit={"count": 1, "period": "day"})
    person = make_citizen(committing_app)
    open_lock = {"PERFORM FROM voucher_wallets w WHERE w.citizen_id = citizen FOR UPDATE;": ""}
    client = committing_app.test_client()
    person.give_back(client, person.claimed(client, benefit))  # the wallet is there
    with (
        meeting_before_writes(admin, "vouchers", 3),
        changed_function(admin, "redemption_lock_wallet(uuid)", open_lock),
    ):
        answers = at_once(
            [partial(person.claim, committing_app.test_client(), benefit) for _ in range(3)]
        )
    assert outcomes(answers)[""] > 1

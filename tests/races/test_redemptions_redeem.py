"""Many scans at once: one effect, the same answers, and one ending for every voucher."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.config import Settings
from app.factory import create_app
from app.kernel.database import close_connections
from app.kernel.ids import new_id
from app.redemptions.queries import verify
from app.redemptions.vouchers import expire_due_vouchers
from tests.conftest import Sized
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
LOCK_WALLET = "redemption_lock_wallet(uuid)"
LOCK = "PERFORM FROM voucher_wallets w WHERE w.citizen_id = citizen FOR UPDATE;"
RACERS = 6
CALLS_AT_ONCE = 40


def without_lock(pause: str) -> dict[str, str]:
    """What to change so that everybody looks, pauses, and then writes."""
    return {LOCK: "", LOOKED: f"PERFORM {pause}; {LOOKED}"}


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


@pytest.fixture
def wide_app(committing_app: Flask, settings: Settings) -> Iterator[Flask]:
    """The application with a connection for each call at once, so that nobody waits in vain."""
    app = create_app(replace(settings, database_pool_size=CALLS_AT_ONCE))
    yield app
    with app.app_context():
        close_connections()


@pytest.mark.parametrize("kind", ["voucher", "pass"])
def test_l4_one_id_sent_many_times_has_one_effect_and_one_answer(
    wide_app: Flask, admin: psycopg.Connection[Any], kind: str
) -> None:
    one_id_many_times(wide_app, admin, kind, 20)


def test_l4_two_hundred_calls_with_one_id(
    wide_app: Flask, admin: psycopg.Connection[Any], sized: Sized
) -> None:
    one_id_many_times(wide_app, admin, "voucher", sized(ci=40, full=200))


def one_id_many_times(app: Flask, admin: psycopg.Connection[Any], kind: str, calls: int) -> None:
    citizen, clerk, benefit = a_scene(app)
    client = app.test_client()
    voucher_id = citizen.claimed(client, benefit)
    code = (
        citizen.pass_code(client) if kind == "pass" else citizen.voucher_code(client, voucher_id)
    )
    answers = one_id_with(app, clerk, [code] * calls)
    assert len(answers) == calls
    assert {(answer.status_code, answer.data) for answer in answers} == {(200, answers[0].data)}
    assert counted(admin, "redemptions") == counted(admin, "redemption_attempts") == 1
    with app.app_context():
        assert_redemptions_agree()


def one_id_with(app: Flask, clerk: Clerk, codes: list[str]) -> list[TestResponse]:
    """Redeem these codes under one id; CALLS_AT_ONCE at most are under way at a time."""
    redemption_id = new_id()

    def send(some: list[str]) -> list[TestResponse]:
        client = app.test_client()
        return [clerk.redeem(client, redemption_id, code=code) for code in some]

    parts = [codes[at::CALLS_AT_ONCE] for at in range(min(len(codes), CALLS_AT_ONCE))]
    return [answer for some in at_once([partial(send, part) for part in parts]) for answer in some]


def test_without_lock_and_keys_one_id_has_many_effects(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    """The attempt's own key makes the answers equal all the same: what is counted tells it."""
    unlocked = without_lock("race_meet(3)")
    with without_the_keys(admin), meeting(admin), changed_function(admin, REDEEM, unlocked):
        citizen, clerk, free = a_scene(committing_app, price_points=0)
        client = committing_app.test_client()
        code = citizen.voucher_code(client, citizen.claimed(client, free))
        one_id_with(committing_app, clerk, [code] * 3)
        assert counted(admin, "redemptions") > 1
        with committing_app.app_context():
            assert verify()


def test_l4_one_id_with_other_bodies_has_one_effect(
    wide_app: Flask, admin: psycopg.Connection[Any], sized: Sized
) -> None:
    others = sized(ci=10, full=100)
    citizen, clerk, free = a_scene(wide_app, price_points=0)
    client = wide_app.test_client()
    vouchers = [citizen.claimed(client, free) for _ in range(5)]
    # Each text of a code is another one, of the same voucher too.
    codes = [
        citizen.voucher_code(client, voucher_id)
        for voucher_id, _ in zip(itertools.cycle(vouchers), range(1 + others), strict=False)
    ]
    assert outcomes(one_id_with(wide_app, clerk, codes)) == {"": 1, "id_reused": others}
    assert counted(admin, "redemptions") == counted(admin, "redemption_attempts") == 1


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


def at_two_counters(app: Flask) -> Counter[str]:
    """One pass code at counters of two merchants, who take different vouchers, and previewed."""
    citizen, clerk, benefit = a_scene(app, price_points=10)
    client, other = app.test_client(), publish_benefit(app, price_points=10)
    neighbour = make_clerk(app, takes=(other,))
    for claimed in (benefit, benefit, other):
        citizen.claimed(client, claimed)
    code = citizen.pass_code(client)
    calls: list[Callable[[], TestResponse]] = [
        partial(who.redeem, app.test_client(), code=code) for who in (clerk, neighbour) * 2
    ]
    calls += [partial(clerk.preview, app.test_client(), code=code) for _ in range(2)]
    return outcomes(at_once(calls))


def test_a_pass_code_shown_at_two_counters_is_taken_once(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    found = at_two_counters(committing_app)
    assert found[""] == 1
    assert set(found) <= {"", "already_redeemed", "code_burnt"}
    assert counted(admin, "redemptions") <= 1


def test_without_its_key_a_pass_code_is_taken_at_each_counter(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    admin.execute("ALTER TABLE code_presentations DROP CONSTRAINT pk_code_presentations")
    try:
        assert at_two_counters(committing_app)[""] > 1
        assert counted(admin, "redemptions") > 1
    finally:
        admin.execute(
            "TRUNCATE code_presentations; ALTER TABLE code_presentations"
            " ADD CONSTRAINT pk_code_presentations PRIMARY KEY (citizen_id, code_digest)"
        )


@contextmanager
def changed_endings(
    admin: psycopg.Connection[Any], redeem: dict[str, str], wallet: dict[str, str]
) -> Iterator[None]:
    """Redeeming, and what the other endings lock with, each changed."""
    with (
        changed_function(admin, REDEEM, redeem),
        changed_function(admin, LOCK_WALLET, wallet),
    ):
        yield


@contextmanager
def without_lock_and_ending(admin: psycopg.Connection[Any]) -> Iterator[None]:
    """Nothing keeps two endings of one voucher apart; both have looked before either writes."""
    with (
        without_the_keys(admin), meeting_before_writes(admin, "voucher_endings", 2),
        changed_endings(admin, redeem={LOCK: ""}, wallet={LOCK: ""}),
    ):
        yield


def test_redeem_and_give_back_have_one_winner(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    citizen, clerk, benefit = a_scene(committing_app)
    client = committing_app.test_client()
    first = {LOCK: f"PERFORM race_meet(2); {LOCK}"}
    for turn in range(5):
        voucher_id = citizen.claimed(client, benefit)
        code = citizen.voucher_code(client, voucher_id)
        with meeting(admin), changed_endings(admin, redeem=first, wallet=first):
            redeemed, given_back = redeem_and_give_back(
                committing_app, citizen, clerk, voucher_id, code
            )
        assert {redeemed.status_code, given_back.status_code} == {200, 409}
        assert counted(admin, "voucher_endings") == turn + 1
        if redeemed.status_code == 200:
            clerk.annul(client, redeemed.get_json()["receipt"])
    with committing_app.app_context():
        assert_redemptions_agree()


def redeem_and_give_back(
    app: Flask, citizen: Citizen, clerk: Clerk, voucher_id: UUID, code: str
) -> list[TestResponse]:
    return at_once([
        partial(clerk.redeem, app.test_client(), code=code),
        partial(citizen.give_back, app.test_client(), voucher_id),
    ])


def test_without_lock_and_keys_a_voucher_is_redeemed_and_given_back(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    citizen, clerk, free = a_scene(committing_app, price_points=0)
    client = committing_app.test_client()
    voucher_id = citizen.claimed(client, free)
    code = citizen.voucher_code(client, voucher_id)
    with without_lock_and_ending(admin):
        redeem_and_give_back(committing_app, citizen, clerk, voucher_id, code)
        assert ends_of(admin) == ["given_back", "redeemed"]


def ends_of(admin: psycopg.Connection[Any]) -> list[str]:
    return [row[0] for row in admin.execute("SELECT kind FROM voucher_endings ORDER BY kind")]


def a_free_voucher(app: Flask) -> tuple[Clerk, str]:
    """A clerk, and the code of a voucher that the clerk may redeem."""
    citizen, clerk, free = a_scene(app, price_points=0)
    client = app.test_client()
    return clerk, citizen.voucher_code(client, citizen.claimed(client, free))


def redeem_and_sweep(
    app: Flask, admin: psycopg.Connection[Any], clerk: Clerk, code: str
) -> tuple[TestResponse, int]:
    """The time of a voucher is over while its redemption, which was in time, is under way."""

    def sweep() -> int:
        admin.execute("""
            DO $$ BEGIN
                WHILE NOT (SELECT is_called FROM race_arrivals) LOOP
                    PERFORM pg_sleep(0.005);
                END LOOP;
            END $$
        """)
        admin.execute("UPDATE vouchers SET expires_at = now()")
        with app.app_context():
            return expire_due_vouchers(limit=10)

    calls: list[Callable[[], Any]] = [
        partial(clerk.redeem, app.test_client(), code=code), sweep
    ]
    redeemed, swept = at_once(calls)
    return redeemed, swept


def test_redeem_and_the_sweep_have_one_winner(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    clerk, code = a_free_voucher(committing_app)
    redeem = {LOOKED: f"PERFORM race_meet(2); {LOOKED}"}
    wallet = {LOCK: f"PERFORM race_meet(2); {LOCK}"}
    with meeting(admin), changed_endings(admin, redeem=redeem, wallet=wallet):
        redeemed, swept = redeem_and_sweep(committing_app, admin, clerk, code)
    assert (outcome(redeemed), swept) == ((200, ""), 0)
    assert ends_of(admin) == ["redeemed"]
    with committing_app.app_context():
        assert_redemptions_agree()


def test_without_lock_and_keys_a_voucher_is_redeemed_and_swept(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    clerk, code = a_free_voucher(committing_app)
    with without_lock_and_ending(admin):
        redeemed, swept = redeem_and_sweep(committing_app, admin, clerk, code)
        assert (outcome(redeemed), swept) == ((200, ""), 1)
        assert ends_of(admin) == ["expired", "redeemed"]


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
    client = committing_app.test_client()
    person.give_back(client, person.claimed(client, benefit))  # the wallet is there
    with (
        meeting_before_writes(admin, "vouchers", 3),
        changed_function(admin, LOCK_WALLET, {LOCK: ""}),
    ):
        answers = at_once(
            [partial(person.claim, committing_app.test_client(), benefit) for _ in range(3)]
        )
    assert outcomes(answers)[""] > 1

"""Q1, Q2, Q4: replays, guesses and copies of codes get nothing, and owners hear of a copy."""

from __future__ import annotations

import os
import random
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import base45
import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.database import reading
from app.kernel.errors import DomainError
from app.kernel.ids import new_id
from app.redemptions import codes, operations
from app.redemptions.codes import CodeUnreadable
from app.redemptions.operations import BAD_SCANS_MAX, BAD_TYPINGS_MAX
from app.redemptions.passes import burn_pass_code
from demo.processes import Managed
from demo.servers import Database
from tests.conftest import Sized, environment, sandbox_environment
from tests.ledger.people import database_time
from tests.members.api import bearer, claims_of, join, made_up_person
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    Citizen,
    Clerk,
    keys_of,
    make_citizen,
    make_clerk,
    publish_benefit,
)
from wechat_integration.sandbox.control import SandboxControl
from wechat_integration.sandbox.server import SandboxServer

TEMPLATE = "template-shown-again"
TOLD_WITHIN_SECONDS = 5
WORKER_STARTS_SECONDS = 60
MANUAL_CODES = 1_000
_HEADER_BYTES = 2  # suite and key, which are no secret


def refused_by(call: Callable[[], object]) -> str:
    """The code of the refusal; empty when it was taken."""
    try:
        call()
    except DomainError as refused:
        return refused.code
    return ""


def counted(table: str) -> int:
    with reading() as session:
        return int(session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def shown_again(citizen: Citizen) -> int:
    """Of how many codes it was told that they were shown again."""
    with reading() as session:
        return int(session.scalar(
            text("SELECT count(shown_again_at) FROM code_presentations WHERE citizen_id = :id"),
            {"id": citizen.citizen_id},
        ) or 0)


def waiting_messages() -> int:
    with reading() as session:
        return int(session.scalar(text("SELECT outbox_depth FROM queue_state()")) or 0)


@pytest.fixture
def benefit(app: Flask) -> str:
    return publish_benefit(app)


@pytest.mark.timeout(3600)
def test_q1_replays_of_used_and_burnt_codes_are_never_accepted(
    committing_app: Flask, sized: Sized
) -> None:
    app, client = committing_app, committing_app.test_client()
    benefit = publish_benefit(app)
    citizen, clerk = make_citizen(app), make_clerk(app, takes=(benefit,))
    burnt = citizen.pass_code(client)
    assert outcome(clerk.redeem(client, code=burnt)) == (404, "no_voucher")
    used = citizen.voucher_code(client, citizen.claimed(client, benefit))
    assert clerk.redeem(client, code=used).status_code == 200
    citizen.claimed(client, benefit)
    shown = citizen.pass_code(client)
    assert clerk.redeem(client, code=shown).status_code == 200
    citizen.claimed(client, benefit)  # there is something left to be had
    counter = operations.Counter(clerk.staff_id, clerk.session_id, clerk.shop_id)
    answers: Tally[str] = Tally()
    with app.app_context():
        for number in range(sized(ci=1_000, full=100_000)):
            code = (burnt, used, shown)[number % 3]
            answers[refused_by(lambda code=code: operations.redeem(  # type: ignore[misc]
                keys=keys_of(app), counter=counter, redemption_id=new_id(), code=code
            ))] += 1
        assert set(answers) == {"code_burnt", "already_redeemed"}
        assert counted("redemptions") == 2


def test_q1_guesses_hit_nothing(app: Flask, sized: Sized) -> None:
    keys, generator = keys_of(app), random.Random(1)
    real = codes.make_pass_code(
        keys, citizen_id=new_id(), session_id=new_id(), issued_at=database_time()
    )
    head, body = real[:5], base45.b45decode(real[5:])
    issued = {
        hashed
        for _ in range(MANUAL_CODES)
        for hashed in codes.manual_code_hashes(
            keys, codes.manual_code(keys, citizen_id=new_id(), voucher_id=new_id())
        )
    }
    for _ in range(sized(ci=20_000, full=1_000_000)):
        guess = body[:_HEADER_BYTES] + generator.randbytes(len(body) - _HEADER_BYTES)
        with pytest.raises(CodeUnreadable):
            codes.read_scan(keys, head + base45.b45encode(guess).decode())
        typed = "".join(generator.choices(codes.MANUAL_ALPHABET, k=codes.MANUAL_LENGTH))
        assert issued.isdisjoint(codes.manual_code_hashes(keys, typed))


def test_q1_who_guesses_is_stopped_within_twenty_tries(
    app: Flask, client: FlaskClient, benefit: str
) -> None:
    clerk, citizen = make_clerk(app, takes=(benefit,)), make_citizen(app)
    generator = random.Random(2)
    tries = [
        outcome(clerk.redeem(client, code=f"IC1P:{generator.randbytes(40).hex().upper()}"))
        for _ in range(BAD_SCANS_MAX + 5)
    ]
    assert tries == [(400, "code_unreadable")] * BAD_SCANS_MAX + [(429, "too_many_bad_codes")] * 5
    assert max(BAD_SCANS_MAX, BAD_TYPINGS_MAX) <= 20
    typed = citizen.manual_code(client, citizen.claimed(client, benefit))
    wrong = ["".join(generator.choices(codes.MANUAL_ALPHABET, k=12)) for _ in range(5)]
    for guess in wrong:
        assert outcome(clerk.preview(client, manual_code=guess)) == (404, "manual_code_unknown")
    assert outcome(clerk.redeem(client, manual_code=typed)) == (429, "too_many_bad_codes")


def test_q2_a_screenshot_of_a_minute_ago_is_refused(
    app: Flask, client: FlaskClient, benefit: str, sized: Sized
) -> None:
    citizen, clerk = make_citizen(app), make_clerk(app, takes=(benefit,))
    citizen.claimed(client, benefit)
    counter = operations.Counter(clerk.staff_id, clerk.session_id, clerk.shop_id)
    answers: Tally[str] = Tally()
    tries = sized(ci=200, full=1_000)
    for number in range(tries):
        old = codes.make_pass_code(
            keys_of(app), citizen_id=citizen.citizen_id, session_id=citizen.session_id,
            issued_at=database_time() - timedelta(seconds=61, milliseconds=number),
        )
        answers[refused_by(lambda old=old: operations.redeem(  # type: ignore[misc]
            keys=keys_of(app), counter=counter, redemption_id=new_id(), code=old
        ))] += 1
    assert answers == {"code_expired": tries}
    assert shown_again(citizen) == waiting_messages() == 0


def test_q2_the_second_presentation_is_refused_and_the_owner_reads_of_it_once(
    app: Flask, client: FlaskClient, benefit: str
) -> None:
    citizen, clerk = make_citizen(app), make_clerk(app, takes=(benefit,))
    thief = make_clerk(app, takes=(benefit,))
    for _ in range(2):
        citizen.claimed(client, benefit)
    code, redemption_id = citizen.pass_code(client), new_id()
    for _ in range(2):  # the repetition of an id is no second presentation
        assert clerk.redeem(client, redemption_id, code=code).status_code == 200
    assert (shown_again(citizen), waiting_messages()) == (0, 1)  # of the redemption
    assert outcome(thief.redeem(client, code=code)) == (409, "already_redeemed")
    for _ in range(3):
        assert outcome(thief.preview(client, code=code)) == (409, "already_redeemed")
    other = citizen.pass_code(client)
    assert clerk.preview(client, code=other).status_code == 200
    assert outcome(thief.redeem(client, code=other)) == (409, "code_burnt")
    # Once per code, and of another code within ten minutes nothing more.
    assert (shown_again(citizen), waiting_messages()) == (1, 2)
    trail = client.get("/api/v1/me/trail", headers=citizen.headers).get_json()["lines"]
    lines = [line for line in trail if line["action"] == "code_shown_again"]
    assert [(line["actor_kind"], line["reason"]) for line in lines] == [
        ("clerk", shop_name(thief))
    ]


def shop_name(clerk: Clerk) -> str:
    with reading() as session:
        return str(session.scalar(
            text("SELECT merchant_shop_name(:shop)"), {"shop": clerk.shop_id}
        ))


def test_q2_a_copy_shown_at_a_gate_is_told_too(app: Flask, client: FlaskClient) -> None:
    citizen = make_citizen(app)
    code = citizen.pass_code(client)
    burnt = [
        refused_by(lambda: burn_pass_code(keys=keys_of(app), presenter_id=new_id(), code=code))
        for _ in range(3)
    ]
    assert burnt == ["", "code_burnt", "code_burnt"]
    assert shown_again(citizen) == waiting_messages() == 1


@pytest.fixture
def worker(
    committing_app: Flask, test_database: Database, servers: dict[str, Any],
    sandbox_server: SandboxServer, tmp_path: Path,
) -> Iterator[Managed]:
    """The job worker of the Procfile, as it is deployed."""
    variables = environment(
        test_database, Path(servers["keys_file"]), DATABASE_URL=test_database.url("card_job"),
        WECHAT_SHOWN_AGAIN_TEMPLATE_ID=TEMPLATE, **sandbox_environment(sandbox_server),
    )
    process = Managed("worker", {**os.environ, **variables}, tmp_path / "worker.log")
    process.start()
    yield process
    process.stop()


def wait_until(so: Callable[[], bool], seconds: float) -> float:
    """Look again and again until it is so; the seconds it took."""
    began = time.monotonic()
    while not so():
        assert time.monotonic() - began < seconds, "waited too long"
        time.sleep(0.05)
    return time.monotonic() - began


def test_q2_the_owner_is_told_within_five_seconds(
    committing_app: Flask, worker: Managed, sandbox: SandboxControl,
    admin: psycopg.Connection[Any],
) -> None:
    app, client = committing_app, committing_app.test_client()
    benefit = publish_benefit(app)
    person, clerk, thief = made_up_person(sandbox), make_clerk(app), make_clerk(app)
    token = join(client, sandbox, person).get_json()["access_token"]
    claims = claims_of(token)
    citizen = Citizen(UUID(claims["sub"]), UUID(claims["sid"]), bearer(token))
    sandbox.grant_accepts(openid=person.openid, template_id=TEMPLATE)
    citizen.claimed(client, benefit)
    code = citizen.pass_code(client)
    assert clerk.preview(client, code=code).status_code == 200

    working = "SELECT FROM procrastinate_workers"
    wait_until(lambda: admin.execute(working).fetchone() is not None, WORKER_STARTS_SECONDS)
    assert outcome(thief.redeem(client, code=code)) == (409, "code_burnt")
    took = wait_until(lambda: bool(sandbox.sent_messages()), TOLD_WITHIN_SECONDS)
    (sent,) = sandbox.sent_messages()
    assert (sent.openid, sent.template_id) == (person.openid, TEMPLATE)
    assert sent.data["thing1"] == "您的动态码再次被出示，已拒绝"
    with app.app_context():
        assert sent.data["thing2"] == shop_name(thief)
    assert took < TOLD_WITHIN_SECONDS


@pytest.mark.timeout(3600)
def test_q4_no_code_of_one_merchants_benefit_passes_at_another(
    app: Flask, client: FlaskClient, sized: Sized
) -> None:
    benefits = [publish_benefit(app) for _ in range(sized(ci=4, full=10))]
    taken = [benefits[number % len(benefits)] for number in range(sized(ci=4, full=20))]
    clerks = [(make_clerk(app, takes=(benefit,)), benefit) for benefit in taken]
    citizen = make_citizen(app)
    for benefit in benefits:
        code = citizen.voucher_code(client, citizen.claimed(client, benefit))
        for clerk, own in clerks:
            if own != benefit:
                assert outcome(clerk.preview(client, code=code)) == (409, "wrong_merchant")
                assert outcome(clerk.redeem(client, code=code)) == (409, "wrong_merchant")
                continue
            here = citizen.voucher_code(client, citizen.claimed(client, benefit))
            other = next(one for one in benefits if one != benefit)
            refused = clerk.redeem(client, code=here, benefit_code=other)
            assert outcome(refused) == (409, "wrong_benefit")
            assert clerk.redeem(client, code=here).status_code == 200

"""Staff: password and TOTP, both always; guessing is slow, and nobody locks anybody else out."""

from __future__ import annotations

import statistics
import time
from typing import Any

import psycopg
import pytest
from argon2 import extract_parameters
from argon2.low_level import Type
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.crypto import SealBrokenError
from app.kernel.database import reading
from app.members import operations
from app.members.staff import DUMMY_HASH, PasswordWeak, check_password
from tests.conftest import PRODUCTION_HASHER
from tests.members.api import (
    PASSWORD,
    Account,
    bearer,
    keys_of,
    make_staff,
    sign_in_staff,
    staff_tokens,
)


def test_all_three_sign_in(app: Flask, client: FlaskClient) -> None:
    account = make_staff(app, "clerk")
    signed_in = sign_in_staff(client, account)
    assert (signed_in.status_code, signed_in.get_json()["role"]) == (200, "clerk")


def test_the_user_name_has_one_spelling(app: Flask, client: FlaskClient) -> None:
    account = make_staff(app)
    upper = Account(f" {account.username.upper()} ", account.staff_id, account.totp, account.role)
    assert sign_in_staff(client, upper).status_code == 200


@pytest.mark.parametrize("wrong", ["username", "password", "code"])
def test_one_wrong_part_is_refused_alike(app: Flask, client: FlaskClient, wrong: str) -> None:
    account = make_staff(app)
    nobody = Account("nobody-here", account.staff_id, account.totp, account.role)
    answer = sign_in_staff(
        client,
        nobody if wrong == "username" else account,
        password="wrong password" if wrong == "password" else PASSWORD,
        code=str((int(account.code()) + 1) % 10**6).zfill(6) if wrong == "code" else None,
    )
    assert answer.status_code == 401
    assert answer.get_json() == {
        "type": "/problems/sign_in_refused", "title": "The sign-in is refused", "status": 401,
        "code": "sign_in_refused", "advice": "账号、密码或动态码有误，请核对后重试。",
    }


def test_a_code_signs_in_once(app: Flask, client: FlaskClient) -> None:
    account = make_staff(app)
    code = account.code()
    assert sign_in_staff(client, account, code=code).status_code == 200
    assert sign_in_staff(client, account, code=code).status_code == 401
    assert sign_in_staff(client, account, code=account.code(-1)).status_code == 401
    assert sign_in_staff(client, account, code=account.code(1)).status_code == 200


def test_codes_of_other_times_are_refused(app: Flask, client: FlaskClient) -> None:
    account = make_staff(app)
    for step in (-3, 3, 100):
        assert sign_in_staff(client, account, code=account.code(step)).status_code == 401


def test_s15_the_sixth_failure_has_to_wait(app: Flask, client: FlaskClient) -> None:
    account = make_staff(app)
    for _ in range(5):
        assert sign_in_staff(client, account, password="wrong password").status_code == 401
    delayed = sign_in_staff(client, account)
    assert (delayed.status_code, delayed.get_json()["code"]) == (429, "too_many_sign_ins")
    assert 1 <= int(delayed.headers["Retry-After"]) <= 2


def back_in_time(admin: psycopg.Connection[Any], seconds: float) -> None:
    admin.execute(
        "UPDATE sign_in_attempts SET created_at = created_at - make_interval(secs => %s)",
        (seconds,),
    )


def test_s15_the_delay_grows_and_a_success_forgives(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    client, account = committing_app.test_client(), make_staff(committing_app)
    waits = []
    for _ in range(5):
        sign_in_staff(client, account, password="wrong password")
    for _ in range(5):
        delayed = sign_in_staff(client, account)
        assert delayed.status_code == 429
        waits.append(int(delayed.headers["Retry-After"]))
        back_in_time(admin, waits[-1])
        assert sign_in_staff(client, account, password="wrong password").status_code == 401
    assert waits == sorted(waits)
    assert waits[-1] >= 8 * waits[0]
    back_in_time(admin, 900)
    assert sign_in_staff(client, account).status_code == 200
    assert sign_in_staff(client, account, password="wrong password").status_code == 401


def test_s15_a_victim_is_not_locked_out_by_others(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    client, victim = committing_app.test_client(), make_staff(committing_app)
    home = "203.0.113.7"
    assert sign_in_staff(client, victim, code=victim.code(-1), address=home).status_code == 200
    for number in range(20):
        tried = sign_in_staff(
            client, victim, password="wrong password", address=f"198.51.100.{number}"
        )
        assert tried.status_code == 401
    stranger = sign_in_staff(client, victim, address="198.51.100.99")
    assert stranger.status_code == 429
    assert int(stranger.headers["Retry-After"]) > 3000
    assert sign_in_staff(client, victim, address=home).status_code == 200


def test_s15_an_address_has_twenty_failures_an_hour(app: Flask, client: FlaskClient) -> None:
    attacker = "198.51.100.1"
    for number in range(20):
        body = {"username": f"name-{number}", "password": "wrong password", "totp": "000000"}
        tried = client.post(
            "/api/v1/sign-in/staff", json=body, environ_base={"REMOTE_ADDR": attacker}
        )
        assert tried.status_code == 401
    account = make_staff(app)
    assert sign_in_staff(client, account, address=attacker).status_code == 429
    assert sign_in_staff(client, account, address="198.51.100.2").status_code == 200


@pytest.mark.usefixtures("real_passwords")
def test_s15_an_unknown_user_costs_the_same_time(app: Flask, client: FlaskClient) -> None:
    # The thread's own processor time, which other processes on the machine do not disturb.
    account = make_staff(app)
    nobody = Account("nobody-at-all", account.staff_id, account.totp, account.role)
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    for number in range(7):
        for kind, who in (("known", account), ("unknown", nobody)):
            started = time.thread_time()
            sign_in_staff(client, who, password="wrong", address=f"192.0.2.{number}")
            times[kind].append(time.thread_time() - started)
    difference = statistics.median(times["known"]) - statistics.median(times["unknown"])
    assert abs(difference) < 0.020


@pytest.mark.usefixtures("real_passwords")
def test_s50_passwords_are_kept_as_argon2id(app: Flask) -> None:
    account = make_staff(app)
    with reading() as session:
        stored: str = session.execute(
            text("SELECT password_hash FROM staff_credentials WHERE staff_id = :s"),
            {"s": account.staff_id},
        ).scalar_one()
    parameters = extract_parameters(stored)
    assert parameters == extract_parameters(DUMMY_HASH)
    assert parameters.type is Type.ID
    assert parameters.memory_cost >= 19 * 1024
    assert parameters.time_cost >= 2
    assert not PRODUCTION_HASHER.check_needs_rehash(DUMMY_HASH)


@pytest.mark.parametrize(
    "password",
    ["short", "x" * 129, "eleven-char", "aaaaaaaaaaaa", "passwordpassword", "PasswordPassword",
     "my name is wang.li ok", "121212121212"],
)
def test_s18_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(PasswordWeak):
        check_password(password, username="wang.li")


def test_s18_long_passwords_are_fine() -> None:
    check_password("六十四个字符以上的口令也可以 " * 5, username="wang.li")
    check_password("correct horse battery staple " * 4, username="wang.li")


def test_an_operator_creates_staff_once(app: Flask, client: FlaskClient) -> None:
    operator = bearer(staff_tokens(app, client)["access_token"])
    body = {
        "username": "li.na", "password": PASSWORD, "role": "clerk", "display_name": "一号窗口"
    }
    made = client.post("/api/v1/staff", json=body, headers=operator)
    assert made.status_code == 201
    assert made.get_json()["totp_uri"].startswith("otpauth://totp/")
    again = client.post("/api/v1/staff", json=body, headers=operator)
    assert (again.status_code, again.get_json()["code"]) == (409, "username_taken")
    for change, code in (
        ({"username": "Li Na"}, "username_invalid"), ({"password": "short"}, "password_weak"),
        ({"role": "citizen"}, "invalid_request"), ({"status": "active"}, "invalid_request"),
    ):
        refused = client.post("/api/v1/staff", json={**body, **change}, headers=operator)
        assert (refused.status_code, refused.get_json()["code"]) == (422, code)


def test_a_totp_secret_is_bound_to_its_account(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    client = committing_app.test_client()
    one, two = make_staff(committing_app), make_staff(committing_app)
    admin.execute(
        "UPDATE staff_credentials SET totp_sealed = (SELECT totp_sealed FROM staff_credentials"
        " WHERE staff_id = %s) WHERE staff_id = %s", (one.staff_id, two.staff_id),
    )
    thief = Account(two.username, two.staff_id, one.totp, two.role)
    assert sign_in_staff(client, thief).status_code == 500
    with committing_app.app_context(), pytest.raises(SealBrokenError):
        operations.sign_in_staff(
            keys=keys_of(committing_app), username=two.username, password=PASSWORD,
            totp=one.code(), client="192.0.2.1",
        )

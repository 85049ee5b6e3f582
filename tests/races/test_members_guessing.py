"""Many guesses at once are counted as many, and one TOTP code signs in once."""

from __future__ import annotations

from functools import partial
from typing import Any

import psycopg
from flask import Flask

from tests.members.api import make_staff, sign_in_staff
from tests.races.threads import at_once, changed_function, meeting

RACERS = 12
ATTEMPT = "sign_in_attempt(uuid, bytea, bytea)"
WITHOUT_LOCK = {
    "PERFORM pg_advisory_xact_lock(hashtextextended('account' || encode(account, 'hex'), 0));": "",
    "PERFORM pg_advisory_xact_lock(hashtextextended('client' || encode(client, 'hex'), 0));": "",
    "    IF pause > interval '0' THEN": "    PERFORM race_meet(6); IF pause > interval '0' THEN",
}


def guess(app: Flask) -> list[int]:
    account = make_staff(app)
    answers = at_once(
        [partial(sign_in_staff, app.test_client(), account, password="wrong")] * RACERS
    )
    return [answer.status_code for answer in answers]


def test_guesses_at_once_are_all_counted(committing_app: Flask) -> None:
    statuses = guess(committing_app)
    assert statuses.count(401) == 5
    assert statuses.count(429) == RACERS - 5


def test_without_the_lock_more_guesses_pass(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    with meeting(admin), changed_function(admin, ATTEMPT, WITHOUT_LOCK):
        assert guess(committing_app).count(401) > 5


def sign_in_with_one_code(app: Flask) -> list[int]:
    account = make_staff(app)
    code = account.code()
    answers = at_once([partial(sign_in_staff, app.test_client(), account, code=code)] * 4)
    return sorted(answer.status_code for answer in answers)


def test_one_code_signs_in_once(committing_app: Flask) -> None:
    assert sign_in_with_one_code(committing_app) == [200, 401, 401, 401]


def test_when_its_step_is_not_kept_one_code_signs_in_many_times(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    admin.execute("""
        CREATE FUNCTION race_forget() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN NEW.totp_last_step := OLD.totp_last_step; RETURN NEW; END $$;
        CREATE TRIGGER race_forget BEFORE UPDATE ON staff_credentials
            FOR EACH ROW EXECUTE FUNCTION race_forget()
    """)
    try:
        assert sign_in_with_one_code(committing_app).count(200) > 1
    finally:
        admin.execute(
            "DROP TRIGGER race_forget ON staff_credentials; DROP FUNCTION race_forget()"
        )

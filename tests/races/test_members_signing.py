"""One signed request sent many times is admitted once, in whichever process, without Redis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.factory import create_app
from app.kernel.database import close_connections
from app.kernel.ids import new_id
from app.members.operations import prune_nonces
from app.members.signing import TOLERANCE
from app.records.operations import register_source
from demo.load import publish_catalogue
from demo.servers import free_port
from tests.members.api import keys_of
from tests.members.signing import Signed, sign
from tests.races.threads import at_once, changed_function
from tests.records.programme import HOURS

TIMES = 8
ADMIT = "source_request_admit(uuid, text, timestamptz, timestamptz, interval)"


@pytest.fixture
def request_of_a_source(committing_app: Flask) -> Signed:
    with committing_app.app_context():
        publish_catalogue()
        made = register_source(
            keys=keys_of(committing_app), source_id=new_id(), unit="血站", record_types=[HOURS]
        )
    return sign(made, "GET", "/api/v1/source/credentials")


def sent_at_once(app: Flask, request: Signed) -> list[int]:
    calls = [lambda: request.send(app.test_client()).status_code] * TIMES
    return sorted(at_once(calls))


def test_one_of_many_is_admitted(committing_app: Flask, request_of_a_source: Signed) -> None:
    assert sent_at_once(committing_app, request_of_a_source) == [200] + [401] * (TIMES - 1)


def test_without_the_key_of_the_nonces_many_are(
    committing_app: Flask, request_of_a_source: Signed, admin: psycopg.Connection[Any]
) -> None:
    """The negative control."""
    changes = {"VALUES (credential, shown": "VALUES (gen_random_uuid(), shown"}
    with changed_function(admin, ADMIT, changes):
        assert sent_at_once(committing_app, request_of_a_source) == [200] * TIMES


def test_another_process_without_redis_remembers_too(
    committing_app: Flask, request_of_a_source: Signed
) -> None:
    settings = committing_app.extensions["card_settings"]
    alone = create_app(replace(settings, redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    assert request_of_a_source.send(alone.test_client()).status_code == 200
    again = request_of_a_source.send(alone.test_client())
    assert again.get_json()["code"] == "signature_replayed"
    assert request_of_a_source.send(committing_app.test_client()).status_code == 401
    with alone.app_context():
        close_connections()


def test_pruning_forgets_what_is_stale_anyhow(
    job_app: Flask, committing_app: Flask, request_of_a_source: Signed,
    admin: psycopg.Connection[Any],
) -> None:
    request_of_a_source.send(committing_app.test_client())
    kept = admin.execute("SELECT forget_at - created_at FROM source_nonces").fetchall()
    assert [one[0] > TOLERANCE for one in kept] == [True]
    with job_app.app_context():
        assert prune_nonces() == 0
        admin.execute("UPDATE source_nonces SET forget_at = now() - interval '1 second'")
        assert prune_nonces() == 1

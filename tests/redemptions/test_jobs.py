"""What the worker does, with the worker's rights."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.config import Settings
from app.factory import create_app
from app.kernel.database import db
from app.ledger import queries as ledger
from app.redemptions.vouchers import expire_due_vouchers, forget_presentations
from demo.servers import Database
from tests.conftest import environment
from tests.redemptions.builders import make_citizen, make_clerk, publish_benefit
from tests.redemptions.checks import assert_redemptions_agree


@pytest.fixture
def job_app(
    committing_app: Flask, test_database: Database, servers: dict[str, Any]
) -> Iterator[Flask]:
    given = environment(test_database, Path(servers["keys_file"]))
    given["DATABASE_URL"] = test_database.url("card_job")
    app = create_app(Settings.from_environ(given))
    yield app
    with app.app_context():
        db.engine.dispose()


def test_the_worker_ends_due_vouchers_and_forgets_old_presentations(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    short = publish_benefit(committing_app, price_points=10, voucher_life_seconds=1, stock=1)
    clerk = make_clerk(committing_app, takes=(short,))
    citizen = make_citizen(committing_app, points=10)
    client = committing_app.test_client()
    voucher_id = citizen.claimed(client, short)
    citizen.manual_code(client, voucher_id)
    assert clerk.preview(client, code=citizen.pass_code(client)).status_code == 200
    admin.execute("SELECT pg_sleep_until(max(expires_at)) FROM vouchers")
    with job_app.app_context():
        assert expire_due_vouchers(limit=10) == 1
        assert forget_presentations() == 0
        assert forget_presentations(keep=timedelta(0)) == 2
    with committing_app.app_context():
        assert ledger.balance(citizen_id=citizen.citizen_id).available_points == 10
        assert_redemptions_agree()
    assert citizen.claim(client, short).status_code == 200

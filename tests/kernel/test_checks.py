"""The last result of a check is a gauge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from app.kernel import checks
from app.kernel.database import close_connections, db
from app.schedule import verify
from demo.servers import Database
from tests.conftest import truncate_all


@pytest.fixture
def job_app(worker_app: Flask, test_database: Database) -> Iterator[Flask]:
    with worker_app.app_context():
        yield worker_app
        db.session.remove()
        close_connections()
    truncate_all(test_database)


def test_the_last_result_counts(job_app: Flask) -> None:
    checks.record_result(name="ledger", findings=["one", "two"])
    assert checks.check_state()["ledger_findings"] == 2
    checks.record_result(name="ledger", findings=[])
    state = checks.check_state()
    assert state["ledger_findings"] == 0
    assert 0 <= state["ledger_check_age_seconds"] < 60


def test_the_worker_may_prove_everything(job_app: Flask) -> None:
    verify()
    state = checks.check_state()
    assert all(state[f"{name}_findings"] == 0 for name in ("ledger", "redemptions", "scores"))

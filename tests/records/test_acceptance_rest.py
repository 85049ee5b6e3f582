"""The whole folder over HTTP, rows as JSON batches: every figure of expected.json once more."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import orjson
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.ids import new_id
from app.records.catalogue import REGISTER
from app.records.operations import open_report
from app.records.queries import DeliveryReport
from app.records.working import work_off
from app.scoring.operations import delivery_worker
from demo.answers import collect_results
from demo.load import (
    FOLDER,
    DemoSource,
    ListedDelivery,
    LoadedDelivery,
    Part,
    create_sources,
    expected_results,
    list_deliveries,
    prepare_programme,
)
from demo.reshape import json_batches
from tests.members.api import bearer, keys_of, let_show_tokens, staff_tokens
from tests.records.api import upload

API = "/api/v1"
AS_FILES = {  # what cannot be said as rows: the register, no text, a name twice
    "members.csv", "civility_wrong_encoding.csv", "community_service_repeated_column.csv",
}  # fmt: skip


class City:
    """Sends what departments and the operator would send, and works it off like the worker."""

    def __init__(self, app: Flask, client: FlaskClient) -> None:
        self._app, self._client = app, client
        self._worker = delivery_worker(keys=keys_of(app))
        self._operator = bearer(staff_tokens(app, client)["access_token"])
        self._sources = {
            unit: self._signed_in(made) for unit, made in create_sources(keys=keys_of(app)).items()
        }

    def _signed_in(self, made: DemoSource) -> dict[str, str]:
        let_show_tokens(made.source_id)
        body = {"credential_id": str(made.credential_id), "secret": made.secret}
        answer = self._client.post(f"{API}/sources/token", json=body)
        return bearer(answer.get_json()["access_token"])

    def take(self, listed: ListedDelivery) -> LoadedDelivery:
        batches = json_batches(FOLDER, listed)
        assert bool(batches) == (listed.file not in AS_FILES), listed.file
        if not batches:
            return LoadedDelivery(listed, (Part(self._file(listed)),))
        return LoadedDelivery(listed, tuple(
            Part(self._rows(listed, orjson.loads(batch.content)), batch.row_shift)
            for batch in batches
        ))

    def _file(self, listed: ListedDelivery) -> DeliveryReport:
        is_register = listed.record_type == REGISTER
        delivery_id = new_id()
        answer = upload(
            self._client,
            self._operator if is_register else self._sources[listed.unit],
            (FOLDER / listed.file).read_bytes(),
            url=f"{API}/register-imports" if is_register else f"{API}/deliveries",
            delivery_id=delivery_id,
            delivered_on=listed.delivered_on.isoformat(),
            encoding=listed.encoding.value,
            record_type=None if is_register else listed.record_type,
        )
        return self._worked_off(delivery_id, answer)

    def _rows(self, listed: ListedDelivery, rows: list[dict[str, Any]]) -> DeliveryReport:
        delivery_id = new_id()
        body = {
            "delivery_id": delivery_id, "record_type": listed.record_type,
            "delivered_on": listed.delivered_on, "rows": rows,
        }  # fmt: skip
        answer = self._client.post(
            f"{API}/deliveries/rows", data=orjson.dumps(body), headers=self._sources[listed.unit],
            content_type="application/json",
        )
        return self._worked_off(delivery_id, answer)

    def _worked_off(self, delivery_id: UUID, answer: Any) -> DeliveryReport:
        assert answer.status_code in {200, 202}, answer.get_json()
        for _ in work_off(worker=self._worker):
            pass
        return open_report(delivery_id=delivery_id, source_id=None)


def test_rows_over_http_give_every_expected_figure(committing_app: Flask) -> None:
    expected = expected_results()
    with committing_app.app_context():
        prepare_programme()
        city = City(committing_app, committing_app.test_client())
        loaded = [city.take(listed) for listed in list_deliveries()]
        found = collect_results(
            keys=keys_of(committing_app), folder=FOLDER, loaded=loaded,
            as_of=[date.fromisoformat(day) for day in expected["as_of"]],
        )
    assert max(len(one.parts) for one in loaded) == 5
    for report, wanted in zip(found["deliveries"], expected["deliveries"], strict=True):
        assert report == wanted
    wrong = [one for one, days in expected["members"].items() if found["members"][one] != days]
    assert wrong == []
    assert found == expected

"""Attachments: known by content, scanned, sealed, opened by their owner and who decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import reading
from app.kernel.ids import new_id
from app.objections.attachments import MAX_BYTES, PART_BYTES
from tests.objections.desk import PNG, REASON, Desk, make_desk
from tests.records.test_scanning import EICAR, StandIn, clamd
from tests.redemptions.builders import API

__all__ = ["clamd"]
JPEG, PDF = b"\xff\xd8\xff\xe0made up", b"%PDF-1.7 made up"


@pytest.fixture
def desk(app: Flask) -> Desk:
    return make_desk(app)


@pytest.fixture
def scanned(app: Flask, clamd: StandIn) -> Iterator[StandIn]:
    """The application with a scanner."""
    settings = app.extensions["card_settings"]
    app.extensions["card_settings"] = replace(settings, clamd_url=clamd.url)
    yield clamd
    app.extensions["card_settings"] = settings


def test_attachments_are_sealed_and_come_back_as_they_were(desk: Desk) -> None:
    objection_id = desk.objected()
    large = PDF + b"plain words of a citizen" * (PART_BYTES // 12)
    ids = {}
    for name, content, media_type in (
        ("a.exe", PNG, "image/png"), ("b", JPEG, "image/jpeg"), ("c.png", large, "application/pdf"),
    ):  # fmt: skip
        made = desk.attach(objection_id, content, name)
        assert made.status_code == 201, made.get_json()
        assert made.get_json()["media_type"] == media_type
        ids[made.get_json()["attachment_id"]] = content
    listed = desk.own(objection_id)["attachments"]
    assert [one["attachment_id"] for one in listed] == list(ids)
    with reading() as session:
        parts = session.execute(
            text("SELECT count(*), bool_or(position('plain words'::bytea IN content_sealed) > 0)"
                 " FROM objection_attachment_parts")
        ).one()
    assert tuple(parts) == (5, False)
    for attachment_id, content in ids.items():
        path = f"/objections/{objection_id}/attachments/{attachment_id}"
        shown = desk.client.get(f"{API}/me{path}", headers=desk.holder.headers)
        assert (shown.status_code, shown.data) == (200, content)
        assert shown.headers["Content-Disposition"].startswith("attachment")
        assert shown.content_type == "application/octet-stream"
        answer = desk.ask(desk.first, "POST", f"{path}/reading", {"reason": REASON})
        assert answer == (200, content)
    trail = desk.ask(desk.holder.headers, "GET", "/me/trail?limit=100")[1]["lines"]
    reads = [line["reason"] for line in trail if line["action"] == "attachment_read"]
    assert sorted(reads) == sorted(["", REASON] * 3)


def test_bad_attachments_are_refused(desk: Desk) -> None:
    objection_id, attachment_id = desk.objected(), str(new_id())

    def code(content: bytes, where: str = objection_id, **form: str) -> Any:
        answer = desk.attach(where, content, "photo.png", **form)
        return answer.get_json().get("code", answer.status_code)

    assert code(b"<html>not a picture</html>") == "attachment_type_unknown"
    assert code(b"") == "attachment_type_unknown"
    assert code(PNG + bytes(MAX_BYTES)) == "attachment_too_large"
    assert code(PNG + bytes(MAX_BYTES + 100_000)) in {"content_too_large", "body_too_large"}
    assert code(PNG, str(new_id())) == "objection_unknown"
    for _ in range(2):
        assert code(PNG, attachment_id=attachment_id) == 201
    assert code(JPEG, attachment_id=attachment_id) == "id_reused"
    for _ in range(4):
        assert code(PDF) == 201
    assert code(PDF) == "attachments_too_many"


def test_a_decided_objections_attachments_are_for_who_decided(desk: Desk, app: Flask) -> None:
    objection_id, other = desk.objected(), make_desk(app)
    attachment_id = desk.attach(objection_id, PNG).get_json()["attachment_id"]
    desk.move(objection_id, source_due_on=-1)
    assert desk.decide(desk.first, objection_id, outcome="rejected")[0] == 200
    assert desk.attach(objection_id, PNG).get_json()["code"] == "objection_decided"
    path = f"/objections/{objection_id}/attachments/{attachment_id}"
    why = {"reason": REASON}
    assert desk.ask(desk.first, "POST", f"{path}/reading", why) == (200, PNG)
    assert desk.ask(desk.second, "POST", f"{path}/reading", why) == (403, "objection_not_yours")
    stranger = desk.ask(other.holder.headers, "GET", f"/me{path}")
    assert stranger == (404, "attachment_unknown")


def test_s31_attachments_go_through_the_scanner(desk: Desk, scanned: StandIn) -> None:
    objection_id = desk.objected()
    infected = desk.attach(objection_id, PDF + EICAR)
    assert infected.get_json()["code"] == "file_infected"
    assert desk.attach(objection_id, PNG).status_code == 201
    scanned.answer = b"INSTREAM size limit exceeded. ERROR"
    assert desk.attach(objection_id, PNG).get_json()["code"] == "scanner_unavailable"
    assert scanned.streams == [PDF + EICAR, PNG, PNG]
    assert len(desk.own(objection_id)["attachments"]) == 1

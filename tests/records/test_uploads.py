"""Large files: kept sealed, taken in their line, watched, cancelled, given up, pruned."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.crypto import SealBrokenError
from app.kernel.database import reading, transaction
from app.records import uploads
from app.records.operations import open_report
from app.records.reading import FileTooLarge
from app.records.uploads import SealedFile, Upload, UploadLimits, prune_uploads
from app.records.working import LEASE_SECONDS, PAUSE_SECONDS, TRIES_MAX, work_off
from app.scoring.operations import delivery_worker
from tests.members.api import bearer, staff_tokens
from tests.records.api import make_source, upload
from tests.records.programme import HOURS, Programme, build_programme, csv_file, refusals

ROWS = 12


@dataclass
class Line:
    """A source whose every file is too large to be judged at once, and a worker of small steps."""

    client: FlaskClient
    programme: Programme
    source: dict[str, str]
    operator: dict[str, str]

    def send(self, content: bytes, **fields: Any) -> dict[str, Any]:
        """Post a file; it is in line."""
        sent = upload(self.client, self.source, content, record_type=HOURS, **fields)
        assert sent.status_code == 202, sent.get_json()
        body: dict[str, Any] = sent.get_json()
        assert sent.headers["Location"] == f"/api/v1/deliveries/{body['delivery_id']}"
        return body

    def status(self, sent: dict[str, Any]) -> dict[str, Any]:
        """What the address of the status tells."""
        address = f"/api/v1/deliveries/{sent['delivery_id']}"
        found: dict[str, Any] = self.client.get(address, headers=self.source).get_json()
        return found

    def cancel(self, sent: dict[str, Any]) -> Any:
        """Ask to stop."""
        address = f"/api/v1/deliveries/{sent['delivery_id']}/cancellation"
        return self.client.post(address, headers=self.source)

    def work(self, *, chunk_rows: int = 5) -> Iterator[UUID]:
        """The worker."""
        worker = delivery_worker(keys=self.programme.keys)
        return work_off(worker=replace(worker, chunk_rows=chunk_rows))

    def file(self, rows: int = ROWS, first: int = 0) -> bytes:
        """Rows of one person on many days."""
        return csv_file(HOURS, *(
            self.programme.hours(f"ZY-{at}", "1", day=f"2026-05-{1 + at % 28:02}")
            for at in range(first, first + rows)
        ))


@pytest.fixture
def line(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Line:
    lowered = replace(app.extensions["card_settings"], at_once_max_bytes=10)
    monkeypatch.setitem(app.extensions, "card_settings", lowered)
    programme = build_programme(app)
    operator = bearer(staff_tokens(app, client)["access_token"])
    return Line(client, programme, make_source(client, operator, HOURS), operator)


def count(table: str) -> int:
    with reading() as session:
        return int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def told(report: dict[str, Any]) -> tuple[Any, ...]:
    return report["status"], report["done_count"], report["percentage"], report["accepted_count"]


def test_a_large_file_is_taken_by_the_worker_step_by_step(line: Line) -> None:
    sent = line.send(line.file())
    assert told(sent) == ("waiting", 0, 0, 0)
    seen = [told(line.status(sent)) for _ in line.work()]
    assert seen == [
        ("running", 5, 41, 5), ("running", 10, 83, 10), ("processed", 12, 100, 12),
    ]  # fmt: skip
    assert count("delivery_parts") == count("delivery_uploads") == 0
    again = upload(
        line.client, line.source, line.file(), record_type=HOURS, delivery_id=sent["delivery_id"]
    )
    assert (again.status_code, again.get_json()["replayed"]) == (200, True)
    assert count("delivery_parts") == 0


@pytest.mark.parametrize(("content", "found"), [
    (b"", "utf-8"), ("植树".encode(), "utf-8"), ("\ufeff植树".encode(), "utf-8-sig"),
    ("植树".encode()[:-1], "gb18030"), ("植树".encode("utf-16"), "gb18030"),
    ("植树".encode("gb18030"), "gb18030"), (b"PK\x03\x04\xff", "xlsx"),
])  # fmt: skip
def test_the_encoding_is_found_however_the_bytes_arrive(
    line: Line, content: bytes, found: str
) -> None:
    for size in (1, 2, 100):
        written = Upload(line.programme.keys)
        for at in range(0, len(content), size):
            written.write(content[at : at + size])
        assert written.found_encoding() == found


def test_a_small_file_waits_when_something_waits_before_it(
    line: Line, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = line.send(line.file())
    usual = replace(app.extensions["card_settings"], at_once_max_bytes=1 << 20)
    monkeypatch.setitem(app.extensions, "card_settings", usual)
    second = line.send(line.file())
    assert [line.status(one)["status"] for one in (first, second)] == ["waiting"] * 2
    for _ in line.work():
        pass
    assert line.status(first)["accepted_count"] == line.status(second)["duplicate_count"] == ROWS
    third = upload(line.client, line.source, line.file(), record_type=HOURS)
    assert (third.status_code, third.get_json()["status"]) == (200, "processed")


def test_the_days_of_files_that_wait_count(line: Line) -> None:
    line.send(line.file(), delivered_on="2026-07-01")
    early = upload(line.client, line.source, line.file(), record_type=HOURS)
    assert (early.status_code, early.get_json()["code"]) == (409, "delivery_out_of_order")
    assert count("delivery_uploads") == 1


def test_a_worker_goes_on_where_another_stopped(line: Line) -> None:
    bad = csv_file(HOURS, *(line.programme.hours(f"ZY-{at}", "x") for at in range(7)))
    sent = line.send(bad)
    next(line.work())  # and nothing more: this worker is dead
    assert told(line.status(sent)) == ("running", 5, 71, 0)
    assert list(line.work()) == []  # its claim still stands
    end_claims()
    assert len(list(line.work())) == 1
    report = open_report(delivery_id=UUID(sent["delivery_id"]), source_id=None)
    assert (report.status, report.refused_count) == ("processed", 7)
    assert refusals(report) == dict.fromkeys(range(2, 9), "bad_number")


def test_a_worker_that_lost_its_claim_takes_nothing_more(line: Line) -> None:
    sent = line.send(line.file())
    slow = line.work()
    next(slow)
    end_claims()
    assert len(list(line.work())) == 2
    assert list(slow) == []
    assert told(line.status(sent)) == ("processed", 12, 100, 12)


def test_a_cancelled_delivery_keeps_what_was_taken(line: Line) -> None:
    sent, after = line.send(line.file()), line.send(line.file(3, first=20))
    steps = line.work()
    next(steps)
    answer = line.cancel(sent)
    assert (answer.status_code, answer.get_json()["status"]) == (200, "running")
    assert answer.get_json()["cancelled_at"] is not None
    list(steps)
    assert told(line.status(sent)) == ("cancelled", 5, 41, 5)
    assert line.status(after)["status"] == "processed"
    assert count("records") == 5 + 3
    assert count("delivery_parts") == 0
    assert line.cancel(sent).status_code == 200  # again: nothing changes
    late = line.cancel(after)
    assert (late.status_code, late.get_json()["code"]) == (409, "delivery_finished")


def test_a_delivery_that_waits_is_cancelled_at_once(line: Line) -> None:
    sent = line.send(line.file())
    assert line.cancel(sent).get_json()["status"] == "cancelled"
    assert count("delivery_parts") == count("records") == 0
    early = upload(
        line.client, line.source, line.file(), record_type=HOURS, delivered_on="2026-06-01"
    )
    assert early.status_code == 202  # no row was taken: the day has not moved


def test_a_poison_file_is_given_up_and_those_after_it_are_taken(line: Line) -> None:
    poison, good = line.send(line.file()), line.send(line.file(3, first=20))
    spoil(poison)
    for number in range(1, TRIES_MAX + 1):
        with pytest.raises(SealBrokenError):
            list(line.work())
        assert list(line.work()) == []  # not at once
        with reading() as session:  # but long before a dead worker's claim would end
            left = session.scalar(text("""
                SELECT extract(epoch FROM claimed_until - clock_timestamp()) FROM deliveries
                WHERE status = 'running'
            """))
        assert 0 < left <= PAUSE_SECONDS * number < LEASE_SECONDS
        end_claims()
    list(line.work())
    assert told(line.status(poison)) == ("failed", 0, 0, 0)
    assert line.status(good)["status"] == "processed"
    assert count("delivery_parts") == 0


def test_tries_are_counted_from_the_last_chunk(line: Line) -> None:
    sent = line.send(line.file())
    for _ in range(ROWS):  # every worker dies after one chunk
        next(line.work(chunk_rows=1))
        end_claims()
    list(line.work())
    assert line.status(sent)["status"] == "processed"


def test_what_is_stored_is_sealed_and_bound_to_its_place(line: Line) -> None:
    line.send(line.file())
    with reading() as session:
        (part,) = session.execute(text("SELECT * FROM delivery_parts")).all()
        (whole,) = session.execute(text("SELECT * FROM delivery_uploads")).all()
    assert line.programme.people[0].id_number.encode() not in part.sealed
    assert whole.upload_id == part.upload_id
    with transaction() as session:
        session.execute(text("DELETE FROM delivery_parts"))
        session.execute(
            text("INSERT INTO delivery_parts (upload_id, part, sealed) VALUES (:id, 1, :sealed)"),
            {"id": part.upload_id, "sealed": part.sealed},
        )
    moved = SealedFile(line.programme.keys, upload_id=part.upload_id, size_bytes=3 << 20)
    moved.seek(uploads.PART_BYTES)
    with pytest.raises(SealBrokenError):
        moved.read(1)


@pytest.mark.parametrize("content", [
    b"", b"x", b"abc" * 100, b"0123456789" * 10, "中文，".encode("gb18030") * 50,
])  # fmt: skip
def test_a_file_is_read_as_it_was_written(
    app: Flask, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(uploads, "PART_BYTES", 64)
    keys = app.extensions["card_keys"]
    written = Upload(keys)
    for at in range(0, len(content), 7):
        written.write(content[at : at + 7])
    with transaction():
        written.keep()
    kept = SealedFile(keys, upload_id=written.upload_id, size_bytes=len(content))
    assert io.BufferedReader(kept).read() == content
    kept.seek(-1, io.SEEK_END)
    assert kept.read() == content[-1:]
    assert count("delivery_parts") == max(1, -(-len(content) // 64))


def test_limits_go_by_what_a_file_is(
    line: Line, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    lowered = replace(
        app.extensions["card_settings"], csv_max_bytes=3_000_000, xlsx_max_bytes=2_000_000
    )
    monkeypatch.setitem(app.extensions, "card_settings", lowered)
    archive = uploads.ARCHIVE_START + b"x" * 2_000_000
    for encoding in ("xlsx", "utf-8"):  # whatever its sender calls it
        answer = upload(line.client, line.source, archive, record_type=HOURS, encoding=encoding)
        assert (answer.status_code, answer.get_json()["code"]) == (422, "file_too_large")
        assert answer.get_json()["max_bytes"] == 2_000_000
    text_file = b"x" * 3_000_001
    answer = upload(line.client, line.source, text_file, record_type=HOURS)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "file_too_large")
    assert count("delivery_uploads") == count("delivery_parts") == 0
    assert line.send(b"x" * 2_500_000)["status"] == "waiting"


def test_a_length_above_the_limit_is_refused_unread(line: Line) -> None:
    class Untouched(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _: Any) -> int:
            raise AssertionError("the body was read")

    answer = line.client.post(
        "/api/v1/deliveries", headers=line.source,
        content_type="multipart/form-data; boundary=x",
        environ_overrides={
            "CONTENT_LENGTH": "512200000", "wsgi.input": io.BufferedReader(Untouched()),
        },
    )
    assert (answer.status_code, answer.get_json()["code"]) == (413, "body_too_large")


def test_a_file_that_is_refused_at_the_door_leaves_nothing(line: Line) -> None:
    large = line.file() + b"\n" * 1_200_000
    for record_type, day in (("honours", "2026-06-12"), (HOURS, "2025-01-01")):
        answer = upload(
            line.client, line.source, large, record_type=record_type, delivered_on=day
        )
        assert answer.status_code in {403, 409}
    assert count("delivery_uploads") == count("delivery_parts") == count("deliveries") == 0


def test_uploads_that_were_broken_off_are_pruned(line: Line) -> None:
    broken = Upload(line.programme.keys)
    broken.write(b"x" * 1_200_000)
    line.send(line.file())
    assert prune_uploads() == 0  # it may still grow
    hours = uploads.ABANDONED_HOURS + 1
    with transaction() as session:
        session.execute(text("DELETE FROM delivery_parts WHERE upload_id = :id"), {
            "id": broken.upload_id,
        })
        session.execute(
            text("INSERT INTO delivery_parts (upload_id, part, sealed, created_at)"
                 " VALUES (:id, 0, '\\x00', now() - make_interval(hours => :hours))"),
            {"id": broken.upload_id, "hours": hours},
        )
    assert prune_uploads() == 1
    assert count("delivery_uploads") == 1


def test_a_row_that_never_ends_is_refused(line: Line) -> None:
    sent = line.send(line.file() + b"x" * 1_100_000)
    list(line.work())
    found = line.status(sent)
    assert (found["status"], found["file_reason"]) == ("refused", "too_large")


def test_limits_hold_without_a_web_server(app: Flask) -> None:
    keys, limits = app.extensions["card_keys"], UploadLimits(csv_max_bytes=10, xlsx_max_bytes=5)
    with pytest.raises(FileTooLarge):
        Upload.of(keys, io.BytesIO(uploads.ARCHIVE_START + b"xx"), limits)
    with pytest.raises(FileTooLarge):
        Upload.of(keys, io.BytesIO(b"x" * 11), limits)
    assert Upload.of(keys, io.BytesIO(b"x" * 10), limits).marks.size_bytes == 10


def spoil(sent: dict[str, Any]) -> None:
    """The file can no longer be opened."""
    with transaction() as session:
        upload_id = session.execute(
            text("SELECT upload_id FROM deliveries WHERE delivery_id = :id"),
            {"id": sent["delivery_id"]},
        ).scalar_one()
        session.execute(
            text("DELETE FROM delivery_parts WHERE upload_id = :id"), {"id": upload_id}
        )
        session.execute(
            text("INSERT INTO delivery_parts (upload_id, part, sealed) VALUES (:id, 0, '\\x00')"),
            {"id": upload_id},
        )


def end_claims() -> None:
    """The time of the claims is over, as it will be soon after a worker's death."""
    with transaction() as session:
        session.execute(text("UPDATE deliveries SET claimed_until = now() - interval '1 second'"))

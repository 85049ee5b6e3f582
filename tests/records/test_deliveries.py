"""Deliveries and the register through the operations, on the database."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import reading
from app.kernel.ids import new_id
from app.ledger.queries import points_as_of
from app.members.id_numbers import mask_id_number
from app.members.queries import find_masked_profile
from app.records.operations import (
    DeliveryAhead,
    DeliveryIdReused,
    DeliveryNotFound,
    DeliveryOutOfOrder,
    DeliveryRequest,
    RecordTypeNotAllowed,
    UnknownRecordType,
    allow_record_types,
    clean_file_name,
    import_register,
    open_report,
    receive_file,
    reopen_day,
)
from app.records.queries import DeliveryReport, current_day, settled_day
from app.records.quotas import SourceNotRegistered
from app.records.reading import Encoding
from app.records.uploads import Upload
from app.scoring.queries import list_scores, scheme_in_force
from tests.members.people import made_up_member
from tests.records.programme import (
    DAY,
    HOURS,
    Programme,
    build_programme,
    csv_file,
    header,
    refusals,
)

JULY = date(2026, 7, 1)


@pytest.fixture
def programme(app: Flask) -> Programme:
    return build_programme(app)


def rows(table: str) -> list[Any]:
    with reading() as session:
        return list(session.execute(text(f"SELECT * FROM {table}")))


def balance(programme: Programme, on: date = JULY) -> int:
    return points_as_of(citizen_id=programme.citizens[0], on=on).balance_points


def hours_score(programme: Programme, on: date) -> int:
    scheme = scheme_in_force(on=on)
    assert scheme is not None
    return list_scores(scheme=scheme, as_of=on, citizen_ids=programme.citizens[:1])[0].total


def register(programme: Programme, *lines: list[str], on: date = DAY) -> DeliveryReport:
    request = DeliveryRequest(
        delivery_id=new_id(), record_type="members", delivered_on=on, encoding=Encoding.UTF_8,
        file_name="members.csv", staff_id=new_id(),
    )
    content = io.BytesIO(csv_file("members", *lines))
    upload = Upload.of(programme.keys, content)
    return import_register(keys=programme.keys, request=request, upload=upload)


def test_the_same_request_again_gives_the_first_report(programme: Programme) -> None:
    delivery_id, row = new_id(), programme.hours("ZY-1", "2")
    first = programme.deliver(HOURS, row, delivery_id=delivery_id)
    again = programme.deliver(HOURS, row, delivery_id=delivery_id)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.accepted_count == 1
    assert balance(programme) == 20
    with pytest.raises(DeliveryIdReused):
        programme.deliver(HOURS, programme.hours("ZY-2", "2"), delivery_id=delivery_id)
    with pytest.raises(DeliveryIdReused):
        programme.deliver(HOURS, row, delivery_id=delivery_id, on=JULY)


def test_the_same_file_under_a_new_id_changes_nothing(programme: Programme) -> None:
    lines = [programme.hours(f"ZY-{n}", "2", day=f"2026-05-0{n}") for n in (1, 2, 3)]
    programme.deliver(HOURS, *lines)
    before, points = rows("records"), balance(programme)
    again = programme.deliver(HOURS, *lines)
    assert again.duplicate_count == again.row_count == 3
    assert rows("records") == before
    assert balance(programme) == points


def test_corrections_and_voids_leave_past_days_as_they_were(programme: Programme) -> None:
    programme.deliver(HOURS, programme.hours("ZY-1", "8"))
    programme.deliver(HOURS, programme.hours("ZY-1", "2", version="2"), on=JULY)
    late = date(2026, 8, 1)
    programme.deliver(HOURS, programme.hours("ZY-1", "", version="3", status="作废"), on=late)
    days = (DAY, JULY, late)
    assert [hours_score(programme, on) for on in days] == [4, 1, 0]
    assert [balance(programme, on) for on in days] == [50, 20, 0]
    back = programme.deliver(HOURS, programme.hours("ZY-1", "4", version="4"), on=late)
    assert back.corrected_count == 1
    assert hours_score(programme, late) == 2
    assert balance(programme, late) == 40


def test_versions_within_one_file_are_taken_in_row_order(programme: Programme) -> None:
    report = programme.deliver(
        HOURS,
        programme.hours("ZY-1", "", version="2", status="作废"),
        programme.hours("ZY-1", "2"),
        programme.hours("ZY-1", "3", version="3"),
        programme.hours("ZY-1", "3", version="3"),
        programme.hours("ZY-1", "4", version="3"),
        programme.hours("ZY-1", "4", version="4", person=programme.people[1].id_number),
    )
    counts = (
        report.voided_count, report.superseded_count, report.corrected_count,
        report.duplicate_count,
    )
    assert counts == (1, 1, 1, 1)
    assert refusals(report) == {6: "version_conflict", 7: "citizen_changed"}
    assert balance(programme) == 30


def test_r1_d7_strangers_are_counted_and_nothing_is_kept(programme: Programme) -> None:
    stranger = made_up_member()
    line = programme.hours("ZY-9", "2", person=stranger.id_number, day="not a day")
    report = programme.deliver(HOURS, line)
    assert (report.dropped_count, report.refused_count) == (1, 0)
    assert rows("records") == rows("record_holders") == rows("delivery_refusals") == []
    good = programme.hours("ZY-9", "2", person=stranger.id_number)
    joined = [stranger.name, stranger.id_number, str(stranger.phone), "2026-06-13"]
    assert register(programme, joined, on=JULY).accepted_count == 1
    assert programme.deliver(HOURS, good).dropped_count == 1  # delivered the day before joining
    assert programme.deliver(HOURS, good, on=JULY).accepted_count == 1


def test_r1_a_quote_that_is_not_closed_seals_nobody_into_a_record(programme: Programme) -> None:
    good = [programme.hours(f"ZY-{at}", "2") for at in range(4)]
    strange = programme.hours("ZY-9", "2", person=made_up_member().id_number)
    lines = [",".join(row) for row in (header(HOURS), *good[:2], strange, *good[2:])]
    lines[2] = lines[2].replace("河道清洁", '"河道清洁')
    report = programme.deliver(HOURS, content="\n".join(lines).encode())
    assert refusals(report) == {3: "column_count"}
    assert (report.found_count, report.accepted_count, report.dropped_count) == (5, 3, 1)
    record = next(row for row in rows("records") if row.record_number == "ZY-0")
    assert len(record.details_sealed) == len(rows("records")[-1].details_sealed)
    repeated = programme.deliver(HOURS, *good)
    assert (repeated.duplicate_count, repeated.accepted_count) == (3, 1)


def test_deliveries_come_in_the_order_of_their_days(programme: Programme) -> None:
    programme.deliver(HOURS, programme.hours("ZY-1", "2"), on=JULY)
    with pytest.raises(DeliveryOutOfOrder):
        programme.deliver(HOURS, programme.hours("ZY-2", "2"))
    register(programme, on=date(2026, 1, 1))  # the register comes first, whatever its date
    reopen_day(delivered_on=DAY, staff_id=new_id(), reason="补报漏报文件")
    assert programme.deliver(HOURS, programme.hours("ZY-2", "2")).accepted_count == 1
    with pytest.raises(DeliveryOutOfOrder):
        programme.deliver(HOURS, programme.hours("ZY-3", "2"), on=date(2026, 6, 11))


def test_a_day_that_has_not_come_is_refused(programme: Programme) -> None:
    tomorrow = current_day() + timedelta(days=1)
    line = programme.hours("ZY-1", "2")
    request = DeliveryRequest(
        delivery_id=new_id(), record_type=HOURS, delivered_on=tomorrow, encoding=Encoding.UTF_8,
        file_name="hours.csv", source_id=programme.source_id,
    )
    with pytest.raises(DeliveryAhead):
        receive_file(request=request, upload=Upload.of(programme.keys, hours_file(line)))
    with pytest.raises(DeliveryAhead):
        register(programme, on=tomorrow)
    assert rows("deliveries") == rows("delivery_parts") == []
    today = replace(request, delivered_on=tomorrow - timedelta(days=1))
    kept = receive_file(request=today, upload=Upload.of(programme.keys, hours_file(line)))
    assert kept.status == "waiting"


def hours_file(*lines: list[str]) -> io.BytesIO:
    return io.BytesIO(csv_file(HOURS, *lines))


def test_a_refused_file_does_not_move_the_day(programme: Programme) -> None:
    refused = programme.deliver(HOURS, content=b"\xff", on=JULY)
    assert (refused.status, refused.file_reason) == ("refused", "bad_encoding")
    assert refused.row_count == refused.blank_count == 0
    assert programme.deliver(HOURS, programme.hours("ZY-1", "2")).status == "processed"


def test_orders_spend_what_there_is_row_by_row(programme: Programme) -> None:
    programme.deliver(HOURS, programme.hours("ZY-1", "5"))
    number = programme.people[0].id_number
    report = programme.deliver(
        "points_orders",
        ["DH-1", number, "2026-06-20", "60", "电影票"],
        ["DH-2", number, "2026-06-20", "30", "电影票"],
        ["DH-1", number, "2026-06-20", "20", "电影票"],
        ["DH-2", number, "2026-06-20", "30", "电影票"],
        ["DH-1", number, "2026-06-20", "60", "电影票"],
        ["DH-3", number, "2026-06-20", "1", "电影票"],
        on=JULY,
    )
    assert refusals(report) == {
        2: "insufficient_points", 6: "version_conflict", 7: "insufficient_points",
    }  # fmt: skip
    assert (report.accepted_count, report.duplicate_count) == (2, 1)
    assert balance(programme) == 0


def test_the_personal_part_is_sealed(programme: Programme) -> None:
    programme.deliver(HOURS, programme.hours("ZY-1", "2", activity="河道清洁"))
    (record,) = rows("records")
    assert record.measures == {"hours": "2"}
    assert "河道清洁".encode() not in record.details_sealed
    assert programme.people[0].id_number.encode() not in record.content_digest


def test_a_source_delivers_what_it_may_and_sees_its_own(programme: Programme) -> None:
    report = programme.deliver(HOURS, programme.hours("ZY-1", "2"))
    allow_record_types(source_id=programme.source_id, record_types=["honours"])
    with pytest.raises(RecordTypeNotAllowed):
        programme.deliver(HOURS, programme.hours("ZY-1", "2"))
    with pytest.raises(UnknownRecordType):
        programme.deliver("horoscopes", content=b"")
    with pytest.raises(UnknownRecordType):
        allow_record_types(source_id=programme.source_id, record_types=["members"])
    with pytest.raises(SourceNotRegistered):
        allow_record_types(source_id=new_id(), record_types=[HOURS])
    with pytest.raises(DeliveryNotFound):
        open_report(delivery_id=report.delivery_id, source_id=new_id())
    assert open_report(delivery_id=report.delivery_id, source_id=None).seq == report.seq


def test_a_source_cannot_deliver_the_register(programme: Programme) -> None:
    with pytest.raises(RecordTypeNotAllowed):
        programme.deliver("members", content=csv_file("members"))


def test_the_register_takes_each_person_once(programme: Programme) -> None:
    new, held = made_up_member(), programme.people[0]
    line = [new.name, new.id_number, str(new.phone), "2026-06-01"]
    report = register(
        programme,
        line,
        line,
        [new.name, new.id_number, "13900000000", "2026-06-01"],
        [held.name, held.id_number, str(held.phone), "2026-01-05"],
        [held.name + "甲", held.id_number, str(held.phone), "2026-01-05"],
    )
    assert (report.accepted_count, report.duplicate_count) == (1, 2)
    assert refusals(report) == {4: "member_exists", 6: "member_exists"}
    profile = find_masked_profile(keys=programme.keys, citizen_id=programme.citizens[0])
    assert profile is not None
    assert profile.id_number == mask_id_number(held.id_number)


@pytest.mark.parametrize(("name", "clean"), [
    ("a/b\\报送 2026.csv", "报送_2026.csv"), ("330702198503120412.csv", "_.csv"),
    ("A型血.csv", "file"), ("", "file"), ("x" * 300, "x" * 120),
    ("<script>.csv", "_script_.csv"),
])  # fmt: skip
def test_file_names_are_cleaned(name: str, clean: str) -> None:
    assert clean_file_name(name) == clean


def test_r9_blood_types_are_in_no_report(programme: Programme) -> None:
    person = programme.people[0]
    line = [
        "XX-1", "1", "有效", person.name, person.id_number, "2026-05-01", "3307000000000001",
        "采血点 O型血",
    ]  # fmt: skip
    report = programme.deliver("blood_donations", line, file_name="AB型血名单.csv")
    assert refusals(report) == {2: "forbidden_content"}
    assert "型血" not in str(rows("deliveries")) + str(rows("delivery_refusals"))
    assert rows("records") == []


def test_points_are_not_swept_ahead_of_deliveries(programme: Programme) -> None:
    assert settled_day() == current_day()
    programme.deliver(HOURS, programme.hours("ZY-1", "2"))
    assert settled_day() == min(DAY, current_day())

"""Months over HTTP: statements, closing by two, what comes late, what merchants say."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from openpyxl import load_workbook

from app.kernel.detached import verification_keys
from app.kernel.ids import new_id
from app.merchants.queries import behind_wall
from app.settlement import proof
from app.settlement.closing import freeze_due
from app.settlement.queries import month_statement
from app.web.auth import Role
from tests.redemptions.builders import (
    API,
    Clerk,
    keys_of,
    make_citizen,
    make_clerk,
    publish_benefit,
    staff_headers,
)
from tests.redemptions.offline_town import owner_headers
from tests.settlement.books import FEN, OWN, PRICE_POINTS, PRICED, SPONSORED, Books, noon

MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)
FORMULAS = (
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "=cmd|' /C calc'!A0",
)  # fmt: skip


class City:
    """Books, two operators, an owner, and a client."""

    def __init__(self, app: Flask, job_app: Flask, admin: psycopg.Connection[Any]) -> None:
        self.books = Books(app, job_app, admin)
        self.client: FlaskClient = app.test_client()
        self.clerk: Clerk = self.books.clerks[0]
        self.owner = owner_headers(app, self.clerk)
        self.one, self.other = (staff_headers(app, Role.OPERATOR) for _ in range(2))

    def get(self, path: str, headers: Mapping[str, str], **query: Any) -> Any:
        answer = self.client.get(f"{API}/settlement/{path}", query_string=query, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.get_json() if answer.is_json else answer.data

    def post(
        self, path: str, headers: Mapping[str, str], body: Mapping[str, Any], expect: int = 201
    ) -> dict[str, Any]:
        answer = self.client.post(f"{API}/{path}", json=body, headers=headers)
        assert answer.status_code == expect, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def propose(self, month: str, expect: int = 201, **more: Any) -> dict[str, Any]:
        body = {"closing_id": str(new_id()), "month": month, "reason": "按月核对关账", **more}
        return self.post("settlement/closings", self.one, body, expect)

    def confirm(
        self, closing: dict[str, Any], headers: Mapping[str, str] | None = None, expect: int = 200
    ) -> dict[str, Any]:
        path = f"settlement/closings/{closing['closing_id']}/confirmation"
        return self.post(path, headers or self.other, {"reason": "已核对账目"}, expect)

    def close(self, month: str, **more: Any) -> None:
        self.confirm(self.propose(month, **more))
        with self.books.job_app.app_context():
            assert freeze_due() == 1


@pytest.fixture
def city(committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]) -> City:
    return City(committing_app, job_app, admin)


def test_s61_two_operators_close_a_month_and_its_sheets_are_frozen(city: City) -> None:
    books, clerk = city.books, city.clerk
    ticket, own = books.voucher(PRICED), books.voucher(OWN)
    books.redeem(ticket, PRICED, clerk, noon(MAY))
    books.redeem(own, OWN, clerk, noon(MAY))
    day = city.get("statement", city.owner, on="2026-05-01")
    assert day["totals"] == {
        "amount_points": PRICE_POINTS, "subsidy_fen": FEN[PRICED] + FEN[OWN], "order_fen": 0,
        "owed_fen": FEN[PRICED],
    }  # fmt: skip
    assert [line["party"] for line in day["lines"]] == ["merchant", "programme"]
    closing = city.propose("2026-05")
    assert city.confirm(closing, city.one, 403)["code"] == "second_person_needed"
    assert city.confirm(closing)["state"] == "closing"
    assert city.confirm(closing, expect=409)["code"] == "settlement_month_taken"
    assert city.propose("2026-05", 409)["code"] == "settlement_month_taken"
    assert city.propose("2026-07", 409)["next_month"] == "2026-06"
    assert city.propose("2026-12", 409)["code"] == "settlement_month_not_over"
    with city.books.job_app.app_context():
        assert (freeze_due(), freeze_due()) == (1, 0)
    [month] = city.get("months", city.one)["months"]
    assert (month["month_on"], month["state"]) == ("2026-05-01", "closed")
    sheet = city.get("sheet", city.owner, month="2026-05")
    assert sheet["is_frozen"]
    assert sheet["totals"] == day["totals"]
    [seal] = sheet["seals"]
    assert seal["digest"] in seal["sealed_text"]
    assert seal["signature"].count(".") == 2
    assert verification_keys(keys=keys_of(books.app))
    again = city.get("statement", city.owner, on="2026-05-01")
    assert again["is_frozen"]
    assert again["lines"] == day["lines"]
    for statement in ("UPDATE settlement_lines SET owed_fen = 0", "DELETE FROM settlement_sheets"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            books.admin.execute(f"SET ROLE card_job; {statement}")
        books.admin.execute("RESET ROLE")
    with books.app.app_context():
        assert proof.verify() == []
    books.admin.execute("UPDATE settlement_lines SET owed_fen = owed_fen + 1 WHERE number = 1")
    with books.app.app_context():
        assert {found.invariant for found in proof.verify()} == {"M1"}


def test_what_comes_late_is_a_line_of_the_next_month_that_names_its_own(city: City) -> None:
    books, clerk = city.books, city.clerk
    ticket = books.voucher(PRICED)
    taken = books.redeem(ticket, PRICED, clerk, noon(MAY + timedelta(days=30), hours=11.9))
    city.close("2026-05")
    books.annul(ticket, clerk, noon(JUNE, hours=-11.9), taken)  # after midnight
    shown = books.voucher(SPONSORED)
    books.scan(
        clerk, scanned_at=noon(MAY), received_at=noon(MAY + timedelta(days=30)),
        voucher_id=shown, name=SPONSORED,
    )  # fmt: skip
    draft = city.get("sheet", city.owner, month="2026-06")
    assert not draft["is_frozen"]
    found = {(one["kind"], one["booked_on"], one["origin_month_on"]) for one in draft["lines"]}
    assert found == {
        ("annulment", "2026-06-01", "2026-05-01"), ("offline", "2026-05-01", "2026-05-01"),
    }  # fmt: skip
    assert draft["totals"]["owed_fen"] == FEN[SPONSORED] - FEN[PRICED]
    assert draft["totals"]["amount_points"] == -PRICE_POINTS


def test_a_month_with_undecided_scans_closes_when_they_are_carried_over(city: City) -> None:
    books, clerk = city.books, city.clerk
    shown = books.voucher(SPONSORED)
    books.scan(
        clerk, scanned_at=noon(MAY), received_at=noon(MAY), voucher_id=shown, name=SPONSORED
    )
    later = books.scan(
        books.clerks[1], scanned_at=noon(MAY, hours=1), received_at=noon(MAY, hours=2),
        voucher_id=shown, name=SPONSORED,
    )  # fmt: skip
    forged = books.scan(clerk, scanned_at=noon(MAY), received_at=noon(MAY))
    apart = city.get("statement", city.one, on="2026-05-01")["apart"]
    assert sorted(one["standing"] for one in apart) == ["disputed", "parked"]
    [seen] = city.get("statement", city.owner, on="2026-05-01")["apart"]
    assert seen["standing"] == "parked", "an owner sees its own"
    scans = city.get("undecided-scans", city.one, month="2026-05")["scans"]
    assert {one["scan_id"] for one in scans} == {later[1].hex(), forged[1].hex()}
    assert city.propose("2026-05", 409)["undecided_count"] == 2

    books.decide(forged, "not_counted", noon(MAY, hours=3))
    closing = city.propose("2026-05", carried_over_count=1)
    books.scan(clerk, scanned_at=noon(MAY), received_at=noon(MAY))
    assert city.confirm(closing, expect=409)["code"] == "settlement_undecided"
    city.close("2026-05", carried_over_count=2)
    books.decide(later, "counted", noon(JUNE))
    lines = city.get("sheet", city.one, month="2026-06")["lines"]
    assert [(one["kind"], one["owed_fen"], one["origin_month_on"]) for one in lines] == [
        ("dispute_paid", FEN[SPONSORED], "2026-05-01")
    ]


def test_an_objection_is_answered_by_a_line_of_a_later_month(city: City) -> None:
    books, clerk = city.books, city.clerk
    books.redeem(books.voucher(PRICED), PRICED, clerk, noon(MAY))
    said = {"month": "2026-05", "answer": "objected", "reason": "少计一笔核销"}
    unknown = city.post("merchant/settlement-answers", city.owner, said, 404)
    assert unknown["code"] == "settlement_sheet_unknown"
    city.close("2026-05")
    sheet = city.post("merchant/settlement-answers", city.owner, said)
    assert (sheet["state"], sheet["reason"]) == ("objected", "少计一笔核销")
    assert city.post("merchant/settlement-answers", city.owner, said) == sheet
    other = {"month": "2026-05", "answer": "accepted"}
    refused = city.post("merchant/settlement-answers", city.owner, other, 409)
    assert refused["code"] == "settlement_answered"
    body = {
        "correction_id": str(new_id()), "merchant_id": str(clerk.merchant_id), "month": "2026-05",
        "amount_fen": 300, "reason": "补计漏单一笔",
    }  # fmt: skip
    made = city.post("settlement/corrections", city.one, body)
    assert city.post("settlement/corrections", city.one, body) == made
    changed = city.post("settlement/corrections", city.one, body | {"amount_fen": 1}, 422)
    assert changed["code"] == "id_reused"
    [answered] = city.get("sheets", city.owner)["sheets"]
    assert answered["state"] == "answered"
    assert answered["totals"] == sheet["totals"], "the old sheet stays as it is"
    [line] = city.get("sheet", city.owner, month="2026-11")["lines"]
    assert (line["kind"], line["owed_fen"], line["origin_month_on"]) == (
        "correction", 300, "2026-05-01"
    )


def test_s30_no_cell_of_any_export_is_a_formula(
    city: City, committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    books = city.books
    for at, payload in enumerate(FORMULAS):
        clerk = make_clerk(committing_app)
        admin.execute(
            "UPDATE merchants SET name = %s WHERE merchant_id = %s",
            (payload, clerk.merchant_id),
        )
        admin.execute(
            "UPDATE shops SET name = %s WHERE shop_id = %s", (f"{payload} ", clerk.shop_id)
        )
        books.redeem(books.voucher(OWN), OWN, clerk, noon(MAY, hours=at / 100))
        books.scan(clerk, scanned_at=noon(MAY), received_at=noon(MAY))
    for path, query in (("statement", {"on": "2026-05-01"}), ("sheet", {"month": "2026-05"})):
        rows = list(csv.reader(io.StringIO(
            city.get(f"{path}.csv", city.one, **query).decode("utf-8-sig"), newline=""
        )))  # fmt: skip
        texts = [cell for row in rows for cell in row if not cell.lstrip("-").isdecimal()]
        assert len(rows) == 2 + 2 * len(FORMULAS)
        assert not [one for one in texts if one.strip().startswith(("=", "+", "-", "@", "＝"))]
        assert not [one for one in texts if one.startswith(("\t", "\r", "\n"))]
        book = load_workbook(io.BytesIO(city.get(f"{path}.xlsx", city.one, **query)))
        cells = [cell for row in book.active.iter_rows() for cell in row]  # type: ignore[union-attr]
        assert not [cell for cell in cells if cell.data_type == "f"]
        assert len([cell for cell in cells if cell.data_type == "s"]) > 6 * len(FORMULAS)


def test_r23_no_paper_names_a_person(city: City, admin: psycopg.Connection[Any]) -> None:
    books, clerk = city.books, city.clerk
    voucher_id = books.voucher(PRICED)
    books.redeem(voucher_id, PRICED, clerk, noon(MAY))
    secrets = {str(books.citizen_id), str(voucher_id), str(clerk.staff_id)}
    secrets |= {one.replace("-", "") for one in secrets}
    for path, query in (("statement", {"on": "2026-05-01"}), ("sheet", {"month": "2026-05"})):
        for form in ("", ".csv", ".xlsx"):
            answer = city.client.get(
                f"{API}/settlement/{path}{form}", query_string=query, headers=city.one
            )
            assert not [one for one in secrets if one.encode() in answer.data]
    rows = admin.execute(
        "SELECT table_name FROM information_schema.columns WHERE column_name = 'citizen_id'"
        " AND table_name LIKE 'settlement%'"
    ).fetchall()
    assert rows == []


def test_s12_an_owner_reads_its_own_merchant_even_without_a_where(city: City) -> None:
    books = city.books
    theirs = books.clerks[1]
    books.redeem(books.voucher(PRICED), PRICED, theirs, noon(MAY))
    assert city.get("statement", city.owner, on="2026-05-01")["lines"] == []
    answer = city.client.get(
        f"{API}/settlement/statement", headers=city.owner,
        query_string={"on": "2026-05-01", "merchant_id": str(theirs.merchant_id)},
    )  # fmt: skip
    assert answer.get_json()["code"] == "merchant_unknown"
    with books.app.app_context(), behind_wall(staff_id=city.clerk.staff_id):
        for merchant_id in (None, theirs.merchant_id):  # as if the room had asked for everybody's
            assert month_statement(merchant_id=merchant_id, month_on=MAY).lines == ()
    with books.app.app_context():
        assert len(month_statement(merchant_id=None, month_on=MAY).lines) == 1


def test_the_trips_of_a_day_are_a_line_of_their_operator(city: City) -> None:
    merchant_id = city.clerk.merchant_id
    city.books.admin.execute(
        "INSERT INTO transit_days (merchant_id, accounting_on, benefit_code, trip_count, fare_fen,"
        " discount_fen, subsidy_fen) VALUES (%s, %s, 'transit', 3, 600, 120, 115)",
        (merchant_id, MAY + timedelta(days=30)),
    )
    [line] = city.get("sheet", city.owner, month="2026-05")["lines"]
    assert {name: line[name] for name in ("kind", "what", "party", "item_count")} == {
        "kind": "trip", "what": "transit", "party": "programme", "item_count": 3,
    }
    assert (line["subsidy_fen"], line["owed_fen"]) == (115, 115)
    city.close("2026-05")
    [frozen] = city.get("sheet", city.owner, month="2026-05")["lines"]
    assert (frozen["kind"], frozen["owed_fen"]) == ("trip", 115)
    assert city.get("sheet", city.owner, month="2026-06")["lines"] == []


def test_a_budget_is_what_is_left_held_and_spent(
    app: Flask, client: FlaskClient
) -> None:
    code = publish_benefit(
        app, subsidy={"payer": "programme", "fen": 200}, budget_fen=10_000,
        annul_window_seconds=600,
    )
    clerk, citizen = make_clerk(app, takes=(code,)), make_citizen(app)
    held = [citizen.claimed(client, code) for _ in range(4)]
    receipts = []
    for voucher_id in held[:2]:
        shown = citizen.voucher_code(client, voucher_id)
        receipts.append(clerk.redeem(client, code=shown).get_json()["receipt"])
    assert clerk.annul(client, receipts[0]).status_code == 200
    assert citizen.give_back(client, held[2]).status_code == 200
    operator = staff_headers(app, Role.OPERATOR)
    [budget] = client.get(f"{API}/settlement/budgets", headers=operator).get_json()["budgets"]
    assert budget == {
        "code": code, "subsidy_payer": "programme", "budget_fen": 10_000, "left_fen": 9_600,
        "held_fen": 200, "spent_fen": 400, "returned_fen": 200, "is_even": True,
    }  # fmt: skip
    assert proof.verify() == []


def test_a_budget_that_lost_a_fen_is_named(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    code = publish_benefit(
        committing_app, subsidy={"payer": "sponsor", "fen": 5}, budget_fen=1_000
    )
    admin.execute("UPDATE benefit_stock SET left_fen = left_fen - 1 WHERE bucket = 3")
    with committing_app.app_context():
        [found] = proof.verify()
    assert (found.invariant, found.where) == ("M3", code)
    told = committing_app.test_cli_runner().invoke(args=["settlement", "verify"])
    assert told.exit_code == 1
    assert code in told.output

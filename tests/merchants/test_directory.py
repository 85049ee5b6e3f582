"""What citizens read about merchants: found by words and distance; entries within their time."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.clock import city_today
from app.kernel.database import reading
from app.kernel.ids import new_id
from app.web.auth import Role
from tests.merchants.applying import REASON, Applicant
from tests.redemptions.answers import outcome
from tests.redemptions.builders import API, staff_headers

SQUARE = (29_078_000, 119_647_000)  # the People's Square of Jinhua
PENALTY = {
    "kind": "penalty", "grade": "minor", "title": "未明码标价",
    "document_number": "金市监罚〔2026〕1号", "authority": "市场监督管理局",
    "legal_basis": "《价格法》第四十二条",
}  # fmt: skip


@pytest.fixture
def operators(app: Flask) -> tuple[Any, Any]:
    return staff_headers(app, Role.OPERATOR), staff_headers(app, Role.OPERATOR)


@pytest.fixture
def today(app: Flask) -> date:
    with reading() as session:
        return city_today(session)


class Book:
    """Entries about one merchant, by two operators."""

    def __init__(self, client: FlaskClient, operators: tuple[Any, Any]) -> None:
        self.client, self.operators = client, operators
        self.merchant_id = Applicant(client).approved_by(*operators)

    def propose(self, *days: date, **facts: Any) -> Any:
        body = {
            "entry_id": str(new_id()), "merchant_id": self.merchant_id, **PENALTY, **REASON,
            **dict(zip(("issued_on", "published_from", "published_to"), map(str, days),
                       strict=True)), **facts,
        }  # fmt: skip
        return self.client.post(f"{API}/merchant-entries", json=body, headers=self.operators[0])

    def act(self, entry_id: str, act: str, person: int = 1, **more: Any) -> Any:
        path = f"{API}/merchant-entries/{entry_id}/{act}"
        return self.client.post(path, json={**REASON, **more}, headers=self.operators[person])

    def enter(self, *days: date, **facts: Any) -> str:
        entry_id = str(self.propose(*days, **facts).get_json()["entry_id"])
        assert self.act(entry_id, "confirmation").status_code == 200
        return entry_id

    def shown(self) -> list[str]:
        page = self.client.get(f"{API}/public/merchants/{self.merchant_id}").get_json()
        return [one["title"] for one in page["entries"]]


def test_r17_an_entry_is_shown_from_its_first_day_to_its_last(
    client: FlaskClient, operators: tuple[Any, Any], today: date
) -> None:
    book, day = Book(client, operators), timedelta(days=1)
    issued = today - 40 * day
    book.enter(issued, issued, today - day, title="昨天为止")
    book.enter(issued, issued, today, title="今天为止")
    book.enter(issued, today, today + day, title="今天开始")
    book.enter(issued, today + day, today + 2 * day, title="明天开始")
    assert sorted(book.shown()) == ["今天为止", "今天开始"]
    listed = client.get(
        f"{API}/merchant-entries?merchant_id={book.merchant_id}", headers=operators[0]
    ).get_json()["entries"]
    assert [one["state"] for one in listed] == ["confirmed"] * 4


@pytest.mark.parametrize(("grade", "last"), [
    ("minor", date(2026, 3, 31)), ("general", date(2026, 12, 31)), ("serious", date(2028, 12, 31)),
])  # fmt: skip
def test_r17_a_penalty_has_a_longest_time(
    client: FlaskClient, operators: tuple[Any, Any], grade: str, last: date
) -> None:
    book, issued = Book(client, operators), date(2025, 12, 31)
    longer = book.propose(issued, issued, last + timedelta(days=1), grade=grade)
    assert outcome(longer) == (422, "publication_too_long")
    assert longer.get_json()["at_most_to"] == last.isoformat()
    assert book.propose(issued, issued, last, grade=grade).status_code == 201


def test_r18_a_repair_ends_it_at_once(
    client: FlaskClient, operators: tuple[Any, Any], today: date
) -> None:
    book = Book(client, operators)
    entry_id = book.enter(today, today, today)
    assert book.shown() == [PENALTY["title"]]
    assert book.act(entry_id, "ending", cause="repaired").get_json()["state"] == "repaired"
    assert book.shown() == []
    assert outcome(book.act(entry_id, "confirmation")) == (409, "entry_ended")


def test_s61_one_person_alone_shows_nothing(
    client: FlaskClient, operators: tuple[Any, Any], today: date
) -> None:
    book = Book(client, operators)
    entry_id = book.propose(today, today, today).get_json()["entry_id"]
    assert outcome(book.act(entry_id, "confirmation", 0)) == (403, "second_person_needed")
    assert book.shown() == []
    assert outcome(book.act(str(new_id()), "confirmation")) == (404, "entry_unknown")


def test_what_cannot_be_entered(
    client: FlaskClient, operators: tuple[Any, Any], today: date
) -> None:
    book, later = Book(client, operators), today + timedelta(days=1)
    for days, facts, refusal in (
        ((today, today, today), {"grade": None}, (422, "entry_unfit")),
        ((today, today, today), {"kind": "honour"}, (422, "entry_unfit")),
        ((later, today, today), {}, (422, "entry_unfit")),
        ((today, later, today), {}, (422, "entry_unfit")),
        ((today, today, today), {"title": "王某330702198503122223"}, (422, "entry_names_person")),
        ((today, today, today), {"merchant_id": str(new_id())}, (404, "merchant_unknown")),
    ):
        assert outcome(book.propose(*days, **facts)) == refusal


def search(client: FlaskClient, **wanted: Any) -> list[dict[str, Any]]:
    answer = client.get(f"{API}/public/merchants", query_string=wanted)
    assert answer.status_code == 200, answer.get_json()
    found: list[dict[str, Any]] = answer.get_json()["shops"]
    return found


def test_shops_are_found_by_words_category_and_distance(
    client: FlaskClient, operators: tuple[Any, Any]
) -> None:
    places = {"近店": (29_079_000, 119_647_000), "远店": (29_108_000, 119_647_000),
              "外地店": (30_274_000, 120_155_000)}  # fmt: skip
    shops = [
        {"name": name, "address": None, "latitude_e6": latitude, "longitude_e6": longitude}
        for name, (latitude, longitude) in places.items()
    ]
    Applicant(client, name="婺剧院", category="culture", shops=shops).approved_by(*operators)
    tea = Applicant(client, name="100%_茶馆", category="catering", shops=[{"name": "无地址店"}])
    tea.approved_by(*operators)
    near = {"latitude_e6": SQUARE[0], "longitude_e6": SQUARE[1]}
    found = search(client, **near)
    assert [(one["shop_name"], one["distance_metres"]) for one in found] == [
        ("近店", 111), ("远店", 3336),
    ]
    far = search(client, **near, within_metres=100_000)
    assert [one["shop_name"] for one in far] == ["近店", "远店"]
    assert [one["shop_name"] for one in search(client, **near, limit=1, page=2)] == ["远店"]
    assert [one["shop_name"] for one in search(client, words="外地")] == ["外地店"]
    assert [one["shop_name"] for one in search(client, words="%_")] == ["无地址店"]
    assert {one["merchant_name"] for one in search(client, category="culture")} == {"婺剧院"}
    half = client.get(f"{API}/public/merchants", query_string={"latitude_e6": 1})
    assert outcome(half) == (422, "invalid_request")


def test_who_is_suspended_is_not_found(client: FlaskClient, operators: tuple[Any, Any]) -> None:
    merchant_id = Applicant(client, name="停业书店").approved_by(*operators)
    assert search(client, words="停业书店")
    body = {"suspension_id": str(new_id()), "merchant_id": merchant_id, **REASON}
    client.post(f"{API}/merchant-suspensions", json=body, headers=operators[0])
    assert search(client, words="停业书店") == []


def test_r23_the_page_tells_of_the_organisation_alone(
    client: FlaskClient, operators: tuple[Any, Any]
) -> None:
    applicant = Applicant(client)
    merchant_id = applicant.approved_by(*operators)
    page = client.get(f"{API}/public/merchants/{merchant_id}").get_json()
    assert page["merchant"] == {
        "merchant_id": merchant_id, "name": applicant.facts["name"],
        "credit_code": applicant.facts["credit_code"], "category": "culture",
        "commitment_version": applicant.facts["text_version"],
        "commitment_title": "诚信经营承诺书", "committed_at": applicant.status()["created_at"],
    }
    assert (page["served_count"], page["entries"]) == (None, [])
    assert page["complaints"] == {
        "received_count": 0, "answered_count": 0, "in_time_percent": None,
    }
    unknown = client.get(f"{API}/public/merchants/{new_id()}")
    assert outcome(unknown) == (404, "merchant_unknown")

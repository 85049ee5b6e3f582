"""The score of a household as its adults see it, and scores that are shown by periods."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import func, select, text

from app.factory import refresh_household
from app.households.operations import ADULTS_MAX
from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.kernel.jobs import Message
from app.records.catalogue import load_catalogue, read_catalogue_file
from app.records.editing import publish_first_catalogue
from app.records.operations import DeliveryRequest, register_source
from app.records.queries import current_day
from app.records.reading import Encoding
from app.scoring import operations
from app.scoring.queries import current_tier, list_scores, scheme_in_force
from app.scoring.refreshing import verify
from app.scoring.rules import Period
from app.scoring.scheme import parse_scheme, read_scheme_file
from app.scoring.showing import last_closed_day, next_period, period_start
from tests.households.town import Villager, live_together, villager
from tests.members.api import keys_of
from tests.scoring.scheme_oracle import Fact
from tests.scoring.test_random_schemes import keep_facts

LONGYOU, XIANGSHAN = "longyou-gongde-2026.1", "xiangshan-chengxin-2026.1"
EXPLANATION = "/me/score/explanation"
AT_ONCE = {'shown = "quarter"\n': ""}
Row = tuple[Villager, date, str, str]


def publish(scheme: str, changes: dict[str, str] | None = None) -> None:
    document = read_scheme_file(scheme)
    for old, new in (changes or {}).items():
        assert old in document
        document = document.replace(old, new)
    publish_first_catalogue(document=read_catalogue_file(scheme.partition("-")[0]))
    operations.publish_scheme(document=document)


def deliver(app: Flask, *rows: Row, on: date | None = None) -> None:
    """What a police post sends: who, when, which item, and why."""
    source_id = new_id()
    register_source(
        keys=keys_of(app), source_id=source_id, unit=f"派出所 {source_id}", record_types=["safety"]
    )
    out = io.StringIO()
    columns = [one.name for one in load_catalogue("longyou").record_types["safety"].columns]
    csv.writer(out).writerows([columns, *(
        [f"PA-{at}", "1", "有效", who.id_number, on.isoformat(), item, reason]
        for at, (who, on, item, reason) in enumerate(rows)
    )])  # fmt: skip
    request = DeliveryRequest(
        delivery_id=new_id(), record_type="safety", delivered_on=on or current_day(),
        encoding=Encoding.UTF_8, file_name="safety.csv", source_id=source_id,
    )
    operations.take_delivery(
        keys=keys_of(app), request=request, file=io.BytesIO(out.getvalue().encode())
    )


def settle(since_on: date, head: Villager, *others: Villager) -> None:
    """They have lived together since a day that is long past."""
    live_together(head, *others)
    seats = [
        {"id": one.citizen_id, "head": head.citizen_id, "on": since_on} for one in (head, *others)
    ]
    with transaction() as session:
        for seat in seats:
            session.execute(text("DELETE FROM household_seats WHERE citizen_id = :id"), seat)
            session.execute(text(
                "INSERT INTO household_seats (citizen_id, head_id, since_on)"
                " VALUES (:id, :head, :on)"
            ), seat)  # fmt: skip


def did(who: Villager, *deeds: tuple[str, date, str]) -> None:
    with transaction() as session:
        keep_facts(session, who.citizen_id, [
            Fact(kind, f"N-{new_id()}", on, item) for kind, on, item in deeds
        ])  # fmt: skip


def stored(head: Villager) -> int:
    query = text("SELECT total FROM scores WHERE citizen_id = :id")
    with reading() as session:
        return int(session.execute(query, {"id": head.citizen_id}).scalar_one())


def benefits_total(one: Villager) -> int | None:
    """The total that benefits go by."""
    with reading() as session:
        total: int | None = session.scalar(select(func.citizen_total(one.citizen_id)))
        return total


def lines_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [line for one in found["indicators"] for line in one["lines"]]


def test_a_household_has_one_score_and_every_adult_sees_it(app: Flask) -> None:
    publish(LONGYOU, AT_ONCE)
    head, other, alone = villager(app), villager(app), villager(app)
    live_together(head, other)
    today = current_day()
    deliver(
        app,
        (head, today, "安全用火", "安装独立烟感"),
        (other, today, "平安巡防", "参加夜巡一次"),
        (other, today - timedelta(days=1), "安全用电", "同意之前"),
        (alone, today, "平安巡防", "未加入家庭"),
    )
    for one in (head, other):
        score = one.get("/me/score")
        assert (score["total"], score["subject"]) == (213, "household")
        assert score["next_shown_on"] is None
    assert alone.refusal("GET", "/me/score") == "household_missing"
    assert stored(head) == 213
    assert verify(as_of=today, first=UUID(int=0)) == []
    assert current_tier(other.citizen_id) is None
    assert benefits_total(head) is None  # nothing that the other adults would not have too


def test_an_adult_is_told_numbers_origins_and_reasons_of_their_own_records(app: Flask) -> None:
    publish(LONGYOU, AT_ONCE)
    head, other = villager(app), villager(app)
    live_together(head, other)
    today = current_day()
    deliver(
        app,
        (head, today, "安全用火", "安装独立烟感"), (other, today, "平安巡防", "参加夜巡一次"),
    )
    for one, mine, reason in ((head, "PA-0", "安装独立烟感"), (other, "PA-1", "参加夜巡一次")):
        found = one.get(EXPLANATION)
        assert found["line_count"] == 2
        told = [
            (line["record_number"], line["stated_reason"], line["origin"] is not None)
            for line in lines_of(found)
        ]
        assert sorted(told, key=str) == sorted([(mine, reason, True), (None, None, False)], key=str)
        assert {line["item"]: line["value"] for line in lines_of(found)} == {
            "安全用火": "5", "平安巡防": "8",
        }
        endings = one.get("/me/score/outlook")["changes"]
        assert all(e["record_number"] is None for c in endings for e in c["endings"])


def test_who_leaves_takes_their_records_along(app: Flask) -> None:
    publish(LONGYOU, AT_ONCE)
    head, other = villager(app), villager(app)
    live_together(head, other)
    today = current_day()
    deliver(app, (head, today, "安全用火", "一"), (other, today, "平安巡防", "二"))
    other.do("POST", "/me/household/leave", status=204)
    assert head.get("/me/score")["total"] == 205
    assert other.refusal("GET", "/me/score") == "household_missing"
    operations.refresh_household(head_id=head.citizen_id)  # what the message has done
    assert stored(head) == 205
    head.do("POST", "/me/household/leave", status=204)
    operations.refresh_household(head_id=head.citizen_id)
    assert stored(head) == 0
    # Together again under the other one: from now on, and each deed for one household only.
    live_together(other, head)
    assert head.get("/me/score")["total"] == other.get("/me/score")["total"] == 213


def test_a_message_follows_every_change_of_a_household(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    head, other = villager(committing_app), villager(committing_app)
    live_together(head, other)
    other.do("POST", "/me/household/leave", status=204)
    head.do("POST", "/me/household/leave", status=204)
    told = admin.execute(
        "SELECT topic, citizen_id, payload -> 'is_over' FROM outbox ORDER BY message_id"
    ).fetchall()
    what = ("household_changed", head.citizen_id)
    assert told == [(*what, False), (*what, False), (*what, False), (*what, True)]


def test_the_worker_follows_with_the_rights_of_its_role(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    with committing_app.app_context():
        publish(LONGYOU, AT_ONCE)
        head = villager(committing_app)
        live_together(head)
    for total in (200, 0):
        with job_app.app_context():
            for message in told_since(admin):
                refresh_household(message)
        query = "SELECT total FROM scores WHERE citizen_id = %s"
        assert admin.execute(query, (head.citizen_id,)).fetchone() == (total,)
        head.do("POST", "/me/household/leave", status=204)


def told_since(admin: psycopg.Connection[Any]) -> list[Message]:
    """The messages that wait, as the relay takes them."""
    rows = admin.execute(
        "DELETE FROM outbox RETURNING citizen_id, message_id, topic, payload"
    ).fetchall()
    return [Message(*row) for row in rows]


def test_the_outlook_ends_where_scores_become_other_peoples_or_are_shown_later(
    app: Flask,
) -> None:
    publish(LONGYOU, AT_ONCE)
    head, other = villager(app), villager(app)
    live_together(head, other)
    did(head, ("safety", current_day() + timedelta(days=8), "安全用火"))
    assert len(other.get("/me/score/outlook")["changes"]) == 1  # on the eighth day
    later = read_scheme_file(LONGYOU).replace('version = "2026.1"', 'version = "2026.2"')
    begins = f"effective_on = {current_day() + timedelta(days=5)}"
    later = later.replace('subject = "household"\nshown = "quarter"\n', "")
    follow(later.replace("effective_on = 2026-01-01", begins))
    assert other.get("/me/score/outlook")["changes"] == []


def follow(document: str) -> None:
    with transaction() as session:
        scheme = parse_scheme(document, catalogue=load_catalogue("longyou"))
        operations.insert_scheme(session, scheme)
        operations.put_in_force(session, scheme)


def test_many_adults_share_the_caps_of_one_household(app: Flask) -> None:
    publish(LONGYOU, AT_ONCE)
    head, *others = [villager(app) for _ in range(ADULTS_MAX)]
    live_together(head, *others)
    for one in (head, *others):
        did(one, ("safety", current_day(), "平安巡防"))
    assert others[-1].get("/me/score")["total"] == 220  # a month gives 20


def test_benefits_go_by_what_is_a_persons_and_shown_at_once(app: Flask) -> None:
    publish(XIANGSHAN, AT_ONCE)
    one = villager(app)
    operations.refresh_scores()
    assert benefits_total(one) == 60


CLOSED = Period.QUARTER


def test_a_score_is_shown_as_of_the_last_closed_period(app: Flask) -> None:
    publish(LONGYOU)
    head, other = villager(app), villager(app)
    today = current_day()
    closed = last_closed_day(CLOSED, today)
    settle(closed - timedelta(days=80), head, other)
    did(head, ("safety", closed, "安全用火"))
    did(other, ("safety", closed + timedelta(days=1), "平安巡防"))
    score = other.get("/me/score")
    assert (score["total"], score["as_of_on"]) == (205, closed.isoformat())
    assert score["next_shown_on"] == next_period(CLOSED, today).isoformat()
    for asked in (today, today + timedelta(days=400)):
        assert other.get(f"/me/score?as_of={asked}")["as_of_on"] == closed.isoformat()
    found = head.get(EXPLANATION)
    assert (found["total"], found["line_count"]) == (205, 1)
    outlook = head.get("/me/score/outlook")
    assert (outlook["total"], outlook["changes"]) == (205, [])
    # The computations of the programme go on.
    scheme = scheme_in_force(on=today)
    assert scheme is not None
    operations.refresh_scores()
    assert benefits_total(head) is None
    [now] = list_scores(scheme=scheme, as_of=today, citizen_ids=[head.citizen_id])
    assert now.total == stored(head) == 213


def test_a_past_day_is_answered_by_the_period_before_it(app: Flask) -> None:
    publish(XIANGSHAN)
    one, closed = villager(app), last_closed_day(CLOSED, current_day())
    before = last_closed_day(CLOSED, closed)
    did(one, ("common_items", before + timedelta(days=1), "信用承诺"))
    for asked in (closed - timedelta(days=1), before):
        score = one.get(f"/me/score?as_of={asked}")
        assert (score["as_of_on"], score["total"]) == (before.isoformat(), 60)
    assert one.get(f"/me/score?as_of={closed}")["total"] > 60
    assert one.ask("GET", "/me/score?as_of=2026-01-04").status_code == 404


def test_nothing_is_shown_before_the_first_period_is_over(app: Flask) -> None:
    publish(LONGYOU)
    head = villager(app)
    live_together(head)
    told = head.get("/me/score", status=404)
    shown_on = next_period(CLOSED, current_day()).isoformat()
    assert (told["code"], told["shown_on"]) == ("score_not_shown_yet", shown_on)


def test_nothing_is_shown_of_rules_younger_than_the_period(app: Flask) -> None:
    publish(XIANGSHAN, {"effective_on = 2026-01-01": f"effective_on = {current_day()}"})
    assert villager(app).refusal("GET", "/me/score") == "score_not_shown_yet"


@pytest.mark.parametrize(("period", "on", "start", "closed", "following"), [
    ("month", "2026-03-31", "2026-03-01", "2026-02-28", "2026-04-01"),
    ("month", "2028-01-31", "2028-01-01", "2027-12-31", "2028-02-01"),
    ("quarter", "2026-12-31", "2026-10-01", "2026-09-30", "2027-01-01"),
    ("quarter", "2026-01-01", "2026-01-01", "2025-12-31", "2026-04-01"),
    ("year", "2028-12-31", "2028-01-01", "2027-12-31", "2029-01-01"),
])  # fmt: skip
def test_periods(*, period: str, on: str, start: str, closed: str, following: str) -> None:
    kind, day = Period(period), date.fromisoformat(on)
    told: Sequence[date] = (
        period_start(kind, day), last_closed_day(kind, day), next_period(kind, day)
    )
    assert [one.isoformat() for one in told] == [start, closed, following]

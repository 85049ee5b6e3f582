"""R29: a death takes two persons and a paper, ends processing at once, and can be reversed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.counter.notices import RESTING
from app.deaths.operations import end_due
from app.kernel.clock import city_today
from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.ledger import operations as ledger
from app.ledger.queries import balance, entries
from app.members.register import NewMember
from app.rights.leaving import erase_due
from app.trail.queries import list_trail
from demo.load import prepare_programme
from tests.counter.desk import Desk, Holder, done, told
from tests.deaths.office import Office, Person, make_office, make_person, move_terms
from tests.members.api import claims_of, join, made_up_person
from tests.members.people import made_up_id_number, made_up_member
from tests.objections.desk import PNG
from tests.records.api import make_source, upload
from tests.records.programme import HOURS, csv_file
from tests.redemptions.builders import (
    API,
    Citizen,
    give_consent,
    grant_points,
    make_clerk,
    publish_benefit,
    set_tier,
)
from tests.redemptions.checks import assert_redemptions_agree
from tests.rights.rows import count_rows
from tests.rights.test_leaving import LATER, at_counter
from tests.service_orders.shop import make_shop
from wechat_integration.sandbox.control import SandboxControl

INACTIVE = (409, "card_inactive")
ROOM = (
    "death_arrangements", "death_reports", "relative_applications", "death_papers",
    "death_paper_parts",
)  # fmt: skip


@pytest.fixture
def office(app: Flask) -> Office:
    return make_office(app)


@pytest.fixture
def person(app: Flask) -> Person:
    return make_person(app)


def today() -> date:
    with reading() as session:
        return city_today(session)


def actions_of(who: UUID) -> list[str]:
    return [line.action for line in list_trail(citizen_id=who, limit=50)]


def test_r29_two_persons_and_a_paper_confirm_a_death(
    app: Flask, office: Office, person: Person
) -> None:
    tomorrow = (today() + timedelta(days=1)).isoformat()
    assert told(office.report(person, died_on=tomorrow)) == (422, "death_day_ahead")
    assert told(office.report(person, totp="000000")) == (403, "second_factor_refused")
    assert told(office.report(person, reason="去世")) == (422, "reason_needed")
    made = done(office.report(person), 201)
    report_id = made["report_id"]
    assert done(office.report(person, report_id=report_id), 201) == made
    other = office.report(person, report_id=report_id, evidence="court_declaration")
    assert told(other) == (422, "id_reused")
    assert told(office.report(person)) == (409, "death_report_pending")
    assert told(office.confirm(office.second, report_id)) == (409, "death_evidence_missing")
    assert told(office.add(report_id, b"MZ made up")) == (422, "attachment_type_unknown")
    done(office.add(report_id), 201)
    assert told(office.confirm(office.first, report_id)) == (403, "second_person_needed")
    assert office.client.get(f"{API}/me", headers=person.citizen.headers).status_code == 200
    assert done(office.confirm(office.second, report_id))["state"] == "confirmed"
    assert told(office.confirm(office.second, report_id)) == (409, "death_report_decided")
    assert told(office.add(report_id)) == (409, "death_report_decided")
    assert told(office.report(person)) == (409, "death_report_pending")
    assert actions_of(person.citizen_id)[:3] == [
        "death_confirmed", "death_paper_added", "death_reported"
    ]


def test_r29_a_refused_report_changes_nothing(office: Office, person: Person) -> None:
    report_id = office.reported(person)
    assert done(office.confirm(office.second, report_id, word=False))["state"] == "refused"
    assert office.client.get(f"{API}/me", headers=person.citizen.headers).status_code == 200
    assert told(office.reverse(person)) == (404, "death_not_reported")
    office.reported(person)
    assert done(office.reverse(person))["state"] == "reversed"
    assert office.client.get(f"{API}/me", headers=person.citizen.headers).status_code == 200


def test_r29_what_a_second_person_looks_at_is_sealed_and_leaves_a_line(
    app: Flask, office: Office, person: Person
) -> None:
    report_id = office.reported(person)
    with transaction() as session:
        kept = session.execute(text(
            "SELECT position(CAST('2026-05-30' AS bytea) IN died_on_sealed) > 0,"
            " (SELECT bool_or(position(CAST('made up' AS bytea) IN content_sealed) > 0)"
            "  FROM death_paper_parts) FROM death_reports"
        )).one()
    assert tuple(kept) == (False, False)
    at = f"/death-reports/{report_id}"
    assert told(office.post(office.second, f"{at}/reading", {"reason": "看"}))[0] == 422
    whole = done(office.post(office.second, f"{at}/reading", {"reason": "核实死亡登记材料"}))
    assert whole["died_on"] == "2026-05-30"
    assert person.member.id_number not in str(whole)
    assert person.member.name not in str(whole)
    (paper,) = whole["papers"]
    reading = f"{at}/papers/{paper['attachment_id']}/reading"
    opened = office.post(office.second, reading, {"reason": "核实死亡登记材料"})
    assert opened.data == PNG
    assert actions_of(person.citizen_id)[:2] == ["death_paper_read", "death_report_read"]
    unknown = f"{at}/papers/{report_id}/reading"
    refused = office.post(office.second, unknown, {"reason": "核实死亡登记材料"})
    assert told(refused) == (404, "death_paper_unknown")


def test_r29_a_confirmed_death_ends_processing_at_once(
    app: Flask, office: Office, person: Person
) -> None:
    benefit = publish_benefit(app, price_points=10)
    clerk = make_clerk(app, takes=(benefit,))
    grant_points(app, person.citizen_id, 50)
    set_tier(app, person.citizen_id, "AA")
    client, who = office.client, person.citizen
    voucher_id = who.claimed(client, benefit)
    codes = [who.pass_code(client), who.voucher_code(client, voucher_id), who.pass_code(client)]
    assert clerk.preview(client, code=codes.pop()).status_code == 200
    desk = Desk(app, client, office.first.staff_id, dict(office.first.headers), clerk)
    holder = Holder(person.citizen_id, person.member)
    card = desk.issued(holder)["code"]

    office.confirmed(person)
    assert client.get(f"{API}/me", headers=who.headers).status_code == 401
    for code in codes:
        assert clerk.redeem(client, code=code, benefit_code=benefit).status_code == 409
    assert told(desk.start(card)) == INACTIVE
    assert told(desk.issue(holder)) == INACTIVE
    assert told(desk.leave(holder)) == (409, "membership_rests")
    notices = client.get(f"{API}/end-notices", headers=clerk.headers).get_json()["notices"]
    assert [one["share_count"] for one in notices] == [1]
    assert balance(citizen_id=person.citizen_id).balance_points == 50
    assert_redemptions_agree()


def test_r29_orders_that_were_begun_are_settled_others_are_cancelled(
    app: Flask, office: Office, person: Person
) -> None:
    set_tier(app, person.citizen_id, "AA")
    give_consent(app, person.citizen_id, "rental")
    shop = replace(make_shop(app), holder=person.citizen)
    begun, unstarted = shop.started(), shop.ordered(1_000)
    reference = shop.reference(begun)
    office.confirmed(person)
    with transaction() as session:
        states = session.execute(text(
            "SELECT CAST(order_id AS text), state FROM service_orders"
        )).all()
    assert set(map(tuple, states)) == {(begun, "in_use"), (unstarted, "cancelled")}
    for verb, values in (("complete", {"total_fen": 500}), ("payment", {})):
        done(at_counter(shop, reference, verb, **values))


def test_r29_who_was_wrongly_reported_gets_everything_back(
    app: Flask, office: Office, person: Person
) -> None:
    benefit = publish_benefit(app, price_points=10)
    clerk = make_clerk(app, takes=(benefit,))
    grant_points(app, person.citizen_id, 50)
    lasting = grant_points(app, person.citizen_id, 70, days=2)
    assert lasting
    set_tier(app, person.citizen_id, "AA")
    give_consent(app, person.citizen_id, "library")
    client, who = office.client, person.citizen
    voucher_id = who.claimed(client, benefit)
    code = who.voucher_code(client, voucher_id)
    before = balance(citizen_id=person.citizen_id)

    report_id = office.confirmed(person)
    application_id = office.applied(report_id)
    copied = office.granted(report_id)
    ticket = done(office.hand_over(copied), 202)
    with transaction():
        expired = ledger.expire_lots(
            citizen_id=person.citizen_id, due_on=today() + timedelta(days=3)
        )
    assert expired > 0
    assert balance(citizen_id=person.citizen_id).balance_points == 120 - expired

    assert done(office.reverse(person))["state"] == "reversed"
    assert told(office.reverse(person)) == (404, "death_not_reported")
    assert balance(citizen_id=person.citizen_id) == before
    assert clerk.redeem(client, code=code).status_code == 200
    with transaction() as session:
        left = session.execute(text(
            "SELECT count(*) FROM consents WHERE citizen_id = :who AND decision <> 'given'"
        ), {"who": person.citizen_id}).scalar_one()
        outcomes = session.execute(text(
            "SELECT CAST(application_id AS text), outcome FROM relative_applications"
        )).all()
    assert left == 0
    assert set(map(tuple, outcomes)) == {(application_id, "moot"), (copied, "granted")}
    taken = client.post(
        f"{API}/copies/{ticket['copy']['copy_id']}/file", json={"secret": ticket["secret"]}
    )
    assert told(taken) == (404, "copy_unknown")
    assert told(office.hand_over(copied)) == (409, "relative_copy_not_granted")
    assert told(office.apply(report_id)) == (409, "death_unconfirmed")
    assert_redemptions_agree()


def test_r29_the_score_is_that_of_today_when_a_mistake_is_mended(
    app: Flask, office: Office, person: Person
) -> None:
    prepare_programme()
    source = make_source(office.client, dict(office.first.headers), HOURS)
    row = [f"N-{new_id()}", "1", "有效", person.member.id_number, "2026-05-02", "2", "清洁"]
    sent = upload(office.client, source, csv_file(HOURS, row), record_type=HOURS)
    assert sent.status_code == 200, sent.get_json()

    def stored() -> int:
        with reading() as session:
            return int(session.execute(
                text("SELECT total FROM scores WHERE citizen_id = :who"),
                {"who": person.citizen_id},
            ).scalar_one())

    before = stored()
    office.confirmed(person)
    with transaction() as session:  # as by a version that was in force meanwhile
        session.execute(text("UPDATE scores SET total = total + 100"))
    done(office.reverse(person))
    assert stored() == before


def test_r29_nobody_signs_in_as_the_dead_and_the_living_is_told_where_to_go(
    app: Flask, office: Office, sandbox: SandboxControl
) -> None:
    someone, client = made_up_person(sandbox), office.client
    claims = claims_of(join(client, sandbox, someone).get_json()["access_token"])
    member = NewMember(someone.name, someone.id_number, someone.phone, made_up_member().joined_on)
    person = Person(member, Citizen(UUID(claims["sub"]), UUID(claims["sid"]), {}))

    def sign_in() -> TestResponse:
        code = sandbox.issue_login_code(openid=someone.openid)
        return client.post(f"{API}/sign-in/wechat", json={"code": code})

    office.confirmed(person)
    assert told(sign_in()) == (409, "membership_rests")
    elsewhere = join(client, sandbox, replace(someone, openid="o-another"))
    assert told(elsewhere) == (409, "membership_rests")
    done(office.reverse(person))
    assert sign_in().status_code == 200


def test_r29_on_the_last_day_points_end_by_an_entry_and_the_rest_is_deleted(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    office, person = make_office(committing_app), make_person(committing_app)
    benefit = publish_benefit(committing_app, price_points=10)
    grant_points(committing_app, person.citizen_id, 50)
    set_tier(committing_app, person.citizen_id, "AA")
    person.citizen.claimed(office.client, benefit)
    named = {"choice": "named", "persons": [{"name": "王小明", "id_number": made_up_id_number()}]}
    arranged = office.client.post(
        f"{API}/me/death-arrangement", json=named, headers=person.citizen.headers
    )
    assert arranged.status_code == 200, arranged.get_json()
    report_id = office.confirmed(person)
    told_by = admin.execute("SELECT payload ->> 'what' FROM outbox WHERE topic = 'citizen_notice'")
    assert [one[0] for one in told_by.fetchall()] == [RESTING]
    application_id = office.applied(report_id)
    move_terms(committing_app, report_id, 180)
    with job_app.app_context():
        assert end_due(limit=10) == 0  # somebody still asks
    done(office.decide(application_id, "rejected"))
    done(office.agree(office.second, application_id))
    assert [table for table in ROOM if not count_rows(admin, table, person.citizen_id)] == []
    with job_app.app_context():
        assert (end_due(limit=10), end_due(limit=10)) == (1, 0)
        last = entries(citizen_id=person.citizen_id, limit=1)[0]
        assert (last.reason, last.amount_units, last.balance_after_units) == ("death", -50, 0)
        assert_redemptions_agree()
        assert erase_due(limit=10, is_journaled=False) == 1
    assert [table for table in ROOM if count_rows(admin, table, person.citizen_id)] == []
    assert count_rows(admin, "citizen_profiles", person.citizen_id) == 0
    admin.execute(LATER)
    with job_app.app_context():
        erase_due(limit=10, is_journaled=False)
    assert count_rows(admin, "citizen_keys", person.citizen_id) == 0
    assert count_rows(admin, "trail_entries", person.citizen_id) > 0

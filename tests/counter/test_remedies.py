"""R14, R15, R19, R20, R27: who has no phone gets copies, objects, complains, sees who looked."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from flask import Flask

from app.kernel.ids import new_id
from app.members.queries import names_of_actors
from app.rights.copies import make_copy
from app.trail.queries import list_trail
from tests.counter.desk import (
    VISITING,
    Desk,
    Holder,
    actions_of,
    done,
    make_desk,
    make_holder,
    opened,
    post,
    told,
)
from tests.members.api import keys_of
from tests.objections.desk import make_desk as make_objector
from tests.redemptions.builders import API, grant_points, make_clerk, publish_benefit, set_tier
from tests.repairs.town import make_town


def cases(desk: Desk, visit: str) -> Any:
    return done(post(desk, f"visits/{visit}/cases"))


def test_r15_r27_an_objection_is_filed_followed_and_looked_at_again(app: Flask) -> None:
    desk, objector = make_desk(app), make_objector(app)
    holder = Holder(objector.holder.citizen_id, objector.person)
    visit = opened(desk, holder)
    unknown = post(desk, f"visits/{visit}/objections", objector.body(record_number="N-none"))
    assert told(unknown) == (404, "objection_item_unknown")
    assert "visit_objection_filed" not in actions_of(holder)  # nothing done, nothing written
    body = objector.body()
    for _ in range(2):
        filed = done(post(desk, f"visits/{visit}/objections", body), 201)
    objection_id = filed["line"]["objection_id"]
    assert (filed["words"], filed["line"]["state"]) == ("时长记错了", "open")
    assert objector.line()[0]["is_disputed"] is True
    assert objector.own(objection_id) == filed  # the same on a phone
    newest = list_trail(citizen_id=holder.citizen_id, limit=1)[0]
    assert (newest.action, newest.actor_id, newest.reason) == (
        "visit_objection_filed", desk.operator_id, VISITING
    )

    objector.move(objection_id, source_due_on=-1)
    assert objector.decide(objector.first, objection_id, outcome="rejected")[0] == 200
    (seen,) = cases(desk, visit)["objections"]
    assert [one["reasons"] for one in seen["decisions"]] == ["经核对"]
    again = post(desk, f"visits/{visit}/objections/second-look", {"objection_id": objection_id})
    assert done(again)["line"]["round"] == 2
    assert actions_of(holder)[0] == "visit_second_look_asked"
    other = opened(desk, make_holder(app))
    foreign = post(desk, f"visits/{other}/objections/second-look", {"objection_id": objection_id})
    assert told(foreign) == (404, "objection_unknown")
    assert cases(desk, other)["objections"] == []


def test_r17_r27_a_repair_is_asked_for_and_followed(app: Flask) -> None:
    desk, town = make_desk(app), make_town(app)
    town.deliver("F-1", town.today - timedelta(days=400))
    holder = Holder(town.holder.citizen_id, town.person)
    visit = opened(desk, holder)
    (adverse,) = cases(desk, visit)["adverse_records"]
    body = {
        "application_id": str(new_id()), "record_type": adverse["record_type"],
        "record_number": adverse["record_number"], "evidence": "结案证明", "commitment": "按期履行",
    }
    done(post(desk, f"visits/{visit}/repairs", body), 201)
    assert actions_of(holder)[0] == "visit_repair_asked"
    again = post(desk, f"visits/{visit}/repairs", body | {"application_id": str(new_id())})
    assert told(again) == (409, "repair_pending")
    said = {"outcome": "granted", "reasons": "义务已履行完毕"}
    path = f"/repairs/{body['application_id']}/decision"
    assert town.ask(town.operator, "POST", path, said)[0] == 200
    found = cases(desk, visit)
    assert [one["line"]["state"] for one in found["repairs"]] == ["granted"]
    assert (found["repairs"][0]["reasons"], found["adverse_records"]) == ("义务已履行完毕", [])


def test_r27_a_complaint_is_made_and_followed(app: Flask) -> None:
    desk, holder = make_desk(app), make_holder(app)
    benefit = publish_benefit(app, price_points=10)
    clerk = make_clerk(app, takes=(benefit,))
    grant_points(app, holder.citizen_id, 10)
    set_tier(app, holder.citizen_id, "AA")
    visit, voucher_id = opened(desk, holder), str(new_id())
    done(post(desk, f"visits/{visit}/vouchers", {
        "voucher_id": voucher_id, "benefit_code": benefit,
    }))
    sheet = post(desk, f"visits/{visit}/sheet", {"voucher_id": voucher_id})
    number = sheet.text.split('class="number">')[1].split("<")[0]
    assert clerk.redeem(desk.client, manual_code=number).status_code == 200
    body = {
        "complaint_id": str(new_id()), "voucher_id": voucher_id, "category": "refused",
        "text": "店员说今天不收", "text_shared": False,
    }
    made = done(post(desk, f"visits/{visit}/complaints", body), 201)
    assert cases(desk, visit)["complaints"] == [made]
    assert "visit_complaint_made" in actions_of(holder)


def test_r14_r20_d10_a_copy_is_handed_over_and_opens_once(app: Flask) -> None:
    desk, holder = make_desk(app), make_holder(app)
    visit, copy_id = opened(desk, holder), str(new_id())

    def ask(copy_id: str) -> Any:
        return post(desk, f"visits/{visit}/copies", {"copy_id": copy_id})

    ticket = done(ask(copy_id), 202)
    line = list_trail(citizen_id=holder.citizen_id, limit=1)[0]
    assert (line.action, line.actor_id) == ("visit_copy_handed", desk.operator_id)
    make_copy(keys=keys_of(app), citizen_id=holder.citizen_id, copy_id=UUID(copy_id))
    (seen,) = cases(desk, visit)["copies"]
    assert (seen["state"], seen["is_beyond_free"]) == ("ready", False)
    path, secret = f"{API}/copies/{copy_id}/file", {"secret": ticket["secret"]}
    taken = desk.client.post(path, json=secret)
    assert taken.status_code == 200
    with zipfile.ZipFile(io.BytesIO(taken.data)) as archive:
        assert holder.person.name in json.dumps(
            json.loads(archive.read("copy.json")), ensure_ascii=False
        )
    assert told(desk.client.post(path, json=secret)) == (404, "copy_unknown")
    assert told(ask(copy_id)) == (404, "copy_unknown")  # it was taken
    assert done(ask(str(new_id())), 202)["copy"]["is_beyond_free"] is False
    assert told(ask(str(new_id()))) == (409, "copy_asked_recently")
    assert post(desk, f"visits/{visit}/ending").status_code == 204
    assert told(ask(str(new_id()))) == (409, "visit_over")


def test_d5_without_its_line_nothing_is_asked_for(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    with committing_app.app_context():
        desk = make_desk(committing_app)
    holder = make_holder(committing_app)
    visit, copy_id = opened(desk, holder), {"copy_id": str(new_id())}
    admin.execute("ALTER TABLE trail_entries ADD CONSTRAINT ck_full CHECK (false) NOT VALID")
    try:
        assert post(desk, f"visits/{visit}/copies", copy_id).status_code == 500
    finally:
        admin.execute("ALTER TABLE trail_entries DROP CONSTRAINT ck_full")
    assert cases(desk, visit)["copies"] == []


def test_r19_who_looked_is_read_out_in_plain_words(app: Flask) -> None:
    desk, holder = make_desk(app), make_holder(app)
    visit = opened(desk, holder)
    cases(desk, visit)
    lines = done(post(desk, f"visits/{visit}/trail", {"limit": 2}))["lines"]
    assert [line["action"] for line in lines] == ["visit_read", "visit_read"]
    assert [line["fields"][0] for line in lines] == ["trail", "objections"]
    name = names_of_actors(actor_ids={desk.operator_id})[desk.operator_id]
    assert f"（{name}）当面为您查看了查看记录" in lines[0]["told"]
    older = {"limit": 5, "before": lines[-1]["trail_id"]}
    before = done(post(desk, f"visits/{visit}/trail", older))["lines"]
    assert "visit_opened_by_document" in [line["action"] for line in before]

"""A member with an adverse record that takes points from the score, and who works with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from app.kernel.clock import city_today
from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.members import operations as members
from app.members.register import NewMember
from app.members.sessions import open_citizen_session
from app.records.catalogue import read_catalogue_file
from app.records.editing import publish_first_catalogue
from app.scoring.operations import publish_scheme
from app.scoring.scheme import read_scheme_file
from app.web.auth import Role
from tests.members.people import made_up_member
from tests.records.api import make_source, upload
from tests.redemptions.builders import API, Citizen, keys_of, staff_headers, staff_tokens

FAULTS = """
[[record_type]]
code = "faults"
title = "生效裁判未履行"
unit = "市中级人民法院"
disclosure = "government"
legal_basis = "民事诉讼法 第二百六十六条"
update_frequency = "monthly"
retention_days = 1095
positive = false
directory = "全国公共信用信息基础目录 第十一项"
evidence = "案号"
term_days = 1095
severity = "serious"
columns = [
  { name = "记录编号", kind = "code" },
  { name = "版本号", kind = "version" },
  { name = "记录状态", kind = "status" },
  { name = "身份证号", kind = "id" },
  { name = "文书日期", kind = "date" },
  { name = "案号", kind = "text" },
]
"""
RULES = """
[[indicator]]
code = "901"
dimension = "3"
name = "起点"
rule = "base"
value = "50"
cap = 50

[[indicator]]
code = "902"
dimension = "3"
name = "生效裁判未履行"
rule = "per_unit"
unit = "record"
value = "-10"
cap = 40
validity_days = 1095
record_type = "faults"
"""
HEADER = "记录编号,版本号,记录状态,身份证号,文书日期,案号"
TERM = timedelta(days=1095)


@dataclass(frozen=True)
class Town:
    """Everybody who has to do with a repair."""

    app: Flask
    client: FlaskClient
    person: NewMember
    holder: Citizen
    source: Mapping[str, str]
    operator: Mapping[str, str]
    today: date

    def deliver(self, number: str, event_on: date, version: int = 1, status: str = "有效") -> None:
        row = f"{number},{version},{status},{self.person.id_number},{event_on},(2025)浙07执1号"
        sent = upload(
            self.client, dict(self.source), f"{HEADER}\n{row}".encode(), record_type="faults",
            delivered_on=self.today.isoformat(),
        )
        assert sent.status_code == 200, sent.get_json()
        assert sent.get_json()["refused_count"] == 0, sent.get_json()

    def ask(
        self, who: Mapping[str, str], method: str, path: str, body: Any = None
    ) -> tuple[int, Any]:
        """Status, and the document or the refusal's code."""
        answer = self.client.open(f"{API}{path}", method=method, json=body, headers=who)
        found = answer.get_json()
        return answer.status_code, found["code"] if answer.status_code >= 400 else found

    def request(self, number: str, **changes: Any) -> tuple[int, Any]:
        body = {
            "application_id": str(new_id()), "record_type": "faults", "record_number": number,
            "evidence": "结案证明 2026 第 3 号", "commitment": "按期履行", **changes,
        }
        return self.ask(self.holder.headers, "POST", "/me/repairs", body)

    def total(self) -> int:
        status, found = self.ask(self.holder.headers, "GET", "/me/score")
        assert status == 200, found
        return int(found["total"])

    def adverse(self) -> list[str]:
        found = self.ask(self.holder.headers, "GET", "/me/adverse-records")[1]["records"]
        return [one["record_number"] for one in found]


def make_town(app: Flask, *, term_days: int = 1095, severity: str = "serious") -> Town:
    """A town whose faults are so serious and count for so many days at most."""
    faults = FAULTS.replace("term_days = 1095", f"term_days = {term_days}")
    rules = RULES.replace("validity_days = 1095", f"validity_days = {term_days}")
    client, person = app.test_client(), made_up_member()
    operator = staff_headers(app, Role.OPERATOR)
    with app.app_context():
        publish_first_catalogue(document=read_catalogue_file("jinhua") + faults.replace(
            'severity = "serious"', f'severity = "{severity}"'
        ))
        publish_scheme(document=read_scheme_file("jinhua-xinyijin-2026.1") + rules)
        with transaction() as session:
            citizen_id = members.register_member(keys=keys_of(app), **vars(person))
            opened = open_citizen_session(session, citizen_id=citizen_id)
        with reading() as session:
            today = city_today(session)
        holder = Citizen(citizen_id, opened.session_id, staff_tokens(opened))
    source = make_source(client, dict(operator), "faults")
    return Town(app, client, person, holder, source, operator, today)

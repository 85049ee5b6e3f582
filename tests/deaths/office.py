"""Operators who speak HTTP about deaths, and what they need, quickly."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.members import operations as members
from app.members.sessions import open_citizen_session
from app.web.auth import Role
from tests.counter.desk import done, fresh_code
from tests.members.api import keys_of
from tests.members.people import made_up_member
from tests.objections.desk import PNG
from tests.redemptions.builders import API, Citizen, make_staff, staff_tokens

REASON = "家属持证明到窗口申报"
DIED_ON = date(2026, 5, 30)


@dataclass(frozen=True)
class Person:
    """A member whose identity number the office knows."""

    member: members.NewMember
    citizen: Citizen

    @property
    def citizen_id(self) -> UUID:
        return self.citizen.citizen_id


def make_person(app: Flask, **changes: Any) -> Person:
    member = replace(made_up_member(), **changes)
    with app.app_context(), transaction() as session:
        citizen_id = members.register_member(keys=keys_of(app), **vars(member))
        opened = open_citizen_session(session, citizen_id=citizen_id)
    with app.app_context():
        return Person(member, Citizen(citizen_id, opened.session_id, staff_tokens(opened)))


@dataclass(frozen=True)
class Operator:
    """One of the office."""

    staff_id: UUID
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Office:
    """Two operators; what they get is an answer."""

    app: Flask
    client: FlaskClient
    first: Operator
    second: Operator

    def post(self, who: Operator, path: str, body: Any) -> TestResponse:
        return self.client.post(f"{API}{path}", json=body, headers=dict(who.headers))

    def totp(self, who: Operator) -> str:
        return fresh_code(self.app, who.staff_id)

    def report(self, person: Person, **changes: Any) -> TestResponse:
        body = {
            "report_id": str(new_id()), "id_number": person.member.id_number,
            "died_on": DIED_ON.isoformat(), "evidence": "death_certificate", "reason": REASON,
            "totp": self.totp(self.first), **changes,
        }
        return self.post(self.first, "/death-reports", body)

    def add(self, report_id: str, content: bytes = PNG, **form: str) -> TestResponse:
        said = {"paper_id": str(new_id()), "file": (io.BytesIO(content), "证明.png"), **form}
        return self.client.post(
            f"{API}/death-reports/{report_id}/papers", data=said, headers=dict(self.first.headers)
        )

    def reported(self, person: Person, **changes: Any) -> str:
        """A report with its paper, which waits for a second person."""
        report_id = str(done(self.report(person, **changes), 201)["report_id"])
        done(self.add(report_id), 201)
        return report_id

    def confirm(self, who: Operator, report_id: str, *, word: bool = True) -> TestResponse:
        body = {"is_confirmed": word, "totp": self.totp(who)}
        return self.post(who, f"/death-reports/{report_id}/confirmation", body)

    def confirmed(self, person: Person) -> str:
        """The death of a person that stands."""
        report_id = self.reported(person)
        done(self.confirm(self.second, report_id))
        return report_id

    def reverse(self, person: Person) -> TestResponse:
        return self.post(self.second, "/death-reports/reversals", {
            "id_number": person.member.id_number, "reason": "本人持身份证到窗口，登记有误",
            "totp": self.totp(self.second),
        })

    def apply(self, report_id: str, **changes: Any) -> TestResponse:
        relative = made_up_member()
        body = {
            "application_id": str(new_id()), "report_id": report_id, "relation": "child",
            "wish": "copy", "name": relative.name, "id_number": relative.id_number,
            "phone": relative.phone, "interest": "办理遗产继承需要核对往来", "reason": REASON,
            "totp": self.totp(self.first), **changes,
        }
        return self.post(self.first, "/relative-applications", body)

    def applied(self, report_id: str, **changes: Any) -> str:
        """An application with the paper that shows the relation."""
        made = done(self.apply(report_id, **changes), 201)
        done(self.add(report_id, application_id=made["application_id"]), 201)
        return str(made["application_id"])

    def decide(self, application_id: str, outcome: str = "granted") -> TestResponse:
        body = {"outcome": outcome, "reasons": "关系证明与理由经核对"}
        return self.post(self.first, f"/relative-applications/{application_id}/decision", body)

    def agree(self, who: Operator, application_id: str, *, word: bool = True) -> TestResponse:
        body = {"is_confirmed": word, "totp": self.totp(who)}
        return self.post(who, f"/relative-applications/{application_id}/confirmation", body)

    def granted(self, report_id: str, **changes: Any) -> str:
        """An application that two persons have granted."""
        application_id = self.applied(report_id, **changes)
        done(self.decide(application_id))
        assert done(self.agree(self.second, application_id))["outcome"] == "granted"
        return application_id

    def hand_over(self, application_id: str) -> TestResponse:
        body = {"reason": "申请人持证件到窗口领取", "totp": self.totp(self.first)}
        return self.post(self.first, f"/relative-applications/{application_id}/copy", body)


def make_office(app: Flask) -> Office:
    made = [make_staff(app, Role.OPERATOR) for _ in range(2)]
    with app.app_context():
        first, second = (Operator(staff_id, staff_tokens(opened)) for staff_id, opened in made)
    return Office(app, app.test_client(), first, second)


def move_terms(app: Flask, report_id: str, days: int) -> None:
    """As if the death had been confirmed so many days ago."""
    with app.app_context(), transaction() as session:
        session.execute(
            text(
                "UPDATE death_reports SET reversible_until_on = reversible_until_on - :days,"
                " final_on = final_on - :days,"
                " decided_at = decided_at - make_interval(days => :days) WHERE report_id = :report"
            ),
            {"days": days, "report": report_id},
        )

"""R22: after an incident everybody concerned is found and told; the authority too, in its time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.members import operations as members
from app.members.sessions import open_citizen_session
from app.oversight import incidents
from app.oversight.affected import Scope, sealed_tables, touched_by
from app.trail.queries import list_trail
from tests.members.api import bearer, claims_of, keys_of, staff_tokens
from tests.members.people import made_up_member
from tests.redemptions.builders import staff_tokens as headers_of_session

INCIDENTS = "/api/v1/incidents"
REASON = "值班人员发现异常查询"
WHOLE = {"first": UUID(int=0), "last": UUID(int=(1 << 128) - 1)}
NOW = datetime.now(UTC).replace(microsecond=0)
FIELDS = ("name", "phone", "id_number", "tier")
ACTIONS = ("profile_opened", "preview", "redeem", "complaint_read")


@dataclass(frozen=True)
class Line:
    """A line of the made-up trail."""

    citizen_id: UUID
    actor_kind: str
    actor_id: UUID
    action: str
    fields: tuple[str, ...]
    at: datetime


@dataclass(frozen=True)
class Town:
    """Members, those who looked at them, and what stands in the trail."""

    people: list[UUID]
    actors: dict[str, UUID]
    merchant_id: UUID
    lines: list[Line]


@pytest.fixture
def town(committing_app: Flask, admin: psycopg.Connection[Any]) -> Town:
    chosen = random.Random(22)
    with committing_app.app_context(), transaction():
        made = members.register_members(
            keys=keys_of(committing_app), people=[made_up_member() for _ in range(30)]
        )
    people = [one.citizen_id for one in made]
    actors = {
        name: new_id()
        for name in ("operator", "clerk", "colleague", "stranger", "device", "machine", "source")
    }
    merchant_id = _merchant(admin, actors)
    kinds = {"operator": "operator", "source": "source", "machine": "machine"}
    lines = []
    for _ in range(400):
        name = chosen.choice([*actors, "citizen"])
        citizen_id = chosen.choice(people)
        lines.append(Line(
            citizen_id, "citizen" if name == "citizen" else kinds.get(name, "clerk"),
            citizen_id if name == "citizen" else actors[name], chosen.choice(ACTIONS),
            tuple(chosen.sample(FIELDS, chosen.randrange(3))),
            NOW - timedelta(minutes=chosen.randrange(1, 14_400)),
        ))
    with admin.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO trail_entries VALUES (%s, %s, %s, %s, %s, %s, '', '', %s)",
            [
                (one.citizen_id, new_id(), one.actor_kind, one.actor_id, one.action,
                 list(one.fields), one.at)
                for one in lines
            ],
        )
    return Town(people, actors, merchant_id, lines)


def _merchant(admin: psycopg.Connection[Any], actors: dict[str, UUID]) -> UUID:
    """Clerk, colleague, device and machine are of one merchant, the stranger of none."""
    merchant_id, shop_id = new_id(), new_id()
    admin.execute("SET session_replication_role = replica")
    admin.execute(
        "INSERT INTO shops (shop_id, merchant_id, name) VALUES (%s, %s, '测试门店')",
        (shop_id, merchant_id),
    )
    for name in ("clerk", "colleague"):
        admin.execute(
            "INSERT INTO merchant_staff (staff_id, merchant_id, role) VALUES (%s, %s, 'clerk')",
            (actors[name], merchant_id),
        )
    admin.execute(
        "INSERT INTO devices (device_id, shop_id, name, suite, public_key)"
        " VALUES (%s, %s, '一号机', 1, %s)", (actors["device"], shop_id, actors["device"].bytes),
    )
    admin.execute(
        "INSERT INTO library_machines VALUES (%s, %s, %s, '自助机', 'utf-8', '')",
        (actors["machine"], shop_id, merchant_id),
    )
    admin.execute("SET session_replication_role = origin")
    return merchant_id


SINCE, UNTIL = NOW - timedelta(days=6), NOW - timedelta(days=1)
OURS = {"clerk", "colleague", "device", "machine"}
Oracle = Callable[[Town], tuple[str, set[UUID] | None]]
SCOPES: dict[str, Oracle] = {
    "staff": lambda town: (str(town.actors["operator"]), {town.actors["operator"]}),
    "device": lambda town: (str(town.actors["device"]), {town.actors["device"]}),
    "source": lambda town: (str(town.actors["source"]), {town.actors["source"]}),
    "partner": lambda town: (str(town.merchant_id), {town.actors[name] for name in OURS}),
    "everybody": lambda _: ("", None),
}


def expected(town: Town, actors: set[UUID] | None) -> dict[UUID, tuple[Any, ...]]:
    """Who is affected, what was seen, how often and when, counted the plain way."""
    found: dict[UUID, tuple[set[str], int, datetime, datetime]] = {}
    for one in town.lines:
        by_whom = one.actor_kind != "citizen" if actors is None else one.actor_id in actors
        if by_whom and SINCE <= one.at < UNTIL:
            seen, count, first_at, last_at = found.get(one.citizen_id, (set(), 0, one.at, one.at))
            seen |= {f"{one.action}:{name}" for name in one.fields} or {one.action}
            found[one.citizen_id] = (
                seen, count + 1, min(first_at, one.at), max(last_at, one.at)
            )
    return {
        citizen_id: (tuple(sorted(seen)), *rest) for citizen_id, (seen, *rest) in found.items()
    }


@pytest.fixture
def operators(committing_app: Flask) -> list[dict[str, str]]:
    client = committing_app.test_client()
    return [bearer(staff_tokens(committing_app, client)["access_token"]) for _ in range(2)]


@pytest.fixture
def client(committing_app: Flask) -> FlaskClient:
    return committing_app.test_client()


@pytest.fixture
def worker(job_app: Flask) -> Iterator[Flask]:
    with job_app.app_context():
        yield job_app


def body_of(scope: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "incident_id": str(new_id()), "is_drill": False, "scope": scope, "scope_name": name,
        "seen_from": SINCE.isoformat(), "seen_until": UNTIL.isoformat(),
        "found_at": (NOW - timedelta(hours=1)).isoformat(), "cause": "账号密码被他人取得并登录",
        "harm": "可能收到冒充平台的电话", "measures": "已停用账号并更换凭证",
        "advice": "请留意陌生来电，不要告知验证码", "contact": "0579-12345 市信用中心",
        "reason": REASON, **more,
    }  # fmt: skip


def post(client: FlaskClient, who: dict[str, str], path: str = "", **body: Any) -> Any:
    answer = client.post(f"{INCIDENTS}{path}", json=body, headers=who)
    return answer.get_json() | {"status_": answer.status_code}


@pytest.mark.parametrize("scope", SCOPES)
def test_r22_a_drill_lists_exactly_the_people_concerned(  # noqa: PLR0917 -- fixtures
    town: Town, client: FlaskClient, worker: Flask, operators: list[dict[str, str]], scope: str,
    admin: psycopg.Connection[Any],
) -> None:
    name, actors = SCOPES[scope](town)
    known = expected(town, actors)
    assert 0 < len(known) <= len(town.people)
    made = post(client, operators[0], **body_of(scope, name, is_drill=True))
    path = f"/{made['incident_id']}"
    for _ in range(2):  # a message may come twice
        incidents.count_people(incident_id=UUID(made["incident_id"]))
    listed: list[dict[str, Any]] = []
    while page := post(
        client, operators[1], f"{path}/people", reason=REASON, limit=7,
        after=listed[-1]["citizen_id"] if listed else None,
    )["people"]:  # fmt: skip
        listed += page
    found = {
        UUID(one["citizen_id"]): (
            tuple(one["seen"]), one["line_count"], datetime.fromisoformat(one["first_at"]),
            datetime.fromisoformat(one["last_at"]),
        )
        for one in listed
    }  # fmt: skip
    assert found == known
    shown = client.get(f"{INCIDENTS}{path}", headers=operators[0]).get_json()
    assert shown["people_count"] == len(known)
    counts = {seen: sum(seen in one[0] for one in known.values()) for seen in shown["seen_counts"]}
    assert shown["seen_counts"] == counts
    assert list_trail(citizen_id=next(iter(known)), limit=1)[0].action == "incident_listed"

    assert post(client, operators[1], f"{path}/release", reason=REASON)["status_"] == 200
    # A drill tells nobody.
    assert incidents.send_notices(incident_id=UUID(made["incident_id"])) == 0
    messages = admin.execute("SELECT count(*) FROM outbox WHERE topic = 'incident_notice'")
    assert messages.fetchone() == (0,)
    report = client.get(f"{INCIDENTS}{path}/authority-report.txt", headers=operators[0]).text
    assert f"受影响人数：{len(known)}人" in report
    assert "（演练）" in report


def test_r22_two_persons_tell_everybody_who_is_a_member(  # noqa: PLR0917 -- fixtures
    town: Town, committing_app: Flask, client: FlaskClient, worker: Flask,
    operators: list[dict[str, str]], admin: psycopg.Connection[Any],
) -> None:
    known = expected(town, {town.actors["operator"]})
    gone, here = sorted(known)[:2]
    admin.execute("UPDATE citizens SET status = 'left' WHERE citizen_id = %s", (gone,))
    body = body_of("staff", str(town.actors["operator"]))
    made = post(client, operators[0], **body)
    assert post(client, operators[0], **body)["status_"] == 202  # the same again
    assert post(client, operators[0], **body | {"harm": "别的说法，不一样"})["code"] == "id_reused"
    path, incident_id = f"/{made['incident_id']}", UUID(made["incident_id"])
    early = post(client, operators[1], f"{path}/release", reason=REASON)
    assert (early["status_"], early["code"]) == (409, "incident_not_counted")
    incidents.resume_counts()  # its worker had died
    alone = post(client, operators[0], f"{path}/release", reason=REASON)
    assert (alone["status_"], alone["code"]) == (403, "second_person_needed")
    assert incidents.send_notices(incident_id=incident_id) == 0
    for _ in range(2):
        assert post(client, operators[1], f"{path}/release", reason=REASON)["status_"] == 200
    assert incidents.send_notices(incident_id=incident_id) == len(known) - 1
    assert incidents.send_notices(incident_id=incident_id) == 0
    for topic in ("incident_notice", "citizen_notice"):
        sent = admin.execute("SELECT citizen_id FROM outbox WHERE topic = %s", (topic,)).fetchall()
        assert sorted(row[0] for row in sent) == sorted(set(known) - {gone})

    with committing_app.app_context(), transaction() as session:
        opened = open_citizen_session(session, citizen_id=here)
        mine = dict(headers_of_session(opened))
    (notice,) = client.get("/api/v1/me/incident-notices", headers=mine).get_json()["notices"]
    for said in (body["cause"], body["harm"], body["measures"], body["advice"], body["contact"]):
        assert said in notice["text"]
    assert f"记录{known[here][1]}条" in notice["text"]
    assert str(here) not in notice["text"]

    noted = {"reason": REASON, "document_number": "网信〔2026〕7号"}
    told = post(client, operators[0], f"{path}/authority", **noted)
    assert told["authority_reference"] == noted["document_number"]
    report = client.get(f"{INCIDENTS}{path}/authority-report.txt", headers=operators[0]).text
    assert f"已告知{len(known) - 1}人" in report
    assert not any(str(one) in report for one in known)


def test_r22_by_key_and_by_table_everybody_with_a_row_is_concerned(
    town: Town, worker: Flask, admin: psycopg.Connection[Any]
) -> None:
    within: dict[str, Any] = {"since": SINCE, "until": NOW + timedelta(hours=1), **WHOLE}
    by_key = touched_by(Scope("key", "1"), **within)
    assert {one.citizen_id for one in by_key} == set(town.people)
    assert {one.seen for one in by_key} == {sealed_tables()}
    assert touched_by(Scope("key", "2"), **within) == []
    by_table = touched_by(Scope("table", "citizen_profiles"), **within)
    assert {one.citizen_id for one in by_table} == set(town.people)
    admin.execute(
        "UPDATE citizen_profiles SET created_at = now() + interval '2 hours' WHERE citizen_id = %s",
        (town.people[0],),
    )
    later = touched_by(Scope("table", "citizen_profiles"), **within)
    assert {one.citizen_id for one in later} == set(town.people[1:])


@pytest.mark.parametrize(("changes", "code"), [
    ({"scope": "staff", "scope_name": "张三"}, "incident_scope_unfit"),
    ({"scope": "key", "scope_name": "0"}, "incident_scope_unfit"),
    ({"scope": "table", "scope_name": "pg_shadow"}, "incident_scope_unfit"),
    ({"scope": "table", "scope_name": "staff_credentials"}, "incident_scope_unfit"),
    ({"scope": "everybody", "scope_name": "x"}, "incident_scope_unfit"),
    ({"seen_until": SINCE.isoformat()}, "incident_times_unfit"),
    ({"found_at": (NOW + timedelta(days=1)).isoformat()}, "incident_times_unfit"),
    ({"cause": "泄露了 330702198503120412"}, "reason_names_person"),
    ({"reason": "嗯"}, "reason_needed"),
])  # fmt: skip
def test_what_names_nobody_or_somebody_is_refused(
    client: FlaskClient, operators: list[dict[str, str]], changes: dict[str, Any], code: str
) -> None:
    refused = post(client, operators[0], **body_of("everybody", "") | changes)
    assert (refused["status_"], refused["code"]) == (422, code)
    unknown = post(client, operators[0], f"/{new_id()}/release", reason=REASON)
    assert (unknown["status_"], unknown["code"]) == (404, "incident_unknown")


def test_r22_terms_are_watched_until_both_are_told(
    client: FlaskClient, worker: Flask, operators: list[dict[str, str]],
    admin: psycopg.Connection[Any],
) -> None:
    def waiting() -> tuple[int, int]:
        count = incidents.watch_terms()
        acts = admin.execute("SELECT count(*) FROM trail_acts WHERE action = 'incident_overdue'")
        return count, (acts.fetchone() or (0,))[0]

    made = post(client, operators[0], **body_of("everybody", ""))
    path, incident_id = f"/{made['incident_id']}", UUID(made["incident_id"])
    incidents.count_people(incident_id=incident_id)
    assert waiting() == (0, 0)
    for column, before in (("authority_due_at", 1), ("people_due_at", 2)):
        admin.execute(f"UPDATE incidents SET {column} = now() - interval '1 second'".encode())
        assert [waiting() for _ in range(2)] == [(1, 1)] * 2  # told of once, shown until it is done
        assert before
    post(client, operators[0], f"{path}/authority", reason=REASON, document_number="7")
    assert waiting() == (1, 1)
    post(client, operators[1], f"{path}/release", reason=REASON)
    assert waiting() == (0, 1)
    found_at = datetime.fromisoformat(made["found_at"])
    assert datetime.fromisoformat(made["authority_due_at"]) - found_at == timedelta(hours=4)
    assert datetime.fromisoformat(made["people_due_at"]) - found_at == timedelta(hours=72)
    assert claims_of(operators[0]["Authorization"].split()[1])["sub"] == made["reported_by"]

"""Personal data: sealed, bound to its place, masked, and never read without a trail."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.crypto import SealBrokenError
from app.kernel.database import reading, transaction
from app.kernel.errors import DomainError
from app.kernel.ids import random_id
from app.kernel.keys import KeyRing, Suite, new_key_document
from app.members import operations, queries
from app.members.resting import rest_membership, resume_membership
from app.trail.operations import SYSTEM
from tests.conftest import Sized
from tests.members.api import (
    bearer,
    citizen_tokens,
    claims_of,
    join,
    keys_of,
    made_up_person,
    staff_tokens,
)
from tests.members.people import made_up_member
from wechat_integration.sandbox.control import SandboxControl

REASON = "本人到窗口核对手机号"


@pytest.fixture
def operator(app: Flask, client: FlaskClient) -> dict[str, str]:
    return bearer(staff_tokens(app, client)["access_token"])


def reveal(client: FlaskClient, operator: dict[str, str], citizen_id: Any, **changes: Any) -> Any:
    body = {"citizen_id": str(citizen_id), "fields": ["name", "phone"], "reason": REASON, **changes}
    return client.post("/api/v1/members/reveal", json=body, headers=operator)


def registered(app: Flask) -> tuple[UUID, operations.NewMember]:
    member = made_up_member()
    with transaction():
        citizen_id = operations.register_member(
            keys=keys_of(app), name=member.name, id_number=member.id_number, phone=member.phone,
            joined_on=member.joined_on,
        )
    return citizen_id, member


def test_d5_an_unmasked_read_writes_its_trail_and_the_citizen_sees_it(
    client: FlaskClient, sandbox: SandboxControl, operator: dict[str, str]
) -> None:
    person = made_up_person(sandbox)
    tokens = join(client, sandbox, person).get_json()
    citizen_id = claims_of(tokens["access_token"])["sub"]
    shown = reveal(client, operator, citizen_id)
    assert shown.get_json() == {"name": person.name, "phone": person.phone}
    trail = client.get("/api/v1/me/trail", headers=bearer(tokens["access_token"])).get_json()
    newest, oldest = trail["lines"]
    assert (newest["actor_kind"], newest["actor_name"]) == ("operator", "窗口 operator")
    assert (newest["action"], newest["fields"]) == ("profile_opened", ["name", "phone"])
    assert newest["reason"] == REASON
    assert newest["told"] == (
        "平台工作人员（窗口 operator）查看了您未遮盖的姓名、手机号。目的：在窗口为您办事。"
        f"依据：平台的服务职责。说明：{REASON}。"
    )
    assert oldest["action"] == "joined"


@pytest.mark.parametrize("reason", ["", "    ", "看看", " 四个字。 ", "x" * 501])
def test_d6_no_reason_no_read(
    app: Flask, client: FlaskClient, operator: dict[str, str], reason: str
) -> None:
    citizen_id, _ = registered(app)
    refused = reveal(client, operator, citizen_id, reason=reason)
    assert refused.status_code == 422
    assert trail_actions(citizen_id) == ["registered"]


def trail_actions(citizen_id: UUID) -> list[str]:
    with reading() as session:
        return list(session.scalars(
            text("SELECT action FROM trail_entries WHERE citizen_id = :c ORDER BY trail_id"),
            {"c": citizen_id},
        ))


def test_d5_no_trail_no_read(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    client = committing_app.test_client()
    operator = bearer(staff_tokens(committing_app, client)["access_token"])
    with committing_app.app_context():
        citizen_id, member = registered(committing_app)
    admin.execute("ALTER TABLE trail_entries ADD CONSTRAINT ck_full CHECK (false) NOT VALID")
    try:
        failed = reveal(client, operator, citizen_id)
    finally:
        admin.execute("ALTER TABLE trail_entries DROP CONSTRAINT ck_full")
    assert failed.status_code == 500
    assert member.name not in failed.text
    assert reveal(client, operator, citizen_id).get_json()["name"] == member.name


def test_a_stranger_is_not_found_and_leaves_no_trail(
    client: FlaskClient, operator: dict[str, str]
) -> None:
    nobody = random_id()
    assert reveal(client, operator, nobody).get_json()["code"] == "citizen_not_found"
    assert trail_actions(nobody) == []


def test_only_operators_reveal_and_only_known_fields(
    app: Flask, client: FlaskClient, sandbox: SandboxControl, operator: dict[str, str]
) -> None:
    citizen_id, _ = registered(app)
    for role in ("clerk", "merchant_owner"):
        other = bearer(staff_tokens(app, client, role)["access_token"])
        assert reveal(client, other, citizen_id).status_code == 403
    citizen = bearer(citizen_tokens(client, sandbox)["access_token"])
    assert reveal(client, citizen, citizen_id).status_code == 403
    assert reveal(client, operator, citizen_id, fields=["password"]).status_code == 422
    assert reveal(client, operator, citizen_id, fields=[]).status_code == 422


def test_d6_finding_a_member_is_masked_and_leaves_a_trail(
    app: Flask, client: FlaskClient, operator: dict[str, str]
) -> None:
    citizen_id, member = registered(app)
    body = {"id_number": member.id_number.lower(), "reason": REASON}
    found = client.post("/api/v1/members/find", json=body, headers=operator)
    assert found.get_json()["citizen_id"] == str(citizen_id)
    assert member.id_number not in found.text
    assert member.name not in found.text
    assert trail_actions(citizen_id) == ["registered", "member_found"]


@pytest.mark.parametrize(
    ("state", "refusal"), [("restricted", "membership_rests"), ("left", "citizen_not_found")]
)
def test_r16_of_who_rests_or_has_left_nothing_is_read(
    app: Flask, client: FlaskClient, operator: dict[str, str], state: str, refusal: str
) -> None:
    """What is kept is stored and no more: not by an operator, not by a counter's code."""
    citizen_id, member = registered(app)
    with transaction():
        if state == "left":
            operations.end_membership(citizen_id=citizen_id, actor=SYSTEM)
        else:
            rest_membership(citizen_id=citizen_id)
    before = trail_actions(citizen_id)
    body = {"id_number": member.id_number, "reason": REASON}
    found = client.post("/api/v1/members/find", json=body, headers=operator)
    for answer in (reveal(client, operator, citizen_id), found):
        assert answer.get_json()["code"] == refusal
    with pytest.raises(DomainError) as refused, transaction():
        operations.open_profile(
            keys=keys_of(app), citizen_id=citizen_id, actor=SYSTEM, fields=["phone"], reason=""
        )
    assert refused.value.code == refusal
    assert trail_actions(citizen_id) == before
    if state == "restricted":
        with transaction():
            resume_membership(citizen_id=citizen_id)
        assert reveal(client, operator, citizen_id).get_json()["name"] == member.name


def test_the_trail_has_pages(
    client: FlaskClient, sandbox: SandboxControl, operator: dict[str, str]
) -> None:
    tokens = citizen_tokens(client, sandbox)
    me = bearer(tokens["access_token"])
    for _ in range(4):
        reveal(client, operator, claims_of(tokens["access_token"])["sub"])
    seen: list[str] = []
    query = "?limit=2"
    while lines := client.get(f"/api/v1/me/trail{query}", headers=me).get_json()["lines"]:
        seen += [line["trail_id"] for line in lines]
        query = f"?limit=2&before={seen[-1]}"
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)
    for bad in ("?limit=0", "?limit=101", "?page=2", "?before=x"):
        assert client.get(f"/api/v1/me/trail{bad}", headers=me).status_code == 422


@pytest.mark.timeout(900)  # for the full size
def test_d2_a_value_swapped_between_citizens_or_columns_is_refused(
    committing_app: Flask, admin: psycopg.Connection[Any], sized: Sized
) -> None:
    count = sized(ci=40, full=1_000)
    with committing_app.app_context():
        keys = keys_of(committing_app)
        with transaction():
            people = operations.register_members(
                keys=keys, people=[made_up_member() for _ in range(count)]
            )
        ids = [one.citizen_id for one in people]
        assert refused_swaps(admin, keys, "citizen_profiles", "name_sealed", ids, by=0) == 0
        for table, columns in (
            ("citizen_profiles", ("name_sealed", "id_number_sealed", "phone_sealed")),
            ("citizen_keys", ("wrapped_key",)),
        ):
            for column in columns:
                swapped = refused_swaps(admin, keys, table, column, ids)
                assert swapped == len(ids)
        admin.execute(
            "UPDATE citizen_profiles SET name_sealed = phone_sealed WHERE citizen_id = %s",
            (ids[0],),
        )
        with pytest.raises(SealBrokenError):
            queries.find_masked_profile(keys=keys, citizen_id=ids[0])


def refused_swaps(
    admin: psycopg.Connection[Any], keys: Any, table: str, column: str, ids: list[UUID],
    *, by: int = 1,
) -> int:
    """Give each citizen the value of the next (with 0: their own); how many reads were refused."""
    refused = 0
    rows = admin.execute(f"SELECT citizen_id, {column} FROM {table}").fetchall()
    kept = {row[0]: row[1] for row in rows}
    for citizen_id, other in zip(ids, [*ids[by:], *ids[:by]], strict=True):
        put = f"UPDATE {table} SET {column} = %s WHERE citizen_id = %s"
        admin.execute(put, (kept[other], citizen_id))
        try:
            queries.find_masked_profile(keys=keys, citizen_id=citizen_id)
        except SealBrokenError:
            refused += 1
        admin.execute(put, (kept[citizen_id], citizen_id))
    return refused


def test_d3_the_blind_index_is_keyed_per_purpose_and_survives_rotation(app: Flask) -> None:
    document = new_key_document()
    old = KeyRing.from_document(document)
    member = made_up_member()
    with transaction():
        citizen_id = operations.register_member(
            keys=old, name=member.name, id_number=member.id_number, phone=None,
            joined_on=member.joined_on,
        )
    fresh = {**new_key_document()["index_id_number"][0], "id": 2, "suite": int(Suite.SM4_GCM_SM3)}
    rotated = KeyRing.from_document({**document, "index_id_number": [
        fresh, *document["index_id_number"]
    ]})
    wrap = {**new_key_document()["data_wrap"][0], "id": 9, "suite": int(Suite.SM4_GCM_SM3)}
    rotated_all = KeyRing.from_document({
        **document, "index_id_number": [fresh, *document["index_id_number"]],
        "data_wrap": [wrap, *document["data_wrap"]],
    })
    for keys in (rotated, rotated_all):
        found = queries.find_citizens_by_id_numbers(keys=keys, id_numbers=[member.id_number])
        assert found[member.id_number].citizen_id == citizen_id
        with transaction():
            again = operations.register_members(keys=keys, people=[member])
        assert [(one.citizen_id, one.created) for one in again] == [(citizen_id, False)]
    other = KeyRing.from_document(new_key_document())
    assert queries.find_citizen_id(
        keys=other, purpose="id_number", value=member.id_number
    ) is None
    assert queries.find_citizen_id(keys=old, purpose="openid", value=member.id_number) is None


def test_d1_nothing_personal_stands_in_plain_in_any_table(
    committing_app: Flask, admin: psycopg.Connection[Any], sandbox: SandboxControl
) -> None:
    client = committing_app.test_client()
    people = [made_up_person(sandbox) for _ in range(5)]
    for person in people:
        assert join(client, sandbox, person).status_code == 201
    tables = admin.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    for (table,) in tables:
        rows = admin.execute(f'SELECT t::text FROM "{table}" t').fetchall()
        dump = "\n".join(row[0] for row in rows)
        for person in people:
            for value in (person.name, person.id_number, person.phone, person.openid):
                for form in (value, value[::-1], value.encode().hex()):
                    assert form not in dump, f"{table} holds personal data in plain"


def test_the_trail_cannot_be_changed_by_the_application(app: Flask) -> None:
    with reading() as session:
        rights = session.execute(text(
            "SELECT role, right_, has_table_privilege(role, 'trail_entries', right_) AS has"
            " FROM unnest(ARRAY['card_web', 'card_job', 'card_report']) AS role,"
            " unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS right_"
        )).all()
    assert not [row for row in rights if row.has]



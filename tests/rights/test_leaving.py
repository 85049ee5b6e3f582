"""R4, R16, D8: leaving is one step; what was begun is settled; what is personal is deleted."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.ledger.queries import balance
from app.members import operations as members
from app.members.queries import find_citizen_id, find_citizens_by_id_numbers
from app.members.register import NewMember
from app.members.sessions import open_citizen_session
from app.rights.journal import read_journal, write_journal
from app.rights.leaving import erase_due
from app.rights.queries import erasure_state
from tests.members.people import made_up_member
from tests.redemptions.builders import (
    API,
    Citizen,
    keys_of,
    make_citizen,
    make_clerk,
    publish_benefit,
    staff_tokens,
)
from tests.redemptions.checks import assert_redemptions_agree
from tests.rights.receipts import verified
from tests.service_orders.shop import Shop, done, make_shop

# A moment after which no delivery can be under way that knew the member, and WeChat was told.
LATER = """
    UPDATE leavings SET left_at = left_at - interval '2 hours',
        erase_by_at = erase_by_at - interval '2 hours', permission_ended_at = clock_timestamp()
"""
OBJECTION = (
    """INSERT INTO objections (citizen_id, objection_id, kind, item_id, reason, words_sealed,
        frozen_sealed, state, filed_on, decide_due_on)
    VALUES (%(citizen)s, %(citizen)s, 'order', %(citizen)s, 'other', '', '', 'decided',
        '2026-06-01', '2026-06-08')""",
    """INSERT INTO objection_decisions (citizen_id, objection_id, round, outcome, reasons_sealed,
        decided_by)
    VALUES (%(citizen)s, %(citizen)s, 1, 'rejected', '', gen_random_uuid())""",
    """INSERT INTO objection_attachments (citizen_id, objection_id, attachment_id, media_type,
        size_bytes, digest_sealed)
    VALUES (%(citizen)s, %(citizen)s, %(citizen)s, 'image/png', 1, '')""",
    """INSERT INTO objection_attachment_parts (citizen_id, objection_id, attachment_id, part,
        content_sealed)
    VALUES (%(citizen)s, %(citizen)s, %(citizen)s, 0, '')""",
    """INSERT INTO disputed_items (citizen_id, objection_id, kind, item)
    VALUES (%(citizen)s, %(citizen)s, 'order', 'x')""",
    """INSERT INTO adverse_records (citizen_id, record_type, record_number, event_on, ends_on)
    VALUES (%(citizen)s, 'x', 'x', '2026-06-01', '2026-07-01')""",
    """INSERT INTO repair_applications (citizen_id, application_id, record_type, record_number,
        evidence_sealed, commitment_sealed, filed_on, decide_due_on)
    VALUES (%(citizen)s, %(citizen)s, 'x', 'x', '', '', '2026-06-01', '2026-06-12')""",
)
GONE_AT_ONCE = (
    "citizen_profiles", "records", "record_holders", "scores", "rank_results", "record_grants",
    "voucher_manual_codes", "code_presentations", "wechat_messages", "household_seats",
    "objections", "objection_decisions", "objection_attachments", "objection_attachment_parts",
    "disputed_items", "adverse_records", "repair_applications",
)  # fmt: skip
GONE_AT_LAST = ("citizen_keys", "citizen_lookup", "wechat_identities")


def leave(client: FlaskClient, who: Citizen) -> dict[str, Any]:
    return done(client.post(f"{API}/me/leave", json={"confirmed": True}, headers=who.headers))


def count(admin: psycopg.Connection[Any], table: str, citizen_id: UUID) -> int:
    row = admin.execute(
        f"SELECT count(*) FROM {table} WHERE citizen_id = %s", (citizen_id,)
    ).fetchone()
    return int(row[0]) if row else 0


def fill(admin: psycopg.Connection[Any], who: Citizen) -> None:
    """A row wherever something of a person is kept."""
    given = {"citizen": who.citizen_id}
    for statement in (
        "INSERT INTO record_holders VALUES ('N-' || %(citizen)s, 'blood_donation', %(citizen)s)",
        """INSERT INTO records (citizen_id, record_type, record_number, version, is_void, event_on,
            measures, details_sealed, content_digest, delivery_id, row_number, delivered_on)
        VALUES (%(citizen)s, 'blood_donation', 'N-' || %(citizen)s, 1, false, '2026-05-01',
            '{}', '', sha256('x'), gen_random_uuid(), 1, '2026-05-02')""",
        "INSERT INTO rank_results VALUES (%(citizen)s, 'made-up', 'top', '2026-06-30', true)",
        """INSERT INTO wechat_messages (citizen_id, message_id, topic, state, settled_at)
        VALUES (%(citizen)s, gen_random_uuid(), 'voucher_redeemed', 'sent', now())""",
        "INSERT INTO wechat_identities VALUES (%(citizen)s, '\\x01')",
        *OBJECTION,
    ):
        admin.execute(statement, given)


def test_r4_leaving_holds_at_once(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any], tmp_path: Path
) -> None:
    client = committing_app.test_client()
    ticket = publish_benefit(committing_app, price_points=10)
    clerk = make_clerk(committing_app, takes=(ticket,))
    who = make_citizen(committing_app, points=50, tier="AA", consents=("membership", "library"))
    voucher_id = who.claimed(client, ticket)
    codes = [who.pass_code(client), who.voucher_code(client, voucher_id)]
    fill(admin, who)

    answer = leave(client, who)
    said = verified(client, answer)
    assert str(who.citizen_id) not in answer["receipt"]
    left, by = (datetime.fromisoformat(said[key]) for key in ("left_at", "erased_by"))
    assert by - left == timedelta(hours=72)
    assert client.get(f"{API}/me", headers=who.headers).status_code == 401
    for code in codes:
        refused = clerk.redeem(client, code=code, benefit_code=ticket)
        assert refused.status_code == 409, refused.get_json()
    with committing_app.app_context():
        assert balance(citizen_id=who.citizen_id).available_points == 50  # the voucher went back
        assert_redemptions_agree()
    decisions = admin.execute(
        "SELECT purpose, decision FROM consents WHERE citizen_id = %s ORDER BY decided_at DESC"
        " LIMIT 2", (who.citizen_id,),
    ).fetchall()
    assert {tuple(row) for row in decisions} == {
        ("membership", "withdrawn"), ("library", "withdrawn"),
    }

    shown = f"{API}/leavings/{said['leaving_id']}"
    assert done(client.get(shown))["erased_at"] is None
    journal = tmp_path / "journal"
    with job_app.app_context():
        assert erase_due(limit=10) == 0  # the journal comes first
        assert (write_journal(journal), write_journal(journal)) == (1, 0)
        assert [line.citizen_id for line in read_journal(journal)] == [who.citizen_id]
        assert erase_due(limit=10) == 1
    assert [table for table in GONE_AT_ONCE if count(admin, table, who.citizen_id)] == []
    assert [table for table in GONE_AT_LAST if not count(admin, table, who.citizen_id)] == []
    assert done(client.get(shown))["reduced_at"] is not None
    admin.execute(LATER)
    with job_app.app_context():
        assert (erase_due(limit=10), erase_due(limit=10)) == (1, 0)
    gone = (*GONE_AT_ONCE, *GONE_AT_LAST)
    assert [table for table in gone if count(admin, table, who.citizen_id)] == []
    assert done(client.get(shown))["erased_at"] is not None
    with committing_app.app_context():
        assert_redemptions_agree()


def test_who_left_is_a_stranger_who_may_join_anew(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    person, client = made_up_member(), committing_app.test_client()
    who = joined(committing_app, person)
    leave(client, who)
    keys = keys_of(committing_app)
    with committing_app.app_context():
        assert find_citizens_by_id_numbers(keys=keys, id_numbers=[person.id_number]) == {}
    admin.execute(LATER)
    with job_app.app_context():
        erase_due(limit=10, is_journaled=False)
    with committing_app.app_context():
        assert find_citizen_id(keys=keys, purpose="id_number", value=person.id_number) is None
    again = joined(committing_app, person)
    assert again.citizen_id != who.citizen_id


def test_what_was_begun_is_settled_before_the_key_goes(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    shop = make_shop(committing_app)
    begun, unstarted = shop.started(), shop.ordered(1_000)
    reference = shop.reference(begun)
    leave(shop.client, shop.holder)
    states = dict(admin.execute("SELECT order_id::text, state FROM service_orders").fetchall())
    assert states == {begun: "in_use", unstarted: "cancelled"}
    admin.execute(LATER)
    with job_app.app_context():
        erase_due(limit=10, is_journaled=False)
    citizen_id = shop.holder.citizen_id
    assert count(admin, "citizen_profiles", citizen_id) == 0
    assert count(admin, "citizen_keys", citizen_id) == 1
    for verb, values in (("complete", {"total_fen": 500}), ("payment", {})):
        done(at_counter(shop, reference, verb, **values))
    with job_app.app_context():
        erase_due(limit=10, is_journaled=False)
    assert count(admin, "citizen_keys", citizen_id) == 0


def test_d8_who_owes_keeps_nobody_waiting_and_is_counted_apart(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    shop, other = make_shop(committing_app), make_citizen(committing_app)
    shop.started()
    for who in (shop.holder, other):
        leave(shop.client, who)
    with job_app.app_context():
        assert erase_due(limit=10, is_journaled=False) == 2  # what nobody needs any more
    for _ in range(40):
        admin.execute(LATER)
    with job_app.app_context():
        assert erasure_state()["erasures_unfinished"] == 1  # nobody has worked
        assert erase_due(limit=1, is_journaled=False) == 1
        state = erasure_state()
    assert [count(admin, "citizen_keys", one.citizen_id) for one in (shop.holder, other)] == [1, 0]
    late = {name: value for name, value in state.items() if name.startswith("erasures_")}
    assert late == {"erasures_late": 0, "erasures_unfinished": 0, "erasures_owing": 1}


def test_only_who_has_left_is_erased(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    who = make_citizen(committing_app)
    for call in (
        "members_erase(%s, true)", "records_erase(%s)", "scoring_erase(%s)",
        "redemptions_erase(%s)", "wechat_erase(%s)", "objections_erase(%s)", "disputes_erase(%s)",
        "repairs_erase(%s)",
        "complaints_erase(%s)", "library_erase(%s)", "transit_erase(%s)",
        "deaths_erase(%s)",
    ):
        with pytest.raises(psycopg.errors.RaiseException):
            admin.execute(f"SELECT {call}", (who.citizen_id,))


def joined(app: Flask, person: NewMember) -> Citizen:
    with app.app_context():
        with transaction() as session:
            citizen_id = members.register_member(keys=keys_of(app), **vars(person))
            opened = open_citizen_session(session, citizen_id=citizen_id)
        return Citizen(citizen_id, opened.session_id, staff_tokens(opened))


def at_counter(shop: Shop, reference: str, verb: str, **values: Any) -> TestResponse:
    body = {
        "act_id": str(new_id()), "shop_id": str(shop.clerk.shop_id), "reference": reference,
        **values,
    }
    return shop.client.post(f"{API}/service-orders/{verb}", json=body, headers=shop.clerk.headers)

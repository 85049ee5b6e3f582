"""R4, D8: with the membership ends what a person permitted at WeChat Pay, and what they ordered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.members.register import NewMember
from app.rights.leaving import erase_due
from app.rights.queries import erasure_state
from app.web.auth import Role
from app.wechat import pay_score
from app.wechat.pay_score import PayScoreIsUnavailable
from tests.counter.desk import Desk, Holder
from tests.deaths.office import Person, make_office
from tests.members.people import made_up_member
from tests.redemptions.builders import API, make_staff, staff_tokens
from tests.service_orders.shop import done
from tests.wechat.collecting import Collecting, make_collecting
from wechat_integration.sandbox.control import FaultKind, SandboxControl

PERMISSIONS = "/v3/payscore/permissions/openid"
LATER = """
    UPDATE leavings SET left_at = left_at - {hours} * interval '1 hour',
        erase_by_at = erase_by_at - {hours} * interval '1 hour'
"""


def leave_on_the_phone(app: Flask, who: Collecting) -> None:
    headers = who.shop.holder.headers
    done(app.test_client().post(f"{API}/me/leave", json={"confirmed": True}, headers=headers))


def leave_at_the_counter(app: Flask, who: Collecting) -> None:
    operator_id, opened = make_staff(app, Role.OPERATOR)
    with app.app_context():
        headers = dict(staff_tokens(opened))
    desk = Desk(app, app.test_client(), operator_id, headers, who.shop.clerk)
    done(desk.leave(Holder(who.shop.holder.citizen_id, member_of(who))))


def die(app: Flask, who: Collecting) -> None:
    make_office(app).confirmed(Person(member_of(who), who.shop.holder))


def member_of(who: Collecting) -> NewMember:
    return replace(made_up_member(), id_number=who.person.id_number)


@pytest.fixture
def collecting(committing_app: Flask, job_app: Flask, sandbox: SandboxControl) -> Collecting:
    return make_collecting(committing_app, job_app, sandbox)


@pytest.mark.parametrize("end", [leave_on_the_phone, leave_at_the_counter, die])
def test_r4_who_goes_permits_no_debit_and_has_no_agreed_order(
    committing_app: Flask, collecting: Collecting, sandbox: SandboxControl,
    admin: psycopg.Connection[Any], end: Callable[[Flask, Collecting], None],
) -> None:
    shop, order_id = collecting.agreed(sandbox)
    assert collecting.is_permitted()
    end(committing_app, collecting)
    collecting.work()
    assert not collecting.is_permitted()
    assert admin.execute("SELECT state FROM service_orders").fetchall() == [("cancelled",)]
    assert collecting.remote(order_id) == ("REVOKED", "")
    with committing_app.app_context():
        assert shop.account() == (0, 0)  # nothing is held


def test_d8_the_identity_waits_until_wechat_was_told(
    committing_app: Flask, collecting: Collecting, job_app: Flask, sandbox: SandboxControl,
    admin: psycopg.Connection[Any],
) -> None:
    sandbox.add_fault(kind=FaultKind.UNAVAILABLE, path=f"{PERMISSIONS}/{collecting.openid}")
    leave_on_the_phone(committing_app, collecting)
    with pytest.raises(PayScoreIsUnavailable):
        collecting.work()
    later(admin, hours=2)
    with job_app.app_context():
        erase_due(limit=10, is_journaled=False)
        pay_score.end_standing(limit=10)
        assert erasure_state()["permissions_late"] == 1
    assert identities(admin) == 1
    sandbox.clear_faults()
    with job_app.app_context():
        pay_score.end_standing(limit=10)
        assert not collecting.is_permitted()
        assert erase_due(limit=10, is_journaled=False) == 1
        assert erasure_state()["permissions_late"] == 0
        assert erasure_state()["permissions_given_up"] == 0
    assert identities(admin) == 0


def test_d8_a_silent_wechat_makes_no_erasure_late_and_is_named(  # noqa: PLR0917 -- fixtures
    committing_app: Flask, collecting: Collecting, job_app: Flask, sandbox: SandboxControl,
    admin: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture,
) -> None:
    sandbox.add_fault(kind=FaultKind.UNAVAILABLE, path=f"{PERMISSIONS}/{collecting.openid}")
    leave_on_the_phone(committing_app, collecting)
    with pytest.raises(PayScoreIsUnavailable):
        collecting.work()
    later(admin, hours=70)
    with job_app.app_context():
        erase_due(limit=10, is_journaled=False)
        assert (erase_due(limit=10, is_journaled=False), identities(admin)) == (0, 1)
    later(admin, hours=1)  # an hour is left
    with job_app.app_context():
        assert erase_due(limit=10, is_journaled=False) == 1
        assert erasure_state()["permissions_given_up"] == 1
        assert erasure_state()["erasures_unfinished"] == 0
    assert identities(admin) == 0
    assert "erased before WeChat Pay was told" in caplog.text


def later(admin: psycopg.Connection[Any], *, hours: int) -> None:
    admin.execute(LATER.format(hours=hours))


def identities(admin: psycopg.Connection[Any]) -> int:
    row = admin.execute("SELECT count(*) FROM wechat_identities").fetchone()
    assert row is not None
    return int(row[0])

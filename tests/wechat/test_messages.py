"""Redeemed messages: sent once, though their jobs run at least once."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.kernel.database import transaction
from app.kernel.errors import Unavailable
from app.kernel.ids import new_id
from app.kernel.jobs import Message
from app.members import operations
from app.wechat.messages import REDEEMED_TOPIC, redeemed_data, send_redeemed
from tests.members.api import claims_of, join, keys_of, made_up_person
from tests.members.people import made_up_member
from tests.redemptions.builders import publish_benefit
from wechat_integration.sandbox.control import FaultKind, SandboxControl

PAYLOAD = {
    "voucher_id": "x", "benefit_code": "library", "price_points": 30, "shop_name": "市图书馆",
    "redeemed_at": "2026-11-20T16:30:00Z",
}
SEND_PATH = "/cgi-bin/message/subscribe/send"
TEMPLATE = "template-redeemed"


def message_for(app: Flask, sandbox: SandboxControl) -> tuple[Message, str]:
    publish_benefit(app, code="library", name="信易阅 图书借阅")
    person = made_up_person(sandbox)
    tokens = join(app.test_client(), sandbox, person).get_json()
    citizen_id = UUID(claims_of(tokens["access_token"])["sub"])
    return Message(citizen_id, new_id(), REDEEMED_TOPIC, PAYLOAD), person.openid


def state(admin: psycopg.Connection[Any]) -> str:
    row = admin.execute("SELECT state FROM wechat_messages").fetchone()
    assert row is not None
    return str(row[0])


def test_a_message_is_sent_once_however_often_its_job_runs(
    committing_app: Flask,
    worker_app: Flask,
    sandbox: SandboxControl,
    admin: psycopg.Connection[Any],
) -> None:
    message, openid = message_for(committing_app, sandbox)
    sandbox.grant_accepts(openid=openid, template_id=TEMPLATE, count=5)
    for _ in range(15):
        with worker_app.app_context():
            send_redeemed(message)
    (sent,) = sandbox.sent_messages()
    assert (sent.openid, sent.template_id) == (openid, TEMPLATE)
    assert sent.data["time3"] == "2026-11-21 00:30"
    assert (sent.data["thing1"], sent.data["thing2"]) == ("信易阅 图书借阅", "市图书馆")
    assert state(admin) == "sent"


@pytest.mark.parametrize(
    ("kind", "takes_effect"),
    list(itertools.product((FaultKind.DOWN, FaultKind.UNAVAILABLE, FaultKind.BUSY), (False, True))),
)
def test_an_outage_means_again_and_one_message(
    committing_app: Flask,
    worker_app: Flask,
    sandbox: SandboxControl,
    admin: psycopg.Connection[Any],
    kind: FaultKind,
    *,
    takes_effect: bool,
) -> None:
    message, openid = message_for(committing_app, sandbox)
    sandbox.grant_accepts(openid=openid, template_id=TEMPLATE)
    sandbox.add_fault(kind=kind, path=SEND_PATH, takes_effect=takes_effect)
    with worker_app.app_context(), pytest.raises(Unavailable):
        send_redeemed(message)
    assert state(admin) == "sending"
    sandbox.clear_faults()
    for _ in range(2):
        with worker_app.app_context():
            send_redeemed(message)
    assert len(sandbox.sent_messages()) == 1
    assert state(admin) in {"sent", "refused"}


def test_who_did_not_accept_is_not_asked_again(
    committing_app: Flask,
    worker_app: Flask,
    sandbox: SandboxControl,
    admin: psycopg.Connection[Any],
) -> None:
    message, _ = message_for(committing_app, sandbox)
    with worker_app.app_context():
        send_redeemed(message)
    calls = sandbox.count_calls(path=SEND_PATH)
    with worker_app.app_context():
        send_redeemed(message)
    assert sandbox.sent_messages() == []
    assert sandbox.count_calls(path=SEND_PATH) == calls
    assert state(admin) == "refused"


def test_who_has_no_wechat_is_not_reached(
    committing_app: Flask,
    worker_app: Flask,
    sandbox: SandboxControl,
    admin: psycopg.Connection[Any],
) -> None:
    member = made_up_member()
    publish_benefit(committing_app, code="library")
    with committing_app.app_context(), transaction():
        citizen_id = operations.register_member(
            keys=keys_of(committing_app), name=member.name, id_number=member.id_number,
            phone=None, joined_on=member.joined_on,
        )
    with worker_app.app_context():
        send_redeemed(Message(citizen_id, new_id(), REDEEMED_TOPIC, PAYLOAD))
    assert sandbox.count_calls(path=SEND_PATH) == 0
    assert state(admin) == "unreachable"


def test_long_texts_are_cut_to_what_wechat_takes() -> None:
    data = redeemed_data({**PAYLOAD, "shop_name": "馆" * 50}, benefit_name="书" * 50)
    assert (data["thing1"], data["thing2"]) == ("书" * 20, "馆" * 20)

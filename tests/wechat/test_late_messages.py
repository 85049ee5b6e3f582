"""D8: what comes late finds nobody, and after the last erasure a person is nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from flask import Flask
from sqlalchemy import text

from app.counter import notices
from app.kernel import jobs
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.kernel.jobs import Message
from app.kernel.outbox import put
from app.oversight.incidents import NOTICE_TOPIC
from app.rights.data_inventory import Leaving, read_inventory
from app.rights.journal import write_journal
from app.rights.leaving import erase_due
from app.service_orders.leaving import LEFT_TOPIC
from app.transit.files import make_due_files
from app.wechat.messages import SHOWN_AGAIN_TOPIC
from demo.servers import Database
from tests.redemptions.builders import API, grant_points, make_clerk, publish_benefit
from tests.rights.rows import add_row, count_rows
from tests.rights.test_leaving import LATER
from tests.security.canaries import sightings
from tests.security.test_canaries import dumped, saved_by
from tests.service_orders.shop import done
from tests.wechat.collecting import Collecting, make_collecting
from wechat_integration.sandbox.control import SandboxControl


@pytest.fixture
def who(committing_app: Flask, job_app: Flask, sandbox: SandboxControl) -> Collecting:
    return make_collecting(committing_app, job_app, sandbox)


def live(app: Flask, who: Collecting, sandbox: SandboxControl) -> set[str]:
    """Redeem, order, ask for a copy, be told of things; the secrets of it all."""
    client, me = app.test_client(), who.shop.holder
    ticket = publish_benefit(app, price_points=10)
    clerk = make_clerk(app, takes=(ticket,))
    grant_points(app, me.citizen_id, 100)
    code = me.voucher_code(client, me.claimed(client, ticket))
    done(clerk.redeem(client, code=code, benefit_code=ticket))
    order_id = who.shop.ordered()
    copied = {"copy_id": str(new_id()), "code": sandbox.issue_login_code(openid=who.openid)}
    asked = done(client.post(f"{API}/me/copies", json=copied, headers=me.headers), 202)
    done(who.shop.act(order_id, "cancel"))
    shown = {"shop_name": "图书馆", "shown_at": "2026-06-01T08:00:00+00:00"}
    with app.app_context(), transaction():
        notices.tell(citizen_id=me.citizen_id, what=notices.VOUCHER_CLAIMED)
        put(citizen_id=me.citizen_id, topic=SHOWN_AGAIN_TOPIC, payload=shown)
        put(citizen_id=me.citizen_id, topic=NOTICE_TOPIC, payload={"incident_id": str(new_id())})
    return {*vars(who.person).values(), asked["secret"], code, me.headers["Authorization"]}


def taken(worker: Flask) -> list[Message]:
    """What waits in the outbox, which a worker has in hand from now on."""
    with worker.app_context(), transaction() as session:
        rows = session.execute(text("SELECT * FROM outbox_take(100)")).all()
    return [Message(row.citizen_id, row.message_id, row.topic, row.payload) for row in rows]


def deliver(worker: Flask, messages: list[Message]) -> None:
    with worker.app_context():
        for message in messages:
            jobs._handlers[message.topic](message)  # noqa: SLF001 -- as the worker does


def test_d8_after_the_last_erasure_and_late_messages_a_person_is_nowhere(  # noqa: PLR0917 -- fixtures
    committing_app: Flask, job_app: Flask, who: Collecting, sandbox: SandboxControl,
    admin: psycopg.Connection[Any], test_database: Database, redis_client: redis.Redis,
    tmp_path: Path,
) -> None:
    journal, citizen_id = tmp_path / "journal", who.shop.holder.citizen_id
    secrets = live(committing_app, who, sandbox)
    gone = [
        name for name, table in read_inventory().items()
        if table.leaving in {Leaving.ERASED, Leaving.ERASED_WITH_KEY}
    ]
    for table in gone:
        if not count_rows(admin, table, citizen_id):
            add_row(admin, table, citizen_id)
    late = taken(job_app)
    assert len({message.topic for message in late}) >= 6
    headers = who.shop.holder.headers
    done(committing_app.test_client().post(
        f"{API}/me/leave", json={"confirmed": True}, headers=headers
    ))
    after = taken(job_app)
    deliver(job_app, [message for message in after if message.topic == LEFT_TOPIC])
    late += [message for message in after if message.topic != LEFT_TOPIC]
    with job_app.app_context():
        write_journal(journal)
        erase_due(limit=10)
        admin.execute(LATER)
        assert erase_due(limit=10) == 1

    deliver(job_app, late)
    deliver(job_app, late)  # a second try
    with committing_app.app_context(), transaction():
        for message in late:
            put(citizen_id=citizen_id, topic=message.topic, payload=message.payload)
    with job_app.app_context():
        assert jobs.relay() == len(late)  # and they wait as jobs
        make_due_files()
    assert [table for table in gone if count_rows(admin, table, citizen_id)] == []
    for place, kept in (
        *dumped(test_database).items(), ("redis", saved_by(redis_client)),
        ("journal", journal.read_bytes()),
        *((f"file {at}", bytes(content)) for at, (content,) in enumerate(
            admin.execute("SELECT content FROM transit_files").fetchall()
        )),
    ):
        assert (place, sightings(secrets, kept)) == (place, set())
    assert str(citizen_id).encode() in journal.read_bytes()  # its pseudonym
    assert sandbox.sent_messages() == []

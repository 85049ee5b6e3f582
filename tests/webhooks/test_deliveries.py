"""What merchants are told, when it is tried again, and when it is given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import orjson
import psycopg
from flask import Flask
from sqlalchemy import text

from app.benefits.operations import let_merchant_take
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.kernel.jobs import Message
from app.merchants.suspensions import lift, suspend
from app.webhooks.addresses import Guard
from app.webhooks.deliveries import prune_deliveries, spread
from app.webhooks.events import TOPICS, read_event
from app.webhooks.queries import webhook_state
from app.webhooks.retries import TRIES, WAITS, rest_after, wait_after
from app.webhooks.sending import Sender
from tests.redemptions.answers import outcome
from tests.redemptions.builders import API, make_citizen, publish_benefit
from tests.service_orders.shop import make_shop
from tests.webhooks.receiver import receiving
from tests.webhooks.shop import Endpoint, Owner, owner_of

REQUEST = "support-question-7"
ALWAYS = "2020-01-01T00:00:00Z"


def told(owner: Owner, server: Any) -> list[dict[str, Any]]:
    """What was received until now, which is then forgotten."""
    owner.send()
    bodies = [orjson.loads(one.body) for one in server.received]
    server.received.clear()
    return bodies


def test_r23_a_redemption_and_its_annulment_are_told_with_the_least(owner: Owner) -> None:
    app, client, clerk = owner.app, owner.client, owner.clerk
    code = publish_benefit(app, price_points=20)
    with app.app_context():
        let_merchant_take(benefit_code=code, merchant_id=clerk.merchant_id)
    citizen = make_citizen(app, points=100)
    voucher_id = citizen.claimed(client, code)
    redemption = {
        "redemption_id": str(new_id()), "shop_id": str(clerk.shop_id),
        "code": citizen.voucher_code(client, voucher_id),
    }
    with receiving() as server:
        owner.endpoint(server.url)
        redeemed = client.post(
            f"{API}/redemptions", json=redemption,
            headers={**clerk.headers, "X-Request-Id": REQUEST},
        ).get_json()
        (message,) = owner.hand_over("voucher_redeemed")
        with owner.worker.app_context():
            spread(message)  # the worker may hear of it twice
        owner.send()
        assert server.received[0].headers["x-request-id"] == REQUEST  # O4
        assert told(owner, server) == [{
            "type": "redemption.redeemed", "timestamp": redeemed["redeemed_at"],
            "data": {
                "redemption_id": redemption["redemption_id"], "benefit_code": code,
                "price_points": 20, "shop_id": str(clerk.shop_id),
            },
        }]
        annulled = clerk.annul(client, redeemed["receipt"]).get_json()
        owner.hand_over("redemption_annulled")
        told_then = told(owner, server)
    assert [one["type"] for one in told_then] == ["redemption.annulled"]
    assert told_then[0]["data"] == {
        "redemption_id": redemption["redemption_id"], "annulment_id": annulled["annulment_id"],
        "benefit_code": code, "returned_points": 20, "shop_id": str(clerk.shop_id),
    }
    everything = orjson.dumps(told_then).decode()
    assert str(citizen.citizen_id) not in everything
    assert str(voucher_id) not in everything


def test_r23_steps_of_an_order_are_told_to_who_serves_it(
    committing_app: Flask, job_app: Flask
) -> None:
    shop = make_shop(committing_app)
    owner = owner_of(committing_app, job_app, shop.clerk)
    with receiving() as server:
        owner.endpoint(server.url, event_types=["service_order.changed"])
        order_id = shop.started()
        shop.counter(order_id, "complete", total_fen=300)
        shop.ordered()  # nobody serves it yet
        owner.hand_over("service_order_step")
        steps = told(owner, server) + told(owner, server)
    assert [(one["data"]["event"], one["data"]["owed_fen"]) for one in steps] == [
        ("start", 0), ("complete", 300),
    ]
    assert set(steps[0]["data"]) == {
        "order_id", "kind", "event", "state", "held_fen", "billed_fen", "owed_fen",
    }
    assert {one["data"]["order_id"] for one in steps} == {order_id}


def test_a_suspension_is_told_once_for_each_change(owner: Owner) -> None:
    made = new_id(), new_id()
    with receiving() as server:
        owner.endpoint(server.url)
        with owner.app.app_context():
            for suspension_id in made:
                suspend(
                    operator_id=new_id(), suspension_id=suspension_id,
                    merchant_id=owner.clerk.merchant_id, reason="涉嫌套用权益，先行停用",
                )
            for suspension_id in made:
                for operator_id in (new_id(), new_id()):
                    lift(
                        operator_id=operator_id, suspension_id=suspension_id,
                        reason="问题已整改并核实",
                    )
        owner.hand_over("merchant_suspension")
        types = [one["type"] for one in told(owner, server)]
    assert types == ["merchant.suspended", "merchant.resumed"]


def test_r23_nothing_beyond_the_named_members_is_told() -> None:
    """Whatever a room adds to its messages stays behind."""
    payload = {
        "merchant_id": str(new_id()), "redemption_id": "r", "annulment_id": "a",
        "benefit_code": "b", "returned_points": 1, "shop_id": "s", "order_id": "o", "kind": "k",
        "event": "e", "state": "t", "held_fen": 1, "billed_fen": 1, "owed_fen": 1,
        "month": "2026-05", "line_count": 1, "amount_points": 1, "subsidy_fen": 1, "order_fen": 1,
        "digest": "d", "ready_at": "4", "suspended": True, "annulled_at": "1",
        "happened_at": "2", "changed_at": "3",
        "citizen_id": "SECRET", "name": "SECRET", "voucher_id": "SECRET",
    }  # fmt: skip
    for topic in set(TOPICS) - {"voucher_redeemed"}:
        event = read_event(Message(new_id(), new_id(), topic, payload))
        assert event is not None
        assert "SECRET" not in event.body


def test_endpoints_hear_what_they_asked_for(owner: Owner) -> None:
    with receiving() as server, receiving() as other:
        owner.endpoint(server.url, event_types=["merchant.suspended"])
        owner.endpoint(other.url, event_types=["redemption.redeemed", "merchant.resumed"])
        suspended, resumed = owner.happens(), owner.happens(suspended=False)
        assert owner.send() == 2
        assert (server.ids(), other.ids()) == ([str(suspended)], [str(resumed)])


def test_s35_a_delivery_is_tried_ten_times_and_then_dead(owner: Owner) -> None:
    with receiving(lambda _: 500) as server:
        endpoint = owner.endpoint(server.url)
        event_id = owner.happens()
        for wait in WAITS:
            assert owner.send() == 1
            (delivery,) = owner.log(endpoint)
            last = datetime.fromisoformat(delivery["attempts"][-1]["started_at"])
            pause = datetime.fromisoformat(delivery["next_at"]) - last
            assert wait <= pause <= wait * 1.1 + timedelta(seconds=10)  # and what sending took
            owner.pass_time(f"{pause.total_seconds()} seconds")
        assert owner.send() == 1
        assert server.ids() == [str(event_id)] * TRIES
        owner.pass_time("30 days")
        assert owner.send() == 0
        (delivery,) = owner.log(endpoint)
        seen = owner.seen(endpoint)
    assert delivery["state"] == "dead"
    assert [one["status"] for one in delivery["attempts"]] == [500] * TRIES
    assert [one["number"] for one in delivery["attempts"]] == list(range(1, TRIES + 1))
    assert all(one["duration_ms"] >= 0 for one in delivery["attempts"])
    assert seen["dead_count"] == 1


def test_waits_and_rests_are_bounded() -> None:
    for tries, wait in enumerate(WAITS, 1):
        drawn = {wait_after(tries) for _ in range(50)}
        assert len(drawn) > 10
        assert all(one is not None and wait <= one <= wait * 1.1 for one in drawn)
    assert wait_after(TRIES) is None
    rests = [rest_after(failures).total_seconds() for failures in (1, 2, 3, 6, 7, 8, 1_000)]
    assert rests == [5, 10, 20, 160, 300, 300, 300]


def test_only_2xx_is_success(owner: Owner) -> None:
    statuses = (200, 299, 301, 404, 429, 503)
    with receiving(lambda one: int(one.path[1:])) as server:
        endpoints = {
            status: owner.endpoint(f"http://127.0.0.1:{server.port}/{status}")
            for status in statuses
        }
        owner.happens()
        assert owner.send() == len(statuses)
    for status, endpoint in endpoints.items():
        (delivery,) = owner.log(endpoint)
        assert delivery["attempts"][0]["status"] == status
        assert delivery["state"] == ("delivered" if status < 300 else "waiting")


def test_410_disables_the_endpoint_with_a_notice(owner: Owner) -> None:
    with receiving(lambda _: 410) as server:
        endpoint = owner.endpoint(server.url)
        owner.happens()
        owner.happens()
        assert owner.send() == 1
    seen = owner.seen(endpoint)
    assert (seen["enabled"], seen["disabled_reason"]) == (False, "gone")
    assert "410" in seen["notice"]
    assert (seen["dead_count"], seen["waiting_count"]) == (1, 1)


def test_days_of_failures_disable_the_endpoint_with_a_notice(owner: Owner) -> None:
    answers = iter([500, 204, 500, 500, 500])
    with receiving(lambda _: next(answers)) as server:
        endpoint = owner.endpoint(server.url)
        states = []
        for pause in ("0", "4 days", "4 days", "4 days", "1 day"):
            owner.pass_time(pause)
            owner.happens()
            with owner.app.app_context(), transaction() as session:  # one delivery a step
                session.execute(text(
                    "UPDATE webhook_deliveries SET next_at = next_at + interval '99 days'"
                    " WHERE attempt_count > 0 AND state = 'waiting'"
                ))
            assert owner.send() == 1
            states.append(owner.seen(endpoint)["disabled_reason"])
        assert states == [None, None, None, None, "failing"]
    assert "停用" in owner.seen(endpoint)["notice"]


def dead(owner: Owner, endpoint: Endpoint, admin: psycopg.Connection[Any], number: int) -> None:
    """So many deliveries that were given up."""
    for _ in range(number):
        owner.happens()
    admin.execute(
        "UPDATE webhook_deliveries SET state = 'dead', settled_at = now(), try_count = 10,"
        " attempt_count = 10 WHERE endpoint_id = %s", [endpoint.endpoint_id],
    )


def test_what_was_given_up_is_sent_again_by_hand(
    owner: Owner, admin: psycopg.Connection[Any]
) -> None:
    with receiving() as server:
        endpoint = owner.endpoint(server.url)
        dead(owner, endpoint, admin, 3)
        first = owner.log(endpoint, limit=1, state="dead")[0]
        path = f"{endpoint.path}/deliveries/{first['event_id']}/redelivery"
        assert owner.done("POST", path)["state"] == "waiting"
        assert owner.send() == 1
        assert server.ids() == [first["event_id"]]
        page = owner.log(endpoint, before=first["created_at"])
        assert len(page) == 2
        again = f"{endpoint.path}/redeliveries"
        assert owner.done("POST", again, {"since": "2999-01-01T00:00:00Z"})["count"] == 0
        assert owner.done("POST", again, {"since": ALWAYS}) == {"count": 2, "has_more": False}
        assert owner.send() == 2
        assert owner.seen(endpoint)["dead_count"] == 0
        assert owner.done("POST", path)["state"] == "waiting"  # delivered ones too
        unknown = owner.ask("POST", f"{endpoint.path}/deliveries/{new_id()}/redelivery")
    assert outcome(unknown) == (404, "webhook_delivery_unknown")


def test_redelivery_by_hand_is_limited(owner: Owner) -> None:
    endpoint = owner.endpoint("http://127.0.0.1:9/")
    path = f"{endpoint.path}/redeliveries"
    statuses = [owner.ask("POST", path, {"since": ALWAYS}).status_code for _ in range(22)]
    assert statuses[:20] == [200] * 20
    assert statuses[-1] == 429


def test_deliveries_are_forgotten_after_a_month(owner: Owner) -> None:
    owner.endpoint("http://127.0.0.1:9/")
    owner.happens()
    owner.send()
    owner.pass_time("30 days")
    owner.happens()
    with owner.worker.app_context():
        assert prune_deliveries(limit=10) == 1
        assert prune_deliveries(limit=10) == 0
        assert webhook_state()["webhooks_waiting"] == 1


def test_gauges_tell_how_late_and_how_many(
    owner: Owner, admin: psycopg.Connection[Any]
) -> None:
    endpoint = owner.endpoint("http://127.0.0.1:9/")
    dead(owner, endpoint, admin, 2)
    owner.happens()
    owner.pass_time("1 hour")
    text_of = owner.client.get("/metrics").text
    assert "\ncard_webhooks_dead 2.0" in text_of
    assert "\ncard_webhooks_waiting 1.0" in text_of
    late = text_of.split("\ncard_webhooks_oldest_due_seconds ")[1].split("\n")[0]
    assert 3_600 <= float(late) < 3_700
    assert str(owner.clerk.merchant_id) not in text_of
    owner.done("POST", f"{endpoint.path}/enabling", {"enabled": False})
    assert "\ncard_webhooks_oldest_due_seconds 0.0" in owner.client.get("/metrics").text


def test_s34_a_name_that_leads_inside_by_now_is_tried_and_not_connected_to(owner: Owner) -> None:
    """Registered when it was public; refused at every send since, and its owner sees why."""
    with receiving() as server:
        endpoint = owner.endpoint(server.url)
        owner.happens()
        assert owner.send(Sender(Guard())) == 1
        assert server.connections == 0
    assert owner.log(endpoint)[0]["attempts"][0]["error"] == "address_refused"

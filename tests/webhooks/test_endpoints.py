"""Endpoints: https alone, ten a merchant, a secret that is shown once and sealed, owners' own."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.config import Settings
from app.kernel.database import reading
from app.kernel.ids import new_id
from app.merchants.queries import behind_wall
from tests.conftest import environment
from tests.redemptions.answers import outcome
from tests.webhooks.receiver import Received, receiving
from tests.webhooks.shop import ENDPOINTS, Owner, make_owner

LOCAL = "http://127.0.0.1:9/hooks"


def is_signed_by(secret: str, received: Received) -> bool:
    try:
        Webhook(secret).verify(received.body, received.headers)
    except WebhookVerificationError:
        return False
    return True


def test_a_secret_is_shown_once_and_stored_sealed(app: Flask) -> None:
    owner = make_owner(app, app)
    body = {"endpoint_id": str(new_id()), "url": LOCAL, "event_types": ["redemption.redeemed"]}
    first = owner.done("POST", ENDPOINTS, body)
    again = owner.done("POST", ENDPOINTS, body)
    assert first["secret"].startswith("whsec_")
    assert again == {**first, "secret": None}
    assert outcome(owner.ask("POST", ENDPOINTS, body | {"url": LOCAL + "/x"})) == (422, "id_reused")
    assert owner.done("GET", ENDPOINTS) == {"endpoints": [first["endpoint"]]}
    with reading() as session:
        stored = session.execute(text("SELECT w::text FROM webhook_endpoints w")).scalar_one()
    assert first["secret"] not in stored
    assert first["secret"].removeprefix("whsec_") not in stored


def test_urls_that_lead_inside_are_refused_with_their_reason(app: Flask) -> None:
    owner = make_owner(app, app)
    for url, reason in (
        ("https://10.0.0.8/", "host"), ("http://hooks.example.com/", "scheme"),
        ("https://user@hooks.example.com/", "form"), ("https://no-such-name.invalid/", "address"),
    ):
        answer = owner.register(url)
        assert outcome(answer) == (422, "webhook_url_refused")
        assert answer.get_json()["reason"] == reason
    unknown = owner.register(LOCAL, event_types=["everything"])
    assert outcome(unknown) == (422, "invalid_request")
    assert owner.done("GET", ENDPOINTS) == {"endpoints": []}


def test_webhooks_to_this_machine_are_off_unless_they_are_switched_on(settings: Settings) -> None:
    made = environment_of(settings)
    assert Settings.from_environ(made).webhooks_to_loopback is True
    del made["CARD_WEBHOOKS_TO_LOOPBACK"]
    assert Settings.from_environ(made).webhooks_to_loopback is False


def environment_of(settings: Settings) -> dict[str, str]:
    class Made:
        def url(self, _role: str) -> str:
            return settings.database_url

    made: Any = Made()
    return environment(made, settings.keys_file)


def test_ten_endpoints_are_the_most(app: Flask) -> None:
    owner = make_owner(app, app)
    made = [owner.endpoint(LOCAL) for _ in range(10)]
    assert outcome(owner.register(LOCAL)) == (409, "webhook_endpoints_full")
    owner.done("POST", f"{made[0].path}/removal")
    owner.endpoint(LOCAL)


def test_owners_reach_their_own_merchants_endpoints_alone(app: Flask) -> None:
    owner, stranger = make_owner(app, app), make_owner(app, app)
    endpoint = owner.endpoint(LOCAL)
    event_id = owner.done("POST", f"{endpoint.path}/tests")["event_id"]
    before = owner.done("GET", ENDPOINTS), owner.log(endpoint)
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/secret", {}), ("POST", "/enabling", {"enabled": False}),
        ("POST", "/removal", None), ("POST", "/tests", None), ("GET", "/deliveries", None),
        ("POST", "/redeliveries", {"since": "2026-01-01T00:00:00Z"}),
        ("POST", f"/deliveries/{event_id}/redelivery", None),
    ]  # fmt: skip
    for path in (endpoint.path, f"{ENDPOINTS}/{new_id()}"):
        for method, last, body in asked:
            answer = stranger.ask(method, path + last, body)
            assert outcome(answer) == (404, "webhook_endpoint_unknown"), last
    assert stranger.done("GET", ENDPOINTS) == {"endpoints": []}
    assert (owner.done("GET", ENDPOINTS), owner.log(endpoint)) == before
    theirs = stranger.endpoint(LOCAL, endpoint_id=str(endpoint.endpoint_id))  # an id of their own
    assert stranger.log(theirs) == []


def test_the_second_wall_hides_what_a_query_forgets(app: Flask) -> None:
    owner, stranger = make_owner(app, app), make_owner(app, app)
    for one in (owner, owner, stranger):
        endpoint = one.endpoint(LOCAL)
        one.done("POST", f"{endpoint.path}/tests")
    with behind_wall(staff_id=stranger.clerk.staff_id), reading() as session:
        counts = session.execute(text("""
            SELECT (SELECT count(*) FROM webhook_endpoints),
                (SELECT count(*) FROM webhook_deliveries)
        """)).one()
    assert tuple(counts) == (1, 1)


def test_clerks_and_former_owners_have_no_endpoints(app: Flask) -> None:
    owner = make_owner(app, app)
    clerk = Owner(app, app, owner.client, owner.clerk, owner.clerk.headers)
    assert clerk.ask("GET", ENDPOINTS).status_code == 403
    with app.app_context(), reading() as session:
        session.execute(text("UPDATE merchant_staff SET active = false"))
    assert outcome(owner.ask("GET", ENDPOINTS)) == (403, "not_merchant_staff")


def test_both_secrets_sign_while_one_is_replaced(owner: Owner) -> None:
    with receiving() as server:
        endpoint = owner.endpoint(server.url)
        rotated = owner.done("POST", f"{endpoint.path}/secret", {"overlap_hours": 2})
        assert rotated["endpoint"]["old_secret_until"] is not None
        for is_over in (False, True):
            if is_over:
                owner.pass_time("2 hours")
            owner.done("POST", f"{endpoint.path}/tests")
            assert owner.send() == 1
            received = server.received[-1]
            assert len(received.headers["webhook-signature"].split()) == (1 if is_over else 2)
            assert is_signed_by(rotated["secret"], received)
            assert is_signed_by(endpoint.secret, received) is not is_over


def test_a_disabled_endpoint_is_sent_nothing_until_it_is_enabled(owner: Owner) -> None:
    with receiving() as server:
        endpoint = owner.endpoint(server.url)
        waiting = owner.happens()
        enabling = f"{endpoint.path}/enabling"
        assert owner.done("POST", enabling, {"enabled": False})["disabled_reason"] == "owner"
        owner.happens()  # nobody is told
        assert owner.send() == 0
        for last, body in (
            ("tests", None), ("redeliveries", {"since": "2026-01-01T00:00:00Z"}),
            (f"deliveries/{waiting}/redelivery", None),
        ):
            refused = owner.ask("POST", f"{endpoint.path}/{last}", body)
            assert outcome(refused) == (409, "webhook_endpoint_disabled")
        assert owner.done("POST", enabling, {"enabled": True})["enabled"] is True
        assert owner.send() == 1
        assert server.ids() == [str(waiting)]


def test_a_removed_endpoint_takes_its_log_along(owner: Owner) -> None:
    endpoint = owner.endpoint(LOCAL)
    owner.happens()
    assert owner.send() == 1
    owner.done("POST", f"{endpoint.path}/removal")
    with owner.app.app_context(), reading() as session:
        left = session.execute(text("""
            SELECT (SELECT count(*) FROM webhook_deliveries)
                + (SELECT count(*) FROM webhook_attempts)
        """)).scalar_one()
    assert left == 0
    assert owner.send() == 0

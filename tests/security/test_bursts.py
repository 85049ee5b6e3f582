"""S20: every limited route refuses a burst with 429 and the time to wait, without Redis too.

The mechanism (networks of IPv6, a Redis that hangs or forgets) is tested in tests/web.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
from flask import Flask
from limits import RateLimitItem, parse

from app.kernel.ids import new_id
from app.web import limits
from app.web.auth import Role
from demo.servers import Database, free_port
from tests.conftest import Sized, environment, sandbox_environment
from tests.contract.real_requests import SIGNED_ONLY, caller_of
from tests.contract.world import World, sign_in_again
from tests.counter.desk import REMEDIES
from tests.house.routes import Route, as_openapi
from tests.house.snapshots import matrix
from tests.web.test_limits import served
from wechat_integration.sandbox.server import SandboxServer

REFRESH = "/api/v1/tokens/refresh"
PUBLICATION = "/api/v1/publications/<string:kind>/<string:edition>"
HOUSEHOLD = "/api/v1/me/household"
SCHEME = "/api/v1/schemes/<string:code>/<string:version>"
ORDERS = "/api/v1/me/service-orders"
BENEFIT = "/api/v1/me/benefits/<string:benefit_code>"
COUNTER = "/api/v1/service-orders"
TRANSIT = "/api/v1/transit"
RIDER = "/api/v1/me/transit/accounts"
WEBHOOKS = "/api/v1/merchant/webhook-endpoints"
OBJECTIONS = "/api/v1/me/objections"
OBJECTION = f"{OBJECTIONS}/<uuid:objection_id>"
LIBRARY = "/api/v1/library"
MACHINES = f"{LIBRARY}/machines"
DEATHS = "/api/v1/death-reports"
VISITS = "/api/v1/counter/visits"
RELATIVES = "/api/v1/relative-applications"
PERMISSION = "/api/v1/me/pay-score/permission"
# What sensitive means here: guessing, personal data, money, and what calls others or costs much.
MUST_BE_LIMITED = {
    RIDER, f"{TRANSIT}/entitlement", f"{TRANSIT}/batches",
    "/api/v1/sign-in/staff", "/api/v1/sign-in/wechat", "/api/v1/join", "/api/v1/sources/token",
    REFRESH, "/api/v1/members/find", "/api/v1/members/reveal", "/api/v1/members/unbind-wechat",
    "/api/v1/staff", "/api/v1/me/pass-code", "/api/v1/me/vouchers", "/api/v1/redemptions",
    "/api/v1/redemptions/preview", "/api/v1/redemptions/annulments",
    *(f"/api/v1/me/vouchers/<uuid:voucher_id>/{act}" for act in (
        "offline-code", "manual-code", "give-back",
    )),
    "/api/v1/register-imports", "/api/v1/sources/<uuid:source_id>/credentials",
    "/api/v1/deliveries/<uuid:delivery_id>/rows/<int:row_number>/reveal",
    "/api/v1/devices",
    "/api/v1/merchant/device-invitations", "/api/v1/devices/<uuid:device_id>/switch-off",
    "/api/v1/offline/uploads", "/api/v1/offline/decisions",
    "/api/v1/source/credentials", "/api/v1/impact-assessments",
    "/api/v1/impact-assessments/<uuid:assessment_id>/confirmation", "/api/v1/schemes",
    f"{SCHEME}/notice", f"{SCHEME}/confirmation", f"{SCHEME}/withdrawal", f"{SCHEME}/dry-runs",
    f"{SCHEME}/comments",
    "/api/v1/villages", "/api/v1/me/village", HOUSEHOLD, f"{HOUSEHOLD}/invitations",
    f"{HOUSEHOLD}/invitation", f"{HOUSEHOLD}/join", f"{HOUSEHOLD}/consent", f"{HOUSEHOLD}/leave",
    "/wechat/pay-score", f"{ORDERS}/<uuid:order_id>/pay-score", PERMISSION, f"{PERMISSION}/end",
    "/api/v1/merchant/settlement-answers", "/api/v1/settlement/closings",
    "/api/v1/settlement/closings/<uuid:closing_id>/confirmation",
    "/api/v1/settlement/corrections",
    "/api/v1/guarantee-lines", "/api/v1/guarantee-lines/<uuid:line_id>/confirmation",
    ORDERS, *(f"{ORDERS}/<uuid:order_id>/{act}" for act in ("confirm", "cancel", "dispute")),
    *(f"{COUNTER}/{act}" for act in (
        "start", "complete", "claim", "dispute", "resolve", "payment",
    )),
    "/api/v1/me/repairs",
    *(f"/api/v1/repairs/<uuid:application_id>/{act}" for act in ("reading", "decision")),
    OBJECTIONS, f"{OBJECTION}/second-look", f"{OBJECTION}/attachments",
    *(f"/api/v1/objections/<uuid:objection_id>/{act}" for act in (
        "reading", "decision", "confirmation", "attachments/<uuid:attachment_id>/reading",
    )),
    "/api/v1/bulk-viewing-alarms/<uuid:alarm_id>/release",
    "/api/v1/incidents",
    *(f"/api/v1/incidents/<uuid:incident_id>/{act}" for act in ("people", "release", "authority")),
    "/api/v1/security-events/reading", "/api/v1/security-events/export",
    "/api/v1/me/complaints", "/api/v1/complaints/<uuid:complaint_id>/text",
    "/api/v1/merchant/complaints/<uuid:complaint_id>/text",
    "/api/v1/merchant-applications", "/api/v1/merchant-applications/status",
    "/api/v1/merchant-applications/owner-invitation",
    "/api/v1/merchant-applications/<uuid:application_id>/contact", "/api/v1/merchant/shops",
    "/api/v1/merchant/staff-invitations", "/api/v1/staff-invitations/acceptance",
    WEBHOOKS, *(f"{WEBHOOKS}/<uuid:endpoint_id>/{last}" for last in (
        "secret", "enabling", "removal", "tests", "redeliveries",
        "deliveries/<uuid:event_id>/redelivery",
    )),
    "/api/v1/me/ranks", "/api/v1/me/ranks/leave", f"{BENEFIT}/statements",
    "/api/v1/fairness-reports",
    f"{LIBRARY}/standing", *(f"{LIBRARY}/waivers{act}" for act in ("", "/return", "/find")),
    MACHINES, *(f"{MACHINES}/<uuid:machine_id>/{act}" for act in ("secret", "suspension")),
    "/api/v1/paper-cards", "/api/v1/paper-cards/ending", "/api/v1/paper-cards/sheet",
    "/api/v1/counter/leavings", "/api/v1/counter/joinings", VISITS,
    *(f"{VISITS}/<uuid:visit_id>/{act}" for act in (
        "pin", "ending", "overview", "sheet", "consents", "vouchers", "vouchers/give-back",
        "leaving", *REMEDIES,
    )),
    "/api/v1/card-checks",
    *(f"/api/v1/card-checks/passing{at}" for at in ("", "/library", "/order")),
    "/api/v1/me/death-arrangement", DEATHS, f"{DEATHS}/reversals",
    *(f"{DEATHS}/<uuid:report_id>/{act}" for act in (
        "reading", "confirmation", "papers", "papers/<uuid:paper_id>/reading",
    )),
    RELATIVES, *(f"{RELATIVES}/<uuid:application_id>/{act}" for act in (
        "reading", "decision", "confirmation", "copy",
    )),
    "/api/v1/me/leave",
    "/api/v1/me/copies", "/api/v1/copies/<uuid:copy_id>/file",
    *(f"/api/v1/me/consents{act}" for act in ("", "/refusals", "/withdrawals", "/prompts")),
}
# Writes without a limit, and why that is right.
UNLIMITED = {
    "a department has a quota of deliveries, bytes and rows a day, and answers what it is asked":
        (
            "/api/v1/deliveries", "/api/v1/deliveries/rows",
            "/api/v1/source/objections/<uuid:objection_id>/answer",
            "/api/v1/source/objections/<uuid:objection_id>/extension",
        ),
    "whoever wants to end something is never told to wait": (
        "/api/v1/sign-out", "/api/v1/members/end-sessions",
        "/api/v1/deliveries/<uuid:delivery_id>/cancellation",
        "/api/v1/merchant/staff/<uuid:staff_id>/end", "/api/v1/staff/<uuid:staff_id>/disable",
        "/api/v1/staff/<uuid:staff_id>/end-sessions", "/api/v1/merchant-suspensions",
        "/api/v1/source/credentials/<uuid:credential_id>/end",
        "/api/v1/sources/<uuid:source_id>/credentials/<uuid:credential_id>/end",
    ),
    "an operator's or owner's act that opens nothing about a person, and stands in the register": (
        "/api/v1/benefit-merchants", "/api/v1/catalogue-proposals",
        "/api/v1/catalogue-proposals/<uuid:proposal_id>/confirm",
        "/api/v1/catalogue-proposals/<uuid:proposal_id>/withdraw", "/api/v1/commitment-texts",
        "/api/v1/complaints/<uuid:complaint_id>/decision",
        "/api/v1/merchant/complaints/<uuid:complaint_id>/answer",
        *(f"/api/v1/merchant-applications/<uuid:application_id>/{act}" for act in (
            "proposal", "confirmation", "refusal",
        )),
        "/api/v1/merchant-entries", "/api/v1/merchant-entries/<uuid:entry_id>/confirmation",
        "/api/v1/merchant-entries/<uuid:entry_id>/ending",
        "/api/v1/merchant-suspensions/<uuid:suspension_id>/lifting",
        "/api/v1/merchant/staff/<uuid:staff_id>/move", "/api/v1/reopened-days",
        "/api/v1/score-recomputations", "/api/v1/sources",
        *(f"/api/v1/sources/<uuid:source_id>/{act}" for act in (
            "quota", "signing", "token-waivers",
            "token-waivers/<uuid:waiver_id>/confirmation",
        )),
    ),
}
READINGS = {
    f"{OBJECTION}/attachments/<uuid:attachment_id>",
    RIDER, f"{TRANSIT}/files", f"{TRANSIT}/parked", f"{TRANSIT}/subsidies",
    *(f"{TRANSIT}/files/<uuid:file_id>.{kind}" for kind in ("jsonl", "jws")),
    "/api/v1/me/transit/trips",
    *(f"/api/v1/settlement/{paper}{form}" for paper in ("statement", "sheet")
      for form in ("", ".csv", ".xlsx")),
    "/api/v1/settlement/undecided-scans", "/api/v1/settlement/budgets",
    "/api/v1/city-indicators", "/api/v1/city-indicators.csv",
    "/api/v1/settlement/reconciliation", "/api/v1/settlement/reconciliation.csv",
    "/api/v1/me/pass-code.png", "/api/v1/me/pass-code.svg", "/api/v1/schemes", SCHEME, BENEFIT,
    "/api/v1/publications", "/api/v1/offline/key-list", "/api/v1/offline/deny-list",
    f"{PUBLICATION}.json", f"{PUBLICATION}.jws",
    "/api/v1/benefits/<string:benefit_code>/slots", PERMISSION,
    "/api/v1/public/merchants", "/api/v1/public/merchants/<uuid:merchant_id>",
    "/api/v1/leavings/<uuid:leaving_id>",
    "/api/v1/me/consents/decisions/<uuid:consent_id>/receipt",
}
ROUTES = [
    route for route in matrix()
    if route.rule in (READINGS if route.method == "GET" else MUST_BE_LIMITED)
]  # fmt: skip
BURST_SECONDS = 3  # no burst of a whole limit takes longer
SHARED_MAX = 120  # larger limits are burst in this process alone
WHOLE_MAX = 1_000  # of larger ones the last calls are made: all of them would take a window
LAST = 20


def limits_of(app: Flask) -> dict[tuple[str, str], str]:
    """The limit of every limited route."""
    found = {}
    for rule in app.url_map.iter_rules():
        limit = getattr(app.view_functions[rule.endpoint], "limited", None)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            if limit is not None:
                found[rule.rule, method] = str(limit)
    return found


def limit_of(app: Flask, route: Route) -> RateLimitItem:
    return parse(limits_of(app)[route.key])


def test_s20_every_write_is_limited_or_excused(world: World) -> None:
    assert {route.key for route in ROUTES} == set(limits_of(world.app))
    excused = {rule for rules in UNLIMITED.values() for rule in rules}
    writes = {route.rule for route in matrix() if route.method != "GET"}
    assert writes == MUST_BE_LIMITED | excused
    assert not MUST_BE_LIMITED & excused


def headers_of(world: World, route: Route) -> dict[str, str]:
    """A caller's token; of a refresh, and where it should sign, refused after it was counted."""
    if (route.method, route.rule) in SIGNED_ONLY:
        return world.ours.callers[Role.SOURCE].headers
    if route.rule != REFRESH:
        return caller_of(world, route)
    return sign_in_again(world.app, world.ours.citizen).refresh_headers


def wait_for_room(limit: RateLimitItem) -> None:
    """Windows in the memory of a process end with the clock: no burst may stand across an end."""
    left = limit.get_expiry() - time.monotonic() % limit.get_expiry()
    if left < BURST_SECONDS:
        Event().wait(left)


def spend(world: World, route: Route, limit: RateLimitItem) -> int:
    """Count up what one call of a very large limit counted; how many calls are left."""
    if limit.amount <= WHOLE_MAX:
        return limit.amount
    burst(world, route, 1)
    counted = cast("Any", limits.limiter.storage).storage  # Redis itself
    (key,) = counted.scan_iter("*LIMITS*")
    counted.incrby(key, limit.amount - 1 - LAST)
    return LAST


def check(statuses: list[int], last: Any, limit: RateLimitItem, left: int) -> None:
    assert 429 not in statuses[:left]
    assert set(statuses[left:]) == {429}
    document = last.json() if callable(last.json) else last.get_json()
    assert document["code"] == "too_many_requests"
    assert 1 <= int(last.headers["Retry-After"]) <= limit.get_expiry() + 1


def address_of(route: Route) -> str:
    """An address of the route; ids in it are nobody's."""
    path = as_openapi(route.rule).replace("{row_number}", "1")
    return re.sub(r"\{\w+_id\}", str(new_id()), path)


def burst(world: World, route: Route, number: int) -> tuple[list[int], Any]:
    """The statuses, and the last answer."""
    headers, statuses = headers_of(world, route), []
    for _ in range(number):
        answer = world.client.open(
            address_of(route), method=route.method, headers=headers,
            json={} if route.method == "POST" else None,
        )
        statuses.append(answer.status_code)
    return statuses, answer


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.rule}")
def test_s20_a_burst_is_refused(world: World, sized: Sized, route: Route) -> None:
    limit = limit_of(world.app, route)
    times = sized(ci=1, full=10)
    for _ in range(3):  # a minute may end in the middle: then once more
        limits.forget_all()
        minute = time.monotonic() // limit.get_expiry()
        left = spend(world, route, limit)
        statuses, last = burst(world, route, left * times + 3)
        if time.monotonic() // limit.get_expiry() == minute:
            break
    check(statuses, last, limit, left)
    if route.roles == ("citizen",):
        alone = world.client.open(
            address_of(route), method=route.method, headers=world.theirs.citizen.headers
        )
        assert alone.status_code != 429


def test_s20_the_limits_hold_without_redis(  # noqa: PLR0917 -- fixtures
    world: World, test_database: Database, servers: dict[str, Any], sandbox_server: SandboxServer,
    tmp_path: Path, sized: Sized,
) -> None:
    """A server whose Redis refuses every connection counts in its own memory."""
    tried_max = sized(ci=20, full=SHARED_MAX)
    variables = environment(
        test_database, Path(servers["keys_file"]), **sandbox_environment(sandbox_server),
        REDIS_URL=f"redis://127.0.0.1:{free_port()}/0",
    )
    with served(variables, tmp_path) as server:
        for route in ROUTES:
            limit = limit_of(world.app, route)
            if limit.amount > tried_max:
                continue
            wait_for_room(limit)
            headers, statuses = headers_of(world, route), []
            for _ in range(limit.amount + 3):
                answer = server.request(
                    route.method, address_of(route), headers=headers,
                    json={} if route.method == "POST" else None,
                )
                statuses.append(answer.status_code)
            check(statuses, answer, limit, limit.amount)

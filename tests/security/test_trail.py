"""D5, R19: whoever learns something of a citizen leaves a line in the trail, or learns nothing.

The routes are found by the words of their answers: who a person is, how a person stands, or a
handle on a person.  Each of them either writes a line with each answer and fails when it cannot, or
is excused here with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from app.web.auth import Role
from app.web.openapi import openapi_document
from app.web.problems import http_problem
from tests.contract.real_requests import Real, caller_of, request_for, voucher_code
from tests.contract.transit import TRANSIT
from tests.contract.world import World
from tests.house.routes import PUBLIC, Route, as_openapi
from tests.house.snapshots import matrix
from tests.redemptions.builders import make_citizen
from tests.trail.full import trail_full
from wechat_integration.sandbox.control import SandboxControl

API = "/api/v1"
TELLING = {
    "id_number", "phone", "openid", "citizen_id", "person", "head_name", "adults",
    "eligible", "tier", "score", "deposit_waived", "price_percent", "waivers", "text",
    "receipt", "reference", "account_id", "words", "evidence", "machine_result",
}
OWN_RECEIPTS = "their own acts, by receipts that name nobody"
TOLD = {
    *(("POST", f"/card-checks/passing{at}") for at in ("", "/library", "/order")),
    ("POST", "/counter/leavings"),
    ("POST", "/counter/joinings"),
    ("POST", "/counter/visits/<uuid:visit_id>/cases"),
    ("POST", "/counter/visits/<uuid:visit_id>/complaints"),
    ("POST", "/counter/visits/<uuid:visit_id>/leaving"),
    *(("POST", f"/counter/visits/<uuid:visit_id>/{act}") for act in (
        "objections", "objections/second-look", "repairs",
    )),
    ("POST", "/counter/visits/<uuid:visit_id>/overview"),
    ("POST", "/complaints/<uuid:complaint_id>/text"),
    ("POST", "/merchant/complaints/<uuid:complaint_id>/text"),
    *(("POST", f"/death-reports{act}") for act in (
        "", "/reversals", "/<uuid:report_id>/confirmation", "/<uuid:report_id>/reading",
    )),
    ("POST", "/relative-applications/<uuid:application_id>/reading"),
    ("POST", "/deliveries/<uuid:delivery_id>/rows/<int:row_number>/reveal"),
    ("POST", "/library/standing"),
    *(("POST", f"/library/waivers{act}") for act in ("", "/find", "/return")),
    ("POST", "/members/find"),
    ("POST", "/members/reveal"),
    ("POST", "/merchant-applications/<uuid:application_id>/contact"),
    ("POST", "/objections/<uuid:objection_id>/reading"),
    ("GET", "/source/objections/<uuid:objection_id>"),
    ("POST", "/repairs/<uuid:application_id>/reading"),
    ("POST", "/redemptions"),
    ("POST", "/redemptions/preview"),
    ("POST", "/security-events/reading"),
    ("POST", "/incidents/<uuid:incident_id>/people"),
    *(("POST", f"/service-orders/{act}") for act in (
        "claim", "complete", "dispute", "payment", "resolve", "start",
    )),
    ("POST", "/transit/entitlement"),
}
# Where an operator reads of a person in plain.
OPENING = {
    ("POST", "/complaints/<uuid:complaint_id>/text"),
    ("POST", "/counter/visits/<uuid:visit_id>/overview"),
    ("POST", "/counter/visits/<uuid:visit_id>/sheet"),
    ("POST", "/death-reports/<uuid:report_id>/papers/<uuid:paper_id>/reading"),
    ("POST", "/death-reports/<uuid:report_id>/reading"),
    ("POST", "/members/reveal"),
    ("POST", "/objections/<uuid:objection_id>/attachments/<uuid:attachment_id>/reading"),
    ("POST", "/objections/<uuid:objection_id>/reading"),
    ("POST", "/relative-applications/<uuid:application_id>/reading"),
    ("POST", "/repairs/<uuid:application_id>/reading"),
}
EXCUSED = {
    ("GET", "/death-reports"): "states and days of reports, by ids that name nobody",
    ("GET", "/redemptions"): OWN_RECEIPTS,
    ("GET", "/library/waivers"): OWN_RECEIPTS,
    ("GET", "/service-orders"): "the shop's own open orders, by references that name nobody",
}
# Answers that are no JSON, to others than citizens.
FILES = {
    ("POST", "/paper-cards/sheet"): "writes a line; shown by test_the_sheet_is_printed_with_a_line",
    ("POST", "/counter/visits/<uuid:visit_id>/sheet"):
        "writes a line; shown by tests/counter/test_visits.py",
    ("GET", "/deliveries/<uuid:delivery_id>/refusals.csv"): "its own refused rows, to their source",
    ("GET", "/deliveries/<uuid:delivery_id>/refusals.xlsx"): "the same",
    ("GET", "/scheme-dry-runs/<uuid:dry_run_id>/page"): "figures of groups",
    ("GET", "/scheme-dry-runs/<uuid:dry_run_id>/figures.csv"): "figures of groups",
    ("GET", "/transit/files/<uuid:file_id>.jsonl"):
        "whose price changed has a line since the file was made; shown by tests/transit",
    ("GET", "/transit/files/<uuid:file_id>.jws"): "a signature",
    ("GET", "/fairness-reports/<uuid:report_id>/page"): "figures of groups",
    ("GET", "/fairness-reports/<uuid:report_id>/figures.csv"): "figures of groups",
    ("GET", "/city-indicators.csv"): "figures of the city",
    ("GET", "/incidents/<uuid:incident_id>/authority-report.txt"):
        "counts and times of an incident, without persons",
    ("POST", "/security-events/export"): "an act of office; nobody is named in it",
    ("GET", "/settlement/reconciliation.csv"): "what did not agree, without persons",
    ("POST", "/objections/<uuid:objection_id>/attachments/<uuid:attachment_id>/reading"):
        "writes a line; shown by tests/objections/test_attachments.py",
    ("POST", "/death-reports/<uuid:report_id>/papers/<uuid:paper_id>/reading"):
        "writes a line; shown by tests/deaths/test_reports.py",
    **{
        ("GET", f"/settlement/{paper}.{kind}"): "the merchant's own redemptions, without persons"
        for paper in ("sheet", "statement") for kind in ("csv", "xlsx")
    },
}
GENERIC = {http_problem(500).data, http_problem(503).data}


def key_of(route: Route) -> tuple[str, str]:
    return route.method, route.rule.removeprefix(API)


def for_others(route: Route) -> bool:
    """Whether somebody else than a citizen may call it."""
    return not {PUBLIC, Role.CITIZEN.value}.intersection(route.roles)


def words_of(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """The names of everything in an answer."""
    waiting, seen = [schema], set()
    while waiting:
        one = waiting.pop()
        reference = one.get("$ref", "")
        if reference in seen:
            continue
        if reference:
            seen.add(reference)
            waiting.append(document["components"]["schemas"][reference.rpartition("/")[2]])
        yield from one.get("properties", {})
        waiting += one.get("properties", {}).values()
        waiting += [part for word in ("allOf", "anyOf", "oneOf") for part in one.get(word, [])]
        inside = (one.get("items"), one.get("additionalProperties"))
        waiting += [part for part in inside if isinstance(part, dict)]


def answers_of(document: dict[str, Any], route: Route) -> Iterator[tuple[str, set[str]]]:
    """The media types and words of what a route answers."""
    operation = document["paths"][as_openapi(route.rule)][route.method.lower()]
    for status, answer in operation["responses"].items():
        if status in {"200", "201"}:
            for kind, content in answer.get("content", {"undescribed": {}}).items():
                yield kind, set(words_of(document, content.get("schema", {})))


def test_d5_every_route_that_tells_of_somebody_is_found(world: World) -> None:
    document = openapi_document(world.app)
    answers = [
        (key_of(route), kind, words)
        for route in matrix() if for_others(route)
        for kind, words in answers_of(document, route)
    ]
    assert {key for key, _, words in answers if words & TELLING} == TOLD | set(EXCUSED)
    assert {key for key, kind, _ in answers if kind != "application/json"} == set(FILES)


def lines(admin: psycopg.Connection[Any]) -> int:
    row = admin.execute(
        "SELECT (SELECT count(*) FROM trail_entries) + (SELECT count(*) FROM trail_acts)"
    ).fetchone()
    assert row is not None
    return int(row[0])


def route_of(key: tuple[str, str]) -> Route:
    (route,) = [one for one in matrix() if key_of(one) == key]
    return route


def no_line_no_answer(
    world: World, admin: psycopg.Connection[Any], route: Route, make: Callable[[], Real]
) -> None:
    """Each answer has its line; the same of another request fails where none can be written."""

    def ask(real: Real) -> Any:
        return world.client.open(
            as_openapi(route.rule).format(**real.path), method=route.method, json=real.body,
            query_string=real.query, headers=caller_of(world, route),
        )

    real = make()
    before = lines(admin)
    told = ask(real)
    assert told.status_code < 300, told.text
    assert lines(admin) > before
    real = make()
    with trail_full(admin):
        refused = ask(real)
    assert refused.data in GENERIC


@pytest.mark.parametrize("key", sorted(TOLD), ids=" ".join)
def test_d5_no_line_no_answer(
    world: World, sandbox: SandboxControl, admin: psycopg.Connection[Any], key: tuple[str, str]
) -> None:
    route = route_of(key)
    no_line_no_answer(world, admin, route, lambda: request_for(world, sandbox, route))


@pytest.mark.parametrize("key", sorted(OPENING), ids=" ".join)
def test_d6_whoever_opens_somebody_is_counted(
    world: World, sandbox: SandboxControl, admin: psycopg.Connection[Any], key: tuple[str, str]
) -> None:
    """Words, papers, data in plain: each counts towards the alarm about bulk viewing."""
    route = route_of(key)
    admin.execute("TRUNCATE trail_views")
    real = request_for(world, sandbox, route)
    told = world.client.open(
        as_openapi(route.rule).format(**real.path), method=route.method, json=real.body,
        query_string=real.query, headers=caller_of(world, route),
    )
    assert told.status_code < 300, told.text
    assert admin.execute("SELECT count(*) FROM trail_views").fetchone() == (1,)


def test_d5_no_line_no_preview_of_a_voucher(
    world: World, admin: psycopg.Connection[Any]
) -> None:
    """Of a voucher's code as of a person's: it tells a benefit, its value and its price."""
    route = route_of(("POST", "/redemptions/preview"))

    def of_voucher() -> Real:
        return Real(body={"shop_id": str(world.ours.shop_id), "code": voucher_code(world)})

    no_line_no_answer(world, admin, route, of_voucher)


def test_d5_no_line_no_fare_for_who_did_not_consent(
    world: World, admin: psycopg.Connection[Any]
) -> None:
    route = route_of(("POST", "/transit/entitlement"))
    TRANSIT["POST", "/transit/entitlement"](world)  # there is a bus company
    nobody = make_citizen(world.app)
    no_line_no_answer(
        world, admin, route, lambda: Real(body={"code": nobody.pass_code(world.client)})
    )

"""S9, S10: another's object.  Every route that takes an id, in its address, query or body, has an
entry here: what comes of somebody else's id.  A route without one fails, unless the access matrix
says that it is for operators, who may reach any object of its kind.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from flask import Flask

from app.kernel.ids import new_id
from app.web.auth import Role
from app.web.openapi import openapi_document
from integrity_card_scanner.records import sign_upload
from tests.contract.rights import RIGHTS, copy_asked, decided
from tests.contract.webhooks import ENDPOINT, ENDPOINTS, WEBHOOKS
from tests.contract.world import Party, SignedIn, World, claim, hours_file, sent
from tests.counter.desk import REMEDIES
from tests.house.routes import Route, as_openapi
from tests.house.snapshots import matrix
from tests.members.signing import sign
from tests.records.api import upload
from tests.records.programme import HOURS
from tests.redemptions.builders import API
from tests.security import (
    complaints,
    counter,
    libraries,
    merchants,
    objections,
    orders,
    repairs,
    transit,
    webhooks,
)
from tests.security.test_input import input_schemas

# Values that stand for an object without being a UUID.
HANDLES = {"code", "reference", "manual_code", "receipt", "ticket", "phone_code", "credit_code"}
Answer = tuple[int, str]
Check = Callable[[World], Any]


def asked(
    world: World, who: SignedIn, method: str, path: str, body: Mapping[str, Any] | None = None
) -> tuple[Answer, Any]:
    """Status and code, and the whole answer."""
    answer = world.client.open(
        f"{API}{path}", method=method, json=body, headers=who.headers
    )
    document: Any = answer.get_json() if answer.is_json else {}
    code = document["code"] if answer.status_code >= 400 else ""
    return (answer.status_code, code), document


def refused(
    method: str, path: str, expected: Answer, *, role: Role = Role.CITIZEN
) -> Check:
    """An id of theirs in the address is answered like one that nobody has."""

    def check(world: World) -> None:
        told = []
        for party in (world.theirs, None):
            ids = {
                "voucher": claim(world.client, party.citizen, world.benefit_code)
                if party and "{voucher}" in path else new_id(),
                "delivery": party.delivery_id if party else new_id(),
                "shop": party.shop_id if party else new_id(),
                "device": party.device_id if party else new_id(),
            }  # fmt: skip
            told.append(asked(world, world.ours.callers[role], method, path.format(**ids)))
        assert told[0] == told[1]
        assert told[0][0] == expected

    return check


def papers_are_of_our_own_merchant(world: World) -> None:
    owner = world.ours.callers[Role.MERCHANT_OWNER]
    for path in ("statement?on=2026-06-30&", "sheet?month=2026-06&", "sheets?"):
        forms = ("",) if path == "sheets?" else ("", ".csv", ".xlsx")
        for form in forms:
            head, _, query = path.partition("?")
            for merchant_id in (world.theirs.merchant_id, new_id()):
                address = f"/settlement/{head}{form}?{query}merchant_id={merchant_id}"
                told, _ = asked(world, owner, "GET", address)
                assert told == (404, "merchant_unknown")


def code_of(world: World, party: Party) -> str:
    voucher_id = claim(world.client, party.citizen, world.benefit_code)
    _, found = asked(world, party.citizen, "GET", f"/me/vouchers/{voucher_id}/code")
    return str(found["code"])


def scan(
    world: World, party: Party, shop: Party, path: str, **presented: str
) -> tuple[Answer, Any]:
    """What a party's clerk gets at a party's shop."""
    body = {"shop_id": str(shop.shop_id), **presented}
    if path == "/redemptions":
        body.setdefault("redemption_id", str(new_id()))
    if path == "/redemptions/annulments":
        body.setdefault("annulment_id", str(new_id()))
    return asked(world, party.clerk, "POST", path, body)


def devices_join_our_own_shops(world: World) -> None:
    owner = world.ours.callers[Role.MERCHANT_OWNER]
    for shop_id in (world.theirs.shop_id, new_id()):
        body = {"shop_id": str(shop_id), "name": "闸机"}
        told, _ = asked(world, owner, "POST", "/merchant/device-invitations", body)
        assert told == (404, "shop_unknown")


def uploads_are_signed_by_their_device(world: World) -> None:
    ours, theirs = world.ours, world.theirs
    signed = sign_upload(ours.device_key, device_id=theirs.device_id, last_sequence=9, records=[])
    body = {"device_id": str(theirs.device_id), "upload": b64encode(signed).decode()}
    told, _ = asked(world, ours.clerk, "POST", "/offline/uploads", body)
    assert told == (400, "offline_upload_unreadable")


def pages_hold_our_own(world: World) -> None:
    """Another's id as the place to go on from opens nothing of theirs."""
    _, theirs = asked(world, world.theirs.citizen, "GET", "/me/vouchers")
    _, ours = asked(world, world.ours.citizen, "GET", "/me/vouchers?limit=100")
    foreign = {one["voucher_id"] for one in theirs["vouchers"]}
    for voucher_id in foreign:
        _, page = asked(world, world.ours.citizen, "GET", f"/me/vouchers?before={voucher_id}")
        assert foreign.isdisjoint(one["voucher_id"] for one in page["vouchers"])
    assert foreign.isdisjoint(one["voucher_id"] for one in ours["vouchers"])


def trails_hold_our_own(world: World) -> None:
    _, theirs = asked(world, world.theirs.citizen, "GET", "/me/trail?limit=100")
    foreign = {one["trail_id"] for one in theirs["lines"]}
    assert foreign
    for trail_id in foreign:
        _, page = asked(world, world.ours.citizen, "GET", f"/me/trail?before={trail_id}")
        assert foreign.isdisjoint(one["trail_id"] for one in page["lines"])


def a_claim_under_their_id_is_our_own(world: World) -> None:
    before = asked(world, world.theirs.citizen, "GET", "/me/vouchers?limit=100")
    body = {"voucher_id": str(world.theirs.voucher_id), "benefit_code": world.benefit_code}
    (status, _), made = asked(world, world.ours.citizen, "POST", "/me/vouchers", body)
    assert (status, made["voucher_id"]) == (200, str(world.theirs.voucher_id))
    assert asked(world, world.theirs.citizen, "GET", "/me/vouchers?limit=100") == before


def redeeming_stays_in_our_shop(world: World) -> None:
    ours, theirs = world.ours, world.theirs
    for path in ("/redemptions", "/redemptions/preview"):
        assert scan(world, ours, theirs, path, code=code_of(world, ours))[0] == (403, "wrong_shop")
    for name, value in (("code", code_of(world, ours)), ("reference", "x")):
        taken = scan(
            world, ours, ours, "/redemptions", redemption_id=str(theirs.redemption_id),
            **{name: value},
        )  # fmt: skip
        assert theirs.receipt not in str(taken)
    first = code_of(world, theirs)
    done = scan(world, theirs, theirs, "/redemptions", code=first)
    assert done[0] == (200, "")
    again = scan(
        world, ours, ours, "/redemptions", code=first, redemption_id=done[1]["redemption_id"]
    )
    assert again[0][0] >= 400


def references_are_for_their_clerk(world: World) -> None:
    code = sent(world.client, "/me/pass-code", {}, world.ours.citizen.headers)["code"]
    (status, _), seen = scan(world, world.theirs, world.theirs, "/redemptions/preview", code=code)
    assert status == 200
    stolen = scan(world, world.ours, world.ours, "/redemptions", reference=seen["reference"],
                  benefit_code=world.benefit_code)  # fmt: skip
    assert stolen[0] == (403, "reference_foreign")


def scans_stay_in_our_shop(world: World) -> None:
    redeeming_stays_in_our_shop(world)
    references_are_for_their_clerk(world)


def annulling_stays_with_our_merchant(world: World) -> None:
    path = "/redemptions/annulments"
    mine = scan(world, world.ours, world.ours, path, receipt=world.theirs.receipt)
    missing = scan(world, world.ours, world.ours, path, receipt=world.theirs.receipt[:-1] + "x")
    assert mine[0][0] == 404, mine
    assert missing[0][0] in {400, 404, 422}
    there = scan(world, world.ours, world.theirs, path, receipt=world.theirs.receipt)
    assert there[0] == (403, "wrong_shop")
    _, listed = asked(
        world, world.theirs.clerk, "GET", f"/redemptions?shop_id={world.theirs.shop_id}"
    )
    kept = {one["redemption_id"]: one["annulled_at"] for one in listed["redemptions"]}
    assert kept[str(world.theirs.redemption_id)] is None


def deliveries_keep_their_ids(world: World) -> None:
    source = world.ours.callers[Role.SOURCE].headers
    taken = upload(
        world.client, source, hours_file(), delivery_id=world.theirs.delivery_id, record_type=HOURS
    )
    assert (taken.status_code, taken.get_json()["code"]) == (422, "delivery_id_reused")


def rows_keep_their_ids(world: World) -> None:
    source = world.ours.callers[Role.SOURCE].headers
    body = {
        "delivery_id": str(world.theirs.delivery_id), "record_type": HOURS,
        "delivered_on": "2026-06-12", "rows": [{"身份证号": "x"}],
    }  # fmt: skip
    answer = world.client.post(f"{API}/deliveries/rows", json=body, headers=source)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "delivery_id_reused")


def a_credential_needs_its_own_secret(world: World) -> None:
    ours, theirs = (
        party.callers[Role.SOURCE].credential for party in (world.ours, world.theirs)
    )
    assert ours is not None
    assert theirs is not None
    body = {"credential_id": str(theirs.credential_id), "secret": ours.secret}
    answer = world.client.post(f"{API}/sources/token", json=body)
    assert (answer.status_code, answer.get_json()["code"]) == (401, "credential_refused")


def a_source_ends_its_own_credentials(world: World) -> None:
    theirs = world.theirs.callers[Role.SOURCE].credential
    assert theirs is not None
    ours = world.ours.callers[Role.SOURCE]
    for credential_id in (theirs.credential_id, new_id()):
        path = f"/source/credentials/{credential_id}/end"
        assert asked(world, ours, "POST", path, {})[0] == (404, "credential_not_found")
    again = sign(theirs, "GET", f"{API}/source/credentials").send(world.client)
    assert again.status_code == 200


def decisions_hold_our_own(world: World) -> None:
    theirs = decided(world, world.theirs)
    _, page = asked(world, world.ours.citizen, "GET", f"/me/consents/decisions?before={theirs}")
    assert theirs not in str(page)
    for number in (theirs, new_id()):
        told, _ = asked(
            world, world.ours.citizen, "GET", f"/me/consents/decisions/{number}/receipt"
        )
        assert told == (404, "consent_decision_unknown")


def a_copy_opens_with_its_secret_alone(world: World) -> None:
    ours, theirs = (copy_asked(world, party) for party in (world.ours, world.theirs))
    for copy_id in (theirs.copy.copy_id, new_id()):
        told, _ = asked(
            world, world.ours.citizen, "POST", f"/copies/{copy_id}/file", {"secret": ours.secret}
        )
        assert told == (404, "copy_unknown")


def the_number_of_a_copy_is_the_callers_own(world: World) -> None:
    """Nobody gets another's copy by its number: a copy is found by its citizen first."""
    theirs = copy_asked(world, world.theirs)
    _, listed = asked(world, world.ours.citizen, "GET", "/me/copies")
    assert str(theirs.copy.copy_id) not in {one["copy_id"] for one in listed["copies"]}


def a_receipt_tells_times_alone(world: World) -> None:
    _, address, _ = RIGHTS["GET", "/leavings/<uuid:leaving_id>"](world)
    (status, _), found = asked(
        world, world.ours.citizen, "GET", f"/leavings/{address['leaving_id']}"
    )
    assert (status, set(found)) == (
        200, {
            "leaving_id", "left_at", "erase_by_at", "reduced_at", "erased_at",
            "permission_ended_at",
        },
    )


UNKNOWN = (404, "voucher_unknown")
CHECKS: dict[tuple[str, str], Check] = {
    ("GET", "/settlement/statement"): papers_are_of_our_own_merchant,  # and the files
    ("GET", "/settlement/sheet"): papers_are_of_our_own_merchant,
    ("GET", "/settlement/sheets"): papers_are_of_our_own_merchant,
    ("GET", "/me/consents/decisions"): decisions_hold_our_own,
    ("GET", "/me/consents/decisions/<uuid:consent_id>/receipt"): decisions_hold_our_own,
    ("GET", "/leavings/<uuid:leaving_id>"): a_receipt_tells_times_alone,
    ("POST", "/copies/<uuid:copy_id>/file"): a_copy_opens_with_its_secret_alone,
    ("POST", "/me/copies"): the_number_of_a_copy_is_the_callers_own,
    ("GET", "/deliveries/<uuid:delivery_id>"): refused(
        "GET", "/deliveries/{delivery}", (404, "delivery_not_found"), role=Role.SOURCE
    ),
    ("GET", "/deliveries/<uuid:delivery_id>/refusals"): refused(
        "GET", "/deliveries/{delivery}/refusals", (404, "delivery_not_found"), role=Role.SOURCE
    ),
    **{
        ("GET", f"/deliveries/<uuid:delivery_id>/refusals.{form}"): refused(
            "GET", f"/deliveries/{{delivery}}/refusals.{form}", (404, "delivery_not_found"),
            role=Role.SOURCE,
        )
        for form in ("csv", "xlsx")
    },
    ("GET", "/deliveries/<uuid:delivery_id>/rows/<int:row_number>"): refused(
        "GET", "/deliveries/{delivery}/rows/2", (404, "delivery_not_found"), role=Role.SOURCE
    ),
    ("POST", "/deliveries/<uuid:delivery_id>/cancellation"): refused(
        "POST", "/deliveries/{delivery}/cancellation", (404, "delivery_not_found"),
        role=Role.SOURCE,
    ),
    **{
        ("GET", f"/deliveries/<uuid:delivery_id>/refusals.{kind}"): refused(
            "GET", f"/deliveries/{{delivery}}/refusals.{kind}", (404, "delivery_not_found"),
            role=Role.SOURCE,
        )
        for kind in ("csv", "xlsx")
    },
    ("POST", "/deliveries"): deliveries_keep_their_ids,
    ("POST", "/deliveries/rows"): rows_keep_their_ids,
    ("POST", "/source/credentials/<uuid:credential_id>/end"): a_source_ends_its_own_credentials,
    ("GET", "/me/trail"): trails_hold_our_own,
    ("GET", "/me/vouchers"): pages_hold_our_own,
    ("POST", "/me/vouchers"): a_claim_under_their_id_is_our_own,
    **{
        (method, f"/me/vouchers/<uuid:voucher_id>/{last}"): refused(
            method, f"/me/vouchers/{{voucher}}/{last}", UNKNOWN
        )
        for method, last in (
            ("GET", "code"), ("GET", "code.png"), ("GET", "code.svg"), ("POST", "manual-code"),
            ("POST", "give-back"), ("POST", "offline-code"),
        )
    },
    **{
        (method, f"/me/service-orders/<uuid:order_id>{last}"): orders.their_orders_are_unknown
        for method, last in (
            ("GET", ""), ("GET", "/reference"), ("POST", "/confirm"), ("POST", "/cancel"),
            ("POST", "/dispute"), ("POST", "/pay-score"),
        )
    },
    ("GET", "/me/service-orders"): orders.pages_of_orders_hold_our_own,
    ("POST", "/me/service-orders"): orders.an_order_under_their_id_is_our_own,
    **{
        ("GET", f"/service-orders{what}"): refused(
            "GET", f"/service-orders{what}?shop_id={{shop}}", (403, "wrong_shop"), role=Role.CLERK
        )
        for what in ("", "/lines")
    },
    **{
        ("POST", f"/service-orders/{act}"): orders.counters_act_on_their_own_orders
        for act in ("start", "complete", "claim", "dispute", "resolve", "payment")
    },
    **{
        ("POST", f"/library/{act}"): libraries.desks_stay_in_their_shop
        for act in ("standing", "waivers", "waivers/return", "waivers/find")
    },
    ("GET", "/library/waivers"): refused(
        "GET", "/library/waivers?shop_id={shop}", (403, "wrong_shop"), role=Role.CLERK
    ),
    ("POST", "/library/machines"): libraries.machines_stand_in_their_owners_shops,
    **{
        ("POST", f"/library/machines/<uuid:machine_id>/{act}"): libraries.machines_are_their_owners
        for act in ("secret", "suspension")
    },
    ("GET", "/offline/scans"): refused(
        "GET", "/offline/scans?shop_id={shop}", (403, "wrong_shop"), role=Role.CLERK
    ),
    ("POST", "/transit/batches"): transit.batches_tell_of_our_own_riders,
    ("POST", "/transit/entitlement"): transit.their_accounts_are_unknown,
    ("POST", "/me/transit/accounts"): transit.an_account_with_an_operator_is_the_callers_own,
    **{
        ("GET", f"/transit/files/<uuid:file_id>.{kind}"): transit.their_files_are_unknown
        for kind in ("jsonl", "jws")
    },
    ("GET", "/redemptions"): refused(
        "GET", "/redemptions?shop_id={shop}", (403, "wrong_shop"), role=Role.CLERK
    ),
    ("POST", "/merchant/device-invitations"): devices_join_our_own_shops,
    ("POST", "/devices/<uuid:device_id>/switch-off"): refused(
        "POST", "/devices/{device}/switch-off", (404, "device_unknown"), role=Role.MERCHANT_OWNER
    ),
    ("POST", "/merchant/staff-invitations"): merchants.staff_join_our_own_shops,
    ("POST", "/merchant/shops"): merchants.a_shop_under_their_id_stays_theirs,
    **{
        ("POST", f"/merchant/staff/<uuid:staff_id>/{act}"): merchants.their_staff_is_unknown
        for act in ("move", "end")
    },
    **{
        ("POST", path): merchants.applications_need_their_secret
        for path in (
            "/merchant-applications", "/merchant-applications/status",
            "/merchant-applications/owner-invitation",
        )
    },
    **{(method, f"/me/objections{path}"): check for (method, path), check in (
        (("POST", ""), objections.objections_are_about_our_own),
        (("GET", ""), objections.pages_of_objections_hold_our_own),
        *(((method, f"/<uuid:objection_id>{path}"), objections.their_objections_are_unknown)
          for method, path in (
              ("GET", ""), ("POST", "/second-look"), ("POST", "/attachments"),
              ("GET", "/attachments/<uuid:attachment_id>"),
          )),
    )},
    ("POST", "/me/repairs"): repairs.repairs_are_of_our_own_records,
    ("GET", "/end-notices"): repairs.notices_are_our_own,
    ("GET", "/source/objections"): objections.sources_are_asked_about_their_own_records,
    **{
        (method, f"/source/objections/<uuid:objection_id>{path}"):
            objections.sources_are_asked_about_their_own_records
        for method, path in (("GET", ""), ("POST", "/answer"), ("POST", "/extension"))
    },
    ("POST", "/me/complaints"): complaints.complaints_are_about_our_own_redemptions,
    ("GET", "/me/complaints"): complaints.pages_of_complaints_hold_our_own,
    ("GET", "/merchant/complaints"): complaints.pages_of_complaints_hold_our_own,
    **{
        ("POST", f"/merchant/complaints/<uuid:complaint_id>/{act}"):
            complaints.their_complaints_are_unknown
        for act in ("text", "answer")
    },
    ("GET", "/public/merchants/<uuid:merchant_id>"): complaints.everybody_reads_any_merchants_page,
    ("POST", "/offline/uploads"): uploads_are_signed_by_their_device,
    ("POST", ENDPOINTS): webhooks.an_endpoint_under_their_id_is_our_own,
    **{
        route: webhooks.their_endpoints_are_unknown for route in WEBHOOKS if ENDPOINT in route[1]
    },
    **{
        ("POST", f"/counter/visits/<uuid:visit_id>/{act}"): counter.visits_are_their_operators
        for act in (
            "pin", "ending", "overview", "sheet", "consents", "vouchers", "vouchers/give-back",
            "leaving", *REMEDIES,
        )
    },
    ("POST", "/card-checks"): counter.checks_begin_at_our_own_shop,
    **{
        ("POST", f"/card-checks/passing{at}"): counter.checks_end_where_they_began
        for at in ("", "/library", "/order")
    },
    ("POST", "/redemptions"): scans_stay_in_our_shop,
    ("POST", "/redemptions/preview"): scans_stay_in_our_shop,
    ("POST", "/redemptions/annulments"): annulling_stays_with_our_merchant,
    ("POST", "/sources/token"): a_credential_needs_its_own_secret,
}
# The id or handle is the proof itself; tests/wechat shows that it is good once, for its person, and
# tests/households that an invitation is, for whoever was handed it.
PROOFS = {
    ("POST", "/devices"),  # tests/merchants/test_devices.py: a code is good once
    ("POST", "/staff-invitations/acceptance"),  # tests/merchants/test_employment.py: the same
    ("POST", "/sign-in/wechat"), ("POST", "/join"), ("POST", "/me/household/invitation"),
    ("POST", "/me/household/join"),
    # A comment is nobody's: it is kept without who said it.
    ("POST", "/schemes/<string:code>/<string:version>/comments"),
}
PAGES = {("GET", "/problems/<code>")}  # of the contract


def takes_ids(app: Flask) -> Iterator[Route]:
    """The routes with an id or a handle somewhere in their input."""
    document = openapi_document(app)
    found = set()
    for where, schema in input_schemas(document):
        path, _, name = where.replace("?", ".").partition(".")
        if schema.get("format") == "uuid" or name.rpartition(".")[2] in HANDLES:
            found.add(path)
    for route in matrix():
        addressed = "<uuid:" in route.rule or "<code>" in route.rule
        if addressed or (as_openapi(route.rule) in found and _has_input(document, route)):
            yield route


def _has_input(document: dict[str, Any], route: Route) -> bool:
    operation = document["paths"][as_openapi(route.rule)][route.method.lower()]
    names = {one["name"] for one in operation.get("parameters", [])} - {"limit"}
    return "requestBody" in operation or bool(names)


def key_of(route: Route) -> tuple[str, str]:
    return route.method, route.rule.removeprefix(API)


def test_no_route_with_an_id_is_missing(world: World) -> None:
    with_ids = list(takes_ids(world.app))
    assert len(with_ids) > 25
    missing = [
        route for route in with_ids
        if key_of(route) not in CHECKS and key_of(route) not in PROOFS | PAGES
        and not (route.roles == ("operator",) and route.objects.startswith(("any ", "the whole ")))
    ]  # fmt: skip
    assert missing == []
    assert set(CHECKS) <= {key_of(route) for route in with_ids}


@pytest.mark.parametrize("key", sorted(CHECKS), ids=" ".join)
def test_s9_s10_anothers_object_stays_theirs(world: World, key: tuple[str, str]) -> None:
    CHECKS[key](world)


OWN = [route for route in matrix() if f"{route.rule}/".startswith(f"{API}/me/")]


@pytest.mark.parametrize("route", OWN, ids=lambda route: f"{route.method} {route.rule}")
def test_s9_routes_about_me_take_no_citizen(session_app: Flask, route: Route) -> None:
    operation = openapi_document(session_app)["paths"][as_openapi(route.rule)]
    assert "citizen" not in str(operation[route.method.lower()].get("parameters", ""))
    assert route.roles == ("citizen",)


def test_s10_lists_hold_our_own(world: World) -> None:
    """What belongs to them is in no list that we are shown."""
    theirs = world.theirs
    foreign = {
        str(theirs.citizen.subject_id), str(theirs.shop_id), str(theirs.merchant_id),
        str(theirs.clerk.subject_id), theirs.receipt,
        str(theirs.delivery_id), theirs.person.name, theirs.person.id_number,
    }  # fmt: skip
    lists = {
        Role.CITIZEN: [
            "/me", "/me/balance", "/me/benefits", "/me/points/entries", "/me/points/lots",
            "/me/score", "/me/score/explanation", "/me/trail", "/me/vouchers",
            "/me/village", "/me/service-orders", "/me/library-waivers", "/me/complaints",
        ],
        Role.CLERK: [
            "/merchant/shops", f"/redemptions?shop_id={world.ours.shop_id}",
            f"/service-orders?shop_id={world.ours.shop_id}",
            f"/library/waivers?shop_id={world.ours.shop_id}",
            f"/offline/scans?shop_id={world.ours.shop_id}",
        ],
        Role.MERCHANT_OWNER: [
            "/merchant/shops", "/merchant/staff", "/merchant/suspensions", "/library/machines",
            ENDPOINTS, "/merchant/complaints",
        ],
    }  # fmt: skip
    for role, paths in lists.items():
        for path in paths:
            answer = world.client.get(f"{API}{path}", headers=world.ours.callers[role].headers)
            assert answer.status_code == 200, path
            assert not [one for one in foreign if one in answer.text], path

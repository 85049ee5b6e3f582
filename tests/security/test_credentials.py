"""S19: what makes or changes a credential, or a phone number, takes more than a token.

Staff must have signed in, with password and code, within the last half hour; a source must sign
the request.  A citizen's phone number and WeChat account change by joining again alone, which takes
fresh codes of WeChat for both and the real-name check.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from app.web.auth import Role
from app.web.openapi import openapi_document
from tests.contract.real_requests import caller_of, request_for
from tests.contract.world import World
from tests.house.routes import Route, access_of, as_openapi
from tests.house.snapshots import matrix
from tests.redemptions.builders import API
from tests.security.test_trail import answers_of, key_of
from wechat_integration.sandbox.control import SandboxControl

TOLD_ONCE = {"secret", "totp_uri"}  # in the answer that makes them
OTHERWISE = {
    ("POST", "/source/credentials"): "the source must sign: members/test_signing",
    ("POST", "/staff-invitations/acceptance"): "the code of an invitation, for a new account",
}
TAKES_OFF = ("POST", "/members/unbind-wechat")


def guarded(world: World) -> list[Route]:
    """The routes that ask for a late sign-in."""
    endpoints = {
        (method, rule.rule): rule.endpoint
        for rule in world.app.url_map.iter_rules() for method in rule.methods or ()
    }
    return [
        route for route in matrix()
        if (access := access_of(world.app, endpoints[route.method, route.rule])) is not None
        and access.signed_in_lately
    ]


@contextmanager
def sessions_of_half_an_hour(admin: psycopg.Connection[Any]) -> Iterator[None]:
    """Everybody signed in a little too long ago; their tokens are as good as before."""
    move = "UPDATE staff_sessions SET created_at = created_at {} interval '31 minutes'"
    admin.execute(move.format("-"))
    try:
        yield
    finally:
        admin.execute(move.format("+"))


def test_s19_every_route_that_makes_a_credential_asks_for_more(world: World) -> None:
    document = openapi_document(world.app)
    making = {
        key_of(route) for route in matrix() if route.rule.startswith(API)
        for _, words in answers_of(document, route) if words & TOLD_ONCE
    }
    assert making | {TAKES_OFF} == {key_of(route) for route in guarded(world)} | set(OTHERWISE)


def test_s19_a_session_that_was_only_refreshed_is_not_enough(
    world: World, sandbox: SandboxControl, admin: psycopg.Connection[Any]
) -> None:
    routes = guarded(world)
    assert len(routes) == 8
    for route in routes:
        real = request_for(world, sandbox, route)
        address = as_openapi(route.rule).format(**real.path)
        assert set(route.roles) <= {Role.OPERATOR, Role.MERCHANT_OWNER}
        with sessions_of_half_an_hour(admin):
            refused = world.client.open(
                address, method=route.method, json=real.body,
                headers=caller_of(world, route),
            )
        assert (refused.status_code, refused.get_json()["code"]) == (403, "sign_in_again")
        done = world.client.open(
            address, method=route.method, json=real.body, headers=caller_of(world, route)
        )
        assert done.status_code < 300, (route, done.get_json())

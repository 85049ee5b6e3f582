"""S4, S11: who may do what.  Every route of the access matrix × every role and token × method."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.kernel.ids import new_id
from app.web.auth import Role
from tests.contract.world import SignedIn, World, sign_in_again
from tests.house.routes import PUBLIC, Route, routes_of
from tests.house.snapshots import matrix

REFRESH = "/api/v1/tokens/refresh"
SIGN_OUT = "/api/v1/sign-out"
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND"}
CLOSED = [route for route in matrix() if route.roles != (PUBLIC,)]
RULES = sorted({route.rule for route in matrix()})


def addressed(rule: str) -> str:
    made = re.sub(r"<int:[^>]+>", "2", re.sub(r"<uuid:[^>]+>", str(new_id()), rule))
    return re.sub(r"<[^>]+>", "x", made)


def ask(world: World, route: Route, headers: dict[str, str]) -> tuple[int, str]:
    """Status and code of an empty request."""
    body: dict[str, Any] | None = {} if route.method == "POST" else None
    answer = world.client.open(
        addressed(route.rule), method=route.method, json=body, headers=headers
    )
    document = answer.get_json() if answer.status_code >= 400 else {}
    return answer.status_code, document.get("code", "")


def headers_for(route: Route, who: SignedIn) -> dict[str, str]:
    return who.refresh_headers if route.rule == REFRESH else who.headers


def test_no_route_is_missing(world: World) -> None:
    assert {route.key for route in matrix()} == {route.key for route in routes_of(world.app)}


@pytest.mark.parametrize("route", CLOSED, ids=lambda route: f"{route.method} {route.rule}")
@pytest.mark.parametrize("role", list(Role), ids=str)
def test_s11_a_route_is_for_its_roles_alone(world: World, route: Route, role: Role) -> None:
    who = world.ours.callers[role]
    if route.rule in {REFRESH, SIGN_OUT}:  # they end the session
        who = sign_in_again(world.app, who)
    status, code = ask(world, route, headers_for(route, who))
    if role in route.roles:
        assert status != 401
        assert code != "not_allowed"
    else:
        assert (status, code) == (403, "not_allowed")


@pytest.mark.parametrize("route", CLOSED, ids=lambda route: f"{route.method} {route.rule}")
def test_s4_s11_nobody_comes_without_the_right_kind_of_token(world: World, route: Route) -> None:
    who = world.ours.callers[Role(route.roles[0])]
    other_kind = who.headers if route.rule == REFRESH else who.refresh_headers
    good = headers_for(route, who)["Authorization"]
    cut = good.rpartition(".")[0]
    for headers in (
        {}, other_kind, {"Authorization": good[:-4]}, {"Authorization": cut + "."},
        {"Authorization": good.removeprefix("Bearer ")}, {"Cookie": f"access_token_cookie={good}"},
        {"X-Access-Token": good}, {"Authorization": good.replace("Bearer", "Basic")},
    ):
        assert ask(world, route, headers) == (401, "unauthenticated"), headers
    token = good.removeprefix("Bearer ")
    path = f"{addressed(route.rule)}?jwt={token}&access_token={token}"
    assert world.client.open(path, method=route.method).status_code == 401


@pytest.mark.parametrize("rule", RULES)
def test_s11_other_methods_do_nothing(world: World, rule: str) -> None:
    routes = [route for route in matrix() if route.rule == rule]
    taken = {route.method for route in routes}
    for who in (None, *(Role(role) for role in routes[0].roles if role != PUBLIC)):
        headers: dict[str, Any] = {} if who is None else dict(world.ours.callers[who].headers)
        for method in METHODS - taken:
            for override in ({}, {"X-HTTP-Method-Override": routes[0].method},
                             {"X-HTTP-Method": routes[0].method}):  # fmt: skip
                answer = world.client.open(
                    f"{addressed(rule)}?_method={routes[0].method}", method=method,
                    headers={**headers, **override},
                )
                assert answer.status_code == 405, method
                assert answer.get_json()["code"] == "method_not_allowed"


def test_s4_a_token_of_one_role_does_not_pass_for_another(world: World) -> None:
    """4×4 and more: what each access and refresh token opens is its own role's alone."""
    own = {"citizen": "/me", "merchant_owner": "/merchant/staff"}
    for role, who in world.ours.callers.items():
        for named, path in own.items():
            opened = [
                world.client.get(f"/api/v1{path}", headers=headers).status_code == 200
                for headers in (who.headers, who.refresh_headers)
            ]
            assert opened == [role == named, False], (role, path)

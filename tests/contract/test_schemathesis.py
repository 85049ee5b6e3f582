"""Every operation of the document, with requests made from the document itself.

For each operation: one request that works, then well-formed requests (ids of real things mixed in),
then requests that break the document.  Whatever comes: no fault of the server, a status that the
document names for this operation (not only by `default`), the media type and the shape it promises,
and 401 without a token.  Rate limits are forgotten between requests; they have tests of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi import checks as openapi_checks

from app.web import limits
from app.web.auth import Role
from tests.conftest import Sized
from tests.contract.real_requests import SIGNED_ONLY, Real, caller_of, request_for
from tests.contract.world import World, sign_in_again
from tests.house.routes import PUBLIC, Route, as_openapi
from tests.house.snapshots import matrix
from wechat_integration.sandbox.control import SandboxControl

# Signed and sealed by WeChat, in its own shape: tests/wechat sends them.
NOTICES = {"/wechat/pay-score"}
ROUTES = [route for route in matrix() if route.rule not in NOTICES]
# These end the caller's own session.
ENDING = {"/api/v1/sign-out", "/api/v1/tokens/refresh"}

SOMETHING = st.sets(st.integers(0, 9), max_size=6)
EVERYTHING = SOMETHING.map(lambda but: set(range(10)) - but)

load_all_checks()


def status_is_named(_: Any, response: Any, case: Any) -> None:
    """The document names the status for this very operation."""
    named = case.operation.definition.raw["responses"]
    assert str(response.status_code) in named, f"{response.status_code} is not in the document"


CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_is_named,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.ignored_auth,
]
REFUSED = [*CHECKS, openapi_checks.negative_data_rejection]


CI_EXAMPLES, FULL_EXAMPLES = 10, 100


def bounded(examples: int) -> settings:
    """As many examples, the same ones in each small run; shrinking a case costs minutes."""
    return settings(
        max_examples=examples, deadline=None, database=None,
        derandomize=examples == CI_EXAMPLES,
        phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
    )


class Operation:
    """One operation of the document and those who may call it."""

    def __init__(
        self, contract: Any, world: World, sandbox: SandboxControl, route: Route
    ) -> None:
        self.described = contract[as_openapi(route.rule)][route.method]
        self._world, self._sandbox, self._route = world, sandbox, route
        self.roles: list[str | None] = [None if role == PUBLIC else role for role in route.roles]
        self._unused: Real | None = None

    @property
    def can_be_broken(self) -> bool:
        """Any text is well formed where the address holds a text."""
        in_address = "<uuid:" in self._route.rule
        return bool(self.described.body or self.described.query) or in_address

    def real(self) -> Real:
        return request_for(self._world, self._sandbox, self._route)

    def unused(self) -> Real:
        """The last real request while nobody took it, otherwise a new one: making one is dear."""
        self._unused = self._unused or self.real()
        return self._unused

    def forget_what_was_used(self, answer: Any) -> None:
        """What a reading or a refused request named is still there for the next one."""
        if self._route.method != "GET" and answer.status_code < 400:
            self._unused = None

    def headers(self, role: str | None) -> dict[str, str]:
        if role is None:
            return {}
        if self._route.rule not in ENDING:
            return caller_of(self._world, self._route, role)
        who = sign_in_again(self._world.app, self._world.ours.callers[Role(role)])
        return who.refresh_headers if "refresh" in self._route.rule else who.headers

    def call(self, case: Any, checks: list[Callable[..., Any]], role: str | None) -> Any:
        limits.forget_all()
        if (self._route.method, self._route.rule) in SIGNED_ONLY:  # it looks for tokens alone
            checks = [one for one in checks if one is not openapi_checks.ignored_auth]
        return case.call_and_validate(
            headers=self.headers(role), checks=checks, environ_base={"REMOTE_ADDR": "127.0.0.1"}
        )


@pytest.fixture(params=ROUTES, ids=lambda route: f"{route.method} {route.rule}")
def operation(
    request: pytest.FixtureRequest, contract: Any, world: World, sandbox: SandboxControl
) -> Operation:
    return Operation(contract, world, sandbox, request.param)


def test_the_operation_keeps_the_contract(operation: Operation, sized: Sized) -> None:
    examples = sized(ci=CI_EXAMPLES, full=FULL_EXAMPLES)
    works(operation)
    keeps(operation, examples)
    if operation.can_be_broken:
        refuses(operation, examples)


def works(operation: Operation) -> None:
    """A request that is meant to work does, for every role that may send it."""
    for role in operation.roles:
        real = operation.real()
        case = operation.described.Case(
            path_parameters=dict(real.path), query=dict(real.query),
            **({} if real.body is None else {"body": dict(real.body)}),
            **({} if real.body is None else {"media_type": _media_type(operation)}),
        )
        answer = operation.call(case, CHECKS, role)
        assert answer.status_code < 300, (role, answer.text)


def keeps(operation: Operation, examples: int) -> None:
    """Well-formed requests; values of real things take the place of made-up ones now and then."""
    positive = operation.described.as_strategy(
        generation_mode=schemathesis.GenerationMode.POSITIVE
    )

    @bounded(examples)
    @given(case=positive, role=_roles(operation), mix=st.one_of(EVERYTHING, SOMETHING))
    def run(case: Any, role: str | None, mix: set[int]) -> None:
        _mix_in(case, operation.unused().values, mix)
        operation.forget_what_was_used(operation.call(case, CHECKS, role))

    run()


def refuses(operation: Operation, examples: int) -> None:
    """Requests that break the document are refused."""
    negative = operation.described.as_strategy(
        generation_mode=schemathesis.GenerationMode.NEGATIVE
    )

    @bounded(examples)
    @given(case=negative, role=_roles(operation))
    def run(case: Any, role: str | None) -> None:
        operation.call(case, REFUSED, role)

    run()


def _roles(operation: Operation) -> st.SearchStrategy[str | None]:
    return st.sampled_from(operation.roles)


def _media_type(operation: Operation) -> str:
    return str(next(iter(operation.described.body)).media_type)


def _mix_in(case: Any, real: dict[str, Any], mix: set[int]) -> None:
    """Put real values where the numbers say; the same names always have the same numbers."""
    for number, (name, value) in enumerate(sorted(real.items())):
        if number not in mix:
            continue
        for place in (case.body, case.path_parameters, case.query):
            if isinstance(place, dict) and name in place:
                place[name] = value

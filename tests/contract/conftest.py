"""A world for each module of tests, and the contract as schemathesis reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from flask import Flask

from demo.servers import Database
from tests.contract.world import World, inhabited, with_new_tokens


@pytest.fixture(scope="module")
def made_world(session_app: Flask, test_database: Database) -> Iterator[World]:
    """Two parties on the worker's database."""
    with inhabited(session_app, test_database) as made:
        yield made


@pytest.fixture
def world(made_world: World) -> World:
    """The same, with tokens that do not run out in the middle of a long module."""
    return with_new_tokens(made_world)


@pytest.fixture(scope="module")
def contract(session_app: Flask) -> Any:
    """The document that the application serves; bearer tokens come from the tests."""
    config = schemathesis.Config()
    config.projects.default.generation.with_security_parameters = False
    # A body above its limit is refused before it is read.
    refused = config.projects.default.checks.negative_data_rejection
    refused.expected_statuses = [*refused.expected_statuses, "413"]
    return schemathesis.openapi.from_wsgi("/openapi.json", session_app, config=config)

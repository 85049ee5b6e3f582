"""A world for each module of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from demo.servers import Database
from tests.conftest import forget_limits
from tests.contract.world import World, inhabited


@pytest.fixture(scope="module")
def inhabitants(session_app: Flask, test_database: Database) -> Iterator[World]:
    """Two parties on the worker's database, shared by the tests of a module."""
    with inhabited(session_app, test_database) as made:
        yield made


@pytest.fixture
def world(inhabitants: World) -> World:
    """The parties, with all rate limits forgotten."""
    forget_limits(inhabitants.app)
    return inhabitants

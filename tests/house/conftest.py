"""All tables known to SQLAlchemy, and a database for migrations alone."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from demo.servers import Database
from tests.conftest import fresh_database
from tests.house.house import APP

for models in sorted(APP.glob("*/models.py")):
    importlib.import_module(f"app.{models.parent.name}.models")


@pytest.fixture
def empty_database(servers: dict[str, Any], worker_id: str) -> Iterator[Database]:
    with fresh_database(servers, f"card_house_{worker_id}") as made:
        yield made

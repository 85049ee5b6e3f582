"""A library with a SIP2 endpoint, once for the tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask

from app.kernel.database import db
from demo.servers import Database
from tests.conftest import forget_limits, truncate_all
from tests.library.reading_room import Library, open_library, publish_figures
from tests.library.self_service import MendedClient, MendedWrapper, login_text, serving
from tests.redemptions.builders import Citizen, make_citizen


@dataclass(frozen=True)
class Served:
    """A library, its endpoint, and one machine's account."""

    app: Flask
    library: Library
    port: int
    machine: dict[str, Any]

    def holder(self, tier: str = "AA", *, consents: tuple[str, ...] = ("library",)) -> Citizen:
        return make_citizen(self.app, tier=tier, consents=consents)

    def code_of(self, holder: Citizen) -> str:
        return holder.pass_code(self.library.client)

    def client(self, machine: dict[str, Any] | None = None, **changes: Any) -> MendedClient:
        """A connection of the PyPI client that is logged in."""
        client = MendedClient(self.port, **changes)
        client.connect()
        account = machine or self.machine
        login = client.sip_login_request(account["machine"]["machine_id"], account["secret"])
        answer = client.sip_login_response(client.get_response(login))
        assert answer["fixed"]["Ok"] == "1"
        return client

    def wrapper(self) -> MendedWrapper:
        """The PyPI client's own programme of a machine, logged in."""
        wrapper = MendedWrapper(MendedClient(self.port))
        wrapper.login_device(self.machine["machine"]["machine_id"], self.machine["secret"])
        return wrapper

    @property
    def login(self) -> str:
        return login_text(self.machine)


@pytest.fixture(scope="module")
def served(session_app: Flask, test_database: Database) -> Iterator[Served]:
    forget_limits(session_app)
    try:
        with session_app.app_context():
            publish_figures(session_app)
            library = open_library(session_app, session_app.test_client())
            machine = library.make_machine()
        with serving(session_app) as port:
            yield Served(session_app, library, port, machine)
    finally:
        with session_app.app_context():
            db.session.remove()
        truncate_all(test_database)

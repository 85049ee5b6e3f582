"""S12: a merchant's query that forgets whose rows it wants gives no row of another merchant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import ORMExecuteState, Session

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.members.models import StaffAccount
from app.merchants.queries import behind_wall
from app.web.auth import Role
from demo.servers import Database
from tests.redemptions.builders import (
    API,
    Clerk,
    make_citizen,
    make_clerk,
    make_staff,
    publish_benefit,
)
from tests.redemptions.offline_town import enrol, owner_headers

LISTS = ("/merchant/shops", "/merchant/staff", "/merchant/devices")
FILLED = ("merchants", "shops", "merchant_staff", "devices", "device_invitations", "redemptions",
          "redemption_attempts", "annulments")  # fmt: skip


@contextmanager
def without_where() -> Iterator[None]:
    """The fault: every list that is read has lost its WHERE."""

    def drop(state: ORMExecuteState) -> None:
        listed = getattr(state.statement, "_order_by_clauses", ())
        if state.is_select and listed:
            forgetful = copy(state.statement)
            forgetful._where_criteria = ()  # type: ignore[attr-defined]  # noqa: SLF001
            state.statement = forgetful

    event.listen(Session, "do_orm_execute", drop)
    try:
        yield
    finally:
        event.remove(Session, "do_orm_execute", drop)


@contextmanager
def no_wall(admin: psycopg.Connection[Any]) -> Iterator[None]:
    """The negative control: the tables without their policies."""
    for table in FILLED:
        admin.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    try:
        yield
    finally:
        for table in FILLED:
            admin.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")


@pytest.fixture
def two(committing_app: Flask) -> tuple[Clerk, Clerk, Mapping[str, str]]:
    """Clerks of two merchants that have rows in every table, and the owner of the first."""
    app = committing_app
    client = app.test_client()
    code = publish_benefit(app)
    clerks = [make_clerk(app, takes=(code,)) for _ in range(2)]
    owners = [owner_headers(app, clerk) for clerk in clerks]
    for clerk, owner in zip(clerks, owners, strict=True):
        enrol(app, clerk.shop_id, owner)
        citizen = make_citizen(app)
        shown = citizen.voucher_code(client, citizen.claimed(client, code))
        done = clerk.redeem(client, code=shown).get_json()
        assert clerk.annul(client, done["receipt"]).status_code == 200
    return clerks[0], clerks[1], owners[0]


def rows_seen(table: str) -> int:
    with reading() as session:
        return int(session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def seen_through(app: Flask, clerk: Clerk) -> dict[str, int]:
    with app.app_context(), behind_wall(staff_id=clerk.staff_id):
        return {table: rows_seen(table) for table in FILLED}


def answers(client: FlaskClient, clerk: Clerk, owner: Mapping[str, str]) -> list[str]:
    owners = [client.get(f"{API}{path}", headers=owner).get_data(as_text=True) for path in LISTS]
    return [*owners, str(clerk.today(client))]


def test_s12_a_bare_statement_sees_the_own_rows_alone(
    two: tuple[Clerk, Clerk, Mapping[str, str]],
    committing_app: Flask,
    admin: psycopg.Connection[Any],
) -> None:
    mine, theirs, _ = two
    with committing_app.app_context():
        whole = {table: rows_seen(table) for table in FILLED}
    seen = [seen_through(committing_app, clerk) for clerk in (mine, theirs)]
    for table in FILLED:
        assert seen[0][table] > 0, table
        assert seen[0][table] + seen[1][table] == whole[table], table
    with no_wall(admin):
        assert seen_through(committing_app, mine) == whole


def test_s12_a_route_that_lost_its_where_tells_nothing_of_others(
    two: tuple[Clerk, Clerk, Mapping[str, str]],
    committing_app: Flask,
    admin: psycopg.Connection[Any],
) -> None:
    mine, theirs, owner = two
    client = committing_app.test_client()
    (redeemed,) = theirs.today(client)
    foreign = [theirs.shop_id, theirs.staff_id, theirs.shop_id, redeemed["redemption_id"]]

    def leaks() -> list[bool]:
        said = answers(client, mine, owner)
        return [str(one) in answer for one, answer in zip(foreign, said, strict=True)]

    assert not any(leaks())
    with without_where():
        assert not any(leaks())
        with no_wall(admin):
            assert all(leaks())


def test_s12_nobody_writes_into_the_rows_of_others(
    two: tuple[Clerk, Clerk, Mapping[str, str]], committing_app: Flask
) -> None:
    mine, theirs, _ = two
    adding = text("INSERT INTO shops (shop_id, merchant_id, name) VALUES (:shop, :merchant, '店')")
    changing = text("UPDATE devices SET switched_off_at = now() RETURNING shop_id")
    with committing_app.app_context(), behind_wall(staff_id=mine.staff_id):
        with pytest.raises(ProgrammingError, match="row-level security"), transaction() as session:
            session.execute(adding, {"shop": new_id(), "merchant": theirs.merchant_id})
        with transaction() as session:
            changed: list[UUID] = list(session.scalars(changing))
    assert changed == [mine.shop_id]


def test_s12_who_works_for_nobody_sees_nothing(app: Flask) -> None:
    make_clerk(app)
    stranger, _ = make_staff(app, Role.MERCHANT_OWNER)
    with behind_wall(staff_id=stranger):
        assert [rows_seen(table) for table in FILLED] == [0] * len(FILLED)
    assert rows_seen("shops") == 1


def test_s12_the_setting_ends_with_its_transaction(
    test_database: Database, committing_app: Flask
) -> None:
    # As behind a pooler: the next transaction on the same connection is somebody else's.
    clerk, _ = make_clerk(committing_app), make_clerk(committing_app)
    with psycopg.connect(test_database.url("card_web"), autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SELECT merchant_enter_wall(%s)", (clerk.staff_id,))
            assert connection.execute("SELECT count(*) FROM shops").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM shops").fetchone() == (2,)


def test_the_fault_hook_drops_the_where_of_lists(app: Flask) -> None:
    make_staff(app, Role.CLERK)
    listed = select(StaffAccount).where(StaffAccount.username == "nobody").order_by("username")
    with without_where(), reading() as session:
        assert session.scalars(listed).all()

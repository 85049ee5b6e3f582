"""Transactions say what they mean."""

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import (
    TransactionError,
    durable,
    hot_call,
    reading,
    reading_whole_tables,
    transaction,
    transaction_required,
)


def test_a_transaction_inside_a_transaction_is_refused(app: Flask) -> None:
    with transaction(), pytest.raises(TransactionError), transaction():
        pass


def test_a_required_transaction_is_missing(app: Flask) -> None:
    with pytest.raises(TransactionError):
        transaction_required()


def test_no_network_call_inside_a_transaction(app: Flask) -> None:
    durable()
    with transaction(), pytest.raises(TransactionError):
        durable()


def test_a_hot_call_sees_what_was_written(app: Flask) -> None:
    with transaction() as session:
        assert session.execute(text("SELECT 1")).scalar() == 1
    assert hot_call("SELECT %(x)s::int AS x", {"x": 3}) == {"x": 3}


def test_whole_tables_are_not_joined_row_by_row(app: Flask) -> None:
    join = text("EXPLAIN SELECT FROM staff_accounts a JOIN staff_accounts b USING (display_name)")
    with reading() as session:
        session.execute(text("SET LOCAL enable_mergejoin = off"))
        session.execute(text("SET LOCAL enable_hashjoin = off"))
        before = str(session.execute(join).all())
        session.execute(text("SET LOCAL enable_hashjoin = on"))
        with reading_whole_tables(session):
            within = str(session.execute(join).all())
            assert session.scalar(text("SHOW statement_timeout")) == "10min"
        assert session.scalar(text("SHOW enable_nestloop")) == "on"
    assert "Nested Loop" in before
    assert "Nested Loop" not in within
    assert "Hash Join" in within

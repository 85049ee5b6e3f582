"""Transactions say what they mean."""

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import (
    TransactionError,
    durable,
    hot_call,
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

"""Drawings in the documents are those of the code."""

from __future__ import annotations

from tests.house.snapshots import ORDERS_PAGE, page_of_transitions


def test_the_page_of_service_orders_is_drawn_from_the_table() -> None:
    assert ORDERS_PAGE.read_text(encoding="utf-8") == page_of_transitions()

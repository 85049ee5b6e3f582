"""Drawings and lists in the documents are those of the code."""

from __future__ import annotations

from tests.house.rights import RIGHTS_PAGE, numbers_in, page_of_rights
from tests.house.snapshots import ORDERS_PAGE, page_of_transitions


def test_the_page_of_service_orders_is_drawn_from_the_table() -> None:
    assert ORDERS_PAGE.read_text(encoding="utf-8") == page_of_transitions()


def test_the_page_of_rights_is_written_from_the_tests() -> None:
    assert RIGHTS_PAGE.read_text(encoding="utf-8") == page_of_rights()


def test_numbers_stand_at_the_beginning_of_a_name() -> None:
    assert numbers_in("test_s43_d1_canaries_of_r5") == ["D1"]
    assert numbers_in("test_r2_r5_without_consent") == ["R2", "R5"]
    assert numbers_in("test_random_d1") == []

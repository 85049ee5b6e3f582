"""What belongs to merchants stands behind the second wall, and nothing goes round it."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.house.house import SQL, product_files, tables_used, texts, where

BELONGS = """
    SELECT DISTINCT table_name, p.polname IS NOT NULL AND c.relrowsecurity
    FROM information_schema.columns
    JOIN pg_class AS c ON c.relname = table_name AND c.relnamespace = 'public'::regnamespace
    LEFT JOIN pg_policy AS p ON p.polrelid = c.oid AND p.polname = 'merchant_wall'
    WHERE table_schema = 'public' AND column_name IN ('merchant_id', 'shop_id')
"""
OPEN = {
    "benefit_merchants",  # who takes which benefit is published
    # Views that read others' rows for their rule and hold the wall in their own text.
    "merchant_codes", "offline_uses", "redemption_uses", "service_order_uses", "transit_uses",
    "offline_standing",  # a view, with its owner's rights, for operators and signed uploads
    "redemption_transfers", "service_order_collections",  # each thing alone, for the worker
}


def walled(admin: psycopg.Connection[Any]) -> set[str]:
    return {table for table, behind in admin.execute(BELONGS).fetchall() if behind}


def test_what_belongs_to_merchants_is_behind_the_wall(admin: psycopg.Connection[Any]) -> None:
    open_to_all = {table for table, behind in admin.execute(BELONGS).fetchall() if not behind}
    assert open_to_all == OPEN, "SELECT merchant_wall('…') in the migration, or say why not"


def test_hot_statements_call_functions_instead_of_going_round_the_wall(
    admin: psycopg.Connection[Any],
) -> None:
    # A hot call begins no transaction of ours, hence enters no wall.
    behind, round_it = walled(admin), []
    assert len(behind) > 8
    for path in product_files():
        for node, text in texts(path):
            if SQL.search(text) and "%(" in text:
                round_it += [f"{where(path, node)} {one}" for one in tables_used(text) & behind]
    assert round_it == []

"""The same tier gets the same for the same price: the audit names every other claim."""

from __future__ import annotations

import json
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.redemptions.queries import verify
from demo.load import publish_catalogue
from tests.redemptions.builders import (
    LIBRARY_VALUES,
    Citizen,
    give_honour,
    make_citizen,
    publish_benefit,
    set_tier,
)


def standing(app: Flask, tier: str) -> Citizen:
    """A citizen who has had this tier for an hour."""
    citizen = make_citizen(app)
    set_tier(app, citizen.citizen_id, tier)
    with transaction() as session:
        session.execute(
            text("UPDATE scores SET computed_at = now() - interval '1 hour'"
                 " WHERE citizen_id = :citizen"),
            {"citizen": citizen.citizen_id},
        )
    return citizen


def promised(voucher_id: UUID, *, value: str, price_points: int = 0) -> UUID:
    """Another voucher like this one, with a promise that no code of ours makes."""
    with transaction() as session:
        session.execute(
            text("""
            INSERT INTO vouchers (citizen_id, voucher_id, benefit_id, benefit_code, benefit_version,
                value, price_points, hold_id, stock_taken, claimed_at, expires_at)
            SELECT citizen_id, :id, benefit_id, benefit_code, benefit_version,
                CAST(:value AS jsonb), :price,
                CASE WHEN CAST(:price AS integer) > 0 THEN CAST(:id AS uuid) END, stock_taken,
                clock_timestamp(), expires_at
            FROM vouchers WHERE voucher_id = :like
            """),
            {"id": (made := new_id()), "value": value, "price": price_points, "like": voucher_id},
        )
    return made


def unequal() -> dict[UUID | None, str]:
    """What the audit says, by voucher."""
    return {one.voucher_id: one.message for one in verify() if one.invariant == "R13"}


def test_r13_a_claim_that_got_more_than_its_equals_is_named(
    app: Flask, client: FlaskClient
) -> None:
    code = publish_benefit(app, values=LIBRARY_VALUES)
    first, second, _ = (standing(app, tier).claimed(client, code) for tier in ("AA", "AA", "AAA"))
    make_citizen(app).claimed(client, code)
    assert unequal() == {}
    more = promised(second, value=json.dumps(LIBRARY_VALUES["AAA"]))
    found = unequal()
    assert set(found) == {more}
    assert str(first) in str(found[more])


def test_r13_an_honour_is_a_rung_of_its_own(app: Flask, client: FlaskClient) -> None:
    """Whoever holds one gets its value and no other, whatever their score."""
    publish_catalogue()
    half = {"books": 30, "deposit_waived": True}
    code = publish_benefit(app, values=LIBRARY_VALUES, honour=[
        {"record_type": "honours", "items": ["省级", "国家级"], "value": half},
    ])  # fmt: skip
    people = [standing(app, "AA"), standing(app, "AAA"), make_citizen(app)]
    for one, item in zip(people, ("省级", "国家级", "省级"), strict=True):
        give_honour(app, one.citizen_id, item)
    first, second, third = (one.claimed(client, code) for one in people)
    standing(app, "AA").claimed(client, code)
    assert unequal() == {}
    fewer = promised(second, value=json.dumps(LIBRARY_VALUES["AAA"]))
    none = promised(third, value=json.dumps(LIBRARY_VALUES["baseline"]))
    found = unequal()
    assert set(found) == {fewer, none}
    assert all(str(first) in str(message) for message in found.values())


def test_r13_a_price_or_value_off_the_published_table_is_named(
    app: Flask, client: FlaskClient
) -> None:
    code = publish_benefit(app, values=LIBRARY_VALUES)
    fair = make_citizen(app).claimed(client, code)
    dearer = promised(fair, value=json.dumps(LIBRARY_VALUES["baseline"]), price_points=5)
    other = promised(fair, value='{"books": 99, "deposit_waived": false}')
    assert set(unequal()) == {dearer, other}


def test_r13_a_tier_that_changed_after_the_claim_is_no_finding(
    app: Flask, client: FlaskClient
) -> None:
    code = publish_benefit(app, values=LIBRARY_VALUES)
    fell = standing(app, "AAA")
    fell.claimed(client, code)
    standing(app, "A").claimed(client, code)
    with transaction() as session:
        session.execute(
            text("UPDATE scores SET tier = 'A', total = 560, computed_at = clock_timestamp()"
                 " WHERE citizen_id = :citizen"),
            {"citizen": fell.citizen_id},
        )
    assert unequal() == {}

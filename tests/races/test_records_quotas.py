"""Many deliveries of one source at once never pass its quota, and fill it to the last one."""

from __future__ import annotations

from functools import partial
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import db, transaction
from app.records import quotas
from app.records.quotas import DeliveryQuotaExceeded, Quota, count_delivery, open_quota, set_quota
from tests.races.threads import at_once, meeting
from tests.records.programme import Programme, build_programme

RACERS = 12
ROOM = 5

LOOK_BEFORE_COUNTING = text("""
    INSERT INTO source_days AS d (source_id, counted_on, delivery_count, byte_count, row_count)
    SELECT s.source_id, (clock_timestamp() AT TIME ZONE 'Asia/Shanghai')::date,
           :deliveries, :bytes, :rows
    FROM sources s
    WHERE s.source_id = :source_id AND :least_rows >= 0 AND race_meet(6) IS NOT NULL
        AND s.deliveries_per_day > coalesce((
            SELECT max(x.delivery_count) FROM source_days x WHERE x.source_id = s.source_id), 0)
    ON CONFLICT (source_id, counted_on) DO UPDATE
    SET delivery_count = d.delivery_count + :deliveries
    RETURNING d.source_id
""")


def attempt(app: Flask, programme: Programme) -> bool:
    with app.app_context():
        try:
            with transaction() as session:
                count_delivery(
                    session, source_id=programme.source_id, size_bytes=10, row_count=3
                )
        except DeliveryQuotaExceeded:
            return False
        finally:
            db.session.remove()
    return True


def race(app: Flask, quota: Quota) -> tuple[int, int]:
    """How many were let in, and how many are counted."""
    with app.app_context():
        programme = build_programme(app)
        set_quota(source_id=programme.source_id, quota=quota)
        db.session.remove()
    let_in = sum(at_once([partial(attempt, app, programme)] * RACERS))
    with app.app_context():
        return let_in, open_quota(source_id=programme.source_id).delivery_count


@pytest.mark.parametrize(
    "quota",
    [
        Quota(ROOM, 10**6, 10**6), Quota(10**6, 10 * ROOM + 9, 10**6),
        Quota(10**6, 10**6, 3 * ROOM + 2),
    ],
    ids=["deliveries", "bytes", "rows"],
)
def test_a_quota_is_filled_exactly(committing_app: Flask, quota: Quota) -> None:
    assert race(committing_app, quota) == (ROOM, ROOM)


def test_who_looks_before_counting_passes_it(
    committing_app: Flask, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    monkeypatch.setattr(quotas, "_COUNT", LOOK_BEFORE_COUNTING)
    with meeting(admin):
        let_in, counted = race(committing_app, Quota(ROOM, 10**6, 10**6))
    assert let_in == counted > ROOM

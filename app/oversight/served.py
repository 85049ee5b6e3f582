"""Whom benefits served, and when: one arm of SQL for each room that serves.

A room publishes a view with `citizen_id`, `benefit` (a code) and `served_at`; its arm is added
here, and every figure about people served counts it.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.kernel.clock import CITY_ZONE
from app.kernel.database import reading

SERVED: Final = """
    SELECT citizen_id, benefit, served_at FROM redemption_served
    UNION ALL SELECT citizen_id, benefit, served_at FROM service_order_served
    UNION ALL SELECT citizen_id, benefit, served_at FROM transit_served
    UNION ALL SELECT citizen_id, benefit, served_at FROM library_served
"""
_PEOPLE: Final = text(f"""
    SELECT DISTINCT u.benefit, u.citizen_id FROM ({SERVED}) u
    WHERE u.citizen_id BETWEEN :first AND :last
      AND u.served_at >= :from_at AND u.served_at < :until_at
""")


def people_served(
    *, first: UUID, last: UUID, from_on: date, to_on: date
) -> dict[str, set[UUID]]:
    """The members of a range of ids who used each benefit within these days, both included."""
    from_at, until_at = moments(from_on, to_on)
    found: dict[str, set[UUID]] = defaultdict(set)
    with reading() as session:
        asked = {"first": first, "last": last, "from_at": from_at, "until_at": until_at}
        for benefit, citizen_id in session.execute(_PEOPLE, asked):
            found[benefit].add(citizen_id)
    return found


def moments(from_on: date, to_on: date) -> tuple[datetime, datetime]:
    """The moment at which the first of these days begins in the city, and that after the last."""
    begins, ends = (
        datetime.combine(on, time.min, CITY_ZONE) for on in (from_on, to_on + timedelta(days=1))
    )
    return begins, ends

"""What an operator's machine may read of its own batches and sums."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from app.transit import queries
from app.transit.operators import require_operator


def list_own_parked(*, source_id: UUID, limit: int, skipped: int) -> list[queries.ParkedRow]:
    """Rows of this operator that cannot count.  Refuses `not_transit_operator`."""
    operator = require_operator(source_id=source_id)
    return queries.list_parked(merchant_id=operator.merchant_id, limit=limit, skipped=skipped)


def list_own_subsidies(
    *, source_id: UUID, from_on: date, to_on: date
) -> list[queries.SubsidySum]:
    """Sums of this operator by accounting day.  Refuses `not_transit_operator`."""
    operator = require_operator(source_id=source_id)
    return queries.list_subsidies(
        from_on=from_on, to_on=to_on, merchant_id=operator.merchant_id
    )

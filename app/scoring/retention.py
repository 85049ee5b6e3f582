"""Records whose retention is over go, and the scores that they counted in are computed anew."""

from __future__ import annotations

from app.kernel.database import transaction
from app.records.queries import CatalogueNotPublished, current_day
from app.records.retention import due_batches, expire_records
from app.scoring.operations import refresh_citizens
from app.scoring.queries import scheme_in_force


def expire_due_records(*, limit: int) -> int:
    """For the job: delete all records that are due, up to `limit` in a transaction; of how many.

    Each transaction stands alone: what was broken off goes on with the next call.
    """
    has_scheme = scheme_in_force(on=current_day()) is not None
    count = 0
    try:
        for due in due_batches(limit=limit):
            with transaction():
                people = expire_records(due)
                if people and has_scheme:
                    refresh_citizens(citizen_ids=people)
            count += len(people)
    except CatalogueNotPublished:
        return 0  # then there are no records either
    return count

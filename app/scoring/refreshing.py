"""Keeping stored scores right: of some citizens at once, of a slice of everybody.

Whoever stores scores holds one lock until the end of the transaction and computes after taking it.
So nobody overwrites a newer result with one that was computed before a delivery was there.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.kernel.database import transaction_required
from app.scoring.models import Score
from app.scoring.queries import least_tier, score_parameters
from app.scoring.scheme import Scheme

WORK_MEMORY = "64MB"  # sorting thousands of members on disk takes twice as long
_UUID_PREFIXES = 1 << 32

ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('scores', 0))")
_WITH_MEMORY = text("SELECT set_config('work_mem', :size, true)")
# Only what differs is written: updating a row on conflict locks and logs it even when it stays.
# What is compared with cannot change in between, because whoever stores scores is alone.
_STORE = """
    INSERT INTO scores (citizen_id, total, tier, dimensions, scheme_code, scheme_version, as_of_on,
                        changes_on)
    SELECT n.citizen_id, n.total, n.tier, n.dimensions, n.scheme_code, n.scheme_version,
           CAST(:as_of AS date), n.changes_on
    FROM (%(whose)s) s
    FULL JOIN (SELECT * FROM score_totals(CAST(:as_of AS date), :scheme, :version)
               WHERE %(where)s) t ON t.citizen_id = s.citizen_id
    CROSS JOIN LATERAL (
        SELECT coalesce(s.citizen_id, t.citizen_id) AS citizen_id, coalesce(t.total, 0) AS total,
               coalesce(t.tier, CAST(:least_tier AS text)) AS tier,
               coalesce(t.dimensions, '{}') AS dimensions, CAST(:scheme AS text) AS scheme_code,
               CAST(:version AS text) AS scheme_version, t.changes_on
    ) n
    WHERE s.computed_at IS NULL
       OR (s.total, s.tier, s.dimensions, s.scheme_code, s.scheme_version, s.changes_on)
           IS DISTINCT FROM (n.total, n.tier, n.dimensions, n.scheme_code, n.scheme_version,
                             n.changes_on)
    ON CONFLICT (citizen_id) DO UPDATE
    SET total = excluded.total, tier = excluded.tier, dimensions = excluded.dimensions,
        scheme_code = excluded.scheme_code, scheme_version = excluded.scheme_version,
        as_of_on = excluded.as_of_on, changes_on = excluded.changes_on, computed_at = now()
"""
_STORE_SOME = text(_STORE % {
    "whose": """
        SELECT * FROM unnest(CAST(:citizens AS uuid[])) AS u (citizen_id)
        LEFT JOIN scores USING (citizen_id)
    """,
    "where": "citizen_id = ANY(CAST(:citizens AS uuid[]))",
})  # fmt: skip
# Whoever has a result, and whoever had one.
_STORE_SLICE = text(_STORE % {
    "whose": """
        SELECT * FROM scores
        WHERE citizen_id BETWEEN CAST(:first AS uuid) AND CAST(:last AS uuid)
    """,
    "where": "citizen_id BETWEEN CAST(:first AS uuid) AND CAST(:last AS uuid)",
})  # fmt: skip


def store_scores(*, scheme: Scheme, as_of: date, citizen_ids: Collection[UUID]) -> None:
    """Store the scores of some citizens for a day, in the open transaction."""
    if citizen_ids:
        session = _alone()
        parameters = _parameters(scheme, as_of) | {"citizens": list(citizen_ids)}
        session.execute(_STORE_SOME, parameters)


def store_slice(*, scheme: Scheme, as_of: date, at: int, count: int) -> int:
    """Store the scores of slice `at` of `count` of all citizens; how many of them changed."""
    session = _alone()
    first = UUID(int=(_UUID_PREFIXES * at // count) << 96)
    last = UUID(int=((_UUID_PREFIXES * (at + 1) // count) << 96) - 1)
    parameters = _parameters(scheme, as_of) | {"first": first, "last": last}
    return session.connection().execute(_STORE_SLICE, parameters).rowcount


def due_citizens(*, as_of: date, limit: int) -> list[UUID]:
    """Citizens whose stored score may have changed by itself up to a day, in the open transaction.

    Those of missed days too; found by the index on `changes_on`.
    """
    query = (
        select(Score.citizen_id).where(Score.changes_on <= as_of)
        .order_by(Score.changes_on).limit(limit)
    )  # fmt: skip
    return list(transaction_required().scalars(query))


def _alone() -> Session:
    session = transaction_required()
    session.execute(ONE_AT_A_TIME)
    session.execute(_WITH_MEMORY, {"size": WORK_MEMORY})
    return session


def _parameters(scheme: Scheme, as_of: date) -> dict[str, object]:
    return score_parameters(scheme, as_of) | {"least_tier": least_tier(scheme)}

"""Keeping stored scores right: of some citizens at once, of a slice of everybody.

Whoever stores scores holds one lock until the end of the transaction and computes after taking it.
So nobody overwrites a newer result with one that was computed before a delivery was there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from uuid import UUID

from sqlalchemy import select, text

from app.kernel.database import transaction_required
from app.scoring.bulk import write_totals
from app.scoring.models import Score
from app.scoring.queries import least_tier, score_parameters
from app.scoring.scheme import Scheme

WORK_MEMORY = "64MB"  # sorting thousands of members on disk takes twice as long
_UUID_PREFIXES = 1 << 32

ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('scores', 0))")
# A plan for any slice is a plan for none; compiling one costs more than it saves.
_SETTINGS = text("""
    SELECT set_config('work_mem', :size, true), set_config('jit', 'off', true),
           set_config('plan_cache_mode', 'force_custom_plan', true)
""")
# Only what differs is written: updating a row on conflict locks and logs it even when it stays.
# What is compared with cannot change in between, because whoever stores scores is alone.
_STORE = """
    INSERT INTO scores (citizen_id, total, tier, dimensions, scheme_code, scheme_version, as_of_on,
                        changes_on)
    SELECT n.citizen_id, n.total, n.tier, n.dimensions, n.scheme_code, n.scheme_version,
           CAST(:as_of AS date), n.changes_on
    FROM (%(whose)s) s
    FULL JOIN (%(totals)s) t ON t.citizen_id = s.citizen_id
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
_SOME = """
    SELECT * FROM unnest(CAST(:citizens AS uuid[])) AS u (citizen_id)
    LEFT JOIN scores USING (citizen_id)
"""
_IN_SOME = "citizen_id = ANY(CAST(:citizens AS uuid[]))"
# Whoever has a result, and whoever had one.
_IN_SLICE = "citizen_id BETWEEN CAST(:first AS uuid) AND CAST(:last AS uuid)"
_SLICE = f"SELECT * FROM scores WHERE {_IN_SLICE}"


def store_scores(*, scheme: Scheme, as_of: date, citizen_ids: Collection[UUID]) -> None:
    """Store the scores of some citizens for a day, in the open transaction."""
    if citizen_ids:
        _store(scheme, as_of, _SOME, _IN_SOME, {"citizens": list(citizen_ids)})


def store_slice(*, scheme: Scheme, as_of: date, at: int, count: int) -> int:
    """Store the scores of slice `at` of `count` of all citizens; how many of them changed."""
    first = UUID(int=(_UUID_PREFIXES * at // count) << 96)
    last = UUID(int=((_UUID_PREFIXES * (at + 1) // count) << 96) - 1)
    return _store(scheme, as_of, _SLICE, _IN_SLICE, {"first": first, "last": last})


def due_citizens(*, as_of: date, limit: int) -> list[UUID]:
    """Citizens whose stored score may have changed by itself up to a day, in the open transaction.

    Those of missed days too; found by the index on `changes_on`.
    """
    query = (
        select(Score.citizen_id).where(Score.changes_on <= as_of)
        .order_by(Score.changes_on).limit(limit)
    )  # fmt: skip
    return list(transaction_required().scalars(query))


def _store(
    scheme: Scheme, as_of: date, whose: str, where: str, citizens: Mapping[str, object]
) -> int:
    session = transaction_required()
    session.execute(ONE_AT_A_TIME)
    session.execute(_SETTINGS, {"size": WORK_MEMORY})
    totals = write_totals(scheme, where=where)
    statement = text(_STORE % {"whose": whose, "totals": totals.sql})
    parameters = {
        **totals.parameters, **score_parameters(scheme, as_of), **citizens,
        "least_tier": least_tier(scheme),
    }
    return session.connection().execute(statement, parameters).rowcount

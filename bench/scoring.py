"""How long scores take: all of a generated city, some thousand members, one explanation."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import psycopg

from app.config import Settings
from app.factory import create_app
from app.kernel.database import close_connections, transaction
from app.records.queries import current_day
from app.scoring.explanations import LINES_MAX, explain_score
from app.scoring.operations import refresh_scores
from app.scoring.queries import scheme_in_force
from app.scoring.recomputations import AT_ONCE, count_slices
from app.scoring.refreshing import WORK_MEMORY, store_scores
from bench.stage import Ready

MEMBERS = int(os.environ.get("CARD_BENCH_MEMBERS", "50000"))
PER_MEMBER = 10
CHANGED = 10_000
EXPLAINED = 300
WARM = 20  # explanations of a new connection, which plans each time until it keeps the plan
ROUNDS = 3
# The numbers of the same rows, added up by citizen and by nothing else.  A sum that nobody asks for
# is not computed.
_BARE_SUM = """
    SELECT count(*), max(s.hours)
    FROM (SELECT citizen_id, sum((measures ->> 'hours')::numeric) AS hours
          FROM records GROUP BY citizen_id OFFSET 0) s
"""

# Of every member an evaluation, five services, a donation and three other records; the days are
# spread over two years, so that a part of them is past its validity.
_RECORDS = """
    INSERT INTO records (citizen_id, record_type, record_number, version, is_void, event_on, item,
                         measures, content_digest, delivery_id, row_number, delivered_on)
    SELECT m.citizen_id, k.record_type, k.record_type || '-' || m.n || '-' || k.at, 1, false,
           DATE '2026-10-01' - (m.h %% 600 + k.at * 37 %% 200)::integer, k.item,
           CASE k.record_type
               WHEN 'public_credit' THEN jsonb_build_object(
                   'basic', (m.h %% 2000 / 10.0)::numeric(4,1)::text,
                   'duty', (m.h %% 1990 / 10.0)::numeric(4,1)::text,
                   'law', (m.h %% 1980 / 10.0)::numeric(4,1)::text,
                   'compliance', (m.h %% 1970 / 10.0)::numeric(4,1)::text,
                   'finance', (m.h %% 1960 / 10.0)::numeric(4,1)::text)
               WHEN 'volunteer_hours' THEN jsonb_build_object(
                   'hours', ((m.h + k.at) %% 240 / 10.0 + 0.1)::numeric(4,1)::text)
               WHEN 'charity_donations' THEN jsonb_build_object(
                   'yuan', ((m.h %% 100000) / 100.0 + 0.01)::numeric(8,2)::text)
               ELSE '{}' END,
           '\\x00', '00000000-0000-7000-8000-000000000001', (m.n * 10 + k.at), DATE '2026-10-02'
    FROM (SELECT n, md5('member ' || n)::uuid AS citizen_id, abs(hashint4(n))::bigint AS h
          FROM generate_series(1, %(members)s) n) m,
         (VALUES (1, 'public_credit', NULL), (2, 'volunteer_hours', NULL),
                 (3, 'volunteer_hours', NULL), (4, 'volunteer_hours', NULL),
                 (5, 'volunteer_hours', NULL), (6, 'volunteer_hours', NULL),
                 (7, 'community_service', NULL), (8, 'charity_donations', NULL),
                 (9, 'civility', '文明家庭/四星'), (10, 'honours', '县级'))
             AS k (at, record_type, item)
"""


def measure_scoring(ready: Ready) -> list[dict[str, Any]]:
    """Seconds of a full and of a partial recompute, beside a bare sum; p99 of an explanation."""
    database = ready.stack.database
    url = database.url("card_job")
    app = create_app(Settings.from_environ({**ready.stack.environment, "DATABASE_URL": url}))
    with psycopg.connect(database.admin_url, autocommit=True) as admin, app.app_context():
        loading = _seconds(lambda: fill_population(admin, members=MEMBERS))
        figures = [
            _figure(f"{MEMBERS * PER_MEMBER} records written for what follows", loading),
            *_recompute(admin), _some(admin), _explanations(admin),
        ]
        close_connections()
    return figures


def _recompute(admin: psycopg.Connection[Any]) -> list[dict[str, Any]]:
    """Every score stored, then every score found as it is; both after a bare sum of the round."""
    bare, full, again = [], [], []
    slices = count_slices(MEMBERS)
    admin.execute("SELECT set_config('work_mem', %s, false)", (WORK_MEMORY,))
    for _ in range(ROUNDS):
        admin.execute("TRUNCATE scores")
        bare.append(_seconds(lambda: admin.execute(_BARE_SUM)))
        full.append(_seconds(lambda: refresh_scores(slices=slices, at_once=AT_ONCE)))
        again.append(_seconds(lambda: refresh_scores(slices=slices, at_once=AT_ONCE)))
    rows = statistics.median(bare)
    return [
        _figure(f"bare sum of {MEMBERS * PER_MEMBER} records by citizen", rows),
        _figure(
            f"full recompute of {MEMBERS} members, all stored ÷ bare sum of the same rows",
            statistics.median(full), ratio=statistics.median(full) / rows, limit=3,
        ),
        _figure(
            f"full recompute of {MEMBERS} members, nothing to store ÷ bare sum of the same rows",
            statistics.median(again), ratio=statistics.median(again) / rows, limit=3,
        ),
    ]


def _some(admin: psycopg.Connection[Any]) -> dict[str, Any]:
    citizens = _citizens(admin, CHANGED)
    scheme, as_of = scheme_in_force(on=current_day()), current_day()
    assert scheme is not None

    def store() -> None:
        with transaction():
            store_scores(scheme=scheme, as_of=as_of, citizen_ids=citizens)

    taken = []
    for _ in range(ROUNDS):
        admin.execute(
            "UPDATE scores SET total = total + 1 WHERE citizen_id = ANY(%s)", (citizens,)
        )
        taken.append(_seconds(store))
    return _figure(
        f"recompute of {len(citizens)} changed members", statistics.median(taken), limit=1
    )


def _explanations(admin: psycopg.Connection[Any]) -> dict[str, Any]:
    scheme, as_of = scheme_in_force(on=current_day()), current_day()
    assert scheme is not None

    def explain(citizen_id: UUID) -> None:
        explain_score(scheme=scheme, as_of=as_of, citizen_id=citizen_id, limit=LINES_MAX)

    taken = [
        _seconds(partial(explain, one)) * 1000 for one in _citizens(admin, WARM + EXPLAINED)
    ][WARM:]
    return {
        "name": "explanation of a score, p99", "value": round(_p99(taken), 1), "unit": "ms",
        "ratio": round(_p99(taken) / statistics.median(taken), 2), "limit": None,
    }


def _p99(taken: Sequence[float]) -> float:
    return statistics.quantiles(taken, n=100)[-1]


def _figure(
    name: str, seconds: float, *, ratio: float | None = None, limit: float | None = None
) -> dict[str, Any]:
    return {
        "name": name, "value": round(seconds, 2), "unit": "s",
        "ratio": None if ratio is None else round(ratio, 2), "limit": limit,
    }


def _citizens(admin: psycopg.Connection[Any], count: int) -> list[UUID]:
    rows = admin.execute("SELECT citizen_id FROM scores ORDER BY citizen_id LIMIT %s", (count,))
    return [row[0] for row in rows.fetchall()]


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def fill_population(admin: psycopg.Connection[Any], *, members: int) -> None:
    """Members with ten records each, the same whenever it is done again."""
    admin.execute(_RECORDS, {"members": members})
    admin.execute("VACUUM ANALYZE records")

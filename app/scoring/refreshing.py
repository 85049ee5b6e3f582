"""Keeping stored scores right: of some citizens at once, of a slice of everybody.

Whoever stores scores holds one lock until the end of the transaction and computes after taking it.
So nobody overwrites a newer result with one that was computed before a delivery was there.  Slices
are of different citizens and share it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Select,
    Text,
    Uuid,
    bindparam,
    column,
    func,
    literal,
    or_,
    outerjoin,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import Insert, insert

from app.kernel.database import reading, transaction_required
from app.scoring.counting import AS_OF
from app.scoring.models import Score
from app.scoring.queries import least_tier, scheme_in_force
from app.scoring.scheme import Scheme, parse_scheme
from app.scoring.totals import Among, select_totals

WORK_MEMORY = "64MB"  # sorting thousands of members on disk takes twice as long
_UUID_PREFIXES = 1 << 32

_RESULT = ("total", "tier", "dimensions", "scheme_code", "scheme_version", "changes_on")

ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('scores', 0))")
BESIDE_SLICES = text("SELECT pg_advisory_xact_lock_shared(hashtextextended('scores', 0))")
# A plan for any slice is a plan for none; compiling one costs more than it saves.
_SETTINGS = text("""
    SELECT set_config('work_mem', :size, true), set_config('jit', 'off', true),
           set_config('plan_cache_mode', 'force_custom_plan', true)
""")
VERIFIED_AT_ONCE = 100


@dataclass(frozen=True)
class WrongScore:
    """A stored total that a fresh computation does not give; or its tier, or its dimensions."""

    citizen_id: UUID
    stored_total: int
    total: int


def store_scores(*, scheme: Scheme, as_of: date, citizen_ids: Collection[UUID]) -> None:
    """Store the scores of some citizens for a day, in the open transaction."""
    if citizen_ids:
        connection = transaction_required().connection()
        connection.execute(ONE_AT_A_TIME)
        statement = _storing_some(scheme.document)
        _store(connection, statement, {"as_of": as_of, "citizens": list(citizen_ids)})


def store_slice(
    connection: Connection | None = None, *, scheme: Scheme, as_of: date, at: int, count: int
) -> int:
    """Store the scores of slice `at` of `count` of all citizens; how many of them changed.

    In the open transaction, or in that of a connection beside it.
    """
    connection = connection or transaction_required().connection()
    connection.execute(BESIDE_SLICES)
    first = UUID(int=(_UUID_PREFIXES * at // count) << 96)
    last = UUID(int=((_UUID_PREFIXES * (at + 1) // count) << 96) - 1)
    statement = _storing_slice(scheme.document)
    return _store(connection, statement, {"as_of": as_of, "first": first, "last": last})


def due_citizens(*, as_of: date, limit: int) -> list[UUID]:
    """Citizens whose stored score may have changed by itself up to a day, in the open transaction.

    Those of missed days too; found by the index on `changes_on`.
    """
    query = (
        select(Score.citizen_id).where(Score.changes_on <= as_of)
        .order_by(Score.changes_on).limit(limit)
    )  # fmt: skip
    return list(transaction_required().scalars(query))


def verify(*, as_of: date, first: UUID | None = None) -> list[WrongScore]:
    """Stored scores that a fresh computation does not give; empty when nothing was missed.

    Of those that are due on no day up to this one, a few at each call: from `first` on, by default
    from somewhere else each time.
    """
    scheme = scheme_in_force(on=as_of)
    if scheme is None:
        return []
    with reading() as session:
        rows = session.execute(
            _verifying(scheme.document), {"as_of": as_of, "first": first or uuid4()}
        )
        return [WrongScore(*row) for row in rows]


@lru_cache(maxsize=8)
def _verifying(document: str) -> Select[Any]:
    """Stored and fresh in one statement, hence one snapshot."""
    scheme = parse_scheme(document, catalogue=None)
    held = (
        select(Score.__table__)
        .where(
            Score.citizen_id >= bindparam("first", type_=Uuid()),
            Score.scheme_code == scheme.code, Score.scheme_version == scheme.version,
            or_(Score.changes_on.is_(None), Score.changes_on > AS_OF),
        )
        .order_by(Score.citizen_id).limit(VERIFIED_AT_ONCE).cte("held")
    )  # fmt: skip
    asked = func.array(select(held.c.citizen_id).scalar_subquery())
    t = select_totals(scheme, among=lambda citizen_id: citizen_id == func.any(asked))
    fresh = t.subquery("t").c
    result = _result(scheme, fresh)
    return (
        select(held.c.citizen_id, held.c.total, result["total"])
        .select_from(held.outerjoin(fresh.citizen_id.table,
                                    fresh.citizen_id == held.c.citizen_id))
        .where(_differs(held.c, result))
    )  # fmt: skip


def _store(connection: Connection, statement: Insert, parameters: Mapping[str, object]) -> int:
    connection.execute(_SETTINGS, {"size": WORK_MEMORY})
    return connection.execute(statement, parameters).rowcount


@lru_cache(maxsize=8)
def _storing_some(document: str) -> Insert:
    asked = bindparam("citizens", type_=ARRAY(Uuid()))
    some = func.unnest(asked).table_valued(column("citizen_id", Uuid()), name="u").render_derived()
    held = select(some.c.citizen_id, *_columns(*_RESULT, "computed_at")).select_from(
        some.outerjoin(Score, Score.citizen_id == some.c.citizen_id)
    )
    return _storing(document, held, lambda citizen_id: citizen_id == func.any(asked))


@lru_cache(maxsize=8)
def _storing_slice(document: str) -> Insert:
    """Whoever has a result, and whoever had one."""
    first, last = bindparam("first", type_=Uuid()), bindparam("last", type_=Uuid())
    held = select(*_columns("citizen_id", *_RESULT, "computed_at")).where(
        Score.citizen_id.between(first, last)
    )
    return _storing(document, held, lambda citizen_id: citizen_id.between(first, last))


def _storing(document: str, held: Select[Any], among: Among) -> Insert:
    """Only what differs is written: an update on conflict locks and logs even what stays.

    What is compared with cannot change in between, because whoever stores scores is alone.
    """
    scheme = parse_scheme(document, catalogue=None)
    s, t = held.subquery("h").c, select_totals(scheme, among=among).subquery("t").c
    result = _result(scheme, t)
    differs = or_(s.computed_at.is_(None), _differs(s, result))
    citizen_id = func.coalesce(s.citizen_id, t.citizen_id)
    rows = (
        select(citizen_id, AS_OF, *(result[name] for name in _RESULT))
        .select_from(outerjoin(s.citizen_id.table, t.citizen_id.table,
                               s.citizen_id == t.citizen_id, full=True))
        .where(differs)
    )  # fmt: skip
    made = insert(Score).from_select(["citizen_id", "as_of_on", *_RESULT], rows)
    return made.on_conflict_do_update(
        index_elements=["citizen_id"],
        set_={name: made.excluded[name] for name in ("as_of_on", *_RESULT)}
        | {"computed_at": func.now()},
    ).execution_options(preserve_rowcount=True)


def _result(scheme: Scheme, t: Any) -> dict[str, ColumnElement[Any]]:
    """What is stored of a result: of nothing, the least that everybody has."""
    return {
        "total": func.coalesce(t.total, 0),
        "tier": func.coalesce(t.tier, literal(least_tier(scheme), Text())),
        "dimensions": func.coalesce(t.dimensions, text("'{}'")),
        "scheme_code": literal(scheme.code, Text()),
        "scheme_version": literal(scheme.version, Text()),
        "changes_on": t.changes_on,
    }


def _differs(s: Any, result: Mapping[str, ColumnElement[Any]]) -> ColumnElement[bool]:
    return or_(*(s[name].is_distinct_from(given) for name, given in result.items()))


def _columns(*names: str) -> list[ColumnElement[Any]]:
    return [Score.__table__.c[name] for name in names]

"""Files for fare engines: once a day everything an operator may know, and what has changed.

JSON Lines in parts, each with a head; an account that is in no full file rides at everybody's fare.
The bytes never change; a detached JWS over them is made when it is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from app.benefits.queries import find_current
from app.benefits.values import ORDINARY_PRICE_PERCENT
from app.kernel.clock import CITY_TODAY, city_today
from app.kernel.database import alone, reading, transaction
from app.kernel.ids import new_id
from app.transit import refusals
from app.transit.models import TransitAccount, TransitFile, TransitOperator
from app.transit.operations import promised_until
from app.transit.operators import LOCATION_PURPOSE, require_operator

FORMAT: Final = "integrity-card-transit/1"
PART_LINES_MAX: Final = 20_000
REFRESHED_AT_ONCE: Final = 500
FILES_KEPT: Final = timedelta(days=14)
FULL: Final = "full"
CHANGES: Final = "changes"
_REFRESH_SOME: Final = text("""
    SELECT a.citizen_id FROM (
        SELECT x.citizen_id FROM transit_accounts x
        WHERE x.merchant_id = :merchant AND x.citizen_id > :after
        ORDER BY x.citizen_id LIMIT :limit
    ) a, LATERAL transit_refresh(a.citizen_id, :merchant, :latest) r ORDER BY a.citizen_id
""")
_TIMEOUT: Final = text("SET LOCAL statement_timeout = '10min'")  # the first file holds everybody
# One statement, hence one snapshot: what is filed is what the file says, and whoever of whom
# something else is filed than before has a line that says so.
_FILE_CHANGES: Final = text("""
    WITH filed AS (
        UPDATE transit_accounts a
        SET filed_percent = n.percent, filed_from = n.valid_from, filed_until = n.valid_until
        FROM (
            SELECT x.citizen_id, coalesce(e.price_percent, 100) AS percent, e.valid_from,
                e.valid_until
            FROM transit_accounts x
            LEFT JOIN transit_entitlements e ON e.citizen_id = x.citizen_id
                AND e.merchant_id = x.merchant_id
                AND e.valid_from <= :moment AND e.valid_until > :moment
            WHERE x.merchant_id = :merchant
        ) n
        WHERE a.merchant_id = :merchant AND a.citizen_id = n.citizen_id
          AND (a.filed_percent, a.filed_from, a.filed_until)
              IS DISTINCT FROM (n.percent, n.valid_from, n.valid_until)
        RETURNING a.citizen_id, a.account_id, a.filed_percent, a.filed_from, a.filed_until
    )
    SELECT f.account_id, f.filed_percent, f.filed_from, f.filed_until,
        trail_append(f.citizen_id, uuidv7(), 'source', :source, 'transit_filed', ARRAY['benefits'],
            '', CASE WHEN f.filed_percent < :ordinary THEN concat_ws(', ',
                citizen_consent_basis(f.citizen_id, :purpose, :moment),
                citizen_consent_basis(f.citizen_id, :location, :moment))
            ELSE citizen_consent_basis(f.citizen_id, NULL, :moment) END)
    FROM filed f ORDER BY f.account_id
""")


@dataclass(frozen=True)
class FilePart:
    """A part of a file, without its content; `sha256` is hexadecimal."""

    file_id: UUID
    sequence: int
    kind: str
    part: int
    is_last: bool
    line_count: int
    made_on: date
    sha256: str


def make_due_files() -> int:
    """Make today's files of every operator that has none yet; for how many."""
    today_has = select(TransitFile.file_id).where(
        TransitFile.merchant_id == TransitOperator.merchant_id, TransitFile.made_on == CITY_TODAY
    )
    query = select(TransitOperator.merchant_id).where(~today_has.exists())
    with alone("transit files") as is_ours:
        if not is_ours:
            return 0
        with reading() as session:
            due = session.scalars(query).all()
        for merchant_id in due:
            make_files(merchant_id=merchant_id)
    return len(due)


def make_files(*, merchant_id: UUID) -> int:
    """Make the next files of one operator; their sequence.  `make_due_files` does it alone."""
    _refresh_everybody(merchant_id)
    last = select(func.coalesce(func.max(TransitFile.sequence), 0)).where(
        TransitFile.merchant_id == merchant_id
    )
    with transaction() as session:
        moment = session.execute(select(func.clock_timestamp())).scalar_one()
        head = {
            "format": FORMAT, "merchant_id": merchant_id,
            "sequence": session.execute(last).scalar_one() + 1,
            "made_on": city_today(session), "made_at": moment,
        }
        session.execute(_TIMEOUT)
        changes = session.execute(_FILE_CHANGES, _asked(session, merchant_id, moment)).all()
        _write(session, {**head, "kind": CHANGES}, changes)
        _write(session, {**head, "kind": FULL}, session.execute(_filed(merchant_id)))
    return int(head["sequence"])


def list_files(*, source_id: UUID, limit: int) -> list[FilePart]:
    """The operator's files, the newest first.  Refuses `not_transit_operator`."""
    operator = require_operator(source_id=source_id)
    query = (
        select(TransitFile).where(TransitFile.merchant_id == operator.merchant_id)
        .order_by(TransitFile.sequence.desc(), TransitFile.kind, TransitFile.part)
        .limit(limit)
    )
    with reading() as session:
        return [_part(row) for row in session.scalars(query)]


def open_file(*, source_id: UUID, file_id: UUID) -> bytes:
    """The bytes of a part.  Refuses `not_transit_operator`, `transit_file_unknown`."""
    operator = require_operator(source_id=source_id)
    with reading() as session:
        row = session.get(TransitFile, file_id)
    if row is None or row.merchant_id != operator.merchant_id:
        raise refusals.TransitFileUnknown
    return bytes(row.content)


def prune_files() -> int:
    """Delete files that were kept long enough; how many parts.

    The newest of an operator stay, whatever their age: their sequence goes on from them.
    """
    newer = TransitFile.__table__.alias()
    has_newer = select(newer.c.file_id).where(
        newer.c.merchant_id == TransitFile.merchant_id, newer.c.sequence > TransitFile.sequence
    )
    old = TransitFile.made_at < func.clock_timestamp() - FILES_KEPT
    with transaction() as session:
        gone = session.connection().execute(
            delete(TransitFile).where(old, has_newer.exists())
        )
        return int(gone.rowcount)


def _refresh_everybody(merchant_id: UUID) -> None:
    latest = promised_until()
    after = UUID(int=0)
    while True:
        with transaction() as session:
            done = session.scalars(_REFRESH_SOME, {
                "merchant": merchant_id, "after": after, "limit": REFRESHED_AT_ONCE,
                "latest": latest,
            }).all()  # fmt: skip
        if len(done) < REFRESHED_AT_ONCE:
            return
        after = done[-1]


def _asked(session: Session, merchant_id: UUID, moment: datetime) -> dict[str, Any]:
    operator = session.get_one(TransitOperator, merchant_id)
    benefit = find_current(code=operator.benefit_code)
    return {
        "merchant": merchant_id, "moment": moment, "source": operator.source_id,
        "ordinary": ORDINARY_PRICE_PERCENT, "location": LOCATION_PURPOSE,
        "purpose": None if benefit is None else benefit.consent_purpose,
    }


def _filed(merchant_id: UUID) -> Any:
    columns = (
        TransitAccount.account_id, TransitAccount.filed_percent, TransitAccount.filed_from,
        TransitAccount.filed_until,
    )
    query = select(*columns).where(
        TransitAccount.merchant_id == merchant_id, TransitAccount.filed_until.is_not(None)
    )
    return query.order_by(TransitAccount.account_id).execution_options(yield_per=PART_LINES_MAX)


def _write(session: Session, head: dict[str, Any], rows: Iterable[Any]) -> None:
    """Cut into parts, of which there is at least one."""
    for part, (lines, is_last) in enumerate(_parts(rows), start=1):
        told = {**head, "part": part, "is_last": is_last, "line_count": len(lines)}
        content = b"".join([_line(told), *(_line(_entry(row)) for row in lines)])
        facts = {name: told[name] for name in told if name != "format"}
        session.add(TransitFile(file_id=new_id(), content=content, **facts))
        session.flush()


def _parts(rows: Iterable[Any]) -> Iterator[tuple[list[Any], bool]]:
    left = iter(rows)
    lines = list(islice(left, PART_LINES_MAX))
    while True:
        following = list(islice(left, PART_LINES_MAX))
        yield lines, not following
        if not following:
            return
        lines = following


def _entry(row: Any) -> dict[str, UUID | int | datetime | None]:
    return {
        "account_id": row.account_id, "price_percent": row.filed_percent,
        "valid_from": row.filed_from, "valid_until": row.filed_until,
    }


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z) + b"\n"


def _part(row: TransitFile) -> FilePart:
    return FilePart(
        row.file_id, row.sequence, row.kind, row.part, row.is_last, row.line_count, row.made_on,
        hashlib.sha256(row.content).hexdigest(),
    )

"""What the ledger tells: balances, lots, entries, the points of any day, whether it is sound."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from app.kernel.database import hot_call, reading
from app.ledger.proof import Finding, find_faults

__all__ = ["Finding", "verify"]

PAGE_MAX = 200


@dataclass(frozen=True)
class Balance:
    """Points now; lots that are due do not count, whether the job has swept them or not."""

    balance_points: int
    held_points: int
    available_points: int


@dataclass(frozen=True)
class GuaranteeBalance:
    """A guarantee account: negative is owed, held is promised, available is what can be held."""

    account_id: UUID
    balance_fen: int
    held_fen: int
    credit_line_fen: int
    available_fen: int


@dataclass(frozen=True)
class Lot:
    """What is left of one grant; `expires_on` is the first day on which it no longer counts."""

    lot_id: UUID
    granted_points: int
    remaining_points: int
    held_points: int
    effective_on: date
    expires_on: date


@dataclass(frozen=True)
class Entry:
    """One line of an account's history, newest version last written."""

    transfer_id: UUID
    account_version: int
    kind: str
    reason: str | None
    reverses_id: UUID | None
    amount_units: int
    balance_after_units: int
    shortfall_units: int
    effective_on: date
    created_at: datetime


@dataclass(frozen=True)
class PointsOnDay:
    """The points at the end of a day; `lots` are (expiry, points), earliest first, same days added.

    `shortfall_points` is the sum noted with reversals up to that day.
    """

    on: date
    balance_points: int
    lots: tuple[tuple[date, int], ...]
    shortfall_points: int


@dataclass(frozen=True)
class DueAccount:
    """An account with lots that are due and not yet swept."""

    citizen_id: UUID
    subject_id: UUID
    due_on: date


_POINTS_ACCOUNT = """
    a.citizen_id = :citizen AND a.subject_id = :subject
    AND a.asset = 'points' AND a.purpose = 'points'
"""

# Movements up to the day make what is left of a lot; a movement takes effect with its lot at the
# earliest.  After a lot's expiry only what was still held on that day counts.
_LOTS_ON_DAY = f"""
    WITH account AS (SELECT a.account_id FROM ledger_accounts a WHERE {_POINTS_ACCOUNT}),
    moved AS (
        SELECT m.lot_id, sum(m.amount_units)::bigint AS units
        FROM ledger_lot_movements m
        WHERE m.citizen_id = :citizen AND m.effective_on <= :on
            AND (CAST(:known_at AS timestamptz) IS NULL OR EXISTS (
                SELECT FROM ledger_transfers t WHERE t.citizen_id = m.citizen_id
                    AND t.transfer_id = m.transfer_id AND t.created_at <= :known_at))
        GROUP BY m.lot_id
    ),
    held AS (
        SELECT h.lot_id, sum(h.amount_units)::bigint AS units
        FROM ledger_hold_lots h
        JOIN ledger_transfers t ON t.citizen_id = h.citizen_id AND t.transfer_id = h.hold_id
        LEFT JOIN ledger_transfers ending ON ending.citizen_id = h.citizen_id
            AND ending.hold_id = h.hold_id AND ending.outcome = 'accepted'
            AND (CAST(:known_at AS timestamptz) IS NULL OR ending.created_at <= :known_at)
        WHERE h.citizen_id = :citizen AND t.effective_on <= :on
            AND coalesce(ending.effective_on, ledger_city_date(t.hold_expires_at)) > :on
            AND (CAST(:known_at AS timestamptz) IS NULL OR t.created_at <= :known_at)
        GROUP BY h.lot_id
    ),
    lots AS (
        SELECT l.expires_on, CASE
            WHEN l.expires_on <= :on THEN coalesce(held.units, 0)
            ELSE l.granted_units + coalesce(moved.units, 0) END AS units
        FROM ledger_lots l
        JOIN account ON account.account_id = l.account_id
        JOIN ledger_transfers t ON t.citizen_id = l.citizen_id AND t.transfer_id = l.lot_id
        LEFT JOIN moved ON moved.lot_id = l.lot_id
        LEFT JOIN held ON held.lot_id = l.lot_id
        WHERE l.citizen_id = :citizen AND l.effective_on <= :on
            AND (CAST(:known_at AS timestamptz) IS NULL OR t.created_at <= :known_at)
    )
    SELECT expires_on, sum(units)::bigint AS units FROM lots
    GROUP BY expires_on HAVING sum(units) <> 0 ORDER BY expires_on
"""

_SHORTFALL_ON_DAY = f"""
    SELECT coalesce(sum(t.shortfall_units), 0)::bigint FROM ledger_transfers t
    JOIN ledger_accounts a ON a.citizen_id = t.citizen_id AND a.account_id = t.from_account_id
    WHERE {_POINTS_ACCOUNT} AND t.kind = 'reverse' AND t.outcome = 'accepted'
        AND t.effective_on <= :on
        AND (CAST(:known_at AS timestamptz) IS NULL OR t.created_at <= :known_at)
"""


_BALANCE_OF_SESSION = """
    SELECT citizen_session_is_live(%(citizen)s, %(session)s) AS is_live,
        b.balance AS balance_points, b.held AS held_points, b.available AS available_points
    FROM ledger_balance(%(citizen)s, %(citizen)s) b
"""


def balance(*, citizen_id: UUID, subject_id: UUID | None = None) -> Balance:
    """The points of a subject now; zeros when it has no account yet."""
    with reading() as session:
        row = session.execute(
            text("SELECT * FROM ledger_balance(:citizen, :subject)"),
            {"citizen": citizen_id, "subject": subject_id or citizen_id},
        ).one()
    return Balance(row.balance, row.held, row.available)


def balance_of_session(*, citizen_id: UUID, session_id: UUID) -> dict[str, int] | None:
    """A citizen's own balance in one round trip, as the answer's members; None: session ended."""
    row = hot_call(_BALANCE_OF_SESSION, {"citizen": citizen_id, "session": session_id})
    if row is None or not row.pop("is_live"):
        return None
    return row


def guarantee_balance(
    *, citizen_id: UUID, purpose: str, subject_id: UUID | None = None
) -> GuaranteeBalance | None:
    """A fen account of a subject, or None when it was never opened."""
    with reading() as session:
        row = session.execute(
            text(
                "SELECT a.* FROM ledger_accounts a WHERE a.citizen_id = :citizen"
                " AND a.subject_id = :subject AND a.asset = 'fen' AND a.purpose = :purpose"
            ),
            {"citizen": citizen_id, "subject": subject_id or citizen_id, "purpose": purpose},
        ).one_or_none()
    if row is None:
        return None
    return GuaranteeBalance(
        account_id=row.account_id,
        balance_fen=row.balance_units,
        held_fen=row.held_units,
        credit_line_fen=row.credit_line_units,
        available_fen=row.balance_units - row.held_units + row.credit_line_units,
    )


def lots(*, citizen_id: UUID, subject_id: UUID | None = None) -> list[Lot]:
    """The lots that count now, in spending order: with points left, and not due unless held."""
    with reading() as session:
        rows = session.execute(
            text(
                "SELECT l.* FROM ledger_lots l JOIN ledger_accounts a"
                "  ON a.citizen_id = l.citizen_id AND a.account_id = l.account_id"
                f" WHERE {_POINTS_ACCOUNT} AND l.citizen_id = :citizen AND l.is_open"
                "  AND (l.expires_on > ledger_city_date(now()) OR l.held_units > 0)"
                " ORDER BY l.expires_on, l.granted_version"
            ),
            {"citizen": citizen_id, "subject": subject_id or citizen_id},
        ).all()
    return [
        Lot(
            lot_id=row.lot_id,
            granted_points=row.granted_units,
            remaining_points=row.remaining_units,
            held_points=row.held_units,
            effective_on=row.effective_on,
            expires_on=row.expires_on,
        )
        for row in rows
    ]


def entries(
    *,
    citizen_id: UUID,
    subject_id: UUID | None = None,
    asset: str = "points",
    purpose: str = "points",
    before_version: int | None = None,
    limit: int = 50,
) -> list[Entry]:
    """A page of an account's history, newest first; `before_version` continues after a page."""
    with reading() as session:
        rows = session.execute(
            text(
                "SELECT e.transfer_id, e.account_version, t.kind, t.reason, t.reverses_id,"
                "  e.amount_units, e.balance_after_units, t.shortfall_units, e.effective_on,"
                "  e.created_at"
                " FROM ledger_accounts a JOIN ledger_entries e"
                "  ON e.citizen_id = a.citizen_id AND e.account_id = a.account_id"
                " JOIN ledger_transfers t"
                "  ON t.citizen_id = e.citizen_id AND t.transfer_id = e.transfer_id"
                " WHERE a.citizen_id = :citizen AND a.subject_id = :subject"
                "  AND a.asset = :asset AND a.purpose = :purpose"
                "  AND e.account_version < coalesce(CAST(:before AS bigint), a.version + 1)"
                " ORDER BY e.account_version DESC LIMIT :limit"
            ),
            {
                "citizen": citizen_id,
                "subject": subject_id or citizen_id,
                "asset": asset,
                "purpose": purpose,
                "before": before_version,
                "limit": min(limit, PAGE_MAX),
            },
        ).all()
    return [Entry(**row._asdict()) for row in rows]


def expired_points(*, citizen_id: UUID, since: datetime) -> int:
    """The points of a citizen's own account that expired after a moment."""
    with reading() as session:
        expired = session.scalar(
            text(
                "SELECT -sum(e.amount_units)"
                " FROM ledger_accounts a JOIN ledger_entries e"
                "  ON e.citizen_id = a.citizen_id AND e.account_id = a.account_id"
                " JOIN ledger_transfers t"
                "  ON t.citizen_id = e.citizen_id AND t.transfer_id = e.transfer_id"
                f" WHERE {_POINTS_ACCOUNT} AND t.kind = 'expire' AND e.created_at >= :since"
            ),
            {"citizen": citizen_id, "subject": citizen_id, "since": since},
        )
    return int(expired or 0)


def points_as_of(
    *,
    citizen_id: UUID,
    on: date,
    subject_id: UUID | None = None,
    known_at: datetime | None = None,
) -> PointsOnDay:
    """The points of any day, past or to come, from the entries that take effect up to it.

    `known_at` answers with what the ledger knew at that instant: entries posted later, even with an
    earlier day, do not change the answer.
    """
    parameters = {
        "citizen": citizen_id,
        "subject": subject_id or citizen_id,
        "on": on,
        "known_at": known_at,
    }
    with reading() as session:
        rows = session.execute(text(_LOTS_ON_DAY), parameters).all()
        shortfall = session.scalar(text(_SHORTFALL_ON_DAY), parameters)
    left = tuple((row.expires_on, row.units) for row in rows)
    return PointsOnDay(
        on=on,
        balance_points=sum(points for _, points in left),
        lots=left,
        shortfall_points=int(shortfall or 0),
    )


def accounts_with_due_lots(*, limit: int, due_on: date | None = None) -> list[DueAccount]:
    """Accounts whose lots are due on a day (default: today in the city) and not yet swept."""
    with reading() as session:
        rows = session.execute(
            text(
                "SELECT DISTINCT a.citizen_id, a.subject_id, d.day AS due_on"
                " FROM (SELECT coalesce(CAST(:due_on AS date), ledger_city_date(now())) AS day) d"
                " JOIN ledger_lots l ON l.is_open AND l.expires_on <= d.day"
                "  AND l.remaining_units > l.held_units"
                " JOIN ledger_accounts a"
                "  ON a.citizen_id = l.citizen_id AND a.account_id = l.account_id"
                " LIMIT :limit"
            ),
            {"limit": limit, "due_on": due_on},
        ).all()
    return [DueAccount(row.citizen_id, row.subject_id, row.due_on) for row in rows]


def due_holds(*, limit: int) -> list[tuple[UUID, UUID]]:
    """(citizen, hold) of open holds that are due by the database's clock, longest due first."""
    with reading() as session:
        rows = session.execute(
            text(
                "SELECT citizen_id, hold_id FROM ledger_open_holds"
                " WHERE expires_at <= clock_timestamp() ORDER BY expires_at LIMIT :limit"
            ),
            {"limit": limit},
        ).all()
    return [(row.citizen_id, row.hold_id) for row in rows]


def verify() -> list[Finding]:
    """Every fault of the ledger, the first bad row first; empty when it is sound.

    Checks invariants I1-I4 and I6-I10 in SQL, see `app.ledger.proof`.
    """
    with reading() as session:
        return find_faults(session)

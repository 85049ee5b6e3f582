"""Every posting of the ledger: thin, typed doors to its SQL functions.

Each operation needs an open transaction, takes the id that the caller made before sending, and
*returns* a refusal (it is a row, and must be committed); the outermost operation calls
`Posting.require_accepted()` after its commit.  Amounts are whole points, or fen for guarantees.
`effective_on` None means the database's day in Asia/Shanghai.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.kernel.database import hot_call, transaction, transaction_required
from app.kernel.errors import refusal
from app.kernel.ids import new_id
from app.ledger import queries, refusals

__all__ = ["Posting", "refusals"]


@dataclass(frozen=True)
class Posting:
    """The ledger's answer to one id; a retry gets the same one with `is_replay`.

    Balance and held are those right after the transfer, in units of the account's asset; None when
    no account was found or the id was reused.
    """

    transfer_id: UUID
    refusal_code: str | None
    is_replay: bool
    amount_units: int
    balance_after_units: int | None
    held_after_units: int | None
    shortfall_units: int

    @property
    def is_accepted(self) -> bool:
        """Whether the transfer was posted."""
        return self.refusal_code is None

    def require_accepted(self) -> Posting:
        """Raise the refusal, if it is one; for the outermost operation, after its commit."""
        if self.refusal_code is not None:
            raise refusal(self.refusal_code)
        return self


@dataclass(frozen=True)
class Anchor:
    """A value to publish: it commits to every account's chain up to this day."""

    anchor_id: UUID
    anchored_on: date
    digest: str  # hexadecimal
    head_count: int


def _post(statement: str, **parameters: object) -> Posting:
    row = transaction_required().execute(text(statement), parameters).one()
    return Posting(
        transfer_id=row.transfer_id,
        refusal_code=row.code,
        is_replay=row.replayed,
        amount_units=row.amount,
        balance_after_units=row.balance_after,
        held_after_units=row.held_after,
        shortfall_units=row.shortfall,
    )


def grant(
    *,
    citizen_id: UUID,
    transfer_id: UUID,
    amount_points: int,
    expires_on: date,
    reason: str,
    effective_on: date | None = None,
    subject_id: UUID | None = None,
) -> Posting:
    """Grant points as a new lot that counts until the day before `expires_on`.

    `subject_id` is whose account it is (default: the citizen's own).  Refuses `lot_expired`.
    """
    return _post(
        "SELECT * FROM ledger_grant(:citizen, :transfer, :subject, :amount, :expires_on,"
        " :effective_on, :reason)",
        citizen=citizen_id,
        transfer=transfer_id,
        subject=subject_id or citizen_id,
        amount=amount_points,
        expires_on=expires_on,
        effective_on=effective_on,
        reason=reason,
    )


@dataclass(frozen=True)
class NewGrant:
    """Points to grant to a citizen's own account; they count until the day before `expires_on`."""

    citizen_id: UUID
    transfer_id: UUID
    amount_points: int
    expires_on: date


def grant_many(
    *, grants: Sequence[NewGrant], reason: str, effective_on: date | None = None
) -> None:
    """Grant points to many citizens at once, in the given order: what `grant` does to each.

    Every id is new and every grant possible, or nothing is posted: sqlalchemy.exc.DBAPIError, for
    whoever uses an id twice or grants what has expired has made a mistake.
    """
    transaction_required().execute(
        text(
            "SELECT ledger_grant_many(CAST(:citizens AS uuid[]), CAST(:transfers AS uuid[]),"
            " CAST(:amounts AS bigint[]), CAST(:expiries AS date[]), :effective_on, :reason)"
        ),
        {
            "citizens": [grant.citizen_id for grant in grants],
            "transfers": [grant.transfer_id for grant in grants],
            "amounts": [grant.amount_points for grant in grants],
            "expiries": [grant.expires_on for grant in grants],
            "effective_on": effective_on,
            "reason": reason,
        },
    )


def spend(
    *,
    citizen_id: UUID,
    transfer_id: UUID,
    amount_points: int,
    reason: str,
    effective_on: date | None = None,
    subject_id: UUID | None = None,
) -> Posting:
    """Spend points, earliest expiry first.  Refuses `insufficient_points`."""
    return _post(
        "SELECT * FROM ledger_spend(:citizen, :transfer, :subject, :amount, :effective_on,"
        " :reason)",
        citizen=citizen_id,
        transfer=transfer_id,
        subject=subject_id or citizen_id,
        amount=amount_points,
        effective_on=effective_on,
        reason=reason,
    )


def hold(
    *,
    citizen_id: UUID,
    transfer_id: UUID,
    amount_points: int,
    expires_at: datetime,
    reason: str,
    subject_id: UUID | None = None,
) -> Posting:
    """Hold points until `expires_at` by the database's clock; `transfer_id` is the hold's id.

    Refuses `insufficient_points`, `hold_expired`.
    """
    return _post(
        "SELECT * FROM ledger_hold(:citizen, :transfer, :subject, :amount, :expires_at, :reason)",
        citizen=citizen_id,
        transfer=transfer_id,
        subject=subject_id or citizen_id,
        amount=amount_points,
        expires_at=expires_at,
        reason=reason,
    )


def hold_fen(
    *,
    citizen_id: UUID,
    transfer_id: UUID,
    purpose: str,
    amount_fen: int,
    expires_at: datetime,
    reason: str,
    subject_id: UUID | None = None,
) -> Posting:
    """Hold fen of a guarantee account within its credit line.

    Refuses `insufficient_credit`, `hold_expired`.
    """
    return _post(
        "SELECT * FROM ledger_hold_fen(:citizen, :transfer, :subject, :purpose, :amount,"
        " :expires_at, :reason)",
        citizen=citizen_id,
        transfer=transfer_id,
        subject=subject_id or citizen_id,
        purpose=purpose,
        amount=amount_fen,
        expires_at=expires_at,
        reason=reason,
    )


def post_hold(
    *,
    citizen_id: UUID,
    transfer_id: UUID,
    hold_id: UUID,
    amount_units: int | None = None,
    effective_on: date | None = None,
) -> Posting:
    """End a hold by taking all of it (None) or a part; the rest is released.

    Refuses `hold_not_found`, `hold_ended`, `hold_expired`, `amount_too_large`.
    """
    return _post(
        "SELECT * FROM ledger_post_hold(:citizen, :transfer, :hold, :amount, :effective_on)",
        citizen=citizen_id,
        transfer=transfer_id,
        hold=hold_id,
        amount=amount_units,
        effective_on=effective_on,
    )


def void_hold(*, citizen_id: UUID, transfer_id: UUID, hold_id: UUID) -> Posting:
    """End a hold by releasing all of it.

    Refuses `hold_not_found`, `hold_ended`, `hold_expired`.
    """
    return _post(
        "SELECT * FROM ledger_void_hold(:citizen, :transfer, :hold)",
        citizen=citizen_id,
        transfer=transfer_id,
        hold=hold_id,
    )


def expire_hold(*, citizen_id: UUID, transfer_id: UUID, hold_id: UUID) -> Posting:
    """End a hold whose time is over by the database's clock.

    Refuses `hold_not_found`, `hold_ended`, `hold_not_due`.
    """
    return _post(
        "SELECT * FROM ledger_expire_hold(:citizen, :transfer, :hold)",
        citizen=citizen_id,
        transfer=transfer_id,
        hold=hold_id,
    )


def reverse(
    *,
    citizen_id: UUID,
    transfer_id: UUID,
    reversed_id: UUID,
    effective_on: date | None = None,
    prefer_lot_id: UUID | None = None,
) -> Posting:
    """Undo a grant, a spend or a post, once, by a new transfer.

    A reversed grant takes what is available: from its own lot, then `prefer_lot_id`, then in
    spending order; the rest is `shortfall_units`.  A reversed spend returns the points to their
    lots.  Refuses `transfer_not_found`, `not_reversible`, `already_reversed`.
    """
    return _post(
        "SELECT * FROM ledger_reverse(:citizen, :transfer, :reversed, :effective_on, :prefer_lot)",
        citizen=citizen_id,
        transfer=transfer_id,
        reversed=reversed_id,
        effective_on=effective_on,
        prefer_lot=prefer_lot_id,
    )


def transfer_fen(
    *,
    citizen_id: UUID,
    transfer_id: UUID,
    from_account_id: UUID,
    to_account_id: UUID,
    amount_fen: int,
    reason: str,
    effective_on: date | None = None,
) -> Posting:
    """Move fen between accounts of one citizen, or between one and a programme account.

    Refuses `account_not_found`, `insufficient_credit`.
    """
    return _post(
        "SELECT * FROM ledger_transfer(:citizen, :transfer, :from_account, :to_account, :amount,"
        " :effective_on, :reason)",
        citizen=citizen_id,
        transfer=transfer_id,
        from_account=from_account_id,
        to_account=to_account_id,
        amount=amount_fen,
        effective_on=effective_on,
        reason=reason,
    )


def set_credit_line(
    *,
    citizen_id: UUID,
    transfer_id: UUID,
    purpose: str,
    amount_fen: int,
    subject_id: UUID | None = None,
) -> Posting:
    """Open a guarantee account if need be and set how far below zero it may go.

    Refuses `credit_line_in_use`.
    """
    return _post(
        "SELECT * FROM ledger_set_credit_line(:citizen, :transfer, :subject, 'fen',"
        " :purpose, :amount)",
        citizen=citizen_id,
        transfer=transfer_id,
        subject=subject_id or citizen_id,
        purpose=purpose,
        amount=amount_fen,
    )


def expire_lots(*, citizen_id: UUID, due_on: date, subject_id: UUID | None = None) -> int:
    """Expire what is free in the lots due on a day; the points that expired."""
    session = transaction_required()
    expired = session.scalar(
        text("SELECT ledger_expire_lots(:citizen, :subject, :due_on)"),
        {"citizen": citizen_id, "subject": subject_id or citizen_id, "due_on": due_on},
    )
    return int(expired or 0)


def expire_due_lots(*, limit: int, due_on: date | None = None) -> int:
    """For the job: sweep up to `limit` accounts with due lots; how many it swept.

    Each account is a transaction of its own, so that no lock waits for another.  The sweep must not
    overtake the deliveries: it takes a day not after the last one they may still be dated.
    """
    accounts = queries.accounts_with_due_lots(limit=limit, due_on=due_on)
    for account in accounts:
        hot_call(
            "SELECT ledger_expire_lots(%(citizen)s, %(subject)s, %(due_on)s)",
            {
                "citizen": account.citizen_id,
                "subject": account.subject_id,
                "due_on": account.due_on,
            },
        )
    return len(accounts)


def expire_due_holds(*, limit: int) -> int:
    """For the job: end up to `limit` holds that are due by the database's clock; how many ended."""
    ended = 0
    for citizen_id, hold_id in queries.due_holds(limit=limit):
        row = hot_call(
            "SELECT ledger_sweep_hold(%(citizen)s, %(hold)s) AS ended",
            {"citizen": citizen_id, "hold": hold_id},
        )
        ended += bool(row and row["ended"])
    return ended


def anchor_heads(*, anchored_on: date | None = None) -> Anchor:
    """For the daily job: commit to every head that moved; the same day gives the same anchor."""
    with transaction() as session:
        row: Any = session.execute(
            text(
                "SELECT * FROM ledger_anchor_heads(:anchor,"
                " coalesce(CAST(:day AS date), ledger_city_date(now())))"
            ),
            {"anchor": new_id(), "day": anchored_on},
        ).one()
    return Anchor(
        anchor_id=row.anchor_id,
        anchored_on=row.anchored_on,
        digest=row.digest.hex(),
        head_count=row.head_count,
    )

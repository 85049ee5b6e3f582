"""Points of a delivery's rows: allotted here, posted by the ledger in row order, in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.kernel.database import copy_rows
from app.ledger.operations import NewGrant, grant_many
from app.records.keeping import KeptRow
from app.scoring.models import RecordGrant
from app.scoring.points import Allotment, CapKey, Grant, RecordKey, grant_rule
from app.scoring.scheme import Scheme

ACCEPTED = "accepted"
GRANT = "grant"
INSUFFICIENT_POINTS = "insufficient_points"

_GRANTS_IN_FORCE = text("""
    SELECT g.citizen_id, g.record_number, g.version, g.indicator, g.event_on, g.expires_on,
           g.granted_points, g.transfer_id
    FROM unnest(CAST(:citizens AS uuid[]), CAST(:numbers AS text[])) AS k (citizen_id, number)
    JOIN record_grants g ON g.citizen_id = k.citizen_id AND g.record_type = :record_type
        AND g.record_number = k.number AND g.in_force
""")
_USED_POINTS = text("""
    SELECT k.citizen_id, k.indicator, k.event_on, sum(g.granted_points)::bigint
    FROM unnest(CAST(:citizens AS uuid[]), CAST(:indicators AS text[]), CAST(:days AS date[]))
        AS k (citizen_id, indicator, event_on)
    JOIN record_grants g ON g.citizen_id = k.citizen_id AND g.indicator = k.indicator
        AND g.event_on = k.event_on AND g.in_force
    GROUP BY k.citizen_id, k.indicator, k.event_on
""")
_END_GRANTS = text("""
    UPDATE record_grants g SET in_force = false
    FROM unnest(CAST(:citizens AS uuid[]), CAST(:numbers AS text[]), CAST(:versions AS bigint[]))
        AS k (citizen_id, record_number, version)
    WHERE g.citizen_id = k.citizen_id AND g.record_type = :record_type
        AND g.record_number = k.record_number AND g.version = k.version
""")
# unnest gives its rows in order, and OFFSET 0 keeps each call where it stands: once per row.
_POST = text("""
    SELECT o.place, (x.answer).outcome, (x.answer).code
    FROM unnest(CAST(:kinds AS text[]), CAST(:citizens AS uuid[]), CAST(:transfers AS uuid[]),
                CAST(:amounts AS bigint[]), CAST(:expiries AS date[]), CAST(:reversed AS uuid[]),
                CAST(:preferred AS uuid[]))
        WITH ORDINALITY
        AS o (kind, citizen, transfer, amount, expires_on, reversed, preferred, place),
    LATERAL (
        SELECT CASE o.kind
            WHEN 'grant' THEN ledger_grant(o.citizen, o.transfer, o.citizen, o.amount,
                o.expires_on, CAST(:effective_on AS date), :reason)
            WHEN 'reverse' THEN ledger_reverse(o.citizen, o.transfer, o.reversed,
                CAST(:effective_on AS date), o.preferred)
            ELSE ledger_spend(o.citizen, o.transfer, o.citizen, o.amount,
                CAST(:effective_on AS date), :reason)
        END AS answer OFFSET 0
    ) x
""")


class LedgerDisagreesError(RuntimeError):
    """The ledger refused what must be possible: a bug, and nothing of the delivery is kept."""


class Posting(NamedTuple):
    """One call of the ledger; `kind` is grant, reverse or spend."""

    kind: str
    citizen_id: UUID
    transfer_id: UUID
    amount_points: int | None = None
    expires_on: date | None = None
    reversed_id: UUID | None = None
    prefer_lot: UUID | None = None


@dataclass
class _Changes:
    """What a chunk of rows does to points."""

    postings: list[Posting] = field(default_factory=list)
    made: list[tuple[RecordKey, Grant]] = field(default_factory=list)
    ended: list[tuple[RecordKey, Grant]] = field(default_factory=list)


class LedgerPoints:
    """Settles the points of a delivery's rows under one scheme (`records.taking.Points`)."""

    def __init__(self, session: Session, scheme: Scheme) -> None:
        self._session = session
        self._scheme = scheme

    def spend(self, rows: Sequence[KeptRow]) -> frozenset[int]:
        """Spend what orders ask for; the row numbers of those that ask for more than there is."""
        postings = [
            Posting(
                kind="spend",
                citizen_id=row.citizen_id,
                transfer_id=transfer_id(row, "spend"),
                amount_points=int(row.measures["points"]),
            )
            for row in rows
        ]
        refused = set()
        for row, answer in zip(rows, self._post(rows, postings), strict=True):
            if answer.outcome != ACCEPTED:
                if answer.code != INSUFFICIENT_POINTS:
                    raise LedgerDisagreesError(answer.code)
                refused.add(row.row_number)
        return frozenset(refused)

    def follow(self, rows: Sequence[KeptRow]) -> None:
        """Grant for new versions and take back what the versions before them granted.

        Taken back is also what rules granted that are no longer in force.
        """
        in_force = self._grants_in_force([row for row in rows if not row.is_new_record])
        if not rows or not (in_force or self._grants_points(rows[0].record_type)):
            return
        allotment = Allotment(in_force, self._used_points(list(self._cap_keys(rows))))
        changes = _Changes()
        for row in rows:
            self._change(row, allotment, changes)
        self._settle(rows, changes.postings)
        self._keep(rows[0].record_type, changes)

    def _grants_points(self, record_type: str) -> bool:
        granting = {rule.indicator for rule in self._scheme.points.grants}
        return any(
            indicator.code in granting and indicator.record_type == record_type
            for indicator in self._scheme.indicators
        )

    def _grants_in_force(self, rows: Sequence[KeptRow]) -> dict[RecordKey, Grant]:
        if not rows:
            return {}
        found = self._session.execute(
            _GRANTS_IN_FORCE,
            {
                "citizens": [row.citizen_id for row in rows],
                "numbers": [row.record_number for row in rows],
                "record_type": rows[0].record_type,
            },
        )
        return {
            RecordKey(citizen_id, number): Grant(*rest) for citizen_id, number, *rest in found
        }

    def _used_points(self, keys: Sequence[CapKey]) -> dict[CapKey, int]:
        used = self._session.execute(
            _USED_POINTS,
            {
                "citizens": [key.citizen_id for key in keys],
                "indicators": [key.indicator for key in keys],
                "days": [key.event_on for key in keys],
            },
        )
        return {CapKey(*key): points for *key, points in used}

    def _cap_keys(self, rows: Iterable[KeptRow]) -> set[CapKey]:
        rules = [(row, grant_rule(self._scheme, row)) for row in rows]
        return {
            CapKey(row.citizen_id, rule.indicator, row.event_on)
            for row, rule in rules
            if rule is not None and row.event_on is not None
        }

    def _change(self, row: KeptRow, allotment: Allotment, changes: _Changes) -> None:
        """The new version's grant first, as a new lot; then the old version's is reversed."""
        key = RecordKey(row.citizen_id, row.record_number)
        old = allotment.take_back(key)
        new = allotment.grant(row, scheme=self._scheme, transfer_id=transfer_id(row, "grant"))
        new_lot = None
        if new is not None:
            changes.made.append((key, new))
            new_lot = new.transfer_id
        if new is not None and new_lot is not None:
            changes.postings.append(
                Posting(
                    kind=GRANT,
                    citizen_id=row.citizen_id,
                    transfer_id=new_lot,
                    amount_points=new.granted_points,
                    expires_on=new.expires_on,
                )
            )
        if old is None:
            return
        changes.ended.append((key, old))
        if old.transfer_id is not None:
            changes.postings.append(
                Posting(
                    kind="reverse",
                    citizen_id=row.citizen_id,
                    transfer_id=transfer_id(row, "reverse"),
                    reversed_id=old.transfer_id,
                    prefer_lot=new_lot,
                )
            )

    def _settle(self, rows: Sequence[KeptRow], postings: Sequence[Posting]) -> None:
        """Post what must be possible: in bulk for everybody who is only granted something.

        The order counts for each citizen; nobody's points depend on another's.
        """
        reversing = {posting.citizen_id for posting in postings if posting.kind != GRANT}
        mixed = [posting for posting in postings if posting.citizen_id in reversing]
        plain = [posting for posting in postings if posting.citizen_id not in reversing]
        grants = [_new_grant(posting) for posting in plain]
        if grants:
            grant_many(grants=grants, reason=_reason(rows), effective_on=rows[0].delivered_on)
        for answer in self._post(rows, mixed):
            if answer.outcome != ACCEPTED:
                raise LedgerDisagreesError(answer.code)

    def _post(self, rows: Sequence[KeptRow], postings: Sequence[Posting]) -> Sequence[Row[Any]]:
        if not postings:
            return []
        answers = self._session.execute(
            _POST,
            {
                "kinds": [posting.kind for posting in postings],
                "citizens": [posting.citizen_id for posting in postings],
                "transfers": [posting.transfer_id for posting in postings],
                "amounts": [posting.amount_points for posting in postings],
                "expiries": [posting.expires_on for posting in postings],
                "reversed": [posting.reversed_id for posting in postings],
                "preferred": [posting.prefer_lot for posting in postings],
                "effective_on": rows[0].delivered_on,
                "reason": _reason(rows),
            },
        ).all()
        return sorted(answers, key=lambda answer: answer.place)

    def _keep(self, record_type: str, changes: _Changes) -> None:
        made = [_grant_row(record_type, key, grant) for key, grant in changes.made]
        copy_rows(self._session, RecordGrant, made)
        if changes.ended:
            self._session.execute(
                _END_GRANTS,
                {
                    "citizens": [key.citizen_id for key, _ in changes.ended],
                    "numbers": [key.record_number for key, _ in changes.ended],
                    "versions": [grant.version for _, grant in changes.ended],
                    "record_type": record_type,
                },
            )


def transfer_id(row: KeptRow, kind: str) -> UUID:
    """The id of what a row does to points: the same whenever the row is taken again."""
    return uuid5(row.delivery_id, f"{row.row_number}:{kind}")


def _reason(rows: Sequence[KeptRow]) -> str:
    return f"record.{rows[0].record_type}"


def _new_grant(posting: Posting) -> NewGrant:
    assert posting.amount_points is not None
    assert posting.expires_on is not None
    return NewGrant(
        citizen_id=posting.citizen_id, transfer_id=posting.transfer_id,
        amount_points=posting.amount_points, expires_on=posting.expires_on,
    )


def _grant_row(record_type: str, key: RecordKey, grant: Grant) -> dict[str, object]:
    return {
        "citizen_id": key.citizen_id,
        "record_type": record_type,
        "record_number": key.record_number,
        "version": grant.version,
        "indicator": grant.indicator,
        "event_on": grant.event_on,
        "expires_on": grant.expires_on,
        "granted_points": grant.granted_points,
        "transfer_id": grant.transfer_id,
        "in_force": True,
    }

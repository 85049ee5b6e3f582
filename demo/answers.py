"""Collects what came out of a folder of deliveries, in the shape of its expected.json."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from app.kernel.keys import KeyProvider
from app.ledger.queries import points_as_of
from app.members.queries import RegisteredPerson, find_citizens_by_id_numbers
from app.records.catalogue import REGISTER, load_catalogue
from app.records.judging import find_person, is_blank
from app.records.queries import list_refusals
from app.records.reading import FileRefusedError, open_table
from app.records.steps import Row
from app.scoring.queries import list_indicator_points, list_scores, scheme_in_force
from app.scoring.scheme import Scheme
from demo.load import BadFolderError, ListedDelivery, LoadedDelivery

OUTCOMES = ("accepted", "corrected", "voided", "duplicate", "superseded", "dropped")
ALL_ROWS = 1 << 31


def collect_results(
    *, keys: KeyProvider, folder: Path, loaded: Sequence[LoadedDelivery], as_of: Sequence[date]
) -> dict[str, Any]:
    """The reports of the deliveries, and each member's result on each day."""
    schemes = {day: _scheme_of(day) for day in as_of}
    people = _members(keys, folder, [one.listed for one in loaded])
    days = {day: _results_of_day(schemes[day], day, people.values()) for day in as_of}
    last = schemes[max(as_of)]
    return {
        "scheme": {"code": last.code, "version": last.version},
        "as_of": [day.isoformat() for day in as_of],
        "deliveries": [
            report_of(one) for one in sorted(loaded, key=lambda one: one.listed.seq)
        ],
        "members": {
            number: {day.isoformat(): days[day].get(person.citizen_id) for day in as_of}
            for number, person in sorted(people.items())
        },
    }


def report_of(one: LoadedDelivery) -> dict[str, Any]:
    """The report of one delivery, with the row numbers of the refused rows by reason."""
    report = one.report
    refused: dict[str, list[int]] = {}
    for part in one.parts:
        for row in list_refusals(delivery_id=part.report.delivery_id, limit=ALL_ROWS):
            refused.setdefault(row.reason, []).append(row.row_number + part.row_shift)
    return {
        "seq": one.listed.seq,
        "file": one.listed.file,
        "delivered_on": one.listed.delivered_on.isoformat(),
        "status": report.status,
        "file_reason": report.file_reason,
        "rows": report.row_count,
        "blank": report.blank_count,
        **{name: getattr(report, f"{name}_count") for name in OUTCOMES},
        "refused_total": report.refused_count,
        "refused": dict(sorted(refused.items())),
    }


def _scheme_of(day: date) -> Scheme:
    scheme = scheme_in_force(on=day)
    if scheme is None:
        raise BadFolderError(f"no scheme applies on {day.isoformat()}")
    return scheme


def _members(
    keys: KeyProvider, folder: Path, listed: Iterable[ListedDelivery]
) -> dict[str, RegisteredPerson]:
    """The members by identity number, which only the register's file shows in the clear."""
    numbers: set[str] = set()
    for one in listed:
        if one.record_type == REGISTER:
            numbers |= _id_numbers(folder, one)
    return find_citizens_by_id_numbers(keys=keys, id_numbers=numbers)


def _id_numbers(folder: Path, listed: ListedDelivery) -> set[str]:
    catalogue = load_catalogue()
    with (folder / listed.file).open("rb") as file:
        try:
            table = open_table(
                file, encoding=listed.encoding, catalogue=catalogue,
                record_type=catalogue.record_types[REGISTER],
            )
        except FileRefusedError:
            return set()
        rows = [
            Row(cells, table.layout, listed.delivered_on)
            for _, cells in table.rows
            if not is_blank(cells)
        ]
    return {row.id_number for row in rows if find_person(row) is None}


def _results_of_day(
    scheme: Scheme, day: date, people: Collection[RegisteredPerson]
) -> dict[UUID, dict[str, Any]]:
    """The results of those who have joined by then."""
    ids = [person.citizen_id for person in people if person.joined_on <= day]
    indicators: dict[UUID, dict[str, int]] = {citizen_id: {} for citizen_id in ids}
    for one in list_indicator_points(scheme=scheme, as_of=day, citizen_ids=ids):
        if one.points:
            indicators[one.citizen_id][one.indicator] = one.points
    return {
        score.citizen_id: {
            "indicators": indicators[score.citizen_id],
            "dimensions": score.dimensions,
            "total": score.total,
            "tier": score.tier,
            "points": _points(score.citizen_id, day),
        }
        for score in list_scores(scheme=scheme, as_of=day, citizen_ids=ids)
    }


def _points(citizen_id: UUID, day: date) -> dict[str, Any]:
    points = points_as_of(citizen_id=citizen_id, on=day)
    return {
        "balance": points.balance_points,
        "lots": [[expires_on.isoformat(), left] for expires_on, left in points.lots],
        "shortfall": points.shortfall_points,
    }

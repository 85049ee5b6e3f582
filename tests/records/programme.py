"""A small programme: a few registered people, and files written by hand."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from flask import Flask

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.members.operations import NewMember, register_members
from app.records.catalogue import load_catalogue
from app.records.operations import DeliveryRequest, register_source
from app.records.queries import DeliveryReport, list_refusals
from app.records.reading import Encoding
from app.scoring.operations import take_delivery
from demo.load import prepare_programme
from tests.members.people import made_up_member

HOURS = "volunteer_hours"
DAY = date(2026, 6, 12)


@dataclass
class Programme:
    """What tests need at hand; `people` joined on 2026-01-05."""

    keys: KeyProvider
    source_id: UUID
    people: list[NewMember]
    citizens: list[UUID]
    sent: list[DeliveryReport] = field(default_factory=list)

    def deliver(
        self,
        record_type: str,
        *rows: Sequence[str],
        on: date = DAY,
        delivery_id: UUID | None = None,
        content: bytes | None = None,
        encoding: Encoding = Encoding.UTF_8,
        file_name: str = "file.csv",
    ) -> DeliveryReport:
        """Send rows (in the order of the catalogue's columns), or a file as it is."""
        raw = csv_file(record_type, *rows) if content is None else content
        request = DeliveryRequest(
            delivery_id=delivery_id or new_id(),
            record_type=record_type,
            delivered_on=on,
            encoding=encoding,
            file_name=file_name,
            source_id=self.source_id,
            may_be_ahead=True,
        )
        report = take_delivery(keys=self.keys, request=request, file=io.BytesIO(raw))
        self.sent.append(report)
        return report

    def hours(self, number: str, hours: str, **changes: str) -> list[str]:
        """A row of volunteer hours of the first person."""
        fields = {
            "version": "1", "status": "有效", "person": self.people[0].id_number,
            "day": "2026-05-02", "activity": "河道清洁", **changes,
        }  # fmt: skip
        return [
            number, fields["version"], fields["status"], fields["person"], fields["day"], hours,
            fields["activity"],
        ]  # fmt: skip


def build_programme(app: Flask, *, people: int = 2) -> Programme:
    keys: KeyProvider = app.extensions["card_keys"]
    prepare_programme()
    members = [made_up_member() for _ in range(people)]
    with transaction():
        registered = register_members(keys=keys, people=members)
    types = [code for code, kind in load_catalogue().record_types.items() if not kind.register]
    source_id = new_id()
    register_source(
        keys=keys, source_id=source_id, unit=f"测试单位 {source_id}", record_types=types
    )
    return Programme(keys, source_id, members, [one.citizen_id for one in registered])


def header(record_type: str) -> list[str]:
    return [column.name for column in load_catalogue().record_types[record_type].columns]


def csv_file(record_type: str, *rows: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header(record_type), *rows])
    return text.getvalue().encode()


def refusals(report: DeliveryReport) -> dict[int, str]:
    return {row.row_number: row.reason for row in list_refusals(delivery_id=report.delivery_id)}
